#include "session.h"

namespace alice {

py::object Gradient::read() {
  if (!written_ && !before_) {
    PyObject* there = leaf_->grad;
    before_ = there ? py::reinterpret_steal<py::object>(make_tensor(as_tensor(there)->array.shape_only())) : py::none();
    current_ = before_;
  }
  return current_;
}

Gradient& Session::gradient_of(TensorObject* leaf) {
  auto [place, fresh] = number_of.try_emplace(leaf, gradients.size());
  if (fresh) {
    leaves.push_back(py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(leaf)));
    gradients.emplace_back(leaf);
  }
  return gradients[place->second];
}

namespace {

// with _core.Session() as session: …
class SessionScope {
 public:
  void enter() {
    ThreadState& state = thread_state();
    outer_session_ = state.session;
    outer_recorder_ = state.recorder;
    state.session = &session_;
    state.recorder = session_.equations.ptr();
  }
  void exit(const py::args&) {
    thread_state().session = outer_session_;
    thread_state().recorder = outer_recorder_;
  }
  Session& session() { return session_; }

 private:
  Session session_;
  Session* outer_session_ = nullptr;
  PyObject* outer_recorder_ = nullptr;
};

}  // namespace

Session& session_of(py::handle scope) { return scope.cast<SessionScope&>().session(); }

void add_session(py::module_& m) {
  py::class_<SessionScope>(m, "Session")
      .def(py::init<>())
      .def("__enter__",
           [](py::object self) {
             self.cast<SessionScope&>().enter();
             return self;
           })
      .def("__exit__", &SessionScope::exit);
}

}  // namespace alice
