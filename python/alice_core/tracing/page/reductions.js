// Reductions over axes, and what works along one axis.
{
  // f(items) of the items along the axes.
  const reduction = (f) => ([x], [axis, , ...rest], [type]) => {
    const y = empty(type), round = ROUND[type.dtype];
    lines(x, axesOf(axis, x.shape.length), null, (items, i) => (y.data[i] = round(f(items, ...rest))));
    return [y];
  };
  const norm = (items) => {
    const m = largest(items.map(Math.abs));
    return items.length === 0 || m === 0 ? 0 : m === Infinity ? Infinity : m * Math.sqrt(sum(items.map((x) => (x / m) * (x / m))));
  };
  const mean = (items) => {
    const m = sum(items) / items.length;
    if (Number.isFinite(m) || !items.every(Number.isFinite)) return m;
    return sum(items.map((x) => x / items.length)); // the sum overflowed
  };
  const variance = (items, correction) => {
    const m = mean(items), scale = largest(items.map((x) => Math.abs(x - m))) || 1;
    if (!Number.isFinite(scale)) return NaN;
    const ss = sum(items.map((x) => ((x - m) / scale) * ((x - m) / scale)));
    return { scale, ratio: ss / Math.max(0, items.length - correction) };
  };
  const best = (wins) => (items) => {
    let at = 0;
    for (let k = 1; k < items.length; ++k)
      if (items[at] === items[at] && (wins(items[k], items[at]) || items[k] !== items[k])) at = k;
    return at;
  };
  const rows = {
    sum,
    mean: (items) => (items.length && items.every((x) => x === items[0]) ? items[0] : mean(items)),
    prod: (items) => items.reduce((p, x) => p * x, 1),
    max: (items) => items.reduce(maximum),
    min: (items) => items.reduce(minimum),
    all: (items) => items.every((x) => x !== 0),
    any: (items) => items.some((x) => x !== 0),
    argmax: best((x, y) => x > y),
    argmin: best((x, y) => x < y),
    norm,
    logsumexp,
    var: (items, correction) => {
      const v = variance(items, correction);
      return v.scale === undefined ? v : v.ratio * v.scale * v.scale;
    },
    std: (items, correction) => {
      const v = variance(items, correction);
      return v.scale === undefined ? v : Math.sqrt(v.ratio) * v.scale;
    },
  };
  for (const [name, f] of Object.entries(rows)) ops[name] = reduction(f);

  ops.sum_to = ([x], _, [type]) => {
    const y = empty(type), more = x.shape.length - type.shape.length;
    const axes = x.shape.map((_, i) => i).filter((i) => i < more || (type.shape[i - more] === 1 && x.shape[i] !== 1));
    lines(x, axes, null, (items, i) => (y.data[i] = ROUND[type.dtype](sum(items))));
    return [y];
  };

  // Ops that make a line of every line along an axis: f(items, i) returns the new ones.
  const alongLines = (x, axis, type, f) => {
    const y = empty(type), round = ROUND[type.dtype];
    lines(x, axis, y, (items, i, put) => f(items, i).forEach((v, k) => put(k, round(v))));
    return [y];
  };
  const paired = (g, axis) => {
    const found = [];
    lines(g, axis, null, (items) => found.push(items));
    return found;
  };
  const along = (f) => (inputs, [axis, ...rest], [type]) => {
    const at = [wrapped(axis, inputs[0].shape.length)];
    const others = inputs.slice(1).map((x) => paired(x, at));
    return alongLines(inputs[0], at, type, (items, i) => f(items, ...others.map((o) => o[i]), ...rest));
  };
  const exps = (items) => {
    const m = largest(items);
    return items.map((x) => Math.exp(x - m));
  };
  const running = (step) => (items) => {
    let state;
    return items.map((x, k) => (state = k ? step(state, x) : x));
  };
  const cumsum = (items, backwards) => {
    const turned = backwards ? items.slice().reverse() : items;
    const sums = turned.map((_, k) => sum(turned.slice(0, k + 1)));
    return backwards ? sums.reverse() : sums;
  };
  const affine = (a, b, backwards) => {
    const y = new Array(a.length), n = a.length;
    for (let k = 0, before = 0; k < n; ++k) {
      const at = backwards ? n - 1 - k : k;
      before = y[at] = k ? a[at] * before + b[at] : b[at];
    }
    return y;
  };
  // NaN last, as numbers go.
  const order = (x, y) => (x < y ? -1 : x > y ? 1 : x === y ? 0 : (x !== x) - (y !== y));
  const sorted = (items, descending) => {
    const places = items.map((_, k) => k).sort((i, j) => (descending ? order(items[j], items[i]) : order(items[i], items[j])));
    return places;
  };
  Object.assign(ops, {
    softmax: along((items) => {
      const e = exps(items), total = sum(e);
      return e.map((x) => x / total);
    }),
    log_softmax: along((items) => {
      const m = largest(items), rest = Math.log(sum(exps(items)));
      return items.map((x) => x - m - rest);
    }),
    softmax_vjp: along((g, y) => {
      const total = sum(g.map((v, k) => (v === 0 ? 0 : v * y[k])));
      return g.map((v, k) => y[k] * (v - total));
    }),
    log_softmax_vjp: along((g, y) => {
      const total = sum(g);
      return g.map((v, k) => (total === 0 ? v : v - Math.exp(y[k]) * total));
    }),
    cumsum: along(cumsum),
    cumprod: along(running((p, x) => p * x)),
    cummax: along(running(maximum)),
    cummin: along(running(minimum)),
    logcumsumexp: along((items) => items.map((_, k) => logsumexp(items.slice(0, k + 1)))),
    affine_scan: along(affine),
    sort: along((items, descending) => sorted(items, descending).map((k) => items[k])),
    argsort: ([x], [axis, descending, k], [type]) => {
      const at = wrapped(axis, x.shape.length), y = empty(type), found = [];
      lines(x, [at], null, (items) => found.push(sorted(items, descending).slice(0, k ?? items.length)));
      lines(y, [at], y, (_, i, put) => found[i].forEach((v, j) => put(j, v)));
      return [y];
    },
    logsumexp_vjp: ([g, x], _, [type]) =>
      alongLines(x, [x.shape.length - 1], type, (items, i) => {
        const e = exps(items), total = sum(e);
        return e.map((v) => (g.data[i] === 0 ? 0 : (g.data[i] * v) / total));
      }),
    prod_vjp: ([g, x], _, [type]) =>
      alongLines(x, [x.shape.length - 1], type, (items, i) =>
        items.map((_, k) => (g.data[i] === 0 ? 0 : items.reduce((p, v, j) => (j === k ? p : p * v), g.data[i])))),
    // Of a maximum or minimum over axes; a tie is shared.
    extreme_vjp: ([g, y, x], [axis], [type]) =>
      alongLines(x, axesOf(axis, x.shape.length), type, (items, i) => {
        const ties = items.filter((v) => v === y.data[i]).length;
        return items.map((v) => (v === y.data[i] ? g.data[i] / ties : 0));
      }),
  });
}
