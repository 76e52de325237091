// The Python module alice_core._core.
#include <cstring>

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../core/allocator.h"
#include "../core/exchange.h"
#include "../core/isa.h"
#include "../core/running.h"
#include "../core/thread_pool.h"
#include "../ops/blas.h"
#include "../ops/matmul_loops.h"
#include "../ops/register.h"
#include "../program/loops.h"
#include "body.h"
#include "checkpoint.h"
#include "compiled.h"
#include "context_numbers.h"
#include "default_dtype.h"
#include "forward.h"
#include "gil.h"
#include "joint.h"
#include "modes.h"
#include "operands.h"
#include "operators.h"
#include "reading.h"
#include "record.h"
#include "reverse.h"
#include "session.h"
#include "slot.h"
#include "treedef.h"
#include "update.h"

namespace alice {
namespace {

// Before CPython 3.12 a Python subclass does not inherit the fast calling convention by itself.
void use_vectorcall(py::type type) {
  auto* t = reinterpret_cast<PyTypeObject*>(type.ptr());
  if (!(t->tp_flags & Py_TPFLAGS_HEAPTYPE) || !t->tp_base || !(t->tp_base->tp_flags & Py_TPFLAGS_HAVE_VECTORCALL))
    throw py::type_error("use_vectorcall: expected a direct subclass of PrimitiveBase or CompiledBase");
  t->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
}

// Python names the types of what native calls return, once.
void setup(py::type tensor, py::type primitive) {
  static bool done = false;
  auto* type = reinterpret_cast<PyTypeObject*>(tensor.ptr());
  if (done) throw py::type_error("setup: was called before");
  if (type->tp_base != tensor_type || type->tp_basicsize != tensor_type->tp_basicsize)
    throw py::type_error("setup: expected a subclass of TensorBase without attributes of its own");
  use_vectorcall(primitive);
  inherit_dealloc(type);
  tensor_type = reinterpret_cast<PyTypeObject*>(tensor.release().ptr());
  done = true;
}

py::dict memory_stats() {
  let_go_of_remains();
  const MemoryStats s = allocator::stats();
  py::dict d;
  d["live_bytes"] = s.live_bytes;
  d["peak_bytes"] = s.peak_bytes;
  d["cached_bytes"] = s.cached_bytes;
  d["allocations"] = s.allocations;
  d["system_calls"] = s.system_calls;
  return d;
}

py::dict build_config() {
  py::dict d;
  d["version"] = ALICE_VERSION;
  d["isa"] = name(current_isa());
  d["blas"] = blas::config();
  d["compiler"] = ALICE_COMPILER;
  d["cuda"] = py::none();
  d["threads"] = num_threads();
  return d;
}

// Addresses of functions and handles, in the order of exchange::Library; the last one is the communicator.
std::int64_t open_channel(const std::vector<std::int64_t>& words) {
  exchange::Library library;
  if (words.size() * sizeof(std::int64_t) != sizeof library + sizeof(exchange::Handle))
    throw py::value_error("open_channel: expected the words of a library and a communicator");
  std::memcpy(&library, words.data(), sizeof library);
  return exchange::open(library, static_cast<exchange::Handle>(words.back()));
}

py::tuple exchange_progress() {
  const exchange::Progress p = exchange::progress();
  return py::make_tuple(p.begun, p.ended, p.seconds);
}

}  // namespace
}  // namespace alice

PYBIND11_MODULE(_core, m) {
  using namespace alice;
  m.doc() = "Native part of alice_core. Private: use the names of alice_core.";
  register_kernels();
  program::register_loops(Registry::instance());
  Py_AtExit(hold_off_running);  // what still runs then must not outlive static objects
  add_errors(m);
  add_contexts(m);
  add_equation_type(m);
  add_tensor_type(m);
  add_primitive_type(m);
  add_session(m);
  add_record(m);
  add_recorder(m);
  add_compiled(m);
  add_body(m);
  add_forward(m);
  add_joint(m);
  add_segment(m);
  add_kept_memory(m);
  add_tree(m);
  add_modes(m);

  m.def("setup", &setup, py::arg("tensor"), py::arg("primitive"));
  m.def("use_vectorcall", &use_vectorcall, py::arg("type"));
  m.def(
      "tensor", [](py::array array, bool copy) { return owned(make_tensor(array_from_numpy(array, copy))); },
      py::arg("array"), py::arg("copy"));
  m.def(
      "abstract",
      [](std::vector<std::int64_t> shape, py::object dtype) {
        DType t;
        if (!parse_dtype(dtype.ptr(), &t))
          fail(ErrorKind::DType, "abstract: unknown dtype ", std::string(py::repr(dtype)));
        Dims d;
        for (std::int64_t n : shape) d.push_back(n);
        checked_numel(d);
        return owned(make_tensor(Array::abstract(d, t)));
      },
      py::arg("shape"), py::arg("dtype"));
  m.def(
      "cast",
      [](py::object tensor, py::object dtype) {
        TensorObject* t = checked_tensor(tensor, "cast");
        check_readable(t, "cast");
        const Kernel& kernel = *operator_primitive(kAstype)->kernel;
        PyObject* const arg = dtype.ptr();
        const std::vector<Attr> attrs = parse_attributes(kernel, &arg);
        Array out;
        Call call{kernel, {&t->array, 1}, {&out, 1}, attrs};
        evaluate(call);
        return py::reinterpret_steal<py::object>(make_tensor(out));
      },
      py::arg("tensor"), py::arg("dtype"));
  m.def("update", &update, py::arg("kernel"), py::arg("inputs"), py::arg("attributes"), py::arg("outputs"));
  m.def("reverse", &reverse, py::arg("outputs"), py::arg("cotangents"), py::arg("targets"), py::arg("release"));
  m.def(
      "rule_wants",
      [](std::size_t input) {
        const RuleScope* rules = thread_state().features->rules;
        return !rules || rules->wants(input);
      },
      py::arg("input"));
  m.def("kernels", [] {
    std::vector<std::string> names;
    for (const Kernel* k : Registry::instance().all()) names.emplace_back(k->name);
    return names;
  });
  m.def("kernel_signature", &kernel_signature, py::arg("name"));
  m.def(
      "check_signs",
      [](const std::string& op, const py::sequence& dtypes) {
        std::vector<DType> all;
        DType common = DType::Bool;
        for (py::handle h : dtypes)
          if (DType t; parse_dtype(h.ptr(), &t)) {
            all.push_back(t);
            common = promote(common, t);
          }
        for (DType t : all) check_sign(op.c_str(), common, t);
      },
      py::arg("op"), py::arg("dtypes"));
  m.def("default_dtype", [] { return dtype_object(default_dtype()); });
  m.def(
      "exchange_default_dtype",
      [](py::object dtype) {
        DType t;
        if (!parse_dtype(dtype.ptr(), &t) || (t != DType::Float32 && t != DType::Float64))
          fail(ErrorKind::DType, "set_default_dtype: expected ac.float32 or ac.float64; got ",
               std::string(py::str(dtype)), "; ask for other dtypes where they are meant: ac.tensor(x, dtype)");
        return dtype_object(exchange_default_dtype(t));
      },
      py::arg("dtype"));
  m.def(
      "longest_chain",
      [](py::handle tensor) {
        const DType t = arithmetic(checked_tensor(tensor, "longest_chain")->array.dtype());
        return t == DType::Float32 ? kDepth<float> : kDepth<double>;
      },
      py::arg("tensor"));
  m.def("memory_stats", &memory_stats);
  m.def("reset_peak_memory", &allocator::reset_peak);
  m.def("trim_memory", &allocator::trim);
  m.def("num_threads", &num_threads);
  m.def(
      "set_num_threads",
      [](int n) {
        Unlocked unlocked;  // the pool may be at work
        set_num_threads(n);
      },
      py::arg("n"));
  m.def("open_channel", &open_channel, py::arg("words"));
  m.def("exchange_progress", &exchange_progress);
  m.def("_fail_allocation_after", &allocator::fail_after, py::arg("allocations"));
  m.def("build_config", &build_config);
}
