// Modes: no_grad() and debug_nans() as context variables. What a task of asyncio has entered others have not, and modes
// may be left in any order, as suspended generators do.
#pragma once

#include "features.h"

namespace alice {

namespace detail {
extern bool modes_are_used;  // by anybody, ever; under the interpreter's lock
void look_at_modes(ThreadState& state, std::uint64_t context);
}  // namespace detail

// The thread's state, with the modes of the Python context that runs.
inline ThreadState& state_in_context() {
  ThreadState& state = thread_state();
  if (detail::modes_are_used)
    if (const std::uint64_t context = PyThreadState_Get()->context_ver; context != state.features->context)
      detail::look_at_modes(state, context);
  return state;
}

// What is traced in between begins without modes, and with backward() as the one context that may follow it: so it
// shows which of its equations ran inside a no_grad() of its own.
class ModesAside {
 public:
  void begin(ThreadState& state);
  void end(ThreadState& state);

 private:
  py::object modes_, checker_;
  Contexts active_;
};

void add_modes(py::module_& m);

}  // namespace alice
