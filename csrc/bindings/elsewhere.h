// Values of functions that other threads differentiate or trace. What this thread computes from them would be lost to
// those: it does not know their contexts. So it must not.
#pragma once

#include "tensor.h"

namespace alice {

struct ForwardContext;

// What begins and ends on this thread; for the others to know.
void open_level();
void close_level();
void open_forward(const ForwardContext& context);
void close_forward(const ForwardContext& context);

// Does the value carry anything that none of this thread's contexts gave it? Most have not.
inline bool may_be_strange(const TensorObject* t, const ThreadState& state) {
  return (t->levels > 1 && t->thread != state.number) || t->tangents || t->from_trace > state.tracing;
}
// GradientError or TraceError if a context of another thread follows the value.
void refuse_strange(const TensorObject* t, const char* op);

inline void check_ours(const TensorObject* t, const char* op) {
  if (may_be_strange(t, thread_state())) [[unlikely]]
    refuse_strange(t, op);
}

}  // namespace alice
