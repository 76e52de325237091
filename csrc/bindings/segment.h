// Segment: one checkpointed call.
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "forward.h"

namespace alice {

// A result of one of a segment's equations.
struct ResultPlace {
  std::int32_t place;  // of the equation
  std::int32_t index;
  auto operator<=>(const ResultPlace&) const = default;
};

// What an equation did: another run that does the same leaves the same.
struct Step {
  const Kernel* kernel;
  std::uint64_t layout;  // digest of the shapes and dtypes of the operands
  std::uint64_t digest;  // of some elements of the results; in a trace, of the numbers that the function makes
  bool traced;

  static Step of(const EquationObject* eq, py::handle result);
};

// What one repeated run has left.
struct Repeat {
  std::vector<py::object> equations;          // by place; null once they are done with
  std::map<ResultPlace, py::object> results;  // Tensors
};

// A Tensor that the function changes in place, and what it was before.
struct Before {
  py::object tensor, value;
};

class Segment {
 public:
  Segment(py::object function, py::tuple args, py::dict kwargs);

  // Runs the function for the first time. `self` is the Python object of this Segment.
  py::object run(PyObject* self);
  // Runs a function of what run() returned, which has the given leaves, and keeps what its equations save, apart from
  // these leaves: run() can make them again.
  py::object run_last(PyObject* self, py::object function, py::tuple args, py::list leaves);
  // Runs the function again (repeat.cpp).
  Repeat repeat() const;

  const Contexts& active() const { return active_; }  // the contexts of all runs
  int traverse(visitproc visit, void* arg) const;     // for the garbage collector
  void clear();

 private:
  friend class FirstRun;
  friend class NextRun;

  py::object function_;  // null once it is cleared
  py::tuple args_;
  py::dict kwargs_;

  // The contexts of the first run, and its trace, which are those of all others.
  Contexts active_, open_;
  ForwardContexts forward_;
  std::uint8_t trace_;  // the depth of it
  DType default_dtype_;

  bool ran_ = false;
  std::uint64_t began_;      // Storage::now()
  std::vector<Step> steps_;  // of the equations, by place
  std::vector<Before> before_;
  std::vector<ResultPlace> wanted_;  // results that others have not kept
};

Segment& as_segment(PyObject* o);  // of a Python object that is one, as all in equations are

void add_segment(py::module_& m);

}  // namespace alice
