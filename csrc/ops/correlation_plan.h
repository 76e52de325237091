// What a correlation decides before it sees data: how the images lie in their copy, where each tap looks, and which
// results are computed together.
//
// Images lie side by side, and whatever the tap, neighbouring results read neighbouring items. Results at the ends of
// lines are computed and dropped. Of small images most of that may be zeros. Where there are many, they may lie across
// instead: item by item, and those of all images side by side. Then vectors hold results of one place, which leaves out
// the taps that see nothing. Both ways have the same sums in the same order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "convolution_loops.h"

namespace alice {

// Along one axis: result q, for q < count, stands at first + q * step and reads the items q * stride + offset.
struct LatticeAxis {
  std::int64_t in = 1, stride = 1;
  std::int64_t count = 1, first = 0, step = 1, out = 1;
  std::vector<std::int64_t> taps = {0}, offsets = {0};  // indices into the window, and where they look, ascending
};

struct Lattice {
  std::int64_t images, groups, rows, channels;  // rows of results and channels that are read: of one group
  LatticeAxis axis[3];
  std::int64_t window[3];                  // extents of the weights
  std::int64_t w_group, w_row, w_channel;  // steps in the weights; taps are contiguous
};

class CorrelationPlan {
 protected:
  CorrelationPlan(Lattice lattice, const ConvolutionTiles& tiles, std::int64_t item, std::int64_t chain,
                  bool may_lie_across);

  struct Panel {
    std::int64_t at, part, parts;
    int vectors;  // a logarithm
    std::size_t sum;
  };
  struct Panels {
    std::vector<Panel> panels;
    std::vector<LinePart> parts;
  };
  struct Sum {
    std::vector<SumStep> steps;
    std::vector<std::int64_t> cuts;  // blocks are from one to the next
  };

  bool weights_are_near() const;
  std::int64_t tile_row(std::int64_t tile) const { return tile * height_ + std::min(tile, higher_); }
  std::int64_t weights() const { return l_.rows * depth_; }

  Lattice l_;
  std::int64_t item_, chain_;             // bytes of an item, and the longest block of a sum
  std::int64_t depth_ = 0;                // length of a sum
  std::int64_t tiles_, height_, higher_;  // of the rows: the first `higher_` have height_ + 1
  std::vector<std::int64_t> taps_;        // of the weights
  std::vector<Sum> sums_;
  bool across_ = false;
  std::int64_t images_ = 1, image_ = 0;   // in the buffer at once, and items of one
  std::int64_t plane_ = 0, channel_ = 0;  // steps in the buffer
  // Side by side: the buffer is [channel][phase][plane][line][image][item]. Of a phase: its first item, how many are
  // read, how many lie apart.
  std::int64_t base_[3], extent_[3], pitch_[3], line_ = 0;
  std::vector<std::int64_t> phases_[3];
  Panels full_, rest_;

 private:
  // Across: the buffer is [channel][plane][line][item][image]. Along each axis: which taps see something.
  struct Seen {
    std::int64_t begin, end;
    bool operator==(const Seen&) const = default;
  };
  struct Axis {
    std::vector<Seen> kinds;
    std::vector<std::size_t> kind;  // of each result
  };

  void lay_out();
  void find_steps();
  void find_kinds();
  bool across_pays(std::int64_t width) const;
  void lay_across();
  void add_sum(const std::vector<SumStep>& taps);
  Panels panels_of(const ConvolutionTiles& tiles, std::int64_t images) const;
  Panels panels_across(const ConvolutionTiles& tiles, std::int64_t images) const;

  Axis seen_[3];
};

}  // namespace alice
