// Hot: every call runs through here.
#include "extension.h"

#include "captured.h"
#include "features.h"
#include "origin.h"
#include "record.h"
#include "session.h"

namespace alice {

int EquationExtension::traverse(visitproc visit, void* arg) const {
  Py_VISIT(segment.ptr());
  for (const Input& i : inputs) {
    Py_VISIT(i.origin.ptr());
    Py_VISIT(i.tangents.ptr());
    Py_VISIT(i.recomputed_by.ptr());
  }
  for (const py::object& tangents : output_tangents) Py_VISIT(tangents.ptr());
  for (const py::object& t : changed) Py_VISIT(t.ptr());
  return record.use_count() == 1 ? record->traverse(visit, arg) : 0;  // else somebody else has it, too
}

TensorExtension& extended(TensorObject* t) {
  if (!t->extension) t->extension = new TensorExtension;
  return *t->extension;
}

EquationExtension& extended(EquationObject* eq) {
  if (!eq->extension) eq->extension = new EquationExtension;
  return *eq->extension;
}

EquationExtension::Input& extended_input(EquationObject* eq, std::size_t i) {
  std::vector<EquationExtension::Input>& inputs = extended(eq).inputs;
  if (inputs.empty()) inputs.resize(eq->inputs.size());
  return inputs[i];
}

// ---- what the structs ask for ---------------------------------------------------------------------------------------

void forget_tangents(TensorExtension* extension) { extension->tangents = py::object(); }

namespace {

void set_tangents(TensorObject* t, PyObject* tangents) {
  if (tangents || t->extension) extended(t).tangents = tangents ? borrowed(tangents) : py::object();
}

}  // namespace

// While somebody records, a leaf knows whose value it has.
void extend_derived(TensorObject* made, TensorObject* t) {
  set_tangents(made, tangents_of(t));
  if (is_weak(t)) {
    extended(made).weak = true;
    extended(made).width = weak_width(t);
  }
  const ThreadState& state = thread_state();
  if (made->producer || made->contexts) note_captured(t);  // a constant made of it has no derivative
  if (!made->producer && recorder_of(state)) {
    extended(made).origin = borrowed(root_of(t));
    extended(made).origin_trace = tracing_depth(state);
    made->index = t->index;
  } else if (made->producer && origin_of(t)) {
    extended(made).origin = t->extension->origin;
    extended(made).origin_trace = t->extension->origin_trace;
  }
}

void extend_saved_input(TensorObject* made, const EquationObject* eq, const EquationObject* data, std::size_t i) {
  const EquationExtension::Input* input = extension_of(data, i);
  set_tangents(made, input ? input->tangents.ptr() : nullptr);
  const EquationObject* producer = as_equation(eq->inputs[i].source);
  // A constant of the first run comes from an equation of the repeated one, too.
  if (producer || data != eq) set_origin(made, root_of(data, i), producer);
}

void extend_saved_output(TensorObject* made, const EquationObject* eq, const EquationObject* data, std::size_t i) {
  const EquationExtension* extension = data->extension;
  if (extension && !extension->output_tangents.empty()) set_tangents(made, extension->output_tangents[i].ptr());
  set_origin(made, as_object(data), eq);
}

void release_recomputed(EquationExtension* extension) {
  for (EquationExtension::Input& input : extension->inputs) input.recomputed_by = py::object();
  extension->segment = py::object();
}

}  // namespace alice
