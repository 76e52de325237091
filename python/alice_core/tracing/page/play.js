// The page's own run of the trace: forward mode with it, reverse mode after it, and what they found, step by step.
{
  const panel = document.getElementById("play");
  const data = JSON.parse(document.getElementById("programs").textContent);
  const say = (text) => panel.replaceChildren(element("p", { className: "still", role: "status" }, text));
  const stays = (reason) => say(`This page shows what Python computed, and stays as it is: ${reason}.`);
  panel.hidden = false;
  try {
    play();
  } catch (error) {
    stays(`it could not be brought to life (${error.message})`);
    throw error;
  }

  function play() {
    const { names, most } = data;
    const sections = Object.fromEntries(
      Object.entries(data.sections).map(([kind, calls]) => [kind, readProgram({ ...data.programs, calls, outputs: [] }).calls]),
    );
    const programs = readProgram({ ...data.programs, calls: [], outputs: [] });
    const reason = disagreement(Object.values(sections).flat(), programs);
    if (reason) return stays(reason);

    const initial = programs.values, values = initial.slice(), called = new Map();
    for (const [name, n] of Object.entries(names)) if (!called.has(n)) called.set(n, name);
    const calls = [...(sections.trace ?? []), ...(sections.tangent ?? []), ...(sections.dual ?? [])];
    const makers = new Map(); // of a number: which call makes it
    calls.forEach((call, i) => call.results.forEach((r) => makers.set(r, i)));

    const note = element("p", { className: "still", role: "status" });
    const kinds = new Set(programs.types.map((t) => t.dtype).filter((d) => d.startsWith("float")));
    const equations = `${calls.length} equation${calls.length === 1 ? "" : "s"}`;
    const fine = `This page has run all ${equations} itself, in ${[...kinds].join(" and ")}, and agrees with Python. ` +
      "Move an argument, or choose how it moves (its tangent).";

    // -- what is there to be moved ------------------------------------------------------------------------------------
    const own = (name) => {
      const t = initial[names[name]];
      return (values[names[name]] = { ...t, data: t.data.slice() });
    };
    const controls = element("div", { className: "controls" });
    const fill = () => {
      controls.replaceChildren();
      for (const name of data.arguments) {
        const tangent = `${name}'` in names && data.seeds.tangent?.includes(`${name}'`) ? own(`${name}'`) : null;
        controls.append(argumentControls(name, own(name), tangent, most, changed));
      }
      for (const name of data.seeds.dual ?? []) {
        const seed = own(name), of = name.split("~")[0];
        if (seed.data.length) controls.append(seedControls(`cotangent of the result ${of}`, name, seed, most, changed));
      }
    };

    // -- what came out ------------------------------------------------------------------------------------------------
    const marked = (name, mark) => (names[name + mark] === undefined ? null : names[name + mark]);
    const order = [...new Set([...data.arguments, ...(sections.trace ?? []).flatMap((c) => c.results.map((r) => called.get(r)))])];
    const operand = (n) => called.get(n) ?? (initial[n].data.length === 1 ? digits(initial[n].data[0]) : "…");
    const written = (name) => {
      const call = calls[makers.get(names[name])];
      return call ? `${call.op}(${call.inputs.map(operand).join(", ")})` : "";
    };
    const rows = order.filter((name) => name !== undefined && !/['~]/.test(name)).map((name) => {
      const cells = [0, 1, 2].map(() => element("td"));
      const head = element("th", { scope: "row" }, variable(name));
      const row = element("tr", {}, head, element("td", { className: "written" }, written(name)), ...cells);
      return { name, row, cells, numbers: [names[name], marked(name, "'"), marked(name, "~")] };
    });
    const header = ["", "", "value", "tangent", "adjoint"];
    const table = element("table", { className: "modes" },
      element("thead", {}, element("tr", {}, ...header.map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, ...rows.map(({ row }) => row)));
    const modes = element("p", { className: "still" }, "Forward mode carries tangents down, with the values; reverse mode carries adjoints up.");
    const duality = element("p", { className: "duality" });

    function variable(name) {
      const a = element("a", { className: "v", href: `#v-${name}` }, name);
      a.dataset.v = name;
      return a;
    }

    // -- step by step -------------------------------------------------------------------------------------------------
    // A step makes a value and its tangent, or what reverse mode makes next. `done` are those that were taken.
    const first = sections.trace?.length ?? 0, dual = calls.length - (sections.dual?.length ?? 0);
    const steps = [...Array(first).keys(), ...Array.from({ length: calls.length - dual }, (_, i) => dual + i)];
    let done = steps.length, timer = null;
    const place = new Map(steps.map((at, i) => [at, i]));
    const taken = (n) => (makers.has(n) ? place.get(makers.get(n)) < done : true); // what is given is there before
    const last = () => done === steps.length;
    const bar = element("input", { type: "range", min: 0, max: steps.length, step: 1, value: done });
    bar.setAttribute("aria-label", "steps taken");
    const at = element("span", { className: "at", role: "status" });
    const button = (text, label, act) => {
      const made = element("button", { type: "button" }, text);
      made.setAttribute("aria-label", label);
      made.addEventListener("click", act);
      return made;
    };
    const run = button("Play", "play the steps", () => (timer === null ? start() : stop()));
    const stop = () => {
      clearInterval(timer);
      timer = null;
      run.textContent = "Play";
    };
    const start = () => {
      if (last()) go(0);
      run.textContent = "Stop";
      timer = setInterval(() => (last() ? stop() : go(done + 1)), 700);
    };
    const go = (to) => {
      done = Math.min(Math.max(to, 0), steps.length);
      bar.value = done;
      showStep();
    };
    const byHand = (to) => () => (stop(), go(to()));
    bar.addEventListener("input", byHand(() => bar.valueAsNumber));
    const sweep = element("div", { className: "sweep" },
      button("|◀", "before the first step", byHand(() => 0)), button("◀", "a step back", byHand(() => done - 1)), run,
      button("▶", "a step on", byHand(() => done + 1)), button("▶|", "after the last step", byHand(() => steps.length)), bar, at);

    const lines = new Map();
    for (const line of document.querySelectorAll(".line"))
      for (const name of (line.dataset.makes ?? "").split(" ")) if (name) lines.set(name, line);

    function showStep() {
      for (const line of document.querySelectorAll(".now")) line.classList.remove("now");
      const now = done > 0 && !last() ? steps[done - 1] : null;
      const forward = now === null || now < first;
      for (const { row, cells, numbers } of rows) {
        const [value, , adjoint] = numbers, there = taken(value);
        const seen = [there, there, adjoint === null ? last() : done >= first && taken(adjoint)];
        cells.forEach((cell, k) => {
          const t = values[numbers[k]]; // none: a derivative that is 0
          cell.textContent = !seen[k] ? "·" : t ? brief(t) : isFloating(values[value]) ? "0" : "";
          cell.title = seen[k] && t?.data.length === 1 ? `${t.data[0]}` : "";
        });
        const made = now !== null && calls[now].results.some((r) => (forward ? value === r : adjoint === r));
        row.classList.toggle("now", made);
      }
      if (now === null) {
        at.textContent = done ? "all steps are taken" : "nothing is computed yet";
        return;
      }
      for (const r of calls[now].results) {
        const name = called.get(r);
        for (const n of forward ? [name, `${name}'`] : [name]) lines.get(n)?.classList.add("now");
      }
      const made = calls[now].results.map((r) => called.get(r) ?? "").join(", ");
      at.textContent = `${forward ? "forward" : "reverse"}: ${made} = ${calls[now].op}(…)`;
    }

    // -- running --------------------------------------------------------------------------------------------------------
    const stats = [...document.querySelectorAll(".stats[data-of]")];
    const dot = (a, b) => sum(a.data.map((x, i) => x * b.data[i]));
    function compare() {
      const seeds = data.seeds;
      if (!seeds.tangent || !seeds.dual) return;
      const tensor = (name) => (names[name] === undefined ? null : values[names[name]]);
      const inside = seeds.tangent.map((name) => [tensor(name), tensor(name.replace(/'$/, "~"))]);
      const outside = seeds.dual.map((name) => [tensor(name), tensor(name.replace(/~$/, "'"))]);
      const [forward, reverse] = [outside, inside].map((pairs) => sum(pairs.map(([a, b]) => (a && b ? dot(a, b) : 0))));
      duality.textContent = `Both modes agree: cotangent · tangent of the results is ${digits(forward)}, ` +
        `adjoint · tangent of the arguments is ${digits(reverse)}.`;
      duality.hidden = !(Math.abs(forward - reverse) <= 1e-4 * Math.abs(forward) + 1e-6);
    }
    let asked = false;
    function changed() {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        recompute();
      });
    }
    function recompute() {
      note.classList.remove("bad");
      note.textContent = fine;
      table.hidden = false;
      try {
        for (const call of calls) compute(call, values, programs.types).forEach((y, k) => (values[call.results[k]] = y));
      } catch (error) {
        note.classList.add("bad");
        note.textContent = `With these arguments there is no result: ${error.message}.`;
        table.hidden = duality.hidden = true;
        for (const cell of stats) if (makers.has(names[cell.dataset.of])) cell.textContent = "–";
        return;
      }
      for (const cell of stats) {
        const n = names[cell.dataset.of];
        if (n !== undefined) cell.innerHTML = summary(values[n]);
      }
      compare();
      showStep();
    }
    const reset = button("Reset", "back to the arguments of the trace", () => {
      fill();
      go(steps.length);
      recompute();
    });
    fill();
    panel.replaceChildren(element("h2", {}, "Play"), note, controls, element("p", {}, reset), sweep, modes,
      element("div", { className: "scroll" }, table), duality);
    recompute();
  }
}
