// Hot: every call runs through here.
#include "replay.h"

#include <algorithm>

#include "../ops/strided_copy.h"
#include "locked.h"
#include "spare.h"
#include "treedef.h"
#include "views.h"

namespace alice {
namespace {

auto argument_of(const Arguments& arguments) {
  return [&](std::size_t i) { return arguments.variable(i); };
}
auto outside_of(const CompiledProgram& made) {
  return [&](std::size_t i) { return variable_of(as_tensor(made.outside[i].ptr())); };
}

// See Traced::marks.
const TensorObject* mark_of(const py::object& marks, std::size_t i) {
  PyObject* mark = PyTuple_GET_ITEM(marks.ptr(), static_cast<Py_ssize_t>(i));
  return mark == Py_None ? nullptr : as_tensor(mark);
}

// The gradient that a run leaves for one variable.
struct NewGradient {
  TensorObject* leaf;  // null: nobody asked for it
  py::object value;    // null: None
  std::size_t result;  // of the program
  bool in_place;       // it is there already, and overwritten
};

Storage* storage_of(const NewGradient& g) { return as_tensor(g.value.ptr())->array.storage().get(); }

// Where a run reads and writes.
struct Operands {
  std::vector<std::byte*> inputs, results;  // as many as any run had; all that are used are set anew
  std::vector<py::object> outputs;
  std::vector<Array> held;  // the gradients that it reads
  std::vector<NewGradient> gradients;

  void clear() {
    outputs.clear();
    held.clear();
    gradients.clear();
  }
};

void make_room(std::vector<std::byte*>& pointers, std::size_t n) {
  if (pointers.size() < n) pointers.resize(n);
}

// The memory of the gradient from the step before, if nobody else sees it.
bool may_overwrite(const TensorObject* leaf, const program::Binding& b) {
  if (!leaf->grad || b.reads >= 0 || Py_REFCNT(leaf->grad) != 1) return false;
  const TensorObject* g = as_tensor(leaf->grad);
  const Array& a = g->array;
  return !g->producer && !g->contexts && !g->weakrefs && !g->grad && !g->view && a.storage() &&
         a.storage()->references.load(std::memory_order_relaxed) == 1 && !a.storage()->release &&
         a.storage()->writable && a.is_contiguous() && a.dtype() == b.result_dtype;
}

// Gradients that are overwritten are marked as changed before. An exception may leave one half overwritten: it is
// dropped.
class Overwriting {
 public:
  Overwriting(const program::Plan& plan, const std::vector<NewGradient>& gradients)
      : plan_(plan), gradients_(gradients) {}
  Overwriting(const Overwriting&) = delete;
  Overwriting& operator=(const Overwriting&) = delete;
  ~Overwriting() {
    if (complete) return;
    for (const NewGradient& g : gradients_)
      if (g.in_place && plan_.may_have_written(g.result, reached) && g.leaf->grad == g.value.ptr())
        Py_CLEAR(g.leaf->grad);
  }
  void mark() const {
    for (const NewGradient& g : gradients_)
      if (g.in_place) storage_of(g)->mark_changed();
  }
  bool any() const {
    return std::any_of(gradients_.begin(), gradients_.end(), [](const NewGradient& g) { return g.in_place; });
  }

  std::size_t reached = 0;
  bool complete = false;

 private:
  const program::Plan& plan_;
  const std::vector<NewGradient>& gradients_;
};

void bind_gradients(const CompiledProgram& made, const Arguments& arguments, Operands& operands) {
  const program::Contract& contract = made.contract;
  make_room(operands.inputs, made.program->plan().graph().inputs().size());
  make_room(operands.results, made.program->plan().graph().results().size());
  for (const auto& touched : contract.touched) {
    const program::Binding& b = contract.binding(touched);
    const auto number = static_cast<std::size_t>(touched.number);
    TensorObject* leaf = touched.is_argument ? arguments.tensor(number) : as_tensor(made.outside[number].ptr());
    if (b.reads >= 0) {
      check_current(as_tensor(leaf->grad), "grad");
      const Array& gradient = as_tensor(leaf->grad)->array;
      read_locked(gradient, [&] { operands.held.push_back(as_contiguous(gradient)); });
      operands.inputs[static_cast<std::size_t>(b.reads)] = operands.held.back().bytes();
    }
    if (!b.replaces) continue;
    NewGradient g{leaf, {}, static_cast<std::size_t>(b.result), false};
    if (b.result >= 0) {
      g.in_place = leaf && may_overwrite(leaf, b);
      g.value = g.in_place ? borrowed(leaf->grad) : owned(make_tensor(Array::empty(b.shape, b.result_dtype)));
      operands.results[g.result] = as_tensor(g.value.ptr())->array.bytes();
    }
    operands.gradients.push_back(std::move(g));
  }
}

void run(const CompiledProgram& made, const Arguments& arguments, const Operands& operands, bool profile) {
  const program::Plan& plan = made.program->plan();
  Overwriting overwriting(plan, operands.gradients);
  const auto ask = [&](Locks& locks) {
    locks.use(plan.access());
    for (std::size_t i = 0; i < arguments.count(); ++i)
      if (const TensorObject* t = arguments.tensor(i)) locks.read(t->array.storage().get());
    for (const Array& a : operands.held) locks.read(a.storage().get());
    for (const NewGradient& g : operands.gradients)
      if (g.in_place) locks.change(storage_of(g));
  };
  run_locked({.nanoseconds = plan.cost(), .changes = overwriting.any() || !plan.access().changes.empty()}, ask, [&] {
    overwriting.mark();
    made.program->run(operands.inputs.data(), operands.results.data(), profile, &overwriting.reached);
  });
  overwriting.complete = true;
}

}  // namespace

bool Traced::holds(const Arguments& arguments) const {
  for (const TensorObject* t : made->views)
    if (is_stale(t)) return false;
  return made->contract.holds(argument_of(arguments), outside_of(*made));
}

bool Traced::is_split(const Arguments& arguments) const {
  return made->contract.is_split(argument_of(arguments), outside_of(*made));
}

PyObject* replay(const Traced& traced, Arguments& arguments, bool profile) {
  const CompiledProgram& made = *traced.made;
  const Spare<Operands> operands;
  bind_gradients(made, arguments, *operands);
  for (std::size_t i = 0; i < arguments.count(); ++i) operands->inputs[i] = arguments.data(i);
  std::vector<py::object>& outputs = operands->outputs;
  for (const program::Binding& b : made.contract.results) {
    const std::size_t i = outputs.size();
    const TensorObject* mark = traced.marks.is_none() ? nullptr : mark_of(traced.marks, i);
    outputs.push_back(owned(mark ? make_tensor(Array::allocate(b.memory), mark->producer, mark->index, mark->contexts)
                                 : make_tensor(Array::allocate(b.memory))));
    operands->results[outputs.size() - 1] = as_tensor(outputs.back().ptr())->array.bytes();
  }
  run(made, arguments, *operands, profile);
  for (NewGradient& g : operands->gradients)
    if (g.leaf && !g.in_place) Py_XSETREF(g.leaf->grad, g.value.release().ptr());

  if (traced.single) return outputs[0].release().ptr();
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (made.contract.results[i].is_number) outputs[i] = number_from(as_tensor(outputs[i].ptr())->array);
  std::vector<py::object> leaves;
  for (std::size_t i = 0; i < traced.outputs.size(); ++i) {
    const int output = traced.outputs[i];
    leaves.push_back(output < 0 ? borrowed(PyTuple_GET_ITEM(traced.others.ptr(), static_cast<Py_ssize_t>(i)))
                                : outputs[static_cast<std::size_t>(output)]);
  }
  return treedef_of(traced.structure.ptr()).make(leaves).release().ptr();
}

}  // namespace alice
