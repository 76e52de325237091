// What a function with rules of its own reads that is none of its arguments. The rules do not know of it, so that its
// derivatives would be missing.
#pragma once

#include <unordered_set>

#include "features.h"

namespace alice {

class Captured final : public Interpreter {
 public:
  // The contexts that count are those of now; one of them is about to be hidden.
  void prepare();
  // Of what is made from now on, and of these, everything may be read.
  void begin(const py::tuple& own);
  void end();

  void see(const BoundCall& call) override;
  void made(TensorObject* t) override;
  void read(TensorObject* t);

  // Tensors that a context follows, or may when the trace that is being made has run.
  const py::list& found() const { return found_; }

 private:
  std::unordered_set<TensorObject*> own_;
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

}  // namespace alice
