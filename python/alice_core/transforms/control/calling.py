"""call as a primitive: a body that runs once, as one native program, and whose derivatives are bodies, too."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any

from ... import _core
from ...primitive import Primitive
from ...tensors import Tensor
from ..rerunning import calls_by
from ..reverse import stop_gradient
from .bodies import Body, derived, floating
from .derivatives import Pair, differentiated, is_zero, pushed
from .scanning import in_batches

__all__ = ["called"]

_call = Primitive("call")
_tangents: OrderedDict[Hashable, Body] = OrderedDict()
_batches: OrderedDict[Hashable, Body] = OrderedDict()
_followed: OrderedDict[Hashable, list[bool]] = OrderedDict()


def called(body: Body, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The results of the body. What its gradient reads is kept, if somebody follows the inputs."""
    wanted = [x.is_tracked for x in inputs]
    if not any(wanted):
        return _bind(body, inputs)
    pair = differentiated(body, 0, 0, wanted, repeats=False)
    results = _bind(pair.there, inputs)[: len(body.outputs)]
    moving = _moving(body, wanted)
    if not all(moving):  # forward mode may follow others
        moving = _moving(body, [_core.is_followed([x]) for x in inputs])
    return [y if moves else stop_gradient(y) for y, moves in zip(results, moving, strict=True)]


def _moving(body: Body, wanted: Sequence[bool]) -> list[bool]:
    """Which results have a derivative by the inputs that are wanted; the others are constants, as without the call."""

    def follow() -> list[bool]:
        moving = {i for i, wants in enumerate(wanted) if wants}
        for call in body.calls:
            if (
                not call.muted
                and call.primitive.differentiable
                and any(x in moving for x in call.operands if isinstance(x, int))
            ):
                moving.update(call.results)
        return [y in moving and kind[1].kind == "f" for y, kind in zip(body.outputs, body.output_types, strict=True)]

    return derived(body, _followed, tuple(wanted), follow, lambda _: [])


def _bind(body: Body, inputs: Sequence[Tensor]) -> list[Tensor]:
    given = _call(*inputs, body.natives)
    return list(given) if isinstance(given, tuple) else [given]


def _result(given: list[Any]) -> Any:
    return tuple(given) if len(given) != 1 else given[0]


def _rerun(operands: Sequence[Tensor], attributes: Sequence[Any]) -> Any:
    return _result(called(attributes[0][0].meaning, operands))


calls_by(_call, _rerun)


def _pull(g: Any, ans: Any, inputs: Sequence[Tensor], natives: Any) -> list[Tensor | None]:
    body: Body = natives[0].meaning
    cotangents, results = (list(x) if isinstance(x, tuple) else [x] for x in (g, ans))
    pair, n_out = body.pair, len(body.outputs)
    if pair is not None:  # its results are those of a body, then what was kept
        n_own = n_out - pair.kept
        if all(map(is_zero, cotangents[n_own:])):
            return _back(pair, inputs, cotangents[:n_own], results[n_own:])
    # Somebody differentiates what was kept, or nobody knew that reverse mode would follow: it is done once more.
    pair = differentiated(body, 0, 0, [True] * len(inputs), repeats=False)
    return _back(pair, inputs, cotangents, _bind(pair.there, inputs)[n_out:])


def _back(
    pair: Pair, inputs: Sequence[Tensor], cotangents: Sequence[Tensor], kept: Sequence[Tensor]
) -> list[Tensor | None]:
    """The cotangents of the inputs."""
    given = [*(y for y in cotangents if y.dtype.kind == "f"), *kept, *(inputs[i] for i in pair.items)]
    gradients: list[Tensor | None] = [None] * len(inputs)
    for i, x in zip(pair.moved, called(pair.back, given), strict=True):
        gradients[i] = x
    return gradients


_call.defvjp_all(_pull)


def _push(tangents: Sequence[Tensor | None], ans: Any, inputs: Sequence[Tensor], natives: Any) -> Any:
    body: Body = natives[0].meaning
    moving = [f and t is not None for f, t in zip(floating(body.types), tangents, strict=True)]
    n, n_out = len(inputs) + sum(moving), len(body.outputs)
    results = [k for k, f in enumerate(floating(body.output_types)) if f]
    found: list[Tensor | None] = [None] * n_out
    if results:
        tangents_alone = range(n_out, n_out + len(results))
        alone = derived(
            body,
            _tangents,
            tuple(moving),
            lambda: pushed(body, moving).arranged(range(n), tangents_alone),
            lambda made: [made],
        )
        moved = [t for t, moves in zip(tangents, moving, strict=True) if moves and t is not None]
        depends = _moving(body, moving)
        for k, t in zip(results, called(alone, [*inputs, *moved]), strict=True):
            found[k] = t if depends[k] else None
    return _result(found)


_call.defjvp_all(_push)


def _batched(batched: Sequence[bool], inputs: Sequence[Tensor], natives: Any) -> Any:
    body: Body = natives[0].meaning
    size = next(x.shape[0] for x, marked in zip(inputs, batched, strict=True) if marked)
    together = derived(
        body,
        _batches,
        (size, tuple(batched)),
        lambda: in_batches(body, batched, size, range(len(body.outputs)))[0],
        lambda made: [made],
    )
    return _result(called(together, inputs))


_call.defbatch(_batched)
