// A short vector of extents, strides or axes. Those of few dimensions, as shapes are, do not touch the heap.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <utility>

#include "error.h"

namespace alice {

inline constexpr int kMaxRank = 12;

class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<std::int64_t> values) {
    for (std::int64_t v : values) push_back(v);
  }
  Dims(const Dims& other) : size_(other.size_), entries_(other.entries_) {
    if (size_ > kNear) copy_far();
  }
  Dims(Dims&& other) noexcept : size_(other.size_), entries_(other.entries_) {
    if (size_ > kNear) other.size_ = 0;
  }
  Dims& operator=(const Dims& other) {
    if (size_ > kNear || other.size_ > kNear) return *this = Dims(other);
    size_ = other.size_;
    entries_ = other.entries_;
    return *this;
  }
  Dims& operator=(Dims&& other) noexcept {
    std::swap(size_, other.size_);
    std::swap(entries_, other.entries_);
    return *this;
  }
  ~Dims() {
    if (size_ > kNear) delete[] entries_.far;
  }

  static Dims filled(int size, std::int64_t value) {
    Dims d;
    for (int i = 0; i < size; ++i) d.push_back(value);
    return d;
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::int64_t& operator[](int i) { return begin()[i]; }
  std::int64_t operator[](int i) const { return begin()[i]; }
  std::int64_t back() const { return begin()[size_ - 1]; }
  const std::int64_t* begin() const { return size_ > kNear ? entries_.far : entries_.near; }
  const std::int64_t* end() const { return begin() + size_; }
  std::int64_t* begin() { return size_ > kNear ? entries_.far : entries_.near; }
  std::int64_t* end() { return begin() + size_; }

  void push_back(std::int64_t value) {
    if (size_ == kMaxRank) fail(ErrorKind::Shape, "at most ", kMaxRank, " dimensions are supported; reshape to fewer");
    if (size_ == kNear) move_far();
    ++size_;
    begin()[size_ - 1] = value;
  }
  void pop_back() {
    if (--size_ != kNear) return;
    std::int64_t* far = entries_.far;
    std::copy_n(far, kNear, entries_.near);
    delete[] far;
  }
  bool operator==(const Dims& other) const { return size_ == other.size_ && std::equal(begin(), end(), other.begin()); }

 private:
  // Arrays have two of these, and a graph has arrays by the million.
  static constexpr int kNear = 6;

  union Entries {
    std::int64_t near[kNear];
    std::int64_t* far;  // room for kMaxRank
  };

  void copy_far() {
    auto* far = new std::int64_t[kMaxRank];
    std::copy_n(entries_.far, size_, far);
    entries_.far = far;
  }
  void move_far() {
    auto* far = new std::int64_t[kMaxRank];
    std::copy_n(entries_.near, kNear, far);
    entries_.far = far;
  }

  int size_ = 0;
  Entries entries_ = {};  // copied as a whole: no loop, no question how many
};

// Prints as Python prints a tuple: (), (3,), (2, 3).
inline std::ostream& operator<<(std::ostream& os, const Dims& d) {
  os << '(';
  for (int i = 0; i < d.size(); ++i) os << (i ? ", " : "") << d[i];
  return os << (d.size() == 1 ? ",)" : ")");
}

}  // namespace alice
