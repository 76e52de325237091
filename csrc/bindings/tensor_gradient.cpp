// .requires_grad and .grad: what backward() has accumulated in a leaf, and what a traced function will have done to it.
// Hot: every step runs through here.
#include "../ops/strided_copy.h"
#include "extension.h"
#include "locked.h"
#include "session.h"
#include "tensor_parts.h"
#include "views.h"
#include "watcher.h"

namespace alice {
namespace {

// While a function is being compiled its gradients are noted, not stored.
Session* noting(TensorObject* t) { return t->trace ? nullptr : open_session(thread_state()); }

// What is in .grad now is not what a checkpointed function finds there when it runs again.
void check_may_use_grad() {
  if (watcher_of(thread_state()))
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
    if (g.is_abstract() && !t->array.is_abstract() && !open_session(thread_state()))
      fail(ErrorKind::Trace, "grad: expected values; got an abstract Tensor, which has the shape ", g.shape(),
           " and no elements; set the gradient inside of the traced function, or compute its values");
  }
  if (Session* session = noting(t))
    session->gradient_of(t).write(none ? py::none() : borrowed(value));
  else
    Py_XSETREF(t->grad, none ? nullptr : Py_NewRef(value));
}

// A parameter will be changed in place: it gets memory of its own, where it shares that of another Tensor.
void own_memory(TensorObject* t) {
  if (!t->view || t->array.is_abstract()) return;
  check_current(t, "requires_grad_");
  if (t->array.storage()->values > 1) {
    Array own = Array::empty(t->array.shape(), t->array.dtype());
    read_locked(t->array, [&] { strided_copy(own, t->array); });
    set_array(t, std::move(own));
  }
  t->view = false;
}

void set_requires_grad(TensorObject* t, PyObject* arg) {
  const int on = PyObject_IsTrue(arg);
  if (on < 0) throw py::error_already_set();
  if (on) own_memory(t);
  t->requires_grad = on;
  const Contexts backward(kBackward);
  t->contexts = on ? t->contexts | backward : t->contexts - backward;
}

}  // namespace

void add_gradient(TypeMaker<TensorObject>& type) {
  type.method<set_requires_grad>("_set_requires_grad")
      .property<get_grad, set_grad>("grad",
                                    "The gradient that backward() accumulated, a Tensor of the same shape, or None.");
}

}  // namespace alice
