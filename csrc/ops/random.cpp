// Small: what runs for each number is in random_loops.cpp.
// Random numbers from a state that is a Tensor: int64 [key, draw]. The numbers of a draw are a pure function of it,
// and random_advance makes the state of the next draw, so that a program that replays both moves on every time.
#include "../core/chunks.h"
#include "prepared.h"
#include "random_loops.h"
#include "random_state.h"
#include "register.h"

namespace alice {
namespace {

const RandomLoops& impl(const Call& call) { return *static_cast<const RandomLoops*>(call.kernel.impl); }

// random_bits(state; shape, first): int64. random_uniform(state; shape, dtype): floating.
class Draw final : public Prepared {
 public:
  Draw(RandomLoop loop, std::int64_t first) : loop_(loop), first_(static_cast<std::uint64_t>(first)) {}

  void run(const Call& call) const override {
    const RandomState state(call.in[0]);
    const Array& out = call.out[0];
    const PhiloxStream stream{state.key, state.draw, first_};
    const std::int64_t n = out.numel(), size = static_cast<std::int64_t>(itemsize(out.dtype()));
    // Chunks begin where groups of the generator do.
    parallel_chunks(n, kChunkItems, [&](std::int64_t begin, std::int64_t end) {
      loop_(stream, begin, end - begin, out.bytes() + begin * size);
    });
  }

 private:
  RandomLoop loop_;
  std::uint64_t first_;
};

void infer_bits(Call& call) {
  check_random_state(call);
  call.out[0] = Array::abstract(call.attrs[0].dims(), DType::Int64);
}

std::unique_ptr<Prepared> prepare_bits(const Call& call) {
  return std::make_unique<Draw>(impl(call).bits, call.attrs[1].integer());
}

void infer_uniform(Call& call) {
  check_random_state(call);
  const DType dtype = call.attrs[1].dtype();
  if (dtype != DType::Float32 && dtype != DType::Float64)
    fail(ErrorKind::DType, call.kernel.name, ": dtype must be float32 or float64; got ", name(dtype));
  call.out[0] = Array::abstract(call.attrs[0].dims(), dtype);
}

std::unique_ptr<Prepared> prepare_uniform(const Call& call) {
  const bool narrow = call.out[0].dtype() == DType::Float32;
  return std::make_unique<Draw>(narrow ? impl(call).uniform : impl(call).uniform_double, 0);
}

template <std::unique_ptr<Prepared> (*kPrepare)(const Call&)>
void run_draw(const Call& call) {
  kPrepare(call)->run(call);
}

double draw_cost(const Call& call) { return 0.5 * static_cast<double>(call.out[0].numel()); }

// random_advance(state; draws)
void infer_advance(Call& call) {
  check_random_state(call);
  call.out[0] = Array::abstract(Dims{2}, DType::Int64);
}

void run_advance(const Call& call) {
  const RandomState state(call.in[0]);
  auto* out = call.out[0].data<std::int64_t>();
  out[0] = static_cast<std::int64_t>(state.key);
  out[1] = static_cast<std::int64_t>(state.draw + static_cast<std::uint64_t>(call.attrs[0].integer()));  // wraps around
}

}  // namespace

void register_random(Registry& registry) {
  const RandomLoops* loops = &random_loops();
  const AttrSpec shape{"shape", AttrKind::Dims};
  const auto add = [&](const char* name, const AttrSpec& second, void (*infer)(Call&), void (*run)(const Call&),
                       decltype(&prepare_bits) prepare) {
    registry.add({.name = name,
                  .n_in = 1,
                  .attributes = {shape, second},
                  .infer = infer,
                  .run = {run},
                  .cost = draw_cost,
                  .impl = loops,
                  .prepare = prepare});
  };
  add("random_bits", {"first", AttrKind::Integer}, infer_bits, run_draw<prepare_bits>, prepare_bits);
  add("random_uniform", {"dtype", AttrKind::DType}, infer_uniform, run_draw<prepare_uniform>, prepare_uniform);
  registry.add({.name = "random_advance",
                .n_in = 1,
                .attributes = {{"draws", AttrKind::Integer}},
                .infer = infer_advance,
                .run = {run_advance},
                .cost = streaming_cost});
}

}  // namespace alice
