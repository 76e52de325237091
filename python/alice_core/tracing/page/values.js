// How numbers are shown.
const SHOWN = 12; // items of an array; of a larger one what they look like

function digits(x) {
  if (x !== x) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (Object.is(x, -0)) return "−0";
  const text = Number.isInteger(x) && Math.abs(x) < 1e6 ? `${x}` : `${Number(x.toPrecision(5))}`;
  return text.replace("-", "−").replace("e+", "e");
}

function nested(data, shape, first = 0) {
  if (shape.length === 0) return digits(data[first]);
  const inner = shape.slice(1), n = count(inner);
  return `[${Array.from({ length: shape[0] }, (_, i) => nested(data, inner, first + i * n)).join(shape.length > 1 ? ",\n" : ", ")}]`;
}

function extent(t) {
  const finite = [...t.data].filter(Number.isFinite);
  return { finite, low: Math.min(...finite), high: Math.max(...finite), mean: sum(finite) / finite.length };
}

// One line for a cell of the table.
function brief(t) {
  if (t.dtype === "bool" && t.data.length === 1) return t.data[0] ? "true" : "false";
  if (t.data.length <= SHOWN) return nested(t.data, t.shape);
  const { finite, low, high } = extent(t);
  const bad = t.data.length - finite.length;
  return (finite.length ? `${digits(low)} … ${digits(high)}` : "") + (bad ? ` (${bad} not finite)` : "");
}

// What stands below a line of a program: the items, or their extent and a histogram.
const BINS = 24;
function summary(t) {
  if (t.data.length <= SHOWN) return `<span>${nested(t.data, t.shape)}</span>`;
  const { finite, low, high, mean } = extent(t);
  const bad = t.data.length - finite.length;
  const parts = finite.length ? [["min", low], ["mean", mean], ["max", high]] : [];
  const text = parts.map(([k, v]) => `<span><i>${k}</i> ${digits(v)}</span>`).join(" ");
  return `${low < high ? histogram(finite, low, high) : ""}${text}${bad ? ` <span class="bad">${bad} not finite</span>` : ""}`;
}
function histogram(items, low, high) {
  const counts = new Array(BINS).fill(0), scale = Math.max(Math.abs(low), Math.abs(high));
  for (const x of items)
    ++counts[Math.min(Math.trunc(((x / scale - low / scale) / (high / scale - low / scale)) * BINS), BINS - 1)];
  const most = Math.max(...counts);
  const bars = counts.map((n, i) => {
    const height = (20 * n) / most;
    return n ? `<rect x="${4 * i}" y="${(20 - height).toFixed(1)}" width="3" height="${height.toFixed(1)}"/>` : "";
  });
  return `<svg class="histogram" viewBox="0 0 ${4 * BINS} 20" role="img" aria-label="histogram">${bars.join("")}</svg>`;
}
