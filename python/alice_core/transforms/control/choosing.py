"""switch as a primitive: one of several bodies runs, as a number says that is known only then.

The way back of reverse mode runs the branch once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ops import creation, indexing, selection
from ...primitive import Primitive
from ...tensors import Tensor
from ..reverse import vjp
from .bodies import Body, closed, floating, run, run_moved
from .derivatives import pushed
from .scanning import chosen, in_batches

__all__ = ["switched"]

_switch = Primitive("switch")


def switched(index: Tensor, branches: Sequence[Body], operands: Sequence[Tensor]) -> list[Tensor]:
    """The results of the branch of that number, an int64 Tensor; all take the same operands."""
    given = _switch(index, *operands, tuple(branch.native() for branch in branches))
    return list(given) if isinstance(given, tuple) else [given]


def _results(given: list[Any]) -> Any:
    return tuple(given) if len(given) != 1 else given[0]


def _pull(g: Any, ans: Any, inputs: Sequence[Tensor], natives: Any) -> list[Tensor | None]:
    branches: list[Body] = [native.meaning for native in natives]
    index, operands = inputs[0], inputs[1:]
    n, types = len(operands), branches[0].types
    asked = [i for i, f in enumerate(floating(types)) if f]
    given = [k for k, f in enumerate(floating(branches[0].output_types)) if f]
    if not asked or not given:
        return [None] * len(inputs)
    cotangents = [y for y in (g if isinstance(g, tuple) else (g,)) if y.dtype.kind == "f"]

    def backwards(branch: Body) -> Body:
        def pull(xs: list[Tensor]) -> list[Tensor]:
            def of_asked(moving: list[Tensor]) -> list[Tensor]:
                made = run_moved(branch, xs[:n], asked, moving)
                return [made[k] for k in given]

            _, pullback = vjp(of_asked, [xs[i] for i in asked])
            return list(pullback(list(xs[n:]))[0])

        return closed("switch", pull, [*types, *(branches[0].output_types[k] for k in given)])

    found = switched(index, [backwards(branch) for branch in branches], [*operands, *cotangents])
    gradients: list[Tensor | None] = [None] * len(inputs)
    for i, x in zip(asked, found, strict=True):
        gradients[1 + i] = x
    return gradients


_switch.defvjp_all(_pull)


def _push(tangents: Sequence[Tensor | None], ans: Any, inputs: Sequence[Tensor], natives: Any) -> Any:
    branches: list[Body] = [native.meaning for native in natives]
    operands, moved = inputs[1:], tangents[1:]
    moving = [f and t is not None for f, t in zip(floating(branches[0].types), moved, strict=True)]
    n_out, results = len(branches[0].outputs), [k for k, f in enumerate(floating(branches[0].output_types)) if f]
    n = len(operands) + sum(moving)
    both = [pushed(branch, moving).arranged(range(n), range(n_out, n_out + len(results))) for branch in branches]
    found: list[Tensor | None] = [None] * n_out
    if results:
        given = switched(
            inputs[0],
            both,
            [*operands, *(t for t, moves in zip(moved, moving, strict=True) if moves and t is not None)],
        )
        for k, t in zip(results, given, strict=True):
            found[k] = t
    return _results(found)


_switch.defjvp_all(_push)


def _batched(batched: Sequence[bool], inputs: Sequence[Tensor], natives: Any) -> Any:
    """Where the number differs between the examples, all branches run, and each example takes what it wants."""
    branches: list[Body] = [native.meaning for native in natives]
    size = next(x.shape[0] for x, marked in zip(inputs, batched, strict=True) if marked)
    every = range(len(branches[0].outputs))
    together = [in_batches(branch, batched[1:], size, every)[0] for branch in branches]
    if not batched[0]:
        return _results(switched(inputs[0], together, inputs[1:]))
    made = [run(branch, inputs[1:]) for branch in together]
    index = _checked(inputs[0], len(branches))
    found = made[-1]
    for number, given in enumerate(made[:-1]):
        found = [chosen(index == number, y, others) for y, others in zip(given, found, strict=True)]
    return _results(found)


_switch.defbatch(_batched)


def _checked(index: Tensor, n: int) -> Tensor:
    """The numbers, each of which must be that of a branch: take refuses others."""
    return indexing.take(creation.arange(n, dtype=index.dtype), selection.where(index < 0, n, index))
