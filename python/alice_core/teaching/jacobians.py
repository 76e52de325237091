"""Whole Jacobians out of products with basis vectors: rows by VJPs, columns by JVPs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import alice_core as ac

__all__ = ["jacobian_from_jvps", "jacobian_from_vjps", "jvp_from_vjps"]


def jacobian_from_vjps(f: Callable[[ac.Tensor], ac.Tensor], x: ac.Tensor) -> ac.Tensor:
    """Jacobian of ``f``, one row for each output: the VJPs of the basis vectors e_1 ... e_c'.

    Parameters
    ----------
    f : callable
        From one Tensor to one Tensor with at least one element.
    x : Tensor, floating
        The point.

    Returns
    -------
    Tensor of shape ``f(x).shape + x.shape``
        Item ``[i, j]`` is the derivative of output i by input j. Takes one run of f and as many pull-backs as f has
        outputs, however many inputs there are.

    Source
    ------
    Notes, section 6.4 (vector-Jacobian products), with erratum E-46: one basis vector for each output.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> W = ac.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> teaching.jacobian_from_vjps(lambda x: W @ x, ac.tensor([1.0, -1.0]))
    Tensor([[1., 2.],
            [3., 4.],
            [5., 6.]], dtype=float32)
    """
    y, pullback = ac.vjp(f, x)
    rows = [pullback(e.reshape(y.shape))[0] for e in ac.eye(y.size, dtype=y.dtype)]
    return ac.stack(rows).reshape(y.shape + x.shape)


def jacobian_from_jvps(f: Callable[[ac.Tensor], ac.Tensor], x: ac.Tensor) -> ac.Tensor:
    """Jacobian of ``f``, one column for each input: the JVPs of the basis vectors e_1 ... e_c.

    Parameters
    ----------
    f : callable
        From one Tensor to one Tensor.
    x : Tensor, floating, with at least one element
        The point.

    Returns
    -------
    Tensor of shape ``f(x).shape + x.shape``
        What :func:`jacobian_from_vjps` returns, for as many products as f has inputs, however many outputs there are.

    Source
    ------
    Notes, sections 2.2 (a column is the response to one input) and 6.2.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> teaching.jacobian_from_jvps(lambda x: ac.stack([x[0] * x[1], x[0]]), ac.tensor([2.0, 3.0]))
    Tensor([[3., 2.],
            [1., 0.]], dtype=float32)
    """
    columns = [jvp_from_vjps(f, (x,), (e.reshape(x.shape),))[1] for e in ac.eye(x.size, dtype=x.dtype)]
    return ac.stack(columns, axis=-1).reshape(columns[0].shape + x.shape)


def jvp_from_vjps(f: Callable[..., ac.Tensor], xs: Sequence[Any], vs: Sequence[Any]) -> tuple[ac.Tensor, ac.Tensor]:
    """Value and Jacobian-vector product of ``f``, out of nothing but VJPs.

    The pull-back ``u -> u^T J`` is a linear function of u: its Jacobian is ``J^T`` everywhere, and *its* VJP of v is
    ``v^T J^T = (J v)^T``.

    Parameters
    ----------
    f : callable
        From Tensors, or nested structures of them, to one Tensor.
    xs : sequence
        The point, one item for each argument of f.
    vs : sequence
        The direction, of the structure and shapes of xs.

    Returns
    -------
    (Tensor, Tensor)
        ``f(*xs)`` and its derivative in the direction ``vs``.

    Source
    ------
    J. Townsend, A new trick for calculating Jacobian vector products (2017).

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> y, dy = teaching.jvp_from_vjps(lambda x: x * x, (ac.tensor([1.0, 3.0]),), (ac.tensor([1.0, 10.0]),))
    >>> dy
    Tensor([ 2., 60.], dtype=float32)
    """
    y, pullback = ac.vjp(f, *xs)
    _, pullback_of_pullback = ac.vjp(pullback, ac.ones_like(y))
    return y, pullback_of_pullback(tuple(vs))[0]
