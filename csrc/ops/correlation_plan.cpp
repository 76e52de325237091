// Small: it waits for what is done with the plan.
#include "correlation_plan.h"

#include <utility>

namespace alice {

using std::int64_t;

namespace {

constexpr int64_t kImagesItems = 2048;        // small images are taken together until there are so many places
constexpr int64_t kImagesBytes = 256 * 1024;  // and no more memory than stays near
constexpr int64_t kWeightsNear = 512 * 1024;  // weights beyond this meet several panels each time they are read,
constexpr int64_t kFar = 2;                   // and so many times as many images
// Across: of so many images and rows of weights, where clearly fewer items are left to multiply. So many images at
// once, which take no more memory than this.
constexpr int64_t kAcrossLeast = 16, kAcrossRows = 8;
constexpr double kAcrossGain = 0.9;
constexpr int64_t kAcross = 32, kAcrossBytes = 8 * 1024 * 1024;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Full lines of the cache, an odd number of them: planes at powers of two apart would want the same places in it.
int64_t plane_items(int64_t items, int64_t item) {
  const int64_t line = 64 / item;
  return (ceil_div(items, line) | 1) * line;
}

}  // namespace

CorrelationPlan::CorrelationPlan(Lattice lattice, const ConvolutionTiles& tiles, int64_t item, int64_t chain,
                                 bool may_lie_across)
    : l_(std::move(lattice)), item_(item), chain_(chain) {
  tiles_ = std::max<int64_t>(1, ceil_div(l_.rows, tiles.rows));
  height_ = l_.rows / tiles_;
  higher_ = l_.rows % tiles_;
  const auto& [z, y, x] = l_.axis;
  for (int64_t i : z.taps)
    for (int64_t j : y.taps)
      for (int64_t k : x.taps) taps_.push_back((i * l_.window[1] + j) * l_.window[2] + k);
  if (l_.rows == 0 || l_.images == 0 || l_.groups == 0 || z.count == 0 || y.count == 0 || x.count == 0) return;
  depth_ = l_.channels * static_cast<int64_t>(taps_.size());
  if (depth_ == 0) return;
  lay_out();
  if (may_lie_across && l_.images >= kAcrossLeast) {
    find_kinds();
    across_ = across_pays(tiles.width);
  }
  across_ ? lay_across() : find_steps();
  full_ = panels_of(tiles, images_);
  if (l_.images % images_) rest_ = panels_of(tiles, l_.images % images_);
}

bool CorrelationPlan::weights_are_near() const { return weights() * item_ <= kWeightsNear; }

// Images lie side by side: what a line of one needs behind it may be what that of the next one needs before it. So for
// lines, and for planes.
void CorrelationPlan::lay_out() {
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
  const int64_t bytes = l_.channels * phases * image_ * item_;
  const int64_t fit = (weights_are_near() ? 1 : kFar) * kImagesBytes / bytes;
  images_ = std::clamp<int64_t>(std::min(kImagesItems / image_, fit), 1, l_.images);
  line_ = images_ * pitch_[2];
  plane_ = plane_items(images_ * image_ + (shares[0] * pitch_[1] + shares[1]) * line_ + shares[2], item_);
  channel_ = phases * plane_;
}

// Each of `taps` is the number of one that sees something, and where it looks in the first channel.
void CorrelationPlan::add_sum(const std::vector<SumStep>& taps) {
  const int64_t depths = ceil_div(depth_, chain_), of_channel = static_cast<int64_t>(taps_.size());
  Sum sum;
  sum.steps.reserve(taps.size() * static_cast<std::size_t>(l_.channels));
  const auto cut = [&](int64_t column) {  // where it would be, were all taps there
    while (static_cast<int64_t>(sum.cuts.size()) * depth_ / depths <= column)
      sum.cuts.push_back(static_cast<int64_t>(sum.steps.size()));
  };
  for (int64_t c = 0; c < l_.channels; ++c)
    for (const SumStep& tap : taps) {
      const int64_t column = c * of_channel + tap.column;
      cut(column);
      sum.steps.push_back({column, c * channel_ + tap.at});
    }
  cut(depth_);
  sums_.push_back(std::move(sum));
}

void CorrelationPlan::find_steps() {
  const auto& [z, y, x] = l_.axis;
  const auto place = [&](int i, int64_t offset, int64_t& phase) {
    const int64_t from = offset - base_[i], stride = l_.axis[i].stride;
    const auto found = std::find(phases_[i].begin(), phases_[i].end(), from % stride);
    phase = phase * static_cast<int64_t>(phases_[i].size()) + (found - phases_[i].begin());
    return from / stride;
  };
  std::vector<SumStep> within;
  for (int64_t i : z.offsets)
    for (int64_t j : y.offsets)
      for (int64_t k : x.offsets) {
        int64_t phase = 0, at = place(0, i, phase);
        at = at * pitch_[1] + place(1, j, phase);
        at = at * line_ + place(2, k, phase);
        within.push_back({static_cast<int64_t>(within.size()), phase * plane_ + at});
      }
  add_sum(within);
}

// Panels begin where there is a result, have a part for each line that they meet, and end where none is near.
auto CorrelationPlan::panels_of(const ConvolutionTiles& tiles, int64_t images) const -> Panels {
  if (across_) return panels_across(tiles, images);
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
    const bool near = i + 1 < lines.size() && lines[i + 1].at - end < tiles.width;
    lines[i].reach = near ? lines[i + 1].reach : end;
  }
  Panels made;
  int64_t until = 0;
  for (const Line& line : lines)
    for (int64_t k = 0; k < x.count;) {
      const int64_t at = line.at + k;
      if (at >= until) {
        const int vectors = tiles.vectors(highest, line.reach - at);
        made.panels.push_back({at, static_cast<int64_t>(made.parts.size()), 0, vectors, 0});
        until = at + (int64_t{tiles.width} << vectors);
      }
      const int64_t count = std::min(x.count - k, until - at);
      made.parts.push_back({at - made.panels.back().at, count, line.to + k * x.step});
      ++made.panels.back().parts;
      k += count;
    }
  return made;
}

void CorrelationPlan::find_kinds() {
  for (int i = 0; i < 3; ++i) {
    const LatticeAxis& a = l_.axis[i];
    auto& [kinds, kind] = seen_[i];
    for (int64_t q = 0; q < a.count; ++q) {
      const auto before = [&](int64_t end) {  // taps that look at what comes before
        return std::lower_bound(a.offsets.begin(), a.offsets.end(), end - q * a.stride) - a.offsets.begin();
      };
      const Seen seen{before(0), before(a.in)};
      const auto known = std::find(kinds.begin(), kinds.end(), seen);
      kind.push_back(static_cast<std::size_t>(known - kinds.begin()));
      if (known == kinds.end()) kinds.push_back(seen);
    }
  }
}

// Whether that leaves clearly fewer items to multiply, of vectors that are not all full.
bool CorrelationPlan::across_pays(int64_t width) const {
  const int64_t images = std::min(l_.images, kAcross);
  int64_t bytes = l_.channels * images * item_, lists = 1, seen = 1;
  for (int i = 0; i < 3; ++i) {
    bytes *= l_.axis[i].in;
    lists *= static_cast<int64_t>(seen_[i].kinds.size());
    int64_t along = 0;
    for (std::size_t kind : seen_[i].kind) along += seen_[i].kinds[kind].end - seen_[i].kinds[kind].begin;
    seen *= along;
  }
  const double full = static_cast<double>(images) / static_cast<double>(ceil_div(images, width) * width);
  const double beside = static_cast<double>(image_) * static_cast<double>(taps_.size());
  return l_.rows >= std::max(lists, kAcrossRows) && bytes <= kAcrossBytes &&
         static_cast<double>(seen) < kAcrossGain * full * beside;
}

void CorrelationPlan::lay_across() {
  const auto& [z, y, x] = l_.axis;
  images_ = std::min(l_.images, kAcross);
  plane_ = channel_ = plane_items(z.in * y.in * x.in * images_, item_);
  for (const Seen& by_z : seen_[0].kinds)
    for (const Seen& by_y : seen_[1].kinds)
      for (const Seen& by_x : seen_[2].kinds) {
        std::vector<SumStep> taps;
        for (int64_t i = by_z.begin; i < by_z.end; ++i)
          for (int64_t j = by_y.begin; j < by_y.end; ++j)
            for (int64_t k = by_x.begin; k < by_x.end; ++k) {
              const auto in_y = static_cast<int64_t>(y.taps.size()), in_x = static_cast<int64_t>(x.taps.size());
              const auto offset = [](const LatticeAxis& a, int64_t t) {
                return a.offsets[static_cast<std::size_t>(t)];
              };
              taps.push_back(
                  {(i * in_y + j) * in_x + k, ((offset(z, i) * y.in + offset(y, j)) * x.in + offset(x, k)) * images_});
            }
        add_sum(taps);
      }
}

// A panel is some of the images at one place.
auto CorrelationPlan::panels_across(const ConvolutionTiles& tiles, int64_t images) const -> Panels {
  const auto& [z, y, x] = l_.axis;
  const int64_t image = l_.groups * l_.rows * z.out * y.out * x.out;
  Panels made;
  for (int64_t i = 0; i < z.count; ++i)
    for (int64_t j = 0; j < y.count; ++j)
      for (int64_t k = 0; k < x.count; ++k) {
        const auto kind = [&](int axis, int64_t q) { return seen_[axis].kind[static_cast<std::size_t>(q)]; };
        const std::size_t sum = (kind(0, i) * seen_[1].kinds.size() + kind(1, j)) * seen_[2].kinds.size() + kind(2, k);
        const int64_t at = ((i * z.stride * y.in + j * y.stride) * x.in + k * x.stride) * images_;
        const int64_t to = ((z.first + i * z.step) * y.out + y.first + j * y.step) * x.out + x.first + k * x.step;
        for (int64_t n = 0; n < images;) {
          const int vectors = tiles.vectors(height_ + (higher_ > 0), images - n);
          const int64_t count = std::min(images - n, int64_t{tiles.width} << vectors);
          made.panels.push_back({at + n, static_cast<int64_t>(made.parts.size()), 1, vectors, sum});
          made.parts.push_back({0, count, n * image + to});
          n += count;
        }
      }
  return made;
}

}  // namespace alice
