// What a thread is doing: which differentiation contexts are live, and who else sees what it computes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "interpreter.h"

namespace alice {

struct Features;  // features.h

// Differentiation contexts are bits: bit 0 is that of backward(), which never ends, and bit k the k-th nested grad or
// vjp of the thread. A bit is given again when its context has ended, so a value also says how many contexts had begun
// when it was made: those that began later are not its own.
constexpr int kDeepestContext = 31;

struct ThreadState {
  std::uint32_t active = 1;                // the contexts that follow what is computed now
  std::uint8_t number = 0;                 // no other thread has it; 0 where there are too many
  Interpreters interpreters;               // usually none
  std::vector<std::uint64_t> begun_at{0};  // of the contexts that are open, by bit: contexts_begun() then, increasing
  std::unique_ptr<Features> features;      // what all that is built on the engine keeps for the thread

  int depth() const { return static_cast<int>(begun_at.size()) - 1; }  // contexts that are open besides bit 0

  ThreadState();
  ThreadState(const ThreadState&) = delete;
  ~ThreadState();
};

std::uint64_t contexts_begun();  // so far, on all threads
void begin_context(ThreadState& state);
void end_context(ThreadState& state);

// Of these contexts, those that a value may belong to that was made when so many had begun.
inline std::uint32_t begun_by(std::uint64_t born, std::uint32_t levels, const ThreadState& state) {
  for (std::size_t k = state.begun_at.size() - 1; state.begun_at[k] > born; --k)
    levels &= ~(1u << k);  // 0 > born: never
  return levels;
}

namespace detail {
extern thread_local constinit ThreadState* this_thread;  // null until somebody asks
ThreadState& begin_thread();
}  // namespace detail

inline ThreadState& thread_state() { return detail::this_thread ? *detail::this_thread : detail::begin_thread(); }

}  // namespace alice
