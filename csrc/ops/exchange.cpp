// Kernels by which processes tell each other arrays (core/exchange.h).
// Small: the library does the work.
#include "../core/exchange.h"

#include "../core/kernel.h"
#include "register.h"
#include "strided_copy.h"

namespace alice {
namespace {

using exchange::Reduction;

std::int64_t channel_of(const Call& call) { return call.attrs[0].integer(); }

void infer_same(Call& call) {
  exchange::check(call.kernel.name, channel_of(call));
  call.out[0] = call.in[0].shape_only();
}

void infer_reduced(Call& call) {
  infer_same(call);
  if (!exchange::reduces(channel_of(call), call.in[0].dtype()))
    fail(ErrorKind::DType, call.kernel.name, ": x must have a dtype that MPI adds; got ", name(call.in[0].dtype()),
         "; widen it: x.astype(ac.float32)");
}

void run_sum(const Call& call) {
  exchange::allreduce(channel_of(call), Reduction::Sum, as_contiguous(call.in[0]), call.out[0]);
}
void run_extreme(const Call& call) {
  exchange::allreduce(channel_of(call), call.attrs[1].flag() ? Reduction::Max : Reduction::Min,
                      as_contiguous(call.in[0]), call.out[0]);
}
void run_broadcast(const Call& call) {
  exchange::broadcast(channel_of(call), call.attrs[1].integer(), as_contiguous(call.in[0]), call.out[0]);
}
void run_start(const Call& call) {
  exchange::start(channel_of(call), Reduction::Sum, as_contiguous(call.in[0]), call.out[0]);
}
void run_wait(const Call& call) {
  const Array &in = call.in[0], &out = call.out[0];
  exchange::finish(channel_of(call), in);
  if (in.bytes() != out.bytes()) strided_copy(out, in);
}

double cost(const Call& call) { return 1e5 + streaming_cost(call); }  // others may run meanwhile, however short it is

}  // namespace

void register_exchange(Registry& registry) {
  const AttrSpec channel{"channel", AttrKind::Integer};
  const auto add = [&](const char* name, std::vector<AttrSpec> attributes, void (*infer)(Call&),
                       void (*run)(const Call&), Exchange exchange = Exchange::Meets) {
    registry.add({.name = name,
                  .n_in = 1,
                  .attributes = std::move(attributes),
                  .infer = infer,
                  .run = {run},
                  .cost = cost,
                  .overwriting = 0,
                  .exchange = exchange,
                  .any_dtype = true});
  };
  add("allreduce", {channel}, infer_reduced, run_sum);
  add("allreduce_extreme", {channel, {"largest", AttrKind::Flag}}, infer_reduced, run_extreme);
  add("broadcast", {channel, {"root", AttrKind::Integer}}, infer_same, run_broadcast);
  add("allreduce_start", {channel}, infer_reduced, run_start, Exchange::Begins);
  add("allreduce_wait", {channel}, infer_same, run_wait);
}

}  // namespace alice
