// Sums of adjoints of slices. A loop over the items of an array leaves one adjoint for each, as long as the array, with
// zeros all around; that sum takes the square of the length. Where nobody needs what was summed before, an adjoint is
// added to it at its place, and the rest is left alone.
//
// What is left alone has to be what adding 0 gives: it must not be -0. A sum of placed parts has no -0 where one of
// them has zeros; if two of them lie apart, that is everywhere. So the first two that lie apart are added to zeros.
#include <cstring>

#include "graph.h"

namespace alice::program {
namespace {

struct Sum {
  const PlacedSum* kind;
  std::vector<const std::vector<Attr>*> places;  // of some of its parts
  bool zero_anywhere = false;                    // two of them lie apart
  int placer = -1;                               // of a single part that nobody else reads: the node that places it
};

constexpr std::size_t kCompared = 4;  // parts that a further one is compared with

Sum sum_of(const Sum& a, const Sum& b) {
  Sum made{a.kind, a.places, a.zero_anywhere || b.zero_anywhere};
  for (const auto* p : a.places)
    for (const auto* q : b.places) made.zero_anywhere = made.zero_anywhere || a.kind->apart(*p, *q);
  for (const auto* q : b.places)
    if (made.places.size() < kCompared) made.places.push_back(q);
  return made;
}

}  // namespace

int Graph::add_zeros(Dims shape, DType dtype) {
  const Array zero = Array::empty({}, dtype);
  std::memset(zero.bytes(), 0, itemsize(dtype));
  const int number = add_constant(zero);
  const Array& shared = value(number).array;
  return add_value(Array::view(shared, shape, Dims::filled(shape.size(), 0), 0), Source::Constant, number);
}

void Graph::add_at_places() {
  const std::vector<int> readers = count_readers();
  std::unordered_map<int, Sum> sums;  // by value
  std::vector<bool> gone(nodes_.size(), false);
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    Node& node = nodes_[n];
    if (node.update || node.out.size() != 1) continue;
    const int out = node.out[0];
    const DType dtype = value(out).array.dtype();
    if (!is_floating(dtype) || for_storage(dtype)) continue;
    const PlacedSum* kind = Registry::instance().placed_sum(*node.kernel);
    if (kind && node.kernel == kind->place) {
      const bool is_read_once = readers[static_cast<std::size_t>(out)] == 1;
      sums[out] = {kind, {&node.attrs}, false, is_read_once ? static_cast<int>(n) : -1};
      continue;
    }
    if (node.kernel->arithmetic != Arithmetic::Add) continue;
    const auto left = sums.find(node.in[0]), right = sums.find(node.in[1]);
    if (left == sums.end() || right == sums.end() || left->second.kind != right->second.kind ||
        !(value(node.in[0]).array.shape() == value(node.in[1]).array.shape()))
      continue;
    const Sum a = left->second, b = right->second;
    sums[out] = sum_of(a, b);
    const bool begins = a.placer >= 0 && b.placer >= 0 && sums[out].zero_anywhere;
    if (begins) {
      Node& first = nodes_[static_cast<std::size_t>(a.placer)];
      first.kernel = a.kind->add;
      first.in = {add_zeros(value(out).array.shape(), dtype), first.in[0]};
    }
    const bool adds_right = b.placer >= 0 && (a.zero_anywhere || begins);
    if (!adds_right && !(a.placer >= 0 && b.zero_anywhere)) continue;
    const auto placer = static_cast<std::size_t>(adds_right ? b.placer : a.placer);
    gone[placer] = true;
    node.kernel = a.kind->add;
    node.in = {node.in[adds_right ? 0 : 1], nodes_[placer].in[0]};
    node.attrs = nodes_[placer].attrs;
  }
  std::vector<Node> kept;
  for (std::size_t n = 0; n < nodes_.size(); ++n)
    if (!gone[n]) kept.push_back(std::move(nodes_[n]));
  nodes_ = std::move(kept);
}

}  // namespace alice::program
