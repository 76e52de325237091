// From a graph to instructions.
#include "plan.h"

#include <algorithm>
#include <unordered_map>

#include "../core/in_place.h"

namespace alice::program {

Plan::Plan(Graph graph, const std::vector<Ability>& can) : graph_(std::move(graph)) {
  const std::vector<int> readers = graph_.count_readers();
  const std::vector<Unit> units = schedule(graph_, can, readers);
  instructions_.reserve(units.size());
  for (const Unit& unit : units) instructions_.push_back(instruction_of(unit, can, readers));
  layout_ = lay_out(graph_, instructions_);
  for (Instruction& i : instructions_) {
    estimate(i);
    for (int v : i.in)
      if (graph_.value(v).source == Source::Captured) access_.reads.push_back(graph_.value(v).array.storage().get());
    if (!i.update) continue;
    for (int v : i.out) access_.changes.push_back(graph_.value(v).array.storage().get());
  }
  access_.finish();
  note_writes();
}

void Plan::note_writes() {
  std::unordered_map<int, std::size_t> first;
  for (std::size_t i = 0; i < instructions_.size(); ++i)
    for (int v : instructions_[i].out) first.try_emplace(v, i);
  for (int v : graph_.results()) written_by_.push_back(first.at(v));
}

Instruction Plan::instruction_of(const Unit& unit, const std::vector<Ability>& can,
                                 const std::vector<int>& readers) const {
  Instruction made;
  made.nodes = unit.nodes;
  const bool head = unit.fused && unit.head, tail = unit.fused && unit.tail;
  if (!unit.fused || head || tail) {
    made.kernel_node = tail ? unit.nodes.back() : unit.nodes.front();
    const Node& node = graph_.nodes()[static_cast<std::size_t>(made.kernel_node)];
    if (!tail) made.in = node.in;
    made.out = node.out;
    made.update = node.update;
    made.may_read_changed = node.update && may_read_changed(node);
  }
  if (!unit.fused) return made;
  made.chain = make_chain(graph_, unit, can, readers);
  const int left = head ? graph_.nodes()[static_cast<std::size_t>(unit.nodes[0])].out[0] : -1;
  for (std::size_t k = 0; k < made.chain->values.size(); ++k) {
    const Chain::Value& v = made.chain->values[k];
    if (static_cast<int>(k) == made.chain->piece) continue;
    if (v.role == Chain::Role::Result) made.out.push_back(v.value);
    if (v.role == Chain::Role::Input && v.value != left) made.in.push_back(v.value);
  }
  return made;
}

// An argument may be the Tensor that is changed, or a part of it; of captured values it is known.
bool Plan::may_read_changed(const Node& update) const {
  std::vector<Array> captured, targets;
  for (int v : update.in) {
    const Value& value = graph_.value(v);
    if (value.source == Source::Input && value.array.numel() > 0) return true;
    if (value.source == Source::Captured) captured.push_back(value.array);
  }
  for (int v : update.out) targets.push_back(graph_.value(v).array);
  return !read_before(captured, targets).empty();
}

// Does its only result lie in the operand that it is a changed copy of?
bool Plan::finds_copy(const Instruction& instruction) const {
  if (instruction.kernel_node < 0 || instruction.chain) return false;
  const Node& node = graph_.nodes()[static_cast<std::size_t>(instruction.kernel_node)];
  return !node.update && node.kernel->overwriting == 0 && place(node.in[0]) == place(node.out[0]);
}

void Plan::estimate(Instruction& instruction) {
  for (int n : instruction.nodes) {
    const Node& node = graph_.nodes()[static_cast<std::size_t>(n)];
    auto [in, out] = graph_.described(node);
    const Call call{*node.kernel, in, out, node.attrs};
    instruction.flops += work_of(call).flops;
    if (node.kernel->cost) cost_ += node.kernel->cost(call);
  }
  const auto bytes = [&](int v) { return static_cast<double>(graph_.value(v).bytes()); };
  if (finds_copy(instruction)) {  // reads and writes what it changes, no more
    for (std::size_t k = 1; k < instruction.in.size(); ++k) instruction.bytes += 3 * bytes(instruction.in[k]);
    return;
  }
  for (int v : instruction.in) instruction.bytes += bytes(v);
  for (int v : instruction.out) instruction.bytes += bytes(v);
  if (instruction.kernel_node < 0) return;
  const Node& node = graph_.nodes()[static_cast<std::size_t>(instruction.kernel_node)];
  for (int v : node.in)
    if (node.kernel->piece && is_part(place(v), node.out[0])) instruction.bytes -= 2 * bytes(v);  // it is there already
}

bool Plan::is_part(const Place& p, int whole) const {
  const Place& begin = place(whole);
  return p.base == begin.base && p.offset >= begin.offset && p.offset < begin.offset + graph_.value(whole).bytes();
}

}  // namespace alice::program
