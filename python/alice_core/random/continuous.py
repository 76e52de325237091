"""Draws from continuous distributions.

Their parameters may be Tensors, by which the numbers are differentiable: each is a smooth function of the parameters
and of something that does not depend on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import checked_positive, known_values, shown
from ..errors import GradientError, ShapeError
from ..ops import extremes
from ..ops.arithmetic import strong_mul
from ..ops.broadcasting import broadcast_to
from ..ops.creation import _shape
from ..ops.exponential import erfc, exp, log, log1p
from ..ops.linalg import matmul
from ..ops.logistic import sigmoid
from ..ops.powers import sqrt
from ..ops.selection import clip, maximum, where
from ..ops.trigonometric import cos
from ..ops.views import reshape, swapaxes
from ..primitive import Primitive
from ..special.gaussian import ndtri
from ..tensors import Tensor, asarray, float32, float64
from .source import (
    Source,
    _are,
    _floating,
    _joined,
    _known,
    _not_negative,
    _of_each,
    _or_nan,
    _refuse_batch,
    drawn,
    for_each,
)

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


def _parameter_for_each(draw: Primitive) -> Any:
    """The rule of a draw with one parameter, whose elements all get a stream of their own."""

    def rule(size: int, batched: Sequence[bool], inputs: Sequence[Tensor], period: int) -> Tensor:
        state, x = inputs
        x = x if batched[1] else broadcast_to(x, (size, *x.shape))
        if x.size == size * period:
            return drawn(draw, state, x, size * period)
        # Within an example there are others that share its numbers: streams repeat, so those come first.
        parts = swapaxes(reshape(x, (size, -1, period)), 0, 1)
        return reshape(swapaxes(drawn(draw, state, parts, size * period), 0, 1), x.shape)

    return rule


for_each[_log_gamma] = _parameter_for_each(_log_gamma)


def _batched_slope(batched: Sequence[bool], inputs: Sequence[Tensor], which: int) -> Any:
    x, alpha = (a if b else reshape(a, (1, *a.shape)) for b, a in zip(batched, inputs, strict=True))
    shape = np.broadcast_shapes(x.shape, alpha.shape)
    return _slope(broadcast_to(x, shape), broadcast_to(alpha, shape), which)


_log_gamma.defbatch(lambda batched, inputs, period: _batched_parameter(_log_gamma, batched, inputs, period))
_slope.defbatch(_batched_slope)


def _ndtr(x: Tensor) -> Tensor:
    """The distribution function of normal numbers."""
    result: Tensor = 0.5 * erfc(-math.sqrt(0.5) * x)
    return result


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
        ValueError
            If low is above high, or their difference is infinite, where the numbers are known.
        ShapeError, DTypeError
            If the shape is none, a parameter does not broadcast to it, or the dtype is not floating.
        """
        extents, (start, end) = _of_each("uniform", shape, low=low, high=high)
        wanted = _floating("uniform", dtype)
        if _are(0, 1, start, end):
            return self._draw(extents, wanted)
        width = end - start
        known, largest = _known(width), float(np.finfo(wanted).max)
        good: Any = True
        if known is None:
            good = (width >= 0) & (width <= largest)
        elif not np.all((known >= 0) & (known <= largest)):
            raise ValueError(
                f"uniform: low must be at most high, and both so near each other that {wanted} has the difference; got "
                f"low {shown(low)}, high {shown(high)}"
            )
        return _or_nan(good, start + width * self._draw(extents, wanted))

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
        ValueError
            If std is negative, where it is known.
        ShapeError, DTypeError
            If the shape is none, a parameter does not broadcast to it, or the dtype is not floating.

        Source
        ------
        Box, Muller, "A note on the generation of random normal deviates", 1958.
        """
        extents, (centre, width) = _of_each("normal", shape, mean=mean, std=std)
        good = _not_negative("normal", "std", width)
        u = self._draw((2, *extents), _floating("normal", dtype))
        z = sqrt(-2.0 * log1p(-u[0])) * cos((2.0 * math.pi) * u[1])
        return z if _are(0, 1, centre, width) else _or_nan(good, centre + width * z)

    def truncated_normal(
        self,
        shape: int | Sequence[int] | None = None,
        low: TensorLike = -math.inf,
        high: TensorLike = math.inf,
        mean: TensorLike = 0.0,
        std: TensorLike = 1.0,
        dtype: DTypeLike | None = None,
    ) -> Tensor:
        """Normal numbers from ``low`` to ``high``: quantiles of uniform ones, found in float64.

        Parameters
        ----------
        shape : int or tuple of int, optional
            Without one, that of the parameters together: a number for every element.
        low, high : float or Tensor that broadcasts to the shape
            May be infinite, at most 37 standard deviations beyond the mean on the far side of it.
        mean, std : float or Tensor that broadcasts to the shape
            Of the normal distribution that is cut off.
        dtype : floating dtype, optional

        Returns
        -------
        Tensor, shape ``shape``
            NaN where nothing lies between the bounds, or they are too far out, and a compiled function finds that.

        Gradient
        --------
        With respect to all four; the quantile of a number stays.

        Raises
        ------
        ValueError
            If low is above high, both lie more than 37 standard deviations from the mean on one side, or std is
            negative.
        ShapeError, DTypeError
            If the shape is none, a parameter does not broadcast to it, or the dtype is not floating.
        """
        op = "truncated_normal"
        extents, given = _of_each(op, shape, low=low, high=high, mean=mean, std=std)
        _not_negative(op, "std", given[3])
        wanted = _floating(op, dtype)
        start, end, centre, width = (asarray(x, dtype=float64) for x in given)
        a, b = (start - centre) / width, (end - centre) / width
        # From the side where probabilities are small, and so exact.
        upper = a > 0
        a, b = where(upper, -b, a), where(upper, -a, b)
        fits = (a <= b) & (b >= -37.0)
        known = known_values(fits)
        if known is not None and not np.all(known):
            raise ValueError(
                f"{op}: low must be at most high, and one of them within 37 standard deviations; got low {shown(low)}, "
                f"high {shown(high)}"
            )
        below, above = _ndtr(a), _ndtr(b)
        z = clip(ndtri(below + (above - below) * self._draw(extents, float64)), a, b)
        z = where(fits, where(upper, -z, z), math.nan)
        result: Tensor = clip(centre + width * z, start, end).astype(wanted)
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
        ValueError
            If the scale is negative, where it is known.
        ShapeError, DTypeError
            If the shape is none, a parameter does not broadcast to it, or the dtype is not floating.
        """
        extents, (mean,) = _of_each("exponential", shape, scale=scale)
        good = _not_negative("exponential", "scale", mean)
        u = self._draw(extents, _floating("exponential", dtype))
        return _or_nan(good, mean * -log1p(-u))

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
        ValueError
            If the scale is negative, where it is known.
        ShapeError, DTypeError
            If the shape is none, a parameter does not broadcast to it, or the dtype is not floating.
        """
        extents, (centre, width) = _of_each("gumbel", shape, loc=loc, scale=scale)
        good = _not_negative("gumbel", "scale", width)
        wanted = _floating("gumbel", dtype)
        least = 2.0**-25 if wanted == float32 else 2.0**-54  # the middle of the step that begins at 0
        e = -log1p(-maximum(self._draw(extents, wanted), least))
        z = -log(e)
        return z if _are(0, 1, centre, width) else _or_nan(good, centre + width * z)

    def _log_gamma(self, op: str, extents: tuple[int, ...], name: str, alpha: Any) -> Tensor:
        """In float64, whatever the dtype of the result."""
        alpha = asarray(checked_positive(op, name, alpha), dtype=float64)
        if known_values(alpha) is None:
            alpha = _or_nan(alpha > 0, alpha)
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

        Gradient
        --------
        With respect to alpha by implicit differentiation, up to second derivatives: the quantile of a number stays.

        Raises
        ------
        ValueError
            If alpha is not positive, or the scale negative, where it is known.
        ShapeError, DTypeError
            If the shape is none, a parameter does not broadcast to it, or the dtype is not floating.

        Source
        ------
        Marsaglia, Tsang, "A simple method for generating gamma variables", 2000; Figurnov, Mohamed, Mnih, "Implicit
        reparameterization gradients", 2018.
        """
        extents, (form, width) = _of_each("gamma", shape, alpha=alpha, scale=scale)
        good = _not_negative("gamma", "scale", width)
        wanted = _floating("gamma", dtype)
        x = exp(self._log_gamma("gamma", extents, "alpha", form)).astype(wanted)
        return x if not isinstance(width, Tensor) and width == 1 else _or_nan(good, width * x)

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
            From 0 to 1.

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

    def multivariate_normal(
        self,
        mean: TensorLike,
        cov: TensorLike,
        shape: int | Sequence[int] | None = None,
        dtype: DTypeLike | None = None,
    ) -> Tensor:
        """Normal vectors: ``mean + L z`` of independent normal z, with the Cholesky factor L of the covariance.

        Parameters
        ----------
        mean : Tensor, shape (..., N)
        cov : Tensor, shape (..., N, N)
            Symmetric, positive definite.
        shape : int or tuple of int, optional
            How many vectors; the leading axes of mean and cov must broadcast to it. Default: these axes together.
        dtype : floating dtype, optional
            Default: that of mean and cov together.

        Returns
        -------
        Tensor, shape (*shape, N)

        Gradient
        --------
        With respect to mean and cov.

        Raises
        ------
        LinAlgError
            If cov is not positive definite.
        ValueError
            If cov is not symmetric, to half the digits, where it is known: a Cholesky factor is no covariance.
        ShapeError, DTypeError
            If shapes do not fit, or the dtype is not floating.

        Examples
        --------
        >>> import alice_core as ac
        >>> g = ac.random.Generator(0)
        >>> g.multivariate_normal([1.0, 2.0], [[4.0, 2.0], [2.0, 10.0]], shape=(5, 3)).shape
        (5, 3, 2)
        """
        from ..linalg.definite import cholesky  # not at start-up

        op = "multivariate_normal"
        centre, spread = asarray(mean), asarray(cov)
        if not centre.ndim or spread.ndim < 2 or spread.shape[-2:] != centre.shape[-1:] * 2:
            raise ShapeError(f"{op}: expected mean (..., N) and cov (..., N, N); got {centre.shape} and {spread.shape}")
        given = float64 if float64 in (centre.dtype, spread.dtype) else float32
        wanted = given if dtype is None else _floating(op, dtype)
        known, off = known_values(spread), math.sqrt(np.finfo(wanted).eps)
        good: Any = True
        if known is None and spread.size:
            good = extremes.max(abs(spread - spread.mT)) <= off * extremes.max(abs(spread))
        elif known is not None:
            gap = np.abs(known - np.swapaxes(known, -1, -2)).max(initial=0)
            if gap > off * np.abs(known).max(initial=0):
                raise ValueError(
                    f"{op}: cov must be symmetric; got numbers {gap:.3g} from those across the diagonal; of a "
                    f"Cholesky factor L, pass L @ L.mT"
                )
        leading = {"mean": centre.shape[:-1], "cov": spread.shape[:-2]}
        extents = _joined(op, None if shape is None else _shape(op, shape), leading)
        z = self.normal((*extents, centre.shape[-1]), dtype=wanted)
        factor = cholesky(spread.astype(wanted))
        moved = reshape(matmul(factor, reshape(z, (*z.shape, 1))), z.shape)
        return _or_nan(good, centre.astype(wanted) + moved)
