// What a thread is doing: which differentiation contexts are live, and who else sees what it computes.
#pragma once

#include <memory>

#include "contexts.h"
#include "interpreters.h"

namespace alice {

struct Features;  // features.h

struct ThreadState {
  Contexts open{kBackward};            // that have not ended
  Contexts active{kBackward};          // and follow what is computed now: no_grad() mutes some
  Interpreters interpreters;           // usually none
  std::unique_ptr<Features> features;  // what all that is built on the engine keeps for the thread

  ThreadState();
  ThreadState(const ThreadState&) = delete;
  ~ThreadState();
};

std::uint64_t begin_context(ThreadState& state);  // its number
void end_context(ThreadState& state, std::uint64_t number);

namespace detail {
extern thread_local constinit ThreadState* this_thread;  // null until somebody asks
ThreadState& begin_thread();
}  // namespace detail

inline ThreadState& thread_state() { return detail::this_thread ? *detail::this_thread : detail::begin_thread(); }

}  // namespace alice
