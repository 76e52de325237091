// Hot: every call runs through here.
#include "cpu_executor.h"

#include <chrono>

#include "../core/exchange.h"
#include "../core/in_place.h"

namespace alice::program {
namespace {

struct Waiting {
  const Chain& chain;
  const Tiles& tiles;
  std::byte* const* pointers;
};

void finish_part(void* context, std::int64_t row0, std::int64_t row1, std::int64_t column0, std::int64_t column1) {
  const auto& [chain, tiles, pointers] = *static_cast<const Waiting*>(context);
  const std::int64_t n = chain.columns;
  if (column0 == 0 && column1 == n) return tiles.run_range(pointers, row0 * n, row1 * n);
  for (std::int64_t row = row0; row < row1; ++row) tiles.run_range(pointers, row * n + column0, row * n + column1);
}

void fill_part(void* context, std::int64_t begin, std::int64_t n, void* to) {
  const auto& [chain, tiles, pointers] = *static_cast<const Waiting*>(context);
  tiles.run_piece(pointers, begin, begin + n, chain.piece, to);
}

}  // namespace

CpuExecutor::Borrowed::Borrowed(const CpuExecutor& owner) : owner_(owner) {
  for (auto& slot : owner.idle_) {
    if (!slot.load(std::memory_order_relaxed)) continue;
    context_.reset(slot.exchange(nullptr, std::memory_order_acquire));
    if (context_) return;
  }
  context_ = owner.make_context();
}

CpuExecutor::Borrowed::~Borrowed() {
  for (auto& slot : owner_.idle_) {
    Context* none = nullptr;
    if (!slot.compare_exchange_strong(none, context_.get(), std::memory_order_release, std::memory_order_relaxed))
      continue;
    context_.release();
    return;
  }
}

// What lies in the caller's memory is there now.
void CpuExecutor::move(Context& context, std::byte* const* inputs, std::byte* const* results) const {
  const int n_inputs = static_cast<int>(plan_->graph().inputs().size());
  const auto address = [&](const Place& p) {
    const int k = p.base - 1;
    return (k < n_inputs ? inputs[k] : results[k - n_inputs]) + p.offset;
  };
  for (std::size_t i : moving_arrays_) context.arrays[i].point_to(address(arrays_[i].place));
  for (std::size_t i : moving_pointers_) context.pointers[i] = address(pointers_[i]);
}

void CpuExecutor::Repeated::operator()(std::byte* const* inputs, std::byte* const* results) {
  if (executor_.tape_) return executor_.tape_->run((*context_).tape, inputs, results);
  executor_.move(*context_, inputs, results);
  std::size_t reached = 0;
  executor_.execute_all(*context_, &reached);
}

// What a run that throws has told other processes to write lies in memory that is about to serve others.
void CpuExecutor::execute_all(Context& context, std::size_t* reached) const {
  try {
    for (const Step& step : steps_) {
      ++*reached;
      execute(step, context);
    }
  } catch (...) {
    exchange::finish_all();
    throw;
  }
}

void CpuExecutor::run(std::byte* const* inputs, std::byte* const* results, bool profile, std::size_t* reached) const {
  const Borrowed borrowed(*this);
  Context& context = *borrowed;
  if (tape_ && !profile) {
    tape_->run(context.tape, inputs, results);
    *reached = steps_.size();
    return;
  }
  move(context, inputs, results);

  if (!profile) return execute_all(context, reached);
  using Clock = std::chrono::steady_clock;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const auto start = Clock::now();
    ++*reached;
    execute(steps_[i], context);
    timings_[i].nanoseconds += std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
    ++timings_[i].runs;
  }
}

void CpuExecutor::execute(const Step& step, Context& context) const {
  std::byte* const* pointers = context.pointers.data() + step.first_pointer;
  if (!step.kernel) return step.tiles->run(pointers);

  Array* arrays = context.arrays.data() + step.first_array;
  const Call call{*step.kernel, {arrays, step.n_in}, {arrays + step.n_in, step.n_out}, step.attrs};
  if (step.tiles) {
    const Chain& chain = *step.instruction->chain;
    Waiting waiting{chain, *step.tiles, pointers};
    if (chain.head) return step.prepared->run_then(call, Epilogue{finish_part, &waiting});
    return step.prepared->run_fed(call, Feed{fill_part, &waiting});
  }
  if (step.instruction->update) return update(step, call);
  if (step.prepared) return step.prepared->run(call);
  run_kernel(call);
}

void CpuExecutor::update(const Step& step, const Call& call) const {
  const auto run = [&](const Call& c) {
    mark_changed(c.out);
    step.prepared ? step.prepared->run(c) : run_kernel(c);
  };
  if (!step.instruction->may_read_changed) return run(call);
  const Sources sources(call.in, call.out);
  run(Call{call.kernel, sources.in(), call.out, call.attrs});
}

}  // namespace alice::program
