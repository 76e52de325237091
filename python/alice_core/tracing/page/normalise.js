// layer_norm and rms_norm of rows, and their adjoints. The weights of an example are those of all its rows.
{
  const rowsOf = (x, [eps, batchAxes], centred) => {
    const n = x.shape[x.shape.length - 1], rows = count(x.shape.slice(0, -1));
    const over = n || (x.dtype === "float64" ? 1 : NaN); // as the kernels have it for rows of no items
    const each = rows / count(x.shape.slice(0, batchAxes));
    return Array.from({ length: rows }, (_, i) => {
      const items = [...x.data.subarray(i * n, (i + 1) * n)], mean = centred ? sum(items) / over : 0;
      const left = items.map((v) => v - mean), factor = 1 / Math.sqrt(sum(left.map((v) => v * v)) / over + eps);
      const high = ROUND[x.dtype](mean);
      const normal = left.map((v) => v * factor), at = Math.floor(i / each) * n; // of its weights
      return { first: i * n, at, n, normal, factor, stats: [high, mean - high, factor] };
    });
  };
  const forward = (centred) => ([x, w, b], options, types) => {
    const [y, stats] = types.map(empty), round = ROUND[y.dtype];
    rowsOf(x, options, centred).forEach(({ first, at, normal, stats: s }, i) => {
      normal.forEach((v, k) => (y.data[first + k] = round(v * w.data[at + k] + (b ? b.data[at + k] : 0))));
      stats.data.set(s.map(round), 3 * i);
    });
    return [y, stats];
  };
  const backward = (centred) => ([g, x, w], options, types) => {
    const [dx, ...sums] = types.map(empty), round = ROUND[dx.dtype], terms = sums.map((t) => Array.from(t.data, () => []));
    for (const { first, at, n, normal, factor } of rowsOf(x, options, centred)) {
      const u = normal.map((_, k) => g.data[first + k] * w.data[at + k]);
      const mean = centred ? sum(u) / n : 0, along = sum(u.map((v, k) => v * normal[k])) / n;
      u.forEach((v, k) => {
        dx.data[first + k] = round(factor * (v - mean - normal[k] * along));
        terms[0][at + k].push(g.data[first + k] * normal[k]);
        if (centred) terms[1][at + k].push(g.data[first + k]);
      });
    }
    sums.forEach((t, j) => terms[j].forEach((list, i) => (t.data[i] = round(sum(list)))));
    return [dx, ...sums];
  };
  Object.assign(ops, {
    layer_norm: forward(true),
    layer_norm_vjp: backward(true),
    rms_norm: forward(false),
    rms_norm_vjp: backward(false),
  });
}
