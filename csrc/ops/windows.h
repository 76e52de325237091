// Windows that move over the last one to three axes of an array: what convolution, pooling and unfolding share.
#pragma once

#include "../core/kernel.h"

namespace alice {

inline constexpr int kMaxSpatial = 3;

// Along one axis. Window number q covers the items q * stride - lo + t * dilation for 0 <= t < window; those before 0
// and from `in` on are padding.
struct WindowAxis {
  std::int64_t in = 1, out = 1, window = 1, stride = 1, lo = 0, hi = 0, dilation = 1;
  std::int64_t span() const { return (window - 1) * dilation; }
};

// All of them; axes that an array lacks come first, and have one window of one item.
struct Windows {
  WindowAxis axis[kMaxSpatial];
  std::int64_t in_items() const { return axis[0].in * axis[1].in * axis[2].in; }
  std::int64_t out_items() const { return axis[0].out * axis[1].out * axis[2].out; }
  std::int64_t taps() const { return axis[0].window * axis[1].window * axis[2].window; }
};

// Of the attributes stride (one entry per axis), padding (before and behind each axis) and dilation, for items and
// windows of these extents; refused where there is no window.
Windows windows_of(const char* op, const Dims& in, const Dims& window, const Attr& stride, const Attr& padding,
                   const Attr& dilation);

// shape[first:] of an array whose last axes the windows move over.
Dims spatial(const Array& a, int first = 2);

// `front`, then how many windows there are along each of the last `rank` axes.
Dims with_windows(Dims front, const Windows& windows, int rank);

}  // namespace alice
