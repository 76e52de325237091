#include "thread_state.h"

#include "features.h"

namespace alice {

ThreadState::ThreadState() : number(take_thread_number()), features(std::make_unique<Features>()) {
  let_go_of_remains();
}

ThreadState::~ThreadState() { give_back_thread_number(number); }

namespace {
std::uint64_t begun = 0;  // under the interpreter lock
}

std::uint64_t contexts_begun() { return begun; }

void begin_context(ThreadState& state) {
  if (state.depth() == kDeepestContext)
    fail(ErrorKind::Gradient, "grad: at most ", kDeepestContext, " nested gradients are supported");
  state.begun_at.push_back(++begun);
  state.active |= 1u << state.depth();
}

void end_context(ThreadState& state) {
  state.active &= ~(1u << state.depth());
  state.begun_at.pop_back();
}

thread_local constinit ThreadState* detail::this_thread = nullptr;

ThreadState& detail::begin_thread() {
  thread_local ThreadState state;
  this_thread = &state;
  return state;
}

}  // namespace alice
