// Hot: every image is copied here.
#include "correlation.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "../core/array.h"
#include "../core/chunks.h"
#include "../core/scratch.h"
#include "matmul_driver.h"

namespace alice {
namespace {

using std::int64_t;

constexpr int64_t kImagesItems = 2048;        // small images are taken together until there are so many places
constexpr int64_t kImagesBytes = 256 * 1024;  // and no more memory than stays near
constexpr int64_t kWeightsNear = 512 * 1024;  // weights beyond this meet several panels each time they are read
constexpr int64_t kPanelsTogether = 8;
constexpr int64_t kFar = 2;       // and so many times as many images
constexpr int64_t kFewItems = 8;  // so few are shared out from within

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

// Full lines of the cache, an odd number of them: planes at powers of two apart would want the same places in it.
template <class T>
int64_t plane_items(int64_t items) {
  constexpr int64_t kLine = 64 / sizeof(T);
  return (ceil_div(items, kLine) | 1) * kLine;
}

}  // namespace

template <class T>
Correlation<T>::Correlation(Lattice lattice)
    : l_(std::move(lattice)), loops_(of_type<T>(convolution_table())), matmul_(of_type<T>(matmul_table())) {
  tiles_ = std::max<int64_t>(1, ceil_div(l_.rows, loops_.rows));
  height_ = l_.rows / tiles_;
  higher_ = l_.rows % tiles_;
  depth_ = l_.channels;
  for (const LatticeAxis& a : l_.axis) depth_ *= static_cast<int64_t>(a.taps.size());
  for (const LatticeAxis& a : l_.axis)
    if (a.count == 0) depth_ = 0;
  if (depth_ == 0 || l_.rows == 0 || l_.images == 0 || l_.groups == 0) {
    depth_ = 0;
    return;
  }
  lay_out();
  find_steps();
  full_ = panels_of(images_);
  if (l_.images % images_) rest_ = panels_of(l_.images % images_);
}

template <class T>
bool Correlation<T>::weights_are_near() const {
  return weights() * static_cast<int64_t>(sizeof(T)) <= kWeightsNear;
}

// Images lie side by side: what a line of one needs behind it may be what that of the next one needs before it. So for
// lines, and for planes.
template <class T>
void Correlation<T>::lay_out() {
  int64_t shares[3];
  for (int i = 0; i < 3; ++i) {
    const LatticeAxis& a = l_.axis[i];
    const auto [least, most] = std::minmax_element(a.offsets.begin(), a.offsets.end());
    base_[i] = *least;
    const int64_t beyond = (*most - *least) / a.stride;
    extent_[i] = a.count + beyond;
    int64_t shared = 0;
    if (a.stride == 1) {
      const int64_t before = std::max<int64_t>(0, -base_[i]);
      const int64_t behind = std::max<int64_t>(0, extent_[i] - std::max<int64_t>(0, a.in - base_[i]));
      shared = std::min({before, behind, beyond});
    }
    pitch_[i] = extent_[i] - shared;
    shares[i] = shared;
    for (int64_t offset : a.offsets) {
      const int64_t phase = (offset - base_[i]) % a.stride;
      if (std::find(phases_[i].begin(), phases_[i].end(), phase) == phases_[i].end()) phases_[i].push_back(phase);
    }
  }
  image_ = pitch_[0] * pitch_[1] * pitch_[2];
  int64_t phases = 1;
  for (const auto& p : phases_) phases *= static_cast<int64_t>(p.size());
  const int64_t bytes = l_.channels * phases * image_ * static_cast<int64_t>(sizeof(T));
  const int64_t fit = (weights_are_near() ? 1 : kFar) * kImagesBytes / bytes;
  images_ = std::clamp<int64_t>(std::min(kImagesItems / image_, fit), 1, l_.images);
  line_ = images_ * pitch_[2];
  plane_ = plane_items<T>(images_ * image_ + (shares[0] * pitch_[1] + shares[1]) * line_ + shares[2]);
  channel_ = phases * plane_;
}

template <class T>
void Correlation<T>::find_steps() {
  const auto& [z, y, x] = l_.axis;
  const auto place = [&](int i, int64_t offset, int64_t& phase) {
    const int64_t from = offset - base_[i], stride = l_.axis[i].stride;
    const auto found = std::find(phases_[i].begin(), phases_[i].end(), from % stride);
    phase = phase * static_cast<int64_t>(phases_[i].size()) + (found - phases_[i].begin());
    return from / stride;
  };
  std::vector<int64_t> within;
  for (std::size_t i = 0; i < z.taps.size(); ++i)
    for (std::size_t j = 0; j < y.taps.size(); ++j)
      for (std::size_t k = 0; k < x.taps.size(); ++k) {
        taps_.push_back((z.taps[i] * l_.window[1] + y.taps[j]) * l_.window[2] + x.taps[k]);
        int64_t phase = 0, at = place(0, z.offsets[i], phase);
        at = at * pitch_[1] + place(1, y.offsets[j], phase);
        at = at * line_ + place(2, x.offsets[k], phase);
        within.push_back(phase * plane_ + at);
      }
  steps_.reserve(static_cast<std::size_t>(depth_));
  for (int64_t c = 0; c < l_.channels; ++c)
    for (int64_t step : within) steps_.push_back(c * channel_ + step);
}

// Panels begin where there is a result, have a part for each line that they meet, and end where none is near.
template <class T>
auto Correlation<T>::panels_of(int64_t images) const -> Panels {
  const auto& [z, y, x] = l_.axis;
  const int64_t out = z.out * y.out * x.out, highest = height_ + (higher_ > 0);
  struct Line {
    int64_t at, to, reach;
  };
  std::vector<Line> lines;
  for (int64_t i = 0; i < z.count; ++i)
    for (int64_t j = 0; j < y.count; ++j)
      for (int64_t n = 0; n < images; ++n)
        lines.push_back(
            {(i * pitch_[1] + j) * line_ + n * pitch_[2],
             n * l_.groups * l_.rows * out + ((z.first + i * z.step) * y.out + y.first + j * y.step) * x.out + x.first,
             0});
  for (std::size_t i = lines.size(); i-- > 0;) {
    const int64_t end = lines[i].at + x.count;
    const bool near = i + 1 < lines.size() && lines[i + 1].at - end < loops_.width;
    lines[i].reach = near ? lines[i + 1].reach : end;
  }
  Panels made;
  int64_t until = 0;
  for (const Line& line : lines)
    for (int64_t k = 0; k < x.count;) {
      const int64_t at = line.at + k;
      if (at >= until) {
        const int vectors = loops_.vectors(highest, line.reach - at);
        made.panels.push_back({at, static_cast<int64_t>(made.parts.size()), 0, vectors});
        until = at + (int64_t{loops_.width} << vectors);
      }
      const int64_t count = std::min(x.count - k, until - at);
      made.parts.push_back({at - made.panels.back().at, count, line.to + k * x.step});
      ++made.panels.back().parts;
      k += count;
    }
  return made;
}

// The weights of one group, tile by tile, and step of the sum by step as the loops read them.
template <class T>
void Correlation<T>::pack_weights(const T* w, T* packed) const {
  const int64_t taps = static_cast<int64_t>(taps_.size());
  const bool all = taps == l_.window[0] * l_.window[1] * l_.window[2];
  parallel_chunks(tiles_, rows_per_chunk(weights() / tiles_ + 1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = tile_row(i), rows = tile_row(i + 1) - first;
      const T* from = w + first * l_.w_row;
      T* to = packed + first * depth_;
      if (all && l_.w_channel == taps) {  // a row of the weights is one sum
        matmul_.pack(rows, depth_, from, l_.w_row, 1, to, rows);
        continue;
      }
      for (int64_t c = 0; c < l_.channels; ++c, from += l_.w_channel, to += taps * rows) {
        if (all) {
          matmul_.pack(rows, taps, from, l_.w_row, 1, to, rows);
          continue;
        }
        for (int64_t t = 0; t < taps; ++t)
          for (int64_t r = 0; r < rows; ++r) to[t * rows + r] = from[r * l_.w_row + taps_[static_cast<std::size_t>(t)]];
      }
    }
  });
}

// Copies the images of one group, each item to its phase.
template <class T>
void Correlation<T>::fill(const T* x, int64_t images, T* buffer) const {
  const auto& a = l_.axis;
  const int64_t items = a[0].in * a[1].in * a[2].in, image = l_.groups * l_.channels * items;
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
  const int64_t out = l_.axis[0].out * l_.axis[1].out * l_.axis[2].out, step = l_.axis[2].step;
  const int64_t count = static_cast<int64_t>(panels.panels.size());
  const int64_t most = weights_are_near() ? 1 : kPanelsTogether, together = ceil_div(count, ceil_div(count, most));
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
        const int64_t k0 = depth_ * d / depths, nk = depth_ * (d + 1) / depths - k0;
        for (int64_t p = p0; p < p1; ++p) {
          const Panel& panel = panels.panels[static_cast<std::size_t>(p)];
          loops_.tiles[rows][panel.vectors](nk, a + k0 * rows, buffer + panel.at, steps_.data() + k0,
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
