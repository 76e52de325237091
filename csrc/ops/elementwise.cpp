// Elementwise kernels: shape and dtype rules, broadcasting, strides and threads around the contiguous loops of
// elementwise_loops.h.
//
// The output is walked in C order, in runs that no operand interrupts. An operand that is not contiguous along a run
// is gathered into a buffer of at most kTile elements, so that one loop per dtype serves every layout.
#include <algorithm>
#include <cmath>
#include <limits>

#include "../core/broadcast.h"
#include "../core/chunks.h"
#include "../core/scratch.h"
#include "elementwise_loops.h"
#include "plain_loops.h"
#include "register.h"
#include "step_loops.h"

namespace alice {
namespace {

constexpr int kMaxOperands = 4;
constexpr std::int64_t kTile = 512;
// Shorter innermost axes are gathered several rows at a time: a loop call should have something to do.
constexpr std::int64_t kShortRow = 64;
constexpr std::int64_t kBuffer = kTile * 8 + kShortRow * 8 + kFillSlack;  // bytes
constexpr std::int64_t kNowhere = std::numeric_limits<std::int64_t>::min();

Dims broadcast_shape(const Call& call) {
  Dims shape = call.in[0].shape();
  for (const Array& x : call.in.subspan(1)) {
    if (broadcast_into(shape, x.shape())) continue;
    std::ostringstream shapes;
    for (std::size_t j = 0; j < call.in.size(); ++j) shapes << (j ? ", " : "") << call.in[j].shape();
    fail(ErrorKind::Shape, call.kernel.name, ": shapes must broadcast (equal or 1, aligned at the last axis); got ",
         shapes.str(), "; reshape one of them");
  }
  return shape;
}

// Copies elements [begin, begin + n) of an operand one after another; `to` is a buffer.
void gather(const Operand& x, const std::byte* data, std::int64_t begin, std::int64_t n, std::byte* to) {
  if (x.held_step() == 0 || x.held() >= kShortRow) return x.gather(data, begin, n, to);
  const std::int64_t row = begin / x.held(), within = begin % x.held();
  fill_rows(x.item(), data + row * x.held_step() * x.item(), x.held_step() * x.item(), x.held(), within, n, to);
}

struct Job {
  const Elementwise& work;
  Loop held;  // for which the operands that `holds` marks are one element for all of a run; null for none
  unsigned holds;
  std::byte* out;
  std::int64_t out_item;
  int n_in;
  const std::byte* data[kMaxOperands];
  Operand in[kMaxOperands];

  bool is_held(int k) const { return held && (holds >> k & 1); }
};

// One element serves the whole result, or rows long enough for loops of their own.
bool holds_still(const Operand& x) { return x.single() || x.held() >= kShortRow; }

// Results [begin, end) of the output, in runs that no operand interrupts.
void run_range(const Job& job, std::int64_t begin, std::int64_t end) {
  const Scratch<std::byte[kBuffer]> buffers(job.n_in);
  const void* in[kMaxOperands];
  std::int64_t filled[kMaxOperands];  // where the element lies that fills the buffer, of operands that hold one
  bool gathers = false;
  for (int k = 0; k < job.n_in; ++k) {
    const Operand& x = job.in[k];
    filled[k] = kNowhere;
    if (job.is_held(k)) {
      in[k] = job.data[k];
    } else if (x.single()) {
      fill(x.item(), job.data[k], std::min(kTile, end - begin), buffers[k]);
      in[k] = buffers[k];
      gathers = true;  // no run may be longer than the buffer
    } else {
      gathers = gathers || (!x.contiguous() && x.row() < kShortRow);
    }
  }
  while (begin < end) {
    std::int64_t n = gathers ? std::min(kTile, end - begin) : end - begin;
    for (int k = 0; k < job.n_in; ++k) {
      const Operand& x = job.in[k];
      const std::int64_t row = std::max(x.row(), x.held());
      if (!x.contiguous() && !x.single() && row >= kShortRow) n = std::min(n, row - begin % row);
    }
    for (int k = 0; k < job.n_in; ++k) {
      const Operand& x = job.in[k];
      if (x.single()) continue;
      if (x.contiguous()) {
        in[k] = job.data[k] + begin * x.item();
      } else if (x.row() >= kShortRow || job.is_held(k)) {
        in[k] = job.data[k] + x.offset(begin) * x.item();
      } else if (x.held() >= kShortRow) {
        if (const std::int64_t at = x.offset(begin); at != filled[k]) {
          fill(x.item(), job.data[k] + at * x.item(), std::min(kTile, x.held()), buffers[k]);
          filled[k] = at;
        }
        in[k] = buffers[k];
      } else {
        gather(x, job.data[k], begin, n, buffers[k]);
        in[k] = buffers[k];
      }
    }
    if (job.held)
      job.held(n, job.out + begin * job.out_item, in, job.work.params);
    else
      job.work.run(n, job.out + begin * job.out_item, in);
    begin += n;
  }
}

void run_loop(const Call& call, const Elementwise& work, const ElementwiseRow* row = nullptr) {
  Array& out = call.out[0];
  const std::int64_t n = out.numel();
  if (n == 0) return;
  const std::int64_t chunk =
      std::max(kChunkItems, (static_cast<std::int64_t>(kChunkNanoseconds / work.cost) + kTile - 1) / kTile * kTile);

  // The usual case, and what small arrays pay for: nothing but contiguous operands.
  bool plain = true;
  for (const Array& a : call.in) plain = plain && a.shape() == out.shape() && a.is_contiguous();
  if (plain) {
    parallel_chunks(n, chunk, [&](std::int64_t begin, std::int64_t end) {
      const void* in[kMaxOperands];
      for (std::size_t k = 0; k < call.in.size(); ++k)
        in[k] = call.in[k].bytes() + begin * static_cast<std::int64_t>(itemsize(call.in[k].dtype()));
      work.run(end - begin, out.bytes() + begin * static_cast<std::int64_t>(itemsize(out.dtype())), in);
    });
    return;
  }

  Job job{work, nullptr, 0, out.bytes(), static_cast<std::int64_t>(itemsize(out.dtype())), 0, {}, {}};
  for (const Array& a : call.in) {
    job.data[job.n_in] = a.bytes();
    job.in[job.n_in] = Operand(a, out.shape());
    job.holds |= static_cast<unsigned>(holds_still(job.in[job.n_in])) << job.n_in;
    ++job.n_in;
  }
  if (row && !for_storage(out.dtype()) && !work.converts())
    for (const HeldLoop& held : row->traits.held)
      if (held.operands && held.operands == job.holds) job.held = held.loops[static_cast<int>(out.dtype())];
  parallel_chunks(n, chunk, [&](std::int64_t begin, std::int64_t end) { run_range(job, begin, end); });
}

const ElementwiseRow& row_of(const Call& call) { return *static_cast<const ElementwiseRow*>(call.kernel.impl); }

// What takes the elements of a dtype as they are; null if they have to be converted, or the kernel does not take them.
Loop direct_loop(const ElementwiseRow& row, DType t) {
  if (!for_storage(t)) return row.loops[static_cast<int>(t)];
  const DType alike = t == DType::Int8     ? DType::UInt8
                      : t == DType::UInt32 ? DType::Int32
                      : t == DType::UInt64 ? DType::Int64
                                           : t;
  if (row.traits.signless && alike != t) return row.loops[static_cast<int>(alike)];
  return t == DType::UInt64 ? unsigned_loop(row.name) : nullptr;
}

bool takes(const ElementwiseRow& row, DType t) {
  return direct_loop(row, t) || (t != DType::UInt64 && row.loops[static_cast<int>(arithmetic(t))]);
}

void elementwise_infer(Call& call) {
  const ElementwiseRow& row = row_of(call);
  const DType dtype = call.in.back().dtype();
  for (std::size_t k = 0; k < call.in.size(); ++k) {
    const DType want = row.inputs == Inputs::Where && k == 0 ? DType::Bool : dtype;
    if (call.in[k].dtype() != want)
      fail(ErrorKind::DType, row.name, ": operand ", k, " must be ", name(want), "; got ", name(call.in[k].dtype()),
           "; cast it with astype");
  }
  if (!takes(row, dtype))
    fail(ErrorKind::DType, row.name, ": expected ",
         row.inputs == Inputs::Floating ? "a floating dtype"
         : is_floating(dtype)           ? "integers"
                                        : "numbers",
         "; got ", name(dtype), "; cast with astype");
  call.out[0] = Array::abstract(broadcast_shape(call), row.result == ElementwiseResult::Bool ? DType::Bool : dtype);
}

unsigned single_operands(const Call& call) {
  unsigned single = 0;
  for (std::size_t k = 0; k < call.in.size(); ++k) single |= static_cast<unsigned>(call.in[k].numel() == 1) << k;
  return single;
}

Elementwise loop_of(const ElementwiseRow& row, const Call& call) {
  const DType dtype = call.in.back().dtype();
  const Loop direct = direct_loop(row, dtype);
  Elementwise e{direct ? direct : row.loops[static_cast<int>(arithmetic(dtype))], {}, static_cast<double>(row.cost)};
  for (std::size_t i = 0; i < call.attrs.size(); ++i) e.params[i] = call.attrs[i].real();
  if (!direct) e.convert(call);
  // Where every use of a loop is one of its own. Others may become part of a LoopPair, which knows them as they are.
  if (!for_storage(dtype) && (row.traits.at.count || row.n_in > 2))
    for (const HeldLoop& held : row.traits.held)
      if (held.operands == single_operands(call) && held.loops[static_cast<int>(dtype)])
        e.loop = held.loops[static_cast<int>(dtype)];
  return e;
}

Elementwise elementwise_loop(const Call& call) { return loop_of(row_of(call), call); }
void elementwise_run(const Call& call) { run_loop(call, elementwise_loop(call), &row_of(call)); }

// The row for a last operand that is one number for all; null where that has none of its own.
const ElementwiseRow* row_at_number(const Call& call) {
  const Array& last = call.in.back();
  if (last.numel() != 1 || last.dtype() == DType::UInt64) return nullptr;
  const double number = real_at(last.bytes(), last.dtype());
  const RowsAt& at = row_of(call).traits.at;
  for (const RowAt* r = at.rows; r != at.rows + at.count; ++r)
    if (r->number == number && r->row.loops[static_cast<int>(arithmetic(last.dtype()))]) return &r->row;
  return nullptr;
}

Call without_last(const Call& call) { return {call.kernel, call.in.first(call.in.size() - 1), call.out, call.attrs}; }

void at_number_run(const Call& call) {
  const ElementwiseRow* row = row_at_number(call);
  if (!row) return elementwise_run(call);
  const Call rest = without_last(call);
  run_loop(rest, loop_of(*row, rest));
}

// Which loop a single number asks for can be told only if it is there.
Elementwise at_number_loop(const Call& call) {
  const Array& last = call.in.back();
  if (last.numel() != 1) return elementwise_loop(call);
  if (last.is_abstract()) return {};
  const ElementwiseRow* row = row_at_number(call);
  return row ? loop_of(*row, without_last(call)) : elementwise_loop(call);
}

double elementwise_cost(const Call& call) {
  std::int64_t n = 1;
  for (const Array& a : call.in) n = std::max(n, a.numel());
  return static_cast<double>(row_of(call).cost) * static_cast<double>(n);
}

// astype(x; dtype)
void cast_infer(Call& call) { call.out[0] = Array::abstract(call.in[0].shape(), call.attrs[0].dtype()); }

Elementwise cast_loop(const Call& call) {
  const auto& table = *static_cast<const CastTable*>(call.kernel.impl);
  const DType from = call.in[0].dtype(), to = call.attrs[0].dtype();
  const int source = static_cast<int>(arithmetic(from)), target = static_cast<int>(arithmetic(to));
  const bool rounds_twice = for_storage(to) && is_floating(to);
  Elementwise e{rounds_twice ? table.odd[source] : table.loops[source][target], {}, 0.3};
  if (const Loop loop = unsigned_cast(from, to)) e.loop = loop;
  if (for_storage(from) || for_storage(to)) e.convert(call);
  if (e.narrowed && is_floating(from) && is_integer(to)) e.narrowed = conversion(to).saturate;
  return e;
}

void cast_run(const Call& call) { run_loop(call, cast_loop(call)); }

}  // namespace

void register_elementwise(Registry& registry) {
  constexpr std::pair<std::string_view, Arithmetic> kArithmetic[] = {{"add", Arithmetic::Add},
                                                                     {"subtract", Arithmetic::Subtract},
                                                                     {"multiply", Arithmetic::Multiply},
                                                                     {"divide", Arithmetic::Divide},
                                                                     {"strong_mul", Arithmetic::StrongMultiply},
                                                                     {"strong_div", Arithmetic::StrongDivide},
                                                                     {"negative", Arithmetic::Negative},
                                                                     {"square", Arithmetic::Square},
                                                                     {"sqrt", Arithmetic::Sqrt},
                                                                     {"sqrt_vjp", Arithmetic::SqrtVjp},
                                                                     {"where", Arithmetic::Where},
                                                                     {"equal", Arithmetic::Equal},
                                                                     {"not_equal", Arithmetic::NotEqual},
                                                                     {"less", Arithmetic::Less},
                                                                     {"less_equal", Arithmetic::LessEqual},
                                                                     {"greater", Arithmetic::Greater},
                                                                     {"greater_equal", Arithmetic::GreaterEqual},
                                                                     {"logical_and", Arithmetic::LogicalAnd},
                                                                     {"logical_or", Arithmetic::LogicalOr},
                                                                     {"logical_not", Arithmetic::LogicalNot}};
  const auto add_row = [&](const ElementwiseRow& row) {
    const ElementwiseTraits& traits = row.traits;
    Kernel k{.name = row.name,
             .n_in = row.n_in,
             .inputs = row.inputs,
             .infer = elementwise_infer,
             .run = {traits.at.count ? at_number_run : elementwise_run},
             .cost = elementwise_cost,
             .impl = &row,
             .elementwise = traits.at.count ? at_number_loop : elementwise_loop,
             .any_dtype = true};
    for (const char* name : traits.params)
      if (name) k.attributes.push_back({name, AttrKind::Real});
    if (!std::isnan(traits.neutral)) k.neutral = traits.neutral;
    k.scaling = traits.scaling;
    for (const auto& [name, arithmetic] : kArithmetic)
      if (name == row.name) k.arithmetic = arithmetic;
    registry.add(k);
  };
  for (const ElementwiseTable& table : {arithmetic_table(), comparison_table(), transcendental_table(),
                                        derivative_table(), activation_table(), special_table(), bitwise_table()})
    std::for_each(table.rows, table.rows + table.count, add_row);
  const PairTable pairs = arithmetic_pairs();
  for (int i = 0; i < pairs.count; ++i) registry.add(pairs.pairs[i]);
  const SlopeTable slopes = activation_slopes();
  for (int i = 0; i < slopes.count; ++i) add_slope_pair(slopes.pairs[i]);
  registry.add({.name = "astype",
                .n_in = 1,
                .attributes = {{"dtype", AttrKind::DType}},
                .infer = cast_infer,
                .run = {cast_run},
                .cost = streaming_cost,
                .impl = &cast_table(),
                .elementwise = cast_loop,
                .any_dtype = true});
  set_arithmetic_loops(step_table());
  set_conversion(DType::Float16, cast_table().float16);
  set_conversion(DType::BFloat16, cast_table().bfloat16);
}

}  // namespace alice
