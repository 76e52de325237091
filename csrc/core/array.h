// Array: a strided view of shared storage, with a dtype and a device. The only value that kernels see.
#pragma once

#include "dims.h"
#include "dtype.h"
#include "storage.h"

namespace alice {

// An Abstract array has a shape and a dtype but no memory: functions run on it to learn shapes,
// dtypes and the trace without touching data.
enum class Device : std::uint8_t { Cpu, Abstract };
inline constexpr int kDeviceCount = 1;  // devices that hold memory, hence have kernels

constexpr const char* name(Device d) { return d == Device::Cpu ? "cpu" : "abstract"; }

// Can every element, up to 8 bytes long, be addressed? Axes of size 0 do not hide an absurd neighbour: strides are
// products of the others.
bool is_addressable(const Dims& shape);
std::int64_t checked_numel(const Dims& shape);  // Error if a dimension is negative or the byte size overflows
Dims contiguous_strides(const Dims& shape);

class Array {
 public:
  Array() = default;

  static Array empty(const Dims& shape, DType dtype);     // contiguous, 64-byte aligned, not initialised
  static Array abstract(const Dims& shape, DType dtype);  // no memory
  static Array allocate(const Array& layout);             // memory for an abstract array that is contiguous
  static Array view(const Array& base, const Dims& shape, const Dims& strides, std::int64_t offset);
  static Array wrap(StorageRef storage, std::byte* data, DType dtype, const Dims& shape, const Dims& strides);

  const Dims& shape() const { return shape_; }
  const Dims& strides() const { return strides_; }  // in elements, may be 0 or negative
  int rank() const { return shape_.size(); }
  std::int64_t dim(int axis) const { return shape_[axis]; }
  std::int64_t numel() const {
    std::int64_t n = 1;
    for (std::int64_t d : shape_) n *= d;
    return n;
  }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  bool is_abstract() const { return device_ == Device::Abstract; }
  bool is_contiguous() const;

  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(data_);
  }
  std::byte* bytes() const { return data_; }
  const StorageRef& storage() const { return storage_; }

  // The same layout in other memory, which somebody else keeps alive.
  void point_to(std::byte* data) { data_ = data; }

  // The same layout of the same storage, but abstract: what a trace sees of an array from outside. The storage tells
  // when it was changed in place.
  Array hidden() const {
    Array a = *this;
    a.data_ = nullptr;
    a.device_ = Device::Abstract;
    return a;
  }

  // The same layout with elements of another dtype: a description, for shape rules.
  Array as(DType dtype) const {
    Array a = *this;
    a.dtype_ = dtype;
    return a;
  }

  // The same description without the memory: what a gradient rule that needs only shapes may keep.
  Array shape_only() const { return abstract(shape_, dtype_); }
  Array layout_only() const;  // with the strides

 private:
  StorageRef storage_;
  std::byte* data_ = nullptr;
  DType dtype_ = DType::Float32;
  Device device_ = Device::Abstract;
  Dims shape_;
  Dims strides_;
};

}  // namespace alice
