// Tensors of the page: {shape, dtype, data}, items in C order as doubles, whatever the dtype. `ops` is the one table of
// what the page can compute: ops[name](inputs, attributes, types) returns the results, of the given shapes and dtypes.
const ops = Object.create(null);

// An integer of 64 bits is kept as a double, and refused where doubles have gaps.
const whole = (x) => {
  if (!Number.isSafeInteger(x)) throw new RangeError(`the integer ${x} is beyond 2^53, where this page's numbers have gaps`);
  return x + 0;
};
// What a computed double becomes as an item of a dtype: the one rounding of every op.
const ROUND = {
  float64: (x) => x,
  float32: Math.fround,
  int64: whole,
  int32: (x) => x | 0,
  uint8: (x) => x & 255,
  bool: (x) => (x ? 1 : 0),
};

const isFloating = (t) => t.dtype.startsWith("float");
const count = (shape) => shape.reduce((n, d) => n * d, 1);
const empty = ({ shape, dtype }) => ({ shape, dtype, data: new Float64Array(count(shape)) });
const like = (t, { shape, dtype }) => ({ shape, dtype, data: t.data }); // the same items

function stepsOf(shape) {
  const steps = new Array(shape.length);
  for (let i = shape.length - 1, n = 1; i >= 0; n *= shape[i--]) steps[i] = n;
  return steps;
}

// Calls f(place, index) for every index of a shape, where place = first + the sum of index times step.
function walk(shape, steps, first, f) {
  const index = new Array(shape.length).fill(0);
  let place = first;
  for (let left = count(shape); left > 0; --left) {
    f(place, index);
    for (let i = shape.length - 1; i >= 0; --i) {
      place += steps[i];
      if (++index[i] < shape[i]) break;
      place -= steps[i] * shape[i];
      index[i] = 0;
    }
  }
}

// The items at first + index · steps, in C order of the result.
function viewed(x, type, steps, first = 0) {
  const y = empty(type);
  let i = 0;
  walk(type.shape, steps, first, (place) => (y.data[i++] = x.data[place]));
  return y;
}

// Steps that repeat an array to a larger shape.
function repeating(shape, to) {
  const own = stepsOf(shape), more = to.length - shape.length;
  return to.map((_, i) => (i < more || shape[i - more] === 1 ? 0 : own[i - more]));
}
const broadcast = (x, type) =>
  count(x.shape) === count(type.shape) ? x.data : viewed(x, type, repeating(x.shape, type.shape)).data;

const wrapped = (axis, rank) => (axis < 0 ? axis + rank : axis);
const axesOf = (axis, rank) =>
  axis === null ? [...Array(rank).keys()] : [].concat(axis).map((a) => wrapped(a, rank));

// Runs of items along some axes: calls f(items, i, put) for each of the lines, in C order of what is left. Items is an
// array; put(k, value) writes item k of that line of y.
function lines(x, axes, y, f) {
  const steps = stepsOf(x.shape), kept = [...Array(x.shape.length).keys()].filter((i) => !axes.includes(i));
  const pick = (list, of) => of.map((i) => list[i]);
  const inner = [];
  walk(pick(x.shape, axes), pick(steps, axes), 0, (place) => inner.push(place));
  let i = 0;
  walk(pick(x.shape, kept), pick(steps, kept), 0, (first) => {
    const put = y && ((k, value) => (y.data[first + inner[k]] = value));
    f(inner.map((place) => x.data[first + place]), i++, put);
  });
}
