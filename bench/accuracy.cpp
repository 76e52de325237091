// Error and speed of the float32 loops of one instruction-set level, without Python.
//
// Build and run from the root of the repository (a level's flags as in CMakeLists.txt; the baseline has none):
//
//   FLAGS="-std=c++20 -O3 -DNDEBUG -ffp-contract=off -fno-math-errno -fno-trapping-math"
//   AVX2="-DALICE_ISA=avx2 -mavx2 -mfma -mbmi2 -mf16c"
//   AVX512="-DALICE_ISA=avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mavx2 -mfma -mbmi2 -mf16c
//           -mprefer-vector-width=512"
//   g++ $FLAGS $AVX512 bench/accuracy.cpp csrc/ops/elementwise_loops_*.cpp -o accuracy
//   ./accuracy error exp tanh tanh_vjp     # against our float64 over all 2^32 float32 numbers, about 30 s each
//   ./accuracy near exp                    # over all with 2^-32 <= |x| < 2^8, and every 61st of the others
//   ./accuracy sample exp                  # over every 1021st
//   ./accuracy time exp tanh               # nanoseconds per element, 512, 10^4 and 10^5 elements
//   ./accuracy chain                       # tanh(x*y+1)*exp(-x*x)+y over 10^5 elements, in tiles of 512
//
// A gradient kernel (two operands) is taken with a cotangent of 1. float64 is the truth because the tests hold it to
// mpmath; an error counts in units in the last place of the float32 number nearest to the truth.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "../csrc/ops/elementwise_loops.h"
#include "../csrc/ops/math_bits.h"

namespace {

using namespace alice;
using namespace alice::ALICE_ISA;

constexpr int kFloat = 4, kDouble = 5;  // columns of a row's loops
constexpr std::int64_t kTile = 512;

const ElementwiseRow* find_row(const std::string& name) {
  for (const ElementwiseTable& table : {ALICE_ISA::arithmetic_table(), ALICE_ISA::transcendental_table(),
                                        ALICE_ISA::derivative_table(), ALICE_ISA::activation_table()})
    for (int i = 0; i < table.count; ++i)
      if (name == table.rows[i].name) return &table.rows[i];
  std::fprintf(stderr, "no kernel is called %s\n", name.c_str());
  std::exit(1);
}

const double kParams[] = {1.0};  // elu's alpha, leaky_relu's slope

template <class T>
void run_row(const ElementwiseRow& row, std::int64_t n, T* out, const T* x, const T* ones) {
  const void* in[] = {row.n_in == 2 ? ones : x, x};
  row.loops[sizeof(T) == 4 ? kFloat : kDouble](n, out, in, kParams);
}

// In ULP; the numbers beyond the largest float count as 2¹²⁸, a NaN that should be none (or none that should) as 1e9.
double ulps(float got, double want) {
  const double g = std::min(std::max(static_cast<double>(got), -0x1p128), 0x1p128);
  const double w = std::min(std::max(want, -0x1p128), 0x1p128);
  const std::uint64_t exponent = std::min<std::uint64_t>((to_bits(w) >> 52) & 0x7ff, 1023 + 127);
  const double per_ulp = from_bits((2069 - std::max<std::uint64_t>(exponent, 1023 - 126)) << 52);
  const double error = absolute(g - w) * per_ulp;
  const bool nan = got != got, should = want != want;
  return nan || should ? (nan && should ? 0.0 : 1e9) : got == static_cast<float>(want) ? std::min(error, 0.5) : error;
}

// `stride` between numbers; `near` of them in the binades where functions bend.
void sweep(const ElementwiseRow& row, std::uint64_t stride, std::uint64_t near) {
  constexpr std::int64_t kChunk = 4096;
  std::vector<float> x(kChunk), y(kChunk), ones(kChunk, 1.0f);
  std::vector<double> wide(kChunk), want(kChunk), wide_ones(kChunk, 1.0), error(kChunk);
  double worst = 0.0;
  float at = 0.0f, there = 0.0f;
  std::uint64_t wrong_signs = 0, above_one = 0;
  std::uint64_t step = 0;
  for (std::uint64_t start = 0; start < std::uint64_t{1} << 32; start += kChunk * step) {
    const std::uint64_t exponent = (start >> 23) & 0xff;
    step = exponent >= 127 - 32 && exponent < 127 + 8 ? near : stride;
    for (std::int64_t i = 0; i < kChunk; ++i) {
      x[i] = from_bits(static_cast<std::uint32_t>(start + static_cast<std::uint64_t>(i) * step));
      wide[i] = x[i];
    }
    run_row(row, kChunk, y.data(), x.data(), ones.data());
    run_row(row, kChunk, want.data(), wide.data(), wide_ones.data());
    double chunk_worst = 0.0;
    for (std::int64_t i = 0; i < kChunk; ++i) {
      error[i] = ulps(y[i], want[i]);
      chunk_worst = chunk_worst > error[i] ? chunk_worst : error[i];
      above_one += error[i] > 1.0 ? step : 0;
      wrong_signs += want[i] == want[i] && y[i] == y[i] && (to_bits(y[i]) >> 31) != (to_bits(want[i]) >> 63);
    }
    if (chunk_worst <= worst) continue;
    for (std::int64_t i = 0; i < kChunk; ++i)
      if (error[i] > worst) worst = error[i], at = x[i], there = y[i];
  }
  std::printf("%-16s %8.3f ULP at %a = %.9g, where it is %.9g; above 1 ULP: %.2g of all; wrong signs: %llu\n", row.name,
              worst, static_cast<double>(at), static_cast<double>(at), static_cast<double>(there),
              static_cast<double>(above_one) / 0x1p32, static_cast<unsigned long long>(wrong_signs));
  std::fflush(stdout);
}

// On cache lines, as tensors are.
template <class T>
struct Aligned : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = Aligned<U>;
  };
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{64})); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t{64}); }
};
using Floats = std::vector<float, Aligned<float>>;

double now() {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The least of many runs, in nanoseconds.
template <class F>
double best_of(int runs, F&& f) {
  double best = 1e300;
  for (int i = 0; i < runs; ++i) {
    const double start = now();
    f();
    best = std::min(best, now() - start);
  }
  return best;
}

// A fixed, even spread over (−4, 4): every branch of the functions is met.
Floats operand(std::int64_t n, std::uint32_t seed) {
  Floats x(static_cast<std::size_t>(n));
  for (float& v : x) {
    seed = seed * 1664525u + 1013904223u;
    v = (static_cast<float>(seed >> 8) * 0x1p-24f - 0.5f) * 8.0f;
  }
  return x;
}

void speed(const ElementwiseRow& row) {
  std::printf("%-16s", row.name);
  for (const std::int64_t n : {kTile, std::int64_t{10000}, std::int64_t{100000}}) {
    const Floats x = operand(n, 1), ones(static_cast<std::size_t>(n), 1.0f);
    Floats y(static_cast<std::size_t>(n));
    const int repeats = static_cast<int>(200000 / n) + 1;
    const double t = best_of(60, [&] {
      for (int i = 0; i < repeats; ++i) run_row(row, n, y.data(), x.data(), ones.data());
    });
    std::printf("  %7.3f", t / static_cast<double>(n * repeats));
  }
  std::printf("  ns per element\n");
}

void chain() {
  constexpr std::int64_t n = 100000;
  const Floats x = operand(n, 1), y = operand(n, 2), one(kTile, 1.0f);
  Floats out(n);
  alignas(64) float a[kTile], b[kTile];
  const auto loop_of = [](const char* name) { return find_row(name)->loops[kFloat]; };
  const Loop add = loop_of("add"), multiply = loop_of("multiply"), negative = loop_of("negative"),
             tanh_loop = loop_of("tanh"), exp_loop = loop_of("exp");
  const double t = best_of(400, [&] {
    for (std::int64_t at = 0; at < n; at += kTile) {
      const std::int64_t m = std::min(kTile, n - at);
      const auto run = [m](Loop loop, float* result, const float* first, const float* second = nullptr) {
        const void* in[] = {first, second};
        loop(m, result, in, nullptr);
      };
      run(multiply, a, x.data() + at, y.data() + at);
      run(add, a, a, one.data());
      run(tanh_loop, a, a);
      run(negative, b, x.data() + at);
      run(multiply, b, b, x.data() + at);
      run(exp_loop, b, b);
      run(multiply, a, a, b);
      run(add, out.data() + at, a, y.data() + at);
    }
  });
  std::printf("chain of 10^5: %.2f us\n", t * 1e-3);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "chain") return chain(), 0;
  if (argc < 3 || (what != "error" && what != "near" && what != "sample" && what != "time")) {
    std::fprintf(stderr, "accuracy error|near|sample|time KERNEL..., or accuracy chain\n");
    return 1;
  }
  for (int i = 2; i < argc; ++i) {
    const ElementwiseRow& row = *find_row(argv[i]);
    if (what == "time")
      speed(row);
    else
      sweep(row, what == "error" ? 1 : what == "near" ? 61 : 1021, what == "sample" ? 1021 : 1);
  }
}
