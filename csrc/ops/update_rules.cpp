#include "update_rules.h"

#include <algorithm>
#include <cmath>

namespace alice {
namespace {

// lr, momentum, nesterov, weight_decay
void of_sgd(const double* h, const double*, double*, double* c) { std::copy_n(h, 4, c); }

// lr, lr_decay, eps, weight_decay
void of_adagrad(const double* h, const double* before, double* now, double* c) {
  now[0] = before[0] + 1;
  c[0] = h[0] / (1 + before[0] * h[1]);
  c[1] = h[2];
  c[2] = h[3];
}

// lr, alpha, eps, weight_decay, momentum
void of_rmsprop(const double* h, const double*, double*, double* c) {
  c[0] = h[0];
  c[1] = h[1];
  c[2] = 1 - h[1];
  c[3] = h[2];
  c[4] = h[4];
  c[5] = h[3];
}

// What Adam and NAdam share, of the numbers lr, beta1, beta2, eps, weight_decay, decoupled_weight_decay and the step t.
void moments(const double* h, double t, double* c) {
  c[2] = 1 - h[1];
  c[3] = h[2];
  c[4] = 1 - h[2];
  c[5] = 1 / std::sqrt(1 - std::pow(h[2], t));
  c[6] = h[3];
  c[7] = h[5] != 0 ? 0 : h[4];
  c[8] = h[5] != 0 ? 1 - h[0] * h[4] : 1;
}

void of_adam(const double* h, const double* before, double* now, double* c) {
  const double t = now[0] = before[0] + 1;
  moments(h, t, c);
  c[0] = h[0] / (1 - std::pow(h[1], t));
  c[1] = 0;
}

// … and momentum_decay. Progress: the step, and the product of the momenta so far, which is 1 before the first.
void of_nadam(const double* h, const double* before, double* now, double* c) {
  const double t = now[0] = before[0] + 1;
  moments(h, t, c);
  const auto momentum = [&](double step) { return h[1] * (1 - 0.5 * std::pow(0.96, step * h[6])); };
  const double mu = momentum(t), next = momentum(t + 1), product = now[1] = before[1] * mu;
  c[0] = h[0] * next / (1 - product * next);
  c[1] = h[0] * (1 - mu) / (1 - product);
}

// lr, beta1, beta2, weight_decay
void of_lion(const double* h, const double*, double*, double* c) {
  c[0] = h[0];
  c[1] = 1 - h[1];
  c[2] = 1 - h[2];
  c[3] = 1 - h[0] * h[3];
}

// decay
void of_average(const double* h, const double*, double*, double* c) { c[0] = 1 - h[0]; }

}  // namespace

const std::vector<UpdateRule>& update_rules() {
  static const UpdateLoops& loops = update_loops();
  static const std::vector<UpdateRule> rules = {
      {"sgd", 4, 0, 0, {"has_velocity"}, loops.sgd, of_sgd},
      {"adagrad", 4, 1, 1, {}, &loops.adagrad, of_adagrad},
      {"rmsprop", 6, 0, 1, {"centered", "has_velocity"}, loops.rmsprop, of_rmsprop},
      {"adam", 7, 1, 2, {"amsgrad"}, loops.adam, of_adam},
      {"nadam", 7, 2, 2, {}, &loops.nadam, of_nadam},
      {"lion", 4, 0, 1, {}, &loops.lion, of_lion},
      {"moving_average", 1, 0, 0, {}, &loops.average, of_average},
  };
  return rules;
}

}  // namespace alice
