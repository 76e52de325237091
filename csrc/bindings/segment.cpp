#include "segment.h"

#include <algorithm>
#include <cstring>

#include "../core/broadcast.h"
#include "default_dtype.h"
#include "extension.h"
#include "origin.h"
#include "session.h"
#include "slot.h"
#include "update.h"
#include "watcher.h"

namespace alice {

// Sees what the first run does, and lets the data of its equations go when it is over.
class FirstRun : public Watcher {
 public:
  explicit FirstRun(Segment& segment) : segment_(segment) {}

  // What the equations saved can be computed again from now on.
  void finish(PyObject* self) {
    segment_.steps_ = std::move(steps_);
    for (std::size_t i = 0; i < equations_.size(); ++i) {
      EquationObject* eq = as_equation(equations_[i].ptr());
      drop_saved(eq);
      extended(eq).place = static_cast<std::int32_t>(i);
      extended(eq).segment = borrowed(self);
    }
  }

  bool update(const Kernel& kernel, py::tuple inputs, py::tuple attributes, py::tuple targets) override {
    if (kernel.n_out < 0)
      fail(ErrorKind::Gradient, "checkpoint: the function takes a step of an optimiser (", kernel.name,
           "), but it will run again; take the step outside");
    for (py::handle h : targets) {
      TensorObject* t = checked_tensor(h, "checkpoint");
      const auto known = [&](const Before& b) {
        return as_tensor(b.tensor.ptr())->array.storage().get() == t->array.storage().get();
      };
      if (std::any_of(segment_.before_.begin(), segment_.before_.end(), known)) continue;
      TensorObject* now = Watcher::value(t);
      segment_.before_.push_back({borrowed(h.ptr()), now == t ? copied(t) : borrowed(as_object(now))});
    }
    return Watcher::update(kernel, inputs, attributes, targets);
  }

 private:
  void note(EquationObject* eq, py::handle result) override {
    equations_.push_back(borrowed(as_object(eq)));
    steps_.push_back(Step::of(eq, result));
  }

  // It can be computed again.
  static void drop_saved(EquationObject* eq) {
    for (Saved& s : eq->inputs) s.array = s.array.shape_only();
    for (Output& r : eq->outputs) r.array = r.array.shape_only();
    if (!eq->extension) return;
    for (EquationExtension::Input& input : eq->extension->inputs) input.tangents = py::object();
    for (py::object& tangents : eq->extension->output_tangents) tangents = py::object();
  }

  static py::object copied(TensorObject* t) {
    const Unwatched scope;
    PyObject* args[] = {as_object(t)};
    return bind(update_primitive(&Registry::instance().copy()), args, 1);
  }

  Segment& segment_;
  std::vector<py::object> equations_;
  std::vector<Step> steps_;
};

namespace {

constexpr std::int64_t kLookedAt = 8;  // elements: what changed by a factor or a summand has changed there, too

std::uint64_t mixed(std::uint64_t digest, std::uint64_t bits) {
  digest = (digest ^ bits) * 0x9E3779B97F4A7C15u;
  return digest ^ digest >> 32;
}

std::uint64_t mixed(std::uint64_t digest, const Array& a) {
  const std::int64_t n = a.is_abstract() ? 0 : a.numel(), looks = std::min(n, kLookedAt);
  if (looks == 0) return digest;
  const Operand elements(a, a.shape());
  for (std::int64_t k = 0; k < looks; ++k) {
    const std::int64_t at = (n - 1) / std::max<std::int64_t>(1, looks - 1) * k;
    std::uint64_t bits = 0;
    std::memcpy(&bits, a.bytes() + elements.offset(at) * elements.item(), itemsize(a.dtype()));
    digest = mixed(digest, bits);
  }
  return digest;
}

class Collector : public Watcher {
 public:
  std::vector<py::object> equations;

 private:
  void note(EquationObject* eq, py::handle) override { equations.push_back(borrowed(as_object(eq))); }
};

}  // namespace

Step Step::of(const EquationObject* eq, py::handle result) {
  const bool traced = open_session(thread_state());
  std::uint64_t layout = 1, digest = 1;
  for (const Saved& s : eq->inputs) {
    layout = mixed(layout, static_cast<std::uint64_t>(s.array.dtype()));
    for (std::int64_t n : s.array.shape()) layout = mixed(layout, static_cast<std::uint64_t>(n));
    if (traced && s.source && !as_equation(s.source) && !is_outside(as_tensor(s.source)))
      digest = mixed(digest, as_tensor(s.source)->array);
  }
  for (std::size_t i = 0; i < eq->outputs.size(); ++i) digest = mixed(digest, result_at(result, i)->array);
  return {eq->primitive->kernel, layout, digest, traced};
}

Segment::Segment(py::object function, py::tuple args, py::dict kwargs)
    : function_(std::move(function)),
      args_(std::move(args)),
      kwargs_(std::move(kwargs)),
      active_(thread_state().active),
      open_(thread_state().open),
      forward_(forward_contexts(thread_state())),
      trace_(tracing_depth(thread_state())),
      default_dtype_(default_dtype()),
      began_(Storage::now()) {}

py::object Segment::run(PyObject* self) {
  if (std::exchange(ran_, true)) fail(ErrorKind::Value, "checkpoint: a segment runs for the first time only once");
  FirstRun watcher(*this);
  py::object result = function_(*args_, **kwargs_);
  watcher.finish(self);
  return result;
}

py::object Segment::run_last(PyObject* self, py::object function, py::tuple args, py::list leaves) {
  Collector watcher;
  py::object result = function(*args);
  for (const py::object& o : watcher.equations) {
    EquationObject* eq = as_equation(o.ptr());
    if (segment_of(eq)) continue;  // it keeps nothing
    for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
      Saved& s = eq->inputs[i];
      const EquationObject* source = as_equation(s.source);
      if (!source || segment_of(source) != self || !reads_input(eq->primitive, i)) continue;
      const bool is_leaf = std::any_of(leaves.begin(), leaves.end(), [&](py::handle leaf) {
        const TensorObject* t = checked_tensor(leaf, "checkpoint");
        return t->producer == source && t->index == s.index;
      });
      if (!is_leaf) continue;
      const ResultPlace place{place_of(source), s.index};
      if (std::find(wanted_.begin(), wanted_.end(), place) == wanted_.end()) wanted_.push_back(place);
      s.array = s.array.shape_only();
      EquationExtension::Input& input = extended_input(eq, i);
      input.recomputed_by = borrowed(self);
      input.tangents = py::object();
    }
  }
  return result;
}

int Segment::traverse(visitproc visit, void* arg) const {
  Py_VISIT(function_.ptr());
  Py_VISIT(args_.ptr());
  Py_VISIT(kwargs_.ptr());
  for (const Before& b : before_) {
    Py_VISIT(b.tensor.ptr());
    Py_VISIT(b.value.ptr());
  }
  return 0;
}

void Segment::clear() {
  const py::object function = std::move(function_), args = std::move(args_), kwargs = std::move(kwargs_);
  const std::vector<Before> before = std::exchange(before_, {});
}

// ---- the type -------------------------------------------------------------------------------------------------------

namespace {

struct SegmentObject {
  PyObject_HEAD
  Segment segment;
};

PyTypeObject* segment_type = nullptr;

py::object make(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"function", "args", "kwargs", nullptr};
  PyObject *function, *positional, *keywords;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO!O!", const_cast<char**>(names), &function, &PyTuple_Type,
                                   &positional, &PyDict_Type, &keywords))
    throw py::error_already_set();
  Segment segment(borrowed(function), py::reinterpret_borrow<py::tuple>(positional),
                  py::reinterpret_borrow<py::dict>(keywords));
  PyObject* o = PyType_GenericAlloc(type, 0);
  if (!o) throw py::error_already_set();
  new (&reinterpret_cast<SegmentObject*>(o)->segment) Segment(std::move(segment));
  return py::reinterpret_steal<py::object>(o);
}

int traverse(SegmentObject* o, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(o));
  return o->segment.traverse(visit, arg);
}

int clear(SegmentObject* o) noexcept {
  o->segment.clear();
  return 0;
}

void dealloc(SegmentObject* o) noexcept {
  PyObject_GC_UnTrack(o);
  std::destroy_at(&o->segment);
  PyTypeObject* type = Py_TYPE(o);
  type->tp_free(o);
  Py_DECREF(type);
}

py::object run(SegmentObject* o) { return o->segment.run(reinterpret_cast<PyObject*>(o)); }

py::object run_last(SegmentObject* o, PyObject* const* args, Py_ssize_t n) {
  if (n != 3 || !PyTuple_Check(args[1]) || !PyList_Check(args[2]))
    throw py::type_error("run_last: expected a function, a tuple of arguments and a list of leaves");
  return o->segment.run_last(reinterpret_cast<PyObject*>(o), borrowed(args[0]),
                             py::reinterpret_borrow<py::tuple>(args[1]), py::reinterpret_borrow<py::list>(args[2]));
}

}  // namespace

Segment& as_segment(PyObject* o) { return reinterpret_cast<SegmentObject*>(o)->segment; }

void add_segment(py::module_& m) {
  segment_type = TypeMaker<SegmentObject>("Segment", "One checkpointed call.", Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC)
                     .slot<Py_tp_new, make>()
                     .slot<Py_tp_dealloc, dealloc>()
                     .slot<Py_tp_traverse, traverse>()
                     .slot<Py_tp_clear, clear>()
                     .method<run>("run", "The first run.")
                     .method<run_last>("run_last", "Runs a function of what run() returned: (function, args, leaves).")
                     .add_to(m);
  m.def("repeating", [] { return watcher_of(thread_state()) && watcher_of(thread_state())->repeats_any(); });
}

}  // namespace alice
