#include "elsewhere.h"

#include <algorithm>
#include <vector>

#include "extension.h"
#include "forward.h"
#include "session.h"

namespace alice {
namespace {

struct Open {
  std::uint64_t context;
  const ThreadState* thread;
};
std::vector<Open>& open_contexts() {  // on all threads; under the interpreter's lock
  static auto* all = new std::vector<Open>;
  return *all;
}

bool is_followed_elsewhere(const TensorObject* t) {
  const ThreadState* here = &thread_state();
  return std::ranges::any_of(open_contexts(), [&](const Open& open) {
    return open.thread != here && (t->contexts.has(open.context) || has_tangent(t, open.context));
  });
}

}  // namespace

void note_begin(std::uint64_t context) { open_contexts().push_back({context, &thread_state()}); }
void note_end(std::uint64_t context) {
  std::erase_if(open_contexts(), [&](const Open& open) { return open.context == context; });
}

void refuse_strange(const TensorObject* t, const char* op) {
  if (t->trace > tracing_depth(thread_state()) && t->array.is_abstract())
    fail(ErrorKind::Trace, op, ": expected a value of this thread; got an abstract Tensor, shape ", t->array.shape(),
         ", of a function that vmap or compile traces on another thread, or has traced; compute on the thread that "
         "runs the function, and return what is needed from it");
  if (is_followed_elsewhere(t))
    fail(ErrorKind::Gradient, op, ": expected a value of this thread; got one, shape ", t->array.shape(),
         ", that grad, jvp or another transform differentiates on another thread, which would not learn of this op; "
         "compute on the thread that runs the function, or take ac.stop_gradient(x) there if a constant is meant");
}

}  // namespace alice
