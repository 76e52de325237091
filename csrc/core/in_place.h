// Calls that write into memory which is there already. What they read may lie in it.
#pragma once

#include <span>
#include <vector>

#include "kernel.h"

namespace alice {

// Marks what is about to be written as changed, all of it at one time.
void mark_changed(std::span<const Array> targets);

// Are the two the same elements of the same memory?
bool same_layout(const Array& a, const Array& b);

// The bytes from an array's first element to its last; none of an empty array.
struct Extent {
  const std::byte *begin = nullptr, *end = nullptr;
  bool empty() const { return begin == end; }
};
Extent extent_of(const Array& a);

// The numbers of the inputs that must be read before anything is written: they lie in what is written, at least in
// part. One that is a result exactly, and the only input in it, need not: kernels read an element before they write it.
std::vector<std::size_t> read_before(std::span<const Array> in, std::span<const Array> out);

// The same layout in memory of its own, with the same elements.
Array copy_of(const Array& a);

// Gives an in-place call's inputs such that the kernel finds what was there before it.
class Sources {
 public:
  Sources(std::span<const Array> in, std::span<const Array> out);
  std::span<const Array> in() const { return in_; }

 private:
  std::vector<Array> copies_;
  std::span<const Array> in_;
};

}  // namespace alice
