// Programs as Python writes them: {types, values, calls, outputs}. Values are numbered; a call is [op, inputs, results,
// attributes]. What has no value yet is computed.
const NUMBERS = { nan: NaN, inf: Infinity, "-inf": -Infinity };
const number = (x) => (typeof x === "string" && x in NUMBERS ? NUMBERS[x] : x);

function readTensor([dtype, shape], items) {
  return { dtype, shape, data: Float64Array.from(items, (x) => ROUND[dtype](number(x))) };
}

// An attribute: a number, a word, a list of them, or the bodies of a loop.
function readAttribute(a) {
  if (Array.isArray(a)) return a.map(readAttribute);
  if (a !== null && typeof a === "object") return readProgram(a);
  return number(a);
}

function readProgram({ types, values, calls, outputs }) {
  return {
    types: types.map(([dtype, shape]) => ({ dtype, shape })),
    values: values.map((items, i) => (items === null ? null : readTensor(types[i], items))),
    calls: calls.map(([op, inputs, results, attributes]) => ({ op, inputs, results, attributes: attributes.map(readAttribute) })),
    outputs,
  };
}

function compute(call, values, types) {
  return ops[call.op](call.inputs.map((i) => values[i]), call.attributes, call.results.map((r) => types[r]));
}

// Runs all calls on what is given in front, and on the program's own values.
function evaluate(program, given) {
  const values = program.values.slice();
  given.forEach((x, i) => (values[i] = x));
  for (const call of program.calls)
    compute(call, values, program.types).forEach((y, k) => (values[call.results[k]] = y));
  return { values, outputs: program.outputs.map((i) => values[i]) };
}

// How far the results of a call are from what Python found, in multiples of what is allowed: relative to each item, and
// to the largest one (of ops that add up products of their operands, to what those may be), and to the smallest number
// that there is.
const ALLOWED = { float64: [1e-12, 1e-13, 2 ** -1074], float32: [1e-6, 2e-7, 2 ** -149] };
const ADDING = new Set([
  "matmul", "vecmat", "sum", "mean", "sum_to", "cumsum", "softmax_vjp", "log_softmax_vjp", "conv", "conv_transpose",
  "conv_weight", "avg_pool", "avg_pool_vjp", "layer_norm", "layer_norm_vjp", "rms_norm", "rms_norm_vjp",
]);
const highest = (t) => t.data.reduce((m, v) => (Number.isFinite(v) ? Math.max(m, Math.abs(v)) : m), 0);
function distance(call, made, values) {
  const operands = ADDING.has(call.op) ? call.inputs.reduce((p, i) => p * highest(values[i]), 1) : 0;
  let worst = 0;
  made.forEach((y, k) => {
    const wanted = values[call.results[k]], [relative, ofLargest, least] = ALLOWED[y.dtype] ?? [0, 0, 0];
    const most = Math.max(highest(wanted), operands);
    wanted.data.forEach((v, i) => {
      const u = y.data[i];
      if (u === v || (u !== u && v !== v)) return;
      const d = Math.abs(u - v) / (relative * Math.abs(v) + ofLargest * most + 2 * least);
      worst = Math.max(worst, d === d ? d : Infinity);
    });
  });
  return worst;
}

// Runs every call on Python's values. Why the page cannot go on by itself; nothing where it can.
function disagreement(calls, { values, types }) {
  for (const call of calls) {
    if (!(call.op in ops)) return `JavaScript has not been taught the op ${call.op}`;
    try {
      if (distance(call, compute(call, values, types), values) > 1)
        return `${call.op} gives other numbers here than in Python`;
    } catch (error) {
      return `${call.op} failed: ${error.message}`;
    }
  }
  return null;
}
