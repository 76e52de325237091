// Small: runs while a function with rules of its own is differentiated.
#include "captured.h"

#include "modes.h"
#include "session.h"

namespace alice {

void Captured::prepare() {
  const ThreadState& state = thread_state();
  active_ = state.active;
  forward_ = forward_contexts(state);
  depth_ = tracing_depth(state);
  later_ = may_be_followed_later(state);
}

void Captured::begin(const py::tuple& own) {
  for (py::handle h : own) own_.insert(as_tensor(h.ptr()));
  outer_ = static_cast<Captured*>(thread_state().interpreters.exchange(Interpreters::kCaptured, this));
  sees_ = true;
}

void Captured::end() {
  if (std::exchange(sees_, false)) thread_state().interpreters.exchange(Interpreters::kCaptured, outer_);
}

void Captured::see(const BoundCall& call) {
  if (call.primitive->differentiable)
    for (TensorObject* t : call.operands) read(t);
}

void Captured::made(TensorObject* t) {
  for (Captured* c = this; c; c = c->outer_) c->own_.insert(t);
}

void Captured::read(TensorObject* t) {
  for (Captured* c = this; c; c = c->outer_) {
    if (!is_floating(t->array.dtype()) || t->trace > c->depth_ || c->own_.contains(t)) continue;
    if (!c->later_ && !(t->contexts & c->active_) && !has_tangent(t, c->forward_)) continue;
    c->own_.insert(t);
    c->found_.append(py::handle(as_object(t)));
  }
}

void note_captured(TensorObject* t) {
  if (Interpreter* captured = thread_state().interpreters[Interpreters::kCaptured])
    static_cast<Captured*>(captured)->read(t);
}

}  // namespace alice
