#include "record.h"

#include <string>

#include "extension.h"
#include "holder.h"
#include "session.h"

namespace alice {
namespace {

// The folder of the package, with a separator at its end. Borrowed.
PyObject* package_folder() {
  static PyObject* folder = [] {
    const auto file = py::module_::import("alice_core").attr("__file__").cast<std::string>();
    return py::str(file.substr(0, file.find_last_of("/\\") + 1)).release().ptr();
  }();
  return folder;
}

// (file, line) of the innermost frame outside of the package, None if there is none.
py::object caller() {
  PyFrameObject* innermost = PyEval_GetFrame();
  auto frame = borrowed(reinterpret_cast<PyObject*>(innermost));
  while (frame) {
    auto* f = reinterpret_cast<PyFrameObject*>(frame.ptr());
    const auto code = owned(reinterpret_cast<PyObject*>(PyFrame_GetCode(f)));
    const py::object file = code.attr("co_filename");
    if (PyUnicode_Tailmatch(file.ptr(), package_folder(), 0, PY_SSIZE_T_MAX, -1) == 0)
      return py::make_tuple(file, PyFrame_GetLineNumber(f));
    // Null at the end.
    frame = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(PyFrame_GetBack(f)));
  }
  return py::none();
}

// What a gradient rule computes belongs to the line of the call that it differentiates.
py::object location() {
  const RuleScope* rules = thread_state().features->rules;
  const EquationExtension* extension = rules ? rules->eq->extension : nullptr;
  return extension && extension->record ? extension->record->where : caller();
}

py::object rule_of() {
  const RuleScope* rules = thread_state().features->rules;
  return rules ? borrowed(as_object(rules->eq)) : py::none();
}

// For readers of the trace: it shows what is in the memory when it is read, also after a change in place.
py::object constant(const Array& a) {
  py::object made = owned(make_tensor(a));
  as_tensor(made.ptr())->view = false;
  return made;
}

enum class Result { Computed, View, Same };

// Is the result a view, or the very operand? Asked of the shape rule, on operands that seem to be in memory.
Result result_of(const Call& call) {
  static const Array anywhere = Array::empty({}, DType::Float32);
  if (call.in.empty() || call.out.size() != 1) return Result::Computed;
  std::vector<Array> placed;
  for (const Array& a : call.in)
    placed.push_back(Array::wrap(anywhere.storage(), anywhere.bytes(), a.dtype(), a.shape(), a.strides()));
  Array result;
  Call again{call.kernel, placed, {&result, 1}, call.attrs};
  infer(again);
  if (result.is_abstract()) return Result::Computed;
  const Array& x = placed[0];
  const bool same = result.bytes() == x.bytes() && result.dtype() == x.dtype() && result.shape() == x.shape() &&
                    result.strides() == x.strides();
  return same ? Result::Same : Result::View;
}

// Where a call comes from.
std::shared_ptr<Record> located() {
  auto record = std::make_shared<Record>();
  record->where = location();
  record->rule_of = rule_of();
  record->accumulates = thread_state().features->accumulating;
  return record;
}

// And what it does.
std::shared_ptr<Record> described(const Call& call, Result result) {
  std::shared_ptr<Record> record = located();
  record->is_view = result != Result::Computed;
  record->passes_on = result == Result::Same;
  const Work work = record->is_view ? Work{} : work_of(call);
  record->flops = work.flops;
  record->bytes = work.bytes;
  record->operands = constants(call.in);
  record->saved.resize(call.in.size());
  return record;
}

// As Python sees it, which shares it with the equation.
using Shown = Holder<std::shared_ptr<const Record>>;

py::object as_python(const py::object& o) { return o; }
py::object as_python(bool b) { return py::bool_(b); }
py::object as_python(double x) { return py::float_(x); }
py::object as_python(const std::vector<bool>& flags) {
  py::list all;
  for (const bool b : flags) all.append(b);
  return all;
}

template <auto member>
py::object get(Shown* shown) {
  return as_python((*shown->value).*member);
}

}  // namespace

py::object show(std::shared_ptr<const Record> record) { return record ? Shown::make(std::move(record)) : py::none(); }

std::vector<Array> result_arrays(py::handle result) {
  std::vector<Array> all;
  for (std::size_t i = 0; i < result_count(result); ++i) all.push_back(result_at(result, i)->array);
  return all;
}

py::tuple constants(std::span<const Array> arrays) {
  return tuple_of(arrays.size(), [&](std::size_t i) { return constant(arrays[i]); });
}

py::tuple copies(std::span<const Array> arrays) {
  return tuple_of(arrays.size(), [&](std::size_t i) {
    Array copied;
    Call call{Registry::instance().copy(), arrays.subspan(i, 1), {&copied, 1}, {}};
    evaluate(call);
    return constant(copied);
  });
}

std::shared_ptr<Record> make_record(const BoundCall& bound) {
  const ThreadState& state = thread_state();
  if (open_session(state)) return nullptr;
  if (!recorder_of(state)) return located();
  const PrimitiveObject* p = bound.primitive;
  const bool tracked{bound.equation->contexts};
  std::vector<Array> results = result_arrays(bound.result);
  const Call call{*p->kernel, bound.read, results, bound.attrs};
  std::shared_ptr<Record> record = described(call, result_of(call));
  record->results = constants(results);
  for (std::size_t i = 0; i < bound.read.size(); ++i) record->saved[i] = tracked && reads_input(p, i);
  record->saved.resize(bound.read.size() + results.size(), tracked && p->saves_output);
  return record;
}

std::shared_ptr<Record> make_update_record(const Call& call) {
  if (open_session(thread_state())) return nullptr;
  return described(call, Result::Computed);
}

std::shared_ptr<Record> make_joint_record(std::span<const Array> in, std::span<const Array> out, std::size_t n_fixed) {
  const ThreadState& state = thread_state();
  if (open_session(state) || !(recorder_of(state) || has_checker(state))) return nullptr;
  std::shared_ptr<Record> record = located();
  record->is_view = true;
  record->operands = constants(in);
  record->results = constants(out);
  for (std::size_t i = 0; i < in.size() + out.size(); ++i) record->saved.push_back(out.size() <= i && i < n_fixed);
  return record;
}

void check_results(PrimitiveObject* primitive, py::tuple operands, std::span<const Array> results,
                   py::tuple attributes) {
  const py::object checker = thread_state().features->checker.function;  // it may set another one
  checker(py::handle(as_object(primitive)), operands, constants(results), attributes, rule_of(), location());
}

void add_record(py::module_& m) {
  Shown::type = TypeMaker<Shown>("Record", "What was written down of an equation for readers.",
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION)
                    .slot<Py_tp_dealloc, Shown::dealloc>()
                    .getter<get<&Record::where>>("where", nullptr)
                    .getter<get<&Record::rule_of>>("rule_of", nullptr)
                    .getter<get<&Record::accumulates>>("accumulates", nullptr)
                    .getter<get<&Record::is_view>>("is_view", nullptr)
                    .getter<get<&Record::passes_on>>("passes_on", nullptr)
                    .getter<get<&Record::flops>>("flops", nullptr)
                    .getter<get<&Record::bytes>>("bytes", nullptr)
                    .getter<get<&Record::operands>>("operands", nullptr)
                    .getter<get<&Record::results>>("results", nullptr)
                    .getter<get<&Record::saved>>("saved", nullptr)
                    .add_to(m);
}

}  // namespace alice
