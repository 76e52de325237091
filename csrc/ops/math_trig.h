// sin, cos, tan and their inverses in double arithmetic; Full and Short as in math_exp.h.
#pragma once

#include "math_bits.h"

namespace alice::ALICE_ISA {

inline constexpr double kPi = 0x1.921fb54442d18p+1;
inline constexpr double kHalfPi = 0x1.921fb54442d18p+0;

// An angle modulo a quarter turn: r + r_lo, |r| ≤ π/4, and which quarter it is in.
struct Turn {
  double x, r, r_lo;
  std::uint64_t quarter;  // modulo 4
};

// Up to here near_turn() holds; larger arguments take far_turn(), one at a time.
template <class P>
inline constexpr double kTrigLimit = P::kPairs ? 0x1p16 : 0x1p20;

template <class P>
ALICE_HD Turn near_turn(double x) {
  const double n = nearest(x * 0x1.45f306dc9c883p-1);
  const std::uint64_t quarter = to_bits(n + kRoundDouble);
  if constexpr (P::kPairs) {
    // π/2 in three parts of 34 bits, whose products with n are exact, and a rest: r to 2⁻¹²⁰ absolute.
    const double x1 = x - n * 0x1.921fb544p+0;
    const Pair x2 = two_sum(x1, -(n * 0x1.0b4611a6p-34)), x3 = two_sum(x2.hi, -(n * 0x1.3198a2ep-69));
    const Pair r = fast_two_sum(x3.hi, (x2.lo + x3.lo) - n * 0x1.b839a252049c1p-104);
    return {x, r.hi, r.lo, quarter};
  } else {
    return {x, (x - n * 0x1.921fb544p+0) - n * 0x1.0b4611a626331p-34, 0.0, quarter};
  }
}

// Payne and Hanek 1983: of the product with 2/π, only the bits around the binary point are computed. |x| ≥ 2¹⁶.
ALICE_HD Turn far_turn(double x) {
  constexpr std::uint64_t kTwoOverPi[] = {
      // a word of zeros, then the bits after the point
      0x0000000000000000, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
      0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484, 0xe99c7026b45f7e41,
      0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f, 0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7,
      0x4f463f669e5fea2d, 0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab};
  if (!(absolute(x) < kInf)) return {kNaN, kNaN, kNaN, 0};
  const std::uint64_t bits = to_bits(x), m = (bits & 0xfffffffffffffu) | 0x10000000000000u;
  // |x| = m·2ᵉ. Bits of weight 2² and up, times m, are whole turns: 192 bits from weight 2¹ on decide.
  const int e = static_cast<int>((bits >> 52) & 0x7ff) - 1075, first = e - 2 + 64, word = first / 64,
            shift = first % 64;
  std::uint64_t w[3];
  for (int i = 0; i < 3; ++i)
    w[i] = shift ? kTwoOverPi[word + i] << shift | kTwoOverPi[word + i + 1] >> (64 - shift) : kTwoOverPi[word + i];
  __extension__ typedef unsigned __int128 Wide;
  const Wide low = static_cast<Wide>(m) * w[2], middle = static_cast<Wide>(m) * w[1] + (low >> 64);
  const std::uint64_t top = m * w[0] + static_cast<std::uint64_t>(middle >> 64);
  // Two bits before the point, 126 after; the nearest quarter, and the signed rest.
  const Wide turns = static_cast<Wide>(top) << 64 | static_cast<std::uint64_t>(middle);
  const std::uint64_t nearest_quarter = (top + (std::uint64_t{1} << 61)) >> 62;
  Wide rest = turns - (static_cast<Wide>(nearest_quarter) << 126);
  const bool below = static_cast<std::uint64_t>(rest >> 127) != 0, negative = x < 0.0;
  if (below) rest = ~rest + 1;
  const double hi = static_cast<double>(static_cast<std::uint64_t>(rest >> 75)) * 0x1p-51;
  const double lo = static_cast<double>(static_cast<std::uint64_t>(rest >> 22) & 0x1fffffffffffffu) * 0x1p-104;
  const Pair f = fast_two_sum(hi, lo), r = product<Full>(f, {kHalfPi, 0x1.1a62633145c07p-54});
  const double sign = below != negative ? -1.0 : 1.0;
  return {x, sign * r.hi, sign * r.lo, negative ? std::uint64_t{4} - nearest_quarter : nearest_quarter};
}

// sin and cos of the rest, as pairs.
struct SinCos {
  Pair sin, cos;
};

template <class P>
ALICE_HD SinCos sin_cos(const Turn& t) {
  const double r = t.r, z = r * r;
  if constexpr (P::kPairs) {
    // (sin r − r)/r³ as a function of r², 1.2e-20; (cos r − 1 + r²/2)/r⁴, 1.3e-18
    const double s = poly(z, -0x1.5555555555555p-3, 0x1.111111111111p-7, -0x1.a01a01a019937p-13, 0x1.71de3a54607fap-19,
                          -0x1.ae6454129f078p-26, 0x1.61217eed1c04ap-33, -0x1.ab17c21adf462p-41);
    const double c = poly(z, 0x1.5555555555555p-5, -0x1.6c16c16c16967p-10, 0x1.a01a019f4e9f4p-16, -0x1.27e4fa17c44ep-22,
                          0x1.1eeb68d2958ddp-29, -0x1.907d9316a965fp-37);
    const Pair w = fast_two_sum(1.0, -0.5 * z);
    return {fast_two_sum(r, r * z * s + t.r_lo * w.hi), fast_two_sum(w.hi, w.lo + (z * z * c - r * t.r_lo))};
  } else {
    const double s =
        poly(z, -0x1.555555545df66p-3, 0x1.11110deefc97ap-7, -0x1.a013a750d964ep-13, 0x1.6dbdf28b1e676p-19);
    const double c =
        poly(z, 0x1.5555555502c88p-5, -0x1.6c16bf54c6135p-10, 0x1.a015c450eb2abp-16, -0x1.25243faa78f18p-22);
    return {{mul_add(r * z, s, r), 0.0}, {mul_add(z * z, c, 1.0 - 0.5 * z), 0.0}};
  }
}

// Bitwise, because the quarter is an integer of 64 bits and SSE2 cannot compare those.
ALICE_HD double choose(std::uint64_t odd_mask, double odd, double even) {
  return from_bits((to_bits(odd) & odd_mask) | (to_bits(even) & ~odd_mask));
}
ALICE_HD std::uint64_t odd_mask(std::uint64_t quarter) { return std::uint64_t{0} - (quarter & 1); }

template <class P>
ALICE_HD double sin(const Turn& t) {
  const SinCos v = sin_cos<P>(t);
  const double r = choose(odd_mask(t.quarter), v.cos.hi, v.sin.hi);
  const double turned = from_bits(to_bits(r) ^ ((t.quarter & 2) << 62));
  return t.x == 0.0 ? t.x : turned;
}

template <class P>
ALICE_HD double cos(const Turn& t) {
  const SinCos v = sin_cos<P>(t);
  const double r = choose(odd_mask(t.quarter), v.sin.hi, v.cos.hi);
  return from_bits(to_bits(r) ^ (((t.quarter + 1) & 2) << 62));
}

ALICE_HD Pair tan_denominator(const SinCos& v, std::uint64_t odd) {
  return {choose(odd, v.sin.hi, v.cos.hi), choose(odd, v.sin.lo, v.cos.lo)};
}

template <class P>
ALICE_HD double tan(const Turn& t) {
  const SinCos v = sin_cos<P>(t);
  const std::uint64_t odd = odd_mask(t.quarter);
  const Pair above = {choose(odd, v.cos.hi, v.sin.hi), choose(odd, v.cos.lo, v.sin.lo)};
  const double r = quotient<P>(above, tan_denominator(v, odd));
  const double turned = from_bits(to_bits(r) ^ ((t.quarter & 1) << 63));
  return t.x == 0.0 ? t.x : turned;
}

template <class P>
ALICE_HD double tan_slope(const Turn& t) {  // 1/cos²
  const Pair c = tan_denominator(sin_cos<P>(t), odd_mask(t.quarter));
  return quotient<P>({1.0, 0.0}, product<P>(c, c));
}

// The inverses serve float32 alone (about 1e-10); the C library serves float64.

ALICE_HD double atan_unit(double t) {  // |t| ≤ 1
  const double z = t * t;
  // (atan t − t)/t³ as a function of t², 6.3e-11
  const double p = poly(z, -0x1.555555543c557p-2, 0x1.9999971f594e7p-3, -0x1.2491d128f2977p-3, 0x1.c70a6be6d4163p-4,
                        -0x1.73a719b0b93d9p-4, 0x1.36bfd2210f14ap-4, -0x1.ffb2b9595f5b2p-5, 0x1.837061ab40426p-5,
                        -0x1.ea18af61c3e87p-6, 0x1.cd243cc325c05p-7, -0x1.14abab018547p-8, 0x1.36ecfc48d188bp-11);
  return mul_add(t * z, p, t);
}

ALICE_HD double atan_short(double x) {
  const double a = absolute(x);
  const bool steep = a > 1.0;
  const double r = atan_unit(steep ? 1.0 / a : a);
  return copy_sign(steep ? kHalfPi - r : r, x);
}

ALICE_HD double atan2_short(double y, double x) {
  const double ay = absolute(y), ax = absolute(x);
  const double small = ay < ax ? ay : ax, large = ay < ax ? ax : ay;
  const double t = large == 0.0 ? 0.0 : small == kInf ? 1.0 : small / large;
  double r = atan_unit(t);
  r = ay > ax ? kHalfPi - r : r;
  r = copy_sign(1.0, x) < 0.0 ? kPi - r : r;
  return x != x || y != y ? kNaN : copy_sign(r, y);
}

// The angle of (x, y), both within kFarthest and its inverse. With the larger of the two as the denominator the
// quotient is at most 1; above ½ it turns by π/4 first, so that |q| ≤ ½. What the quotient loses is added at the end.
// float32 within 2 ULP with fma only.
template <class T>
inline constexpr T kFarthest = sizeof(T) == 4 ? T(0x1p60) : T(0x1p400);
template <class T>
ALICE_HD bool is_near_axes(T y, T x) {
  const auto least = to_bits(T{1} / kFarthest<T>), range = to_bits(kFarthest<T>) - least;
  const auto by = to_bits(absolute(y)) - least, bx = to_bits(absolute(x)) - least;  // as numbers are ordered
  return (by > bx ? by : bx) < range;
}
// (atan q − q)/q³ as a function of q², 3.8e-18
ALICE_HD double arc_curve(double z) {
  return poly(z, -0x1.5555555555555p-2, 0x1.99999999998e0p-3, -0x1.24924924881f5p-3, 0x1.c71c71c014e0dp-4,
              -0x1.745d16016ea5fp-4, 0x1.3b138e4b5b747p-4, -0x1.110ea393fffe2p-4, 0x1.e1a795c3fb24fp-5,
              -0x1.ad441c37157fap-5, 0x1.7b1d7856d14a5p-5, -0x1.37ce51c509047p-5, 0x1.99984c3613cd5p-6,
              -0x1.2dd40041c2c27p-7);
}
ALICE_HD double atan2_near(double y, double x) {
  // π/4 in two parts: thrice the first is exact.
  constexpr double kTurn = 0x1.921fb54442d18p-1, kTurnLo = 0x1.1a62633145c07p-55;
  const double ay = absolute(y), ax = absolute(x);
  const double large = ay > ax ? ay : ax, small = ay > ax ? ax : ay, sum = small + large;
  const bool turns = small + small > large;
  const double above = turns ? small - large : small, below = turns ? sum : large;
  const double below_lo = turns ? small - (sum - large) : 0.0;
  const double inverse = 1.0 / below, q = above * inverse, lo = (residual(above, q, below) - q * below_lo) * inverse;
  const double z = q * q, rest = mul_add(q * z, arc_curve(z), lo);
  // The eighths of a turn at which this begins, and in which direction it goes.
  const double first = turns ? 1.0 : 0.0, second = ay > ax ? 2.0 - first : first,
               eighths = x < 0.0 ? 4.0 - second : second;
  const double forth = ay > ax ? -1.0 : 1.0, direction = x < 0.0 ? -forth : forth;
  const double base = eighths * kTurn, step = direction * q, angle = base + step;
  const double lost = (base - angle) + step;
  return copy_sign(angle + (lost + mul_add(direction, rest, eighths * kTurnLo)), y);
}
// Of floats the polynomial reaches q = 1, which costs less than to turn: (atan q − q)/q³ as a function of q², 2.5e-9.
ALICE_HD float atan2_near(float y, float x) {
  constexpr float kHalf = 0x1.921fb4p+0f, kLost = 0x1.4442d2p-24f / kHalf;
  const std::uint32_t by = to_bits(absolute(y)), bx = to_bits(absolute(x));
  const float large = from_bits(by > bx ? by : bx), small = from_bits(by > bx ? bx : by);
  const float inverse = 1.0f / large, q = small * inverse, lo = residual(small, q, large) * inverse, z = q * q;
  const float curve =
      poly_by_two(z, z * z, -0x1.555556p-2f, 0x1.999956p-3f, -0x1.248952p-3f, 0x1.c62cdap-4f, -0x1.6dd8fep-4f,
                  0x1.2006f8p-4f, -0x1.9115a4p-5f, 0x1.aefb2cp-6f, -0x1.2ba6b6p-7f, 0x1.86406cp-10f);
  const float rest = mul_add(q * z, curve, lo);
  // Where this begins, and in which direction it goes.
  const float across = x < 0.0f ? 2.0f * kHalf : 0.0f, base = by > bx ? kHalf : across;
  const float forth = from_bits((by > bx ? 0xbf800000u : 0x3f800000u) ^ (to_bits(x) & 0x80000000u));
  const float angle = mul_add(forth, q, base), lost = mul_add(forth, q, base - angle);
  return copy_sign(angle + mul_add(forth, rest, mul_add(base, kLost, lost)), y);
}

// asin a for a ≤ ½ is a + a³P(a²); above, π/2 − 2 asin √((1 − a)/2).
struct ArcSine {
  double root, value;
  bool steep;
};
ALICE_HD ArcSine arc_sine(double a) {
  const bool steep = a > 0.5;
  const double z = steep ? 0.5 * (1.0 - a) : a * a, s = steep ? std::sqrt(z) : a;
  // (asin a − a)/a³ as a function of a², 1.5e-11
  const double p = poly(z, 0x1.55555554ee47bp-3, 0x1.333334ceb652p-4, 0x1.6db5cfb6af282p-5, 0x1.f208eb1ddd0fbp-6,
                        0x1.6a9e3262c37dbp-6, 0x1.3c5053c2afce1p-6, 0x1.64b97e009bd03p-8, 0x1.e0231588b1e55p-6);
  return {s, mul_add(s * z, p, s), steep};
}

ALICE_HD double asin_short(double x) {
  const ArcSine a = arc_sine(absolute(x));
  return copy_sign(a.steep ? kHalfPi - (a.value + a.value) : a.value, x);
}

ALICE_HD double acos_short(double x) {
  const ArcSine a = arc_sine(absolute(x));
  const double twice = a.value + a.value, flat = kHalfPi - copy_sign(a.value, x);
  return a.steep ? (x < 0.0 ? kPi - twice : twice) : flat;
}

}  // namespace alice::ALICE_ISA
