// The gradient is 2 sum (c - p) over the points next to c, the diagonal of the Hessian twice their number.
#include <limits>
#include <vector>

#include "by_hand.h"

BY_HAND(kmeans) {
  const std::int64_t k = call.sizes[0], n = call.sizes[1], d = call.sizes[2];
  const double *points = call[0], *centroids = call[1];
  std::vector<double> gradient(k * d), diagonal(k);
  for (std::int64_t i = 0; i < n; ++i) {
    const double* p = points + i * d;
    double least = std::numeric_limits<double>::infinity();
    std::int64_t nearest = 0;
    for (std::int64_t j = 0; j < k; ++j) {
      double square = 0;
      for (std::int64_t l = 0; l < d; ++l) square += (centroids[j * d + l] - p[l]) * (centroids[j * d + l] - p[l]);
      if (square < least) least = square, nearest = j;
    }
    for (std::int64_t l = 0; l < d; ++l) gradient[nearest * d + l] += 2 * (centroids[nearest * d + l] - p[l]);
    diagonal[nearest] += 2;
  }
  for (std::int64_t j = 0; j < k; ++j)
    for (std::int64_t l = 0; l < d; ++l) call.results[0][j * d + l] = gradient[j * d + l] / diagonal[j];
}
