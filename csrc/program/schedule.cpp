#include "schedule.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <memory>
#include <queue>
#include <utility>

#include "loops.h"

namespace alice::program {
namespace {

constexpr int kOpen = 64;                  // groups that can still grow: one bit each
constexpr std::size_t kMaxNodes = 32;      // of a group: its values must fit the nearest cache
constexpr std::size_t kMaxMerging = 4096;  // with more groups, looking through all of them takes too long

using Bits = std::uint64_t;

// The group that makes a value and the one that reads it last, by value; -1 for none.
struct GroupsOfValues {
  explicit GroupsOfValues(std::size_t count) : makes(count, -1), reads_last(count, -1) {}
  std::vector<int> makes, reads_last;
};

std::size_t at(int i) { return static_cast<std::size_t>(i); }

// Between two updates, which must see memory as the trace left it, nodes may move: each joins a group of its shape
// unless that closed a circle, a group that waits for a node which waits for the group.
class Segment {
 public:
  Segment(const Graph& graph, const std::vector<Ability>& can, const std::vector<int>& readers, GroupsOfValues& values)
      : graph_(graph), can_(can), readers_(readers), values_(values) {
    std::fill_n(slots_, kOpen, -1);
  }
  ~Segment() {
    for (int v : met_) values_.makes[at(v)] = values_.reads_last[at(v)] = -1;
  }

  void add(int node) {
    const Node& n = graph_.nodes()[at(node)];
    const Ability& can = can_[at(node)];
    int group = -1;
    if (can.elementwise) {
      group = group_for(n);
    } else if (can.takes_feed) {
      group = group_feeding(n);
      if (group >= 0) {
        groups_[at(group)].unit.tail = true;
        close(group);
      }
    }
    if (group < 0) group = new_group(n, can);
    Group& g = groups_[at(group)];
    g.waits_for |= needs(n, group);
    if (exchange_of(n) != Exchange::None) {
      if (exchange_ >= 0) g.waits_for = closure(g.waits_for | bit(exchange_) | groups_[at(exchange_)].waits_for);
      exchange_ = group;
    }
    g.unit.nodes.push_back(node);
    for (int v : n.out) note(values_.makes, v, group);
    if (!can.elementwise) return;
    g.unit.fused = true;
    for (int v : n.in)
      if (whole(v, g.shape)) note(values_.reads_last, v, group);
  }

  // The units, each after those it waits for, otherwise in the order of the trace. What is told to other processes goes
  // out as soon as it is there, so that it is on its way while the rest is computed; in the order that they expect.
  void finish(std::vector<Unit>& units) {
    const std::size_t count = groups_.size();
    std::vector<std::vector<int>> waiting(count);
    std::vector<int> left(count, 0);
    int exchange = -1;  // the one before
    for (std::size_t g = 0; g < count; ++g) {
      if (groups_[g].unit.nodes.empty()) continue;  // joined another
      std::vector<int> before;
      if (exchange_of(g) != Exchange::None) {
        if (exchange >= 0) before.push_back(exchange);
        exchange = static_cast<int>(g);
      }
      for (int node : groups_[g].unit.nodes)
        for (int v : graph_.nodes()[at(node)].in)
          if (const int made = maker(graph_.value(v).root); made >= 0 && made != static_cast<int>(g))
            before.push_back(made);
      std::sort(before.begin(), before.end());
      before.erase(std::unique(before.begin(), before.end()), before.end());
      left[g] = static_cast<int>(before.size());
      for (int b : before) waiting[at(b)].push_back(static_cast<int>(g));
    }
    std::priority_queue<std::pair<int, int>, std::vector<std::pair<int, int>>, std::greater<>> ready;
    const auto offer = [&](std::size_t g) {
      const bool early = exchange_of(g) == Exchange::Begins;
      ready.push({early ? -1 : groups_[g].unit.nodes.back(), static_cast<int>(g)});
    };
    for (std::size_t g = 0; g < count; ++g)
      if (!groups_[g].unit.nodes.empty() && left[g] == 0) offer(g);
    std::size_t done = 0;
    while (!ready.empty()) {
      const auto g = static_cast<std::size_t>(ready.top().second);
      ready.pop();
      for (int w : waiting[g])
        if (--left[at(w)] == 0) offer(static_cast<std::size_t>(w));
      units.push_back(std::move(groups_[g].unit));
      ++done;
    }
    if (done != count - joined_) fail(ErrorKind::Value, "program: the schedule has a circle");
  }

 private:
  struct Group {
    Unit unit;
    Dims shape;          // of every result of its elementwise nodes
    Bits waits_for = 0;  // open groups that must run before
    bool open = false;
    int merged_into = -1;
  };

  static Exchange exchange_of(const Node& n) { return program::exchange_of(*n.kernel, n.attrs); }
  Exchange exchange_of(std::size_t group) const {  // one is alone in its group
    return exchange_of(graph_.nodes()[at(groups_[group].unit.nodes.front())]);
  }

  // The group that this one has become a part of; -1 stays that.
  int find(int group) const {
    while (group >= 0 && groups_[at(group)].merged_into >= 0) group = groups_[at(group)].merged_into;
    return group;
  }
  int maker(int value) const { return find(values_.makes[at(value)]); }
  int last_reader(int value) const { return find(values_.reads_last[at(value)]); }

  void note(std::vector<int>& groups, int value, int group) {
    groups[at(value)] = group;
    met_.push_back(value);
  }

  Bits bit(int group) const {
    const int slot = groups_slot_[at(group)];
    return slot < 0 ? 0 : Bits{1} << slot;
  }

  // The open groups that must run before whoever reads these bits can.
  Bits closure(Bits bits) const {
    for (Bits left = bits; left != 0;) {
      const int slot = std::countr_zero(left);
      left &= left - 1;
      const Bits more = groups_[at(slots_[slot])].waits_for & ~bits;
      bits |= more;
      left |= more;
    }
    return bits;
  }

  // What a node that reads these values waits for, apart from `own` group.
  Bits needs(const Node& n, int own) const {
    Bits bits = 0;
    for (int v : n.in)
      if (const int g = maker(graph_.value(v).root); g >= 0 && g != own) bits |= bit(g) | groups_[at(g)].waits_for;
    return closure(bits);
  }

  bool whole(int v, const Dims& shape) const {
    const Array& a = graph_.value(v).array;
    return a.shape() == shape && a.numel() > 1;
  }

  // May the node become part of the group? It reads the group's own results as they are, or nothing that waits for it.
  bool may_join(const Node& n, int group) const {
    const Group& g = groups_[at(group)];
    if (!g.open || g.unit.nodes.size() >= kMaxNodes) return false;
    for (int v : n.in)
      if (graph_.value(v).view && maker(graph_.value(v).root) == group) return false;
    return !(needs(n, group) & bit(group));
  }

  int group_for(const Node& n) {
    const Dims& shape = graph_.value(n.out[0]).array.shape();
    std::vector<int> candidates;  // that compute or read what the node reads
    for (int v : n.in) {
      int g = maker(v);
      if (g < 0 || !(groups_[at(g)].shape == shape)) {
        g = last_reader(v);
        if (g >= 0 && groups_[at(g)].unit.head) g = -1;
      }
      if (g < 0 || !(groups_[at(g)].shape == shape) || !may_join(n, g)) continue;
      if (std::find(candidates.begin(), candidates.end(), g) == candidates.end()) candidates.push_back(g);
    }
    if (candidates.empty()) return -1;
    int into = candidates[0];
    for (std::size_t k = 1; k < candidates.size(); ++k) into = merged(into, candidates[k]);
    return may_join(n, into) ? into : -1;
  }

  // One group of two that do not wait for each other; else the later one.
  int merged(int a, int b) {
    if (a > b) std::swap(a, b);
    Group &first = groups_[at(a)], &second = groups_[at(b)];
    const bool apart = !(closure(first.waits_for) & bit(b)) && !(closure(second.waits_for) & bit(a));
    if (!apart || first.unit.head || second.unit.head || groups_.size() > kMaxMerging ||
        first.unit.nodes.size() + second.unit.nodes.size() >= kMaxNodes)
      return b;
    std::vector<int> all;
    std::merge(first.unit.nodes.begin(), first.unit.nodes.end(), second.unit.nodes.begin(), second.unit.nodes.end(),
               std::back_inserter(all));
    first.unit.nodes = std::move(all);
    first.waits_for |= second.waits_for;
    second.waits_for |= bit(a);  // so whoever waits for the second waits for both
    second.unit.nodes.clear();
    second.merged_into = a;
    ++joined_;
    close(b);
    return a;
  }

  int group_feeding(const Node& n) {
    const int g = n.in.size() == 1 && readers_[at(n.in[0])] == 1 ? maker(n.in[0]) : -1;
    if (g < 0) return -1;
    const Group& group = groups_[at(g)];
    if (!group.unit.fused || group.unit.head || group.unit.tail ||
        !(group.shape == graph_.value(n.in[0]).array.shape()) || !may_join(n, g))
      return -1;
    return g;
  }

  int new_group(const Node& n, const Ability& can) {
    const int id = static_cast<int>(groups_.size());
    groups_.emplace_back();
    groups_slot_.push_back(-1);
    Group& g = groups_.back();
    g.shape = graph_.value(n.out[0]).array.shape();
    g.unit.head = can.takes_epilogue;
    g.open = can.elementwise || g.unit.head;
    // Even a group that cannot grow may be waited for while others can; the oldest gives way.
    const int slot = id % kOpen;
    if (slots_[slot] >= 0) retire(slot);
    slots_[slot] = id;
    groups_slot_[at(id)] = slot;
    return id;
  }

  void close(int group) { groups_[at(group)].open = false; }

  // Nobody can join this group any more, so nobody needs to know who waits for it: they wait for what it waits for.
  void retire(int slot) {
    const int retired = std::exchange(slots_[slot], -1);
    close(retired);
    groups_slot_[at(retired)] = -1;
    const Bits gone = Bits{1} << slot, instead = groups_[at(retired)].waits_for;
    for (int g : slots_)
      if (g >= 0 && groups_[at(g)].waits_for & gone)
        groups_[at(g)].waits_for = (groups_[at(g)].waits_for ^ gone) | instead;
    for (int g : std::exchange(retired_waiting_[slot], {})) {
      groups_[at(g)].waits_for ^= gone;
      keep_waiting(g, instead);
    }
    keep_waiting(retired, std::exchange(groups_[at(retired)].waits_for, 0));
  }

  // A group without a slot waits for more.
  void keep_waiting(int group, Bits more) {
    Bits& bits = groups_[at(group)].waits_for;
    for (Bits left = more & ~bits; left != 0; left &= left - 1)
      retired_waiting_[std::countr_zero(left)].push_back(group);
    bits |= more;
  }

  const Graph& graph_;
  const std::vector<Ability>& can_;
  const std::vector<int>& readers_;  // of every value: nodes, and the program's results
  std::vector<Group> groups_;
  std::vector<int> groups_slot_;  // the bit of a group, or -1
  std::size_t joined_ = 0;        // groups that became part of another
  int exchange_ = -1;             // the group of the last exchange; it cannot grow
  int slots_[kOpen];
  std::vector<int> retired_waiting_[kOpen];  // groups without a slot that wait for the one in this slot
  GroupsOfValues& values_;
  std::vector<int> met_;  // values for which there is a group
};

}  // namespace

std::vector<Unit> schedule(const Graph& graph, const std::vector<Ability>& can, const std::vector<int>& readers) {
  std::vector<Unit> units;
  GroupsOfValues values(graph.values().size());
  auto segment = std::make_unique<Segment>(graph, can, readers, values);
  for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
    if (!graph.nodes()[n].update) {
      segment->add(static_cast<int>(n));
      continue;
    }
    segment->finish(units);
    units.push_back({{static_cast<int>(n)}});
    segment.reset();
    segment = std::make_unique<Segment>(graph, can, readers, values);
  }
  segment->finish(units);
  return units;
}

}  // namespace alice::program
