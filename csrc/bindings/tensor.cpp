// TensorBase: the part of a Tensor that must be quick. Everything a reader would call an API is in tensor.py.
// Hot: every call runs through here.
#include <new>

#include "../ops/strided_copy.h"
#include "locked.h"
#include "session.h"

namespace alice {

PyTypeObject* tensor_type = nullptr;

namespace {

TensorObject* self_of(PyObject* o) { return reinterpret_cast<TensorObject*>(o); }

bool is_readable(const TensorObject* t) {
  return !t->array.is_abstract() && (!is_outside(t) || thread_state().session->reads_outside);
}

// The memory counts the Tensors that show it.
void join_memory(TensorObject* t) {
  Storage* s = t->array.storage().get();
  if (!s) return;
  t->view = s->values++ > 0;
  t->version = s->version();
}
void leave_memory(TensorObject* t) {
  if (Storage* s = t->array.storage().get()) --s->values;
}

void tensor_dealloc(PyObject* o) {
  TensorObject* t = self_of(o);
  if (t->weakrefs) PyObject_ClearWeakRefs(o);
  Py_CLEAR(t->producer);
  Py_CLEAR(t->origin);
  Py_CLEAR(t->grad);
  Py_CLEAR(t->tangents);
  leave_memory(t);
  t->array.~Array();
  PyTypeObject* type = Py_TYPE(o);
  type->tp_free(o);
  Py_DECREF(type);
}

PyObject* dims_tuple(const Dims& d) {
  PyObject* out = PyTuple_New(d.size());
  for (int i = 0; out && i < d.size(); ++i) PyTuple_SET_ITEM(out, i, PyLong_FromLongLong(d[i]));
  return out;
}

PyObject* get_shape(PyObject* o, void*) { return dims_tuple(self_of(o)->array.shape()); }
PyObject* get_strides(PyObject* o, void*) { return dims_tuple(self_of(o)->array.strides()); }
PyObject* get_dtype(PyObject* o, void*) { return dtype_object(self_of(o)->array.dtype()).release().ptr(); }
PyObject* get_ndim(PyObject* o, void*) { return PyLong_FromLong(self_of(o)->array.rank()); }
PyObject* get_size(PyObject* o, void*) { return PyLong_FromLongLong(self_of(o)->array.numel()); }
PyObject* get_device(PyObject* o, void*) { return PyUnicode_FromString(name(self_of(o)->array.device())); }
PyObject* get_is_abstract(PyObject* o, void*) { return PyBool_FromLong(self_of(o)->array.is_abstract()); }
PyObject* get_is_contiguous(PyObject* o, void*) { return PyBool_FromLong(self_of(o)->array.is_contiguous()); }
PyObject* get_requires_grad(PyObject* o, void*) { return PyBool_FromLong(self_of(o)->requires_grad); }
PyObject* get_levels(PyObject* o, void*) { return PyLong_FromUnsignedLong(self_of(o)->levels); }
PyObject* get_is_tracked(PyObject* o, void*) {
  return PyBool_FromLong((self_of(o)->levels & thread_state().active) != 0);
}
PyObject* get_producer(PyObject* o, void*) {
  auto* p = reinterpret_cast<PyObject*>(self_of(o)->producer);
  return Py_NewRef(p ? p : Py_None);
}
PyObject* get_key(PyObject* o, void*) { return value_key(root_of(self_of(o)), self_of(o)->index); }
PyObject* get_root(PyObject* o, void*) {
  TensorObject* t = self_of(o);
  return value_handle(root_of(t), t->index, t->array, t->levels, thread_state().tracing);
}
PyObject* get_readable(PyObject* o, void*) { return PyBool_FromLong(is_readable(self_of(o))); }
PyObject* get_weak(PyObject* o, void*) { return PyBool_FromLong(self_of(o)->weak); }
PyObject* get_version(PyObject* o, void*) {
  const StorageRef& s = self_of(o)->array.storage();
  return PyLong_FromUnsignedLong(s ? s->version() : 0);
}
// While a function is being compiled its gradients are noted, not stored.
Session* noting(TensorObject* t) { return t->from_trace ? nullptr : thread_state().session; }

// What is in .grad now is not what a checkpointed function finds there when it runs again.
bool may_use_grad() {
  if (!thread_state().watcher) return true;
  raise_python(
      ErrorKind::Gradient,
      "grad: a checkpointed function runs again, so it can neither read nor change .grad; do it outside, or use "
      "ac.grad inside");
  return false;
}

PyObject* get_grad(PyObject* o, void*) {
  if (!may_use_grad()) return nullptr;
  if (Session* session = noting(self_of(o))) return session->gradient_of(self_of(o)).read().release().ptr();
  PyObject* g = self_of(o)->grad;
  return Py_NewRef(g ? g : Py_None);
}
int set_grad(PyObject* o, PyObject* value, void*) {
  if (!may_use_grad()) return -1;
  if (!value || value == Py_None) {
    if (Session* session = noting(self_of(o)))
      session->gradient_of(self_of(o)).write(py::none());
    else
      Py_CLEAR(self_of(o)->grad);
    return 0;
  }
  if (!is_tensor(value)) {
    PyErr_Format(PyExc_TypeError, "grad: expected a Tensor or None; got %s", Py_TYPE(value)->tp_name);
    return -1;
  }
  if (!(self_of(value)->array.shape() == self_of(o)->array.shape())) {
    try {
      fail(ErrorKind::Shape, "grad: expected the shape ", self_of(o)->array.shape(), " of the Tensor; got ",
           self_of(value)->array.shape());
    } catch (...) {
      translate_current_exception();
    }
    return -1;
  }
  if (Session* session = noting(self_of(o)))
    session->gradient_of(self_of(o)).write(py::reinterpret_borrow<py::object>(value));
  else
    Py_XSETREF(self_of(o)->grad, Py_NewRef(value));
  return 0;
}

// A parameter will be changed in place: it gets memory of its own, where it shares that of another Tensor.
void own_memory(TensorObject* t) {
  if (!t->view || t->array.is_abstract()) return;
  check_current(t, "requires_grad_");
  if (t->array.storage()->values > 1) {
    Array own = Array::empty(t->array.shape(), t->array.dtype());
    read_locked(t->array, [&] { strided_copy(own, t->array); });
    leave_memory(t);
    t->array = std::move(own);
    join_memory(t);
  }
  t->view = false;
}

PyObject* set_requires_grad(PyObject* o, PyObject* arg) {
  const int on = PyObject_IsTrue(arg);
  if (on < 0) return nullptr;
  TensorObject* t = self_of(o);
  try {
    if (on) own_memory(t);
  } catch (...) {
    return translate_current_exception();
  }
  t->requires_grad = on != 0;
  t->levels = on ? t->levels | 1u : t->levels & ~1u;
  Py_RETURN_NONE;
}

// The same array in other contexts. While somebody records, a leaf knows whose value it has.
PyObject* derived(TensorObject* t, EquationObject* producer, std::uint32_t levels) {
  PyObject* out = make_tensor(t->array, producer, producer ? t->index : 0, levels);
  if (t->view) self_of(out)->version = t->version;
  self_of(out)->weak = t->weak;
  self_of(out)->width = t->width;
  self_of(out)->from_trace = t->from_trace;
  self_of(out)->tangents = t->tangents ? Py_NewRef(t->tangents) : nullptr;
  if (!producer && thread_state().recorder) {
    self_of(out)->origin = Py_NewRef(root_of(t));
    self_of(out)->origin_from = thread_state().tracing;
    self_of(out)->index = t->index;
  } else if (producer && t->origin) {
    self_of(out)->origin = Py_NewRef(t->origin);
    self_of(out)->origin_from = t->origin_from;
  }
  return out;
}

// A leaf that shares the array: what a differentiation context watches.
PyObject* leaf(PyObject* o, PyObject* arg) {
  const unsigned long levels = PyLong_AsUnsignedLong(arg);
  if (PyErr_Occurred()) return nullptr;
  return derived(self_of(o), nullptr, static_cast<std::uint32_t>(levels));
}

// The same elements as a constant: nothing follows it, and it has no tangent.
PyObject* constant(PyObject* o, PyObject*) {
  PyObject* out = derived(self_of(o), nullptr, 0);
  Py_CLEAR(self_of(out)->tangents);
  return out;
}

PyObject* strong(PyObject* o, PyObject*) { return strengthened(self_of(o)); }

// The same value, followed by one more differentiation context.
PyObject* watch(PyObject* o, PyObject* arg) {
  const unsigned long level = PyLong_AsUnsignedLong(arg);
  if (PyErr_Occurred()) return nullptr;
  TensorObject* t = self_of(o);
  return derived(t, t->producer, t->levels | static_cast<std::uint32_t>(level));
}

PyObject* to_numpy(PyObject* o, PyObject* arg) {
  const int writable = PyObject_IsTrue(arg);
  if (writable < 0) return nullptr;
  try {
    check_readable(self_of(o), "numpy");
    return numpy_from_tensor(self_of(o), writable != 0).release().ptr();
  } catch (...) {
    return translate_current_exception();
  }
}

PyObject* item(PyObject* o, PyObject*) {
  const Array& a = self_of(o)->array;
  try {
    check_readable(self_of(o), "item");
    if (a.numel() != 1)
      fail(ErrorKind::Shape, "item: expected a Tensor with one element; got shape ", a.shape(),
           "; use x.numpy() or reduce it first");
    py::object number;
    read_locked(a, [&] { number = number_from(a); });
    return number.release().ptr();
  } catch (...) {
    return translate_current_exception();
  }
}

PyObject* shares_memory(PyObject* o, PyObject* other) {
  if (!is_tensor(other)) Py_RETURN_FALSE;
  const StorageRef& mine = self_of(o)->array.storage();
  return PyBool_FromLong(mine && mine.get() == self_of(other)->array.storage().get());
}

// memoryview(x), bytes(x), …: NumPy's array of the same memory serves the request, read-only.
int get_buffer(PyObject* o, Py_buffer* view, int flags) {
  view->obj = nullptr;
  if (self_of(o)->levels & thread_state().active) {
    PyErr_SetString(PyExc_BufferError,
                    "a Tensor that is being differentiated has no buffer; take ac.stop_gradient(x) first");
    return -1;
  }
  try {
    check_readable(self_of(o), "memoryview");
    return PyObject_GetBuffer(numpy_from_tensor(self_of(o), false).ptr(), view, flags);
  } catch (...) {
    translate_current_exception();
    return -1;
  }
}

// Operators: one table row each. The other operand may be anything that bind() takes; for the rest Python
// asks the other operand's type.
bool operand(PyObject* o) {
  return is_tensor(o) || PyFloat_Check(o) || PyLong_Check(o) || is_numpy_array(o) || is_numpy_scalar(o);
}

bool is_weak(PyObject* o) { return is_tensor(o) && self_of(o)->weak; }

// Arithmetic of the numbers of a traced call gives numbers again, in double precision as Python's do.
PyObject* number_arithmetic(int slot, PyObject* const* args, int n) {
  const auto number = [](PyObject* o) -> py::object {
    if (is_weak(o)) return py::reinterpret_steal<py::object>(strengthened(self_of(o)));
    const Scalar s = parse_scalar(o);
    const DType dtype = s.kind == Scalar::Kind::Real  ? DType::Float64
                        : s.kind == Scalar::Kind::Int ? DType::Int64
                                                      : DType::Bool;
    return py::reinterpret_steal<py::object>(make_tensor(scalar_array(s, dtype, "number")));
  };
  try {
    py::object strong[2];
    PyObject* all[2] = {};
    bool real = slot == kDivide;
    for (int i = 0; i < n; ++i) {
      strong[i] = number(args[i]);
      real = real || is_floating(self_of(strong[i].ptr())->array.dtype());
    }
    for (int i = 0; i < n; ++i) {
      if (real && slot != kInvert) {
        PyObject* cast[] = {strong[i].ptr(), dtype_object(DType::Float64).ptr()};
        strong[i] = py::reinterpret_steal<py::object>(bind(operator_primitive(kAstype), cast, 2));
        if (!strong[i]) throw py::error_already_set();
      }
      all[i] = strong[i].ptr();
    }
    PyObject* result = bind(operator_primitive(slot), all, n);
    if (result) self_of(result)->weak = true;
    return result;
  } catch (...) {
    return translate_current_exception();
  }
}

template <int Slot>
PyObject* binary(PyObject* a, PyObject* b) {
  if (!operand(a) || !operand(b)) Py_RETURN_NOTIMPLEMENTED;
  PyObject* args[] = {a, b};
  if ((is_weak(a) || is_weak(b)) && (is_weak(a) || parse_scalar(a).kind != Scalar::Kind::None) &&
      (is_weak(b) || parse_scalar(b).kind != Scalar::Kind::None))
    return number_arithmetic(Slot, args, 2);
  return bind(operator_primitive(Slot), args, 2);
}
template <int Slot>
PyObject* unary(PyObject* a) {
  return is_weak(a) ? number_arithmetic(Slot, &a, 1) : bind(operator_primitive(Slot), &a, 1);
}

// &, |, ^ and ~ mean the logical ops, which is what they are on bools; on integers NumPy's work on bits.
bool is_bool(PyObject* o) {
  if (is_tensor(o)) return self_of(o)->array.dtype() == DType::Bool;
  if (PyBool_Check(o)) return true;
  const py::object dtype = py::getattr(py::handle(o), "dtype", py::none());  // NumPy's arrays and scalars
  return dtype.equal(dtype_object(DType::Bool));
}
template <int Slot>
PyObject* logical(PyObject* a, PyObject* b) {
  if (!operand(a) || (b && !operand(b))) Py_RETURN_NOTIMPLEMENTED;
  PyObject* args[] = {a, b};
  for (PyObject* o : args)
    if (o && !is_bool(o))
      return raise_python(ErrorKind::DType, std::string(operator_primitive(Slot)->kernel->name) +
                                                ": the operators &, |, ^ and ~ expect bool; compare first (x != 0), or "
                                                "use ac.logical_and and its kin on numbers");
  return bind(operator_primitive(Slot), args, b ? 2 : 1);
}
PyObject* invert(PyObject* a) { return logical<kInvert>(a, nullptr); }

PyObject* itself(PyObject* a) { return Py_NewRef(a); }
PyObject* power(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return binary<kPower>(a, b);
}
PyObject* compare(PyObject* a, PyObject* b, int op) {
  switch (op) {
    case Py_EQ: return binary<kEqual>(a, b);
    case Py_NE: return binary<kNotEqual>(a, b);
    case Py_LT: return binary<kLess>(a, b);
    case Py_LE: return binary<kLessEqual>(a, b);
    case Py_GT: return binary<kGreater>(a, b);
    default: return binary<kGreaterEqual>(a, b);
  }
}
// Elementwise == leaves identity as the only sensible hash.
Py_hash_t hash(PyObject* o) { return static_cast<Py_hash_t>(reinterpret_cast<std::uintptr_t>(o) >> 4); }

PyGetSetDef getset[] = {
    {"shape", get_shape, nullptr, "Extents, a tuple of ints.", nullptr},
    {"strides", get_strides, nullptr, "Steps between neighbours along each axis, in elements.", nullptr},
    {"dtype", get_dtype, nullptr, "Element type, a NumPy dtype.", nullptr},
    {"ndim", get_ndim, nullptr, "Number of axes.", nullptr},
    {"size", get_size, nullptr, "Number of elements.", nullptr},
    {"device", get_device, nullptr, "Where the data is: 'cpu', or 'abstract' for a shape and dtype without data.",
     nullptr},
    {"is_abstract", get_is_abstract, nullptr, "True if there is a shape and a dtype but no data.", nullptr},
    {"is_contiguous", get_is_contiguous, nullptr, "True if the elements lie in C order without gaps.", nullptr},
    {"requires_grad", get_requires_grad, nullptr, "True for a leaf whose .grad backward() fills.", nullptr},
    {"is_tracked", get_is_tracked, nullptr, "True if an op on this Tensor would be recorded for differentiation.",
     nullptr},
    {"grad", get_grad, set_grad, "The gradient that backward() accumulated, a Tensor of the same shape, or None.",
     nullptr},
    {"_levels", get_levels, nullptr, "Bit set of the differentiation contexts this value depends on.", nullptr},
    {"_producer", get_producer, nullptr, "The Equation that made this value, or None.", nullptr},
    {"_key", get_key, nullptr, "Names this value in a trace.", nullptr},
    {"_root", get_root, nullptr, "A handle on the same value that the contexts outside of a trace follow.", nullptr},
    {"_weak", get_weak, nullptr, "True if this stands for a Python number of a traced call.", nullptr},
    {"_readable", get_readable, nullptr, "Whether the elements may be read here: not while they are only being traced.",
     nullptr},
    {"_version", get_version, nullptr, "Number of in-place changes of the memory.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMethodDef methods[] = {
    {"_set_requires_grad", set_requires_grad, METH_O, nullptr},
    {"_leaf", leaf, METH_O, "A leaf of the given levels on the same memory."},
    {"_constant", constant, METH_NOARGS, "The same elements as a constant of all differentiation."},
    {"_strong", strong, METH_NOARGS, "A number of a traced call as a Tensor like any other."},
    {"_watch", watch, METH_O, "The same value, followed by one more differentiation context."},
    {"_numpy", to_numpy, METH_O, "A NumPy view; the argument says whether it may be written to."},
    {"item", item, METH_NOARGS, "The only element as a Python bool, int or float."},
    {"_shares_memory", shares_memory, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr}};

PyMemberDef members[] = {{"__weaklistoffset__", T_PYSSIZET, offsetof(TensorObject, weakrefs), READONLY, nullptr},
                         {nullptr, 0, 0, 0, nullptr}};

PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(tensor_dealloc)},
                       {Py_tp_getset, getset},
                       {Py_tp_methods, methods},
                       {Py_tp_members, members},
                       {Py_tp_richcompare, reinterpret_cast<void*>(compare)},
                       {Py_tp_hash, reinterpret_cast<void*>(hash)},
                       {Py_nb_add, reinterpret_cast<void*>(binary<kAdd>)},
                       {Py_nb_subtract, reinterpret_cast<void*>(binary<kSubtract>)},
                       {Py_nb_multiply, reinterpret_cast<void*>(binary<kMultiply>)},
                       {Py_nb_true_divide, reinterpret_cast<void*>(binary<kDivide>)},
                       {Py_nb_floor_divide, reinterpret_cast<void*>(binary<kFloorDivide>)},
                       {Py_nb_remainder, reinterpret_cast<void*>(binary<kRemainder>)},
                       {Py_nb_power, reinterpret_cast<void*>(power)},
                       {Py_nb_matrix_multiply, reinterpret_cast<void*>(binary<kMatmul>)},
                       {Py_nb_positive, reinterpret_cast<void*>(itself)},
                       {Py_nb_negative, reinterpret_cast<void*>(unary<kNegative>)},
                       {Py_nb_absolute, reinterpret_cast<void*>(unary<kAbs>)},
                       {Py_nb_and, reinterpret_cast<void*>(logical<kAnd>)},
                       {Py_nb_or, reinterpret_cast<void*>(logical<kOr>)},
                       {Py_nb_xor, reinterpret_cast<void*>(logical<kXor>)},
                       {Py_nb_invert, reinterpret_cast<void*>(invert)},
                       {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
                       {Py_tp_doc, const_cast<char*>("Native part of alice_core.Tensor.")},
                       {0, nullptr}};
PyType_Spec spec = {"alice_core._core.TensorBase", sizeof(TensorObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

}  // namespace

PyObject* make_tensor(Array array, EquationObject* producer, int index, std::uint32_t levels) {
  PyObject* o = tensor_type->tp_alloc(tensor_type, 0);
  if (!o) throw py::error_already_set();
  TensorObject* t = self_of(o);
  new (&t->array) Array(std::move(array));
  join_memory(t);
  t->producer = producer;
  Py_XINCREF(producer);
  t->index = index;
  t->levels = levels;
  t->from_trace = thread_state().tracing;
  return o;
}

PyObject* same_value(TensorObject* t) { return derived(t, t->producer, t->levels); }

PyObject* strengthened(TensorObject* t) {
  PyObject* strong = same_value(t);
  self_of(strong)->weak = false;
  return strong;
}

void check_readable(const TensorObject* t, const char* op) {
  if (t->array.is_abstract())
    fail(ErrorKind::Trace, op, ": this Tensor is abstract, it has a shape ", t->array.shape(), " and a dtype ",
         name(t->array.dtype()),
         " but no value; use ac.where to choose by value, or keep the call outside of the traced function");
  if (!is_readable(t))
    fail(ErrorKind::Trace, op, ": the value of a Tensor from outside, shape ", t->array.shape(), ", dtype ",
         name(t->array.dtype()),
         ", would become a constant of the compiled program; use ac.where to choose by value, or keep the call "
         "outside of the compiled function");
  check_current(t, op);
}

void refuse_stale(const TensorObject* t, const char* op) {
  fail(
      ErrorKind::Value, op, ": a view, shape ", t->array.shape(), ", ", name(t->array.dtype()),
      ", of a Tensor that was changed in place since has lost its value; take the view again after the change, or copy "
      "it before with ac.tensor(x)");
}

void add_tensor_type(py::module_& m) {
  PyObject* type = PyType_FromSpec(&spec);
  if (!type) throw py::error_already_set();
  tensor_type = reinterpret_cast<PyTypeObject*>(type);  // until Python names its subclass
  m.add_object("TensorBase", type);
}

}  // namespace alice
