// All states are kept, and the four slopes of a step computed once more on the way back.
#include <algorithm>
#include <vector>

#include "by_hand.h"

BY_HAND(ode) {
  const std::int64_t n = call.sizes[0], steps = call.sizes[1];
  const double* x = call[0];
  double* by_x = call.results[0];
  const double h = 2.0 / double(steps);
  std::vector<double> states((steps + 1) * n), a(n), b(n), c(n), d(n), u(n), v(n), w(n), g(n);

  const auto slope = [&](const double* y, double* out) {
    out[0] = x[0];
    for (std::int64_t i = 1; i < n; ++i) out[i] = x[i] * y[i - 1];
  };
  const auto moved = [&](const double* y, double by, const double* k, double* out) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = y[i] + by * k[i];
  };
  // Adds what the adjoint g of a slope at y gives to x's; leaves what it gives to y's in g.
  const auto pull = [&](const double* y, double* g) {
    by_x[0] += g[0];
    for (std::int64_t i = 1; i < n; ++i) {
      by_x[i] += g[i] * y[i - 1];
      g[i - 1] = g[i] * x[i];
    }
    g[n - 1] = 0;
  };
  const auto slopes = [&](const double* y) {
    slope(y, a.data());
    moved(y, 0.5 * h, a.data(), u.data());
    slope(u.data(), b.data());
    moved(y, 0.5 * h, b.data(), v.data());
    slope(v.data(), c.data());
    moved(y, h, c.data(), w.data());
  };

  for (std::int64_t s = 0; s < steps; ++s) {
    const double* y = &states[s * n];
    double* next = &states[(s + 1) * n];
    slopes(y);
    slope(w.data(), d.data());
    for (std::int64_t i = 0; i < n; ++i) next[i] = y[i] + h / 6.0 * (a[i] + 2.0 * b[i] + 2.0 * c[i] + d[i]);
  }

  std::vector<double> adjoint(n), total(n);
  adjoint[n - 1] = 1;
  std::fill_n(by_x, n, 0.0);
  for (std::int64_t s = steps - 1; s >= 0; --s) {
    const double* y = &states[s * n];
    slopes(y);
    total = adjoint;
    for (std::int64_t i = 0; i < n; ++i) g[i] = h / 6.0 * adjoint[i];
    pull(w.data(), g.data());
    for (std::int64_t i = 0; i < n; ++i) total[i] += g[i], g[i] = h / 3.0 * adjoint[i] + h * g[i];
    pull(v.data(), g.data());
    for (std::int64_t i = 0; i < n; ++i) total[i] += g[i], g[i] = h / 3.0 * adjoint[i] + 0.5 * h * g[i];
    pull(u.data(), g.data());
    for (std::int64_t i = 0; i < n; ++i) total[i] += g[i], g[i] = h / 6.0 * adjoint[i] + 0.5 * h * g[i];
    pull(y, g.data());
    for (std::int64_t i = 0; i < n; ++i) adjoint[i] = total[i] + g[i];
  }
}
