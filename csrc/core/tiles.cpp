#include "tiles.h"

#include <algorithm>

#include "chunks.h"
#include "scratch.h"

namespace alice {
namespace {

constexpr std::int64_t kScratch = 32 * 1024;  // of one thread: what lies between the loops fits the nearest cache
constexpr std::int64_t kLongestTile = 512;    // with what lies in memory beside it, a few of them fit too
// What comes from memory arrives while the processor works only if it sees past the ends of the loops: a tile's worth
// of all steps must not be much longer than its window. Asking ahead for the next tile gains nothing beside that.
constexpr std::int64_t kFarTile = 192;
constexpr std::int64_t kTileStep = 16;
constexpr std::int64_t kLongRow = 64;  // shorter rows are gathered: a loop call should have something to do
constexpr std::int64_t kNear = 4 * 1024 * 1024;
constexpr int kMaxValues = 192;

}  // namespace

Tiles::Tiles(const Dims& shape) : shape_(shape) {
  for (std::int64_t n : shape) size_ *= n;
}

int Tiles::add_input(const Array& x) {
  values_.push_back({Role::Input, Reading::Moving, static_cast<std::int64_t>(itemsize(x.dtype())), Operand(x, shape_)});
  return static_cast<int>(values_.size()) - 1;
}

int Tiles::add_constant(const Array& x) {
  const int value = add_input(x);
  values_.back().role = Role::Constant;
  values_.back().reading = Reading::Still;
  values_.back().constant = x.bytes();
  return value;
}

int Tiles::add_result(DType dtype) {
  values_.push_back({Role::Result, Reading::Moving, static_cast<std::int64_t>(itemsize(dtype))});
  return static_cast<int>(values_.size()) - 1;
}

int Tiles::add_buffer(DType dtype) {
  values_.push_back({Role::Buffer, Reading::Still, static_cast<std::int64_t>(itemsize(dtype))});
  return static_cast<int>(values_.size()) - 1;
}

// Operands that repeat within a tile are laid out once for all tiles, if every tile begins where the operand does.
void Tiles::choose_readings() {
  bool rows = false;
  for (Value& v : values_) {
    if (v.role != Role::Input || v.operand.contiguous()) continue;
    const std::int64_t period = v.operand.period();
    if (period == 1 || 2 * period <= tile_) {
      v.reading = Reading::Still;
      tile_ -= tile_ % period;
    } else {
      v.reading = v.operand.row() >= kLongRow ? Reading::Rows : Reading::Gathered;
      rows = rows || v.reading == Reading::Rows;
    }
  }
  for (Value& v : values_)
    if (v.role == Role::Input && v.reading == Reading::Still && v.operand.period() > 1 &&
        (rows || tile_ % v.operand.period() != 0))
      v.reading = rows && v.operand.row() >= kLongRow ? Reading::Rows : Reading::Gathered;
}

// Is what a step writes into a buffer read by the step behind it, once, and by nobody else?
bool Tiles::dies_in_next(std::size_t step) const {
  const int value = steps_[step].out;
  if (values_[static_cast<std::size_t>(value)].role != Role::Buffer) return false;
  const auto reads = [&](const Step& s) { return std::count(s.in, s.in + s.n_in, value); };
  if (reads(steps_[step + 1]) != 1) return false;
  if (steps_[step + 1].out == value) return true;
  for (std::size_t later = step + 2; later < steps_.size(); ++later) {
    if (reads(steps_[later])) return false;
    if (steps_[later].out == value) return true;
  }
  return true;
}

// The loop of a function and of its slope: of what scales ones by the slope at the same operand. Or null.
SlopeLoop Tiles::both(const Step& step, const Step& next) const {
  if (step.n_in != 1 || next.n_in != 2 || next.in[1] != step.in[0]) return nullptr;
  const Value& scaled = values_[static_cast<std::size_t>(next.in[0])];
  if (scaled.role != Role::Constant || step.work.converts() || next.work.converts()) return nullptr;
  const SlopeLoop loop = slope_loop(step.work.loop, next.work.loop);
  const bool ones = scaled.item == 4 ? *reinterpret_cast<const float*>(scaled.constant) == 1.0f
                                     : *reinterpret_cast<const double*>(scaled.constant) == 1.0;
  return ones ? loop : nullptr;
}

// Neighbouring steps for which there is one loop become one.
void Tiles::join_steps() {
  std::vector<Step> joined;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    Step s = steps_[i];
    if (i + 1 < steps_.size() && (s.both = both(s, steps_[i + 1]))) {
      s.slopes = steps_[++i].out;
      s.work.cost = 0.6 * (s.work.cost + steps_[i].work.cost);
    } else if (i + 1 < steps_.size() && dies_in_next(i)) {
      const Step& next = steps_[i + 1];
      const int operand = static_cast<int>(std::find(next.in, next.in + next.n_in, s.out) - next.in);
      const bool rounded = s.work.converts() || next.work.converts();  // what lies between is
      Loop joint = rounded ? nullptr : Registry::instance().both(s.work.loop, next.work.loop, operand);
      if (joint) {
        s.work = {joint, {}, 0.6 * (s.work.cost + next.work.cost)};
        s.in[s.n_in++] = next.in[1 - operand];
        s.out = next.out;
        ++i;
      }
    }
    joined.push_back(s);
  }
  steps_ = std::move(joined);
}

void Tiles::finish() {
  join_steps();
  double cost = 0;
  for (const Step& s : steps_) cost += s.work.cost;
  std::int64_t moved = 0;
  for (Value& v : values_) {
    item_ = std::max(item_, v.item);
    const bool scratch = v.role == Role::Buffer || (v.role == Role::Input && !v.operand.contiguous());
    if (scratch) v.buffer = buffers_++;
    if (v.reading == Reading::Moving) moved += size_ * v.item;
  }
  tile_ = kScratch / (std::max(buffers_, 1) * item_);
  tile_ = std::clamp(tile_ / kTileStep * kTileStep, kTileStep, moved > kNear ? kFarTile : kLongestTile);
  choose_readings();
  chunk_ = std::max(kChunkItems, static_cast<std::int64_t>(kChunkNanoseconds / cost));
  chunk_ = (chunk_ + tile_ - 1) / tile_ * tile_;
  scattered_ = std::any_of(values_.begin(), values_.end(),
                           [](const Value& v) { return v.reading == Reading::Rows || v.reading == Reading::Gathered; });
  for (Value& v : values_)
    if (v.role == Role::Constant) {
      v.constants.resize(static_cast<std::size_t>(std::min(tile_, size_) * v.item));
      splat(v.item, v.constant, std::min(tile_, size_), v.constants.data());
    }
}

// Finds or gathers the elements of operands that do not lie one behind the other, for a tile of at most n: it ends
// where a row ends that is read in place.
std::int64_t Tiles::place(std::byte* const* memory, std::int64_t begin, std::int64_t n, std::byte** at) const {
  for (const Value& v : values_)
    if (v.reading == Reading::Rows) n = std::min(n, v.operand.row() - begin % v.operand.row());
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const Value& v = values_[i];
    if (v.reading == Reading::Rows) at[i] = memory[i] + v.operand.offset(begin) * v.item;
    if (v.reading == Reading::Gathered) v.operand.gather(memory[i], begin, n, at[i]);
  }
  return n;
}

void Tiles::run_range(std::byte* const* memory, std::int64_t begin, std::int64_t end) const {
  const Scratch<std::byte> scratch(buffers_ * tile_ * item_);
  std::byte* at[kMaxValues];
  const std::size_t count = values_.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Value& v = values_[i];
    if (v.reading == Reading::Moving) {
      at[i] = memory[i] + begin * v.item;
    } else if (v.role == Role::Constant) {
      at[i] = const_cast<std::byte*>(v.constants.data());  // nobody writes there
    } else if (v.buffer >= 0) {
      at[i] = scratch.data() + v.buffer * tile_ * item_;
      if (v.role == Role::Input && v.reading == Reading::Still)
        v.operand.gather(memory[i], begin, std::min(tile_, end - begin), at[i]);
    }
  }
  while (begin < end) {
    std::int64_t n = std::min(tile_, end - begin);
    if (scattered_) n = place(memory, begin, n, at);
    for (const Step& s : steps_) {
      const void* in[4];
      for (int k = 0; k < s.n_in; ++k) in[k] = at[s.in[k]];
      s.both ? s.both(n, at[s.out], at[s.slopes], in[0]) : s.work.run(n, at[s.out], in);
    }
    begin += n;
    if (begin == end) return;
    for (std::size_t i = 0; i < count; ++i)
      if (values_[i].reading == Reading::Moving) at[i] += n * values_[i].item;
  }
}

void Tiles::run_piece(std::byte* const* memory, std::int64_t begin, std::int64_t end, int piece, void* to) const {
  std::byte* moved[kMaxValues];
  std::copy_n(memory, values_.size(), moved);
  moved[piece] = static_cast<std::byte*>(to) - begin * values_[static_cast<std::size_t>(piece)].item;
  run_range(moved, begin, end);
}

void Tiles::run(std::byte* const* memory) const {
  if (size_ == 0) return;
  if (size_ <= chunk_) return run_range(memory, 0, size_);
  parallel_chunks(size_, chunk_, [&](std::int64_t begin, std::int64_t end) { run_range(memory, begin, end); });
}

}  // namespace alice
