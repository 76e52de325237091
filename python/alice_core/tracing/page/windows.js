// Windows that move over the last axes: convolutions, pooling, and what their gradients are.
{
  // Calls f(place of a window, place of an item, number of the tap) for every item that a window covers, padding left
  // out; of shapes of the moved axes alone. Padding is given before and behind each axis.
  const cover = (shape, windows, taps, [stride, padding, dilation], f) => {
    const own = stepsOf(shape), none = shape.map(() => 0);
    let w = 0;
    walk(windows, none, 0, (_, q) => {
      let tap = 0;
      walk(taps, none, 0, (_, t) => {
        const index = q.map((k, i) => k * stride[i] - padding[2 * i] + t[i] * dilation[i]);
        if (index.every((k, i) => k >= 0 && k < shape[i])) f(w, index.reduce((n, k, i) => n + k * own[i], 0), tap);
        ++tap;
      });
      ++w;
    });
  };
  const covered = (...given) => {
    const found = [];
    cover(...given, (w, item, tap) => found.push([w, item, tap]));
    return found;
  };
  // Terms that are collected for each item of the result, and then added up.
  const collected = (type, fill) => {
    const y = empty(type), terms = Array.from(y.data, () => []), round = ROUND[type.dtype];
    fill((place, value) => terms[place].push(value));
    terms.forEach((list, i) => (y.data[i] = round(sum(list))));
    return [y];
  };

  // All three convolutions are sums of x w g, each over another factor. Calls f with the places of the three.
  const products = (x, w, g, [stride, padding, dilation, groups], f) => {
    const [n, channels, ...shape] = x, [outputs, each, ...taps] = w, windows = g.slice(2);
    const met = covered(shape, windows, taps, [stride, padding, dilation]);
    const [items, tapCount, windowCount] = [shape, taps, windows].map(count), perGroup = outputs / groups;
    for (let i = 0; i < n; ++i)
      for (let o = 0; o < outputs; ++o)
        for (let c = 0; c < each; ++c) {
          const channel = Math.floor(o / perGroup) * each + c;
          for (const [window, item, tap] of met)
            f((i * channels + channel) * items + item, (o * each + c) * tapCount + tap, (i * outputs + o) * windowCount + window);
        }
  };
  Object.assign(ops, {
    conv: ([x, w], how, [type]) =>
      collected(type, (put) => products(x.shape, w.shape, type.shape, how, (i, j, k) => put(k, x.data[i] * w.data[j]))),
    conv_transpose: ([g, w], how, [type]) =>
      collected(type, (put) => products(type.shape, w.shape, g.shape, how, (i, j, k) => put(i, g.data[k] * w.data[j]))),
    conv_weight: ([x, g], how, [type]) =>
      collected(type, (put) => products(x.shape, type.shape, g.shape, how, (i, j, k) => put(j, x.data[i] * g.data[k]))),
  });

  // f(front, pairs): windows over one plane after the other, of which there are `front`.
  const planes = (whole, pooled, window, how, f) => {
    const rank = window.length, shape = whole.slice(whole.length - rank), windows = pooled.slice(pooled.length - rank);
    const met = covered(shape, windows, window, how), front = count(whole.slice(0, whole.length - rank));
    for (let p = 0; p < front; ++p)
      for (const [w, item, tap] of met) f(p * count(windows) + w, p * count(shape) + item, tap);
  };
  // How many items of x each window of a plane covers; with padding all of its taps.
  const sizes = (whole, pooled, window, how, countPadding) => {
    const found = new Array(count(pooled)).fill(countPadding ? count(window) : 0);
    if (!countPadding) planes(whole, pooled, window, how, (w) => ++found[w]);
    return found;
  };
  // Windows with their largest items, of which ties share.
  const ties = (x, y, [window, ...how], f) => {
    const found = Array.from(y.data, () => []);
    planes(x.shape, y.shape, window, how, (w, item) => x.data[item] === y.data[w] && found[w].push(item));
    found.forEach((items, w) => items.forEach((item) => f(w, item, items.length)));
  };
  Object.assign(ops, {
    max_pool: ([x], [window, ...how], [type]) => {
      const y = empty(type);
      y.data.fill(-Infinity);
      planes(x.shape, type.shape, window, how, (w, item) => (y.data[w] = maximum(y.data[w], x.data[item])));
      return [y];
    },
    max_pool_vjp: ([g, x, y], how, [type]) =>
      collected(type, (put) => ties(x, y, how, (w, item, n) => put(item, g.data[w] / n))),
    max_pool_jvp: ([t, x, y], how, [type]) =>
      collected(type, (put) => ties(x, y, how, (w, item, n) => put(w, t.data[item] / n))),
    avg_pool: ([x], [window, ...rest], [type]) => {
      const how = rest.slice(0, 3), n = sizes(x.shape, type.shape, window, how, rest[3]);
      return collected(type, (put) => planes(x.shape, type.shape, window, how, (w, item) => put(w, x.data[item] / n[w])));
    },
    avg_pool_vjp: ([g], [window, ...rest], [type]) => {
      const how = rest.slice(0, 3), n = sizes(type.shape, g.shape, window, how, rest[3]);
      return collected(type, (put) => planes(type.shape, g.shape, window, how, (w, item) => put(item, g.data[w] / n[w])));
    },
  });
}
