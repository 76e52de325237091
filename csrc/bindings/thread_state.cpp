#include "thread_state.h"

#include <bitset>
#include <mutex>
#include <utility>
#include <vector>

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

ThreadState::ThreadState() : number(Remains::instance().take_number()) { let_go_of_remains(); }

ThreadState::~ThreadState() {
  Remains::instance().leave(recorder);
  Remains::instance().leave(reads);
  Remains::instance().leave(checker);
  Remains::instance().leave(modes);
  for (py::object& session : entered) Remains::instance().leave(session);
  for (auto& context : forward) new std::shared_ptr<ForwardContext>(std::move(context));
  Remains::instance().give_back(number);
}

namespace {
std::uint64_t begun = 0;  // under the interpreter lock
}

std::uint64_t contexts_begun() { return begun; }

void begin_context(ThreadState& state) {
  if (state.depth() == kDeepestContext)
    fail(ErrorKind::Gradient, "grad: at most ", kDeepestContext, " nested gradients are supported");
  state.begun_at.push_back(++begun);
  state.active |= 1u << state.depth();
}

void end_context(ThreadState& state) {
  state.active &= ~(1u << state.depth());
  state.begun_at.pop_back();
}

thread_local constinit ThreadState* detail::this_thread = nullptr;

ThreadState& detail::begin_thread() {
  thread_local ThreadState state;
  this_thread = &state;
  return state;
}

void Scope::enter(const char* who) {
  if (state_) fail(ErrorKind::Value, who, ": entered twice; make another one");
  static std::uint64_t numbers = 0;  // under the interpreter lock
  ThreadState& state = thread_state();
  number_ = ++numbers;
  outer_ = std::exchange(state.scope, number_);
  state_ = &state;
}

void Scope::exit(const char* who) {
  if (!state_) fail(ErrorKind::Value, who, ": left without having been entered; use it in a with statement");
  if (state_ != &thread_state()) fail(ErrorKind::Value, who, ": left on another thread than it was entered on");
  if (number_ != state_->scope) fail(ErrorKind::Value, who, ": left before a scope inside of it, or too late");
  state_->scope = outer_;
  state_ = nullptr;
}

}  // namespace alice
