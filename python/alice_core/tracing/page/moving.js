// Ops that move items, read or write some of them, and change none.
{
  const same = ([x], _, [type]) => [like(x, type)];
  for (const name of ["reshape", "expand_dims", "squeeze", "identity", "copy", "constant_copy", "stop_gradient", "remat"])
    ops[name] = same;

  // The places of a slice in an array: steps per axis of the slice's own shape, and the first place.
  const sliced = (shape, starts, steps) => {
    const own = stepsOf(shape);
    return { steps: own.map((s, i) => s * steps[i]), first: own.reduce((n, s, i) => n + s * starts[i], 0) };
  };
  const put = (y, starts, sizes, steps, items) => {
    if (count(sizes) === 0) return [y];
    const at = sliced(y.shape, starts, steps);
    let i = 0;
    walk(sizes, at.steps, at.first, (place) => (y.data[place] = items[i++]));
    return [y];
  };
  const copied = (x) => ({ ...x, data: x.data.slice() });
  // The diagonal of two axes, its places in an array of a shape.
  const diagonal = (shape, [offset, axis1, axis2], own) => {
    const steps = stepsOf(shape), row = wrapped(axis1, shape.length), col = wrapped(axis2, shape.length);
    const rest = steps.filter((_, i) => i !== row && i !== col);
    const first = offset < 0 ? -offset * steps[row] : offset * steps[col];
    return { shape: own, steps: [...rest, steps[row] + steps[col]], first: count(own) ? first : 0 };
  };
  const triangle = (keeps) => ([x], [k], [type]) => {
    const y = copied(x), [rows, cols] = x.shape.slice(-2);
    y.data.forEach((_, i) => keeps((i % cols) - (Math.floor(i / cols) % rows), k) || (y.data[i] = 0));
    return [{ ...y, dtype: type.dtype }];
  };

  Object.assign(ops, {
    broadcast_to: ([x], _, [type]) => [{ ...type, data: broadcast(x, type) }],
    permute_dims: ([x], [axes], [type]) => {
      const steps = stepsOf(x.shape);
      return [viewed(x, type, axes.map((a) => steps[wrapped(a, axes.length)]))];
    },
    flip: ([x], [axis], [type]) => {
      const steps = stepsOf(x.shape);
      let first = 0;
      for (const a of axesOf(axis, steps.length)) (first += (x.shape[a] - 1) * steps[a]), (steps[a] = -steps[a]);
      return [viewed(x, type, steps, count(x.shape) ? first : 0)];
    },
    slice: ([x], [starts, sizes, steps], [type]) => {
      if (count(sizes) === 0) return [empty(type)];
      const at = sliced(x.shape, starts, steps);
      return [{ ...type, data: viewed(x, { ...type, shape: sizes }, at.steps, at.first).data }];
    },
    slice_vjp: ([g], [, starts, sizes, steps], [type]) => put(empty(type), starts, sizes, steps, g.data),
    slice_set: ([x, v], [starts, sizes, steps]) => put(copied(x), starts, sizes, steps, v.data),
    diagonal: ([x], at, [type]) => {
      const d = diagonal(x.shape, at, type.shape);
      return [viewed(x, type, d.steps, d.first)];
    },
    diagonal_vjp: ([g], [shape, ...at], [type]) => {
      const y = empty(type), d = diagonal(shape, at, g.shape);
      let i = 0;
      walk(d.shape, d.steps, d.first, (place) => (y.data[place] = g.data[i++]));
      return [y];
    },
    concat: (inputs, [axis], [type]) => {
      const y = empty(type), at = wrapped(axis, type.shape.length), steps = stepsOf(type.shape);
      let first = 0;
      for (const x of inputs) {
        let i = 0;
        walk(x.shape, steps, first, (place) => (y.data[place] = x.data[i++]));
        first += x.shape[at] * steps[at];
      }
      return [y];
    },
    pad: ([x], [before, , value], [type]) => {
      const y = empty(type);
      y.data.fill(ROUND[type.dtype](Number(value)));
      return put(y, before, x.shape, before.map(() => 1), x.data);
    },
    tril: triangle((distance, k) => distance <= k),
    triu: triangle((distance, k) => distance >= k),
    one_hot: ([labels], [classes], [type]) => {
      const y = empty(type);
      labels.data.forEach((label, i) => (y.data[i * classes + label] = 1));
      return [y];
    },
  });

  // Integer arrays that broadcast together name items along some axes; their common shape stands in the result in front
  // of the remaining axis number outAxis. Calls f(place in x, place in the result).
  const gathered = (shape, indices, axes, outAxis, f) => {
    const rank = indices.reduce((n, i) => Math.max(n, i.shape.length), 0);
    const common = Array.from({ length: rank }, (_, k) =>
      indices.reduce((n, { shape: s }) => {
        const d = s[s.length - rank + k] ?? 1;
        return d === 1 ? n : d;
      }, 1));
    const steps = stepsOf(shape), at = axes.map((a) => wrapped(a, shape.length));
    const kept = shape.map((_, i) => i).filter((i) => !at.includes(i));
    const full = indices.map((x) => broadcast(x, { shape: common, dtype: x.dtype }));
    const outer = kept.slice(0, outAxis), inner = kept.slice(outAxis);
    const pick = (list, of) => of.map((i) => list[i]);
    let place = 0;
    walk(pick(shape, outer), pick(steps, outer), 0, (o) => {
      for (let k = 0; k < count(common); ++k) {
        const first = at.reduce((n, axis, j) => {
          const i = full[j][k];
          if (!(i >= -shape[axis] && i < shape[axis])) throw new RangeError(`the index ${i} leaves an axis of size ${shape[axis]}`);
          return n + wrapped(i, shape[axis]) * steps[axis];
        }, o);
        walk(pick(shape, inner), pick(steps, inner), first, (from) => f(from, place++));
      }
    });
  };
  const gather = ([x, ...indices], [axes, outAxis], [type]) => {
    const y = empty(type);
    gathered(x.shape, indices, axes, outAxis, (from, to) => (y.data[to] = x.data[from]));
    return [y];
  };
  // What is written to one place is written in the order of the indices.
  const scatter = (f) => ([x, v, ...indices], [axes, outAxis], [type]) => {
    const y = copied(x), round = ROUND[type.dtype];
    gathered(x.shape, indices, axes, outAxis, (at, i) => (y.data[at] = round(f(y.data[at], v.data[i], type.dtype))));
    return [y];
  };
  // As indices along one axis, one for every item of the result.
  const alongAxis = (shape, indices, axis, f) => {
    const steps = stepsOf(shape), at = wrapped(axis, shape.length), own = repeating(indices.shape, indices.shape);
    walk(indices.shape, own, 0, (i, index) => {
      const k = wrapped(indices.data[i], shape[at]);
      f(steps.reduce((n, s, j) => n + s * (j === at ? k : shape[j] === 1 ? 0 : index[j]), 0), i);
    });
  };
  const spreadIndices = (indices, shape, axis) => {
    const to = shape.map((n, i) => (i === wrapped(axis, shape.length) ? indices.shape[i] : n));
    return { shape: to, dtype: indices.dtype, data: broadcast(indices, { shape: to, dtype: indices.dtype }) };
  };
  Object.assign(ops, {
    gather,
    take: (inputs, [axis], types) => {
      const at = wrapped(axis, inputs[0].shape.length);
      return gather(inputs, [[at], at], types);
    },
    gather_vjp: ([g, ...indices], [shape, axes, outAxis], [type]) => {
      const y = empty(type), round = ROUND[type.dtype];
      gathered(shape, indices, axes, outAxis, (at, i) => (y.data[at] = round(y.data[at] + g.data[i])));
      return [y];
    },
    take_along_axis: ([x, indices], [axis], [type]) => {
      const y = empty(type);
      alongAxis(x.shape, spreadIndices(indices, x.shape, axis), axis, (from, to) => (y.data[to] = x.data[from]));
      return [y];
    },
    take_along_axis_vjp: ([g, indices], [shape, axis], [type]) => {
      const y = empty(type), round = ROUND[type.dtype];
      alongAxis(shape, spreadIndices(indices, shape, axis), axis, (at, i) => (y.data[at] = round(y.data[at] + g.data[i])));
      return [y];
    },
    scatter_set: scatter((_, v) => v),
    scatter_add: scatter((x, v) => x + v),
    scatter_multiply: scatter((x, v, dtype) => (dtype === "int32" ? Math.imul(x, v) : x * v)),
    scatter_max: scatter(maximum),
    scatter_min: scatter(minimum),
  });
}
