// How one operand of a broadcast operation is read: in the row-major order of the result, a run of elements at a time.
#pragma once

#include <cstddef>

#include "array.h"

namespace alice {

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

  // Where element `at` lies, from the operand's first.
  std::int64_t offset(std::int64_t at) const;
  // Copies elements [begin, begin + n) one after another.
  void gather(const std::byte* data, std::int64_t begin, std::int64_t n, std::byte* to) const;

 private:
  Dims shape_, strides_;  // axes of extent 1 dropped, and neighbours merged where the operand steps through both as one
  std::int64_t item_ = 0, period_ = 1, row_ = 1;
  bool contiguous_ = false, single_ = true;
};

// n copies of the element of `item` bytes at `from`.
void splat(std::int64_t item, const std::byte* from, std::int64_t n, std::byte* to);

}  // namespace alice
