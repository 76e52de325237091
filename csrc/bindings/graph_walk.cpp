#include "graph_walk.h"

#include <algorithm>
#include <queue>

namespace alice {

namespace {
std::uint64_t marks = 0;  // under the interpreter lock
}

Walk::Walk() : entered_(marks += 2) {}

std::vector<EquationObject*> equations_before(const std::vector<TensorObject*>& outputs, const Walk& walk) {
  // The last executed comes first: whatever reads an equation's results has come before it.
  std::priority_queue<std::pair<std::uint64_t, EquationObject*>> waiting;
  const auto visit = [&](EquationObject* eq) {
    if (eq && walk.enter(eq)) waiting.emplace(eq->sequence, eq);
  };
  std::vector<EquationObject*> order;
  for (TensorObject* t : outputs) visit(t->producer);
  while (!waiting.empty()) {
    order.push_back(waiting.top().second);
    waiting.pop();
    for (const Saved& s : order.back()->inputs)
      if (s.tracked) visit(as_equation(s.source));
  }
  std::reverse(order.begin(), order.end());
  return order;
}

}  // namespace alice
