// Small: the loops over the elements of a row are in normalise_loops.cpp.
// layer_norm and rms_norm: rows of the last axis, brought to mean 0 (layer_norm only) and mean square 1, then scaled
// by a weight and, layer_norm again, shifted by a bias for each column; and their adjoints.
//
// The leading `batch_axes` axes are a batch of examples with weights of their own, each with the bits of a call for it.
// The first result comes with what the adjoint wants to know of each row (kRowStats): a saved value, no result.
// Small: loops elsewhere do the work.
#include <algorithm>

#include "../core/chunks.h"
#include "../core/scratch.h"
#include "normalise_loops.h"
#include "prepared.h"
#include "register.h"

namespace alice {
namespace {

using std::int64_t;

constexpr int64_t kPieces = 256;  // of an example, at most, so that little is left to add up
constexpr int64_t kRows = 16;     // in a piece, at least

// What the kernels of one function share: whether rows lose their mean, and the loops.
struct Function {
  bool centred;
  const NormaliseLoops* loops[kComputedCount];
};

const Function& function_of(const Call& call) { return *static_cast<const Function*>(call.kernel.impl); }

// Attributes: eps, batch axes.
struct Options {
  explicit Options(const Call& call) : eps(call.attrs[0].real()), batch_axes(call.attrs[1].integer()) {}
  double eps;
  int64_t batch_axes;
};

// `examples` of `rows` rows of `n` items, and the pieces into which those of an example are cut.
struct Plan {
  Plan(const Call& call, const Array& x) : n(x.shape().back()) {
    const int64_t batch_axes = Options(call).batch_axes;
    for (int i = 0; i + 1 < x.rank(); ++i) (i < batch_axes ? examples : rows) *= x.dim(i);
    const int64_t fit = std::max(rows_per_chunk(n), (rows + kPieces - 1) / kPieces);
    piece = (fit + kRows - 1) / kRows * kRows;
    pieces = (rows + piece - 1) / piece;
    together = std::max<int64_t>(1, kChunkItems / std::max<int64_t>(1, std::min(piece, rows) * n));
  }

  // Calls body(example, first row of all, rows, number of the piece) in parallel.
  template <class Body>
  void for_pieces(const Body& body) const {
    parallel_chunks(examples * pieces, together, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const int64_t example = p / pieces, row = p % pieces * piece;
        body(example, example * rows + row, std::min(piece, rows - row), p);
      }
    });
  }

  int64_t n, examples = 1, rows = 1;
  int64_t piece, pieces;
  int64_t together;  // pieces that a thread takes at a time
};

// ---- shapes ---------------------------------------------------------------------------------------------------

Dims weight_shape(const Call& call, const Array& x) {
  Dims shape;
  for (int i = 0; i < static_cast<int>(Options(call).batch_axes); ++i) shape.push_back(x.dim(i));
  shape.push_back(x.shape().back());
  return shape;
}

Dims stats_shape(const Array& x) {
  Dims shape = x.shape();
  shape.pop_back();
  shape.push_back(kRowStats);
  return shape;
}

void check_options(const Call& call, const Array& x) {
  const char* op = call.kernel.name;
  const Options options(call);
  if (x.rank() == 0) fail(ErrorKind::Shape, op, ": x must have at least one axis; got a 0-d tensor");
  if (!(options.eps >= 0)) fail(ErrorKind::Value, op, ": eps must not be negative; got ", options.eps);
  if (options.batch_axes < 0 || options.batch_axes >= x.rank())
    fail(ErrorKind::Value, op, ": batch_axes must be from 0 to ", x.rank() - 1, "; got ", options.batch_axes);
}

void check_weight(const Call& call, const Array& x, const Array& weight, const char* name) {
  const Dims expected = weight_shape(call, x);
  if (!(weight.shape() == expected))
    fail(ErrorKind::Shape, call.kernel.name, ": ", name, " must have shape ", expected, ", that of the axes of x ",
         x.shape(), " along which it is normalised; got ", weight.shape());
}

// Inputs x, weight and, where rows are centred, bias; outputs y, stats.
void infer_forward(Call& call) {
  const Array& x = call.in[0];
  check_options(call, x);
  check_weight(call, x, call.in[1], "weight");
  if (call.in.size() > 2) check_weight(call, x, call.in[2], "bias");
  call.out[0] = x.shape_only();
  call.out[1] = Array::abstract(stats_shape(x), x.dtype());
}

// Inputs g, x, weight, stats; outputs the gradients of x, weight and, where rows are centred, bias.
void infer_backward(Call& call) {
  const Array &g = call.in[0], &x = call.in[1], &weight = call.in[2];
  check_options(call, x);
  check_weight(call, x, weight, "weight");
  if (!(g.shape() == x.shape()))
    fail(ErrorKind::Shape, call.kernel.name, ": g must have the shape of x; got g ", g.shape(), ", x ", x.shape());
  for (const Array& operand : call.in)
    if (!is_floating(operand.dtype()) || operand.dtype() != x.dtype())
      fail(ErrorKind::DType, call.kernel.name, ": g, x, weight and stats must have one floating dtype; got ",
           name(g.dtype()), ", ", name(x.dtype()), ", ", name(weight.dtype()), " and ", name(call.in[3].dtype()));
  if (!(call.in[3].shape() == stats_shape(x)))
    fail(ErrorKind::Shape, call.kernel.name, ": stats must be those of x; got stats ", call.in[3].shape(), ", x ",
         x.shape());
  call.out[0] = x.shape_only();
  for (std::size_t i = 1; i < call.out.size(); ++i) call.out[i] = weight.shape_only();
}

// ---- the work -------------------------------------------------------------------------------------------------

class Forward final : public Prepared {
 public:
  explicit Forward(const Call& call)
      : plan_(call, call.in[0]),
        function_(function_of(call)),
        eps_(Options(call).eps),
        dtype_(call.in[0].dtype()),
        x_(call.in[0]),
        w_(call.in[1]),
        b_(call.in.back()) {}

  void run(const Call& call) const override {
    const bool shifted = call.in.size() > 2;
    Array buffers[3];
    const Array &x = x_.of(call.in[0], buffers[0]), &w = w_.of(call.in[1], buffers[1]);
    const Array& b = shifted ? b_.of(call.in[2], buffers[2]) : w;
    const NormaliseLoops& loops = *function_.loops[static_cast<int>(dtype_)];
    const int64_t item = static_cast<int64_t>(itemsize(dtype_)), n = plan_.n;
    plan_.for_pieces([&](int64_t example, int64_t row, int64_t rows, int64_t) {
      const int64_t at = row * n * item, column = example * n * item;
      loops.forward(rows, n, function_.centred, eps_, x.bytes() + at, w.bytes() + column,
                    shifted ? b.bytes() + column : nullptr, call.out[0].bytes() + at,
                    call.out[1].bytes() + row * kRowStats * item);
    });
  }

 private:
  Plan plan_;
  const Function& function_;
  double eps_;
  DType dtype_;
  RowMajor x_, w_, b_;
};

class Backward final : public Prepared {
 public:
  explicit Backward(const Call& call)
      : plan_(call, call.in[1]),
        function_(function_of(call)),
        dtype_(call.in[1].dtype()),
        g_(call.in[0]),
        x_(call.in[1]),
        w_(call.in[2]),
        stats_(call.in[3]) {}

  void run(const Call& call) const override {
    dispatch_floating(dtype_, [&](auto tag) { run_as<decltype(tag)>(call); });
  }

 private:
  template <class T>
  void run_as(const Call& call) const {
    const int64_t n = plan_.n;
    const bool shifted = call.out.size() > 2;
    Array buffers[4];
    const T *g = g_.of(call.in[0], buffers[0]).data<T>(), *x = x_.of(call.in[1], buffers[1]).data<T>();
    const T *w = w_.of(call.in[2], buffers[2]).data<T>(), *stats = stats_.of(call.in[3], buffers[3]).data<T>();
    const NormaliseLoops& loops = *function_.loops[static_cast<int>(dtype_)];
    // What each piece adds to the gradients of weight and bias, one after the other.
    const int64_t sums = 2 * n, total = plan_.examples * plan_.pieces * sums;
    const Scratch<double> parts(total);
    plan_.for_pieces([&](int64_t example, int64_t row, int64_t rows, int64_t p) {
      double* of_w = parts.data() + p * sums;
      std::fill_n(of_w, sums, 0.0);
      const Scratch<T> scratch(2 * n);
      loops.backward(rows, n, function_.centred, g + row * n, x + row * n, w + example * n, stats + row * kRowStats,
                     scratch.data(), call.out[0].data<T>() + row * n, of_w, shifted ? of_w + n : nullptr);
    });
    for (int64_t e = 0; e < plan_.examples; ++e) {
      const double* part = parts.data() + e * plan_.pieces * sums;
      for (std::size_t i = 1; i < call.out.size(); ++i, part += n) {
        T* out = call.out[i].data<T>() + e * n;
        for (int64_t k = 0; k < n; ++k) {
          double sum = 0;
          for (int64_t p = 0; p < plan_.pieces; ++p) sum += part[p * sums + k];
          out[k] = static_cast<T>(sum);
        }
      }
    }
  }

  Plan plan_;
  const Function& function_;
  DType dtype_;
  RowMajor g_, x_, w_, stats_;
};

// Of operands that are stored alone in their dtype: results are as the operand that they belong to; the statistics stay
// as precise as they are, since gradients are made of them.
int like_forward(const Call&, int result) { return result == 1 ? -1 : 0; }
int like_backward(const Call&, int result) { return result == 0 ? 1 : 2; }

double cost(const Call& call) { return 0.5 * static_cast<double>(call.out[0].numel()); }

}  // namespace

void register_normalise(Registry& registry) {
  const auto add = [&](const char* name, const char* vjp, bool centred) {
    auto* function = new Function{centred, {}};
    function->loops[static_cast<int>(DType::Float32)] = &normalise_loops(DType::Float32);
    function->loops[static_cast<int>(DType::Float64)] = &normalise_loops(DType::Float64);
    const std::vector<AttrSpec> attributes = {{"eps", AttrKind::Real}, {"batch_axes", AttrKind::Integer}};
    registry.add({.name = name,
                  .n_in = centred ? 3 : 2,
                  .n_out = 2,
                  .attributes = attributes,
                  .inputs = Inputs::Floating,
                  .infer = infer_forward,
                  .run = {run_once<Forward>},
                  .cost = cost,
                  .impl = function,
                  .prepare = prepare_call<Forward>,
                  .like = like_forward});
    registry.add({.name = vjp,
                  .n_in = 4,
                  .n_out = centred ? 3 : 2,
                  .attributes = attributes,
                  .infer = infer_backward,
                  .run = {run_once<Backward>},
                  .cost = cost,
                  .impl = function,
                  .prepare = prepare_call<Backward>,
                  .like = like_backward});
  };
  add("layer_norm", "layer_norm_vjp", true);
  add("rms_norm", "rms_norm_vjp", false);
}

}  // namespace alice
