// Matrix products, and the losses and norms that are one op.
{
  // Of vectors and matrices, with leading axes that broadcast.
  ops.matmul = ([a, b], _, [type]) => {
    const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape, right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
    const rows = left[left.length - 2], inner = left[left.length - 1], cols = right[right.length - 1];
    const lead = [left, right].map((s) => s.slice(0, -2)), rank = Math.max(lead[0].length, lead[1].length);
    const batch = Array.from({ length: rank }, (_, k) =>
      lead.reduce((n, s) => ((d) => (d === 1 ? n : d))(s[s.length - rank + k] ?? 1), 1));
    const starts = lead.map((s, side) => {
      const found = [];
      walk(batch, repeating(s, batch), 0, (place) => found.push(place * (side ? inner * cols : rows * inner)));
      return found;
    });
    const y = empty(type), round = ROUND[type.dtype];
    let at = 0;
    for (let k = 0; k < count(batch); ++k)
      for (let i = 0; i < rows; ++i)
        for (let j = 0; j < cols; ++j) {
          const terms = new Array(inner);
          for (let l = 0; l < inner; ++l)
            terms[l] = a.data[starts[0][k] + i * inner + l] * b.data[starts[1][k] + l * cols + j];
          y.data[at++] = round(sum(terms));
        }
    return [y];
  };
  ops.vecmat = ops.matmul;

  // Cross-entropy of rows of logits. Targets are labels or rows of probabilities; what the rows become is reduction 0
  // (nothing), 1 (their sum) or 2 (their mean), for each example of the leading batchAxes axes.
  const described = (logits, targets, [reduction, ignored, smoothing, batchAxes]) => {
    const classes = logits.shape[logits.shape.length - 1], rows = count(logits.shape.slice(0, -1));
    const examples = count(logits.shape.slice(0, batchAxes)), each = examples ? rows / examples : 0;
    const list = Array.from({ length: rows }, (_, i) => {
      const x = [...logits.data.subarray(i * classes, (i + 1) * classes)];
      const skip = !isFloating(targets) && ignored !== null && targets.data[i] === ignored;
      const label = targets.data[i];
      if (!isFloating(targets) && !skip && !(label >= 0 && label < classes))
        throw new RangeError(`the label ${label} is none of ${classes} classes`);
      const hard = isFloating(targets)
        ? [...targets.data.subarray(i * classes, (i + 1) * classes)]
        : x.map((_, k) => (k === label ? 1 : 0));
      return { x, skip, q: hard.map((p) => (1 - smoothing) * p + smoothing / classes), m: largest(x) };
    });
    const kept = Array.from({ length: examples }, (_, e) => list.slice(e * each, (e + 1) * each).filter((r) => !r.skip).length);
    const share = (i) => (reduction === 2 ? kept[Math.floor(i / each)] : 1);
    return { classes, each, examples, list, kept, share, reduction };
  };
  const lossOf = ({ x, q, m, skip }) => {
    if (skip) return 0;
    const rest = Math.log(sum(x.map((v) => Math.exp(v - m))));
    return sum(x.map((v, k) => (q[k] === 0 ? 0 : q[k] * ((v === m && m > 0 ? 0 : m - v) + rest))));
  };
  ops.cross_entropy = ([logits, targets], attributes, types) => {
    const { each, examples, list, kept, reduction } = described(logits, targets, attributes);
    const losses = list.map(lossOf), [loss, stats] = types.map(empty), round = ROUND[loss.dtype];
    if (reduction === 0) losses.forEach((v, i) => (loss.data[i] = round(v)));
    else
      for (let e = 0; e < examples; ++e) {
        const total = sum(losses.slice(e * each, (e + 1) * each));
        loss.data[e] = round(reduction === 2 && kept[e] > 0 ? total / kept[e] : total);
      }
    list.forEach(({ x, m }, i) => stats.data.set([m, round(sum(x.map((v) => Math.exp(v - m))))], 2 * i));
    return [loss, stats];
  };
  ops.cross_entropy_vjp = ([g, logits, targets], attributes, [type]) => {
    const { classes, each, list, share, reduction } = described(logits, targets, attributes);
    const y = empty(type), round = ROUND[type.dtype];
    list.forEach((row, i) => {
      const flow = g.data[reduction === 0 ? i : Math.floor(i / each)] / (share(i) || 1);
      if (row.skip || flow === 0) return;
      const e = row.x.map((v) => Math.exp(v - row.m)), total = sum(e), weight = sum(row.q);
      row.q.forEach((q, k) => (y.data[i * classes + k] = round(flow * ((e[k] / total) * weight - q))));
    });
    return [y];
  };
}
