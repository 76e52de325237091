#include "chain.h"

#include <algorithm>
#include <bit>

namespace alice::program {
namespace {

// Numbers the values. A buffer whose value nobody reads any more serves the next one.
class ChainBuilder {
 public:
  ChainBuilder(const Graph& graph, const std::vector<int>& readers, Chain& chain)
      : graph_(graph), readers_(readers), chain_(chain) {
    for (std::int64_t n : chain.shape) size_ *= n;
  }

  // The elementwise nodes, in order. `piece`: the value that somebody behind them takes from them, or -1.
  void add(const std::vector<int>& nodes, int piece) {
    for (std::size_t n = 0; n < nodes.size(); ++n)
      for (int v : node(nodes[n]).in) {
        Known& k = known(v);
        ++k.reads;
        k.last_read = n;
      }
    for (std::size_t n = 0; n < nodes.size(); ++n) add_step(nodes[n], n, piece);
  }

 private:
  const Node& node(int n) const { return graph_.nodes()[static_cast<std::size_t>(n)]; }
  DType dtype(int v) const { return graph_.value(v).array.dtype(); }
  std::int64_t item(int v) const { return static_cast<std::int64_t>(itemsize(dtype(v))); }

  void add_step(int number, std::size_t n, int piece) {
    const Node& made = node(number);
    Chain::Step step{number, {}, -1};
    for (int v : made.in) step.in.push_back(number_of(v));
    const int out = made.out[0];
    const bool stored = out == piece || readers_[static_cast<std::size_t>(out)] > known(out).reads;
    release(made, n, stored ? 0 : item(out), /*same_item=*/true);
    step.out = stored ? add_result(out, n) : take_buffer(out);
    known(out).number = step.out;
    if (out == piece) chain_.piece = step.out;
    release(made, n, stored ? 0 : item(out), /*same_item=*/false);
    chain_.steps.push_back(std::move(step));
  }

  int add_value(const Chain::Value& value) {
    chain_.values.push_back(value);
    return static_cast<int>(chain_.values.size()) - 1;
  }

  int number_of(int v) {
    int& number = known(v).number;
    if (number >= 0) return number;
    const Value& value = graph_.value(v);
    const bool constant = value.source == Source::Constant && value.array.numel() == 1;
    number = add_value({constant ? Chain::Role::Constant : Chain::Role::Input, dtype(v), v});
    if (!constant) inputs_.push_back(v);
    return number;
  }

  // A result may lie where an input did that is read, tile by tile, at the latest when the result is written.
  int add_result(int v, std::size_t step) {
    const int number = add_value({Chain::Role::Result, dtype(v), v});
    for (int& input : inputs_) {
      if (input < 0 || !is_whole(input) || item(input) != item(v) || known(input).last_read > step) continue;
      chain_.values[static_cast<std::size_t>(number)].may_take = input;
      input = -1;
      break;
    }
    return number;
  }

  // Memory of its own, with an element for every one of the chain's, in the same order.
  bool is_whole(int v) const {
    const Value& value = graph_.value(v);
    return !value.view && value.array.numel() == size_ && value.array.is_contiguous();
  }

  int take_buffer(int v) {
    std::vector<int>& idle = idle_of(v);
    if (idle.empty()) return add_value({Chain::Role::Buffer, dtype(v)});
    const int number = idle.back();
    idle.pop_back();
    return number;
  }

  // Buffers that step n reads last: those of the result's item size may take it, the others are free afterwards.
  void release(const Node& made, std::size_t n, std::int64_t out_item, bool same_item) {
    for (int v : made.in) {
      Known& k = known(v);
      if (!k.buffered || k.last_read != n || (item(v) == out_item) != same_item) continue;
      idle_of(v).push_back(k.number);
      k.buffered = false;
    }
    if (!same_item && out_item > 0) known(made.out[0]).buffered = true;
  }

  // What is known of a value of the graph that the nodes read or make.
  struct Known {
    int value;
    int number = -1;  // in the chain
    int reads = 0;    // by these nodes
    std::size_t last_read = 0;
    bool buffered = false;  // it has a buffer that a later one may take
  };
  // A chain has so few that looking through them, the latest first, is quicker than hashing.
  Known& known(int v) {
    for (auto k = known_.rbegin(); k != known_.rend(); ++k)
      if (k->value == v) return *k;
    return known_.emplace_back(Known{v});
  }

  std::vector<int>& idle_of(int v) { return idle_[static_cast<std::size_t>(std::countr_zero(itemsize(dtype(v))))]; }

  const Graph& graph_;
  const std::vector<int>& readers_;
  Chain& chain_;
  std::int64_t size_ = 1;
  std::vector<Known> known_;
  std::vector<int> idle_[4];  // buffers, by the logarithm of their items' size: 1, 2, 4 or 8 bytes
  std::vector<int> inputs_;
};

// Memory must not be taken over while it is read in another order: by the kernel, or through another view. What the
// kernel at the head leaves, `left`, is read in order.
void forbid_taking(const Graph& graph, int left, Chain& chain) {
  for (Chain::Value& result : chain.values) {
    if (result.may_take < 0 || result.may_take == left) continue;
    const int root = graph.value(result.may_take).root;
    const auto views = std::count_if(chain.values.begin(), chain.values.end(), [&](const Chain::Value& v) {
      return v.in_memory() && graph.value(v.value).root == root;
    });
    if (views > 1 || chain.head || chain.tail) result.may_take = -1;
  }
}

}  // namespace

int Chain::may_take(int value) const {
  for (const Value& v : values)
    if (v.in_memory() && v.value == value) return v.may_take;
  return -1;
}

Chain make_chain(const Graph& graph, const Unit& unit, const std::vector<Ability>& can,
                 const std::vector<int>& readers) {
  const auto node = [&](int n) -> const Node& { return graph.nodes()[static_cast<std::size_t>(n)]; };
  std::vector<int> nodes;
  for (int n : unit.nodes)
    if (can[static_cast<std::size_t>(n)].elementwise) nodes.push_back(n);
  Chain chain;
  chain.shape = graph.value(node(nodes[0]).out[0]).array.shape();
  chain.head = unit.head;
  chain.tail = unit.tail;
  chain.columns = chain.shape.empty() ? 1 : chain.shape.back();
  ChainBuilder(graph, readers, chain).add(nodes, unit.tail ? node(unit.nodes.back()).in[0] : -1);
  forbid_taking(graph, unit.head ? node(unit.nodes[0]).out[0] : -1, chain);
  return chain;
}

}  // namespace alice::program
