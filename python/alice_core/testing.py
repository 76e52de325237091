"""Checks of derivatives, for our tests and for yours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import tree
from .tensor import Tensor, tensor
from .transforms.grad import vjp

__all__ = ["check_grads"]


def check_grads(
    f: Callable[..., Any],
    xs: Sequence[Any],
    order: int = 1,
    modes: Sequence[str] = ("rev",),
    *,
    atol: float = 1e-6,
    rtol: float = 1e-6,
    step: float = 1e-6,
    seed: int = 0,
) -> None:
    """Compare the derivatives of ``f`` with central differences in random directions, in float64.

    Parameters
    ----------
    f : callable
        From floating Tensors to a Tensor or a nested structure of them.
    xs : sequence of array-like
        The point; away from kinks by more than ``step``.
    order : int
        Also check the derivatives of the derivatives, up to this order.
    modes : sequence of str
        ``"rev"``: vector-Jacobian products.
    atol, rtol : float
        The check passes if ``|exact - numerical| <= atol + rtol * |numerical|``; each order beyond the first allows
        ten times as much.
    step : float
        Step of the differences.
    seed : int
        Seed of the random directions.

    Raises
    ------
    AssertionError
        Naming the order and both numbers. NaN never passes.

    Source
    ------
    Notes, section 6.1 (numerical differentiation), with erratum E-37.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.testing.check_grads(ac.tanh, [[0.3, -0.2]], order=2)
    """
    if unknown := set(modes) - {"rev"}:
        raise ValueError(f"check_grads: modes must be among ('rev',); got {sorted(unknown)}")
    points = [tensor(np.array(x.numpy() if isinstance(x, Tensor) else x, dtype=np.float64)) for x in xs]
    rng = np.random.default_rng(seed)
    _check_rev(f, points, order, 1, rng, atol, rtol, step)


def _check_rev(
    f: Callable[..., Any],
    xs: list[Tensor],
    order: int,
    level: int,
    rng: np.random.Generator,
    atol: float,
    rtol: float,
    step: float,
) -> None:
    y, pullback = vjp(f, *xs)
    outputs = list(tree.leaves(y))
    weights = [tensor(rng.standard_normal(o.shape)) for o in outputs]
    directions = [rng.standard_normal(x.shape) for x in xs]
    cotangents = pullback(tree.rebuild(y, iter(weights)))
    exact = sum(float(np.vdot(ct.numpy(), d)) for ct, d in zip(cotangents, directions, strict=True))

    def along(t: float) -> float:
        moved = [tensor(x.numpy() + t * d) for x, d in zip(xs, directions, strict=True)]
        results = tree.leaves(f(*moved))
        return sum(float(np.vdot(w.numpy(), r.numpy())) for w, r in zip(weights, results, strict=True))

    numerical = (along(step) - along(-step)) / (2.0 * step)
    if not abs(exact - numerical) <= atol + rtol * abs(numerical):
        raise AssertionError(
            f"check_grads: reverse mode, order {level}: the VJP gives {exact!r}, central differences {numerical!r}"
        )
    if order > 1:

        def pulled(*points: Tensor) -> Any:
            value, back = vjp(f, *points)
            return back(tree.rebuild(value, iter(weights)))

        _check_rev(pulled, xs, order - 1, level + 1, rng, 10 * atol, 10 * rtol, step)
