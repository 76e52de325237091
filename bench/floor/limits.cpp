// What this machine can do on one core: multiply-adds per second from registers, bytes per second from memory.
#include <chrono>
#include <cstdint>
#include <cstring>

namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Floating-point operations per second: ten independent chains of multiply-adds hide their latency.
template <class T>
double peak(double seconds) {
  typedef T V __attribute__((vector_size(kBytes)));
  constexpr int kChains = 10;
  V sum[kChains], a, b;
  for (unsigned i = 0; i < kBytes / sizeof(T); ++i) {
    a[i] = T(0.999);
    b[i] = T(0.001);
  }
  for (V& s : sum) s = b;
  std::int64_t rounds = 0;
  const double start = now();
  double spent = 0;
  while (spent < seconds) {
    for (int r = 0; r < 10000; ++r)
      for (V& s : sum) s = s * a + b;
    rounds += 10000;
    spent = now() - start;
  }
  V total = sum[0];
  for (const V& s : sum) total += s;
  volatile T keep = total[0];
  (void)keep;
  return double(rounds) * kChains * (kBytes / sizeof(T)) * 2 / spent;
}

}  // namespace

extern "C" {

double peak_float32(double seconds) { return peak<float>(seconds); }
double peak_float64(double seconds) { return peak<double>(seconds); }

void copy_bytes(void* to, const void* from, std::int64_t bytes, std::int64_t times) {
  for (std::int64_t t = 0; t < times; ++t) {
    std::memcpy(to, from, bytes);
    asm volatile("" : : "r"(to) : "memory");
  }
}

void add_floats(float* out, const float* x, const float* y, std::int64_t n, std::int64_t times) {
  for (std::int64_t t = 0; t < times; ++t) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = x[i] + y[i];
    asm volatile("" : : "r"(out) : "memory");
  }
}
}
