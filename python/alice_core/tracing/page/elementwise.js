// Ops of which each item of the result depends on the items at its own place. A row is the arithmetic in doubles, or
// one for floating dtypes and one for the others; it is given the items, the attributes and the dtype. Kinks choose as the library does: the slope of least norm.
const elementwiseRows = {};
{
  const logistic = 1.0507009873554804934193349852946, alphaOfSelu = 1.7580993408473768599402175208123;
  const clamp01 = (x) => (x < 0 ? 0 : x > 1 ? 1 : x);
  const expm1Left = (x) => Math.expm1(x > 0 ? 0 : x);
  // The gradient kernel g·f′(x): a cotangent of exactly 0 stays 0.
  const vjp = (slope) => (g, x, ...parameters) => (g === 0 ? 0 : g * slope(x, ...parameters));
  const fmodFloor = (x, y) => {
    const r = x % y;
    return r === 0 ? withSign(0, y) : r < 0 !== y < 0 ? r + y : r;
  };
  const floorDivide = (x, y) => {
    const r = x % y, q = (x - r) / y, floored = r !== 0 && r < 0 !== y < 0 ? q - 1 : q;
    return y === 0 ? x / y : floored === 0 ? withSign(0, x / y) : roundEven(floored);
  };
  const divided = (x, y) => (y === 0 ? 0 : Math.floor(x / y));
  const maximumVjp = (g, x, y) => {
    const wins = x > y || (x !== x && y === y), loses = x < y || (x === x && y !== y);
    return loses ? 0 : wins ? g : g * 0.5;
  };
  const logaddexp = (x, y) => {
    const m = maximum(x, y);
    return Math.abs(m) === Infinity ? m : m + softplus(minimum(x, y) - m);
  };
  const inverseRadius = (x, y) => {
    const m = Math.max(Math.abs(x), Math.abs(y));
    if (x !== x || y !== y) return NaN;
    if (m === 0 || m === Infinity) return 0;
    const u = x / m, v = y / m;
    return u / (u * u + v * v) / m;
  };
  const squarePlus = (x, one) => (x - 1) * (x + 1) + (one + 1); // x² + one, exact where it cancels

  Object.assign(elementwiseRows, {
    // arithmetic
    add: (x, y) => x + y,
    subtract: (x, y) => x - y,
    multiply: [(x, y) => x * y, (x, y, dtype) => (dtype === "int32" ? Math.imul(x, y) : x * y)],
    divide: (x, y) => x / y,
    negative: (x) => -x,
    abs: Math.abs,
    sign: (x) => (x !== x ? x : x > 0 ? 1 : x < 0 ? -1 : 0),
    square: [(x) => x * x, (x, dtype) => (dtype === "int32" ? Math.imul(x, x) : x * x)],
    reciprocal: (x) => 1 / x,
    sqrt: Math.sqrt,
    rsqrt: (x) => 1 / Math.sqrt(x),
    strong_mul: (g, d) => (g === 0 ? 0 : g * d),
    strong_div: (g, y) => (g === 0 ? 0 : g / y),
    floor_divide: [floorDivide, divided],
    remainder: [fmodFloor, (x, y) => (y === 0 ? 0 : x - y * Math.floor(x / y))],
    floor: Math.floor,
    ceil: Math.ceil,
    trunc: Math.trunc,
    round: [roundEven, (x) => x],
    maximum,
    minimum,
    clip: (x, low, high) => (low !== low || high !== high ? NaN : ((b) => (b > high ? high : b))(x < low ? low : x)),
    where: (condition, x, y) => (condition ? x : y),
    hypot: (x, y) => Math.hypot(x, y),
    copysign: withSign,
    signbit: (x) => isNegative(x),
    pow: [power, wholePower],
    // comparison and logic
    equal: (x, y) => x === y,
    not_equal: (x, y) => x !== y,
    less: (x, y) => x < y,
    less_equal: (x, y) => x <= y,
    greater: (x, y) => x > y,
    greater_equal: (x, y) => x >= y,
    logical_and: (x, y) => x !== 0 && y !== 0,
    logical_or: (x, y) => x !== 0 || y !== 0,
    logical_xor: (x, y) => (x !== 0) !== (y !== 0),
    logical_not: (x) => x === 0,
    isnan: (x) => x !== x,
    isinf: (x) => Math.abs(x) === Infinity,
    isfinite: (x) => Math.abs(x) < Infinity,
    // elementary functions
    exp: Math.exp,
    expm1: Math.expm1,
    exp2: (x) => Math.pow(2, x),
    log: Math.log,
    log1p: Math.log1p,
    log2: Math.log2,
    log10: Math.log10,
    sin: Math.sin,
    cos: Math.cos,
    tan: Math.tan,
    asin: Math.asin,
    acos: Math.acos,
    atan: Math.atan,
    atan2: Math.atan2,
    sinh: Math.sinh,
    cosh: Math.cosh,
    tanh: Math.tanh,
    asinh: Math.asinh,
    acosh: Math.acosh,
    atanh: Math.atanh,
    erf,
    erfc,
    logit: log1pDifference,
    logaddexp,
    logaddexp2: (x, y) => {
      const m = maximum(x, y);
      return Math.abs(m) < Infinity ? m + Math.log1p(Math.pow(2, -Math.abs(x - y))) * LOG2E : m;
    },
    xlogy: (x, y) => (x === 0 && y === y ? 0 : x * Math.log(y)),
    xlog1py: (x, y) => (x === 0 && y === y ? 0 : x * Math.log1p(y)),
    rel_entr: (x, y) => {
      if (x !== x || y !== y) return NaN;
      if (x === 0 && y >= 0) return 0;
      if (!(x > 0 && y > 0)) return Infinity;
      const ratio = x / y;
      if (ratio > 0.5 && ratio < 2) return x * Math.log1p((x - y) / y);
      return x * (ratio > 0 && ratio < Infinity ? Math.log(ratio) : Math.log(x) - Math.log(y));
    },
    pow_log: (x, y, k) => {
      const p = power(x, y);
      return p === 0 || (x === 0 && y === 0 && k > 0) ? 0 : p * Math.pow(Math.log(x), k);
    },
    // their gradient kernels
    abs_vjp: (g, x) => (x > 0 ? g : x < 0 ? -g : x === 0 ? 0 : x),
    square_vjp: vjp((x) => x + x),
    sqrt_vjp: vjp((x) => 0.5 / (Math.sqrt(x) + 0)),
    rsqrt_vjp: vjp((x) => -0.5 / x / Math.sqrt(x)),
    reciprocal_vjp: vjp((x) => -1 / x / x),
    maximum_vjp: maximumVjp,
    minimum_vjp: (g, x, y) => maximumVjp(g, -x, -y),
    clip_vjp: (g, x, low, high) => (x > low && x < high ? g : x === x ? 0 : x),
    exp2_vjp: vjp((x) => LN2 * Math.pow(2, x)),
    log2_vjp: vjp((x) => LOG2E / x),
    log10_vjp: vjp((x) => LOG10E / x),
    tan_vjp: vjp((x) => 1 / (Math.cos(x) * Math.cos(x))),
    asin_vjp: vjp((x) => 1 / Math.sqrt((1 - x) * (1 + x))),
    atan_vjp: vjp((x) => (Math.abs(x) > 2 ** 30 ? 1 / x / x : 1 / (x * x + 1))),
    tanh_vjp: vjp((x) => 4 * sigmoidSlope(x + x)),
    asinh_vjp: vjp((x) => (Math.abs(x) > 2 ** 30 ? 1 / Math.abs(x) : 1 / Math.sqrt(x * x + 1))),
    acosh_vjp: vjp((x) => (x > 2 ** 30 ? 1 / x : x < 1 ? NaN : 1 / Math.sqrt(squarePlus(x, -1)))),
    atanh_vjp: vjp((x) => (Math.abs(x) > 1 ? NaN : 1 / ((1 - x) * (1 + x)))),
    erf_vjp: vjp((x) => (2 / Math.sqrt(Math.PI)) * bell(x)),
    logit_vjp: vjp((x) => (x >= 0 && x <= 1 ? 1 / (x * (1 - x)) : NaN)),
    atan2_vjp: (g, y, x) => (g === 0 ? 0 : g * inverseRadius(x, y)),
    pow_vjp: (g, x, y, dtype) => {
      if (g === 0 || y === 0) return 0;
      const isRoot = x < 0 && dtype === "float64" && Number.isFinite(y) && !Number.isInteger(y); // though y - 1 may round
      return isRoot ? NaN : g * (y * power(x, y - 1));
    },
    logaddexp_vjp: (g, x, y) =>
      g === 0 ? 0 : g * (x === -Infinity && y === y ? 0 : sigmoid(x === y ? 0 : x - y)),
    logaddexp2_vjp: (g, x, y) => {
      if (x !== x || y !== y) return g === 0 ? 0 : NaN;
      const d = x === y ? 0 : x - y, e = Math.pow(2, -Math.abs(d));
      return g === 0 || x === -Infinity ? 0 : g * ((d < 0 ? e : 1) / (1 + e));
    },
    // activations, each with its gradient kernel
    relu: (x) => (x < 0 ? 0 : x),
    relu_vjp: (g, x) => (x <= 0 ? 0 : g),
    relu6: (x) => (x < 0 ? 0 : x > 6 ? 6 : x),
    relu6_vjp: (g, x) => (x <= 0 || x >= 6 ? 0 : g),
    leaky_relu: (x, slope) => (x < 0 ? slope * x : x),
    leaky_relu_vjp: vjp((x, slope) => (x > 0 ? 1 : x < 0 ? slope : x === 0 ? clamp01(slope) : x)),
    prelu: (x, slope) => (x < 0 ? slope * x : x),
    prelu_vjp: vjp((x, slope) => (x > 0 ? 1 : x < 0 ? slope : x === 0 ? clamp01(slope) : x)),
    prelu_slope_vjp: (g, x) => (g === 0 || x >= 0 ? 0 : g * x),
    elu: (x, alpha) => (x > 0 ? x : alpha * expm1Left(x)),
    elu_vjp: vjp((x, alpha) => (x > 0 ? 1 : x === 0 ? clamp01(alpha) : alpha * Math.exp(x))),
    selu: (x) => (x > 0 ? logistic * x : alphaOfSelu * expm1Left(x)),
    selu_vjp: vjp((x) => (x >= 0 ? logistic : alphaOfSelu * Math.exp(x))),
    sigmoid,
    sigmoid_vjp: vjp(sigmoidSlope),
    softplus,
    softplus_vjp: vjp(sigmoid),
    log_sigmoid: (x) => -softplus(-x),
    silu: (x) => gated(x, sigmoid(x)),
    silu_vjp: vjp(siluSlope),
    gelu: (x) => gated(x, Phi(x)),
    gelu_vjp: vjp(geluSlope),
    gelu_tanh: (x) => gated(x, sigmoid(gate(x))),
    gelu_tanh_vjp: vjp(geluTanhSlope),
  });

  for (const [name, row] of Object.entries(elementwiseRows)) {
    const [floating, other] = Array.isArray(row) ? row : [row, row];
    ops[name] = (inputs, attributes, [type]) => {
      const y = empty(type), round = ROUND[type.dtype], last = inputs[inputs.length - 1];
      const f = isFloating(last) ? floating : other, further = [...attributes, last.dtype];
      const data = inputs.map((x) => broadcast(x, type));
      for (let i = 0; i < y.data.length; ++i) y.data[i] = round(f(...data.map((d) => d[i]), ...further));
      return [y];
    };
  }

  // Floating to integer truncates toward zero, saturates, and takes NaN to 0.
  const RANGE = { int64: [-(2 ** 63), 2 ** 63], int32: [-(2 ** 31), 2 ** 31 - 1], uint8: [0, 255] };
  ops.astype = ([x], _, [type]) => {
    const y = empty(type), range = isFloating(x) && RANGE[type.dtype], round = ROUND[type.dtype];
    const cut = (v) => (v !== v ? 0 : Math.min(Math.max(Math.trunc(v), range[0]), range[1]));
    for (let i = 0; i < y.data.length; ++i)
      y.data[i] = type.dtype === "bool" ? +(x.data[i] !== 0) : round(range ? cut(x.data[i]) : x.data[i]);
    return [y];
  };
  ops.nonnegative = ([x], _, [type]) => {
    if (x.data.some((v) => v < 0)) throw new RangeError("a number that must not be negative is");
    return [like(x, type)];
  };
}
