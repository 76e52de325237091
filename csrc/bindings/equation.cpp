// Equation: one call of a primitive as reverse mode, the printed trace and the compiler see it.
// Hot: every call runs through here.
#include <new>

#include "record.h"

namespace alice {

PyTypeObject* equation_type = nullptr;

namespace {

EquationObject* self_of(PyObject* o) { return reinterpret_cast<EquationObject*>(o); }

// A chain of a million equations must not free itself by recursion: what an equation held is put on a list,
// and the outermost deallocation works the list off. (All under the interpreter lock of one thread.)
void equation_dealloc(PyObject* o) {
  struct Drain {
    std::vector<PyObject*> pending;
    bool running = false;
  };
  thread_local Drain drain;
  auto& [pending, draining] = drain;
  auto* eq = self_of(o);
  for (Saved& s : eq->inputs) {
    if (s.source) pending.push_back(s.source);
    if (s.tangents) pending.push_back(s.tangents);
    if (s.origin) pending.push_back(s.origin);
    if (s.again) pending.push_back(s.again);
  }
  if (eq->segment) pending.push_back(eq->segment);
  for (PyObject* t : eq->changed) pending.push_back(t);
  for (PyObject* t : eq->output_tangents)
    if (t) pending.push_back(t);
  Py_XDECREF(eq->attributes);
  Py_XDECREF(eq->primitive);
  std::destroy(eq->inputs.begin(), eq->inputs.end());
  std::destroy(eq->outputs.begin(), eq->outputs.end());
  eq->changed.~vector();
  eq->output_tangents.~vector();
  eq->record.~shared_ptr();
  PyTypeObject* type = Py_TYPE(o);
  type->tp_free(o);
  Py_DECREF(type);
  if (draining) return;
  draining = true;
  while (!pending.empty()) {
    PyObject* next = pending.back();
    pending.pop_back();
    Py_DECREF(next);
  }
  draining = false;
}

void check_version(const EquationObject* eq, const Array& a, std::uint32_t version, const char* role, std::size_t i) {
  if (a.storage() && a.storage()->version() != version)
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

PyObject* get_inputs(PyObject* o, void*) {
  try {
    return saved_inputs(self_of(o), self_of(o)).release().ptr();
  } catch (...) {
    return translate_current_exception();
  }
}

PyObject* get_outputs(PyObject* o, void*) {
  try {
    return saved_outputs(self_of(o), self_of(o)).release().ptr();
  } catch (...) {
    return translate_current_exception();
  }
}

// Names for the printed trace.
PyObject* get_variables(PyObject* o, void*) {
  auto* eq = self_of(o);
  PyObject* out = PyTuple_New(static_cast<Py_ssize_t>(eq->inputs.size()));
  if (!out) return nullptr;
  for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
    const Saved& s = eq->inputs[i];
    PyTuple_SET_ITEM(out, static_cast<Py_ssize_t>(i),
                     s.source ? value_key(root_of(s), root_index(s)) : Py_NewRef(Py_None));
  }
  return out;
}

PyObject* get_is_muted(PyObject* o, void*) { return PyBool_FromLong(self_of(o)->muted); }

// Names for the results.
PyObject* get_results(PyObject* o, void*) {
  const auto n = static_cast<Py_ssize_t>(self_of(o)->outputs.size());
  PyObject* out = PyTuple_New(n);
  for (Py_ssize_t i = 0; out && i < n; ++i) PyTuple_SET_ITEM(out, i, value_key(o, static_cast<int>(i)));
  return out;
}

// Handles on the values of the inputs, whether their data was saved or not.
PyObject* get_operands(PyObject* o, void*) {
  auto* eq = self_of(o);
  PyObject* out = PyTuple_New(static_cast<Py_ssize_t>(eq->inputs.size()));
  for (std::size_t i = 0; out && i < eq->inputs.size(); ++i) {
    const Saved& s = eq->inputs[i];
    PyTuple_SET_ITEM(out, static_cast<Py_ssize_t>(i),
                     value_handle(root_of(s), root_index(s), s.array, s.levels, eq->from_trace));
  }
  return out;
}

// The Tensors that an in-place update has written to.
PyObject* get_changed(PyObject* o, void*) {
  const std::vector<PyObject*>& changed = self_of(o)->changed;
  PyObject* out = PyTuple_New(static_cast<Py_ssize_t>(changed.size()));
  for (std::size_t i = 0; out && i < changed.size(); ++i)
    PyTuple_SET_ITEM(out, static_cast<Py_ssize_t>(i), Py_NewRef(changed[i]));
  return out;
}

PyObject* get_primitive(PyObject* o, void*) { return Py_NewRef(reinterpret_cast<PyObject*>(self_of(o)->primitive)); }
PyObject* get_sequence(PyObject* o, void*) { return PyLong_FromUnsignedLongLong(self_of(o)->sequence); }
PyObject* get_attributes(PyObject* o, void*) {
  PyObject* a = self_of(o)->attributes;
  return a ? Py_NewRef(a) : PyTuple_New(0);
}

PyObject* get_record(PyObject* o, void*) { return py::cast(self_of(o)->record).release().ptr(); }

// Where the inputs come from.
PyObject* get_sources(PyObject* o, void*) {
  auto* eq = self_of(o);
  PyObject* out = PyTuple_New(static_cast<Py_ssize_t>(eq->inputs.size()));
  for (std::size_t i = 0; out && i < eq->inputs.size(); ++i) {
    PyObject* source = eq->inputs[i].source;
    PyTuple_SET_ITEM(out, static_cast<Py_ssize_t>(i), Py_NewRef(source ? source : Py_None));
  }
  return out;
}

// Bytes that this equation alone keeps from being freed cannot be known; these are the bytes it holds on to.
PyObject* get_saved_bytes(PyObject* o, void*) {
  std::size_t bytes = 0;
  for (const Saved& s : self_of(o)->inputs)
    if (!s.array.is_abstract()) bytes += static_cast<std::size_t>(s.array.numel()) * itemsize(s.array.dtype());
  for (const Output& r : self_of(o)->outputs)
    if (!r.array.is_abstract()) bytes += static_cast<std::size_t>(r.array.numel()) * itemsize(r.array.dtype());
  return PyLong_FromSize_t(bytes);
}

PyGetSetDef getset[] = {
    {"primitive", get_primitive, nullptr, "The primitive that was called.", nullptr},
    {"attributes", get_attributes, nullptr, "The static arguments of the call.", nullptr},
    {"sequence", get_sequence, nullptr, "Equations are numbered in the order of their execution.", nullptr},
    {"inputs", get_inputs, nullptr, "The inputs as Tensors; abstract where no rule reads the data.", nullptr},
    {"outputs", get_outputs, nullptr, "The results as Tensors; abstract where no rule reads the data.", nullptr},
    {"results", get_results, nullptr, "Keys of the results.", nullptr},
    {"is_muted", get_is_muted, nullptr, "True if it ran inside no_grad().", nullptr},
    {"operands", get_operands, nullptr, "Handles on the values of the inputs, for who runs the equation again.",
     nullptr},
    {"changed", get_changed, nullptr, "The Tensors that this equation changed in place; usually none.", nullptr},
    {"variables", get_variables, nullptr, "Keys of the inputs, None for anonymous constants.", nullptr},
    {"sources", get_sources, nullptr, "Per input its Equation, its leaf Tensor, or None for a constant.", nullptr},
    {"record", get_record, nullptr, "What was written down for readers, None if nobody recorded or debugged.", nullptr},
    {"saved_bytes", get_saved_bytes, nullptr, "Bytes of the values kept for the gradient rules.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(equation_dealloc)},
                       {Py_tp_getset, getset},
                       {Py_tp_doc, const_cast<char*>("One recorded call of a primitive.")},
                       {0, nullptr}};
PyType_Spec spec = {"alice_core._core.Equation", sizeof(EquationObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

}  // namespace

namespace {

// While somebody records, a value that was computed again names the equation that did it. What was only read again,
// through `remat`, is itself.
void set_origin(PyObject* tensor, PyObject* origin, const EquationObject* itself) {
  while (origin && Py_TYPE(origin) == equation_type && self_of(origin)->primitive == operator_primitive(kRemat))
    origin = root_of(self_of(origin)->inputs[0]);
  if (!origin || Py_TYPE(origin) != equation_type || origin == reinterpret_cast<const PyObject*>(itself) ||
      !thread_state().recorder)
    return;
  Py_XSETREF(as_tensor(tensor)->origin, Py_NewRef(origin));
  as_tensor(tensor)->origin_from = thread_state().tracing;
}

}  // namespace

py::tuple saved_inputs(EquationObject* eq, const EquationObject* data) {
  check_alive(eq);
  py::tuple out(eq->inputs.size());
  for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
    const Saved &s = eq->inputs[i], &d = data->inputs[i];
    const bool produced = s.source && Py_TYPE(s.source) == equation_type;
    // A leaf whose data the rules may read is handed out itself; so is one that has none, or its value would be lost.
    const bool read = (eq->primitive->saved_inputs >> (i < 63 ? i : 63)) & 1;
    const bool itself = s.source && !produced && (read || as_tensor(s.source)->array.is_abstract());
    if (itself && data != eq)
      check_version(eq, as_tensor(s.source)->array, s.version, "input", i);
    else
      check_version(eq, d.array, d.version, "input", i);
    PyObject* t =
        itself ? Py_NewRef(s.source) : make_tensor(d.array, produced ? self_of(s.source) : nullptr, s.index, s.levels);
    if (!itself) {
      as_tensor(t)->tangents = d.tangents ? Py_NewRef(d.tangents) : nullptr;
      as_tensor(t)->from_trace = data->from_trace;
    }
    if (produced) set_origin(t, root_of(d), self_of(s.source));
    PyTuple_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(i), t);
  }
  return out;
}

py::tuple saved_outputs(EquationObject* eq, const EquationObject* data) {
  check_alive(eq);
  py::tuple out(eq->outputs.size());
  for (std::size_t i = 0; i < eq->outputs.size(); ++i) {
    const Output& r = data->outputs[i];
    check_version(eq, r.array, r.version, "result", i);
    PyObject* t = make_tensor(r.array, eq, static_cast<int>(i), eq->levels);
    if (!data->output_tangents.empty() && data->output_tangents[i])
      as_tensor(t)->tangents = Py_NewRef(data->output_tangents[i]);
    as_tensor(t)->from_trace = data->from_trace;
    set_origin(t, reinterpret_cast<PyObject*>(const_cast<EquationObject*>(data)), eq);
    PyTuple_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(i), t);
  }
  return out;
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
  auto* memory = static_cast<std::byte*>(
      PyObject_Malloc(sizeof(EquationObject) + inputs * sizeof(Saved) + outputs.size() * sizeof(Output)));
  if (!memory) throw std::bad_alloc();
  auto* eq = reinterpret_cast<EquationObject*>(memory);
  PyObject_Init(reinterpret_cast<PyObject*>(eq), equation_type);
  eq->primitive = primitive;
  Py_INCREF(primitive);
  eq->attributes = attributes;
  Py_XINCREF(attributes);
  eq->sequence = counter++;
  eq->mark = 0;
  eq->levels = levels;
  eq->released = false;
  eq->from_trace = thread_state().tracing;
  eq->muted = !(thread_state().active & 1u);
  eq->segment = nullptr;
  eq->place = 0;
  new (&eq->inputs) std::span(reinterpret_cast<Saved*>(memory + sizeof(EquationObject)), inputs);
  new (&eq->outputs) std::span(reinterpret_cast<Output*>(eq->inputs.data() + inputs), outputs.size());
  new (&eq->changed) std::vector<PyObject*>();
  new (&eq->output_tangents) std::vector<PyObject*>();
  new (&eq->record) std::shared_ptr<Record>();
  std::uninitialized_value_construct(eq->inputs.begin(), eq->inputs.end());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Array& a = outputs[i];
    new (&eq->outputs[i])
        Output{primitive->saves_output ? a : a.shape_only(), a.storage() ? a.storage()->version() : 0};
  }
  return eq;
}

PyObject* value_handle(PyObject* root, int index, const Array& array, std::uint32_t levels, std::uint8_t tracing) {
  while (root && Py_TYPE(root) != equation_type) {
    PyObject* origin = as_tensor(root)->origin;
    if (!origin || as_tensor(root)->origin_from < tracing) return Py_NewRef(root);
    index = as_tensor(root)->index;
    root = origin;
  }
  return make_tensor(array, reinterpret_cast<EquationObject*>(root), index, levels);
}

PyObject* value_key(PyObject* source, int index) {
  if (Py_TYPE(source) != equation_type) {
    PyObject* origin = as_tensor(source)->origin;
    return origin ? value_key(origin, as_tensor(source)->index) : PyLong_FromVoidPtr(source);
  }
  if (self_of(source)->outputs.size() == 1) return Py_NewRef(source);
  return Py_BuildValue("(Oi)", source, index);
}

void add_equation_type(py::module_& m) {
  equation_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!equation_type) throw py::error_already_set();
  m.add_object("Equation", reinterpret_cast<PyObject*>(equation_type));
}

}  // namespace alice
