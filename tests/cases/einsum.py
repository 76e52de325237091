"""Rows of einsum: what is summed, kept, repeated, broadcast and left alone; any subscripts in ``test_einsum.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

_rng = np.random.default_rng(23)


def _call(subscripts: str, *shapes: tuple[int, ...]) -> tuple[Any, ...]:
    return subscripts, *(_rng.uniform(0.5, 2.0, shape) for shape in shapes)


def _einsum(subscripts: str, *operands: Any, optimize: Any = True) -> Any:
    return np.asarray(np.einsum(subscripts, *operands))


_A, _B = np.zeros((2, 3)), np.zeros((3, 4))

CASES = [
    OpCase(
        "einsum",
        _einsum,
        [
            _call("ij->ji", (2, 3)),
            _call("ii", (3, 3)),
            _call("iij->ji", (3, 3, 2)),
            _call("iii->i", (2, 2, 2)),
            _call("...ij->...", (2, 3, 2)),
            _call("", ()),
            _call("ba", (2, 3)),
        ],
        grad=(1,),
        errors=[
            (("ij,jk", _A), {}, ac.ShapeError, "einsum: expected 2 operands for 'ij,jk'; got 1"),
            (("ijk", _A), {}, ac.ShapeError, r"einsum: operand 0 must have 3 axes, as 'ijk' says; got shape \(2, 3\)"),
            (("...ijk", _A), {}, ac.ShapeError, "must have at least 3 axes"),
            (("i", _A), {}, ac.ShapeError, "operand 0 must have 1 axes"),
            (
                ("ii", _A),
                {},
                ac.ShapeError,
                r"must be equally long, or 1 in another operand; got 2 and 3 for 'i' in op",
            ),
            (("ij,ik", _A, _B), {}, ac.ShapeError, r"got 2 and 3 for 'i' in operand 1 of shape \(3, 4\)"),
            (("...i->i", _A), {}, ac.ShapeError, r"the result must have the axes of '...'; .* write ->...i"),
            (("ij->ik", _A), {}, ValueError, "each letter of the result must come in an operand, too; got 'k'"),
            (("ij->ii", _A), {}, ValueError, "each letter of the result must come once; got 'i'"),
            (("i+", _A), {}, ValueError, r"einsum: term 0 must be made of letters and one '...'; got 'i\+'"),
            ((_A,), {}, ac.DTypeError, "einsum: subscripts must be a text"),
            ((_A, [0, "j"]), {}, ac.DTypeError, "einsum: the axes of an operand must be a list of ints from 0 to 51"),
            (("ij", _A), {"optimize": "best"}, ValueError, 'einsum: optimize must be "greedy" or "optimal"; got'),
        ],
    ),
    OpCase(
        "einsum",
        _einsum,
        [
            _call("ij,jk", (2, 3), (3, 4)),
            _call("ij,jk->ki", (2, 3), (3, 4)),
            _call("ij,kj->ik", (2, 3), (4, 3)),
            _call("i,i->", (3,), (3,)),
            _call("i,j->ij", (3,), (2,)),
            _call("ij,ij->i", (2, 3), (2, 3)),
            _call("ij,ji->", (2, 3), (3, 2)),
            _call("bhsd,bhtd->bhst", (2, 2, 3, 2), (2, 2, 4, 2)),
            _call("bshd,bthd->bhst", (2, 3, 2, 2), (2, 4, 2, 2)),
            _call("bsd,de->bse", (2, 3, 2), (2, 4)),
            _call("ijk,lkj->il", (2, 3, 4), (2, 4, 3)),
            _call("...i,...i->...", (2, 1, 3), (4, 3)),
            _call("i...,i...->...i", (3, 2), (3, 2)),
            _call("ij,jk", (2, 1), (3, 4)),
            _call("ij,kl->j", (2, 3), (2, 2)),
            _call("ii,ij->i", (3, 3), (3, 2)),
            _call(",ij->ij", (), (2, 3)),
            _call("ij,jk", (2, 0), (0, 3)),
            _call("bij,bjk", (0, 2, 3), (0, 3, 2)),
            ("ij,jk->i", np.arange(6).reshape(2, 3), np.arange(12).reshape(3, 4)),
        ],
        grad=(1, 2),
    ),
    OpCase(
        "einsum",
        _einsum,
        [
            _call("i,ij,j->", (3,), (3, 2), (2,)),
            _call("bn,anm,bm->ba", (2, 3), (4, 3, 2), (2, 2)),
            _call("abc,cde,efa->bdf", (2, 3, 2), (2, 2, 3), (3, 2, 2)),
            _call("ij,ij,ij->ij", (2, 3), (2, 3), (2, 3)),
        ],
        [{}, {"optimize": False}, {"optimize": "greedy"}, {"optimize": "optimal"}],
        grad=(1, 2, 3),
    ),
]
