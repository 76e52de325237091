"""Convolutions of drawn geometry: against taps in NumPy, in batches, in programs, on several threads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from rule_checks import assert_same_bits, check_batch, masks
from windows_reference import conv, conv_transpose, weight_gradient

CONV = {1: ac.conv1d, 2: ac.conv2d, 3: ac.conv3d}
TRANSPOSE = {1: ac.conv_transpose1d, 2: ac.conv_transpose2d, 3: ac.conv_transpose3d}


@st.composite
def problems(draw: st.DrawFn, largest: int = 12) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes of x and the weight, and options; windows fit."""
    rank = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels, rows, images = draw(st.integers(1, 5)), draw(st.integers(1, 20)), draw(st.integers(1, 5))
    axes = []
    for _ in range(rank):
        window, stride, dilation = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
        pads = (draw(st.integers(0, 4)), draw(st.integers(0, 4)))
        least = max(1, dilation * (window - 1) + 1 - sum(pads))
        axes.append((least + draw(st.integers(0, largest)), window, stride, dilation, pads))
    extents, window, stride, dilation, padding = zip(*axes, strict=True)
    options = {"stride": stride, "dilation": dilation, "padding": padding, "groups": groups}
    return (images, groups * channels, *extents), (groups * rows, channels, *window), options


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str = "float64") -> np.ndarray[Any, Any]:
    return rng.standard_normal(shape).astype(dtype)


def assert_close(got: ac.Tensor, want: np.ndarray[Any, Any], terms: np.ndarray[Any, Any]) -> None:
    """Within a few roundings of the sum of magnitudes."""
    assert got.shape == want.shape
    unit = np.finfo(got.dtype).eps
    assert np.all(np.abs(got.numpy() - want) <= 8 * unit * terms + np.finfo(got.dtype).tiny)


@settings(max_examples=150, deadline=None)
@given(problem=problems(), dtype=st.sampled_from(["float32", "float64"]), seed=st.integers(0, 99))
def test_values_and_both_gradients(problem: Any, dtype: str, seed: int) -> None:
    x_shape, w_shape, options = problem
    rng = np.random.default_rng(seed)
    x, w = numbers(rng, x_shape, dtype), numbers(rng, w_shape, dtype)
    rank = len(w_shape) - 2
    f = lambda x, w: CONV[rank](x, w, **options)  # noqa: E731
    y, pullback = ac.vjp(f, ac.tensor(x), ac.tensor(w))
    wide, size = x.astype(np.float64), w.astype(np.float64)
    assert_close(y, conv(wide, size, **options), conv(np.abs(wide), np.abs(size), **options))
    g = numbers(rng, y.shape, dtype)
    dx, dw = pullback(ac.tensor(g))
    pads = options["padding"]
    more = [
        (n + sum(p) - d * (k - 1) - 1) % s
        for n, p, d, k, s in zip(x_shape[2:], pads, options["dilation"], w_shape[2:], options["stride"], strict=True)
    ]
    want, terms = (
        conv_transpose(a, b, output_padding=more, **options)
        for a, b in ((g.astype(np.float64), size), (np.abs(g).astype(np.float64), np.abs(size)))
    )
    assert_close(dx, want, terms)
    want, terms = (
        weight_gradient(a, b.astype(np.float64), w_shape[2:], options)
        for a, b in ((wide, g), (np.abs(wide), np.abs(g)))
    )
    assert_close(dw, want, 4 * terms)


@settings(max_examples=60, deadline=None)
@given(problem=problems(6), seed=st.integers(0, 99))
def test_transposed_convolutions(problem: Any, seed: int) -> None:
    x_shape, w_shape, options = problem
    rank, rng = len(w_shape) - 2, np.random.default_rng(seed)
    x, w = numbers(rng, (x_shape[0], w_shape[0], *x_shape[2:])), numbers(rng, w_shape)
    more = [int(rng.integers(s)) for s in options["stride"]]
    given_ = {**options, "output_padding": more}
    size = [
        (n - 1) * s + d * (k - 1) + m + 1 - sum(p)
        for n, s, d, k, m, p in zip(
            x_shape[2:], options["stride"], options["dilation"], w_shape[2:], more, options["padding"], strict=True
        )
    ]
    if min(size) < 0:
        with pytest.raises(ac.ShapeError, match="must have spatial extents of at least 0"):
            TRANSPOSE[rank](ac.tensor(x), ac.tensor(w), **given_)
        return
    y = TRANSPOSE[rank](ac.tensor(x), ac.tensor(w), **given_)
    assert_close(y, conv_transpose(x, w, **given_), conv_transpose(np.abs(x), np.abs(w), **given_))


@settings(max_examples=60, deadline=None)
@given(problem=problems(5), dtype=st.sampled_from(["float32", "float64"]), seed=st.integers(0, 99))
def test_a_batch_has_the_bits_of_a_loop(problem: Any, dtype: str, seed: int) -> None:
    x_shape, w_shape, options = problem
    rng = np.random.default_rng(seed)
    pads = tuple(n for pair in options["padding"] for n in pair)
    how = (options["stride"], pads, options["dilation"], options["groups"])
    y_shape = ac.primitives()["conv"](ac.abstract(x_shape), ac.abstract(w_shape), *how).shape
    operands = {
        "conv": (x_shape, w_shape, how),
        "conv_transpose": (y_shape, w_shape, (*how, x_shape[2:])),
        "conv_weight": (x_shape, y_shape, (*how, w_shape[2:])),
    }
    for name, (a, b, attributes) in operands.items():
        for batched in masks(2):
            inputs = [numbers(rng, (3, *s) if on else s, dtype) for on, s in zip(batched, (a, b), strict=True)]
            check_batch(ac.primitives()[name], batched, inputs, attributes)


@settings(max_examples=60, deadline=None)
@given(
    problem=problems(3),
    images=st.integers(16, 70),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
    strange=st.sampled_from([None, np.inf, np.nan]),
)
def test_many_small_images_have_the_bits_of_each_alone(
    problem: Any, images: int, dtype: str, seed: int, strange: float | None
) -> None:
    """Together they lie across, and zeros around them are left out: but for weights that would make NaN of them."""
    x_shape, w_shape, options = problem
    rng = np.random.default_rng(seed)
    w_shape = (options["groups"] * 16, *w_shape[1:])
    x, w = numbers(rng, (images, *x_shape[1:]), dtype), numbers(rng, w_shape, dtype)
    if strange is not None:
        w.flat[rng.integers(w.size)] = strange
    f = lambda x: CONV[len(w_shape) - 2](x, ac.tensor(w), **options)  # noqa: E731
    y, pullback = ac.vjp(f, ac.tensor(x))
    g = numbers(rng, y.shape, dtype)
    (by_x,) = pullback(ac.tensor(g))
    for i in (0, images // 2, images - 1):
        alone, pull = ac.vjp(f, ac.tensor(x[i : i + 1]))
        np.testing.assert_array_equal(y[i : i + 1].numpy(), alone.numpy())
        np.testing.assert_array_equal(by_x[i : i + 1].numpy(), pull(ac.tensor(g[i : i + 1]))[0].numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("x_shape", "w_shape", "options"),
    [
        ((9, 1, 28, 28), (6, 1, 5, 5), {}),
        ((5, 6, 12, 12), (16, 6, 5, 5), {}),
        ((3, 64, 14, 14), (32, 64, 3, 3), {"padding": 1}),
        ((2, 3, 33, 35), (40, 3, 7, 7), {"padding": 3, "stride": 2}),
        ((2, 160, 5, 5), (200, 160, 3, 3), {"padding": 1}),
        ((1, 32, 3000), (16, 32, 9), {"padding": "same", "dilation": 1}),
        ((4, 48, 9, 9), (48, 1, 3, 3), {"padding": 1, "groups": 48}),
        ((70, 96, 5, 4), (80, 96, 3, 3), {"padding": 1}),
    ],
)
def test_threads_and_programs_change_no_bit(x_shape: Any, w_shape: Any, options: Any, dtype: str) -> None:
    """Large enough to be cut: along images, lines, rows, channels and the sum."""
    rng = np.random.default_rng(1)
    f = CONV[len(w_shape) - 2]

    def step(x: ac.Tensor, w: ac.Tensor, g: ac.Tensor) -> Any:
        y, pullback = ac.vjp(lambda x, w: f(x, w, **options), x, w)
        return (y, *pullback(g))

    x, w = ac.tensor(numbers(rng, x_shape, dtype)), ac.tensor(numbers(rng, w_shape, dtype))
    g = ac.tensor(numbers(rng, f(x, w, **options).shape, dtype))
    wide = [t.numpy().astype(np.float64) for t in (x, w)]
    y = step(x, w, g)[0]
    assert_close(y, conv(*wide, **options), conv(np.abs(wide[0]), np.abs(wide[1]), **options))
    before = ac.get_num_threads()
    try:
        found = []
        for n in (1, 2, 3):
            ac.set_num_threads(n)
            for run in (step, ac.compile(step)):
                found.append([r.numpy() for r in run(x, w, g)])
        for other in found[1:]:
            for a, b in zip(found[0], other, strict=True):
                assert_same_bits(ac.asarray(a), b, (x_shape, w_shape))
    finally:
        ac.set_num_threads(before)


def test_gradients_per_example_are_those_of_each() -> None:
    rng = np.random.default_rng(2)
    x, w = ac.tensor(numbers(rng, (6, 3, 8, 8))), ac.tensor(numbers(rng, (4, 3, 3, 3)))
    loss = lambda w, x: ac.sum(ac.tanh(ac.conv2d(x, w, padding=1, stride=2)))  # noqa: E731
    each = ac.vmap(ac.grad(loss), in_axes=(None, 0))(w, x)
    for i in range(6):
        np.testing.assert_array_equal(each[i].numpy(), ac.grad(loss)(w, x[i]).numpy())


def test_what_no_window_covers_gets_no_gradient() -> None:
    dx = ac.grad(lambda x: ac.sum(ac.conv2d(x, ac.ones((1, 1, 1, 1)), stride=2)))(ac.ones((1, 4, 4)))
    assert dx.tolist() == [[[1, 0, 1, 0], [0] * 4, [1, 0, 1, 0], [0] * 4]]


def test_numbers_that_are_not_finite_reach_their_windows_only() -> None:
    """Lines are computed side by side, with items between them that belong to no result."""
    x, w = np.zeros((2, 2, 6, 6)), np.ones((3, 2, 3, 3))
    x[0, 1, 2, 5] = math.inf
    x[1, 0, 5, 0] = math.nan
    for padding in (0, 1):
        y, pullback = ac.vjp(lambda x, w, p=padding: ac.conv2d(x, w, padding=p), ac.tensor(x), ac.tensor(w))
        assert np.array_equal(y.numpy(), conv(x, w, padding=padding), equal_nan=True)
        g = np.ones(y.shape)
        want = weight_gradient(x, g, (3, 3), {"padding": padding})
        assert np.array_equal(pullback(ac.tensor(g))[1].numpy(), want, equal_nan=True)
        assert 0 < np.isfinite(want).sum() < want.size


def test_float16_is_widened() -> None:
    x, w = ac.ones((1, 2, 4, 4), ac.float16), ac.ones((3, 2, 3, 3), ac.float16)
    y, pullback = ac.vjp(lambda x, w: ac.conv2d(x, w), x, w)
    assert (y.dtype, y.shape) == ("float16", (1, 3, 2, 2))
    assert [d.dtype for d in pullback(ac.ones_like(y))] == ["float16", "float16"]


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_layouts(layout: str) -> None:
    rng = np.random.default_rng(3)
    x, w = numbers(rng, (2, 5, 6, 3) if layout == "NHWC" else (2, 3, 5, 6)), numbers(rng, (4, 3, 3, 3))
    got = ac.conv2d(x, w, layout=layout, padding="same")
    np.testing.assert_allclose(got.numpy(), conv(x, w, layout=layout, padding="same"), rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match='conv2d: layout must be "NCHW" or "NHWC"; got \'NCW\''):
        ac.conv2d(x, w, layout="NCW")


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_bias_is_added_to_each_channel(rank: int, last: bool, transposed: bool) -> None:
    rng = np.random.default_rng(5)
    f = getattr(ac, f"conv_transpose{rank}d") if transposed else CONV[rank]
    x, w, b = (rng.standard_normal(s) for s in ((2, *(3,) * rank), (2, 2, *(2,) * rank), (2,)))
    x = np.moveaxis(x, 0, -1) if last else x
    options = {"layout": f"N{'DHW'[3 - rank :]}C"} if last else {}
    plain = f(x, w, **options).numpy()
    np.testing.assert_array_equal(f(x, w, b, **options).numpy(), plain + (b if last else b[(..., *(None,) * rank)]))
    ac.testing.check_grads(lambda x, w, b: f(x, w, b, **options), [x, w, b], modes=("rev", "fwd"))
