#include <algorithm>
#include <cmath>

#include "by_hand.h"

BY_HAND(lse) {
  const std::int64_t n = call.sizes[0];
  const double* x = call[0];
  double* gradient = call.results[0];
  double top = x[0];
  for (std::int64_t i = 1; i < n; ++i) top = std::max(top, x[i]);
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += gradient[i] = std::exp(x[i] - top);
  for (std::int64_t i = 0; i < n; ++i) gradient[i] /= sum;
}
