// Functions that JavaScript lacks, as functions of doubles.
const LN2 = Math.LN2, LOG2E = Math.LOG2E, LOG10E = Math.LOG10E;
const isNegative = (x) => x < 0 || Object.is(x, -0);
const withSign = (x, y) => (isNegative(y) ? -Math.abs(x) : Math.abs(x));
const roundEven = (x) => {
  if (Math.abs(x) >= 2 ** 52 || x !== x) return x;
  const shifted = 2 ** 52;
  return withSign(Math.abs(x) + shifted - shifted, x);
};

// A sum with its rounding errors carried along (Neumaier 1974).
function sum(items) {
  let high = 0, low = 0;
  for (const x of items) {
    const s = high + x;
    low += Math.abs(high) >= Math.abs(x) ? high - s + x : x - s + high;
    high = s;
  }
  return Number.isFinite(high) ? high + low : high;
}
const maximum = (x, y) => (x !== x ? x : x > y ? x : y);
const minimum = (x, y) => (x !== x ? x : x < y ? x : y);

// e^(-x²), whose exponent would lose digits as one number.
const bell = (x) => {
  const h = Math.fround(x);
  return Math.abs(x) > 40 ? 0 : Math.exp(-h * h) * Math.exp((h - x) * (h + x));
};
// erf x of |x| < 2 by its series of terms of one sign, erfc x of x >= 2 by its continued fraction.
function erfSmall(x) {
  let term = x, total = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(total); ++n) total += term *= (2 * x * x) / (2 * n + 1);
  return (2 / Math.sqrt(Math.PI)) * bell(x) * total;
}
function erfcFar(x) {
  let f = 0;
  for (let n = 120; n >= 1; --n) f = n / 2 / (x + f);
  return bell(x) / ((x + f) * Math.sqrt(Math.PI));
}
const erf = (x) => (x !== x ? x : Math.abs(x) < 2 ? erfSmall(x) : withSign(1 - erfcFar(Math.abs(x)), x));
const erfc = (x) => (x !== x ? x : x < 2 ? 1 - erf(x) : erfcFar(x));
const phi = (x) => bell(x / Math.SQRT2) / Math.sqrt(2 * Math.PI);
const Phi = (x) => 0.5 * erfc(-x / Math.SQRT2);

// C's pow; JavaScript's has no value where |x| = 1 meets an infinite exponent, or 1 meets NaN.
const power = (x, y) => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : Math.pow(x, y));
const wholePower = (x, y) => (y < 0 ? (x === 1 ? 1 : x === -1 ? (y % 2 ? -1 : 1) : 0) : Math.pow(x, y));

const sigmoid = (x) => {
  const e = Math.exp(-Math.abs(x));
  return (x < 0 ? e : 1) / (1 + e);
};
const sigmoidSlope = (x) => {
  const e = Math.exp(-Math.abs(x));
  return e / ((1 + e) * (1 + e));
};
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
// x times a function that falls to 0 faster than x grows.
const gated = (x, gate) => (x === -Infinity ? 0 : x * gate);
// Slopes of x σ(v(x)) and x Φ(x): left of 0; right of it 1 minus what is left.
const mirrored = (left) => (x) => (x !== x ? x : x < -800 ? 0 : x > 800 ? 1 : x < 0 ? left(x) : 1 - left(-x));
const siluSlope = mirrored((x) => {
  const e = Math.exp(x);
  return (e * (1 + e + x)) / ((1 + e) * (1 + e));
});
const geluSlope = mirrored((x) => Phi(x) + x * phi(x));
const GATE = 2 * Math.sqrt(2 / Math.PI);
const gate = (x) => GATE * (x + 0.044715 * x * x * x);
const geluTanhSlope = mirrored((x) => {
  const e = Math.exp(gate(x)), w = x * GATE * (1 + 3 * 0.044715 * x * x);
  return (e * (1 + e + w)) / ((1 + e) * (1 + e)) || 0;
});

const log1pDifference = (x) => (x > 0.25 && x < 0.75 ? Math.log1p((2 * x - 1) / (1 - x)) : Math.log(x) - Math.log1p(-x));

// Rows with the maximum subtracted, so that no exponential overflows.
const largest = (items) => items.reduce(maximum, -Infinity);
function logsumexp(items) {
  const m = largest(items);
  return Number.isFinite(m) ? m + Math.log(sum(items.map((x) => Math.exp(x - m)))) : m;
}
