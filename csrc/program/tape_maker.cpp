// From a plan to its tape: which registers every value has, and what is done with them.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "tape.h"

namespace alice::program {
namespace {

constexpr std::int64_t kLargest = 64;  // elements of a value
constexpr std::size_t kMostSteps = 1 << 15;

// Nanoseconds, measured: of a step, a loop, a call of a kernel; of an instruction and a loop in it.
constexpr double kStep = 1.2, kLoop = 15, kCall = 60, kElement = 1, kInstruction = 25, kChained = 12;

// Of every element, in row-major order: how many elements it lies behind the first one.
std::vector<std::int64_t> positions(const Dims& shape, const Dims& strides) {
  std::vector<std::int64_t> all{0};
  for (int axis = 0; axis < shape.size(); ++axis) {
    std::vector<std::int64_t> next;
    next.reserve(all.size() * static_cast<std::size_t>(shape[axis]));
    for (std::int64_t p : all)
      for (std::int64_t i = 0; i < shape[axis]; ++i) next.push_back(p + i * strides[axis]);
    all = std::move(next);
  }
  return all;
}

}  // namespace

class TapeMaker {
 public:
  TapeMaker(const Plan& plan, const CpuKernels& kernels)
      : plan_(plan), graph_(plan.graph()), kernels_(kernels), registers_(graph_.values().size()) {}

  std::unique_ptr<const Tape> make() {
    if (graph_.nodes().empty() || !may_pay()) return nullptr;
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i)
      if (!add(i) || steps_.size() > kMostSteps) return nullptr;
    for (std::size_t k = 0; k < graph_.results().size(); ++k) store(static_cast<std::int32_t>(k), graph_.results()[k]);
    remove_dead();
    const double moves = static_cast<double>(tape_->loads_.size() + tape_->stores_.size());
    if (cost_ + moves * kElement > 0.9 * instructions()) return nullptr;
    group();
    return std::move(tape_);
  }

 private:
  using Registers = std::vector<std::int32_t>;

  double instructions() const {
    double cost = 0;
    for (const Instruction& i : plan_.instructions()) {
      cost += kInstruction;
      for (int n : i.nodes) cost += n == i.kernel_node ? kCall : kChained;
    }
    return cost;
  }

  struct Step {
    Tape::Op op;
    Tape::Step what;
  };

  template <class F>
  void each_read(const Step& s, F&& f) const {
    if (s.op < Tape::Op::Loop) {
      f(s.what.a);
      f(s.what.b);
    } else if (s.op == Tape::Op::Loop) {
      const Tape::Lanes& lanes = tape_->loops_[static_cast<std::size_t>(s.what.a)];
      for (std::size_t i = 0; i < std::size_t{lanes.n_in} * lanes.n; ++i) f(tape_->lists_[lanes.first + i]);
    } else {
      const Tape::KernelCall& call = tape_->calls_[static_cast<std::size_t>(s.what.a)];
      for (std::size_t k = 0; k < call.n_in; ++k)
        for (const Tape::Element& e : call.operands[k].elements) f(e.reg);
    }
  }
  template <class F>
  void each_written(const Step& s, F&& f) const {
    if (s.op < Tape::Op::Loop) {
      f(s.what.out);
    } else if (s.op == Tape::Op::Loop) {
      const Tape::Lanes& lanes = tape_->loops_[static_cast<std::size_t>(s.what.a)];
      for (std::size_t i = 0; i < lanes.n; ++i) f(tape_->lists_[lanes.first + std::size_t{lanes.n_in} * lanes.n + i]);
    } else {
      const Tape::KernelCall& call = tape_->calls_[static_cast<std::size_t>(s.what.a)];
      for (std::size_t k = call.n_in; k < call.operands.size(); ++k)
        for (const Tape::Element& e : call.operands[k].elements) f(e.reg);
    }
  }

  // What no result needs: of a vector, perhaps, some elements. What may throw stays.
  void remove_dead() {
    std::vector<bool> needed(tape_->start_.size(), false);
    for (const Tape::Move& m : tape_->stores_) needed[static_cast<std::size_t>(m.reg)] = true;
    std::vector<Step> kept;
    for (auto s = steps_.rbegin(); s != steps_.rend(); ++s) {
      bool wanted = s->op == Tape::Op::Call;
      each_written(*s, [&](std::int32_t r) { wanted = wanted || needed[static_cast<std::size_t>(r)]; });
      if (!wanted) {
        if (s->op < Tape::Op::Loop) cost_ -= kStep;
        continue;
      }
      each_read(*s, [&](std::int32_t r) { needed[static_cast<std::size_t>(r)] = true; });
      kept.push_back(*s);
    }
    steps_.assign(kept.rbegin(), kept.rend());
    std::erase_if(tape_->loads_, [&](const Tape::Move& m) { return !needed[static_cast<std::size_t>(m.reg)]; });
  }

  // Puts steps of one kind together: whatever is ready of the kind of which most are.
  void group() {
    constexpr std::size_t kKinds = static_cast<std::size_t>(Tape::Op::Call) + 1;
    std::vector<std::int32_t> maker(tape_->start_.size(), -1), waits(steps_.size(), 0);
    std::vector<std::vector<std::int32_t>> readers(steps_.size());
    std::vector<std::int32_t> ready[kKinds];
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      each_read(steps_[i], [&](std::int32_t r) {
        if (const std::int32_t by = maker[static_cast<std::size_t>(r)]; by >= 0) {
          readers[static_cast<std::size_t>(by)].push_back(static_cast<std::int32_t>(i));
          ++waits[i];
        }
      });
      each_written(steps_[i],
                   [&](std::int32_t r) { maker[static_cast<std::size_t>(r)] = static_cast<std::int32_t>(i); });
      if (!waits[i]) ready[static_cast<std::size_t>(steps_[i].op)].push_back(static_cast<std::int32_t>(i));
    }
    for (;;) {
      const auto most = std::max_element(std::begin(ready), std::end(ready),
                                         [](const auto& a, const auto& b) { return a.size() < b.size(); });
      if (most->empty()) return;
      const std::vector<std::int32_t> now = std::exchange(*most, {});
      const auto first = static_cast<std::int32_t>(tape_->steps_.size());
      for (std::int32_t i : now) {
        tape_->steps_.push_back(steps_[static_cast<std::size_t>(i)].what);
        for (std::int32_t reader : readers[static_cast<std::size_t>(i)])
          if (--waits[static_cast<std::size_t>(reader)] == 0)
            ready[static_cast<std::size_t>(steps_[static_cast<std::size_t>(reader)].op)].push_back(reader);
      }
      tape_->groups_.push_back(
          {steps_[static_cast<std::size_t>(now[0])].op, first, static_cast<std::int32_t>(tape_->steps_.size())});
    }
  }

  // What it would cost if no operation could be left out: to make a tape for nothing takes long.
  bool may_pay() const {
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
        cost += kStep * static_cast<double>(graph_.value(node.in[1]).array.numel());
      else if (!kernels_.loops[i].loop)
        cost += kCall;
      else if (node.kernel->arithmetic != Arithmetic::None)
        cost += kStep * n;
      else
        cost += kLoop + kElement * n + kernels_.loops[i].cost * Tape::kLanes;
    }
    return cost < 0.9 * instructions();
  }

  bool add(std::size_t number) {
    const Node& node = graph_.nodes()[number];
    if (node.kernel->moves) return add_moves(node);
    if (const PlacedSum* sum = Registry::instance().placed_sum(*node.kernel)) return add_placed(node, *sum);
    if (kernels_.loops[number].loop) return add_elementwise(node, kernels_.loops[number]);
    return add_call(node, kernels_.prepared[number].get());
  }

  // ---- registers ----------------------------------------------------------------------------------------------------

  std::int32_t fresh() {
    tape_->start_.push_back({0.0});
    is_constant_.push_back(false);
    return static_cast<std::int32_t>(tape_->start_.size()) - 1;
  }

  std::int32_t constant(const std::byte* bits, std::size_t item) {
    const auto [place, is_new] = constants_.try_emplace(std::string(reinterpret_cast<const char*>(bits), item), 0);
    if (is_new) {
      place->second = fresh();
      is_constant_.back() = true;
      std::memcpy(tape_->start_.back().bytes, bits, item);
    }
    return place->second;
  }
  std::int32_t zero() {
    const std::byte bits[8] = {};
    return constant(bits, sizeof bits);
  }

  // Of what lies in memory: loaded once, if somebody asks.
  std::int32_t loaded(int root, std::int64_t offset, std::size_t item) {
    const auto [place, is_new] = loaded_.try_emplace({root, offset}, 0);
    if (!is_new) return place->second;
    place->second = fresh();
    const auto& inputs = graph_.inputs();
    const auto input = std::find(inputs.begin(), inputs.end(), root);
    Tape::Move move{-1, place->second, offset, static_cast<std::uint8_t>(item)};
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
        case Source::Constant: made.push_back(constant(a.bytes() + p * item, static_cast<std::size_t>(item))); break;
        case Source::Node:
          made.push_back(registers_[static_cast<std::size_t>(value.root)][static_cast<std::size_t>(offset / item)]);
          break;
        default: made.push_back(loaded(value.root, offset, static_cast<std::size_t>(item)));
      }
    }
    return made;
  }

  Registers spread(int v, const Dims& shape) {
    const Array& a = graph_.value(v).array;
    const Registers own = elements(v);
    Dims strides;  // among its own elements
    const Dims within = contiguous_strides(a.shape());
    for (int axis = 0; axis < shape.size(); ++axis) {
      const int k = axis - (shape.size() - a.rank());
      strides.push_back(k < 0 || a.dim(k) != shape[axis] ? 0 : within[k]);
    }
    Registers made;
    for (std::int64_t p : positions(shape, strides)) made.push_back(own[static_cast<std::size_t>(p)]);
    return made;
  }

  Registers& give(int v) {
    Registers& made = registers_[static_cast<std::size_t>(v)];
    for (std::int64_t n = graph_.value(v).array.numel(); n > 0; --n) made.push_back(fresh());
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

  // What moves elements of any dtype moves their registers' numbers, too: where they end, the elements end. -1: a zero.
  std::vector<Registers> moved(const Kernel& kernel, std::span<const int> values, const Node& node) {
    std::vector<Array> in;
    for (int v : values) {
      const Registers own = elements(v);
      Array numbers = Array::empty(graph_.value(v).array.shape(), DType::Int64);
      for (std::size_t i = 0; i < own.size(); ++i) numbers.data<std::int64_t>()[i] = own[i] + 1;
      in.push_back(std::move(numbers));
    }
    std::vector<Array> out(node.out.size());
    Call call{kernel, in, out, node.attrs};
    evaluate(call);
    std::vector<Registers> made;
    for (const Array& a : out) {
      const auto* numbers = a.data<std::int64_t>();
      made.emplace_back();
      for (std::int64_t i = 0; i < a.numel(); ++i) made.back().push_back(static_cast<std::int32_t>(numbers[i] - 1));
    }
    return made;
  }

  bool add_moves(const Node& node) {
    const std::vector<Registers> made = moved(*node.kernel, node.in, node);
    for (std::size_t k = 0; k < made.size(); ++k)
      for (std::int32_t reg : made[k])
        registers_[static_cast<std::size_t>(node.out[k])].push_back(reg >= 0 ? reg : zero());
    return true;
  }

  // Additions where the second operand lies; elsewhere the first one stays (PlacedSum).
  bool add_placed(const Node& node, const PlacedSum& sum) {
    const bool is_double = graph_.value(node.out[0]).array.dtype() == DType::Float64;
    const Registers rest = elements(node.in[0]), part = moved(*sum.place, std::span(node.in).subspan(1), node)[0];
    Registers& made = registers_[static_cast<std::size_t>(node.out[0])];
    for (std::size_t i = 0; i < rest.size(); ++i)
      made.push_back(part[i] < 0 ? rest[i] : emit(is_double ? Tape::Op::AddD : Tape::Op::AddF, rest[i], part[i]));
    return true;
  }

  bool add_elementwise(const Node& node, const Elementwise& work) {
    const Array& result = graph_.value(node.out[0]).array;
    std::vector<Registers> in;
    for (int v : node.in) in.push_back(spread(v, result.shape()));
    if (const auto op = arithmetic(node, work)) {
      Registers& made = registers_[static_cast<std::size_t>(node.out[0])];
      for (std::size_t i = 0; i < in[0].size(); ++i) made.push_back(emit(*op, in[0][i], in.back()[i]));
      return true;
    }
    const Registers& out = give(node.out[0]);
    for (std::size_t first = 0; first < out.size(); first += Tape::kLanes) {
      const std::size_t n = std::min(Tape::kLanes, out.size() - first);
      Tape::Lanes lanes{.work = work,
                        .n_in = static_cast<std::uint8_t>(in.size()),
                        .n = static_cast<std::uint8_t>(n),
                        .out_item = static_cast<std::uint8_t>(itemsize(result.dtype())),
                        .in_item = {},
                        .first = tape_->lists_.size()};
      for (std::size_t k = 0; k < in.size(); ++k) {
        lanes.in_item[k] = static_cast<std::uint8_t>(itemsize(graph_.value(node.in[k]).array.dtype()));
        append(in[k], first, n);
      }
      append(out, first, n);
      steps_.push_back({Tape::Op::Loop, {0, static_cast<std::int32_t>(tape_->loops_.size()), 0}});
      tape_->loops_.push_back(lanes);
      cost_ += kLoop + kElement * static_cast<double>(n * (in.size() + 1)) + work.cost * Tape::kLanes;
    }
    return true;
  }

  void append(const Registers& from, std::size_t first, std::size_t n) {
    const auto begin = from.begin() + static_cast<std::ptrdiff_t>(first);
    tape_->lists_.insert(tape_->lists_.end(), begin, begin + static_cast<std::ptrdiff_t>(n));
  }

  std::optional<Tape::Op> arithmetic(const Node& node, const Elementwise& work) const {
    const DType dtype = graph_.value(node.out[0]).array.dtype();
    for (int v : node.in)
      if (graph_.value(v).array.dtype() != dtype) return {};
    if (work.converts() || (dtype != DType::Float64 && dtype != DType::Float32)) return {};
    const auto of = [&](Tape::Op d, Tape::Op f) { return dtype == DType::Float64 ? d : f; };
    using Op = Tape::Op;
    switch (node.kernel->arithmetic) {
      case Arithmetic::Add: return of(Op::AddD, Op::AddF);
      case Arithmetic::Subtract: return of(Op::SubtractD, Op::SubtractF);
      case Arithmetic::Square:  // by itself
      case Arithmetic::Multiply: return of(Op::MultiplyD, Op::MultiplyF);
      case Arithmetic::Divide: return of(Op::DivideD, Op::DivideF);
      case Arithmetic::StrongMultiply: return of(Op::StrongMultiplyD, Op::StrongMultiplyF);
      case Arithmetic::StrongDivide: return of(Op::StrongDivideD, Op::StrongDivideF);
      case Arithmetic::Negative: return of(Op::NegativeD, Op::NegativeF);
      case Arithmetic::Sqrt: return of(Op::SqrtD, Op::SqrtF);
      case Arithmetic::None: break;
    }
    return {};
  }

  // ---- one operation ------------------------------------------------------------------------------------------------

  // The register that has its result. Only what keeps every bit is left out: what is known now, what was computed
  // before, and operands that change nothing. x + 0 stays, as -0 + 0 is 0; so does 0 * x, which may be NaN.
  std::int32_t emit(Tape::Op op, std::int32_t a, std::int32_t b) {
    const bool is_double = op < Tape::Op::AddF;
    const Tape::Register *x = known(a), *y = known(b);
    if (x && y) {
      const Tape::Register value = Tape::value_of(op, *x, *y);
      return constant(value.bytes, is_double ? 8 : 4);
    }
    const auto is = [&](const Tape::Register* r, double number) {
      const double value = !r ? 0 : is_double ? r->d : static_cast<double>(r->f);
      return r && value == number && std::signbit(value) == std::signbit(number);
    };
    using Op = Tape::Op;
    switch (op) {
      case Op::MultiplyD:
      case Op::MultiplyF:
        if (is(x, 1)) return b;
        if (is(y, 1)) return a;
        if (a > b) std::swap(a, b);
        break;
      case Op::AddD:
      case Op::AddF:
        if (is(x, -0.0)) return b;
        if (is(y, -0.0)) return a;
        if (a > b) std::swap(a, b);
        break;
      case Op::SubtractD:
      case Op::SubtractF:
        if (is(y, 0.0)) return a;
        break;
      case Op::DivideD:
      case Op::DivideF:
        if (is(y, 1)) return a;
        break;
      case Op::StrongMultiplyD:
      case Op::StrongMultiplyF:
        if (is(x, 1)) return b;
        [[fallthrough]];
      case Op::StrongDivideD:
      case Op::StrongDivideF:
        if (is(x, 0.0) || is(x, -0.0)) return zero();
        break;
      default: b = a;  // of one operand
    }
    const auto [place, is_new] = emitted_.try_emplace({op, a, b}, 0);
    if (is_new) {
      place->second = fresh();
      steps_.push_back({op, {place->second, a, b}});
      cost_ += kStep;
    }
    return place->second;
  }

  const Tape::Register* known(std::int32_t r) const {
    return is_constant_[static_cast<std::size_t>(r)] ? &tape_->start_[static_cast<std::size_t>(r)] : nullptr;
  }

  // The kernel sees the strides that it was prepared for.
  bool add_call(const Node& node, const Prepared* prepared) {
    Tape::KernelCall call{node.kernel, prepared, &node.attrs, node.in.size(), {}, arrays_};
    const auto add_operand = [&](int v, const Registers& registers) {
      const Array& a = graph_.value(v).array;
      const auto item = static_cast<std::int64_t>(itemsize(a.dtype()));
      Tape::Operand operand{a, 0, 0, {}};
      std::int64_t end = 0;
      const std::vector<std::int64_t> places = positions(a.shape(), a.strides());
      for (std::size_t i = 0; i < places.size(); ++i) {
        operand.elements.push_back({places[i] * item, registers[i]});
        operand.begin = std::min(operand.begin, places[i] * item);
        end = std::max(end, (places[i] + 1) * item);
      }
      operand.bytes = end - operand.begin;
      cost_ += kElement * static_cast<double>(places.size());
      call.operands.push_back(std::move(operand));
    };
    for (int v : node.in) add_operand(v, elements(v));
    for (int v : node.out) add_operand(v, give(v));
    arrays_ += call.operands.size();
    steps_.push_back({Tape::Op::Call, {0, static_cast<std::int32_t>(tape_->calls_.size()), 0}});
    tape_->calls_.push_back(std::move(call));
    cost_ += kCall;
    return true;
  }

  const Plan& plan_;
  const Graph& graph_;
  const CpuKernels& kernels_;
  std::vector<Registers> registers_;  // of values that are computed, by element
  std::map<std::string, std::int32_t> constants_;
  std::map<std::pair<int, std::int64_t>, std::int32_t> loaded_;
  std::map<std::tuple<Tape::Op, std::int32_t, std::int32_t>, std::int32_t> emitted_;
  std::vector<bool> is_constant_;  // by register
  std::vector<Step> steps_;        // in the order of the nodes
  std::size_t arrays_ = 0;
  double cost_ = 0;
  std::unique_ptr<Tape> tape_ = std::make_unique<Tape>();
};

std::unique_ptr<const Tape> Tape::of(const Plan& plan, const CpuKernels& kernels) {
  return TapeMaker(plan, kernels).make();
}

}  // namespace alice::program
