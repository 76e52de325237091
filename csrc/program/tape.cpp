// Hot: every call runs through here.
#include "tape.h"

#include <cmath>
#include <cstring>

namespace alice::program {
namespace {

// Most items are of 8 bytes or 4, for which it is one move.
void copy_item(std::byte* to, const std::byte* from, std::size_t item) {
  item == 8 ? std::memcpy(to, from, 8) : item == 4 ? std::memcpy(to, from, 4) : std::memcpy(to, from, item);
}

}  // namespace

Tape::Memory Tape::make_memory() const {
  Memory memory{start_, {}};
  for (const KernelCall& call : calls_)
    for (const Operand& operand : call.operands) {
      const Array bytes = Array::empty({std::max<std::int64_t>(operand.bytes, 1)}, DType::UInt8);
      memory.arrays.push_back(Array::wrap(bytes.storage(), bytes.bytes() - operand.begin, operand.layout.dtype(),
                                          operand.layout.shape(), operand.layout.strides()));
    }
  return memory;
}

inline void Tape::run_arithmetic(Op op, const Step* s, const Step* last, Register* r) {
  const auto each = [&](auto&& f) {
    for (; s != last; ++s) f(r[s->out], r[s->a], r[s->b]);
  };
  using R = Register&;
  using C = const Register&;
  switch (op) {
    case Op::AddD: return each([](R out, C a, C b) { out.d = a.d + b.d; });
    case Op::SubtractD: return each([](R out, C a, C b) { out.d = a.d - b.d; });
    case Op::MultiplyD: return each([](R out, C a, C b) { out.d = a.d * b.d; });
    case Op::DivideD: return each([](R out, C a, C b) { out.d = a.d / b.d; });
    case Op::StrongMultiplyD: return each([](R out, C a, C b) { out.d = a.d == 0 ? 0 : a.d * b.d; });
    case Op::StrongDivideD: return each([](R out, C a, C b) { out.d = a.d == 0 ? 0 : a.d / b.d; });
    case Op::NegativeD: return each([](R out, C a, C) { out.d = -a.d; });
    case Op::SqrtD: return each([](R out, C a, C) { out.d = std::sqrt(a.d); });
    case Op::AddF: return each([](R out, C a, C b) { out.f = a.f + b.f; });
    case Op::SubtractF: return each([](R out, C a, C b) { out.f = a.f - b.f; });
    case Op::MultiplyF: return each([](R out, C a, C b) { out.f = a.f * b.f; });
    case Op::DivideF: return each([](R out, C a, C b) { out.f = a.f / b.f; });
    case Op::StrongMultiplyF: return each([](R out, C a, C b) { out.f = a.f == 0 ? 0 : a.f * b.f; });
    case Op::StrongDivideF: return each([](R out, C a, C b) { out.f = a.f == 0 ? 0 : a.f / b.f; });
    case Op::NegativeF: return each([](R out, C a, C) { out.f = -a.f; });
    case Op::SqrtF: return each([](R out, C a, C) { out.f = std::sqrt(a.f); });
    case Op::Loop:
    case Op::Call: break;  // not here
  }
}

Tape::Size Tape::size() const {
  Size size{0, 0, 0};
  for (const Group& g : groups_)
    (g.op < Op::Loop    ? size.operations
     : g.op == Op::Loop ? size.loops
                        : size.calls) += static_cast<std::size_t>(g.last - g.first);
  return size;
}

// Of operands that are known: what the step would give.
Tape::Register Tape::value_of(Op op, Register a, Register b) {
  Register registers[3] = {{0.0}, a, b};
  const Step step{0, 1, 2};
  run_arithmetic(op, &step, &step + 1, registers);
  return registers[0];
}

void Tape::run(Memory& memory, std::byte* const* inputs, std::byte* const* results) const {
  Register* const r = memory.registers.data();
  for (const Move& m : loads_) {
    const std::byte* from = m.base < 0 ? reinterpret_cast<const std::byte*>(m.offset) : inputs[m.base] + m.offset;
    copy_item(r[m.reg].bytes, from, m.item);
  }
  for (const Group& group : groups_) {
    const Step *first = steps_.data() + group.first, *last = steps_.data() + group.last;
    if (group.op < Op::Loop) {
      run_arithmetic(group.op, first, last, r);
      continue;
    }
    for (; first != last; ++first)
      group.op == Op::Loop ? run_lanes(loops_[static_cast<std::size_t>(first->a)], r)
                           : run_call(calls_[static_cast<std::size_t>(first->a)], memory);
  }
  for (const Move& m : stores_) {
    copy_item(results[m.base] + m.offset, r[m.reg].bytes, m.item);
  }
}

// A loop takes whole blocks: lanes that nobody asked for hold zeros, as the last block of a long array does.
void Tape::run_lanes(const Lanes& lanes, Register* r) const {
  alignas(64) std::byte operands[4][kLanes * 8];
  alignas(64) std::byte out[kLanes * 8];
  const void* in[4];
  const std::int32_t* reg = lists_.data() + lanes.first;
  if (lanes.n == 1) {
    for (std::size_t k = 0; k < lanes.n_in; ++k) in[k] = r[reg[k]].bytes;
    return lanes.work.run(1, r[reg[lanes.n_in]].bytes, in);
  }
  for (std::size_t k = 0; k < lanes.n_in; ++k) {
    const std::size_t item = lanes.in_item[k];
    std::memset(operands[k], 0, kLanes * item);
    for (std::size_t i = 0; i < lanes.n; ++i) copy_item(operands[k] + i * item, r[*reg++].bytes, item);
    in[k] = operands[k];
  }
  lanes.work.run(kLanes, out, in);
  for (std::size_t i = 0; i < lanes.n; ++i) copy_item(r[*reg++].bytes, out + i * lanes.out_item, lanes.out_item);
}

void Tape::run_call(const KernelCall& call, Memory& memory) const {
  Array* const arrays = memory.arrays.data() + call.first;
  const std::size_t n = call.operands.size();
  Register* const r = memory.registers.data();
  for (std::size_t k = 0; k < call.n_in; ++k) {
    const std::size_t item = itemsize(arrays[k].dtype());
    for (const Element& e : call.operands[k].elements) copy_item(arrays[k].bytes() + e.offset, r[e.reg].bytes, item);
  }
  const Call made{*call.kernel, {arrays, call.n_in}, {arrays + call.n_in, n - call.n_in}, *call.attrs};
  call.prepared ? call.prepared->run(made) : run_kernel(made);
  for (std::size_t k = call.n_in; k < n; ++k) {
    const std::size_t item = itemsize(arrays[k].dtype());
    for (const Element& e : call.operands[k].elements) copy_item(r[e.reg].bytes, arrays[k].bytes() + e.offset, item);
  }
}

}  // namespace alice::program
