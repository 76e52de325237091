"""Checks of derivatives, for our tests and for yours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import tree
from .checks import known_values
from .tensors import Tensor, tensor
from .transforms import jvp, vjp

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
        Also check the derivatives of the derivatives, up to this order, in every order of the modes.
    modes : sequence of str
        ``"rev"``: vector-Jacobian products; ``"fwd"``: Jacobian-vector products.
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
        Naming the modes, the order and both numbers. NaN never passes.
    ValueError
        If a mode has another name.

    Source
    ------
    Notes, section 6.1 (numerical differentiation), with erratum E-37.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.testing.check_grads(ac.tanh, [[0.3, -0.2]], order=2)
    """
    if unknown := set(modes) - set(_MODES):
        raise ValueError(f"check_grads: modes must be among {tuple(_MODES)}; got {sorted(unknown)}")
    points = [tensor(known_values(x), dtype=np.float64) for x in xs]
    _check(f, points, order, tuple(modes), (), _Tolerance(atol, rtol, step), np.random.default_rng(seed))


class _Tolerance(NamedTuple):
    atol: float
    rtol: float
    step: float

    def of_next_order(self) -> _Tolerance:
        return self._replace(atol=10 * self.atol, rtol=10 * self.rtol)


class _Derivative(NamedTuple):
    name: str  # of the mode
    product: str
    exact: float  # along the directions, weighed
    function: Callable[..., Any]  # of the same point, for the next order


def _check(
    f: Callable[..., Any],
    xs: list[Tensor],
    order: int,
    modes: tuple[str, ...],
    path: tuple[str, ...],
    tolerance: _Tolerance,
    rng: np.random.Generator,
) -> None:
    """Every mode of f, and every mode of what each of them gives. ``path`` names the modes that have led here."""
    weights = [tensor(rng.standard_normal(y.shape)) for y in tree.leaves(f(*xs))]
    directions = [tensor(rng.standard_normal(x.shape)) for x in xs]

    def along(t: float) -> float:
        moved = [tensor(x.numpy() + t * d.numpy()) for x, d in zip(xs, directions, strict=True)]
        return _inner(weights, tree.leaves(f(*moved)))

    step = tolerance.step
    numerical = (along(step) - along(-step)) / (2.0 * step)
    for mode in modes:
        found = _MODES[mode](f, xs, weights, directions)
        here = (found.name, *path)
        if not abs(found.exact - numerical) <= tolerance.atol + tolerance.rtol * abs(numerical):
            raise AssertionError(
                f"check_grads: {' of '.join(here)} mode, order {len(here)}: the {found.product} gives "
                f"{found.exact!r}, central differences {numerical!r}"
            )
        if order > 1:
            _check(found.function, xs, order - 1, modes, here, tolerance.of_next_order(), rng)


def _reverse(f: Callable[..., Any], xs: list[Tensor], weights: list[Tensor], directions: list[Tensor]) -> _Derivative:
    def pulled(*points: Tensor) -> Any:
        y, pullback = vjp(f, *points)
        return pullback(tree.structure(y).unflatten(weights))

    return _Derivative("reverse", "VJP", _inner(pulled(*xs), directions), pulled)


def _forward(f: Callable[..., Any], xs: list[Tensor], weights: list[Tensor], directions: list[Tensor]) -> _Derivative:
    def pushed(*points: Tensor) -> Any:
        return jvp(f, points, tuple(directions))[1]

    return _Derivative("forward", "JVP", _inner(tree.leaves(pushed(*xs)), weights), pushed)


_MODES = {"rev": _reverse, "fwd": _forward}


def _inner(a: Iterable[Tensor], b: Iterable[Tensor]) -> float:
    return sum(float(np.vdot(x.numpy(), y.numpy())) for x, y in zip(a, b, strict=True))
