// What a Tensor says of itself.
// Hot: every call runs through here.
#include "context_numbers.h"
#include "convert.h"
#include "equation.h"
#include "modes.h"
#include "origin.h"
#include "tensor_parts.h"
#include "views.h"

namespace alice {
namespace {

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
bool get_weak(TensorObject* t) { return is_weak(t); }
std::uint32_t get_version(TensorObject* t) { return version_of(t->array); }

// Elementwise == leaves identity as the only sensible hash.
Py_hash_t hash(PyObject* o) { return static_cast<Py_hash_t>(reinterpret_cast<std::uintptr_t>(o) >> 4); }

bool shares_memory(TensorObject* t, PyObject* other) {
  const StorageRef& mine = t->array.storage();
  return is_tensor(other) && mine && mine.get() == as_tensor(other)->array.storage().get();
}

bool get_requires_grad(TensorObject* t) { return t->requires_grad; }
py::object get_contexts(TensorObject* t) { return numbers_of(t->contexts); }
bool get_is_tracked(TensorObject* t) { return bool(followers_of(t, state_in_context())); }
py::object get_producer(TensorObject* t) { return t->producer ? borrowed(as_object(t->producer)) : py::none(); }
py::object get_key(TensorObject* t) { return owned(value_key(root_of(t), t->index)); }
py::object get_root(TensorObject* t) {
  return owned(value_handle(operand_source(t), t->producer ? t->index : 0, t->array, t->contexts,
                            tracing_depth(thread_state())));
}

}  // namespace

void add_attributes(TypeMaker<TensorObject>& type) {
  type.slot<Py_tp_hash, hash>()
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
      .getter<get_contexts>("_contexts", "Numbers of the differentiation contexts that this value matters to.")
      .getter<get_producer>("_producer", "The Equation that made this value, or None.")
      .getter<get_key>("_key", "Names this value in a trace.")
      .getter<get_root>("_root", "A handle on the same value that the contexts outside of a trace follow.")
      .getter<get_weak>("_weak", "True if this stands for a Python number of a traced call.")
      .getter<get_version>("_version", "Number of in-place changes of the memory.")
      .method<shares_memory>("_shares_memory");
}

}  // namespace alice
