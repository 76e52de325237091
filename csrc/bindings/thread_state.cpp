#include "thread_state.h"

#include "elsewhere.h"
#include "features.h"

namespace alice {

ThreadState::ThreadState() : features(std::make_unique<Features>()) { let_go_of_remains(); }

// A thread that ends in the middle of something ends without the interpreter's lock: what others share is left there.
ThreadState::~ThreadState() {
  for (Contexts* contexts : {&open, &active})
    if (contexts->has_others()) new Contexts(std::move(*contexts));
}

std::uint64_t begin_context(ThreadState& state) {
  const Contexts begun(new_context());
  state.features->outer.push_back(state.open);
  state.open |= begun;
  state.active = (state.active | begun) & state.open;  // the same word, where nothing is muted
  note_begin(begun.innermost());
  return begun.innermost();
}

void end_context(ThreadState& state, std::uint64_t number) {
  if (number == kBackward || number != state.open.innermost())
    fail(ErrorKind::Value, "end_context: expected the innermost differentiation context of this thread; got number ",
         number);
  note_end(number);
  state.open = std::move(state.features->outer.back());  // which takes no memory: a context always ends
  state.features->outer.pop_back();
  state.active = state.active & state.open;
}

thread_local constinit ThreadState* detail::this_thread = nullptr;

ThreadState& detail::begin_thread() {
  thread_local ThreadState state;
  this_thread = &state;
  return state;
}

}  // namespace alice
