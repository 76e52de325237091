// While a checkpointed function runs, for the first time or again, a Watcher on this thread sees what it does. Calls
// nest, and so do watchers; every equation is shown to all of them.
#pragma once

#include <utility>

#include "engine.h"

namespace alice {

class Watcher {
 public:
  Watcher() : outer_(thread_state().watcher), scope_(thread_state().scope) { thread_state().watcher = this; }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  virtual ~Watcher() {
    thread_state().watcher = outer_;
    thread_state().scope = scope_;  // what was entered and not left cannot be left any more: it would bring this back
  }

  // An equation that somebody differentiates through, and its result: a Tensor, or a tuple of them.
  void note_all(EquationObject* eq, py::handle result) {
    for (Watcher* w = this; w; w = w->outer_) w->note(eq, result);
  }
  bool repeats_any() const { return repeats() || (outer_ && outer_->repeats_any()); }

  // Where an op that is given `t` takes the elements from; borrowed. For differentiation its operand is `t`.
  virtual TensorObject* value(TensorObject* t) { return outer_ ? outer_->value(t) : t; }
  // An in-place update is about to happen; true if it shall not.
  virtual bool update(const Kernel& kernel, py::tuple inputs, py::tuple attributes, py::tuple targets) {
    return outer_ && outer_->update(kernel, inputs, attributes, targets);
  }

 protected:
  virtual void note(EquationObject* eq, py::handle result) = 0;
  virtual bool repeats() const { return false; }

 private:
  Watcher* outer_;
  const std::uint64_t scope_;
};

// No watcher is told of what happens as long as this lives.
class Unwatched {
 public:
  Unwatched() : before_(std::exchange(thread_state().watcher, nullptr)) {}
  ~Unwatched() { thread_state().watcher = before_; }
  Unwatched(const Unwatched&) = delete;

 private:
  Watcher* before_;
};

}  // namespace alice
