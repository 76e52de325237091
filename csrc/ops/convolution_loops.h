// The innermost loops of convolution, one table per instruction-set level: products of a packed panel of numbers with
// vectors that lie anywhere in memory.
//
// Order of summation: one chain of fused multiply-adds per tile, tile after tile. Where the tiles begin and end is the
// caller's choice; how many rows and vectors they have changes no bit.
#pragma once

#include <cstdint>

#include "../core/isa.h"

namespace alice {

// A step of a sum: which column of the packed numbers, and where its vectors lie.
struct SumStep {
  std::int64_t column, at;
};

// Part of a line of results: `count` items from `from` on go to `to` and on.
struct LinePart {
  std::int64_t from, count, to;
};

struct ConvolutionTiles {
  static constexpr int kRows = 14, kVectors = 8;  // the highest and the widest tile of any level

  int rows;               // the highest tile of this level
  int width;              // items in a vector
  int widest[kRows + 1];  // by rows: the logarithm of the most vectors

  // The widest tile of so many rows that so many items fill, as a logarithm.
  int vectors(std::int64_t height, std::int64_t items) const {
    int v = widest[height];
    while (v > 0 && items <= std::int64_t{width} << (v - 1)) --v;
    return v;
  }
};

template <class T>
struct ConvolutionLoops : ConvolutionTiles {
  // C[rows, vectors * width] (+)= Σ_k a[steps[k].column * rows + r] * (what lies from b + steps[k].at on). C is
  // contiguous. All vectors are read as a whole: what follows the last item must be there, whatever it is.
  using Tile = void (*)(std::int64_t k, const T* a, const T* b, const SumStep* steps, T* c, bool accumulate);
  Tile tiles[kRows + 1][4];  // by rows and by the logarithm of the number of vectors; null: too many registers

  // to[r * to_row + part.to + i * step] = from[r * from_row + part.from + i]
  void (*scatter)(std::int64_t rows, const T* from, std::int64_t from_row, const LinePart* parts, std::int64_t count,
                  T* to, std::int64_t to_row, std::int64_t step);
};

struct ConvolutionTable {
  ConvolutionLoops<float> f32;
  ConvolutionLoops<double> f64;
};

ALICE_BY_LEVEL(const ConvolutionTable&, convolution_table, ())

}  // namespace alice
