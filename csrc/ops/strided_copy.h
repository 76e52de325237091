// Copies between strided boxes, by item size alone: the work behind copy, reshape, concat, pad, slices' adjoints.
#pragma once

#include "../core/array.h"
#include "../core/walk.h"

namespace alice {

// Writes every item of `src` to the same index of `dst`: shapes and item sizes are equal, the memory does not
// overlap, strides are any (0 in `src` broadcasts). Copies large boxes on the pool.
void strided_copy(const Array& dst, const Array& src);

// Adds every item of `src` to the item of `dst` beside it in the walk, whose first array is that of `dst`. float,
// double.
template <class T>
void strided_add(const Walk<2>& box, const T* src, T* dst);

// Of a box that begins so many items behind the first one of an array: how many bytes that are, if the box lies there
// in one piece and in row-major order, else -1 (Kernel::piece).
std::int64_t offset_of_piece(const Dims& shape, const Dims& strides, std::int64_t offset, DType dtype);

// Sets every item of `dst` to the item at `value`, which has dst's dtype.
void strided_fill(const Array& dst, const void* value);

// Sets every byte of a contiguous array to zero.
void zero_fill(const Array& dst);

// The array itself when its items lie in row-major order, else a copy that does.
Array as_contiguous(const Array& a);

}  // namespace alice
