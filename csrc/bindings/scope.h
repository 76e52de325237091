// What __enter__ and __exit__ of a Python object change on a thread.
#pragma once

#include <cstdint>

namespace alice {

struct ThreadState;

// They must come in pairs, inner ones within outer ones, on one thread; else they throw, and change nothing.
class Scope {
 public:
  bool entered() const { return state_; }
  void enter(const char* who);
  void exit(const char* who);

 private:
  ThreadState* state_ = nullptr;          // null while it is not entered
  std::uint64_t number_ = 0, outer_ = 0;  // never used again
};

}  // namespace alice
