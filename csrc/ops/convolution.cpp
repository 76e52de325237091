// conv, and the two kernels that are its gradients: conv_transpose by the images, conv_weight by the weights. All three
// are sums over the same products x[…] w[…] g[…], each leaving out another factor; the gradients of each are the other
// two.
//
// x is (N, C, …), w (O, C / groups, …), g (N, O, …), with one to three spatial axes.
// Small: loops elsewhere do the work.
#include <algorithm>
#include <memory>
#include <vector>

#include "convolution_weight.h"
#include "correlation.h"
#include "prepared.h"
#include "register.h"
#include "windows.h"

namespace alice {
namespace {

using std::int64_t;

enum { kStride, kPadding, kDilation, kGroups, kExtents };

Windows windows_of(const Call& call, const Dims& in, const Dims& window) {
  return windows_of(call.kernel.name, in, window, call.attrs[kStride], call.attrs[kPadding], call.attrs[kDilation]);
}

int64_t groups_of(const Call& call) {
  const int64_t groups = call.attrs[kGroups].integer();
  if (groups < 1 || groups >= int64_t{1} << 31)
    fail(ErrorKind::Shape, call.kernel.name, ": groups must be at least 1; got ", groups);
  return groups;
}

void check_ranks(const Call& call, const char* names) {
  const Array &a = call.in[0], &b = call.in[1];
  if (a.rank() != b.rank() || a.rank() < 3 || a.rank() > 2 + kMaxSpatial)
    fail(ErrorKind::Shape, call.kernel.name, ": ", names, " must have one rank from 3 to 5; got ", a.shape(), " and ",
         b.shape());
}

void check_rows(const Call& call, const char* what, int64_t rows, int64_t groups) {
  if (rows % groups != 0)
    fail(ErrorKind::Shape, call.kernel.name, ": groups must divide the ", what, "; got ", rows, " ", what, " and ",
         groups, " groups");
}

void infer_conv(Call& call) {
  check_ranks(call, "x and w");
  const Array &x = call.in[0], &w = call.in[1];
  const int64_t groups = groups_of(call);
  check_rows(call, "output channels", w.dim(0), groups);
  if (x.dim(1) % groups != 0 || x.dim(1) / groups != w.dim(1))
    fail(ErrorKind::Shape, call.kernel.name, ": x.shape[1] must be groups times w.shape[1], channels; got x ",
         x.shape(), ", w ", w.shape(), ", groups ", groups);
  const Windows windows = windows_of(call, spatial(x), spatial(w));
  call.out[0] = Array::abstract(with_windows({x.dim(0), w.dim(0)}, windows, x.rank() - 2), x.dtype());
}

void infer_conv_transpose(Call& call) {
  check_ranks(call, "g and w");
  const Array &g = call.in[0], &w = call.in[1];
  const int64_t groups = groups_of(call);
  check_rows(call, "input channels", w.dim(0), groups);
  if (g.dim(1) != w.dim(0))
    fail(ErrorKind::Shape, call.kernel.name, ": g.shape[1] must be w.shape[0], channels; got g ", g.shape(), ", w ",
         w.shape());
  const Windows windows = windows_of(call, call.attrs[kExtents].dims(), spatial(w));
  if (!(with_windows({g.dim(0), g.dim(1)}, windows, g.rank() - 2) == g.shape()))
    fail(ErrorKind::Shape, call.kernel.name, ": g must have one item for each window over extents ",
         call.attrs[kExtents].dims(), "; got g ", g.shape(), ", w ", w.shape());
  Dims out = {g.dim(0), 0};
  if (__builtin_mul_overflow(w.dim(1), groups, &out[1]))
    fail(ErrorKind::Shape, call.kernel.name, ": groups times w.shape[1] must fit 64 bits; got w ", w.shape(),
         ", groups ", groups);
  for (int64_t n : call.attrs[kExtents].dims()) out.push_back(n);
  call.out[0] = Array::abstract(out, g.dtype());
}

void infer_conv_weight(Call& call) {
  check_ranks(call, "x and g");
  const Array &x = call.in[0], &g = call.in[1];
  const int64_t groups = groups_of(call);
  check_rows(call, "input channels", x.dim(1), groups);
  check_rows(call, "output channels", g.dim(1), groups);
  const Windows windows = windows_of(call, spatial(x), call.attrs[kExtents].dims());
  if (!(with_windows({x.dim(0), g.dim(1)}, windows, x.rank() - 2) == g.shape()))
    fail(ErrorKind::Shape, call.kernel.name, ": g must have one item for each window over x; got x ", x.shape(), ", g ",
         g.shape());
  Dims out = {g.dim(1), x.dim(1) / groups};
  for (int64_t n : call.attrs[kExtents].dims()) out.push_back(n);
  call.out[0] = Array::abstract(out, x.dtype());
}

// ---- lattices -------------------------------------------------------------------------------------------------------

Lattice conv_lattice(const Windows& windows, int64_t images, int64_t groups, int64_t channels, int64_t rows) {
  const int64_t taps = windows.taps();
  Lattice l{images, groups, rows, channels, {}, {}, rows * channels * taps, channels * taps, taps};
  for (int i = 0; i < kMaxSpatial; ++i) {
    const WindowAxis& a = windows.axis[i];
    l.window[i] = a.window;
    l.axis[i] = {a.in, a.stride, a.out, 0, 1, a.out, {}, {}};
    for (int64_t t = 0; t < a.window; ++t) {
      l.axis[i].taps.push_back(t);
      l.axis[i].offsets.push_back(t * a.dilation - a.lo);
    }
  }
  return l;
}

// Of the transpose: places equally far from where windows begin are met by the same taps, so that there is a lattice
// for each place in a stride.
std::vector<LatticeAxis> transposed_axis(const WindowAxis& a) {
  std::vector<LatticeAxis> phases;
  for (int64_t first = 0; first < std::min(a.stride, a.in); ++first) {
    LatticeAxis phase{a.out, 1, (a.in - first - 1) / a.stride + 1, first, a.stride, a.in, {}, {}};
    for (int64_t t = a.window; t-- > 0;) {  // memory is read upwards
      const int64_t from = first + a.lo - t * a.dilation;
      if (from % a.stride != 0) continue;
      phase.taps.push_back(t);
      phase.offsets.push_back(from / a.stride);
    }
    if (!phase.taps.empty()) phases.push_back(phase);
  }
  return phases;
}

std::vector<Lattice> transposed_lattices(const Windows& windows, int64_t images, int64_t groups, int64_t channels,
                                         int64_t rows) {
  const int64_t taps = windows.taps();
  std::vector<Lattice> made;
  for (const LatticeAxis& z : transposed_axis(windows.axis[0]))
    for (const LatticeAxis& y : transposed_axis(windows.axis[1]))
      for (const LatticeAxis& x : transposed_axis(windows.axis[2]))
        made.push_back({images,
                        groups,
                        rows,
                        channels,
                        {z, y, x},
                        {windows.axis[0].window, windows.axis[1].window, windows.axis[2].window},
                        rows * channels * taps,
                        taps,
                        rows * taps});
  return made;
}

// ---- calls ----------------------------------------------------------------------------------------------------------

template <class T>
class Correlations final : public Prepared {
 public:
  Correlations(const Call& call, const std::vector<Lattice>& lattices, bool covered)
      : a_(call.in[0]), b_(call.in[1]), covered_(covered) {
    for (const Lattice& l : lattices) parts_.emplace_back(l);
  }
  void run(const Call& call) const override {
    const Array& out = call.out[0];
    if (out.numel() == 0) return;
    Array copies[2];
    const Array &a = a_.of(call.in[0], copies[0]), &b = b_.of(call.in[1], copies[1]);
    if (!covered_) zero_fill(out);
    for (const Correlation<T>& part : parts_) part.run(a.data<T>(), b.data<T>(), out.data<T>());
  }

 private:
  RowMajor a_, b_;
  bool covered_;  // every result by a lattice, and a sum of something
  std::vector<Correlation<T>> parts_;
};

template <class T>
class WeightCall final : public Prepared {
 public:
  WeightCall(const Call& call, const WeightGradient<T>& gradient)
      : x_(call.in[0]), g_(call.in[1]), gradient_(gradient) {}
  void run(const Call& call) const override {
    if (call.out[0].numel() == 0) return;
    Array copies[2];
    gradient_.run(x_.of(call.in[0], copies[0]).data<T>(), g_.of(call.in[1], copies[1]).data<T>(),
                  call.out[0].data<T>());
  }

 private:
  RowMajor x_, g_;
  WeightGradient<T> gradient_;
};

template <class Make>
std::unique_ptr<Prepared> by_dtype(const Call& call, Make make) {
  return dispatch_floating(call.in[0].dtype(), make);
}

std::unique_ptr<Prepared> prepare_conv(const Call& call) {
  const Array &x = call.in[0], &w = call.in[1];
  const int64_t groups = groups_of(call), rows = w.dim(0) / groups;
  const Windows windows = windows_of(call, spatial(x), spatial(w));
  const std::vector<Lattice> lattices = {conv_lattice(windows, x.dim(0), groups, w.dim(1), rows)};
  return by_dtype(call, [&](auto tag) -> std::unique_ptr<Prepared> {
    return std::make_unique<Correlations<decltype(tag)>>(call, lattices, w.dim(1) != 0);
  });
}

std::unique_ptr<Prepared> prepare_conv_transpose(const Call& call) {
  const Array &g = call.in[0], &w = call.in[1];
  const int64_t groups = groups_of(call), channels = w.dim(0) / groups;
  const Windows windows = windows_of(call, call.attrs[kExtents].dims(), spatial(w));
  const bool none = call.out[0].numel() == 0 || channels == 0;
  const std::vector<Lattice> lattices =
      none ? std::vector<Lattice>{} : transposed_lattices(windows, g.dim(0), groups, channels, w.dim(1));
  int64_t whole = 1;
  for (const WindowAxis& a : windows.axis) whole *= std::min(a.stride, a.in);
  const bool covered = !none && static_cast<int64_t>(lattices.size()) == whole;
  return by_dtype(call, [&](auto tag) -> std::unique_ptr<Prepared> {
    return std::make_unique<Correlations<decltype(tag)>>(call, lattices, covered);
  });
}

std::unique_ptr<Prepared> prepare_conv_weight(const Call& call) {
  const Array &x = call.in[0], &g = call.in[1];
  const int64_t groups = groups_of(call);
  const Windows windows = windows_of(call, spatial(x), call.attrs[kExtents].dims());
  return by_dtype(call, [&](auto tag) -> std::unique_ptr<Prepared> {
    using T = decltype(tag);
    return std::make_unique<WeightCall<T>>(
        call, WeightGradient<T>(windows, x.dim(0), groups, x.dim(1) / groups, g.dim(1) / groups));
  });
}

template <std::unique_ptr<Prepared> (*prepare)(const Call&)>
void run(const Call& call) {
  if (call.out[0].numel() != 0) prepare(call)->run(call);
}

// ---- what they cost -------------------------------------------------------------------------------------------------

double items(const Array& a) { return static_cast<double>(a.numel()); }

double flops_by_weights(const Call& call) {  // each result, or each g, with all the weights of one row
  const Array& w = call.in[1];
  const Array& g = call.kernel.n_attrs() > kExtents ? call.in[0] : call.out[0];
  return 2 * items(g) * items(w) / std::max(1.0, static_cast<double>(w.dim(0)));
}

double flops_of_weight(const Call& call) {
  const Array &g = call.in[1], &w = call.out[0];
  return 2 * items(g) * items(w) / std::max(1.0, static_cast<double>(w.dim(0)));
}

template <double (*flops)(const Call&)>
double cost(const Call& call) {
  return flops(call) / (call.in[0].dtype() == DType::Float32 ? 60 : 30) + streaming_cost(call);
}

}  // namespace

void register_convolution(Registry& registry) {
  const std::vector<AttrSpec> common = {{"stride", AttrKind::Dims},
                                        {"padding", AttrKind::Dims},
                                        {"dilation", AttrKind::Dims},
                                        {"groups", AttrKind::Integer}};
  std::vector<AttrSpec> sized = common, windowed = common;
  sized.push_back({"size", AttrKind::Dims});
  windowed.push_back({"window", AttrKind::Dims});
  registry.add({.name = "conv",
                .n_in = 2,
                .attributes = common,
                .inputs = Inputs::Floating,
                .infer = infer_conv,
                .run = {run<prepare_conv>},
                .cost = cost<flops_by_weights>,
                .prepare = prepare_conv,
                .flops = flops_by_weights});
  registry.add({.name = "conv_transpose",
                .n_in = 2,
                .attributes = sized,
                .inputs = Inputs::Floating,
                .infer = infer_conv_transpose,
                .run = {run<prepare_conv_transpose>},
                .cost = cost<flops_by_weights>,
                .prepare = prepare_conv_transpose,
                .flops = flops_by_weights});
  registry.add({.name = "conv_weight",
                .n_in = 2,
                .attributes = windowed,
                .inputs = Inputs::Floating,
                .infer = infer_conv_weight,
                .run = {run<prepare_conv_weight>},
                .cost = cost<flops_of_weight>,
                .prepare = prepare_conv_weight,
                .flops = flops_of_weight});
}

}  // namespace alice
