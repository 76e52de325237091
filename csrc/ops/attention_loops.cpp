// Compiled once per instruction-set level; see core/isa.h for what such a file may contain.
#include "attention_loops.h"

#include "math_exp.h"
#include "math_float.h"
#include "row_sums.h"

namespace alice::ALICE_ISA {
namespace {

// Of x ≤ 0.
ALICE_HD float exp_of(float x) { return exp_down(x); }
ALICE_HD double exp_of(double x) { return exp<Full>(x); }

template <class T>
constexpr T kInfinity = static_cast<T>(kInf);

template <class T>
ALICE_HD T larger(T a, T x) {
  return x > a ? x : a;
}

// NaN does not count: it comes back from its own exponential, and from the sum.
template <class T>
T max_of(std::int64_t n, const T* __restrict x) {
  T lane[kLanes];
  for (int l = 0; l < kLanes; ++l) lane[l] = -kInfinity<T>;
  std::int64_t k = 0;
  for (; k + kLanes <= n; k += kLanes)
#pragma GCC unroll 1  // unrolled early, these loops would not be vectorised
    for (int l = 0; l < kLanes; ++l) lane[l] = larger(lane[l], x[k + l]);
  for (int l = 0; k + l < n; ++l) lane[l] = larger(lane[l], x[k + l]);
  for (int l = 0; l < 8; ++l) lane[l] = larger(lane[l], lane[l + 8]);
  for (int l = 0; l < 4; ++l) lane[l] = larger(lane[l], lane[l + 4]);
  return larger(larger(lane[0], lane[2]), larger(lane[1], lane[3]));
}

// x becomes x - max, whose exponential is the weight beside that of the largest item. Infinite items share what there
// is: each counts as 0, the others as minus infinity. Nothing but -inf stays so.
template <class T>
void put_below(std::int64_t n, T max, T* __restrict x) {
  if (max == kInfinity<T>) {
    for (std::int64_t k = 0; k < n; ++k) x[k] = x[k] == max ? T(0) : x[k] < max ? -kInfinity<T> : x[k];
  } else if (max != -kInfinity<T>) {
    for (std::int64_t k = 0; k < n; ++k) x[k] -= max;
  }
}

// Rows one after the other make one long loop: nothing waits for the end of a short one.
template <class T>
void exp_all(std::int64_t n, T* __restrict x) {
  for (std::int64_t k = 0; k < n; ++k) x[k] = exp_of(x[k]);
}

// Row i of the scores, scaled and masked: minus infinity where a key does not count, whatever its score.
template <class T>
void prepare(const AttentionBlock& block, std::int64_t i, T* __restrict s) {
  const T scale = static_cast<T>(block.scale);
  const std::int64_t n = block.n, col = block.mask_col, limit = block.limit + i;
  switch (block.kind) {
    case AttentionBlock::Mask::None:
      for (std::int64_t k = 0; k < n; ++k) s[k] *= scale;
      break;
    case AttentionBlock::Mask::Flags: {
      const std::uint8_t* __restrict mask = static_cast<const std::uint8_t*>(block.mask) + i * block.mask_row;
      if (col == 1) {
        for (std::int64_t k = 0; k < n; ++k) s[k] = mask[k] ? s[k] * scale : -kInfinity<T>;
      } else {
        for (std::int64_t k = 0; k < n; ++k) s[k] = mask[k * col] ? s[k] * scale : -kInfinity<T>;
      }
      break;
    }
    case AttentionBlock::Mask::Numbers: {
      const T* __restrict mask = static_cast<const T*>(block.mask) + i * block.mask_row;
      for (std::int64_t k = 0; k < n; ++k) {
        const T add = mask[k * col];
        s[k] = add == -kInfinity<T> ? add : s[k] * scale + add;
      }
      break;
    }
  }
  if (limit < n) {  // compared as numbers as long as T: in lanes
    const int seen = static_cast<int>(limit), all = static_cast<int>(n);
    for (int k = 0; k < all; ++k) s[k] = k < seen ? s[k] : -kInfinity<T>;
  }
}

template <class T>
struct Loops {
  static void weigh(const AttentionBlock& block, void* scores, void* max_, double* sum, void* shrink_) {
    T* s = static_cast<T*>(scores);
    T* max = static_cast<T*>(max_);
    T* shrink = static_cast<T*>(shrink_);
    const std::int64_t n = block.n;
    for (std::int64_t i = 0; i < block.rows; ++i) {
      T* row = s + i * n;
      prepare(block, i, row);
      const T top = larger(max[i], max_of(n, row));
      put_below(n, top, row);
      shrink[i] = max[i];
      put_below(1, top, &shrink[i]);
      max[i] = top;
    }
    exp_all(block.rows * n, s);
    exp_all(block.rows, shrink);
    for (std::int64_t i = 0; i < block.rows; ++i, s += n) {
      const double here = sum_over(n, [&](std::int64_t k) { return static_cast<double>(s[k]); });
      sum[i] = (sum[i] == 0 ? 0.0 : sum[i] * static_cast<double>(shrink[i])) + here;
    }
  }

  static void gather(std::int64_t rows, std::int64_t n, bool first, const void* x_, const void* shrink_, void* y_) {
    const T* __restrict x = static_cast<const T*>(x_);
    const T* shrink = static_cast<const T*>(shrink_);
    T* __restrict y = static_cast<T*>(y_);
    for (std::int64_t i = 0; i < rows; ++i, x += n, y += n) {
      const T factor = shrink[i];
      if (first || factor == T(0)) {  // what was there counts no more
        for (std::int64_t k = 0; k < n; ++k) y[k] = x[k];
      } else {
        for (std::int64_t k = 0; k < n; ++k) y[k] = y[k] * factor + x[k];
      }
    }
  }

  static void finish(std::int64_t rows, std::int64_t n, const void* max_, const double* sum, void* y_, void* stats_) {
    const T* max = static_cast<const T*>(max_);
    T* __restrict y = static_cast<T*>(y_);
    T* stats = static_cast<T*>(stats_);
    for (std::int64_t i = 0; i < rows; ++i, y += n) {
      stats[2 * i] = max[i];
      stats[2 * i + 1] = static_cast<T>(sum[i]);
      const T inverse = static_cast<T>(1 / sum[i]);
      if (sum[i] == 0) {
        for (std::int64_t k = 0; k < n; ++k) y[k] = T(0);
      } else {
        for (std::int64_t k = 0; k < n; ++k) y[k] *= inverse;
      }
    }
  }

  static void weights(const AttentionBlock& block, const void* stats_, void* scores) {
    const T* stats = static_cast<const T*>(stats_);
    T* s = static_cast<T*>(scores);
    const std::int64_t n = block.n;
    for (std::int64_t i = 0; i < block.rows; ++i) {
      prepare(block, i, s + i * n);
      put_below(n, stats[2 * i], s + i * n);
    }
    exp_all(block.rows * n, s);
    for (std::int64_t i = 0; i < block.rows; ++i, s += n) {
      const T inverse = T(1) / stats[2 * i + 1];
      for (std::int64_t k = 0; k < n; ++k) s[k] = s[k] == T(0) ? T(0) : s[k] * inverse;
    }
  }

  static void dots(std::int64_t rows, std::int64_t n, const void* g_, std::int64_t g_row, std::int64_t g_col,
                   const void* y_, void* out_) {
    const T* g = static_cast<const T*>(g_);
    const T* y = static_cast<const T*>(y_);
    T* out = static_cast<T*>(out_);
    for (std::int64_t i = 0; i < rows; ++i, g += g_row, y += n)
      out[i] = static_cast<T>(
          sum_over(n, [&](std::int64_t k) { return static_cast<double>(g[k * g_col]) * static_cast<double>(y[k]); }));
  }

  static void slopes(std::int64_t rows, std::int64_t n, double scale_, const void* weights_, const void* dots_,
                     void* slopes_) {
    const T* __restrict p = static_cast<const T*>(weights_);
    const T* dot = static_cast<const T*>(dots_);
    T* __restrict s = static_cast<T*>(slopes_);
    const T scale = static_cast<T>(scale_);
    for (std::int64_t i = 0; i < rows; ++i, p += n, s += n) {
      const T mean = dot[i];
      for (std::int64_t k = 0; k < n; ++k) s[k] = p[k] == T(0) ? T(0) : p[k] * (s[k] - mean) * scale;
    }
  }

  static void add(std::int64_t n, const void* x_, void* y_) {
    const T* __restrict x = static_cast<const T*>(x_);
    T* __restrict y = static_cast<T*>(y_);
    for (std::int64_t k = 0; k < n; ++k) y[k] += x[k];
  }

  static constexpr AttentionLoops table() { return {weigh, gather, finish, weights, dots, slopes, add}; }
};

constexpr AttentionLoops kFloat = Loops<float>::table(), kDouble = Loops<double>::table();

}  // namespace

const AttentionLoops& attention_loops(DType t) { return t == DType::Float32 ? kFloat : kDouble; }

}  // namespace alice::ALICE_ISA
