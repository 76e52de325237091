// What a reader moves: for each item of an argument a slider, its number, and its tangent.
function element(kind, properties = {}, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

// "w[0,2]" of a flat place.
function itemName(name, shape, place) {
  if (shape.length === 0) return name;
  const index = stepsOf(shape).map((step, i) => Math.floor(place / step) % shape[i]);
  return `${name}[${index.join(",")}]`;
}

// A slider goes as far as this on both sides of 0: a round number, twice what stands there, at least 3.
function reach(x) {
  const wish = Number.isFinite(x) ? Math.max(3, 2 * Math.abs(x)) : 3;
  const unit = 10 ** Math.floor(Math.log10(wish));
  return Math.min(Math.ceil(wish / unit) * unit, Number.MAX_VALUE / 2);
}

// A box shows as many digits as it has room for; the item has all until somebody types.
const inBox = (x) => (Number.isFinite(x) ? Number(x.toPrecision(6)) : "");
function numberBox(label, tensor, place, changed) {
  const box = element("input", { type: "number", step: "any", value: inBox(tensor.data[place]) });
  box.setAttribute("aria-label", label);
  box.addEventListener("input", () => {
    if (box.value === "" || !Number.isFinite(box.valueAsNumber)) return;
    tensor.data[place] = ROUND[tensor.dtype](box.valueAsNumber);
    changed();
  });
  return box;
}

function itemControl(name, tensor, tangent, place, changed) {
  const label = itemName(name, tensor.shape, place), far = reach(tensor.data[place]);
  const slider = element("input", { type: "range", min: -far, max: far, step: far / 300 });
  slider.value = tensor.data[place];
  slider.setAttribute("aria-label", label);
  const box = numberBox(`${label}, exact`, tensor, place, () => {
    const further = reach(tensor.data[place]);
    if (further > Number(slider.max) * 2) Object.assign(slider, { min: -further, max: further, step: further / 300 });
    slider.value = tensor.data[place];
    changed();
  });
  slider.addEventListener("input", () => {
    tensor.data[place] = ROUND[tensor.dtype](slider.valueAsNumber);
    box.value = inBox(tensor.data[place]);
    changed();
  });
  const shown = element("span", { className: "name" }, tensor.shape.length ? label.slice(name.length) : label);
  const row = element("div", { className: "control" }, shown, slider, box);
  if (tangent) row.append(numberBox(`tangent of ${label}`, tangent, place, changed));
  return row;
}

// The controls of one argument: of its first items where there are many.
function argumentControls(name, tensor, tangent, most, changed) {
  const type = `${tensor.dtype}[${tensor.shape.join(",")}]`;
  const set = element("fieldset", {}, element("legend", {}, element("b", {}, name), ` ${type}`));
  const n = Math.min(tensor.data.length, most);
  if (n) {
    const head = element("div", { className: "control head" }, element("span"), element("span"), element("span", {}, "value"));
    if (tangent) head.append(element("span", {}, "tangent"));
    set.append(head);
  }
  for (let place = 0; place < n; ++place) set.append(itemControl(name, tensor, tangent, place, changed));
  if (tensor.data.length > n)
    set.append(element("p", {}, `The other ${tensor.data.length - n} items stay as they are; the first ${most} have sliders.`));
  return set;
}

function seedControls(title, name, tensor, most, changed) {
  const set = element("fieldset", {}, element("legend", {}, title));
  const row = element("div", { className: "seeds" });
  for (let place = 0; place < Math.min(tensor.data.length, most); ++place) {
    const label = itemName(name, tensor.shape, place);
    row.append(element("label", {}, `${label} `, numberBox(label, tensor, place, changed)));
  }
  set.append(row);
  if (tensor.data.length > most) set.append(element("p", {}, `The first ${most} of ${tensor.data.length} items.`));
  return set;
}
