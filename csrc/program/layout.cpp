// A place for every value: outside of the program, or in the arena, for as long as somebody reads it.
#include <algorithm>

#include "arena.h"
#include "plan.h"

namespace alice::program {
namespace {

// Kernels whose result is no changed copy, but may lie in their operand's memory, need some time for that. It is worth
// it where that many bytes would not stay in the cache.
constexpr std::int64_t kWorthIt = 1 << 16;

// Where pieces are computed in their place, that has memory from the first one on. Programs of larger arrays are short
// of that.
constexpr std::int64_t kLargestWhole = 1 << 20;

class Placing {
 public:
  Placing(const Graph& graph, const std::vector<Instruction>& instructions)
      : graph_(graph), instructions_(instructions), places_(graph.values().size()), placed_(places_.size(), false) {
    settle_outside();
    find_last_uses();
    find_pieces();
  }

  Layout run() {
    for (std::size_t i = 0; i < instructions_.size(); ++i) place_results(static_cast<int>(i));
    place_views();
    return {std::move(places_), arena_.size()};
  }

 private:
  static std::size_t at(int v) { return static_cast<std::size_t>(v); }

  void settle(int v, Place place) {
    places_[at(v)] = place;
    placed_[at(v)] = true;
  }

  // What lies outside of the arena.
  void settle_outside() {
    for (std::size_t v = 0; v < places_.size(); ++v) {
      const Value& value = graph_.values()[v];
      if (value.source == Source::Captured || value.source == Source::Constant)
        settle(static_cast<int>(v), {kFixed, reinterpret_cast<std::int64_t>(value.array.bytes())});
    }
    int base = kArena;
    for (int v : graph_.inputs()) settle(v, {++base, 0});
    for (int v : graph_.results()) settle(v, {++base, 0});
    outside_ = placed_;
  }

  // The instruction that reads a value last, or writes it if nobody does.
  void find_last_uses() {
    last_use_.assign(places_.size(), -1);
    maker_.assign(places_.size(), -1);
    for (std::size_t i = 0; i < instructions_.size(); ++i) {
      for (int v : instructions_[i].in) last_use_[at(graph_.value(v).root)] = static_cast<int>(i);
      for (int v : instructions_[i].out) last_use_[at(v)] = maker_[at(v)] = static_cast<int>(i);
    }
  }

  // What is read last by a kernel that puts it into its result is computed there, if it ends there in one piece.
  void find_pieces() {
    pieces_.resize(places_.size());
    for (std::size_t i = 0; i < instructions_.size(); ++i) {
      const Instruction& instruction = instructions_[i];
      if (instruction.kernel_node < 0 || instruction.chain || instruction.update) continue;
      const Node& node = graph_.nodes()[at(instruction.kernel_node)];
      if (!node.kernel->piece || placed_[at(node.out[0])] || graph_.value(node.out[0]).bytes() > kLargestWhole)
        continue;
      auto [in, out] = graph_.described(node);
      for (std::size_t k = 0; k < node.in.size(); ++k) {
        const int root = graph_.value(node.in[k]).root;
        if (last_use_[at(root)] != static_cast<int>(i) || !may_be_piece(node.in[k], node)) continue;
        if (const std::int64_t offset = node.kernel->piece({*node.kernel, in, out, node.attrs}, k); offset >= 0)
          pieces_[at(root)] = {node.out[0], offset};
      }
    }
  }

  bool is_piece(int v) const { return pieces_[at(v)].whole >= 0; }

  // All of a value in memory of its own, in its order, and nobody has a better place for it.
  bool may_be_piece(int v, const Node& reader) const {
    const int root = graph_.value(v).root;
    const Value &value = graph_.value(v), &whole = graph_.value(root);
    if (placed_[at(root)] || whole.source != Source::Node || value.offset != 0 || value.bytes() == 0 ||
        value.bytes() != whole.bytes() || !value.array.is_contiguous())
      return false;
    const auto lies_there = [&](int other) { return graph_.value(other).root == root; };
    if (std::count_if(reader.in.begin(), reader.in.end(), lies_there) != 1) return false;
    const Instruction& made = instructions_[at(maker_[at(root)])];
    if (made.kernel_node < 0) return true;
    const Node& node = graph_.nodes()[at(made.kernel_node)];
    const bool is_head = made.chain && made.chain->head && node.out[0] == root;
    return !made.update && !is_head && node.kernel->overwriting < 0;
  }

  // A piece lies in the value that it is a part of, which has its memory from the first piece on.
  void take(int v) {
    const auto [whole, offset] = pieces_[at(v)];
    if (whole < 0) return settle(v, {kArena, arena_.take(graph_.value(v).bytes())});
    if (!placed_[at(whole)]) take(whole);
    settle(v, {places_[at(whole)].base, places_[at(whole)].offset + offset});
  }

  // Roots in the arena that nobody needs behind this instruction, each once.
  void add_dying(int v, int instruction, std::vector<int>& dying) const {
    const int root = graph_.value(v).root;
    if (!outside_[at(root)] && !is_piece(root) && last_use_[at(root)] == instruction &&
        std::find(dying.begin(), dying.end(), root) == dying.end())
      dying.push_back(root);
  }

  // The operand that a result is made in the place of, if it is alone in its memory; -1 for none.
  int overwritten_by(const Instruction& instruction, int result) const {
    const Node& node = graph_.nodes()[at(instruction.kernel_node)];
    const int first = node.in[0], which = node.kernel->overwriting;
    if (node.update || which < 0 || node.out[at(which)] != result || graph_.value(first).view) return -1;
    if (which > 0 && graph_.value(first).bytes() < kWorthIt) return -1;
    const auto lies_there = [&](int v) { return graph_.value(v).root == first; };
    return std::count_if(node.in.begin(), node.in.end(), lies_there) == 1 ? first : -1;
  }

  // What an instruction writes lies in the memory of an input that dies, or in memory of its own.
  void place_results(int i) {
    const Instruction& instruction = instructions_[static_cast<std::size_t>(i)];
    std::vector<int> dying;
    for (int v : instruction.in) add_dying(v, i, dying);
    // What the kernel at the head of a chain leaves is such an input, too; it takes the place of the result.
    const bool head = instruction.chain && instruction.chain->head;
    const int left = head ? graph_.nodes()[at(instruction.kernel_node)].out[0] : -1;

    std::vector<int> own;
    for (int v : instruction.out) {
      if (v == left) continue;
      const int from = instruction.chain ? instruction.chain->may_take(v) : overwritten_by(instruction, v);
      if (from >= 0 && from == left && !placed_[at(left)] && last_use_[at(left)] == i) {
        if (!placed_[at(v)]) take(v);
        settle(left, places_[at(v)]);
      } else if (placed_[at(v)] || graph_.value(v).source != Source::Node) {
        continue;
      } else if (const auto dead = std::find(dying.begin(), dying.end(), from);
                 from >= 0 && dead != dying.end() && !is_piece(v)) {
        settle(v, places_[at(from)]);
        dying.erase(dead);
      } else {
        take(v);
      }
      own.push_back(v);
    }
    if (left >= 0 && !placed_[at(left)]) {
      take(left);
      own.push_back(left);
    }
    for (int v : own) add_dying(v, i, dying);  // written, but read by nobody
    for (int v : dying) arena_.give_back(places_[at(v)].offset, graph_.value(v).bytes());
  }

  void place_views() {
    for (std::size_t v = 0; v < places_.size(); ++v) {
      const Value& value = graph_.values()[v];
      if (!value.view || value.source == Source::Captured || value.source == Source::Constant) continue;
      const Place& root = places_[at(value.root)];
      places_[v] = {root.base, root.offset + value.offset};
    }
  }

  const Graph& graph_;
  const std::vector<Instruction>& instructions_;
  std::vector<Place> places_;
  std::vector<bool> placed_, outside_;
  std::vector<int> last_use_, maker_;  // instructions
  struct Piece {
    int whole = -1;  // -1: it is none
    std::int64_t offset = 0;
  };
  std::vector<Piece> pieces_;  // by value
  Arena arena_;
};

}  // namespace

Layout lay_out(const Graph& graph, const std::vector<Instruction>& instructions) {
  return Placing(graph, instructions).run();
}

}  // namespace alice::program
