// How a reduction walks its array: decided by shape, strides and axes alone.
//
// The axes are put into the form [kept and outer][rows][columns]: `columns` is the trailing run of kept axes, `rows`
// the run of reduced axes before it, and what is left are kept and (outer) reduced axes. Each result takes in its
// items in row-major order of the reduced axes. In which order they are accumulated depends on the reduced axes and on
// the columns alone, not on what else is kept: so each example of a batch has the bits that it has by itself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "../core/chunks.h"
#include "../core/walk.h"
#include "reduce_loops.h"

namespace alice {

inline constexpr std::int64_t kReduceTile = 512;      // results whose states are alive at once, on the stack
inline constexpr std::int64_t kReduceSegment = 4096;  // items of a row, or of narrow columns, folded at once
inline constexpr std::int64_t kReduceParts = 32;      // into which the items of few results are divided, at most

// Neighbouring results: the states, and the numbers that a second fold reads. They lie in one row of columns.
struct ReduceTile {
  std::int64_t first, count;
  std::int64_t base;  // offset of the first item of the first result; of no use where results lie in rows
  std::byte* a;
  std::byte* b;
  double* c;
};

struct ReducePlan {
  Walk<1> kept, outer_axes, row_axes, column_axes;
  std::int64_t outer = 1, rows = 1, columns = 1;  // how many there are
  std::int64_t results = 1, items = 1;            // items per result
  bool by_rows;                                   // there is one column

  // The items of a result are cut into units: segments of `segment` rows.
  std::int64_t segment, segments, units;
  // The results are cut into tiles: of one row of columns each, or of as many rows as keep a tile in cache.
  std::int64_t width, step, tiles_per_row, tiles;
  // Many items are divided into `parts`, and the states of the parts merged in order. Every tile is folded by one
  // thread, `tiles_per_chunk` by each, unless there are so few that each part has a thread.
  std::int64_t parts, chunks, tiles_per_chunk;
  bool parts_apart = false;

  ReducePlan(const Dims& shape, const Dims& strides, const Dims& reduced) {
    int axes[kMaxRank], n = 0;  // those of size 1 do not matter
    for (int i = 0; i < shape.size(); ++i) {
      (reduced[i] ? items : results) *= shape[i];
      if (shape[i] != 1) axes[n++] = i;
    }
    int columns_begin = n;
    while (columns_begin > 0 && !reduced[axes[columns_begin - 1]]) --columns_begin;
    int rows_begin = columns_begin;
    while (rows_begin > 0 && reduced[axes[rows_begin - 1]]) --rows_begin;
    for (int k = 0; k < n; ++k) {
      const int i = axes[k];
      Walk<1>& group = k >= columns_begin ? column_axes : k >= rows_begin ? row_axes : reduced[i] ? outer_axes : kept;
      group.add(shape[i], {strides[i]});
    }
    outer = outer_axes.size(), rows = row_axes.size(), columns = column_axes.size();
    by_rows = columns == 1;
    if (results > 0) divide();
  }

  // Whether the loops can read the inner block where it lies.
  bool readable() const {
    if (items == 0) return true;
    if (row_axes.rank() > 1 || column_axes.rank() > 1) return false;
    if (by_rows) return rows == 1 || row_axes.row_step() == 1;
    return column_axes.row_step() == 1 && (!narrow() || rows == 1 || row_axes.row_step() == columns);
  }
  bool narrow() const { return columns < kNarrow; }

  void locate(std::int64_t tile, ReduceTile& t) const {
    const std::int64_t row = tile / tiles_per_row, column = tile % tiles_per_row * step;
    t.first = row * width + column;
    t.count = std::min(step, width - column);
    t.base = by_rows ? 0 : kept.at(row)[0] + column;
  }

 private:
  void divide() {
    const std::int64_t total = results * items, some_items = std::max<std::int64_t>(items, 1);
    segment = by_rows    ? kReduceSegment
              : narrow() ? kReduceSegment / columns
                         : std::max<std::int64_t>(kNarrow, kLightChunkItems / columns);
    segments = (rows + segment - 1) / segment;
    units = items == 0 ? 0 : outer * segments;

    width = by_rows ? results : columns;
    step = by_rows ? std::clamp<std::int64_t>(kLightChunkItems / some_items, 1, kReduceTile) : kReduceTile;
    tiles_per_row = (width + step - 1) / step;
    tiles = results / width * tiles_per_row;

    parts = chunks = 1;
    tiles_per_chunk = tiles;
    if (2 * total < kLightChunkItems) return;
    const std::int64_t own = columns * items, own_tiles = by_rows ? 1 : tiles_per_row;  // of one row of columns
    if (own_tiles < kReduceParts / 2 && own >= 2 * kLightChunkItems)
      parts = std::max<std::int64_t>(1, std::min({units, own / kLightChunkItems, kReduceParts / own_tiles}));
    parts_apart = parts > 1 && tiles < kReduceParts / 2;
    const std::int64_t group = std::max<std::int64_t>(1, tiles * kLightChunkItems / total);
    chunks = (tiles + group - 1) / group;
    tiles_per_chunk = (tiles + chunks - 1) / chunks;
  }
};

}  // namespace alice
