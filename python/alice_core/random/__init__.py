"""Random numbers that belong to a trace: their state is a Tensor, so a compiled function draws new ones at each call.

The numbers of one draw are a pure function of the state, two int64 numbers: a *key* (the seed) and the number of the
*draw*. Drawing is two primitives, one that reads the state and one that moves it to the next draw, in place. Element i
depends on key, draw and i alone: neither threads, nor the instruction set, nor compiling change a bit.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox4x32-10).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .discrete import Discrete
from .source import advance, bits, unit

if TYPE_CHECKING:
    from ..tensors import DTypeLike, Tensor, TensorLike

__all__ = [
    "Generator",
    "advance",
    "bernoulli",
    "beta",
    "bits",
    "categorical",
    "choice",
    "default_generator",
    "exponential",
    "gamma",
    "gumbel",
    "integers",
    "multivariate_normal",
    "normal",
    "permutation",
    "poisson",
    "randn",
    "seed",
    "truncated_normal",
    "uniform",
    "unit",
]


class Generator(Discrete):
    """A stream of random numbers. Every call takes the numbers of one draw and moves on to the next.

    Threads may share a generator: each draw goes to one of them.

    In a compiled function the state is captured by reference: each call draws new numbers, the same ones that the
    function would have drawn without compiling, and leaves the generator where it would have left it.

    Parameters of a distribution that are out of range are refused where they are known. Where only a compiled function
    knows them, or ``ac.vmap`` or a loop runs one, their numbers are NaN; indices are the least int64, which is none;
    Poisson numbers and a covariance that is not positive definite are refused even there; and for truth values a
    probability below 0 or NaN counts as 0, one above 1 as 1.

    Parameters
    ----------
    seed : int, optional
        The key, of which 64 bits count. None: one from the operating system.

    Examples
    --------
    >>> import alice_core as ac
    >>> g = ac.random.Generator(0)
    >>> g.uniform(2), g.uniform(2)
    (Tensor([0.39904642, 0.97224116], dtype=float32), Tensor([0.5166791 , 0.79096925], dtype=float32))
    >>> saved = g.state
    >>> a = g.normal((2, 3))
    >>> g.state = saved
    >>> ac.all(g.normal((2, 3)) == a).item()
    True
    """


#: What the functions of this module draw from, and layers that were given no seed or generator of their own.
default_generator = Generator()


def seed(seed: int | None = None) -> None:
    """Start the common generator anew; None takes a seed from the operating system, as at the start.

    All that is given no seed or generator of its own draws from it: the functions of this module, the starting values
    of layers, dropout. So one seed at the start makes a run reproducible.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.random.seed(0)
    >>> ac.random.uniform(2)
    Tensor([0.39904642, 0.97224116], dtype=float32)
    >>> ac.random.seed(0)
    >>> a = ac.nn.Linear(2, 2).weight.tolist()
    >>> ac.random.seed(0)
    >>> a == ac.nn.Linear(2, 2).weight.tolist()
    True
    """
    default_generator.seed(seed)


def uniform(
    shape: int | Sequence[int] | None = None,
    low: TensorLike = 0.0,
    high: TensorLike = 1.0,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """:meth:`Generator.uniform` of the common generator."""
    return default_generator.uniform(shape, low, high, dtype)


def normal(
    shape: int | Sequence[int] | None = None,
    mean: TensorLike = 0.0,
    std: TensorLike = 1.0,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """:meth:`Generator.normal` of the common generator."""
    return default_generator.normal(shape, mean, std, dtype)


def randn(*shape: int | Sequence[int], dtype: DTypeLike | None = None) -> Tensor:
    """Standard normal numbers of the common generator, extents one by one, or as one sequence.

    ``ac.randn(2, 3)`` is ``ac.random.normal((2, 3))``; it has the name and the arguments of PyTorch's, for listings
    that begin with ``import alice_core as torch``.

    Parameters
    ----------
    *shape : int, or one sequence of int
        None: a 0-d Tensor.
    dtype : dtype, optional
        Floating; the default dtype if there is none.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.randn(2, 3).shape, ac.randn((2, 3)).shape, ac.randn().shape
    ((2, 3), (2, 3), ())
    """
    single = shape[0] if len(shape) == 1 else shape
    return default_generator.normal(single, dtype=dtype)  # type: ignore[arg-type]


def bernoulli(shape: int | Sequence[int] | None = None, p: TensorLike = 0.5) -> Tensor:
    """:meth:`Generator.bernoulli` of the common generator."""
    return default_generator.bernoulli(shape, p)


def exponential(
    shape: int | Sequence[int] | None = None, scale: TensorLike = 1.0, dtype: DTypeLike | None = None
) -> Tensor:
    """:meth:`Generator.exponential` of the common generator."""
    return default_generator.exponential(shape, scale, dtype)


def gumbel(
    shape: int | Sequence[int] | None = None,
    loc: TensorLike = 0.0,
    scale: TensorLike = 1.0,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """:meth:`Generator.gumbel` of the common generator."""
    return default_generator.gumbel(shape, loc, scale, dtype)


def gamma(
    shape: int | Sequence[int] | None = None,
    alpha: TensorLike = 1.0,
    scale: TensorLike = 1.0,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """:meth:`Generator.gamma` of the common generator."""
    return default_generator.gamma(shape, alpha, scale, dtype)


def beta(
    shape: int | Sequence[int] | None = None,
    a: TensorLike = 1.0,
    b: TensorLike = 1.0,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """:meth:`Generator.beta` of the common generator."""
    return default_generator.beta(shape, a, b, dtype)


def poisson(shape: int | Sequence[int] | None = None, rate: TensorLike = 1.0) -> Tensor:
    """:meth:`Generator.poisson` of the common generator."""
    return default_generator.poisson(shape, rate)


def integers(shape: int | Sequence[int], low: int, high: int | None = None, dtype: DTypeLike | None = None) -> Tensor:
    """:meth:`Generator.integers` of the common generator."""
    return default_generator.integers(shape, low, high, dtype)


def permutation(x: int | TensorLike, axis: int = 0) -> Tensor:
    """:meth:`Generator.permutation` of the common generator."""
    return default_generator.permutation(x, axis)


def categorical(logits: TensorLike, axis: int = -1, shape: int | Sequence[int] | None = None) -> Tensor:
    """:meth:`Generator.categorical` of the common generator."""
    return default_generator.categorical(logits, axis, shape)


def choice(
    a: int | TensorLike,
    shape: int | Sequence[int] = (),
    replace: bool = True,
    p: TensorLike | None = None,
    axis: int = 0,
) -> Tensor:
    """:meth:`Generator.choice` of the common generator."""
    return default_generator.choice(a, shape, replace, p, axis)


def multivariate_normal(
    mean: TensorLike,
    cov: TensorLike,
    shape: int | Sequence[int] | None = None,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """:meth:`Generator.multivariate_normal` of the common generator."""
    return default_generator.multivariate_normal(mean, cov, shape, dtype)


def truncated_normal(
    shape: int | Sequence[int] | None = None,
    low: TensorLike = -math.inf,
    high: TensorLike = math.inf,
    mean: TensorLike = 0.0,
    std: TensorLike = 1.0,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """:meth:`Generator.truncated_normal` of the common generator."""
    return default_generator.truncated_normal(shape, low, high, mean, std, dtype)
