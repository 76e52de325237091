// The three Python types of the engine and the state they share. They are plain CPython types rather than
// pybind11 classes because they stand on the hot path: making one costs tens of nanoseconds.
//
//   Tensor ──producer──► Equation ──sources──► Equation | leaf Tensor
//      │                    │
//    array               primitive, attributes, saved arrays
//
// An Equation never refers to the Tensors it produced (rules that need an output get a fresh handle on the
// same array), so there are no reference cycles and a graph is freed the moment its last Tensor goes.
#pragma once

#include <pybind11/pybind11.h>  // first: it includes Python.h
#include <structmember.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "../core/kernel.h"

namespace alice {

namespace py = pybind11;

constexpr double kReleaseLockNanoseconds = 20000;  // from here on other Python threads may run meanwhile

struct EquationObject;
struct Record;  // record.h

struct TensorObject {
  PyObject_HEAD
  Array array;
  EquationObject* producer;  // null: a leaf, or a value nobody records
  std::int32_t index;        // which of the producer's results
  std::uint32_t levels;      // the differentiation contexts that this value depends on, one bit each
  bool requires_grad;        // a leaf whose .grad backward() fills
  bool weak;                 // stands for a Python number of a traced call: takes the dtype of the Tensors beside it
  std::uint8_t width;        // of a weak integer: bytes of the narrowest dtype that holds it; 0 if not known
  std::uint8_t from_trace;   // made in so many nested sessions
  bool view;                 // another Tensor showed the memory before this one
  std::uint32_t version;     // of the memory then
  PyObject* origin;          // of a leaf made while recording, or of a value computed again: the Equation or leaf that
                             // a program takes the value from; or null
  std::uint8_t origin_from;  // in so many nested sessions it got the origin
  PyObject* grad;            // Tensor or null
  PyObject* tangents;        // by forward context, see forward.cpp; null for none
  PyObject* weakrefs;
};

struct PrimitiveObject {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  const Kernel* kernel;
  PyObject* name;
  std::uint64_t saved_inputs;  // bit i: the gradient rule reads the data of input i
  bool saves_output;
  bool differentiable;
  PyObject* vjp_rules;  // tuple of one rule (or None) per input, or null
  PyObject* vjp_joint;  // one rule for all inputs, or null
  PyObject* jvp_rules;  // likewise
  PyObject* jvp_joint;
};

// One input of an equation, as its gradient rules will see it.
struct Saved {
  Array array;            // without memory if no rule reads it
  std::uint32_t version;  // of the storage when it was saved
  std::uint32_t levels;
  bool tracked;  // a live differentiation context depends on it
  std::int32_t index;
  PyObject* source;    // owned: the producing Equation, the leaf Tensor, or null for a constant
  PyObject* tangents;  // owned: of the Tensor, or null
  PyObject* origin;    // owned: the Equation that a program takes the value from, if it is another one; or null
  std::int32_t origin_index;
  PyObject* again;  // owned: the checkpointed call that computes the data again, which is not here; or null
};

// One result of an equation.
struct Output {
  Array array;  // without memory if no rule reads it
  std::uint32_t version;
};

struct EquationObject {
  PyObject_HEAD
  PrimitiveObject* primitive;
  PyObject* attributes;  // tuple, or null for none
  std::uint64_t sequence;
  std::uint64_t mark;  // of the last walk that came here, see graph_walk.h
  std::uint32_t levels;
  bool released;            // saved arrays were given back
  bool muted;               // ran inside no_grad()
  std::uint8_t from_trace;  // made in so many nested sessions
  PyObject* segment;   // owned: the checkpointed call that computes the saved arrays again, see checkpoint.h; or null
  std::int32_t place;  // the number of this equation in that call
  // Both lie behind the equation, in the same piece of memory: graphs have equations by the million.
  std::span<Saved> inputs;
  std::span<Output> outputs;
  std::vector<PyObject*> changed;          // owned leaves: an in-place update wrote its results there
  std::vector<PyObject*> output_tangents;  // owned: of the results, null for none; empty if no rule wants them
  std::shared_ptr<Record> record;          // for readers of the trace; usually null
};

struct Session;         // session.h
struct ForwardContext;  // forward.h
class Watcher;          // checkpoint.h

// What a thread is doing: which differentiation contexts are live, and who writes down the equations.
struct ThreadState {
  std::uint32_t active = 1;  // bit 0 is the context of backward(); bit k is the k-th nested grad or vjp
  int depth = 0;
  PyObject* recorder = nullptr;       // list to which every equation is appended
  Session* session = nullptr;         // a function is being traced: nothing is computed, everything is written down
  std::uint8_t tracing = 0;           // how many sessions are open, one in the other
  PyObject* checker = nullptr;        // is shown every executed call
  EquationObject* rule_of = nullptr;  // the equation whose gradient rules run
  bool accumulating = false;          // contributions to an adjoint are added up
  std::vector<std::shared_ptr<ForwardContext>> forward;  // the outermost first
  Watcher* watcher = nullptr;                            // of the innermost checkpointed call that is running
};
ThreadState& thread_state();

extern PyTypeObject* tensor_type;  // alice_core.Tensor, a Python subclass of TensorBase
extern PyTypeObject* equation_type;

inline bool is_tensor(PyObject* o) { return Py_TYPE(o) == tensor_type || PyObject_TypeCheck(o, tensor_type); }
inline TensorObject* as_tensor(PyObject* o) { return reinterpret_cast<TensorObject*>(o); }
inline TensorObject* checked_tensor(py::handle h, const char* who) {
  if (!is_tensor(h.ptr())) throw py::type_error(std::string(who) + ": expected Tensors");
  return as_tensor(h.ptr());
}
// Result number i of a call, which is a Tensor or a tuple of them.
inline TensorObject* result_at(py::handle result, std::size_t i) {
  return as_tensor(PyTuple_Check(result.ptr()) ? PyTuple_GET_ITEM(result.ptr(), static_cast<Py_ssize_t>(i))
                                               : result.ptr());
}

// Tensors are values, and only the one that a memory belongs to can be changed in place. Others that show it, its
// views, then have lost their values.
inline bool is_stale(const TensorObject* t) { return t->view && t->array.storage()->version() != t->version; }
[[noreturn]] void refuse_stale(const TensorObject* t, const char* op);
inline void check_current(const TensorObject* t, const char* op) {
  if (is_stale(t)) refuse_stale(t, op);
}

PyObject* make_tensor(Array array, EquationObject* producer = nullptr, int index = 0, std::uint32_t levels = 0);

// Another handle on the same value. New reference.
PyObject* same_value(TensorObject* t);

std::uint64_t equations_made();  // so far: the number that the next one gets
// The equation of one call. Its inputs are for the caller to fill in. New reference.
EquationObject* make_equation(PrimitiveObject* primitive, std::size_t inputs, PyObject* attributes,
                              std::uint32_t levels, std::span<const Array> outputs);

// What the gradient rules get to see. Both throw if the saved values are gone or were changed in place. `data` is the
// equation that has the data: `eq` itself, or one that did the same again (Repeats::twin).
py::tuple saved_inputs(EquationObject* eq, const EquationObject* data);
py::tuple saved_outputs(EquationObject* eq, const EquationObject* data);
void drop_saved(EquationObject* eq);     // they can be computed again
void release_saved(EquationObject* eq);  // for good

// For a function that is being compiled, what comes from outside is a leaf, however it was made.
inline bool is_outside(const TensorObject* t) { return t->from_trace < thread_state().tracing; }

// What an equation refers to as the source of an operand: the Equation that made it, or the leaf itself. Borrowed.
inline PyObject* operand_source(TensorObject* t) {
  return t->producer && !is_outside(t) ? reinterpret_cast<PyObject*>(t->producer) : reinterpret_cast<PyObject*>(t);
}

// What names the value of a Tensor: the Equation that made it, or the leaf whose value it has. Borrowed.
inline PyObject* root_of(TensorObject* t) {
  PyObject* source = operand_source(t);
  return t->origin && (source == reinterpret_cast<PyObject*>(t->producer) || !t->producer) ? t->origin : source;
}
inline PyObject* root_of(const Saved& s) { return s.origin ? s.origin : s.source; }
inline std::int32_t root_index(const Saved& s) { return s.origin ? s.origin_index : s.index; }

// A number of a traced call as a Tensor like any other, of the dtype that Python computes in. New reference.
PyObject* strengthened(TensorObject* t);

// A handle on the value of that root as it was before the session number `tracing`, whose contexts follow it no more:
// a leaf, or a Tensor made of the description. New reference.
PyObject* value_handle(PyObject* root, int index, const Array& array, std::uint32_t levels, std::uint8_t tracing);

// An object that names a value: the equation of a single result, the pair (equation, index) of several, the address
// of a leaf. New reference.
PyObject* value_key(PyObject* source, int index);

// The primitive behind an operator (`+`) or a promotion (`astype`), known once Python has made it.
PrimitiveObject* operator_primitive(int slot);
enum OperatorSlot {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kRemainder,
  kPower,
  kMatmul,
  kNegative,
  kAbs,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAnd,
  kOr,
  kXor,
  kInvert,
  kAstype,
  kRemat,
  kOperatorSlots
};

// The primitive of a kernel that has none in Python: in-place updates.
PrimitiveObject* update_primitive(const Kernel* kernel);

// Calls a primitive: converts and promotes the arguments, runs the kernel, records. Null with a Python error set.
PyObject* bind(PrimitiveObject* primitive, PyObject* const* args, Py_ssize_t nargs);

// The static arguments of a call (attributes.cpp), as many as the kernel declares; infer() checks their kinds.
std::vector<Attr> parse_attributes(const Kernel& kernel, PyObject* const* args);
std::vector<Attr> parse_attributes(const Kernel& kernel, PyObject* tuple);  // of an equation; null for none
py::dict kernel_signature(const std::string& name);  // numbers of operands and results (-1: any), attributes and kinds

// Throws if the elements may not be read: there are none, or they would become constants of a program (TraceError), or
// they have changed.
void check_readable(const TensorObject* t, const char* op);

// Python exceptions (errors.cpp). Both leave a Python error set.
PyObject* raise_python(ErrorKind kind, const std::string& message);
PyObject* translate_current_exception();

// NumPy conversions (convert.cpp).
bool is_numpy_array(PyObject* o);
bool is_numpy_scalar(PyObject* o);
Array array_from_numpy(py::handle array, bool copy);  // throws alice::Error for dtypes we do not have
py::object numpy_from_tensor(TensorObject* tensor, bool writable);
py::object dtype_object(DType t);           // the np.dtype, borrowed from a table
bool parse_dtype(PyObject* o, DType* out);  // false without an error if `o` is no np.dtype of ours
// Weak value of a Python or NumPy scalar; kind None if `o` is neither.
struct Scalar {
  enum class Kind { None, Bool, Int, Real } kind = Kind::None;
  std::int64_t integer = 0;
  double real = 0;
};
Scalar parse_scalar(PyObject* o);
Array scalar_array(const Scalar& value, DType dtype, const char* op);
py::object number_from(const Array& a);  // the one element as a Python bool, int or float
// Bytes of the narrowest of uint8, int32, int64 that holds the integer.
inline std::uint8_t width_of(std::int64_t v) {
  return v >= 0 && v <= 255 ? 1 : v >= INT32_MIN && v <= INT32_MAX ? 4 : 8;
}

void add_tensor_type(py::module_& m);
void add_equation_type(py::module_& m);
void add_primitive_type(py::module_& m);
void add_errors(py::module_& m);

}  // namespace alice
