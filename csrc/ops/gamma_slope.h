// How a gamma number changes with its shape alpha, by implicit differentiation of the distribution function.
// Source: Figurnov, Mohamed, Mnih, "Implicit reparameterization gradients", 2018.
#pragma once

namespace alice {

struct GammaSlope {
  double slope;     // d x / d alpha for the logarithm x of a gamma number, where its quantile stays
  double by_x;      // the derivative of the slope with respect to x
  double by_alpha;  // … and to alpha, where x stays
};

GammaSlope gamma_slope(double x, double alpha);

}  // namespace alice
