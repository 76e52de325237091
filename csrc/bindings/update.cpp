#include "update.h"

#include <unordered_map>

#include "../core/in_place.h"
#include "captured.h"
#include "elsewhere.h"
#include "locked.h"
#include "origin.h"
#include "primitive_type.h"
#include "reading.h"
#include "record.h"
#include "session.h"
#include "views.h"
#include "watcher.h"

namespace alice {
namespace {

void check_target(const char* op, TensorObject* t, const Array& result) {
  const Array& out = t->array;
  if (!(result.shape() == out.shape()) || result.dtype() != out.dtype())
    fail(ErrorKind::Shape, op, ": the result has shape ", result.shape(), " and dtype ", name(result.dtype()),
         "; cannot be written into a Tensor of shape ", out.shape(), " and dtype ", name(out.dtype()));
  if (out.is_abstract() || (open_session(thread_state()) && t->trace))
    fail(ErrorKind::Trace, op,
         ": only Tensors from outside can be changed in place inside a traced function; got an argument or a result, "
         "shape ",
         out.shape(), "; close over the parameter, or return the new value");
  if (!out.is_contiguous())
    fail(ErrorKind::Value, op, ": only contiguous Tensors can be changed in place; got strides ", out.strides(),
         " for shape ", out.shape(), "; make the parameter with ac.tensor(x)");
  if (!out.storage()->writable)
    fail(ErrorKind::Value, op, ": the Tensor shares read-only memory; make the parameter with ac.tensor(x)");
  if (t->view && out.storage()->values > 1)
    fail(ErrorKind::Value, op, ": the Tensor, shape ", out.shape(),
         ", is a view of another one, which would change as well; make the parameter with ac.tensor(x)");
  t->view = false;  // what it was a view of is gone
}

void note_changed(Session& session, std::span<const Array> targets) {
  const std::uint64_t now = Storage::tick();
  for (const Array& a : targets) {
    Session::Change& change = session.changes[a.storage().get()];
    ++change.times;
    change.last = now;
  }
}

void run(const Call& call) {
  const auto ask = [&](Locks& locks) {
    for (const Array& a : call.in) locks.read(a.storage().get());
    for (const Array& a : call.out) locks.change(a.storage().get());
  };
  run_locked({.nanoseconds = call.kernel.cost ? call.kernel.cost(call) : 0, .changes = true}, ask, [&] {
    const Sources sources(call.in, call.out);
    mark_changed(call.out);
    run_kernel(Call{call.kernel, sources.in(), call.out, call.attrs});
  });
}

// A function with rules of its own changes its arguments by way of handles on them.
py::tuple changed_by(const py::tuple& outputs) {
  const Captured* captured = captured_in(thread_state());
  if (!captured) return outputs;
  return tuple_of(outputs.size(), [&](std::size_t i) {
    return borrowed(as_object(captured->argument(checked_tensor(py::handle(outputs[i]), "update"))));
  });
}

// The equation of an update, for whoever writes the trace down.
void record(const Kernel& kernel, const std::vector<TensorObject*>& inputs, const py::tuple& attributes,
            const std::vector<TensorObject*>& targets, std::shared_ptr<Record> note) {
  std::vector<Array> results;
  for (TensorObject* t : targets) results.push_back(t->array.shape_only());
  EquationObject* eq = make_equation(update_primitive(&kernel), inputs.size(), attributes.ptr(), {}, results);
  const py::object held = owned(as_object(eq));
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    TensorObject* t = inputs[i];
    Saved& s = eq->inputs[i];
    s.array = t->array.shape_only();
    s.source = Py_NewRef(operand_source(t));
    if (t->producer && origin_of(t)) {
      EquationExtension::Input& input = extended_input(eq, i);
      input.origin = borrowed(origin_of(t));
      input.origin_index = t->index;
    }
    s.index = t->index;
  }
  EquationExtension& extension = extended(eq);
  extension.record = std::move(note);
  eq->trace = tracing_depth(thread_state());
  for (TensorObject* t : targets) extension.changed.push_back(borrowed(as_object(t)));
  recorder_of(thread_state())->append(eq);
}

}  // namespace

PrimitiveObject* update_primitive(const Kernel* kernel) {
  static std::unordered_map<const Kernel*, PrimitiveObject*> all;  // live as long as the process
  PrimitiveObject*& p = all[kernel];
  if (!p) p = as_primitive(make_primitive({}, *kernel, kernel->name).release().ptr());
  return p;
}

void update(const std::string& name, py::sequence inputs_given, py::sequence attributes_given,
            py::sequence outputs_given) {
  const py::tuple inputs(inputs_given), attributes(attributes_given), outputs = changed_by(outputs_given);
  const Kernel* kernel = Registry::instance().find(name);
  if (!kernel) throw py::value_error("update: there is no kernel of the name " + name);
  const ThreadState& state = thread_state();
  Watcher* const watcher = watcher_of(state);
  Session* const session = open_session(state);
  if (watcher && watcher->update(*kernel, inputs, attributes, outputs)) return;
  std::vector<TensorObject*> sources, targets;
  std::vector<Array> in, out, results(outputs.size());
  for (py::handle h : inputs) {
    sources.push_back(checked_tensor(h, "update"));
    sources.back() = state.interpreters.value(sources.back());
    check_ours(sources.back(), kernel->name);
    session ? check_current(sources.back(), kernel->name) : check_readable(sources.back(), kernel->name);
    in.push_back(session ? sources.back()->array.hidden() : sources.back()->array);
  }
  for (py::handle h : outputs) {
    targets.push_back(checked_tensor(h, "update"));
    out.push_back(targets.back()->array);
  }
  const std::vector<Attr> attrs = parse_attributes(*kernel, attributes.ptr());

  Call inferred{*kernel, in, results, attrs};
  infer(inferred);
  for (const Array& result : results)
    if (!kernel->run[static_cast<int>(Device::Cpu)] || !result.is_abstract())
      fail(ErrorKind::Value, "update: ", kernel->name, " looks at its operand and computes nothing that could be kept");
  for (std::size_t i = 0; i < out.size(); ++i) check_target(kernel->name, targets[i], results[i]);
  Call call{*kernel, in, out, attrs};
  const bool checked = has_checker(state) && !session;
  py::tuple before = checked ? copies(in) : py::tuple();
  if (session)
    note_changed(*session, out);
  else
    run(call);
  if (const Captured* captured = captured_in(state)) captured->changed(targets);
  if (checked) check_results(update_primitive(kernel), before, out, attributes);
  if (recorder_of(state)) record(*kernel, sources, attributes, targets, make_update_record(call));
}

}  // namespace alice
