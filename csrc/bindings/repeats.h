// The repeated runs of checkpointed calls that one walk along a graph needs.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "segment.h"

namespace alice {

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

}  // namespace alice
