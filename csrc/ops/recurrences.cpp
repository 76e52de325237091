// Running products along an axis, and affine_scan, y[k] = a[k] y[k - 1] + b[k], which is what the derivatives of
// running things are made of, and its own. float32 is carried in float64.
//
// Hot: every item runs through here.
#include "lines.h"
#include "scan.h"

namespace alice {
namespace {

void infer_cumprod(Call& call) {
  const DType dtype = call.in[0].dtype();
  if (!is_floating(dtype) && dtype != widest(dtype))
    fail(ErrorKind::DType, "cumprod: x must be floating, int64 or uint64; got dtype ", name(dtype));
  infer_like(call);
}

void run_cumprod(const Call& call) {
  const Array x = as_contiguous(call.in[0]);
  const auto run = [&](auto item, auto one) {
    using T = decltype(item);
    using Product = decltype(one);
    walk_lines(x.shape(), axis_of(call), false, one,
               [from = x.data<T>(), to = call.out[0].data<T>()](Product& product, std::int64_t i) {
                 product *= static_cast<Product>(from[i]);
                 to[i] = static_cast<T>(product);
               });
  };
  if (x.dtype() == DType::Int64) return run(std::int64_t{}, std::uint64_t{1});  // wraps around
  dispatch_floating(x.dtype(), [&](auto tag) { run(tag, 1.0); });
}

// affine_scan: inputs a and b of one shape; attrs axis, backwards. A carry of exactly 0 stays 0, whatever a is.
void infer_affine(Call& call) {
  axis_of(call);
  if (!(call.in[0].shape() == call.in[1].shape()))
    fail(ErrorKind::Shape, "affine_scan: a and b must have one shape; got a ", call.in[0].shape(), ", b ",
         call.in[1].shape());
  call.out[0] = call.in[0].shape_only();
}

void run_affine(const Call& call) {
  const Array a = as_contiguous(call.in[0]), b = as_contiguous(call.in[1]);
  dispatch_floating(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    walk_lines(a.shape(), axis_of(call), call.attrs[1].flag(), 0.0,
               [factor = a.data<T>(), term = b.data<T>(), to = call.out[0].data<T>()](double& y, std::int64_t i) {
                 const double carry = y == 0.0 ? 0.0 : static_cast<double>(factor[i]) * y;
                 y = carry + static_cast<double>(term[i]);
                 to[i] = static_cast<T>(y);
               });
  });
}

double cost(const Call& call) { return 2.0 * static_cast<double>(call.in[0].numel()); }

}  // namespace

void register_recurrences(Registry& registry) {
  const AttrSpec axis{"axis", AttrKind::Integer};
  registry.add({.name = "cumprod",
                .n_in = 1,
                .attributes = {axis},
                .infer = infer_cumprod,
                .run = {run_cumprod},
                .cost = cost,
                .infers_any_dtype = true});
  registry.add({.name = "affine_scan",
                .n_in = 2,
                .attributes = {axis, {"backwards", AttrKind::Flag}},
                .inputs = Inputs::Floating,
                .infer = infer_affine,
                .run = {run_affine},
                .cost = cost});
}

}  // namespace alice
