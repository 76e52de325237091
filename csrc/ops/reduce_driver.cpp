// The axes are put into the form [kept and outer][rows][columns]: `columns` is the trailing run of kept axes,
// `rows` the run of reduced axes before it, and what is left are kept and (outer) reduced axes. Each result takes
// in its items in row-major order of the reduced axes.
#include "reduce_driver.h"

#include <algorithm>

#include "../core/thread_pool.h"
#include "strided_copy.h"

namespace alice {
namespace {

constexpr std::int64_t kTile = 512;       // results whose states are alive at once, on the stack
constexpr std::int64_t kSegment = 4096;   // items of a row folded at once
constexpr std::int64_t kChunk = 1 << 16;  // items per chunk of parallel work
constexpr std::int64_t kMaxParts = 32;    // into which the items of few results are divided

// Axes walked in row-major order; neighbours that step as one axis are merged.
struct Group {
  std::int64_t size = 1;
  Dims extents, strides;

  void add(std::int64_t extent, std::int64_t stride) {
    size *= extent;
    const int last = extents.size() - 1;
    if (last >= 0 && strides[last] == stride * extent) {
      extents[last] *= extent;
      strides[last] = stride;
    } else {
      extents.push_back(extent);
      strides.push_back(stride);
    }
  }
  bool linear() const { return extents.size() <= 1; }
  std::int64_t step() const { return extents.empty() ? 1 : strides.back(); }  // of the last axis
  std::int64_t run() const { return extents.empty() ? 1 : extents.back(); }   // its extent
  std::int64_t offset(std::int64_t index) const {
    if (linear()) return index * step();
    std::int64_t at = 0;
    for (int i = extents.size() - 1; i >= 0; --i) {
      at += index % extents[i] * strides[i];
      index /= extents[i];
    }
    return at;
  }
};

struct Plan {
  Group kept, outer, rows, columns;
  std::int64_t results = 1, items = 1;  // items per result

  Plan(const Array& x, const Dims& reduced) {
    int axes[kMaxRank], n = 0;  // those of size 1 do not matter
    for (int i = 0; i < x.rank(); ++i) {
      (reduced[i] ? items : results) *= x.dim(i);
      if (x.dim(i) != 1) axes[n++] = i;
    }
    int columns_begin = n;
    while (columns_begin > 0 && !reduced[axes[columns_begin - 1]]) --columns_begin;
    int rows_begin = columns_begin;
    while (rows_begin > 0 && reduced[axes[rows_begin - 1]]) --rows_begin;
    for (int k = 0; k < n; ++k) {
      const int i = axes[k];
      Group& group = k >= columns_begin ? columns : k >= rows_begin ? rows : reduced[i] ? outer : kept;
      group.add(x.dim(i), x.strides()[i]);
    }
  }

  bool by_rows() const { return columns.size == 1; }

  // Whether the loops can read the inner block where it lies.
  bool readable() const {
    if (!rows.linear() || !columns.linear()) return false;
    if (by_rows()) return rows.size == 1 || rows.step() == 1;
    return columns.step() == 1 && (columns.size >= kNarrow || rows.size == 1 || rows.step() == columns.size);
  }
};

// Neighbouring results: the states, and the numbers that a second fold reads. They lie in one row of columns.
struct Tile {
  std::int64_t first, count;
  std::byte* a;
  std::byte* b;
  double* c;
};

// One fold over one array. The items of a result are cut into units: segments of rows.
class Pass {
 public:
  Pass(const Plan& plan, const Array& x, const FoldLoops& loops)
      : plan_(plan), loops_(loops), data_(x.bytes()), itemsize_(static_cast<std::int64_t>(itemsize(x.dtype()))) {
    segment_ = plan.by_rows() ? kSegment : std::max(kNarrow, kChunk / plan.columns.size);
    segments_ = (plan.rows.size + segment_ - 1) / segment_;
  }

  std::int64_t units() const { return plan_.items == 0 ? 0 : plan_.outer.size * segments_; }

  void init(const Tile& t) const { loops_.init(t.count, t.a, t.b); }

  void accumulate(const Tile& t, std::int64_t begin, std::int64_t end) const {
    if (!plan_.by_rows()) {
      fold_columns(t, begin, end);
    } else if (units() == 1) {
      if (begin < end) fold_short_rows(t);
    } else {
      fold_long_rows(t, begin, end);
    }
  }

  void merge(const Tile& t, const Tile& later) const { loops_.merge(t.count, t.a, t.b, later.a, later.b); }

 private:
  const std::byte* at(std::int64_t offset) const { return data_ + offset * itemsize_; }

  // Calls body(offset, rows, index of the first item) for the units.
  template <class Body>
  void for_units(std::int64_t begin, std::int64_t end, Body body) const {
    for (std::int64_t u = begin; u < end; ++u) {
      const std::int64_t outer = u / segments_, row = u % segments_ * segment_;
      body(plan_.outer.offset(outer) + row * plan_.rows.step(), std::min(segment_, plan_.rows.size - row),
           outer * plan_.rows.size + row);
    }
  }

  void fold_columns(const Tile& t, std::int64_t begin, std::int64_t end) const {
    const std::int64_t width = plan_.columns.size;
    const std::int64_t base = plan_.kept.offset(t.first / width) + t.first % width;
    for_units(begin, end, [&](std::int64_t offset, std::int64_t rows, std::int64_t item) {
      if (width < kNarrow) {
        loops_.packed(width, rows, at(base + offset), t.a, t.b, t.c, item);
      } else {
        loops_.columns(t.count, rows, plan_.rows.step(), at(base + offset), t.a, t.b, t.c, item);
      }
    });
  }

  // Several results per call, as many as lie evenly apart.
  void fold_short_rows(const Tile& t) const {
    const Group& kept = plan_.kept;
    for (std::int64_t i = 0; i < t.count;) {
      const std::int64_t n = kept.linear() ? t.count : std::min(t.count - i, kept.run() - (t.first + i) % kept.run());
      loops_.rows(n, plan_.rows.size, kept.step(), at(kept.offset(t.first + i)), t.a + i * loops_.a_size, t.b + i * 8,
                  t.c + i, 0);
      i += n;
    }
  }

  void fold_long_rows(const Tile& t, std::int64_t begin, std::int64_t end) const {
    for (std::int64_t i = 0; i < t.count; ++i) {
      const std::int64_t base = plan_.kept.offset(t.first + i);
      for_units(begin, end, [&](std::int64_t offset, std::int64_t n, std::int64_t item) {
        loops_.rows(1, n, 0, at(base + offset), t.a + i * loops_.a_size, t.b + i * 8, t.c + i, item);
      });
    }
  }

  const Plan& plan_;
  const FoldLoops& loops_;
  const std::byte* data_;
  std::int64_t itemsize_, segment_, segments_;
};

// Cuts the results into tiles: of one row of columns each, or of as many rows as keep a tile in cache.
class Tiles {
 public:
  explicit Tiles(const Plan& plan) : plan_(plan) {
    if (plan.by_rows()) {
      width_ = plan.results;
      step_ = std::clamp<std::int64_t>(kChunk / std::max<std::int64_t>(plan.items, 1), 1, kTile);
    } else {
      width_ = plan.columns.size;
      step_ = kTile;
    }
    per_row_ = (width_ + step_ - 1) / step_;
    count_ = plan.results / width_ * per_row_;
  }
  std::int64_t count() const { return count_; }
  void locate(std::int64_t tile, std::int64_t& first, std::int64_t& count) const {
    const std::int64_t column = tile % per_row_ * step_;
    first = tile / per_row_ * width_ + column;
    count = std::min(step_, width_ - column);
  }

 private:
  const Plan& plan_;
  std::int64_t width_, step_, per_row_, count_;
};

// Every tile is finished by the one who folds it.
void reduce_whole(const Reduction& r, const Plan& plan, const Array& x, double parameter, const Array& out) {
  const Tiles tiles(plan);
  const std::int64_t out_size = static_cast<std::int64_t>(itemsize(out.dtype()));
  const std::int64_t group = std::max<std::int64_t>(1, tiles.count() * kChunk / std::max<std::int64_t>(1, x.numel()));
  const std::int64_t chunks = 2 * x.numel() < kChunk ? 1 : (tiles.count() + group - 1) / group;
  const std::int64_t per_chunk = (tiles.count() + chunks - 1) / chunks;
  const Pass first(plan, x, *r.first), second(plan, x, r.second ? *r.second : *r.first);
  parallel_for(chunks, [&](std::int64_t chunk) {
    alignas(64) std::byte a[kTile * 8], b[kTile * 8];
    alignas(64) double c[kTile];
    Tile t{0, 0, a, b, c};
    for (std::int64_t i = chunk * per_chunk; i < std::min(tiles.count(), (chunk + 1) * per_chunk); ++i) {
      tiles.locate(i, t.first, t.count);
      first.init(t);
      first.accumulate(t, 0, first.units());
      if (r.second) {
        r.center(t.count, a, b, plan.items, c);
        second.init(t);
        second.accumulate(t, 0, second.units());
      }
      r.finish(t.count, a, b, c, plan.items, parameter, out.bytes() + t.first * out_size);
    }
  });
}

// Few results of many items: the items are divided, and the states of the parts merged in order.
void reduce_in_parts(const Reduction& r, const Plan& plan, const Array& x, double parameter, const Array& out,
                     std::int64_t parts) {
  const Tiles tiles(plan);
  const Array a = Array::empty({parts, plan.results}, DType::Float64), b = Array::empty(a.shape(), a.dtype());
  const Array c = Array::empty({plan.results}, DType::Float64);
  const auto tile_of = [&](std::int64_t tile, std::int64_t part) {
    Tile t;
    tiles.locate(tile, t.first, t.count);
    const std::int64_t at = part * plan.results + t.first;
    t.a = a.bytes() + at * 8, t.b = b.bytes() + at * 8, t.c = c.data<double>() + t.first;
    return t;
  };
  const auto run = [&](const Pass& pass) {
    const std::int64_t units = pass.units();
    parallel_for(tiles.count() * parts, [&](std::int64_t chunk) {
      const std::int64_t part = chunk % parts;
      const Tile t = tile_of(chunk / parts, part);
      pass.init(t);
      pass.accumulate(t, units * part / parts, units * (part + 1) / parts);
    });
    for (std::int64_t i = 0; i < tiles.count(); ++i)
      for (std::int64_t part = 1; part < parts; ++part) pass.merge(tile_of(i, 0), tile_of(i, part));
  };
  run(Pass(plan, x, *r.first));
  if (r.second) {
    for (std::int64_t i = 0; i < tiles.count(); ++i) {
      const Tile t = tile_of(i, 0);
      r.center(t.count, t.a, t.b, plan.items, t.c);
    }
    run(Pass(plan, x, *r.second));
  }
  const std::int64_t out_size = static_cast<std::int64_t>(itemsize(out.dtype()));
  for (std::int64_t i = 0; i < tiles.count(); ++i) {
    const Tile t = tile_of(i, 0);
    r.finish(t.count, t.a, t.b, t.c, plan.items, parameter, out.bytes() + t.first * out_size);
  }
}

void reduce_readable(const Reduction& r, const Plan& plan, const Array& x, double parameter, const Array& out) {
  const std::int64_t tiles = Tiles(plan).count(), total = plan.results * plan.items;
  if (tiles < kMaxParts / 2 && total >= 2 * kChunk) {
    const std::int64_t parts = std::min({Pass(plan, x, *r.first).units(), total / kChunk, kMaxParts / tiles});
    if (parts > 1) return reduce_in_parts(r, plan, x, parameter, out, parts);
  }
  reduce_whole(r, plan, x, parameter, out);
}

}  // namespace

void reduce(const Reduction& reduction, const Array& x, const Dims& reduced, double parameter, const Array& out) {
  if (out.numel() == 0) return;
  const Plan plan(x, reduced);
  if (plan.items == 0 || plan.readable()) return reduce_readable(reduction, plan, x, parameter, out);
  const Array packed = as_contiguous(x);
  reduce_readable(reduction, Plan(packed, reduced), packed, parameter, out);
}

}  // namespace alice
