"""Derivatives of functions of one number in every mode, and the numbers to take them at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import alice_core as ac

Scalar = Callable[[Any], Any]


def scalar(x: float) -> ac.Tensor:
    return ac.tensor(x, dtype=ac.float64)


def vector(*xs: float) -> ac.Tensor:
    return ac.tensor(list(xs), dtype=ac.float64)


def normal(rng: np.random.Generator, x: Any) -> ac.Tensor:
    return ac.tensor(np.asarray(rng.standard_normal(x.shape)))


def reverse(f: Scalar) -> Scalar:
    return ac.grad(f)


def forward(f: Scalar) -> Scalar:
    return lambda x: ac.jvp(f, [x], [ac.ones_like(x)])[1]


def linear(f: Scalar) -> Scalar:
    return lambda x: ac.linearize(f, x)[1](ac.ones_like(x))


MODES = (reverse, forward, linear)
