// Sums of adjoints of slices. A loop over the items of an array leaves one adjoint for each, as long as the array, with
// zeros all around; that sum takes the square of the length. Where nobody needs what was summed before, an adjoint is
// added to it at its place, and the rest is left alone.
//
// What is left alone has to be what adding 0 gives: it must not be -0. A sum of placed parts has no -0 where one of
// them has zeros; if two of them lie apart, that is everywhere.
#include "graph.h"

namespace alice::program {
namespace {

struct Parts {
  std::vector<const std::vector<Attr>*> places;  // of some of them
  bool anywhere_zero = false;                    // two of them lie apart
};

constexpr std::size_t kCompared = 4;  // parts that a further one is compared with

Parts sum_of(const Parts& a, const Parts& b, const PlacedSum& sum) {
  Parts made{a.places, a.anywhere_zero || b.anywhere_zero};
  for (const auto* p : a.places)
    for (const auto* q : b.places) made.anywhere_zero = made.anywhere_zero || sum.apart(*p, *q);
  for (const auto* q : b.places)
    if (made.places.size() < kCompared) made.places.push_back(q);
  return made;
}

}  // namespace

void Graph::add_at_places() {
  const Registry& registry = Registry::instance();
  const std::vector<int> readers = count_readers();
  std::unordered_map<int, Parts> sums;           // by value
  std::unordered_map<int, std::size_t> placing;  // by value: the node that places it, and for nobody but a sum
  std::unordered_map<int, const PlacedSum*> kinds;
  std::vector<bool> gone(nodes_.size(), false);
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    Node& node = nodes_[n];
    if (node.update || node.out.size() != 1) continue;
    const int out = node.out[0];
    const DType dtype = value(out).array.dtype();
    if (!is_floating(dtype) || for_storage(dtype)) continue;
    const PlacedSum* kind = registry.placed_sum(*node.kernel);
    if (kind && node.kernel == kind->place) {
      sums[out] = {{&node.attrs}, false};
      kinds[out] = kind;
      if (readers[static_cast<std::size_t>(out)] == 1) placing[out] = n;
      continue;
    }
    if (node.kernel->arithmetic != Arithmetic::Add) continue;
    const int a = node.in[0], b = node.in[1];
    const auto left = sums.find(a), right = sums.find(b);
    if (left == sums.end() || right == sums.end() || kinds[a] != kinds[b] ||
        !(value(a).array.shape() == value(b).array.shape()))
      continue;
    const Parts before_left = left->second, before_right = right->second;
    kind = kinds[a];
    sums[out] = sum_of(before_left, before_right, *kind);
    kinds[out] = kind;
    for (const auto& [part, rest, known] : {std::tuple{b, a, &before_left}, std::tuple{a, b, &before_right}}) {
      const auto placed = placing.find(part);
      if (placed == placing.end() || !known->anywhere_zero) continue;
      gone[placed->second] = true;
      const Node& placer = nodes_[placed->second];
      node.kernel = kind->add;
      node.in = {rest, placer.in[0]};
      node.attrs = placer.attrs;
      break;
    }
  }
  std::vector<Node> kept;
  for (std::size_t n = 0; n < nodes_.size(); ++n)
    if (!gone[n]) kept.push_back(std::move(nodes_[n]));
  nodes_ = std::move(kept);
}

}  // namespace alice::program
