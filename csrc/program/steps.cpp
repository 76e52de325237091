#include "steps.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace alice::program {
namespace {

constexpr std::size_t at(std::int32_t r) { return static_cast<std::size_t>(r); }

constexpr bool gives_bool(Arithmetic kind) { return kind >= Arithmetic::Equal; }
constexpr bool takes_bools(Arithmetic kind) { return kind >= Arithmetic::LogicalAnd; }
constexpr bool takes_three(Arithmetic kind) { return kind == Arithmetic::MultiplyAdd || kind == Arithmetic::Where; }

// Of operands that are known: what the step would give.
Register value_of(Op op, Register a, Register b, Register c) {
  Register registers[4] = {{0.0}, a, b, c};
  const ArithmeticStep step{0, 1, 2, 3};
  loops_of(op).alone(&step, &step + 1, registers[0].bytes, 1);
  return registers[0];
}

}  // namespace

std::int32_t Steps::fresh() {
  start_.push_back({0.0});
  constant_.push_back(0);
  maker_.push_back(-1);
  return static_cast<std::int32_t>(start_.size()) - 1;
}

std::int32_t Steps::constant(const std::byte* bits, std::size_t item) {
  const auto [place, is_new] = constants_.try_emplace(std::string(reinterpret_cast<const char*>(bits), item), 0);
  if (is_new) {
    place->second = fresh();
    constant_.back() = static_cast<std::uint8_t>(item);
    std::memcpy(start_.back().bytes, bits, item);
  }
  return place->second;
}

std::int32_t Steps::zero() {
  const std::byte bits[8] = {};
  return constant(bits, sizeof bits);
}

const Register* Steps::known(std::int32_t r) const { return constant_[at(r)] ? &start_[at(r)] : nullptr; }

// The step that made a register, if it is of this kind.
const Steps::Step* Steps::maker(std::int32_t r, Arithmetic kind) const {
  const std::int32_t by = maker_[at(r)];
  return by >= 0 && kind_of(steps_[at(by)].op) == kind ? &steps_[at(by)] : nullptr;
}

// What a register is the negative of, or -1.
std::int32_t Steps::negated(std::int32_t r) const {
  const Step* by = maker(r, Arithmetic::Negative);
  return by ? reads(*by)[0] : -1;
}

// A register with the negative of this one that costs no step more, or -1: of -x, x; of a product or quotient with an
// operand that is negated, or (if wanted) a known number, that with the other sign.
std::int32_t Steps::opposite(std::int32_t r, bool of_numbers) {
  if (const std::int32_t x = negated(r); x >= 0) return x;
  for (const Arithmetic kind : {Arithmetic::Multiply, Arithmetic::Divide}) {
    const Step* by = maker(r, kind);
    if (!by) continue;
    const Op op = by->op, minus = op_of(Arithmetic::Negative, numbers_of(op));
    const std::int32_t a = reads(*by)[0], b = reads(*by)[1];
    for (const std::int32_t x : {a, b}) {
      const std::int32_t turned = of_numbers && known(x) ? operate(minus, x, x) : negated(x);
      if (turned >= 0) return x == a ? operate(op, turned, b) : operate(op, a, turned);
    }
  }
  return -1;
}

// A square is no -0, nor is what one is added to. Of anything else it is not asked.
bool Steps::never_negative_zero(std::int32_t r) const {
  const auto squares = [&](std::int32_t x) {
    const Step* by = maker(x, Arithmetic::Multiply);
    return by && reads(*by)[0] == reads(*by)[1];
  };
  const Step* sum = maker(r, Arithmetic::Add);
  return squares(r) || (sum && (squares(reads(*sum)[0]) || squares(reads(*sum)[1])));
}

// The same with fewer signs turned, or -1: a + -b is a - b, and so on. Every bit stays but the sign of a NaN, which is
// left open of sums and products. Strong products are no such: of 0 they make +0, whatever its sign.
std::int32_t Steps::with_fewer_signs(Op op, std::int32_t a, std::int32_t b, std::int32_t c) {
  const auto of = [&](Arithmetic kind) { return op_of(kind, numbers_of(op)); };
  const Arithmetic kind = kind_of(op);
  if (kind == Arithmetic::Negative) return opposite(a, true);
  if (kind == Arithmetic::Add || kind == Arithmetic::Subtract) {
    const Op other = of(kind == Arithmetic::Add ? Arithmetic::Subtract : Arithmetic::Add);
    if (const std::int32_t x = opposite(b, false); x >= 0) return operate(other, a, x);
    if (kind == Arithmetic::Add)
      if (const std::int32_t x = opposite(a, false); x >= 0) return operate(other, b, x);
  }
  if (kind == Arithmetic::Multiply || kind == Arithmetic::Divide || kind == Arithmetic::MultiplyAdd) {
    const auto turned = [&](std::int32_t x) { return known(x) ? operate(of(Arithmetic::Negative), x, x) : negated(x); };
    if (negated(a) >= 0 && turned(b) >= 0) return operate(op, negated(a), turned(b), c);
    if (negated(b) >= 0 && turned(a) >= 0) return operate(op, turned(a), negated(b), c);
  }
  return -1;
}

// Only what keeps every bit is left out: what is known now, what was computed before, and operands that change nothing.
// x + 0 stays where x may be -0, as -0 + 0 is 0; so does 0 * x, which may be NaN.
std::int32_t Steps::operate(Op op, std::int32_t a, std::int32_t b, std::int32_t c) {
  const Register *x = known(a), *y = known(b), *z = known(c);
  if (x && y && z) {
    const Register value = value_of(op, *x, *y, *z);
    return constant(value.bytes, gives_bool(kind_of(op)) ? 1 : numbers_of(op) == Numbers::Float32 ? 4 : 8);
  }
  if (numbers_of(op) == Numbers::Int64) return made(op, a, b, c);
  if (const std::int32_t simpler = with_fewer_signs(op, a, b, c); simpler >= 0) return simpler;
  const auto is = [&](const Register* r, double number) {
    const double value = !r ? 0 : numbers_of(op) == Numbers::Float64 ? r->d : static_cast<double>(r->f);
    return r && value == number && std::signbit(value) == std::signbit(number);
  };
  const auto of = [&](Arithmetic kind) { return op_of(kind, numbers_of(op)); };
  switch (kind_of(op)) {
    case Arithmetic::MultiplyAdd:
      if (is(x, 1)) return operate(of(Arithmetic::Add), b, c);
      if (is(y, 1)) return operate(of(Arithmetic::Add), a, c);
      if (is(x, -1)) return operate(of(Arithmetic::Subtract), c, b);
      if (is(y, -1)) return operate(of(Arithmetic::Subtract), c, a);
      if (is(z, -0.0)) return operate(of(Arithmetic::Multiply), a, b);
      if (a > b) std::swap(a, b);
      break;
    case Arithmetic::Where:
      if (x) return x->bytes[0] != std::byte{0} ? b : c;
      if (b == c) return b;
      break;
    case Arithmetic::Less:
    case Arithmetic::LessEqual:
    case Arithmetic::Greater:
    case Arithmetic::GreaterEqual:
    case Arithmetic::SumError:
    case Arithmetic::SumTotal: break;
    case Arithmetic::Equal:
    case Arithmetic::NotEqual:
    case Arithmetic::LogicalAnd:
    case Arithmetic::LogicalOr:
      if (a > b) std::swap(a, b);
      break;
    case Arithmetic::Multiply:
      if (is(x, 1)) return b;
      if (is(y, 1)) return a;
      if (a > b) std::swap(a, b);
      break;
    case Arithmetic::Add:
      if (is(x, -0.0) || (is(x, 0.0) && never_negative_zero(b))) return b;
      if (is(y, -0.0) || (is(y, 0.0) && never_negative_zero(a))) return a;
      if (a > b) std::swap(a, b);
      break;
    case Arithmetic::Subtract:
      if (is(y, 0.0)) return a;
      break;
    case Arithmetic::Divide:
      if (is(y, 1)) return a;
      break;
    case Arithmetic::StrongMultiply:
      if (is(x, 1)) return b;
      [[fallthrough]];
    case Arithmetic::SqrtVjp:
    case Arithmetic::StrongDivide:
      if (is(x, 0.0) || is(x, -0.0)) return zero();
      break;
    default: b = a;
  }
  return made(op, a, b, c);
}

// The result of a step that there may be already.
std::int32_t Steps::made(Op op, std::int32_t a, std::int32_t b, std::int32_t c) {
  const bool three = takes_three(kind_of(op));
  const auto [place, is_new] = made_.try_emplace({op, a, b, three ? c : a}, 0);
  if (is_new) {
    place->second = fresh();
    const std::int32_t reads[] = {a, b, c}, writes[] = {place->second};
    maker_[at(place->second)] = static_cast<std::int32_t>(steps_.size());
    add(op, 0, std::span(reads, three ? 3 : 2), writes);
  }
  return place->second;
}

std::int32_t Steps::operate(Op op, const std::vector<Registers>& in, std::size_t i) {
  return operate(op, in[0][i], in[std::min<std::size_t>(1, in.size() - 1)][i], in.back()[i]);
}

Registers Steps::expand(const Expansion& expansion, Numbers of, std::size_t n, const std::vector<Registers>& items) {
  struct Writer final : Operations {
    Steps& steps;
    Numbers of;
    Writer(Steps& steps, Numbers of) : steps(steps), of(of) {}
    std::int32_t zero() override { return steps.zero(); }
    std::int32_t operate(Arithmetic kind, std::int32_t a, std::int32_t b, std::int32_t c) override {
      return steps.operate(op_of(kind, of), a, b, c);
    }
  } writer(*this, of);
  Registers made;
  std::vector<const std::int32_t*> of_result(items.size());
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < items.size(); ++k) of_result[k] = items[k].data() + i * (items[k].size() / n);
    made.push_back(expansion.result(of_result.data(), writer));
  }
  return made;
}

void Steps::add(Op op, std::int32_t number, std::span<const std::int32_t> reads, std::span<const std::int32_t> writes) {
  steps_.push_back(
      {op, number, lists_.size(), static_cast<std::uint32_t>(reads.size()), static_cast<std::uint32_t>(writes.size())});
  lists_.insert(lists_.end(), reads.begin(), reads.end());
  lists_.insert(lists_.end(), writes.begin(), writes.end());
}

void Steps::remove_dead(std::vector<bool>& needed) {
  needed.resize(start_.size(), false);
  std::vector<Step> kept;
  for (auto s = steps_.rbegin(); s != steps_.rend(); ++s) {
    const auto written = writes(*s);
    if (s->op != kCall && std::none_of(written.begin(), written.end(), [&](std::int32_t r) { return needed[at(r)]; }))
      continue;
    for (std::int32_t r : reads(*s)) needed[at(r)] = true;
    kept.push_back(*s);
  }
  steps_.assign(kept.rbegin(), kept.rend());
}

// Whatever is ready, of the kind of which most is.
std::vector<Steps::Group> Steps::grouped(std::size_t window) const {
  constexpr std::size_t kKinds = static_cast<std::size_t>(kCall) + 1;
  std::vector<std::int32_t> maker(start_.size(), -1), waits(steps_.size(), 0);
  std::vector<std::vector<std::int32_t>> readers(steps_.size());
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    for (std::int32_t r : reads(steps_[i]))
      if (const std::int32_t by = maker[at(r)]; by >= 0) {
        readers[at(by)].push_back(static_cast<std::int32_t>(i));
        ++waits[i];
      }
    for (std::int32_t r : writes(steps_[i])) maker[at(r)] = static_cast<std::int32_t>(i);
  }
  std::vector<std::int32_t> ready[kKinds];
  std::vector<bool> done(steps_.size(), false), waiting(steps_.size(), false);
  std::size_t first = 0, seen = 0;  // the first step that is not done; those before `seen` may be
  const auto offer = [&](std::size_t i) {
    ready[static_cast<std::size_t>(steps_[i].op)].push_back(static_cast<std::int32_t>(i));
  };
  std::vector<Group> groups;
  for (;;) {
    while (first < steps_.size() && done[first]) ++first;
    for (; seen < steps_.size() && seen < first + window; ++seen) {
      waiting[seen] = true;
      if (waits[seen] == 0) offer(seen);
    }
    const auto most = std::max_element(std::begin(ready), std::end(ready),
                                       [](const auto& a, const auto& b) { return a.size() < b.size(); });
    if (most->empty()) return groups;
    Group& made = groups.emplace_back();
    made.steps = std::exchange(*most, {});
    made.op = steps_[at(made.steps[0])].op;
    for (std::int32_t i : made.steps) {
      done[at(i)] = true;
      for (std::int32_t reader : readers[at(i)])
        if (--waits[at(reader)] == 0 && waiting[at(reader)]) offer(at(reader));
    }
  }
}

std::optional<Op> arithmetic_of(const Graph& graph, const Node& node, const Elementwise& work) {
  const auto dtype_of = [&](int v) { return graph.value(v).array.dtype(); };
  const Arithmetic kind = node.kernel->arithmetic;
  if (kind == Arithmetic::None || work.converts()) return {};
  const DType dtype = dtype_of(node.in.back());
  const bool chooses = kind == Arithmetic::Where;
  for (int v : node.in)
    if (dtype_of(v) != (chooses && v == node.in[0] ? DType::Bool : dtype)) return {};
  if (dtype_of(node.out[0]) != (gives_bool(kind) ? DType::Bool : dtype)) return {};
  const std::size_t item = itemsize(dtype);
  const bool can = takes_bools(kind) ? dtype == DType::Bool
                   : chooses         ? item == 4 || item == 8
                                     : dtype == DType::Float32 || dtype == DType::Float64 || dtype == DType::Int64;
  if (!can) return {};
  // A square is a product, which there may be already.
  const Op op = op_of(kind == Arithmetic::Square ? Arithmetic::Multiply : kind, !chooses    ? numbers_of(dtype)
                                                                                : item == 8 ? Numbers::Float64
                                                                                            : Numbers::Float32);
  return loops_of(op).alone ? std::optional(op) : std::nullopt;
}

std::unique_ptr<Expansion> expansion_of(const Graph& graph, const Node& node) {
  if (!node.kernel->expand || node.update) return nullptr;
  const auto [in, out] = graph.described(node);
  std::vector<Array> results = out;
  return node.kernel->expand({*node.kernel, in, results, node.attrs});
}

std::vector<Registers> by_item(const Registers& items, std::size_t n) {
  std::vector<Registers> made(items.size() / n);
  for (std::size_t i = 0; i < items.size(); ++i) made[i % made.size()].push_back(items[i]);
  return made;
}

Dims last_axes(int rank, int of) {
  Dims axes;
  for (int k = 0; k < rank; ++k) axes.push_back(of - rank + k);
  return axes;
}

std::vector<std::int64_t> positions(const Dims& shape, const Dims& strides) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return {};  // however long the other axes are
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

std::vector<Array> moved(const Kernel& kernel, const Node& node, std::vector<Array> numbers) {
  std::vector<Array> out(node.out.size());
  Call call{kernel, numbers, out, node.attrs};
  evaluate(call);
  return out;
}

}  // namespace alice::program
