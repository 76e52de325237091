// Forward mode: a Tensor carries a tangent for every forward context that it depends on, and each call of a primitive
// pushes the tangents of its operands on to its results by the JVP rules, which are Python. Nothing is kept: live
// memory does not grow with the length of the computation.
#pragma once

#include <memory>

#include "engine.h"

namespace alice {

// One call of jvp() that has not returned. Its tangents are values of the contexts outside of it: only those forward
// contexts push through its rules, and only those reverse contexts follow them.
struct ForwardContext {
  std::uint64_t id;
  Contexts active;  // ThreadState::active when it began
  // Equations that outer contexts follow and that keep tangents of this context for the gradient rules of inner ones.
  // Such a tangent may depend on the equation itself, so they are parted when the context ends.
  std::vector<py::object> equations;
};

// The context ends, or what ended long ago has run again: parts its equations from its tangents.
void part_equations(ForwardContext& context);

using ForwardContexts = std::vector<std::shared_ptr<ForwardContext>>;

// Pushes the tangents of the operands of a call on to its results.
class ForwardMode final : public Interpreter {
 public:
  ForwardContexts contexts;  // that are open, the outermost first
  ForwardContexts muted;     // those of them that a mode keeps from seeing calls

  void see(const BoundCall& call) override;
};

inline const ForwardContexts& forward_contexts(const ThreadState& state) {
  static const ForwardContexts none;
  const auto* forward = static_cast<ForwardMode*>(state.interpreters[Interpreters::kForward]);
  return forward ? forward->contexts : none;
}
ForwardContexts exchange_forward(ThreadState& state, ForwardContexts contexts);  // returns those before
// Contexts that a mode begins to mute see no calls any more; those that no mode mutes now do again, if they are open.
void mute_forward(ThreadState& state, const Contexts& more, const Contexts& fewer);

bool has_tangent(const TensorObject* t, std::uint64_t context);
inline bool has_tangent(const TensorObject* t, const ForwardContext& context) { return has_tangent(t, context.id); }
// Of any of the contexts.
bool has_tangent(const TensorObject* t, const ForwardContexts& contexts);

void add_forward(py::module_& m);

}  // namespace alice
