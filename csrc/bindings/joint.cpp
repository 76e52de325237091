#include "joint.h"

#include "forward.h"
#include "holder.h"
#include "modes.h"
#include "record.h"
#include "session.h"
#include "watcher.h"

namespace alice {
namespace {

// A primitive without a kernel in the registry, for one call. Its rules are set in Python.
py::object make_joint(py::type type, const std::string& name) {
  py::object joint = make_primitive(type, joint_kernel(), name);
  as_primitive(joint.ptr())->saved_inputs = ~std::uint64_t{0};
  as_primitive(joint.ptr())->differentiable = true;
  return joint;
}

// The values as results of the joint of `values`, `residuals` (what the rules read) and `arguments`, which alone are
// differentiated.
py::tuple join(py::object primitive, py::sequence values_given, py::sequence residuals_given,
               py::sequence arguments_given) {
  const py::tuple values(values_given), residuals(residuals_given), arguments(arguments_given);
  PrimitiveObject* p = as_primitive(primitive.ptr());
  if (!is_primitive(primitive) || p->kernel != &joint_kernel())
    throw py::type_error("join: expected a joint; make one with make_joint");
  ThreadState& state = thread_state();
  std::vector<TensorObject*> inputs;
  for (const py::tuple& part : {values, residuals, arguments})
    for (py::handle h : part) inputs.push_back(checked_tensor(h, "joint"));
  const std::size_t n_values = values.size(), n_fixed = n_values + residuals.size();
  std::uint32_t levels = 0;
  for (std::size_t i = n_fixed; i < inputs.size(); ++i) levels |= followers_of(inputs[i], state);

  std::vector<Array> out;
  for (TensorObject* t : inputs) check_current(t, "joint");
  for (std::size_t i = 0; i < n_values; ++i)
    out.push_back(state.session ? inputs[i]->array.hidden() : inputs[i]->array);
  EquationObject* eq = nullptr;
  py::object held;
  if (levels || state.recorder) {
    eq = make_equation(p, inputs.size(), nullptr, levels, out);
    held = owned(as_object(eq));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      TensorObject* t = inputs[i];
      const bool is_value = i < n_values, is_residual = !is_value && i < n_fixed;
      Saved& s = eq->inputs[i];
      s.array = is_residual ? t->array : t->array.shape_only();
      s.version = version_of(t->array);
      s.levels = contexts_of(t, state);
      s.tracked = i >= n_fixed && (s.levels & state.active);
      s.index = index_in_source(t);
      s.source = is_value && !state.recorder ? nullptr : Py_NewRef(operand_source(t));
      if (!state.forward.empty()) s.tangents = Py_XNewRef(t->tangents);
    }
    eq->record = make_joint_record(inputs, out, n_fixed);
    if (state.recorder && PyList_Append(state.recorder.ptr(), held.ptr()) < 0) throw py::error_already_set();
  }
  const py::tuple results = tuple_of(
      n_values, [&](std::size_t i) { return owned(make_tensor(std::move(out[i]), eq, static_cast<int>(i), levels)); });
  if (!state.forward.empty())
    carry_tangents(p, inputs, nullptr, eq, n_values == 1 ? py::object(results[0]) : py::object(results));
  if (levels && state.watcher) state.watcher->note_all(eq, results);
  return results;
}

// Will anybody ask for the rules of a function of these arguments?
bool is_followed(py::sequence arguments_given) {
  const py::tuple arguments(arguments_given);
  const ThreadState& state = state_in_context();
  for (py::handle h : arguments) {
    const TensorObject* t = checked_tensor(h, "joint");
    if (followers_of(t, state) || has_tangent(t, state.forward)) return true;
  }
  return state.session && state.session->isolated && state.session->hidden < state.session->followers;
}

// with _core.Hidden(arguments): … The innermost differentiation context that follows the arguments is not there: it
// gets its derivatives from the rules. The others may differentiate the rules themselves.
class Hidden {
 public:
  explicit Hidden(py::tuple arguments) : arguments_(std::move(arguments)) {
    for (py::handle h : arguments_) checked_tensor(h, "joint");
  }
  void enter() {
    scope_.enter("Hidden");
    ThreadState& state = thread_state();
    active_ = state.active;
    forward_ = state.forward;
    std::uint32_t levels = 0;
    std::size_t depth = 0;  // of the innermost forward context that follows them, counted from 1
    for (py::handle h : arguments_) {
      const TensorObject* t = as_tensor(h.ptr());
      levels |= followers_of(t, state);
      for (std::size_t d = depth; d < forward_.size(); ++d)
        if (has_tangent(t, *forward_[d])) depth = d + 1;
    }
    if (!levels && depth == 0 && state.session) ++(session_ = state.session)->hidden;
    const std::uint32_t innermost = levels ? 1u << (31 - __builtin_clz(levels)) : 0;
    if (depth > 0 && (!innermost || (forward_[depth - 1]->active & innermost)))
      state.forward.erase(state.forward.begin() + static_cast<std::ptrdiff_t>(depth) - 1);
    else
      state.active &= ~innermost;
  }
  void exit() {
    scope_.exit("Hidden");
    thread_state().active = active_;
    thread_state().forward = std::move(forward_);
    if (session_) --std::exchange(session_, nullptr)->hidden;
  }

 private:
  py::tuple arguments_;
  Scope scope_;
  Session* session_ = nullptr;  // whose trace is followed by no context that is there already
  std::uint32_t active_ = 0;
  std::vector<std::shared_ptr<ForwardContext>> forward_;
};

using HiddenObject = Holder<Hidden>;

py::object make_hidden(PyTypeObject*, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"arguments", nullptr};
  PyObject* arguments;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", const_cast<char**>(names), &arguments))
    throw py::error_already_set();
  return HiddenObject::make(Hidden(owned(PySequence_Tuple(arguments))));
}
void enter_hidden(HiddenObject* self) { self->value.enter(); }
void exit_hidden(HiddenObject* self, PyObject* const*, Py_ssize_t) { self->value.exit(); }

}  // namespace

const Kernel& joint_kernel() {
  static const Kernel kernel{.name = "joint", .n_in = -1, .n_out = -1};
  return kernel;
}

void add_joint(py::module_& m) {
  m.def("make_joint", &make_joint, py::arg("type"), py::arg("name"));
  m.def("is_followed", &is_followed, py::arg("arguments"));
  m.def("is_isolated", [] { return thread_state().session && thread_state().session->isolated; });
  HiddenObject::type =
      TypeMaker<HiddenObject>("Hidden", "The innermost context that follows the arguments is not there.",
                              Py_TPFLAGS_DEFAULT)
          .slot<Py_tp_new, make_hidden>()
          .slot<Py_tp_dealloc, HiddenObject::dealloc>()
          .method<enter_hidden>("__enter__")
          .method<exit_hidden>("__exit__")
          .add_to(m);
  m.def("join", &join, py::arg("primitive"), py::arg("values"), py::arg("residuals"), py::arg("arguments"));
}

}  // namespace alice
