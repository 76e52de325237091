#include "describe.h"

#include <string>
#include <unordered_map>

namespace alice {
namespace {

std::string type_of(const Array& a) {
  std::string text = std::string(name(a.dtype())) + "[";
  for (int i = 0; i < a.rank(); ++i) text += (i ? "," : "") + std::to_string(a.dim(i));
  return text + "]";
}

}  // namespace

py::list describe(const program::CpuExecutor& p) {
  const program::Graph& graph = p.plan().graph();
  std::unordered_map<int, std::string> names;
  for (std::size_t i = 0; i < graph.inputs().size(); ++i) names[graph.inputs()[i]] = "in" + std::to_string(i);
  int captured = 0, constants = 0;
  for (std::size_t v = 0; v < graph.values().size(); ++v) {
    const program::Value& value = graph.values()[v];
    if (value.view) continue;
    if (value.source == program::Source::Captured) names[static_cast<int>(v)] = "ref" + std::to_string(captured++);
    if (value.source == program::Source::Constant) names[static_cast<int>(v)] = "const" + std::to_string(constants++);
  }
  int computed = 0;
  const auto name_of = [&](int v) {
    const program::Value& value = graph.value(v);
    if (value.source == program::Source::Constant && value.array.numel() == 1)
      return std::string(py::str(number_from(value.array)));
    auto [place, fresh] = names.try_emplace(value.root, "");
    if (fresh) place->second = "%" + std::to_string(computed++);
    return place->second + (value.view ? "'" : "");
  };
  py::list instructions;
  const std::vector<program::Instruction>& made = p.plan().instructions();
  for (std::size_t i = 0; i < made.size(); ++i) {
    py::list calls;
    for (int n : made[i].nodes) {
      const program::Node& node = graph.nodes()[static_cast<std::size_t>(n)];
      py::list in, out;
      for (int v : node.in) in.append(name_of(v));
      for (int v : node.out) out.append(py::make_tuple(name_of(v), type_of(graph.value(v).array)));
      calls.append(py::make_tuple(node.kernel->name, in, out, node.update));
    }
    instructions.append(
        py::make_tuple(calls, made[i].flops, made[i].bytes, p.timing(i).runs.load(), p.timing(i).nanoseconds.load()));
  }
  return instructions;
}

}  // namespace alice
