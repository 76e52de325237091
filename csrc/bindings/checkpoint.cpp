#include "checkpoint.h"

#include <algorithm>

#include "forward.h"
#include "graph_walk.h"
#include "joint.h"

namespace alice {
namespace {

Segment& segment_of(PyObject* o) { return py::handle(o).cast<Segment&>(); }

py::object borrowed(TensorObject* t) { return py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(t)); }

py::object checked_call(PrimitiveObject* p, const std::vector<PyObject*>& args) {
  PyObject* result = bind(p, args.data(), static_cast<Py_ssize_t>(args.size()));
  if (!result) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(result);
}

// A call that no watcher is told of.
py::object unwatched(PrimitiveObject* p, TensorObject* t) {
  Watcher*& watcher = thread_state().watcher;
  Watcher* const before = std::exchange(watcher, nullptr);
  PyObject* args[] = {reinterpret_cast<PyObject*>(t)};
  PyObject* result = bind(p, args, 1);
  watcher = before;
  if (!result) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(result);
}

py::object copied(TensorObject* t) { return unwatched(update_primitive(&Registry::instance().copy()), t); }

// Do the gradient rules of this primitive read any data?
bool reads_data(const EquationObject* eq) {
  const PrimitiveObject* p = eq->primitive;
  const std::size_t n = std::min<std::size_t>(eq->inputs.size(), 63);
  return p->saves_output || (p->saved_inputs & ((std::uint64_t{1} << n) - 1));
}

}  // namespace

// ---- the first run --------------------------------------------------------------------------------------------------

class FirstRun : public Watcher {
 public:
  explicit FirstRun(Segment& segment) : segment_(segment) {}

  // What the equations saved can be computed again from now on.
  void finish(PyObject* self) {
    for (std::size_t i = 0; i < equations_.size(); ++i) {
      auto* eq = as_equation(equations_[i].ptr());
      drop_saved(eq);
      Py_XSETREF(eq->segment, Py_NewRef(self));
      eq->place = static_cast<std::int32_t>(i);
      segment_.steps_.push_back(eq->primitive->kernel);
    }
  }

  bool update(const Kernel& kernel, py::sequence inputs, py::sequence attributes, py::sequence targets) override {
    if (kernel.n_out < 0)
      fail(ErrorKind::Gradient, "checkpoint: the function takes a step of an optimiser (", kernel.name,
           "), but it will run again; take the step outside");
    for (py::handle h : targets) {
      TensorObject* t = checked_tensor(h, "checkpoint");
      const auto known = [&](const auto& entry) {
        return as_tensor(entry.first.ptr())->array.storage().get() == t->array.storage().get();
      };
      if (std::any_of(segment_.before_.begin(), segment_.before_.end(), known)) continue;
      TensorObject* now = Watcher::value(t);
      segment_.before_.emplace_back(borrowed(t), now == t ? copied(t) : borrowed(now));
    }
    return Watcher::update(kernel, inputs, attributes, targets);
  }

 private:
  void note(EquationObject* eq, py::handle) override {
    equations_.push_back(py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(eq)));
  }

  Segment& segment_;
  std::vector<py::object> equations_;
};

// ---- runs to come ---------------------------------------------------------------------------------------------------

// What the function changed in place it finds as it was, and changes again in values of its own. In a trace that will
// be compiled it reads all that comes from outside through `remat`, which makes other values of them: no node of the
// repeated run is equal to one of the first.
class NextRun : public Watcher {
 public:
  NextRun(const Segment& segment, Repeat& repeat)
      : segment_(segment), repeat_(repeat), first_(equations_made()), began_(Storage::now()) {
    for (const auto& [t, value] : segment.before_) current_[storage_of(t)] = {t, value};
  }

  TensorObject* value(TensorObject* t) override {
    if (auto found = current_.find(t->array.storage().get()); found != current_.end() && found->first) {
      const auto& [target, value] = found->second;
      const Array &a = t->array, &b = as_tensor(target.ptr())->array;
      if (!(a.shape() == b.shape()) || !(a.strides() == b.strides()) || a.bytes() != b.bytes())
        fail(ErrorKind::Gradient, "checkpoint: the function reads a part of a Tensor that it changes in place, shape ",
             b.shape(), "; take the part outside, or change it outside");
      return rematerialised(as_tensor(value.ptr()));
    }
    t = Watcher::value(t);
    const StorageRef& storage = t->array.storage();
    if (storage && storage->changed() > segment_.began_ && storage->changed() <= began_)
      fail(ErrorKind::Gradient, "checkpoint: a Tensor that the function reads, shape ", t->array.shape(), ", ",
           name(t->array.dtype()),
           ", was changed in place after it ran; take the gradient before the change, or give the function a copy "
           "(ac.tensor)");
    return is_made_here(t) ? t : rematerialised(t);
  }

  bool update(const Kernel& kernel, py::sequence inputs, py::sequence attributes, py::sequence targets) override {
    bool known = false;
    for (py::handle h : targets) known = known || current_.count(storage_of(h));
    if (!known) return Watcher::update(kernel, inputs, attributes, targets);  // it was made in this run
    std::vector<PyObject*> args;
    std::vector<py::object> held;
    for (const py::sequence& all : {inputs, attributes})
      for (py::handle h : all) {
        held.push_back(py::reinterpret_borrow<py::object>(h));
        args.push_back(h.ptr());
      }
    const py::object result = checked_call(update_primitive(&kernel), args);
    std::size_t i = 0;
    for (py::handle h : targets)
      current_[storage_of(h)] = {py::reinterpret_borrow<py::object>(h), borrowed(result_at(result, i++))};
    return true;
  }

 private:
  void note(EquationObject* eq, py::handle result) override {
    const std::size_t place = repeat_.equations.size();
    const std::vector<const Kernel*>& steps = segment_.steps_;
    if (place >= steps.size() || steps[place] != eq->primitive->kernel)
      fail(ErrorKind::Gradient, "checkpoint: the function must do the same whenever it runs; op ", place + 1, " was ",
           place < steps.size() ? steps[place]->name : "the end", " in the first run, and is ",
           eq->primitive->kernel->name, " now");
    repeat_.equations.push_back(py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(eq)));
    for (const auto& [p, index] : segment_.wanted_)
      if (static_cast<std::size_t>(p) == place)
        repeat_.results[{p, index}] = borrowed(result_at(result, static_cast<std::size_t>(index)));
  }
  bool repeats() const override { return true; }

  static const Storage* storage_of(py::handle h) { return checked_tensor(h, "checkpoint")->array.storage().get(); }

  bool is_made_here(TensorObject* t) const {
    PyObject* root = root_of(t);
    if (auto* eq = as_equation(root)) return eq->sequence >= first_;
    return !is_outside(as_tensor(root)) && !as_tensor(root)->array.is_abstract();  // a constant
  }

  TensorObject* rematerialised(TensorObject* t) {
    if (!thread_state().session) return t;
    auto [place, fresh] = remade_.try_emplace(t);
    if (fresh) place->second = {borrowed(t), unwatched(operator_primitive(kRemat), t)};
    return as_tensor(place->second.second.ptr());
  }

  const Segment& segment_;
  Repeat& repeat_;
  const std::uint64_t first_, began_;
  std::unordered_map<const Storage*, std::pair<py::object, py::object>> current_;  // a Tensor, and what is in it now
  std::unordered_map<TensorObject*, std::pair<py::object, py::object>> remade_;
};

// ---- the function behind it -----------------------------------------------------------------------------------------

namespace {

class Collector : public Watcher {
 public:
  std::vector<py::object> equations;

 private:
  void note(EquationObject* eq, py::handle) override {
    equations.push_back(py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(eq)));
  }
};

// The contexts of a first run, for as long as it is repeated.
class Contexts {
 public:
  Contexts(std::uint32_t active, int depth, std::vector<std::shared_ptr<ForwardContext>> forward)
      : state_(thread_state()), active_(state_.active), depth_(state_.depth), again_(forward) {
    state_.active = active;
    state_.depth = depth;
    forward_ = std::exchange(state_.forward, std::move(forward));
  }
  ~Contexts() {
    state_.active = active_;
    state_.depth = depth_;
    state_.forward = std::move(forward_);
    for (const auto& context : again_)  // those that have ended do not end again
      if (std::find(state_.forward.begin(), state_.forward.end(), context) == state_.forward.end())
        part_equations(*context);
  }

 private:
  ThreadState& state_;
  const std::uint32_t active_;
  const int depth_;
  const std::vector<std::shared_ptr<ForwardContext>> again_;
  std::vector<std::shared_ptr<ForwardContext>> forward_;
};

}  // namespace

Segment::Segment(py::object function, py::tuple args, py::dict kwargs)
    : function_(std::move(function)),
      args_(std::move(args)),
      kwargs_(std::move(kwargs)),
      active_(thread_state().active),
      depth_(thread_state().depth),
      forward_(thread_state().forward),
      began_(Storage::now()) {}

py::object Segment::run(PyObject* self) {
  FirstRun watcher(*this);
  py::object result = function_(*args_, **kwargs_);
  watcher.finish(self);
  return result;
}

py::object Segment::run_last(PyObject* self, py::object function, py::tuple args, py::list leaves) {
  Collector watcher;
  py::object result = function(*args);
  for (const py::object& o : watcher.equations) {
    auto* eq = as_equation(o.ptr());
    if (eq->segment) continue;  // it keeps nothing
    for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
      Saved& s = eq->inputs[i];
      const auto* source = as_equation(s.source);
      if (!source || source->segment != self || !((eq->primitive->saved_inputs >> (i < 63 ? i : 63)) & 1)) continue;
      const bool is_leaf = std::any_of(leaves.begin(), leaves.end(), [&](py::handle leaf) {
        const TensorObject* t = checked_tensor(leaf, "checkpoint");
        return t->producer == source && t->index == s.index;
      });
      if (!is_leaf) continue;
      s.again = Py_NewRef(self);
      s.array = s.array.shape_only();
      Py_CLEAR(s.tangents);
      const std::pair<std::int32_t, std::int32_t> place{source->place, s.index};
      if (std::find(wanted_.begin(), wanted_.end(), place) == wanted_.end()) wanted_.push_back(place);
    }
  }
  return result;
}

Repeat Segment::repeat() const {
  Repeat repeat;
  const Contexts contexts(active_, depth_, forward_);
  const NextRun watcher(*this, repeat);
  function_(*args_, **kwargs_);
  if (repeat.equations.size() != steps_.size())
    fail(ErrorKind::Gradient, "checkpoint: the function must do the same whenever it runs; op ",
         repeat.equations.size() + 1, " was ", steps_[repeat.equations.size()]->name,
         " in the first run, and is missing now");
  return repeat;
}

// ---- walking along a graph ------------------------------------------------------------------------------------------

namespace {

// What made a value, whether the equation is named or, in a trace that it is outside of, a Tensor.
PyObject* maker_of(PyObject* source) {
  if (!source || as_equation(source) || !as_tensor(source)->producer) return source;
  return reinterpret_cast<PyObject*>(as_tensor(source)->producer);
}

[[noreturn]] void differs(const EquationObject* eq, const char* what) {
  fail(ErrorKind::Gradient, "checkpoint: the function must do the same whenever it runs; ", eq->primitive->kernel->name,
       ", op ", eq->place + 1, ", has other ", what, " now than in the first run");
}

// Throws if the second equation is not what the first was, for those who follow levels in `active`.
void check_same(const EquationObject* eq, const EquationObject* twin, const Repeat& repeat, std::uint32_t active) {
  if (eq->inputs.size() != twin->inputs.size()) differs(eq, "operands");
  if (eq->attributes) {
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
    const auto* source = as_equation(maker_of(a.source));
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
  py::object held = py::reinterpret_borrow<py::object>(segment);
  std::erase_if(runs_,
                [&](const auto& run) { return std::find(outer.begin(), outer.end(), run.first) == outer.end(); });
  Repeat repeat = segment_of(segment).repeat();
  return runs_.emplace(segment, std::pair{std::move(held), std::move(repeat)}).first->second.second;
}

py::object Repeats::twin(EquationObject* eq) {
  py::object now = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(eq));
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
    check_same(before, as_equation(next.ptr()), repeat, segment_of(segment).active_);
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
  py::object held = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(made));
  for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
    const Saved& s = eq->inputs[i];
    Saved copy = s;
    if (s.again) {
      const auto* source = as_equation(s.source);
      const std::pair place{source->place, s.index};
      auto found = runs_.find(s.again);
      const bool there = found != runs_.end() && found->second.second.results.count(place);
      Repeat& repeat = there ? found->second.second : run_again(s.again, outer);
      TensorObject* t = as_tensor(repeat.results.at(place).ptr());
      copy.array = t->array;
      copy.version = t->array.storage() ? t->array.storage()->version() : 0;
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
  py::object now = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(eq));
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

// ---- memory ---------------------------------------------------------------------------------------------------------

namespace {

// For every equation: what the gradient rules keep of its operands and results, and what it made. Both are pairs of the
// value's name and the number of its memory, which views share (-1 for what comes from outside), and what was made
// has its bytes, too.
py::list kept_memory(py::list equations) {
  struct Placed {
    Array array;
    int memory;
  };
  std::map<std::pair<PyObject*, std::int32_t>, Placed> values;
  const auto placed = [](const Array& a) {  // somewhere; the address is never read
    return Array::wrap({}, reinterpret_cast<std::byte*>(std::uintptr_t{1} << 40), a.dtype(), a.shape(),
                       contiguous_strides(a.shape()));
  };
  int memories = 0;
  py::list all;
  for (py::handle h : equations) {
    auto* eq = as_equation(h.ptr());
    py::list saved, made;
    if (eq->changed.empty()) {
      std::vector<Array> in, out(eq->outputs.size());
      std::vector<int> memory_of;
      std::vector<std::pair<PyObject*, std::int32_t>> names;
      for (const Saved& s : eq->inputs) {
        PyObject* root = root_of(s);
        const bool leaf = root && !as_equation(root);
        names.emplace_back(leaf ? root_of(as_tensor(root)) : root, leaf ? as_tensor(root)->index : root_index(s));
        auto found = values.find(names.back());
        in.push_back(found == values.end() ? placed(s.array) : found->second.array);
        memory_of.push_back(found == values.end() ? -1 : found->second.memory);
      }
      const bool joint = eq->primitive->kernel == &joint_kernel();  // passes operands on
      if (joint) {
        std::copy_n(in.begin(), out.size(), out.begin());
      } else {
        const std::vector<Attr> attrs = parse_attributes(*eq->primitive->kernel, eq->attributes);
        Call call{*eq->primitive->kernel, in, out, attrs};
        infer(call);
      }
      const auto key = [](PyObject* source, std::size_t i) {
        return py::reinterpret_steal<py::object>(value_key(source, static_cast<int>(i)));
      };
      for (std::size_t i = 0; i < out.size(); ++i) {
        const bool is_new = out[i].is_abstract();
        const int memory = is_new ? memories++ : memory_of[joint ? i : 0];
        values[{h.ptr(), static_cast<std::int32_t>(i)}] = {is_new ? placed(out[i]) : out[i], memory};
        const auto bytes = is_new ? out[i].numel() * static_cast<std::int64_t>(itemsize(out[i].dtype())) : 0;
        made.append(py::make_tuple(key(h.ptr(), i), memory, bytes));
        if (eq->levels && eq->primitive->saves_output) saved.append(py::make_tuple(key(h.ptr(), i), memory));
      }
      for (std::size_t i = 0; eq->levels && i < eq->inputs.size(); ++i)
        if ((eq->primitive->saved_inputs >> (i < 63 ? i : 63)) & 1 && names[i].first)
          saved.append(py::make_tuple(key(names[i].first, static_cast<std::size_t>(names[i].second)), memory_of[i]));
    }
    all.append(py::make_tuple(saved, made));
  }
  return all;
}

}  // namespace

void add_checkpoint(py::module_& m) {
  py::class_<Segment>(m, "Segment")
      .def(py::init<py::object, py::tuple, py::dict>(), py::arg("function"), py::arg("args"), py::arg("kwargs"))
      .def("run", [](py::object self) { return self.cast<Segment&>().run(self.ptr()); })
      .def(
          "run_last",
          [](py::object self, py::object function, py::tuple args, py::list leaves) {
            return self.cast<Segment&>().run_last(self.ptr(), std::move(function), std::move(args), std::move(leaves));
          },
          py::arg("function"), py::arg("args"), py::arg("leaves"));
  m.def("repeating", [] { return thread_state().watcher && thread_state().watcher->repeats_any(); });
  m.def("kept_memory", &kept_memory, py::arg("equations"));
}

}  // namespace alice
