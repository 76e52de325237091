"""Rows of the convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase
from windows_reference import conv, conv_transpose

_rng = np.random.default_rng(12)
_KERNELS = ("conv", "conv_transpose", "conv_weight")


def _pairs(*shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> list[tuple[Any, Any]]:
    """Positive numbers, so that no sum cancels, and integers of both signs, whose sums are exact."""
    made: list[tuple[Any, Any]] = []
    for i, (a, b) in enumerate(shapes):
        if i % 2:
            made.append((_rng.integers(-8, 9, a).astype(float), _rng.integers(-8, 9, b).astype(float)))
        else:
            made.append((_rng.uniform(0.5, 2.0, a), _rng.uniform(0.5, 2.0, b)))
    return made


def _row(name: str, *shapes: tuple[tuple[int, ...], tuple[int, ...]], errors: Any = (), **options: Any) -> OpCase:
    transposed = name.startswith("conv_t")
    return OpCase(
        name,
        conv_transpose if transposed else conv,
        _pairs(*shapes),
        [options] if options else ({},),
        primitives=_KERNELS,
        grad=(0, 1),
        errors=errors,
    )


def _error(
    x: tuple[int, ...], w: tuple[int, ...], message: str, **options: Any
) -> tuple[Any, Mapping[str, Any], Any, str]:
    return (np.zeros(x), np.zeros(w)), options, ac.ShapeError, message


CASES = [
    _row(
        "conv2d",
        ((1, 1, 3, 3), (1, 1, 2, 2)),
        ((2, 2, 4, 3), (3, 2, 2, 2)),
        ((2, 3, 3), (2, 2, 1, 2)),
        ((2, 2, 1, 3, 2), (2, 1, 3, 2)),
        ((0, 2, 3, 3), (1, 2, 2, 2)),
        ((2, 0, 3, 3), (2, 0, 2, 2)),
        ((2, 2, 3, 3), (0, 2, 2, 2)),
        errors=[
            _error(
                (3, 3), (1, 1, 2, 2), r"conv2d: x must have at least 3 axes, channels and 2 spatial ones; got shape"
            ),
            _error((1, 3, 3), (1, 2, 2), r"conv2d: weight must have 4 axes, two of channels and 2 spatial ones"),
            _error(
                (1, 3, 3), (1, 1, 0, 2), r"conv2d: weight must have .* of at least 1 item; got shape \(1, 1, 0, 2\)"
            ),
            _error(
                (3, 3, 3), (1, 2, 2, 2), r"conv2d: weight must have shape \(O, C / groups, …\) .* C = 3, groups = 1"
            ),
            _error((4, 3, 3), (3, 2, 2, 2), r"got weight \(3, 2, 2, 2\), C = 4, groups = 2", groups=2),
            _error((1, 3, 3), (1, 1, 5, 2), r"conv2d: windows must fit into the padded input; got one over 5 items"),
            _error((1, 3, 3), (1, 1, 2, 2), r"conv2d: stride must be one number, or one for each of 2", stride=0),
            _error((1, 3, 3), (1, 1, 2, 2), r"conv2d: stride must be one number, or one", stride=(1, 1, 1)),
            _error((1, 3, 3), (1, 1, 2, 2), r"conv2d: padding must be one number, or one", padding=-1),
            _error((1, 3, 3), (1, 1, 2, 2), r"padding must have a pair \(before, behind\)", padding=((1, 1),)),
            _error(
                (1, 3, 3), (1, 1, 2, 2), r'padding "same" needs stride 1; got stride \(2, 2\)', padding="same", stride=2
            ),
            _error((1, 3, 3), (1, 1, 2, 2), r"conv2d: groups must be from 1 to 2147483647; got 0", groups=0),
        ],
    ),
    _row("conv2d", ((2, 1, 4, 4), (2, 1, 3, 2)), stride=2, padding=1),
    _row("conv2d", ((1, 2, 5, 4), (2, 2, 2, 2)), stride=(1, 2), padding=((0, 2), (1, 0)), dilation=(2, 1)),
    _row("conv2d", ((2, 2, 3, 4), (4, 1, 2, 2)), groups=2, padding="same"),
    _row("conv2d", ((2, 3, 3, 2), (2, 2, 2, 2)), layout="NHWC", padding="valid"),
    _row("conv1d", ((2, 2, 5), (3, 2, 3)), ((2, 4), (1, 2, 1))),
    _row("conv1d", ((1, 5, 2), (2, 1, 2)), stride=2, padding=1, groups=2, layout="NWC"),
    _row("conv3d", ((1, 2, 2, 3, 2), (2, 2, 2, 2, 1)), ((1, 2, 2, 2), (1, 1, 1, 2, 2))),
    _row("conv3d", ((1, 2, 3, 2, 1), (2, 1, 2, 1, 2)), stride=(1, 2, 1), padding=(0, 1, 1), layout="NDHWC"),
    _row(
        "conv_transpose2d",
        ((1, 1, 2, 2), (1, 1, 2, 2)),
        ((2, 2, 2, 3), (2, 3, 2, 1)),
        ((2, 2, 2), (2, 1, 1, 2)),
        ((0, 2, 2, 2), (2, 1, 2, 2)),
        ((2, 0, 2, 2), (0, 2, 2, 2)),
        errors=[
            _error((2, 2, 2), (3, 1, 2, 2), r"conv_transpose2d: weight must have shape \(C, O / groups, …\)"),
            _error((1, 2, 2), (1, 1, 2, 2), r"output_padding must be less than stride; got \(1, 1\)", output_padding=1),
            _error((1, 1, 1), (1, 1, 1, 1), r"must have spatial extents of at least 0, .*; got \(-1, -1\)", padding=1),
            _error((1, 1, 1), (1, 1, 1, 1), r"conv_transpose2d: padding must be numbers; got 'same'", padding="same"),
        ],
    ),
    _row("conv_transpose2d", ((1, 2, 2, 3), (2, 2, 3, 2)), stride=2, padding=1, output_padding=1),
    _row("conv_transpose2d", ((1, 2, 3, 2), (2, 1, 2, 2)), stride=(3, 1), groups=2, dilation=(1, 2), layout="NCHW"),
    _row("conv_transpose1d", ((2, 2, 3), (2, 2, 2)), ((1, 2), (1, 2, 1))),
    _row("conv_transpose1d", ((1, 2, 2), (2, 1, 2)), stride=3, output_padding=2, layout="NWC"),
    _row("conv_transpose3d", ((1, 2, 2, 1, 2), (2, 1, 2, 2, 1))),
    _row("conv_transpose3d", ((1, 1, 2, 2, 2), (2, 1, 1, 2, 2)), stride=2, layout="NDHWC"),
]
