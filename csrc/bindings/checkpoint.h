// Checkpointed calls: a function runs, and of what its equations saved for the gradient rules nothing is kept. When
// reverse mode comes to the first of these equations, the function runs again on the same arguments, and every
// equation gets a twin that has the data. The graph stays as it is: adjoints belong to the first equations, so
// gradients of any order have the bits that they have without checkpoints.
//
// While such a function runs, for the first time or again, a Watcher on this thread sees what it does. Calls nest, and
// so do watchers; every equation is shown to all of them.
#pragma once

#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine.h"

namespace alice {

struct ForwardContext;

class Watcher {
 public:
  Watcher() : outer_(thread_state().watcher) { thread_state().watcher = this; }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  virtual ~Watcher() { thread_state().watcher = outer_; }

  // An equation that somebody differentiates through, and its result: a Tensor, or a tuple of them.
  void note_all(EquationObject* eq, py::handle result) {
    for (Watcher* w = this; w; w = w->outer_) w->note(eq, result);
  }
  bool repeats_any() const { return repeats() || (outer_ && outer_->repeats_any()); }

  // Where an op that is given `t` takes the elements from; borrowed. For differentiation its operand is `t`.
  virtual TensorObject* value(TensorObject* t) { return outer_ ? outer_->value(t) : t; }
  // An in-place update is about to happen; true if it shall not.
  virtual bool update(const Kernel& kernel, py::sequence inputs, py::sequence attributes, py::sequence targets) {
    return outer_ && outer_->update(kernel, inputs, attributes, targets);
  }

 protected:
  virtual void note(EquationObject* eq, py::handle result) = 0;
  virtual bool repeats() const { return false; }

 private:
  Watcher* outer_;
};

// What one repeated run has left.
struct Repeat {
  std::vector<py::object> equations;                                    // by place; null once they are done with
  std::map<std::pair<std::int32_t, std::int32_t>, py::object> results;  // by place and index: Tensors
};

// One checkpointed call.
class Segment {
 public:
  Segment(py::object function, py::tuple args, py::dict kwargs);

  // Runs the function for the first time. `self` is the Python object of this Segment.
  py::object run(PyObject* self);
  // Runs a function of what run() returned, which has the given leaves, and keeps what its equations save, apart from
  // these leaves: run() can make them again.
  py::object run_last(PyObject* self, py::object function, py::tuple args, py::list leaves);
  Repeat repeat() const;

 private:
  friend class FirstRun;
  friend class NextRun;
  friend class Repeats;

  py::object function_;
  py::tuple args_;
  py::dict kwargs_;

  // The contexts of the first run, which are those of all others.
  std::uint32_t active_;
  int depth_;
  std::vector<std::shared_ptr<ForwardContext>> forward_;

  std::uint64_t began_;                                    // Storage::now()
  std::vector<const Kernel*> steps_;                       // of the equations, by place
  std::vector<std::pair<py::object, py::object>> before_;  // Tensors that the function changed: what they were before
  std::vector<std::pair<std::int32_t, std::int32_t>> wanted_;  // results, by place and index, that others have not kept
};

// The repeated runs of one walk along a graph.
class Repeats {
 public:
  enum class Direction { Forward, Backward };
  explicit Repeats(Direction direction) : direction_(direction) {}

  // The equation that has the data which the rules of `eq` read: itself, or the one that did the same again.
  py::object twin(EquationObject* eq);
  // The walk has passed this equation.
  void pass(EquationObject* eq);

 private:
  Repeat& run_again(PyObject* segment, const std::vector<PyObject*>& outer);
  py::object completed(const EquationObject* eq, const std::vector<PyObject*>& outer);

  const Direction direction_;
  std::map<PyObject*, std::pair<py::object, Repeat>> runs_;  // by segment
};

void add_checkpoint(py::module_& m);

}  // namespace alice
