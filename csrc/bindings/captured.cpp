// Small: runs while a function with rules of its own is differentiated.
#include "captured.h"

#include <algorithm>

#include "modes.h"
#include "session.h"
#include "views.h"

namespace alice {

void Captured::prepare() {
  const ThreadState& state = thread_state();
  active_ = state.active;
  forward_ = forward_contexts(state);
  depth_ = tracing_depth(state);
  later_ = may_be_followed_later(state);
}

void Captured::begin(py::tuple handles, const py::tuple& arguments) {
  handles_ = std::move(handles);
  arguments_ = arguments;
  for (py::handle h : handles_) own_.insert(as_tensor(h.ptr()));
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

TensorObject* Captured::argument(TensorObject* handle) const {
  TensorObject* t = handle;
  for (const Captured* c = this; c; c = c->outer_)
    for (std::size_t i = 0; i < c->handles_.size(); ++i) {
      if (c->handles_[i].ptr() != as_object(t)) continue;
      TensorObject* from = as_tensor(c->arguments_[i].ptr());
      if (t->producer && !from->producer) return t;  // the equation in between has a result, which nothing changes
      t = from;
      break;
    }
  return t;
}

void Captured::changed(const std::vector<TensorObject*>& arguments) const {
  for (const Captured* c = this; c; c = c->outer_)
    for (py::handle h : c->handles_)
      if (TensorObject* t = as_tensor(h.ptr()); std::ranges::find(arguments, argument(t)) != arguments.end())
        t->version = version_of(t->array);
}

void note_captured(TensorObject* t) {
  if (Interpreter* captured = thread_state().interpreters[Interpreters::kCaptured])
    static_cast<Captured*>(captured)->read(t);
}

}  // namespace alice
