"""Vectorisation: a function of one example becomes a function of a batch, without a loop.

The function is traced once, on abstract Tensors of the shapes of one example. What it did, gradients that it took
included, is a list of equations, which then runs once: equations that depend on no batched value as they are, the
others by the batch rules of their primitives. Enclosing transforms see only that one run.
"""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from contextlib import nullcontext
from typing import Any, Literal, NamedTuple, ParamSpec, TypeVar

from .. import _core, tree
from ..checks import check_function, checked_choice, checked_int
from ..errors import DTypeError, GradientError, ShapeError, TraceError, locate
from ..ops import broadcasting, creation, diagonals, views
from ..primitive import Primitive, primitives
from ..random.source import drawn, for_each, watcher
from ..tensors import Tensor, asarray
from .rerunning import rerun
from .reverse import no_grad

__all__ = ["alike", "along_basis", "batched_call", "vmap"]

P = ParamSpec("P")
R = TypeVar("R")


class _Value:
    """What a value of the trace is for the whole batch; if batched, the batch is axis 0.

    Or it scales a basis: example i is 0 but for item i, and ``tensor``, of the shape of one example, holds these items.
    """

    __slots__ = ("batched", "scales_basis", "tensor")

    def __init__(self, tensor: Tensor, batched: bool, scales_basis: bool = False) -> None:
        self.tensor, self.batched, self.scales_basis = tensor, batched, scales_basis

    def write_out(self) -> _Value:
        """From now on it is a batch like others."""
        if self.scales_basis:
            items, shape = self.tensor.size, self.tensor.shape
            self.tensor = views.reshape(diagonals.diag(views.reshape(self.tensor, (items,))), (items, *shape))
            self.scales_basis = False
        return self


def alike(y: Tensor) -> Any:
    """Stands among the results of a batch rule for one that all examples have in common, of the shape of one."""
    return _Value(y, False)


class _Draws:
    """What generators give to a function while it is traced."""

    def __init__(self, randomness: str) -> None:
        self.different = randomness == "different"
        self._refused = randomness == "error"
        self.made: dict[Hashable, Tensor] = {}  # which keeps their names theirs

    def __call__(self, draw: Primitive, numbers: Tensor) -> None:
        if self._refused:
            raise TraceError(
                "vmap: the function draws random numbers; say randomness='different' for each example to have its own, "
                "or randomness='same' for all to have the same"
            )
        self.made[numbers._key] = numbers

    def check(self, equations: Sequence[_core.Equation]) -> None:
        """Numbers that are different must be those of the function itself: what runs by other rules shares them."""
        if self.different and not self.made.keys() <= {key for eq in equations for key in eq.results}:
            raise TraceError(
                "vmap: with randomness='different', numbers cannot be drawn inside of loops, rules of one's own and "
                "repeated runs; draw them outside of vmap, for all examples at once, and pass them in as an argument"
            )


def vmap(
    f: Callable[P, R], in_axes: Any = 0, out_axes: Any = 0, randomness: Literal["error", "different", "same"] = "error"
) -> Callable[P, R]:
    """Return ``f`` for batches: ``f`` is written for one example and runs once for all of them.

    Parameters
    ----------
    f : callable
        From Tensors, or nested lists, tuples and dicts of them, to the like; written for one example.
    in_axes : int, None, or a sequence with one entry per argument
        Where the arguments have their batch axis; None: the argument is the same for all examples. An entry for an
        argument that is a list, tuple or dict may itself be one, down to any depth. Keyword arguments have the batch
        as axis 0.
    out_axes : int, or nested as the result
        Where the results get it; None for results that are the same for all examples.
    randomness : {"error", "different", "same"}
        What to do where f draws random numbers (``ac.random``, ``nn.Dropout``), which takes one draw of the generator:
        refuse, as nobody knows what is meant; draw numbers for each example, but not in a loop, which is refused; or
        let all examples have the same.

    Returns
    -------
    callable
        Takes the batches and returns the results of all examples.

    Raises
    ------
    ShapeError
        If batch axes do not exist or differ in length, or nothing is batched.
    TraceError
        If f asks for a value (``if x > 0``, ``x.item()``; names the line), or changes a batched value's Tensor in
        place; or draws random numbers, unless ``randomness`` says which.
    ValueError
        If ``randomness`` is none of the three.

    Accuracy
    --------
    The bits of a loop over the examples, but for numbers that are drawn for each of them.

    Source
    ------
    The idea of batching rules is that of JAX (Bradbury et al., 2018).

    Examples
    --------
    Gradients of every example of a batch:

    >>> import alice_core as ac
    >>> w = ac.tensor([1.0, 2.0])
    >>> loss = lambda w, x: ac.square(w @ x)
    >>> ac.vmap(ac.grad(loss), in_axes=(None, 0))(w, ac.tensor([[1.0, 0.0], [1.0, 1.0]]))
    Tensor([[2., 0.],
            [6., 6.]], dtype=float32)

    Noise that is another for each example:

    >>> ac.random.seed(0)
    >>> ac.vmap(lambda x: x + ac.random.uniform(), randomness="different")(ac.zeros(3))
    Tensor([0.39904642, 0.97224116, 0.01944941], dtype=float32)
    """
    check_function("vmap", f)
    checked_choice("vmap", "randomness", randomness, ("error", "different", "same"))

    @functools.wraps(f, updated=())
    def batched(*args: P.args, **kwargs: P.kwargs) -> Any:
        for name in ("in_axes", "out_axes"):
            if name in kwargs and name not in inspect.signature(f).parameters:
                raise DTypeError(
                    f"vmap: {name} must be given to vmap itself; got it in a call of what vmap returned; write "
                    f"ac.vmap(f, {name}=…)(x)"
                )
        axes = in_axes if isinstance(in_axes, (list, tuple)) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise ShapeError(f"vmap: in_axes must have one entry per argument; expected {len(args)}, got {len(axes)}")
        leaves, structure = tree.flatten((args, kwargs))
        axis_of = _broadcast_prefix("in_axes", (tuple(axes), 0), structure)
        values = [_argument(x, axis) for x, axis in zip(leaves, axis_of, strict=True)]
        size = _batch_size([v for v in values if isinstance(v, _Value)])
        draws = _Draws(randomness)
        token = watcher.set(draws)
        try:
            trace = _trace(f, structure, values)
        finally:
            watcher.reset(token)
        draws.check(trace.equations)
        outputs = _run(trace, draws, size)
        axes_out = _broadcast_prefix("out_axes", out_axes, trace.structure)
        return trace.structure.unflatten(_result(y, axis, size) for y, axis in zip(outputs, axes_out, strict=True))

    return batched


def along_basis(f: Callable[[Tensor], Sequence[Tensor]], x: Tensor) -> list[Tensor]:
    """``f`` of every vector of the standard basis of x's space, along axis 0; x is not read.

    The basis is written out only where it meets a primitive without a basis rule.
    """
    trace = _trace(f, tree.structure(((x,), {})), [_Value(creation.ones_like(x), True, scales_basis=True)])
    return [_result(y, 0, x.size) for y in _run(trace)]


def batched_call(
    f: Callable[[list[Tensor]], Sequence[Tensor]], inputs: Sequence[Tensor], batched: Sequence[bool]
) -> list[tuple[Tensor, bool]]:
    """``f`` of a list for batches along axis 0 of the inputs marked True; and which of its results are batches."""
    values = [_Value(x, True) if marked else x for x, marked in zip(inputs, batched, strict=True)]
    trace = _trace(f, tree.structure(((list(inputs),), {})), values)
    return [(y.tensor, y.batched) for y in _run(trace)]


# -- arguments and results ---------------------------------------------------------------------------------------------


def _broadcast_prefix(name: str, axes: Any, structure: tree.TreeDef) -> list[int | None]:
    """One axis for every leaf; an axis for a list, tuple or dict goes for all of it."""
    found = structure.match(axes, f"vmap: {name} must have the structure of what it belongs to", True)
    return [None if axis is None else checked_int("vmap", name, axis) for axis in found]


def _argument(x: Any, axis: int | None) -> Any:
    if axis is None:
        return x
    t = asarray(x)
    if not -t.ndim <= axis < t.ndim:
        raise ShapeError(
            f"vmap: there is no axis {axis} for the batch in an argument of shape {t.shape}; say in_axes=None for what "
            f"all examples share"
        )
    return _Value(t if axis % t.ndim == 0 else views.moveaxis(t, axis, 0), True)


def _batch_size(values: Sequence[_Value]) -> int:
    sizes = sorted({v.tensor.shape[0] for v in values})
    if not sizes:
        raise ShapeError("vmap: nothing is batched; at least one argument must have an axis in in_axes")
    if len(sizes) > 1:
        raise ShapeError(f"vmap: batch axes must be equally long; got lengths {sizes}")
    return sizes[0]


def _result(y: _Value, axis: int | None, size: int) -> Tensor:
    if axis is None:
        if y.batched:
            raise ShapeError("vmap: out_axes is None for a result that depends on the batch; name an axis")
        return y.tensor
    t = y.tensor if y.batched else broadcasting.broadcast_to(y.tensor, (size, *y.tensor.shape))
    if not -t.ndim <= axis < t.ndim:
        raise ShapeError(f"vmap: there is no axis {axis} for the batch in a result of shape {t.shape[1:]}")
    return t if axis % t.ndim == 0 else views.moveaxis(t, 0, axis)


# -- the trace and its run ---------------------------------------------------------------------------------------------


class _Trace(NamedTuple):
    equations: list[_core.Equation]
    known: dict[Hashable, _Value]  # values of the arguments
    structure: tree.TreeDef  # of the result
    outputs: list[tuple[Hashable, Tensor]]  # names of the leaves of the result, and handles on them


def _trace(f: Callable[..., Any], arguments: tree.TreeDef, values: Sequence[Any]) -> _Trace:
    known: dict[Hashable, _Value] = {}
    session = _core.Session(isolated=True)
    with session:
        stand_ins = []
        for v in values:
            if isinstance(v, _Value):
                shape = v.tensor.shape if v.scales_basis else v.tensor.shape[1:]
                stand_ins.append(_core.abstract(list(shape), v.tensor.dtype))
                known[stand_ins[-1]._key] = v
            else:
                stand_ins.append(v)
        example_args, example_kwargs = arguments.unflatten(stand_ins)
        try:
            result = f(*example_args, **example_kwargs)
        except TraceError as error:
            locate(error)
            raise
        outputs = []
        leaves, structure = tree.flatten(result)
        for y in [result] if result is None else leaves:
            if not isinstance(y, (Tensor, bool, int, float)):
                raise GradientError(f"vmap: the function must return Tensors; got {type(y).__name__}")
            y = y if isinstance(y, Tensor) else asarray(y)
            outputs.append((y._key, y._root))
    if session.wrote_gradients:
        raise TraceError("vmap: the function changes .grad; use ac.grad inside, which returns gradients")
    return _Trace(list(session.equations), known, structure, outputs)


def _run(trace: _Trace, draws: _Draws | None = None, size: int = 0) -> list[_Value]:
    values = dict(trace.known)
    readers = Counter(key for key, _ in trace.outputs)  # still to come
    needed = []
    for eq in reversed(trace.equations):
        if eq.changed or any(key in readers for key in eq.results):
            needed.append((eq, eq.variables))
            readers.update(needed[-1][1])
    while needed:
        eq, keys = needed.pop()
        operands = [values.get(key) or _Value(x, False) for key, x in zip(keys, eq.operands, strict=True)]
        readers.subtract(keys)
        for key in keys:
            if not readers[key]:
                values.pop(key, None)
        with no_grad() if eq.is_muted else nullcontext():
            if draws and any(key in draws.made for key in eq.results):
                results = [_draw(eq, operands, size if draws.different else None)]
            else:
                results = _apply(eq, operands)
        for key, value in zip(eq.results, results, strict=False):  # none of an update
            if readers[key]:
                values[key] = value
    return [(values.get(key) or _Value(y, False)).write_out() for key, y in trace.outputs]


def _draw(eq: _core.Equation, operands: Sequence[_Value], size: int | None) -> _Value:
    """The numbers of a generator, for so many examples or for all the same; an enclosing vmap is told of them."""
    inputs, batched = [x.tensor for x in operands], [x.batched for x in operands]
    if size is None:
        return _Value(drawn(eq.primitive, *inputs, *eq.attributes), any(batched))
    return _Value(for_each[eq.primitive](size, batched, inputs, *eq.attributes), True)


def _apply(eq: _core.Equation, operands: list[_Value]) -> list[_Value]:
    p, attributes = eq.primitive, eq.attributes
    if not eq.changed and not isinstance(p, Primitive):  # a call of the engine itself: what it keeps for a second run
        p = primitives()[p.name]
    if any(x.scales_basis for x in operands):
        if p.basis_rule is not None and sum(x.batched for x in operands) == 1:
            at = next(i for i, x in enumerate(operands) if x.scales_basis)
            found = p.basis_rule(at, [x.tensor for x in operands], *attributes)
            if found is not None:
                return [_Value(found[0], True, scales_basis=found[1])]
        operands = [x.write_out() for x in operands]
    inputs = [x.tensor for x in operands]
    batched = tuple(x.batched for x in operands)
    if eq.changed:
        if any(batched):
            raise TraceError(
                f"vmap: {p.name} would change a Tensor in place by a value that differs between the examples; return "
                f"the value instead"
            )
        _core.update(p.name, inputs, attributes, eq.changed)
        return []
    if p.rerun_rule is not None:
        result = p.rerun_rule(batched, inputs)
    elif not any(batched):
        result = rerun(p, inputs, attributes)
    elif p.batch_rule is None:
        raise TraceError(f"{p.name}: no batch rule is defined, so ac.vmap cannot run it; see Primitive.defbatch")
    else:
        result = p.batch_rule(batched, inputs, *attributes)
    results = result if isinstance(result, tuple) else (result,)
    return [y if isinstance(y, _Value) else _Value(y, any(batched)) for y in results]
