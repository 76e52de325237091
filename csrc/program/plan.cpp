// From a graph to a program: instructions, and a place in memory for every value that needs one.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "program.h"

namespace alice::program {
namespace {

constexpr std::int64_t kAlign = 64;

std::int64_t bytes_of(const Array& a) { return a.numel() * static_cast<std::int64_t>(itemsize(a.dtype())); }

// The arena: blocks are given out and taken back in the order of the instructions, best fit first.
class Arena {
 public:
  std::int64_t take(std::int64_t bytes) {
    bytes = rounded(bytes);
    auto best = free_.end();
    for (auto it = free_.begin(); it != free_.end(); ++it)
      if (it->second >= bytes && (best == free_.end() || it->second < best->second)) best = it;
    if (best == free_.end()) {
      // The last block grows, if it is free.
      auto last = free_.empty() ? free_.end() : std::prev(free_.end());
      const bool grows = last != free_.end() && last->first + last->second == size_;
      const std::int64_t at = grows ? last->first : size_;
      if (grows) free_.erase(last);
      size_ = at + bytes;
      return at;
    }
    const std::int64_t at = best->first, left = best->second - bytes;
    free_.erase(best);
    if (left > 0) free_.emplace(at + bytes, left);
    return at;
  }

  void give_back(std::int64_t at, std::int64_t bytes) {
    bytes = rounded(bytes);
    auto here = free_.emplace(at, bytes).first;
    if (auto next = std::next(here); next != free_.end() && at + here->second == next->first) {
      here->second += next->second;
      free_.erase(next);
    }
    if (here != free_.begin()) {
      auto before = std::prev(here);
      if (before->first + before->second == here->first) {
        before->second += here->second;
        free_.erase(here);
      }
    }
  }

  std::int64_t size() const { return size_; }

 private:
  static std::int64_t rounded(std::int64_t bytes) {
    return (std::max<std::int64_t>(bytes, 1) + kAlign - 1) / kAlign * kAlign;
  }

  std::map<std::int64_t, std::int64_t> free_;  // offset, bytes
  std::int64_t size_ = 0;
};

// Numbers the values of a chain. A buffer whose value nobody reads any more serves the next one.
class ChainBuilder {
 public:
  ChainBuilder(const Graph& graph, const std::vector<int>& readers, Chain& chain)
      : graph_(graph), readers_(readers), chain_(chain) {}

  // The elementwise nodes of the chain, in order, and what reads its values behind them.
  void add(const std::vector<const Node*>& nodes, const std::vector<Elementwise>& loops, int piece) {
    for (std::size_t n = 0; n < nodes.size(); ++n)
      for (int v : nodes[n]->in) {
        ++reads_[v];
        last_read_[v] = n;
      }
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      const Node& node = *nodes[n];
      Tiles::Step step{loops[n], static_cast<int>(node.in.size()), {}, -1};
      for (int k = 0; k < step.n_in; ++k) step.in[k] = number_of(node.in[static_cast<std::size_t>(k)]);
      const int out = node.out[0];
      const bool stored = out == piece || readers_[static_cast<std::size_t>(out)] > reads_[out];
      release(node, n, stored ? 0 : item(out), /*same_item=*/true);
      step.out = stored ? add_result(out, n) : take_buffer(out);
      numbers_[out] = step.out;
      if (out == piece) chain_.piece = step.out;
      release(node, n, stored ? 0 : item(out), /*same_item=*/false);
      chain_.tiles.add_step(step);
    }
    chain_.tiles.finish();
  }

 private:
  std::int64_t item(int v) const { return static_cast<std::int64_t>(itemsize(graph_.value(v).array.dtype())); }

  int note(int number, int value) {
    chain_.values.resize(static_cast<std::size_t>(number) + 1, -1);
    chain_.may_take.resize(static_cast<std::size_t>(number) + 1, -1);
    chain_.values[static_cast<std::size_t>(number)] = value;
    return number;
  }

  int number_of(int v) {
    auto [place, fresh] = numbers_.try_emplace(v, -1);
    if (!fresh) return place->second;
    const Value& value = graph_.value(v);
    const bool constant = value.source == Source::Constant && value.array.numel() == 1;
    place->second =
        constant ? note(chain_.tiles.add_constant(value.array), -1) : note(chain_.tiles.add_input(value.array), v);
    if (!constant) inputs_.push_back(v);
    return place->second;
  }

  // A result may lie where an input did that is read, tile by tile, at the latest when the result is written.
  int add_result(int v, std::size_t step) {
    const int number = note(chain_.tiles.add_result(graph_.value(v).array.dtype()), v);
    for (std::size_t k = 0; k < inputs_.size(); ++k) {
      const int input = inputs_[k];
      if (input < 0 || graph_.value(input).view || item(input) != item(v) || last_read_.at(input) > step ||
          !chain_.tiles.is_contiguous_input(numbers_.at(input)))
        continue;
      chain_.may_take[static_cast<std::size_t>(number)] = input;
      inputs_[k] = -1;
      break;
    }
    return number;
  }

  int take_buffer(int v) {
    auto& idle = idle_[item(v)];
    if (idle.empty()) return note(chain_.tiles.add_buffer(graph_.value(v).array.dtype()), -1);
    const int number = idle.back();
    idle.pop_back();
    return number;
  }

  // Buffers that step n reads last: those of the result's item size may take it, the others are free afterwards.
  void release(const Node& node, std::size_t n, std::int64_t out_item, bool same_item) {
    for (int v : node.in) {
      auto found = buffered_.find(v);
      if (found == buffered_.end() || last_read_.at(v) != n || (item(v) == out_item) != same_item) continue;
      idle_[item(v)].push_back(found->second);
      buffered_.erase(found);
    }
    if (!same_item && out_item > 0) buffered_[node.out[0]] = numbers_.at(node.out[0]);
  }

  const Graph& graph_;
  const std::vector<int>& readers_;
  Chain& chain_;
  std::map<int, int> numbers_, reads_, buffered_;
  std::map<int, std::size_t> last_read_;
  std::map<std::int64_t, std::vector<int>> idle_;
  std::vector<int> inputs_;
};

}  // namespace

Program::Program(Graph graph) : graph_(std::move(graph)) {
  graph_.remove_dead();
  graph_.join_pairs();
  const std::vector<Elementwise> loops = elementwise_nodes(graph_);
  PreparedNodes prepared(graph_.nodes().size());
  for (std::size_t n = 0; n < prepared.size(); ++n) {
    const Node& node = graph_.nodes()[n];
    if (loops[n].loop || !node.kernel->prepare) continue;
    auto [in, out] = graph_.described(node);
    prepared[n] = node.kernel->prepare(Call{*node.kernel, in, out, node.attrs});
  }
  const std::vector<int> readers = graph_.count_readers();
  for (const Unit& unit : schedule(graph_, loops, prepared, readers)) plan(unit, loops, prepared, readers);
  lay_out();
  note_writes();
  collect_operands();
}

void Program::plan(const Unit& unit, const std::vector<Elementwise>& loops, PreparedNodes& prepared,
                   const std::vector<int>& readers) {
  auto made = std::make_unique<Instruction>();
  Instruction& instruction = *made;
  instruction.nodes = unit.nodes;
  const bool head = unit.fused && unit.head, tail = unit.fused && unit.tail;
  if (!unit.fused || head || tail) {
    const int n = tail ? unit.nodes.back() : unit.nodes.front();
    const Node& node = graph_.nodes()[static_cast<std::size_t>(n)];
    instruction.kernel = node.kernel;
    instruction.prepared = std::move(prepared[static_cast<std::size_t>(n)]);
    instruction.attrs = node.attrs;
    instruction.n_in = node.in.size();
    instruction.n_out = node.out.size();
    if (!tail) instruction.in = node.in;
    instruction.out = node.out;
    changes_outside_ = changes_outside_ || node.update;
  }
  if (unit.fused) instruction.chain = plan_chain(unit, loops, readers, instruction);
  for (int v : instruction.in) reads_outside_ = reads_outside_ || graph_.value(v).source == Source::Captured;
  estimate(instruction);
  instructions_.push_back(std::move(made));
}

std::unique_ptr<Chain> Program::plan_chain(const Unit& unit, const std::vector<Elementwise>& loops,
                                           const std::vector<int>& readers, Instruction& instruction) {
  std::vector<const Node*> nodes;
  std::vector<Elementwise> chain_loops;
  for (int n : unit.nodes)
    if (loops[static_cast<std::size_t>(n)].loop) {
      nodes.push_back(&graph_.nodes()[static_cast<std::size_t>(n)]);
      chain_loops.push_back(loops[static_cast<std::size_t>(n)]);
    }
  const Dims& shape = graph_.value(nodes[0]->out[0]).array.shape();
  auto chain = std::make_unique<Chain>(shape);
  chain->head = unit.head;
  chain->tail = unit.tail;
  chain->columns = shape.empty() ? 1 : shape.back();
  const int piece = unit.tail ? graph_.nodes()[static_cast<std::size_t>(unit.nodes.back())].in[0] : -1;
  ChainBuilder(graph_, readers, *chain).add(nodes, chain_loops, piece);
  const int left = unit.head ? graph_.nodes()[static_cast<std::size_t>(unit.nodes[0])].out[0] : -1;
  // Memory must not be taken over while it is read in another order: by the kernel, or through another view.
  for (int& from : chain->may_take) {
    if (from < 0 || from == left) continue;
    const auto views = std::count_if(chain->values.begin(), chain->values.end(),
                                     [&](int v) { return v >= 0 && graph_.value(v).root == graph_.value(from).root; });
    if (views > 1 || unit.head || unit.tail) from = -1;
  }
  for (std::size_t k = 0; k < chain->values.size(); ++k) {
    const int v = chain->values[k];
    if (v < 0 || static_cast<int>(k) == chain->piece) continue;
    const bool computed = std::any_of(nodes.begin(), nodes.end(), [&](const Node* n) { return n->out[0] == v; });
    if (computed) instruction.out.push_back(v);
    if (!computed && v != left) instruction.in.push_back(v);
  }
  return chain;
}

void Program::estimate(Instruction& instruction) {
  for (int n : instruction.nodes) {
    const Node& node = graph_.nodes()[static_cast<std::size_t>(n)];
    auto [in, out] = graph_.described(node);
    const Call call{*node.kernel, in, out, node.attrs};
    instruction.flops += work_of(call).flops;
    if (node.kernel->cost) cost_ += node.kernel->cost(call);
  }
  for (int v : instruction.in) instruction.bytes += static_cast<double>(bytes_of(graph_.value(v).array));
  for (int v : instruction.out) instruction.bytes += static_cast<double>(bytes_of(graph_.value(v).array));
}

void Program::lay_out() {
  const std::size_t count = graph_.values().size();
  places_.assign(count, {});
  std::vector<bool> fixed(count, false);  // lies outside of the arena
  const auto settle = [&](int v, Place place) {
    places_[static_cast<std::size_t>(v)] = place;
    fixed[static_cast<std::size_t>(v)] = true;
  };
  for (std::size_t v = 0; v < count; ++v) {
    const Value& value = graph_.values()[v];
    if (value.source == Source::Captured || value.source == Source::Constant)
      settle(static_cast<int>(v), {kFixed, reinterpret_cast<std::int64_t>(value.array.bytes())});
  }
  int base = kArena;
  for (int v : graph_.inputs()) settle(v, {++base, 0});
  for (int v : graph_.results()) settle(v, {++base, 0});

  std::vector<int> last_use(count, -1);
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    for (int v : instructions_[i]->in) last_use[static_cast<std::size_t>(graph_.value(v).root)] = static_cast<int>(i);
    for (int v : instructions_[i]->out)
      last_use[static_cast<std::size_t>(v)] = std::max(last_use[static_cast<std::size_t>(v)], static_cast<int>(i));
  }

  Arena arena;
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    const Instruction& instruction = *instructions_[i];
    std::vector<int> dying;  // roots in the arena that are read here for the last time
    const auto dies = [&](int v) {
      const int root = graph_.value(v).root;
      if (!fixed[static_cast<std::size_t>(root)] && last_use[static_cast<std::size_t>(root)] == static_cast<int>(i) &&
          std::find(dying.begin(), dying.end(), root) == dying.end())
        dying.push_back(root);
    };
    for (int v : instruction.in) dies(v);

    // What is written here, and lies in the arena: in the memory of an input that dies, or in memory of its own. What
    // the kernel at the head of a chain leaves is such an input, too; it takes the place of the result.
    const int left = instruction.chain && instruction.chain->head
                         ? graph_.nodes()[static_cast<std::size_t>(instruction.nodes[0])].out[0]
                         : -1;
    bool left_placed = left < 0 || fixed[static_cast<std::size_t>(left)];
    const auto takes = [&](int v) {
      if (!instruction.chain) return -1;
      const auto& values = instruction.chain->values;
      const auto number = std::find(values.begin(), values.end(), v) - values.begin();
      return number < static_cast<std::ptrdiff_t>(values.size())
                 ? instruction.chain->may_take[static_cast<std::size_t>(number)]
                 : -1;
    };
    std::vector<int> own;
    for (int v : instruction.out) {
      if (v == left) continue;
      const int from = takes(v);
      if (from >= 0 && from == left && !left_placed &&
          last_use[static_cast<std::size_t>(left)] == static_cast<int>(i)) {
        if (!fixed[static_cast<std::size_t>(v)])
          places_[static_cast<std::size_t>(v)] = {kArena, arena.take(bytes_of(graph_.value(v).array))};
        places_[static_cast<std::size_t>(left)] = places_[static_cast<std::size_t>(v)];
        left_placed = true;
        own.push_back(v);
        continue;
      }
      if (fixed[static_cast<std::size_t>(v)] || graph_.value(v).source != Source::Node) continue;
      auto dead = std::find(dying.begin(), dying.end(), from);
      if (from >= 0 && dead != dying.end()) {
        places_[static_cast<std::size_t>(v)] = places_[static_cast<std::size_t>(from)];
        dying.erase(dead);
      } else {
        places_[static_cast<std::size_t>(v)] = {kArena, arena.take(bytes_of(graph_.value(v).array))};
      }
      own.push_back(v);
    }
    const bool left_owns = !left_placed;
    if (left_owns) places_[static_cast<std::size_t>(left)] = {kArena, arena.take(bytes_of(graph_.value(left).array))};
    if (left >= 0 && left_owns) own.push_back(left);

    for (int v : own) dies(v);  // written, but read by nobody
    for (int v : dying) arena.give_back(places_[static_cast<std::size_t>(v)].offset, bytes_of(graph_.value(v).array));
  }
  arena_bytes_ = arena.size();

  for (std::size_t v = 0; v < count; ++v) {
    const Value& value = graph_.values()[v];
    if (!value.view || value.source == Source::Captured || value.source == Source::Constant) continue;
    const Place& root = places_[static_cast<std::size_t>(value.root)];
    places_[v] = {root.base, root.offset + value.offset};
  }
}

void Program::note_writes() {
  std::unordered_map<int, std::size_t> first;
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    for (int v : instructions_[i]->out) first.try_emplace(graph_.value(v).root, i);
    for (int n : instructions_[i]->nodes) {
      const Node& node = graph_.nodes()[static_cast<std::size_t>(n)];
      if (!node.update) continue;
      for (int v : node.out) updates_.emplace_back(i, graph_.value(v).array.storage());
    }
  }
  for (int v : graph_.results()) written_by_.push_back(first.at(v));
}

void Program::collect_operands() {
  const auto add_array = [&](int v) {
    if (places_[static_cast<std::size_t>(v)].base > kArena) moving_arrays_.push_back(arrays_.size());
    arrays_.push_back({graph_.value(v).array, places_[static_cast<std::size_t>(v)]});
  };
  for (const auto& instruction : instructions_) {
    if (instruction->kernel) {
      const Chain* chain = instruction->chain.get();
      const int n = chain && chain->tail ? instruction->nodes.back() : instruction->nodes.front();
      const Node& node = graph_.nodes()[static_cast<std::size_t>(n)];
      instruction->first_array = arrays_.size();
      for (int v : node.in) add_array(v);
      for (int v : node.out) add_array(v);
    }
    if (instruction->chain) {
      instruction->chain->first_pointer = pointers_.size();
      for (int v : instruction->chain->values) {
        const Place place = v < 0 ? Place{kFixed, 0} : places_[static_cast<std::size_t>(v)];
        if (place.base > kArena) moving_pointers_.push_back(pointers_.size());
        pointers_.push_back(place);
      }
    }
  }
}

}  // namespace alice::program
