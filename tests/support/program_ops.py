"""One template per public op: how a random program (``random_programs.py``) may call it.

Functions of one array and reductions get theirs from their rows in ``tests/cases``; the others are written here.
A template gets the :class:`Maker` that writes the program, chooses operands from what the program has so far (or asks
for new arguments), and returns an expression. It need not be certain that the call is valid: the maker evaluates the
expression and drops what raises. Names of operands tell what they are: ``x3`` a Tensor argument, ``n3`` a NumPy array,
``k3`` a number, ``p3`` a parameter, ``s3`` state, ``c3`` a captured constant, ``v3`` a result.
"""

from __future__ import annotations

from functools import reduce
from inspect import signature
from typing import TYPE_CHECKING

import alice_core as ac
from op_cases import all_cases
from program_linalg import LINALG
from program_rows import NUMPY_UFUNCS, Template, derived, reduction, unary

if TYPE_CHECKING:
    from random_programs import Maker

__all__ = ["ELEMENTWISE", "EXCLUDED", "TEMPLATES"]

#: Public functions that no program calls, each with the reason.
EXCLUDED = {
    "nonzero": "the shape of its result depends on values; TraceError is tested in test_compile.py",
    "empty": "its elements have no particular value",
    "empty_like": "its elements have no particular value",
    **dict.fromkeys(
        ("argwhere", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values"),
        "the shape of its result depends on values; TraceError is tested in test_searching.py",
    ),
    **dict.fromkeys(
        ("distributed.allreduce", "distributed.broadcast"),
        "all ranks must come by; tested in test_distributed.py",
    ),
}

_OPERATORS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "floor_divide": "//",
    "remainder": "%",
    "pow": "**",
    "equal": "==",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
}


_FLOATS = (
    *("hypot", "copysign", "nextafter", "logaddexp2"),
    *("special.betaln", "special.rel_entr", "special.xlog1py", "special.xlogy"),
)


def _with_number(name: str, option: str, *numbers: float) -> Template:
    def template(g: Maker) -> str:
        chosen = f", {option}={g.pick(numbers)}" if g.chance(0.7) else ""
        return f"ac.{name}({g.operand('f')}{chosen})"

    return template


def _binary(name: str, kinds: str) -> Template:
    def template(g: Maker) -> str:
        x, y = g.pair(kinds)
        operator = _OPERATORS.get(name)
        if operator and not g.is_numpy(x, y) and g.chance(0.5):
            return f"({x} {operator} {y})"
        if name in NUMPY_UFUNCS and not g.is_numpy(x, y) and g.chance(0.05):
            return f"np.{name}({x}, {y})"
        return f"ac.{name}({x}, {y})"

    return template


def _same_shape(name: str, *options: str) -> Template:
    """Losses: prediction and target of one shape."""

    def template(g: Maker) -> str:
        x = g.operand("f")
        option = f", {g.pick(options)}" if options and g.chance(0.5) else ""
        return f'ac.losses.{name}({x}, {g.twin(x)}{option}, reduction="{g.pick(("mean", "sum", "none"))}")'

    return template


def _of_signs(name: str) -> Template:
    """Losses: labels are -1 and 1."""

    def template(g: Maker) -> str:
        x = g.operand("f")
        labels = f"ac.where({g.twin(x)} > 0.0, 1.0, -1.0)"
        return f'ac.losses.{name}({x}, {labels}, reduction="{g.pick(("mean", "sum", "none"))}")'

    return template


# -- reductions --------------------------------------------------------------------------------------------------------


def _along(name: str, options: tuple[str, ...] = ()) -> Template:
    """Ops along one axis of something that has axes."""

    def template(g: Maker) -> str:
        x = g.operand("f", lambda v: v.ndim > 0)
        n = len(g.shape(x))
        option = f", {g.pick(options)}" if options and g.chance(0.5) else ""
        return f"ac.{name}({x}, axis={g.below(2 * n) - n}{option})"

    return template


def _softmax(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim > 0)
    n = len(g.shape(x))
    options = f", axis={g.below(2 * n) - n}" if g.chance(0.5) else ""
    if g.chance(0.4):
        mask = g.other(x, "b")
        options += f", temperature={g.pick(('0.5', '2.0', f'1.5 + ac.where({mask}, 0.25, -0.5)'))}"
    if g.chance(0.2):
        options += f", mask={g.other(x, 'b')}"
    return f"ac.softmax({x}{options})"


def _cumsum(g: Maker) -> str:
    x = g.operand("fiu", lambda v: v.ndim > 0)
    axis = "None" if len(g.shape(x)) == 1 and g.chance(0.3) else str(g.below(len(g.shape(x))))
    return f"ac.cumsum({x}, axis={axis})"


def _sum_to(g: Maker) -> str:
    x = g.operand("f")
    shape = [1 if g.chance(0.4) else n for n in g.shape(x)]
    return f"ac.sum_to({x}, {tuple(shape[g.below(len(shape) + 1) :])})"


def _cross_entropy(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim > 0 and v.shape[-1] > 0)
    *rows, classes = g.shape(x)
    options = f', reduction="{g.pick(("mean", "sum", "none"))}"' + (", label_smoothing=0.1" if g.chance(0.2) else "")
    if g.chance(0.3):
        return f"ac.losses.cross_entropy({x}, ac.softmax({g.twin(x)}){options})"
    labels = g.pick((g.index(classes, tuple(rows)), f"ac.argmax({g.twin(x)}, axis=-1)"))
    if g.chance(0.2):
        options += f", ignore_index={g.below(classes)}"
    return f"ac.losses.cross_entropy({x}, {labels}{options})"


def _of_probabilities(name: str) -> Template:
    """Losses of two arrays of probabilities, each of them or along the last axis."""

    def template(g: Maker) -> str:
        x = g.operand("f", lambda v: v.ndim > 0 and v.shape[-1] > 0)
        made = "ac.sigmoid" if name == "binary_cross_entropy" else "ac.softmax"
        option = f'reduction="{g.pick(("mean", "sum", "none"))}"'
        return f"ac.losses.{name}({made}({x}), {made}({g.twin(x)}), {option})"

    return template


def _binary_logits(g: Maker) -> str:
    x = g.operand("f")
    option = f'reduction="{g.pick(("mean", "sum", "none"))}"'
    return f"ac.losses.binary_cross_entropy_with_logits({x}, ac.sigmoid({g.twin(x)}), {option})"


def _focal(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim > 0 and v.shape[-1] > 0)
    *rows, classes = g.shape(x)
    gamma = f", gamma={g.pick(('0.0', '1.5', '2.0'))}" if g.chance(0.5) else ""
    return f'ac.losses.focal_loss({x}, {g.index(classes, tuple(rows))}{gamma}, reduction="{g.pick(("mean", "none"))}")'


def _linear_cross_entropy(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim == 2 and v.shape[1] > 0)
    rows, width = g.shape(x)
    weights = f"ac.sin(ac.reshape(ac.arange({2 * width}, dtype={x}.dtype), ({width}, 2)))"
    option = f'reduction="{g.pick(("mean", "sum", "none"))}"'
    return f"ac.losses.linear_cross_entropy({x}, {weights}, {g.index(2, (rows,))}, {option})"


def _attention(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim > 1)
    options = ", is_causal=True" if g.chance(0.3) else ""
    if g.chance(0.3):
        n = g.shape(x)[-2]
        options += f", attn_mask={g.leaf((n, n), 'bool')}"
    return f"ac.scaled_dot_product_attention({x}, {g.twin(x, exactly=True)}, {g.twin(x, exactly=True)}{options})"


def _layer_norm(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim > 0)
    *_, n = g.shape(x)
    parts = [x, *(g.leaf((n,), str(g.dtype(x))) for _ in range(g.below(3)))]
    return f"ac.layer_norm({', '.join(parts)}{g.pick(('', ', eps=0.1'))})"


def _rms_norm(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim > 0)
    n = g.shape(x)[axis := g.below(len(g.shape(x)))]
    return f"ac.rms_norm({x}, {g.leaf((n,), str(g.dtype(x)))}, axis={axis}, eps=0.1)"


def _batch_norm(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim > 1)
    weights = f", weight={g.leaf(g.shape(x)[1:2], str(g.dtype(x)))}" if g.chance(0.5) else ""
    return f"ac.batch_norm({x}{weights}, eps=0.1)"


def _embedding(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim > 0 and v.shape[0] > 0)
    n = g.shape(x)[0]
    padding = f", padding_idx={g.below(n)}" if g.chance(0.3) else ""
    return f"ac.embedding({g.index(n, g.pick(((), (3,), (2, 2))))}, {x}{padding})"


# -- selection and indexing --------------------------------------------------------------------------------------------


def _where(g: Maker) -> str:
    x, y = g.pair("fiub")
    return f"ac.where({g.other(x if g.is_array(x) else y, 'b')}, {x}, {y})"


def _clip(g: Maker) -> str:
    x = g.operand("fi")
    low = g.pick(("None", "-1", g.number(), "-0.75", g.other(x, "f")))
    return f"ac.clip({x}, {low}, {g.pick(('2', '1.25', g.other(x, 'f')))})"


def _prelu(g: Maker) -> str:
    x = g.operand("f")
    return f"ac.prelu({x}, {g.other(x, 'f')})"


def _astype(g: Maker) -> str:
    x = g.operand("fiub")
    dtype = g.pick(("float32", "float64", "int32", "int64", "uint8", "bool"))
    if g.dtype(x).kind == "f" and dtype in ("int32", "int64", "uint8"):
        x = f"ac.clip({x}, 0, 100)"  # what does not fit has no defined value
    return f"{x}.astype(ac.{dtype})" if g.is_tensor(x) else f"ac.astype({x}, ac.{dtype})"


def _take(g: Maker) -> str:
    x = g.operand("fiub", lambda v: v.ndim > 0 and v.size > 0)
    shape = g.shape(x)
    axis = g.below(len(shape))
    index = g.index(shape[axis], g.pick(((), (2,), (5,), (2, 3), (0,))))
    if len(shape) == 1 or axis == 0:
        form = g.below(3)
        if form == 0 and g.is_tensor(x):
            return f"{x}[{index}]"
        if form == 1 and len(shape) == 1:
            return f"ac.take({x}, {index})"
    return f"ac.take({x}, {index}, axis={axis - g.pick((0, len(shape)))})"


def _take_along_axis(g: Maker) -> str:
    x = g.operand("fiub", lambda v: v.ndim > 0 and v.size > 0)
    shape = list(g.shape(x))
    axis = g.below(len(shape))
    n = shape[axis]
    shape[axis] = g.pick((1, 2, 4))
    if g.chance(0.2):
        shape = [1 if i != axis else m for i, m in enumerate(shape)]
    return f"ac.take_along_axis({x}, {g.index(n, tuple(shape))}, axis={axis})"


def _key(g: Maker, shape: tuple[int, ...]) -> str:
    entries: list[str] = []
    arrays = g.chance(0.25)
    for n in shape[: g.below(len(shape) + 1) if g.chance(0.4) else len(shape)]:
        kind = g.below(8)
        if kind == 0 and n:
            entries.append(str(g.below(2 * n) - n))
        elif kind % 2 and n and arrays:
            entries.append(g.pick((g.index(n, (2,)), f"[0, {n - 1}, 0]")))
        elif kind < 3:
            entries.append(":")
        else:
            start, stop = g.below(n + 1), g.below(n + 1)
            entries.append(g.pick((f"{start}:", f":{stop}", "::2", "::-1", f"{start}:{stop}", "1:-1", "::-2")))
        if g.chance(0.1):
            entries.append("None")
    if g.chance(0.15):
        entries.insert(g.below(len(entries) + 1), "...")
    return ", ".join(entries) or "..."


def _getitem(g: Maker) -> str:
    x = g.operand("fiub", lambda v: v.ndim > 0, tensor=True)
    return f"{x}[{_key(g, g.shape(x))}]"


def _one_hot(g: Maker) -> str:
    n = 1 + g.below(5)
    dtype = g.pick(("", ", dtype=ac.float64", ", dtype=ac.int32"))
    return f"ac.one_hot({g.index(n, g.pick(((), (3,), (2, 2), (0,))))}, {n}{dtype})"


# -- shapes ------------------------------------------------------------------------------------------------------------


def _reshape(g: Maker) -> str:
    x = g.operand("fiub")
    factors = g.factors(g.size(x))
    if g.size(x) and factors and g.chance(0.3):
        factors[g.below(len(factors))] = -1
    if g.is_tensor(x) and g.chance(0.3):
        return f"{x}.reshape({', '.join(map(str, factors))})" if factors else f"{x}.reshape(())"
    return f"ac.reshape({x}, {tuple(factors)})"


def _flatten(g: Maker) -> str:
    x = g.operand("fiub")
    n = len(g.shape(x))
    start = g.below(n) if n else 0
    return f"ac.flatten({x}, {start})" if g.chance(0.5) else f"ac.flatten({x})"


def _permute(g: Maker) -> str:
    x = g.operand("fiub")
    if g.is_tensor(x) and g.chance(0.5):
        return f"{x}.T"
    return f"ac.permute_dims({x}, {tuple(g.shuffled(range(len(g.shape(x)))))})"


def _on_axes(form: str, least: int = 1, kinds: str = "fiub", beyond: int = 0) -> Template:
    """``form`` with {x}, and axes {a} and {b}, which may differ."""

    def template(g: Maker) -> str:
        x = g.operand(kinds, lambda v: v.ndim >= least)
        n = len(g.shape(x)) + beyond
        a, b = (g.below(2 * n) - n if n else 0 for _ in "ab")
        return form.format(x=x, a=a, b=b, k=g.below(5) - 2, m=g.below(4))

    return template


def _broadcast_to(g: Maker) -> str:
    x = g.operand("fiub")
    shape = [g.pick((1, 2, 3)) if n == 1 else n for n in g.shape(x)]
    return f"ac.broadcast_to({x}, {tuple([g.pick((1, 2, 3)) for _ in range(g.below(3))] + shape)})"


def _squeeze(g: Maker) -> str:
    x = g.operand("fiub", lambda v: 1 in v.shape)
    axes = [i for i, n in enumerate(g.shape(x)) if n == 1]
    return f"ac.squeeze({x})" if g.chance(0.3) or not axes else f"ac.squeeze({x}, {g.pick(axes)})"


def _pad(g: Maker) -> str:
    x = g.operand("fiub")
    widths = tuple((g.below(3), g.below(3)) for _ in g.shape(x))
    value = g.pick(("", ", value=1", ", value=-2.5" if g.dtype(x).kind == "f" else ""))
    return f"ac.pad({x}, {g.pick((1, widths))}{value})"


def _join(name: str) -> Template:
    def template(g: Maker) -> str:
        x = g.operand("fiub", lambda v: v.ndim > 0 or name == "stack")
        n = len(g.shape(x)) + (name == "stack")
        axis = g.below(2 * n) - n if n else 0
        if name == "concat":
            others = [g.beside(x, axis % n) for _ in range(g.below(3))]
        else:
            others = [g.twin(x, exactly=True) for _ in range(g.below(3))]
        return f"ac.{name}([{', '.join(g.shuffled([x, *others]))}], axis={axis})"

    return template


def _split(g: Maker) -> str:
    x = g.operand("fiub", lambda v: v.ndim > 0)
    axis = g.below(len(g.shape(x)))
    n = g.shape(x)[axis]
    sections = g.pick((f"[{g.below(n + 1)}]", 1, 2 if n % 2 == 0 else 3 if n % 3 == 0 else 1))
    return f"ac.split({x}, {sections}, axis={axis})"


def _unstack(g: Maker) -> str:
    x = g.operand("fiub", lambda v: any(0 < n < 6 for n in v.shape))
    axes = [i for i, n in enumerate(g.shape(x)) if 0 < n < 6]
    return f"ac.unstack({x}, axis={g.pick(axes) if axes else 0})"


def _meshgrid(g: Maker) -> str:
    x, y = (g.operand("fi", lambda v: v.ndim == 1) for _ in "ab")
    return f'ac.meshgrid({x}, {y}, indexing="{g.pick(("xy", "ij"))}")'


# -- products ----------------------------------------------------------------------------------------------------------


def _matmul(g: Maker) -> str:
    x = g.operand("fi", lambda v: v.ndim > 0)
    y = g.factor(x)
    if g.chance(0.2) and g.is_tensor(x) and len(g.shape(x)) > 1:
        y = g.pick((f"{x}.mT", y))
    return f"({x} @ {y})" if g.chance(0.5) and not g.is_numpy(x, y) else f"ac.matmul({x}, {y})"


def _linear(g: Maker) -> str:
    """What programs are full of: a product, a bias and an activation."""
    x = g.operand("f", lambda v: v.ndim == 2, tensor=True)
    w = g.factor(x)
    width = g.shape(w)[-1:] if g.shape(w)[1:] else ()
    bias = g.leaf(width, str(g.dtype(x)))
    activation = g.pick(("relu", "tanh", "gelu", "sigmoid", "leaky_relu", "silu", "softmax", ""))
    product = f"ac.matmul({x}, {w})" if g.is_numpy(x, w) else f"{x} @ {w}"  # of two arrays @ is NumPy's
    return f"ac.{activation}(ac.add({product}, {bias}))" if activation else f"ac.add({product}, {bias})"


def _tensordot(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim > 0)
    n = len(g.shape(x))
    if g.chance(0.5):
        return f"ac.tensordot({x}, {g.factor(x)}, axes=1)"
    return f"ac.tensordot({x}, {g.twin(x)}, axes=(({g.below(n)},), ({g.below(n)},)))"


def _einsum(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim > 0)
    n = len(g.shape(x))
    names = "abcdefgh"[:n]
    if g.chance(0.3):
        return f'ac.einsum("{names}->{"".join(g.shuffled(names)[: g.below(n + 1)])}", {x})'
    if g.chance(0.5):
        kept = "".join(g.shuffled(names)[: g.below(n + 1)])
        return f'ac.einsum("{names},{names}->{kept}", {x}, {g.twin(x)})'
    y = g.factor(x)
    rank = len(g.shape(y))
    other = ("xyzw"[: rank - 2] + names[-1] + "v") if rank > 1 else names[-1]
    if rank > 2 or rank == 0:
        return f'ac.einsum("...{names[-1]},...{names[-1]}->...", {x}, {g.twin(x)})'
    return f'ac.einsum("{names},{other}", {x}, {y})'


# -- order, places, scans ----------------------------------------------------------------------------------------------


def _sorted(name: str) -> Template:
    def template(g: Maker) -> str:
        x = g.operand("fiub", lambda v: v.ndim > 0)
        n = len(g.shape(x))
        options = f", axis={g.below(2 * n) - n}" if g.chance(0.7) else ""
        return f"ac.{name}({x}{options}{', descending=True' if g.chance(0.4) else ''})"

    return template


def _topk(g: Maker) -> str:
    x = g.operand("fi", lambda v: v.ndim > 0)
    axis = g.below(len(g.shape(x)))
    k = g.below(g.shape(x)[axis] + 1)
    largest = g.pick(("", ", largest=False"))
    return f"ac.topk({x}, {k}, axis={axis}{largest}){g.pick(('.values', '.indices'))}"


def _partition(g: Maker) -> str:
    x = g.operand("fi", lambda v: v.ndim > 0 and v.shape[-1] > 0)
    return f"ac.partition({x}, {g.below(g.shape(x)[-1])})"


def _quantile(name: str, *shares: str) -> Template:
    def template(g: Maker) -> str:
        x = g.operand("f", lambda v: v.size > 0)
        n = len(g.shape(x))
        axis = g.below(2 * n) - n if n and g.chance(0.6) else None
        given = f", {g.pick(shares)}" if shares else ""
        return f"ac.{name}({x}{given}, axis={axis}{', keepdims=True' if g.chance(0.3) else ''})"

    return template


def _searchsorted(g: Maker) -> str:
    x, y = g.operand("fi", lambda v: v.ndim == 1), g.operand("fi")
    return f"ac.searchsorted(ac.sort({x}), {y}{g.pick(('', ', side=' + repr('right')))})"


def _average(g: Maker) -> str:
    x = g.operand("f", lambda v: v.size > 0)
    return f"ac.average({x}, weights=ac.exp(ac.tanh({g.twin(x)})))"  # which do not add up to 0


def _histogram(g: Maker) -> str:
    x = g.operand("f")
    limits = ", range=(-1.0, 2.0)"
    if g.chance(0.5):  # the range of what is not finite is refused where it is known
        x, limits = f"ac.where(abs({x}) < 9.0, {x}, 0.0)", ""
    return f"ac.histogram({x}, bins={1 + g.below(5)}{limits}){g.pick(('.counts', '.edges'))}"


def _bincount(g: Maker) -> str:
    n = 1 + g.below(6)
    index = g.index(n, (5,))
    weights = f", {g.leaf((5,), 'float32')}" if g.chance(0.5) else ""
    return f"ac.bincount({index}{weights}, length={n})"


_MODES = ("set", "add", "multiply", "min", "max")


def _scatter(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim > 0 and v.size > 0)
    shape = list(g.shape(x))
    axis = g.below(len(shape))
    n, shape[axis] = shape[axis], g.pick((1, 2, 4))
    values = g.leaf(tuple(shape), str(g.dtype(x))) if g.chance(0.6) else "0.5"
    return f'ac.scatter({x}, {g.index(n, tuple(shape))}, {values}, axis={axis}, mode="{g.pick(_MODES)}")'


def _at(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim > 0, tensor=True)
    if g.chance(0.2):
        return f"{x}.at[{g.other(x, 'b')}].{g.pick(_MODES)}({g.number()})"
    return f"{x}.at[{_key(g, g.shape(x))}].{g.pick(_MODES)}({g.number()})"


def _segment(name: str) -> Template:
    def template(g: Maker) -> str:
        x = g.operand("fi", lambda v: v.ndim > 0)
        n = 1 + g.below(4)
        return f"ac.{name}({x}, {g.index(n, g.shape(x)[:1])}, {n})"

    return template


def _scan(name: str, kinds: str = "f") -> Template:
    def template(g: Maker) -> str:
        x = g.operand(kinds, lambda v: v.ndim > 0)
        axis = "None" if len(g.shape(x)) == 1 and g.chance(0.3) else str(g.below(len(g.shape(x))))
        return f"ac.{name}({x}, axis={axis})"

    return template


def _cumulative(name: str) -> Template:
    def template(g: Maker) -> str:
        x = g.operand("fiu", lambda v: v.ndim > 0)
        initial = ", include_initial=True" if g.chance(0.5) else ""
        return f"ac.{name}({x}, axis={g.below(len(g.shape(x)))}{initial})"

    return template


def _trapezoid(g: Maker) -> str:
    y = g.operand("f", lambda v: v.ndim > 0)
    return f"ac.trapezoid({y}, {g.twin(y)})" if g.chance(0.5) else f"ac.trapezoid({y}, dx=0.5)"


def _interp(g: Maker) -> str:
    x, fp = g.operand("f"), g.operand("f", lambda v: v.ndim == 1 and v.size > 0)
    return f"ac.interp({x}, ac.sort({g.twin(fp)}), {fp})"


def _associative_scan(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim > 0)
    f = g.pick(("ac.add", "ac.multiply", "ac.maximum", "ac.logaddexp"))
    return f"ac.associative_scan({f}, {x}, axis={g.below(len(g.shape(x)))}{g.pick(('', ', reverse=True'))})"


# -- windows -----------------------------------------------------------------------------------------------------------


def _convolution(rank: int, transposed: bool) -> Template:
    def template(g: Maker) -> str:
        x = g.operand("f", lambda v: v.ndim > rank and v.size > 0)
        channels, *extents = g.shape(x)[-1 - rank :] if len(g.shape(x)) > rank else (1,) * (rank + 1)
        rows = 1 + g.below(3)
        window = [1 + g.below(min(n, 3)) for n in extents]
        w = g.leaf((channels, rows, *window) if transposed else (rows, channels, *window), str(g.dtype(x)))
        option = g.pick(("", ", padding=1", ", stride=2", ", padding=1, stride=2"))
        return f"ac.conv{'_transpose' if transposed else ''}{rank}d({x}, {w}{option})"

    return template


def _pool(name: str, rank: int) -> Template:
    def template(g: Maker) -> str:
        x = g.operand("f", lambda v: v.ndim >= rank and v.size > 0)
        if name.startswith("adaptive"):
            return f"ac.{name}{rank}d({x}, {1 + g.below(3)})"
        option = g.pick(("", ", padding=1", ", stride=1", ", stride=2, padding=1"))
        return f"ac.{name}{rank}d({x}, {1 + g.below(3)}{option})"

    return template


def _unfold(g: Maker) -> str:
    x = g.operand("f", lambda v: v.ndim > 1 and v.size > 0)
    n = 1 + g.below(g.shape(x)[-1])
    if g.chance(0.5):
        return f"ac.unfold({x}, ({n},), padding={g.below(2)})"
    extent = g.shape(x)[-1] + n - 1
    return f"ac.fold(ac.repeat({x}, {n}, -2), {extent}, ({n},))"


# -- random numbers, whose generator moves on with every draw ----------------------------------------------------------


def _draw(method: str, *options: str) -> Template:
    def template(g: Maker) -> str:
        return f"{g.generator()}.{method}({', '.join([str(g.new_shape()), *filter(None, [g.pick(('', *options))])])})"

    return template


def _dropout(g: Maker) -> str:
    x = g.operand("f", tensor=True)
    return f"ac.nn.Dropout({g.pick((0.5, 0.1, 0.0))}, {g.generator()})({x})"


def _by_state(form: str) -> Template:
    return lambda g: form.format(state=g.leaf((2,), "int64"), shape=g.new_shape())


# -- constants ---------------------------------------------------------------------------------------------------------


def _constant(name: str) -> Template:
    def template(g: Maker) -> str:
        dtype = g.pick(("", ", dtype=ac.float64", ", dtype=ac.int64"))
        return f"ac.{name}({g.new_shape()}{dtype})"

    return template


def _like(name: str, *rest: str) -> Template:
    return lambda g: f"ac.{name}({', '.join([g.operand('fiub'), *(g.pick((r, '3')) for r in rest)])})"


_WRITTEN: dict[str, Template] = {
    "leaky_relu": _with_number("leaky_relu", "negative_slope", 0.25, 2.0, 0),
    "elu": _with_number("elu", "alpha", 0.5, 1.7),
    "gelu": lambda g: f"ac.gelu({g.operand('f')}" + (', approximate="tanh")' if g.chance(0.5) else ")"),
    "prelu": _prelu,
    **{name: _binary(name, "fiu") for name in ("add", "subtract", "multiply", "maximum", "minimum")},
    **{name: _binary(name, "fi") for name in ("floor_divide", "remainder")},
    "pow": _binary("pow", "f"),  # integers raise for values, also where a program computes nothing as nobody reads it
    **{name: _binary(name, "f") for name in ("divide", "atan2", "logaddexp", "xlogy", *_FLOATS)},
    **{name: _binary(name, "fi") for name in ("isclose", "allclose")},
    **{f"bitwise_{name}": _binary(f"bitwise_{name}", "i") for name in ("and", "or", "xor")},
    "bitwise_invert": unary("bitwise_invert", "ib"),
    "bitwise_left_shift": lambda g: f"({g.operand('i', tensor=True)} << {g.below(9)})",
    "bitwise_right_shift": lambda g: f"({g.operand('i', tensor=True)} >> {g.below(9)})",
    "nan_to_num": _with_number("nan_to_num", "nan", 0.5, 2),
    "special.polygamma": lambda g: f"ac.special.polygamma({g.below(3)}, {g.operand('f')})",
    "special.logsumexp": reduction("special.logsumexp", "f"),
    "special.softmax": _along("special.softmax"),
    "special.log_softmax": _along("special.log_softmax"),
    **{name: _binary(name, "fiu") for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")},
    **{name: _binary(name, "fib") for name in ("logical_and", "logical_or", "logical_xor")},
    "logsumexp": reduction("logsumexp", "f"),
    "cumsum": _cumsum,
    "sum_to": _sum_to,
    "softmax": _softmax,
    "log_softmax": _along("log_softmax"),
    "losses.cross_entropy": _cross_entropy,
    "scaled_dot_product_attention": _attention,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "batch_norm": _batch_norm,
    "embedding": _embedding,
    **{f"losses.{name}": _same_shape(name) for name in ("mse_loss", "absolute_loss")},
    **{f"losses.{name}": _of_signs(name) for name in ("hinge_loss", "margin_loss", "zero_one_loss")},
    **{
        f"losses.{name}": _of_probabilities(name)
        for name in ("binary_cross_entropy", "categorical_cross_entropy", "kl_divergence")
    },
    "losses.focal_loss": _focal,
    "losses.linear_cross_entropy": _linear_cross_entropy,
    "losses.huber_loss": _same_shape("huber_loss", "delta=0.5"),
    "losses.gaussian_nll": _same_shape("gaussian_nll", "sigma=0.7"),
    "losses.binary_cross_entropy_with_logits": _binary_logits,
    "where": _where,
    "clip": _clip,
    "astype": _astype,
    "take": _take,
    "take_along_axis": _take_along_axis,
    "one_hot": _one_hot,
    "Tensor.__getitem__": _getitem,
    "reshape": _reshape,
    "ravel": _on_axes("ac.ravel({x})", 0),
    "flatten": _flatten,
    "copy": _on_axes("ac.copy({x})", 0),
    "stop_gradient": _on_axes("ac.stop_gradient({x})", 0),
    "tensor": _on_axes("ac.tensor({x})", 0),
    "permute_dims": _permute,
    "matrix_transpose": _on_axes("ac.matrix_transpose({x})", 2),
    "swapaxes": _on_axes("ac.swapaxes({x}, {a}, {b})"),
    "moveaxis": _on_axes("ac.moveaxis({x}, {a}, {b})"),
    "broadcast_to": _broadcast_to,
    "broadcast_arrays": lambda g: f"ac.broadcast_arrays({(x := g.operand('fiub'))}, {g.other(x, 'fiub')})",
    "expand_dims": _on_axes("ac.expand_dims({x}, {a})", 0, beyond=1),
    "squeeze": _squeeze,
    "flip": _on_axes("ac.flip({x}, {a})"),
    "roll": _on_axes("ac.roll({x}, {k}, {a})"),
    "repeat": _on_axes("ac.repeat({x}, {m}, {a})"),
    "tile": lambda g: f"ac.tile({g.operand('fiub')}, {g.pick((2, (2, 1), (1, 3), (2, 1, 2), 0))})",
    "pad": _pad,
    "tril": _on_axes("ac.tril({x}, {k})", 2),
    "triu": _on_axes("ac.triu({x}, {k})", 2),
    "diag": lambda g: f"ac.diag({g.operand('fi', lambda v: v.ndim in (1, 2))}, {g.below(5) - 2})",
    "diagonal": _on_axes("ac.diagonal({x}, {k})", 2),
    "round": lambda g: f"ac.round({g.operand('fiu')}" + g.pick((")", f", {g.below(5) - 2})")),
    "rot90": lambda g: f"ac.rot90({g.operand('fiub', lambda v: v.ndim > 1)}, {g.below(5) - 2})",
    "vstack": lambda g: f"ac.vstack([{(x := g.operand('fiub'))}, {g.twin(x, exactly=True)}])",
    "hstack": lambda g: f"ac.hstack([{(x := g.operand('fiub'))}, {g.twin(x, exactly=True)}])",
    "column_stack": lambda g: f"ac.column_stack([{(x := g.operand('fiub'))}, {g.twin(x, exactly=True)}])",
    "average": _average,
    "concat": _join("concat"),
    "stack": _join("stack"),
    "split": _split,
    "unstack": _unstack,
    "meshgrid": _meshgrid,
    "matmul": _matmul,
    "linear": _linear,
    "vecdot": lambda g: f"ac.vecdot({(x := g.operand('f', lambda v: v.ndim > 0))}, {g.twin(x)})",
    "dot": lambda g: f"ac.dot({(x := g.operand('fi'))}, {g.factor(x) if g.shape(x) else g.operand('fi')})",
    "outer": lambda g: f"ac.outer({g.operand('fi')}, {g.operand('fi')})",
    "tensordot": _tensordot,
    "einsum": _einsum,
    "sort": _sorted("sort"),
    "argsort": _sorted("argsort"),
    "topk": _topk,
    "partition": _partition,
    "quantile": _quantile("quantile", "0.3", "[0.25, 1.0]"),
    "percentile": _quantile("percentile", "30", "[0, 75]"),
    "median": _quantile("median"),
    "searchsorted": _searchsorted,
    "isin": lambda g: f"ac.isin({g.operand('fi')}, {g.operand('fi')})",
    "count_nonzero": reduction("count_nonzero", "fiub"),
    "histogram": _histogram,
    "bincount": _bincount,
    "scatter": _scatter,
    "Tensor.at": _at,
    "segment_sum": _segment("segment_sum"),
    "segment_max": _segment("segment_max"),
    "cumprod": _scan("cumprod", "fiu"),
    "cummax": _scan("cummax", "fiu"),
    "cummin": _scan("cummin", "fiu"),
    "logcumsumexp": _scan("logcumsumexp"),
    "cumulative_sum": _cumulative("cumulative_sum"),
    "cumulative_prod": _cumulative("cumulative_prod"),
    "diff": _on_axes("ac.diff({x}, {m}, {a})", kinds="fi"),
    "trapezoid": _trapezoid,
    "interp": _interp,
    "associative_scan": _associative_scan,
    **{f"conv{rank}d": _convolution(rank, False) for rank in (1, 2, 3)},
    **{f"conv_transpose{rank}d": _convolution(rank, True) for rank in (1, 2, 3)},
    **{
        f"{name}{rank}d": _pool(name, rank)
        for name in ("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool")
        for rank in (1, 2, 3)
    },
    "unfold": _unfold,
    "fold": _unfold,
    "random.uniform": _draw("uniform", "low=-2.0", "dtype=ac.float64"),
    "random.normal": _draw("normal", "std=0.5", "dtype=ac.float64"),
    "random.bernoulli": _draw("bernoulli", "p=0.2"),
    "random.bits": _by_state("ac.random.bits({state}, {shape})"),
    "random.unit": _by_state("ac.random.unit({state}, {shape})"),
    "random.advance": _by_state("ac.random.advance({state}, 3)"),
    "nn.Dropout": _dropout,
    "zeros": _constant("zeros"),
    "ones": _constant("ones"),
    "full": lambda g: f"ac.full({g.new_shape()}, {g.pick((0.1, 2, -3.5, True))})",
    "arange": lambda g: f"ac.arange({1 + g.below(6)}, dtype=ac.{g.pick(('float32', 'int64', 'int32'))})",
    "linspace": lambda g: f"ac.linspace(-1.0, 2.0, {1 + g.below(5)})",
    "eye": lambda g: f"ac.eye({1 + g.below(4)}, {1 + g.below(4)}, k={g.below(3) - 1})",
    "zeros_like": _like("zeros_like"),
    "ones_like": _like("ones_like"),
    "full_like": _like("full_like", "2"),
    **LINALG,
}


_DERIVED = {
    case.name: template
    for case in all_cases()
    if case.name not in _WRITTEN and case.name not in EXCLUDED and (template := derived(case))
}
TEMPLATES = _DERIVED | _WRITTEN

#: What programs fuse.
ELEMENTWISE = (
    *(
        name
        for name in _DERIVED
        if not {"axis", "keepdims"} & set(signature(reduce(getattr, name.split("."), ac)).parameters)
    ),
    *["leaky_relu", "elu", "gelu", "prelu", "maximum", "minimum", "where", "clip"],
    *_OPERATORS,
)
