// Broadcasting: which shape several have together, and how an operand is read in that shape.
#pragma once

#include <cstddef>

#include "walk.h"

namespace alice {

// Makes `shape` what it is together with another; false if the two do not fit: extents are equal, or one of them is 1,
// aligned at the last axis.
bool broadcast_into(Dims& shape, const Dims& other);

// How far `x`, which broadcasts to `shape`, steps along one of its axes: 0 where one element serves them all. The last
// `behind` axes of x take no part.
inline std::int64_t broadcast_step(const Array& x, const Dims& shape, int axis, int behind = 0) {
  const int own = axis - (shape.size() - (x.rank() - behind));
  return own < 0 || x.dim(own) != shape[axis] ? 0 : x.strides()[own];
}

Array broadcast_view(const Array& x, const Dims& shape);

// How one operand is read: in the row-major order of the result, a run of elements at a time.
class Operand {
 public:
  Operand() = default;
  Operand(const Array& x, const Dims& result);  // x broadcasts to the shape of the result

  bool contiguous() const { return contiguous_; }  // over the whole result
  bool single() const { return single_; }          // one element for all of it
  std::int64_t item() const { return item_; }      // bytes of an element

  // The elements repeat after so many; the size of the result if they do not.
  std::int64_t period() const { return period_; }
  // So many elements lie side by side before the walk jumps; 1 if neighbours are apart.
  std::int64_t row() const { return row_; }
  // One element serves so many neighbours; 1 if each has its own.
  std::int64_t held() const { return held_; }
  // From one such element to the next; 0 where that is not always as far.
  std::int64_t held_step() const { return held_ > 1 && walk_.rank() == 2 ? walk_.step(0) : 0; }

  // Where element `at` lies, from the operand's first.
  std::int64_t offset(std::int64_t at) const { return walk_.at(at)[0]; }
  // Copies elements [begin, begin + n) one after another.
  void gather(const std::byte* data, std::int64_t begin, std::int64_t n, std::byte* to) const;

 private:
  Walk<1> walk_;
  std::int64_t item_ = 0, period_ = 1, row_ = 1, held_ = 1;
  bool contiguous_ = false, single_ = true;
};

// n copies of the element of `item` bytes at `from`.
void splat(std::int64_t item, const std::byte* from, std::int64_t n, std::byte* to);

}  // namespace alice
