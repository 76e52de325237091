#include "graph_walk.h"

#include <algorithm>
#include <unordered_set>

namespace alice {

std::vector<EquationObject*> equations_before(const std::vector<TensorObject*>& outputs) {
  std::vector<EquationObject*> order, stack;
  std::unordered_set<EquationObject*> seen;
  const auto visit = [&](EquationObject* eq) {
    if (eq && seen.insert(eq).second) stack.push_back(eq);
  };
  for (TensorObject* t : outputs) visit(t->producer);
  while (!stack.empty()) {
    EquationObject* eq = stack.back();
    stack.pop_back();
    order.push_back(eq);
    for (const Saved& s : eq->inputs)
      if (s.tracked) visit(as_equation(s.source));
  }
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->sequence < b->sequence; });
  return order;
}

}  // namespace alice
