// Small: the work is done elsewhere.
#include "windows.h"

namespace alice {
namespace {

constexpr std::int64_t kMost = (std::int64_t{1} << 31) - 1;  // sums and products of two stay within 64 bits

void check(const char* op, const char* what, const Dims& entries, int count, std::int64_t least) {
  bool fits = entries.size() == count;
  for (std::int64_t n : entries) fits = fits && n >= least && n <= kMost;
  if (!fits)
    fail(ErrorKind::Shape, op, ": ", what, " must have ", count, " entries from ", least, " to ", kMost, "; got ",
         entries);
}

}  // namespace

Windows windows_of(const char* op, const Dims& in, const Dims& window, const Attr& stride, const Attr& padding,
                   const Attr& dilation) {
  const int rank = in.size();
  if (rank < 1 || rank > kMaxSpatial)
    fail(ErrorKind::Shape, op, ": expected one to three spatial axes; got extents ", in);
  check(op, "the window", window, rank, 1);
  check(op, "stride", stride.dims(), rank, 1);
  check(op, "padding", padding.dims(), 2 * rank, 0);
  check(op, "dilation", dilation.dims(), rank, 1);
  Windows w;
  for (int i = 0; i < rank; ++i) {
    WindowAxis& a = w.axis[kMaxSpatial - rank + i];
    a = {in[i], 0, window[i], stride.dims()[i], padding.dims()[2 * i], padding.dims()[2 * i + 1], dilation.dims()[i]};
    const std::int64_t room = a.in + a.lo + a.hi - a.span() - 1;
    if (room < 0)
      fail(ErrorKind::Shape, op, ": the window must fit into the padded input; got windows ", window, ", dilation ",
           dilation.dims(), ", an input of extents ", in, " and padding ", padding.dims(), "; pad more");
    a.out = room / a.stride + 1;
  }
  return w;
}

Dims spatial(const Array& a, int first) {
  Dims extents;
  for (int i = first; i < a.rank(); ++i) extents.push_back(a.dim(i));
  return extents;
}

Dims with_windows(Dims front, const Windows& windows, int rank) {
  for (int i = kMaxSpatial - rank; i < kMaxSpatial; ++i) front.push_back(windows.axis[i].out);
  return front;
}

}  // namespace alice
