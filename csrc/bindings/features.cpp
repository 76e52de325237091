#include "features.h"

#include <mutex>
#include <utility>

#include "../core/fork.h"

namespace alice {
namespace {

// What threads held that ended in the middle of something: whoever has the interpreter's lock lets it go.
struct Remains {
  std::mutex mutex;
  std::vector<PyObject*> objects;

  static Remains& instance() {
    static Remains* made = new Remains;
    return *made;
  }
  void leave(py::object& o) {
    if (!o) return;
    std::lock_guard lock(mutex);
    objects.push_back(o.release().ptr());
  }
  void let_go() {
    std::vector<PyObject*> gone;
    {
      std::lock_guard lock(mutex);
      gone.swap(objects);
    }
    for (PyObject* o : gone) Py_DECREF(o);
  }
};
[[maybe_unused]] const bool covered = (fork::cover(Remains::instance().mutex), true);

}  // namespace

void let_go_of_remains() { Remains::instance().let_go(); }

Features::~Features() {
  Remains::instance().leave(recorder.equations);
  Remains::instance().leave(reads);
  Remains::instance().leave(checker.function);
  Remains::instance().leave(modes);
  for (py::object& session : entered) Remains::instance().leave(session);
  for (auto& context : forward.contexts) new std::shared_ptr<ForwardContext>(std::move(context));
}

}  // namespace alice
