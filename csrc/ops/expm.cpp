// expm: the exponential of a matrix, by scaling and squaring.
//
// Source: Higham, "The scaling and squaring method for the matrix exponential revisited", 2005.
//
// Small: products of matrices and LAPACK take the time.
#include <cmath>

#include "matrices.h"
#include "register.h"

namespace alice {
namespace {

using lapack::Int;
using std::int64_t;

// Padé approximants of the orders 3 to 13, each good for matrices of a norm up to so much.
struct Order {
  int order;
  double norm_double, norm_float;
  double coefficients[14];
};
constexpr Order kOrders[] = {
    {3, 1.495585217958292e-2, 4.258730016922831e-1, {120, 60, 12, 1}},
    {5, 2.539398330063230e-1, 1.880152677804762, {30240, 15120, 3360, 420, 30, 1}},
    {7, 9.504178996162932e-1, 3.925724783138660, {17297280, 8648640, 1995840, 277200, 25200, 1512, 56, 1}},
    {9,
     2.097847961257068,
     0,
     {17643225600., 8821612800., 2075673600., 302702400., 30270240., 2162160., 110880., 3960., 90., 1.}},
    {13,
     5.371920351148152,
     0,
     {64764752532480000., 32382376266240000., 7771770303897600., 1187353796428800., 129060195264000., 10559470521600.,
      670442572800., 33522128640., 1323241920., 40840800., 960960., 16380., 182., 1.}},
};

template <class T>
class Exponential {
 public:
  explicit Exponential(int64_t n)
      : n_(n), size_(n * n), a_(size_), power_(size_), next_(size_), odd_(size_), even_(size_), pivots_(n) {}

  // False if a is not finite.
  bool operator()(const T* from, int64_t row, int64_t col, T* out) const {
    gather(n_, n_, from, row, col, a_.data());
    double norm = 0;  // the largest sum of a row
    for (int64_t i = 0; i < n_; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < n_; ++j) sum += std::abs(static_cast<double>(a_[i * n_ + j]));
      if (!(sum <= norm)) norm = sum;
    }
    if (!std::isfinite(norm)) return false;
    const Order* order = kOrders;
    const Order* last = kOrders + (sizeof(T) == 4 ? 2 : 4);
    while (order < last && norm > bound(*order)) ++order;
    int squarings = 0;
    if (norm > bound(*order)) {
      squarings = std::max(0, static_cast<int>(std::ceil(std::log2(norm / bound(*order)))));
      const T scale = static_cast<T>(std::ldexp(1.0, -squarings));
      for (int64_t i = 0; i < size_; ++i) a_[i] *= scale;
    }
    pade(*order, out);
    for (int i = 0; i < squarings; ++i) {
      multiply(out, out, a_.data());
      std::copy_n(a_.data(), size_, out);
    }
    return true;
  }

 private:
  static double bound(const Order& o) { return sizeof(T) == 4 ? o.norm_float : o.norm_double; }

  void multiply(const T* x, const T* y, T* to) const {
    const Int n = static_cast<Int>(n_);
    lapack::gemm<T>(false, false, n, n, n, 1, x, n, y, n, 0, to, n);
  }

  // (even - odd)⁻¹ (even + odd), the terms of even and of odd powers of a.
  void pade(const Order& o, T* out) const {
    T *square = next_.data(), *power = power_.data(), *spare = out;
    multiply(a_.data(), a_.data(), square);
    const auto term = [&](T* sum, double coefficient, const T* x) {
      const T c = static_cast<T>(coefficient / o.coefficients[0]);
      for (int64_t i = 0; i < size_; ++i) sum[i] += c * x[i];
    };
    for (int64_t i = 0; i < size_; ++i) power[i] = T(i % (n_ + 1) == 0), odd_[i] = even_[i] = 0;
    for (int k = 0; k <= o.order; k += 2) {
      term(even_.data(), o.coefficients[k], power);
      term(odd_.data(), o.coefficients[k + 1], power);
      if (k + 2 > o.order) break;
      multiply(power, square, spare);
      std::swap(power, spare);
    }
    multiply(a_.data(), odd_.data(), square);
    // To LAPACK they are transposes: it solves from the right what commutes.
    T* denominator = power_.data();
    for (int64_t i = 0; i < size_; ++i) {
      denominator[i] = even_[i] - square[i];
      even_[i] += square[i];
    }
    lapack::getrf(static_cast<Int>(n_), static_cast<Int>(n_), denominator, pivots_.data());
    lapack::getri(static_cast<Int>(n_), denominator, pivots_.data());
    multiply(denominator, even_.data(), out);
  }

  int64_t n_, size_;
  Scratch<T> a_, power_, next_, odd_, even_;
  Scratch<Int> pivots_;
};

void infer_expm(Call& call) {
  check_square(call, 0, "a");
  call.out[0] = Array::abstract(call.in[0].shape(), call.in[0].dtype());
}

void run_expm(const Call& call) {
  const Array& in = call.in[0];
  if (in.numel() == 0) return;
  const int64_t n = rows_of(in), count = in.numel() / (n * n);
  FirstFailure failure;
  dispatch_matrix(in.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const Matrices<T> a(in, batch_of(in.shape()));
    for_matrices(count, matrix_nanoseconds(15 * cube(n)), [&](int64_t begin, int64_t end) {
      const Exponential<T> exponential(n);
      for (int64_t i = begin; i < end; ++i)
        if (!exponential(a[i], a.row, a.col, call.out[0].data<T>() + i * n * n)) failure.note(i, 0);
    });
  });
  if (failure)
    fail(ErrorKind::LinAlg, "expm: the matrix must be finite; got infinities or NaN",
         failure.where(batch_of(in.shape())));
}

double flops(const Call& call) {
  return 30 * static_cast<double>(call.in[0].numel()) * static_cast<double>(rows_of(call.in[0]));
}
double cost(const Call& call) { return flops(call) / 16; }

}  // namespace

void register_expm(Registry& registry) {
  registry.add({.name = "expm",
                .n_in = 1,
                .inputs = Inputs::Floating,
                .infer = infer_expm,
                .run = {run_expm},
                .cost = cost,
                .flops = flops});
}

}  // namespace alice
