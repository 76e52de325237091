// From a plan to its lane tape. Which axis of a value is that of the examples, and that nothing crosses from one of
// them to another, is not asked of the ops: it is seen from where the elements of every single lane end up.
#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "../core/chunks.h"
#include "lane_tape.h"

namespace alice::program {
namespace {

constexpr std::int64_t kLargest = 64;  // elements of a value, of one example
constexpr std::size_t kMostSteps = 1 << 15;
constexpr std::int64_t kMostMoved = 1 << 20;  // numbers that are moved to see where they end
constexpr std::int64_t kMostConstants = 1 << 16;
constexpr std::int64_t kMostExamples = 4096;  // of more, loops over whole values are long enough
constexpr std::int64_t kMostLanes = 256;
constexpr std::size_t kWindow = 64;  // steps among which those of one kind come together
constexpr double kNear = 24 * 1024;  // bytes of registers that are at hand

// Nanoseconds, measured: of a step, and of 64 bytes of it where registers are at hand and where they are not; of a
// loop; of a group; of an element that is moved between memory and a lane.
constexpr double kStepCost = 2.2, kVectorCost = 0.7, kFarVectorCost = 0.9, kLoopCost = 5, kGroupCost = 2,
                 kElementCost = 0.7;

}  // namespace

class LaneTapeMaker {
 public:
  LaneTapeMaker(const Graph& graph, const CpuKernels& kernels)
      : graph_(graph), kernels_(kernels), expansions_(graph_.nodes().size()), roots_(graph_.values().size()) {}

  std::unique_ptr<const Tape> make(double bound) {
    n_ = examples();
    if (n_ < 2 || n_ > kMostExamples || !fits(bound)) return nullptr;
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i) {
      const Node& node = graph_.nodes()[i];
      if (!add(node, i)) return nullptr;
      if (steps_.all().size() > kMostSteps) return nullptr;
    }
    for (std::size_t k = 0; k < graph_.results().size(); ++k)
      if (!store(static_cast<std::int32_t>(k), graph_.results()[k])) return nullptr;
    remove_dead();
    order();
    choose_lanes();
    if (tape_->cost_ > bound) return nullptr;
    write();
    tape_->expansions_ = std::move(expansions_);
    return std::move(tape_);
  }

 private:
  struct Work {
    Elementwise work;
    const Expansion* items;  // if it is this that runs
    bool alike;              // its result may lie where an operand did: their elements have one size
    double cost(double lanes) const {
      return items ? items->call_cost + items->result_cost * lanes : kLoopCost + work.cost * lanes;
    }
  };

  // The elements of one example, in row-major order, and the axis of the examples. Without one (-1) they are the same
  // for all. `inner`: elements behind that axis, of a value in memory of its own.
  struct Elements {
    int axis = -1;
    Registers registers;
    std::int64_t inner = 1;
  };

  // How many examples there are: what most arrays that come and go have as their first axis.
  std::int64_t examples() const {
    std::map<std::int64_t, int> sizes;
    for (int v : graph_.results())
      if (const Array& a = graph_.value(v).array; a.rank() > 0) sizes[a.dim(0)] += 1;
    for (int v : graph_.inputs())
      if (const Array& a = graph_.value(v).array; a.rank() > 0)
        if (const auto found = sizes.find(a.dim(0)); found != sizes.end()) found->second += 1;
    std::int64_t best = 0;
    int most = 0;
    for (const auto& [size, count] : sizes)
      if (count > most) best = size, most = count;
    return best;
  }

  bool fits(double bound) {
    bool pays = false;  // where all is one elementwise loop after the other, fused loops are as good
    double least = 0;   // nanoseconds, of what is expanded
    std::int64_t moved = 0, constants = 0;
    const auto count = [&](int v) {
      const Value& value = graph_.value(v);
      item_ = std::max(item_, static_cast<std::int64_t>(itemsize(value.array.dtype())));
      if (value.source == Source::Constant) constants += value.array.numel();
      return value.array.numel();
    };
    for (int v : graph_.results()) count(v);
    for (std::size_t i = 0; i < graph_.nodes().size(); ++i) {
      const Node& node = graph_.nodes()[i];
      const bool moves = node.kernel->moves || Registry::instance().placed_sum(*node.kernel);
      if (node.update) return false;
      if (!moves && !kernels_.loops[i].loop) {
        if (!(expansions_[i] = expansion_of(graph_, node))) return false;
        least += least_cost(node, *expansions_[i]);
      }
      pays = pays || moves || expansions_[i];
      for (const std::vector<int>* values : {&node.in, &node.out})
        for (int v : *values) {
          const std::int64_t n = count(v);
          if (n > kLargest * n_) return false;
          if (moves) moved += n;
        }
    }
    return pays && moved <= kMostMoved && constants <= kMostConstants && least < bound;
  }

  // Of what is expanded: operations that all examples share are no more work than those of one.
  double least_cost(const Node& node, const Expansion& expansion) const {
    if (expansion.loop) return expansion.result_cost * static_cast<double>(graph_.value(node.out[0]).array.numel());
    return kVectorCost / kStepBytes * expansion.operations * static_cast<double>(graph_.value(node.out[0]).bytes());
  }

  static Dims without(const Dims& shape, int axis) {
    Dims rest;
    for (int k = 0; k < shape.size(); ++k)
      if (k != axis) rest.push_back(shape[k]);
    return rest;
  }
  static std::int64_t size_of(const Dims& shape, int from) {
    std::int64_t n = 1;
    for (int k = from; k < shape.size(); ++k) n *= shape[k];
    return n;
  }

  // Of what lies in memory, the register that is loaded from there.
  std::int32_t load(std::int32_t base, std::int64_t offset, std::int64_t stride, std::int64_t item) {
    const auto [place, is_new] = loaded_.try_emplace({base, offset, stride}, 0);
    if (is_new) {
      place->second = steps_.fresh();
      tape_->loads_.push_back({base, place->second, offset, stride, static_cast<std::uint8_t>(item)});
    }
    return place->second;
  }

  // All of a value that has memory of its own.
  const Elements& root(int r) {
    Elements& e = roots_[static_cast<std::size_t>(r)];
    if (!e.registers.empty()) return e;
    const Array& a = graph_.value(r).array;
    const auto item = static_cast<std::int64_t>(itemsize(a.dtype()));
    e.axis = a.rank() > 0 && a.dim(0) == n_ ? 0 : -1;
    e.inner = e.axis < 0 ? a.numel() : a.numel() / n_;
    const auto& inputs = graph_.inputs();
    const auto input = std::find(inputs.begin(), inputs.end(), r);
    const auto base = input == inputs.end() ? -1 : static_cast<std::int32_t>(input - inputs.begin());
    const std::int64_t address = base < 0 ? reinterpret_cast<std::intptr_t>(a.bytes()) : 0;
    for (std::int64_t i = 0; i < e.inner; ++i)
      e.registers.push_back(load(base, address + i * item, e.axis < 0 ? 0 : e.inner * item, item));
    return e;
  }

  bool elements(int v, Elements& made) {
    const Value& value = graph_.value(v);
    const Array& a = value.array;
    const auto item = static_cast<std::int64_t>(itemsize(a.dtype()));
    if (value.source == Source::Constant) {
      for (std::int64_t p : positions(a.shape(), a.strides()))
        made.registers.push_back(steps_.constant(a.bytes() + p * item, static_cast<std::size_t>(item)));
      return true;
    }
    const Array& whole = graph_.value(value.root).array;
    if (!whole.is_contiguous() || whole.numel() > kLargest * n_) return false;
    const Elements& from = root(value.root);
    for (int axis = from.axis < 0 ? -1 : 0; axis < a.rank(); ++axis) {
      // Along this axis example must follow example.
      if (axis >= 0 && (a.dim(axis) != n_ || a.strides()[axis] != from.inner)) continue;
      made.axis = axis;
      made.registers.clear();
      const std::int64_t span = from.axis < 0 ? 1 : n_;  // the first of them first
      bool first = true;
      for (std::int64_t p : positions(without(a.shape(), axis), without(a.strides(), axis))) {
        const std::int64_t q = value.offset / item + p, lane = q / from.inner % span;
        first = first && (from.axis < 0 || lane == 0);
        const std::int64_t e = from.axis < 0 ? q : q / (from.inner * n_) * from.inner + q % from.inner;
        made.registers.push_back(from.registers[static_cast<std::size_t>(e)]);
      }
      if (first) return true;
      if (from.axis < 0) break;
    }
    return false;
  }

  // The elements of an operand that meet those of one example, where all examples lie along an axis of a shape, and the
  // axes of the operand are such and such of it.
  bool spread(int v, Elements own, const Dims& axes, const Dims& shape, int axis, Registers& made) {
    const Array& a = graph_.value(v).array;
    if (own.axis >= 0 && axes[own.axis] != axis) return false;
    const Dims within = contiguous_strides(without(a.shape(), own.axis));
    Dims strides = Dims::filled(shape.size(), 0);
    for (int k = 0, rest = 0; k < a.rank(); ++k) {
      if (k == own.axis) continue;
      const std::int64_t stride = within[rest++];
      if (a.dim(k) == 1) continue;
      if (axes[k] != axis)
        strides[static_cast<int>(axes[k])] = stride;
      else if (!same_along(v, k, own))
        return false;
    }
    for (std::int64_t p : positions(without(shape, axis), without(strides, axis)))
      made.push_back(own.registers[static_cast<std::size_t>(p)]);
    return true;
  }

  // Does each example get the same of a value that is there once? Of a constant it may get its own.
  bool same_along(int v, int axis, Elements& own) {
    const Value& value = graph_.value(v);
    const Array& a = value.array;
    if (a.numel() == 0) return true;
    const std::int64_t inner = size_of(a.shape(), axis + 1), outer = a.numel() / (inner * n_);
    const auto item = static_cast<std::int64_t>(itemsize(a.dtype()));
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t i = 0; i < inner; ++i) {
        const auto first = own.registers.begin() + (o * n_ * inner + i);
        bool same = true;
        for (std::int64_t lane = 1; lane < n_; ++lane) same = same && first[lane * inner] == *first;
        if (same) continue;
        if (value.source != Source::Constant || !a.is_contiguous()) return false;
        *first = load(-1, reinterpret_cast<std::intptr_t>(a.bytes()) + (o * n_ * inner + i) * item, inner * item, item);
      }
    return true;
  }

  void give(int v, int axis, Registers registers) {
    const Dims& shape = graph_.value(v).array.shape();
    roots_[static_cast<std::size_t>(v)] = {axis, std::move(registers), axis < 0 ? 1 : size_of(shape, axis + 1)};
  }

  bool add(const Node& node, std::size_t number) {
    if (node.kernel->moves) return add_moves(node);
    if (const PlacedSum* sum = Registry::instance().placed_sum(*node.kernel)) return add_placed(node, *sum);
    if (expansions_[number]) return add_expanded(node, *expansions_[number]);
    return add_elementwise(node, kernels_.loops[number]);
  }

  // Where the elements of some values end. Lane l of register r stands as r n + l + 1; what all lanes share, as -r - 1.
  bool ends(const Kernel& kernel, std::span<const int> values, const Node& node, std::vector<Array>& out) {
    std::vector<Array> in;
    for (int v : values) {
      Elements own;
      if (!elements(v, own)) return false;
      const Dims& shape = graph_.value(v).array.shape();
      Array numbers = Array::empty(shape, DType::Int64);
      auto* to = numbers.data<std::int64_t>();
      const std::int64_t lanes = own.axis < 0 ? 1 : n_, inner = own.axis < 0 ? 1 : size_of(shape, own.axis + 1);
      for (std::int64_t i = 0; i < numbers.numel(); ++i) {
        const std::int64_t lane = i / inner % lanes, e = i / (inner * lanes) * inner + i % inner;
        const std::int64_t r = own.registers[static_cast<std::size_t>(e)];
        to[i] = own.axis < 0 || steps_.item_of_constant(static_cast<std::int32_t>(r)) ? -r - 1 : r * n_ + lane + 1;
      }
      in.push_back(std::move(numbers));
    }
    out = moved(kernel, node, std::move(in));
    return true;
  }

  bool add_moves(const Node& node) {
    std::vector<Array> out;
    if (!ends(*node.kernel, node.in, node, out)) return false;
    for (std::size_t k = 0; k < out.size(); ++k) {
      Elements made;
      if (!sort_lanes(out[k], made)) return false;
      for (std::int32_t& r : made.registers) r = r < 0 ? steps_.zero() : r;
      give(node.out[k], made.axis, std::move(made.registers));
    }
    return true;
  }

  // Additions where the second operand lies; elsewhere the first one stays (PlacedSum).
  bool add_placed(const Node& node, const PlacedSum& sum) {
    const Array& result = graph_.value(node.out[0]).array;
    const Op add = op_of(Arithmetic::Add, numbers_of(result.dtype()));
    wide_ = wide_ || numbers_of(add) == Numbers::Float32;
    std::vector<Array> out;
    Elements rest, part;
    if (!elements(node.in[0], rest) || !ends(*sum.place, std::span(node.in).subspan(1), node, out) ||
        !sort_lanes(out[0], part))
      return false;
    const int axis = part.axis >= 0 ? part.axis : rest.axis;  // one of the two may be the same for all examples
    const Dims axes = last_axes(result.rank(), result.rank());
    Registers made, placed;
    if (!spread(node.in[0], std::move(rest), axes, result.shape(), axis, made) ||
        !spread(node.out[0], std::move(part), axes, result.shape(), axis, placed))
      return false;
    for (std::size_t i = 0; i < made.size(); ++i)
      if (placed[i] >= 0) made[i] = steps_.operate(add, made[i], placed[i]);
    give(node.out[0], axis, std::move(made));
    return true;
  }

  std::int32_t register_of(std::int64_t number) const {  // -1: a zero
    return static_cast<std::int32_t>(number <= 0 ? -number - 1 : (number - 1) / n_);
  }

  // Finds the axis along which lane follows lane in every element.
  bool sort_lanes(const Array& numbers, Elements& made) const {
    const auto* of = numbers.data<std::int64_t>();
    const std::int64_t total = numbers.numel();
    if (std::all_of(of, of + total, [](std::int64_t number) { return number <= 0; })) {
      for (std::int64_t i = 0; i < total; ++i) made.registers.push_back(register_of(of[i]));
      return true;
    }
    for (made.axis = 0; made.axis < numbers.rank(); ++made.axis) {
      if (numbers.dim(made.axis) != n_) continue;
      const std::int64_t inner = size_of(numbers.shape(), made.axis + 1);
      bool sorted = true;
      for (std::int64_t i = 0; i < total && sorted; ++i) {
        const std::int64_t lane = i / inner % n_, first = of[i - lane * inner];
        sorted = of[i] == (first > 0 ? first + lane : first) && (lane > 0 || first <= 0 || (first - 1) % n_ == 0);
        if (lane == 0) made.registers.push_back(register_of(first));
      }
      if (sorted) return true;
      made.registers.clear();
    }
    return false;
  }

  // All operands of a node, and the axis of the shape along which the examples lie: one of the result's.
  bool spread_all(const Node& node, const std::vector<Dims>& axes, const Dims& shape, int& axis,
                  std::vector<Registers>& made) {
    std::vector<Elements> own(node.in.size());
    for (std::size_t k = 0; k < own.size(); ++k) {
      if (!elements(node.in[k], own[k])) return false;
      if (own[k].axis >= 0) axis = static_cast<int>(axes[k][own[k].axis]);
    }
    const Array& result = graph_.value(node.out[0]).array;
    if (axis < 0 ? result.numel() > kLargest : axis >= result.rank()) return false;
    made.resize(own.size());
    for (std::size_t k = 0; k < own.size(); ++k)
      if (!spread(node.in[k], std::move(own[k]), axes[k], shape, axis, made[k])) return false;
    return true;
  }

  bool add_expanded(const Node& node, const Expansion& expansion) {
    std::vector<Registers> items;
    int axis = -1;
    if (!spread_all(node, expansion.axes, expansion.shape, axis, items)) return false;
    const Array& result = graph_.value(node.out[0]).array;
    const auto n = static_cast<std::size_t>(axis < 0 ? result.numel() : result.numel() / n_);
    if (!expansion.loop) {
      const Numbers of = numbers_of(result.dtype());
      wide_ = wide_ || of == Numbers::Float32;
      give(node.out[0], axis, steps_.expand(expansion, of, n, items));
      return true;
    }
    give(node.out[0], axis, add_loops(by_item(items[0], n), n, {{}, &expansion, false}));
    return true;
  }

  bool add_elementwise(const Node& node, const Elementwise& work) {
    const Array& result = graph_.value(node.out[0]).array;
    std::vector<Dims> axes;
    for (int v : node.in) axes.push_back(last_axes(graph_.value(v).array.rank(), result.rank()));
    std::vector<Registers> in;
    int axis = -1;
    if (!spread_all(node, axes, result.shape(), axis, in)) return false;
    const std::optional<Op> op = arithmetic_of(graph_, node, work);
    if (op && loops_of(*op).lanes) {
      Registers made;
      for (std::size_t i = 0; i < in[0].size(); ++i) made.push_back(steps_.operate(*op, in, i));
      wide_ = wide_ || numbers_of(*op) == Numbers::Float32;
      give(node.out[0], axis, std::move(made));
      return true;
    }
    bool alike = true;
    for (int v : node.in) alike = alike && itemsize(graph_.value(v).array.dtype()) == itemsize(result.dtype());
    give(node.out[0], axis, add_loops(in, in[0].size(), {work, nullptr, alike}));
    return true;
  }

  Registers add_loops(const std::vector<Registers>& in, std::size_t n, const Work& work) {
    Registers made;
    std::map<Registers, std::int32_t> known;
    for (std::size_t i = 0; i < n; ++i) {
      Registers reads;
      for (const Registers& r : in) reads.push_back(r[i]);
      const auto [place, is_new] = known.try_emplace(reads, 0);
      if (is_new) {
        place->second = steps_.fresh();
        steps_.add(kLoop, static_cast<std::int32_t>(works_.size()), reads, {&place->second, 1});
      }
      made.push_back(place->second);
    }
    works_.push_back(work);
    return made;
  }

  bool store(std::int32_t number, int v) {
    Elements own;
    if (!elements(v, own)) return false;
    const Array& a = graph_.value(v).array;
    const auto item = static_cast<std::int64_t>(itemsize(a.dtype()));
    const std::int64_t inner = own.axis < 0 ? a.numel() : size_of(a.shape(), own.axis + 1);
    for (std::size_t e = 0; e < own.registers.size(); ++e) {
      const auto i = static_cast<std::int64_t>(e);
      const std::int64_t place = own.axis < 0 ? i : i / inner * inner * n_ + i % inner;
      tape_->stores_.push_back(
          {number, own.registers[e], place * item, own.axis < 0 ? 0 : inner * item, static_cast<std::uint8_t>(item)});
    }
    return true;
  }

  // ---- what comes of it ---------------------------------------------------------------------------------------------

  void remove_dead() {
    std::vector<bool> needed(steps_.registers().size(), false);
    for (const LaneTape::Move& m : tape_->stores_) needed[static_cast<std::size_t>(m.reg)] = true;
    steps_.remove_dead(needed);
    std::erase_if(tape_->loads_, [&](const LaneTape::Move& m) { return !needed[static_cast<std::size_t>(m.reg)]; });
    needed_ = std::move(needed);
  }

  // The order of the steps, and which registers may lie in one place: slots, of which constants have the first.
  void order() {
    groups_ = steps_.grouped(kWindow);
    const std::size_t n = steps_.registers().size();
    slots_.assign(n, -1);
    std::vector<std::int32_t> last_read(n, -1), idle;
    for (std::size_t r = 0; r < n; ++r)
      if (needed_[r] && steps_.item_of_constant(static_cast<std::int32_t>(r))) slots_[r] = n_slots_++;
    std::int32_t time = 0;
    each_step([&](const Steps::Step& s) {
      for (std::int32_t r : steps_.reads(s)) last_read[static_cast<std::size_t>(r)] = time;
      ++time;
    });
    for (const LaneTape::Move& m : tape_->stores_) last_read[static_cast<std::size_t>(m.reg)] = time;
    const auto take = [&](std::int32_t r) {
      if (idle.empty()) {
        slots_[static_cast<std::size_t>(r)] = n_slots_++;
      } else {
        slots_[static_cast<std::size_t>(r)] = idle.back();
        idle.pop_back();
      }
    };
    for (const LaneTape::Move& m : tape_->loads_) take(m.reg);
    time = 0;
    each_step([&](const Steps::Step& s) {
      const auto reads = steps_.reads(s);
      const bool beside = s.op == kLoop && !works_[static_cast<std::size_t>(s.number)].alike;
      if (beside) take(steps_.writes(s)[0]);
      for (auto r = reads.begin(); r != reads.end(); ++r)
        if (last_read[static_cast<std::size_t>(*r)] == time && !steps_.item_of_constant(*r) &&
            std::find(reads.begin(), r, *r) == r)
          idle.push_back(slots_[static_cast<std::size_t>(*r)]);
      if (!beside) take(steps_.writes(s)[0]);
      ++time;
    });
  }

  template <class F>
  void each_step(F&& f) const {
    for (const Steps::Group& g : groups_)
      for (std::int32_t i : g.steps) f(steps_.all()[static_cast<std::size_t>(i)]);
  }

  double cost_with(std::int64_t lanes) const {
    const auto blocks = static_cast<double>((n_ + lanes - 1) / lanes);
    const double bytes = static_cast<double>(lanes * item_), registers = bytes * n_slots_;
    double cost = kGroupCost * static_cast<double>(groups_.size());
    cost +=
        kElementCost * static_cast<double>(lanes) * static_cast<double>(tape_->loads_.size() + tape_->stores_.size());
    for (const Steps::Step& s : steps_.all())
      cost += is_arithmetic(s.op) ? kStepCost + (registers > kNear ? kFarVectorCost : kVectorCost) * bytes / kStepBytes
                                  : works_[static_cast<std::size_t>(s.number)].cost(static_cast<double>(lanes));
    return blocks * cost;
  }

  void choose_lanes() {
    const std::int64_t unit = wide_ ? 16 : 8;
    tape_->cost_ = std::numeric_limits<double>::infinity();
    tape_->examples_ = n_;
    for (std::int64_t blocks = 1, lanes = 2 * kMostLanes; lanes > unit; ++blocks) {
      lanes = ((n_ + blocks - 1) / blocks + unit - 1) / unit * unit;
      if (lanes > kMostLanes) continue;
      const double cost = cost_with(lanes);
      if (cost < tape_->cost_) tape_->cost_ = cost, tape_->lanes_ = lanes;
    }
    const double blocks = static_cast<double>((n_ + tape_->lanes_ - 1) / tape_->lanes_);
    tape_->blocks_per_chunk_ =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(kChunkNanoseconds * blocks / tape_->cost_));
  }

  void write() {
    LaneTape& t = *tape_;
    // An odd number of lines: registers at powers of two apart would want the same places of the cache.
    t.slot_ = ((t.lanes_ * item_ + kStepBytes - 1) / kStepBytes | 1) * kStepBytes;
    t.bytes_ = t.slot_ * n_slots_;
    const auto place = [&](std::int32_t r) {
      return static_cast<std::int32_t>(slots_[static_cast<std::size_t>(r)] * t.slot_ / 8);
    };
    for (std::size_t r = 0; r < slots_.size(); ++r)
      if (const std::size_t item = steps_.item_of_constant(static_cast<std::int32_t>(r)); item && slots_[r] >= 0)
        t.constants_.push_back(
            {place(static_cast<std::int32_t>(r)),
             static_cast<std::uint8_t>(std::min<std::int64_t>(item_, static_cast<std::int64_t>(item))),
             steps_.registers()[r]});
    for (std::vector<LaneTape::Move>* moves : {&t.loads_, &t.stores_})
      for (LaneTape::Move& m : *moves) m.reg = place(m.reg);
    for (const Steps::Group& g : groups_) {
      const auto size = [&] { return static_cast<std::int32_t>(g.op == kLoop ? t.loops_.size() : t.steps_.size()); };
      const std::int32_t first = size();
      for (std::int32_t i : g.steps) {
        const Steps::Step& s = steps_.all()[static_cast<std::size_t>(i)];
        const auto reads = steps_.reads(s);
        const std::int32_t out = place(steps_.writes(s)[0]);
        if (g.op != kLoop) {
          t.steps_.push_back({out, place(reads[0]), place(reads[1]), place(reads.back())});
          continue;
        }
        const Work& work = works_[static_cast<std::size_t>(s.number)];
        t.loops_.push_back({work.work, work.items, static_cast<std::int32_t>(reads.size()), out, t.operands_.size()});
        std::transform(reads.begin(), reads.end(), std::back_inserter(t.operands_), place);
      }
      t.groups_.push_back({g.op == kLoop ? nullptr : loops_of(g.op).lanes, first, size()});
    }
  }

  const Graph& graph_;
  const CpuKernels& kernels_;
  std::int64_t n_ = 0;                                  // examples
  std::vector<std::unique_ptr<Expansion>> expansions_;  // of the nodes that are expanded
  std::vector<Elements> roots_;                         // by value: of those that have memory of their own
  std::map<std::tuple<std::int32_t, std::int64_t, std::int64_t>, std::int32_t> loaded_;
  std::vector<Work> works_;  // of loops, by their number
  std::int64_t item_ = 1;    // bytes of the largest element
  bool wide_ = false;        // there is arithmetic of float32: 16 lanes in 64 bytes
  Steps steps_;
  std::vector<bool> needed_;  // by register
  std::vector<Steps::Group> groups_;
  std::vector<std::int32_t> slots_;  // by register
  std::int32_t n_slots_ = 0;
  std::unique_ptr<LaneTape> tape_ = std::make_unique<LaneTape>();
};

std::unique_ptr<const Tape> make_lane_tape(const Plan& plan, const CpuKernels& kernels, double bound) {
  return LaneTapeMaker(plan.graph(), kernels).make(bound);
}

}  // namespace alice::program
