#include <cmath>
#include <vector>

#include "by_hand.h"
#include "solver.h"

namespace {

constexpr double kStep = 0.1;

struct State {
  double x, y, u, v;
};

// The force of a charge on the particle that is (x, y) away, and its slopes.
struct Force {
  double x, y, xx, xy, yy;

  Force(double x, double y) {
    const double square = x * x + y * y, cube = 1 / (square * std::sqrt(square)), fifth = 3 * cube / square;
    this->x = x * cube, this->y = y * cube;
    xx = cube - x * x * fifth, xy = -x * y * fifth, yy = cube - y * y * fifth;
  }
};

// With the tangents of the state by w beside it.
void forward(double w, double& value, double& slope) {
  State s{0, 8, 0.75, 0}, t{0, 0, 0, 0};
  while (s.y + kStep * s.v > 0) {
    const Force a(s.x - 10, s.y - 10 + w), b(s.x - 10, s.y);
    const double dx = (a.xx + b.xx) * t.x + (a.xy + b.xy) * t.y + a.xy;
    const double dy = (a.xy + b.xy) * t.x + (a.yy + b.yy) * t.y + a.yy;
    t = {t.x + kStep * t.u, t.y + kStep * t.v, t.u + kStep * dx, t.v + kStep * dy};
    s = {s.x + kStep * s.u, s.y + kStep * s.v, s.u + kStep * (a.x + b.x), s.v + kStep * (a.y + b.y)};
  }
  const double time = -s.y / s.v, at = s.x + time * s.u, dtime = -(t.y + time * t.v) / s.v;
  value = at * at;
  slope = 2 * at * (t.x + dtime * s.u + time * t.u);
}

// With all states kept, and their adjoints on the way back.
void reverse(double w, double& value, double& slope) {
  static thread_local std::vector<State> states;
  states.clear();
  State s{0, 8, 0.75, 0};
  while (s.y + kStep * s.v > 0) {
    states.push_back(s);
    const Force a(s.x - 10, s.y - 10 + w), b(s.x - 10, s.y);
    s = {s.x + kStep * s.u, s.y + kStep * s.v, s.u + kStep * (a.x + b.x), s.v + kStep * (a.y + b.y)};
  }
  const double time = -s.y / s.v, at = s.x + time * s.u, g = 2 * at;
  value = at * at;
  slope = 0;
  State t{g, -g * s.u / s.v, g * time, -g * s.u * time / s.v};
  for (std::size_t i = states.size(); i-- > 0;) {
    const State& k = states[i];
    const Force a(k.x - 10, k.y - 10 + w), b(k.x - 10, k.y);
    const double x = kStep * t.u, y = kStep * t.v;
    slope += a.xy * x + a.yy * y;
    t = {t.x + (a.xx + b.xx) * x + (a.xy + b.xy) * y, t.y + (a.xy + b.xy) * x + (a.yy + b.yy) * y, t.u + kStep * t.x,
         t.v + kStep * t.y};
  }
}

}  // namespace

BY_HAND(particle) {
  const bool back = call.sizes[0];
  const auto f = [&](const Point<1>& w, double& value, Point<1>& slope) {
    (back ? reverse : forward)(w[0], value, slope[0]);
  };
  call.results[0][0] = argmin<1>(f, {call[0][0]})[0];
}
