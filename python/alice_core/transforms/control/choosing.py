"""switch and call as primitives: a body that runs once, one of several or just one.

Which one switch runs is said by a number that is known only then; its way back runs the branch once more. call is what
a compiled function is where somebody differentiates it; it keeps what its gradient reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ... import _core
from ...ops import creation, indexing, selection
from ...primitive import Primitive
from ...tensors import Tensor
from ..rerunning import calls_by
from ..reverse import stop_gradient, vjp
from .bodies import Body, closed, derived, floating, run, run_moved
from .derivatives import Pair, differentiated, moves_by, moving_results, pushed
from .scanning import chosen, in_batches

__all__ = ["called", "switched"]

_switch = Primitive("switch")
_call = Primitive("call")


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


def _moves_through(attributes: Sequence[Any], marks: list[bool]) -> list[bool]:
    branches = [moving_results(native.meaning, marks[1:]) for native in attributes[0]]
    return [any(moves) for moves in zip(*branches, strict=True)]


moves_by(_switch, _moves_through)


def _push(tangents: Sequence[Tensor | None], ans: Any, inputs: Sequence[Tensor], natives: Any) -> Any:
    branches: list[Body] = [native.meaning for native in natives]
    found = _pushed(branches, inputs[1:], tangents[1:], lambda both, given: switched(inputs[0], both, given))
    return _results(found)


def _pushed(
    branches: Sequence[Body],
    operands: Sequence[Tensor],
    tangents: Sequence[Tensor | None],
    run: Callable[[list[Body], list[Tensor]], list[Tensor]],
) -> list[Tensor | None]:
    """The tangents of the results. ``run`` runs bodies that take tangents behind the operands, and give them alone."""
    moving = _moves(branches[0], tangents)
    n, n_out = len(operands) + sum(moving), len(branches[0].outputs)
    results = [k for k, f in enumerate(floating(branches[0].output_types)) if f]
    found: list[Tensor | None] = [None] * n_out
    if not results:
        return found

    def alone(branch: Body) -> Body:
        def make() -> Body:
            return pushed(branch, moving).arranged(range(n), range(n_out, n_out + len(results)))

        return derived(branch, "tangents", tuple(moving), make, lambda made: [made])

    moved = [t for t, moves in zip(tangents, moving, strict=True) if moves and t is not None]
    for k, t in zip(results, run([alone(branch) for branch in branches], [*operands, *moved]), strict=True):
        found[k] = t
    return found


def _moves(body: Body, tangents: Sequence[Tensor | None]) -> list[bool]:
    return [f and t is not None for f, t in zip(floating(body.types), tangents, strict=True)]


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


# -- call ------------------------------------------------------------------------------------------------------------


def called(body: Body, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The results of the body. What its gradient reads is kept, if somebody follows the inputs."""
    wanted = [x.is_tracked for x in inputs]
    if not any(wanted):
        return _bind_call(body, inputs)
    pair = differentiated(body, 0, 0, wanted, repeats=False)
    results = _bind_call(pair.there, inputs)[: len(body.outputs)]
    moving = moving_results(body, wanted)
    if not all(moving):  # forward mode may follow others
        moving = moving_results(body, [_core.is_followed([x]) for x in inputs])
    return [y if moves else stop_gradient(y) for y, moves in zip(results, moving, strict=True)]


def _bind_call(body: Body, inputs: Sequence[Tensor]) -> list[Tensor]:
    given = _call(*inputs, body.natives)
    return list(given) if isinstance(given, tuple) else [given]


def _rerun_call(operands: Sequence[Tensor], attributes: Sequence[Any]) -> Any:
    return _results(called(attributes[0][0].meaning, operands))


calls_by(_call, _rerun_call)
moves_by(_call, lambda attributes, marks: moving_results(attributes[0][0].meaning, marks))


def _pull_call(g: Any, ans: Any, inputs: Sequence[Tensor], natives: Any) -> list[Tensor | None]:
    body: Body = natives[0].meaning
    cotangents, results = (list(x) if isinstance(x, tuple) else [x] for x in (g, ans))
    pair, n_out = body.pair, len(body.outputs)
    if pair is not None:  # its results are those of a body, then what was kept
        n_own = n_out - pair.kept
        if all(map(creation.is_zero, cotangents[n_own:])):
            return _back_through(pair, inputs, cotangents[:n_own], results[n_own:])
    # Somebody differentiates what was kept, or nobody knew that reverse mode would follow: it is done once more.
    pair = differentiated(body, 0, 0, [True] * len(inputs), repeats=False)
    return _back_through(pair, inputs, cotangents, _bind_call(pair.there, inputs)[n_out:])


def _back_through(
    pair: Pair, inputs: Sequence[Tensor], cotangents: Sequence[Tensor], kept: Sequence[Tensor]
) -> list[Tensor | None]:
    """The cotangents of the inputs."""
    given = [*(y for y in cotangents if y.dtype.kind == "f"), *kept, *(inputs[i] for i in pair.items)]
    gradients: list[Tensor | None] = [None] * len(inputs)
    for i, x in zip(pair.moved, called(pair.back, given), strict=True):
        gradients[i] = x
    return gradients


_call.defvjp_all(_pull_call)


def _push_call(tangents: Sequence[Tensor | None], ans: Any, inputs: Sequence[Tensor], natives: Any) -> Any:
    body: Body = natives[0].meaning
    found = _pushed([body], inputs, tangents, lambda alone, given: called(alone[0], given))
    depends = moving_results(body, _moves(body, tangents))
    return _results([t if moves else None for t, moves in zip(found, depends, strict=True)])


_call.defjvp_all(_push_call)


def _batch_call(batched: Sequence[bool], inputs: Sequence[Tensor], natives: Any) -> Any:
    body: Body = natives[0].meaning
    size = next(x.shape[0] for x, marked in zip(inputs, batched, strict=True) if marked)
    together = derived(
        body,
        "batch",
        (size, tuple(batched)),
        lambda: in_batches(body, batched, size, range(len(body.outputs)))[0],
        lambda made: [made],
    )
    return _results(called(together, inputs))


_call.defbatch(_batch_call)
