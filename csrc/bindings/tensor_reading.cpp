// Hot: every call runs through here.
//
// The elements of a Tensor on their way out, as numbers, NumPy arrays or buffers: they may leave only where no
// derivative is lost and nothing becomes a constant of a program unseen.
#include <algorithm>

#include "convert.h"
#include "elsewhere.h"
#include "features.h"
#include "forward.h"
#include "locked.h"
#include "origin.h"
#include "reading.h"
#include "recorder.h"
#include "session.h"
#include "tensor_parts.h"
#include "views.h"

namespace alice {
namespace {

bool is_readable(const TensorObject* t) {
  return !t->array.is_abstract() && (!is_outside(t) || open_session(thread_state())->reads_outside);
}

// Does a transform differentiate the value, or will when the trace that is being made has run?
bool is_transformed(const TensorObject* t) {
  const ThreadState& state = thread_state();
  if (followers_of(t, state).has_others() || has_tangent(t, forward_contexts(state))) return true;
  for (const Session* s = open_session(state); s; s = s->outer)
    if (s->isolated && s->hidden < s->followers &&
        ((t->contexts & s->outer_active).has_others() || has_tangent(t, s->outer_forward)))
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
  note_read(t);
  const int is_writable = PyObject_IsTrue(writable);
  if (is_writable < 0) throw py::error_already_set();
  return numpy_from_tensor(t, is_writable, "numpy");
}

// One zero in memory, shown everywhere.
py::object get_one_zero(TensorObject* t) {
  const Array& a = t->array;
  const bool one = !a.is_abstract() && a.numel() > 0 && std::ranges::all_of(a.strides(), [](auto s) { return s == 0; });
  return py::bool_(one && real_at(a.bytes(), a.dtype()) == 0.0);
}

// Would what is overwritten with the value lose a derivative that somebody asks for? ac.trace shows the change.
bool loses_derivative(const TensorObject* t) { return is_transformed(t) && !thread_state().features->reads; }

py::object check_constant(TensorObject* t, PyObject* who) {
  if (loses_derivative(t)) check_may_leave(t, std::string(py::str(py::handle(who))).c_str());
  return py::none();
}

py::object get_is_transformed(TensorObject* t) { return py::bool_(loses_derivative(t)); }

// They do not leave, so it does not matter who follows the Tensor.
py::object get_bytes(TensorObject* t) {
  if (t->array.is_abstract()) check_readable(t, "bytes");  // throws
  Array copied;
  Call call{Registry::instance().copy(), {&t->array, 1}, {&copied, 1}, {}};
  evaluate(call);
  return py::bytes(reinterpret_cast<const char*>(copied.bytes()),
                   static_cast<std::size_t>(copied.numel()) * itemsize(copied.dtype()));
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
  note_read(t);
  const int status = PyObject_GetBuffer(numpy_from_tensor(t, false, "memoryview").ptr(), view, flags);
  if (status < 0) throw py::error_already_set();
  return status;
}

}  // namespace

py::object item(TensorObject* t, const char* op) {
  check_readable(t, op);
  check_may_leave(t, op);
  note_read(t);
  if (t->array.numel() != 1)
    fail(ErrorKind::Shape, op, ": expected a Tensor with one element; got shape ", t->array.shape(),
         "; use x.numpy() or reduce it first");
  py::object number;
  read_locked(t->array, [&] { number = number_from(t->array); });
  return number;
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

void add_reading(TypeMaker<TensorObject>& type) {
  type.slot<Py_bf_getbuffer, get_buffer>()
      .getter<is_readable>("_readable", "Whether the elements may be read here: not while they are only being traced.")
      .getter<get_one_zero>("_one_zero", "Whether all elements are one zero in memory.")
      .getter<get_bytes>("_bytes", "The elements of a constant, to compare it with others.")
      .getter<get_is_transformed>("_is_transformed", "Whether a transform but ac.trace differentiates it, or will.")
      .method<to_numpy>("_numpy", "A NumPy view; the argument says whether it may be written to.")
      .method<check_constant>("_check_constant",
                              "Raises if a transform differentiates it; an op asks, which errors name.")
      .method<item_for>("_item", "The same, asked for by an op, which errors name.")
      .method<get_item>("item", "The only element as a Python bool, int or float.");
}

}  // namespace alice
