// Pointing at a value marks it, its tangent and adjoint (or the value that it is one of), the line that makes it and the
// lines that read it. A click keeps the marks until the next click, or Escape.
{
  const values = [...document.querySelectorAll(".v")];
  const lines = [...document.querySelectorAll(".line")];
  const status = document.getElementById("status");
  const hint = status.textContent.replace("\n", " ");
  status.hidden = false;
  let kept = null;

  const words = (text) => (text ? text.split(" ") : []);
  // The tangent of b is b', its adjoint b~; b~1, b~2, … are contributions to it.
  const base = (name) => name.split(/['~]/)[0];
  const isPartner = (a, b) => (base(a) !== a ? b === base(a) : base(b) === a && b !== a);
  const called = (line) => line.dataset.op + (line.dataset.makes ? ` (${words(line.dataset.makes).join(", ")})` : "");

  function show(name) {
    for (const v of values) {
      v.classList.toggle("self", v.dataset.v === name);
      v.classList.toggle("partner", name !== null && isPartner(name, v.dataset.v));
    }
    const makers = [];
    const readers = [];
    for (const line of lines) {
      const makes = name !== null && words(line.dataset.makes).includes(name);
      const reads = name !== null && words(line.dataset.reads).includes(name);
      line.classList.toggle("maker", makes);
      line.classList.toggle("reader", reads && !makes);
      if (makes) makers.push(line);
      else if (reads) readers.push(line);
    }
    if (name === null) {
      status.textContent = hint;
      return;
    }
    const parts = [`${name} is made by ${makers.length ? makers[0].dataset.op : "nobody here"}`];
    parts.push(readers.length ? `read by ${readers.map(called).join(", ")}` : "read by nobody");
    const partners = new Set(values.map((v) => v.dataset.v).filter((v) => isPartner(name, v)));
    const adjoint = [...partners].filter((p) => !/~[\d.]+$/.test(p));
    for (const partner of adjoint.sort().reverse()) {
      const [one, which] = base(name) === name ? [partner, "its $ is"] : [name, "$ of"];
      parts.push(`${which.replace("$", one.includes("~") ? "adjoint" : "tangent")} ${partner}`);
    }
    status.textContent = parts.join("; ") + (kept === name ? "; Escape lets go" : "");
  }

  const under = (event) => {
    const v = event.target.closest(".v");
    return v ? v.dataset.v : null;
  };
  for (const kind of ["mouseover", "focusin"])
    document.addEventListener(kind, (event) => {
      if (kept === null) show(under(event));
    });
  document.addEventListener("click", (event) => {
    const name = under(event);
    if (name !== null) event.preventDefault();
    kept = name === kept ? null : name;
    show(kept);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") show((kept = null));
  });
}
