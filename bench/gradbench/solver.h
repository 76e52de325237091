// Gradient descent that finds its step size: solver.py says what it does.
#pragma once
#include <array>
#include <cmath>

template <int N>
using Point = std::array<double, N>;

// f(x, value, gradient) fills the last two.
template <int N, class F>
Point<N> argmin(const F& f, Point<N> x) {
  const auto norm = [](const Point<N>& a) {
    double square = 0;
    for (double v : a) square += v * v;
    return std::sqrt(square);
  };
  double value, eta = 1e-5;
  Point<N> gradient;
  f(x, value, gradient);
  for (int row = 0; norm(gradient) > 1e-5;) {
    if (row == 10) eta *= 2, row = 0;
    Point<N> move, next, next_gradient;
    for (int i = 0; i < N; ++i) move[i] = eta * gradient[i], next[i] = x[i] - move[i];
    if (norm(move) <= 1e-5) break;
    double next_value;
    f(next, next_value, next_gradient);
    if (next_value < value) {
      x = next, value = next_value, gradient = next_gradient;
      ++row;
    } else {
      eta /= 2, row = 0;
    }
  }
  return x;
}
