#include "isa.h"

#include <cstdlib>
#include <string_view>

namespace alice {

Isa detect_isa() {
  Isa best = Isa::Baseline;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) best = Isa::Avx2;
  if (best == Isa::Avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
    best = Isa::Avx512;
#endif
  if (const char* wish = std::getenv("ALICE_ISA")) {
    const std::string_view level = wish;
    const Isa limit = level == "baseline" ? Isa::Baseline : level == "avx2" ? Isa::Avx2 : Isa::Avx512;
    if (limit < best) best = limit;
  }
  return best;
}

const char* name(Isa isa) {
  switch (isa) {
    case Isa::Avx512: return "avx512";
    case Isa::Avx2: return "avx2";
    default: return "baseline";
  }
}

}  // namespace alice
