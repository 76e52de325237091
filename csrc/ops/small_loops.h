// Factorisations of matrices of up to 16 rows, where a call of LAPACK takes longer than its work: several matrices side
// by side, one in each lane of a vector. Each has the bits that it has alone.
#pragma once

#include <cstdint>

#include "../core/isa.h"
#include "lapack.h"

namespace alice {

inline constexpr std::int64_t kSmall = 16;
template <class T>
inline constexpr std::int64_t kLanes = 64 / sizeof(T);

// Up to kLanes matrices of one shape: where each begins, and how far apart its rows and its columns are.
template <class T>
struct Group {
  const T* at[kLanes<T>];
  std::int64_t row, col;
};

// Results lie one after another, stored by rows. `work` is room for kSmallWork bytes, aligned at 64.
inline constexpr std::int64_t kSmallWork = 3 * kSmall * (kSmall + 1) * 64;

template <class T>
struct SmallLoops {
  // Of (a + aᵀ) / 2; zeros above the diagonal. What is not positive definite has a diagonal that is not.
  void (*cholesky)(std::int64_t count, std::int64_t n, const Group<T>& a, T* l, void* work);
  // The symmetric cotangent of a, from that of its factor, whose lower half counts.
  void (*cholesky_vjp)(std::int64_t count, std::int64_t n, const Group<T>& g, const Group<T>& l, T* out, void* work);
  // x = op(a)⁻¹ b; b and x have k columns.
  void (*solve_triangular)(std::int64_t count, std::int64_t n, std::int64_t k, lapack::Triangle how, const Group<T>& a,
                           const Group<T>& b, T* x, void* work);
  // a[permutation] = L U, with both in `factors`, stored by columns.
  void (*lu)(std::int64_t count, std::int64_t n, const Group<T>& a, T* factors, std::int64_t* permutation, void* work);
  // a x = b or aᵀ x = b; b and x have k columns. Of singular matrices the column of the first pivot that is 0 goes to
  // `singular`, else -1.
  void (*solve)(std::int64_t count, std::int64_t n, std::int64_t k, bool transposed, const Group<T>& a,
                const Group<T>& b, T* x, std::int64_t* singular, void* work);
  // The inverse; `singular` as of solve().
  void (*inv)(std::int64_t count, std::int64_t n, const Group<T>& a, T* x, std::int64_t* singular, void* work);
};

ALICE_BY_LEVEL(const SmallLoops<float>&, small_float_loops, ())
ALICE_BY_LEVEL(const SmallLoops<double>&, small_double_loops, ())

template <class T>
const SmallLoops<T>& small_loops() {
  if constexpr (sizeof(T) == 4)
    return small_float_loops();
  else
    return small_double_loops();
}

}  // namespace alice
