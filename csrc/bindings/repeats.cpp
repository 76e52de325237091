#include "repeats.h"

#include <algorithm>

#include "body.h"
#include "extension.h"
#include "features.h"
#include "origin.h"
#include "session.h"
#include "views.h"

namespace alice {
namespace {

// Do the gradient rules of this primitive read any data?
bool reads_data(const EquationObject* eq) {
  const PrimitiveObject* p = eq->primitive;
  const std::size_t n = std::min<std::size_t>(eq->inputs.size(), 63);
  return p->saves_output || (p->saved_inputs & ((std::uint64_t{1} << n) - 1));
}

// The checkpointed call that computes the data of input i again; null if the data is here.
PyObject* recomputed_by(const EquationObject* eq, std::size_t i) {
  const EquationExtension::Input* input = extension_of(eq, i);
  return input ? input->recomputed_by.ptr() : nullptr;
}

// What made a value, whether the equation is named or, in a trace that it is outside of, a Tensor.
PyObject* maker_of(PyObject* source) {
  if (!source || as_equation(source) || !as_tensor(source)->producer) return source;
  return as_object(as_tensor(source)->producer);
}

[[noreturn]] void differs(const EquationObject* eq, const char* what) {
  fail(ErrorKind::Gradient, "checkpoint: the function must do the same whenever it runs; ", eq->primitive->kernel->name,
       ", op ", place_of(eq) + 1, ", has other ", what, " now than in the first run");
}

// Throws if the second equation is not what the first was, for the contexts in `active`.
void check_same(const EquationObject* eq, const EquationObject* twin, const Repeat& repeat, const Contexts& active) {
  if (eq->inputs.size() != twin->inputs.size()) differs(eq, "operands");
  if (eq->attributes && twin->attributes && !repeated_attributes(eq->attributes, twin->attributes))
    differs(eq, "attributes");
  for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
    const Saved &a = eq->inputs[i], &b = twin->inputs[i];
    if (!(a.array.shape() == b.array.shape()) || a.array.dtype() != b.array.dtype()) differs(eq, "operands");
    const bool followed = a.tracked && a.contexts & active;
    if (followed != (b.tracked && b.contexts & active)) differs(eq, "operands");
    if (!followed) continue;
    const EquationObject* source = as_equation(maker_of(a.source));
    if (source && source->released) continue;  // nobody asks for its adjoint any more
    if (source && segment_of(source) == segment_of(eq)) {
      const auto place = static_cast<std::size_t>(place_of(source));
      const bool passed = place >= repeat.equations.size() || !repeat.equations[place];
      if (a.index != b.index || (!passed && repeat.equations[place].ptr() != b.source)) differs(eq, "operands");
    } else if (maker_of(a.source) != maker_of(b.source) || a.index != b.index) {
      differs(eq, "operands");
    }
  }
}

}  // namespace

// The run of a segment, which may lie within those of `outer`; all other runs are over.
Repeat& Repeats::run_again(PyObject* segment, const std::vector<PyObject*>& outer) {
  py::object held = borrowed(segment);
  std::erase_if(runs_,
                [&](const auto& run) { return std::find(outer.begin(), outer.end(), run.first) == outer.end(); });
  Repeat repeat = as_segment(segment).repeat();
  return runs_.emplace(segment, std::pair{std::move(held), std::move(repeat)}).first->second.second;
}

std::pair<py::tuple, py::tuple> Repeats::saved(EquationObject* eq) {
  py::object held = twin(eq);
  const EquationObject* data = as_equation(held.ptr());
  const py::tuple outputs = saved_outputs(eq, data), inputs = saved_inputs(eq, data);
  held = py::object();  // its memory is free while the rules run
  pass(eq);
  return {inputs, outputs};
}

py::object Repeats::twin(EquationObject* eq) {
  py::object now = borrowed(as_object(eq));
  if (!reads_data(eq)) return now;
  std::vector<PyObject*> segments;
  while (PyObject* segment = segment_of(as_equation(now.ptr()))) {
    const EquationObject* before = as_equation(now.ptr());
    const auto place = static_cast<std::size_t>(place_of(before));
    auto found = runs_.find(segment);
    const bool there =
        found != runs_.end() && place < found->second.second.equations.size() && found->second.second.equations[place];
    const Repeat& repeat = there ? found->second.second : run_again(segment, segments);
    py::object next = repeat.equations[place];
    check_same(before, as_equation(next.ptr()), repeat, as_segment(segment).active());
    segments.push_back(segment);
    now = std::move(next);
  }
  const EquationObject* there = as_equation(now.ptr());
  bool complete = true;
  for (std::size_t i = 0; i < there->inputs.size(); ++i) complete = complete && !recomputed_by(there, i);
  return complete ? now : completed(there, segments);
}

// The same equation with the results of checkpointed calls that it did not keep.
py::object Repeats::completed(const EquationObject* eq, const std::vector<PyObject*>& outer) {
  const std::vector<Array> undescribed(eq->outputs.size());
  EquationObject* made = make_equation(eq->primitive, eq->inputs.size(), eq->attributes, eq->contexts, undescribed);
  py::object held = owned(as_object(made));
  if (eq->extension) made->extension = new EquationExtension(*eq->extension);
  made->trace = eq->trace;
  for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
    made->inputs[i] = eq->inputs[i];
    Saved& s = made->inputs[i];
    Py_XINCREF(s.source);
    PyObject* segment = recomputed_by(eq, i);
    if (!segment) continue;
    const ResultPlace place{place_of(as_equation(s.source)), s.index};
    auto found = runs_.find(segment);
    const bool there = found != runs_.end() && found->second.second.results.count(place);
    Repeat& repeat = there ? found->second.second : run_again(segment, outer);
    TensorObject* t = as_tensor(repeat.results.at(place).ptr());
    s.array = t->array;
    s.version = version_of(t->array);
    EquationExtension::Input& input = extended_input(made, i);
    input.tangents = tangents_of(t) ? borrowed(tangents_of(t)) : py::object();
    input.recomputed_by = py::object();
    input.origin = borrowed(root_of(t));
    input.origin_index = t->index;
  }
  std::copy(eq->outputs.begin(), eq->outputs.end(), made->outputs.begin());
  return held;
}

void Repeats::pass(EquationObject* eq) {
  py::object now = borrowed(as_object(eq));
  while (now && segment_of(as_equation(now.ptr()))) {
    const EquationObject* passed = as_equation(now.ptr());
    auto found = runs_.find(segment_of(passed));
    const auto place = static_cast<std::size_t>(place_of(passed));
    if (found == runs_.end()) return;
    Repeat& repeat = found->second.second;
    if (place >= repeat.equations.size()) return;
    py::object next = repeat.equations[place];
    if (direction_ == Direction::Backward) {
      repeat.equations.resize(place);
      repeat.results.clear();
    } else {
      for (std::size_t i = place + 1; i-- > 0 && repeat.equations[i];) repeat.equations[i] = py::object();
    }
    now = std::move(next);
  }
}

}  // namespace alice
