#include "reduce_driver.h"

#include "../core/scratch.h"
#include "../core/thread_pool.h"
#include "strided_copy.h"

namespace alice {

// Where the items come from: memory, or a feed if `data` is null.
struct Reducer::Source {
  const std::byte* data;
  const Feed* feed;
};

// One fold over one array.
class Reducer::Pass {
 public:
  Pass(const Reducer& reducer, const Source& source, const FoldLoops& loops)
      : plan_(reducer.plan_), source_(source), loops_(loops), itemsize_(reducer.itemsize_) {}

  void init(const ReduceTile& t) const { loops_.init(t.count, t.a, t.b); }

  void accumulate(const ReduceTile& t, std::int64_t begin, std::int64_t end) const {
    if (source_.data) {
      fold(t, begin, end, [&](const Block& block) { loop(t, block, source_.data + block.offset * itemsize_); });
    } else {
      const Scratch<std::byte> buffer(kReduceSegment * 8);
      fold(t, begin, end, [&](const Block& block) { fold_fed(t, block, buffer.data()); });
    }
  }

  void accumulate_part(const ReduceTile& t, std::int64_t part) const {
    accumulate(t, plan_.units * part / plan_.parts, plan_.units * (part + 1) / plan_.parts);
  }

  void merge(const ReduceTile& t, const ReduceTile& later) const { loops_.merge(t.count, t.a, t.b, later.a, later.b); }

  // All parts, one after the other; `a` and `b` hold the states of a later one.
  void accumulate_all(const ReduceTile& t, std::byte* a, std::byte* b) const {
    init(t);
    accumulate_part(t, 0);
    for (std::int64_t part = 1; part < plan_.parts; ++part) {
      ReduceTile later = t;
      later.a = a, later.b = b;
      init(later);
      accumulate_part(later, part);
      merge(t, later);
    }
  }

 private:
  // What one call of a loop takes in: items [item, item + n) of `count` results from the tile's result `result` on.
  // By rows, the items of a result are neighbours; else those of one index are.
  struct Block {
    std::int64_t offset, stride, result, count, item, n;
  };

  // Calls body(block) for the units.
  template <class Body>
  void fold(const ReduceTile& t, std::int64_t begin, std::int64_t end, Body body) const {
    if (!plan_.by_rows) {
      for_units(begin, end, [&](std::int64_t offset, std::int64_t n, std::int64_t item) {
        body(Block{t.base + offset, plan_.row_axes.row_step(), 0, t.count, item, n});
      });
    } else if (plan_.units == 1) {
      if (begin < end) fold_short_rows(t, body);
    } else {
      for (std::int64_t i = 0; i < t.count; ++i) {
        const std::int64_t base = plan_.kept.at(t.first + i)[0];
        for_units(begin, end, [&](std::int64_t offset, std::int64_t n, std::int64_t item) {
          body(Block{base + offset, 0, i, 1, item, n});
        });
      }
    }
  }

  // Several results per call, as many as lie evenly apart.
  template <class Body>
  void fold_short_rows(const ReduceTile& t, Body body) const {
    const Walk<1>& kept = plan_.kept;
    for (std::int64_t i = 0; i < t.count;) {
      const std::int64_t n =
          kept.rank() <= 1 ? t.count : std::min(t.count - i, kept.row() - (t.first + i) % kept.row());
      body(Block{kept.at(t.first + i)[0], kept.row_step(), i, n, 0, plan_.rows});
      i += n;
    }
  }

  // Calls body(offset, rows, index of the first item) for the units.
  template <class Body>
  void for_units(std::int64_t begin, std::int64_t end, Body body) const {
    if (plan_.units == 1) {
      if (begin < end) body(std::int64_t{0}, plan_.rows, std::int64_t{0});
      return;
    }
    for (std::int64_t u = begin; u < end; ++u) {
      const std::int64_t outer = u / plan_.segments, row = u % plan_.segments * plan_.segment;
      body(plan_.outer_axes.at(outer)[0] + row * plan_.row_axes.row_step(), std::min(plan_.segment, plan_.rows - row),
           outer * plan_.rows + row);
    }
  }

  void loop(const ReduceTile& t, const Block& block, const std::byte* x) const {
    std::byte *a = t.a + block.result * loops_.a_size, *b = t.b + block.result * 8;
    const double* c = t.c + block.result;
    if (plan_.by_rows) {
      loops_.rows(block.count, block.n, block.stride, x, a, b, c, block.item);
    } else if (plan_.narrow()) {
      loops_.packed(block.count, block.n, x, a, b, c, block.item);
    } else {
      loops_.columns(block.count, block.n, block.stride, x, a, b, c, block.item);
    }
  }

  // Cuts a block into pieces that fit the buffer, where that leaves the order of accumulation as it is: between
  // results that lie in rows, or, in wide columns, after a multiple of kFoldUnroll rows.
  void fold_fed(const ReduceTile& t, const Block& block, std::byte* buffer) const {
    const auto fill = [&](std::int64_t offset, std::int64_t n, std::int64_t at) {
      source_.feed->fill(source_.feed->context, offset, n, buffer + at * itemsize_);
    };
    Block piece = block;
    if (plan_.by_rows) {
      const std::int64_t most = std::max<std::int64_t>(1, kReduceSegment / block.n);
      for (std::int64_t i = 0; i < block.count; i += most) {
        piece.offset = block.offset + i * block.stride;
        piece.result = block.result + i;
        piece.count = std::min(most, block.count - i);
        piece.stride = block.n;
        fill(piece.offset, piece.count * block.n, 0);
        loop(t, piece, buffer);
      }
      return;
    }
    const std::int64_t rows = kReduceSegment / block.count;
    const std::int64_t most = plan_.narrow() ? rows : rows / kFoldUnroll * kFoldUnroll;
    const bool whole = block.count == plan_.columns;
    piece.stride = block.count;
    for (std::int64_t k = 0; k < block.n; k += most) {
      const std::int64_t offset = block.offset + k * block.stride;
      piece.item = block.item + k;
      piece.n = std::min(most, block.n - k);
      if (whole) {
        fill(offset, piece.n * block.count, 0);
      } else {
        for (std::int64_t i = 0; i < piece.n; ++i) fill(offset + i * block.stride, block.count, i * block.count);
      }
      loop(t, piece, buffer);
    }
  }

  const ReducePlan& plan_;
  const Source& source_;
  const FoldLoops& loops_;
  std::int64_t itemsize_;
};

static_assert(kReduceSegment >= kReduceTile * kFoldUnroll);

Reducer::Reducer(const Reduction& reduction, const Array& x, const Dims& reduced, double parameter)
    : reduction_(reduction),
      contiguous_(x.is_contiguous()),
      readable_(true),
      plan_(x.shape(), x.strides(), reduced),
      itemsize_(static_cast<std::int64_t>(itemsize(x.dtype()))),
      parameter_(parameter) {
  if (plan_.readable()) return;
  readable_ = false;
  plan_ = ReducePlan(x.shape(), contiguous_strides(x.shape()), reduced);
}

void Reducer::run(const Array& x, const Array& out) const {
  if (readable_) return fold({x.bytes(), nullptr}, out);
  const Array packed = as_contiguous(x);
  fold({packed.bytes(), nullptr}, out);
}

void Reducer::run_fed(const Feed& feed, const Array& out) const { fold({nullptr, &feed}, out); }

void Reducer::fold(const Source& source, const Array& out) const {
  if (plan_.results == 0) return;
  plan_.parts_apart ? fold_parts(source, out) : fold_tiles(source, out);
}

void Reducer::fold_tiles(const Source& source, const Array& out) const {
  const Reduction& r = reduction_;
  const std::int64_t out_size = static_cast<std::int64_t>(itemsize(out.dtype()));
  const Pass first(*this, source, *r.first), second(*this, source, r.second ? *r.second : *r.first);
  parallel_for(plan_.chunks, [&](std::int64_t chunk) {
    const Scratch<std::byte[kReduceTile * 8]> states(4);
    const Scratch<double> c(kReduceTile);
    std::byte *const a = states[0], *const b = states[1], *const later_a = states[2], *const later_b = states[3];
    ReduceTile t{0, 0, 0, a, b, c.data()};
    const std::int64_t begin = chunk * plan_.tiles_per_chunk;
    for (std::int64_t i = begin; i < std::min(plan_.tiles, begin + plan_.tiles_per_chunk); ++i) {
      plan_.locate(i, t);
      first.accumulate_all(t, later_a, later_b);
      if (r.second) {
        r.center(t.count, a, b, plan_.items, c.data());
        second.accumulate_all(t, later_a, later_b);
      }
      r.finish(t.count, a, b, c.data(), plan_.items, parameter_, out.bytes() + t.first * out_size);
    }
  });
}

void Reducer::fold_parts(const Source& source, const Array& out) const {
  const Reduction& r = reduction_;
  const std::int64_t parts = plan_.parts;
  const Array a = Array::empty({parts, plan_.results}, DType::Float64), b = Array::empty(a.shape(), a.dtype());
  const Array c = Array::empty({plan_.results}, DType::Float64);
  const auto tile_of = [&](std::int64_t tile, std::int64_t part) {
    ReduceTile t;
    plan_.locate(tile, t);
    const std::int64_t at = part * plan_.results + t.first;
    t.a = a.bytes() + at * 8, t.b = b.bytes() + at * 8, t.c = c.data<double>() + t.first;
    return t;
  };
  const auto run = [&](const Pass& pass) {
    parallel_for(plan_.tiles * parts, [&](std::int64_t chunk) {
      const std::int64_t part = chunk % parts;
      const ReduceTile t = tile_of(chunk / parts, part);
      pass.init(t);
      pass.accumulate_part(t, part);
    });
    for (std::int64_t i = 0; i < plan_.tiles; ++i)
      for (std::int64_t part = 1; part < parts; ++part) pass.merge(tile_of(i, 0), tile_of(i, part));
  };
  run(Pass(*this, source, *r.first));
  if (r.second) {
    for (std::int64_t i = 0; i < plan_.tiles; ++i) {
      const ReduceTile t = tile_of(i, 0);
      r.center(t.count, t.a, t.b, plan_.items, t.c);
    }
    run(Pass(*this, source, *r.second));
  }
  const std::int64_t out_size = static_cast<std::int64_t>(itemsize(out.dtype()));
  for (std::int64_t i = 0; i < plan_.tiles; ++i) {
    const ReduceTile t = tile_of(i, 0);
    r.finish(t.count, t.a, t.b, t.c, plan_.items, parameter_, out.bytes() + t.first * out_size);
  }
}

}  // namespace alice
