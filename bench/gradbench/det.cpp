// Minor j of minor i of m columns is number i m + j among those of m - 1, as in det.py.
#include <algorithm>
#include <vector>

#include "by_hand.h"

namespace {

struct Expansion {
  std::int64_t n;
  const double* a;
  double* gradient;
  std::vector<std::vector<double>> minors;  // [m]: the values of those with m columns

  double value(std::int64_t m, std::size_t at, const int* columns) {
    const double* row = a + (n - m) * n;
    if (m == 1) return minors[1][at] = row[columns[0]];
    int rest[16];
    double sum = 0;
    std::copy_n(columns + 1, m - 1, rest);
    for (std::int64_t j = 0; j < m; ++j) {
      const double product = row[columns[j]] * value(m - 1, at * m + j, rest);
      sum += j % 2 ? -product : product;
      rest[j] = columns[j];
    }
    return minors[m][at] = sum;
  }

  void pull(std::int64_t m, std::size_t at, const int* columns, double adjoint) {
    const std::int64_t row = (n - m) * n;
    if (m == 1) {
      gradient[row + columns[0]] += adjoint;
      return;
    }
    int rest[16];
    std::copy_n(columns + 1, m - 1, rest);
    for (std::int64_t j = 0; j < m; ++j) {
      const double g = j % 2 ? -adjoint : adjoint;
      gradient[row + columns[j]] += g * minors[m - 1][at * m + j];
      pull(m - 1, at * m + j, rest, g * a[row + columns[j]]);
      rest[j] = columns[j];
    }
  }
};

}  // namespace

BY_HAND(det) {
  const std::int64_t n = call.sizes[0];
  Expansion e{n, call[0], call.results[0], std::vector<std::vector<double>>(n + 1)};
  std::size_t count = 1;
  for (std::int64_t m = n; m >= 1; count *= m--) e.minors[m].resize(count);
  int columns[16];
  for (int j = 0; j < n; ++j) columns[j] = j;
  std::fill_n(e.gradient, n * n, 0.0);
  e.value(n, 0, columns);
  e.pull(n, 0, columns, 1.0);
}
