// The repeated runs of checkpointed calls that one walk along a graph needs.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "segment.h"

namespace alice {

class Repeats {
 public:
  explicit Repeats(Direction direction) : direction_(direction) {}

  // What the rules of `eq` read of it: its inputs and its results. The walk has passed it then.
  std::pair<py::tuple, py::tuple> saved(EquationObject* eq);

 private:
  // The equation that has the data which the rules of `eq` read: itself, or the one that did the same again.
  py::object twin(EquationObject* eq);
  // The walk has passed this equation.
  void pass(EquationObject* eq);
  Repeat& run_again(PyObject* segment, const std::vector<PyObject*>& outer);
  py::object completed(const EquationObject* eq, const std::vector<PyObject*>& outer);

  const Direction direction_;
  std::map<PyObject*, std::pair<py::object, Repeat>> runs_;  // by segment
};

}  // namespace alice
