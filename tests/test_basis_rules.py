"""The basis rules, primitive by primitive, against the batch rules on the written-out basis: bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from rule_checks import ATTRIBUTES, assert_same_bits

BASIS = {name: p for name, p in ac.primitives().items() if p.basis_rule is not None}
ORDER = {"reshape": ((3, 2),), "expand_dims": ((1,),), "squeeze": ((1,),)}

BOTH_DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def written_out(scales: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Example i has scales.flat[i] as its item i, else zeros."""
    n = scales.size
    batch = np.zeros((n, n), scales.dtype)
    batch[np.arange(n), np.arange(n)] = scales.ravel()
    return batch.reshape(n, *scales.shape)


def check(p: ac.Primitive, at: int, inputs: Sequence[np.ndarray[Any, Any]], attributes: Sequence[Any]) -> None:
    what = (p.name, at, [x.shape for x in inputs])
    found = p.basis_rule(at, [ac.asarray(x) for x in inputs], *attributes)
    assert found is not None, what
    batched = tuple(i == at for i in range(len(inputs)))
    dense = [ac.asarray(written_out(x) if i == at else x) for i, x in enumerate(inputs)]
    want = p.batch_rule(batched, dense, *attributes).numpy()
    if found[1]:
        assert_same_bits(ac.asarray(written_out(found[0].numpy())), want, what)
    else:
        assert_same_bits(found[0], want, what)


@BOTH_DTYPES
@pytest.mark.parametrize("shape", [(0,), (1,), (5,), (2, 3)])
@pytest.mark.parametrize("name", sorted(BASIS.keys() - ORDER.keys() - {"matmul"}))
def test_zero_stays_zero_whatever_it_meets(name: str, shape: tuple[int, ...], dtype: str) -> None:
    p, rng = BASIS[name], np.random.default_rng(0)
    scales = rng.standard_normal(shape).astype(dtype)
    scales[..., 1:2] = 0.0
    for other in (rng.uniform(0.2, 0.9, shape), np.resize([np.inf, -np.inf, np.nan, 0.0, -2.0], shape)):
        others = [np.asarray(other, dtype)] * (p.n_inputs - 1)
        check(p, 0, [scales, *others], ATTRIBUTES.get(name, ()))
    check(p, 0, [scales, *[np.asarray(0.5, dtype)] * (p.n_inputs - 1)], ATTRIBUTES.get(name, ()))


@pytest.mark.parametrize("name", ["strong_mul", "tanh_vjp"])
def test_what_is_broadcast_or_second_scales_no_basis(name: str) -> None:
    x, wider = ac.ones(3), ac.ones((2, 3))
    assert BASIS[name].basis_rule(0, [x, wider]) is None
    assert BASIS[name].basis_rule(1, [x, x]) is None


@BOTH_DTYPES
@pytest.mark.parametrize("name", sorted(ORDER))
def test_same_order(name: str, dtype: str) -> None:
    shape = (2, 1, 3) if name == "squeeze" else (2, 3)
    check(BASIS[name], 0, [np.random.default_rng(0).standard_normal(shape).astype(dtype)], ORDER[name])


@BOTH_DTYPES
@pytest.mark.parametrize("k", [1, 3, 40, 600])
def test_a_basis_times_a_matrix_is_the_matrix(k: int, dtype: str) -> None:
    rng = np.random.default_rng(0)
    scales, v = (rng.standard_normal(k).astype(dtype) for _ in range(2))
    scales[1:2] = 0.0
    w = rng.standard_normal((k, 7)).astype(dtype)
    w[0, 0], w[-1, -1] = -0.0, 0.0
    p = BASIS["matmul"]
    check(p, 0, [scales, w], ())
    check(p, 1, [w.T, scales], ())
    check(p, 0, [scales, v], ())
    check(p, 1, [v, scales], ())


def test_matrices_are_no_vectors() -> None:
    p, w = BASIS["matmul"], ac.ones((3, 3))
    assert p.basis_rule(0, [w, w]) is None
    assert p.basis_rule(0, [ac.ones(3), ac.ones((2, 3, 3))]) is None


# -- Jacobians ---------------------------------------------------------------------------------------------------------


def two_layers(n: int) -> tuple[Any, list[ac.Tensor]]:
    rng = np.random.default_rng(0)
    w1, w2 = (ac.tensor((rng.standard_normal((n, n)) / np.sqrt(n)).astype("float32")) for _ in range(2))
    return (lambda x: ac.tanh(w2 @ ac.tanh(w1 @ x))), [ac.tensor(rng.standard_normal(n).astype("float32"))]


@pytest.mark.parametrize("jac", [ac.jacrev, ac.jacfwd])
def test_one_of_two_products_is_saved(jac: Any) -> None:
    n = 48
    f, args = two_layers(n)
    flops = ac.trace(jac(f))(*args).cost().flops
    assert 2 * n**3 <= flops < 2.5 * n**3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("chunk", [None, 5])
def test_rows_have_the_bits_of_pull_backs(dtype: str, chunk: int | None) -> None:
    rng = np.random.default_rng(0)
    w, v = (ac.tensor(rng.standard_normal(s).astype(dtype)) for s in ((9, 12), (12, 7)))
    x = ac.tensor(rng.standard_normal(9).astype(dtype))

    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.reshape(ac.softplus(ac.relu(x @ w) @ v), (7, 1))

    y, pullback = ac.vjp(f, x)
    rows = [pullback(ac.reshape(e, y.shape))[0].numpy() for e in ac.eye(7, dtype=dtype)]
    assert_same_bits(ac.jacrev(f, chunk=chunk)(x), np.stack(rows).reshape(7, 1, 9), chunk)
    _, push = ac.linearize(f, x)
    columns = [push(e).numpy() for e in ac.eye(9, dtype=dtype)]
    assert_same_bits(ac.jacfwd(f, chunk=chunk)(x), np.stack(columns, axis=-1), chunk)


def test_an_infinite_weight_spoils_its_own_entries_alone() -> None:
    w = np.eye(3, dtype="float32")
    w[0, 1] = np.inf
    np.testing.assert_array_equal(ac.jacrev(lambda x: ac.tensor(w) @ x)(ac.ones(3)).numpy(), w)
