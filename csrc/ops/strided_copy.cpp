// Hot: every element runs through here.
#include "strided_copy.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "../core/chunks.h"
#include "../core/walk.h"

namespace alice {
namespace {

// Of a copy: what is written, and what is read.
using Box = Walk<2>;
enum { kTo, kFrom };

// The axes sorted by the stride of the destination.
Box simplify(const Array& dst, const Array& src) {
  int order[kMaxRank], n = 0;
  const auto step = [&](int axis) { return std::abs(dst.strides()[axis]); };
  for (int axis = 0; axis < dst.rank(); ++axis) {
    if (dst.dim(axis) == 1) continue;
    // Insertion sort; stable, so a contiguous destination keeps its order.
    int at = n++;
    for (; at > 0 && step(order[at - 1]) < step(axis); --at) order[at] = order[at - 1];
    order[at] = axis;
  }
  Box box;
  for (int i = 0; i < n; ++i) box.add(dst.dim(order[i]), {dst.strides()[order[i]], src.strides()[order[i]]});
  return box;
}

// A call of memcpy costs more than such a row.
constexpr std::int64_t kShortRow = 256;  // bytes

// Rows are short, and loops of known length are vectorised.
constexpr std::int64_t kTogether = 8;

template <class T>
void copy_row(std::int64_t n, const T* src, std::int64_t src_step, T* dst, std::int64_t dst_step) {
  if (dst_step == 1) {
    if (src_step == 1) {
      if (n * static_cast<std::int64_t>(sizeof(T)) <= kShortRow)
        for (; n >= kTogether; n -= kTogether, src += kTogether, dst += kTogether)
          std::memcpy(dst, src, kTogether * sizeof(T));
      if (n > 0) std::memcpy(dst, src, static_cast<std::size_t>(n) * sizeof(T));
    } else if (src_step == 0 && *src == T{}) {
      std::memset(dst, 0, static_cast<std::size_t>(n) * sizeof(T));
    } else if (src_step == 0) {
      std::fill_n(dst, n, *src);
    } else {
      for (std::int64_t i = 0; i < n; ++i) dst[i] = src[i * src_step];
    }
  } else {
    for (std::int64_t i = 0; i < n; ++i) dst[i * dst_step] = src[i * src_step];
  }
}

template <class T>
void add_row(std::int64_t n, const T* __restrict src, std::int64_t src_step, T* __restrict dst, std::int64_t dst_step) {
  std::int64_t i = 0;
  if (dst_step == 1 && src_step == 1)
    for (; i + kTogether <= n; i += kTogether)
      for (std::int64_t l = 0; l < kTogether; ++l) dst[i + l] += src[i + l];
  for (; i < n; ++i) dst[i * dst_step] += src[i * src_step];
}

// Once in the code for each kind of row, however it is called. Rows of the innermost axis but one are at equal steps.
template <auto Row, class T>
[[gnu::noinline]] void each_row(const Box& box, std::int64_t begin, std::int64_t end, const T* src, T* dst) {
  const std::int64_t n = box.row(), src_step = box.row_step(kFrom), dst_step = box.row_step(kTo);
  const int axis = box.rank() - 2;
  const std::int64_t rows = axis < 0 ? 1 : box.extent(axis), src_row = axis < 0 ? 0 : box.step(axis, kFrom),
                     dst_row = axis < 0 ? 0 : box.step(axis, kTo);
  if (begin >= end) return;
  Box::Cursor at(box, std::max(axis, 0), begin / rows);
  for (std::int64_t r = begin % rows, left = end - begin; left > 0; r = 0, at.next()) {
    const T* from = src + at.offset(kFrom) + r * src_row;
    T* to = dst + at.offset(kTo) + r * dst_row;
    const std::int64_t last = std::min(rows, r + left);
    left -= last - r;
    for (; r < last; ++r, from += src_row, to += dst_row) Row(n, from, src_step, to, dst_step);
  }
}

// dst[r, c] = src[c, r] for one tile: rows of dst are contiguous, and so are rows of src.
template <class T>
void transpose_tile(std::int64_t rows, std::int64_t cols, const T* src, std::int64_t src_step, T* dst,
                    std::int64_t dst_step) {
  std::int64_t r = 0;
#if __has_builtin(__builtin_shufflevector)
  if constexpr (sizeof(T) == 4) {  // 4 x 4 at a time in registers
    typedef std::int32_t V __attribute__((vector_size(16)));
    for (; r + 4 <= rows; r += 4) {
      std::int64_t c = 0;
      for (; c + 4 <= cols; c += 4) {
        V a[4];
        for (int i = 0; i < 4; ++i) std::memcpy(&a[i], src + (c + i) * src_step + r, sizeof(V));
        const V p = __builtin_shufflevector(a[0], a[1], 0, 4, 1, 5),
                q = __builtin_shufflevector(a[2], a[3], 0, 4, 1, 5);
        const V s = __builtin_shufflevector(a[0], a[1], 2, 6, 3, 7),
                t = __builtin_shufflevector(a[2], a[3], 2, 6, 3, 7);
        const V b[4] = {__builtin_shufflevector(p, q, 0, 1, 4, 5), __builtin_shufflevector(p, q, 2, 3, 6, 7),
                        __builtin_shufflevector(s, t, 0, 1, 4, 5), __builtin_shufflevector(s, t, 2, 3, 6, 7)};
        for (int i = 0; i < 4; ++i) std::memcpy(dst + (r + i) * dst_step + c, &b[i], sizeof(V));
      }
      for (; c < cols; ++c)
        for (int i = 0; i < 4; ++i) dst[(r + i) * dst_step + c] = src[c * src_step + r + i];
    }
  }
#endif
  for (; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) dst[r * dst_step + c] = src[c * src_step + r];
}

// Rows of `dst` are read down the columns of `src`: tiles keep both in the first-level cache.
template <class T>
void copy_transposed(const Box& box, int row_axis, const T* src, T* dst) {
  constexpr std::int64_t kTile = 32;
  const int col_axis = box.rank() - 1;
  const std::int64_t rows = box.extent(row_axis), cols = box.extent(col_axis);
  Box others;  // all axes but the two
  for (int axis = 0; axis < col_axis; ++axis)
    if (axis != row_axis) others.add(box.extent(axis), {box.step(axis, kTo), box.step(axis, kFrom)});
  const std::int64_t strips = (rows + kTile - 1) / kTile;  // of one transposed matrix
  const std::int64_t strip_bytes = std::min(rows, kTile) * cols * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t dst_step = box.step(row_axis, kTo), src_step = box.step(col_axis, kFrom);
  parallel_chunks(
      others.size() * strips, rows_per_chunk(strip_bytes, kChunkBytes), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const auto at = others.at(i / strips);
          const std::int64_t r = i % strips * kTile, height = std::min(kTile, rows - r);
          const T* from = src + at[kFrom] + r;
          T* to = dst + at[kTo] + r * dst_step;
          for (std::int64_t c = 0; c < cols; c += kTile)
            transpose_tile(height, std::min(kTile, cols - c), from + c * src_step, src_step, to + c, dst_step);
        }
      });
}

template <class T>
void copy_box(const Box& box, const T* src, T* dst) {
  const int inner = box.rank() - 1;
  if (inner < 0) {
    *dst = *src;
    return;
  }
  const std::int64_t n = box.extent(inner), src_step = box.step(inner, kFrom), dst_step = box.step(inner, kTo);
  if (dst_step == 1 && src_step != 1 && src_step != 0) {
    for (int axis = inner - 1; axis >= 0; --axis)
      if (box.step(axis, kFrom) == 1) return copy_transposed(box, axis, src, dst);
  }
  const std::int64_t rows = box.size() / n;
  // Long rows are cut into segments, short rows are grouped.
  constexpr std::int64_t chunk_items = kChunkBytes / static_cast<std::int64_t>(sizeof(T));
  const std::int64_t segments = (n + chunk_items - 1) / chunk_items;
  if (segments > 1) {
    parallel_for(rows * segments, [&](std::int64_t chunk) {
      const Box::Cursor at(box, inner, chunk / segments);
      const std::int64_t begin = chunk % segments * chunk_items;
      copy_row(std::min(chunk_items, n - begin), src + at.offset(kFrom) + begin * src_step, src_step,
               dst + at.offset(kTo) + begin * dst_step, dst_step);
    });
  } else {
    parallel_chunks(rows, rows_per_chunk(n, chunk_items),
                    [&](std::int64_t begin, std::int64_t end) { each_row<copy_row<T>>(box, begin, end, src, dst); });
  }
}

}  // namespace

template <class T>
void strided_add(const Box& box, const T* src, T* dst) {
  const std::int64_t n = box.row(), rows = n > 0 ? box.size() / n : 0;
  parallel_chunks(rows, rows_per_chunk(n),
                  [&](std::int64_t begin, std::int64_t end) { each_row<add_row<T>>(box, begin, end, src, dst); });
}
template void strided_add(const Box&, const float*, float*);
template void strided_add(const Box&, const double*, double*);

void strided_copy(const Array& dst, const Array& src) {
  if (dst.numel() == 0) return;
  const Box box = simplify(dst, src);
  dispatch_size(dst.dtype(), [&](auto tag) {
    using T = decltype(tag);
    copy_box(box, src.data<T>(), dst.data<T>());
  });
}

std::int64_t offset_of_piece(const Dims& shape, const Dims& strides, std::int64_t offset, DType dtype) {
  const Dims whole = contiguous_strides(shape);
  for (int axis = 0; axis < shape.size(); ++axis)
    if (shape[axis] != 1 && strides[axis] != whole[axis]) return -1;
  return offset * static_cast<std::int64_t>(itemsize(dtype));
}

void strided_fill(const Array& dst, const void* value) {
  auto* item = static_cast<std::byte*>(const_cast<void*>(value));  // read only
  strided_copy(dst, Array::wrap(StorageRef(), item, dst.dtype(), dst.shape(), Dims::filled(dst.rank(), 0)));
}

void zero_fill(const Array& dst) {
  const std::int64_t bytes = dst.numel() * static_cast<std::int64_t>(itemsize(dst.dtype()));
  parallel_chunks(bytes, kChunkBytes, [&](std::int64_t begin, std::int64_t end) {
    std::memset(dst.bytes() + begin, 0, static_cast<std::size_t>(end - begin));
  });
}

Array as_contiguous(const Array& a) {
  if (a.is_contiguous()) return a;
  Array packed = Array::empty(a.shape(), a.dtype());
  strided_copy(packed, a);
  return packed;
}

}  // namespace alice
