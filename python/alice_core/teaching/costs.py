"""Multiplications counted: what the order of the factors costs, forward against reverse."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import alice_core as ac

__all__ = ["count_chain", "count_multiplications", "multiply_chain"]


def _check(who: str, mode: str) -> None:
    if mode not in ("forward", "reverse"):
        raise ValueError(f"{who}: mode must be 'forward' or 'reverse'; got {mode!r}")


def count_multiplications(widths: Sequence[int], mode: str, batch: int = 1) -> int:
    """Multiplications that all weight gradients of fully-connected layers take, counted without running anything.

    Parameters
    ----------
    widths : sequence of int
        d_0, d_1, ..., d_l; layer i has the weights ``W_i`` (d_i, d_(i-1)) and ``b_i`` (d_i,), p_i numbers together.
    mode : {"forward", "reverse"}
    batch : int
        Examples n in the input; the Jacobian of layer i is (n d_i, n d_(i-1)).

    Returns
    -------
    int
        Forward mode: n^2 d_i d_(i-1) p_j for every pair of layers j < i, and n d_l p_j for the read-out. Reverse mode:
        n d_i p_i + n^2 d_i d_(i-1) for every layer.

    Source
    ------
    Notes, sections 6.2 (cost of forward mode) and 6.3.

    Examples
    --------
    >>> from alice_core import teaching
    >>> [teaching.count_multiplications([3, 4, 2], mode) for mode in ("forward", "reverse")]
    [180, 104]
    >>> [teaching.count_multiplications([64, 128, 10], mode) for mode in ("forward", "reverse")]
    [10745700, 1087332]
    """
    _check("count_multiplications", mode)
    jacobians = [batch * d_out * batch * d_in for d_in, d_out in pairwise(widths)]
    weights = [d_out * (d_in + 1) for d_in, d_out in pairwise(widths)]
    if mode == "reverse":
        return sum(batch * d * p + jacobian for d, p, jacobian in zip(widths[1:], weights, jacobians, strict=True))
    return sum(p * (sum(jacobians[j + 1 :]) + batch * widths[-1]) for j, p in enumerate(weights))


def count_chain(widths: Sequence[int], mode: str) -> int:
    """Multiplications that the Jacobian of a chain of functions takes: d_0 inputs, d_l outputs.

    Parameters
    ----------
    widths : sequence of int
        d_0, d_1, ..., d_l; the Jacobian of function i is (d_i, d_(i-1)).
    mode : {"forward", "reverse"}
        Multiply the Jacobians from the first on, or from the last on.

    Returns
    -------
    int
        Forward mode keeps d_0 columns, reverse mode d_l rows. With w for all widths between, the difference is
        (d_0 - d_l) times the w^2 of every inner product, so the cheaper side changes where there are as many outputs
        as inputs.

    Source
    ------
    Notes, section 6.3.

    Examples
    --------
    >>> from alice_core import teaching
    >>> [teaching.count_chain([1000, 10, 10, 1], mode) for mode in ("forward", "reverse")]
    [110000, 10100]
    >>> [teaching.count_chain([1, 10, 10, 1000], mode) for mode in ("forward", "reverse")]
    [10100, 110000]
    >>> [teaching.count_chain([7, 10, 10, 7], mode) for mode in ("forward", "reverse")]
    [1190, 1190]
    """
    _check("count_chain", mode)
    jacobians = [d_out * d_in for d_in, d_out in pairwise(widths)]
    return widths[0] * sum(jacobians[1:]) if mode == "forward" else widths[-1] * sum(jacobians[:-1])


def multiply_chain(matrices: Sequence[ac.Tensor], mode: str) -> tuple[ac.Tensor, int]:
    """Product of a chain's Jacobians, last function leftmost, and its multiplications.

    Parameters
    ----------
    matrices : sequence of Tensor, at least one
        In the order in which the functions run: of shapes (d_1, d_0), (d_2, d_1), ...
    mode : {"forward", "reverse"}
        ``J_l (... (J_2 J_1))`` or ``((J_l J_(l-1)) ...) J_1``. Products may be grouped in any way, never reordered.

    Returns
    -------
    product : Tensor, shape (d_l, d_0)
    multiplications : int

    Raises
    ------
    ShapeError
        If the matrices do not fit together in this order.

    Source
    ------
    Notes, section 6.3, with errata E-41 and E-42.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> jacobians = [ac.ones((5, 3)), ac.ones((2, 5)), ac.ones((4, 2))]
    >>> forward, n_forward = teaching.multiply_chain(jacobians, "forward")
    >>> reverse, n_reverse = teaching.multiply_chain(jacobians, "reverse")
    >>> forward.shape, n_forward, n_reverse
    ((4, 3), 54, 100)
    """
    _check("multiply_chain", mode)
    product, *others = matrices if mode == "forward" else matrices[::-1]
    count = 0
    for matrix in others:
        left, right = (matrix, product) if mode == "forward" else (product, matrix)
        product = left @ right
        count += left.size * right.shape[1]
    return product, count
