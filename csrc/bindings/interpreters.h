// The interpreters of a thread.
#pragma once

#include <algorithm>
#include <array>
#include <initializer_list>

#include "interpreter.h"

namespace alice {

// Those of one thread, at most one of a kind: what is open already waits until the inner one has ended. They see a call
// in this order.
class Interpreters {
 public:
  enum Kind { kSession, kChecker, kRecorder, kForward, kCheckpoint, kCaptured, kKinds };

  explicit operator bool() const { return count_ != 0; }
  bool other_than(std::initializer_list<Kind> kinds) const {
    return count_ > std::count_if(kinds.begin(), kinds.end(), [&](Kind k) { return all_[k] != nullptr; });
  }
  Interpreter* operator[](Kind kind) const { return all_[kind]; }
  Interpreter* exchange(Kind kind, Interpreter* other);  // returns the one before; null: none

  // What all of them say; with none, what the base class does.
  void see(const BoundCall& call) const;
  void made(TensorObject* t) const;
  bool want_all() const { return want_all_; }
  bool are_abstract() const { return are_abstract_; }
  TensorObject* value(TensorObject* t) const { return count_ ? value_of(t) : t; }

 private:
  TensorObject* value_of(TensorObject* t) const;

  std::array<Interpreter*, kKinds> all_{};
  int count_ = 0;
  bool want_all_ = false, are_abstract_ = false;
};

}  // namespace alice
