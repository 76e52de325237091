#include "array.h"

#include <limits>

namespace alice {

std::int64_t checked_numel(const Dims& shape) {
  // Leaves room for 8-byte elements, so that byte sizes and offsets cannot overflow either. Zero-size
  // dimensions do not hide an absurd neighbour: strides are products of all of them.
  constexpr std::int64_t limit = std::numeric_limits<std::int64_t>::max() / 16;
  std::int64_t product = 1;
  bool empty = false;
  for (std::int64_t d : shape) {
    if (d < 0) fail(ErrorKind::Shape, "shape: dimensions must not be negative; got ", shape);
    if (d == 0) {
      empty = true;
      continue;
    }
    if (product > limit / d) fail(ErrorKind::Shape, "shape: too many elements to address; got ", shape);
    product *= d;
  }
  return empty ? 0 : product;
}

Dims contiguous_strides(const Dims& shape) {
  Dims strides = shape;
  std::int64_t step = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= shape[i] > 0 ? shape[i] : 1;
  }
  return strides;
}

Array Array::empty(const Dims& shape, DType dtype) {
  Array a = abstract(shape, dtype);
  const std::int64_t n = checked_numel(shape);
  a.storage_ = StorageRef(Storage::allocate(static_cast<std::size_t>(n) * itemsize(dtype)));
  a.data_ = a.storage_->data;
  a.device_ = Device::Cpu;
  return a;
}

Array Array::abstract(const Dims& shape, DType dtype) {
  Array a;
  a.shape_ = shape;
  a.strides_ = contiguous_strides(shape);
  a.dtype_ = dtype;
  return a;
}

Array Array::view(const Array& base, const Dims& shape, const Dims& strides, std::int64_t offset) {
  Array a;
  a.storage_ = base.storage_;
  a.data_ = base.data_ ? base.data_ + offset * static_cast<std::int64_t>(itemsize(base.dtype_)) : nullptr;
  a.dtype_ = base.dtype_;
  a.device_ = base.device_;
  a.shape_ = shape;
  a.strides_ = strides;
  return a;
}

Array Array::wrap(StorageRef storage, std::byte* data, DType dtype, const Dims& shape, const Dims& strides) {
  Array a;
  a.storage_ = std::move(storage);
  a.data_ = data;
  a.dtype_ = dtype;
  a.device_ = Device::Cpu;
  a.shape_ = shape;
  a.strides_ = strides;
  return a;
}

bool Array::is_contiguous() const {
  std::int64_t step = 1;
  if (numel() == 0) return true;
  for (int i = rank() - 1; i >= 0; --i) {
    if (shape_[i] != 1 && strides_[i] != step) return false;
    step *= shape_[i];
  }
  return true;
}

}  // namespace alice
