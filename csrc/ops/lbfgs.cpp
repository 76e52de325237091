// Hot: between two evaluations of a small function.
// The direction of the L-BFGS method: the inverse Hessian that the last steps stand for, times the gradient.
// Source: Nocedal, Wright, "Numerical optimization", 2nd edition, 2006, algorithm 7.4.
#include <algorithm>
#include <vector>

#include "prepared.h"
#include "register.h"

namespace alice {
namespace {

constexpr int kLanes = 8;

double dot(std::int64_t n, const double* a, const double* b) {
  double sums[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int l = 0; l < kLanes; ++l) sums[l] += a[i + l] * b[i + l];
  for (; i < n; ++i) sums[0] += a[i] * b[i];
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

void add(std::int64_t n, double factor, const double* x, double* to) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) to[i] += factor * x[i];
}

// lbfgs_direction(gradient, steps, changes, order): the direction. Rows of the two matrices are steps and the changes
// of the gradient along them; the order says which of them there are, from the oldest to the newest. Those along which
// the gradient did not rise count for nothing.
void infer_direction(Call& call) {
  const Array &g = call.in[0], &order = call.in[3];
  if (g.rank() != 1 || order.rank() != 1 || order.dtype() != DType::Int64)
    fail(ErrorKind::Shape, "lbfgs_direction: expected a vector as gradient and one of int64 numbers as order; got ",
         g.shape(), " and ", order.shape(), " ", name(order.dtype()));
  for (int i = 0; i < 3; ++i) {
    const Array& a = call.in[static_cast<std::size_t>(i)];
    if (a.dtype() != DType::Float64 ||
        (i > 0 && (a.rank() != 2 || a.dim(1) != g.dim(0) || a.dim(0) != call.in[1].dim(0))))
      fail(ErrorKind::Shape, "lbfgs_direction: expected float64 matrices with the columns of the gradient, ", g.dim(0),
           "; got ", call.in[1].shape(), " ", name(call.in[1].dtype()), " and ", call.in[2].shape(), " ",
           name(call.in[2].dtype()));
  }
  call.out[0] = g.shape_only();
}

void run_direction(const Call& call) {
  const Array gradient = as_contiguous(call.in[0]), steps = as_contiguous(call.in[1]);
  const Array changes = as_contiguous(call.in[2]), order = as_contiguous(call.in[3]);
  const std::int64_t n = gradient.numel(), count = order.numel(), *rows = order.data<std::int64_t>();
  for (std::int64_t k = 0; k < count; ++k)
    if (rows[k] < 0 || rows[k] >= steps.dim(0))
      fail(ErrorKind::Value, "lbfgs_direction: order must name rows of ", steps.dim(0), "; got ", rows[k]);
  const auto step = [&](std::int64_t k) { return steps.data<double>() + rows[k] * n; };
  const auto change = [&](std::int64_t k) { return changes.data<double>() + rows[k] * n; };

  std::vector<double> curvature(static_cast<std::size_t>(count)), factors(curvature.size());
  const auto at = [](std::vector<double>& v, std::int64_t k) -> double& { return v[static_cast<std::size_t>(k)]; };
  auto* direction = call.out[0].data<double>();
  std::transform(gradient.data<double>(), gradient.data<double>() + n, direction, [](double g) { return -g; });
  double scale = 0;  // that of the newest step
  for (std::int64_t k = count - 1; k >= 0; --k) {
    at(curvature, k) = dot(n, step(k), change(k));
    if (!(at(curvature, k) > 0)) continue;
    if (scale == 0) scale = at(curvature, k) / dot(n, change(k), change(k));
    at(factors, k) = dot(n, step(k), direction) / at(curvature, k);
    add(n, -at(factors, k), change(k), direction);
  }
  if (scale > 0) std::transform(direction, direction + n, direction, [&](double d) { return d * scale; });
  for (std::int64_t k = 0; k < count; ++k) {
    if (!(at(curvature, k) > 0)) continue;
    const double back = dot(n, change(k), direction) / at(curvature, k);
    add(n, at(factors, k) - back, step(k), direction);
  }
}

}  // namespace

void register_lbfgs(Registry& registry) {
  registry.add(
      {.name = "lbfgs_direction", .n_in = 4, .infer = infer_direction, .run = {run_direction}, .cost = streaming_cost});
}

}  // namespace alice
