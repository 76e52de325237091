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

// GradientError or TraceError if a context of another thread follows the value.
void refuse_strange(const TensorObject* t, const char* op);

// The same, quick for values that carry nothing which another thread's contexts could have given them.
inline void check_ours(const TensorObject* t, const char* op, const ThreadState& state = thread_state()) {
  if ((t->levels > 1 && t->thread != state.number) || t->extension || t->trace) [[unlikely]]
    refuse_strange(t, op);
}

}  // namespace alice
