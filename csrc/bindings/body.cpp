#include "body.h"

#include "lower.h"

namespace alice {
namespace {

struct BodyValue {
  py::object meaning;  // has lower(): the program
  std::shared_ptr<program::Body> body;
};
using BodyObject = Holder<BodyValue>;

std::vector<Array> layouts(PyObject* tensors, const char* what) {
  std::vector<Array> made;
  const py::object list = owned(PySequence_Fast(tensors, what));
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list.ptr()); ++i)
    made.push_back(checked_tensor(borrowed(PySequence_Fast_GET_ITEM(list.ptr(), i)), "Body")->array.shape_only());
  return made;
}

py::object make(PyTypeObject*, PyObject* args, PyObject*) {
  PyObject *meaning, *inputs, *outputs;
  if (!PyArg_ParseTuple(args, "OOO", &meaning, &inputs, &outputs)) throw py::error_already_set();
  return BodyObject::make(
      {borrowed(meaning), std::make_shared<program::Body>(layouts(inputs, "inputs: a sequence"),
                                                          layouts(outputs, "outputs: a sequence"))});
}

// The meaning may know the object, so that there is one of each.
int traverse(BodyObject* self, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->value.meaning.ptr());
  return 0;
}
int clear(BodyObject* self) noexcept {
  py::object meaning = py::none();
  std::swap(self->value.meaning, meaning);
  return 0;
}
void dealloc(BodyObject* self) noexcept {
  PyObject_GC_UnTrack(self);
  BodyObject::dealloc(self);
}

py::object get_meaning(BodyObject* self) { return self->value.meaning; }
py::object show(PyObject* self) { return py::repr(BodyObject::value_of(self).meaning); }

// Bodies that do the same are equal, so that a run that is repeated is seen to be the same.
py::object compare(PyObject* self, PyObject* other, int op) {
  if ((op != Py_EQ && op != Py_NE) || Py_TYPE(other) != BodyObject::type) return borrowed(Py_NotImplemented);
  const py::object a = BodyObject::value_of(self).meaning, b = BodyObject::value_of(other).meaning;
  const py::object key = a.attr("key");
  const bool equal = a.is(b) || (!key.is_none() && key.equal(b.attr("key")));
  return py::bool_(equal == (op == Py_EQ));
}

void complete(BodyValue& value) {
  if (value.body->is_complete()) return;
  const py::object meaning = value.meaning, made = meaning.attr("lower")();
  const std::shared_ptr<CompiledProgram> lowered = ProgramObject::value_of(made);
  if (!lowered->program || !lowered->outside.empty() || !lowered->changed.empty())
    fail(ErrorKind::Trace,
         "loop: expected a body that reads its operands alone; got one with another Tensor, which a custom rule "
         "captures: return it from the forward rule, with the residuals, or make it an argument");
  value.body->complete({lowered, lowered->program.get()});
}

}  // namespace

std::shared_ptr<const Bodies> bodies_of(PyObject* tuple) {
  if (!PyTuple_CheckExact(tuple) || PyTuple_GET_SIZE(tuple) == 0)
    throw py::type_error(std::string("expected a tuple of traced functions; got ") + Py_TYPE(tuple)->tp_name);
  auto bodies = std::make_shared<Bodies>();
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) {
    BodyValue& value = BodyObject::value_of(PyTuple_GET_ITEM(tuple, i));
    if (!open_session(thread_state())) complete(value);
    bodies->push_back(value.body);
  }
  return bodies;
}

void complete_bodies(PyObject* attributes) {
  if (!attributes) return;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(attributes); ++i) {
    PyObject* o = PyTuple_GET_ITEM(attributes, i);
    if (!PyTuple_CheckExact(o)) continue;
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(o); ++k)
      if (Py_TYPE(PyTuple_GET_ITEM(o, k)) == BodyObject::type) complete(BodyObject::value_of(PyTuple_GET_ITEM(o, k)));
  }
}

bool repeated_attributes(PyObject* a, PyObject* b) {
  const int same = PyObject_RichCompareBool(a, b, Py_EQ);
  if (same < 0) throw py::error_already_set();
  if (same) return true;
  if (Py_TYPE(a) == BodyObject::type && Py_TYPE(b) == BodyObject::type)
    return BodyObject::value_of(a).meaning.attr("alike")(BodyObject::value_of(b).meaning).cast<bool>();
  if (!PyTuple_CheckExact(a) || !PyTuple_CheckExact(b) || PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b)) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a); ++i)
    if (!repeated_attributes(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i))) return false;
  return true;
}

void add_body(py::module_& m) {
  BodyObject::type =
      TypeMaker<BodyObject>("Body", "A traced function that primitives run.", Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC)
          .slot<Py_tp_new, make>()
          .slot<Py_tp_dealloc, dealloc>()
          .slot<Py_tp_traverse, traverse>()
          .slot<Py_tp_clear, clear>()
          .slot<Py_tp_repr, show>()
          .slot<Py_tp_richcompare, compare>()
          .getter<get_meaning>("meaning", "What it was made of.")
          .add_to(m);
}

}  // namespace alice
