// CompiledBase: the call path of a compiled function. Take the arguments apart, find the program of their signature,
// run it, wrap what it returns: about a microsecond. Tracing, on the first call of a signature, is Python.
// Hot: every call runs through here.
#include "compiled.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <new>

#include "cache.h"
#include "describe.h"
#include "gil.h"
#include "spare.h"

namespace alice {
namespace {

struct CompiledObject {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  PyObject* function;
  bool profile, check;
  Cache cache;
};

CompiledObject* self_of(PyObject* o) { return reinterpret_cast<CompiledObject*>(o); }

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

// An object of some signature is gone. `self` refers weakly to the compiled function.
PyObject* forget(PyObject* self, PyObject*) {
  PyObject* o = PyWeakref_GET_OBJECT(self);
  if (o != Py_None) {
    const py::object alive = py::reinterpret_borrow<py::object>(o);
    self_of(o)->cache.drop_dead();
  }
  Py_RETURN_NONE;
}
PyMethodDef forget_method = {"forget", forget, METH_O, nullptr};

// Traces the function in Python: self._trace(args, kwargs, inputs) gives (program, structure, outputs).
Traced trace(CompiledObject* self, const Arguments& arguments) {
  const py::tuple stand_ins = arguments.stand_ins();
  const py::object run = py::handle(reinterpret_cast<PyObject*>(self)).attr("_trace");
  const auto made =
      py::reinterpret_steal<py::tuple>(into_python([&] { return PyObject_CallObject(run.ptr(), stand_ins.ptr()); }));
  if (!made) throw py::error_already_set();
  Traced traced;
  traced.made = made[0].cast<std::shared_ptr<CompiledProgram>>();
  traced.structure = made[1];
  traced.outputs = made[2].cast<std::vector<int>>();
  traced.single = traced.outputs.size() == 1 && traced.outputs[0] == 0 && traced.structure.is_none() &&
                  !traced.made->contract.results[0].is_number;
  return traced;
}

// Null if the function changed, while it was traced, what the trace stands on.
std::shared_ptr<const Cache::Entry> entry_for(CompiledObject* self, const Arguments& arguments) {
  if (std::shared_ptr<const Cache::Entry> entry = self->cache.find(arguments)) return entry;
  Traced traced = trace(self, arguments);
  const auto weak_self =
      py::reinterpret_steal<py::object>(PyWeakref_NewRef(reinterpret_cast<PyObject*>(self), nullptr));
  if (!weak_self) throw py::error_already_set();
  const auto callback = py::reinterpret_steal<py::object>(PyCFunction_New(&forget_method, weak_self.ptr()));
  if (!callback) throw py::error_already_set();
  std::shared_ptr<const Cache::Entry> entry = self->cache.add(arguments, std::move(traced), callback);
  return entry->traced.holds(arguments) ? entry : nullptr;
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
  const auto as_it_is = [&] {
    return into_python([&] { return PyObject_Vectorcall(self->function, args, static_cast<std::size_t>(n), names); });
  };
  if (traced(thread_state())) return as_it_is();
  const Spare<Arguments> arguments;
  read(self, *arguments, args, n, names);
  if (arguments->runs_as_it_is()) return as_it_is();
  const std::shared_ptr<const Cache::Entry> entry = entry_for(self, *arguments);
  if (!entry || entry->traced.runs_as_it_is() || entry->traced.is_split(*arguments)) return as_it_is();
  return replay(entry->traced, *arguments, self->profile);
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
  self->profile = profile;
  self->check = check;
  new (&self->cache) Cache(static_cast<std::size_t>(std::max<Py_ssize_t>(cache_size, 1)));
  return o;
}

int compiled_traverse(PyObject* o, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(o));
  Py_VISIT(self_of(o)->function);
  return self_of(o)->cache.traverse(visit, arg);
}

int compiled_clear(PyObject* o) {
  Py_CLEAR(self_of(o)->function);
  self_of(o)->cache.clear();
  return 0;
}

void compiled_dealloc(PyObject* o) {
  PyObject_GC_UnTrack(o);
  Py_CLEAR(self_of(o)->function);
  self_of(o)->cache.~Cache();
  PyTypeObject* type = Py_TYPE(o);
  type->tp_free(o);
  Py_DECREF(type);
}

// As a method: bound to its object, which is then an argument like the others.
PyObject* compiled_bind(PyObject* o, PyObject* instance, PyObject*) {
  return !instance || instance == Py_None ? Py_NewRef(o) : PyMethod_New(o, instance);
}

PyObject* cache_clear(PyObject* o, PyObject*) {
  self_of(o)->cache.clear();
  Py_RETURN_NONE;
}

PyObject* cache_counts(PyObject* o, PyObject*) {
  const Cache& cache = self_of(o)->cache;
  return Py_BuildValue("KKnn", cache.hits(), cache.misses(), static_cast<Py_ssize_t>(cache.room()),
                       static_cast<Py_ssize_t>(cache.size()));
}

// The program that a call with these arguments would run, traced now if need be, with the Tensors that it changes and
// those whose gradients it leaves; None if the function would run as it is.
PyObject* program_for(PyObject* o, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  try {
    Arguments arguments;
    read(self_of(o), arguments, args, n, names);
    if (arguments.runs_as_it_is()) Py_RETURN_NONE;
    const std::shared_ptr<const Cache::Entry> entry = entry_for(self_of(o), arguments);
    if (!entry || entry->traced.runs_as_it_is() || entry->traced.is_split(arguments)) Py_RETURN_NONE;
    const std::shared_ptr<CompiledProgram> made = entry->traced.made;
    py::list changed, leaves;
    for (const py::object& t : made->changed) changed.append(t);
    for (const auto& touched : made->contract.touched) {
      const auto number = static_cast<std::size_t>(touched.number);
      py::handle leaf = touched.is_argument ? py::handle(reinterpret_cast<PyObject*>(arguments.tensor(number)))
                                            : py::handle(made->outside[number]);
      if (leaf && made->contract.binding(touched).replaces) leaves.append(leaf);
    }
    return py::make_tuple(made, changed, leaves).release().ptr();
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
      .def_property_readonly("cost", [](const CompiledProgram& p) { return p.program->plan().cost(); });
  m.def(
      "lower",
      [](py::object session, const std::vector<py::object>& inputs, const std::vector<py::object>& outputs) {
        std::vector<TensorObject*> in, out;
        for (const py::object& t : inputs) in.push_back(as_tensor(t.ptr()));
        for (const py::object& t : outputs) out.push_back(as_tensor(t.ptr()));
        return lower(session_of(session), in, out);
      },
      py::arg("session"), py::arg("inputs"), py::arg("outputs"));
}

}  // namespace alice
