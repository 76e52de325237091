#include "modes.h"

#include <utility>

#include "context_numbers.h"
#include "session.h"

namespace alice {
namespace {

// A mode is a pair: which contexts it mutes (of ThreadState::active, and forward ones), and who is shown every call, or
// None. Those that are entered are a tuple, the outermost first: the value of a context variable.
PyObject* variable() {
  static PyObject* const made = owned(PyContextVar_New("alice_core modes", nullptr)).release().ptr();
  return made;
}

Contexts muted_by(const py::tuple& modes) {
  Contexts all;
  for (py::handle mode : modes) all |= contexts_of(mode[py::int_(0)]);
  return all;
}

py::tuple current() {
  PyObject* value = nullptr;
  if (PyContextVar_Get(variable(), nullptr, &value) < 0) throw py::error_already_set();
  return value ? py::reinterpret_steal<py::tuple>(value) : py::tuple();
}

// The thread does as these modes say. Only what has changed is changed: contexts that were opened or muted since by
// others stay as they are.
void apply(ThreadState& state, const py::tuple& modes) {
  const Contexts before = state.features->modes ? muted_by(state.features->modes) : Contexts();
  const Contexts after = muted_by(modes), more = after - before, fewer = before - after;
  state.active = ((state.active - more) | fewer) & state.open;
  mute_forward(state, more, fewer);
  py::object checker;
  for (py::handle mode : modes)
    if (const py::object given = mode[py::int_(1)]; !given.is_none()) checker = given;
  const py::object old_checker = exchange_checker(state, checker), old = std::exchange(state.features->modes, modes);
}

void remember(const py::object& modes) { owned(PyContextVar_Set(variable(), modes.ptr())); }

void set(ThreadState& state, const py::tuple& modes) {
  remember(modes);
  apply(state, modes);
}

// Returns what is to be given to exit_mode().
py::tuple enter_mode(bool mutes, py::object checker) {
  if (!checker.is_none() && !PyCallable_Check(checker.ptr()))
    throw py::type_error("enter_mode: expected a function or None");
  detail::modes_are_used = true;
  ThreadState& state = state_in_context();
  if (!checker.is_none())
    for (Session* s = open_session(state); s; s = s->outer) s->checked = true;
  const py::tuple modes = current();
  // What is muted already is muted by this mode too, whichever of them ends first.
  Contexts muted = mutes ? state.active | muted_by(modes) : Contexts();
  if (mutes)
    for (const auto& context : forward_contexts(state)) muted |= Contexts(context->id);
  const py::tuple mode = py::make_tuple(numbers_of(muted), checker);
  set(state, py::tuple(modes + py::make_tuple(mode)));
  return mode;
}

// A mode that another context has entered is not there: it ends with that one.
void exit_mode(py::tuple mode) {
  ThreadState& state = state_in_context();
  py::list others;
  for (py::handle m : current())
    if (!m.is(mode)) others.append(m);
  set(state, py::tuple(others));
}

}  // namespace

bool detail::modes_are_used = false;

void detail::look_at_modes(ThreadState& state, std::uint64_t context) {
  const py::tuple modes = current();
  const py::object& before = state.features->modes;
  state.features->context = context;
  if (before ? !modes.is(before) : modes.size() != 0) apply(state, modes);
}

void ModesAside::begin(ThreadState& state) {
  modes_ = current();
  checker_ = state.features->checker.function;
  active_ = std::exchange(state.active, Contexts(kBackward));
  if (py::len(modes_) == 0) return;
  remember(py::tuple());
  state.features->modes = py::object();
}

void ModesAside::end(ThreadState& state) {
  const py::object modes = std::move(modes_);
  py::object& now = state.features->modes;
  if (py::len(modes) != 0 || (now && py::len(now) != 0)) {
    remember(modes);
    now = modes;
  }
  exchange_checker(state, std::move(checker_));
  state.active = active_;
}

void add_modes(py::module_& m) {
  m.def("enter_mode", &enter_mode, py::arg("mutes"), py::arg("checker"));
  m.def("exit_mode", &exit_mode, py::arg("mode"));
  m.def("modes_entered", &current);
}

}  // namespace alice
