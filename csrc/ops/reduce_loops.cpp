// Compiled once per instruction-set level; see core/isa.h for what such a file may contain.
//
// Everything rests on one loop, down the columns of a block: its inner loop runs across independent results,
// so it vectorises whatever the fold does. A long row is folded as a block too, 64 lanes wide, and the lanes
// are merged at the end.
//
// Sums of float32 are carried in float64: exact to the last rounding for any count below 2^29. Sums of
// float64 carry the rounding error of every addition along (Knuth's two-sum; Neumaier 1974, "Rundungsfehler-
// analyse einiger Verfahren zur Summation endlicher Summen"), as if in twice the precision.
#include "reduce_loops.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "math_exp.h"
#include "math_float.h"

namespace alice::ALICE_ISA {
namespace {

constexpr std::int64_t kWideLanes = 64;  // of a long row
constexpr std::int64_t kFewLanes = 16;   // of a short one
constexpr std::int64_t kLongRow = 512;   // from here on in kWideLanes lanes

struct Nothing {};

// ---- folds: state, one step, merging two states -------------------------------------------------------------

template <class T>
struct SumFold {  // integers wrap around, as the standard says of int64
  using A = std::uint64_t;
  using B = Nothing;
  static constexpr bool kReadsC = false, kIndexed = false;
  static A start() { return 0; }
  ALICE_HD static void add(A& a, B&, T x, double, std::int64_t) { a += static_cast<A>(static_cast<std::int64_t>(x)); }
  ALICE_HD static void merge(A& a, B&, A later, B) { a += later; }
};

// Sums of terms: plain float64 for float32 data, compensated for float64 data.
template <class T, class Term>
struct FloatingSum {
  static constexpr bool kCompensated = sizeof(T) == 8;
  using A = double;
  using B = std::conditional_t<kCompensated, double, Nothing>;
  static constexpr bool kReadsC = Term::kReadsC, kIndexed = false;
  static A start() { return 0; }
  ALICE_HD static void grow(A& high, B& low, double term) {
    if constexpr (kCompensated) {
      const Pair sum = two_sum(high, term);
      high = sum.hi;
      low += sum.lo;
    } else {
      high += term;
    }
  }
  ALICE_HD static void add(A& a, B& b, T x, double c, std::int64_t) { grow(a, b, Term::of(x, c)); }
  // A pair's own rounding is half an ULP of it: cheaper than carrying it, and within the bound on sums.
  ALICE_HD static void add_pair(A& a, B& b, T x, T y, double c, std::int64_t) {
    grow(a, b, Term::of(x, c) + Term::of(y, c));
  }
  ALICE_HD static void merge(A& a, B& b, A later, B later_low) {
    grow(a, b, later);
    if constexpr (kCompensated) b += later_low;
  }
};

struct Itself {
  static constexpr bool kReadsC = false;
  template <class T>
  ALICE_HD static double of(T x, double) {
    return x;
  }
};
struct Square {
  static constexpr bool kReadsC = false;
  template <class T>
  ALICE_HD static double of(T x, double) {
    return static_cast<double>(x) * x;
  }
};
struct SquaredDistance {
  static constexpr bool kReadsC = true;
  template <class T>
  ALICE_HD static double of(T x, double c) {
    return (x - c) * (x - c);
  }
};
struct Exponential {
  static constexpr bool kReadsC = true;
  ALICE_HD static double of(float x, double c) { return exp(x - static_cast<float>(c)); }
  ALICE_HD static double of(double x, double c) { return exp<Full>(x - c); }
};

struct SafeTerm {
  static constexpr bool kReadsC = false;
  ALICE_HD static double of(double x, double) { return x * kSafeSumScale; }
};
struct SafeSquare {
  static constexpr bool kReadsC = true;
  ALICE_HD static double of(double x, double c) { return (x * c) * (x * c); }
};
struct SafeSquaredDistance {
  static constexpr bool kReadsC = true;
  ALICE_HD static double of(double x, double c) {
    const double d = x * kSafeDistanceScale - c * kSafeDistanceScale;
    return d * d;
  }
};

template <>
struct SumFold<float> : FloatingSum<float, Itself> {};
template <>
struct SumFold<double> : FloatingSum<double, Itself> {};
template <class T>
using SquaresFold = FloatingSum<T, Square>;
template <class T>
using DistancesFold = FloatingSum<T, SquaredDistance>;
template <class T>
using ExponentialsFold = FloatingSum<T, Exponential>;

template <class T>
struct ProductFold {
  using A = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
  using B = Nothing;
  static constexpr bool kReadsC = false, kIndexed = false;
  static A start() { return 1; }
  ALICE_HD static void add(A& a, B&, T x, double, std::int64_t) {
    if constexpr (std::is_floating_point_v<T>) {
      a *= x;
    } else {
      a *= static_cast<A>(static_cast<std::int64_t>(x));
    }
  }
  ALICE_HD static void merge(A& a, B&, A later, B) { a *= later; }
};

// Whether `x` comes before `y` in the order of a fold; the smallest value of that order.
struct Ascending {
  template <class T>
  ALICE_HD static bool beats(T x, T y) {
    return x > y;
  }
  template <class T>
  static T start() {
    return std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
  }
};
struct Descending {
  template <class T>
  ALICE_HD static bool beats(T x, T y) {
    return x < y;
  }
  template <class T>
  static T start() {
    return std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
  }
};

template <class T, class Order>
struct ExtremeFold {
  using A = T;
  using B = Nothing;
  static constexpr bool kReadsC = false, kIndexed = false;
  static A start() { return Order::template start<T>(); }
  // Nothing beats a NaN in `a`, and a NaN in `x` beats everything: bitwise "or" keeps this free of branches.
  ALICE_HD static void add(A& a, B&, T x, double, std::int64_t) { a = (Order::beats(x, a) | (x != x)) ? x : a; }
  ALICE_HD static void merge(A& a, B& b, A later, B) { add(a, b, later, 0, 0); }
};
template <class T>
using MaxFold = ExtremeFold<T, Ascending>;
template <class T>
using MinFold = ExtremeFold<T, Descending>;

template <class T>
struct MaxAbsFold : MaxFold<T> {
  static T start() { return 0; }
  ALICE_HD static void add(T& a, Nothing& b, T x, double, std::int64_t) { MaxFold<T>::add(a, b, std::fabs(x), 0, 0); }
};

template <class T, class Order>
struct ArgExtremeFold {
  using A = T;
  using B = std::int64_t;
  using Values = ExtremeFold<T, Order>;
  static constexpr bool kReadsC = false, kIndexed = true;
  static A start() { return Order::template start<T>(); }
  ALICE_HD static void add(A& a, B& b, T x, double, std::int64_t index) {
    const bool better = Order::beats(x, a) | ((x != x) & (a == a));
    a = better ? x : a;
    b = better ? index : b;
  }
  ALICE_HD static void merge(A& a, B& b, A later, B index) { add(a, b, later, 0, index); }
};
template <class T>
using ArgMaxFold = ArgExtremeFold<T, Ascending>;
template <class T>
using ArgMinFold = ArgExtremeFold<T, Descending>;

// ---- loops --------------------------------------------------------------------------------------------------

template <class F>
constexpr bool kHasB = !std::is_same_v<typename F::B, Nothing>;

template <class F, class T>
ALICE_HD void add_two(typename F::A& a, typename F::B& b, T x, T y, double c, std::int64_t index) {
  if constexpr (requires { F::add_pair(a, b, x, y, c, index); }) {
    F::add_pair(a, b, x, y, c, index);
  } else {
    F::add(a, b, x, c, index);
    F::add(a, b, y, c, index + 1);
  }
}

// Rows that lie side by side and are read together, as they are of doubles, come from memory in an order that the
// hardware does not foresee: they are asked for in theirs, so many bytes ahead, into L2.
constexpr std::int64_t kAhead = 1 << 13;

[[gnu::noinline]] void ask_ahead(const void* x, std::int64_t bytes) {
  const char* from = static_cast<const char*>(x) + kAhead;
  asm volatile("");  // or the compiler takes the call for one that does nothing
#pragma GCC unroll 4
  for (std::int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(from + at, 0, 2);
}

// The loop that all others call. Never inlined: its copies would be most of the library.
template <class F, class T>
[[gnu::noinline]] void fold_columns(std::int64_t count, std::int64_t n, std::int64_t stride, const T* __restrict x,
                                    typename F::A* __restrict a, typename F::B* __restrict b,
                                    const double* __restrict c, std::int64_t first) {
  using A = typename F::A;
  using B = typename F::B;
  for (std::int64_t k = 0; k < n;) {
    const bool four = k + kFoldUnroll <= n;
    const T *x0 = x + k * stride, *x1 = x0 + stride, *x2 = x1 + stride, *x3 = x2 + stride;
    if (four) {
      if (sizeof(T) == 8 && stride == count) ask_ahead(x0, kFoldUnroll * count * 8);
      for (std::int64_t i = 0; i < count; ++i) {
        A s = a[i];
        B t{};
        double center = 0;
        if constexpr (kHasB<F>) t = b[i];
        if constexpr (F::kReadsC) center = c[i];
        add_two<F>(s, t, x0[i], x1[i], center, first + k);
        add_two<F>(s, t, x2[i], x3[i], center, first + k + 2);
        a[i] = s;
        if constexpr (kHasB<F>) b[i] = t;
      }
    } else {
      for (std::int64_t i = 0; i < count; ++i) {
        A s = a[i];
        B t{};
        double center = 0;
        if constexpr (kHasB<F>) t = b[i];
        if constexpr (F::kReadsC) center = c[i];
        F::add(s, t, x0[i], center, first + k);
        a[i] = s;
        if constexpr (kHasB<F>) b[i] = t;
      }
    }
    k += four ? kFoldUnroll : 1;
  }
}

template <class F>
void merge_states(std::int64_t count, typename F::A* __restrict a, typename F::B* __restrict b,
                  const typename F::A* __restrict later_a, const typename F::B* __restrict later_b) {
  for (std::int64_t i = 0; i < count; ++i) {
    typename F::B t{}, u{};
    if constexpr (kHasB<F>) t = b[i], u = later_b[i];
    F::merge(a[i], t, later_a[i], u);
    if constexpr (kHasB<F>) b[i] = t;
  }
}

// Merges 2·kHalf lanes into the first: of constant size, so that it is a few shuffles.
template <class F, int kHalf>
ALICE_HD void merge_tree(typename F::A* a, typename F::B* b) {
#pragma GCC unroll 1
  for (int i = 0; i < kHalf; ++i) F::merge(a[i], b[i], a[i + kHalf], b[i + kHalf]);
  if constexpr (kHalf > 1) merge_tree<F, kHalf / 2>(a, b);
}

// Merges `half` lanes with those that lie as many lanes further on, kFewLanes at a time. What this leaves in lanes from
// `half` on is of no use to anyone.
template <class F>
ALICE_HD void merge_halves(std::int64_t half, typename F::A* a, typename F::B* b) {
  for (std::int64_t l = 0; l < half; l += kFewLanes) {
    typename F::A later_a[kFewLanes];
    typename F::B later_b[kFewLanes];
    for (int i = 0; i < kFewLanes; ++i) later_a[i] = a[l + half + i], later_b[i] = b[l + half + i];
#pragma GCC unroll 1  // unrolled early, this loop would not be vectorised
    for (int i = 0; i < kFewLanes; ++i) F::merge(a[l + i], b[l + i], later_a[i], later_b[i]);
  }
}

// Folds a contiguous block of `n` rows of `count` items, side by side in at most kWideLanes lanes: lane l holds
// items of result l % count.
template <class F, class T>
[[gnu::noinline]] void fold_packed(std::int64_t count, std::int64_t n, const T* x, typename F::A* a, typename F::B* b,
                                   const double* c) {
  using A = typename F::A;
  using B = typename F::B;
  std::int64_t group = 1;  // how many rows lie side by side: a power of two, and no more than make the loop long enough
  while (2 * group * count <= kWideLanes && 2 * kFoldUnroll * group <= n) group *= 2;
  const std::int64_t lanes = group * count;
  alignas(64) A lane_a[kWideLanes + kFewLanes];
  alignas(64) B lane_b[kWideLanes + kFewLanes];
  alignas(64) double lane_c[F::kReadsC ? kWideLanes : 1] = {};
  for (std::int64_t l = 0; l < kWideLanes + kFewLanes; ++l) lane_a[l] = F::start();
  if constexpr (kHasB<F>)
    for (std::int64_t l = 0; l < kWideLanes + kFewLanes; ++l) lane_b[l] = B{};
  if constexpr (F::kReadsC)
    for (std::int64_t l = 0; l < lanes; ++l) lane_c[l] = c[count == 1 ? 0 : l % count];
  fold_columns<F, T>(lanes, n / group, lanes, x, lane_a, lane_b, lane_c, 0);
  if (n % group) fold_columns<F, T>(n % group * count, 1, 0, x + n / group * lanes, lane_a, lane_b, lane_c, 0);
  if (lanes == kWideLanes && count == 1) {
    merge_tree<F, kWideLanes / 2>(lane_a, lane_b);
    F::merge(*a, *b, *lane_a, *lane_b);
    return;
  }
  for (std::int64_t half = lanes / 2; half >= count; half /= 2) merge_halves<F>(half, lane_a, lane_b);
  merge_states<F>(count, a, b, lane_a, lane_b);
}

// Folds one row of moderate length in kFewLanes lanes: all in registers, since a call would take as long.
template <class F, class T>
ALICE_HD void fold_row(std::int64_t n, const T* __restrict x, typename F::A& a, typename F::B& b, double c) {
  typename F::A lane_a[kFewLanes];
  typename F::B lane_b[kFewLanes] = {};
  for (int l = 0; l < kFewLanes; ++l) lane_a[l] = F::start();
  std::int64_t k = 0;
  for (; k + 2 * kFewLanes <= n; k += 2 * kFewLanes)
#pragma GCC unroll 1  // unrolled early, these loops would not be vectorised
    for (int l = 0; l < kFewLanes; ++l) add_two<F>(lane_a[l], lane_b[l], x[k + l], x[k + kFewLanes + l], c, 0);
  for (; k + kFewLanes <= n; k += kFewLanes)
#pragma GCC unroll 1
    for (int l = 0; l < kFewLanes; ++l) F::add(lane_a[l], lane_b[l], x[k + l], c, 0);
  for (int l = 0; k + l < n; ++l) F::add(lane_a[l], lane_b[l], x[k + l], c, 0);
  merge_tree<F, kFewLanes / 2>(lane_a, lane_b);
  F::merge(a, b, *lane_a, *lane_b);
}

// Where the best of a row stands: its value is found first, which vectorises, then looked for.
template <class F, class T>
void find_extreme(std::int64_t n, const T* x, T& a, std::int64_t& b, std::int64_t first) {
  T best = F::start();
  Nothing none;
  if (n < kShortRow) {
    for (std::int64_t k = 0; k < n; ++k) F::add(a, b, x[k], 0, first + k);
    return;
  }
  if (n < kLongRow) {
    fold_row<typename F::Values, T>(n, x, best, none, 0);
  } else {
    fold_packed<typename F::Values, T>(1, n, x, &best, &none, nullptr);
  }
  T before = a;
  std::int64_t index = b;
  F::add(before, index, best, 0, -1);
  if (index != -1) return;
  using Hits = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                  std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint8_t>>;
  std::int64_t k = 0;
  for (; k + kFewLanes <= n; k += kFewLanes) {
    Hits hits = 0;
#pragma GCC unroll 1
    for (std::int64_t l = 0; l < kFewLanes; ++l) hits |= static_cast<Hits>((x[k + l] == best) | (x[k + l] != x[k + l]));
    if (hits) break;
  }
  while (k < n && !(x[k] == best || x[k] != x[k])) ++k;
  a = best;
  b = first + k;
}

template <class F, class T>
struct Loops {
  using A = typename F::A;
  using B = typename F::B;

  static void init(std::int64_t count, void* a, void* b) {
    for (std::int64_t i = 0; i < count; ++i) static_cast<A*>(a)[i] = F::start();
    if constexpr (kHasB<F>)
      for (std::int64_t i = 0; i < count; ++i) static_cast<B*>(b)[i] = B{};
  }

  static void rows(std::int64_t count, std::int64_t n, std::int64_t stride, const void* data, void* a_plane,
                   void* b_plane, const double* c, std::int64_t first) {
    const T* __restrict x = static_cast<const T*>(data);
    A* __restrict a = static_cast<A*>(a_plane);
    B* __restrict b = static_cast<B*>(b_plane);
    if constexpr (F::kIndexed) {
      for (std::int64_t i = 0; i < count; ++i) find_extreme<F, T>(n, x + i * stride, a[i], b[i], first);
    } else if (n < kShortRow) {  // across rows, so that no addition waits for the one before it
      for (std::int64_t k = 0; k < n; ++k) {
        for (std::int64_t i = 0; i < count; ++i) {
          B t{};
          if constexpr (kHasB<F>) t = b[i];
          double center = 0;
          if constexpr (F::kReadsC) center = c[i];
          F::add(a[i], t, x[i * stride + k], center, 0);
          if constexpr (kHasB<F>) b[i] = t;
        }
      }
    } else {
      for (std::int64_t i = 0; i < count; ++i) {
        B none{};
        B& low = kHasB<F> ? b[i] : none;
        if (n < kLongRow) {
          fold_row<F, T>(n, x + i * stride, a[i], low, F::kReadsC ? c[i] : 0);
        } else {
          fold_packed<F, T>(1, n, x + i * stride, a + i, &low, F::kReadsC ? c + i : nullptr);
        }
      }
    }
  }

  static void columns(std::int64_t count, std::int64_t n, std::int64_t stride, const void* x, void* a, void* b,
                      const double* c, std::int64_t first) {
    fold_columns<F, T>(count, n, stride, static_cast<const T*>(x), static_cast<A*>(a), static_cast<B*>(b), c, first);
  }

  static void packed(std::int64_t count, std::int64_t n, const void* x, void* a, void* b, const double* c,
                     std::int64_t first) {
    if constexpr (F::kIndexed) {
      columns(count, n, count, x, a, b, c, first);
    } else {
      fold_packed<F, T>(count, n, static_cast<const T*>(x), static_cast<A*>(a), static_cast<B*>(b), c);
    }
  }

  static void merge(std::int64_t count, void* a, void* b, const void* later_a, const void* later_b) {
    merge_states<F>(count, static_cast<A*>(a), static_cast<B*>(b), static_cast<const A*>(later_a),
                    static_cast<const B*>(later_b));
  }

  static constexpr FoldLoops table() { return {sizeof(A), init, rows, columns, packed, merge}; }
};

// ---- table --------------------------------------------------------------------------------------------------

template <template <class> class F>
constexpr void put_floating(FoldTable& table, Fold fold) {
  auto& row = table.loops[static_cast<int>(fold)];
  row[static_cast<int>(DType::Float32)] = Loops<F<float>, float>::table();
  row[static_cast<int>(DType::Float64)] = Loops<F<double>, double>::table();
}

template <template <class> class F>
constexpr void put_integers(FoldTable& table, Fold fold) {
  auto& row = table.loops[static_cast<int>(fold)];
  row[static_cast<int>(DType::Bool)] = Loops<F<std::uint8_t>, std::uint8_t>::table();  // one byte, 0 or 1
  row[static_cast<int>(DType::UInt8)] = Loops<F<std::uint8_t>, std::uint8_t>::table();
  row[static_cast<int>(DType::Int32)] = Loops<F<std::int32_t>, std::int32_t>::table();
  row[static_cast<int>(DType::Int64)] = Loops<F<std::int64_t>, std::int64_t>::table();
}

// What runs seldom is there once, for all levels.
#if !defined(__AVX2__)
template <class F>
constexpr void put_double(FoldTable& table, Fold fold) {
  table.loops[static_cast<int>(fold)][static_cast<int>(DType::Float64)] = Loops<F, double>::table();
}

constexpr void put_rare(FoldTable& table) {
  put_double<FloatingSum<double, SafeTerm>>(table, Fold::SafeSum);
  put_double<FloatingSum<double, SafeSquare>>(table, Fold::SafeSquares);
  put_double<FloatingSum<double, SafeSquaredDistance>>(table, Fold::SafeDistances);
  put_integers<ProductFold>(table, Fold::Product);
  put_integers<ArgMaxFold>(table, Fold::ArgMax);
  put_integers<ArgMinFold>(table, Fold::ArgMin);
}
#else
constexpr void put_rare(FoldTable&) {}
#endif

constexpr FoldTable make_table() {
  FoldTable table{};
  put_floating<SumFold>(table, Fold::Sum);
  put_integers<SumFold>(table, Fold::Sum);
  put_floating<SquaresFold>(table, Fold::Squares);
  put_floating<DistancesFold>(table, Fold::Distances);
  put_floating<ExponentialsFold>(table, Fold::Exponentials);
  put_floating<ProductFold>(table, Fold::Product);
  put_floating<MaxFold>(table, Fold::Max);
  put_integers<MaxFold>(table, Fold::Max);
  put_floating<MinFold>(table, Fold::Min);
  put_integers<MinFold>(table, Fold::Min);
  put_floating<MaxAbsFold>(table, Fold::MaxAbs);
  put_floating<ArgMaxFold>(table, Fold::ArgMax);
  put_floating<ArgMinFold>(table, Fold::ArgMin);
  put_rare(table);
  return table;
}

constexpr FoldTable kTable = make_table();

}  // namespace

const FoldTable& fold_table() { return kTable; }

}  // namespace alice::ALICE_ISA
