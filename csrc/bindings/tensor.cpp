// TensorBase: the part of a Tensor that must be quick. Everything a reader would call an API is in tensor.py.
// Hot: every call runs through here.
#include "tensor.h"

#include <algorithm>

#include "../ops/strided_copy.h"
#include "convert.h"
#include "elsewhere.h"
#include "equation.h"
#include "forward.h"
#include "locked.h"
#include "modes.h"
#include "operators.h"
#include "session.h"
#include "slot.h"

namespace alice {

PyTypeObject* tensor_type = nullptr;

namespace {

// ---- life -----------------------------------------------------------------------------------------------------------

// The memory counts the Tensors that show it.
void join_memory(TensorObject* t) {
  Storage* s = t->array.storage().get();
  if (!s) return;
  t->view = s->values++ > 0;
  t->version = version_of(t->array);
}
void leave_memory(TensorObject* t) {
  if (Storage* s = t->array.storage().get()) --s->values;
}

int traverse(TensorObject* t, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(t));
  Py_VISIT(t->producer);
  Py_VISIT(t->origin);
  Py_VISIT(t->grad);
  Py_VISIT(t->tangents);
  return 0;
}

// What is left is a leaf.
int clear(TensorObject* t) noexcept {
  Py_CLEAR(t->producer);
  Py_CLEAR(t->origin);
  Py_CLEAR(t->grad);
  Py_CLEAR(t->tangents);
  return 0;
}

// Chains of equations see to themselves; those of Tensors (the gradient of a gradient …) are cut by CPython.
void dealloc(TensorObject* t) noexcept {
  PyObject_GC_UnTrack(t);
  const bool chained = t->grad || t->origin || t->tangents;
  Py_TRASHCAN_BEGIN_CONDITION(t, chained && Py_TYPE(t) == tensor_type);
  if (t->weakrefs) PyObject_ClearWeakRefs(as_object(t));
  clear(t);
  leave_memory(t);
  std::destroy_at(&t->array);
  PyTypeObject* type = Py_TYPE(t);
  type->tp_free(t);
  Py_DECREF(type);
  Py_TRASHCAN_END
}

// The same array in other contexts. While somebody records, a leaf knows whose value it has.
py::object derived(TensorObject* t, EquationObject* producer, std::uint32_t levels) {
  py::object made = owned(make_tensor(t->array, producer, producer ? t->index : 0, levels));
  TensorObject* out = as_tensor(made.ptr());
  if (t->view) out->version = t->version;
  out->weak = t->weak;
  out->width = t->width;
  out->from_trace = t->from_trace;
  out->thread = t->thread;
  out->born = t->born;
  out->tangents = Py_XNewRef(t->tangents);
  if (!producer && thread_state().recorder) {
    out->origin = Py_NewRef(root_of(t));
    out->origin_from = thread_state().tracing;
    out->index = t->index;
  } else if (producer && t->origin) {
    out->origin = Py_NewRef(t->origin);
    out->origin_from = t->origin_from;
  }
  return made;
}

// ---- what it is -----------------------------------------------------------------------------------------------------

py::object dims_tuple(const Dims& d) {
  return tuple_of(static_cast<std::size_t>(d.size()), [&](std::size_t i) { return py::int_(d[static_cast<int>(i)]); });
}

py::object get_shape(TensorObject* t) { return dims_tuple(t->array.shape()); }
py::object get_strides(TensorObject* t) { return dims_tuple(t->array.strides()); }
py::object get_dtype(TensorObject* t) { return dtype_object(t->array.dtype()); }
int get_ndim(TensorObject* t) { return t->array.rank(); }
std::int64_t get_size(TensorObject* t) { return t->array.numel(); }
const char* get_device(TensorObject* t) { return name(t->array.device()); }
bool get_is_abstract(TensorObject* t) { return t->array.is_abstract(); }
bool get_is_contiguous(TensorObject* t) { return t->array.is_contiguous(); }
bool get_weak(TensorObject* t) { return t->weak; }
std::uint32_t get_version(TensorObject* t) { return version_of(t->array); }

// Elementwise == leaves identity as the only sensible hash.
Py_hash_t hash(PyObject* o) { return static_cast<Py_hash_t>(reinterpret_cast<std::uintptr_t>(o) >> 4); }

bool shares_memory(TensorObject* t, PyObject* other) {
  const StorageRef& mine = t->array.storage();
  return is_tensor(other) && mine && mine.get() == as_tensor(other)->array.storage().get();
}

// ---- what is in it --------------------------------------------------------------------------------------------------

bool is_readable(const TensorObject* t) {
  return !t->array.is_abstract() && (!is_outside(t) || thread_state().session->reads_outside);
}

// Does a transform differentiate the value, or will when the trace that is being made has run?
bool is_transformed(const TensorObject* t) {
  const ThreadState& state = thread_state();
  if ((followers_of(t, state) & ~1u) || has_tangent(t, state.forward)) return true;
  for (const Session* s = state.session; s; s = s->outer)
    if (s->isolated && s->hidden < s->followers &&
        ((contexts_of(t, state) & s->outer_active & ~1u) || has_tangent(t, s->outer_forward)))
      return true;
  return false;
}

// A number that leaves the trace takes no derivative with it. A loop around backward() reads its losses; a function
// that a transform differentiates would get a wrong result.
void check_may_leave(const TensorObject* t, const char* op) {
  check_ours(t, op);
  if (is_transformed(t))
    fail(ErrorKind::Gradient, op, ": expected a constant; got a value, shape ", t->array.shape(), ", dtype ",
         name(t->array.dtype()),
         ", that grad, jvp or another transform is differentiating: as a plain number it would lose its derivative; "
         "compute with functions of alice_core, or take ac.stop_gradient(x) first if a constant is meant");
}

py::object to_numpy(TensorObject* t, PyObject* writable) {
  check_readable(t, "numpy");
  check_may_leave(t, "numpy");
  const int is_writable = PyObject_IsTrue(writable);
  if (is_writable < 0) throw py::error_already_set();
  return numpy_from_tensor(t, is_writable, "numpy");
}

py::object get_item(TensorObject* t) { return item(t, "item"); }

py::object item_for(TensorObject* t, PyObject* who) {
  const char* op = PyUnicode_AsUTF8(who);
  if (!op) throw py::error_already_set();
  return item(t, op);
}

// memoryview(x), bytes(x), …: NumPy's array of the same memory serves the request, read-only.
int get_buffer(TensorObject* t, Py_buffer* view, int flags) {
  view->obj = nullptr;
  if (followers_of(t) || is_transformed(t))
    throw py::buffer_error("a Tensor that is being differentiated has no buffer; take ac.stop_gradient(x) first");
  const int status = PyObject_GetBuffer(numpy_from_tensor(t, false, "memoryview").ptr(), view, flags);
  if (status < 0) throw py::error_already_set();
  return status;
}

// ---- differentiation ------------------------------------------------------------------------------------------------

bool get_requires_grad(TensorObject* t) { return t->requires_grad; }
std::uint32_t get_levels(TensorObject* t) { return contexts_of(t); }
bool get_is_tracked(TensorObject* t) { return followers_of(t, state_in_context()); }
py::object get_producer(TensorObject* t) { return t->producer ? borrowed(as_object(t->producer)) : py::none(); }
py::object get_key(TensorObject* t) { return owned(value_key(root_of(t), t->index)); }
py::object get_root(TensorObject* t) {
  return owned(value_handle(root_of(t), t->index, t->array, t->levels, t->born, thread_state().tracing));
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

void set_requires_grad(TensorObject* t, PyObject* arg) {
  const int on = PyObject_IsTrue(arg);
  if (on < 0) throw py::error_already_set();
  if (on) own_memory(t);
  t->requires_grad = on;
  t->levels = on ? t->levels | 1u : t->levels & ~1u;
}

std::uint32_t levels_from(PyObject* arg) {
  const unsigned long levels = PyLong_AsUnsignedLong(arg);
  if (PyErr_Occurred()) throw py::error_already_set();
  return static_cast<std::uint32_t>(levels);
}

py::object watched(TensorObject* t, EquationObject* producer, std::uint32_t levels) {
  check_ours(t, "grad");
  py::object made = derived(t, producer, levels);
  as_tensor(made.ptr())->thread = thread_state().number;
  as_tensor(made.ptr())->born = contexts_begun();
  return made;
}

// A leaf that shares the array: what a differentiation context watches.
py::object leaf(TensorObject* t, PyObject* arg) { return watched(t, nullptr, levels_from(arg)); }

// The same value, followed by one more differentiation context.
py::object watch(TensorObject* t, PyObject* arg) { return watched(t, t->producer, contexts_of(t) | levels_from(arg)); }

// The same elements as a constant: nothing follows it, and it has no tangent.
py::object constant(TensorObject* t) {
  py::object out = derived(t, nullptr, 0);
  Py_CLEAR(as_tensor(out.ptr())->tangents);
  return out;
}

py::object strong(TensorObject* t) { return owned(strengthened(t)); }

// ---- .grad ----------------------------------------------------------------------------------------------------------

// While a function is being compiled its gradients are noted, not stored.
Session* noting(TensorObject* t) { return t->from_trace ? nullptr : thread_state().session; }

// What is in .grad now is not what a checkpointed function finds there when it runs again.
void check_may_use_grad() {
  if (thread_state().watcher)
    fail(ErrorKind::Gradient,
         "grad: a checkpointed function runs again, so it can neither read nor change .grad; do it outside, or use "
         "ac.grad inside");
}

py::object get_grad(TensorObject* t) {
  check_may_use_grad();
  if (Session* session = noting(t)) return session->gradient_of(t).read();
  return borrowed(t->grad ? t->grad : Py_None);
}

void set_grad(TensorObject* t, PyObject* value) {
  check_may_use_grad();
  const bool none = !value || value == Py_None;
  if (!none) {
    if (!is_tensor(value))
      throw py::type_error(std::string("grad: expected a Tensor or None; got ") + Py_TYPE(value)->tp_name);
    const Array& g = as_tensor(value)->array;
    if (!(g.shape() == t->array.shape()))
      fail(ErrorKind::Shape, "grad: expected the shape ", t->array.shape(), " of the Tensor; got ", g.shape());
    if (g.is_abstract() && !t->array.is_abstract() && !thread_state().session)
      fail(ErrorKind::Trace, "grad: expected values; got an abstract Tensor, which has the shape ", g.shape(),
           " and no elements; set the gradient inside of the traced function, or compute its values");
  }
  if (Session* session = noting(t))
    session->gradient_of(t).write(none ? py::none() : borrowed(value));
  else
    Py_XSETREF(t->grad, none ? nullptr : Py_NewRef(value));
}

}  // namespace

py::object item(TensorObject* t, const char* op) {
  check_readable(t, op);
  check_may_leave(t, op);
  if (t->array.numel() != 1)
    fail(ErrorKind::Shape, op, ": expected a Tensor with one element; got shape ", t->array.shape(),
         "; use x.numpy() or reduce it first");
  py::object number;
  read_locked(t->array, [&] { number = number_from(t->array); });
  return number;
}

PyObject* make_tensor(Array array, EquationObject* producer, int index, std::uint32_t levels) {
  PyObject* o = tensor_type->tp_alloc(tensor_type, 0);
  if (!o) throw py::error_already_set();
  TensorObject* t = as_tensor(o);
  new (&t->array) Array(std::move(array));
  join_memory(t);
  t->producer = producer;
  Py_XINCREF(as_object(producer));
  t->index = index;
  t->levels = levels;
  t->born = contexts_begun();
  t->from_trace = thread_state().tracing;
  t->thread = thread_state().number;
  return o;
}

PyObject* same_value(TensorObject* t) { return derived(t, t->producer, t->levels).release().ptr(); }

PyObject* strengthened(TensorObject* t) {
  PyObject* strong = same_value(t);
  as_tensor(strong)->weak = false;
  return strong;
}

void check_readable(const TensorObject* t, const char* op) {
  const Array& a = t->array;
  if (a.is_abstract())
    fail(ErrorKind::Trace, op, ": this Tensor is abstract, it has a shape ", a.shape(), " and a dtype ",
         name(a.dtype()),
         " but no value; use ac.where to choose by value, or keep the call outside of the traced function");
  if (!is_readable(t))
    fail(ErrorKind::Trace, op, ": the value of a Tensor from outside, shape ", a.shape(), ", dtype ", name(a.dtype()),
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
  TypeMaker<TensorObject> type(
      "TensorBase", "Native part of alice_core.Tensor.",
      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION);
  type.slot<Py_tp_dealloc, dealloc>()
      .slot<Py_tp_traverse, traverse>()
      .slot<Py_tp_clear, clear>()
      .slot<Py_tp_hash, hash>()
      .slot<Py_bf_getbuffer, get_buffer>()
      .weakrefs_at(offsetof(TensorObject, weakrefs))
      .getter<get_shape>("shape", "Extents, a tuple of ints.")
      .getter<get_strides>("strides", "Steps between neighbours along each axis, in elements.")
      .getter<get_dtype>("dtype", "Element type, a NumPy dtype.")
      .getter<get_ndim>("ndim", "Number of axes.")
      .getter<get_size>("size", "Number of elements.")
      .getter<get_device>("device", "Where the data is: 'cpu', or 'abstract' for a shape and dtype without data.")
      .getter<get_is_abstract>("is_abstract", "True if there is a shape and a dtype but no data.")
      .getter<get_is_contiguous>("is_contiguous", "True if the elements lie in C order without gaps.")
      .getter<get_requires_grad>("requires_grad", "True for a leaf whose .grad backward() fills.")
      .getter<get_is_tracked>("is_tracked", "True if an op on this Tensor would be recorded for differentiation.")
      .property<get_grad, set_grad>("grad",
                                    "The gradient that backward() accumulated, a Tensor of the same shape, or None.")
      .getter<get_levels>("_levels", "Bit set of the differentiation contexts this value depends on.")
      .getter<get_producer>("_producer", "The Equation that made this value, or None.")
      .getter<get_key>("_key", "Names this value in a trace.")
      .getter<get_root>("_root", "A handle on the same value that the contexts outside of a trace follow.")
      .getter<get_weak>("_weak", "True if this stands for a Python number of a traced call.")
      .getter<is_readable>("_readable", "Whether the elements may be read here: not while they are only being traced.")
      .getter<get_version>("_version", "Number of in-place changes of the memory.")
      .method<set_requires_grad>("_set_requires_grad")
      .method<leaf>("_leaf", "A leaf of the given levels on the same memory.")
      .method<constant>("_constant", "The same elements as a constant of all differentiation.")
      .method<strong>("_strong", "A number of a traced call as a Tensor like any other.")
      .method<watch>("_watch", "The same value, followed by one more differentiation context.")
      .method<to_numpy>("_numpy", "A NumPy view; the argument says whether it may be written to.")
      .method<item_for>("_item", "The same, asked for by an op, which errors name.")
      .method<get_item>("item", "The only element as a Python bool, int or float.")
      .method<shares_memory>("_shares_memory");
  add_operators(type);
  tensor_type = type.add_to(m);  // until Python names its subclass
}

}  // namespace alice
