#include "isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstdlib>
#include <string_view>

#include "error.h"

namespace alice {
namespace {

constexpr const char* kNames[kIsaCount] = {"baseline", "avx2", "avx512"};

#if defined(__x86_64__)
// All that the flags of the levels in CMakeLists.txt let the compiler emit. For AVX and AVX-512 the builtin asks, too,
// whether the operating system keeps their registers; older compilers do not let it be asked for F16C.
bool has_avx2() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  const bool f16c = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") && f16c &&
         __builtin_cpu_supports("popcnt");
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
}
#endif

Isa best_of_cpu() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (has_avx512()) return Isa::Avx512;
  if (has_avx2()) return Isa::Avx2;
#endif
  return Isa::Baseline;
}

Isa wished_for(Isa best) {
  const char* wish = std::getenv("ALICE_ISA");
  if (!wish || !*wish) return best;
  for (int level = 0; level < kIsaCount; ++level)
    if (std::string_view(wish) == kNames[level]) return static_cast<Isa>(level);
  fail(ErrorKind::Value, "ALICE_ISA: expected baseline, avx2 or avx512; got \"", wish,
       "\"; unset the variable to take the best level that this CPU has");
}

}  // namespace

Isa current_isa() {
  static const Isa isa = [] {
    const Isa best = best_of_cpu(), wish = wished_for(best);
    return wish < best ? wish : best;
  }();
  return isa;
}

const char* name(Isa isa) { return kNames[static_cast<int>(isa)]; }

}  // namespace alice
