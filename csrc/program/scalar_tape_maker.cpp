// From a plan to its scalar tape: which registers every value has, and what is done with them.
#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "scalar_tape.h"

namespace alice::program {
namespace {

constexpr std::int64_t kLargest = 64;  // elements of a value
constexpr std::size_t kMostSteps = 1 << 15;

// Nanoseconds, measured: of a step, a loop, a call of a kernel, an element that is copied.
constexpr double kStepCost = 1.2, kLoopCost = 15, kCallCost = 60, kElementCost = 1;

}  // namespace

class ScalarTapeMaker {
 public:
  ScalarTapeMaker(const Graph& graph, const CpuKernels& kernels)
      : graph_(graph), kernels_(kernels), expansions_(graph_.nodes().size()), registers_(graph_.values().size()) {}

  std::unique_ptr<const Tape> make(double bound) {
    if (!may_pay(bound)) return nullptr;
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i)
      if (!add(i) || steps_.all().size() > kMostSteps) return nullptr;
    for (std::size_t k = 0; k < graph_.results().size(); ++k) store(static_cast<std::int32_t>(k), graph_.results()[k]);
    remove_dead();
    tape_->cost_ = cost();
    if (tape_->cost_ > bound) return nullptr;
    write_steps();
    return std::move(tape_);
  }

 private:
  // Of a vector, perhaps, some elements.
  void remove_dead() {
    std::vector<bool> needed(steps_.registers().size(), false);
    for (const ScalarTape::Move& m : tape_->stores_) needed[static_cast<std::size_t>(m.reg)] = true;
    steps_.remove_dead(needed);
    std::erase_if(tape_->loads_, [&](const ScalarTape::Move& m) { return !needed[static_cast<std::size_t>(m.reg)]; });
  }

  double cost() const {
    double cost = kElementCost * static_cast<double>(tape_->loads_.size() + tape_->stores_.size());
    for (const Steps::Step& s : steps_.all()) {
      if (is_arithmetic(s.op)) {
        cost += kStepCost;
        continue;
      }
      cost += kElementCost * (s.n_in + s.n_out);
      if (s.op == kCall) {
        cost += kCallCost;
        continue;
      }
      const ScalarTape::Lanes& lanes = tape_->loops_[static_cast<std::size_t>(s.number)];
      cost += lanes.items ? loop_cost(*lanes.items, lanes.n) : kLoopCost + lanes.work.cost * ScalarTape::kLanes;
    }
    return cost;
  }

  void write_steps() {
    tape_->start_ = steps_.registers();
    for (std::vector<ScalarTape::Move>* moves : {&tape_->loads_, &tape_->stores_})
      std::ranges::stable_sort(*moves, std::ranges::greater{}, &ScalarTape::Move::item);
    tape_->steps_.reserve(steps_.all().size());  // groups point to them
    const auto end = [&] { return std::as_const(tape_->steps_).data() + tape_->steps_.size(); };
    for (const Steps::Group& group : steps_.grouped(steps_.all().size())) {
      const ArithmeticStep* const first = end();
      if (group.op == kLoop)
        for (std::int32_t number : joined_loops(group)) tape_->steps_.push_back({0, number, 0, 0});
      else
        for (std::int32_t i : group.steps) {
          const Steps::Step& s = steps_.all()[static_cast<std::size_t>(i)];
          const auto reads = steps_.reads(s);
          tape_->steps_.push_back(is_arithmetic(s.op)
                                      ? ArithmeticStep{steps_.writes(s)[0], reads[0], reads[1], reads.back()}
                                      : ArithmeticStep{0, s.number, 0, 0});
        }
      tape_->groups_.push_back({is_arithmetic(group.op) ? loops_of(group.op).alone : nullptr, group.op, first, end()});
    }
  }

  // Loops that do the same side by side become one, as far as its lanes reach: a call of a loop takes as long as many
  // of its lanes.
  std::vector<std::int32_t> joined_loops(const Steps::Group& group) {
    std::vector<std::int32_t> kept;
    for (std::int32_t i : group.steps) {
      const std::int32_t number = steps_.all()[static_cast<std::size_t>(i)].number;
      const auto joins = [&](std::int32_t k) { return join(loop(k), loop(number)); };
      if (std::ranges::none_of(kept, joins)) kept.push_back(number);
    }
    return kept;
  }

  ScalarTape::Lanes& loop(std::int32_t number) { return tape_->loops_[static_cast<std::size_t>(number)]; }

  // What is one number for all lanes may be read from the first of them alone.
  bool same_operand(const ScalarTape::Lanes& lanes, const ScalarTape::Lanes& others, std::size_t k) const {
    const auto of = [&](const ScalarTape::Lanes& l, std::size_t i) { return tape_->lists_[l.first + k * l.n + i]; };
    const auto holds = [&](const ScalarTape::Lanes& l) {
      for (std::size_t i = 1; i < l.n; ++i)
        if (of(l, i) != of(l, 0)) return false;
      return true;
    };
    return !(holds(lanes) || holds(others)) || (holds(lanes) && holds(others) && of(lanes, 0) == of(others, 0));
  }

  bool join(ScalarTape::Lanes& lanes, const ScalarTape::Lanes& others) {
    const Elementwise &work = lanes.work, &other = others.work;
    if (lanes.items || others.items || lanes.n + others.n > static_cast<int>(ScalarTape::kLanes) ||
        work.loop != other.loop || work.converts() || other.converts() ||
        !std::ranges::equal(work.params, other.params) || lanes.n_in != others.n_in ||
        lanes.out_item != others.out_item || !std::ranges::equal(lanes.in_item, others.in_item))
      return false;
    for (std::size_t k = 0; k < lanes.n_in && lanes.n_in > 1; ++k)
      if (!same_operand(lanes, others, k)) return false;
    const std::size_t first = tape_->lists_.size();
    for (std::size_t k = 0; k <= lanes.n_in; ++k)
      for (const ScalarTape::Lanes* l : {&std::as_const(lanes), &others})
        for (std::size_t i = 0; i < l->n; ++i) {
          const std::int32_t r = tape_->lists_[l->first + k * l->n + i];
          tape_->lists_.push_back(r);
        }
    lanes.first = first;
    lanes.n = static_cast<std::uint8_t>(lanes.n + others.n);
    return true;
  }

  // What it would cost if no operation could be left out: to make a tape for nothing takes long.
  bool may_pay(double bound) {
    double cost = 0;
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i) {
      const Node& node = graph_.nodes()[i];
      if (node.update) return false;
      for (const std::vector<int>* values : {&node.in, &node.out})
        for (int v : *values)
          if (graph_.value(v).array.numel() > kLargest) return false;
      if (node.kernel->moves) continue;
      const auto n = static_cast<double>(graph_.value(node.out[0]).array.numel());
      if (Registry::instance().placed_sum(*node.kernel))
        cost += kStepCost * static_cast<double>(graph_.value(node.in[1]).array.numel());
      else if (!kernels_.loops[i].loop)
        cost += expanded_cost(i);
      else if (node.kernel->arithmetic != Arithmetic::None)
        cost += kStepCost * n;
      else
        cost += kLoopCost + kElementCost * n + kernels_.loops[i].cost * ScalarTape::kLanes;
    }
    return cost < bound;
  }

  static double loop_cost(const Expansion& items, double n) { return items.call_cost + items.result_cost * n; }

  // Of a node that is no loop: expanded, if that is no more than a call.
  double expanded_cost(std::size_t number) {
    const Node& node = graph_.nodes()[number];
    double call = kCallCost;
    for (const std::vector<int>* values : {&node.in, &node.out})
      for (int v : *values) call += kElementCost * static_cast<double>(graph_.value(v).array.numel());
    if (auto expansion = expansion_of(graph_, node)) {
      const auto n = static_cast<double>(graph_.value(node.out[0]).array.numel());
      const double cost =
          expansion->loop ? call - kCallCost + loop_cost(*expansion, n) : kStepCost * expansion->operations * n;
      if (cost <= call) {
        expansions_[number] = std::move(expansion);
        return cost;
      }
    }
    return call;
  }

  bool add(std::size_t number) {
    const Node& node = graph_.nodes()[number];
    if (node.kernel->moves) return add_moves(node);
    if (const PlacedSum* sum = Registry::instance().placed_sum(*node.kernel)) return add_placed(node, *sum);
    if (kernels_.loops[number].loop) return add_elementwise(node, kernels_.loops[number]);
    if (expansions_[number]) return add_expanded(node, expansions_[number]);
    return add_call(node, kernels_.prepared[number].get());
  }

  // ---- registers ----------------------------------------------------------------------------------------------------

  // Of what lies in memory: loaded once, if somebody asks.
  std::int32_t loaded(int root, std::int64_t offset, std::size_t item) {
    const auto [place, is_new] = loaded_.try_emplace({root, offset}, 0);
    if (!is_new) return place->second;
    place->second = steps_.fresh();
    const auto& inputs = graph_.inputs();
    const auto input = std::find(inputs.begin(), inputs.end(), root);
    ScalarTape::Move move{-1, place->second, offset, static_cast<std::uint8_t>(item)};
    if (input != inputs.end())
      move.base = static_cast<std::int32_t>(input - inputs.begin());
    else
      move.offset += reinterpret_cast<std::intptr_t>(graph_.value(root).array.bytes());
    tape_->loads_.push_back(move);
    return place->second;
  }

  // Of every element of a value, in row-major order.
  Registers elements(int v) {
    const Value& value = graph_.value(v);
    const Array& a = value.array;
    const auto item = static_cast<std::int64_t>(itemsize(a.dtype()));
    Registers made;
    for (std::int64_t p : positions(a.shape(), a.strides())) {
      const std::int64_t offset = value.offset + p * item;
      switch (value.source) {
        case Source::Constant:
          made.push_back(steps_.constant(a.bytes() + p * item, static_cast<std::size_t>(item)));
          break;
        case Source::Node:
          made.push_back(registers_[static_cast<std::size_t>(value.root)][static_cast<std::size_t>(offset / item)]);
          break;
        default: made.push_back(loaded(value.root, offset, static_cast<std::size_t>(item)));
      }
    }
    return made;
  }

  // Broadcast to a shape, of which these are the axes of the value.
  Registers spread(int v, const Dims& axes, const Dims& shape) {
    const Array& a = graph_.value(v).array;
    const Registers own = elements(v);
    Dims strides = Dims::filled(shape.size(), 0);  // among its own elements
    const Dims within = contiguous_strides(a.shape());
    for (int k = 0; k < a.rank(); ++k)
      if (a.dim(k) != 1) strides[static_cast<int>(axes[k])] = within[k];
    Registers made;
    for (std::int64_t p : positions(shape, strides)) made.push_back(own[static_cast<std::size_t>(p)]);
    return made;
  }

  Registers& give(int v) {
    Registers& made = registers_[static_cast<std::size_t>(v)];
    for (std::int64_t n = graph_.value(v).array.numel(); n > 0; --n) made.push_back(steps_.fresh());
    return made;
  }

  void store(std::int32_t number, int v) {
    const std::size_t item = itemsize(graph_.value(v).array.dtype());
    std::int64_t offset = 0;
    for (std::int32_t reg : elements(v)) {
      tape_->stores_.push_back({number, reg, offset, static_cast<std::uint8_t>(item)});
      offset += static_cast<std::int64_t>(item);
    }
  }

  // ---- nodes --------------------------------------------------------------------------------------------------------

  // Where the elements of some values end, by their registers; -1: a zero.
  std::vector<Registers> ends(const Kernel& kernel, std::span<const int> values, const Node& node) {
    std::vector<Array> in;
    for (int v : values) {
      const Registers own = elements(v);
      Array numbers = Array::empty(graph_.value(v).array.shape(), DType::Int64);
      for (std::size_t i = 0; i < own.size(); ++i) numbers.data<std::int64_t>()[i] = own[i] + 1;
      in.push_back(std::move(numbers));
    }
    std::vector<Registers> made;
    for (const Array& a : moved(kernel, node, std::move(in))) {
      const auto* numbers = a.data<std::int64_t>();
      made.emplace_back();
      for (std::int64_t i = 0; i < a.numel(); ++i) made.back().push_back(static_cast<std::int32_t>(numbers[i] - 1));
    }
    return made;
  }

  bool add_moves(const Node& node) {
    const std::vector<Registers> made = ends(*node.kernel, node.in, node);
    for (std::size_t k = 0; k < made.size(); ++k)
      for (std::int32_t reg : made[k])
        registers_[static_cast<std::size_t>(node.out[k])].push_back(reg >= 0 ? reg : steps_.zero());
    return true;
  }

  // Additions where the second operand lies; elsewhere the first one stays (PlacedSum).
  bool add_placed(const Node& node, const PlacedSum& sum) {
    const Op add = op_of(Arithmetic::Add, numbers_of(graph_.value(node.out[0]).array.dtype()));
    const Registers rest = elements(node.in[0]), part = ends(*sum.place, std::span(node.in).subspan(1), node)[0];
    Registers& made = registers_[static_cast<std::size_t>(node.out[0])];
    for (std::size_t i = 0; i < rest.size(); ++i)
      made.push_back(part[i] < 0 ? rest[i] : steps_.operate(add, rest[i], part[i]));
    return true;
  }

  bool add_elementwise(const Node& node, const Elementwise& work) {
    const Array& result = graph_.value(node.out[0]).array;
    std::vector<Registers> in;
    for (int v : node.in)
      in.push_back(spread(v, last_axes(graph_.value(v).array.rank(), result.rank()), result.shape()));
    if (const auto op = arithmetic_of(graph_, node, work)) {
      Registers& made = registers_[static_cast<std::size_t>(node.out[0])];
      for (std::size_t i = 0; i < in[0].size(); ++i) made.push_back(steps_.operate(*op, in, i));
      return true;
    }
    add_loops(node, in, work, nullptr);
    return true;
  }

  void add_loops(const Node& node, const std::vector<Registers>& in, const Elementwise& work, const Expansion* items) {
    const Registers& out = give(node.out[0]);
    for (std::size_t first = 0; first < out.size(); first += ScalarTape::kLanes) {
      const std::size_t n = std::min(ScalarTape::kLanes, out.size() - first);
      ScalarTape::Lanes lanes{.work = work,
                              .items = items,
                              .n_in = static_cast<std::uint8_t>(in.size()),
                              .n = static_cast<std::uint8_t>(n),
                              .out_item = static_cast<std::uint8_t>(itemsize(graph_.value(node.out[0]).array.dtype())),
                              .in_item = {},
                              .first = tape_->lists_.size()};
      Registers reads, writes;
      for (std::size_t k = 0; k < in.size(); ++k) {
        if (k < node.in.size())
          lanes.in_item[k] = static_cast<std::uint8_t>(itemsize(graph_.value(node.in[k]).array.dtype()));
        append(in[k], first, n, reads);
      }
      append(out, first, n, writes);
      for (const Registers* r : {&reads, &writes}) append(*r, 0, r->size(), tape_->lists_);
      steps_.add(kLoop, static_cast<std::int32_t>(tape_->loops_.size()), reads, writes);
      tape_->loops_.push_back(lanes);
    }
  }

  bool add_expanded(const Node& node, std::unique_ptr<Expansion>& expansion) {
    const Array& result = graph_.value(node.out[0]).array;
    const auto n = static_cast<std::size_t>(result.numel());
    std::vector<Registers> items;
    for (std::size_t k = 0; k < node.in.size(); ++k)
      items.push_back(spread(node.in[k], expansion->axes[k], expansion->shape));
    if (!expansion->loop) {
      registers_[static_cast<std::size_t>(node.out[0])] =
          steps_.expand(*expansion, numbers_of(result.dtype()), n, items);
      return true;
    }
    add_loops(node, by_item(items[0], n), {}, expansion.get());
    tape_->expansions_.push_back(std::move(expansion));
    return true;
  }

  static void append(const Registers& from, std::size_t first, std::size_t n, Registers& to) {
    const auto begin = from.begin() + static_cast<std::ptrdiff_t>(first);
    to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(n));
  }

  // The kernel sees the strides that it was prepared for.
  bool add_call(const Node& node, const Prepared* prepared) {
    ScalarTape::KernelCall call{node.kernel, prepared, &node.attrs, node.in.size(), {}, arrays_};
    const auto add_operand = [&](int v, const Registers& registers) {
      const Array& a = graph_.value(v).array;
      const auto item = static_cast<std::int64_t>(itemsize(a.dtype()));
      ScalarTape::Operand operand{a, 0, 0, {}};
      std::int64_t end = 0;
      const std::vector<std::int64_t> places = positions(a.shape(), a.strides());
      for (std::size_t i = 0; i < places.size(); ++i) {
        operand.elements.push_back({places[i] * item, registers[i]});
        operand.begin = std::min(operand.begin, places[i] * item);
        end = std::max(end, (places[i] + 1) * item);
      }
      operand.bytes = end - operand.begin;
      call.operands.push_back(std::move(operand));
    };
    Registers reads, writes;
    const auto operand = [&](int v, const Registers& registers, Registers& all) {
      add_operand(v, registers);
      append(registers, 0, registers.size(), all);
    };
    for (int v : node.in) operand(v, elements(v), reads);
    for (int v : node.out) operand(v, give(v), writes);
    arrays_ += call.operands.size();
    steps_.add(kCall, static_cast<std::int32_t>(tape_->calls_.size()), reads, writes);
    tape_->calls_.push_back(std::move(call));
    return true;
  }

  const Graph& graph_;
  const CpuKernels& kernels_;
  std::vector<std::unique_ptr<Expansion>> expansions_;  // of the nodes that are expanded
  std::vector<Registers> registers_;                    // of values that are computed, by element
  std::map<std::pair<int, std::int64_t>, std::int32_t> loaded_;
  Steps steps_;
  std::size_t arrays_ = 0;
  std::unique_ptr<ScalarTape> tape_ = std::make_unique<ScalarTape>();
};

std::unique_ptr<const Tape> make_scalar_tape(const Plan& plan, const CpuKernels& kernels, double bound) {
  return ScalarTapeMaker(plan.graph(), kernels).make(bound);
}

}  // namespace alice::program
