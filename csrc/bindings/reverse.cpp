// Reverse mode: walks equations from the last executed to the first and calls the VJP rules, which are Python. One
// adjoint per value, every rule once. A loop over a sorted list: depth is limited by memory alone.
// Hot: every call runs through here.
#include "reverse.h"

#include <unordered_map>
#include <unordered_set>

#include "graph_walk.h"
#include "operators.h"
#include "record.h"
#include "repeats.h"
#include "watcher.h"

namespace alice {
namespace {

using Values = std::unordered_set<Value, ValueHash>;
using Adjoints = std::unordered_map<Value, py::object, ValueHash>;

// The equations on paths from the outputs to a target, first executed first, and which of their inputs are on such a
// path: no rule runs in vain.
struct Paths {
  struct Step {
    EquationObject* eq;
    std::size_t first_input;  // in `leads`
  };
  std::vector<Step> steps;
  std::vector<bool> leads;
};

Paths paths_between(const std::vector<EquationObject*>& equations, const Walk& walk, const Values& targets) {
  Paths paths;
  for (EquationObject* eq : equations) {
    const std::size_t first = paths.leads.size();
    bool any = false;
    for (const Saved& s : eq->inputs) {
      const EquationObject* source = as_equation(s.source);
      const bool leads = s.tracked && ((source && walk.keeps(source)) || targets.count(value_of(s)));
      paths.leads.push_back(leads);
      any = any || leads;
    }
    if (any) {
      walk.keep(eq);
      paths.steps.push_back({eq, first});
    } else {
      paths.leads.resize(first);
    }
  }
  return paths;
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
  const char* op = eq->primitive->kernel->name;
  if (!is_tensor(cotangent.ptr()))
    fail(ErrorKind::Gradient, op, ": the VJP rule must return Tensors; got ", Py_TYPE(cotangent.ptr())->tp_name,
         " for input ", i);
  const Array &got = as_tensor(cotangent.ptr())->array, &x = eq->inputs[i].array;
  if (!(got.shape() == x.shape()) || got.dtype() != x.dtype())
    fail(ErrorKind::Gradient, op, ": the VJP rule must return cotangents of the inputs' shapes and dtypes; expected ",
         x.shape(), " ", name(x.dtype()), " for input ", i, ", got ", got.shape(), " ", name(got.dtype()));
  accumulate(adjoints, value_of(eq->inputs[i]), std::move(cotangent));
}

// Runs the rules of one equation, for the inputs that lead to a target or are one.
void pull_back(Adjoints& adjoints, const Paths& paths, const Paths::Step& step, py::object g, Repeats& repeats) {
  EquationObject* eq = step.eq;
  const auto leads = [&](std::size_t i) -> bool { return paths.leads[step.first_input + i]; };
  const RuleScope scope(eq, leads);
  const auto [inputs, outputs] = repeats.saved(eq);
  const py::object ans = outputs.size() == 1 ? py::object(outputs[0]) : py::object(outputs);
  const PrimitiveObject* p = eq->primitive;
  const std::size_t n = eq->inputs.size();
  const Rules rules = Rules::vjp(p, n);
  std::vector<PyObject*> args{g.ptr(), ans.ptr()};
  if (rules.each) {
    for (py::handle x : inputs) args.push_back(x.ptr());
    append_attributes(args, eq);
    for (std::size_t i = 0; i < n; ++i) {
      const py::handle rule = PyTuple_GET_ITEM(rules.each.ptr(), static_cast<Py_ssize_t>(i));
      if (!rule.is_none() && leads(i)) add_cotangent(adjoints, eq, i, call(rule, args));
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
    if (leads(i)) add_cotangent(adjoints, eq, i, py::object(cotangents[i]));
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
  const Paths paths = paths_between(equations, walk, wanted);

  const ThreadState& state = thread_state();
  Repeats repeats(Repeats::Direction::Backward);
  for (auto step = paths.steps.rbegin(); step != paths.steps.rend(); ++step) {
    EquationObject* eq = step->eq;
    py::object g = take_cotangents(adjoints, eq, wanted);
    if (!g) continue;
    pull_back(adjoints, paths, *step, std::move(g), repeats);
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
