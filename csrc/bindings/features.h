// What the features that are built on the engine keep for a thread.
#pragma once

#include <cstdint>
#include <vector>

#include "forward.h"
#include "recorder.h"
#include "thread_state.h"

namespace alice {

class RuleScope;  // record.h

struct Features {
  Recorder recorder;
  Checker checker;
  ForwardMode forward;
  py::object reads;                  // list of every Tensor whose elements leave, as a trace wants to know; or null
  std::vector<py::object> entered;   // the sessions, which the thread refers to; the outermost first
  const RuleScope* rules = nullptr;  // of the equation whose gradient rules run
  std::vector<Contexts> outer;       // what was open when each context that is open began
  bool accumulating = false;         // contributions to an adjoint are added up
  std::uint64_t scope = 0;           // number of the innermost Scope that is entered
  py::object modes;                  // see modes.h: those of the Python context that was looked at last, or null
  std::uint64_t context = 0;         // its version

  // A thread that ends in the middle of something ends without the interpreter's lock, perhaps after the interpreter:
  // what it held is left to others.
  ~Features();
};

// What threads held that ended in the middle of something; a thread that begins lets go of it, too.
void let_go_of_remains();

}  // namespace alice
