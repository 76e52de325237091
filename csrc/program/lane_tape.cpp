// Hot: every call runs through here.
#include "lane_tape.h"

#include <cstring>

#include "../core/chunks.h"
#include "../core/scratch.h"

namespace alice::program {
namespace {

// What f(T) does, for an item of so many bytes.
template <class F>
void for_item(std::uint8_t item, F&& f) {
  switch (item) {
    case 8: return f(std::uint64_t{});
    case 4: return f(std::uint32_t{});
    case 2: return f(std::uint16_t{});
    default: return f(std::uint8_t{});
  }
}

}  // namespace

Tape::Memory LaneTape::make_memory() const {
  Memory memory{Array::empty({bytes_}, DType::UInt8), {}};
  std::byte* const registers = memory.registers.bytes();
  std::memset(registers, 0, static_cast<std::size_t>(bytes_));
  for (const Constant& c : constants_)
    for (std::int64_t lane = 0; lane < lanes_; ++lane)
      std::memcpy(registers + std::int64_t{8} * c.reg + lane * c.item, c.value.bytes, c.item);
  return memory;
}

Tape::Size LaneTape::size() const { return {steps_.size(), loops_.size(), 0, static_cast<std::size_t>(lanes_)}; }

void LaneTape::run(Memory& memory, std::byte* const* inputs, std::byte* const* results) const {
  const std::int64_t blocks = (examples_ + lanes_ - 1) / lanes_;
  std::byte* const own = memory.registers.bytes();
  if (blocks <= blocks_per_chunk_) {
    for (std::int64_t block = 0; block < blocks; ++block) run_block(own, block * lanes_, inputs, results);
    return;
  }
  parallel_chunks(blocks, blocks_per_chunk_, [&](std::int64_t first, std::int64_t last) {
    const Scratch<std::byte> registers(bytes_);
    std::memcpy(registers.data(), own, constants_.size() * static_cast<std::size_t>(slot_));
    for (std::int64_t block = first; block < last; ++block)
      run_block(registers.data(), block * lanes_, inputs, results);
  });
}

// Lanes behind the last example do the work of that one again: nothing rare happens there that did not happen here.
void LaneTape::run_block(std::byte* r, std::int64_t begin, std::byte* const* inputs, std::byte* const* results) const {
  const std::int64_t n = std::min(lanes_, examples_ - begin);
  const auto at = [r](std::int32_t reg) { return r + std::int64_t{8} * reg; };
  for (const Move& m : loads_)
    for_item(m.item, [&]<class T>(T item) {
      const std::byte* from = m.base < 0 ? reinterpret_cast<const std::byte*>(m.offset) : inputs[m.base] + m.offset;
      from += begin * m.stride;
      std::byte* to = at(m.reg);
      for (std::int64_t lane = 0; lane < n; ++lane, to += sizeof item) {
        std::memcpy(&item, from + lane * m.stride, sizeof item);
        std::memcpy(to, &item, sizeof item);
      }
      for (std::int64_t lane = n; lane < lanes_; ++lane, to += sizeof item) std::memcpy(to, &item, sizeof item);
    });
  for (const Group& group : groups_) {
    if (group.run) {
      group.run(steps_.data() + group.first, steps_.data() + group.last, r, lanes_);
      continue;
    }
    for (std::int32_t i = group.first; i < group.last; ++i) {
      const Loop& loop = loops_[static_cast<std::size_t>(i)];
      const void* in[Expansion::kMostItems];
      const std::int32_t* operands = operands_.data() + loop.first;
      for (std::int32_t k = 0; k < loop.n_in; ++k) in[k] = at(operands[k]);
      loop.items ? loop.items->run(lanes_, at(loop.out), in) : loop.work.run(lanes_, at(loop.out), in);
    }
  }
  for (const Move& m : stores_) {
    if (m.stride == 0 && begin > 0) continue;
    for_item(m.item, [&]<class T>(T) {
      std::byte* const to = results[m.base] + m.offset + begin * m.stride;
      const std::byte* from = at(m.reg);
      for (std::int64_t lane = 0; lane < (m.stride ? n : 1); ++lane, from += sizeof(T))
        std::memcpy(to + lane * m.stride, from, sizeof(T));
    });
  }
}

}  // namespace alice::program
