// What a function with rules of its own reads that is none of its arguments. The rules do not know of it, so that its
// derivatives would be missing.
#pragma once

#include <unordered_set>
#include <vector>

#include "features.h"

namespace alice {

class Captured final : public Interpreter {
 public:
  // The contexts that count are those of now; one of them is about to be hidden.
  void prepare();
  // Of what is made from now on, and of these handles on the arguments, everything may be read.
  void begin(py::tuple handles, const py::tuple& arguments);
  void end();
  bool begun() const { return sees_; }

  void see(const BoundCall& call) override;
  void made(TensorObject* t) override;
  void read(TensorObject* t);

  // What is changed in place is the argument itself, not the function's handle on it.
  TensorObject* argument(TensorObject* handle) const;
  // The handles on these have their new values: no views of them, though they show the same memory.
  void changed(const std::vector<TensorObject*>& arguments) const;

  // Tensors that a context follows, or may when the trace that is being made has run.
  const py::list& found() const { return found_; }

 private:
  std::unordered_set<TensorObject*> own_;
  py::tuple handles_, arguments_;
  py::list found_;
  Captured* outer_ = nullptr;
  // As they were before one of them was hidden.
  Contexts active_;
  ForwardContexts forward_;
  std::uint8_t depth_ = 0;  // of the trace
  bool later_ = false;      // there is such a trace
  bool sees_ = false;
};

// Somebody reads it, or differentiates by it.
void note_captured(TensorObject* t);

inline const Captured* captured_in(const ThreadState& state) {
  return static_cast<const Captured*>(state.interpreters[Interpreters::kCaptured]);
}

}  // namespace alice
