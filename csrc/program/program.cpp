#include "program.h"

#include <chrono>
#include <shared_mutex>

namespace alice::program {
namespace {

// Held by those who read captured Tensors, exclusively by those who change them.
std::shared_mutex outside;

struct Waiting {
  const Chain& chain;
  std::byte* const* pointers;
};

void finish_part(void* context, std::int64_t row0, std::int64_t row1, std::int64_t column0, std::int64_t column1) {
  const auto& [chain, pointers] = *static_cast<const Waiting*>(context);
  const std::int64_t n = chain.columns;
  if (column0 == 0 && column1 == n) return chain.tiles.run_range(pointers, row0 * n, row1 * n);
  for (std::int64_t row = row0; row < row1; ++row)
    chain.tiles.run_range(pointers, row * n + column0, row * n + column1);
}

void fill_part(void* context, std::int64_t begin, std::int64_t n, void* to) {
  const auto& [chain, pointers] = *static_cast<const Waiting*>(context);
  chain.tiles.run_piece(pointers, begin, begin + n, chain.piece, to);
}

}  // namespace

std::unique_ptr<Program::Context> Program::take_context() const {
  if (Context* first = first_idle_.exchange(nullptr, std::memory_order_acquire)) return std::unique_ptr<Context>(first);
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Context> context = std::move(idle_.back());
      idle_.pop_back();
      return context;
    }
  }
  auto context = std::make_unique<Context>();
  context->arena = Array::empty({arena_bytes_}, DType::UInt8);
  const auto address = [&](const Place& p) {
    return p.base == kFixed   ? reinterpret_cast<std::byte*>(p.offset)
           : p.base == kArena ? context->arena.bytes() + p.offset
                              : nullptr;
  };
  for (const Slot& s : arrays_) {
    context->arrays.push_back(s.array);
    context->arrays.back().point_to(address(s.place));
  }
  for (const Place& p : pointers_) context->pointers.push_back(address(p));
  return context;
}

void Program::give_back(std::unique_ptr<Context> context) const {
  Context* none = nullptr;
  if (first_idle_.compare_exchange_strong(none, context.get(), std::memory_order_release, std::memory_order_relaxed)) {
    context.release();
    return;
  }
  std::lock_guard lock(mutex_);
  idle_.push_back(std::move(context));
}

void Program::run(std::byte* const* inputs, std::byte* const* results, bool profile, std::size_t& reached) const {
  std::unique_ptr<Context> context = take_context();
  struct Return {
    const Program& program;
    std::unique_ptr<Context>& context;
    ~Return() { program.give_back(std::move(context)); }
  } at_end{*this, context};

  const int n_inputs = static_cast<int>(graph_.inputs().size());
  const auto address = [&](const Place& p) {
    const int k = p.base - 1;
    return (k < n_inputs ? inputs[k] : results[k - n_inputs]) + p.offset;
  };
  for (std::size_t i : moving_arrays_) context->arrays[i].point_to(address(arrays_[i].place));
  for (std::size_t i : moving_pointers_) context->pointers[i] = address(pointers_[i]);

  std::unique_lock<std::shared_mutex> writing;
  std::shared_lock<std::shared_mutex> reading;
  if (changes_outside_)
    writing = std::unique_lock(outside);
  else if (reads_outside_)
    reading = std::shared_lock(outside);

  if (!profile) {
    for (const auto& instruction : instructions_) {
      ++reached;
      execute(*instruction, *context);
    }
    return;
  }
  using Clock = std::chrono::steady_clock;
  for (const auto& instruction : instructions_) {
    const auto start = Clock::now();
    ++reached;
    execute(*instruction, *context);
    instruction->nanoseconds += std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
    ++instruction->runs;
  }
}

void Program::mark_changes(std::size_t reached) const {
  for (const auto& [instruction, storage] : updates_)
    if (instruction < reached) storage->mark_changed();
}

void Program::execute(const Instruction& instruction, Context& context) const {
  const Chain* chain = instruction.chain.get();
  std::byte* const* pointers = chain ? context.pointers.data() + chain->first_pointer : nullptr;
  if (!instruction.kernel) return chain->tiles.run(pointers);

  Array* arrays = context.arrays.data() + instruction.first_array;
  const Call call{*instruction.kernel,
                  {arrays, instruction.n_in},
                  {arrays + instruction.n_in, instruction.n_out},
                  instruction.attrs};
  if (chain) {
    Waiting waiting{*chain, pointers};
    if (chain->head) return instruction.prepared->run_then(call, Epilogue{finish_part, &waiting});
    return instruction.prepared->run_fed(call, Feed{fill_part, &waiting});
  }
  if (instruction.prepared) return instruction.prepared->run(call);
  instruction.kernel->run[static_cast<int>(Device::Cpu)](call);
}

}  // namespace alice::program
