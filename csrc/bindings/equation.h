// EquationObject: one call of a primitive, as reverse mode, the printed trace and the compiler see it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "../core/array.h"
#include "tensor.h"

namespace alice {

struct PrimitiveObject;  // primitive.h
struct Record;           // record.h

// One input of an equation, as its gradient rules will see it.
struct Saved {
  // Owned; together, for the garbage collector.
  PyObject* source;       // the producing Equation, the leaf Tensor, or null for a constant
  PyObject* tangents;     // of the Tensor, or null
  PyObject* origin;       // the Equation that a program takes the value from, if it is another one; or null
  PyObject* again;        // the checkpointed call that computes the data again, which is not here; or null
  Array array;            // without memory if no rule reads it
  std::uint32_t version;  // of the storage when it was saved
  std::uint32_t levels;
  std::int32_t index, origin_index;
  bool tracked;  // a live differentiation context depends on it; then there is a source
};

// One result of an equation.
struct Output {
  Array array;  // without memory if no rule reads it
  std::uint32_t version;
};

struct EquationObject {
  PyObject_VAR_HEAD PrimitiveObject* primitive;
  PyObject* attributes;  // tuple, or null for none
  std::uint64_t sequence;
  std::uint64_t mark;       // of the last walk that came here, see graph_walk.h
  std::uint32_t levels;     // the contexts that follow it
  std::uint64_t born;       // contexts_begun() when it ran
  bool released;            // saved arrays were given back
  bool muted;               // ran inside no_grad()
  std::uint8_t from_trace;  // made in so many nested sessions
  std::int32_t place;       // the number of this equation in its segment
  PyObject* segment;        // owned: the checkpointed call that computes the saved arrays again; or null
  // Both lie behind the equation, in the same piece of memory: graphs have equations by the million.
  std::span<Saved> inputs;
  std::span<Output> outputs;
  std::vector<PyObject*> changed;          // owned leaves: an in-place update wrote its results there
  std::vector<PyObject*> output_tangents;  // owned: of the results, null for none; empty if no rule wants them
  std::shared_ptr<Record> record;          // for readers of the trace; usually null
};

extern PyTypeObject* equation_type;

inline bool is_equation(const PyObject* o) { return Py_TYPE(o) == equation_type; }
// Null if it is none.
inline EquationObject* as_equation(PyObject* o) {
  return o && is_equation(o) ? reinterpret_cast<EquationObject*>(o) : nullptr;
}
inline PyObject* as_object(const EquationObject* eq) {
  return reinterpret_cast<PyObject*>(const_cast<EquationObject*>(eq));
}

inline PyObject* root_of(const Saved& s) { return s.origin ? s.origin : s.source; }
inline std::int32_t root_index(const Saved& s) { return s.origin ? s.origin_index : s.index; }

std::uint64_t equations_made();  // so far: the number that the next one gets
// The equation of one call. Its inputs are for the caller to fill in. New reference.
EquationObject* make_equation(PrimitiveObject* primitive, std::size_t inputs, PyObject* attributes,
                              std::uint32_t levels, std::span<const Array> outputs);

// What the gradient rules get to see. Both throw if the saved values are gone or were changed in place. `data` is the
// equation that has the data: `eq` itself, or one that did the same again (Repeats::twin).
py::tuple saved_inputs(EquationObject* eq, const EquationObject* data);
py::tuple saved_outputs(EquationObject* eq, const EquationObject* data);
void drop_saved(EquationObject* eq);     // they can be computed again
void release_saved(EquationObject* eq);  // for good

// A handle on the value of that root as it was before the session number `tracing`, whose contexts follow it no more:
// a leaf, or a Tensor made of the description. New reference.
PyObject* value_handle(PyObject* root, int index, const Array& array, std::uint32_t levels, std::uint64_t born,
                       std::uint8_t tracing);

// An object that names a value: the equation of a single result, the pair (equation, index) of several, the address
// of a leaf. New reference.
PyObject* value_key(PyObject* source, int index);

void add_equation_type(py::module_& m);

}  // namespace alice
