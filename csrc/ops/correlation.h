// What a convolution and its transpose are made of: results on a lattice, each a sum over channels and taps of numbers
// times items at fixed offsets from its own place.
//
// There is no matrix of windows. The images are copied once, channel by channel, with zeros around them and, where
// windows are more than one item apart, sorted by their place modulo that distance. Then whatever the tap, neighbouring
// results read neighbouring items, and a product needs no more than to know where each tap lies. Results at the ends of
// lines are computed and dropped.
//
// Source: implicit products of matrices after Chetlur et al., "cuDNN: efficient primitives for deep learning", 2014;
// sorting by phases is the polyphase decomposition of multirate filters.
#pragma once

#include <cstdint>
#include <vector>

#include "convolution_loops.h"
#include "matmul_loops.h"

namespace alice {

// Along one axis: result q, for q < count, stands at first + q * step and reads the items q * stride + offset.
struct LatticeAxis {
  std::int64_t in = 1, stride = 1;
  std::int64_t count = 1, first = 0, step = 1, out = 1;
  std::vector<std::int64_t> taps = {0}, offsets = {0};  // indices into the window, and where they look
};

struct Lattice {
  std::int64_t images, groups, rows, channels;  // rows of results and channels that are read: of one group
  LatticeAxis axis[3];
  std::int64_t window[3];                  // extents of the weights
  std::int64_t w_group, w_row, w_channel;  // steps in the weights; taps are contiguous
};

template <class T>
class Correlation {
 public:
  explicit Correlation(Lattice lattice);
  // y[image][group][row][place] = Σ x[image][group][channel][…] w, all contiguous. Writes the places of the lattice.
  void run(const T* x, const T* w, T* y) const;

 private:
  struct Panel {
    std::int64_t at, part, parts;
    int vectors;  // a logarithm
  };
  struct Panels {
    std::vector<Panel> panels;
    std::vector<LinePart> parts;
  };
  struct Phase {
    std::int64_t place[3];
  };

  bool weights_are_near() const;
  void lay_out();
  void find_steps();
  Panels panels_of(std::int64_t images) const;
  std::int64_t tile_row(std::int64_t tile) const { return tile * height_ + std::min(tile, higher_); }
  std::int64_t weights() const { return l_.rows * depth_; }
  void pack_weights(const T* w, T* packed) const;
  void fill(const T* x, std::int64_t images, T* buffer) const;
  void multiply(const Panels& panels, const T* packed, const T* buffer, T* y) const;

  Lattice l_;
  const ConvolutionLoops<T>& loops_;
  const MatmulLoops<T>& matmul_;
  std::int64_t depth_ = 0;                       // length of a sum
  std::int64_t tiles_, height_, higher_;         // of the rows: the first `higher_` have height_ + 1
  std::int64_t base_[3], extent_[3], pitch_[3];  // of a phase: its first item, how many are read, how many lie apart
  std::vector<std::int64_t> phases_[3];
  std::int64_t image_ = 0;  // items of one
  // Steps in the buffer, which is [channel][phase][plane][line][image][item].
  std::int64_t line_ = 0, plane_ = 0, channel_ = 0;
  std::int64_t images_ = 1;                 // in the buffer at once
  std::vector<std::int64_t> taps_, steps_;  // of the weights, and where the channels and taps lie
  Panels full_, rest_;
};

extern template class Correlation<float>;
extern template class Correlation<double>;

}  // namespace alice
