// y is found from a start and by steps that do not depend on x: by hand, forward or reverse, the gradient of the value
// |x|^2 - |y|^2 is 2 x.
#include "by_hand.h"
#include "solver.h"

namespace {

using Pair = Point<2>;

double square(const Pair& a) { return a[0] * a[0] + a[1] * a[1]; }

Pair highest(const Pair& x, const Pair& start) {
  return argmin<2>(
      [&](const Pair& y, double& value, Pair& gradient) {
        value = square(y) - square(x);
        gradient = {2 * y[0], 2 * y[1]};
      },
      start);
}

}  // namespace

BY_HAND(saddle) {
  const Pair start{call[0][0], call[0][1]};
  const Pair x = argmin<2>(
      [&](const Pair& x, double& value, Pair& gradient) {
        value = square(x) - square(highest(x, start));
        gradient = {2 * x[0], 2 * x[1]};
      },
      start);
  const Pair y = highest(x, start);
  for (int i = 0; i < 2; ++i) call.results[0][i] = x[i], call.results[0][2 + i] = y[i];
}
