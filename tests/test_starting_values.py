"""Starting values that cannot be: refused by name, whatever generator they would be drawn from."""

from __future__ import annotations

import math
from typing import Any

import pytest

import alice_core as ac
from alice_core import nn


def test_too_many_numbers_to_address_are_refused_with_a_seed_too() -> None:
    for make in (nn.init.xavier_uniform, nn.init.normal):
        for seed in (None, 0):
            with pytest.raises(ac.ShapeError, match=r"nor too many to address; got \(10{23}, 2\)"):
                make((10**23, 2), seed=seed)


@pytest.mark.parametrize(
    ("make", "exception", "message"),
    [
        (
            lambda: nn.init.xavier_uniform((2, 2), dtype=ac.int32),
            ac.DTypeError,
            "init: dtype must be floating; got int32",
        ),
        (lambda: nn.init.normal((2, 2), dtype="bool"), ac.DTypeError, "init: dtype must be floating; got bool"),
        (
            lambda: nn.init.normal((2, 2), std=-1.0, seed=0),
            ValueError,
            "normal: std must be a number that is not negat",
        ),
        (lambda: nn.init.normal((2, 2), std=math.nan), ValueError, "normal: std must be .*; got nan"),
        (lambda: nn.init.xavier_uniform((2, 2), gain=-1.0), ValueError, r"xavier_uniform: gain must be .*; got -1\.0"),
        (lambda: nn.init.orthogonal((2, 2), gain=math.inf), ValueError, "orthogonal: gain must be .*; got inf"),
        (lambda: nn.init.kaiming_normal((2, 2), a=math.nan), ValueError, "kaiming_normal: a must be .*; got nan"),
        (lambda: nn.Linear(2, 2, seed=-1), ValueError, "seed: expected an int that is not negative, .*; got -1"),
        (lambda: nn.Linear(2, 2, seed="a"), ac.DTypeError, "seed: expected an int that is not negative, .*; got 'a'"),
        (lambda: nn.Linear(2, 2, seed=1.5), ac.DTypeError, r"seed: expected an int .*; got 1\.5"),
    ],
)
def test_starting_values_that_are_none(make: Any, exception: type[Exception], message: str) -> None:
    """Of integers all were 0, of a NaN all NaN."""
    with pytest.raises(exception, match=message):
        make()
