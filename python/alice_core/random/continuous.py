"""Draws from continuous distributions.

Their parameters may be Tensors, by which the numbers are differentiable: each is a smooth function of the parameters
and of something that does not depend on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import checked_positive
from ..errors import GradientError
from ..ops.arithmetic import strong_mul
from ..ops.broadcasting import broadcast_to
from ..ops.exponential import exp, log, log1p
from ..ops.logistic import sigmoid
from ..ops.powers import sqrt
from ..ops.selection import maximum
from ..ops.trigonometric import cos
from ..ops.views import reshape
from ..primitive import Primitive
from ..tensors import Tensor, asarray, float32, float64
from .source import Source, _are, _floating, _of_each, _refuse_batch

if TYPE_CHECKING:
    from ..tensors import DTypeLike, TensorLike

__all__ = ["Continuous"]

_log_gamma = Primitive("random_log_gamma", saves=(1, "ans"))
_slope = Primitive("gamma_slope", saves=(0, 1))


def _slope_of_slope(g: Tensor, which: int, x: Tensor, alpha: Tensor, by: int) -> Tensor:
    if which != 0:
        raise GradientError(
            "gamma: expected at most second derivatives with respect to its shape; got a third one; draw the number "
            "outside of what is differentiated"
        )
    result: Tensor = strong_mul(g, _slope(x, alpha, by))
    return result


# Implicit differentiation: the quantile that a number stands for does not change with alpha.
_log_gamma.defvjp(None, lambda g, ans, state, alpha, period: strong_mul(g, _slope(ans, alpha, 0)))
_log_gamma.defjvp(None, lambda t, ans, state, alpha, period: strong_mul(t, _slope(ans, alpha, 0)))
_slope.defvjp(
    lambda g, ans, x, alpha, which: _slope_of_slope(g, which, x, alpha, 1),
    lambda g, ans, x, alpha, which: _slope_of_slope(g, which, x, alpha, 2),
)
_slope.defjvp(
    lambda t, ans, x, alpha, which: _slope_of_slope(t, which, x, alpha, 1),
    lambda t, ans, x, alpha, which: _slope_of_slope(t, which, x, alpha, 2),
)


def _batched_parameter(draw: Primitive, batched: Sequence[bool], inputs: Sequence[Tensor], period: int) -> Any:
    """One state for all examples, each of which has parameters of its own: they draw from the same streams."""
    if batched[0]:
        return _refuse_batch(draw.name, batched, inputs)
    return draw(*inputs, period)


def _batched_slope(batched: Sequence[bool], inputs: Sequence[Tensor], which: int) -> Any:
    x, alpha = (a if b else reshape(a, (1, *a.shape)) for b, a in zip(batched, inputs, strict=True))
    shape = np.broadcast_shapes(x.shape, alpha.shape)
    return _slope(broadcast_to(x, shape), broadcast_to(alpha, shape), which)


_log_gamma.defbatch(lambda batched, inputs, period: _batched_parameter(_log_gamma, batched, inputs, period))
_slope.defbatch(_batched_slope)


class Continuous(Source):
    """The continuous distributions of a generator."""

    def uniform(
        self,
        shape: int | Sequence[int] | None = None,
        low: TensorLike = 0.0,
        high: TensorLike = 1.0,
        dtype: DTypeLike | None = None,
    ) -> Tensor:
        """Uniform numbers in [low, high): ``low + (high - low) * u`` with u as :func:`unit` gives it.

        Parameters
        ----------
        shape : int or tuple of int, optional
            Without one, that of ``low`` and ``high`` together: a number for every element.
        low, high : float or Tensor that broadcasts to the shape
            Rounding may turn the largest results into ``high``, unless they are 0 and 1.
        dtype : floating dtype, optional

        Returns
        -------
        Tensor, shape ``shape``

        Raises
        ------
        ShapeError, DTypeError
            If the shape is none, a parameter does not broadcast to it, or the dtype is not floating.
        """
        extents, (start, end) = _of_each("uniform", shape, low=low, high=high)
        u = self._draw(extents, _floating("uniform", dtype))
        result: Tensor = u if _are(0, 1, start, end) else start + (end - start) * u
        return result

    def normal(
        self,
        shape: int | Sequence[int] | None = None,
        mean: TensorLike = 0.0,
        std: TensorLike = 1.0,
        dtype: DTypeLike | None = None,
    ) -> Tensor:
        """Normal numbers, by the transform of Box and Muller: ``sqrt(-2 log(1 - u)) cos(2 pi v)`` of uniform u, v.

        Parameters
        ----------
        shape : int or tuple of int, optional
            Without one, that of ``mean`` and ``std`` together: a number for every element.
        mean, std : float or Tensor that broadcasts to the shape
        dtype : floating dtype, optional

        Returns
        -------
        Tensor, shape ``shape``
            At most 5.8 (float32) or 8.6 (float64) standard deviations from the mean.

        Raises
        ------
        ShapeError, DTypeError
            If the shape is none, a parameter does not broadcast to it, or the dtype is not floating.

        Source
        ------
        Box, Muller, "A note on the generation of random normal deviates", 1958.
        """
        extents, (centre, width) = _of_each("normal", shape, mean=mean, std=std)
        u = self._draw((2, *extents), _floating("normal", dtype))
        z = sqrt(-2.0 * log1p(-u[0])) * cos((2.0 * math.pi) * u[1])
        result: Tensor = z if _are(0, 1, centre, width) else centre + width * z
        return result

    def exponential(
        self, shape: int | Sequence[int] | None = None, scale: TensorLike = 1.0, dtype: DTypeLike | None = None
    ) -> Tensor:
        """Exponential numbers: ``-scale * log(1 - u)`` of uniform u.

        Parameters
        ----------
        shape : int or tuple of int, optional
            Without one, that of ``scale``: a number for every element.
        scale : float or Tensor that broadcasts to the shape
            The mean.
        dtype : floating dtype, optional

        Returns
        -------
        Tensor, shape ``shape``
            At most 16.6 (float32) or 36.7 (float64) times the mean.

        Raises
        ------
        ShapeError, DTypeError
            If the shape is none, a parameter does not broadcast to it, or the dtype is not floating.
        """
        extents, (mean,) = _of_each("exponential", shape, scale=scale)
        u = self._draw(extents, _floating("exponential", dtype))
        result: Tensor = mean * -log1p(-u)
        return result

    def gumbel(
        self,
        shape: int | Sequence[int] | None = None,
        loc: TensorLike = 0.0,
        scale: TensorLike = 1.0,
        dtype: DTypeLike | None = None,
    ) -> Tensor:
        """Gumbel numbers: ``loc - scale * log(e)`` of exponential e.

        Parameters
        ----------
        shape : int or tuple of int, optional
            Without one, that of ``loc`` and ``scale`` together: a number for every element.
        loc, scale : float or Tensor that broadcasts to the shape
        dtype : floating dtype, optional

        Returns
        -------
        Tensor, shape ``shape``

        Raises
        ------
        ShapeError, DTypeError
            If the shape is none, a parameter does not broadcast to it, or the dtype is not floating.
        """
        extents, (centre, width) = _of_each("gumbel", shape, loc=loc, scale=scale)
        wanted = _floating("gumbel", dtype)
        least = 2.0**-25 if wanted == float32 else 2.0**-54  # the middle of the step that begins at 0
        e = -log1p(-maximum(self._draw(extents, wanted), least))
        z = -log(e)
        result: Tensor = z if _are(0, 1, centre, width) else centre + width * z
        return result

    def _log_gamma(self, op: str, extents: tuple[int, ...], name: str, alpha: Any) -> Tensor:
        """In float64, whatever the dtype of the result."""
        alpha = asarray(checked_positive(op, name, alpha), dtype=float64)
        return self._take(_log_gamma, broadcast_to(alpha, extents), math.prod(extents))

    def gamma(
        self,
        shape: int | Sequence[int] | None = None,
        alpha: TensorLike = 1.0,
        scale: TensorLike = 1.0,
        dtype: DTypeLike | None = None,
    ) -> Tensor:
        """Gamma numbers of the density ``x**(alpha - 1) * exp(-x / scale)``, up to a factor.

        Parameters
        ----------
        shape : int or tuple of int, optional
            Without one, that of ``alpha`` and ``scale`` together: a number for every element.
        alpha : float or Tensor that broadcasts to the shape
            Positive; what SciPy calls the shape of the distribution.
        scale : float or Tensor that broadcasts to the shape
        dtype : floating dtype, optional

        Returns
        -------
        Tensor, shape ``shape``
            NaN where a compiled function finds an alpha that is negative.

        Gradient
        --------
        With respect to alpha by implicit differentiation, up to second derivatives: the quantile of a number stays.

        Raises
        ------
        ValueError
            If alpha is not positive.
        ShapeError, DTypeError
            If the shape is none, a parameter does not broadcast to it, or the dtype is not floating.

        Source
        ------
        Marsaglia, Tsang, "A simple method for generating gamma variables", 2000; Figurnov, Mohamed, Mnih, "Implicit
        reparameterization gradients", 2018.
        """
        extents, (form, width) = _of_each("gamma", shape, alpha=alpha, scale=scale)
        wanted = _floating("gamma", dtype)
        x = exp(self._log_gamma("gamma", extents, "alpha", form)).astype(wanted)
        result: Tensor = x if not isinstance(width, Tensor) and width == 1 else width * x
        return result

    def beta(
        self,
        shape: int | Sequence[int] | None = None,
        a: TensorLike = 1.0,
        b: TensorLike = 1.0,
        dtype: DTypeLike | None = None,
    ) -> Tensor:
        """Beta numbers of the density ``x**(a - 1) * (1 - x)**(b - 1)``, up to a factor: ``g / (g + h)`` of gamma
        numbers g and h.

        Parameters
        ----------
        shape : int or tuple of int, optional
            Without one, that of ``a`` and ``b`` together: a number for every element.
        a, b : float or Tensor that broadcasts to the shape
            Positive.
        dtype : floating dtype, optional

        Returns
        -------
        Tensor, shape ``shape``
            From 0 to 1; NaN where a compiled function finds parameters that are negative.

        Gradient
        --------
        As that of :meth:`gamma`.

        Raises
        ------
        ValueError
            If a or b is not positive.
        ShapeError, DTypeError
            If the shape is none, a parameter does not broadcast to it, or the dtype is not floating.
        """
        extents, (first, second) = _of_each("beta", shape, a=a, b=b)
        wanted = _floating("beta", dtype)
        # By logarithms: both numbers may be too small to be told from 0.
        g, h = self._log_gamma("beta", extents, "a", first), self._log_gamma("beta", extents, "b", second)
        result: Tensor = sigmoid(g - h).astype(wanted)
        return result
