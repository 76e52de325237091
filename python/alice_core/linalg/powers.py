"""Powers and the exponential of a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..checks import checked_int
from ..ops.arithmetic import add
from ..ops.creation import eye, zeros_like
from ..ops.joining import concat
from ..ops.linalg import matmul
from ..ops.selection import where
from ..ops.views import matrix_transpose
from ..primitive import Primitive
from ._matrices import batched_in_front, square
from .systems import inv

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["expm", "matrix_power"]

_expm = Primitive("expm", saves=(0,))


def _along(a: Tensor, t: Tensor) -> Tensor:
    """The derivative of the exponential along T: the block beside the exponential of [[A, T], [0, A]]."""
    n = a.shape[-1]
    above, below = concat([a, t], axis=-1), concat([zeros_like(a), a], axis=-1)
    found: Tensor = _expm(concat([above, below], axis=-2))
    return found[..., :n, n:]


_expm.defvjp(lambda g, ans, a: _along(matrix_transpose(a), g))
_expm.defjvp(lambda t, ans, a: _along(a, t))
batched_in_front(_expm)


def expm(x: TensorLike, /) -> Tensor:
    """The exponential of a matrix, ``1 + x + x²/2 + x³/6 + …``.

    Parameters
    ----------
    x : Tensor, shape (..., N, N)

    Returns
    -------
    Tensor, shape (..., N, N)

    Gradient
        From the exponential of a matrix of twice the size.

    Accuracy
        Backward stable: the exponential of a matrix that differs from x by a few units of roundoff of its norm.

    Raises
    ------
    LinAlgError
        If the matrix is not finite.
    ShapeError
        If x is not square.

    Source: Higham, "The scaling and squaring method for the matrix exponential revisited", 2005; Mathias, "A chain rule
    for matrix functions and applications", 1996.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.expm(ac.tensor([[0.0, 1.0], [0.0, 0.0]]))
    Tensor([[1., 1.],
            [0., 1.]], dtype=float32)
    """
    y: Tensor = _expm(square("expm", "x", x))
    return y


def matrix_power(x: TensorLike, /, n: int) -> Tensor:
    """The n-th power of a matrix, ``x x … x``.

    Parameters
    ----------
    x : Tensor, shape (..., N, N)
        Regular, if n is negative.
    n : int
        0 gives identity matrices, negative numbers powers of the inverse.

    Returns
    -------
    Tensor, shape (..., N, N)

    Gradient
        That of the products.

    Accuracy
        That of about 2 log₂ n matrix products.

    Raises
    ------
    LinAlgError
        If n is negative and x singular.
    ShapeError
        If x is not square.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.matrix_power(ac.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    Tensor([[1., 5.],
            [0., 1.]], dtype=float32)
    """
    x, n = square("matrix_power", "x", x), checked_int("matrix_power", "n", n)
    if n == 0:
        return add(where(False, x, 0.0), eye(x.shape[-1], dtype=x.dtype))
    if n < 0:
        x, n = inv(x), -n
    result: Tensor | None = None
    while n:  # its bits, from the lowest
        if n & 1:
            result = x if result is None else matmul(result, x)
        n >>= 1
        if n:
            x = matmul(x, x)
    assert result is not None
    return result
