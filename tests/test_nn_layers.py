"""Layers beyond the linear one: what normalises, holds, looks up, drops, attends and recurs; starting values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from alice_core import tree

nn = ac.nn


def normal(*shape: int, seed: int = 0, dtype: Any = ac.float64) -> ac.Tensor:
    return ac.tensor(np.random.default_rng(seed).standard_normal(shape), dtype=dtype)


# -- normalisation ----------------------------------------------------------------------------------------------------


def test_batch_norm_follows_what_it_has_seen() -> None:
    """The definition, by hand: eager and in a compiled step, which captures the running statistics by reference."""
    batches = [normal(6, 3, seed=s) * 2.0 + s for s in range(4)]
    for momentum in (0.1, None):
        mean, var = np.zeros(3), np.ones(3)
        for i, x in enumerate(batches):
            share = 1.0 / (i + 1) if momentum is None else momentum
            mean = (1 - share) * mean + share * x.numpy().mean(axis=0)
            var = (1 - share) * var + share * x.numpy().var(axis=0, ddof=1)
        results = []
        for compiled in (False, True):
            norm = nn.BatchNorm1d(3, momentum=momentum, dtype=ac.float64)

            def step(x: ac.Tensor, norm: Any = norm) -> ac.Tensor:
                y = norm(x)
                ac.sum(y * y * y).backward()
                return y

            run = ac.compile(step) if compiled else step
            outputs = [run(x).numpy() for x in batches]
            np.testing.assert_allclose(outputs[-1].mean(axis=0), 0.0, atol=1e-12)
            np.testing.assert_allclose(norm.running_mean.numpy(), mean, rtol=1e-12)
            np.testing.assert_allclose(norm.running_var.numpy(), var, rtol=1e-12)
            assert norm.num_batches_tracked.item() == 4
            assert [n for n, _ in norm.named_parameters()] == ["weight", "bias"]
            norm.eval()
            want = (batches[0].numpy() - mean) / np.sqrt(var + 1e-5)
            np.testing.assert_allclose(norm(batches[0]).numpy(), want, rtol=1e-10)
            assert norm.num_batches_tracked.item() == 4
            results.append([*(o.tobytes() for o in outputs), norm.running_var.numpy().tobytes(), norm.weight.grad])
        assert results[0][:-1] == results[1][:-1]
        np.testing.assert_array_equal(results[0][-1].numpy(), results[1][-1].numpy())


def test_batch_norm_without_running_statistics_or_with_one_number() -> None:
    norm = nn.BatchNorm2d(2, track_running_stats=False, affine=False).eval()
    assert norm.state_dict() == {}
    y = norm(normal(3, 2, 4, 5)).numpy()
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0.0, atol=1e-12)
    with pytest.raises(ac.ShapeError, match=r"BatchNorm1d: expected more than one number .* \(1, 2\); use a larger"):
        nn.BatchNorm1d(2)(ac.zeros((1, 2)))
    with pytest.raises(ac.ShapeError, match=r"BatchNorm1d: expected inputs of shape \(N, 2\) or \(N, 2, L\); got \(3,"):
        nn.BatchNorm1d(2)(ac.zeros((3, 3)))
    with pytest.raises(ac.ShapeError, match=r"BatchNorm2d: expected inputs of shape \(N, 2, H, W\)"):
        nn.BatchNorm2d(2)(ac.zeros((3, 2)))


def test_rows_are_normalised_over_the_axes_of_the_layer() -> None:
    x = normal(4, 2, 3)
    y = nn.LayerNorm((2, 3), eps=0.0, dtype=ac.float64)(x).numpy()
    np.testing.assert_allclose(y.mean(axis=(1, 2)), 0.0, atol=1e-15)
    np.testing.assert_allclose((y * y).mean(axis=(1, 2)), 1.0, rtol=1e-14)
    y = nn.RMSNorm((2, 3), dtype=ac.float64)(x).numpy()
    np.testing.assert_allclose((y * y).mean(axis=(1, 2)), 1.0, rtol=1e-14)
    y = nn.GroupNorm(2, 4, eps=0.0, dtype=ac.float64)(normal(3, 4, 5)).numpy().reshape(3, 2, 10)
    np.testing.assert_allclose(y.mean(axis=-1), 0.0, atol=1e-15)
    with pytest.raises(ac.ShapeError, match=r"LayerNorm: expected inputs of shape \(…, 2, 3\), .* got \(3, 2\)"):
        nn.LayerNorm((2, 3))(ac.zeros((3, 2)))
    with pytest.raises(ac.DTypeError, match="LayerNorm: expected inputs of dtype float32"):
        nn.LayerNorm(3)(normal(2, 3))
    with pytest.raises(ac.ShapeError, match=r"GroupNorm: num_channels must be a multiple of num_groups; got 5 and 2"):
        nn.GroupNorm(2, 5)
    assert nn.LayerNorm(3, elementwise_affine=False).parameters() == []
    assert [n for n, _ in nn.LayerNorm(3, bias=False).named_parameters()] == ["weight"]


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
def test_subtracting_the_mean_loses_nothing(offset: float) -> None:
    """float32 rows far from 0: as good as their items are, to a few units of the result."""
    x = (np.random.default_rng(0).standard_normal((20, 100)) + offset).astype(np.float32)
    exact = x.astype(np.float64)
    exact = (exact - exact.mean(-1, keepdims=True)) / np.sqrt(exact.var(-1, keepdims=True) + 1e-5)
    got = ac.layer_norm(ac.tensor(x)).numpy()
    assert np.max(np.abs(got - exact)) <= 4 * np.spacing(np.float32(4.0))


@pytest.mark.parametrize("scale", [1e-170, 1e160, 1e300])
def test_squares_that_leave_the_range(scale: float) -> None:
    x = normal(3, 50)
    want = ac.layer_norm(x, eps=0.0).numpy()
    np.testing.assert_allclose(ac.layer_norm(x * scale, eps=0.0).numpy(), want, rtol=1e-12)
    want = ac.rms_norm(x, eps=0.0).numpy()
    np.testing.assert_allclose(ac.rms_norm(x * scale, eps=0.0).numpy(), want, rtol=1e-12)


def test_a_cotangent_of_nothing_stays_nothing_whatever_the_row_holds() -> None:
    x = ac.tensor(np.array([[np.inf, 1.0, np.nan], [1.0, 1.0, 1.0], [1.0, 2.0, 4.0]]))
    for f in (lambda x, w: ac.layer_norm(x, w, eps=0.0), lambda x, w: ac.rms_norm(x, w, eps=0.0)):
        _, pull = ac.vjp(f, x, ac.ones(3, ac.float64))
        dx, dw = pull(ac.tensor(np.array([[0.0] * 3, [0.0] * 3, [1.0, 0.0, 0.0]])))
        assert dx[:2].tolist() == [[0.0] * 3] * 2
        assert np.isfinite(dw.numpy()).all()


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_norms_of_any_shape(data: st.DataObject) -> None:
    """Weights of many rows, cut into pieces: the gradient is that of the definition, for any number of threads."""
    rows, n = data.draw(st.sampled_from([1, 2, 15, 16, 17, 33, 700])), data.draw(st.sampled_from([1, 3, 16, 50, 100]))
    x, w, b, g = (normal(*s, seed=i) for i, s in enumerate([(rows, n), (n,), (n,), (rows, n)]))

    def by_hand(x: ac.Tensor, w: ac.Tensor, b: ac.Tensor) -> ac.Tensor:
        c = x - ac.mean(x, axis=-1, keepdims=True)
        return c * ac.rsqrt(ac.mean(c * c, axis=-1, keepdims=True) + 0.1) * w + b

    y, pull = ac.vjp(lambda x, w, b: ac.layer_norm(x, w, b, eps=0.1), x, w, b)
    want, pull_by_hand = ac.vjp(by_hand, x, w, b)
    for got, expected in zip((y, *pull(g)), (want, *pull_by_hand(g)), strict=True):
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-10, atol=1e-11)
    before = ac.get_num_threads()
    try:
        ac.set_num_threads(3)
        again = ac.vjp(lambda x, w, b: ac.layer_norm(x, w, b, eps=0.1), x, w, b)[1](g)
    finally:
        ac.set_num_threads(before)
    assert [a.numpy().tobytes() for a in again] == [a.numpy().tobytes() for a in pull(g)]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_storage_dtypes_are_widened_and_rounded_once(dtype: str) -> None:
    x, w = (normal(4, 8, seed=s).astype(getattr(ac, dtype)) for s in (0, 1))
    y = ac.layer_norm(x, w[0])
    assert y.dtype == getattr(ac, dtype)
    wide = ac.layer_norm(x.astype(ac.float32), w[0].astype(ac.float32)).astype(getattr(ac, dtype))
    assert y.tolist() == wide.tolist()
    q = x[None]
    y = ac.scaled_dot_product_attention(q, q, q)
    wide = ac.scaled_dot_product_attention(*[q.astype(ac.float32)] * 3).astype(getattr(ac, dtype))
    assert (y.dtype, y.tolist()) == (wide.dtype, wide.tolist())


# -- embedding and dropout --------------------------------------------------------------------------------------------


def test_embedding_learns_all_rows_but_the_padding() -> None:
    table = nn.Embedding(5, 3, padding_idx=-4, seed=0)
    assert table.weight[1].tolist() == [0.0] * 3
    assert 0.3 < table.weight.numpy()[[0, 2, 3, 4]].std() < 2.0
    ac.sum(table(ac.tensor([[0, 1], [-4, 4]])) * 2.0).backward()
    assert table.weight.grad.tolist() == [[2.0] * 3, [0.0] * 3, [0.0] * 3, [0.0] * 3, [2.0] * 3]
    with pytest.raises(IndexError):
        table(ac.tensor([5]))
    with pytest.raises(ValueError, match="Embedding: padding_idx must be a row of the table, from -5 to 4; got 5"):
        nn.Embedding(5, 3, padding_idx=5)


@pytest.mark.parametrize(("kind", "shape"), [(nn.Dropout1d, (50, 4, 6)), (nn.Dropout2d, (50, 4, 2, 3))])
def test_channels_are_dropped_as_a_whole(kind: Any, shape: tuple[int, ...]) -> None:
    drop = kind(0.25, ac.random.Generator(0))
    y = drop(ac.ones(shape)).numpy().reshape(200, -1)
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert (y == y[:, :1]).all()
    assert 0.1 < (y == 0).mean() < 0.4
    assert drop(ac.ones(shape[1:])).shape == shape[1:]
    assert (drop.eval()(ac.ones(shape)).numpy() == 1).all()
    with pytest.raises(ac.ShapeError, match=rf"{kind.__name__}: expected inputs of shape"):
        kind()(ac.ones((2,)))


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x = normal(200_000)
    y = nn.AlphaDropout(0.3, ac.random.Generator(1))(x).numpy()
    assert abs(y.mean()) < 0.02
    assert abs(y.var() - 1.0) < 0.02
    assert nn.AlphaDropout(1.0)(x[:3]).tolist() == [0.0] * 3
    with pytest.raises(ValueError, match="AlphaDropout: p must be a probability"):
        nn.AlphaDropout(1.5)


# -- containers -------------------------------------------------------------------------------------------------------


def test_containers_are_found_by_states_trees_and_transforms() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            self.layers = nn.ModuleList([nn.Linear(3, 3, seed=i) for i in range(2)])
            self.heads = nn.ModuleDict({"a": nn.Linear(3, 2, seed=2)})
            self.skip = nn.Residual(nn.Linear(3, 3, seed=3), ac.tanh)
            self.nothing = nn.Identity(3, unused=True)

        def forward(self, x: ac.Tensor) -> ac.Tensor:
            for layer in self.layers:
                x = layer(x)
            return self.heads["a"](self.nothing(self.skip(x)))  # type: ignore[no-any-return]

    model, x = Model(), normal(4, 3, dtype=ac.float32)
    names = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "heads.a.weight", "heads.a.bias"]
    assert list(model.state_dict()) == [*names, "skip.layers.0.weight", "skip.layers.0.bias"]
    gradient = ac.grad(lambda m: ac.sum(m(x)))(model)
    assert isinstance(gradient, Model)
    assert len(tree.leaves(gradient)) == 8
    ac.sum(model(x)).backward()
    for p, g in zip(model.parameters(), tree.leaves(gradient), strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), g.numpy())
    np.testing.assert_array_equal(ac.compile(model)(x).numpy(), model(x).numpy())
    assert not model.eval().layers[0].training


def test_module_lists_are_lists() -> None:
    a, b, c, d = (nn.Linear(i + 1, 1) for i in range(4))
    layers = nn.ModuleList([a, c])
    layers.insert(1, b)
    layers.append(d)
    assert list(layers) == [a, b, c, d]
    assert len(layers) == 4
    assert layers[-1] is d
    assert list(layers[1:3]) == [b, c]
    layers[-1] = e = nn.Linear(5, 1)
    assert layers[3] is e
    assert list(layers.state_dict()) == [f"{i}.{n}" for i in range(4) for n in ("weight", "bias")]
    with pytest.raises(IndexError, match="ModuleList: index must be from -4 to 3; got 4"):
        layers[4] = a
    with pytest.raises(TypeError, match="ModuleList: expected modules; got builtin"):
        layers.append(len)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="ModuleList: it only holds modules"):
        layers(ac.ones(2))


def test_module_dicts_are_dicts() -> None:
    a, b = nn.Linear(1, 1), nn.Linear(1, 2)
    parts = nn.ModuleDict({"a": a})
    parts["b"] = b
    assert (list(parts), list(parts.values()), list(parts.items())) == (["a", "b"], [a, b], [("a", a), ("b", b)])
    assert "b" in parts
    del parts["a"]
    assert list(parts.keys()) == ["b"]
    with pytest.raises(KeyError):
        parts["a"]
    for key in ("_x", "x.y", "keys", "training"):
        with pytest.raises(ValueError, match="ModuleDict: a key must not begin with an underscore"):
            parts[key] = a


def test_residual_errors() -> None:
    with pytest.raises(ac.ShapeError, match=r"must keep the shape; got \(2, 1\) for an input of \(2, 3\)"):
        nn.Residual(nn.Linear(3, 1))(ac.zeros((2, 3)))
    with pytest.raises(TypeError, match="Residual: expected at least one module or function"):
        nn.Residual()


# -- attention --------------------------------------------------------------------------------------------------------


def test_masks_may_be_given_in_any_form() -> None:
    """Flags, numbers, causal, padding: the same weights; fused or held."""
    attention = nn.MultiheadAttention(8, 2, batch_first=True, dtype=ac.float64, seed=0)
    x = normal(3, 5, 8)
    causal = ~np.tri(5, dtype=bool)
    padding = np.zeros((3, 5), bool)
    padding[1, 3:] = True
    numbers = np.where(padding, -math.inf, 0.0)
    want, weights = attention(x, x, x, key_padding_mask=ac.tensor(padding), attn_mask=ac.tensor(causal))
    assert weights is not None
    assert (weights.numpy()[:, causal] == 0).all()
    assert (weights.numpy()[1, :, 3:] == 0).all()
    np.testing.assert_allclose(weights.numpy().sum(-1), 1.0, rtol=1e-14)
    for options in (
        {"key_padding_mask": ac.tensor(padding), "is_causal": True},
        {"key_padding_mask": ac.tensor(numbers), "attn_mask": ac.tensor(causal)},
        {"key_padding_mask": ac.tensor(padding), "attn_mask": ac.tensor(np.where(causal, -math.inf, 0.0))},
        {"key_padding_mask": ac.tensor(padding), "attn_mask": ac.tensor(np.tile(causal, (6, 1, 1)))},
    ):
        for need_weights in (True, False):
            y, w = attention(x, x, x, need_weights=need_weights, **options)
            assert (w is None) is not need_weights
            np.testing.assert_allclose(y.numpy(), want.numpy(), rtol=1e-12, atol=1e-14)
    _, each = attention(x, x, x, average_attn_weights=False)
    assert each.shape == (3, 2, 5, 5)
    alone = attention(x[0], x[0], x[0], is_causal=True)[0]
    np.testing.assert_allclose(alone.numpy(), want[0].numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (((2, 5, 4), (2, 3, 4), (2, 6, 4)), {}, "key and value must be equally many; got 3 and 6"),
        (((5, 4), (3, 4), (6, 4)), {}, "key and value must be equally many; got 3 and 6"),
        (((2, 5, 4), (1, 3, 4), (1, 3, 4)), {}, r"must have one N, their order is \(N, L, E\)"),
        (((2, 5, 4), (2, 3, 4), (2, 3, 4)), {"attn_mask": (3, 5)}, r"attn_mask must have shape \(5, 3\), queries by k"),
        (((2, 5, 4), (2, 3, 4), (2, 3, 4)), {"attn_mask": (2, 5, 3)}, r"or \(4, 5, 3\); got \(2, 5, 3\)"),
        (((5, 4), (3, 4), (3, 4)), {"attn_mask": (1, 3)}, r"or \(2, 5, 3\); got \(1, 3\)"),
        (((2, 5, 4), (2, 3, 4), (2, 3, 4)), {"key_padding_mask": (3, 2)}, r"key_padding_mask must have shape \(2, 3\)"),
    ],
)
def test_attention_names_what_does_not_fit(shapes: Any, options: dict[str, Any], message: str) -> None:
    """Arrays that broadcast were taken, and others refused by ops of which nobody had heard."""
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    masks = {name: ac.zeros(shape, ac.bool) for name, shape in options.items()}
    with pytest.raises(ac.ShapeError, match=f"^MultiheadAttention: .*{message}"):
        attention(*map(ac.ones, shapes), **masks)


def test_attention_drops_weights_while_learning() -> None:
    attention = nn.MultiheadAttention(4, 1, dropout=0.5, batch_first=True, seed=0)
    x = normal(2, 6, 4, dtype=ac.float32)
    assert attention(x, x, x, need_weights=False)[0].tolist() != attention(x, x, x, need_weights=False)[0].tolist()
    attention.eval()
    assert attention(x, x, x, need_weights=False)[0].tolist() == attention(x, x, x, need_weights=False)[0].tolist()


def test_queries_that_no_key_counts_for_give_zeros_and_no_gradient() -> None:
    q = k = v = normal(3, 4)
    flags = ac.tensor(np.array([[True, False, True], [False] * 3, [True] * 3]))
    for mask in (flags, ac.where(flags, 0.0, -math.inf).astype(ac.float64)):
        y, pull = ac.vjp(lambda q, k, v, mask=mask: ac.scaled_dot_product_attention(q, k, v, mask), q, k, v)
        assert y[1].tolist() == [0.0] * 4
        gradients = pull(ac.tensor(np.array([[0.0] * 4, [1.0] * 4, [0.0] * 4])))
        assert all((g.numpy() == 0).all() for g in gradients)
        tangent = ac.jvp(lambda q, mask=mask: ac.scaled_dot_product_attention(q, k, v, mask), (q,), (ac.ones_like(q),))
        assert tangent[1][1].tolist() == [0.0] * 4


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("queries", [1, 15, 16, 17, 150])
@pytest.mark.parametrize("keys", [1, 111, 112, 113, 300])
def test_blocks_of_scores_are_what_the_whole_matrix_is(queries: int, keys: int, causal: bool) -> None:
    q, k, v, g = (normal(2, *s, seed=i) for i, s in enumerate([(queries, 3), (keys, 3), (keys, 5), (queries, 5)]))
    mask = normal(queries, keys, seed=9) * 3.0

    def held(q: ac.Tensor, k: ac.Tensor, v: ac.Tensor, mask: ac.Tensor) -> ac.Tensor:
        scores = q @ k.mT * (1 / math.sqrt(3)) + mask
        if causal:
            scores = ac.where(ac.asarray(np.tri(queries, keys, dtype=bool)), scores, -math.inf)
        return ac.softmax(scores) @ v

    def fused(q: ac.Tensor, k: ac.Tensor, v: ac.Tensor, mask: ac.Tensor) -> ac.Tensor:
        return ac.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)

    y, pull = ac.vjp(fused, q, k, v, mask)
    want, pull_held = ac.vjp(held, q, k, v, mask)
    for a, b in zip((y, *pull(g)), (want, *pull_held(g)), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-12)


def test_long_sequences_hold_no_matrix_of_scores() -> None:
    """4096 queries by 4096 keys would be 64 MiB."""
    q, k, v = (normal(4096, 8, seed=i, dtype=ac.float32) for i in range(3))
    g = ac.ones_like(v)

    def both() -> None:
        _, pull = ac.vjp(lambda q, k, v: ac.scaled_dot_product_attention(q, k, v, is_causal=True), q, k, v)
        pull(g)

    both()
    ac.reset_peak_memory()
    before = ac.memory_stats()["peak_bytes"]
    both()
    assert ac.memory_stats()["peak_bytes"] - before < 4 << 20


# -- recurrence -------------------------------------------------------------------------------------------------------

CELLS: list[tuple[Any, Any]] = [(nn.RNN, nn.RNNCell), (nn.GRU, nn.GRUCell), (nn.LSTM, nn.LSTMCell)]


@pytest.mark.parametrize(("layer", "cell"), CELLS)
def test_a_layer_is_its_cell_step_by_step(layer: Any, cell: Any) -> None:
    whole = layer(3, 4, dtype=ac.float64, seed=0)
    one = cell(3, 4, dtype=ac.float64, seed=1)
    one.load_state_dict({name[: -len("_l0")]: x for name, x in whole.state_dict().items()})
    x, state, outputs = normal(5, 2, 3), None, []
    for t in range(5):
        state = one(x[t], state)
        outputs.append(state[0] if isinstance(state, tuple) else state)
    y, last = whole(x)
    np.testing.assert_allclose(y.numpy(), ac.stack(outputs).numpy(), rtol=1e-12)
    for a, b in zip(tree.leaves(last), tree.leaves(state), strict=True):
        np.testing.assert_allclose(a[0].numpy(), b.numpy(), rtol=1e-12)
    compiled = ac.compile(lambda x: whole(x)[0])
    np.testing.assert_array_equal(compiled(x).numpy(), y.numpy())
    ac.testing.check_grads(lambda x: whole(x)[0], (x.numpy(),), order=1)
    assert whole(x[:, 0])[0].shape == (5, 4)
    assert whole(ac.zeros((0, 2, 3)))[0].shape == (0, 2, 4)
    with pytest.raises(ac.ShapeError, match=rf"{layer.__name__}: expected inputs of \(L, N, 3\) or \(L, 3\); got"):
        whole(ac.zeros((5, 2, 4)))
    with pytest.raises(ac.ShapeError, match=rf"{cell.__name__}: expected inputs of shape \(N, 3\) or \(3,\); got"):
        one(ac.zeros((2, 4)))
    with pytest.raises(ac.DTypeError, match=f"{layer.__name__}: expected inputs of dtype float32"):
        layer(3, 4)(x)


def test_recurrent_layers_in_both_directions_and_several_deep() -> None:
    both = nn.GRU(3, 4, num_layers=2, bidirectional=True, batch_first=True, dropout=0.5, dtype=ac.float64).eval()
    x = normal(2, 6, 3)
    y, h = both(x)
    assert (y.shape, h.shape) == ((2, 6, 8), (4, 2, 4))
    np.testing.assert_array_equal(y[:, -1, :4].numpy(), h[2].numpy())
    np.testing.assert_array_equal(y[:, 0, 4:].numpy(), h[3].numpy())
    with pytest.raises(ac.ShapeError, match=r"GRU: states must have shape \(4, 2, 4\); got \(2, 2, 4\)"):
        both(x, ac.zeros((2, 2, 4), ac.float64))


# -- starting values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "variance"),
    [
        (lambda **k: nn.init.xavier_uniform((200, 300), gain=2.0, **k), 4.0 * 2.0 / 500.0),
        (lambda **k: nn.init.xavier_normal((200, 300), gain=2.0, **k), 4.0 * 2.0 / 500.0),
        (lambda **k: nn.init.kaiming_uniform((200, 300), a=1.0, **k), 1.0 / 200.0),
        (lambda **k: nn.init.kaiming_normal((200, 300), mode="fan_out", **k), 2.0 / 300.0),
        (lambda **k: nn.init.kaiming_normal((100, 20, 5, 5), **k), 2.0 / 500.0),
        (lambda **k: nn.init.normal((300, 200), std=0.5, **k), 0.25),
        (lambda **k: nn.init.orthogonal((200, 300), gain=2.0, **k), 4.0 / 300.0),
        (lambda **k: nn.init.trunc_normal((300, 200), **k), 0.7737),
    ],
)  # fmt: skip
def test_starting_values_have_their_variance(make: Callable[..., ac.Tensor], variance: float) -> None:
    x = make(seed=0, dtype=ac.float64)
    assert abs(x.numpy().mean()) < 0.01
    assert x.numpy().var() == pytest.approx(variance, rel=0.03)
    assert make(seed=0).tolist() == x.astype(ac.float32).tolist()
    ac.nn.manual_seed(3)
    first = make()
    ac.nn.manual_seed(3)
    assert make().tolist() == first.tolist()


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 3, 4)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    q = nn.init.orthogonal(shape, dtype=ac.float64, seed=1).numpy().reshape(shape[0], -1)
    small = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-14)


def test_starting_values_refuse_what_has_no_meaning() -> None:
    with pytest.raises(ac.ShapeError, match=r"xavier_uniform: shape must have at least two axes, .* got \(3,\)"):
        nn.init.xavier_uniform(3)
    with pytest.raises(ValueError, match='kaiming_normal: mode must be "fan_in" or "fan_out"; got \'fan\''):
        nn.init.kaiming_normal((2, 3), mode="fan")
    with pytest.raises(ValueError, match="trunc_normal: a must be below b"):
        nn.init.trunc_normal(3, a=1.0, b=0.0)
    with pytest.raises(ValueError, match="trunc_normal: too few of the numbers"):
        nn.init.trunc_normal(3, mean=10.0)
    x = nn.init.trunc_normal(1000, a=-0.5, b=2.0, seed=0).numpy()
    assert -0.5 <= x.min() < -0.4
    assert 1.5 < x.max() <= 2.0
