#include <algorithm>
#include <cmath>
#include <vector>

#include "by_hand.h"

namespace {

constexpr double kGamma = 1, kM = 0;

// Turns a into its softmax.
void softmax(std::int64_t n, double* a) {
  const double top = *std::max_element(a, a + n);
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] = std::exp(a[i] - top);
  for (std::int64_t i = 0; i < n; ++i) a[i] /= sum;
}

}  // namespace

BY_HAND(gmm) {
  const std::int64_t d = call.sizes[0], k = call.sizes[1], n = call.sizes[2], below = d * (d - 1) / 2;
  const double *alpha = call[0], *mu = call[1], *q = call[2], *l = call[3], *x = call[4];
  double *by_alpha = call.results[0], *by_mu = call.results[1], *by_q = call.results[2], *by_l = call.results[3];
  std::vector<double> diagonal(k * d), sums(k), z(k * d), away(k * d), share(k), pulled(d);
  for (std::int64_t i = 0; i < k; ++i)
    for (std::int64_t j = 0; j < d; ++j) {
      diagonal[i * d + j] = std::exp(q[i * d + j]);
      sums[i] += q[i * d + j];
    }
  std::vector<double> mixing(alpha, alpha + k);
  softmax(k, mixing.data());
  std::fill_n(by_alpha, k, 0.0);  // how many points are whose, until the end
  std::fill_n(by_mu, k * d, 0.0);
  std::fill_n(by_q, k * d, 0.0);  // by the diagonal, until the end
  for (std::int64_t i = 0; i < k * below; ++i) by_l[i] = -kGamma * kGamma * l[i];

  for (std::int64_t p = 0; p < n; ++p) {
    for (std::int64_t i = 0; i < k; ++i) {
      double *a = &away[i * d], *y = &z[i * d], square = 0;
      const double* column = l + i * below;
      for (std::int64_t j = 0; j < d; ++j) {
        a[j] = x[p * d + j] - mu[i * d + j];
        y[j] = diagonal[i * d + j] * a[j];
      }
      for (std::int64_t j = 0; j < d; column += d - 1 - j, ++j)
        for (std::int64_t r = j + 1; r < d; ++r) y[r] += column[r - j - 1] * a[j];
      for (std::int64_t j = 0; j < d; ++j) square += y[j] * y[j];
      share[i] = alpha[i] + sums[i] - 0.5 * square;
    }
    softmax(k, share.data());
    for (std::int64_t i = 0; i < k; ++i) {
      const double w = share[i], *a = &away[i * d], *y = &z[i * d], *column = l + i * below;
      double* by_column = by_l + i * below;
      by_alpha[i] += w;
      for (std::int64_t j = 0; j < d; ++j) {
        by_q[i * d + j] -= w * y[j] * a[j];
        pulled[j] = diagonal[i * d + j] * y[j];
      }
      for (std::int64_t j = 0; j < d; column += d - 1 - j, by_column += d - 1 - j, ++j)
        for (std::int64_t r = j + 1; r < d; ++r) {
          by_column[r - j - 1] -= w * y[r] * a[j];
          pulled[j] += column[r - j - 1] * y[r];
        }
      for (std::int64_t j = 0; j < d; ++j) by_mu[i * d + j] += w * pulled[j];
    }
  }

  for (std::int64_t i = 0; i < k; ++i) {
    for (std::int64_t j = 0; j < d; ++j) {
      const double e = diagonal[i * d + j];
      by_q[i * d + j] = (by_q[i * d + j] - kGamma * kGamma * e) * e + by_alpha[i] + kM;
    }
    by_alpha[i] -= double(n) * mixing[i];
  }
}
