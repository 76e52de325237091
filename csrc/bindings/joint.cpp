#include "joint.h"

#include "captured.h"
#include "extension.h"
#include "forward.h"
#include "holder.h"
#include "modes.h"
#include "origin.h"
#include "primitive_type.h"
#include "record.h"
#include "scope.h"
#include "session.h"
#include "views.h"

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
  Contexts contexts;
  for (std::size_t i = n_fixed; i < inputs.size(); ++i) contexts |= followers_of(inputs[i], state);

  std::vector<Array> in, out;
  for (TensorObject* t : inputs) check_current(t, "joint");
  for (std::size_t i = 0; i < n_values; ++i)
    out.push_back(open_session(state) ? inputs[i]->array.hidden() : inputs[i]->array);
  EquationObject* eq = nullptr;
  py::object held;
  if (contexts || state.interpreters.want_all()) {
    eq = make_equation(p, inputs.size(), nullptr, contexts, out);
    held = owned(as_object(eq));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      TensorObject* t = inputs[i];
      const bool is_value = i < n_values, is_residual = !is_value && i < n_fixed;
      Saved& s = eq->inputs[i];
      s.array = is_residual ? t->array : t->array.shape_only();
      s.version = version_of(t->array);
      s.contexts = t->contexts;
      s.tracked = i >= n_fixed && s.contexts & state.active;
      s.index = t->producer ? t->index : 0;
      s.source = is_value && !recorder_of(state) ? nullptr : Py_NewRef(operand_source(t));
      in.push_back(t->array);
    }
    if (auto record = make_joint_record(in, out, n_fixed)) extended(eq).record = std::move(record);
  }
  const py::tuple results = tuple_of(n_values, [&](std::size_t i) {
    return owned(make_tensor(std::move(out[i]), eq, static_cast<int>(i), contexts));
  });
  if (state.interpreters)
    state.interpreters.see(
        {p, inputs, in, {}, py::object(), eq, n_values == 1 ? py::object(results[0]) : py::object(results)});
  return results;
}

// Will anybody ask for the rules of a function of these arguments?
bool is_followed(py::sequence arguments_given) {
  const py::tuple arguments(arguments_given);
  const ThreadState& state = state_in_context();
  for (py::handle h : arguments) {
    const TensorObject* t = checked_tensor(h, "joint");
    if (followers_of(t, state) || has_tangent(t, forward_contexts(state))) return true;
  }
  return may_be_followed_later(state);
}

// Does nobody see what is computed of these, so that what is made on the way may change in place?
bool is_unseen(py::sequence arguments) {
  if (is_followed(arguments) || thread_state().interpreters.other_than({Interpreters::kCaptured})) return false;
  return std::ranges::none_of(arguments, [](py::handle h) { return as_tensor(h.ptr())->array.is_abstract(); });
}

// with _core.WithoutInnermostContext(arguments): … The innermost differentiation context that follows the arguments is
// not there: it gets its derivatives from the rules. The others may differentiate the rules themselves.
class WithoutInnermostContext {
 public:
  explicit WithoutInnermostContext(py::tuple arguments) : arguments_(std::move(arguments)) {
    for (py::handle h : arguments_) checked_tensor(h, "joint");
  }
  void enter() {
    scope_.enter("WithoutInnermostContext");
    captured_.prepare();
    ThreadState& state = thread_state();
    active_ = state.active;
    forward_ = forward_contexts(state);
    Contexts followers;
    std::size_t depth = 0;  // of the innermost forward context that follows them, counted from 1
    for (py::handle h : arguments_) {
      const TensorObject* t = as_tensor(h.ptr());
      followers |= followers_of(t, state);
      for (std::size_t d = depth; d < forward_.size(); ++d)
        if (has_tangent(t, *forward_[d])) depth = d + 1;
    }
    session_ = !followers && depth == 0 ? open_session(state) : nullptr;
    if (session_) ++session_->hidden;
    if (depth > 0 && (!followers || forward_[depth - 1]->id > followers.innermost())) {
      ForwardContexts others = forward_;
      others.erase(others.begin() + static_cast<std::ptrdiff_t>(depth) - 1);
      exchange_forward(state, std::move(others));
    } else if (followers) {
      state.active = state.active - Contexts(followers.innermost());
    }
  }
  bool exit() {  // whether it watched
    scope_.exit("WithoutInnermostContext");
    const bool watched = captured_.begun();
    thread_state().active = active_;
    exchange_forward(thread_state(), std::move(forward_));
    if (session_) --std::exchange(session_, nullptr)->hidden;
    captured_.end();
    return watched;
  }
  // The same values on handles of their own. From now on what is read and none of these, nor made, was captured: it may
  // be the same Tensor as an argument.
  py::tuple watch(py::sequence given) {
    const py::tuple arguments(given);
    if (!scope_.entered() || captured_.begun())
      fail(ErrorKind::Value, "WithoutInnermostContext: expected watch() once, inside of a with statement");
    if (arguments.size() != arguments_.size())
      fail(ErrorKind::Value, "WithoutInnermostContext: expected the ", arguments_.size(), " arguments; got ",
           arguments.size());
    py::tuple own = tuple_of(arguments.size(), [&](std::size_t i) {
      return owned(same_value(checked_tensor(py::handle(arguments[i]), "joint")));
    });
    captured_.begin(own, arguments_);
    return own;
  }
  const py::list& captured() const { return captured_.found(); }

 private:
  py::tuple arguments_;
  Scope scope_;
  Captured captured_;
  Session* session_ = nullptr;  // whose trace is followed by no context that is there already
  Contexts active_;
  ForwardContexts forward_;
};

using AsideObject = Holder<WithoutInnermostContext>;

py::object make_aside(PyTypeObject*, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"arguments", nullptr};
  PyObject* arguments;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", const_cast<char**>(names), &arguments))
    throw py::error_already_set();
  return AsideObject::make(WithoutInnermostContext(owned(PySequence_Tuple(arguments))));
}
py::object enter_aside(PyObject* self) {
  AsideObject::value_of(self).enter();
  return borrowed(self);
}
void exit_aside(AsideObject* self, PyObject* const*, Py_ssize_t) {
  if (self->value.exit()) Py_DECREF(self);
}
// Until it is left: the thread knows it meanwhile.
py::object watch_aside(AsideObject* self, PyObject* const* args, Py_ssize_t n) {
  if (n != 1) throw py::type_error("watch: expected the arguments of the function");
  py::object own = self->value.watch(borrowed(args[0]));
  Py_INCREF(self);
  return own;
}
py::object get_captured(AsideObject* self) { return self->value.captured(); }

}  // namespace

const Kernel& joint_kernel() {
  static const Kernel kernel{.name = "joint", .n_in = -1, .n_out = -1};
  return kernel;
}

void add_joint(py::module_& m) {
  m.def("make_joint", &make_joint, py::arg("type"), py::arg("name"));
  m.def("is_followed", &is_followed, py::arg("arguments"));
  m.def("is_unseen", &is_unseen, py::arg("arguments"));
  m.def("is_isolated", [] {
    const Session* session = open_session(thread_state());
    return session && session->isolated;
  });
  AsideObject::type =
      TypeMaker<AsideObject>("WithoutInnermostContext",
                             "The innermost context that follows the arguments is not there.", Py_TPFLAGS_DEFAULT)
          .slot<Py_tp_new, make_aside>()
          .slot<Py_tp_dealloc, AsideObject::dealloc>()
          .getter<get_captured>("captured", "What was read that is no argument, if anybody follows it.")
          .method<enter_aside>("__enter__")
          .method<exit_aside>("__exit__")
          .method<watch_aside>("watch")
          .add_to(m);
  m.def("join", &join, py::arg("primitive"), py::arg("values"), py::arg("residuals"), py::arg("arguments"));
}

}  // namespace alice
