#include <algorithm>
#include <vector>

#include "by_hand.h"

BY_HAND(llsq) {
  const std::int64_t n = call.sizes[0], m = call.sizes[1];
  const double *x = call[0], *t = call[1], *s = call[2];
  double* gradient = call.results[0];
  std::vector<double> powers(m);
  std::fill_n(gradient, m, 0.0);
  for (std::int64_t i = 0; i < n; ++i) {
    double power = 1, rest = s[i];
    for (std::int64_t j = 0; j < m; ++j, power *= t[i]) {
      powers[j] = power;
      rest -= x[j] * power;
    }
    for (std::int64_t j = 0; j < m; ++j) gradient[j] -= rest * powers[j];
  }
}
