// cross_entropy: L = Σ_j q_j (logsumexp(x) - x_j) per row of logits, q the target distribution, and its gradient
//   dL/dx_j = p_j Σ q - q_j,   p = softmax(x).
// Targets are class indices (integers, one per row) or probabilities (floating, one row each). With smoothing e the
// target becomes (1 - e) q + e / C.
//
// The leading `batch_axes` axes are a batch of examples, whose rows are reduced each by themselves, with the bits of a
// call for each.
//
// Both directions read each row of logits once from memory. The forward pass keeps two numbers per row, `stats`
// (SoftmaxLoops::stats), from which the gradient finds the softmax without a sum of its own.
#include "cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../core/chunks.h"
#include "../core/scratch.h"
#include "indices.h"
#include "math_bits.h"
#include "prepared.h"

namespace alice {
namespace {

constexpr std::int64_t kChunks = 256;  // of parallel work, at most, so that little is left to add up
constexpr std::int64_t kRows = 64;     // rows whose scratch lies on the stack

enum Reduce : std::int64_t { None, Sum, Mean };

struct Loops {
  const SoftmaxLoops* by_dtype[kComputedCount];
};

// Attributes: reduction, ignored index or None, smoothing, batch axes.
struct Options {
  explicit Options(const Call& call)
      : reduction(call.attrs[0].integer()),
        has_ignored(!call.attrs[1].is_none()),
        ignored(has_ignored ? call.attrs[1].integer() : 0),
        smoothing(call.attrs[2].real()),
        batch_axes(call.attrs[3].integer()) {}
  std::int64_t reduction;
  bool has_ignored;
  std::int64_t ignored;
  double smoothing;
  std::int64_t batch_axes;
};

// ---- labels -------------------------------------------------------------------------------------------------

// Copies `n` labels, and says how many of them are not ignored; -1 if one of the others is no class.
template <class L>
std::int64_t take_labels(const void* labels, std::int64_t n, std::int64_t classes, const Options& options,
                         std::int64_t* to) {
  std::int64_t bad = 0, ignored = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t y = to[i] = read_once(static_cast<const L*>(labels) + i);
    const bool skip = options.has_ignored && y == options.ignored;
    bad |= !skip & (static_cast<std::uint64_t>(y) >= static_cast<std::uint64_t>(classes));
    ignored += skip;
  }
  return bad ? -1 : n - ignored;
}

// ---- what both directions decide before they see data ---------------------------------------------------------

// `examples` of `rows` rows of `classes` logits. The rows are cut into groups, and these into chunks of parallel work,
// as the rows of one example ask for; short examples are taken several in a group.
struct Plan {
  Plan(const Call& call, const Array& logits_in, const Array& targets_in)
      : op("cross_entropy"),
        options(call),
        loops(*static_cast<const Loops*>(call.kernel.impl)->by_dtype[static_cast<int>(logits_in.dtype())]),
        dtype(logits_in.dtype()),
        logits(logits_in),
        targets(targets_in),
        classes(logits_in.shape().back()),
        probabilities(is_floating(targets_in.dtype())),
        item(static_cast<std::int64_t>(itemsize(targets_in.dtype()))),
        take(dispatch_index(targets_in.dtype(), [](auto tag) { return &take_labels<decltype(tag)>; })) {
    for (int i = 0; i + 1 < logits_in.rank(); ++i) (i < options.batch_axes ? examples : rows) *= logits_in.dim(i);
    const std::int64_t some_classes = std::max<std::int64_t>(1, classes);
    group = std::clamp<std::int64_t>(kChunkItems / some_classes, 1, kRows);
    several = examples > 1 && rows > 0 && rows <= group;
    if (several) group = group / rows * rows;
    stretch = several ? examples * rows : rows;
    const std::int64_t groups = (stretch + group - 1) / group;
    groups_per_chunk =
        std::max({std::int64_t{1}, kChunkItems / (group * some_classes), (groups + kChunks - 1) / kChunks});
    chunks = (groups + groups_per_chunk - 1) / groups_per_chunk;
    sums = several ? 1 : std::max<std::int64_t>(1, chunks);
  }

  // Calls body(first row, rows ≤ kRows, sum) in parallel. `sum` is the place where the losses of these rows are added
  // up, or, of several examples, those of the first; what goes to one place comes in order.
  template <class Body>
  void for_rows(Body body) const {
    const std::int64_t per_chunk = groups_per_chunk * group, stretches = several ? 1 : examples;
    parallel_for(stretches * chunks, [&](std::int64_t task) {
      const std::int64_t begin = task / chunks * stretch, chunk = task % chunks;
      const std::int64_t end = begin + std::min(stretch, (chunk + 1) * per_chunk);
      for (std::int64_t row = begin + chunk * per_chunk; row < end; row += group)
        body(row, std::min(group, end - row), several ? row / rows : task);
    });
  }

  // How many rows of each example count, and their labels, checked. Before anything is written.
  void take_rows(const Array& y, std::int64_t* kept, std::int64_t* labels) const {
    for (std::int64_t e = 0, row = 0; e < examples; ++e, row += rows) {
      kept[e] = probabilities ? rows : take(y.bytes() + row * item, rows, classes, options, labels + row);
      if (kept[e] < 0) refuse_label(labels, row);
    }
  }
  bool is_ignored(std::int64_t label) const { return options.has_ignored && label == options.ignored; }

  const char* op;
  Options options;
  const SoftmaxLoops& loops;
  DType dtype;
  RowMajor logits, targets;
  std::int64_t classes, examples = 1, rows = 1;
  bool probabilities;
  std::int64_t item;  // bytes of a target
  decltype(&take_labels<std::int64_t>) take;
  bool several;                           // whole examples in each group
  std::int64_t group;                     // rows
  std::int64_t stretch;                   // rows that are cut into groups: an example, or, of short ones, all
  std::int64_t groups_per_chunk, chunks;  // of a stretch
  std::int64_t sums;                      // of an example, to be added up

 private:
  [[noreturn, gnu::noinline]] void refuse_label(const std::int64_t* labels, std::int64_t row) const {
    for (;; ++row) {
      const std::int64_t y = labels[row];
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
    fail(ErrorKind::DType, op, ": logits must be floating; got ", name(logits.dtype()),
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
  if (options.batch_axes < 0 || options.batch_axes >= logits.rank())
    fail(ErrorKind::Value, op, ": batch_axes must be from 0 to ", logits.rank() - 1, "; got ", options.batch_axes);
}

Dims result_shape(const Call& call, const Array& logits) {
  const Options options(call);
  Dims shape = without_last(logits.shape());
  while (options.reduction != None && shape.size() > options.batch_axes) shape.pop_back();
  return shape;
}

Dims stats_shape(const Array& logits) {
  Dims shape = without_last(logits.shape());
  shape.push_back(2);
  return shape;
}

// ---- the work -----------------------------------------------------------------------------------------------

// Inputs logits, targets; outputs loss, stats.
void infer_forward(Call& call) {
  const Array& logits = call.in[0];
  check_operands(call, logits, call.in[1]);
  call.out[0] = Array::abstract(result_shape(call, logits), logits.dtype());
  call.out[1] = Array::abstract(stats_shape(logits), logits.dtype());
}

void check_cotangent(const Call& call, const Array& g, const Array& logits) {
  if (!(g.shape() == result_shape(call, logits)))
    fail(ErrorKind::Shape, call.kernel.name, ": g must have the shape of the loss; got g ", g.shape(), ", logits ",
         logits.shape());
  if (g.dtype() != logits.dtype())
    fail(ErrorKind::DType, call.kernel.name, ": g must have the dtype of the logits; got ", name(g.dtype()), " and ",
         name(logits.dtype()));
}

// Inputs g, logits, targets, stats; output the gradient of the logits.
void infer_gradient(Call& call) {
  const Array &g = call.in[0], &logits = call.in[1], &stats = call.in[3];
  check_operands(call, logits, call.in[2]);
  check_cotangent(call, g, logits);
  if (!(stats.shape() == stats_shape(logits)) || stats.dtype() != logits.dtype())
    fail(ErrorKind::Shape, call.kernel.name, ": stats must be those of the logits; got stats ", stats.shape(), " ",
         name(stats.dtype()), ", logits ", logits.shape(), " ", name(logits.dtype()));
  call.out[0] = logits.shape_only();
}

// Inputs logits, targets, g; outputs loss, stats, gradient of the logits.
void infer_both(Call& call) {
  infer_forward(call);
  check_cotangent(call, call.in[2], call.in[0]);
  call.out[2] = call.in[0].shape_only();
}

// A sum with what its additions lost (two-sum), as every sum of ours.
struct Pair {
  double high = 0, low = 0;
  void add(const Pair& other) {
    const ALICE_ISA::Pair sum = ALICE_ISA::two_sum(high, other.high);
    low += sum.lo + other.low;
    high = sum.hi;
  }
  double total() const { return std::isfinite(high) ? high + low : high; }
};

enum class Direction { Forward, Gradient, Both };

// One pass over the logits. Both directions in one give the bits of one after the other.
template <Direction D>
class CrossEntropy final : public Prepared {
  static constexpr bool kForward = D != Direction::Gradient, kGradient = D != Direction::Forward;
  static constexpr std::size_t kLogits = D == Direction::Gradient ? 1 : 0;  // then the targets
  static constexpr std::size_t kG = D == Direction::Gradient ? 0 : 2, kStats = 3;
  static constexpr std::size_t kLogitsGradient = D == Direction::Gradient ? 0 : 2;  // among the outputs

 public:
  explicit CrossEntropy(const Call& call)
      : p_(call, call.in[kLogits], call.in[kLogits + 1]),
        g_(call.in[kGradient ? kG : 0]),
        stats_(call.in[D == Direction::Gradient ? kStats : 0]) {}

  void run(const Call& call) const override {
    dispatch_floating(p_.dtype, [&](auto tag) { run_as<decltype(tag)>(call); });
  }

 private:
  template <class T>
  void run_as(const Call& call) const {
    Array buffers[4];
    const Array& logits = p_.logits.of(call.in[kLogits], buffers[0]);
    const Array& targets = p_.targets.of(call.in[kLogits + 1], buffers[1]);
    const T* g = kGradient ? g_.of(call.in[kG], buffers[2]).template data<T>() : nullptr;
    T* stats = kForward ? call.out[1].data<T>() : stats_.of(call.in[kStats], buffers[3]).template data<T>();
    const std::int64_t classes = p_.classes;
    const bool each = p_.options.reduction == None, mean = p_.options.reduction == Mean;
    const Scratch<std::int64_t> kept(p_.examples);
    std::fill_n(kept.data(), p_.examples, 0);
    // Read before they are checked, and never again.
    const Scratch<std::int64_t> labels(p_.probabilities ? 0 : p_.examples * p_.rows);
    p_.take_rows(targets, kept.data(), labels.data());
    const std::int64_t n_sums = kForward && !each ? p_.examples * p_.sums : 0;
    const Scratch<Pair> sums(n_sums);
    std::fill_n(sums.data(), n_sums, Pair{});

    bool in_place = false;
    if constexpr (D == Direction::Both) in_place = call.out[kLogitsGradient].data<T>() == logits.data<T>();
    // Losses that need all logits are found while these are there.
    const bool losses_first = in_place && (p_.probabilities || p_.options.smoothing != 0);

    p_.for_rows([&](std::int64_t first, std::int64_t rows, std::int64_t sum) {
      if (rows < 1) return;  // never; or the compiler warns of descriptions of no row
      const T* x = logits.data<T>() + first * classes;
      const T* q = p_.probabilities ? targets.data<T>() + first * classes : nullptr;
      T* row_stats = stats + 2 * first;
      const std::int64_t* label = labels.data() + first;
      double log_sum[kRows], losses[kRows], picked[kRows];
      if (in_place && !q)  // the logits of the labels, whose gradient takes their place
        for (std::int64_t i = 0; i < rows; ++i)
          picked[i] = p_.is_ignored(label[i]) ? 0.0 : static_cast<double>(x[i * classes + label[i]]);
      if constexpr (kGradient) {
        SoftmaxLoops::Row row[kRows];
        double flow[kRows];
        const std::int64_t step = each || q || p_.several;  // 0: the rows share what flows into them
        for (std::int64_t i = 0; i < (step ? rows : 1); ++i) {
          const std::int64_t example = each ? 0 : (first + i) / p_.rows;
          const double share = mean ? 1.0 / static_cast<double>(std::max<std::int64_t>(kept[example], 1)) : 1.0;
          flow[i] = share * static_cast<double>(g[each ? first + i : example]);
        }
        describe_rows(step ? rows : 1, x, q, flow, row);
        T* dx = call.out[kLogitsGradient].data<T>() + first * classes;
        if (kForward && !losses_first) {
          p_.loops.both(rows, classes, x, q, row, step, row_stats, log_sum, dx);
        } else {
          if constexpr (kForward) {
            p_.loops.stats(rows, classes, x, row_stats, log_sum);
            find_losses(rows, x, q, label, picked, row_stats, log_sum, losses);
          }
          p_.loops.gradient(rows, classes, x, row_stats, q, row, step, dx);
        }
        finish_rows(rows, q ? nullptr : label, flow, row, step, dx);
      } else {
        p_.loops.stats(rows, classes, x, row_stats, log_sum);
      }
      if constexpr (kForward) {
        if (!losses_first) find_losses(rows, x, q, label, in_place ? picked : nullptr, row_stats, log_sum, losses);
        if (each) {
          T* out = call.out[0].data<T>() + first;
          for (std::int64_t i = 0; i < rows; ++i) out[i] = static_cast<T>(losses[i]);
        } else {
          const std::int64_t n = p_.several ? p_.rows : rows;
          for (std::int64_t i = 0; i < rows; i += n) {
            Pair part;
            p_.loops.sum(n, losses + i, &part.high, &part.low);
            sums[sum++].add(part);
          }
        }
      }
    });

    if constexpr (kForward) {
      if (each) return;
      for (std::int64_t e = 0; e < p_.examples; ++e) {
        Pair* parts = sums.data() + e * p_.sums;
        for (std::int64_t i = 1; i < p_.sums; ++i) parts[0].add(parts[i]);
        double total = parts[0].total();
        if (mean && kept[e] > 0) total /= static_cast<double>(kept[e]);
        call.out[0].data<T>()[e] = static_cast<T>(total);
      }
    }
  }

  // From the statistics of some rows of logits.
  template <class T>
  void find_losses(std::int64_t rows, const T* x, const T* q, const std::int64_t* label, const double* picked,
                   const T* stats, const double* log_sum, double* losses) const {
    const double smoothing = p_.options.smoothing;
    for (std::int64_t i = 0; i < rows; ++i, x += p_.classes) {
      const double max = static_cast<double>(stats[2 * i]);
      double weight, smooth;
      if (q) {
        p_.loops.weighted(p_.classes, x, q + i * p_.classes, max, log_sum[i], &losses[i], &weight);
      } else if (p_.is_ignored(label[i])) {
        losses[i] = 0;
        continue;
      } else {
        const double logit = picked ? picked[i] : static_cast<double>(x[label[i]]);
        // Both infinite: the item is the maximum, or shares it.
        losses[i] = (max == logit && max > 0 ? 0.0 : max - logit) + log_sum[i];
      }
      if (smoothing == 0) continue;
      p_.loops.weighted(p_.classes, x, nullptr, max, log_sum[i], &smooth, &weight);
      losses[i] = (1 - smoothing) * losses[i] + smoothing / static_cast<double>(p_.classes) * smooth;
    }
  }

  // From what flows into each row: its share of the cotangent.
  template <class T>
  void describe_rows(std::int64_t rows, const T* x, const T* q, const double* flow, SoftmaxLoops::Row* row) const {
    const double smoothing = p_.options.smoothing, spread = smoothing / static_cast<double>(p_.classes);
    for (std::int64_t i = 0; i < rows; ++i) {
      if (q) {
        double unused, weight;
        p_.loops.weighted(p_.classes, x + i * p_.classes, q + i * p_.classes, 0, 0, &unused, &weight);
        row[i] = {flow[i] * ((1 - smoothing) * weight + smoothing), flow[i] * spread, flow[i] * (1 - smoothing)};
      } else {
        row[i] = {flow[i], flow[i] * spread, flow[i] * (1 - smoothing)};
      }
    }
  }

  // Takes the label's share off. Zeros where nothing flows, whatever the logits hold: in ignored rows, or where g is 0.
  template <class T>
  void finish_rows(std::int64_t rows, const std::int64_t* label, const double* flow, const SoftmaxLoops::Row* row,
                   std::int64_t step, T* dx) const {
    for (std::int64_t i = 0; i < rows; ++i, dx += p_.classes) {
      if (flow[i * step] == 0 || (label && p_.is_ignored(label[i]))) {
        std::fill_n(dx, p_.classes, T(0));
      } else if (label) {
        T& at_label = dx[label[i]];
        at_label = static_cast<T>(static_cast<double>(at_label) - row[i * step].slope);
      }
    }
  }

  Plan p_;
  RowMajor g_, stats_;
};

// The statistics stay as precise as they are: gradients are made of them.
template <Direction D>
int like(const Call&, int result) {
  if (D == Direction::Gradient) return 1;
  return result == 1 ? -1 : 0;
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
  const auto add = [&]<Direction D>(const char* name, int n_in, int n_out, void (*infer)(Call&)) {
    using Work = CrossEntropy<D>;
    return &registry.add({.name = name,
                          .n_in = n_in,
                          .n_out = n_out,
                          .attributes = {{"reduction", AttrKind::Integer},
                                         {"ignore_index", AttrKind::Integer | AttrKind::None},
                                         {"label_smoothing", AttrKind::Real},
                                         {"batch_axes", AttrKind::Integer}},
                          .infer = infer,
                          .run = {run_once<Work>},
                          .cost = cost,
                          .impl = loops,
                          .prepare = prepare_call<Work>,
                          .overwriting = D == Direction::Both ? 2 : -1,  // the logits' gradient takes their place
                          .like = like<D>});
  };
  const Kernel* value = add.operator()<Direction::Forward>("cross_entropy", 2, 2, infer_forward);
  const Kernel* vjp = add.operator()<Direction::Gradient>("cross_entropy_vjp", 4, 1, infer_gradient);
  const Kernel* both = add.operator()<Direction::Both>("cross_entropy_value_and_vjp", 3, 3, infer_both);
  registry.add(KernelPair{value, vjp, both});
}

}  // namespace alice
