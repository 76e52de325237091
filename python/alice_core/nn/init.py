r"""Starting values, as new Tensors: ``p.assign_(ac.nn.init.xavier_uniform(p.shape))`` puts them into a parameter.

Layers that are not given a seed of their own draw from the common generator. What the scale depends on are the numbers
of inputs and outputs of a layer, its *fans*. They follow from the shape: (inputs, outputs) for two axes, as
:class:`Linear` has its weight; (outputs, inputs, \*kernel) for more, as convolutions have it, the kernel multiplying
both. Of weights kept as (outputs, inputs), as PyTorch and our recurrent and attention layers do, the two change places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

import alice_core as ac

from ..checks import checked_choice, checked_int, checked_number, shown

if TYPE_CHECKING:
    import numpy.typing as npt

    from ..tensors import DTypeLike

__all__ = [
    "Seed",
    "kaiming_normal",
    "kaiming_uniform",
    "manual_seed",
    "normal",
    "orthogonal",
    "rng",
    "trunc_normal",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
]

Seed: TypeAlias = "int | np.random.Generator | ac.random.Generator | None"


def manual_seed(seed: int) -> None:
    """The same as :func:`alice_core.random.seed`: one generator serves layers, dropout and all other drawing.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.manual_seed(0)
    >>> a = ac.nn.Linear(2, 2).weight.tolist()
    >>> ac.nn.manual_seed(0)
    >>> a == ac.nn.Linear(2, 2).weight.tolist()
    True
    """
    ac.random.seed(seed)


def rng(seed: Seed) -> np.random.Generator | ac.random.Generator:
    """The generator itself if one is given, a new one for an int, the common one of ``ac.random`` for None."""
    if seed is None:
        return ac.random.default_generator
    if isinstance(seed, ac.random.Generator):
        return seed
    import numpy.random  # takes long to import

    try:
        return numpy.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        kind = ac.DTypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"seed: expected an int that is not negative, a generator or None; got {shown(seed)}") from None


def uniform(
    shape: Sequence[int], bound: float, dtype: DTypeLike | None, generator: np.random.Generator | ac.random.Generator
) -> ac.Tensor:
    """Numbers from -bound to bound, drawn in float64: a seed means the same in every dtype. None: the default dtype."""
    dtype = _floating(dtype)
    if isinstance(generator, ac.random.Generator):
        return ac.tensor(generator.uniform(shape, -bound, bound, ac.float64), dtype)
    try:
        return ac.tensor(generator.uniform(-bound, bound, tuple(shape)), dtype)
    except ValueError:
        raise _too_large(shape) from None


def _too_large(shape: Sequence[int]) -> ac.ShapeError:
    return ac.ShapeError(f"init: dimensions must not be negative, nor too many to address; got {tuple(shape)}")


def _shape(who: str, shape: int | Sequence[int]) -> tuple[int, ...]:
    extents = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return tuple(checked_int(who, "shape", n) for n in extents)


def _fans(who: str, shape: int | Sequence[int]) -> tuple[tuple[int, ...], int, int]:
    """The shape, and the numbers of inputs and outputs."""
    extents = _shape(who, shape)
    if len(extents) < 2:
        raise ac.ShapeError(f"{who}: shape must have at least two axes, inputs and outputs; got {extents}")
    kernel = math.prod(extents[2:])
    fan_in, fan_out = extents[:2] if len(extents) == 2 else (extents[1] * kernel, extents[0] * kernel)
    return extents, fan_in, fan_out


def _standard(shape: tuple[int, ...], seed: Seed) -> npt.NDArray[np.float64]:
    generator = rng(seed)
    if isinstance(generator, ac.random.Generator):
        return np.asarray(generator.normal(shape, dtype=ac.float64))
    try:
        return generator.standard_normal(shape)
    except ValueError:
        raise _too_large(shape) from None


def _made(values: npt.NDArray[np.float64], dtype: DTypeLike | None) -> ac.Tensor:
    return ac.tensor(values, _floating(dtype))


def _floating(dtype: DTypeLike | None) -> DTypeLike:
    """The dtype, by default the default one: numbers below 1 would all be 0 in another."""
    wanted = ac.get_default_dtype() if dtype is None else dtype
    if not ac.isdtype(wanted, "real floating"):
        raise ac.DTypeError(f"init: dtype must be floating; got {wanted}")
    return wanted


def _scale(who: str, name: str, value: float) -> float:
    number = checked_number(who, name, value)
    if not 0 <= number < math.inf:
        raise ValueError(f"{who}: {name} must be a number that is not negative; got {shown(value)}")
    return number


def normal(
    shape: int | Sequence[int],
    mean: float = 0.0,
    std: float = 1.0,
    *,
    dtype: DTypeLike | None = None,
    seed: Seed = None,
) -> ac.Tensor:
    """Normal numbers of a mean and a standard deviation, drawn in float64: a seed means the same in every dtype.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.init.normal((2, 3), seed=0).shape
    (2, 3)
    """
    centre, width = checked_number("normal", "mean", mean), _scale("normal", "std", std)
    return _made(_standard(_shape("normal", shape), seed) * width + centre, dtype)


def trunc_normal(
    shape: int | Sequence[int],
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    dtype: DTypeLike | None = None,
    seed: Seed = None,
) -> ac.Tensor:
    """Normal numbers between a and b: those beyond are drawn anew.

    Raises
    ------
    ValueError
        If a is not below b, or nearly no number lies between them.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.nn.init.trunc_normal(1000, std=2.0, a=-1.0, b=1.0, seed=0)
    >>> bool(ac.all(abs(x) <= 1.0))
    True
    """
    centre, width = checked_number("trunc_normal", "mean", mean), checked_number("trunc_normal", "std", std)
    low, high = checked_number("trunc_normal", "a", a), checked_number("trunc_normal", "b", b)
    if not (low < high and width > 0):
        raise ValueError(f"trunc_normal: a must be below b, and std positive; got a {a}, b {b}, std {std}")
    within = math.erf((high - centre) / width / math.sqrt(2.0)) - math.erf((low - centre) / width / math.sqrt(2.0))
    if within < 0.02:
        raise ValueError(f"trunc_normal: too few of the numbers lie between a and b; got a {a}, b {b}, mean {mean}")
    generator = rng(seed)
    x = _standard(_shape("trunc_normal", shape), generator) * width + centre
    while (beyond := (x < low) | (x > high)).any():
        x[beyond] = _standard((int(beyond.sum()),), generator) * width + centre
    return _made(x, dtype)


def xavier_uniform(
    shape: int | Sequence[int], gain: float = 1.0, *, dtype: DTypeLike | None = None, seed: Seed = None
) -> ac.Tensor:
    """Uniform numbers of variance ``2 gain² / (fan_in + fan_out)``: activations and gradients both keep their scale.

    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.

    Examples
    --------
    >>> import alice_core as ac
    >>> float(abs(ac.nn.init.xavier_uniform((100, 200), seed=0)).max()) <= 0.02**0.5
    True
    """
    extents, fan_in, fan_out = _fans("xavier_uniform", shape)
    bound = _scale("xavier_uniform", "gain", gain) * math.sqrt(6.0 / max(1, fan_in + fan_out))
    return uniform(extents, bound, dtype, rng(seed))


def xavier_normal(
    shape: int | Sequence[int], gain: float = 1.0, *, dtype: DTypeLike | None = None, seed: Seed = None
) -> ac.Tensor:
    """Normal numbers of the variance of :func:`xavier_uniform`."""
    extents, fan_in, fan_out = _fans("xavier_normal", shape)
    std = _scale("xavier_normal", "gain", gain) * math.sqrt(2.0 / max(1, fan_in + fan_out))
    return normal(extents, 0.0, std, dtype=dtype, seed=seed)


def _kaiming(who: str, shape: int | Sequence[int], a: float, mode: str) -> tuple[tuple[int, ...], float]:
    """The shape, and the standard deviation."""
    extents, fan_in, fan_out = _fans(who, shape)
    fan = fan_in if checked_choice(who, "mode", mode, ("fan_in", "fan_out")) == "fan_in" else fan_out
    slope = _scale(who, "a", abs(a) if isinstance(a, (int, float)) else a)
    return extents, math.sqrt(2.0 / (1.0 + slope * slope) / max(1, fan))


def kaiming_uniform(
    shape: int | Sequence[int],
    a: float = 0.0,
    mode: str = "fan_in",
    *,
    dtype: DTypeLike | None = None,
    seed: Seed = None,
) -> ac.Tensor:
    """Uniform numbers of variance ``2 / ((1 + a²) fan)``, for layers behind a (leaky) ReLU whose left slope is a.

    Parameters
    ----------
    shape : int or sequence of int
    a : float
    mode : "fan_in" or "fan_out"
        Whether activations or gradients keep their scale.
    dtype : floating dtype, optional
    seed : int, numpy Generator or ac.random.Generator, optional

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", 2015.

    Examples
    --------
    >>> import alice_core as ac
    >>> float(abs(ac.nn.init.kaiming_uniform((150, 20), seed=0)).max()) <= 0.2
    True
    """
    extents, std = _kaiming("kaiming_uniform", shape, a, mode)
    return uniform(extents, math.sqrt(3.0) * std, dtype, rng(seed))


def kaiming_normal(
    shape: int | Sequence[int],
    a: float = 0.0,
    mode: str = "fan_in",
    *,
    dtype: DTypeLike | None = None,
    seed: Seed = None,
) -> ac.Tensor:
    """Normal numbers of the variance of :func:`kaiming_uniform`."""
    extents, std = _kaiming("kaiming_normal", shape, a, mode)
    return normal(extents, 0.0, std, dtype=dtype, seed=seed)


def orthogonal(
    shape: int | Sequence[int], gain: float = 1.0, *, dtype: DTypeLike | None = None, seed: Seed = None
) -> ac.Tensor:
    """A matrix with orthonormal rows or columns, whichever are fewer, times gain; uniform among these.

    Axes beyond the second count as more columns.

    Source: Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", 2013.

    Examples
    --------
    >>> import alice_core as ac
    >>> q = ac.nn.init.orthogonal((2, 3), dtype=ac.float64, seed=0)
    >>> ac.round(q @ q.T * 1e6).tolist()
    [[1000000.0, 0.0], [0.0, 1000000.0]]
    """
    extents, *_ = _fans("orthogonal", shape)
    rows, cols = extents[0], math.prod(extents[1:])
    x = _standard((max(rows, cols), min(rows, cols)), seed)
    q, r = np.linalg.qr(x)
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)  # else not uniform
    q = q if rows >= cols else q.T
    return _made((q * _scale("orthogonal", "gain", gain)).reshape(extents), dtype)
