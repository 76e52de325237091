"""Rows of special.py; test_special.py is the strict one on accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

import alice_core as ac
from op_cases import OpCase
from points import SPECIAL, between, binary, erf, erfc, unary

#: Ours and SciPy's errors together, at points far from zeros.
FINE = {"float32": 4e-7, "float64": 2e-14}


def row(name: str, reference: Any, low: float, high: float, *kernels: str, **more: Any) -> OpCase:
    options: dict[str, Any] = {"tol": FINE} | more
    return OpCase(f"special.{name}", reference, unary(low, high), primitives=(name, *kernels), **options)


def both(name: str, reference: Any, inputs: Any, *kernels: str) -> OpCase:
    return OpCase(
        f"special.{name}",
        reference,
        inputs,
        primitives=(name, *kernels),
        grad=(0, 1),
        tol=FINE,
        errors=[((np.ones(2), np.ones(3)), {}, ac.errors.ShapeError, rf"{name}: shapes must broadcast")],
    )


def same(name: str, reference: Any, low: float, high: float) -> OpCase:
    """A name of scipy.special's that is an op of ours."""
    return OpCase(f"special.{name}", reference, unary(low, high), tol=FINE)


CASES = [
    row("gamma", special.gamma, 1.6, 4.4, "gamma_vjp", "polygamma"),
    row("gammaln", special.gammaln, 0.3, 0.9, "polygamma"),
    OpCase("special.digamma", special.digamma, unary(1.6, 9), primitives=("polygamma",), tol=FINE),
    OpCase(
        "special.polygamma",
        lambda n, x: special.polygamma(n, x),
        [(n, *x) for n in (0, 1, 3) for x in unary(1.6, 9)[:4]],
        primitives=("polygamma",),
        grad=(1,),
        tol=FINE,
        errors=[
            ((-1, np.ones(2)), {}, ValueError, "polygamma: n must be from 0 to 65535; got -1"),
            ((0.5, np.ones(2)), {}, ac.DTypeError, "polygamma: n must be an int; got 0.5"),
        ],
    ),
    both("betaln", special.betaln, [*binary(1.5, 9), (between(0.1, 0.9, 5), between(9, 30, 5))], "betaln_slope"),
    row("erfinv", special.erfinv, -0.97, 0.97, "erfinv_vjp", extreme=[(SPECIAL,)]),
    row("ndtri", special.ndtri, 0.02, 0.46, "ndtri_vjp", extreme=[(SPECIAL,)]),
    row(
        "log_ndtr",
        special.log_ndtr,
        -5,
        3,
        "log_ndtr_vjp",
        "log_ndtr_excess",
        extreme=[(SPECIAL[np.abs(SPECIAL) < 9],)],
    ),
    row("logit", special.logit, 0.02, 0.46, "logit_vjp", extreme=[(SPECIAL,)]),
    row("i0e", special.i0e, -20, 20, "i0e_vjp", extreme=[(SPECIAL,)]),
    row("i1e", special.i1e, -20, 20, "i1e_vjp", extreme=[(SPECIAL[np.isfinite(SPECIAL)],)]),
    OpCase("special.entr", special.entr, unary(0.05, 0.95), tol=FINE, extreme=[(SPECIAL[:7],)]),
    both("rel_entr", special.rel_entr, binary(0.1, 0.4, 0.5, 0.95)),
    both("xlog1py", special.xlog1py, binary(-3, 3, 0.2, 3)),
    same("erf", erf, -3, 3),
    same("erfc", erfc, -3, 3),
    same("exp2", np.exp2, -5, 5),
    same("expm1", np.expm1, -5, 5),
    same("log1p", np.log1p, -0.8, 9),
    same("sinc", np.sinc, 0.05, 0.95),
    same("expit", special.expit, -5, 5),
    same("log_expit", special.log_expit, -5, 5),
    OpCase("special.xlogy", special.xlogy, binary(0.3, 3, 0.2, 3), grad=(0, 1), tol=FINE),
    *(
        OpCase(f"special.{name}", getattr(special, name), [(between(-3, 3, 2, 5), 1)], tol=FINE)
        for name in ("logsumexp", "softmax", "log_softmax")
    ),
]
