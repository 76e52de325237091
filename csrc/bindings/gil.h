// Python's lock: released around native work, and lost for ever when the interpreter ends.
//
// Pythons before 3.14 end a thread that asks for the lock after that, by unwinding its stack: into functions that must
// not throw, and through destructors that need the lock. The thread must sleep instead, as later Pythons have it do,
// until the process is gone: whoever may wait for the lock with C++ functions on the stack does so by way of this file.
#pragma once

#include <Python.h>
#include <unistd.h>

#include <utility>
#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif

namespace alice {

// call(), which runs Python code: the last C++ function on the stack before that code.
template <class Call>
[[gnu::no_sanitize("undefined")]] auto into_python(Call&& call) {  // the exception is no object
#ifdef __GLIBCXX__
  try {
    return std::forward<Call>(call)();
  } catch (abi::__forced_unwind&) {
    for (;;) pause();
  }
#else
  return std::forward<Call>(call)();
#endif
}

// Other Python threads run while this one works, or waits for something native. What it works on must be its own, or
// kept alive by references that it took before.
class Unlocked {
 public:
  Unlocked() : thread_(PyEval_SaveThread()) {}
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;
  ~Unlocked() {
    into_python([&] { PyEval_RestoreThread(thread_); });
  }

 private:
  PyThreadState* thread_;
};

}  // namespace alice
