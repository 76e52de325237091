// Hot: every call that is traced runs through here.
#include "recorder.h"

#include "extension.h"
#include "features.h"
#include "joint.h"
#include "origin.h"
#include "record.h"
#include "session.h"

namespace alice {

namespace {

// A trace names every value, constants as well, and says where a program takes it from.
void name_inputs(const BoundCall& call) {
  EquationObject* eq = call.equation;
  for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
    Saved& s = eq->inputs[i];
    TensorObject* t = call.operands[i];
    if (!s.source) s.source = Py_NewRef(as_object(t));
    TensorObject* value = thread_state().interpreters.value(t);
    PyObject* root = root_of(value);
    if (root == s.source || (value == t && !t->producer)) continue;
    EquationExtension::Input& input = extended_input(eq, i);
    input.origin = borrowed(root);
    input.origin_index = value->index;
  }
}

bool is_joint(const BoundCall& call) { return call.primitive->kernel == &joint_kernel(); }

}  // namespace

void Recorder::see(const BoundCall& call) {
  if (!call.equation) return;
  if (!is_joint(call)) {  // what joins has named its inputs
    name_inputs(call);
    if (auto record = make_record(call)) extended(call.equation).record = std::move(record);
  }
  append(call.equation);
}

void Recorder::append(EquationObject* eq) {
  if (!(thread_state().active & 1u)) extended(eq).muted = true;
  if (PyList_Append(equations.ptr(), as_object(eq)) < 0) throw py::error_already_set();
}

void Checker::see(const BoundCall& call) {
  const ThreadState& state = thread_state();
  if (open_session(state) || is_joint(call)) return;
  const py::tuple attributes = call.attributes ? py::tuple(call.attributes) : py::tuple();
  check_results(call.primitive, constants(call.read), result_arrays(call.result), attributes);
  if (call.equation && !recorder_of(state)) extended(call.equation).record = make_record(call);
}

py::object exchange_recorder(ThreadState& state, py::object list) {
  Recorder& mine = state.features->recorder;
  state.interpreters.exchange(Interpreters::kRecorder, list ? &mine : nullptr);
  return std::exchange(mine.equations, std::move(list));
}

py::object exchange_checker(ThreadState& state, py::object function) {
  Checker& mine = state.features->checker;
  state.interpreters.exchange(Interpreters::kChecker, function ? &mine : nullptr);
  return std::exchange(mine.function, std::move(function));
}

void add_recorder(py::module_& m) {
  m.def(
      "set_recorder",
      [](py::object list) {
        if (!list.is_none() && !PyList_Check(list.ptr())) throw py::type_error("set_recorder: expected a list or None");
        const py::object before = exchange_recorder(thread_state(), list.is_none() ? py::object() : std::move(list));
        return before ? before : py::none();
      },
      py::arg("list"));
}

}  // namespace alice
