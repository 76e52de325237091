#include "array.h"

#include <limits>

namespace alice {

bool is_addressable(const Dims& shape) {
  constexpr std::int64_t limit = std::numeric_limits<std::int64_t>::max() / 16;
  std::int64_t product = 1;
  for (std::int64_t d : shape) {
    if (d == 0) continue;
    if (d < 0 || __builtin_mul_overflow(product, d, &product) || product > limit) return false;
  }
  return true;
}

std::int64_t checked_numel(const Dims& shape) {
  if (!is_addressable(shape)) {
    for (std::int64_t d : shape)
      if (d < 0) fail(ErrorKind::Shape, "shape: dimensions must not be negative; got ", shape);
    fail(ErrorKind::Shape, "shape: too many elements to address; got ", shape);
  }
  std::int64_t product = 1;
  for (std::int64_t d : shape) product *= d;
  return product;
}

Dims contiguous_strides(const Dims& shape) {
  Dims strides = shape;
  std::uint64_t step = 1;  // wraps for shapes that nobody has checked yet, whose strides nobody uses
  for (int i = shape.size() - 1; i >= 0; --i) {
    strides[i] = static_cast<std::int64_t>(step);
    step *= shape[i] > 0 ? static_cast<std::uint64_t>(shape[i]) : 1;
  }
  return strides;
}

Array Array::empty(const Dims& shape, DType dtype) {
  checked_numel(shape);
  return allocate(abstract(shape, dtype));
}

Array Array::abstract(const Dims& shape, DType dtype) {
  Array a;
  a.shape_ = shape;
  a.strides_ = contiguous_strides(shape);
  a.dtype_ = dtype;
  return a;
}

Array Array::layout_only() const {
  Array a;
  a.shape_ = shape_;
  a.strides_ = strides_;
  a.dtype_ = dtype_;
  return a;
}

Array Array::allocate(const Array& layout) {
  Array a = layout;
  a.storage_ = StorageRef(Storage::allocate(static_cast<std::size_t>(a.numel()) * itemsize(a.dtype_)));
  a.data_ = a.storage_->data;
  a.device_ = Device::Cpu;
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
  const std::int64_t *shape = shape_.begin(), *strides = strides_.begin();
  std::int64_t step = 1;
  for (int i = rank() - 1; i >= 0; --i) {
    if (shape[i] != 1 && strides[i] != step) return numel() == 0;
    step *= shape[i];
  }
  return true;
}

}  // namespace alice
