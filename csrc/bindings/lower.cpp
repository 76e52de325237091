#include "lower.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "../program/loops.h"
#include "body.h"
#include "joint.h"
#include "origin.h"
#include "views.h"

namespace alice {
namespace {

// What a value is called: by the equation that makes it and the number among its results, or by the leaf that has it.
struct Name {
  PyObject* source;
  int index;
  bool operator==(const Name&) const = default;
};
struct NameHash {
  std::size_t operator()(const Name& n) const {
    return std::hash<PyObject*>()(n.source) + static_cast<std::size_t>(n.index);  // sources are further apart
  }
};

class Lowering {
 public:
  explicit Lowering(CompiledProgram& made) : made_(made) {}

  void add_input(TensorObject* t) {
    const int v = graph_.add_input(t->array.shape(), t->array.dtype());
    values_[{reinterpret_cast<PyObject*>(t), 0}] = v;
    arguments_[t] = made_.contract.arguments.size();
    made_.contract.arguments.push_back(binding_of(t));
  }

  // What the function found in .grad is an input; that there was something, or nothing, is a condition.
  void add_read(const Gradient& g) {
    if (!g.before()) return;
    program::Binding& b = binding_of_leaf(g.leaf());
    if (g.before().is_none()) {
      b.gradient = program::Binding::Gradient::Absent;
      return;
    }
    TensorObject* t = as_tensor(g.before().ptr());
    b.gradient = program::Binding::Gradient::Present;
    b.gradient_dtype = t->array.dtype();
    b.reads = static_cast<int>(graph_.inputs().size());
    values_[{g.before().ptr(), 0}] = graph_.add_input(t->array.shape(), t->array.dtype());
  }

  // Only what the results, updates and gradients need: gradient rules may leave equations behind that nobody reads.
  void add_needed(const py::list& given, const std::vector<TensorObject*>& results) {
    const py::tuple equations(given);  // reading attributes may run Python, which may change the list
    std::unordered_set<Name, NameHash> needed(2 * static_cast<std::size_t>(PyTuple_GET_SIZE(equations.ptr())));
    for (TensorObject* t : results) needed.insert(named(root_of(t), t->index));
    std::vector<const EquationObject*> kept;
    for (Py_ssize_t k = PyTuple_GET_SIZE(equations.ptr()) - 1; k >= 0; --k) {
      const EquationObject* eq = as_equation(PyTuple_GET_ITEM(equations.ptr(), k));
      if (!eq) throw py::type_error("lower: the session's list has something else than Equations");
      bool wanted = !changed_by(eq).empty() || exchanges(eq);
      for (std::size_t i = 0; i < eq->outputs.size(); ++i) wanted = wanted || needed.count(result_of(eq, i));
      if (!wanted) continue;
      kept.push_back(eq);
      for (std::size_t i = 0; i < eq->inputs.size(); ++i) needed.insert(named(root_of(eq, i), root_index(eq, i)));
    }
    values_.reserve(values_.size() + kept.size());
    for (auto eq = kept.rbegin(); eq != kept.rend(); ++eq) add(*eq);
  }

  void add(const EquationObject* eq) {
    const bool joint = eq->primitive->kernel == &joint_kernel();
    std::vector<int> in;
    for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
      const Saved& s = eq->inputs[i];
      if (s.tracked && follows_argument(s.source)) followed_.insert(eq);
      if (!joint || i < eq->outputs.size()) in.push_back(value_of(root_of(eq, i), root_index(eq, i)));
    }
    if (joint) {
      for (std::size_t i = 0; i < in.size(); ++i) values_[result_of(eq, i)] = in[i];
      return;
    }
    complete_bodies(eq->attributes);
    std::vector<Attr> attrs = parse_attributes(*eq->primitive->kernel, eq->attributes);
    if (!changed_by(eq).empty()) {
      std::vector<int> targets;
      for (const py::object& t : changed_by(eq)) {
        targets.push_back(value_of(t.ptr(), 0));
        made_.changed.push_back(t);
      }
      graph_.add_update(*eq->primitive->kernel, std::move(in), std::move(attrs), std::move(targets));
      return;
    }
    const std::vector<int> out = graph_.add(*eq->primitive->kernel, std::move(in), std::move(attrs));
    for (std::size_t i = 0; i < out.size(); ++i) values_[result_of(eq, i)] = out[i];
  }

  void add_output(TensorObject* t) {
    add_result(t);
    made_.contract.results.push_back(binding_of(t));
    made_.contract.results.back().memory = t->array.shape_only();
    const bool followed{followers_of(t)};
    const bool goes_on = followed && !(t->producer && t->producer->released);
    if (goes_on) differentiated_ = differentiated_ || follows_argument(root_of(t));
    made_.followed.push_back(goes_on);
  }

  int add_result(TensorObject* t) {
    check_current(t, "compile");
    graph_.add_result(value_of(root_of(t), t->index));
    return static_cast<int>(graph_.results().size()) - 1;
  }

  void add_write(const Gradient& g) {
    const py::object after = g.after();
    if (!after || g.leaf()->trace) return;
    program::Binding& b = binding_of_leaf(g.leaf());
    b.replaces = true;
    if (after.is_none()) return;
    b.result = add_result(as_tensor(after.ptr()));
    b.result_dtype = as_tensor(after.ptr())->array.dtype();
  }

  bool runs_as_it_is() const { return differentiated_; }
  program::Graph take() { return std::move(graph_); }

 private:
  // Other processes wait for it, whoever needs its results here.
  static bool exchanges(const EquationObject* eq) {
    const Kernel& kernel = *eq->primitive->kernel;
    if (std::ranges::none_of(kernel.attributes, [](const AttrSpec& a) { return has(a.kinds, AttrKind::Bodies); }))
      return kernel.exchange != Exchange::None;
    complete_bodies(eq->attributes);
    return program::exchange_of(kernel, parse_attributes(kernel, eq->attributes)) != Exchange::None;
  }

  static Name result_of(const EquationObject* eq, std::size_t i) {
    return {reinterpret_cast<PyObject*>(const_cast<EquationObject*>(eq)), static_cast<int>(i)};
  }

  program::Binding& binding_of_leaf(TensorObject* t) {
    if (auto argument = arguments_.find(t); argument != arguments_.end())
      return made_.contract.arguments[argument->second];
    return made_.contract.outside[number_outside(t)];
  }

  // The number of a Tensor from outside among those of the contract.
  std::size_t number_outside(TensorObject* t) {
    auto [place, fresh] = outside_.try_emplace(t, made_.outside.size());
    if (fresh) {
      made_.outside.push_back(borrowed(as_object(t)));
      made_.contract.outside.push_back(binding_of(t));
      made_.contract.outside.back().memory = t->array;
      if (t->view) made_.views.push_back(t);
    }
    return place->second;
  }

  // Does the value depend on an argument that requires a gradient?
  bool follows_argument(PyObject* source) const {
    if (Py_TYPE(source) == equation_type) return followed_.count(reinterpret_cast<EquationObject*>(source)) != 0;
    return as_tensor(source)->requires_grad && arguments_.count(as_tensor(source)) != 0;
  }

  static Name named(PyObject* source, int index) {
    if (Py_TYPE(source) == equation_type) return {source, index};
    PyObject* root = root_of(as_tensor(source));
    return {root, Py_TYPE(root) == equation_type ? as_tensor(source)->index : 0};
  }

  int value_of(PyObject* source, int index) {
    const Name name = named(source, index);
    auto [place, fresh] = values_.try_emplace(name, -1);
    if (fresh) place->second = from_outside(name.source);
    return place->second;
  }

  int from_outside(PyObject* source) {
    if (Py_TYPE(source) == equation_type)
      fail(ErrorKind::Trace, "compile: the function uses a value of another trace; compute it inside");
    TensorObject* t = as_tensor(source);
    if (t->array.is_abstract())
      fail(ErrorKind::Trace, "compile: the function uses an abstract Tensor from outside, shape ", t->array.shape(),
           "; pass it as an argument");
    if (t->trace) return graph_.add_constant(t->array);
    const Contexts followed = followers_of(t);
    differentiated_ = differentiated_ || followed.has_others() || (t->producer && followed) ||
                      (tangents_of(t) && !forward_contexts(thread_state()).empty());
    number_outside(t);
    return graph_.add_captured(t->array);
  }

  CompiledProgram& made_;
  program::Graph graph_;
  std::unordered_map<Name, int, NameHash> values_;
  std::unordered_map<TensorObject*, std::size_t> arguments_, outside_;
  std::unordered_set<const EquationObject*> followed_;
  bool differentiated_ = false;
};

}  // namespace

std::shared_ptr<CompiledProgram> lower(const Session& session, const std::vector<TensorObject*>& inputs,
                                       const std::vector<TensorObject*>& outputs) {
  auto made = std::make_shared<CompiledProgram>();
  Lowering lowering(*made);
  for (TensorObject* t : inputs) lowering.add_input(t);
  for (const Gradient& g : session.gradients) lowering.add_read(g);
  std::vector<TensorObject*> results = outputs;
  for (const Gradient& g : session.gradients)
    if (const py::object after = g.after(); after && !after.is_none()) results.push_back(as_tensor(after.ptr()));
  lowering.add_needed(session.equations, results);
  for (TensorObject* t : outputs) lowering.add_output(t);
  for (const Gradient& g : session.gradients) lowering.add_write(g);
  made->contract.finish();
  if (!lowering.runs_as_it_is() && !session.checked) made->program = program::CpuExecutor::of(lowering.take());
  return made;
}

}  // namespace alice
