#include "elsewhere.h"

#include <array>
#include <bit>
#include <vector>

#include "extension.h"
#include "forward.h"
#include "session.h"

namespace alice {
namespace {

// All of this is under the interpreter lock.
struct Levels {
  std::uint32_t open = 0;
  std::array<std::uint64_t, kDeepestContext + 1> begun_at{};
};
std::array<Levels, 256> levels_of{};  // by number of the thread
struct Open {
  std::uint64_t id;
  const ThreadState* thread;
};
std::vector<Open>& open_forwards() {
  static auto* all = new std::vector<Open>;
  return *all;
}

bool is_reversed_elsewhere(const TensorObject* t) {
  if (t->thread == thread_state().number) return false;
  const Levels& there = levels_of[t->thread];
  for (std::uint32_t left = t->levels & there.open; left; left &= left - 1)
    if (there.begun_at[static_cast<std::size_t>(std::countr_zero(left))] <= t->born) return true;
  return false;
}

bool is_pushed_elsewhere(const TensorObject* t) {
  for (const Open& open : open_forwards())
    if (open.thread != &thread_state() && has_tangent(t, open.id)) return true;
  return false;
}

}  // namespace

void open_level() {
  const ThreadState& state = thread_state();
  if (!state.number) return;
  Levels& mine = levels_of[state.number];
  mine.open |= 1u << state.depth();
  mine.begun_at[static_cast<std::size_t>(state.depth())] = state.begun_at.back();
}
void close_level() {
  const ThreadState& state = thread_state();
  levels_of[state.number].open &= ~(1u << state.depth());
}

void open_forward(const ForwardContext& context) { open_forwards().push_back({context.id, &thread_state()}); }
void close_forward(const ForwardContext& context) {
  std::erase_if(open_forwards(), [&](const Open& open) { return open.id == context.id; });
}

void refuse_strange(const TensorObject* t, const char* op) {
  if (t->trace > tracing_depth(thread_state()) && t->array.is_abstract())
    fail(ErrorKind::Trace, op, ": expected a value of this thread; got an abstract Tensor, shape ", t->array.shape(),
         ", of a function that vmap or compile traces on another thread, or has traced; compute on the thread that "
         "runs the function, and return what is needed from it");
  if (is_reversed_elsewhere(t) || is_pushed_elsewhere(t))
    fail(ErrorKind::Gradient, op, ": expected a value of this thread; got one, shape ", t->array.shape(),
         ", that grad, jvp or another transform differentiates on another thread, which would not learn of this op; "
         "compute on the thread that runs the function, or take ac.stop_gradient(x) there if a constant is meant");
}

}  // namespace alice
