// Hot: every call that is traced runs through here.
#include "recorder.h"

#include "captured.h"
#include "extension.h"
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
  if (!thread_state().active.has_backward()) extended(eq).muted = true;
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

void note_read(TensorObject* t) {
  note_captured(t);
  const py::object& reads = thread_state().features->reads;
  if (reads && PyList_Append(reads.ptr(), as_object(t)) < 0) throw py::error_already_set();
}

namespace {

// What Python gives, None for none.
py::object checked_list(py::object list, const char* who) {
  if (list.is_none()) return {};
  if (!PyList_Check(list.ptr())) throw py::type_error(std::string(who) + ": expected a list or None");
  return list;
}
py::object or_none(py::object o) { return o ? std::move(o) : py::none(); }

py::object set_recorder(py::object list) {
  return or_none(exchange_recorder(thread_state(), checked_list(std::move(list), "set_recorder")));
}
py::object set_reads(py::object list) {
  return or_none(std::exchange(thread_state().features->reads, checked_list(std::move(list), "set_reads")));
}

}  // namespace

void add_recorder(py::module_& m) {
  m.def("set_recorder", &set_recorder, py::arg("list"));
  m.def("set_reads", &set_reads, py::arg("list"));
  m.def("notes_reads", [] { return static_cast<bool>(thread_state().features->reads); });
}

}  // namespace alice
