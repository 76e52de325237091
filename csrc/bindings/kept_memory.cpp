#include "kept_memory.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "joint.h"
#include "origin.h"

namespace alice {
namespace {

// For every equation: what the gradient rules keep of its operands and results, and what it made. Both are pairs of the
// value's name and the number of its memory, which views share (-1 for what comes from outside), and what was made
// has its bytes, too.
py::list kept_memory(py::list given) {
  const py::tuple equations(given);
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
    EquationObject* eq = as_equation(h.ptr());
    if (!eq) throw py::type_error("kept_memory: expected Equations");
    py::list saved, made;
    if (changed_by(eq).empty()) {
      std::vector<Array> in, out(eq->outputs.size());
      std::vector<int> memory_of;
      std::vector<std::pair<PyObject*, std::int32_t>> names;
      for (std::size_t i = 0; i < eq->inputs.size(); ++i) {
        const Saved& s = eq->inputs[i];
        PyObject* root = root_of(eq, i);
        const bool leaf = root && !as_equation(root);
        names.emplace_back(leaf ? root_of(as_tensor(root)) : root, leaf ? as_tensor(root)->index : root_index(eq, i));
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
      const auto key = [](PyObject* source, std::size_t i) { return owned(value_key(source, static_cast<int>(i))); };
      for (std::size_t i = 0; i < out.size(); ++i) {
        const bool is_new = out[i].is_abstract();
        const int memory = is_new ? memories++ : memory_of[joint ? i : 0];
        values[{h.ptr(), static_cast<std::int32_t>(i)}] = {is_new ? placed(out[i]) : out[i], memory};
        const auto bytes = is_new ? out[i].numel() * static_cast<std::int64_t>(itemsize(out[i].dtype())) : 0;
        made.append(py::make_tuple(key(h.ptr(), i), memory, bytes));
        if (eq->contexts && eq->primitive->saves_output) saved.append(py::make_tuple(key(h.ptr(), i), memory));
      }
      for (std::size_t i = 0; eq->contexts && i < eq->inputs.size(); ++i)
        if (reads_input(eq->primitive, i) && names[i].first)
          saved.append(py::make_tuple(key(names[i].first, static_cast<std::size_t>(names[i].second)), memory_of[i]));
    }
    all.append(py::make_tuple(saved, made));
  }
  return all;
}

}  // namespace

void add_kept_memory(py::module_& m) { m.def("kept_memory", &kept_memory, py::arg("equations")); }

}  // namespace alice
