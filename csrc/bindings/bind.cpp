// bind(): the one way from Python to native work.
//   arguments → Tensors of the dtypes the kernel takes → infer, allocate, run → result, and an equation if
//   anybody differentiates or records.
// Hot: every call runs through here.
#include "elsewhere.h"
#include "engine.h"
#include "locked.h"
#include "modes.h"
#include "operands.h"
#include "views.h"

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

void save(Saved& s, const PrimitiveObject* p, std::size_t i, TensorObject* t, Array array, const ThreadState& state) {
  s.contexts = t->contexts;
  s.tracked = p->differentiable && s.contexts & state.active;
  s.index = t->producer ? t->index : 0;
  if (t->producer || s.contexts) s.source = Py_NewRef(t->producer ? as_object(t->producer) : as_object(t));
  s.version = version_of(array);
  s.array = reads_input(p, i) ? std::move(array) : array.shape_only();
}

}  // namespace

py::object bind(PrimitiveObject* p, PyObject* const* args, Py_ssize_t nargs) {
  const Kernel& kernel = *p->kernel;
  const Py_ssize_t n_in = count_inputs(kernel, nargs);
  if (py::object taken = overridden(p, args, n_in)) return taken;

  Operands a;
  convert(a, kernel, args, static_cast<std::size_t>(n_in));
  const std::vector<Attr> attrs = parse_attributes(kernel, args + n_in);

  const ThreadState& state = state_in_context();
  const Interpreters& interpreters = state.interpreters;
  Contexts contexts;
  std::vector<Array> in;
  in.reserve(static_cast<std::size_t>(n_in));
  for (TensorObject* t : a.tensors) {
    contexts |= followers_of(t, state);
    check_ours(t, kernel.name, state);
    const TensorObject* read = interpreters.value(t);  // itself
    check_current(read, kernel.name);
    in.push_back(interpreters.are_abstract() ? read->array.hidden() : read->array);
  }
  if (!p->differentiable) contexts = {};

  std::vector<Array> out(kernel.n_results(attrs));
  Call call{kernel, in, out, attrs};
  run(call);

  EquationObject* eq = nullptr;
  py::object held, attributes;  // null without
  if (!attrs.empty() && (contexts || interpreters)) attributes = plain_attributes(attrs, args + n_in);
  if (contexts || interpreters.want_all()) {
    eq = make_equation(p, in.size(), attributes.ptr(), contexts, out);
    held = owned(as_object(eq));
    for (std::size_t i = 0; i < in.size(); ++i)
      save(eq->inputs[i], p, i, a.tensors[i], interpreters ? in[i] : std::move(in[i]), state);
  }
  const auto result_of = [&](std::size_t i) {
    return owned(make_tensor(std::move(out[i]), eq, static_cast<int>(i), contexts));
  };
  py::object result = out.size() == 1 ? result_of(0) : tuple_of(out.size(), result_of);
  if (interpreters) interpreters.see({p, a.tensors, in, attrs, attributes, eq, result});
  return result;
}

}  // namespace alice
