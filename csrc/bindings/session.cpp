#include "session.h"

#include <algorithm>

#include "extension.h"
#include "features.h"
#include "holder.h"
#include "joint.h"
#include "modes.h"
#include "origin.h"
#include "scope.h"
#include "views.h"

namespace alice {

py::object Gradient::read() {
  if (!written_ && !before_) {
    PyObject* there = leaf_->grad;
    before_ = there ? owned(make_tensor(as_tensor(there)->array.shape_only())) : py::none();
    current_ = before_;
  }
  return current_;
}

Session::Change noted_changes(const Storage* s) {
  Session::Change all;
  for (const Session* session = open_session(thread_state()); session; session = session->outer)
    if (const auto found = session->changes.find(s); found != session->changes.end()) {
      all.times += found->second.times;
      all.last = std::max(all.last, found->second.last);
    }
  return all;
}

std::uint32_t version_of(const Array& a) {
  const Storage* s = a.storage().get();
  if (!s) return 0;
  return s->version() + (open_session(thread_state()) ? noted_changes(s).times : 0);
}

Gradient& Session::gradient_of(TensorObject* leaf) {
  auto [place, fresh] = number_of.try_emplace(leaf, gradients.size());
  if (fresh) {
    leaves.push_back(borrowed(reinterpret_cast<PyObject*>(leaf)));
    gradients.emplace_back(leaf);
  }
  return gradients[place->second];
}

void Session::made(TensorObject* t) { t->trace = depth; }

// What comes from outside is a leaf of the trace, whose rules read the values that it has.
void Session::see(const BoundCall& call) {
  EquationObject* eq = call.equation;
  if (!eq) return;
  eq->trace = depth;
  if (call.primitive->kernel == &joint_kernel()) return;
  for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
    Saved& s = eq->inputs[i];
    TensorObject* t = call.operands[i];
    if (t->producer && s.source && is_outside(t)) Py_SETREF(s.source, Py_NewRef(as_object(t)));
    if (t->array.is_abstract() && call.read[i].is_abstract()) continue;
    if (reads_input(call.primitive, i)) s.array = t->array;
    s.version = version_of(t->array);
  }
}

InTrace::InTrace(ThreadState& state, std::uint8_t depth) : state_(state) {
  Session* session = open_session(state);
  const Session* waits = nullptr;  // the outermost
  for (Session* s = session; s && s->depth > depth; s = s->outer) waits = s;
  if (!waits) return;
  inner_ = session;
  state.interpreters.exchange(Interpreters::kSession, waits->outer);
  recorder_ = exchange_recorder(state, waits->outer_recorder);
  checkpoint_ = state.interpreters.exchange(Interpreters::kCheckpoint, waits->outer_checkpoint);
}

InTrace::~InTrace() {
  if (!inner_) return;
  state_.interpreters.exchange(Interpreters::kSession, inner_);
  exchange_recorder(state_, std::move(recorder_));
  state_.interpreters.exchange(Interpreters::kCheckpoint, checkpoint_);
}

namespace {

// with _core.Session(isolated) as session: …
// Isolated: the trace is run once, right after, and enclosing differentiation contexts follow it only then.
class SessionScope {
 public:
  explicit SessionScope(bool isolated) { session_.isolated = isolated; }
  void enter(py::object self) {
    ThreadState& state = thread_state();
    if (tracing_depth(state) == UINT8_MAX) fail(ErrorKind::Trace, "Session: too many sessions within each other");
    const std::size_t followers = state.active.numbers().size();  // before anything changes: it may throw
    scope_.enter("Session");
    state.features->entered.push_back(std::move(self));
    session_.depth = static_cast<std::uint8_t>(tracing_depth(state) + 1);
    session_.outer = open_session(state);
    state.interpreters.exchange(Interpreters::kSession, &session_);
    session_.outer_recorder = exchange_recorder(state, session_.equations);
    session_.outer_checkpoint = state.interpreters.exchange(Interpreters::kCheckpoint, nullptr);
    if (!session_.isolated) return;
    session_.reads_outside = !session_.outer || session_.outer->reads_outside;
    session_.outer_active = state.active;
    session_.followers = static_cast<int>(followers + state.features->forward.contexts.size()) +
                         (session_.outer ? session_.outer->followers : 0);
    modes_.begin(state);
    session_.outer_forward = exchange_forward(state, {});
  }
  void exit() {
    scope_.exit("Session");
    ThreadState& state = thread_state();
    const py::object self = std::move(state.features->entered.back());
    state.features->entered.pop_back();
    state.interpreters.exchange(Interpreters::kSession, session_.outer);
    exchange_recorder(state, std::move(session_.outer_recorder));
    state.interpreters.exchange(Interpreters::kCheckpoint, session_.outer_checkpoint);
    if (!session_.isolated) return;
    modes_.end(state);
    session_.outer_forward = exchange_forward(state, std::move(session_.outer_forward));
  }
  Session& session() { return session_; }

 private:
  Session session_;
  Scope scope_;
  ModesAside modes_;
};

using SessionObject = Holder<SessionScope>;

constexpr std::int64_t kLargestConstant = 64;  // elements

py::object make_session(PyTypeObject*, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"isolated", nullptr};
  int isolated = false;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p", const_cast<char**>(names), &isolated))
    throw py::error_already_set();
  return SessionObject::make(SessionScope(isolated));
}
py::object enter_session(PyObject* self) {
  SessionObject::value_of(self).enter(borrowed(self));
  return borrowed(self);
}
void exit_session(SessionObject* self, PyObject* const*, Py_ssize_t) { self->value.exit(); }

py::object get_equations(SessionObject* self) { return self->value.session().equations; }
bool wrote_gradients(SessionObject* self) {
  const std::vector<Gradient>& all = self->value.session().gradients;
  return std::any_of(all.begin(), all.end(), [](const Gradient& g) { return bool(g.after()); });
}
bool checked(SessionObject* self) { return self->value.session().checked; }

// Nobody else can change the copy, and wherever it is met it is a constant.
py::object constant_of(SessionObject* self, PyObject* x) {
  const TensorObject* t = checked_tensor(x, "Session.constant");
  const Array& a = t->array;
  if (t->trace < self->value.session().depth || t->producer || t->requires_grad || a.is_abstract() ||
      a.numel() > kLargestConstant || for_storage(a.dtype()))
    return py::none();
  Array copy;
  Call call{Registry::instance().copy(), {&a, 1}, {&copy, 1}, {}};
  evaluate(call);
  py::object made = owned(make_tensor(std::move(copy)));
  as_tensor(made.ptr())->trace = UINT8_MAX;
  return made;
}

}  // namespace

Session& session_of(py::handle scope) { return SessionObject::value_of(scope).session(); }

void add_session(py::module_& m) {
  SessionObject::type =
      TypeMaker<SessionObject>("Session", "While it is entered, a function is traced.", Py_TPFLAGS_DEFAULT)
          .slot<Py_tp_new, make_session>()
          .slot<Py_tp_dealloc, SessionObject::dealloc>()
          .getter<get_equations>("equations", nullptr)
          .getter<wrote_gradients>("wrote_gradients", "Some gradient was replaced.")
          .getter<checked>("checked", "The function wants its values checked, which only a run as it is can do.")
          .method<constant_of>("constant", "A copy of a small constant that the trace made; None of other Tensors.")
          .method<enter_session>("__enter__")
          .method<exit_session>("__exit__")
          .add_to(m);
}

}  // namespace alice
