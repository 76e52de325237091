"""Rows of pooling, unfold and fold."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase
from windows_reference import adaptive_pool, avg_pool, fold, max_pool, unfold

_rng = np.random.default_rng(13)
_MAX = ("max_pool", "max_pool_vjp", "max_pool_jvp")
_AVG = ("avg_pool", "avg_pool_vjp")
_UNFOLD = ("unfold", "fold")


def _distinct(*shape: int) -> Any:
    """Positive numbers, no two of them near each other: away from the kinks."""
    n = int(np.prod(shape))
    return ((_rng.permutation(n) + 1.0) / max(n, 1) + 0.5).reshape(shape)


def _row(name: str, reference: Any, primitives: Any, *inputs: Any, errors: Any = (), **options: Any) -> OpCase:
    made = [(_distinct(*shape), *rest) for shape, *rest in inputs]
    return OpCase(name, reference, made, [options], primitives=primitives, errors=errors)


def _error(shape: tuple[int, ...], message: str, *arguments: Any, **options: Any) -> Any:
    return (np.zeros(shape), *arguments), options, ac.ShapeError, message


_max = {rank: partial(max_pool, rank) for rank in (1, 2, 3)}
_avg = {rank: partial(avg_pool, rank) for rank in (1, 2, 3)}

CASES = [
    _row(
        "max_pool2d", _max[2], _MAX,
        ((4, 4), 2), ((2, 1, 5, 3), (2, 3)), ((1, 3, 3), 1), ((0, 4, 4), 2), ((2, 0, 4, 4), (2, 2)),
        errors=[
            _error((4,), r"max_pool2d: x must have at least 2 axes, 2 spatial ones; got shape \(4,\)", 2),
            _error((4, 4), r"max_pool2d: windows must fit into the padded input; got one over 5 items", 5),
            _error((4, 4), r"max_pool2d: window must be one number, or one for each of 2 spatial axes", 0),
            _error((4, 4), r"max_pool2d: x must have at least 3 axes, channels and 2", 2, layout="NHWC"),
        ],
    ),
    _row("max_pool2d", _max[2], _MAX, ((2, 5, 6), 3), stride=2, padding=1),
    _row("max_pool2d", _max[2], _MAX, ((1, 6, 5), 2), stride=1, padding=((0, 2), (1, 0)), dilation=2),
    _row("max_pool1d", _max[1], _MAX, ((4,), 3), ((1, 1), 2), stride=1, padding=1),
    *(
        _row(
            f"{name}_pool{rank}d", pool[rank], how, ((2,) * rank, 2),
            errors=[
                _error((3,) * rank, rf"{name}_pool{rank}d: padding must be at most half a window", 2, padding=2),
                _error((3,) * rank, "so that each window has an item; got 2 and 2", 3, padding=2),
                _error((3,) * rank, "got 0 and 2 around", 2, padding=((0, 2),) * rank),
                *([_error((1,) * rank, "got 1 and 1 around", 2, padding=1, dilation=2)] if name == "max" else []),
            ],
        )
        for name, pool, how in (("max", _max, _MAX), ("avg", _avg, _AVG))
        for rank in (1, 2, 3)
    ),
    _row("avg_pool1d", _avg[1], _AVG, ((4,), 3), stride=1, padding=((2, 0),), count_include_pad=False),
    _row("max_pool2d", _max[2], _MAX, ((2, 4, 6, 3), 2), layout="NHWC"),
    _row("max_pool1d", _max[1], _MAX, ((7,), 2), ((2, 6), (3,)), stride=2),
    _row("max_pool3d", _max[3], _MAX, ((2, 4, 3, 4), 2), stride=(2, 1, 2)),
    _row(
        "avg_pool2d", _avg[2], _AVG,
        ((4, 4), 2), ((2, 1, 5, 3), (2, 3)), ((1, 3, 3), 1), ((0, 4, 4), 2),
        errors=[_error((4, 4), r"avg_pool2d: windows must fit into the padded input; got one over 5", 5)],
    ),
    _row("avg_pool2d", _avg[2], _AVG, ((2, 5, 6), 3), stride=2, padding=1),
    _row("avg_pool2d", _avg[2], _AVG, ((2, 5, 6), 3), stride=2, padding=1, count_include_pad=False),
    _row("avg_pool2d", _avg[2], _AVG, ((2, 4, 6, 3), 2), layout="NHWC"),
    _row("avg_pool1d", _avg[1], _AVG, ((7,), 2), ((2, 6), (3,)), stride=2),
    _row("avg_pool3d", _avg[3], _AVG, ((2, 4, 3, 4), 2), stride=(2, 1, 2)),
    *(
        _row(
            f"adaptive_{name}_pool{rank}d", partial(adaptive_pool, rank, f), (),
            *inputs, errors=[_error((0,) * rank, r"spatial axes must have at least 1 item; got shape", 1)],
        )
        for name, f in (("avg", np.mean), ("max", np.max))
        for rank, inputs in (
            (1, [((6,), 3), ((2, 7), 3), ((5,), 1)]),
            (2, [((2, 4, 6), (2, 3)), ((2, 1, 5, 7), (3, 2)), ((3, 3), 1), ((2, 3), 5)]),
            (3, [((4, 2, 6), 2), ((3, 2, 5), (2, 1, 2))]),
        )
    ),
    _row("adaptive_avg_pool2d", partial(adaptive_pool, 2, np.mean), (), ((5, 4, 2), (2, 3)), layout="NHWC"),
    _row(
        "unfold", unfold, _UNFOLD,
        ((2, 4, 3), 2), ((2, 1, 5), (3,)), ((1, 2, 3, 2), (2, 2, 1)), ((0, 2, 3, 3), (2, 2)),
        errors=[
            _error((4, 4), r"unfold: x must have channels and 2 spatial axes; got shape \(4, 4\)", 2),
            _error((1, 4, 4), r"unfold: windows must fit into the padded input; got one over 5", 5),
            _error((1, 4, 4), r"unfold: window must have one to three entries; got 4", (1, 1, 1, 1)),
        ],
    ),
    _row("unfold", unfold, _UNFOLD, ((2, 2, 5, 4), (2, 3)), stride=(2, 1), padding=1, dilation=(2, 1)),
    _row(
        "fold", fold, _UNFOLD,
        ((2, 8, 6), (3, 4), 2), ((3, 3), (5,), (3,)),
        errors=[
            _error((8, 5), r"fold: y must have shape \(…, C \* 4, 6\), items of a window and windows", (3, 4), 2),
            _error((7, 6), r"got shape \(7, 6\)", (3, 4), 2),
        ],
    ),
    _row("fold", fold, _UNFOLD, ((2, 12, 12), (5, 4), (2, 3)), stride=(2, 1), padding=1, dilation=(1, 1)),
]  # fmt: skip
