#include "forward.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "captured.h"
#include "elsewhere.h"
#include "extension.h"
#include "features.h"
#include "graph_walk.h"
#include "operators.h"
#include "record.h"
#include "repeats.h"
#include "rule_results.h"

namespace alice {
namespace {

// ---- tangents of a Tensor: a tuple (context, tangent, context, tangent, …), or null ---------------------------------

PyObject* tangent_in(PyObject* tangents, std::uint64_t context) {
  for (Py_ssize_t i = 0; tangents && i < PyTuple_GET_SIZE(tangents); i += 2)
    if (PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(tangents, i)) == context) return PyTuple_GET_ITEM(tangents, i + 1);
  return nullptr;
}

// The tuple with another tangent for the context, or without one (null). New reference; null if nothing is left.
PyObject* with_tangent(PyObject* tangents, std::uint64_t context, PyObject* tangent) {
  std::vector<py::object> items;
  for (Py_ssize_t i = 0; tangents && i < PyTuple_GET_SIZE(tangents); i += 2) {
    if (PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(tangents, i)) == context) continue;
    items.push_back(borrowed(PyTuple_GET_ITEM(tangents, i)));
    items.push_back(borrowed(PyTuple_GET_ITEM(tangents, i + 1)));
  }
  if (tangent) {
    items.push_back(py::int_(context));
    items.push_back(borrowed(tangent));
  }
  if (items.empty()) return nullptr;
  return tuple_of(items.size(), [&](std::size_t i) { return std::move(items[i]); }).release().ptr();
}

void set_tangent(TensorObject* t, std::uint64_t context, PyObject* tangent) {
  PyObject* now = with_tangent(tangents_of(t), context, tangent);
  if (now || t->extension) extended(t).tangents = py::reinterpret_steal<py::object>(now);
}

// ---- the rules of one call ------------------------------------------------------------------------------------------

// Tangents by result of a call; null for zero.
using Tangents = std::vector<py::object>;

struct Arguments {
  std::vector<PyObject*> inputs;    // Tensors
  std::vector<PyObject*> tangents;  // of the inputs, null for none
  PyObject* const* attributes;
  std::size_t n_attributes;
  py::object ans;  // a Tensor, or a tuple of them
};

void add(Tangents& sums, const PrimitiveObject* p, py::handle contribution) {
  const auto add_one = [&](py::object& sum, py::handle t) {
    if (t.is_none()) return;
    if (!is_tensor(t.ptr()))
      fail(ErrorKind::Gradient, p->kernel->name, ": the JVP rule must return Tensors; got ", Py_TYPE(t.ptr())->tp_name);
    if (!sum) {
      sum = borrowed(t.ptr());
      return;
    }
    PyObject* args[] = {sum.ptr(), t.ptr()};
    sum = bind(operator_primitive(kAdd), args, 2);
  };
  if (sums.size() == 1) return add_one(sums[0], contribution);
  if (contribution.is_none()) return;
  if (!PyTuple_Check(contribution.ptr()) ||
      PyTuple_GET_SIZE(contribution.ptr()) != static_cast<Py_ssize_t>(sums.size()))
    fail(ErrorKind::Gradient, p->kernel->name, ": the JVP rule must return a tuple with one tangent (or None) per ",
         "result; expected ", sums.size());
  for (std::size_t i = 0; i < sums.size(); ++i)
    add_one(sums[i], PyTuple_GET_ITEM(contribution.ptr(), static_cast<Py_ssize_t>(i)));
}

void check(const PrimitiveObject* p, const Tangents& tangents, const py::object& ans) {
  for (std::size_t i = 0; i < tangents.size(); ++i) {
    if (!tangents[i]) continue;
    PyObject* result = tangents.size() == 1 ? ans.ptr() : PyTuple_GET_ITEM(ans.ptr(), static_cast<Py_ssize_t>(i));
    check_derivative(p, Direction::Forward, tangents[i], as_tensor(result)->array, i);
  }
}

Tangents push(PrimitiveObject* p, const Arguments& a, std::size_t results) {
  Tangents sums(results);
  const Rules rules = rules_of(p, Direction::Forward, a.inputs.size());
  if (rules.each) {
    std::vector<PyObject*> args{nullptr, a.ans.ptr()};
    args.insert(args.end(), a.inputs.begin(), a.inputs.end());
    args.insert(args.end(), a.attributes, a.attributes + a.n_attributes);
    for (std::size_t i = 0; i < a.inputs.size(); ++i) {
      const py::handle rule = PyTuple_GET_ITEM(rules.each.ptr(), static_cast<Py_ssize_t>(i));
      if (!a.tangents[i] || rule.is_none()) continue;
      args[0] = a.tangents[i];
      add(sums, p, call(rule, args));
    }
  } else if (rules.joint) {
    py::list tangents;
    for (PyObject* t : a.tangents) tangents.append(py::handle(t ? t : Py_None));
    const py::tuple inputs = tuple_of(a.inputs.size(), [&](std::size_t i) { return borrowed(a.inputs[i]); });
    std::vector<PyObject*> args{tangents.ptr(), a.ans.ptr(), inputs.ptr()};
    args.insert(args.end(), a.attributes, a.attributes + a.n_attributes);
    add(sums, p, call(rules.joint, args));
  } else {
    fail(ErrorKind::Gradient, p->kernel->name,
         ": no JVP rule is defined; use reverse mode (ac.grad, ac.vjp), or "
         "ac.stop_gradient around the call");
  }
  check(p, sums, a.ans);
  return sums;
}

// While the rules of context number `depth` run, only the contexts outside of it are there.
class OuterContexts {
 public:
  explicit OuterContexts(std::size_t depth)
      : state_(thread_state()), forward_(forward_contexts(state_)), active_(state_.active) {
    state_.active = forward_[depth]->active;
    const auto begin = forward_.begin();
    exchange_forward(state_, ForwardContexts(begin, begin + static_cast<std::ptrdiff_t>(depth)));
  }
  ~OuterContexts() {
    exchange_forward(state_, std::move(forward_));
    state_.active = active_;
  }

 private:
  ThreadState& state_;
  ForwardContexts forward_;
  Contexts active_;
};

}  // namespace

bool has_tangent(const TensorObject* t, std::uint64_t context) {
  return tangent_in(tangents_of(t), context) != nullptr;
}

bool has_tangent(const TensorObject* t, const ForwardContexts& contexts) {
  return tangents_of(t) &&
         std::any_of(contexts.begin(), contexts.end(), [&](const auto& c) { return has_tangent(t, *c); });
}

void part_equations(ForwardContext& context) {
  for (const py::object& o : context.equations)
    for (py::object& tangents : extended(as_equation(o.ptr())).output_tangents)
      if (tangents) tangents = py::reinterpret_steal<py::object>(with_tangent(tangents.ptr(), context.id, nullptr));
  context.equations.clear();
}

void ForwardMode::see(const BoundCall& call) {
  PrimitiveObject* p = call.primitive;
  EquationObject* eq = call.equation;
  for (std::size_t i = 0; eq && i < eq->inputs.size(); ++i)
    if (PyObject* tangents = tangents_of(call.operands[i])) extended_input(eq, i).tangents = borrowed(tangents);
  if (!p->differentiable) return;
  const std::size_t results = result_count(call.result);
  Arguments a{{}, {}, nullptr, 0, call.result};
  if (call.attributes) {
    a.attributes = &PyTuple_GET_ITEM(call.attributes.ptr(), 0);
    a.n_attributes = static_cast<std::size_t>(PyTuple_GET_SIZE(call.attributes.ptr()));
  }
  for (TensorObject* t : call.operands) a.inputs.push_back(as_object(t));
  a.tangents.resize(call.operands.size());
  bool saved = false;
  for (std::size_t depth = 0; depth < contexts.size(); ++depth) {
    ForwardContext& context = *contexts[depth];
    bool any = false;
    for (std::size_t i = 0; i < call.operands.size(); ++i)
      any = (a.tangents[i] = tangent_in(tangents_of(call.operands[i]), context.id)) || any;
    if (!any) continue;
    const OuterContexts scope(depth);
    const Tangents pushed = push(p, a, results);
    for (std::size_t i = 0; i < results; ++i)
      if (pushed[i]) set_tangent(result_at(call.result, i), context.id, pushed[i].ptr());
    if (eq && eq->contexts - context.active) {
      saved = true;
      if (eq->contexts & context.active) context.equations.push_back(borrowed(as_object(eq)));
    }
  }
  if (!saved) return;
  std::vector<py::object>& kept = extended(eq).output_tangents;
  for (std::size_t i = 0; i < results; ++i) {
    PyObject* tangents = tangents_of(result_at(call.result, i));
    kept.push_back(tangents ? borrowed(tangents) : py::object());
  }
}

ForwardContexts exchange_forward(ThreadState& state, ForwardContexts contexts) {
  ForwardMode& mine = state.features->forward;
  state.interpreters.exchange(Interpreters::kForward, contexts.empty() ? nullptr : &mine);
  return std::exchange(mine.contexts, std::move(contexts));
}

void mute_forward(ThreadState& state, const Contexts& more, const Contexts& fewer) {
  ForwardContexts open = forward_contexts(state), &muted = state.features->forward.muted;
  const auto move = [](ForwardContexts& from, ForwardContexts& to, const Contexts& which) {
    for (auto at = from.begin(); at != from.end();) {
      if (!which.has((*at)->id)) {
        ++at;
        continue;
      }
      const auto inner = [&](const auto& c) { return c->id > (*at)->id; };
      to.insert(std::find_if(to.begin(), to.end(), inner), *at);
      at = from.erase(at);
    }
  };
  move(open, muted, more);
  move(muted, open, fewer);
  exchange_forward(state, std::move(open));
}

namespace {

std::uint64_t push_forward() {
  ThreadState& state = thread_state();
  const std::uint64_t id = new_context();
  ForwardContexts contexts = forward_contexts(state);
  contexts.push_back(std::make_shared<ForwardContext>(ForwardContext{id, state.active, {}}));
  note_begin(id);
  exchange_forward(state, std::move(contexts));
  return id;
}

void pop_forward() {
  ThreadState& state = thread_state();
  ForwardContexts contexts = forward_contexts(state), &muted = state.features->forward.muted;
  if (contexts.empty() && muted.empty())
    fail(ErrorKind::Value, "pop_forward: no forward context is open on this thread");
  const bool is_muted = contexts.empty() || (!muted.empty() && muted.back()->id > contexts.back()->id);
  ForwardContexts& innermost = is_muted ? muted : contexts;
  const std::shared_ptr<ForwardContext> context = std::move(innermost.back());
  innermost.pop_back();
  exchange_forward(state, std::move(contexts));
  note_end(context->id);
  part_equations(*context);
}

py::object without_tangent(py::handle tensor, std::uint64_t context) {
  TensorObject* t = checked_tensor(tensor, "forward");
  if (!has_tangent(t, context)) return borrowed(tensor.ptr());
  py::object out = owned(same_value(t));
  set_tangent(as_tensor(out.ptr()), context, nullptr);
  return out;
}

// The innermost open context that one of the Tensors has a tangent in, or None.
py::object followed_forward(py::sequence tensors_given) {
  const py::tuple tensors(tensors_given);
  const ForwardContexts& contexts = forward_contexts(thread_state());
  for (auto context = contexts.rbegin(); context != contexts.rend(); ++context)
    for (py::handle h : tensors)
      if (has_tangent(checked_tensor(h, "forward"), **context)) return py::int_((*context)->id);
  return py::none();
}

// ---- along a graph that is there already ----------------------------------------------------------------------------

// The tangents of `outputs` from those of `inputs`, along the graph between them: a list with a Tensor or None each.
py::list push_along(py::sequence outputs_given, py::sequence inputs_given, py::sequence tangents_given) {
  const py::tuple outputs(outputs_given), inputs(inputs_given), tangents(tangents_given);  // hold the graph
  if (inputs.size() != tangents.size())
    fail(ErrorKind::Value, "forward: expected one tangent per input; got ", tangents.size(), " for ", inputs.size());
  std::vector<TensorObject*> ends;
  for (py::handle h : outputs) ends.push_back(checked_tensor(h, "forward"));
  std::unordered_map<Value, py::object, ValueHash> known;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Value v = value_of(checked_tensor(py::object(inputs[i]), "forward"));
    checked_tensor(py::object(tangents[i]), "forward");
    known.emplace(v, py::object(tangents[i]));
  }
  const std::vector<EquationObject*> order = equations_before(ends, Walk());
  std::unordered_map<Value, std::size_t, ValueHash> readers;  // still to come
  for (EquationObject* eq : order)
    for (const Saved& s : eq->inputs)
      if (s.tracked) ++readers[{s.source, s.index}];
  for (TensorObject* t : ends) ++readers[value_of(t)];

  Repeats repeats(Direction::Forward);
  for (EquationObject* eq : order) {
    std::vector<py::object> held;
    Arguments a{{}, std::vector<PyObject*>(eq->inputs.size()), nullptr, 0, {}};
    bool any = false;
    for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
      const Saved& s = eq->inputs[i];
      if (!s.tracked) continue;
      const Value v{s.source, s.index};
      auto found = known.find(v);
      const bool last = --readers[v] == 0;
      if (found == known.end()) continue;
      held.push_back(found->second);
      a.tangents[i] = held.back().ptr();
      any = true;
      if (last) known.erase(found);
    }
    if (!any) continue;
    const auto [saved, results] = repeats.saved(eq);
    for (py::handle x : saved) a.inputs.push_back(x.ptr());
    std::vector<PyObject*> attributes;
    append_attributes(attributes, eq);
    a.attributes = attributes.data();
    a.n_attributes = attributes.size();
    a.ans = results.size() == 1 ? py::object(results[0]) : py::object(results);
    std::optional<RuleScope> scope;  // only a recorder asks whose rules run
    if (recorder_of(thread_state())) scope.emplace(eq, [](std::size_t) { return true; });
    const Tangents pushed = push(eq->primitive, a, results.size());
    scope.reset();
    for (std::size_t i = 0; i < pushed.size(); ++i)
      if (pushed[i]) known.insert_or_assign(Value{eq, static_cast<std::int32_t>(i)}, pushed[i]);
  }

  py::list out;
  for (TensorObject* t : ends) {
    auto found = known.find(value_of(t));
    out.append(found == known.end() ? py::none() : found->second);
  }
  return out;
}

}  // namespace

void add_forward(py::module_& m) {
  m.def("push_forward", &push_forward);
  m.def("pop_forward", &pop_forward);
  m.def(
      "with_tangent",
      [](py::handle tensor, std::uint64_t context, py::handle tangent) {
        note_captured(checked_tensor(tensor, "forward"));
        py::object out = owned(same_value(as_tensor(tensor.ptr())));
        set_tangent(as_tensor(out.ptr()), context, as_object(checked_tensor(tangent, "forward")));
        return out;
      },
      py::arg("tensor"), py::arg("context"), py::arg("tangent"));
  m.def("without_tangent", &without_tangent, py::arg("tensor"), py::arg("context"));
  m.def(
      "tangent",
      [](py::handle tensor, std::uint64_t context) {
        PyObject* t = tangent_in(tangents_of(checked_tensor(tensor, "forward")), context);
        return t ? borrowed(t) : py::none();
      },
      py::arg("tensor"), py::arg("context"));
  m.def("followed_forward", &followed_forward, py::arg("tensors"));
  m.def("push_along", &push_along, py::arg("outputs"), py::arg("inputs"), py::arg("tangents"));
}

}  // namespace alice
