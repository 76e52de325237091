// Several arrays of one shape walked side by side, in row-major order of its axes.
#pragma once

#include <array>

#include "array.h"

namespace alice {

// Where an item lies in each of N arrays, counted in elements from their first.
template <int N>
using Offsets = std::array<std::int64_t, N>;

template <int N>
class Walk {
 public:
  // One more axis, inside of those so far. Neighbours that every array steps through as through one axis become one.
  void add(std::int64_t extent, const Offsets<N>& steps) {
    if (extent == 1) return;
    const int last = rank() - 1;
    bool as_one = last >= 0;
    for (int k = 0; k < N && as_one; ++k) as_one = steps_[k][last] == steps[k] * extent;
    if (!as_one) return push(extent, steps);
    extents_[last] *= extent;
    for (int k = 0; k < N; ++k) steps_[k][last] = steps[k];
  }
  void push(std::int64_t extent, const Offsets<N>& steps) {  // as an axis of its own
    extents_.push_back(extent);
    for (int k = 0; k < N; ++k) steps_[k].push_back(steps[k]);
  }
  void pop() {
    extents_.pop_back();
    for (int k = 0; k < N; ++k) steps_[k].pop_back();
  }

  int rank() const { return extents_.size(); }
  std::int64_t extent(int axis) const { return extents_[axis]; }
  std::int64_t step(int axis, int array = 0) const { return steps_[array][axis]; }
  std::int64_t size() const {
    std::int64_t n = 1;
    for (std::int64_t e : extents_) n *= e;
    return n;
  }

  // The last axis; of a single item, one item long.
  std::int64_t row() const { return extents_.empty() ? 1 : extents_.back(); }
  std::int64_t row_step(int array = 0) const { return extents_.empty() ? 1 : steps_[array].back(); }

  // Item number `index`.
  Offsets<N> at(std::int64_t index) const {
    Offsets<N> offsets{};
    for (int axis = rank() - 1; axis >= 0; --axis) {
      std::int64_t i = index;
      if (axis > 0) i %= extents_[axis], index /= extents_[axis];
      for (int k = 0; k < N; ++k) offsets[static_cast<std::size_t>(k)] += i * steps_[k][axis];
    }
    return offsets;
  }

  // Goes from item to item of the first `rank` axes; from the last one to the first.
  class Cursor {
   public:
    Cursor(const Walk& walk, int rank, std::int64_t index) : walk_(walk), rank_(rank) {
      for (int axis = rank - 1; axis >= 0; --axis) {
        index_[axis] = 0;
        if (index == 0) continue;  // at the beginning, as most are; and axes of extent 0 are not divided by
        index_[axis] = index % walk.extents_[axis];
        index /= walk.extents_[axis];
        for (int k = 0; k < N; ++k) offsets_[static_cast<std::size_t>(k)] += index_[axis] * walk.steps_[k][axis];
      }
    }
    std::int64_t offset(int array = 0) const { return offsets_[static_cast<std::size_t>(array)]; }
    void next() {
#pragma GCC unroll 1  // or it would be written out for every rank, wherever something is walked
      for (int axis = rank_ - 1; axis >= 0; --axis) {
        move(axis, 1);
        if (++index_[axis] < walk_.extents_[axis]) return;
        move(axis, -walk_.extents_[axis]);
        index_[axis] = 0;
      }
    }

   private:
    void move(int axis, std::int64_t by) {
      for (int k = 0; k < N; ++k) offsets_[static_cast<std::size_t>(k)] += by * walk_.steps_[k][axis];
    }

    const Walk& walk_;
    int rank_;
    std::int64_t index_[kMaxRank];
    Offsets<N> offsets_{};
  };

 private:
  Dims extents_, steps_[N];
};

// All axes of an array.
inline Walk<1> walk_of(const Array& a) {
  Walk<1> walk;
  for (int axis = 0; axis < a.rank(); ++axis) walk.add(a.dim(axis), {a.strides()[axis]});
  return walk;
}

}  // namespace alice
