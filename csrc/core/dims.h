// A short inline vector of extents, strides or axes: shapes never touch the heap.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <ostream>

#include "error.h"

namespace alice {

inline constexpr int kMaxRank = 12;

class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<std::int64_t> values) {
    for (std::int64_t v : values) push_back(v);
  }
  // Only the entries in use are copied: shapes are copied on every call of every op.
  Dims(const Dims& other) : size_(other.size_) { std::copy_n(other.values_, size_, values_); }
  Dims& operator=(const Dims& other) {
    size_ = other.size_;
    std::copy_n(other.values_, size_, values_);
    return *this;
  }

  static Dims filled(int size, std::int64_t value) {
    Dims d;
    for (int i = 0; i < size; ++i) d.push_back(value);
    return d;
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::int64_t& operator[](int i) { return values_[i]; }
  std::int64_t operator[](int i) const { return values_[i]; }
  std::int64_t back() const { return values_[size_ - 1]; }
  const std::int64_t* begin() const { return values_; }
  const std::int64_t* end() const { return values_ + size_; }
  std::int64_t* begin() { return values_; }
  std::int64_t* end() { return values_ + size_; }

  void push_back(std::int64_t value) {
    if (size_ == kMaxRank) fail(ErrorKind::Shape, "at most ", kMaxRank, " dimensions are supported; reshape to fewer");
    values_[size_++] = value;
  }
  void pop_back() { --size_; }
  bool operator==(const Dims& other) const { return size_ == other.size_ && std::equal(begin(), end(), other.begin()); }

 private:
  int size_ = 0;
  std::int64_t values_[kMaxRank];
};

// Prints as Python prints a tuple: (), (3,), (2, 3).
inline std::ostream& operator<<(std::ostream& os, const Dims& d) {
  os << '(';
  for (int i = 0; i < d.size(); ++i) os << (i ? ", " : "") << d[i];
  return os << (d.size() == 1 ? ",)" : ")");
}

}  // namespace alice
