// What a convolution and its transpose are made of: results on a lattice, each a sum over channels and taps of numbers
// times items at fixed offsets from its own place.
//
// There is no matrix of windows. The images are copied once, channel by channel, with zeros around them and, where
// windows are more than one item apart, sorted by their place modulo that distance. Then a product needs no more than
// to know where each tap lies.
//
// Source: implicit products of matrices after Chetlur et al., "cuDNN: efficient primitives for deep learning", 2014;
// sorting by phases is the polyphase decomposition of multirate filters.
#pragma once

#include <cstdint>

#include "correlation_plan.h"
#include "matmul_loops.h"

namespace alice {

template <class T>
class Correlation : CorrelationPlan {
 public:
  explicit Correlation(Lattice lattice, bool may_lie_across = true);
  // y[image][group][row][place] = Σ x[image][group][channel][…] w, all contiguous. Writes the places of the lattice.
  void run(const T* x, const T* w, T* y) const;

 private:
  void pack_weights(const T* w, T* packed) const;
  void fill(const T* x, std::int64_t images, T* buffer) const;
  void multiply(const Panels& panels, const T* packed, const T* buffer, T* y) const;

  const ConvolutionLoops<T>& loops_;
  const MatmulLoops<T>& matmul_;
};

extern template class Correlation<float>;
extern template class Correlation<double>;

}  // namespace alice
