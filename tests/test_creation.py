"""What the rows of the creation ops do not say: dtypes, memory, abstract arguments."""

from __future__ import annotations

import numpy as np
import pytest

import alice_core as ac


def test_dtypes_follow_the_arguments() -> None:
    assert ac.zeros(2).dtype == ac.ones(2).dtype == ac.empty(2).dtype == ac.eye(2).dtype == ac.float32
    assert ac.full(2, 1).dtype == ac.arange(3).dtype == ac.int64
    assert ac.full(2, 1.0).dtype == ac.arange(3.0).dtype == ac.linspace(0, 1, 2).dtype == ac.float32
    assert ac.full(2, True).dtype == ac.bool
    for dtype in (ac.float64, ac.int32, ac.uint8, ac.bool):
        assert ac.zeros((2, 3), dtype).dtype == ac.eye(2, dtype=dtype).dtype == ac.arange(2, dtype=dtype).dtype == dtype
        assert ac.full_like(ac.zeros(2), 1, dtype).dtype == dtype
    with pytest.raises(ac.DTypeError, match=r"zeros: dtype must be one of bool, .*; got complex64"):
        ac.zeros(2, "complex64")


def test_results_are_contiguous_and_their_own() -> None:
    x = ac.full((3, 4), 2.0)
    assert x.is_contiguous
    x.requires_grad_().assign_(np.zeros((3, 4)))
    assert ac.full((3, 4), 2.0).tolist() == [[2.0] * 4] * 3


def test_like_an_abstract_tensor_is_a_constant() -> None:
    """Gradient rules ask for zeros of the shape of values that were not kept."""
    x = ac.abstract((2, 3), ac.float64)
    for made, value in ((ac.zeros_like(x), 0.0), (ac.ones_like(x), 1.0), (ac.full_like(x, 5), 5.0)):
        assert (made.shape, made.dtype, made.is_abstract) == ((2, 3), ac.float64, False)
        assert made.tolist() == [[value] * 3] * 2


def test_arange_is_rounded_once() -> None:
    np.testing.assert_array_equal(ac.arange(0.0, 1.0, 0.1).numpy(), np.arange(0.0, 1.0, 0.1).astype(np.float32))
