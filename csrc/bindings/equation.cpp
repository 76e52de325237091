// How a call is written down, and what its rules see of it. How CPython sees equations is in equation_type.cpp.
// Hot: every call runs through here.
#include "equation.h"

#include <new>

#include "primitive.h"
#include "views.h"

namespace alice {
namespace {

std::uint64_t counter = 0;  // under the interpreter lock

void check_version(const EquationObject* eq, const Array& a, std::uint32_t version, const char* role, std::size_t i) {
  if (a.storage() && version_of(a) != version)
    fail(ErrorKind::Gradient, eq->primitive->kernel->name, ": the saved ", role, " ", i, ", shape ", a.shape(), ", ",
         name(a.dtype()),
         ", was changed in place after the op ran; take the gradient before the change, or give the op a copy "
         "(ac.tensor)");
}

void check_alive(const EquationObject* eq) {
  if (eq->released)
    fail(ErrorKind::Gradient, eq->primitive->kernel->name,
         ": backward() went through this graph before and freed it; call backward(retain_graph=True) the first time, "
         "or compute the loss again");
}

}  // namespace

std::uint64_t equations_made() { return counter; }

EquationObject* make_equation(PrimitiveObject* primitive, std::size_t inputs, PyObject* attributes,
                              const Contexts& contexts, std::span<const Array> outputs) {
  static_assert(sizeof(EquationObject) % alignof(Saved) == 0 && sizeof(Saved) % alignof(Output) == 0);
  const std::size_t behind = inputs * sizeof(Saved) + outputs.size() * sizeof(Output);
  auto* eq = PyObject_GC_NewVar(EquationObject, equation_type, static_cast<Py_ssize_t>(behind));
  if (!eq) throw py::error_already_set();
  py::object held = py::reinterpret_steal<py::object>(as_object(eq));  // something may throw
  eq->primitive = primitive;
  Py_INCREF(as_object(primitive));
  eq->attributes = Py_XNewRef(attributes);
  eq->sequence = counter++;
  eq->mark = 0;
  new (&eq->contexts) Contexts(contexts);
  eq->released = false;
  eq->trace = 0;
  eq->extension = nullptr;
  new (&eq->inputs) std::span(reinterpret_cast<Saved*>(eq + 1), inputs);
  new (&eq->outputs) std::span(reinterpret_cast<Output*>(eq->inputs.data() + inputs), outputs.size());
  std::uninitialized_value_construct(eq->inputs.begin(), eq->inputs.end());
  std::uninitialized_value_construct(eq->outputs.begin(), eq->outputs.end());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Array& a = outputs[i];
    eq->outputs[i].array = primitive->saves_output ? a : a.shape_only();
    eq->outputs[i].version = version_of(a);
  }
  PyObject_GC_Track(eq);
  held.release();
  return eq;
}

py::tuple saved_inputs(EquationObject* eq, const EquationObject* data) {
  check_alive(eq);
  return tuple_of(eq->inputs.size(), [&](std::size_t i) -> py::object {
    const Saved &s = eq->inputs[i], &d = data->inputs[i];
    EquationObject* producer = as_equation(s.source);
    // A leaf whose data the rules may read is handed out itself; so is one that has none, or its value would be lost.
    const bool itself =
        s.source && !producer && (reads_input(eq->primitive, i) || as_tensor(s.source)->array.is_abstract());
    const TensorObject* leaf = itself && data != eq ? thread_state().interpreters.value(as_tensor(s.source)) : nullptr;
    check_version(eq, leaf ? leaf->array : d.array, (leaf ? s : d).version, "input", i);
    if (itself) return borrowed(s.source);
    py::object t = owned(make_tensor(d.array, producer, s.index, s.contexts));
    as_tensor(t.ptr())->trace = data->trace;
    if (data->extension || thread_state().interpreters) extend_saved_input(as_tensor(t.ptr()), eq, data, i);
    return t;
  });
}

py::tuple saved_outputs(EquationObject* eq, const EquationObject* data) {
  check_alive(eq);
  return tuple_of(eq->outputs.size(), [&](std::size_t i) {
    const Output& r = data->outputs[i];
    check_version(eq, r.array, r.version, "result", i);
    py::object t = owned(make_tensor(r.array, eq, static_cast<int>(i), eq->contexts));
    as_tensor(t.ptr())->trace = data->trace;
    if (data->extension || thread_state().interpreters) extend_saved_output(as_tensor(t.ptr()), eq, data, i);
    return t;
  });
}

void release_saved(EquationObject* eq) {
  eq->released = true;
  for (Saved& s : eq->inputs) s.array = s.array.shape_only();
  for (Output& r : eq->outputs) r.array = r.array.shape_only();
  if (eq->extension) release_recomputed(eq->extension);
}

}  // namespace alice
