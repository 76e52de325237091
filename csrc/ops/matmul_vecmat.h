// Rows of vectors times one matrix, each summed as a matrix-vector product sums it: in matmul_vecmat_loops.cpp, for the
// table in matmul_loops.cpp. Included there only, where ALICE_ISA is the level.
#pragma once

#include "../core/isa.h"
#include "matmul_loops.h"

namespace alice::ALICE_ISA {

// The register tile: all columns of B in it are read for each of the rows.
#if defined(__AVX512F__)
inline constexpr int kVecmatRows = 4;
#else
inline constexpr int kVecmatRows = 3;
#endif
inline constexpr int kVecmatColumns = 4;

void vecmat(const VecmatBlock<float>&);
void vecmat(const VecmatBlock<double>&);

}  // namespace alice::ALICE_ISA
