"""Inputs that break automatic differentiation engines, with the values and gradients that ours must give.

Every row: a scalar or array function, its arguments, the value, and the gradient of the summed result with respect
to every argument (None: not compared). ``test_hard_cases.py`` runs them. Marks in the comments: P as PyTorch does,
J as JAX does, M limit or exact mathematics, D a deliberate departure towards mathematics where others return NaN or
lose all digits. No mark: all agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import alice_core as ac

inf, nan = float("inf"), float("nan")


@dataclass(frozen=True)
class HardCase:
    name: str
    f: Callable[..., ac.Tensor]
    args: Sequence[Any]
    value: Any
    gradient: Sequence[Any] | None
    dtype: str = "float32"
    rtol: float = 3e-7


def _cross_entropy(label: int, **options: Any) -> Callable[[ac.Tensor], ac.Tensor]:
    return lambda x: ac.losses.cross_entropy(x.reshape(1, -1), ac.tensor([label]), **options)


def _bce(y: float) -> Callable[[ac.Tensor], ac.Tensor]:
    return lambda z: ac.losses.binary_cross_entropy_with_logits(z, ac.asarray(y, dtype=z.dtype))


def _f64(
    name: str, f: Callable[..., ac.Tensor], args: Sequence[Any], value: Any, gradient: Sequence[Any] | None
) -> HardCase:
    return HardCase(name, f, args, value, gradient, "float64", 4.5e-16)


CASES = [
    # -- infinities and domains
    HardCase("1 logsumexp of -inf, -inf: D", ac.logsumexp, [[-inf, -inf]], -inf, [[0, 0]]),
    HardCase("2 logsumexp of -inf, 1", ac.logsumexp, [[-inf, 1]], 1, [[0, 1]]),
    HardCase("3 logsumexp of inf, 1: D", ac.logsumexp, [[inf, 1]], inf, [[1, 0]]),
    HardCase("3 logsumexp of inf, inf: M", ac.logsumexp, [[inf, inf]], inf, [[0.5, 0.5]]),
    HardCase("4 logsumexp of 1e30, 0", ac.logsumexp, [[1e30, 0]], 1e30, [[1, 0]]),
    HardCase("4 logsumexp of nothing: P", ac.logsumexp, [[]], -inf, [[]]),
    HardCase("6 softmax of -inf, -inf", lambda x: ac.softmax(x), [[-inf, -inf]], [nan, nan], None),
    HardCase("7 softmax of 1e30, 0", lambda x: ac.softmax(x), [[1e30, 0]], [1, 0], [[0, 0]]),
    HardCase("8 log in an untaken branch: D", lambda x: ac.where(x > 0, ac.log(x), 0.0), [0.0], 0, [0]),
    HardCase("9 sqrt in an untaken branch: D", lambda x: ac.where(x < 1, x, ac.sqrt(x)), [0.0], 0, [1]),
    HardCase("10 plain multiplication is IEEE", lambda x: ac.where(x > 0, 0.0, x * inf), [1.0], 0, [nan]),
    HardCase("11 log of 0", ac.log, [0.0], -inf, [inf]),
    HardCase("11 sqrt of 0", ac.sqrt, [0.0], 0, [inf]),
    HardCase("11 1/0", lambda x: 1.0 / x, [0.0], inf, [-inf]),
    HardCase("11 0/0", lambda x, y: x / y, [0.0, 0.0], nan, [inf, nan]),
    HardCase("13 x log x at 0: value P=J, slope by the strong zero", lambda x: x * ac.log(x), [0.0], nan, [-inf]),
    HardCase("13 xlogy at 0", lambda x: ac.xlogy(x, x), [0.0], 0, None),
    HardCase("15 silu at -inf: D", ac.silu, [-inf], 0, [0]),
    HardCase("15 gelu at -inf: D", ac.gelu, [-inf], 0, [0]),
    HardCase("15 gelu, tanh form, at -inf: D", lambda x: ac.gelu(x, approximate="tanh"), [-inf], 0, [0]),
    # -- losses
    HardCase("17 cross-entropy far apart, wrong", _cross_entropy(1), [[1e30, 0, 0]], 1e30, [[1, -1, 0]]),
    HardCase("17 cross-entropy far apart, right", _cross_entropy(0), [[1e30, 0, 0]], 0, [[0, 0, 0]]),
    HardCase("18 cross-entropy of 1000, 0", _cross_entropy(1), [[1000, 0]], 1000, [[1, -1]]),
    HardCase("19 an impossible class beside", _cross_entropy(1), [[-inf, 0, 0]], 0.6931472, [[0, -0.5, 0.5]]),
    HardCase("20 the impossible class itself: P", _cross_entropy(0), [[-inf, 0, 0]], inf, [[-1, 0.5, 0.5]]),
    HardCase(
        "21 smoothing puts mass on an impossible class: P",
        _cross_entropy(1, label_smoothing=0.1),
        [[-inf, 0, 0]],
        inf,
        [[-1 / 30, -13 / 30, 14 / 30]],
        rtol=1e-6,
    ),
    HardCase(
        "23 smoothing, value",
        _cross_entropy(0, label_smoothing=0.1),
        [[2, 0, 0]],
        0.372878099555218,
        None,
        "float64",
        1e-14,
    ),
    HardCase(
        "24 all rows ignored, mean: D",
        lambda x: ac.losses.cross_entropy(x, ac.tensor([-100, -100]), ignore_index=-100),
        [[[1, 2], [3, 4]]],
        0,
        [[[0, 0], [0, 0]]],
    ),
    HardCase(
        "24 all rows ignored, sum",
        lambda x: ac.losses.cross_entropy(x, ac.tensor([-100, -100]), ignore_index=-100, reduction="sum"),
        [[[1, 2], [3, 4]]],
        0,
        [[[0, 0], [0, 0]]],
    ),
    HardCase(
        "26 the mean divides by the kept rows: P",
        lambda x: ac.losses.cross_entropy(x, ac.tensor([0, -100]), ignore_index=-100),
        [[[0, 0], [3, 4]]],
        0.6931472,
        [[[-0.5, 0.5], [0, 0]]],
    ),
    HardCase("28 BCE at 1000, 0", _bce(0), [1000.0], 1000, [1]),
    HardCase("28 BCE at -1000, 0", _bce(0), [-1000.0], 0, [0]),
    HardCase("29 BCE at 0, 0", _bce(0), [0.0], 0.6931472, [0.5]),
    HardCase("30 BCE at -inf, 0: D", _bce(0), [-inf], 0, [0]),
    HardCase("30 BCE at inf, 1: D", _bce(1), [inf], 0, [0]),
    HardCase("30 BCE at -inf, 0.9", _bce(0.9), [-inf], inf, None),
    # -- stable activations
    HardCase("34 softplus of -100", ac.softplus, [-100.0], 3.78e-44, None, rtol=0.02),
    HardCase("34 softplus of 1000", ac.softplus, [1000.0], 1000, [1]),
    HardCase("34 softplus of 1e30", ac.softplus, [1e30], 1e30, [1]),
    _f64("35 softplus of 21: D", ac.softplus, [21.0], 21.000000000758256, None),
    HardCase(
        "36 softplus'' at 25: D",
        ac.grad(ac.softplus),
        [25.0],
        0.9999999999861120561,
        [1.38879438645782743e-11],
        "float64",
        4.5e-16,
    ),
    HardCase("37 sigmoid of 1000", ac.sigmoid, [1000.0], 1, [0]),
    HardCase("37 sigmoid of -1000", ac.sigmoid, [-1000.0], 0, [0]),
    HardCase("37 sigmoid of -88 is subnormal", ac.sigmoid, [-88.0], 6.0546e-39, None, rtol=1e-4),
    HardCase("39 log sigmoid of -1e30", ac.log_sigmoid, [-1e30], -1e30, [1]),
    HardCase("39 log sigmoid of 100", ac.log_sigmoid, [100.0], -3.78e-44, None, rtol=0.02),
    HardCase("40 tanh' at 20: D", ac.tanh, [20.0], 1, [1.6993417e-17], "float64", 1e-7),
    HardCase("42 elu of -1e-8", ac.elu, [-1e-8], -1e-8, [1]),
    HardCase("42 selu of -1e-8", ac.selu, [-1e-8], -1.7580993e-8, None),
    HardCase("43 log1p of 1e-10", ac.log1p, [1e-10], 1e-10, [1]),
    HardCase("43 expm1 of 1e-20", ac.expm1, [1e-20], 1e-20, [1]),
    HardCase("44 relu of NaN", ac.relu, [nan], nan, None),
    HardCase("44 clip of NaN", lambda x: ac.clip(x, 0.0, 1.0), [nan], nan, None),
    HardCase("44 max with NaN", ac.max, [[1.0, nan]], nan, None),
    # -- kinks: the subgradient of least norm
    HardCase("45 relu at 0", ac.relu, [0.0], 0, [0]),
    HardCase("45 abs at 0", ac.abs, [0.0], 0, [0]),
    HardCase("45 relu6 at 0 and 6", ac.relu6, [[0.0, 6.0]], [0, 6], [[0, 0]]),
    HardCase("45 clip at both bounds", lambda x: ac.clip(x, -1.0, 1.0), [[-1.0, 1.0]], [-1, 1], [[0, 0]]),
    HardCase("46 leaky relu at 0: P", ac.leaky_relu, [0.0], 0, [0.01]),
    HardCase("47 maximum of equals", ac.maximum, [1.0, 1.0], 1, [0.5, 0.5]),
    HardCase("47 max of equals", ac.max, [[1.0, 1.0, 0.0]], 1, [[0.5, 0.5, 0]]),
    HardCase("50 norm of zeros: P", ac.norm, [[0.0, 0.0]], 0, [[0, 0]]),
    HardCase("50 squared norm of zeros: P", lambda x: ac.norm(x) ** 2, [[0.0, 0.0]], 0, [[0, 0]]),
    HardCase("51 sqrt of a sum of squares at 0", lambda x: ac.sqrt(ac.sum(x * x)), [[0.0]], 0, [[nan]]),
    HardCase("53 std of constants: P", lambda x: ac.std(x), [[2.0, 2.0]], 0, [[0, 0]]),
    HardCase("53 var of one item", lambda x: ac.var(x, correction=1), [[2.0]], nan, [[nan]]),
    HardCase("54 0^0: P", ac.pow, [0.0, 0.0], 1, [0, 0]),
    HardCase("54 0^2", ac.pow, [0.0, 2.0], 0, [0, 0]),
    HardCase("54 0^0.5", ac.pow, [0.0, 0.5], 0, [inf, 0]),
    HardCase("55 x^0 at NaN", lambda x: x**0, [nan], 1, [0]),
    HardCase("55 (-2)^2", lambda x: x**2, [-2.0], 4, [-4]),
    HardCase("55 (-2)^2, exponent asked for", ac.pow, [-2.0, 2.0], 4, [-4, nan]),
    HardCase("56 d2/dx2 x^2 at 0", ac.grad(lambda x: x**2), [0.0], 0, [2]),
    HardCase("56 d2/db2 0^b at b=2: D", ac.grad(lambda b: ac.pow(ac.zeros_like(b), b)), [2.0], 0, [0]),
    # -- graphs
    HardCase("83 scalar times empty", lambda x, y: x * y, [2.0, []], [], [0, []]),
    HardCase("84 the same row twice", lambda x: x[ac.tensor([0, 0, 2])], [[1.0, 2.0, 3.0]], [1, 1, 3], [[2, 0, 1]]),
    HardCase("63 sum of no rows", lambda x: ac.sum(x, axis=0), [[]], 0, [[]]),
    HardCase("63 prod of no rows", lambda x: ac.prod(x, axis=0), [[]], 1, [[]]),
    HardCase("63 mean of no rows", lambda x: ac.mean(x, axis=0), [[]], nan, [[]]),
]
