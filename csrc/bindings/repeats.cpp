#include "repeats.h"

#include <algorithm>

namespace alice {
namespace {

// Do the gradient rules of this primitive read any data?
bool reads_data(const EquationObject* eq) {
  const PrimitiveObject* p = eq->primitive;
  const std::size_t n = std::min<std::size_t>(eq->inputs.size(), 63);
  return p->saves_output || (p->saved_inputs & ((std::uint64_t{1} << n) - 1));
}

// What made a value, whether the equation is named or, in a trace that it is outside of, a Tensor.
PyObject* maker_of(PyObject* source) {
  if (!source || as_equation(source) || !as_tensor(source)->producer) return source;
  return as_object(as_tensor(source)->producer);
}

[[noreturn]] void differs(const EquationObject* eq, const char* what) {
  fail(ErrorKind::Gradient, "checkpoint: the function must do the same whenever it runs; ", eq->primitive->kernel->name,
       ", op ", eq->place + 1, ", has other ", what, " now than in the first run");
}

// Throws if the second equation is not what the first was, for those who follow levels in `active`.
void check_same(const EquationObject* eq, const EquationObject* twin, const Repeat& repeat, std::uint32_t active) {
  if (eq->inputs.size() != twin->inputs.size()) differs(eq, "operands");
  if (eq->attributes && twin->attributes) {
    const int same = PyObject_RichCompareBool(eq->attributes, twin->attributes, Py_EQ);
    if (same < 0) throw py::error_already_set();
    if (!same) differs(eq, "attributes");
  }
  for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
    const Saved &a = eq->inputs[i], &b = twin->inputs[i];
    if (!(a.array.shape() == b.array.shape()) || a.array.dtype() != b.array.dtype()) differs(eq, "operands");
    const bool followed = a.tracked && (a.levels & active);
    if (followed != (b.tracked && (b.levels & active))) differs(eq, "operands");
    if (!followed) continue;
    const EquationObject* source = as_equation(maker_of(a.source));
    if (source && source->released) continue;  // nobody asks for its adjoint any more
    if (source && source->segment == eq->segment) {
      const auto place = static_cast<std::size_t>(source->place);
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
  Repeat repeat = segment_of(segment).repeat();
  return runs_.emplace(segment, std::pair{std::move(held), std::move(repeat)}).first->second.second;
}

py::object Repeats::twin(EquationObject* eq) {
  py::object now = borrowed(as_object(eq));
  if (!reads_data(eq)) return now;
  std::vector<PyObject*> segments;
  while (PyObject* segment = as_equation(now.ptr())->segment) {
    const EquationObject* before = as_equation(now.ptr());
    const auto place = static_cast<std::size_t>(before->place);
    auto found = runs_.find(segment);
    const bool there =
        found != runs_.end() && place < found->second.second.equations.size() && found->second.second.equations[place];
    const Repeat& repeat = there ? found->second.second : run_again(segment, segments);
    py::object next = repeat.equations[place];
    check_same(before, as_equation(next.ptr()), repeat, segment_of(segment).active());
    segments.push_back(segment);
    now = std::move(next);
  }
  const auto& inputs = as_equation(now.ptr())->inputs;
  const bool complete = std::none_of(inputs.begin(), inputs.end(), [](const Saved& s) { return s.again; });
  return complete ? now : completed(as_equation(now.ptr()), segments);
}

// The same equation with the results of checkpointed calls that it did not keep.
py::object Repeats::completed(const EquationObject* eq, const std::vector<PyObject*>& outer) {
  const std::vector<Array> undescribed(eq->outputs.size());
  EquationObject* made = make_equation(eq->primitive, eq->inputs.size(), eq->attributes, eq->levels, undescribed);
  py::object held = owned(as_object(made));
  for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
    const Saved& s = eq->inputs[i];
    Saved copy = s;
    if (s.again) {
      const EquationObject* source = as_equation(s.source);
      const ResultPlace place{source->place, s.index};
      auto found = runs_.find(s.again);
      const bool there = found != runs_.end() && found->second.second.results.count(place);
      Repeat& repeat = there ? found->second.second : run_again(s.again, outer);
      TensorObject* t = as_tensor(repeat.results.at(place).ptr());
      copy.array = t->array;
      copy.version = version_of(t->array);
      copy.tangents = t->tangents;
      copy.again = nullptr;
      copy.origin = root_of(t);
      copy.origin_index = t->index;
    }
    for (PyObject* o : {copy.source, copy.tangents, copy.origin}) Py_XINCREF(o);
    made->inputs[i] = std::move(copy);
  }
  std::copy(eq->outputs.begin(), eq->outputs.end(), made->outputs.begin());
  made->output_tangents = eq->output_tangents;
  for (PyObject* tangents : made->output_tangents) Py_XINCREF(tangents);
  return held;
}

void Repeats::pass(EquationObject* eq) {
  py::object now = borrowed(as_object(eq));
  while (now && as_equation(now.ptr())->segment) {
    const EquationObject* passed = as_equation(now.ptr());
    auto found = runs_.find(passed->segment);
    const auto place = static_cast<std::size_t>(passed->place);
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
