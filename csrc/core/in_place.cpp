#include "in_place.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace alice {
namespace {

constexpr auto before = std::less<const std::byte*>();

bool same_layout(const Array& a, const Array& b) {
  return a.bytes() == b.bytes() && a.dtype() == b.dtype() && a.shape() == b.shape() && a.strides() == b.strides();
}

// Results that overlap each other, seldom more than one, and the inputs that lie in them.
struct Region {
  Extent extent;
  const Array* only;  // the one result; null if there are more
  std::vector<std::size_t> inputs = {};
};

std::vector<Region> regions_of(std::span<const Array> out) {
  std::vector<Region> all, merged;
  for (const Array& a : out)
    if (const Extent e = extent_of(a); !e.empty()) all.push_back({e, &a});
  std::sort(all.begin(), all.end(),
            [](const Region& a, const Region& b) { return before(a.extent.begin, b.extent.begin); });
  for (Region& r : all) {
    if (merged.empty() || !before(r.extent.begin, merged.back().extent.end)) {
      merged.push_back(std::move(r));
      continue;
    }
    Region& last = merged.back();
    last.extent.end = std::max(last.extent.end, r.extent.end, before);
    last.only = nullptr;
  }
  return merged;
}

}  // namespace

Extent extent_of(const Array& a) {
  if (a.numel() == 0) return {};
  const auto item = static_cast<std::int64_t>(itemsize(a.dtype()));
  std::int64_t first = 0, last = 0;
  for (int i = 0; i < a.rank(); ++i) {
    const std::int64_t step = (a.dim(i) - 1) * a.strides()[i] * item;
    (step < 0 ? first : last) += step;
  }
  return {a.bytes() + first, a.bytes() + last + item};
}

std::vector<std::size_t> read_before(std::span<const Array> in, std::span<const Array> out) {
  std::vector<Region> regions = regions_of(out);
  for (std::size_t i = 0; i < in.size(); ++i) {
    const Extent e = extent_of(in[i]);
    if (e.empty()) continue;
    auto region = std::partition_point(regions.begin(), regions.end(),
                                       [&](const Region& r) { return !before(e.begin, r.extent.end); });
    for (; region != regions.end() && before(region->extent.begin, e.end); ++region) region->inputs.push_back(i);
  }
  std::vector<std::size_t> found;
  for (const Region& r : regions) {
    if (r.inputs.size() == 1 && r.only && same_layout(in[r.inputs[0]], *r.only)) continue;
    found.insert(found.end(), r.inputs.begin(), r.inputs.end());
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

Array copy_of(const Array& a) {
  const Extent e = extent_of(a);
  const Array memory = Array::empty({e.end - e.begin}, DType::UInt8);
  if (!e.empty()) std::memcpy(memory.bytes(), e.begin, static_cast<std::size_t>(e.end - e.begin));
  return Array::wrap(memory.storage(), memory.bytes() + (a.bytes() - e.begin), a.dtype(), a.shape(), a.strides());
}

Sources::Sources(std::span<const Array> in, std::span<const Array> out) : in_(in) {
  const std::vector<std::size_t> overlapping = read_before(in, out);
  if (overlapping.empty()) return;
  copies_.assign(in.begin(), in.end());
  for (std::size_t i : overlapping) copies_[i] = copy_of(in[i]);
  in_ = copies_;
}

}  // namespace alice
