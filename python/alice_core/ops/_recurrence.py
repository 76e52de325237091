"""The recurrence that derivatives of running products, extremes and logarithms of sums are made of, and its own."""

from __future__ import annotations

from typing import Any

from ..primitive import Primitive
from ..tensors import Tensor
from . import arithmetic as _arithmetic
from . import joining as _joining
from . import views as _views
from ._reducing import along_axis

__all__ = ["affine_scan", "shifted"]

# affine_scan(a, b, axis, backwards): y[k] = a[k] y[k - 1] + b[k], or from the end y[k] = a[k] y[k + 1] + b[k]. A carry
# of exactly 0 stays 0.
_affine_scan = Primitive("affine_scan", saves=(0, "ans"))


def shifted(x: Tensor, axis: int, step: int, fill: Any) -> Tensor:
    """x moved along an axis by one place, to the end (step 1) or to the front (-1)."""
    n, axis = x.shape[axis], axis % x.ndim
    if n == 0:
        return x
    before, after = [0] * x.ndim, [0] * x.ndim
    (before if step > 0 else after)[axis] = 1
    return _joining._pad(_views._section(x, axis, int(step < 0), n - 1), tuple(before), tuple(after), fill)


def _by_b(g: Tensor, ans: Tensor, a: Tensor, b: Tensor, axis: int, backwards: bool) -> Tensor:
    """The cotangent runs the other way: r[k] = g[k] + a[k + 1] r[k + 1]."""
    return _affine_scan(shifted(a, axis, 1 if backwards else -1, 0), g, axis, not backwards)


def _by_a(g: Tensor, ans: Tensor, a: Tensor, b: Tensor, axis: int, backwards: bool) -> Tensor:
    return _arithmetic.strong_mul(_by_b(g, ans, a, b, axis, backwards), _before(ans, axis, backwards))


def _before(y: Tensor, axis: int, backwards: bool) -> Tensor:
    return shifted(y, axis, -1 if backwards else 1, 0)


_affine_scan.defvjp(_by_a, _by_b)
_affine_scan.defjvp(
    lambda t, ans, a, b, axis, backwards: _affine_scan(
        a, _arithmetic.strong_mul(t, _before(ans, axis, backwards)), axis, backwards
    ),
    lambda t, ans, a, b, axis, backwards: _affine_scan(a, t, axis, backwards),
)
along_axis(_affine_scan)


def affine_scan(a: Tensor, b: Tensor, axis: int, backwards: bool) -> Tensor:
    """``y[k] = a[k] y[k - 1] + b[k]`` along an axis, from its first item or from its last; an empty carry is 0."""
    return _affine_scan(a, b, axis, backwards)
