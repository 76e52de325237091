// Hot: every image is copied here.
#include "correlation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "../core/array.h"
#include "../core/chunks.h"
#include "../core/scratch.h"
#include "matmul_driver.h"

namespace alice {
namespace {

using std::int64_t;

constexpr int64_t kFewItems = 8;  // so few are shared out from within
// Panels that weights from far away meet each time they are read: as many as stay near, and all that lie across.
constexpr int64_t kPanelsTogether = 8, kAcrossTogether = 64;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
constexpr DType kDType = std::is_same_v<T, float> ? DType::Float32 : DType::Float64;

template <class T>
const auto& of_type(const auto& table) {
  if constexpr (std::is_same_v<T, float>)
    return table.f32;
  else
    return table.f64;
}

template <class T>
constexpr int64_t kLine = 64 / sizeof(T);  // items in a line of the cache

template <class T>
bool all_finite(int64_t n, const T* x) {
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) finite &= std::abs(x[i]) <= std::numeric_limits<T>::max();
  return finite;
}

}  // namespace

template <class T>
Correlation<T>::Correlation(Lattice lattice, bool may_lie_across)
    : CorrelationPlan(std::move(lattice), of_type<T>(convolution_table()), sizeof(T), kDepth<T>, may_lie_across),
      loops_(of_type<T>(convolution_table())),
      matmul_(of_type<T>(matmul_table())) {}

// The weights of one group, tile by tile, and step of the sum by step as the loops read them.
template <class T>
void Correlation<T>::pack_weights(const T* w, T* packed) const {
  const int64_t taps = static_cast<int64_t>(taps_.size());
  const bool all = taps == l_.window[0] * l_.window[1] * l_.window[2],
             upwards = std::is_sorted(taps_.begin(), taps_.end());
  parallel_chunks(tiles_, rows_per_chunk(weights() / tiles_ + 1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = tile_row(i), rows = tile_row(i + 1) - first;
      const T* from = w + first * l_.w_row;
      T* to = packed + first * depth_;
      if (all && upwards && l_.w_channel == taps) {  // a row of the weights is one sum
        matmul_.pack(rows, depth_, from, l_.w_row, 1, to, rows);
        continue;
      }
      for (int64_t c = 0; c < l_.channels; ++c, from += l_.w_channel) {
        constexpr int64_t kAhead = 8;  // channels: their rows are too short and too far apart for the hardware
        for (int64_t r = 0; r < rows * l_.w_row; r += kLine<T>) __builtin_prefetch(from + kAhead * l_.w_channel + r);
        for (int64_t tap : taps_)
          for (int64_t r = 0; r < rows; ++r) *to++ = from[r * l_.w_row + tap];
      }
    }
  });
}

// Copies the images of one group, each item to its phase.
template <class T>
void Correlation<T>::fill(const T* x, int64_t images, T* buffer) const {
  const auto& a = l_.axis;
  const int64_t items = a[0].in * a[1].in * a[2].in, image = l_.groups * l_.channels * items;
  if (across_) {
    parallel_chunks(l_.channels, rows_per_chunk(channel_), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c)
        matmul_.pack(images, items, x + c * items, image, 1, buffer + c * channel_, images_);
    });
    return;
  }
  struct Range {
    int64_t begin, end;
  };
  const auto inside = [&](int i, int64_t phase) {
    const int64_t first = base_[i] + phase, stride = a[i].stride;
    const int64_t begin = first < 0 ? ceil_div(-first, stride) : 0;
    return Range{begin, std::min(extent_[i], first < a[i].in ? (a[i].in - 1 - first) / stride + 1 : 0)};
  };
  parallel_chunks(l_.channels, rows_per_chunk(channel_), [&](int64_t begin, int64_t end) {
    std::fill_n(buffer + begin * channel_, (end - begin) * channel_, T{0});
    for (int64_t c = begin; c < end; ++c) {
      T* plane = buffer + c * channel_;
      for (int64_t pz : phases_[0])
        for (int64_t py : phases_[1])
          for (int64_t px : phases_[2]) {
            const Range rz = inside(0, pz), ry = inside(1, py), rx = inside(2, px);
            for (int64_t n = 0; n < images; ++n)
              for (int64_t z = rz.begin; z < rz.end; ++z)
                for (int64_t y = ry.begin; y < ry.end; ++y) {
                  const int64_t at_z = base_[0] + pz + z * a[0].stride, at_y = base_[1] + py + y * a[1].stride;
                  const T* from = x + n * image + c * items + (at_z * a[1].in + at_y) * a[2].in + base_[2] + px;
                  T* to = plane + (z * pitch_[1] + y) * line_ + n * pitch_[2];
                  if (a[2].stride == 1)
                    std::copy(from + rx.begin, from + std::max(rx.begin, rx.end), to + rx.begin);
                  else
                    for (int64_t e = rx.begin; e < rx.end; ++e) to[e] = from[e * a[2].stride];
                }
            plane += plane_;
          }
    }
  });
}

// Panels outside, tiles of rows inside: the items of a panel stay in L1 while the weights pass by.
template <class T>
void Correlation<T>::multiply(const Panels& panels, const T* packed, const T* buffer, T* y) const {
  const int64_t out = l_.axis[0].out * l_.axis[1].out * l_.axis[2].out;
  const int64_t step = across_ ? l_.groups * l_.rows * out : l_.axis[2].step;
  const int64_t count = static_cast<int64_t>(panels.panels.size());
  const int64_t most = weights_are_near() ? 1
                       : across_          ? kAcrossTogether
                                          : kPanelsTogether,
                together = ceil_div(count, ceil_div(count, most));
  const int64_t units = ceil_div(count, together) * tiles_;
  const int64_t room = 2 * loops_.rows * loops_.width, depths = ceil_div(depth_, kDepth<T>);
  const int64_t work = std::max<int64_t>(1, room * depth_ * together);
  parallel_chunks(units, std::max<int64_t>(1, kChunkMultiplies / work), [&](int64_t begin, int64_t end) {
    const Scratch<T> sums(room * together);
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t tile = unit % tiles_, first = tile_row(tile), rows = tile_row(tile + 1) - first;
      const int64_t p0 = unit / tiles_ * together, p1 = std::min(count, p0 + together);
      const T* a = packed + first * depth_;
      for (int64_t d = 0; d < depths; ++d) {
        for (int64_t p = p0; p < p1; ++p) {
          const Panel& panel = panels.panels[static_cast<std::size_t>(p)];
          const Sum& sum = sums_[panel.sum];
          const int64_t* cut = sum.cuts.data() + d;
          loops_.tiles[rows][panel.vectors](cut[1] - cut[0], a, buffer + panel.at, sum.steps.data() + cut[0],
                                            sums.data() + (p - p0) * room, d > 0);
        }
      }
      for (int64_t p = p0; p < p1; ++p) {
        const Panel& panel = panels.panels[static_cast<std::size_t>(p)];
        loops_.scatter(rows, sums.data() + (p - p0) * room, int64_t{loops_.width} << panel.vectors,
                       panels.parts.data() + panel.part, panel.parts, y + first * out, out, step);
      }
    }
  });
}

template <class T>
void Correlation<T>::run(const T* x, const T* w, T* y) const {
  if (depth_ == 0) return;
  const auto& a = l_.axis;
  const int64_t in = a[0].in * a[1].in * a[2].in, out = a[0].out * a[1].out * a[2].out;
  const int64_t slack = int64_t{loops_.width} * ConvolutionLoops<T>::kVectors;
  const Array packed = Array::empty({l_.groups * weights()}, kDType<T>);
  parallel_chunks(l_.groups, rows_per_chunk(weights()), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) pack_weights(w + i * l_.w_group, packed.data<T>() + i * weights());
  });
  // Zeros around the images are factors, too.
  if (across_ && !all_finite(packed.numel(), packed.data<T>())) return Correlation(l_, false).run(x, w, y);
  const int64_t blocks = ceil_div(l_.images, images_), items = blocks * l_.groups;
  const int64_t work = std::max<int64_t>(1, images_ * image_ * weights());
  const int64_t per_chunk = std::max<int64_t>(1, kChunkMultiplies / work);
  const auto some = [&](int64_t begin, int64_t end) {
    const Array buffer = Array::empty({l_.channels * channel_ + slack}, kDType<T>);
    std::fill_n(buffer.data<T>() + l_.channels * channel_, slack, T{0});
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i % l_.groups, n = i / l_.groups * images_, images = std::min(images_, l_.images - n);
      fill(x + (n * l_.groups + group) * l_.channels * in, images, buffer.data<T>());
      multiply(images == images_ ? full_ : rest_, packed.data<T>() + group * weights(), buffer.data<T>(),
               y + (n * l_.groups + group) * l_.rows * out);
    }
  };
  if (items < kFewItems)
    some(0, items);
  else
    parallel_chunks(items, per_chunk, some);
}

template class Correlation<float>;
template class Correlation<double>;

}  // namespace alice
