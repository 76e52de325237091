// What a thread is doing: which differentiation contexts are live, and who writes down the equations.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "errors.h"

namespace alice {

class RuleScope;        // record.h
struct Session;         // session.h
struct ForwardContext;  // forward.h
class Watcher;          // watcher.h

// Differentiation contexts are bits: bit 0 is that of backward(), which never ends, and bit k the k-th nested grad or
// vjp of the thread. A bit is given again when its context has ended, so a value also says how many contexts had begun
// when it was made: those that began later are not its own.
constexpr int kDeepestContext = 31;

struct ThreadState {
  std::uint32_t active = 1;          // the contexts that follow what is computed now
  std::uint8_t number = 0;           // no other thread has it; 0 where there are too many
  py::object recorder, reads;        // lists of every equation, and of every Tensor whose elements leave; or null
  Session* session = nullptr;        // a function is being traced: nothing is computed, everything is written down
  std::uint8_t tracing = 0;          // how many sessions are open, one in the other
  py::object checker;                // is shown every executed call; or null
  const RuleScope* rules = nullptr;  // of the equation whose gradient rules run
  bool accumulating = false;         // contributions to an adjoint are added up
  std::vector<std::shared_ptr<ForwardContext>> forward;  // the outermost first
  Watcher* watcher = nullptr;                            // of the innermost checkpointed call that is running
  std::vector<py::object> entered;         // the sessions, which the thread refers to; the outermost first
  std::vector<std::uint64_t> begun_at{0};  // of the contexts that are open, by bit: contexts_begun() then, increasing
  std::uint64_t scope = 0;                 // number of the innermost Scope that is entered
  py::object modes;                        // see modes.h: those of the Python context that was looked at last, or null
  std::uint64_t context = 0;               // its version

  int depth() const { return static_cast<int>(begun_at.size()) - 1; }  // contexts that are open besides bit 0

  ThreadState();
  ThreadState(const ThreadState&) = delete;
  // A thread that ends in the middle of something ends without the interpreter's lock, perhaps after the interpreter:
  // what it held is left to others.
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

// What threads held that ended in the middle of something; a thread that begins lets go of it, too.
void let_go_of_remains();

// What __enter__ and __exit__ of a Python object change here. They must come in pairs, inner ones within outer ones, on
// one thread; else they throw, and change nothing.
class Scope {
 public:
  bool entered() const { return state_; }
  void enter(const char* who);
  void exit(const char* who);

 private:
  ThreadState* state_ = nullptr;          // null while it is not entered
  std::uint64_t number_ = 0, outer_ = 0;  // never used again
};

}  // namespace alice
