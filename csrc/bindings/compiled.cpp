// CompiledBase: the call path of a compiled function. Take the arguments apart, find the program of their signature,
// run it, wrap what it returns: about a microsecond. Tracing, on the first call of a signature, is Python.
// Hot: every call runs through here.
#include "compiled.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <new>

#include "cache.h"
#include "captured.h"
#include "describe.h"
#include "gil.h"
#include "holder.h"
#include "modes.h"
#include "spare.h"
#include "treedef.h"

namespace alice {
namespace {

struct CompiledObject {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  PyObject* function;
  bool profile, check;
  Statics statics;
  int in_vain;  // traces since the last one that was run again, made because surroundings had changed
  Cache cache;
};

constexpr int kInVain = 8;  // then users should hear of it

CompiledObject* self_of(PyObject* o) { return reinterpret_cast<CompiledObject*>(o); }

py::tuple positional(PyObject* const* args, Py_ssize_t n) {
  return tuple_of(static_cast<std::size_t>(n), [&](std::size_t i) { return borrowed(args[i]); });
}

py::dict keywords(PyObject* const* args, Py_ssize_t n, PyObject* names) {
  py::dict out;
  for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); ++i) out[PyTuple_GET_ITEM(names, i)] = args[n + i];
  return out;
}

// An object of some signature is gone. `self` refers weakly to the compiled function.
void forget(PyObject* self, PyObject*) {
  const py::object alive = borrowed(PyWeakref_GET_OBJECT(self));
  if (!alive.is_none()) self_of(alive.ptr())->cache.drop_dead();
}

const program::CpuExecutor& program_of(const ProgramObject* o) {
  if (!o->value->program) fail(ErrorKind::Trace, "Program: there is none, the function runs as it is");
  return *o->value->program;
}
py::object tape(ProgramObject* o) {
  const program::Tape* tape = program_of(o).tape();
  if (!tape) return py::none();
  const auto [operations, loops, calls, lanes] = tape->size();
  return py::make_tuple(operations, loops, calls, lanes);
}
py::object describe_program(ProgramObject* o) { return describe(program_of(o)); }
std::int64_t arena_bytes(ProgramObject* o) { return program_of(o).plan().arena_bytes(); }
py::object followed(ProgramObject* o) {
  py::list numbers;
  for (std::size_t i = 0; i < o->value->followed.size(); ++i)
    if (o->value->followed[i]) numbers.append(i);
  return numbers;
}
py::object runs_as_it_is(ProgramObject* o) { return py::bool_(!o->value->program); }
py::object cost(ProgramObject* o) { return py::float_(program_of(o).plan().cost()); }

// Traces the function in Python: self._trace(args, kwargs, inputs, differentiated) gives
// (program, structure, what is no Tensor, outputs, marks, call).
Traced trace(CompiledObject* self, const Arguments& arguments) {
  const py::tuple given = arguments.stand_ins() + py::make_tuple(arguments.differentiated());
  const py::object run = py::handle(reinterpret_cast<PyObject*>(self)).attr("_trace");
  const py::tuple made = owned(into_python([&] { return PyObject_CallObject(run.ptr(), given.ptr()); }));
  Traced traced;
  traced.made = ProgramObject::value_of(made[0]);
  traced.structure = made[1];
  traced.others = made[2];
  traced.outputs = made[3].cast<std::vector<int>>();
  traced.marks = made[4];
  traced.call = made[5];
  traced.single = treedef_of(traced.structure.ptr()).is_leaf() && traced.outputs[0] == 0 &&
                  !traced.made->contract.results[0].is_number;
  return traced;
}

// Null if the function changed, while it was traced, what the trace stands on.
Cache::Ref entry_for(CompiledObject* self, const Arguments& arguments, bool counted) {
  std::string changed;
  Cache::Ref entry = self->cache.find(self->function, arguments, &changed);
  if (counted) self->cache.count(bool(entry));
  if (entry) {
    self->in_vain = 0;
    return entry;
  }
  if (!changed.empty() && ++self->in_vain == kInVain)
    py::handle(reinterpret_cast<PyObject*>(self)).attr("_warn_of_changes")(kInVain, changed);
  Traced traced = trace(self, arguments);
  const py::object weak_self = owned(PyWeakref_NewRef(reinterpret_cast<PyObject*>(self), nullptr));
  const py::object callback = function_of<forget>("forget", weak_self);
  entry = self->cache.add(self->function, arguments, std::move(traced), callback);
  return entry->traced.holds(arguments) ? entry : Cache::Ref();
}

// Takes the arguments apart; an error says which of them it is about.
void read(CompiledObject* self, Arguments& arguments, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  try {
    arguments.read(args, n, names, self->statics);
  } catch (const Error& e) {
    const auto name =
        py::handle(reinterpret_cast<PyObject*>(self)).attr("_argument_name")(arguments.reading()).cast<std::string>();
    fail(e.kind(), "compile: ", name, " cannot be an argument: ", e.what());
  }
}

PyObject* call_followed(const Traced& traced, const Arguments& arguments) {
  py::list leaves;
  for (std::size_t i = 0; i < arguments.count(); ++i) leaves.append(arguments.as_tensor_of(i));
  return into_python([&] { return PyObject_CallOneArg(traced.call.ptr(), leaves.ptr()); });
}

// Somebody wants to see every op.
bool traced(const ThreadState& state) {
  return state.interpreters.other_than({Interpreters::kForward, Interpreters::kCaptured});
}

// The ops of a program are seen by nobody.
void note_read(const Traced& traced, const Arguments& arguments) {
  if (!thread_state().interpreters[Interpreters::kCaptured]) return;
  for (std::size_t i = 0; i < arguments.count(); ++i)
    if (TensorObject* t = arguments.tensor(i)) note_captured(t);
  for (const py::object& t : traced.made->outside) note_captured(as_tensor(t.ptr()));
}

PyObject* call(CompiledObject* self, PyObject* const* args, std::size_t nargsf, PyObject* names) {
  const Py_ssize_t n = PyVectorcall_NARGS(nargsf);
  const auto as_it_is = [&] {
    return into_python([&] { return PyObject_Vectorcall(self->function, args, static_cast<std::size_t>(n), names); });
  };
  if (traced(state_in_context())) return as_it_is();
  const Spare<Arguments> arguments;
  read(self, *arguments, args, n, names);
  if (arguments->runs_as_it_is()) return as_it_is();
  const Cache::Ref entry = entry_for(self, *arguments, true);
  if (entry) note_read(entry->traced, *arguments);
  if (entry && !entry->traced.call.is_none()) return call_followed(entry->traced, *arguments);
  if (!entry || arguments->differentiated() || entry->traced.runs_as_it_is() || entry->traced.is_split(*arguments))
    return as_it_is();
  return replay(entry->traced, *arguments, self->profile);
}

py::object compiled_call(PyObject* o, PyObject* const* args, std::size_t nargsf, PyObject* names) {
  CompiledObject* self = self_of(o);
  if (self->check && !traced(state_in_context())) {
    const Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    return py::handle(o).attr("_call_checked")(positional(args, n), keywords(args, n, names));
  }
  return owned(call(self, args, nargsf, names));
}

// ---- the type -----------------------------------------------------------------------------------------------

py::object make(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"function", "cache_size", "profile", "check", nullptr};
  PyObject* function;
  Py_ssize_t cache_size;
  int profile, check;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Onpp", const_cast<char**>(names), &function, &cache_size, &profile,
                                   &check))
    throw py::error_already_set();
  py::object o = owned(type->tp_alloc(type, 0));
  CompiledObject* self = self_of(o.ptr());
  new (&self->statics) Statics;
  new (&self->cache) Cache(static_cast<std::size_t>(std::max<Py_ssize_t>(cache_size, 1)));
  self->vectorcall = vectorcall<compiled_call>();
  self->function = Py_NewRef(function);
  self->profile = profile;
  self->check = check;
  self->in_vain = 0;
  return o;
}

int traverse(CompiledObject* self, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(self->function);
  Py_VISIT(self->statics.known.ptr());
  return self->cache.traverse(visit, arg);
}

// What is left is a compiled None.
int clear(CompiledObject* self) noexcept {
  Py_XSETREF(self->function, Py_NewRef(Py_None));
  self->cache.clear();
  return 0;
}

void dealloc(CompiledObject* self) noexcept {
  PyObject_GC_UnTrack(self);
  Py_CLEAR(self->function);
  std::destroy_at(&self->cache);
  std::destroy_at(&self->statics);
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

// As a method: bound to its object, which is then an argument like the others.
py::object bound(PyObject* o, PyObject* instance, PyObject*) {
  return !instance || instance == Py_None ? borrowed(o) : owned(PyMethod_New(o, instance));
}

py::object get_function(CompiledObject* self) { return borrowed(self->function); }

// (positions, names): which arguments are static.
void set_statics(CompiledObject* self, PyObject* const* args, Py_ssize_t n) {
  if (n != 2 || !PyFrozenSet_CheckExact(args[1])) throw py::type_error("_set_statics: expected positions and names");
  Statics statics;
  for (py::handle position : py::handle(args[0])) {
    const auto i = py::cast<std::uint64_t>(position);
    if (i >= 64) fail(ErrorKind::Value, "compile: static_argnums must be less than 64; got ", i);
    statics.positions |= std::uint64_t{1} << i;
  }
  statics.names = borrowed(args[1]);
  statics.known = py::dict();
  std::swap(self->statics, statics);
}

void cache_clear(CompiledObject* self) { self->cache.clear(); }

py::object cache_counts(CompiledObject* self) {
  const Cache& cache = self->cache;
  return py::make_tuple(cache.hits(), cache.misses(), cache.room(), cache.size());
}

// The program that a call with these arguments would run, traced now if need be, with the Tensors that it changes and
// those whose gradients it leaves; None if the function would run as it is.
py::object program_for(CompiledObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  state_in_context();
  Arguments arguments;
  read(self, arguments, args, n, names);
  if (arguments.runs_as_it_is() || arguments.differentiated()) return py::none();
  const Cache::Ref entry = entry_for(self, arguments, false);
  if (!entry || entry->traced.runs_as_it_is() || entry->traced.is_split(arguments)) return py::none();
  const std::shared_ptr<CompiledProgram> made = entry->traced.made;
  py::list changed, leaves;
  for (const py::object& t : made->changed) changed.append(t);
  for (const auto& touched : made->contract.touched) {
    const auto number = static_cast<std::size_t>(touched.number);
    py::handle leaf =
        touched.is_argument ? py::handle(as_object(arguments.tensor(number))) : py::handle(made->outside[number]);
    if (leaf && made->contract.binding(touched).replaces) leaves.append(leaf);
  }
  return py::make_tuple(ProgramObject::make(made), changed, leaves);
}

// The call without the comparison of check=True.
py::object call_unchecked(CompiledObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names) {
  return owned(call(self, args, static_cast<std::size_t>(n), names));
}

}  // namespace

void add_compiled(py::module_& m) {
  TypeMaker<CompiledObject>("CompiledBase", "Native call path of alice_core.CompiledFunction.",
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_HAVE_GC)
      .slot<Py_tp_new, make>()
      .slot<Py_tp_dealloc, dealloc>()
      .slot<Py_tp_traverse, traverse>()
      .slot<Py_tp_clear, clear>()
      .slot<Py_tp_descr_get, bound>()
      .vectorcall_at(offsetof(CompiledObject, vectorcall))
      .getter<get_function>("_function", nullptr)
      .method<cache_clear>("cache_clear", "Forget all programs, and the counts of hits and misses.")
      .method<cache_counts>("_cache_counts")
      .method<program_for>("_program")
      .method<set_statics>("_set_statics")
      .method<call_unchecked>("_call")
      .add_to(m);

  ProgramObject::type = TypeMaker<ProgramObject>("Program", "What a compiled function runs.",
                                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION)
                            .slot<Py_tp_dealloc, ProgramObject::dealloc>()
                            .method<describe_program>("describe")
                            .getter<arena_bytes>("arena_bytes", nullptr)
                            .getter<cost>("cost", nullptr)
                            .getter<tape>("tape", "Operations, loops, calls and lanes of its tape; None without one.")
                            .getter<runs_as_it_is>("runs_as_it_is", "Whether there is none, see lower().")
                            .getter<followed>("followed", "The results that backward() would go on from.")
                            .add_to(m);
  m.def(
      "lower",
      [](py::object session, const std::vector<py::object>& inputs, const std::vector<py::object>& outputs) {
        std::vector<TensorObject*> in, out;
        for (const py::object& t : inputs) in.push_back(checked_tensor(t, "lower"));
        for (const py::object& t : outputs) out.push_back(checked_tensor(t, "lower"));
        return ProgramObject::make(lower(session_of(session), in, out));
      },
      py::arg("session"), py::arg("inputs"), py::arg("outputs"));
}

}  // namespace alice
