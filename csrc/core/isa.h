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
Isa detect_isa();  // the best level of this CPU, lowered by the variable ALICE_ISA=baseline|avx2|avx512
const char* name(Isa);

}  // namespace alice
