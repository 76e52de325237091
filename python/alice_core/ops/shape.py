"""Shape: views of tensors, joining and cutting them, their diagonals and triangles."""

from __future__ import annotations

from .diagonals import diag, diagonal, tril, triu
from .joining import concat, copy, pad, repeat, roll, split, stack, tile, unstack
from .views import (
    broadcast_arrays,
    broadcast_to,
    expand_dims,
    flatten,
    flip,
    matrix_transpose,
    moveaxis,
    permute_dims,
    ravel,
    reshape,
    squeeze,
    swapaxes,
)

__all__ = [
    "broadcast_arrays",
    "broadcast_to",
    "concat",
    "copy",
    "diag",
    "diagonal",
    "expand_dims",
    "flatten",
    "flip",
    "matrix_transpose",
    "moveaxis",
    "pad",
    "permute_dims",
    "ravel",
    "repeat",
    "reshape",
    "roll",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
    "tril",
    "triu",
    "unstack",
]
