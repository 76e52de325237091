"""Draws of whole numbers, of choices and of orders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._dtypes import checked_dtype
from ..checks import checked_flag, checked_int, known_values, shown
from ..errors import DTypeError, ShapeError
from ..ops import extremes, reduction
from ..ops.broadcasting import broadcast_to
from ..ops.creation import _shape
from ..ops.exponential import log
from ..ops.extremes import argmax
from ..ops.indexing import take
from ..ops.selection import where
from ..ops.sorting import argsort
from ..ops.views import moveaxis
from ..primitive import Primitive
from ..tensors import Tensor, asarray, float32, float64, int32, int64
from .continuous import Continuous, _batched_parameter, _parameter_for_each
from .source import _bits, _known, _of_each, _of_shape, _refuse_batch, _signed, drawn, for_each

if TYPE_CHECKING:
    from ..tensors import DTypeLike, TensorLike

__all__ = ["Discrete"]

_integers = Primitive("random_integers", saves=(), differentiable=False)
_permutation = Primitive("random_permutation", saves=(), differentiable=False)
_poisson = Primitive("random_poisson", saves=(), differentiable=False)
_integers.defbatch(lambda batched, inputs, *attributes: _refuse_batch("random_integers", batched, inputs))
_permutation.defbatch(lambda batched, inputs, *attributes: _refuse_batch("random_permutation", batched, inputs))
_poisson.defbatch(lambda batched, inputs, period: _batched_parameter(_poisson, batched, inputs, period))
for_each[_integers], for_each[_poisson] = _of_shape(_integers), _parameter_for_each(_poisson)
# The orders of random words, of which two are equal once in 2^64.
for_each[_permutation] = lambda size, batched, inputs, n: argsort(drawn(_bits, *inputs, (size, n), 0), axis=-1)


class Discrete(Continuous):
    """The discrete distributions of a generator."""

    def bernoulli(self, shape: int | Sequence[int] | None = None, p: TensorLike = 0.5) -> Tensor:
        """True with probability ``p``, else False: ``u < p`` with a float32 u as :func:`unit` gives it.

        Parameters
        ----------
        shape : int or tuple of int, optional
            Without one, that of ``p``: a number for every element.
        p : float or Tensor that broadcasts to the shape
            From 0 to 1; rounded up to a multiple of 2^-24.

        Returns
        -------
        Tensor, shape ``shape``, bool

        Raises
        ------
        ShapeError
            If the shape is none, or p does not broadcast to it.
        ValueError
            If p is no probability, where it is known.
        """
        extents, (limit,) = _of_each("bernoulli", shape, p=p)
        known = _known(limit)
        if known is not None and not np.all((known >= 0) & (known <= 1)):
            raise ValueError(f"bernoulli: p must be a probability, from 0 to 1; got {shown(limit)}")
        result: Tensor = self._draw(extents, float32) < limit
        return result

    def integers(
        self, shape: int | Sequence[int], low: int, high: int | None = None, dtype: DTypeLike | None = None
    ) -> Tensor:
        """Integers from ``low`` to below ``high``, all equally likely.

        Parameters
        ----------
        shape : int or tuple of int
        low, high : int
            Without ``high``, from 0 to below ``low``, as NumPy has it. At most 2^64 apart.
        dtype : int32 or int64, optional
            Default: int64.

        Returns
        -------
        Tensor, shape ``shape``

        Raises
        ------
        ValueError
            If there is no integer in between, or an end is no number of the dtype.
        ShapeError, DTypeError
            If the shape is none, or the dtype is another one.

        Source
        ------
        Lemire, "Fast random integer generation in an interval", 2019.
        """
        first, end = (0, low) if high is None else (low, high)
        first, end = checked_int("integers", "low", first), checked_int("integers", "high", end)
        wanted: Any = int64 if dtype is None else checked_dtype("integers", dtype)
        if wanted not in (int32, int64):
            raise DTypeError(f"integers: dtype must be int32 or int64; got {wanted}")
        limits: Any = np.iinfo(wanted)
        if not limits.min <= first < end <= limits.max + 1:
            raise ValueError(
                f"integers: low must be below high, and both numbers of {wanted}; got low {first}, high {end}"
            )
        result = self._take(_integers, _shape("integers", shape), first, _signed(end - first))
        return result if wanted == int64 else result.astype(wanted)

    def permutation(self, x: int | TensorLike, axis: int = 0) -> Tensor:
        """The integers below ``x``, or the parts of a Tensor along an axis, in any order, all equally likely.

        Parameters
        ----------
        x : int or Tensor
        axis : int

        Returns
        -------
        Tensor, shape (x,), int64; or shape and dtype of x

        Gradient
        --------
        That of taking the parts in this order.

        Raises
        ------
        ValueError
            If x is negative.
        ShapeError, DTypeError
            If x has no such axis, or is neither.

        Source
        ------
        Fisher, Yates, "Statistical tables", 1938; Durstenfeld, "Algorithm 235: random permutation", 1964.
        """
        if not isinstance(x, (Tensor, np.ndarray, list, tuple)):
            n = checked_int("permutation", "x", x)
            if n < 0:
                raise ValueError(f"permutation: x must not be negative; got {n}")
            return self._take(_permutation, n)
        given = asarray(x)
        at = checked_int("permutation", "axis", axis)
        if not -given.ndim <= at < given.ndim:
            raise ShapeError(f"permutation: expected an axis of x, shape {given.shape}; got {at}")
        return take(given, self._take(_permutation, given.shape[at]), axis=at)

    def categorical(self, logits: TensorLike, axis: int = -1, shape: int | Sequence[int] | None = None) -> Tensor:
        """Indices along an axis, with the probabilities ``softmax(logits)``: where logits plus Gumbel numbers are
        largest.

        Parameters
        ----------
        logits : Tensor
            Floating; -inf for what never comes.
        axis : int
        shape : int or tuple of int, optional
            Of the result. The other axes of logits must broadcast to it. Default: these axes.

        Returns
        -------
        Tensor, shape ``shape``, int64

        Raises
        ------
        ShapeError, DTypeError
            If logits are not floating, have no such axis, or do not broadcast to the shape.
        ValueError
            If there is NaN, or nothing that may come, or more than one infinity among the logits of a choice, where
            they are known.

        Source
        ------
        Gumbel, "Statistical theory of extreme values", 1954.
        """
        x = asarray(logits)
        if x.dtype.kind != "f":
            raise DTypeError(f"categorical: logits must be floating; got dtype {x.dtype}")
        at = checked_int("categorical", "axis", axis)
        if not -x.ndim <= at < x.ndim or not x.shape[at]:
            raise ShapeError(f"categorical: expected an axis with items, of logits of shape {x.shape}; got axis {at}")
        x = moveaxis(x.detach().astype(float64 if x.dtype == float64 else float32), at, -1)
        good = _check_logits(x)
        if shape is not None:
            wanted = _shape("categorical", shape)
            try:
                x = broadcast_to(x, (*wanted, x.shape[-1]))
            except ShapeError:
                raise ShapeError(
                    f"categorical: logits without axis {at}, shape {x.shape[:-1]}, must broadcast to shape {wanted}"
                ) from None
        return _or_none(good, argmax(x + self.gumbel(x.shape, dtype=x.dtype), axis=-1))

    def choice(
        self,
        a: int | TensorLike,
        shape: int | Sequence[int] = (),
        replace: bool = True,
        p: TensorLike | None = None,
        axis: int = 0,
    ) -> Tensor:
        """Parts of a Tensor along an axis, or integers below ``a``, chosen at random.

        Parameters
        ----------
        a : int or Tensor
        shape : int or tuple of int
            How many, in place of the axis.
        replace : bool
            Whether one may be chosen more than once.
        p : Tensor, one number for each part, optional
            Their probabilities, which add up to 1, but for the square root of a unit of roundoff. Default: all are
            equally likely. Without ``replace``, those of what is left after each choice.
        axis : int

        Returns
        -------
        Tensor

        Gradient
        --------
        That of taking these parts.

        Raises
        ------
        ValueError
            If there are too few parts, or p is negative, does not add up to 1, or has too few positive numbers. A
            compiled function cannot know p: it takes it as shares of its sum, and chooses parts of probability 0 last.
        ShapeError, DTypeError
            If arguments do not fit.
        """
        whole = not isinstance(a, (Tensor, np.ndarray, list, tuple))
        given: Any = checked_int("choice", "a", a) if whole else asarray(a)
        at, replace = checked_int("choice", "axis", axis), checked_flag("choice", "replace", replace)
        if not whole and not -given.ndim <= at < given.ndim:
            raise ShapeError(f"choice: expected an axis of a, shape {given.shape}; got {at}")
        n = given if whole else given.shape[at]
        extents = _shape("choice", shape)
        count = math.prod(extents)
        if (n < 1 and count) or (not replace and count > n):
            raise ValueError(f"choice: expected at least {1 if replace else count} parts to choose from; got {n}")
        if p is not None:
            logits = _log_probabilities(p, n, 1 if replace else count)
            if replace:
                indices = self.categorical(logits, shape=extents)
            else:  # the largest sums come in the order of such choices
                dtype = float64 if logits.dtype == float64 else float32
                order = argsort(logits.astype(dtype) + self.gumbel(n, dtype=dtype), descending=True)
                good = extremes.all(asarray(p) >= 0) if known_values(logits) is None else True
                indices = _or_none(good, order[:count].reshape(extents))
        elif replace:
            indices = self.integers(extents, 0, max(n, 1))
        else:
            indices = self._take(_permutation, n)[:count].reshape(extents)
        return indices if whole else take(given, indices, axis=at)

    def poisson(self, shape: int | Sequence[int] | None = None, rate: TensorLike = 1.0) -> Tensor:
        """Poisson numbers.

        Parameters
        ----------
        shape : int or tuple of int, optional
            Without one, that of ``rate``: a number for every element.
        rate : float or Tensor that broadcasts to the shape
            From 0 to 9e18.

        Returns
        -------
        Tensor, shape ``shape``, int64

        Raises
        ------
        ValueError
            If a rate is out of range.
        ShapeError
            If the shape is none, or the rate does not broadcast to it.

        Source
        ------
        Hoermann, "The transformed rejection method for generating Poisson random variables", 1993.
        """
        extents, (mean,) = _of_each("poisson", shape, rate=rate)
        rates = asarray(mean.detach() if isinstance(mean, Tensor) else mean, dtype=float64)
        known = known_values(rates)
        if known is not None and not np.all((known >= 0) & (known <= 9e18)):
            raise ValueError(f"poisson: rate must be from 0 to 9e18; got {shown(mean)}")
        return self._take(_poisson, broadcast_to(rates, extents), math.prod(extents))


def _or_none(good: Any, indices: Tensor) -> Tensor:
    """The indices where the parameters are good, else numbers that are none: see the class Generator."""
    result: Tensor = indices if good is True else where(good, indices, np.iinfo(np.int64).min)
    return result


def _check_logits(x: Tensor) -> Any:
    """True, else ValueError; where the values are not known, what will say it of each choice."""
    known = known_values(x)
    if known is None:
        return (extremes.max(x, axis=-1) > -math.inf) & (reduction.sum(x == math.inf, axis=-1) < 2)
    # The largest is NaN if one is.
    good = (known.max(axis=-1) > -math.inf) & (np.count_nonzero(known == math.inf, axis=-1) < 2)
    if not np.all(good):
        raise ValueError(
            f"categorical: logits must say what may come: numbers and -inf, one of them above -inf; got "
            f"{known.reshape(-1, known.shape[-1])[np.flatnonzero(~good)[0]]} for a choice"
        )
    return True


def _log_probabilities(p: Any, n: int, least: int) -> Tensor:
    given = asarray(p)
    if given.dtype.kind != "f" or given.shape != (n,):
        raise ShapeError(
            f"choice: p must have a floating number for each of {n} parts; got {shown(given)}, dtype {given.dtype}"
        )
    known = known_values(given)
    if known is not None and not (np.all(known >= 0) and np.count_nonzero(known) >= least):
        raise ValueError(f"choice: p must not be negative, and positive in {least} places at least; got {known}")
    if known is not None:
        total, off = float(np.sum(known, dtype=np.float64)), np.sqrt(np.finfo(known.dtype).eps)
        if not abs(total - 1.0) <= off:
            raise ValueError(f"choice: p must add up to 1; got a sum of {total:.9g}; write p / p.sum()")
    return log(given.detach())
