#include "conversion.h"

#include <algorithm>
#include <vector>

#include "broadcast.h"
#include "chunks.h"
#include "half.h"
#include "kernel.h"

namespace alice {

using namespace ALICE_ISA;

Float16::Float16(double x) : bits(HalfBits::narrow(to_odd(x))) {}
Float16::operator double() const { return HalfBits::widen(bits); }
BFloat16::BFloat16(double x) : bits(BrainBits::narrow(to_odd(x))) {}
BFloat16::operator double() const { return BrainBits::widen(bits); }

namespace {

Conversion conversions[kDTypeCount];

// In row-major order, whatever the strides.
Array widened(const Array& a) {
  Array wide = Array::empty(a.shape(), DType::Float32);
  const Conversion& c = conversion(a.dtype());
  const Operand operand(a, a.shape());
  const bool plain = a.is_contiguous();
  parallel_chunks(a.numel(), kLightChunkItems, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t n = end - begin;
    if (plain) return c.widen(n, a.bytes() + begin * operand.item(), wide.data<float>() + begin);
    constexpr std::int64_t tile = 512;
    std::uint16_t gathered[tile];
    for (std::int64_t i = 0; i < n; i += tile) {
      const std::int64_t m = std::min(tile, n - i);
      operand.gather(a.bytes(), begin + i, m, reinterpret_cast<std::byte*>(gathered));
      c.widen(m, gathered, wide.data<float>() + begin + i);
    }
  });
  return wide;
}

void narrow(const Array& wide, const Array& to) {
  const Conversion& c = conversion(to.dtype());
  parallel_chunks(to.numel(), kLightChunkItems, [&](std::int64_t begin, std::int64_t end) {
    c.narrow(end - begin, wide.data<float>() + begin, to.bytes() + begin * 2);
  });
}

// The operand whose dtype a result takes up again; -1: it stays as the kernel made it.
int operand_like(const Call& call, std::size_t result) {
  if (call.kernel.like) return call.kernel.like(call, static_cast<int>(result));
  for (std::size_t i = 0; i < call.in.size(); ++i)
    if (for_storage(call.in[i].dtype())) return static_cast<int>(i);
  return -1;
}

// The same call on widened operands.
class Widened {
 public:
  template <class Operand>
  Widened(const Call& call, Operand&& operand) : call_(call), out_(call.out.begin(), call.out.end()) {
    in_.reserve(call.in.size());
    for (const Array& a : call.in) in_.push_back(for_storage(a.dtype()) ? operand(a) : a);
  }
  Call call() { return {call_.kernel, in_, out_, call_.attrs}; }

  template <class Run>
  void run(Run&& body) {
    for (Array& out : out_)
      if (for_storage(out.dtype())) out = Array::empty(out.shape(), DType::Float32);
    body(call());
    for (std::size_t k = 0; k < out_.size(); ++k)
      if (for_storage(call_.out[k].dtype())) narrow(out_[k], call_.out[k]);
  }

 private:
  const Call& call_;
  std::vector<Array> in_, out_;
};

class PreparedWidened final : public Prepared {
 public:
  explicit PreparedWidened(std::unique_ptr<Prepared> inner) : inner_(std::move(inner)) {}
  void run(const Call& call) const override {
    Widened(call, widened).run([&](const Call& wide) { inner_->run(wide); });
  }

 private:
  std::unique_ptr<Prepared> inner_;
};

}  // namespace

const Conversion& conversion(DType t) { return conversions[static_cast<int>(t)]; }
void set_conversion(DType t, const Conversion& c) { conversions[static_cast<int>(t)] = c; }

bool needs_widening(const Call& call) {
  if (call.kernel.any_dtype) return false;
  for (const Array& a : call.in)
    if (for_storage(a.dtype())) return true;
  return false;
}

void infer_widened(Call& call) {
  Widened wide(call, [](const Array& a) { return a.as(DType::Float32); });
  Call inner = wide.call();
  call.kernel.infer(inner);
  for (std::size_t k = 0; k < call.out.size(); ++k) {
    call.out[k] = inner.out[k];
    const int like = operand_like(call, k);
    if (like < 0 || call.out[k].dtype() != DType::Float32) continue;
    call.out[k] = call.out[k].as(call.in[static_cast<std::size_t>(like)].dtype());
  }
}

void run_widened(const Call& call) {
  Widened(call, widened).run([](const Call& wide) { wide.kernel.run[static_cast<int>(Device::Cpu)](wide); });
}

std::unique_ptr<Prepared> prepare_widened(const Call& call) {
  Widened wide(call, [](const Array& a) { return Array::abstract(a.shape(), DType::Float32); });
  Call inner = wide.call();
  for (Array& out : inner.out)
    if (for_storage(out.dtype())) out = Array::abstract(out.shape(), DType::Float32);
  return std::make_unique<PreparedWidened>(call.kernel.prepare(inner));
}

// ---- elementwise ----------------------------------------------------------------------------------------------------

void Elementwise::convert(const Call& call) {
  for (std::size_t k = 0; k < call.in.size(); ++k) {
    const DType t = call.in[k].dtype();
    items[k] = static_cast<std::uint8_t>(itemsize(t));
    if (for_storage(t)) widened[k] = &conversion(t);
  }
  n_in = static_cast<std::uint8_t>(call.in.size());
  const DType t = call.out[0].dtype();
  out_item = static_cast<std::uint8_t>(itemsize(t));
  if (for_storage(t)) narrowed = &conversion(t);
  cost += 0.2;
}

void Elementwise::run_converted(std::int64_t n, void* out, const void* const* in) const {
  constexpr std::int64_t tile = 256;
  alignas(64) float buffers[4][tile], result[tile];
  for (std::int64_t at = 0; at < n; at += tile) {
    const std::int64_t m = std::min(tile, n - at);
    const void* operands[4];
    for (int k = 0; k < n_in; ++k) {
      operands[k] = static_cast<const std::byte*>(in[k]) + at * items[k];
      if (!widened[k]) continue;
      widened[k]->widen(m, operands[k], buffers[k]);
      operands[k] = buffers[k];
    }
    void* to = static_cast<std::byte*>(out) + at * out_item;
    loop(m, narrowed ? result : to, operands, params);
    if (narrowed) narrowed->narrow(m, result, to);
  }
}

}  // namespace alice
