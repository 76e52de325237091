"""einsum against NumPy's for any subscripts, and what its plans consist of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac

SIZES = {"a": 2, "b": 3, "c": 1, "d": 4, "e": 2}


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, list[np.ndarray[Any, Any]]]:
    """Subscripts of up to four operands, with repeated and broadcast labels and an ellipsis, and operands."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    terms, shapes = [], []
    dots = draw(st.booleans())
    batch = draw(st.sampled_from([(), (2,), (3, 2)]))
    for _ in range(draw(st.integers(1, 4))):
        labels = draw(st.text("abcde", max_size=3))
        shape = [
            1 if draw(st.booleans()) and labels.count(c) == 1 and draw(st.booleans()) else SIZES[c] for c in labels
        ]
        if dots and draw(st.booleans()):
            at = draw(st.integers(0, len(labels)))
            more = list(batch[draw(st.integers(0, len(batch))) :])
            more = [1 if draw(st.booleans()) and draw(st.booleans()) else n for n in more]
            labels, shape = f"{labels[:at]}...{labels[at:]}", [*shape[:at], *more, *shape[at:]]
        terms.append(labels)
        shapes.append(shape)
    subscripts = ",".join(terms)
    if draw(st.booleans()):
        found = sorted(set(subscripts) & set(SIZES))
        kept = draw(st.permutations(found))[: draw(st.integers(0, len(found)))]
        subscripts += "->" + ("..." if "." in subscripts else "") + "".join(kept)
    return subscripts, [rng.standard_normal(shape) for shape in shapes]


@settings(deadline=None, max_examples=300)
@given(call=calls(), optimize=st.sampled_from([True, False, "greedy", "optimal"]))
def test_any_subscripts(call: Any, optimize: Any) -> None:
    subscripts, arrays = call
    want = np.einsum(subscripts, *arrays)
    xs = [ac.tensor(a) for a in arrays]

    def f(*xs: ac.Tensor) -> ac.Tensor:
        return ac.einsum(subscripts, *xs, optimize=optimize)

    y, pullback = ac.vjp(f, *xs)
    assert y.shape == want.shape
    np.testing.assert_allclose(y.numpy(), want, rtol=1e-12, atol=1e-12)
    assert ac.compile(f)(*xs).numpy().tobytes() == np.ascontiguousarray(y.numpy()).tobytes()
    # It is linear in every operand: w · f(… t …) = (the cotangent of that operand) · t.
    rng = np.random.default_rng(0)
    w = rng.standard_normal(want.shape)
    for i, g in enumerate(pullback(ac.tensor(w))):
        t = rng.standard_normal(arrays[i].shape)
        left = np.sum(w * np.einsum(subscripts, *arrays[:i], t, *arrays[i + 1 :]))
        assert g.shape == t.shape
        assert np.isclose(left, np.sum(g.numpy() * t), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("bhsd,bhtd->bhst", ((2, 3, 4, 5), (2, 3, 6, 5))),
        ("bi,ij->bj", ((4, 3), (3, 2))),
        ("i,ij,j", ((3,), (3, 2), (2,))),
    ],
)
def test_batches_and_directions(subscripts: str, shapes: Any) -> None:
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(shape) for shape in shapes]

    def f(*xs: Any) -> Any:
        return ac.einsum(subscripts, *xs)

    ac.testing.check_grads(f, arrays, order=2, modes=("rev", "fwd"))
    stacked = [ac.tensor(np.stack([a, a * 0.5, a - 1.0])) for a in arrays]
    rows = [f(*(x[i] for x in stacked)).numpy() for i in range(3)]
    assert ac.vmap(f)(*stacked).numpy().tobytes() == np.stack(rows).tobytes()


def names_of(f: Any, *xs: Any) -> list[str]:
    return [eq.primitive.name for eq in ac.trace(f)(*xs).equations]


@pytest.mark.parametrize(
    ("subscripts", "shapes", "allowed"),
    [
        ("ij,jk->ik", ((2, 3), (3, 4)), ["matmul"]),
        ("bij,bjk->bik", ((2, 3, 4), (2, 4, 5)), ["matmul"]),
        ("bhsd,bhtd->bhst", ((2, 3, 4, 5), (2, 3, 6, 5)), ["permute_dims", "matmul"]),
        ("ij,jk->ki", ((2, 3), (3, 4)), ["permute_dims", "permute_dims", "matmul"]),
        ("i,i", ((3,), (3,)), ["matmul"]),
        ("ij,ij->ij", ((2, 3), (2, 3)), ["multiply"]),
    ],
)
def test_a_pair_is_one_product_of_operands_as_they_lie(subscripts: str, shapes: Any, allowed: list[str]) -> None:
    xs = [ac.ones(shape) for shape in shapes]
    assert names_of(lambda *xs: ac.einsum(subscripts, *xs), *xs) == allowed


def test_the_order_of_contractions_is_the_cheapest() -> None:
    a, b, c = ac.ones((50, 40)), ac.ones((40, 30)), ac.ones((30, 1))
    trace = ac.trace(lambda a, b, c: ac.einsum("ij,jk,kl->il", a, b, c))(a, b, c)
    shapes = [eq.outputs[0].shape for eq in trace.equations if eq.primitive.name == "matmul"]
    assert sorted(shapes) == [(40, 1), (50, 1)] or shapes[0] == (40, 1), shapes


def test_lists_of_numbers_name_axes() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((2, 3)), rng.standard_normal((3, 4))
    np.testing.assert_allclose(ac.einsum(a, [0, 1], b, [1, 2], [2, 0]).numpy(), (a @ b).T)
    np.testing.assert_allclose(ac.einsum(a, [0, 1], b, [1, 2]).numpy(), a @ b)
    np.testing.assert_allclose(ac.einsum(a, [..., 1], [...]).numpy(), a.sum(1))


def test_dtypes_are_promoted_before_anything_is_multiplied() -> None:
    big = ac.tensor([2**30, 2**30], dtype=ac.int32)
    assert ac.einsum("i,i,i", big, big, ac.tensor([1.0, 1.0], dtype=ac.float64)).item() == 2.0**61
    assert ac.einsum("i->", big).dtype == ac.int32  # as NumPy's, it wraps around
    assert ac.einsum("i,i", ac.tensor([True, True]), ac.tensor([True, True])).dtype == ac.int32
    assert ac.einsum("i,i", ac.ones(2, ac.float16), ac.ones(2, ac.bfloat16)).dtype == ac.float32
    assert ac.einsum("i,i", ac.ones(2, ac.bfloat16), ac.ones(2, ac.bfloat16)).dtype == ac.bfloat16


def test_numpys_einsum_of_tensors_is_ours() -> None:
    x = ac.tensor(np.arange(6.0).reshape(2, 3))
    y = np.einsum("ij,kj->ik", x, x)
    assert isinstance(y, ac.Tensor)
    np.testing.assert_array_equal(y.numpy(), x.numpy() @ x.numpy().T)
    path = np.einsum_path("ij,kj->ik", x.numpy(), x.numpy())[0]
    assert isinstance(np.einsum("ij,kj->ik", x, x, optimize=path), ac.Tensor)
    g = ac.grad(lambda x: np.einsum("ij,ij->", x, x))(x)
    np.testing.assert_array_equal(g.numpy(), 2 * x.numpy())
    both = ac.tensor([True, True])
    assert np.einsum("i,i", both, both).dtype == np.bool_  # of truth values NumPy's results are others: its own
    with pytest.raises(TypeError, match=r"np\.einsum: of bool, NumPy's results are truth values"):
        ac.compile(lambda x: np.einsum("i,i", x, x))(both)
