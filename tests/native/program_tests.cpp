// A program made by hand and run: the library needs no Python for it.
#include <cmath>
#include <vector>

#include "../../csrc/core/isa.h"
#include "../../csrc/core/thread_pool.h"
#include "../../csrc/program/cpu_executor.h"
#include "check.h"

namespace alice {
namespace {

const Kernel& kernel(const char* name) {
  const Kernel* k = Registry::instance().find(name);
  if (!k) fail(ErrorKind::Value, name, ": no such kernel");
  return *k;
}

// relu(x w + b), and the sum of its squares.
program::Graph layer(std::int64_t n, std::int64_t k, std::int64_t m) {
  program::Graph graph;
  const int x = graph.add_input({n, k}, DType::Float32);
  const int w = graph.add_input({k, m}, DType::Float32);
  const int b = graph.add_input({m}, DType::Float32);
  const int product = graph.add(kernel("matmul"), {x, w}, {})[0];
  const int y = graph.add(kernel("relu"), {graph.add(kernel("add"), {product, b}, {})[0]}, {})[0];
  const int squares = graph.add(kernel("multiply"), {y, y}, {})[0];
  graph.add_result(y);
  graph.add_result(graph.add(kernel("sum"), {squares}, {Attr(), Attr(false)})[0]);
  return graph;
}

TEST(a_program_runs_without_python) {
  constexpr std::int64_t n = 70, k = 9, m = 33;
  const auto program = program::CpuExecutor::of(layer(n, k, m));
  std::vector<float> x(n * k), w(k * m), b(m), y(n * m), total(1);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) - 3;
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = static_cast<float>(i % 5) - 2;
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i % 3);
  const auto at = [](std::vector<float>& v) { return reinterpret_cast<std::byte*>(v.data()); };
  std::byte* const inputs[] = {at(x), at(w), at(b)};
  std::byte* const results[] = {at(y), at(total)};
  for (int turn = 0; turn < 3; ++turn) {  // a replay is as good as the first run
    set_num_threads(1 + turn);
    std::size_t reached = 0;
    program->run(inputs, results, false, &reached);
    double squares = 0;
    bool right = true;
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < m; ++j) {
        float sum = b[static_cast<std::size_t>(j)];  // small integers: exact in any order
        for (std::int64_t l = 0; l < k; ++l)
          sum += x[static_cast<std::size_t>(i * k + l)] * w[static_cast<std::size_t>(l * m + j)];
        const float want = sum > 0 ? sum : 0;
        right = right && y[static_cast<std::size_t>(i * m + j)] == want;
        squares += static_cast<double>(want) * static_cast<double>(want);
      }
    CHECK(right);
    CHECK(std::abs(static_cast<double>(total[0]) - squares) <= 1e-6 * squares);
    y.assign(y.size(), NAN);
  }
  set_num_threads(1);
}

TEST(a_wrong_shape_is_refused) {
  program::Graph graph;
  const int x = graph.add_input({2, 3}, DType::Float32);
  bool refused = false;
  try {
    graph.add(kernel("matmul"), {x, x}, {});
  } catch (const Error& e) {
    refused = e.kind() == ErrorKind::Shape;
  }
  CHECK(refused);
}

TEST(every_level_has_a_name) {
  CHECK(name(current_isa()) != nullptr);
  for (int level = 0; level < kIsaCount; ++level) CHECK(name(static_cast<Isa>(level)) != nullptr);
}

}  // namespace
}  // namespace alice
