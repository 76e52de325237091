// A replay allocates nothing: every family of kernels, in the layouts that need memory on the way.
#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>
#include <vector>

#include "../../csrc/core/thread_pool.h"
#include "../../csrc/program/cpu_executor.h"
#include "check.h"

namespace {
std::atomic<std::int64_t> news{0};

void* counted(std::size_t bytes, std::size_t alignment) {
  ++news;
  void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}
}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes ? bytes : 1, 16); }
void* operator new[](std::size_t bytes) { return counted(bytes ? bytes : 1, 16); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }

namespace alice {
namespace {

using program::Graph;
using Make = std::function<int(Graph&, int x, int y, int index)>;

int call(Graph& g, const char* name, std::vector<int> in, std::vector<Attr> attrs = {}) {
  const Kernel* kernel = Registry::instance().find(name);
  if (!kernel) fail(ErrorKind::Value, name, ": no such kernel");
  return g.add(*kernel, std::move(in), std::move(attrs))[0];
}

Attr i(std::int64_t v) { return Attr(v); }
Attr dims(Dims d) { return Attr(d); }

// x and y are (40, 48, 40), read as they lie and with their axes turned round; index is (32,).
std::int64_t news_in_a_replay(const Make& make, bool turned) {
  Graph g;
  int x = g.add_input({40, 48, 40}, DType::Float32), y = g.add_input({40, 48, 40}, DType::Float32);
  const int index = g.add_input({32}, DType::Int64);
  if (turned) {
    x = call(g, "permute_dims", {x}, {dims({2, 0, 1})});
    y = call(g, "permute_dims", {y}, {dims({2, 0, 1})});
  }
  g.add_result(make(g, x, y, index));
  const auto program = program::CpuExecutor::of(std::move(g));
  Array a = Array::empty({40, 48, 40}, DType::Float32), b = Array::empty({40, 48, 40}, DType::Float32);
  Array n = Array::empty({32}, DType::Int64);
  for (std::int64_t k = 0; k < a.numel(); ++k) {
    a.data<float>()[k] = static_cast<float>(k % 11) * 0.25f - 1;
    b.data<float>()[k] = static_cast<float>(k % 7) * 0.5f - 1;
  }
  for (std::int64_t k = 0; k < 32; ++k) n.data<std::int64_t>()[k] = k % 24;
  const Graph& planned = program->plan().graph();
  const Array& described = planned.value(planned.results()[0]).array;
  const Array result = Array::empty(described.shape(), described.dtype());
  std::byte* const inputs[] = {a.bytes(), b.bytes(), n.bytes()};
  std::byte* const results[] = {result.bytes()};
  std::size_t reached = 0;
  for (int turn = 0; turn < 3; ++turn) program->run(inputs, results, false, &reached);
  const std::int64_t before = news;
  for (int turn = 0; turn < 5; ++turn) program->run(inputs, results, false, &reached);
  return news - before;
}

TEST(replays_allocate_nothing) {
  struct Family {
    const char* name;
    Make make;
  };
  std::vector<Family> families = {
      {"chain", [](Graph& g, int x, int y, int) { return call(g, "tanh", {call(g, "add", {x, y})}); }},
      {"broadcast",
       [](Graph& g, int x, int y, int) {
         const int row = call(g, "max", {y}, {i(2), Attr(true)});
         return call(g, "subtract", {x, row});
       }},
      {"softmax", [](Graph& g, int x, int, int) { return call(g, "softmax", {x}, {i(1)}); }},
      {"log_softmax_vjp", [](Graph& g, int x, int y, int) { return call(g, "log_softmax_vjp", {x, y}, {i(2)}); }},
      {"matmul", [](Graph& g, int x, int y,
                    int) { return call(g, "matmul", {x, call(g, "permute_dims", {y}, {dims({0, 2, 1})})}); }},
      {"bias",
       [](Graph& g, int x, int y, int) {
         const int product = call(g, "matmul", {x, call(g, "permute_dims", {y}, {dims({0, 2, 1})})});
         return call(g, "relu", {product});
       }},
      {"extreme_vjp",
       [](Graph& g, int x, int y, int) {
         const int most = call(g, "max", {x}, {i(1), Attr(true)}), flow = call(g, "sum", {y}, {i(1), Attr(true)});
         return call(g, "extreme_vjp", {flow, most, x}, {i(1), Attr(true)});
       }},
      {"extreme_vjp of all",
       [](Graph& g, int x, int, int) {
         const int most = call(g, "max", {x}, {Attr(), Attr(false)});
         return call(g, "extreme_vjp", {most, most, x}, {Attr(), Attr(false)});
       }},
      {"dot",
       [](Graph& g, int x, int y, int) {
         const int row = call(g, "reshape", {x}, {dims({1, 40 * 48 * 40})});
         return call(g, "matmul", {row, call(g, "reshape", {y}, {dims({40 * 48 * 40, 1})})});
       }},
      {"cross_entropy of a batch",
       [](Graph& g, int x, int y, int) {
         return call(g, "cross_entropy", {x, call(g, "softmax", {y}, {i(2)})}, {i(2), Attr(), Attr(0.1), i(1)});
       }},
      {"cumsum", [](Graph& g, int x, int, int) { return call(g, "cumsum", {x}, {i(1), Attr(false)}); }},
      {"take", [](Graph& g, int x, int, int index) { return call(g, "take", {x, index}, {i(2)}); }},
      {"take first", [](Graph& g, int x, int, int index) { return call(g, "take", {x, index}, {i(0)}); }},
      {"copy", [](Graph& g, int x, int, int) { return call(g, "reshape", {x}, {dims({48 * 40, 40})}); }},
      {"concat", [](Graph& g, int x, int y, int) { return call(g, "concat", {x, y}, {i(1)}); }},
      {"one_hot",
       [](Graph& g, int, int, int index) { return call(g, "one_hot", {index}, {i(24), Attr(DType::Float32)}); }},
  };
  for (const char* name : {"sum", "mean", "max", "argmax", "logsumexp", "norm", "prod"})
    for (const int axis : {0, 1, 2, 3})
      families.push_back({name, [name, axis](Graph& g, int x, int, int) {
                            return call(g, name, {x}, {axis == 3 ? Attr() : i(axis), Attr(false)});
                          }});
  families.push_back({"fed sum", [](Graph& g, int x, int y, int) {
                        return call(g, "sum", {call(g, "exp", {call(g, "multiply", {x, y})})}, {i(2), Attr(false)});
                      }});
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    for (const Family& family : families)
      for (const bool turned : {false, true}) {
        const std::int64_t n = news_in_a_replay(family.make, turned);
        if (n != 0)
          std::printf("%s%s allocates %d times in 5 replays\n", family.name, turned ? ", turned" : "",
                      static_cast<int>(n));
        CHECK(threads == 1 ? n == 0 : n <= 4);  // a worker may come to its first chunk late
      }
  }
  set_num_threads(1);
}

}  // namespace
}  // namespace alice
