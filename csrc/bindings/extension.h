// What interpreters remember of Tensors and equations, beside what reverse mode needs. Most have nothing of it.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "equation.h"
#include "tensor.h"

namespace alice {

// Results of a call, which is a Tensor or a tuple of them.
inline std::size_t result_count(py::handle result) {
  return PyTuple_Check(result.ptr()) ? static_cast<std::size_t>(PyTuple_GET_SIZE(result.ptr())) : 1;
}
inline TensorObject* result_at(py::handle result, std::size_t i) {
  return as_tensor(PyTuple_Check(result.ptr()) ? PyTuple_GET_ITEM(result.ptr(), static_cast<Py_ssize_t>(i))
                                               : result.ptr());
}

struct Record;  // record.h

struct TensorExtension {
  bool weak = false;       // stands for a Python number of a traced call: takes the dtype of the Tensors beside it
  std::uint8_t width = 0;  // of a weak integer, as width_of() says; 0 if not known
  std::uint8_t origin_trace = 0;  // in so many nested sessions it got the origin
  py::object origin;              // of a leaf made while recording, or of a value computed again: the Equation or leaf
                                  // that a program takes the value from; or null
  py::object tangents;            // by forward context, see forward.cpp; or null

  int traverse(visitproc visit, void* arg) const {
    Py_VISIT(origin.ptr());
    Py_VISIT(tangents.ptr());
    return 0;
  }
};

struct EquationExtension {
  struct Input {
    py::object origin;  // the Equation that a program takes the value from, if it is another one; or null
    std::int32_t origin_index = 0;
    py::object tangents;       // of the Tensor, or null
    py::object recomputed_by;  // the checkpointed call that computes the data again, which is not here; or null
  };

  bool muted = false;                       // ran inside no_grad()
  std::int32_t place = 0;                   // the number of this equation in its segment
  py::object segment;                       // the checkpointed call that computes the saved arrays again; or null
  std::vector<Input> inputs;                // one each, or none at all
  std::vector<py::object> output_tangents;  // one each, or none at all
  std::vector<py::object> changed;          // leaves: an in-place update wrote its results there
  std::shared_ptr<Record> record;           // for readers of the trace; or null

  int traverse(visitproc visit, void* arg) const;
};

// Made if there is none.
TensorExtension& extended(TensorObject* t);
EquationExtension& extended(EquationObject* eq);
EquationExtension::Input& extended_input(EquationObject* eq, std::size_t i);

// A number of a traced call as a Tensor like any other. New reference.
PyObject* tensor_of_number(TensorObject* t);

// The rest reads what may be missing.

inline bool is_weak(const TensorObject* t) { return t->extension && t->extension->weak; }
inline std::uint8_t weak_width(const TensorObject* t) { return t->extension ? t->extension->width : 0; }
inline PyObject* origin_of(const TensorObject* t) { return t->extension ? t->extension->origin.ptr() : nullptr; }
inline PyObject* tangents_of(const TensorObject* t) { return t->extension ? t->extension->tangents.ptr() : nullptr; }

inline PyObject* segment_of(const EquationObject* eq) { return eq->extension ? eq->extension->segment.ptr() : nullptr; }
inline std::int32_t place_of(const EquationObject* eq) { return eq->extension ? eq->extension->place : 0; }
inline std::span<const py::object> changed_by(const EquationObject* eq) {
  return eq->extension ? std::span<const py::object>(eq->extension->changed) : std::span<const py::object>();
}
// Null if there is nothing.
inline const EquationExtension::Input* extension_of(const EquationObject* eq, std::size_t i) {
  return eq->extension && !eq->extension->inputs.empty() ? &eq->extension->inputs[i] : nullptr;
}

}  // namespace alice
