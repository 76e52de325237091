"""Programs as text: run eagerly and compiled, compared bit for bit, and made smaller where they differ.

``program_maker.py`` writes them at random. The ``source()`` of a :class:`Program` can be saved and run as it is, with
``tests`` on the path.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

import alice_core as ac

__all__ = [
    "NAME",
    "Block",
    "Difference",
    "Program",
    "Step",
    "check",
    "compare",
    "data",
    "explain",
    "leaf_text",
    "shrink",
]

Array = npt.NDArray[Any]
NAME = re.compile(r"\b[a-z]\d+\b")  # every name of a program: one letter and a number


def data(seed: int, shape: tuple[int, ...], dtype: str = "float32", low: int = -8, high: int = 9) -> Array:
    """Numbers for a program: in one seed of 16 with infinities and NaN, in some with ties and zeros."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    if kind != "f":
        return rng.integers(max(low, 0) if kind == "u" else low, high, shape).astype(dtype)
    style = seed % 16
    if style in (3, 7):
        return np.asarray(rng.integers(-3, 4, shape)).astype(dtype)
    if style in (5, 9, 11):
        return np.asarray(rng.uniform(0.1, 3.0, shape)).astype(dtype)
    x = np.asarray(rng.normal(size=shape) * 1.5).astype(dtype)
    if style == 15:
        special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e-30, 1e-42], dtype=dtype)
        x = np.where(rng.random(shape) < 0.15, special[rng.integers(0, special.size, shape)], x)
    return x


# -- programs as text --------------------------------------------------------------------------------------------------


@dataclass
class Step:
    text: str
    targets: list[str] = field(default_factory=list)
    #: Steps and the returned expression of a nested function, whose ``def`` line is the text.
    block: Block | None = None

    def uses(self) -> set[str]:
        inner = self.block.uses() if self.block else set()
        return inner | set(NAME.findall(self.text))

    def lines(self) -> Iterator[str]:
        yield from self.text.split("\n")
        if self.block:
            for step in self.block.steps:
                yield from ("    " + line for line in step.lines())
            yield f"    return {self.block.result}"


@dataclass
class Block:
    steps: list[Step]
    result: str = ""

    def uses(self) -> set[str]:
        return set(NAME.findall(self.result)).union(*(s.uses() for s in self.steps))


@dataclass
class Program:
    captured: dict[str, str] = field(default_factory=dict)
    #: Per argument one expression for each call.
    arguments: dict[str, list[str]] = field(default_factory=dict)
    packed: list[str] = field(default_factory=list)  # arguments that travel in a dict of lists and tuples
    keywords: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    form: int = 0  # how the outputs are nested
    calls: int = 3
    shapes: dict[str, tuple[tuple[int, ...], str]] = field(default_factory=dict)  # of every array, with its dtype

    def __repr__(self) -> str:
        return f"<program of {len(self.steps)} steps>"

    def is_large(self) -> bool:
        """Whether kernels cut some of its arrays in chunks."""
        return any(np.prod(shape) > 10_000 for shape, _ in self.shapes.values())

    def source(self) -> str:
        """A script that runs the program both ways."""
        plain = [a for a in self.arguments if a not in self.packed and a not in self.keywords]
        parameters = plain + ["pack"] * bool(self.packed) + (["*", *self.keywords] if self.keywords else [])
        out = ["import numpy as np", "import alice_core as ac", "from random_programs import check, data", "", ""]
        out += ["def build(jit):", *(f"    {n} = {text}" for n, text in self.captured.items())]
        out += ["", f"    def f({', '.join(parameters)}):"]
        if self.packed:
            first, *rest = self.packed
            out += [f'        {first} = pack["a"]', *(f'        {n} = pack["b"][{i}][0]' for i, n in enumerate(rest))]
        out += ["        " + line for step in self.steps for line in step.lines()]
        out += [f"        return {_nested(self.outputs, self.form)}"]
        state = ", ".join(f'"{n}": {n}' for n in self.captured)
        out += ["", f"    return f, {{{state}}}", "", "", "def calls():"]
        for i in range(self.calls):
            out += [f"    {n} = {texts[i % 2]}" for n, texts in self.arguments.items()]
            pack = []
            if self.packed:
                first, *rest = self.packed
                pack = [f'{{"a": {first}, "b": [{", ".join(f"({n},)" for n in rest)}]}}']
            keywords = ", ".join(f'"{n}": {n}' for n in self.keywords)
            out += [f"    yield [{', '.join(plain + pack)}], {{{keywords}}}"]
        return "\n".join([*out, "", "", "check(build, calls)", ""])

    def functions(self) -> tuple[Any, Any]:
        names: dict[str, Any] = {}
        text = self.source().replace("check(build, calls)\n", "").replace("import check, data", "import data")
        exec(compile(text, "<program>", "exec"), names)
        return names["build"], names["calls"]


def _nested(names: Sequence[str], form: int) -> str:
    if len(names) == 1:
        return (names[0], f"[{names[0]}]", f'{{"y": {names[0]}}}')[form % 3]
    first, rest = names[0], ", ".join(names[1:])
    return (f"{first}, {rest}", f'{{"y": {first}, "z": [{rest}]}}', f"[{first}, ({rest},)]")[form % 3]


# -- both ways, and the comparison -------------------------------------------------------------------------------------


class Difference(AssertionError):
    """Compiled is not what eager is. ``kind`` stays the same while a program shrinks."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


def _snapshot(node: Any) -> Any:
    """Copies of all values in a nested structure, state and gradients included."""
    if isinstance(node, ac.Tensor):
        grad = [] if node.grad is None else [_snapshot(node.grad)]
        return [np.array(node.detach().numpy()), *grad] if node.requires_grad else np.array(node.detach().numpy())
    if isinstance(node, ac.optim.Optimizer):
        return _snapshot(node.state_dict())
    if isinstance(node, ac.random.Generator):
        return node.state
    if isinstance(node, dict):
        return {k: _snapshot(v) for k, v in node.items()}
    if isinstance(node, (list, tuple)):
        return type(node)(_snapshot(v) for v in node)
    return node


def _values(node: Any) -> Any:
    """As :func:`_snapshot`, of results, of which only the values count."""
    if isinstance(node, (list, tuple)):
        return type(node)(_values(v) for v in node)
    if isinstance(node, dict):
        return {k: _values(v) for k, v in node.items()}
    return np.array(node.detach().numpy()) if isinstance(node, ac.Tensor) else node


def compare(want: Any, got: Any, where: str = "result", kind: str = "result") -> None:
    """Raise :class:`Difference` unless both have one structure, and equal bits; any NaN equals any other."""
    want, got = (x.detach().numpy() if isinstance(x, ac.Tensor) else x for x in (want, got))
    if type(want) is not type(got):
        raise Difference(kind, f"{where} is a {type(got).__name__}, eager has a {type(want).__name__}")
    if isinstance(want, dict):
        compare(list(want), list(got), f"keys of {where}", kind)
        for key, value in want.items():
            compare(value, got[key], f"{where}[{key!r}]", kind)
    elif isinstance(want, (list, tuple)):
        if len(want) != len(got):
            raise Difference(kind, f"{where} has {len(got)} items, eager {len(want)}")
        for i, (w, g) in enumerate(zip(want, got, strict=True)):
            compare(w, g, f"{where}[{i}]", kind)
    elif isinstance(want, np.ndarray):
        if (want.shape, want.dtype) != (got.shape, got.dtype):
            raise Difference(kind, f"{where} is {got.dtype} {got.shape}, eager {want.dtype} {want.shape}")
        if want.tobytes() == got.tobytes():
            return
        bits = f"u{want.dtype.itemsize}"
        differ = np.array(want, order="C").view(bits) != np.array(got, order="C").view(bits)
        if want.dtype.kind == "f":
            differ &= ~(np.isnan(want) & np.isnan(got))
        if differ.any():
            at = tuple(int(i) for i in np.argwhere(differ)[0])
            count = f"{int(differ.sum())} of {want.size}"
            values = f"{got[at]!r}, eager {want[at]!r}"
            raise Difference(kind, f"{where}, {want.dtype} {want.shape}: {count} differ; at {at} it is {values}")
    elif want != got:
        raise Difference(kind, f"{where} is {got!r}, eager {want!r}")


def _run(build: Any, calls: Any, jit: Callable[[Any], Any]) -> list[Any]:
    """Per call: the results, as they were right after it, and the state then; and the results themselves."""
    f, state = build(jit)
    f = jit(f)
    history: list[Any] = []
    kept: list[Any] = []
    for args, kwargs in calls():
        try:
            result = f(*args, **kwargs)
            values = _values(result)  # a view of what has changed has none
        except Exception as error:
            history.append(error)
            break
        history.append((values, _snapshot(state)))
        kept.append(result)
    return [history, kept]


def check(build: Any, calls: Any, jit: Callable[[Any], Any] | None = None, threads: Iterable[int] = (1,)) -> None:
    """Raise :class:`Difference` if the compiled program differs from the eager one in any bit."""
    fresh = jit is None
    jit = jit or ac.compile
    want, _ = _run(build, calls, lambda f: f)
    before = ac.get_num_threads()
    try:
        for n in threads:
            ac.set_num_threads(n)
            got, kept = _run(build, calls, jit)
            for i, (w, g) in enumerate(zip(want, got, strict=False)):
                where = f"call {i}" if n == 1 else f"call {i} with {n} threads"
                if isinstance(w, Exception) or isinstance(g, Exception):
                    if isinstance(w, Exception) and type(g) is type(w):
                        break
                    if not isinstance(g, Exception):
                        raise Difference("no error", f"{where} passes, eager raises {w!r}")
                    raise Difference(f"raises {type(g).__name__}", f"{where}: {g}; eager: {w!r:.200}") from g
                compare(w[0], g[0], f"{where}: result", "result")
                compare(w[1], g[1], f"{where}: state", "state")
                if fresh:  # eager results may be state itself, or lie on its memory
                    compare(g[0], _values(kept[i]), f"{where}: result, after the last call", "a result changed")
    finally:
        ac.set_num_threads(before)


def explain(program: Program, error: Difference, **how: Any) -> str:
    """What differs, and the smallest program that still shows it."""

    def kind(candidate: Program) -> str | None:
        try:
            check(*candidate.functions(), **how)
        except Difference as difference:
            return difference.kind
        except Exception:
            return None  # it does not even run eagerly
        return None

    small = shrink(program, lambda candidate: kind(candidate) == error.kind)
    try:
        check(*small.functions(), **how)
    except Difference as difference:
        error = difference
    return f"{error}\n\n{small.source()}"


# -- making programs smaller -------------------------------------------------------------------------------------------


def shrink(program: Program, fails: Callable[[Program], bool]) -> Program:
    """Take away what can go while it still fails: outputs, steps with all that depends on them, arguments, layouts."""
    progress = True
    while progress:
        progress = False
        position = 0
        while True:
            candidates = list(_smaller(program))
            if position >= len(candidates):
                break
            candidate = candidates[position]()
            if candidate.outputs and candidate.source() != program.source() and fails(candidate):
                program, progress = candidate, True
            else:
                position += 1
    return program


def _all_steps(steps: list[Step]) -> Iterator[tuple[list[Step], int]]:
    """The last first; a nested function before what it is made of."""
    for i in reversed(range(len(steps))):
        yield steps, i
        block = steps[i].block
        if block:
            yield from _all_steps(block.steps)


def _smaller(program: Program) -> Iterator[Callable[[], Program]]:
    """Ways to a smaller program, the boldest first."""

    def changed(change: Callable[[Program], None]) -> Callable[[], Program]:
        def make() -> Program:
            candidate = copy.deepcopy(program)
            change(candidate)
            return candidate

        return make

    for name in list(program.outputs) if len(program.outputs) > 1 else []:
        yield changed(lambda p, name=name: p.outputs.remove(name))  # type: ignore[misc]
    for i, _ in enumerate(_all_steps(program.steps)):
        yield changed(lambda p, i=i: _drop(p, *list(_all_steps(p.steps))[i]))  # type: ignore[misc]
    for i, _ in enumerate(_all_steps(program.steps)):
        yield changed(lambda p, i=i: _cut(p, *list(_all_steps(p.steps))[i]))  # type: ignore[misc]
    for i, (steps, at) in enumerate(_all_steps(program.steps)):
        step = steps[at]
        shape = program.shapes.get(step.targets[0]) if step.targets else None
        for other in sorted(step.uses() - set(step.targets)):
            if shape and program.shapes.get(other) == shape:
                yield changed(lambda p, i=i, o=other: _bypass(p, *list(_all_steps(p.steps))[i], o))  # type: ignore[misc]
    used = set(program.outputs).union(*(s.uses() for s in program.steps))
    used |= {n for name, text in program.captured.items() for n in NAME.findall(text) if name != n}
    for name in [n for n in (*program.captured, *program.arguments) if n not in used]:
        yield changed(lambda p, name=name: _forget(p, name))  # type: ignore[misc]
    yield changed(lambda p: p.packed.clear())
    yield changed(lambda p: p.keywords.clear())
    if program.calls > 1:
        yield changed(lambda p: setattr(p, "calls", p.calls - 1))
    for name in (*program.captured, *program.arguments):
        if name in program.shapes:
            yield changed(lambda p, name=name: _plain(p, name))  # type: ignore[misc]
    yield changed(lambda p: setattr(p, "form", 0))


def _forget(p: Program, name: str) -> None:
    p.captured.pop(name, None)
    p.arguments.pop(name, None)
    for names in (p.packed, p.keywords):
        if name in names:
            names.remove(name)


def _drop(p: Program, steps: list[Step], at: int) -> None:
    """Without this step, and without what depends on it."""
    dead = set(steps[at].targets)
    del steps[at]

    def sweep(steps: list[Step]) -> None:
        for step in list(steps):
            if step.block:
                sweep(step.block.steps)
                if dead & set(NAME.findall(step.block.result)):
                    dead.update(step.targets)
                    steps.remove(step)
                    continue
            if dead & set(NAME.findall(step.text)):
                dead.update(step.targets)
                steps.remove(step)

    sweep(p.steps)
    p.outputs = [n for n in p.outputs if n not in dead]


def _cut(p: Program, steps: list[Step], at: int) -> None:
    """With constants in place of what this step computes."""
    if all(t in p.shapes for t in steps[at].targets):
        for t in steps[at].targets:
            p.captured[t] = leaf_text(17, *p.shapes[t], "plain")
        del steps[at]


def _bypass(p: Program, steps: list[Step], at: int, other: str) -> None:
    """With one of the operands in place of the result."""
    target = steps[at].targets[0]
    del steps[at]

    def rename(text: str) -> str:
        return re.sub(rf"\b{target}\b", other, text)

    for inner, i in list(_all_steps(p.steps)):
        inner[i].text = rename(inner[i].text)
        block = inner[i].block
        if block:
            block.result = rename(block.result)
    p.outputs = list(map(rename, p.outputs))


def _plain(p: Program, name: str) -> None:
    shape, dtype = p.shapes[name]
    if name in p.arguments:
        p.arguments[name] = [leaf_text(seed, shape, dtype, "plain") for seed in (17, 33)]
    else:
        p.captured[name] = leaf_text(17, shape, dtype, "plain") + (".requires_grad_()" if name[0] == "p" else "")


def leaf_text(seed: int, shape: tuple[int, ...], dtype: str, layout: str, numpy: bool = False, bounds: str = "") -> str:
    """An array, or a Tensor, that lies in memory in one of several ways."""

    def array(shape: tuple[int, ...]) -> str:
        text = f'data({seed}, {shape}, "{dtype}"{bounds})'
        return text if numpy else f"ac.tensor({text})"

    if layout == "transposed":
        return array(shape[::-1]) + ".T"
    if layout == "strided" and shape:
        return array((*shape[:-1], 2 * shape[-1])) + "[..., ::2]"
    if layout == "reversed" and shape:
        return array(shape) + "[::-1]"
    if layout == "broadcast" and not numpy:
        return f"ac.broadcast_to({array((1,) * len(shape))}, {shape})"
    return array(shape)
