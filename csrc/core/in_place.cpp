// Small: a few comparisons for each call.
#include "in_place.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace alice {
namespace {

constexpr auto before = std::less<const std::byte*>();

// Results that overlap each other, seldom more than one, and how many inputs lie in them.
struct Region {
  Extent extent;
  const Array* only;  // the one result; null if there are more
  std::size_t inputs = 0;
  const Array* input = nullptr;  // one of them

  // Kernels read an element before they write it.
  bool is_safe() const { return inputs == 0 || (inputs == 1 && only && same_layout(*input, *only)); }
};

std::vector<Region> regions_of(std::span<const Array> out) {
  std::vector<Region> regions;
  regions.reserve(out.size());
  for (const Array& a : out)
    if (const Extent e = extent_of(a); !e.empty()) regions.push_back({e, &a});
  const auto first = [](const Region& a, const Region& b) { return before(a.extent.begin, b.extent.begin); };
  if (!std::is_sorted(regions.begin(), regions.end(), first)) std::sort(regions.begin(), regions.end(), first);
  std::size_t n = 0;  // so many are apart from each other
  for (const Region& r : regions) {
    if (n == 0 || !before(r.extent.begin, regions[n - 1].extent.end)) {
      regions[n++] = r;
      continue;
    }
    Region& last = regions[n - 1];
    last.extent.end = std::max(last.extent.end, r.extent.end, before);
    last.only = nullptr;
  }
  regions.resize(n);
  return regions;
}

// Calls visit(region) for the regions that an input lies in.
template <class Visit>
void visit_regions(std::vector<Region>& regions, const Array& input, Visit&& visit) {
  const Extent e = extent_of(input);
  if (e.empty()) return;
  auto region = std::partition_point(regions.begin(), regions.end(),
                                     [&](const Region& r) { return !before(e.begin, r.extent.end); });
  for (; region != regions.end() && before(region->extent.begin, e.end); ++region) visit(*region);
}

}  // namespace

void mark_changed(std::span<const Array> targets) {
  const std::uint64_t now = Storage::tick();
  for (const Array& a : targets) a.storage()->mark_changed(now);
}

bool same_layout(const Array& a, const Array& b) {
  return a.bytes() == b.bytes() && a.dtype() == b.dtype() && a.shape() == b.shape() && a.strides() == b.strides();
}

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
  for (const Array& a : in)
    visit_regions(regions, a, [&](Region& r) {
      ++r.inputs;
      r.input = &a;
    });
  std::vector<std::size_t> found;
  if (std::all_of(regions.begin(), regions.end(), [](const Region& r) { return r.is_safe(); })) return found;
  for (std::size_t i = 0; i < in.size(); ++i) {
    bool safe = true;
    visit_regions(regions, in[i], [&](const Region& r) { safe = safe && r.is_safe(); });
    if (!safe) found.push_back(i);
  }
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
