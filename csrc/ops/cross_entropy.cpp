// cross_entropy: L = Σ_j q_j (logsumexp(x) - x_j) per row of logits, q the target distribution, and its gradient
//   dL/dx_j = p_j Σ q - q_j,   p = softmax(x).
// Targets are class indices (integers, one per row) or probabilities (floating, one row each). With smoothing e the
// target becomes (1 - e) q + e / C.
//
// Both directions read each row of logits once from memory. The forward pass keeps two numbers per row, `stats`
// (SoftmaxLoops::stats), from which the gradient finds the softmax without a sum of its own.
#include "cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../core/thread_pool.h"
#include "strided_copy.h"

namespace alice {
namespace {

constexpr std::int64_t kChunk = 1 << 15;  // items per chunk of parallel work
constexpr std::int64_t kRows = 64;        // rows whose scratch lies on the stack

enum Reduce : std::int64_t { None, Sum, Mean };

struct Loops {
  const SoftmaxLoops* by_dtype[kDTypeCount];
};

// Attributes: reduction, ignored index or None, smoothing.
struct Options {
  explicit Options(const Call& call)
      : reduction(call.attrs[0].integer()),
        has_ignored(!call.attrs[1].is_none()),
        ignored(call.attrs[1].integer()),
        smoothing(call.attrs[2].real()) {}
  std::int64_t reduction;
  bool has_ignored;
  std::int64_t ignored;
  double smoothing;
};

// One call, its operands packed: `rows` rows of `classes` logits.
struct Problem {
  Problem(const Call& call, const Array& logits_in, const Array& targets_in)
      : options(call),
        logits(as_contiguous(logits_in)),
        targets(as_contiguous(targets_in)),
        classes(logits.shape().back()),
        probabilities(is_floating(targets.dtype())) {
    rows = 1;
    for (int i = 0; i + 1 < logits.rank(); ++i) rows *= logits.dim(i);
    loops = static_cast<const Loops*>(call.kernel.impl)->by_dtype[static_cast<int>(logits.dtype())];
    kept = rows;
    if (!probabilities) check_labels(call.kernel.name);
  }

  std::int64_t label(std::int64_t row) const {
    switch (targets.dtype()) {
      case DType::UInt8: return targets.data<std::uint8_t>()[row];
      case DType::Int32: return targets.data<std::int32_t>()[row];
      default: return targets.data<std::int64_t>()[row];
    }
  }
  bool is_ignored(std::int64_t row) const { return options.has_ignored && label(row) == options.ignored; }
  const std::byte* at(const Array& a, std::int64_t item) const {
    return a.bytes() + item * static_cast<std::int64_t>(itemsize(a.dtype()));
  }

  template <class Body>
  void for_rows(Body body) const {
    const std::int64_t group = std::clamp<std::int64_t>(kChunk / std::max<std::int64_t>(1, classes), 1, kRows);
    const std::int64_t groups = (rows + group - 1) / group;
    const std::int64_t per_chunk = std::max<std::int64_t>(1, kChunk / std::max<std::int64_t>(1, group * classes));
    parallel_for((groups + per_chunk - 1) / per_chunk, [&](std::int64_t chunk) {
      for (std::int64_t i = chunk * per_chunk; i < std::min(groups, (chunk + 1) * per_chunk); ++i)
        body(i * group, std::min(group, rows - i * group));
    });
  }

  Options options;
  Array logits, targets;
  std::int64_t classes, rows = 0, kept = 0;
  bool probabilities;
  const SoftmaxLoops* loops = nullptr;

 private:
  // Before anything is written; and counts the rows that are not ignored.
  void check_labels(const char* op) {
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t y = label(row);
      if (options.has_ignored && y == options.ignored) {
        --kept;
      } else if (y < 0 || y >= classes) {
        fail(ErrorKind::Index, op, ": targets must be from 0 to ", classes - 1, " (classes: ", classes, "); got ", y,
             " in row ", row, "; name it as ignore_index to leave such rows out");
      }
    }
  }
};

// ---- shapes and dtypes --------------------------------------------------------------------------------------

Dims without_last(Dims shape) {
  shape.pop_back();
  return shape;
}

void check_operands(const Call& call, const Array& logits, const Array& targets) {
  const char* op = call.kernel.name;
  if (!is_floating(logits.dtype()))
    fail(ErrorKind::DType, op, ": logits must be float32 or float64; got ", name(logits.dtype()),
         "; convert with logits.astype(ac.float32)");
  if (logits.rank() == 0) fail(ErrorKind::Shape, op, ": logits must have shape (..., classes); got a 0-d tensor");
  if (is_floating(targets.dtype())) {
    if (!(targets.shape() == logits.shape()))
      fail(ErrorKind::Shape, op, ": target probabilities must have the shape of the logits; got logits ",
           logits.shape(), ", targets ", targets.shape());
    if (targets.dtype() != logits.dtype())
      fail(ErrorKind::DType, op, ": target probabilities must have the dtype of the logits; got ", name(logits.dtype()),
           " and ", name(targets.dtype()));
    if (!call.attrs[1].is_none())
      fail(ErrorKind::Value, op, ": ignore_index goes with class indices; got target probabilities");
  } else if (!is_integer(targets.dtype())) {
    fail(ErrorKind::DType, op, ": targets must be class indices (integers) or probabilities (floating); got ",
         name(targets.dtype()));
  } else if (!(targets.shape() == without_last(logits.shape()))) {
    fail(ErrorKind::Shape, op, ": class indices must have the shape of the logits without its last axis; got logits ",
         logits.shape(), ", targets ", targets.shape());
  }
  const Options options(call);
  if (!(options.smoothing >= 0 && options.smoothing < 1))
    fail(ErrorKind::Value, op, ": label_smoothing must be in [0, 1); got ", options.smoothing);
  if (options.reduction < None || options.reduction > Mean)
    fail(ErrorKind::Value, op, ": reduction must be 0 (none), 1 (sum) or 2 (mean); got ", options.reduction);
}

Dims result_shape(const Call& call, const Array& logits) {
  return call.attrs[0].integer() == None ? without_last(logits.shape()) : Dims{};
}

Dims stats_shape(const Array& logits) {
  Dims shape = without_last(logits.shape());
  shape.push_back(2);
  return shape;
}

// ---- forward ------------------------------------------------------------------------------------------------

void infer_forward(Call& call) {
  const Array& logits = call.in[0];
  check_operands(call, logits, call.in[1]);
  call.out[0] = Array::abstract(result_shape(call, logits), logits.dtype());
  call.out[1] = Array::abstract(stats_shape(logits), logits.dtype());
}

// The loss of one row, whose softmax is given by max and log_sum.
template <class T>
double row_loss(const Problem& p, std::int64_t row, double max, double log_sum) {
  const T* x = p.logits.data<T>() + row * p.classes;
  const double smoothing = p.options.smoothing;
  double total, weight, smooth = 0;
  if (p.probabilities) {
    p.loops->weighted(p.classes, x, p.targets.data<T>() + row * p.classes, max, log_sum, &total, &weight);
  } else {
    const double logit = static_cast<double>(x[p.label(row)]);
    // Both infinite: the item is the maximum, or shares it.
    total = (max == logit && max > 0 ? 0.0 : max - logit) + log_sum;
  }
  if (smoothing == 0) return total;
  p.loops->weighted(p.classes, x, nullptr, max, log_sum, &smooth, &weight);
  return (1 - smoothing) * total + smoothing / static_cast<double>(p.classes) * smooth;
}

void run_forward(const Call& call) {
  const Problem p(call, call.in[0], call.in[1]);
  const Array &out = call.out[0], &stats = call.out[1];
  const bool reduced = p.options.reduction != None;
  dispatch_floating(p.logits.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const Array losses = reduced ? Array::empty({p.rows}, DType::Float64) : Array();
    p.for_rows([&](std::int64_t first, std::int64_t rows) {
      double log_sum[kRows];
      T* stat = stats.data<T>() + 2 * first;
      p.loops->stats(rows, p.classes, p.logits.data<T>() + first * p.classes, stat, log_sum);
      for (std::int64_t i = 0; i < rows; ++i) {
        const bool ignored = p.is_ignored(first + i);
        const double loss = ignored ? 0.0 : row_loss<T>(p, first + i, static_cast<double>(stat[2 * i]), log_sum[i]);
        if (reduced) {
          losses.data<double>()[first + i] = loss;
        } else {
          out.data<T>()[first + i] = static_cast<T>(loss);
        }
      }
    });
    if (!reduced) return;
    double high = 0, low = 0;  // compensated (two-sum), as every sum of ours
    for (std::int64_t i = 0; i < p.rows; ++i) {
      const double term = losses.data<double>()[i], sum = high + term, part = sum - high;
      low += (high - (sum - part)) + (term - part);
      high = sum;
    }
    double total = std::isfinite(high) ? high + low : high;
    if (p.options.reduction == Mean && p.kept > 0) total /= static_cast<double>(p.kept);
    *out.data<T>() = static_cast<T>(total);
  });
}

// ---- gradient -----------------------------------------------------------------------------------------------

// Inputs g, logits, targets, stats.
void infer_gradient(Call& call) {
  const Array &g = call.in[0], &logits = call.in[1], &stats = call.in[3];
  check_operands(call, logits, call.in[2]);
  if (!(g.shape() == result_shape(call, logits)) || !(stats.shape() == stats_shape(logits)))
    fail(ErrorKind::Shape, call.kernel.name, ": g and stats must have the shapes of the results; got g ", g.shape(),
         ", stats ", stats.shape(), ", logits ", logits.shape());
  if (g.dtype() != logits.dtype() || stats.dtype() != logits.dtype())
    fail(ErrorKind::DType, call.kernel.name, ": g and stats must have the dtype of the logits; got ", name(g.dtype()),
         ", ", name(stats.dtype()), " and ", name(logits.dtype()));
  call.out[0] = Array::abstract(logits.shape(), logits.dtype());
}

void run_gradient(const Call& call) {
  const Problem p(call, call.in[1], call.in[2]);
  const Array g = as_contiguous(call.in[0]), stats = as_contiguous(call.in[3]);
  const Array& out = call.out[0];
  const double smoothing = p.options.smoothing, classes = static_cast<double>(p.classes);
  const double share = p.options.reduction == Mean ? 1.0 / static_cast<double>(std::max<std::int64_t>(p.kept, 1)) : 1.0;
  dispatch_floating(p.logits.dtype(), [&](auto tag) {
    using T = decltype(tag);
    p.for_rows([&](std::int64_t first, std::int64_t rows) {
      SoftmaxLoops::Row row[kRows] = {};
      const T* x = p.logits.data<T>() + first * p.classes;
      const T* q = p.probabilities ? p.targets.data<T>() + first * p.classes : nullptr;
      T* dx = out.data<T>() + first * p.classes;
      for (std::int64_t i = 0; i < rows; ++i) {
        const double flow =
            share * static_cast<double>(p.options.reduction == None ? g.data<T>()[first + i] : *g.data<T>());
        double weight = 1;
        if (q) {
          double unused;
          p.loops->weighted(p.classes, x + i * p.classes, q + i * p.classes, 0, 0, &unused, &weight);
          weight = (1 - smoothing) * weight + smoothing;
        }
        row[i] = {flow * weight, flow * smoothing / classes, q ? flow * (1 - smoothing) : 0.0,
                  flow != 0 && !(!q && p.is_ignored(first + i))};
      }
      p.loops->gradient(rows, p.classes, x, stats.data<T>() + 2 * first, q, row, dx);
      if (q) return;
      for (std::int64_t i = 0; i < rows; ++i) {
        if (!row[i].live) continue;
        T& at_label = dx[i * p.classes + p.label(first + i)];
        at_label = static_cast<T>(static_cast<double>(at_label) - row[i].scale * (1 - smoothing));
      }
    });
  });
}

double cost(const Call& call) {
  double n = 0;
  for (const Array& a : call.in) n = std::max(n, static_cast<double>(a.numel()));
  return 0.75 * n;
}

}  // namespace

void register_cross_entropy(Registry& registry, const SoftmaxLoops& f32, const SoftmaxLoops& f64) {
  auto* loops = new Loops{};
  loops->by_dtype[static_cast<int>(DType::Float32)] = &f32;
  loops->by_dtype[static_cast<int>(DType::Float64)] = &f64;
  registry.add({"cross_entropy", 2, 2, 3, Inputs::AsIs, infer_forward, {run_forward}, cost, loops});
  registry.add({"cross_entropy_vjp", 4, 1, 3, Inputs::AsIs, infer_gradient, {run_gradient}, cost, loops});
}

}  // namespace alice
