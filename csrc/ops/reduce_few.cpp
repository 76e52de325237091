// Small: what is called often are steps of tapes.
#include "reduce_few.h"

#include <algorithm>
#include <cstring>

namespace alice {
namespace {

constexpr std::int64_t kTile = 64;      // results at a time: what fits `packed`
constexpr std::int64_t kFewRows = 8;    // fewer, and no lanes of `packed` are more than one result's
constexpr std::int64_t kMostAdded = 8;  // items: of more a loop is as quick

}  // namespace

std::unique_ptr<Expansion> FewItems::of(const Call& call, const Dims& reduced, bool keeps_axes, double parameter,
                                        const Reduction& fast, const Reduction* safe, double smallest, bool adds) {
  const Array &x = call.in[0], &out = call.out[0];
  const ReducePlan plan(x.shape(), contiguous_strides(x.shape()), reduced);
  if (plan.results == 0 || plan.items > kMostItems || plan.rows >= (plan.by_rows ? kShortRow : kFewRows) ||
      plan.parts > 1 || out.rank() + x.rank() > kMaxRank)
    return nullptr;
  std::unique_ptr<FewItems> made(new FewItems(plan, call, parameter, fast, safe, smallest));
  made->shape = out.shape();
  Dims axes;
  for (int i = 0, kept = 0; i < x.rank(); ++i) {
    axes.push_back(reduced[i] ? made->shape.size() : keeps_axes ? i - (x.rank() - out.rank()) : kept);
    if (reduced[i]) made->shape.push_back(x.dim(i));
    kept += !reduced[i];
  }
  made->axes.push_back(axes);
  if (adds && made->adds_few(x.dtype())) {
    const double terms = static_cast<double>(plan.items / plan.rows * made->terms_of_block());
    made->loop = false;
    made->operations = static_cast<double>(plan.items) - terms + (terms > 2 ? 3 * terms - 3 : terms);
  }
  return made;
}

// A sum of one or two numbers is exact but for its last rounding, whatever carries it. Of more float64 carries what
// roundings lose, and float32 is carried by float64, which is no operation.
bool FewItems::adds_few(DType dtype) const {
  if (narrow_ && !by_rows_ && items_ != rows_) return false;  // blocks are added by themselves
  return items_ > 0 && items_ <= (dtype == DType::Float64 ? kMostAdded : dtype == DType::Float32 ? 2 : 0);
}

// As fold() takes them in: -0 becomes 0.
std::int32_t FewItems::result(const std::int32_t* const* items, Operations& to) const {
  std::int32_t sum = -1, errors = -1;
  const std::int32_t* x = items[0];
  for (std::int64_t k = 0; k < items_;) {
    const bool pair = !by_rows_ && k % rows_ < rows_ / kFoldUnroll * kFoldUnroll;
    const std::int32_t term = pair ? to.operate(Arithmetic::Add, x[k], x[k + 1]) : x[k];
    k += pair ? 2 : 1;
    if (sum < 0) {
      sum = to.operate(Arithmetic::Add, term, to.zero());
      continue;
    }
    if (items_ > 2) {
      const std::int32_t error = to.operate(Arithmetic::SumError, sum, term);
      errors = errors < 0 ? error : to.operate(Arithmetic::Add, errors, error);
    }
    sum = to.operate(Arithmetic::Add, sum, term);
  }
  return errors < 0 ? sum : to.operate(Arithmetic::SumTotal, sum, errors);
}

FewItems::FewItems(const ReducePlan& plan, const Call& call, double parameter, const Reduction& fast,
                   const Reduction* safe, double smallest)
    : items_(plan.items),
      rows_(plan.rows),
      itemsize_(static_cast<std::int64_t>(itemsize(call.in[0].dtype()))),
      out_size_(static_cast<std::int64_t>(itemsize(call.out[0].dtype()))),
      by_rows_(plan.by_rows),
      narrow_(plan.narrow()),
      parameter_(parameter),
      smallest_(smallest),
      fast_(fast),
      safe_(safe) {
  loop = true;
  const double passes = fast.second ? 2 : 1, items = static_cast<double>(items_);
  call_cost = 15 + passes * 5 * items;
  result_cost = 0.4 + passes * 0.2 * items;
}

void FewItems::fold(const FoldLoops& loops, std::int64_t first, std::int64_t count, const void* const* items,
                    const ReduceTile& t) const {
  const auto item = [&](std::int64_t k) { return static_cast<const std::byte*>(items[k]) + first * itemsize_; };
  loops.init(count, t.a, t.b);
  if (by_rows_) {
    for (std::int64_t k = 0; k < items_; ++k) loops.columns(count, 1, 0, item(k), t.a, t.b, t.c, k);
    return;
  }
  alignas(64) std::byte block[kFewRows * kTile * 8];
  for (std::int64_t k = 0; k < items_; k += rows_) {
    for (std::int64_t row = 0; row < rows_; ++row)
      std::memcpy(block + row * count * itemsize_, item(k + row), static_cast<std::size_t>(count * itemsize_));
    narrow_ ? loops.packed(count, rows_, block, t.a, t.b, t.c, k)
            : loops.columns(count, rows_, count, block, t.a, t.b, t.c, k);
  }
}

void FewItems::reduce(const Reduction& r, std::int64_t first, std::int64_t count, const void* const* items,
                      void* out) const {
  alignas(64) std::byte a[kTile * 8], b[kTile * 8];
  alignas(64) double c[kTile];
  const ReduceTile t{0, count, 0, a, b, c};
  fold(*r.first, first, count, items, t);
  if (r.second) {
    r.center(count, a, b, items_, c);
    fold(*r.second, first, count, items, t);
  }
  r.finish(count, a, b, c, items_, parameter_, out);
}

void FewItems::run(std::int64_t n, void* out, const void* const* items) const {
  for (std::int64_t first = 0; first < n; first += kTile) {
    const std::int64_t count = std::min(kTile, n - first);
    std::byte* const results = static_cast<std::byte*>(out) + first * out_size_;
    reduce(fast_, first, count, items, results);
    if (!safe_) continue;
    auto* const y = reinterpret_cast<double*>(results);
    if (std::all_of(y, y + count, [&](double v) { return trusted(v, smallest_); })) continue;
    double other[kTile];
    reduce(*safe_, first, count, items, other);
    for (std::int64_t i = 0; i < count; ++i)
      if (!trusted(y[i], smallest_)) y[i] = other[i];
  }
}

}  // namespace alice
