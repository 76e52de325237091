// bind(): the one way from Python to native work.
//   arguments → Tensors of the dtypes the kernel takes → infer, allocate, run → result, and an equation if
//   anybody differentiates or records.
// Hot: every call runs through here.
#include "elsewhere.h"
#include "engine.h"
#include "forward.h"
#include "gil.h"
#include "locked.h"
#include "modes.h"
#include "operands.h"
#include "record.h"
#include "watcher.h"

namespace alice {
namespace {

void run(Call& call) {
  infer(call);
  if (!has_work(call)) return;
  const auto ask = [&](Locks& locks) {
    for (const Array& a : call.in) locks.read(a.storage().get());
  };
  // The versions of what it read are looked at when it has run.
  run_locked({.nanoseconds = call.kernel.cost ? call.kernel.cost(call) : 0, .until_resumed = true}, ask,
             [&] { compute(call); });
}

// Any input whose type defines __alice_bind__ takes the call over: the seam for values that carry more than
// an array (a tangent, a batch axis). Null if there is none.
py::object overridden(PrimitiveObject* p, PyObject* const* args, Py_ssize_t n_in) {
  static PyObject* hook = PyUnicode_InternFromString("__alice_bind__");
  for (Py_ssize_t i = 0; i < n_in; ++i) {
    PyTypeObject* type = Py_TYPE(args[i]);
    if (type == tensor_type || PyFloat_Check(args[i]) || PyLong_Check(args[i]) || PyTuple_Check(args[i]) ||
        args[i] == Py_None)
      continue;
    if (!PyObject_HasAttr(reinterpret_cast<PyObject*>(type), hook)) continue;
    const py::tuple attributes = plain_attributes(parse_attributes(*p->kernel, args + n_in), args + n_in);
    const py::tuple inputs = tuple_of(static_cast<std::size_t>(n_in), [&](std::size_t k) { return borrowed(args[k]); });
    const py::object all = inputs + attributes;
    return owned(
        into_python([&] { return PyObject_CallMethodObjArgs(args[i], hook, as_object(p), all.ptr(), nullptr); }));
  }
  return {};
}

void save(Saved& s, PrimitiveObject* p, std::size_t i, TensorObject* t, TensorObject* value, Array array) {
  const ThreadState& state = thread_state();
  const bool recording = static_cast<bool>(state.recorder);
  s.levels = contexts_of(t, state);
  s.tracked = p->differentiable && (s.levels & state.active) != 0;
  s.index = index_in_source(t);
  s.version = version_of(array);
  s.source = operand_source(t);
  if (s.source == as_object(t) && !s.levels && !recording) s.source = nullptr;
  Py_XINCREF(s.source);
  if (PyObject* root = root_of(value); recording && root != s.source && (value != t || t->producer)) {
    s.origin = Py_NewRef(root);
    s.origin_index = value->index;
  }
  if (!state.forward.empty()) s.tangents = Py_XNewRef(t->tangents);
  s.array = reads_input(p, i) ? std::move(array) : array.shape_only();
}

void check_count(const Kernel& kernel, Py_ssize_t nargs, Py_ssize_t n_in) {
  if (nargs == n_in + kernel.n_attrs() && (kernel.n_in >= 0 || n_in >= 1)) return;
  if (kernel.n_in < 0) fail(ErrorKind::Value, kernel.name, ": expected at least one array; got none");
  fail(ErrorKind::Value, kernel.name, ": expected ", kernel.n_in, " inputs and ", kernel.n_attrs(), " attributes; got ",
       nargs, " arguments");
}

}  // namespace

py::object bind(PrimitiveObject* p, PyObject* const* args, Py_ssize_t nargs) {
  const Kernel& kernel = *p->kernel;
  const Py_ssize_t n_in = kernel.n_in < 0 ? nargs - kernel.n_attrs() : kernel.n_in;
  check_count(kernel, nargs, n_in);
  if (py::object taken = overridden(p, args, n_in)) return taken;

  Operands a;
  convert(a, kernel, args, static_cast<std::size_t>(n_in));
  const std::vector<Attr> attrs = parse_attributes(kernel, args + n_in);

  ThreadState& state = state_in_context();
  const auto value = [&](TensorObject* t) { return state.watcher ? state.watcher->value(t) : t; };
  std::uint32_t levels = 0;
  std::vector<Array> in;
  in.reserve(static_cast<std::size_t>(n_in));
  for (TensorObject* t : a.tensors) {
    levels |= followers_of(t, state);
    check_ours(t, kernel.name, state);
    check_current(value(t), kernel.name);
    in.push_back(state.session ? value(t)->array.hidden() : value(t)->array);
  }
  if (!p->differentiable) levels = 0;

  std::vector<Array> out(kernel.n_results(attrs));
  Call call{kernel, in, out, attrs};
  run(call);

  const bool forward = !state.forward.empty() && p->differentiable;
  py::object attributes;  // null without
  if (!attrs.empty() && (levels || state.recorder || forward || state.checker))
    attributes = plain_attributes(attrs, args + n_in);
  if (state.checker && !state.session)
    check_results(p, constants(in), out, attributes ? py::tuple(attributes) : py::tuple());

  EquationObject* eq = nullptr;
  py::object held;
  if (levels || state.recorder) {
    std::shared_ptr<Record> record = make_record(p, in, out, attrs, levels != 0);
    eq = make_equation(p, in.size(), attributes.ptr(), levels, out);
    held = owned(as_object(eq));
    for (std::size_t i = 0; i < in.size(); ++i)
      save(eq->inputs[i], p, i, a.tensors[i], value(a.tensors[i]),
           state.session ? a.tensors[i]->array : std::move(in[i]));
    eq->record = std::move(record);
    if (state.recorder && PyList_Append(state.recorder.ptr(), held.ptr()) < 0) throw py::error_already_set();
  }
  const auto result_of = [&](std::size_t i) {
    return owned(make_tensor(std::move(out[i]), eq, static_cast<int>(i), levels));
  };
  py::object result = out.size() == 1 ? result_of(0) : tuple_of(out.size(), result_of);
  if (forward) carry_tangents(p, a.tensors, attributes ? &PyTuple_GET_ITEM(attributes.ptr(), 0) : nullptr, eq, result);
  if (levels && state.watcher) state.watcher->note_all(eq, result);
  return result;
}

}  // namespace alice
