// Reverse mode: walks equations from the last executed to the first and calls the VJP rules, which are Python. One
// adjoint per value, every rule once. A loop over a sorted list: depth is limited by memory alone.
// Hot: every call runs through here.
#include "reverse.h"

#include <unordered_map>
#include <unordered_set>

#include "graph_walk.h"
#include "record.h"
#include "repeats.h"
#include "watcher.h"

namespace alice {
namespace {

// What the caller wants the adjoints of: given values, or all leaves that require a gradient.
struct Targets {
  bool to_leaves;
  std::unordered_set<Value, ValueHash> values;
  bool contain(const Saved& s) const {
    if (!to_leaves) return values.count(value_of(s)) != 0;
    return !as_equation(s.source) && as_tensor(s.source)->requires_grad;
  }
};

// The equations on paths from the outputs to a target, first executed first, and which of their inputs are on such a
// path: no rule runs in vain.
struct Paths {
  struct Step {
    EquationObject* eq;
    std::size_t first_input;  // in `inputs`
  };
  std::vector<Step> steps;
  std::vector<bool> inputs;
};

Paths paths_between(const std::vector<TensorObject*>& outputs, const Targets& targets) {
  const Walk walk;
  Paths paths;
  for (EquationObject* eq : equations_before(outputs, walk)) {
    const std::size_t first = paths.inputs.size();
    bool any = false;
    for (const Saved& s : eq->inputs) {
      const EquationObject* source = as_equation(s.source);
      const bool leads = s.tracked && ((source && walk.keeps(source)) || targets.contain(s));
      paths.inputs.push_back(leads);
      any = any || leads;
    }
    if (any) {
      walk.keep(eq);
      paths.steps.push_back({eq, first});
    } else {
      paths.inputs.resize(first);
    }
  }
  return paths;
}

using Adjoints = std::unordered_map<Value, py::object, ValueHash>;

void accumulate(Adjoints& adjoints, Value v, py::object contribution) {
  auto [place, fresh] = adjoints.try_emplace(v, contribution);
  if (fresh) return;
  struct Accumulating {
    Accumulating() { thread_state().accumulating = true; }
    ~Accumulating() { thread_state().accumulating = false; }
  };
  const Accumulating scope;
  PyObject* args[] = {place->second.ptr(), contribution.ptr()};
  place->second = bind(operator_primitive(kAdd), args, 2);
}

// Zeros of the shape of a result that nothing depends on; one element in memory.
py::object zeros(const Array& like) {
  Array zero = scalar_array({Scalar::Kind::Bool, 0, 0.0}, like.dtype(), "reverse");
  return owned(make_tensor(Array::view(zero, like.shape(), Dims::filled(like.rank(), 0), 0)));
}

// The cotangent(s) of an equation's result(s): a Tensor, or a tuple of them. Null if nothing arrived.
py::object take_cotangents(Adjoints& adjoints, EquationObject* eq, const Targets& targets) {
  auto take = [&](int i) -> py::object {
    const Value v{eq, i};
    auto found = adjoints.find(v);
    if (found == adjoints.end()) return {};
    if (targets.values.count(v)) return found->second;  // the caller wants to see it
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

void add_cotangent(Adjoints& adjoints, const EquationObject* eq, std::size_t i, const Saved& s, py::object cotangent) {
  if (cotangent.is_none()) return;
  const char* op = eq->primitive->kernel->name;
  if (!is_tensor(cotangent.ptr()))
    fail(ErrorKind::Gradient, op, ": the VJP rule must return Tensors; got ", Py_TYPE(cotangent.ptr())->tp_name,
         " for input ", i);
  const Array& got = as_tensor(cotangent.ptr())->array;
  const Array& x = s.array;
  if (!(got.shape() == x.shape()) || got.dtype() != x.dtype())
    fail(ErrorKind::Gradient, op, ": the VJP rule must return cotangents of the inputs' shapes and dtypes; expected ",
         x.shape(), " ", name(x.dtype()), " for input ", i, ", got ", got.shape(), " ", name(got.dtype()));
  accumulate(adjoints, value_of(s), std::move(cotangent));
}

// Runs the rules of one equation, for the inputs that lead to a target or are one.
void pull_back(Adjoints& adjoints, const Paths& paths, const Paths::Step& step, py::object g, Repeats& repeats) {
  EquationObject* eq = step.eq;
  const RuleScope scope(eq, [&](std::size_t i) { return paths.inputs[step.first_input + i]; });
  PrimitiveObject* p = eq->primitive;
  py::object twin = repeats.twin(eq);
  const EquationObject* data = as_equation(twin.ptr());
  py::tuple outputs = saved_outputs(eq, data), inputs = saved_inputs(eq, data);
  twin = py::object();
  repeats.pass(eq);
  py::object ans = outputs.size() == 1 ? py::object(outputs[0]) : py::object(outputs);
  const std::size_t n = eq->inputs.size();
  const Rules rules = Rules::vjp(p, n);
  if (rules.each) {
    std::vector<PyObject*> args{g.ptr(), ans.ptr()};
    for (py::handle x : inputs) args.push_back(x.ptr());
    append_attributes(args, eq);
    for (std::size_t i = 0; i < n; ++i) {
      const py::handle rule = PyTuple_GET_ITEM(rules.each.ptr(), static_cast<Py_ssize_t>(i));
      if (!rule.is_none() && paths.inputs[step.first_input + i])
        add_cotangent(adjoints, eq, i, eq->inputs[i], call(rule, args));
    }
    return;
  }
  if (!rules.joint)
    fail(ErrorKind::Gradient, p->kernel->name, ": no VJP rule is defined; use ac.stop_gradient around the call");
  std::vector<PyObject*> args{g.ptr(), ans.ptr(), inputs.ptr()};
  append_attributes(args, eq);
  const py::tuple cotangents = owned(PySequence_Tuple(call(rules.joint, args).ptr()));
  if (cotangents.size() != n)
    fail(ErrorKind::Gradient, p->kernel->name, ": the VJP rule must return one cotangent per input; expected ", n,
         ", got ", cotangents.size());
  for (std::size_t i = 0; i < n; ++i)
    if (paths.inputs[step.first_input + i]) add_cotangent(adjoints, eq, i, eq->inputs[i], py::object(cotangents[i]));
}

}  // namespace

py::list reverse(py::sequence outputs_given, py::sequence cotangents_given, py::object targets, bool release) {
  // The rules are Python and may drop the last reference to what is still to come: these hold the graph.
  const py::tuple outputs(outputs_given), cotangents(cotangents_given);
  Targets wanted{targets.is_none(), {}};
  if (wanted.to_leaves && thread_state().watcher)
    fail(ErrorKind::Gradient,
         "backward: called inside a checkpointed function, which will run again and would add to .grad twice; use "
         "ac.grad there");
  std::vector<TensorObject*> ends, asked;
  for (py::handle h : outputs) ends.push_back(checked_tensor(h, "reverse"));
  for (py::handle h : cotangents) checked_tensor(h, "reverse");
  if (cotangents.size() != ends.size())
    fail(ErrorKind::Value, "reverse: expected one cotangent per output; got ", cotangents.size(), " for ", ends.size());
  const py::tuple held = wanted.to_leaves ? py::tuple() : py::tuple(targets);
  for (py::handle h : held) {
    asked.push_back(checked_tensor(h, "reverse"));
    wanted.values.insert(value_of(asked.back()));
  }

  Adjoints adjoints;
  for (std::size_t i = 0; i < ends.size(); ++i) accumulate(adjoints, value_of(ends[i]), py::object(cotangents[i]));
  const Paths paths = paths_between(ends, wanted);
  std::vector<TensorObject*> leaves;
  std::vector<py::object> alive;
  if (wanted.to_leaves) {
    std::unordered_set<TensorObject*> seen;
    auto leaf = [&](TensorObject* t) {
      if (t->requires_grad && seen.insert(t).second) {
        leaves.push_back(t);
        alive.push_back(borrowed(as_object(t)));
      }
    };
    for (TensorObject* t : ends)
      if (!t->producer) leaf(t);
    for (const Paths::Step& step : paths.steps)
      for (const Saved& s : step.eq->inputs)
        if (s.tracked && !as_equation(s.source)) leaf(as_tensor(s.source));
  }
  Repeats repeats(Repeats::Direction::Backward);
  for (auto it = paths.steps.rbegin(); it != paths.steps.rend(); ++it) {
    EquationObject* eq = it->eq;
    py::object g = take_cotangents(adjoints, eq, wanted);
    if (!g) continue;
    pull_back(adjoints, paths, *it, std::move(g), repeats);
    if (release && (wanted.to_leaves || !(begun_by(eq->born, eq->levels, thread_state()) & thread_state().active)))
      release_saved(eq);
  }

  py::list result;
  for (TensorObject* t : wanted.to_leaves ? leaves : asked) {
    auto found = adjoints.find(value_of(t));
    py::object g = found == adjoints.end() ? py::none() : found->second;
    if (wanted.to_leaves)
      result.append(py::make_tuple(borrowed(as_object(t)), g));
    else
      result.append(g);
  }
  return result;
}

}  // namespace alice
