// Hot: every call runs through here.
#include "equation.h"

#include <new>

#include "equation_attributes.h"
#include "primitive.h"
#include "record.h"

namespace alice {

PyTypeObject* equation_type = nullptr;

namespace {

// ---- life -----------------------------------------------------------------------------------------------------------

int traverse(EquationObject* eq, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(eq));
  Py_VISIT(eq->primitive);
  Py_VISIT(eq->attributes);
  for (const Saved& s : eq->inputs) {
    Py_VISIT(s.source);
    Py_VISIT(s.tangents);
    Py_VISIT(s.origin);
    Py_VISIT(s.again);
  }
  Py_VISIT(eq->segment);
  for (PyObject* t : eq->changed) Py_VISIT(t);
  for (PyObject* t : eq->output_tangents) Py_VISIT(t);
  if (eq->record.use_count() == 1) return eq->record->traverse(visit, arg);  // else somebody else has it, too
  return 0;
}

// What is left is an equation of constants whose saved values are gone. The primitive stays: everybody asks it for its
// name, and it has a clear of its own.
int clear(EquationObject* eq) noexcept {
  eq->released = true;
  for (Saved& s : eq->inputs) {
    s.tracked = false;
    Py_CLEAR(s.source);
    Py_CLEAR(s.tangents);
    Py_CLEAR(s.origin);
    Py_CLEAR(s.again);
  }
  Py_CLEAR(eq->attributes);
  Py_CLEAR(eq->segment);
  for (PyObject* t : std::exchange(eq->changed, {})) Py_DECREF(t);
  for (PyObject* t : std::exchange(eq->output_tangents, {})) Py_XDECREF(t);
  eq->record.reset();
  return 0;
}

void destroy(EquationObject* eq) noexcept {
  clear(eq);
  Py_DECREF(as_object(eq->primitive));
  std::destroy(eq->inputs.begin(), eq->inputs.end());
  std::destroy(eq->outputs.begin(), eq->outputs.end());
  std::destroy_at(&eq->changed);
  std::destroy_at(&eq->output_tangents);
  std::destroy_at(&eq->record);
  PyTypeObject* type = Py_TYPE(eq);
  PyObject_GC_Del(eq);
  Py_DECREF(type);
}

// A chain of a million equations must not free itself by recursion: an equation that dies while another one is being
// freed waits in a list. The list goes through the equations themselves (their marks are of no use any more), so
// freeing memory needs none.
struct Dying {
  EquationObject* first;
  bool busy;
};
thread_local Dying dying{};

void dealloc(EquationObject* eq) noexcept {
  PyObject_GC_UnTrack(eq);
  if (dying.busy) {
    eq->mark = reinterpret_cast<std::uintptr_t>(std::exchange(dying.first, eq));
    return;
  }
  dying.busy = true;
  destroy(eq);
  while (EquationObject* next = dying.first) {
    dying.first = reinterpret_cast<EquationObject*>(static_cast<std::uintptr_t>(next->mark));
    destroy(next);
  }
  dying.busy = false;
}

// ---- what rules see -----------------------------------------------------------------------------------------------

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

// While somebody records, a value that was computed again names the equation that did it. What was only read again,
// through `remat`, is itself.
void set_origin(PyObject* tensor, PyObject* origin, const EquationObject* itself) {
  while (EquationObject* eq = as_equation(origin)) {
    if (eq->primitive != operator_primitive(kRemat)) break;
    origin = root_of(eq->inputs[0]);
  }
  if (!as_equation(origin) || origin == as_object(itself) || !thread_state().recorder) return;
  Py_XSETREF(as_tensor(tensor)->origin, Py_NewRef(origin));
  as_tensor(tensor)->origin_from = thread_state().tracing;
}

}  // namespace

py::tuple saved_inputs(EquationObject* eq, const EquationObject* data) {
  check_alive(eq);
  return tuple_of(eq->inputs.size(), [&](std::size_t i) -> py::object {
    const Saved &s = eq->inputs[i], &d = data->inputs[i];
    EquationObject* producer = as_equation(s.source);
    // A leaf whose data the rules may read is handed out itself; so is one that has none, or its value would be lost.
    if (s.source && !producer && (reads_input(eq->primitive, i) || as_tensor(s.source)->array.is_abstract())) {
      if (data != eq)
        check_version(eq, as_tensor(s.source)->array, s.version, "input", i);
      else
        check_version(eq, d.array, d.version, "input", i);
      return borrowed(s.source);
    }
    check_version(eq, d.array, d.version, "input", i);
    py::object t = owned(make_tensor(d.array, producer, s.index, s.levels));
    as_tensor(t.ptr())->born = eq->born;
    as_tensor(t.ptr())->tangents = Py_XNewRef(d.tangents);
    as_tensor(t.ptr())->from_trace = data->from_trace;
    // A constant of the first run comes from an equation of the repeated one, too.
    if (producer || data != eq) set_origin(t.ptr(), root_of(d), producer);
    return t;
  });
}

py::tuple saved_outputs(EquationObject* eq, const EquationObject* data) {
  check_alive(eq);
  return tuple_of(eq->outputs.size(), [&](std::size_t i) {
    const Output& r = data->outputs[i];
    check_version(eq, r.array, r.version, "result", i);
    py::object t = owned(make_tensor(r.array, eq, static_cast<int>(i), eq->levels));
    as_tensor(t.ptr())->born = eq->born;
    if (!data->output_tangents.empty()) as_tensor(t.ptr())->tangents = Py_XNewRef(data->output_tangents[i]);
    as_tensor(t.ptr())->from_trace = data->from_trace;
    set_origin(t.ptr(), as_object(data), eq);
    return t;
  });
}

void drop_saved(EquationObject* eq) {
  for (Saved& s : eq->inputs) {
    s.array = s.array.shape_only();
    Py_CLEAR(s.tangents);
  }
  for (Output& r : eq->outputs) r.array = r.array.shape_only();
  for (PyObject*& tangents : eq->output_tangents) Py_CLEAR(tangents);
}

void release_saved(EquationObject* eq) {
  eq->released = true;
  for (Saved& s : eq->inputs) {
    s.array = s.array.shape_only();
    Py_CLEAR(s.again);
  }
  for (Output& r : eq->outputs) r.array = r.array.shape_only();
  Py_CLEAR(eq->segment);
}

namespace {
std::uint64_t counter = 0;  // under the interpreter lock
}

std::uint64_t equations_made() { return counter; }

EquationObject* make_equation(PrimitiveObject* primitive, std::size_t inputs, PyObject* attributes,
                              std::uint32_t levels, std::span<const Array> outputs) {
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
  eq->levels = levels;
  eq->born = contexts_begun();
  eq->released = false;
  eq->from_trace = thread_state().tracing;
  eq->muted = !(thread_state().active & 1u);
  eq->segment = nullptr;
  eq->place = 0;
  new (&eq->inputs) std::span(reinterpret_cast<Saved*>(eq + 1), inputs);
  new (&eq->outputs) std::span(reinterpret_cast<Output*>(eq->inputs.data() + inputs), outputs.size());
  new (&eq->changed) std::vector<PyObject*>();
  new (&eq->output_tangents) std::vector<PyObject*>();
  new (&eq->record) std::shared_ptr<Record>();
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

PyObject* value_handle(PyObject* root, int index, const Array& array, std::uint32_t levels, std::uint64_t born,
                       std::uint8_t tracing) {
  while (root && !is_equation(root)) {
    PyObject* origin = as_tensor(root)->origin;
    if (!origin || as_tensor(root)->origin_from < tracing) return Py_NewRef(root);
    index = as_tensor(root)->index;
    root = origin;
  }
  PyObject* made = make_tensor(array, as_equation(root), index, levels);
  as_tensor(made)->born = born;
  return made;
}

PyObject* value_key(PyObject* source, int index) {
  while (!is_equation(source)) {
    PyObject* origin = as_tensor(source)->origin;
    if (!origin) return PyLong_FromVoidPtr(source);
    index = as_tensor(source)->index;
    source = origin;
  }
  if (as_equation(source)->outputs.size() == 1) return Py_NewRef(source);
  return Py_BuildValue("(Oi)", source, index);
}

void add_equation_type(py::module_& m) {
  TypeMaker<EquationObject> type("Equation", "One recorded call of a primitive.",
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, 1);
  type.slot<Py_tp_dealloc, dealloc>().slot<Py_tp_traverse, traverse>().slot<Py_tp_clear, clear>();
  add_attributes(type);
  equation_type = type.add_to(m);
}

}  // namespace alice
