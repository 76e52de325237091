// Reverse mode: walks equations from the last executed to the first and calls the VJP rules, which are Python. One
// adjoint per value, every rule once. A loop over a sorted list: depth is limited by memory alone.
// Hot: every call runs through here.
#include "reverse.h"

#include <ranges>
#include <unordered_map>
#include <unordered_set>

#include "graph_walk.h"
#include "operators.h"
#include "record.h"
#include "repeats.h"
#include "rule_results.h"
#include "watcher.h"

namespace alice {
namespace {

using Values = std::unordered_set<Value, ValueHash>;
using Adjoints = std::unordered_map<Value, py::object, ValueHash>;

// An equation on a path from the outputs to a target, and which of its inputs are on one: no rule runs in vain.
struct PathStep {
  EquationObject* eq;
  std::uint64_t leading;  // by input_bit

  bool leads(std::size_t i) const { return leading & input_bit(i) && eq->inputs[i].tracked; }
};

// First executed first.
std::vector<PathStep> steps_between(const std::vector<EquationObject*>& equations, const Walk& walk,
                                    const Values& targets) {
  std::vector<PathStep> steps;
  for (EquationObject* eq : equations) {
    std::uint64_t leading = 0;
    for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
      const Saved& s = eq->inputs[i];
      const EquationObject* source = as_equation(s.source);
      if (s.tracked && ((source && walk.keeps(source)) || targets.count(value_of(s)))) leading |= input_bit(i);
    }
    if (!leading) continue;
    walk.keep(eq);
    steps.push_back({eq, leading});
  }
  return steps;
}

// The leaves that require a gradient, of these ends and of what the equations read; each once.
std::vector<TensorObject*> leaves_of(const std::vector<TensorObject*>& ends,
                                     const std::vector<EquationObject*>& equations) {
  std::vector<TensorObject*> leaves;
  std::unordered_set<TensorObject*> seen;
  const auto visit = [&](TensorObject* t) {
    if (t->requires_grad && seen.insert(t).second) leaves.push_back(t);
  };
  for (TensorObject* t : ends)
    if (!t->producer) visit(t);
  for (const EquationObject* eq : equations)
    for (const Saved& s : eq->inputs)
      if (s.tracked && !as_equation(s.source)) visit(as_tensor(s.source));
  return leaves;
}

void accumulate(Adjoints& adjoints, Value v, py::object contribution) {
  auto [place, fresh] = adjoints.try_emplace(v, contribution);
  if (fresh) return;
  const AccumulationScope scope;
  PyObject* args[] = {place->second.ptr(), contribution.ptr()};
  place->second = bind(operator_primitive(kAdd), args, 2);
}

// Zeros of the shape of a result that nothing depends on; one element in memory.
py::object zeros(const Array& like) {
  Array zero = scalar_array({Scalar::Kind::Bool, 0, 0.0}, like.dtype(), "reverse");
  return owned(make_tensor(Array::view(zero, like.shape(), Dims::filled(like.rank(), 0), 0)));
}

// The cotangent(s) of an equation's result(s): a Tensor, or a tuple of them. Null if nothing arrived.
py::object take_cotangents(Adjoints& adjoints, EquationObject* eq, const Values& targets) {
  auto take = [&](int i) -> py::object {
    const Value v{eq, i};
    auto found = adjoints.find(v);
    if (found == adjoints.end()) return {};
    if (targets.count(v)) return found->second;  // the caller wants to see it
    py::object g = std::move(found->second);
    adjoints.erase(found);
    return g;
  };
  if (eq->outputs.size() == 1) return take(0);
  bool any = false;
  py::object all = tuple_of(eq->outputs.size(), [&](std::size_t i) {
    py::object g = take(static_cast<int>(i));
    any = any || g;
    return g ? g : zeros(eq->outputs[i].array);
  });
  return any ? all : py::object();
}

void add_cotangent(Adjoints& adjoints, const EquationObject* eq, std::size_t i, py::object cotangent) {
  if (cotangent.is_none()) return;
  check_derivative(eq->primitive, Direction::Backward, cotangent, eq->inputs[i].array, i);
  accumulate(adjoints, value_of(eq->inputs[i]), std::move(cotangent));
}

// Runs the rules of one equation, for the inputs that lead to a target or are one.
void pull_back(Adjoints& adjoints, const PathStep& step, py::object g, Repeats& repeats) {
  EquationObject* eq = step.eq;
  const RuleScope scope(eq, [&](std::size_t i) { return step.leads(i); });
  const auto [inputs, outputs] = repeats.saved(eq);
  const py::object ans = outputs.size() == 1 ? py::object(outputs[0]) : py::object(outputs);
  const PrimitiveObject* p = eq->primitive;
  const std::size_t n = eq->inputs.size();
  const Rules rules = rules_of(p, Direction::Backward, n);
  std::vector<PyObject*> args{g.ptr(), ans.ptr()};
  if (rules.each) {
    for (py::handle x : inputs) args.push_back(x.ptr());
    append_attributes(args, eq);
    for (std::size_t i = 0; i < n; ++i) {
      const py::handle rule = PyTuple_GET_ITEM(rules.each.ptr(), static_cast<Py_ssize_t>(i));
      if (!rule.is_none() && step.leads(i)) add_cotangent(adjoints, eq, i, call(rule, args));
    }
    return;
  }
  if (!rules.joint)
    fail(ErrorKind::Gradient, p->kernel->name, ": no VJP rule is defined; use ac.stop_gradient around the call");
  args.push_back(inputs.ptr());
  append_attributes(args, eq);
  const py::tuple cotangents = owned(PySequence_Tuple(call(rules.joint, args).ptr()));
  if (cotangents.size() != n)
    fail(ErrorKind::Gradient, p->kernel->name, ": the VJP rule must return one cotangent per input; expected ", n,
         ", got ", cotangents.size());
  for (std::size_t i = 0; i < n; ++i)
    if (step.leads(i)) add_cotangent(adjoints, eq, i, py::object(cotangents[i]));
}

}  // namespace

py::list reverse(py::sequence outputs_given, py::sequence cotangents_given, py::object targets_given, bool release) {
  // The rules are Python and may drop the last reference to what is still to come: these hold the graph.
  const py::tuple outputs(outputs_given), cotangents(cotangents_given);
  const bool to_leaves = targets_given.is_none();
  const py::tuple held = to_leaves ? py::tuple() : py::tuple(targets_given);
  if (to_leaves) check_not_checkpointed("backward");
  std::vector<TensorObject*> ends, targets;
  for (py::handle h : outputs) ends.push_back(checked_tensor(h, "reverse"));
  for (py::handle h : cotangents) checked_tensor(h, "reverse");
  for (py::handle h : held) targets.push_back(checked_tensor(h, "reverse"));
  if (cotangents.size() != ends.size())
    fail(ErrorKind::Value, "reverse: expected one cotangent per output; got ", cotangents.size(), " for ", ends.size());

  Adjoints adjoints;
  for (std::size_t i = 0; i < ends.size(); ++i) accumulate(adjoints, value_of(ends[i]), py::object(cotangents[i]));
  const Walk walk;
  const std::vector<EquationObject*> equations = equations_before(ends, walk);
  if (to_leaves) targets = leaves_of(ends, equations);
  Values wanted;
  for (TensorObject* t : targets) wanted.insert(value_of(t));
  const std::vector<PathStep> steps = steps_between(equations, walk, wanted);

  const ThreadState& state = thread_state();
  Repeats repeats(Direction::Backward);
  for (const PathStep& step : steps | std::views::reverse) {
    EquationObject* eq = step.eq;
    py::object g = take_cotangents(adjoints, eq, wanted);
    if (!g) continue;
    pull_back(adjoints, step, std::move(g), repeats);
    if (release && (to_leaves || !(eq->contexts & state.active))) release_saved(eq);
  }

  py::list result;
  for (TensorObject* t : targets) {
    const auto found = adjoints.find(value_of(t));
    const py::object g = found == adjoints.end() ? py::none() : found->second;
    result.append(to_leaves ? py::object(py::make_tuple(borrowed(as_object(t)), g)) : g);
  }
  return result;
}

}  // namespace alice
