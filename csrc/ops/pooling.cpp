// Windows over the last axes: max_pool with its VJP and JVP, avg_pool, unfold, and the transposes of both (fold).
//
// Hot: every item runs through here.
#include <algorithm>
#include <bit>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <type_traits>
#include <vector>

#include "../core/chunks.h"
#include "../core/scratch.h"
#include "prepared.h"
#include "register.h"
#include "windows.h"

namespace alice {
namespace {

using std::int64_t;

enum { kWindow, kStride, kPadding, kDilation, kCountPadding, kSize };
constexpr int kFoldSize = kCountPadding;  // where there is nothing to count

Windows windows_of(const Call& call, const Dims& in) {
  return windows_of(call.kernel.name, in, call.attrs[kWindow].dims(), call.attrs[kStride], call.attrs[kPadding],
                    call.attrs[kDilation]);
}

int spatial_rank(const Call& call) { return call.attrs[kWindow].dims().size(); }

// The axes before those that the windows move over.
Dims front_of(const Call& call, const Array& a) {
  const int rank = spatial_rank(call);
  if (a.rank() < rank)
    fail(ErrorKind::Shape, call.kernel.name, ": x must have the ", rank, " axes of the window; got x ", a.shape());
  Dims front;
  for (int i = 0; i < a.rank() - rank; ++i) front.push_back(a.dim(i));
  return front;
}

Windows windows_over(const Call& call, const Array& x) {
  front_of(call, x);
  return windows_of(call, spatial(x, x.rank() - spatial_rank(call)));
}

void infer_pool(Call& call) {
  const Array& x = call.in[0];
  const Windows windows = windows_over(call, x);
  call.out[0] = Array::abstract(with_windows(front_of(call, x), windows, spatial_rank(call)), x.dtype());
}

void check_pooled(const Call& call, const char* name, const Array& y, const Array& x, const Windows& windows) {
  if (!(with_windows(front_of(call, x), windows, spatial_rank(call)) == y.shape()))
    fail(ErrorKind::Shape, call.kernel.name, ": ", name, " must have one item for each window over x; got ", name, ' ',
         y.shape(), ", x ", x.shape());
}

void infer_max_pool_vjp(Call& call) {  // g, x, y
  const Array& x = call.in[1];
  const Windows windows = windows_over(call, x);
  check_pooled(call, "g", call.in[0], x, windows);
  check_pooled(call, "y", call.in[2], x, windows);
  call.out[0] = Array::abstract(x.shape(), x.dtype());
}

void infer_max_pool_jvp(Call& call) {  // t, x, y
  const Array &t = call.in[0], &x = call.in[1];
  const Windows windows = windows_over(call, x);
  if (!(t.shape() == x.shape()))
    fail(ErrorKind::Shape, call.kernel.name, ": t must have the shape of x; got t ", t.shape(), ", x ", x.shape());
  check_pooled(call, "y", call.in[2], x, windows);
  call.out[0] = Array::abstract(call.in[2].shape(), x.dtype());
}

void infer_avg_pool_vjp(Call& call) {  // g; size
  const Array& g = call.in[0];
  const Dims& size = call.attrs[kSize].dims();
  Dims out = front_of(call, g);
  const Windows windows = windows_of(call, size);
  if (!(with_windows(out, windows, spatial_rank(call)) == g.shape()))
    fail(ErrorKind::Shape, call.kernel.name, ": g must have one item for each window over extents ", size, "; got g ",
         g.shape());
  for (int64_t n : size) out.push_back(n);
  call.out[0] = Array::abstract(out, g.dtype());
}

// How many taps and windows there are: they multiply to what may not fit.
Dims unfolded(const Call& call, Dims front, const Windows& w) {
  Dims counts = {1, 1};
  bool fits = true;
  for (const WindowAxis& a : w.axis)
    fits = fits && !__builtin_mul_overflow(counts[0], a.window, &counts[0]) &&
           !__builtin_mul_overflow(counts[1], a.out, &counts[1]);
  if (!fits) fail(ErrorKind::Shape, call.kernel.name, ": the windows have too many items to address");
  for (int64_t n : counts) front.push_back(n);
  return front;
}

void infer_unfold(Call& call) {
  const Array& x = call.in[0];
  const Windows windows = windows_over(call, x);
  call.out[0] = Array::abstract(unfolded(call, front_of(call, x), windows), x.dtype());
}

void infer_fold(Call& call) {
  const Array& y = call.in[0];
  const Dims& size = call.attrs[kFoldSize].dims();
  const Windows windows = windows_of(call, size);
  Dims front;
  for (int i = 0; i < y.rank() - 2; ++i) front.push_back(y.dim(i));
  if (y.rank() < 2 || !(unfolded(call, front, windows) == y.shape()))
    fail(ErrorKind::Shape, call.kernel.name, ": y must have shape (…, items of a window, windows) over extents ", size,
         "; got y ", y.shape());
  for (int64_t n : size) front.push_back(n);
  call.out[0] = Array::abstract(front, y.dtype());
}

// ---- windows of one plane, line by line -----------------------------------------------------------------------------

// Of the windows along an axis, those whose tap t is no padding.
struct Range {
  int64_t begin, end;
};
Range inside(const WindowAxis& a, int64_t t) {
  const int64_t first = a.lo - t * a.dilation;  // window q has it at q * stride - first
  const int64_t begin = first > 0 ? (first + a.stride - 1) / a.stride : 0;
  const int64_t last = a.in - 1 + first;
  return {begin, last < 0 ? 0 : std::min(a.out, last / a.stride + 1)};
}

// body(line of the windows, line of the items): those that have a tap in common, window by window.
template <class Body>
void for_lines(const Windows& windows, int64_t i, int64_t j, const Body& body) {
  const auto& [z, y, x] = windows.axis;
  for (int64_t s = 0; s < z.window; ++s) {
    const int64_t at_z = i * z.stride + s * z.dilation - z.lo;
    if (at_z < 0 || at_z >= z.in) continue;
    for (int64_t t = 0; t < y.window; ++t) {
      const int64_t at_y = j * y.stride + t * y.dilation - y.lo;
      if (at_y >= 0 && at_y < y.in) body((at_z * y.in + at_y) * x.in);
    }
  }
}

// body(q, item): the windows of a line for which tap t is an item.
template <class Body>
[[gnu::always_inline]] inline void for_tap_items(const WindowAxis& x, int64_t t, const Body& body) {
  const Range range = inside(x, t);
  const int64_t at = t * x.dilation - x.lo;
  if (x.stride == 1)
    for (int64_t q = range.begin; q < range.end; ++q) body(q, q + at);
  else
    for (int64_t q = range.begin; q < range.end; ++q) body(q, q * x.stride + at);
}

// body(q, item): all windows of a line and the items in them, tap by tap.
template <class Body>
[[gnu::always_inline]] inline void for_items(const WindowAxis& x, const Body& body) {
  if (x.stride == 2 && x.window == 2 && x.dilation == 1 && x.lo == 0) {  // pairs: the most common, side by side
    for (int64_t q = 0; q < x.out; ++q) {
      body(q, 2 * q);
      body(q, 2 * q + 1);
    }
    return;
  }
  for (int64_t t = 0; t < x.window; ++t) for_tap_items(x, t, body);
}

template <class Body>
void for_windows(const Windows& windows, const Body& body) {
  const auto& [z, y, x] = windows.axis;
  for (int64_t i = 0; i < z.out; ++i)
    for (int64_t j = 0; j < y.out; ++j) body(i, j, (i * y.out + j) * x.out);
}

// body(tap, tap along the last axis).
template <class Body>
void for_taps(const Windows& windows, const Body& body) {
  for (int64_t tap = 0; tap < windows.taps(); ++tap) body(tap, tap % windows.axis[2].window);
}

// body(line of items, line of windows) where they meet in that tap.
template <class Body>
void for_tap_lines(const Windows& windows, int64_t tap, const Body& body) {
  const auto& [z, y, x] = windows.axis;
  const int64_t s = tap / x.window / y.window, t = tap / x.window % y.window;
  const Range rz = inside(z, s), ry = inside(y, t);
  for (int64_t i = rz.begin; i < rz.end; ++i)
    for (int64_t j = ry.begin; j < ry.end; ++j)
      body(((i * z.stride + s * z.dilation - z.lo) * y.in + j * y.stride + t * y.dilation - y.lo) * x.in,
           (i * y.out + j) * x.out);
}

// ---- what becomes of a plane ----------------------------------------------------------------------------------------

template <class T>
void max_plane(const Windows& windows, const T* x, T* y, T*) {
  for_windows(windows, [&](int64_t i, int64_t j, int64_t out) {
    T* __restrict best = y + out;
    std::fill_n(best, windows.axis[2].out, -std::numeric_limits<T>::infinity());
    for_lines(windows, i, j, [&](int64_t line) {
      const T* __restrict from = x + line;
      for_items(windows.axis[2], [&](int64_t q, int64_t item) {
        const T v = from[item];
        best[q] = (v > best[q]) | (v != v) ? v : best[q];
      });
    });
  });
}

// v or 0, without a branch: which item of a window is the largest cannot be foreseen.
template <class T>
T kept(bool on, T v) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  return std::bit_cast<T>(static_cast<Bits>(std::bit_cast<Bits>(v) & -static_cast<Bits>(on)));
}

// Items that are the largest of their window share evenly.
template <class T>
void max_vjp_plane(const Windows& windows, const T* g, const T* x, const T* y, T* dx, T* ties) {
  std::fill_n(dx, windows.in_items(), T{0});
  const WindowAxis& w = windows.axis[2];
  for_windows(windows, [&](int64_t i, int64_t j, int64_t out) {
    const T* __restrict best = y + out;
    const T* __restrict cotangent = g + out;
    T* __restrict share = ties;
    std::fill_n(share, w.out, T{0});
    for_lines(windows, i, j, [&](int64_t line) {
      const T* __restrict from = x + line;
      for_items(w, [&](int64_t q, int64_t item) { share[q] += kept(from[item] == best[q], T{1}); });
    });
    for (int64_t q = 0; q < w.out; ++q) share[q] = cotangent[q] / std::max(share[q], T{1});
    for_lines(windows, i, j, [&](int64_t line) {
      const T* __restrict from = x + line;
      T* __restrict to = dx + line;
      for_items(w, [&](int64_t q, int64_t item) { to[item] += kept(from[item] == best[q], share[q]); });
    });
  });
}

template <class T>
void max_jvp_plane(const Windows& windows, const T* t, const T* x, const T* y, T* dy, T* ties) {
  const WindowAxis& w = windows.axis[2];
  for_windows(windows, [&](int64_t i, int64_t j, int64_t out) {
    const T* __restrict best = y + out;
    T* __restrict sum = dy + out;
    T* __restrict count = ties;
    std::fill_n(sum, w.out, T{0});
    std::fill_n(count, w.out, T{0});
    for_lines(windows, i, j, [&](int64_t line) {
      const T* __restrict from = x + line;
      const T* __restrict tangent = t + line;
      for_items(w, [&](int64_t q, int64_t item) {
        const bool is_best = from[item] == best[q];
        sum[q] += kept(is_best, tangent[item]);
        count[q] += kept(is_best, T{1});
      });
    });
    for (int64_t q = 0; q < w.out; ++q) sum[q] /= std::max(count[q], T{1});
  });
}

// Added up in double precision; where that overflows, shares are added up.
template <class T>
void avg_plane(const Windows& windows, const double* counts, const T* x, T* y, double* sums) {
  const WindowAxis& w = windows.axis[2];
  for_windows(windows, [&](int64_t i, int64_t j, int64_t out) {
    double* __restrict sum = sums;
    const auto add = [&](const auto& share) {
      std::fill_n(sum, w.out, 0.0);
      for_lines(windows, i, j, [&](int64_t line) {
        const T* __restrict from = x + line;
        for_items(w, [&](int64_t q, int64_t item) { sum[q] += share(static_cast<double>(from[item]), q); });
      });
    };
    add([](double item, int64_t) { return item; });
    bool finite = true;
    for (int64_t q = 0; q < w.out; ++q) finite &= std::isfinite(sum[q]);
    if (!finite) {
      add([&](double item, int64_t q) { return item / counts[out + q]; });
      for (int64_t q = 0; q < w.out; ++q) y[out + q] = static_cast<T>(sum[q]);
      return;
    }
    for (int64_t q = 0; q < w.out; ++q) y[out + q] = static_cast<T>(sum[q] / counts[out + q]);
  });
}

template <class T>
void avg_vjp_plane(const Windows& windows, const double* counts, const T* g, T* dx, double* sums) {
  const WindowAxis& w = windows.axis[2];
  double* __restrict share = sums, *dy = sums + w.out;
  std::fill_n(dy, windows.in_items(), 0.0);
  for_windows(windows, [&](int64_t i, int64_t j, int64_t out) {
    for (int64_t q = 0; q < w.out; ++q) share[q] = static_cast<double>(g[out + q]) / counts[out + q];
    for_lines(windows, i, j, [&](int64_t line) {
      double* __restrict to = dy + line;
      for_items(w, [&](int64_t q, int64_t item) { to[item] += share[q]; });
    });
  });
  for (int64_t i = 0; i < windows.in_items(); ++i) dx[i] = static_cast<T>(dy[i]);
}

// How many items each window has: all, or those that are no padding, at least one.
std::vector<double> counts_of(const Windows& windows, bool padding_counts) {
  std::vector<double> counts(static_cast<std::size_t>(windows.out_items()), static_cast<double>(windows.taps()));
  if (padding_counts) return counts;
  for_windows(windows, [&](int64_t i, int64_t j, int64_t out) {
    double* line = counts.data() + out;
    std::fill_n(line, windows.axis[2].out, 0.0);
    for_lines(windows, i, j, [&](int64_t) { for_items(windows.axis[2], [&](int64_t q, int64_t) { line[q] += 1; }); });
    for (int64_t q = 0; q < windows.axis[2].out; ++q) line[q] = std::max(line[q], 1.0);
  });
  return counts;
}

// Each item of each window, tap by tap, and 0 for padding: [tap][window].
template <class T>
void unfold_plane(const Windows& windows, const T* x, T* y) {
  for_taps(windows, [&](int64_t tap, int64_t t) {
    T* to = y + tap * windows.out_items();
    std::fill_n(to, windows.out_items(), T{0});
    for_tap_lines(windows, tap, [&](int64_t line, int64_t out) {
      for_tap_items(windows.axis[2], t, [&](int64_t q, int64_t item) { to[out + q] = x[line + item]; });
    });
  });
}

template <class T>
void fold_plane(const Windows& windows, const T* y, T* x) {
  std::fill_n(x, windows.in_items(), T{0});
  for_taps(windows, [&](int64_t tap, int64_t t) {
    const T* from = y + tap * windows.out_items();
    for_tap_lines(windows, tap, [&](int64_t line, int64_t out) {
      for_tap_items(windows.axis[2], t, [&](int64_t q, int64_t item) { x[line + item] += from[out + q]; });
    });
  });
}

// ---- calls ----------------------------------------------------------------------------------------------------------

// body(plane, scratch): all planes, in parallel; `items` of scratch.
template <class S, class Body>
void for_planes(const Windows& windows, int64_t planes, int64_t items, const Body& body) {
  const int64_t work = windows.in_items() + windows.out_items() * windows.taps();
  parallel_chunks(planes, rows_per_chunk(work), [&](int64_t begin, int64_t end) {
    const Scratch<S> scratch(items);
    for (int64_t plane = begin; plane < end; ++plane) body(plane, scratch.data());
  });
}

int64_t planes_of(const Dims& front) {
  int64_t planes = 1;
  for (int64_t n : front) planes *= n;
  return planes;
}

void run_max_pool(const Call& call) {
  const Array& y = call.out[0];
  if (y.numel() == 0) return;
  const Array x = as_contiguous(call.in[0]);
  const Windows w = windows_over(call, x);
  const int64_t in = w.in_items(), out = w.out_items();
  dispatch_floating(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    for_planes<T>(w, planes_of(front_of(call, x)), 0, [&](int64_t plane, T* scratch) {
      max_plane(w, x.data<T>() + plane * in, y.data<T>() + plane * out, scratch);
    });
  });
}

template <bool vjp>
void run_max_pool_linear(const Call& call) {  // (g or t, x, y)
  const Array& result = call.out[0];
  if (result.numel() == 0) return;
  const Array a = as_contiguous(call.in[0]), x = as_contiguous(call.in[1]), y = as_contiguous(call.in[2]);
  const Windows w = windows_over(call, x);
  const int64_t in = w.in_items(), out = w.out_items();
  dispatch_floating(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    for_planes<T>(w, planes_of(front_of(call, x)), w.axis[2].out, [&](int64_t plane, T* ties) {
      const T *items = x.data<T>() + plane * in, *best = y.data<T>() + plane * out;
      if constexpr (vjp)
        max_vjp_plane(w, a.data<T>() + plane * out, items, best, result.data<T>() + plane * in, ties);
      else
        max_jvp_plane(w, a.data<T>() + plane * in, items, best, result.data<T>() + plane * out, ties);
    });
  });
}

template <bool vjp>
void run_avg_pool(const Call& call) {
  const Array& result = call.out[0];
  if (result.numel() == 0) return;
  const Array a = as_contiguous(call.in[0]);
  const Windows w = windows_over(call, vjp ? result : a);
  const int64_t in = w.in_items(), out = w.out_items(), sums = vjp ? w.axis[2].out + in : w.axis[2].out;
  const std::vector<double> counts = counts_of(w, call.attrs[kCountPadding].flag());
  dispatch_floating(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    for_planes<double>(w, planes_of(front_of(call, result)), sums, [&](int64_t plane, double* scratch) {
      if constexpr (vjp)
        avg_vjp_plane(w, counts.data(), a.data<T>() + plane * out, result.data<T>() + plane * in, scratch);
      else
        avg_plane(w, counts.data(), a.data<T>() + plane * in, result.data<T>() + plane * out, scratch);
    });
  });
}

template <bool back>
void run_unfold(const Call& call) {
  const Array& result = call.out[0];
  if (result.numel() == 0) return;
  const Array a = as_contiguous(call.in[0]);
  const Array& image = back ? result : a;
  const Windows w = windows_over(call, image);
  const int64_t in = w.in_items(), out = w.out_items() * w.taps();
  dispatch_floating(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    for_planes<T>(w, planes_of(front_of(call, image)), 0, [&](int64_t plane, T*) {
      if constexpr (back)
        fold_plane(w, a.data<T>() + plane * out, result.data<T>() + plane * in);
      else
        unfold_plane(w, a.data<T>() + plane * in, result.data<T>() + plane * out);
    });
  });
}

double additions(const Call& call) {  // one for each item of each window
  double taps = 1;
  for (int64_t n : call.attrs[kWindow].dims()) taps *= static_cast<double>(n);
  const auto items = [](const Array& a) { return static_cast<double>(a.numel()); };
  return taps * std::min(items(call.out[0]), items(call.in[call.kernel.n_in - 1]));
}

double cost(const Call& call) { return additions(call) + streaming_cost(call); }

}  // namespace

void register_pooling(Registry& registry) {
  const AttrSpec count = {"count_padding", AttrKind::Flag}, size = {"size", AttrKind::Dims};
  const auto add = [&](const char* name, int n_in, void (*infer)(Call&), void (*run)(const Call&),
                       std::initializer_list<AttrSpec> more = {}) {
    std::vector<AttrSpec> attributes = {{"window", AttrKind::Dims},
                                        {"stride", AttrKind::Dims},
                                        {"padding", AttrKind::Dims},
                                        {"dilation", AttrKind::Dims}};
    attributes.insert(attributes.end(), more);
    registry.add({.name = name,
                  .n_in = n_in,
                  .attributes = attributes,
                  .inputs = Inputs::Floating,
                  .infer = infer,
                  .run = {run},
                  .cost = cost,
                  .flops = additions});
  };
  add("max_pool", 1, infer_pool, run_max_pool);
  add("max_pool_vjp", 3, infer_max_pool_vjp, run_max_pool_linear<true>);
  add("max_pool_jvp", 3, infer_max_pool_jvp, run_max_pool_linear<false>);
  add("avg_pool", 1, infer_pool, run_avg_pool<false>, {count});
  add("avg_pool_vjp", 1, infer_avg_pool_vjp, run_avg_pool<true>, {count, size});
  add("unfold", 1, infer_unfold, run_unfold<false>);
  add("fold", 1, infer_fold, run_unfold<true>, {size});
}

}  // namespace alice
