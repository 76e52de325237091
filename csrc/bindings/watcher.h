// While a checkpointed function runs, for the first time or again, a Watcher on this thread sees what it does. Calls
// nest, and so do watchers; every equation is shown to all of them.
#pragma once

#include <utility>

#include "features.h"

namespace alice {

class Watcher : public Interpreter {
 public:
  Watcher() : state_(thread_state()), scope_(state_.features->scope) {
    outer_ = static_cast<Watcher*>(state_.interpreters.exchange(Interpreters::kCheckpoint, this));
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  virtual ~Watcher() {
    state_.interpreters.exchange(Interpreters::kCheckpoint, outer_);
    state_.features->scope = scope_;  // what was entered and not left cannot be left any more: it would bring this back
  }

  void see(const BoundCall& call) override {
    if (!call.equation || !call.equation->contexts) return;
    for (Watcher* w = this; w; w = w->outer_) w->note(call.equation, call.result);
  }
  bool repeats_any() const { return repeats() || (outer_ && outer_->repeats_any()); }

  TensorObject* value(TensorObject* t) override { return outer_ ? outer_->value(t) : t; }
  // An in-place update is about to happen; true if it shall not.
  virtual bool update(const Kernel& kernel, py::tuple inputs, py::tuple attributes, py::tuple targets) {
    return outer_ && outer_->update(kernel, inputs, attributes, targets);
  }

 protected:
  // An equation that somebody differentiates through, and its result: a Tensor, or a tuple of them.
  virtual void note(EquationObject* eq, py::handle result) = 0;
  virtual bool repeats() const { return false; }

 private:
  ThreadState& state_;
  Watcher* outer_;
  const std::uint64_t scope_;
};

inline Watcher* watcher_of(const ThreadState& state) {  // of the innermost checkpointed call that is running; or null
  return static_cast<Watcher*>(state.interpreters[Interpreters::kCheckpoint]);
}

// What runs again would do again what backward() does to .grad.
inline void check_not_checkpointed(const char* op) {
  if (watcher_of(thread_state()))
    fail(ErrorKind::Gradient, op,
         ": called inside a checkpointed function, which will run again and would add to .grad twice; use ac.grad "
         "there");
}

// No watcher is told of what happens as long as this lives.
class Unwatched {
 public:
  Unwatched() : before_(thread_state().interpreters.exchange(Interpreters::kCheckpoint, nullptr)) {}
  ~Unwatched() { thread_state().interpreters.exchange(Interpreters::kCheckpoint, before_); }
  Unwatched(const Unwatched&) = delete;

 private:
  Interpreter* const before_;
};

}  // namespace alice
