// The gradient of a convolution by its weights: sums over images and places of cotangents times the items that a tap
// saw there. Channels come last in a copy of the images, so that for one place neighbouring taps and all channels are
// one run of memory; the sum goes from place to place.
#pragma once

#include <cstdint>
#include <vector>

#include "convolution_loops.h"
#include "matmul_loops.h"
#include "windows.h"

namespace alice {

template <class T>
class WeightGradient {
 public:
  // Of one group: that many channels are read, and that many rows of cotangents.
  WeightGradient(const Windows& windows, std::int64_t images, std::int64_t groups, std::int64_t channels,
                 std::int64_t rows);
  // dw[group][row][channel][tap] = Σ g[image][group][row][place] x[image][group][channel][…], all contiguous.
  void run(const T* x, const T* g, T* dw) const;

 private:
  struct Panel {
    std::int64_t from, column, items;  // in the images, and among the channels and taps
    int vectors;                       // a logarithm
    std::int64_t sums;                 // where they lie
  };

  void add_panels();
  std::int64_t tile_row(std::int64_t tile) const { return tile * height_ + std::min(tile, higher_); }
  void fill(const T* x, std::int64_t images, T* buffer) const;
  void pack(const T* g, std::int64_t images, T* packed) const;
  void multiply(std::int64_t images, const T* packed, const T* buffer, bool first, T* sums) const;
  void write(const T* sums, T* dw) const;

  Windows windows_;
  std::int64_t all_images_, groups_, channels_, rows_;
  const ConvolutionLoops<T>& loops_;
  const MatmulLoops<T>& matmul_;
  std::int64_t tiles_, height_, higher_;  // of the rows: the first `higher_` have height_ + 1
  std::int64_t extent_[3];                // of an image in the copy
  std::int64_t image_ = 0, images_ = 1;   // items of one, and how many at once
  std::vector<SumStep> steps_;            // where the places lie
  std::vector<Panel> panels_;
  std::int64_t sums_ = 0;
};

extern template class WeightGradient<float>;
extern template class WeightGradient<double>;

}  // namespace alice
