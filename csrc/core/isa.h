// Instruction-set levels. Files named *_loops.cpp are compiled once per level into the namespace
// ALICE_ISA, and export tables of plain function pointers; the best level the CPU has is taken at import.
//
// A file compiled for AVX-512 must not emit code that the linker could share with the baseline:
// in *_loops.cpp keep every function in an anonymous namespace or in ALICE_ISA, use raw pointers, and
// instantiate no standard containers (<cmath>, <cstdint>, <bit> and other inline-only headers are fine).
#pragma once

#ifndef ALICE_ISA
#define ALICE_ISA baseline
#endif

namespace alice {

enum class Isa { Baseline, Avx2, Avx512 };
inline constexpr int kIsaCount = 3;

// The best level of this CPU, lowered by the variable ALICE_ISA=baseline|avx2|avx512; decided once.
Isa current_isa();
const char* name(Isa);

// One function of every level, all of one signature. A call goes to that of the current level.
template <class Function>
struct ByLevel {
  Function* levels[kIsaCount];

  template <class... Args>
  decltype(auto) operator()(Args... args) const {
    return levels[static_cast<int>(current_isa())](args...);
  }
};

// In namespace alice, ALICE_BY_LEVEL(const FoldTable&, fold_table, ()) declares baseline::fold_table() and its kin, and
// a ByLevel of their name.
#if defined(__x86_64__)
#define ALICE_BY_LEVEL(Result, name, parameters) \
  namespace baseline {                           \
  Result name parameters;                        \
  }                                              \
  namespace avx2 {                               \
  Result name parameters;                        \
  }                                              \
  namespace avx512 {                             \
  Result name parameters;                        \
  }                                              \
  inline constexpr ByLevel<Result parameters> name{{baseline::name, avx2::name, avx512::name}};
#else
#define ALICE_BY_LEVEL(Result, name, parameters) \
  namespace baseline {                           \
  Result name parameters;                        \
  }                                              \
  inline constexpr ByLevel<Result parameters> name{{baseline::name}};
#endif

}  // namespace alice
