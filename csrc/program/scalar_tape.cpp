// Hot: every call runs through here.
#include "scalar_tape.h"

#include <algorithm>
#include <cstring>

namespace alice::program {
namespace {

// Most items are of 8 bytes or 4, and bools of one, for which it is one move.
void copy_item(std::byte* to, const std::byte* from, std::size_t item) {
  item == 8   ? std::memcpy(to, from, 8)
  : item == 4 ? std::memcpy(to, from, 4)
  : item == 1 ? std::memcpy(to, from, 1)
              : std::memcpy(to, from, item);
}

// The largest items come first: one loop for those of 8 bytes.
template <class Moves, class Copy>
void each_move(const Moves& moves, Copy copy) {
  auto m = moves.begin();
  for (; m != moves.end() && m->item == 8; ++m) copy(*m, 8);
  for (; m != moves.end(); ++m) copy(*m, m->item);
}

}  // namespace

Tape::Memory ScalarTape::make_memory() const {
  Memory memory{Array::empty({static_cast<std::int64_t>(start_.size())}, DType::Float64), make_arrays()};
  std::copy(start_.begin(), start_.end(), reinterpret_cast<Register*>(memory.registers.bytes()));
  return memory;
}

std::vector<Array> ScalarTape::make_arrays() const {
  std::vector<Array> arrays;
  for (const KernelCall& call : calls_)
    for (const Operand& operand : call.operands) {
      const Array bytes = Array::empty({std::max<std::int64_t>(operand.bytes, 1)}, DType::UInt8);
      arrays.push_back(Array::wrap(bytes.storage(), bytes.bytes() - operand.begin, operand.layout.dtype(),
                                   operand.layout.shape(), operand.layout.strides()));
    }
  return arrays;
}

Tape::Size ScalarTape::size() const {
  Size size{0, 0, 0, 1};
  for (const Group& g : groups_)
    (g.run ? size.operations : g.op == kLoop ? size.loops : size.calls) += static_cast<std::size_t>(g.last - g.first);
  return size;
}

void ScalarTape::load(const std::vector<Move>& moves, std::byte* const* inputs, Register* r) {
  each_move(moves, [&](const Move& m, std::size_t item) {
    const std::byte* from = m.base < 0 ? reinterpret_cast<const std::byte*>(m.offset) : inputs[m.base] + m.offset;
    copy_item(r[m.reg].bytes, from, item);
  });
}

void ScalarTape::store(const std::vector<Move>& moves, const Register* r, std::byte* const* results) {
  each_move(moves,
            [&](const Move& m, std::size_t item) { copy_item(results[m.base] + m.offset, r[m.reg].bytes, item); });
}

void ScalarTape::run(Memory& memory, std::byte* const* inputs, std::byte* const* results) const {
  auto* const r = reinterpret_cast<Register*>(memory.registers.bytes());
  load(loads_, inputs, r);
  compute(groups_, memory.arrays, r);
  store(stores_, r, results);
}

void ScalarTape::compute(const std::vector<Group>& groups, std::vector<Array>& arrays, Register* r) const {
  for (const Group& group : groups) {
    if (group.run) {
      group.run(group.first, group.last, r->bytes, 1);
      continue;
    }
    for (const ArithmeticStep* s = group.first; s != group.last; ++s)
      group.op == kLoop ? run_lanes(loops_[static_cast<std::size_t>(s->a)], r)
                        : run_call(calls_[static_cast<std::size_t>(s->a)], arrays, r);
  }
}

// A loop takes whole blocks: lanes that nobody asked for hold zeros, as the last block of a long array does.
void ScalarTape::run_lanes(const Lanes& lanes, Register* r) const {
  if (lanes.items) return run_items(lanes, r);
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

void ScalarTape::run_items(const Lanes& lanes, Register* r) const {
  alignas(64) std::byte operands[Expansion::kMostItems][kLanes * 8];
  alignas(64) std::byte out[kLanes * 8];
  const void* in[Expansion::kMostItems];
  const std::int32_t* reg = lists_.data() + lanes.first;
  if (lanes.n == 1) {
    for (std::size_t k = 0; k < lanes.n_in; ++k) in[k] = r[reg[k]].bytes;
    return lanes.items->run(1, r[reg[lanes.n_in]].bytes, in);
  }
  for (std::size_t k = 0; k < lanes.n_in; ++k) {
    const std::size_t item = lanes.in_item[0];
    for (std::size_t i = 0; i < lanes.n; ++i) copy_item(operands[k] + i * item, r[*reg++].bytes, item);
    in[k] = operands[k];
  }
  lanes.items->run(lanes.n, out, in);
  for (std::size_t i = 0; i < lanes.n; ++i) copy_item(r[*reg++].bytes, out + i * lanes.out_item, lanes.out_item);
}

void ScalarTape::run_call(const KernelCall& call, std::vector<Array>& all, Register* r) const {
  Array* const arrays = all.data() + call.first;
  const std::size_t n = call.operands.size();
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
