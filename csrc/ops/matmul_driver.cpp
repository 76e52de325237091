#include "matmul_driver.h"

#include <algorithm>

#include "../core/allocator.h"
#include "../core/chunks.h"
#include "blas.h"

namespace alice {
namespace {

using std::int64_t;

// B is packed in slices whose rows are this long: kDepth of them, less than one MiB, stay in L2.
constexpr int64_t kSliceBytes = 2048;
// Below this many rows of A, a packed B would be read too few times to pay for the packing.
constexpr int64_t kPackRows = 120;
// A is packed when at least this many columns of B use it, in bands of kBandRows rows; when its rows are short, and lie
// near each other as it is, so many.
constexpr int64_t kPackColumns = 192, kPackColumnsOfShort = 1024;
constexpr int64_t kShortRowBytes = 512;
constexpr int64_t kBandRows = 2048;
constexpr int64_t kPackStep = 16;  // steps of the sum that are packed at a time
// vecmat: operands are packed in parts of this size, and B is read in such parts where it is read in place. With fewer
// rows of A than these, B is better read once for each than packed.
constexpr int64_t kVecmatBytes = 1 << 20;
constexpr int64_t kVecmatRows = 4;
constexpr int64_t kVecmatTiles = 8;  // of rows that a panel of B in cache should meet
// BLAS, at the baseline: tiles of C that threads take, and the size from which it beats our plain vectors.
constexpr int64_t kBlasTile = 512;
constexpr int64_t kBlasMultiplies = 32 * 32 * 32;

// What turning a block of C costs, as wide and high as a vector is long: in multiplications of vectors.
constexpr int64_t kTurnCost = 160;

// A result, or part of one, that stays in L2 for the one who waits for it.
constexpr int64_t kPartItems = 1 << 16;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// In double: extents of broadcast views may overflow an integer.
double multiplies(int64_t m, int64_t n, int64_t k) {
  return static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

// C[m, n] cut for the threads: row tiles across all of it, and across parts of it only where even `least` of them are
// too much work.
struct Chunks {
  int64_t rows, columns, across, count;

  Chunks(int64_t m, int64_t n, int64_t k, int64_t tile_rows, int64_t tile_columns, int64_t least) {
    const int64_t tiles = ceil_div(m, tile_rows), panels = ceil_div(n, tile_columns);
    const int64_t fill = std::clamp<int64_t>(ceil_div(kChunkMultiplies, n * k * tile_rows), least,
                                             std::max<int64_t>(least, kPartItems / (n * tile_rows)));
    rows = ceil_div(tiles, ceil_div(tiles, fill)) * tile_rows;
    const int64_t most = std::max<int64_t>(1, 2 * kChunkMultiplies / (rows * k * tile_columns));  // panels in a chunk
    across = ceil_div(panels, most);
    columns = ceil_div(panels, across) * tile_columns;
    count = ceil_div(m, rows) * across;
  }
  int64_t row(int64_t chunk) const { return chunk / across * rows; }
  int64_t column(int64_t chunk) const { return chunk % across * columns; }
};

// Scratch of the calling thread, kept between calls: at most kDepth rows of a slice of B and kDepth columns of a
// band of A, and a small C to be turned. Operands are never copied whole.
class Scratch {
 public:
  ~Scratch() {
    if (memory_) allocator::release(memory_, bytes_);
  }
  void* of(std::size_t bytes) {
    if (bytes > bytes_) {
      void* larger = allocator::allocate(bytes);
      if (memory_) allocator::release(memory_, bytes_);
      memory_ = larger;
      bytes_ = bytes;
    }
    return memory_;
  }

 private:
  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

template <class T>
T* scratch(int slot, int64_t count) {
  thread_local Scratch memory[3];
  return static_cast<T*>(memory[slot].of(static_cast<std::size_t>(count) * sizeof(T)));
}

template <class T>
constexpr int64_t kLine = 64 / sizeof(T);  // elements in a line of the cache

// From one packed line of k elements to the next: they begin where lines of the cache do, but not at powers of two
// apart, where several would want the same places in it.
template <class T>
int64_t line_step(int64_t k) {
  return (ceil_div(k, kLine<T>) | 1) * kLine<T>;
}

// All of C[m, n] is there.
void finished(const Epilogue* then, int64_t m, int64_t n) {
  if (then) then->done(then->context, 0, m, 0, n);
}

}  // namespace

// Nothing to pack, to cut or to share: such products spend their time in the loops, not on planning.
template <class T>
bool Products<T>::small(int64_t m, int64_t n, int64_t k, const Matrix<T>& b) const {
  return k <= kDepth<T> && b.col == 1 && m < kPackRows && m * n <= kPartItems &&
         multiplies(m, n, k) < 2.0 * kChunkMultiplies;
}

// C = A B with few columns would leave lanes of the vectors empty. Where A's columns are contiguous (the gradient of
// a layer's weights), C transposed = B transposed A transposed fills them, and has the same bits.
template <class T>
bool Products<T>::turned(int64_t m, int64_t n, int64_t k, const Matrix<T>& a) const {
  if (a.row != 1 || n >= loops_.columns || m * n > kPartItems) return false;
  const int64_t width = loops_.columns / 2, across = ceil_div(n, width), down = ceil_div(m, width);
  return k * (m * across - n * down) > kTurnCost * across * down;
}

template <class T>
bool Products<T>::to_blas(int64_t m, int64_t n, int64_t k) const {
  return use_blas_ && multiplies(m, n, k) >= kBlasMultiplies;
}

template <class T>
GemmPlan<T> Products<T>::plan(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b) const {
  using Path = typename GemmPlan<T>::Path;
  GemmPlan<T> plan{Path::Blocked, false, m, n, k, a, b, {}};
  if (m == 0 || n == 0) {
    plan.path = Path::Empty;
  } else if (k == 0) {
    plan.path = Path::Zero;
  } else if (to_blas(m, n, k)) {
    plan.path = Path::Blas;
  } else {
    if (turned(m, n, k, a)) plan = {Path::Blocked, true, n, m, k, b.transposed(), a.transposed(), {}};
    if (small(plan.m, plan.n, k, plan.b)) {
      plan.path = Path::Direct;
      plan.block = {plan.m,         plan.n, k,     plan.a.row, plan.a.col, 0, plan.b.row,
                    loops_.columns, plan.n, false, 1,          0,          0, m * n};
    }
  }
  return plan;
}

template <class T>
void Products<T>::gemm(const GemmPlan<T>& plan, const T* a, const T* b, T* c, const Epilogue* then) const {
  if (!plan.turned) return compute(plan, a, b, c, then);
  T* c_turned = scratch<T>(2, plan.m * plan.n);
  compute(plan, b, a, c_turned, nullptr);
  loops_.pack(plan.m, plan.n, c_turned, plan.n, 1, c, plan.m);
  finished(then, plan.n, plan.m);
}

template <class T>
bool Products<T>::add_gemm(const GemmPlan<T>& plan, const T* a, const T* b, T* c) const {
  using Path = typename GemmPlan<T>::Path;
  if (plan.turned || plan.k > kDepth<T>) return false;
  if (plan.path == Path::Direct) {
    GemmBlock<T> block = plan.block;
    block.accumulate = true;
    loops_.gemm(block, a, b, c);
    return true;
  }
  if (plan.path != Path::Blocked) return false;
  blocked(plan, a, b, c, nullptr, true);
  return true;
}

template <class T>
void Products<T>::compute(const GemmPlan<T>& plan, const T* a, const T* b, T* c, const Epilogue* then) const {
  switch (plan.path) {
    case GemmPlan<T>::Path::Empty: return;
    case GemmPlan<T>::Path::Zero: std::fill_n(c, plan.m * plan.n, T{0}); return finished(then, plan.m, plan.n);
    case GemmPlan<T>::Path::Direct: loops_.gemm(plan.block, a, b, c); return finished(then, plan.m, plan.n);
    case GemmPlan<T>::Path::Blocked: return blocked(plan, a, b, c, then);
    case GemmPlan<T>::Path::Blas: return by_blas(plan, a, b, c, then);
  }
}

template <class T>
void Products<T>::gemm_batch(const GemmPlan<T>& plan, int64_t items, const T* a, int64_t a_item, const T* b,
                             int64_t b_item, T* c) const {
  if (plan.path == GemmPlan<T>::Path::Direct && !plan.turned) {
    GemmBlock<T> block = plan.block;
    block.items = items;
    block.a_item = a_item;
    block.b_item = b_item;
    return loops_.gemm(block, a, b, c);
  }
  for (int64_t i = 0; i < items; ++i, a += a_item, b += b_item, c += plan.m * plan.n) gemm(plan, a, b, c, nullptr);
}

// Loops, from the outside: bands of rows, depth blocks, slices of columns, and chunks for the threads.
template <class T>
void Products<T>::blocked(const GemmPlan<T>& plan, const T* a_data, const T* b_data, T* c, const Epilogue* then,
                          bool accumulate) const {
  const int64_t m = plan.m, n = plan.n, k = plan.k;
  const Matrix<T> a = plan.a.at(a_data), b = plan.b.at(b_data);
  const int64_t tile_rows = loops_.rows, panel = loops_.columns;
  const int64_t slice = kSliceBytes / static_cast<int64_t>(sizeof(T));
  const int64_t depths = ceil_div(k, kDepth<T>);
  const bool pack_b = b.col != 1 || m >= kPackRows;
  const bool is_near = a.col == 1 && a.row >= 0 && a.row * static_cast<int64_t>(sizeof(T)) <= kShortRowBytes;
  const bool pack_a = n >= (is_near ? kPackColumnsOfShort : kPackColumns) && m >= kPackRows;
  // Bands of equal height, of whole tiles: a low one would pack all of B for little.
  const int64_t bands = pack_a ? ceil_div(m, kBandRows) : 1, band = ceil_div(ceil_div(m, bands), tile_rows) * tile_rows;
  for (int64_t i0 = 0; i0 < m; i0 += band) {
    const int64_t mi = std::min(band, m - i0), tiles = ceil_div(mi, tile_rows);
    for (int64_t d = 0; d < depths; ++d) {
      const int64_t k0 = k * d / depths, nk = k * (d + 1) / depths - k0;
      Matrix<T> ad = a.from(i0, k0);
      if (pack_a) ad = pack_panels(scratch<T>(1, tiles * tile_rows * nk), mi, nk, tile_rows, ad);
      for (int64_t j0 = 0; j0 < n; j0 += slice) {
        const int64_t nj = std::min(slice, n - j0), panels = ceil_div(nj, panel);
        Matrix<T> bd = b.from(k0, j0);
        if (pack_b) bd = pack_panels(scratch<T>(0, panels * panel * nk), nj, nk, panel, bd.transposed()).transposed();
        const Chunks chunks(mi, nj, nk, tile_rows, panel, 1);
        parallel_for(chunks.count, [&](int64_t chunk) {
          const int64_t i = chunks.row(chunk), j = chunks.column(chunk);
          GemmBlock<T> block{};
          block.m = std::min(chunks.rows, mi - i);
          block.n = std::min(chunks.columns, nj - j);
          block.k = nk;
          block.a_row = ad.row;
          block.a_col = ad.col;
          block.a_panel = pack_a ? tile_rows * nk : 0;
          block.b_row = bd.row;
          block.b_panel = panel * (pack_b ? nk : 1);
          block.c_row = n;
          block.accumulate = accumulate || d > 0;
          loops_.gemm(block, ad.data + i * (pack_a ? nk : ad.row), bd.data + j * (pack_b ? nk : 1),
                      c + (i0 + i) * n + j0 + j);
          if (then && d + 1 == depths) then->done(then->context, i0 + i, i0 + i + block.m, j0 + j, j0 + j + block.n);
        });
      }
    }
  }
}

// Packs x[m, k] in panels of `height` rows, each panel column by column, the last one padded.
template <class T>
Matrix<T> Products<T>::pack_panels(T* out, int64_t m, int64_t k, int64_t height, Matrix<T> x) const {
  const int64_t panels = ceil_div(m, height), per_chunk = std::max<int64_t>(1, kLightChunkItems / (height * k));
  // Contiguous along m: a few columns of x at a time through all panels of the chunk, so that memory is read in
  // long runs. Otherwise panel by panel.
  const int64_t step = x.row == 1 ? kPackStep : k;
  parallel_for(ceil_div(panels, per_chunk), [&](int64_t chunk) {
    const int64_t last = std::min(panels, (chunk + 1) * per_chunk);
    for (int64_t j = 0; j < k; j += step)
      for (int64_t p = chunk * per_chunk; p < last; ++p)
        loops_.pack(std::min(height, m - p * height), std::min(step, k - j), x.data + p * height * x.row + j * x.col,
                    x.row, x.col, out + p * height * k + j * height, height);
  });
  return {out, 1, height};
}

template <class T>
void Products<T>::by_blas(const GemmPlan<T>& plan, const T* a_data, const T* b_data, T* c, const Epilogue* then) const {
  const int64_t m = plan.m, n = plan.n, k = plan.k;
  Matrix<T> a = plan.a.at(a_data), b = plan.b.at(b_data);
  // What BLAS cannot read in place (negative, zero or no unit stride) is copied. So is what lies transposed: OpenBLAS
  // would round some columns in another way.
  Array copies[2];
  const auto readable = [](Matrix<T> x, int64_t rows, int64_t cols, Array& copy) -> Matrix<T> {
    if (x.col == 1 && blas::acceptable(rows, cols, x.row, x.col)) return x;
    copy = Array::empty({rows, cols}, sizeof(T) == 4 ? DType::Float32 : DType::Float64);
    T* to = copy.data<T>();
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j) to[i * cols + j] = x.data[i * x.row + j * x.col];
    return {to, cols, 1};
  };
  a = readable(a, m, k, copies[0]);
  b = readable(b, k, n, copies[1]);
  const int64_t down = ceil_div(m, kBlasTile), across = ceil_div(n, kBlasTile);
  parallel_for(down * across, [&](int64_t chunk) {
    const int64_t i = chunk / across * kBlasTile, j = chunk % across * kBlasTile;
    const Matrix<T> ai = a.from(i, 0), bj = b.from(0, j);
    const int64_t mi = std::min(kBlasTile, m - i), nj = std::min(kBlasTile, n - j);
    blas::gemm(mi, nj, k, {ai.data, ai.row, ai.col}, {bj.data, bj.row, bj.col}, c + i * n + j, n);
    if (then) then->done(then->context, i, i + mi, j, j + nj);
  });
}

template <class T>
void Products<T>::gemv(int64_t m, int64_t k, Matrix<T> a, const T* x, int64_t x_step, T* y, const Epilogue* then,
                       bool upright) const {
  const auto finished = [&](int64_t i0, int64_t i1) {
    if (then && i1 > i0) upright ? then->done(then->context, i0, i1, 0, 1) : then->done(then->context, 0, 1, i0, i1);
  };
  if (k == 0) std::fill_n(y, m, T{0});
  if (k == 1) a.col = 1;  // the stride over a single column says nothing
  const bool copy = a.col != 1 && a.row != 1;
  constexpr int64_t kCopyRows = 4;
  // Where the columns are contiguous, memory is read along m: long stretches of it.
  const int64_t least = a.col == 1 || copy ? 16 : 512;
  const int64_t per_chunk = std::max(least, kLightChunkItems / std::max<int64_t>(k, 1) / least * least);
  parallel_for(k == 0 ? 0 : ceil_div(m, per_chunk), [&](int64_t chunk) {
    const int64_t i0 = chunk * per_chunk, i1 = std::min(m, i0 + per_chunk);
    T* x_copy = x_step == 1 ? nullptr : scratch<T>(0, kGemvDepth);
    T* a_copy = copy ? scratch<T>(1, kCopyRows * kGemvDepth) : nullptr;
    for (int64_t k0 = 0; k0 < k; k0 += kGemvDepth) {
      const int64_t nk = std::min(kGemvDepth, k - k0);
      const T* xk = x + k0 * x_step;
      if (x_copy) {
        for (int64_t p = 0; p < nk; ++p) x_copy[p] = xk[p * x_step];
        xk = x_copy;
      }
      for (int64_t i = i0; i < i1; i += copy ? kCopyRows : i1 - i0) {
        const Matrix<T> part = a.from(i, k0);
        GemvBlock<T> block{i1 - i, nk, part.data, part.row, part.col, xk, y + i, k0 > 0};
        if (copy) {
          block.m = std::min(kCopyRows, block.m);
          for (int64_t r = 0; r < block.m; ++r)
            for (int64_t p = 0; p < nk; ++p) a_copy[r * nk + p] = part.data[r * part.row + p * part.col];
          block.a = a_copy;
          block.a_row = nk;
          block.a_col = 1;
        }
        loops_.gemv(block);
      }
    }
    if (m > kPartItems) finished(i0, i1);
  });
  if (m <= kPartItems || k == 0) finished(0, m);
}

// Loops, from the outside: blocks of the sum, bands of rows, slices of columns, and chunks for the threads.
template <class T>
void Products<T>::vecmat(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, const Epilogue* then) const {
  if (k == 0) std::fill_n(c, m * n, T{0});
  if (k == 1) a.col = b.row = 1;
  const bool pack_a = a.col != 1, pack_b = b.row != 1;
  if (k == 0 || m < (pack_b ? kVecmatRows : 2)) {
    for (int64_t i = 0; i < m && k > 0; ++i)
      gemv(n, k, b.transposed(), a.data + i * a.row, a.col, c + i * n, nullptr, false);
    return finished(then, m, n);
  }
  for (int64_t k0 = 0; k0 < k; k0 += kGemvDepth) {
    const int64_t nk = std::min(kGemvDepth, k - k0);
    const int64_t fit = kVecmatBytes / (line_step<T>(nk) * static_cast<int64_t>(sizeof(T)));
    const int64_t tile_rows = loops_.vecmat_rows, tile_columns = loops_.vecmat_columns;
    const int64_t band = pack_a ? std::max<int64_t>(1, fit / tile_rows) * tile_rows : m;
    const int64_t slice = std::max<int64_t>(1, fit / tile_columns) * tile_columns;
    for (int64_t i0 = 0; i0 < m; i0 += band) {
      const int64_t mi = std::min(band, m - i0);
      Matrix<T> ad = a.from(i0, k0);
      if (pack_a) ad = pack_lines(0, mi, nk, ad);
      for (int64_t j0 = 0; j0 < n; j0 += slice) {
        const int64_t nj = std::min(slice, n - j0);
        Matrix<T> bd = b.from(k0, j0);
        if (pack_b) bd = pack_lines(1, nj, nk, bd.transposed()).transposed();
        const Chunks chunks(mi, nj, nk, tile_rows, tile_columns, kVecmatTiles);
        parallel_for(chunks.count, [&](int64_t chunk) {
          const int64_t i = chunks.row(chunk), j = chunks.column(chunk);
          const int64_t rows = std::min(chunks.rows, mi - i), columns = std::min(chunks.columns, nj - j);
          loops_.vecmat({rows, columns, nk, ad.data + i * ad.row, ad.row, bd.data + j * bd.col, bd.col,
                         c + (i0 + i) * n + j0 + j, n, k0 > 0});
          if (then && k0 + nk == k) then->done(then->context, i0 + i, i0 + i + rows, j0 + j, j0 + j + columns);
        });
      }
    }
  }
}

// Packs x[lines, k] so that every line is contiguous.
template <class T>
Matrix<T> Products<T>::pack_lines(int slot, int64_t lines, int64_t k, Matrix<T> x) const {
  const int64_t step = line_step<T>(k);
  T* out = scratch<T>(slot, lines * step);
  const int64_t per_chunk = std::max(kLine<T>, kLightChunkItems / k);
  parallel_for(ceil_div(lines, per_chunk), [&](int64_t chunk) {
    const int64_t first = chunk * per_chunk, count = std::min(per_chunk, lines - first);
    const Matrix<T> from = x.from(first, 0);
    for (int64_t j = 0; j < k; j += kPackStep)  // across the lines: they are not contiguous
      loops_.pack(std::min(kPackStep, k - j), count, from.data + j * from.col, from.col, from.row,
                  out + first * step + j, step);
  });
  return {out, step, 1};
}

template <class T>
void Products<T>::dot(int64_t k, const T* x, int64_t x_step, const T* w, int64_t w_step, T* y) const {
  const int64_t blocks = ceil_div(k, kGemvDepth);
  constexpr int64_t kPerChunk = kLightChunkItems / kGemvDepth;
  const auto one = [&](int64_t block) {
    const int64_t k0 = block * kGemvDepth, nk = std::min(kGemvDepth, k - k0);
    const auto contiguous = [&](const T* p, int64_t step, int slot) {
      p += k0 * step;
      if (step == 1) return p;
      T* copy = scratch<T>(slot, kGemvDepth);
      for (int64_t i = 0; i < nk; ++i) copy[i] = p[i * step];
      return static_cast<const T*>(copy);
    };
    return loops_.dot(nk, contiguous(x, x_step, 0), contiguous(w, w_step, 1));
  };
  if (blocks <= 1) {
    *y = blocks == 0 ? T{0} : one(0);
    return;
  }
  // Blocks are added in double precision, in order: float32 loses nothing however long the vectors are.
  T* sums = scratch<T>(2, blocks);  // one() uses the others
  parallel_for(ceil_div(blocks, kPerChunk), [&](int64_t chunk) {
    const int64_t last = std::min(blocks, (chunk + 1) * kPerChunk);
    for (int64_t b = chunk * kPerChunk; b < last; ++b) sums[b] = one(b);
  });
  double total = 0;
  for (int64_t b = 0; b < blocks; ++b) total += static_cast<double>(sums[b]);
  *y = static_cast<T>(total);
}

template class Products<float>;
template class Products<double>;

}  // namespace alice
