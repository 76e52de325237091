// Powers: xʸ for any exponent, and by products and roots for the few exponents that are written most.
//
// float32 goes by log2 and exp2 in double arithmetic. float64 carries log x in two parts of 2⁻⁶⁸ together, as y log x
// reaches 700 and its error is the relative error of the power.
#pragma once

#include "elementwise.h"
#include "math_exp.h"
#include "math_table.h"

namespace alice::ALICE_ISA {

// a = m·2ᵏ with m in [√½, √2), for a normal number a > 0.
struct Binade {
  double k, m;
};
ALICE_HD Binade binade(double a) {
  const std::uint64_t t = to_bits(a) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
  return {from_bits((t >> 52) | 0x4330000000000000u) - (0x1p52 + 1023.0),
          from_bits((t & 0xfffffffffffffu) + 0x3fe6a09e667f3bcdu)};
}

// log2 of a number a float can be, other than 0, with a relative error of 1e-13.
ALICE_HD double log2_short(double a) {
  const Binade b = binade(a);
  const double f = b.m - 1.0, s = f / (2.0 + f), z = s * s;
  // (log2((1 + s)/(1 − s)) − 2 s/ln 2)/s³ as a function of s², 1.1e-11
  const double g = poly(z, 0x1.ec709dc3b6f7dp-1, 0x1.2776c478a3614p-1, 0x1.a618a04f798cfp-2, 0x1.47d600601eab3p-2,
                        0x1.1e164ab30063bp-2);
  return b.k + mul_add(s * z, g, s * 0x1.71547652b82fep+1);
}

// The same of any 0 < a < ∞ in two parts, with 2⁻⁶⁸.
ALICE_HD Pair log2_pair(double a) {
  const bool tiny = a < 0x1p-1022;
  const Binade b = binade(tiny ? a * 0x1p54 : a);
  const double k = b.k - (tiny ? 54.0 : 0.0);
  const double f = b.m - 1.0;
  const Pair d = fast_two_sum(2.0, f);
  const double inverse = 1.0 / d.hi, s = f * inverse, s_lo = mul_add(-s, d.lo, residual(f, s, d.hi)) * inverse;
  const Pair square = two_prod(s, s);
  const double z = square.hi, z_lo = mul_add(s + s, s_lo, square.lo);
  // log2((1 + s)/(1 − s)) = s (2/ln 2 + z (2/(3 ln 2) + z H)), H as a function of z to 2.8e-18.
  const double h =
      mul_add(poly_by_two(z, z * z, 0x1.a61762a7adfabp-2, 0x1.484b13d79bc8ap-2, 0x1.0c9a84bfb6035p-2,
                          0x1.c68f2ead2ffb4p-3, 0x1.89fee472c73e1p-3, 0x1.59dea78012f18p-3, 0x1.5a744a7d06346p-3),
              z, 0x1.2776c50ef9bfep-1);
  const Pair r = sum_from(0x1.ec709dc3a03fdp-1, z, h), zr = two_prod(z, r.hi);
  const double zr_lo = mul_add(z, r.lo + 0x1.d27f05548af0cp-55, mul_add(z_lo, r.hi, zr.lo));
  const Pair w = fast_two_sum(0x1.71547652b82fep+1, zr.hi), sw = two_prod(s, w.hi), sum = fast_two_sum(k, sw.hi);
  const double w_lo = w.lo + (zr_lo + 0x1.777d0ffda0d24p-55);
  return {sum.hi, sum.lo + mul_add(s, w_lo, mul_add(s_lo, w.hi, sw.lo))};
}

// Up to here the loops hold; larger exponents make 0, 1 or ∞ of most numbers.
inline constexpr double kPowLimit = 0x1p50;

// |x|ʸ with what x < 0 or −0 makes of it: a sign for an odd y, NaN for a y that is no integer.
ALICE_HD double signed_power(double power, double x, Pair y) {
  const double shifted = y.hi + kRoundDouble, fraction = (y.hi - (shifted - kRoundDouble)) + y.lo;
  const double turned = from_bits(to_bits(power) ^ (to_bits(x) & (to_bits(shifted) << 63)));
  const double root = x < 0.0 ? kNaN : power;
  return fraction == 0.0 ? turned : root;
}

// xʸ for finite floats x and a double y with |y| < kPowLimit, but for 0⁰; low and high are −1000 and 1000.
ALICE_HD double pow_short(double x, double y, double low, double high) {
  const double a = absolute(x), finite = log2_short(a), logarithm = a == 0.0 ? -kInf : finite;
  const double c = at_most(at_least(y * logarithm, low), high), n = nearest(c);
  return signed_power((1.0 + exp2m1<Short>(c - n)) * pow2(n), x, {y, 0.0});
}

// log2 of a finite float a > 0 in two parts, to 2⁻³⁴ of itself.
template <class T>
struct FloatLog {
  T hi, lo;
};
template <class T>
ALICE_HD FloatLog<T> log2_pair(T a) {
  const auto tiny = a < 0x1p-126f;
  // a = m·2ᵏ with m in [0.703, 1.406)
  const auto t = to_bits(choose(tiny, a * 0x1p24f, a)) + (0x3f800000u - 0x3f340000u);
  const T k = from_bits((t >> 23) | 0x4b000000u) - choose(tiny, T(0x1p23f + 151.0f), T(0x1p23f + 127.0f));
  const T m = from_bits((t & 0x7fffffu) + 0x3f340000u);
  const auto index = t >> 19;
  const T r = look_up(kLog2[0], index), p = m * r, p_lo = mul_add(m, r, -p), f = p - 1.0f;
  // log2(1 + f) = f (c + d f + f² g), c and d in two parts each; g to 1.8e-11/f²
  constexpr float c = 0x1.715476p+0f, c_lo = 0x1.4ae0cp-26f, d = -0.5f * c, d_lo = -0.5f * c_lo;
  const T g = poly(f, 0x1.ec709cp-2f, -0x1.71547cp-2f, 0x1.27ab3p-2f, -0x1.ec604ep-3f);
  const T s = mul_add(f, d, c), s_lo = mul_add(f, mul_add(f, g, d_lo), mul_add(f, d, c - s)) + c_lo;
  const T curve = f * s, curve_lo = mul_add(f, s_lo, mul_add(f, s, -curve));
  const T slope = mul_add(s_lo, 3.0f, mul_add(s, 2.0f, -c));
  const T whole_part = k + look_up(kLog2[1], index), sum = whole_part + curve;
  return {sum, ((whole_part - sum) + curve) + mul_add(p_lo, slope, look_up(kLog2[2], index) + curve_lo)};
}

// xʸ for finite floats x and |y| < kPowLimit, but for 0⁰. Within 1 ULP with fma only.
template <class T>
ALICE_HD T pow_float(T x, T y) {
  const T a = absolute(x);
  const FloatLog<T> l = log2_pair(a);
  const T p = y * choose(0.0f < a, l.hi, T(-static_cast<float>(kInf)));
  const T p_lo = choose(absolute(p) < 200.0f, mul_add(y, l.lo, mul_add(y, l.hi, -p)), T(0.0f));
  // 2ⁿ⁺ᵛ, the power of n as in exp()
  const T e = at_most(at_least(p, -152.0f), 128.25f);
  const auto left = e < 0.0f;
  const T magic = choose(left, T(kRoundFloat + 191.0f), T(kRoundFloat + 126.0f)), sum = e + magic;
  const T f = e - (sum - magic), v = f + p_lo, v_lo = p_lo - (v - f);
  // (2ᵛ − 1 − v ln 2)/v², 1.2e-10/v²
  const T q = poly(v, 0x1.ebfbep-3f, 0x1.c6b08ep-5f, 0x1.3b2a42p-7f, 0x1.5d86fcp-10f, 0x1.442c08p-13f, 0x1.010e4ep-16f);
  constexpr float ln2 = 0x1.62e43p-1f;
  const T rest = mul_add(v, ln2, mul_add(v * v, q, mul_add(v, -0x1.05c61p-29f, v_lo * ln2)));
  const T power = from_bits(to_bits(sum) << 23);
  const T r = mul_add(power, rest, power) * choose(left, T(0x1p-64f), T(2.0f));
  // As signed_power(), of a y of any size.
  const auto integral = y == whole(y);
  const T half = 0.5f * y, odd = choose(half == whole(half), T(0.0f), choose(integral, T(-0.0f), T(0.0f)));
  const T turned = from_bits(to_bits(r) ^ (to_bits(x) & to_bits(odd)));
  return choose(x < choose(integral, T(-static_cast<float>(kInf)), T(0.0f)), T(static_cast<float>(kNaN)), turned);
}

// The same of doubles and a y in two parts (or one: kPair is false), given log2 |x| of an x other than 0; low and high
// are −1100 and 1024.25.
template <bool kPair>
ALICE_HD double pow_full(double x, Pair y, Pair finite, double low, double high) {
  const double logarithm = x == 0.0 ? -kInf : finite.hi;
  const Pair p = two_prod(y.hi, logarithm);
  // With f from −0.415 to 0.585 the mantissa minus 1 is at most a half: its rounding is an eighth of an ULP.
  const Exp2Split e = split_exp2(at_most(at_least(p.hi, low), high), 0.085);
  const double by_lo = kPair ? mul_add(y.hi, finite.lo, y.lo * logarithm) : y.hi * finite.lo, lo = p.lo + by_lo;
  // 2ᶠ⁺ˡᵒ = 1 + f ln 2 + (what is small), which is summed up first. A larger lo belongs to a p far beyond the bounds.
  const double curved = exp2_curve(e.f), moved = mul_add(mul_add(e.f, kLn2, curved), kLn2, kLn2);
  const double small = mul_add(absolute(lo) < 0.125 ? lo : 0.0, moved, mul_add(e.f, kLn2Tail, curved));
  const Pair linear = two_prod(e.f, kLn2);
  const double rest = ALICE_HAS_FMA ? mul_add(e.f, kLn2, small) : linear.hi + (linear.lo + small);
  return signed_power(mul_add(rest, e.power, e.power) * e.last, x, y);
}

// --- Powers by products and roots -----------------------------------------------------------------------------

// Twice the exponents that are written most: they have loops of their own. All but −2, −½, 2½ and 3 are correctly
// rounded, and those are within 1 ULP.
#define ALICE_SIMPLE_POWERS(use) use(-4) use(-2) use(-1) use(0) use(1) use(2) use(4) use(5) use(6)

// Whether y is one of them and `more`.
#define ALICE_IS_SIMPLE(twice) | (y == T(0.5 * twice) + more)
template <class T>
ALICE_HD bool is_simple(T y, T more = T{0}) {
  return false ALICE_SIMPLE_POWERS(ALICE_IS_SIMPLE);
}
#undef ALICE_IS_SIMPLE

// A root's operand: powers of −0 and −∞ are those of 0 and ∞.
template <class T>
ALICE_HD T under_root(T x) {
  return x == -static_cast<T>(kInf) ? -x : x + T{0};
}

ALICE_HD double inverse_square(double x) {
  // 1/x = q (1 + d)
  const double q = 1.0 / x;
  const Pair back = two_prod(q, x), qq = two_prod(q, q);
  const double d = (1.0 - back.hi) - back.lo, r = qq.hi + (qq.lo + 2.0 * d * qq.hi);
  return absolute(d) < 1.0 && qq.hi < kInf ? r : qq.hi;
}
ALICE_HD double inverse_root(double of) {
  const bool tiny = of < 0x1p-900;  // what follows would lose its low parts
  const double x = tiny ? of * 0x1p200 : of;
  // x = s² + e and 1/s = q (1 + d)
  const double s = std::sqrt(x), q = 1.0 / s;
  const Pair ss = two_prod(s, s), back = two_prod(q, s);
  const double e = (x - ss.hi) - ss.lo, d = (1.0 - back.hi) - back.lo;
  const double r = mul_add(q, d - 0.5 * e * q * q, q);
  return (x > 0.0 && x < kInf ? r : q) * (tiny ? 0x1p100 : 1.0);
}
// `far` is a number that is held, as in math_float.h, whose cube overflows and whose square does not.
ALICE_HD double cube(double x, double far) {
  const double c = at_most(at_least(x, -far), far);
  const Pair cc = two_prod(c, c);
  return mul_add(cc.hi, c, cc.lo * c);
}
ALICE_HD float cube(float x, float far) {
  if (!ALICE_HAS_FMA)
    return static_cast<float>(static_cast<double>(x) * static_cast<double>(x) * static_cast<double>(x));
  const float c = at_most(at_least(x, -far), far), cc = c * c;
  return mul_add(cc, c, mul_add(c, c, -cc) * c);
}

// a·b + c for a c far below the product, in one rounding all but.
ALICE_HD double product_plus(double a, double b, double c) {
  if (ALICE_HAS_FMA) return mul_add(a, b, c);
  const Pair p = two_prod(a, b);
  return p.hi < kInf ? p.hi + (p.lo + c) : p.hi;
}
// x² √x with √x = s + (x − s²)/(2 s)
ALICE_HD double square_times_root(double x) {
  const double of = under_root(x), s = std::sqrt(of), rest = 0.5 * of * s * residual(of, s, s);
  const Pair square = two_prod(of, of);
  return square.hi < 0x1p900 ? product_plus(square.hi, s, mul_add(square.lo, s, rest)) : square.hi * s;
}

template <int Twice>
struct SimplePower {
  template <class T>
  ALICE_HD T operator()(T x) const {
    const double wide = static_cast<double>(x);
    constexpr bool kShort = sizeof(T) == 4;
    if constexpr (Twice == -4)
      return kShort ? static_cast<T>(1.0 / (wide * wide)) : static_cast<T>(inverse_square(wide));
    if constexpr (Twice == -2) return T{1} / x;
    if constexpr (Twice == -1) {
      const double u = under_root(wide);
      return kShort ? static_cast<T>(1.0 / std::sqrt(u)) : static_cast<T>(inverse_root(u));
    }
    if constexpr (Twice == 0) return T{1};
    if constexpr (Twice == 1) return std::sqrt(under_root(x));
    if constexpr (Twice == 2) return x;
    if constexpr (Twice == 4) return Square{}(x);
    if constexpr (Twice == 5)
      return kShort ? static_cast<T>(wide * wide * std::sqrt(under_root(wide)))
                    : static_cast<T>(square_times_root(wide));
  }
};

template <>
struct SimplePower<6> {
  float far = 0x1p50f;
  double far_full = 0x1p400;
  ALICE_HD float operator()(float x) const { return cube(x, far); }
  ALICE_HD double operator()(double x) const { return cube(x, far_full); }
};

#define ALICE_CHOOSE_SIMPLE(twice) \
  if (y == T(0.5 * twice) + more) return SimplePower<twice>{}(x);
// xʸ⁻ᵐᵒʳᵉ where the loops do not hold.
template <class T>
ALICE_HD T rare_power(T x, T y, T more = T{0}) {
  ALICE_SIMPLE_POWERS(ALICE_CHOOSE_SIMPLE)
  return static_cast<T>(std::pow(static_cast<double>(x), static_cast<double>(y) - static_cast<double>(more)));
}
template <class T>
ALICE_HD bool is_rare(T x, T y, T more = T{0}) {
  return !(absolute(x) < static_cast<T>(kInf)) | !(absolute(y) < static_cast<T>(kPowLimit)) | is_simple(y, more);
}
#undef ALICE_CHOOSE_SIMPLE

}  // namespace alice::ALICE_ISA
