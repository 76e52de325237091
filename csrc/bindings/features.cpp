#include "features.h"

#include <bitset>
#include <mutex>
#include <utility>

#include "../core/fork.h"

namespace alice {
namespace {

// What threads held that ended in the middle of something: whoever has the interpreter's lock lets it go.
struct Remains {
  std::mutex mutex;
  std::vector<PyObject*> objects;
  std::bitset<256> numbers = 1;  // of the threads that there are

  static Remains& instance() {
    static Remains* made = new Remains;
    return *made;
  }
  void leave(py::object& o) {
    if (!o) return;
    std::lock_guard lock(mutex);
    objects.push_back(o.release().ptr());
  }
  std::uint8_t take_number() {
    std::lock_guard lock(mutex);
    for (std::size_t n = 1; n < numbers.size(); ++n)
      if (!numbers[n]) return numbers.set(n), static_cast<std::uint8_t>(n);
    return 0;
  }
  void give_back(std::uint8_t number) {
    std::lock_guard lock(mutex);
    if (number) numbers.reset(number);
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
std::uint8_t take_thread_number() { return Remains::instance().take_number(); }
void give_back_thread_number(std::uint8_t number) { Remains::instance().give_back(number); }

Features::~Features() {
  Remains::instance().leave(recorder.equations);
  Remains::instance().leave(reads);
  Remains::instance().leave(checker.function);
  Remains::instance().leave(modes);
  for (py::object& session : entered) Remains::instance().leave(session);
  for (auto& context : forward.contexts) new std::shared_ptr<ForwardContext>(std::move(context));
}

}  // namespace alice
