// A checkpointed function runs again.
#include <algorithm>
#include <unordered_map>

#include "default_dtype.h"
#include "operators.h"
#include "origin.h"
#include "segment.h"
#include "session.h"
#include "update.h"
#include "watcher.h"

namespace alice {

// What the function changed in place it finds as it was, and changes again in values of its own. In a trace that will
// be compiled it reads all that comes from outside through `remat`, which makes other values of them: no node of the
// repeated run is equal to one of the first.
class NextRun : public Watcher {
 public:
  NextRun(const Segment& segment, Repeat& repeat)
      : segment_(segment), repeat_(repeat), first_(equations_made()), began_(Storage::now()) {
    for (const Before& b : segment.before_) current_[storage_of(b.tensor)] = b;
  }

  TensorObject* value(TensorObject* t) override {
    if (auto found = current_.find(t->array.storage().get()); found != current_.end() && found->first) {
      const Array &a = t->array, &b = as_tensor(found->second.tensor.ptr())->array;
      if (!(a.shape() == b.shape()) || !(a.strides() == b.strides()) || a.bytes() != b.bytes())
        fail(ErrorKind::Gradient, "checkpoint: the function reads a part of a Tensor that it changes in place, shape ",
             b.shape(), "; take the part outside, or change it outside");
      return rematerialised(as_tensor(found->second.value.ptr()));
    }
    t = Watcher::value(t);
    const StorageRef& storage = t->array.storage();
    const std::uint64_t changed = storage ? std::max(storage->changed(), noted_changes(storage.get()).last) : 0;
    if (changed > segment_.began_ && changed <= began_)
      fail(ErrorKind::Gradient, "checkpoint: a Tensor that the function reads, shape ", t->array.shape(), ", ",
           name(t->array.dtype()),
           ", was changed in place after it ran; take the gradient before the change, or give the function a copy "
           "(ac.tensor)");
    return is_made_here(t) ? t : rematerialised(t);
  }

  bool update(const Kernel& kernel, py::tuple inputs, py::tuple attributes, py::tuple targets) override {
    bool known = false;
    for (py::handle h : targets) known = known || current_.count(storage_of(h));
    if (!known) return Watcher::update(kernel, inputs, attributes, targets);  // it was made in this run
    if (static_cast<std::size_t>(kernel.n_out) != targets.size())
      fail(ErrorKind::Value, kernel.name, ": expected ", kernel.n_out, " Tensors to write to; got ", targets.size());
    std::vector<PyObject*> args;
    for (const py::tuple& all : {inputs, attributes})
      for (py::handle h : all) args.push_back(h.ptr());
    const py::object result = bind(update_primitive(&kernel), args.data(), static_cast<Py_ssize_t>(args.size()));
    std::size_t i = 0;
    for (py::handle h : targets)
      current_[storage_of(h)] = {borrowed(h.ptr()), borrowed(as_object(result_at(result, i++)))};
    return true;
  }

 private:
  void note(EquationObject* eq, py::handle result) override {
    const std::size_t place = repeat_.equations.size();
    const std::vector<Step>& steps = segment_.steps_;
    const Step now = Step::of(eq, result);
    if (place >= steps.size() || steps[place].kernel != now.kernel)
      fail(ErrorKind::Gradient, "checkpoint: the function must do the same whenever it runs; op ", place + 1, " was ",
           place < steps.size() ? steps[place].kernel->name : "the end", " in the first run, and is ", now.kernel->name,
           " now");
    // Of other layouts, see Repeats.
    if (steps[place].layout == now.layout && steps[place].traced == now.traced && steps[place].digest != now.digest)
      fail(ErrorKind::Gradient, "checkpoint: the function must do the same whenever it runs; op ", place + 1, ", ",
           now.kernel->name,
           ", gives other numbers now than in the first run: something that the function reads has changed since (a "
           "variable of a loop, an array, an attribute); pass it as an argument, or as a default (lambda x, k=k: …)");
    repeat_.equations.push_back(borrowed(as_object(eq)));
    for (const ResultPlace& wanted : segment_.wanted_)
      if (static_cast<std::size_t>(wanted.place) == place)
        repeat_.results[wanted] = borrowed(as_object(result_at(result, static_cast<std::size_t>(wanted.index))));
  }
  bool repeats() const override { return true; }

  static const Storage* storage_of(py::handle h) { return checked_tensor(h, "checkpoint")->array.storage().get(); }

  bool is_made_here(TensorObject* t) const {
    PyObject* root = root_of(t);
    if (const EquationObject* eq = as_equation(root)) return eq->sequence >= first_;
    return !is_outside(as_tensor(root)) && !as_tensor(root)->array.is_abstract();  // a constant
  }

  TensorObject* rematerialised(TensorObject* t) {
    if (!open_session(thread_state())) return t;
    auto found = remade_.find(t);
    if (found == remade_.end()) {
      const Unwatched scope;
      PyObject* args[] = {as_object(t)};
      py::object made = bind(operator_primitive(kRemat), args, 1);
      found = remade_.emplace(t, std::pair{borrowed(as_object(t)), std::move(made)}).first;
    }
    return as_tensor(found->second.second.ptr());
  }

  const Segment& segment_;
  Repeat& repeat_;
  const std::uint64_t first_, began_;
  std::unordered_map<const Storage*, Before> current_;  // what is in a Tensor now
  std::unordered_map<TensorObject*, std::pair<py::object, py::object>> remade_;
};

namespace {

// The contexts of a first run, for as long as it is repeated.
class RestoredContexts {
 public:
  RestoredContexts(Contexts active, Contexts open, ForwardContexts forward, DType default_dtype)
      : state_(thread_state()),
        active_(state_.active),
        open_(state_.open),
        default_dtype_(exchange_default_dtype(default_dtype)),
        repeated_(forward) {
    state_.active = std::move(active);
    state_.open = std::move(open);
    forward_ = exchange_forward(state_, std::move(forward));
  }
  ~RestoredContexts() {
    try {
      exchange_default_dtype(default_dtype_);
    } catch (py::error_already_set&) {  // no memory: a destructor can tell nobody
    }
    state_.active = active_;
    state_.open = open_;
    exchange_forward(state_, std::move(forward_));
    for (const auto& context : repeated_)  // those that have ended do not end again
      if (!is_open(context)) part_equations(*context);
  }

 private:
  // On this thread, or set aside by a trace that is being made.
  bool is_open(const std::shared_ptr<ForwardContext>& context) const {
    const auto among = [&](const ForwardContexts& all) {
      return std::find(all.begin(), all.end(), context) != all.end();
    };
    bool found = among(forward_contexts(state_));
    for (const Session* s = open_session(state_); s && !found; s = s->outer) found = among(s->outer_forward);
    return found;
  }

  ThreadState& state_;
  const Contexts active_, open_;
  const DType default_dtype_;
  const ForwardContexts repeated_;
  ForwardContexts forward_;
};

}  // namespace

Repeat Segment::repeat() const {
  if (!function_) fail(ErrorKind::Gradient, "checkpoint: the function is gone, the garbage collector has freed it");
  Repeat repeat;
  const RestoredContexts contexts(active_, open_, forward_, default_dtype_);
  const InTrace trace(thread_state(), trace_);
  const NextRun watcher(*this, repeat);
  function_(*args_, **kwargs_);
  if (repeat.equations.size() != steps_.size())
    fail(ErrorKind::Gradient, "checkpoint: the function must do the same whenever it runs; op ",
         repeat.equations.size() + 1, " was ", steps_[repeat.equations.size()].kernel->name,
         " in the first run, and is missing now");
  return repeat;
}

}  // namespace alice
