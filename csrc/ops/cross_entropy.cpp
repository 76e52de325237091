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
#include "prepared.h"

namespace alice {
namespace {

constexpr std::int64_t kChunk = 1 << 15;  // items per chunk of parallel work
constexpr std::int64_t kChunks = 256;     // at most, so that what they add up lies on the stack
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

// ---- labels -------------------------------------------------------------------------------------------------

template <class L>
void read_labels(const void* labels, std::int64_t first, std::int64_t n, std::int64_t* to) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<const L*>(labels)[first + i];
}

// How many of `n` labels are not ignored; -1 if one of the others is no class.
template <class L>
std::int64_t count_labels(const void* labels, std::int64_t n, std::int64_t classes, const Options& options) {
  std::int64_t bad = 0, ignored = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t y = static_cast<const L*>(labels)[i];
    const bool skip = options.has_ignored & (y == options.ignored);
    bad |= !skip & (static_cast<std::uint64_t>(y) >= static_cast<std::uint64_t>(classes));
    ignored += skip;
  }
  return bad ? -1 : n - ignored;
}

// The class indices of one integer dtype.
struct LabelLoops {
  decltype(&read_labels<std::int64_t>) read;
  decltype(&count_labels<std::int64_t>) count;
};

LabelLoops label_loops(DType t) {
  switch (t) {
    case DType::UInt8: return {read_labels<std::uint8_t>, count_labels<std::uint8_t>};
    case DType::Int32: return {read_labels<std::int32_t>, count_labels<std::int32_t>};
    default: return {read_labels<std::int64_t>, count_labels<std::int64_t>};
  }
}

// ---- what both directions decide before they see data ---------------------------------------------------------

// `rows` rows of `classes` logits.
struct Plan {
  Plan(const Call& call, const Array& logits_in, const Array& targets_in)
      : op(call.kernel.name),
        options(call),
        loops(*static_cast<const Loops*>(call.kernel.impl)->by_dtype[static_cast<int>(logits_in.dtype())]),
        dtype(logits_in.dtype()),
        logits(logits_in),
        targets(targets_in),
        classes(logits_in.shape().back()),
        probabilities(is_floating(targets_in.dtype())),
        labels(label_loops(targets_in.dtype())) {
    for (int i = 0; i + 1 < logits_in.rank(); ++i) rows *= logits_in.dim(i);
    const std::int64_t some_classes = std::max<std::int64_t>(1, classes);
    group = std::clamp<std::int64_t>(kChunk / some_classes, 1, kRows);
    const std::int64_t groups = (rows + group - 1) / group;
    groups_per_chunk = std::max({std::int64_t{1}, kChunk / (group * some_classes), (groups + kChunks - 1) / kChunks});
    chunks = (groups + groups_per_chunk - 1) / groups_per_chunk;
  }

  // Calls body(chunk, first row, rows ≤ kRows) in parallel; one chunk sees its rows in order.
  template <class Body>
  void for_rows(Body body) const {
    const std::int64_t per_chunk = groups_per_chunk * group;
    parallel_for(chunks, [&](std::int64_t chunk) {
      const std::int64_t end = std::min(rows, (chunk + 1) * per_chunk);
      for (std::int64_t row = chunk * per_chunk; row < end; row += group) body(chunk, row, std::min(group, end - row));
    });
  }

  // How many rows count. Before anything is written.
  std::int64_t check_labels(const Array& y) const {
    if (probabilities) return rows;
    const std::int64_t kept = labels.count(y.bytes(), rows, classes, options);
    if (kept < 0) refuse_label(y);
    return kept;
  }
  bool is_ignored(std::int64_t label) const { return options.has_ignored && label == options.ignored; }

  const char* op;
  Options options;
  const SoftmaxLoops& loops;
  DType dtype;
  RowMajor logits, targets;
  std::int64_t classes, rows = 1;
  bool probabilities;
  LabelLoops labels;
  std::int64_t group, groups_per_chunk, chunks;

 private:
  [[noreturn, gnu::noinline]] void refuse_label(const Array& labels_in) const {
    for (std::int64_t row = 0;; ++row) {
      std::int64_t y;
      labels.read(labels_in.bytes(), row, 1, &y);
      if (is_ignored(y) || (y >= 0 && y < classes)) continue;
      fail(ErrorKind::Index, op, ": targets must be from 0 to ", classes - 1, " (classes: ", classes, "); got ", y,
           " in row ", row, "; name it as ignore_index to leave such rows out");
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

class Forward final : public Prepared {
 public:
  explicit Forward(const Call& call) : p_(call, call.in[0], call.in[1]) {}

  void run(const Call& call) const override {
    dispatch_floating(p_.dtype, [&](auto tag) { run_as<decltype(tag)>(call); });
  }

 private:
  template <class T>
  void run_as(const Call& call) const {
    Array buffers[2];
    const Array &logits = p_.logits.of(call.in[0], buffers[0]), &targets = p_.targets.of(call.in[1], buffers[1]);
    const std::int64_t kept = p_.check_labels(targets);
    T *out = call.out[0].data<T>(), *stats = call.out[1].data<T>();
    const bool reduced = p_.options.reduction != None;
    Pair sums[kChunks];  // of the chunks, as pairs whose sum it is
    for (std::int64_t i = 0; i < p_.chunks; ++i) sums[i] = {0, 0};
    p_.for_rows([&](std::int64_t chunk, std::int64_t first, std::int64_t rows) {
      double losses[kRows];
      find_losses(first, rows, logits.data<T>() + first * p_.classes, targets, stats + 2 * first, losses);
      if (reduced) {
        Pair sum;
        p_.loops.sum(rows, losses, &sum.high, &sum.low);
        sums[chunk].add(sum);
      } else {
        for (std::int64_t i = 0; i < rows; ++i) out[first + i] = static_cast<T>(losses[i]);
      }
    });
    if (!reduced) return;
    for (std::int64_t i = 1; i < p_.chunks; ++i) sums[0].add(sums[i]);
    double total = std::isfinite(sums[0].high) ? sums[0].high + sums[0].low : sums[0].high;
    if (p_.options.reduction == Mean && kept > 0) total /= static_cast<double>(kept);
    *out = static_cast<T>(p_.rows > 0 ? total : 0.0);
  }

  // A sum with what its additions lost (two-sum), as every sum of ours.
  struct Pair {
    double high, low;
    void add(const Pair& other) {
      const double sum = high + other.high, part = sum - high;
      low += ((high - (sum - part)) + (other.high - part)) + other.low;
      high = sum;
    }
  };

  // Losses and statistics of some rows of logits.
  template <class T>
  void find_losses(std::int64_t first, std::int64_t rows, const T* x, const Array& targets, T* stats,
                   double* losses) const {
    const double smoothing = p_.options.smoothing;
    double log_sum[kRows];
    p_.loops.stats(rows, p_.classes, x, stats, log_sum);
    std::int64_t label[kRows];
    if (!p_.probabilities) p_.labels.read(targets.bytes(), first, rows, label);
    for (std::int64_t i = 0; i < rows; ++i, x += p_.classes) {
      const double max = static_cast<double>(stats[2 * i]);
      double weight, smooth;
      if (p_.probabilities) {
        const T* q = targets.data<T>() + (first + i) * p_.classes;
        p_.loops.weighted(p_.classes, x, q, max, log_sum[i], &losses[i], &weight);
      } else if (p_.is_ignored(label[i])) {
        losses[i] = 0;
        continue;
      } else {
        const double logit = static_cast<double>(x[label[i]]);
        // Both infinite: the item is the maximum, or shares it.
        losses[i] = (max == logit && max > 0 ? 0.0 : max - logit) + log_sum[i];
      }
      if (smoothing == 0) continue;
      p_.loops.weighted(p_.classes, x, nullptr, max, log_sum[i], &smooth, &weight);
      losses[i] = (1 - smoothing) * losses[i] + smoothing / static_cast<double>(p_.classes) * smooth;
    }
  }

  Plan p_;
};

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

class Gradient final : public Prepared {
 public:
  explicit Gradient(const Call& call) : p_(call, call.in[1], call.in[2]), g_(call.in[0]), stats_(call.in[3]) {}

  void run(const Call& call) const override {
    dispatch_floating(p_.dtype, [&](auto tag) { run_as<decltype(tag)>(call); });
  }

 private:
  template <class T>
  void run_as(const Call& call) const {
    Array buffers[4];
    const Array &g = g_.of(call.in[0], buffers[0]), &logits = p_.logits.of(call.in[1], buffers[1]);
    const Array &targets = p_.targets.of(call.in[2], buffers[2]), &stats = stats_.of(call.in[3], buffers[3]);
    const std::int64_t kept = p_.check_labels(targets), classes = p_.classes;
    const Options& options = p_.options;
    const double smoothing = options.smoothing, spread = smoothing / static_cast<double>(classes);
    const double share = options.reduction == Mean ? 1.0 / static_cast<double>(std::max<std::int64_t>(kept, 1)) : 1.0;
    p_.for_rows([&](std::int64_t, std::int64_t first, std::int64_t rows) {
      SoftmaxLoops::Row row[kRows];
      std::int64_t label[kRows];
      const T* x = logits.data<T>() + first * classes;
      const T* q = p_.probabilities ? targets.data<T>() + first * classes : nullptr;
      T* dx = call.out[0].data<T>() + first * classes;
      if (!q) p_.labels.read(targets.bytes(), first, rows, label);
      for (std::int64_t i = 0; i < rows; ++i) {
        const double flow = share * static_cast<double>(g.data<T>()[options.reduction == None ? first + i : 0]);
        row[i] = {flow, flow * spread, 0, flow != 0 && !(!q && p_.is_ignored(label[i]))};
        if (!q) continue;
        double unused, weight;
        p_.loops.weighted(classes, x + i * classes, q + i * classes, 0, 0, &unused, &weight);
        row[i].scale = flow * ((1 - smoothing) * weight + smoothing);
        row[i].slope = flow * (1 - smoothing);
      }
      p_.loops.gradient(rows, classes, x, stats.data<T>() + 2 * first, q, row, dx);
      if (q) return;
      for (std::int64_t i = 0; i < rows; ++i) {
        if (!row[i].live) continue;
        T& at_label = dx[i * classes + label[i]];
        at_label = static_cast<T>(static_cast<double>(at_label) - row[i].scale * (1 - smoothing));
      }
    });
  }

  Plan p_;
  RowMajor g_, stats_;
};

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
  registry.add({"cross_entropy",
                2,
                2,
                3,
                Inputs::AsIs,
                infer_forward,
                {run_once<Forward>},
                cost,
                loops,
                nullptr,
                prepare_call<Forward>});
  registry.add({"cross_entropy_vjp",
                4,
                1,
                3,
                Inputs::AsIs,
                infer_gradient,
                {run_once<Gradient>},
                cost,
                loops,
                nullptr,
                prepare_call<Gradient>});
}

}  // namespace alice
