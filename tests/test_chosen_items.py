"""``where=``, ``initial=``, ``ddof=`` and weights of reductions, against NumPy's and as functions to differentiate."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac

X = np.array([[1.5, -2.0, 3.25, 0.5], [0.75, 4.0, -1.0, 2.5], [-3.0, 0.25, 1.0, -0.5]])
MASKS = {"matrix": X > 0, "row": np.array([True, False, True, True]), "column": np.array([[True], [False], [True]])}
INITIAL = ("sum", "prod", "max", "min")
KINDS = [np.float64, np.float32, np.int64, np.int32, np.uint8]


def numpys(name: str, x: Any, **options: Any) -> Any:
    if name in ("var", "std") and "correction" in options:
        options["ddof"] = options.pop("correction")
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of means of nothing
        return getattr(np, name)(x, **options)


@given(
    name=st.sampled_from(["sum", "prod", "max", "min", "mean", "var", "std", "any", "all"]),
    axis=st.sampled_from([None, 0, 1, (0, 1), -1]),
    mask=st.sampled_from([None, *MASKS]),
    initial=st.sampled_from([None, 2, -1.5]),
    keepdims=st.booleans(),
    dtype=st.sampled_from(KINDS),
)
def test_values_are_numpys(name: str, axis: Any, mask: str | None, initial: Any, keepdims: bool, dtype: Any) -> None:
    x = np.abs(X).astype(dtype) if dtype == np.uint8 else X.astype(dtype)
    options: dict[str, Any] = {"axis": axis, "keepdims": keepdims}
    if name in INITIAL and initial is not None:
        options["initial"] = initial if x.dtype.kind == "f" else 2
    if mask is not None and (name not in ("max", "min") or "initial" in options):
        options["where"] = MASKS[mask]
    if name in ("var", "std", "mean"):
        x = x.astype(np.float64) if x.dtype.kind != "f" else x
    got = getattr(ac, name)(ac.tensor(x), **options)
    want = numpys(name, x, **options)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6 if x.dtype == np.float32 else 1e-14, atol=1e-300)
    method = getattr(ac.tensor(x), name)(**options)
    assert method.numpy().tobytes() == got.numpy().tobytes()
    compiled = ac.compile(lambda x: getattr(ac, name)(x, **options))(ac.tensor(x))
    assert compiled.numpy().tobytes() == got.numpy().tobytes()


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "var", "std"])
def test_derivatives(name: str, mask: str) -> None:
    options: dict[str, Any] = {"axis": 1, "where": MASKS[mask]}
    if name in INITIAL:
        options["initial"] = 0.4
    x = X if mask != "column" else X[::2]
    options["where"] = options["where"] if mask != "column" else MASKS["column"][::2]
    ac.testing.check_grads(lambda x: getattr(ac, name)(x, **options), [x], order=2, modes=("rev", "fwd"))
    batch = np.stack([x, x + 0.125, -x])
    got = ac.vmap(lambda x: getattr(ac, name)(x, **options))(ac.tensor(batch))
    for one, y in zip(batch, got, strict=True):
        assert getattr(ac, name)(ac.tensor(one), **options).numpy().tobytes() == y.numpy().tobytes()


@pytest.mark.parametrize("name", INITIAL)
def test_what_a_reduction_starts_from_is_an_input(name: str) -> None:
    ac.testing.check_grads(lambda x, i: getattr(ac, name)(x, axis=0, initial=i), [X, np.array(0.3)], order=2)


def test_extremes_of_nothing_are_what_they_start_from() -> None:
    assert ac.max(ac.zeros((0,)), initial=-2.5).item() == -2.5
    assert ac.min(ac.zeros((3, 0)), axis=1, initial=7).tolist() == [7.0] * 3
    assert ac.max(ac.tensor([1, 2]), initial=5, where=False).item() == 5
    with pytest.raises(ValueError, match="max: with where= all items may be left out; got initial=None"):
        ac.max(ac.tensor([1.0]), where=True)


def test_no_gradient_reaches_what_does_not_count() -> None:
    x = ac.tensor([1.0, np.nan, np.inf])
    keep = np.array([True, False, False])
    for f in (ac.sum, ac.mean, ac.prod, ac.var, ac.std):
        y, pull = ac.vjp(lambda x, f=f: f(x, where=keep), x)
        assert np.isfinite(y.numpy()), f
        assert pull(ac.ones_like(y))[0].tolist()[1:] == [0.0, 0.0], f


@pytest.mark.parametrize("name", ["var", "std"])
def test_ddof_is_correction(name: str) -> None:
    f = getattr(ac, name)
    x = ac.tensor(X)
    assert f(x, axis=0, ddof=1).tolist() == f(x, axis=0, correction=1).tolist() == f(x, 0, 1).tolist()
    np.testing.assert_allclose(f(x, axis=0, ddof=1).numpy(), numpys(name, X, axis=0, ddof=1), rtol=1e-15)
    with pytest.raises(ac.DTypeError, match=f"{name}: ddof is another name of correction"):
        f(x, correction=1, ddof=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ac.sum(x, where=X), "sum: where must be bools; got ndarray .*compare first"),
        (lambda x: ac.mean(x, where=[True]), "mean: where must be bools; got list"),
        (lambda x: ac.any(x, where=1), "any: where must be bools; got 1"),
        (
            lambda x: ac.prod(x, where=np.ones((2, 3, 4), bool)),
            r"prod: where must broadcast to .*, \(3, 4\)",
        ),
        (lambda x: ac.sum(x, initial=np.ones(2)), "sum: initial must be a number; got ndarray of shape"),
        (lambda x: ac.min(x, initial="1"), "min: initial must be a number; got '1'"),
        (lambda x: ac.std(x, ddof="1", where=True), "std: correction must be a number; got '1'"),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(ac.AliceError, match=message):
        call(ac.tensor(X))


WEIGHTS = {"all": (None, np.abs(X) + 0.5), "rows": (0, np.array([1.0, 2.0, 0.5])), "columns": (1, np.arange(1.0, 5.0))}


@pytest.mark.parametrize("which", WEIGHTS)
def test_weights(which: str) -> None:
    axis, w = WEIGHTS[which]
    np.testing.assert_allclose(ac.average(X, axis, w).numpy(), np.average(X, axis, w), rtol=1e-15)
    ac.testing.check_grads(lambda x, w: ac.average(x, axis, w), [X, w], order=2, modes=("rev", "fwd"))
    same = ac.average(X, axis, np.ones_like(w), keepdims=True)
    np.testing.assert_allclose(same.numpy(), np.mean(X, axis, keepdims=True), rtol=1e-15)
