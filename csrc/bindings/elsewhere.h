// Values of functions that other threads differentiate or trace. What this thread computes from them would be lost to
// those: it does not know their contexts. So it must not.
#pragma once

#include "tensor.h"

namespace alice {

// A context of forward or reverse mode begins or ends on this thread; for the others to know.
void note_begin(std::uint64_t context);
void note_end(std::uint64_t context);

// GradientError or TraceError if a context of another thread follows the value.
void refuse_strange(const TensorObject* t, const char* op);

// The same, quick for values that carry nothing which another thread's contexts could have given them.
inline void check_ours(const TensorObject* t, const char* op, const ThreadState& state = thread_state()) {
  if (!state.open.contains(t->contexts) || t->extension || t->trace) [[unlikely]]
    refuse_strange(t, op);
}

}  // namespace alice
