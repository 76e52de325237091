#include "variables.h"

#include "extension.h"

namespace alice {

py::object abstract_variable(const program::Binding& b) {
  py::object made = owned(make_tensor(Array::abstract(b.shape, b.dtype)));
  TensorObject* t = as_tensor(made.ptr());
  t->requires_grad = b.requires_grad;
  if (b.requires_grad) t->contexts = Contexts(kBackward);
  if (b.gradient == program::Binding::Gradient::Present)
    t->grad = make_tensor(Array::abstract(b.shape, b.gradient_dtype));
  return made;
}

py::object abstract_number(DType dtype, std::uint8_t width) {
  py::object made = owned(make_tensor(Array::abstract({}, dtype)));
  TensorObject* t = as_tensor(made.ptr());
  extended(t).weak = true;
  extended(t).width = width;
  return made;
}

program::Binding binding_of(const TensorObject* stand_in) {
  program::Binding b;
  b.dtype = stand_in->array.dtype();
  b.shape = stand_in->array.shape();
  b.requires_grad = stand_in->requires_grad;
  b.is_number = is_weak(stand_in);
  b.width = weak_width(stand_in);
  return b;
}

}  // namespace alice
