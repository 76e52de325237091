"""``losses.linear_cross_entropy``: the loss, its derivatives of both modes and two orders, and what it keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import losses
from alice_core.losses import linear

OPTIONS = [{}, {"ignore_index": 2}, {"label_smoothing": 0.1}]


@pytest.fixture(params=["in one part", "in many"])
def problem(request: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[list[np.ndarray], np.ndarray]:
    if request.param == "in many":
        monkeypatch.setattr(linear, "_SMALL", 4)
        for name in ("_BLOCK", "_BLOCK_TWICE"):
            monkeypatch.setattr(linear, name, 8)
        monkeypatch.setattr(linear, "_PARTS", 7)
        assert linear._rows(ac.zeros((13, 4)), 7, linear._PARTS) < 13 / 6
    rng = np.random.default_rng(0)
    return [rng.normal(size=s) for s in ((13, 4), (4, 7), (7,))], rng.integers(0, 7, 13)


def forms(y: np.ndarray, **options: Any) -> list[Any]:
    labels = ac.tensor(y)
    return [
        lambda h, W, b: losses.linear_cross_entropy(h, W, labels, b, **options),
        lambda h, W, b: losses.cross_entropy(h @ W + b, labels, **options),
    ]


@pytest.mark.notes("M133", "M139", "M150")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_value_and_derivatives(problem: Any, reduction: str, options: dict[str, Any]) -> None:
    inputs, y = problem
    tensors = [ac.tensor(x) for x in inputs]
    runs = [ac.vjp(f, *tensors) for f in forms(y, reduction=reduction, **options)]
    np.testing.assert_allclose(runs[0][0].numpy(), runs[1][0].numpy(), rtol=1e-14)
    g = ac.tensor(np.random.default_rng(1).normal(size=runs[0][0].shape))
    for a, b in zip(*(pull(g) for _, pull in runs), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-15)
    f = forms(y, reduction=reduction, **options)[0]
    ac.testing.check_grads(lambda *x: ac.sum(ac.sin(f(*x))), inputs, order=2, modes=("rev", "fwd"))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_compiled(problem: Any, reduction: str) -> None:
    inputs, y = problem
    tensors = [ac.tensor(x) for x in inputs]
    f = forms(y, reduction=reduction)[0]
    step = ac.value_and_grad(lambda *x: ac.sum(f(*x)), argnums=(0, 1, 2))
    eager, compiled = step(*tensors), ac.compile(step)(*tensors)
    assert eager[0].numpy() == compiled[0].numpy()
    for a, b in zip(eager[1], compiled[1], strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_what_changes_in_place_has_the_bits_of_what_does_not(problem: Any, options: dict[str, Any]) -> None:
    inputs, y = problem
    tensors = [ac.tensor(x) for x in inputs]
    step = ac.value_and_grad(forms(y, **options)[0], argnums=(0, 1, 2))
    value, gradients = step(*tensors)
    with ac.debug_nans():  # looks at every result
        seen, others = step(*tensors)
    assert value.item() == seen.item()
    for a, b in zip(gradients, others, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        *(
            ((m, k), (k, n))
            for m, k, n in [(3, 4, 5), (200, 320, 300), (64, 800, 64), (1, 9, 7), (7, 9, 1), (300, 40, 3)]
        ),
        *[
            ((5, 0), (0, 4)),
            ((0, 3), (3, 2)),
            ((4, 3, 5), (5, 6)),
            ((4, 3, 5), (4, 5, 6)),
            ((5,), (5, 6)),
            ((5,), (5,)),
        ],
    ],
)
def test_a_product_is_added_with_the_bits_of_the_two(a: tuple[int, ...], b: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(5)
    x, w = ac.tensor(rng.standard_normal(a).astype(dtype)), ac.tensor(rng.standard_normal(b).astype(dtype))
    for left, right in ((x, w), (ac.asarray(x.numpy().T.copy()).T, ac.asarray(w.numpy().T.copy()).T)):
        if left.ndim > 2:
            left, right = x, w
        c = ac.tensor(rng.standard_normal((left @ right).shape).astype(dtype))
        want, other = (c + left @ right).numpy(), ac.zeros_like(c)
        ac.update("matmul_add", [c, left, right], (), [other])
        ac.update("matmul_add", [c, left, right], (), [c])
        np.testing.assert_array_equal(c.numpy(), want)
        np.testing.assert_array_equal(other.numpy(), want)


def test_a_product_that_does_not_fit_is_not_added() -> None:
    c, a = ac.zeros((2, 2)), ac.ones((2, 3))
    for operands, error, message in [
        ((c, a, ac.ones((3, 4))), ac.ShapeError, r"c must have the shape of a @ b; got c \(2, 2\), a @ b \(2, 4\)"),
        ((c, a, ac.ones((2, 2))), ac.ShapeError, r"a\.shape\[-1\] must equal b\.shape\[-2\]"),
        ((c, a, ac.ones((3, 2), ac.float64)), ac.DTypeError, "one floating dtype; got float32, float32 and float64"),
        ((c.astype(ac.int32),) * 3, ac.DTypeError, "one floating dtype; got int32"),
    ]:
        with pytest.raises(error, match=f"matmul_add: .*{message}"):
            ac.update("matmul_add", list(operands), (), [operands[0]])


def test_hessian_of_the_weights() -> None:
    rng = np.random.default_rng(2)
    h, W, y = rng.normal(size=(5, 2)), ac.tensor(rng.normal(size=(2, 3))), ac.tensor(rng.integers(0, 3, 5))
    found = ac.hessian(lambda W: losses.linear_cross_entropy(ac.tensor(h), W, y))(W)
    want = ac.hessian(lambda W: losses.cross_entropy(ac.tensor(h) @ W, y))(W)
    np.testing.assert_allclose(found.numpy(), want.numpy(), rtol=1e-12, atol=1e-15)


def test_leading_axes_and_a_mapped_batch() -> None:
    rng = np.random.default_rng(3)
    h, W, y = (
        ac.tensor(rng.normal(size=(2, 5, 3))),
        ac.tensor(rng.normal(size=(3, 4))),
        ac.tensor(rng.integers(0, 4, (2, 5))),
    )
    rows = losses.linear_cross_entropy(h, W, y, reduction="none")
    np.testing.assert_allclose(rows.numpy(), losses.cross_entropy(h @ W, y, reduction="none").numpy(), rtol=1e-14)
    each = ac.vmap(ac.grad(lambda h, y: losses.linear_cross_entropy(h, W, y)))(h, y)
    for i in range(2):
        alone = ac.grad(lambda h, i=i: losses.linear_cross_entropy(h, W, y[i]))(h[i])
        np.testing.assert_allclose(each[i].numpy(), alone.numpy(), rtol=1e-14)


def test_no_rows_and_none_that_count() -> None:
    W = ac.ones((3, 4))
    for reduction in ("mean", "sum"):
        assert (
            losses.linear_cross_entropy(ac.zeros((0, 3)), W, ac.zeros((0,), ac.int64), reduction=reduction).item()
            == 0.0
        )
        empty = losses.linear_cross_entropy(ac.ones((2, 3)), W, ac.tensor([1, 1]), reduction=reduction, ignore_index=1)
        assert empty.item() == 0.0
    assert losses.linear_cross_entropy(ac.zeros((0, 3)), W, ac.zeros((0,), ac.int64), reduction="none").shape == (0,)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_no_more_than_a_part_of_the_logits_is_there(reduction: str) -> None:
    n, d, classes = 448, 16, 20_000
    rng = np.random.default_rng(4)
    h = ac.tensor(rng.standard_normal((n, d), np.float32))
    W = ac.tensor(rng.standard_normal((d, classes), np.float32))
    y = ac.tensor(rng.integers(0, classes, n))

    def extra(loss: Any) -> int:
        ac.trim_memory()
        before = ac.memory_stats()["live_bytes"]
        ac.reset_peak_memory()
        gradients = ac.grad(lambda h, W: ac.sum(loss(h, W)), argnums=(0, 1))(h, W)
        return ac.memory_stats()["peak_bytes"] - before - sum(g.nbytes for g in gradients)

    dense = extra(lambda h, W: losses.cross_entropy(h @ W, y, reduction=reduction))
    assert dense >= 2 * 4 * n * classes
    most = 0.15 if reduction == "mean" else 0.2
    for bias in (None, ac.zeros(classes)):
        assert extra(lambda h, W, b=bias: losses.linear_cross_entropy(h, W, y, b, reduction)) <= most * dense


def test_a_compiled_program_keeps_a_part_of_the_logits() -> None:
    n, d, classes = 2048, 512, 32_000
    h, W, y = ac.zeros((n, d)), ac.zeros((d, classes)), ac.zeros((n,), ac.int64)

    def arena(loss: Any) -> float:
        step = ac.compile(ac.value_and_grad(lambda h, W: loss(h, W), argnums=(0, 1)))
        return float(step.program(h, W).arena_bytes) / (4 * n * classes)

    # The gradient of the logits takes their place.
    assert arena(lambda h, W: losses.cross_entropy(h @ W, y)) <= 1.01
    assert arena(lambda h, W: losses.linear_cross_entropy(h, W, y)) <= 0.45


@pytest.mark.parametrize(("dtype", "rows"), [("bfloat16", 512), ("float32", 512), ("float64", 320)])
def test_parts_are_as_long_as_one_sum_of_a_product(dtype: str, rows: int) -> None:
    dtype = getattr(ac, dtype)
    assert linear._rows(ac.zeros((2048, 1), dtype), 32_000, 4) == rows
    loss = losses.linear_cross_entropy(ac.ones((2400, 2), dtype), ac.ones((2, 1200), dtype), ac.zeros(2400, ac.int64))
    assert abs(float(loss) - np.log(1200)) <= 0.1


@pytest.mark.parametrize(
    ("h", "W", "y", "bias", "error", "message"),
    [
        ((2, 3), (4, 5), [0, 1], None, ac.ShapeError, r"h must have shape \(\.\.\., d\).* h \(2, 3\), W \(4, 5\)"),
        ((2, 4), (4, 5), [0, 1], (4,), ac.ShapeError, r"bias \(4,\)"),
        ((2, 4), (4, 5), [[0, 1]], None, ac.ShapeError, r"targets must have shape \(2,\).* got \(1, 2\)"),
        ((2, 4), (4, 5), [0, 5], None, IndexError, "targets must be from 0 to 4; got 5 in row 1"),
        ((2, 4), (4, 5), [0.0, 1.0], None, ac.DTypeError, "targets must be class indices"),
    ],
)
def test_refused(h: Any, W: Any, y: Any, bias: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"linear_cross_entropy: .*{message}|linear_cross_entropy: {message}"):
        losses.linear_cross_entropy(ac.zeros(h), ac.zeros(W), ac.tensor(y), None if bias is None else ac.zeros(bias))


def test_refused_numbers_and_words() -> None:
    h, W, y = ac.zeros((2, 4)), ac.zeros((4, 5)), ac.tensor([0, 1])
    with pytest.raises(ac.DTypeError, match="one floating dtype; got float32, float64"):
        losses.linear_cross_entropy(h, W.astype(ac.float64), y)
    with pytest.raises(ValueError, match="reduction must be"):
        losses.linear_cross_entropy(h, W, y, reduction="avg")
    with pytest.raises(ValueError, match="smoothing"):
        losses.linear_cross_entropy(h, W, y, label_smoothing=1.0)


def test_the_row_of_a_wrong_label_is_counted_among_all(problem: Any) -> None:
    inputs, y = problem
    y = y.copy()
    y[11] = 9
    with pytest.raises(IndexError, match="got 9 in row 11"):
        losses.linear_cross_entropy(inputs[0], inputs[1], y)
