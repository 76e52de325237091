#include "context_numbers.h"

#include <algorithm>

#include "modes.h"

namespace alice {
namespace {

std::uint64_t checked_number(py::handle h) {
  const unsigned long long number = PyLong_AsUnsignedLongLong(h.ptr());
  if (PyErr_Occurred()) throw py::error_already_set();
  if (number >= contexts_so_far())
    fail(ErrorKind::Value, "context: expected the number of a differentiation context; got ", number);
  return number;
}

std::uint64_t begin() { return begin_context(state_in_context()); }
void end(py::handle number) { end_context(thread_state(), checked_number(number)); }

py::object get_active() { return numbers_of(state_in_context().active); }
void set_active(py::handle numbers) {
  ThreadState& state = thread_state();
  state.active = contexts_of(numbers) & state.open;
}

// Shall backward() follow what is computed now? Returns whether it did.
bool follow_backward(bool follow) {
  ThreadState& state = state_in_context();
  const bool before = state.active.has_backward();
  const Contexts backward(kBackward);
  if (follow != before) state.active = follow ? state.active | backward : state.active - backward;
  return before;
}

}  // namespace

py::object numbers_of(const Contexts& contexts) {
  py::object all = owned(PyFrozenSet_New(nullptr));
  for (std::uint64_t number : contexts.numbers())
    if (PySet_Add(all.ptr(), py::int_(number).ptr()) < 0) throw py::error_already_set();
  return all;
}

Contexts contexts_of(py::handle numbers) {
  std::vector<std::uint64_t> all;
  for (py::handle h : owned(PySequence_List(numbers.ptr()))) all.push_back(checked_number(h));
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return Contexts::of(all);
}

Contexts context_or_none(py::handle number) { return number.is_none() ? Contexts() : Contexts(checked_number(number)); }

void add_contexts(py::module_& m) {
  m.def("begin_context", &begin);
  m.def("end_context", &end, py::arg("number"));
  m.def("get_active", &get_active);
  m.def("set_active", &set_active, py::arg("contexts"));
  m.def("follow_backward", &follow_backward, py::arg("follow"));
}

}  // namespace alice
