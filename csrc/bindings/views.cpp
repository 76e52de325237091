#include "views.h"

namespace alice {

void set_array(TensorObject* t, Array array) {
  leave_memory(t);
  t->array = std::move(array);
  join_memory(t);
}

void refuse_stale(const TensorObject* t, const char* op) {
  fail(
      ErrorKind::Value, op, ": a view, shape ", t->array.shape(), ", ", name(t->array.dtype()),
      ", of a Tensor that was changed in place since has lost its value; take the view again after the change, or copy "
      "it before with ac.tensor(x)");
}

}  // namespace alice
