#include <algorithm>
#include <cmath>
#include <vector>

#include "by_hand.h"

namespace {

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

}  // namespace

BY_HAND(lstm) {
  const std::int64_t layers = call.sizes[0], steps = call.sizes[1] - 1, b = call.sizes[2];
  const double *main = call[0], *extra = call[1], *start = call[2], *sequence = call[3];
  double *by_main = call.results[0], *by_extra = call.results[1];
  std::fill_n(by_main, layers * 8 * b, 0.0);
  std::fill_n(by_extra, 3 * b, 0.0);

  // What a layer keeps of a step: b numbers each.
  enum { kInput, kHidden, kCell, kForget, kEnter, kOut, kChange, kBent, kKept };
  std::vector<double> kept(steps * layers * kKept * b), outputs(steps * b), shares(steps * b);
  std::vector<double> hidden(layers * b), cell(layers * b), x(b);
  for (std::int64_t i = 0; i < layers; ++i) {
    std::copy_n(start + 2 * i * b, b, &hidden[i * b]);
    std::copy_n(start + (2 * i + 1) * b, b, &cell[i * b]);
  }
  for (std::int64_t t = 0; t < steps; ++t) {
    for (std::int64_t j = 0; j < b; ++j) x[j] = sequence[t * b + j] * extra[j];
    for (std::int64_t i = 0; i < layers; ++i) {
      const double *w = main + 8 * i * b, *bias = w + 4 * b;
      double *h = &hidden[i * b], *c = &cell[i * b], *k = &kept[(t * layers + i) * kKept * b];
      for (std::int64_t j = 0; j < b; ++j) {
        const double forget = sigmoid(x[j] * w[j] + bias[j]);
        const double enter = sigmoid(h[j] * w[b + j] + bias[b + j]);
        const double out = sigmoid(x[j] * w[2 * b + j] + bias[2 * b + j]);
        const double change = std::tanh(h[j] * w[3 * b + j] + bias[3 * b + j]);
        k[kInput * b + j] = x[j];
        k[kHidden * b + j] = h[j];
        k[kCell * b + j] = c[j];
        k[kForget * b + j] = forget;
        k[kEnter * b + j] = enter;
        k[kOut * b + j] = out;
        k[kChange * b + j] = change;
        c[j] = c[j] * forget + enter * change;
        k[kBent * b + j] = std::tanh(c[j]);
        x[j] = h[j] = out * k[kBent * b + j];
      }
    }
    double sum = 2;
    for (std::int64_t j = 0; j < b; ++j) {
      outputs[t * b + j] = x[j];
      sum += shares[t * b + j] = std::exp(x[j] * extra[b + j] + extra[2 * b + j]);
    }
    for (std::int64_t j = 0; j < b; ++j) shares[t * b + j] /= sum;
  }

  const double scale = 1.0 / double(steps * b);
  std::vector<double> by_hidden(layers * b), by_cell(layers * b), by_x(b);
  for (std::int64_t t = steps - 1; t >= 0; --t) {
    const double* following = sequence + (t + 1) * b;
    double gold = 0;
    for (std::int64_t j = 0; j < b; ++j) gold += following[j];
    for (std::int64_t j = 0; j < b; ++j) {
      const double g = scale * (gold * shares[t * b + j] - following[j]);
      by_extra[b + j] += g * outputs[t * b + j];
      by_extra[2 * b + j] += g;
      by_x[j] = g * extra[b + j];
    }
    for (std::int64_t i = layers - 1; i >= 0; --i) {
      const double *w = main + 8 * i * b, *k = &kept[(t * layers + i) * kKept * b];
      double *by_w = by_main + 8 * i * b, *by_bias = by_w + 4 * b, *gh = &by_hidden[i * b], *gc = &by_cell[i * b];
      for (std::int64_t j = 0; j < b; ++j) {
        const double input = k[kInput * b + j], before = k[kHidden * b + j], forget = k[kForget * b + j];
        const double enter = k[kEnter * b + j], out = k[kOut * b + j], change = k[kChange * b + j];
        const double bent = k[kBent * b + j], g = gh[j] + by_x[j];
        const double c = gc[j] + g * out * (1.0 - bent * bent);
        const double gate[4] = {c * k[kCell * b + j] * forget * (1.0 - forget), c * change * enter * (1.0 - enter),
                                g * bent * out * (1.0 - out), c * enter * (1.0 - change * change)};
        for (int z = 0; z < 4; ++z) {
          by_w[z * b + j] += gate[z] * (z % 2 ? before : input);
          by_bias[z * b + j] += gate[z];
        }
        gc[j] = c * forget;
        gh[j] = gate[1] * w[b + j] + gate[3] * w[3 * b + j];
        by_x[j] = gate[0] * w[j] + gate[2] * w[2 * b + j];
      }
    }
    for (std::int64_t j = 0; j < b; ++j) by_extra[j] += by_x[j] * sequence[t * b + j];
  }
}
