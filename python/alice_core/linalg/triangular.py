"""Triangular systems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..checks import checked_flag
from ..ops.arithmetic import negative
from ..ops.broadcasting import sum_to
from ..ops.linalg import matmul
from ..ops.views import matrix_transpose
from ..primitive import Primitive
from ._matrices import batched_in_front, half, system

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["solve_triangular"]

# (a, b; lower, transposed, unit): x of op(a) x = b. One half of a is read, with unit without its diagonal.
_solve_triangular = Primitive("solve_triangular", saves=(0, "ans"))


def _by_a(g: Tensor, ans: Tensor, a: Tensor, b: Tensor, lower: bool, transposed: bool, unit: bool) -> Tensor:
    flow = _solve_triangular(a, g, lower, not transposed, unit)
    left, right = (ans, flow) if transposed else (flow, ans)
    return sum_to(negative(half(matmul(left, matrix_transpose(right)), lower, unit)), a.shape)


def _along_a(t: Tensor, ans: Tensor, a: Tensor, b: Tensor, lower: bool, transposed: bool, unit: bool) -> Tensor:
    t = half(t, lower, unit)
    moved = matmul(matrix_transpose(t) if transposed else t, ans)
    return negative(_solve_triangular(a, moved, lower, transposed, unit))


_solve_triangular.defvjp(
    _by_a,
    lambda g, ans, a, b, lower, transposed, unit: sum_to(_solve_triangular(a, g, lower, not transposed, unit), b.shape),
)
_solve_triangular.defjvp(_along_a, lambda t, ans, a, b, *how: _solve_triangular(a, t, *how))
batched_in_front(_solve_triangular)


def solve_triangular(
    a: TensorLike,
    b: TensorLike,
    /,
    *,
    lower: bool = False,
    transposed: bool = False,
    unit_diagonal: bool = False,
) -> Tensor:
    """x of ``a x = b``, where a is triangular: substitution, without a factorisation.

    Parameters
    ----------
    a : Tensor, shape (..., N, N)
        Only the half that ``lower`` names is read.
    b : Tensor, shape (..., N, K) or (N,)
        Right-hand sides; leading axes of a and b broadcast.
    lower : bool
        Whether a is lower triangular, else upper.
    transposed : bool
        Whether to solve ``aᵀ x = b``; ``lower`` tells of a itself.
    unit_diagonal : bool
        Whether the diagonal of a is taken for ones, and not read.

    Returns
    -------
    Tensor, shape (..., N, K) or (..., N)
        A zero on the diagonal gives infinities or NaN, as dividing by it does.

    Gradient
        ``h = op(a)⁻ᵀ g`` of b, and ``-h xᵀ`` of the half of a that is read.

    Accuracy
        Backward stable: x solves a system whose entries differ from those of a by N units of roundoff at most.

    Raises
    ------
    ShapeError
        If a is not square, or b has another number of rows.

    Source: Giles, "Collected matrix derivative results", 2008.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.solve_triangular(ac.tensor([[2.0, 0.0], [1.0, 4.0]]), ac.tensor([2.0, 9.0]), lower=True)
    Tensor([1., 2.], dtype=float32)
    """
    op = "solve_triangular"
    flags = (("lower", lower), ("transposed", transposed), ("unit_diagonal", unit_diagonal))
    how = tuple(checked_flag(op, name, value) for name, value in flags)
    return system(op, a, b, lambda a, b: _solve_triangular(a, b, *how))
