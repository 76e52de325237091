// Hot: every element runs through here.
#include "strided_copy.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "../core/thread_pool.h"

namespace alice {
namespace {

// Below this a copy takes less time than waking a thread.
constexpr std::int64_t kChunkBytes = 256 * 1024;

// A copy with its axes sorted by the stride of the destination, axes of size 1 dropped, and neighbours merged
// where both sides step through them as through one axis.
struct Box {
  Dims shape, src, dst;
};

Box simplify(const Array& dst, const Array& src) {
  Box sorted;
  for (int axis = 0; axis < dst.rank(); ++axis) {
    if (dst.dim(axis) == 1) continue;
    // Insertion sort; stable, so a contiguous destination keeps its order.
    int at = sorted.shape.size();
    sorted.shape.push_back(0), sorted.src.push_back(0), sorted.dst.push_back(0);
    const std::int64_t step = std::abs(dst.strides()[axis]);
    for (; at > 0 && std::abs(sorted.dst[at - 1]) < step; --at) {
      sorted.shape[at] = sorted.shape[at - 1];
      sorted.src[at] = sorted.src[at - 1];
      sorted.dst[at] = sorted.dst[at - 1];
    }
    sorted.shape[at] = dst.dim(axis);
    sorted.src[at] = src.strides()[axis];
    sorted.dst[at] = dst.strides()[axis];
  }
  Box box;
  for (int axis = 0; axis < sorted.shape.size(); ++axis) {
    const std::int64_t n = sorted.shape[axis];
    const int last = box.shape.size() - 1;
    if (last >= 0 && box.src[last] == sorted.src[axis] * n && box.dst[last] == sorted.dst[axis] * n) {
      box.shape[last] *= n;
      box.src[last] = sorted.src[axis];
      box.dst[last] = sorted.dst[axis];
    } else {
      box.shape.push_back(n), box.src.push_back(sorted.src[axis]), box.dst.push_back(sorted.dst[axis]);
    }
  }
  return box;
}

// Walks the rows of a box: the offsets of both sides at row `row`, then of the rows after it.
class Rows {
 public:
  Rows(const Dims& shape, const Dims& src, const Dims& dst, std::int64_t row)
      : shape_(shape), src_steps_(src), dst_steps_(dst), index_(Dims::filled(shape.size(), 0)) {
    for (int axis = shape.size() - 1; axis >= 0 && row > 0; --axis) {
      index_[axis] = row % shape[axis];
      row /= shape[axis];
      src_ += index_[axis] * src[axis];
      dst_ += index_[axis] * dst[axis];
    }
  }
  std::int64_t src() const { return src_; }
  std::int64_t dst() const { return dst_; }
  void next() {
    for (int axis = shape_.size() - 1; axis >= 0; --axis) {
      src_ += src_steps_[axis];
      dst_ += dst_steps_[axis];
      if (++index_[axis] < shape_[axis]) return;
      src_ -= shape_[axis] * src_steps_[axis];
      dst_ -= shape_[axis] * dst_steps_[axis];
      index_[axis] = 0;
    }
  }

 private:
  const Dims &shape_, &src_steps_, &dst_steps_;
  Dims index_;
  std::int64_t src_ = 0, dst_ = 0;
};

template <class T>
void copy_row(std::int64_t n, const T* src, std::int64_t src_step, T* dst, std::int64_t dst_step) {
  if (dst_step == 1) {
    if (src_step == 1) {
      std::memcpy(dst, src, static_cast<std::size_t>(n) * sizeof(T));
    } else if (src_step == 0) {
      std::fill_n(dst, n, *src);
    } else {
      for (std::int64_t i = 0; i < n; ++i) dst[i] = src[i * src_step];
    }
  } else {
    for (std::int64_t i = 0; i < n; ++i) dst[i * dst_step] = src[i * src_step];
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
  const int col_axis = box.shape.size() - 1;
  const std::int64_t rows = box.shape[row_axis], cols = box.shape[col_axis];
  Dims shape, src_steps, dst_steps;  // all axes but the two
  std::int64_t boxes = 1;
  for (int axis = 0; axis < col_axis; ++axis) {
    if (axis == row_axis) continue;
    shape.push_back(box.shape[axis]), src_steps.push_back(box.src[axis]), dst_steps.push_back(box.dst[axis]);
    boxes *= box.shape[axis];
  }
  const std::int64_t strips = (rows + kTile - 1) / kTile;  // of one transposed matrix
  const std::int64_t strip_bytes = std::min(rows, kTile) * cols * static_cast<std::int64_t>(sizeof(T));
  const std::int64_t group = std::max<std::int64_t>(1, kChunkBytes / strip_bytes);
  const std::int64_t total = boxes * strips;
  parallel_for((total + group - 1) / group, [&](std::int64_t chunk) {
    for (std::int64_t i = chunk * group; i < std::min(total, (chunk + 1) * group); ++i) {
      const Rows at(shape, src_steps, dst_steps, i / strips);
      const std::int64_t r = i % strips * kTile, height = std::min(kTile, rows - r);
      const T* from = src + at.src() + r;
      T* to = dst + at.dst() + r * box.dst[row_axis];
      for (std::int64_t c = 0; c < cols; c += kTile)
        transpose_tile(height, std::min(kTile, cols - c), from + c * box.src[col_axis], box.src[col_axis], to + c,
                       box.dst[row_axis]);
    }
  });
}

template <class T>
void copy_box(const Box& box, const T* src, T* dst) {
  const int inner = box.shape.size() - 1;
  if (inner < 0) {
    *dst = *src;
    return;
  }
  if (box.dst[inner] == 1 && box.src[inner] != 1 && box.src[inner] != 0) {
    for (int axis = inner - 1; axis >= 0; --axis)
      if (box.src[axis] == 1) return copy_transposed(box, axis, src, dst);
  }
  const std::int64_t n = box.shape[inner], src_step = box.src[inner], dst_step = box.dst[inner];
  Dims shape = box.shape;
  shape.pop_back();
  std::int64_t rows = 1;
  for (std::int64_t d : shape) rows *= d;
  // Long rows are cut into segments, short rows are grouped.
  constexpr std::int64_t chunk_items = kChunkBytes / static_cast<std::int64_t>(sizeof(T));
  const std::int64_t segments = (n + chunk_items - 1) / chunk_items;
  const std::int64_t group = std::max<std::int64_t>(1, chunk_items / n);
  if (segments > 1) {
    parallel_for(rows * segments, [&](std::int64_t chunk) {
      const Rows at(shape, box.src, box.dst, chunk / segments);
      const std::int64_t begin = chunk % segments * chunk_items;
      copy_row(std::min(chunk_items, n - begin), src + at.src() + begin * src_step, src_step,
               dst + at.dst() + begin * dst_step, dst_step);
    });
  } else {
    parallel_for((rows + group - 1) / group, [&](std::int64_t chunk) {
      Rows at(shape, box.src, box.dst, chunk * group);
      for (std::int64_t row = chunk * group; row < std::min(rows, (chunk + 1) * group); ++row, at.next())
        copy_row(n, src + at.src(), src_step, dst + at.dst(), dst_step);
    });
  }
}

}  // namespace

void strided_copy(const Array& dst, const Array& src) {
  if (dst.numel() == 0) return;
  const Box box = simplify(dst, src);
  switch (itemsize(dst.dtype())) {
    case 1: return copy_box(box, src.data<std::uint8_t>(), dst.data<std::uint8_t>());
    case 4: return copy_box(box, src.data<std::uint32_t>(), dst.data<std::uint32_t>());
    default: return copy_box(box, src.data<std::uint64_t>(), dst.data<std::uint64_t>());
  }
}

void strided_fill(const Array& dst, const void* value) {
  auto* item = static_cast<std::byte*>(const_cast<void*>(value));  // read only
  strided_copy(dst, Array::wrap(StorageRef(), item, dst.dtype(), dst.shape(), Dims::filled(dst.rank(), 0)));
}

void zero_fill(const Array& dst) {
  const std::int64_t bytes = dst.numel() * static_cast<std::int64_t>(itemsize(dst.dtype()));
  parallel_for((bytes + kChunkBytes - 1) / kChunkBytes, [&](std::int64_t chunk) {
    const std::int64_t begin = chunk * kChunkBytes;
    std::memset(dst.bytes() + begin, 0, static_cast<std::size_t>(std::min(kChunkBytes, bytes - begin)));
  });
}

Array as_contiguous(const Array& a) {
  if (a.is_contiguous()) return a;
  Array packed = Array::empty(a.shape(), a.dtype());
  strided_copy(packed, a);
  return packed;
}

}  // namespace alice
