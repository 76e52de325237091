// Forward mode: a Tensor carries a tangent for every forward context that it depends on, and each call of a primitive
// pushes the tangents of its operands on to its results by the JVP rules, which are Python. Nothing is kept: live
// memory does not grow with the length of the computation.
#pragma once

#include <memory>

#include "engine.h"

namespace alice {

// One call of jvp() that has not returned. Its tangents are values of the contexts outside of it: only those forward
// contexts push through its rules, and only those reverse contexts follow them.
struct ForwardContext {
  std::uint64_t id;      // never used again
  std::uint32_t active;  // ThreadState::active when it began
  // Equations that outer contexts follow and that keep tangents of this context for the gradient rules of inner ones.
  // Such a tangent may depend on the equation itself, so they are parted when the context ends.
  std::vector<py::object> equations;
};

// The context ends, or what ended long ago has run again: parts its equations from its tangents.
void part_equations(ForwardContext& context);

// Pushes the tangents of `inputs` on to the result of this call, a Tensor or a tuple of them.
void carry_tangents(PrimitiveObject* p, const std::vector<TensorObject*>& inputs, PyObject* const* attributes,
                    EquationObject* eq, py::handle result);

bool has_tangent(const TensorObject* t, std::uint64_t context);
inline bool has_tangent(const TensorObject* t, const ForwardContext& context) { return has_tangent(t, context.id); }
// Of any of the contexts.
bool has_tangent(const TensorObject* t, const std::vector<std::shared_ptr<ForwardContext>>& contexts);

void add_forward(py::module_& m);

}  // namespace alice
