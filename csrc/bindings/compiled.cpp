// CompiledBase: the call path of a compiled function. Take the arguments apart, find the program of their signature,
// run it, wrap what it returns: about a microsecond. Tracing, on the first call of a signature, is Python.
#include "compiled.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <new>

#include "../ops/strided_copy.h"
#include "arguments.h"
#include "describe.h"
#include "locked.h"
#include "lower.h"

namespace alice {
namespace {

// One signature with its program.
struct Entry {
  Signature signature;                       // owns its objects
  std::shared_ptr<CompiledProgram> program;  // null: the function runs as it is
  py::object structure;                      // what the function returned: None where Tensors were
  std::vector<int> outputs;                  // by leaf of the structure: the number of the Tensor, or -1
  bool single = false;                       // the result is one Tensor
  bool grad_enabled = true;

  ~Entry() {
    for (PyObject* o : signature.objects) Py_DECREF(o);
  }
};

struct CompiledObject {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  PyObject* function;
  Py_ssize_t cache_size;
  std::uint64_t hits, misses;
  bool profile, check;
  std::vector<std::shared_ptr<Entry>> entries;  // most recently used first
};

CompiledObject* self_of(PyObject* o) { return reinterpret_cast<CompiledObject*>(o); }

bool grad_enabled() { return thread_state().active & 1u; }

// What a call needs for a moment, kept by the thread for its next call: vectors that are long enough by then.
template <class T>
class Spare {
 public:
  Spare() {
    auto& idle = idle_here();
    if (!idle.empty()) {
      object_ = std::move(idle.back());
      idle.pop_back();
    } else {
      object_ = std::make_unique<T>();
    }
  }
  ~Spare() {
    object_->clear();
    idle_here().push_back(std::move(object_));
  }
  T& operator*() const { return *object_; }
  T* operator->() const { return object_.get(); }

 private:
  static std::vector<std::unique_ptr<T>>& idle_here() {
    thread_local std::vector<std::unique_ptr<T>> idle;
    return idle;
  }
  std::unique_ptr<T> object_;
};

// ---- gradients ----------------------------------------------------------------------------------------------

TensorObject* leaf_of(const GradientSlot& slot, const Arguments& arguments) {
  if (slot.leaf) return as_tensor(slot.leaf.ptr());
  return arguments.tensor(static_cast<std::size_t>(slot.argument));
}

// Do leaves have and require gradients as they did when the function was traced?
bool gradients_match(const CompiledProgram& p, const Arguments& arguments) {
  for (const auto& [t, required] : p.captured)
    if (as_tensor(t.ptr())->requires_grad != required) return false;
  for (const GradientSlot& slot : p.reads) {
    const TensorObject* leaf = leaf_of(slot, arguments);
    if (!leaf || (leaf->grad != nullptr) != slot.present) return false;
  }
  return true;
}

bool reads_gradient_of(const CompiledProgram& p, const TensorObject* leaf, const Arguments& arguments) {
  for (const GradientSlot& slot : p.reads)
    if (slot.present && leaf_of(slot, arguments) == leaf) return true;
  return false;
}

// The memory of the gradient from the step before, if nobody else sees it.
bool may_overwrite(const TensorObject* leaf) {
  if (!leaf->grad || Py_REFCNT(leaf->grad) != 1) return false;
  const TensorObject* g = as_tensor(leaf->grad);
  const Array& a = g->array;
  return !g->producer && !g->levels && !g->weakrefs && !g->grad && a.storage() &&
         a.storage()->references.load(std::memory_order_relaxed) == 1 && !a.storage()->release &&
         a.storage()->writable && a.is_contiguous() && a.dtype() == leaf->array.dtype();
}

// ---- one run ------------------------------------------------------------------------------------------------

// Puts the outputs into the structure that the function returned.
class Rebuild {
 public:
  Rebuild(const Entry& entry, const std::vector<py::object>& outputs) : entry_(entry), outputs_(outputs) {}

  py::object operator()(py::handle node) {
    if (PyTuple_Check(node.ptr())) {
      py::list items;
      for (py::handle item : node) items.append((*this)(item));
      if (PyTuple_CheckExact(node.ptr())) return py::tuple(items);
      return py::type::of(node).attr("_make")(items);  // a named tuple
    }
    if (PyList_Check(node.ptr())) {
      py::list items;
      for (py::handle item : node) items.append((*this)(item));
      return PyList_CheckExact(node.ptr()) ? py::object(items) : py::type::of(node)(items);
    }
    if (PyDict_Check(node.ptr())) {
      py::dict items = node.attr("copy")();  // of the same type
      for (auto [key, value] : py::reinterpret_borrow<py::dict>(node)) items[key] = (*this)(value);
      return py::object(items);
    }
    const int output = entry_.outputs[leaf_++];
    return output < 0 ? py::reinterpret_borrow<py::object>(node) : outputs_[static_cast<std::size_t>(output)];
  }

 private:
  const Entry& entry_;
  const std::vector<py::object>& outputs_;
  std::size_t leaf_ = 0;
};

// Where a run reads and writes.
struct Operands {
  std::vector<std::byte*> inputs, results;
  std::vector<Array> held, outputs;   // held: the gradients that it reads
  std::vector<py::object> gradients;  // by write: the Tensor that will be there, null for None
  std::vector<char> in_place;         // it is there already

  void clear() {
    inputs.clear();
    results.clear();
    held.clear();
    outputs.clear();
    gradients.clear();
    in_place.clear();
  }
};

PyObject* run(const Entry& entry, Arguments& arguments, bool profile) {
  const CompiledProgram& p = *entry.program;
  const Spare<Operands> spare;
  auto& [inputs, results, held, outputs, gradients, in_place] = *spare;
  for (std::size_t i = 0; i < arguments.count(); ++i) inputs.push_back(arguments.data(i));
  for (const GradientSlot& slot : p.reads) {
    if (!slot.present) continue;
    const Array& gradient = as_tensor(leaf_of(slot, arguments)->grad)->array;
    read_locked(gradient, [&] { held.push_back(as_contiguous(gradient)); });
    inputs.push_back(held.back().bytes());
  }

  for (const Array& a : p.outputs) {
    outputs.push_back(Array::empty(a.shape(), a.dtype()));
    results.push_back(outputs.back().bytes());
  }
  for (const GradientSlot& slot : p.writes) {
    gradients.emplace_back();
    in_place.push_back(false);
    if (slot.result < 0) continue;
    TensorObject* leaf = leaf_of(slot, arguments);
    if (may_overwrite(leaf) && !reads_gradient_of(p, leaf, arguments)) {
      gradients.back() = py::reinterpret_borrow<py::object>(leaf->grad);
      in_place.back() = true;
    } else {
      gradients.back() =
          py::reinterpret_steal<py::object>(make_tensor(Array::empty(leaf->array.shape(), leaf->array.dtype())));
    }
    results.push_back(as_tensor(gradients.back().ptr())->array.bytes());
  }

  const program::Plan& plan = p.program->plan();
  const bool overwrites = std::find(in_place.begin(), in_place.end(), true) != in_place.end();
  const auto ask = [&](Locks& locks) {
    locks.use(plan.access());
    for (std::size_t i = 0; i < arguments.count(); ++i) {
      if (const TensorObject* t = arguments.tensor(i)) locks.read(t->array.storage().get());
    }
    for (const Array& a : held) locks.read(a.storage().get());
    for (std::size_t i = 0; i < in_place.size(); ++i)
      if (in_place[i]) locks.change(as_tensor(gradients[i].ptr())->array.storage().get());
  };
  run_locked({.nanoseconds = plan.cost(), .changes = overwrites || !plan.access().changes.empty()}, ask, [&] {
    for (std::size_t i = 0; i < in_place.size(); ++i)
      if (in_place[i]) as_tensor(gradients[i].ptr())->array.storage()->mark_changed();
    p.program->run(inputs.data(), results.data(), profile);
  });

  for (std::size_t i = 0; i < p.writes.size(); ++i) {
    if (in_place[i]) continue;
    TensorObject* leaf = leaf_of(p.writes[i], arguments);
    PyObject* gradient = gradients[i].release().ptr();  // null for None
    Py_XSETREF(leaf->grad, gradient);
  }
  if (entry.single) return make_tensor(std::move(outputs[0]));
  std::vector<py::object> made;
  for (std::size_t i = 0; i < p.outputs.size(); ++i)
    made.push_back(p.weak[i] ? number_from(outputs[i])
                             : py::reinterpret_steal<py::object>(make_tensor(std::move(outputs[i]))));
  return Rebuild(entry, made)(entry.structure).release().ptr();
}

// ---- finding the program ------------------------------------------------------------------------------------

std::shared_ptr<Entry> find(CompiledObject* self, const Arguments& arguments) {
  for (std::size_t i = 0; i < self->entries.size(); ++i) {
    const Entry& e = *self->entries[i];
    if (e.grad_enabled != grad_enabled() || !e.signature.matches(arguments.signature())) continue;
    if (e.program && !gradients_match(*e.program, arguments)) continue;
    std::rotate(self->entries.begin(), self->entries.begin() + static_cast<std::ptrdiff_t>(i),
                self->entries.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    return self->entries.front();
  }
  return nullptr;
}

py::tuple positional(PyObject* const* args, Py_ssize_t n) {
  py::tuple out(n);
  for (Py_ssize_t i = 0; i < n; ++i) PyTuple_SET_ITEM(out.ptr(), i, Py_NewRef(args[i]));
  return out;
}

py::dict keywords(PyObject* const* args, Py_ssize_t n, PyObject* names) {
  py::dict out;
  for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); ++i) out[PyTuple_GET_ITEM(names, i)] = args[n + i];
  return out;
}

// Traces the function in Python: self._trace(args, kwargs) gives (program or None, structure, outputs).
std::shared_ptr<Entry> add(CompiledObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names,
                           const Arguments& arguments) {
  auto entry = std::make_shared<Entry>();
  entry->grad_enabled = grad_enabled();
  py::tuple made = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(self))
                       .attr("_trace")(positional(args, n), keywords(args, n, names));
  if (!made[0].is_none()) entry->program = made[0].cast<std::shared_ptr<CompiledProgram>>();
  entry->structure = made[1];
  entry->outputs = made[2].cast<std::vector<int>>();
  entry->single = entry->program && entry->outputs.size() == 1 && entry->outputs[0] == 0 &&
                  entry->structure.is_none() && !entry->program->weak[0];
  entry->signature.words = arguments.signature().words;
  for (PyObject* o : arguments.signature().objects) entry->signature.objects.push_back(Py_NewRef(o));
  self->entries.insert(self->entries.begin(), entry);
  if (self->entries.size() > static_cast<std::size_t>(self->cache_size)) self->entries.pop_back();
  return entry;
}

std::shared_ptr<Entry> entry_for(CompiledObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names,
                                 const Arguments& arguments) {
  std::shared_ptr<Entry> entry = find(self, arguments);
  ++(entry ? self->hits : self->misses);
  return entry ? entry : add(self, args, n, names, arguments);
}

// Takes the arguments apart; an error says which of them it is about.
void read(CompiledObject* self, Arguments& arguments, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  try {
    arguments.read(args, n, names);
  } catch (const Error& e) {
    const auto name =
        py::handle(reinterpret_cast<PyObject*>(self)).attr("_argument_name")(arguments.reading()).cast<std::string>();
    fail(e.kind(), "compile: ", name, " cannot be an argument: ", e.what());
  }
}

// Somebody wants to see every op.
bool traced(const ThreadState& state) { return state.session || state.recorder || state.checker || state.watcher; }

PyObject* call(CompiledObject* self, PyObject* const* args, std::size_t nargsf, PyObject* names) {
  const Py_ssize_t n = PyVectorcall_NARGS(nargsf);
  const auto as_it_is = [&] { return PyObject_Vectorcall(self->function, args, static_cast<std::size_t>(n), names); };
  if (traced(thread_state())) return as_it_is();
  const Spare<Arguments> arguments;
  read(self, *arguments, args, n, names);
  if (arguments->runs_as_it_is()) return as_it_is();
  const std::shared_ptr<Entry> entry = entry_for(self, args, n, names, *arguments);
  if (!entry->program) return as_it_is();
  return run(*entry, *arguments, self->profile);
}

PyObject* compiled_call(PyObject* o, PyObject* const* args, std::size_t nargsf, PyObject* names) {
  CompiledObject* self = self_of(o);
  try {
    if (self->check && !traced(thread_state())) {
      const Py_ssize_t n = PyVectorcall_NARGS(nargsf);
      return py::object(py::handle(o).attr("_call_checked")(positional(args, n), keywords(args, n, names)))
          .release()
          .ptr();
    }
    return call(self, args, nargsf, names);
  } catch (...) {
    return translate_current_exception();
  }
}

// ---- the type -----------------------------------------------------------------------------------------------

PyObject* compiled_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"function", "cache_size", "profile", "check", nullptr};
  PyObject* function;
  Py_ssize_t cache_size;
  int profile, check;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Onpp", const_cast<char**>(names), &function, &cache_size, &profile,
                                   &check))
    return nullptr;
  PyObject* o = type->tp_alloc(type, 0);
  if (!o) return nullptr;
  CompiledObject* self = self_of(o);
  self->vectorcall = compiled_call;
  self->function = Py_NewRef(function);
  self->cache_size = cache_size;
  self->profile = profile;
  self->check = check;
  new (&self->entries) std::vector<std::shared_ptr<Entry>>();
  return o;
}

int compiled_traverse(PyObject* o, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(o));
  Py_VISIT(self_of(o)->function);
  for (const auto& entry : self_of(o)->entries) {
    if (entry.use_count() != 1) continue;  // running
    for (PyObject* object : entry->signature.objects) Py_VISIT(object);
    Py_VISIT(entry->structure.ptr());
  }
  return 0;
}

int compiled_clear(PyObject* o) {
  Py_CLEAR(self_of(o)->function);
  self_of(o)->entries.clear();
  return 0;
}

void compiled_dealloc(PyObject* o) {
  PyObject_GC_UnTrack(o);
  Py_CLEAR(self_of(o)->function);
  self_of(o)->entries.~vector();
  PyTypeObject* type = Py_TYPE(o);
  type->tp_free(o);
  Py_DECREF(type);
}

// As a method: bound to its object, which is then an argument like the others.
PyObject* compiled_bind(PyObject* o, PyObject* instance, PyObject*) {
  return !instance || instance == Py_None ? Py_NewRef(o) : PyMethod_New(o, instance);
}

PyObject* cache_clear(PyObject* o, PyObject*) {
  self_of(o)->entries.clear();
  self_of(o)->hits = self_of(o)->misses = 0;
  Py_RETURN_NONE;
}

PyObject* cache_counts(PyObject* o, PyObject*) {
  const CompiledObject* self = self_of(o);
  return Py_BuildValue("KKnn", self->hits, self->misses, self->cache_size,
                       static_cast<Py_ssize_t>(self->entries.size()));
}

// The program that a call with these arguments would run, traced now if need be; None if it would run as it is.
PyObject* program_for(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  try {
    Arguments arguments;
    read(self_of(o), arguments, args, n, names);
    if (arguments.runs_as_it_is()) Py_RETURN_NONE;
    std::shared_ptr<Entry> entry = find(self_of(o), arguments);
    if (!entry) entry = add(self_of(o), args, n, names, arguments);
    return entry->program ? py::cast(entry->program).release().ptr() : Py_NewRef(Py_None);
  } catch (...) {
    return translate_current_exception();
  }
}

// The call without the comparison of check=True.
PyObject* call_unchecked(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  try {
    return call(self_of(o), args, static_cast<std::size_t>(n), names);
  } catch (...) {
    return translate_current_exception();
  }
}

template <class F>
PyCFunction as_method(F f) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f));
}

PyMethodDef methods[] = {
    {"cache_clear", cache_clear, METH_NOARGS, "Forget all programs, and the counts of hits and misses."},
    {"_cache_counts", cache_counts, METH_NOARGS, nullptr},
    {"_program", as_method(program_for), METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"_call", as_method(call_unchecked), METH_FASTCALL | METH_KEYWORDS, nullptr},
    {nullptr, nullptr, 0, nullptr}};
PyMemberDef members[] = {{"_function", T_OBJECT, offsetof(CompiledObject, function), READONLY, nullptr},
                         {"__vectorcalloffset__", T_PYSSIZET, offsetof(CompiledObject, vectorcall), READONLY, nullptr},
                         {nullptr, 0, 0, 0, nullptr}};
PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(compiled_new)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(compiled_dealloc)},
                       {Py_tp_traverse, reinterpret_cast<void*>(compiled_traverse)},
                       {Py_tp_clear, reinterpret_cast<void*>(compiled_clear)},
                       {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                       {Py_tp_descr_get, reinterpret_cast<void*>(compiled_bind)},
                       {Py_tp_methods, methods},
                       {Py_tp_members, members},
                       {Py_tp_doc, const_cast<char*>("Native call path of alice_core.CompiledFunction.")},
                       {0, nullptr}};
PyType_Spec spec = {"alice_core._core.CompiledBase", sizeof(CompiledObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_HAVE_GC, slots};

}  // namespace

void add_compiled(py::module_& m) {
  PyObject* type = PyType_FromSpec(&spec);
  if (!type) throw py::error_already_set();
  m.add_object("CompiledBase", type);

  py::class_<CompiledProgram, std::shared_ptr<CompiledProgram>>(m, "Program")
      .def("describe", [](const CompiledProgram& p) { return describe(*p.program); })
      .def_property_readonly("arena_bytes", [](const CompiledProgram& p) { return p.program->plan().arena_bytes(); })
      .def_property_readonly("cost", [](const CompiledProgram& p) { return p.program->plan().cost(); })
      .def_readonly("changed", &CompiledProgram::changed)
      .def("leaves", [](const CompiledProgram& p, const std::vector<py::object>& arguments) {
        std::vector<py::object> leaves;
        for (const GradientSlot& slot : p.writes)
          leaves.push_back(slot.leaf ? slot.leaf : arguments.at(static_cast<std::size_t>(slot.argument)));
        return leaves;
      });
  m.def(
      "lower",
      [](py::object session, const std::vector<py::object>& inputs, const std::vector<py::object>& outputs) {
        std::vector<TensorObject*> in, out;
        for (const py::object& t : inputs) in.push_back(as_tensor(t.ptr()));
        for (const py::object& t : outputs) out.push_back(as_tensor(t.ptr()));
        return lower(session_of(session), in, out);
      },
      py::arg("session"), py::arg("inputs"), py::arg("outputs"));
  m.def(
      "stand_in",
      [](py::object value) {
        const auto abstract = [](const Array& array) {
          return py::reinterpret_steal<py::object>(make_tensor(array.shape_only()));
        };
        if (is_tensor(value.ptr())) {
          const TensorObject* t = as_tensor(value.ptr());
          py::object out = abstract(t->array);
          as_tensor(out.ptr())->requires_grad = t->requires_grad;
          as_tensor(out.ptr())->levels = t->requires_grad ? 1u : 0u;
          return out;
        }
        if (is_numpy_array(value.ptr())) return abstract(array_from_numpy(value, false));
        const Scalar s = value.is_none() ? Scalar{} : parse_scalar(value.ptr());
        if (s.kind == Scalar::Kind::None) return value;
        const DType dtype = s.kind == Scalar::Kind::Bool  ? DType::Bool
                            : s.kind == Scalar::Kind::Int ? DType::Int64
                                                          : DType::Float64;
        py::object t = py::reinterpret_steal<py::object>(make_tensor(Array::abstract({}, dtype)));
        as_tensor(t.ptr())->weak = true;
        if (s.kind == Scalar::Kind::Int) as_tensor(t.ptr())->width = width_of(s.integer);
        return t;
      },
      py::arg("value"));
}

}  // namespace alice
