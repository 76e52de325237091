// PrimitiveBase: a kernel that can be called with Tensors. bind() is the one way from Python to native work:
//   arguments → Tensors of the dtypes the kernel takes → infer, allocate, run → result, and an equation if
//   anybody differentiates or records.
// Hot: every call runs through here.
#include "checkpoint.h"
#include "forward.h"
#include "gil.h"
#include "locked.h"
#include "record.h"

#include <string>
#include <unordered_map>

namespace alice {
namespace {

PyTypeObject* primitive_type = nullptr;
PrimitiveObject* operators[kOperatorSlots] = {};
const char* const operator_names[kOperatorSlots] = {
    "add",         "subtract",   "multiply",    "divide",      "floor_divide", "remainder",  "pow",     "matmul",
    "negative",    "abs",        "equal",       "not_equal",   "less",         "less_equal", "greater", "greater_equal",
    "logical_and", "logical_or", "logical_xor", "logical_not", "astype",       "remat"};

PrimitiveObject* self_of(PyObject* o) { return reinterpret_cast<PrimitiveObject*>(o); }

// Owns the Tensors that conversion makes, up to the end of the call.
struct Arguments {
  std::vector<py::object> converted;
  std::vector<TensorObject*> tensors;  // null while an argument is still a weakly typed scalar
  std::vector<Scalar> scalars;
  std::vector<TensorObject*> weak;  // the scalars that are numbers of a traced call, else null; empty if there is none
};

[[noreturn]] void bad_argument(const char* op, Py_ssize_t i, PyObject* o) {
  fail(ErrorKind::DType, op, ": argument ", i, " must be a Tensor, a NumPy array or a number; got ",
       Py_TYPE(o)->tp_name, "; convert it with ac.tensor(…)");
}

DType scalar_dtype(const Scalar& s) {
  switch (s.kind) {
    case Scalar::Kind::Bool: return DType::Bool;
    case Scalar::Kind::Int: return DType::Int64;
    default: return DType::Float32;
  }
}

// The dtype that a weak scalar asks for beside tensors of dtype `common`: its kind counts, its width does not.
DType with_scalar(DType common, const Scalar& s) {
  if (s.kind == Scalar::Kind::Real && !is_floating(common)) return DType::Float32;
  if (s.kind == Scalar::Kind::Int && common == DType::Bool) return DType::Int64;
  return common;
}

// Brings the arguments from `first` on to one dtype and returns it.
DType promote_arguments(const Arguments& a, std::size_t first, Inputs mode) {
  bool any = false;
  DType common = DType::Bool;
  for (std::size_t i = first; i < a.tensors.size(); ++i)
    if (a.tensors[i]) {
      common = any ? promote(common, a.tensors[i]->array.dtype()) : a.tensors[i]->array.dtype();
      any = true;
    }
  for (std::size_t i = first; i < a.tensors.size(); ++i)
    if (!a.tensors[i]) common = any ? with_scalar(common, a.scalars[i]) : promote(common, scalar_dtype(a.scalars[i]));
  if (mode == Inputs::Numeric && common == DType::Bool) return DType::Int32;
  if (mode == Inputs::Floating && !is_floating(common)) return DType::Float32;
  return common;
}

// Kind of the number that a weak Tensor stands for.
Scalar weak_scalar(const TensorObject* t) {
  const DType dtype = t->array.dtype();
  return {dtype == DType::Bool    ? Scalar::Kind::Bool
          : dtype == DType::Int64 ? Scalar::Kind::Int
                                  : Scalar::Kind::Real,
          0, 0.0};
}

void cast_argument(Arguments& a, std::size_t i, DType dtype, const char* op) {
  if (!a.tensors[i] && !a.weak.empty() && a.weak[i]) {
    if (!is_floating(dtype) && a.weak[i]->width > itemsize(dtype))
      fail(ErrorKind::DType, op, ": the Python number does not fit ", name(dtype),
           "; convert the tensor with x.astype(ac.float32) first");
    a.converted.push_back(py::reinterpret_steal<py::object>(strengthened(a.weak[i])));
    a.tensors[i] = as_tensor(a.converted.back().ptr());
    a.weak[i] = nullptr;
    return cast_argument(a, i, dtype, op);
  }
  if (!a.tensors[i]) {
    a.converted.push_back(py::reinterpret_steal<py::object>(make_tensor(scalar_array(a.scalars[i], dtype, op))));
  } else if (a.tensors[i]->array.dtype() != dtype) {
    PyObject* args[] = {reinterpret_cast<PyObject*>(a.tensors[i]), dtype_object(dtype).ptr()};
    PyObject* cast = bind(operators[kAstype], args, 2);
    if (!cast) throw py::error_already_set();
    a.converted.push_back(py::reinterpret_steal<py::object>(cast));
  } else {
    return;
  }
  a.tensors[i] = as_tensor(a.converted.back().ptr());
}

void convert_arguments(Arguments& a, const Kernel& kernel, PyObject* const* args, std::size_t n) {
  a.tensors.resize(n);
  bool plain = true;  // all Tensors of one dtype, the usual case
  for (std::size_t i = 0; i < n; ++i) {
    PyObject* o = args[i];
    if (is_tensor(o) && as_tensor(o)->weak) {
      a.scalars.resize(n);
      a.weak.resize(n);
      a.scalars[i] = weak_scalar(as_tensor(o));
      a.weak[i] = as_tensor(o);
      plain = false;
      continue;
    }
    if (is_tensor(o)) {
      a.tensors[i] = as_tensor(o);
      plain = plain && a.tensors[i]->array.dtype() == a.tensors[0]->array.dtype();
      continue;
    }
    if (is_numpy_array(o)) {
      a.converted.push_back(py::reinterpret_steal<py::object>(make_tensor(array_from_numpy(o, true))));
      a.tensors[i] = as_tensor(a.converted.back().ptr());
      plain = plain && a.tensors[0] && a.tensors[i]->array.dtype() == a.tensors[0]->array.dtype();
      continue;
    }
    a.scalars.resize(n);
    a.scalars[i] = parse_scalar(o);
    if (a.scalars[i].kind == Scalar::Kind::None) bad_argument(kernel.name, static_cast<Py_ssize_t>(i), o);
    plain = false;
  }
  const DType first = plain ? a.tensors[0]->array.dtype() : DType::Bool;
  switch (kernel.inputs) {
    case Inputs::AsIs:
      if (plain) return;
      for (std::size_t i = 0; i < n; ++i)
        if (!a.tensors[i]) cast_argument(a, i, scalar_dtype(a.scalars[i]), kernel.name);
      return;
    case Inputs::Where: {
      cast_argument(a, 0, DType::Bool, kernel.name);
      const DType dtype = promote_arguments(a, 1, Inputs::Promote);
      for (std::size_t i = 1; i < n; ++i) cast_argument(a, i, dtype, kernel.name);
      return;
    }
    default: {
      if (plain && (is_floating(first) || kernel.inputs == Inputs::Promote ||
                    (kernel.inputs == Inputs::Numeric && first != DType::Bool)))
        return;
      const DType dtype = promote_arguments(a, 0, kernel.inputs);
      for (std::size_t i = 0; i < n; ++i) cast_argument(a, i, dtype, kernel.name);
    }
  }
}

void run(Call& call) {
  infer(call);
  if (!has_work(call)) return;
  const auto ask = [&](Locks& locks) {
    for (const Array& a : call.in) locks.read(a.storage().get());
  };
  // The versions of what it read are looked at when it has run.
  run_locked({.nanoseconds = call.kernel.cost ? call.kernel.cost(call) : 0, .until_resumed = true}, ask,
             [&] { compute(call); });
}

// Any argument whose type defines __alice_bind__ takes the call over: the seam for values that carry more than
// an array (a tangent, a batch axis). Returns null without an error if there is none.
PyObject* overridden(PrimitiveObject* p, PyObject* const* args, Py_ssize_t nargs) {
  static PyObject* hook = PyUnicode_InternFromString("__alice_bind__");
  for (Py_ssize_t i = 0; i < nargs; ++i) {
    PyTypeObject* type = Py_TYPE(args[i]);
    if (type == tensor_type || PyFloat_Check(args[i]) || PyLong_Check(args[i]) || PyTuple_Check(args[i]) ||
        args[i] == Py_None)
      continue;
    if (!PyObject_HasAttr(reinterpret_cast<PyObject*>(type), hook)) continue;
    py::tuple all(nargs);
    for (Py_ssize_t k = 0; k < nargs; ++k) PyTuple_SET_ITEM(all.ptr(), k, Py_NewRef(args[k]));
    return into_python(
        [&] { return PyObject_CallMethodObjArgs(args[i], hook, reinterpret_cast<PyObject*>(p), all.ptr(), nullptr); });
  }
  return nullptr;
}

void save(Saved& s, PrimitiveObject* p, std::size_t i, TensorObject* t, TensorObject* value, Array array) {
  const ThreadState& state = thread_state();
  const bool recording = state.recorder;
  s.levels = t->levels;
  s.tracked = p->differentiable && (t->levels & state.active) != 0;
  s.index = t->index;
  s.version = array.storage() ? array.storage()->version() : 0;
  s.source = operand_source(t);
  if (s.source == reinterpret_cast<PyObject*>(t) && !t->levels && !recording) s.source = nullptr;
  Py_XINCREF(s.source);
  if (PyObject* root = root_of(value); recording && root != s.source && (value != t || t->producer)) {
    s.origin = Py_NewRef(root);
    s.origin_index = value->index;
  }
  if (!state.forward.empty()) s.tangents = t->tangents ? Py_NewRef(t->tangents) : nullptr;
  s.array = (p->saved_inputs >> (i < 63 ? i : 63)) & 1 ? std::move(array) : array.shape_only();
}

PyObject* bind_checked(PrimitiveObject* p, PyObject* const* args, Py_ssize_t nargs) {
  const Kernel& kernel = *p->kernel;
  const Py_ssize_t n_in = kernel.n_in < 0 ? nargs - kernel.n_attrs() : kernel.n_in;
  if (nargs != n_in + kernel.n_attrs() || (kernel.n_in < 0 && n_in < 1)) {
    if (kernel.n_in < 0) fail(ErrorKind::Value, kernel.name, ": expected at least one array; got none");
    fail(ErrorKind::Value, kernel.name, ": expected ", kernel.n_in, " inputs and ", kernel.n_attrs(),
         " attributes; got ", nargs, " arguments");
  }
  if (PyObject* taken = overridden(p, args, n_in); taken || PyErr_Occurred()) return taken;

  Arguments a;
  convert_arguments(a, kernel, args, static_cast<std::size_t>(n_in));
  const std::vector<Attr> attrs = parse_attributes(kernel, args + n_in);

  ThreadState& state = thread_state();
  const auto value = [&](TensorObject* t) { return state.watcher ? state.watcher->value(t) : t; };
  std::uint32_t levels = 0;
  std::vector<Array> in;
  in.reserve(static_cast<std::size_t>(n_in));
  for (TensorObject* t : a.tensors) {
    levels |= t->levels;
    check_current(value(t), kernel.name);
    in.push_back(state.session ? value(t)->array.hidden() : value(t)->array);
  }
  levels = p->differentiable ? levels & state.active : 0;

  std::vector<Array> out(static_cast<std::size_t>(kernel.n_out));
  Call call{kernel, in, out, attrs};
  run(call);

  const auto attributes_of_call = [&] {
    py::object attributes = py::reinterpret_steal<py::object>(PyTuple_New(kernel.n_attrs()));
    for (int i = 0; i < kernel.n_attrs(); ++i) PyTuple_SET_ITEM(attributes.ptr(), i, Py_NewRef(args[n_in + i]));
    return attributes;
  };
  if (state.checker && !state.session) check_results(p, constants(in), out, attributes_of_call());

  EquationObject* eq = nullptr;
  if (levels || state.recorder) {
    std::shared_ptr<Record> record = make_record(p, in, out, call.attrs, levels != 0);
    py::object attributes;
    if (!attrs.empty()) attributes = attributes_of_call();
    eq = make_equation(p, in.size(), attributes.ptr(), levels, out);
    for (std::size_t i = 0; i < in.size(); ++i)
      save(eq->inputs[i], p, i, a.tensors[i], value(a.tensors[i]),
           state.session ? a.tensors[i]->array : std::move(in[i]));
    eq->record = std::move(record);
  }
  py::object held = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(eq));
  if (eq && state.recorder && PyList_Append(state.recorder, held.ptr()) < 0) return nullptr;
  py::object result;
  if (out.size() == 1) {
    result = py::reinterpret_steal<py::object>(make_tensor(std::move(out[0]), eq, 0, levels));
  } else {
    result = py::tuple(out.size());
    for (std::size_t i = 0; i < out.size(); ++i)
      PyTuple_SET_ITEM(result.ptr(), static_cast<Py_ssize_t>(i),
                       make_tensor(std::move(out[i]), eq, static_cast<int>(i), levels));
  }
  if (!state.forward.empty() && p->differentiable) carry_tangents(p, a.tensors, args + n_in, eq, result);
  if (levels && state.watcher) state.watcher->note_all(eq, result);
  return result.release().ptr();
}

PyObject* primitive_call(PyObject* self, PyObject* const* args, std::size_t nargsf, PyObject* kwnames) {
  PrimitiveObject* p = self_of(self);
  if (kwnames && PyTuple_GET_SIZE(kwnames)) {
    PyErr_Format(PyExc_TypeError, "%s: a primitive takes positional arguments only", p->kernel->name);
    return nullptr;
  }
  return bind(p, args, PyVectorcall_NARGS(nargsf));
}

PyObject* primitive_new(PyTypeObject* type, PyObject* args, PyObject*) {
  const char* name;
  if (!PyArg_ParseTuple(args, "s", &name)) return nullptr;
  const Kernel* kernel = Registry::instance().find(name);
  if (!kernel) {
    PyErr_Format(PyExc_ValueError, "Primitive: there is no kernel of the name %s", name);
    return nullptr;
  }
  if (kernel->n_out < 0) {
    PyErr_Format(PyExc_ValueError, "Primitive: kernel %s cannot be called with Tensors", name);
    return nullptr;
  }
  PyObject* o = type->tp_alloc(type, 0);
  if (!o) return nullptr;
  PrimitiveObject* p = self_of(o);
  p->vectorcall = primitive_call;
  p->kernel = kernel;
  p->name = PyUnicode_InternFromString(name);
  p->saved_inputs = ~std::uint64_t{0};
  p->saves_output = true;
  p->differentiable = true;
  for (int i = 0; i < kOperatorSlots; ++i)
    if (std::string_view(operator_names[i]) == name) {
      Py_INCREF(o);
      Py_XSETREF(operators[i], p);
    }
  return o;
}

void primitive_dealloc(PyObject* o) {
  Py_XDECREF(self_of(o)->name);
  Py_XDECREF(self_of(o)->vjp_rules);
  Py_XDECREF(self_of(o)->vjp_joint);
  Py_XDECREF(self_of(o)->jvp_rules);
  Py_XDECREF(self_of(o)->jvp_joint);
  PyTypeObject* type = Py_TYPE(o);
  type->tp_free(o);
  Py_DECREF(type);
}

PyObject* set_saves(PyObject* o, PyObject* args) {
  unsigned long long inputs;
  int output, differentiable;
  if (!PyArg_ParseTuple(args, "Kpp", &inputs, &output, &differentiable)) return nullptr;
  self_of(o)->saved_inputs = inputs;
  self_of(o)->saves_output = output != 0;
  self_of(o)->differentiable = differentiable != 0;
  Py_RETURN_NONE;
}

PyObject* get_name(PyObject* o, void*) { return Py_NewRef(self_of(o)->name); }
PyObject* get_n_inputs(PyObject* o, void*) { return PyLong_FromLong(self_of(o)->kernel->n_in); }
PyObject* get_n_outputs(PyObject* o, void*) { return PyLong_FromLong(self_of(o)->kernel->n_out); }
PyObject* get_differentiable(PyObject* o, void*) { return PyBool_FromLong(self_of(o)->differentiable); }

PyGetSetDef getset[] = {
    {"name", get_name, nullptr, "Name of the primitive and of its kernel.", nullptr},
    {"n_inputs", get_n_inputs, nullptr, "Number of array inputs, -1 for any number.", nullptr},
    {"n_outputs", get_n_outputs, nullptr, "Number of results.", nullptr},
    {"differentiable", get_differentiable, nullptr, "False if the result carries no gradient.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef methods[] = {{"_set_saves", set_saves, METH_VARARGS, "(bit set of inputs, output?, differentiable?)"},
                         {nullptr, nullptr, 0, nullptr}};
PyMemberDef members[] = {
    {"vjp_rules", T_OBJECT, offsetof(PrimitiveObject, vjp_rules), 0, "One VJP rule (or None) per input, or None."},
    {"vjp_joint", T_OBJECT, offsetof(PrimitiveObject, vjp_joint), 0, "One VJP rule for all inputs, or None."},
    {"jvp_rules", T_OBJECT, offsetof(PrimitiveObject, jvp_rules), 0, "One JVP rule (or None) per input, or None."},
    {"jvp_joint", T_OBJECT, offsetof(PrimitiveObject, jvp_joint), 0, "One JVP rule for all inputs, or None."},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(PrimitiveObject, vectorcall), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};
PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(primitive_new)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(primitive_dealloc)},
                       {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                       {Py_tp_getset, getset},
                       {Py_tp_methods, methods},
                       {Py_tp_members, members},
                       {Py_tp_doc, const_cast<char*>("A native kernel that can be called with Tensors.")},
                       {0, nullptr}};
PyType_Spec spec = {"alice_core._core.PrimitiveBase", sizeof(PrimitiveObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_VECTORCALL, slots};

}  // namespace

ThreadState& thread_state() {
  thread_local ThreadState state;
  return state;
}

PrimitiveObject* operator_primitive(int slot) { return operators[slot]; }

PrimitiveObject* update_primitive(const Kernel* kernel) {
  static std::unordered_map<const Kernel*, PrimitiveObject*> made;  // live as long as the process
  PrimitiveObject*& p = made[kernel];
  if (!p) {
    PyObject* o = primitive_type->tp_alloc(primitive_type, 0);
    if (!o) throw py::error_already_set();
    p = self_of(o);
    p->kernel = kernel;
    p->vectorcall = primitive_call;
    p->name = PyUnicode_InternFromString(kernel->name);
  }
  return p;
}

PyObject* bind(PrimitiveObject* primitive, PyObject* const* args, Py_ssize_t nargs) {
  try {
    return bind_checked(primitive, args, nargs);
  } catch (...) {
    return translate_current_exception();
  }
}

void add_primitive_type(py::module_& m) {
  PyObject* type = PyType_FromSpec(&spec);
  if (!type) throw py::error_already_set();
  primitive_type = reinterpret_cast<PyTypeObject*>(type);
  m.add_object("PrimitiveBase", type);
}

}  // namespace alice
