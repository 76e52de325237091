#include "conversion.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
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

template <class To, class From>
void convert(std::int64_t n, const void* from, void* to) {
  for (std::int64_t i = 0; i < n; ++i) static_cast<To*>(to)[i] = static_cast<To>(static_cast<const From*>(from)[i]);
}
template <class To, class From>
void saturate(std::int64_t n, const void* from, void* to) {
  using Limits = std::numeric_limits<To>;
  for (std::int64_t i = 0; i < n; ++i)
    static_cast<To*>(to)[i] =
        static_cast<To>(std::clamp<From>(static_cast<const From*>(from)[i], Limits::min(), Limits::max()));
}
template <class Stored, class Wide>
constexpr Conversion kIntegers = {convert<Wide, Stored>, convert<Stored, Wide>, saturate<Stored, Wide>};

// By dtype, from the first one for storage on.
Conversion conversions[kDTypeCount - kComputedCount] = {{},
                                                        {},
                                                        kIntegers<std::int8_t, std::int32_t>,
                                                        kIntegers<std::int16_t, std::int32_t>,
                                                        kIntegers<std::uint16_t, std::int32_t>,
                                                        kIntegers<std::uint32_t, std::int64_t>,
                                                        {}};

// uint64 as the int64 of the same order, and back.
void turn(std::int64_t n, const void* from, void* to) {
  for (std::int64_t i = 0; i < n; ++i)
    static_cast<std::uint64_t*>(to)[i] = static_cast<const std::uint64_t*>(from)[i] ^ std::uint64_t{1} << 63;
}
Convert widening(const Kernel& kernel, DType t) {
  return t == DType::UInt64 && kernel.orders ? turn : conversion(t).widen;
}
Convert narrowing(const Kernel& kernel, DType t) {
  return t == DType::UInt64 && kernel.orders ? turn : conversion(t).narrow;
}

// In row-major order, whatever the strides.
Array widened(const Array& a, const Kernel& kernel) {
  const DType dtype = arithmetic(a.dtype());
  const Convert widen = widening(kernel, a.dtype());
  if (!widen) return a.as(dtype);
  Array wide = Array::empty(a.shape(), dtype);
  const Operand operand(a, a.shape());
  const auto item = static_cast<std::int64_t>(itemsize(dtype));
  const bool plain = a.is_contiguous();
  parallel_chunks(a.numel(), kLightChunkItems, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t n = end - begin;
    if (plain) return widen(n, a.bytes() + begin * operand.item(), wide.bytes() + begin * item);
    constexpr std::int64_t tile = 512;
    alignas(8) std::byte gathered[tile * 8];
    for (std::int64_t i = 0; i < n; i += tile) {
      const std::int64_t m = std::min(tile, n - i);
      operand.gather(a.bytes(), begin + i, m, gathered);
      widen(m, gathered, wide.bytes() + (begin + i) * item);
    }
  });
  return wide;
}

void narrow(const Array& wide, const Array& to, Convert convert) {
  const auto from_item = static_cast<std::int64_t>(itemsize(wide.dtype()));
  const auto to_item = static_cast<std::int64_t>(itemsize(to.dtype()));
  parallel_chunks(to.numel(), kLightChunkItems, [&](std::int64_t begin, std::int64_t end) {
    convert(end - begin, wide.bytes() + begin * from_item, to.bytes() + begin * to_item);
  });
}

bool is_widened(const Call& call, std::size_t operand) {
  const int indices = call.kernel.indices;
  return for_storage(call.in[operand].dtype()) && (indices < 0 || operand < static_cast<std::size_t>(indices));
}

// What a result of that dtype is when it is stored.
DType stored(const Call& call, std::size_t result, DType dtype) {
  const auto takes_up = [&](std::size_t i) { return arithmetic(call.in[i].dtype()) == dtype; };
  if (call.kernel.like) {
    const int like = call.kernel.like(call, static_cast<int>(result));
    return like >= 0 && takes_up(static_cast<std::size_t>(like)) ? call.in[static_cast<std::size_t>(like)].dtype()
                                                                 : dtype;
  }
  for (std::size_t i = 0; i < call.in.size(); ++i)
    if (is_widened(call, i) && takes_up(i)) return call.in[i].dtype();
  return dtype;
}

// The same call on widened operands.
class Widened {
 public:
  template <class Operand>
  Widened(const Call& call, Operand&& operand) : call_(call), out_(call.out.begin(), call.out.end()) {
    in_.reserve(call.in.size());
    for (std::size_t i = 0; i < call.in.size(); ++i)
      in_.push_back(is_widened(call, i) ? operand(call.in[i], call.kernel) : call.in[i]);
  }
  Call call() { return {call_.kernel, in_, out_, call_.attrs}; }

  template <class Run>
  void run(Run&& body) {
    for (Array& out : out_)
      if (const DType t = out.dtype(); for_storage(t))
        out = conversion(t).narrow ? Array::empty(out.shape(), arithmetic(t)) : out.as(arithmetic(t));
    body(call());
    for (std::size_t k = 0; k < out_.size(); ++k)
      if (const DType t = call_.out[k].dtype(); for_storage(t))
        if (const Convert convert = narrowing(call_.kernel, t)) narrow(out_[k], call_.out[k], convert);
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

const Conversion& conversion(DType t) { return conversions[static_cast<int>(t) - kComputedCount]; }
void set_conversion(DType t, const Conversion& c) { conversions[static_cast<int>(t) - kComputedCount] = c; }

bool needs_widening(const Call& call) {
  if (call.kernel.any_dtype) return false;
  for (std::size_t i = 0; i < call.in.size(); ++i)
    if (is_widened(call, i)) return true;
  return false;
}

void infer_widened(Call& call) {
  if (call.kernel.infers_any_dtype) return call.kernel.infer(call);
  Widened wide(call, [](const Array& a, const Kernel&) { return a.as(arithmetic(a.dtype())); });
  Call inner = wide.call();
  call.kernel.infer(inner);
  for (std::size_t k = 0; k < call.out.size(); ++k)
    call.out[k] = inner.out[k].as(stored(call, k, inner.out[k].dtype()));
}

void run_widened(const Call& call) {
  Widened(call, widened).run([](const Call& wide) { wide.kernel.run[static_cast<int>(Device::Cpu)](wide); });
}

std::unique_ptr<Prepared> prepare_widened(const Call& call) {
  const auto described = [](const Array& a) { return Array::abstract(a.shape(), arithmetic(a.dtype())); };
  Widened wide(call, [&](const Array& a, const Kernel&) { return described(a); });
  Call inner = wide.call();
  for (Array& out : inner.out)
    if (for_storage(out.dtype())) out = described(out);
  return std::make_unique<PreparedWidened>(call.kernel.prepare(inner));
}

// ---- single elements ------------------------------------------------------------------------------------------------

std::int64_t integer_at(const std::byte* element, DType t) {
  return dispatch_any(t, [&](auto tag) -> std::int64_t {
    if constexpr (std::is_integral_v<decltype(tag)>) {
      std::memcpy(&tag, element, sizeof tag);
      return static_cast<std::int64_t>(tag);
    }
    return 0;
  });
}

double real_at(const std::byte* element, DType t) {
  if (t == DType::UInt64) return static_cast<double>(static_cast<std::uint64_t>(integer_at(element, t)));
  if (!is_floating(t)) return static_cast<double>(integer_at(element, t));
  switch (t) {
    case DType::Float16: return static_cast<double>(*reinterpret_cast<const Float16*>(element));
    case DType::BFloat16: return static_cast<double>(*reinterpret_cast<const BFloat16*>(element));
    default:
      return dispatch_floating(
          t, [&](auto tag) { return static_cast<double>(*reinterpret_cast<const decltype(tag)*>(element)); });
  }
}

void write_integer(std::int64_t number, DType t, void* to) {
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(to, &number, itemsize(t));
}

void write_real(double number, DType t, void* to) {
  switch (t) {
    case DType::Float16: *static_cast<Float16*>(to) = Float16(number); return;
    case DType::BFloat16: *static_cast<BFloat16*>(to) = BFloat16(number); return;
    default:
      dispatch_floating(t, [&](auto tag) { *static_cast<decltype(tag)*>(to) = static_cast<decltype(tag)>(number); });
  }
}

std::uint8_t width_of(std::int64_t number) {
  const int bits = std::bit_width(static_cast<std::uint64_t>(number < 0 ? ~number : number));
  for (const int width : {7, 8, 15, 16, 31, 32})
    if (bits <= width && (number >= 0 || width % 2)) return static_cast<std::uint8_t>(number < 0 ? width + 128 : width);
  return number < 0 ? 63 + 128 : 63;
}

bool holds_width(DType t, std::uint8_t width) { return width % 128 <= value_bits(t) && (width < 128 || is_signed(t)); }

bool holds(DType t, double number) {
  const double end = std::ldexp(1.0, value_bits(t));
  return number >= (is_signed(t) ? -end : 0.0) && number < end && number == std::trunc(number);
}

// ---- elementwise ----------------------------------------------------------------------------------------------------

void Elementwise::convert(const Call& call) {
  bool converts = false;
  for (std::size_t k = 0; k < call.in.size(); ++k) {
    const DType t = call.in[k].dtype();
    items[k] = static_cast<std::uint8_t>(itemsize(t));
    widened[k] = for_storage(t) ? conversion(t).widen : nullptr;
    converts = converts || widened[k];
  }
  const DType t = call.out[0].dtype();
  out_item = static_cast<std::uint8_t>(itemsize(t));
  narrowed = for_storage(t) ? conversion(t).narrow : nullptr;
  if (!converts && !narrowed) return;
  n_in = static_cast<std::uint8_t>(call.in.size());
  cost += 0.2;
}

void Elementwise::run_converted(std::int64_t n, void* out, const void* const* in) const {
  constexpr std::int64_t tile = 256;
  alignas(64) std::byte buffers[5][tile * 8];
  for (std::int64_t at = 0; at < n; at += tile) {
    const std::int64_t m = std::min(tile, n - at);
    const void* operands[4];
    for (int k = 0; k < n_in; ++k) {
      operands[k] = static_cast<const std::byte*>(in[k]) + at * items[k];
      if (!widened[k]) continue;
      widened[k](m, operands[k], buffers[k]);
      operands[k] = buffers[k];
    }
    void* to = static_cast<std::byte*>(out) + at * out_item;
    loop(m, narrowed ? buffers[4] : to, operands, params);
    if (narrowed) narrowed(m, buffers[4], to);
  }
}

}  // namespace alice
