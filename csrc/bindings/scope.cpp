#include "scope.h"

#include <utility>

#include "features.h"

namespace alice {

void Scope::enter(const char* who) {
  if (state_) fail(ErrorKind::Value, who, ": entered twice; make another one");
  static std::uint64_t numbers = 0;  // under the interpreter lock
  ThreadState& state = thread_state();
  number_ = ++numbers;
  outer_ = std::exchange(state.features->scope, number_);
  state_ = &state;
}

void Scope::exit(const char* who) {
  if (!state_) fail(ErrorKind::Value, who, ": left without having been entered; use it in a with statement");
  if (state_ != &thread_state()) fail(ErrorKind::Value, who, ": left on another thread than it was entered on");
  if (number_ != state_->features->scope)
    fail(ErrorKind::Value, who, ": left before a scope inside of it, or too late");
  state_->features->scope = outer_;
  state_ = nullptr;
}

}  // namespace alice
