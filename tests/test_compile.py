"""Compiled functions: arguments, signatures, closures, results.

What happens inside of traces is in ``test_compile_traces.py``, state and gradients in ``test_compile_state.py``.
"""

from __future__ import annotations

import inspect
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from random_programs import compare, data

Point = namedtuple("Point", ["x", "y"])
X = ac.tensor(data(1, (3, 4)))
X64 = ac.tensor(data(2, (3, 4), "float64"))
INTS = ac.tensor(data(3, (3, 4), "int64"))


def same(f: Callable[..., Any], *calls: tuple[Any, ...]) -> Any:
    """The compiled f, after checking that it returns what f returns, twice for every tuple of arguments."""
    g = ac.compile(f)
    for args in (*calls, *calls):
        compare(f(*args), g(*args))
    return g


# -- arguments ---------------------------------------------------------------------------------------------------------


def test_tensors_of_every_dtype_and_layout() -> None:
    base = ac.tensor(data(4, (6, 8)))
    for x in (base, base.T, base[::2, ::-1], ac.broadcast_to(base[0], (5, 8)), base[:0], base[0, 0]):
        same(lambda x: (ac.tanh(x) + 1.0, ac.sum(x)), (x,))
    for dtype in ("bool", "uint8", "int32", "int64", "float32", "float64"):
        same(lambda x: ac.where(ac.equal(x, 1), x, x), (ac.tensor(data(5, (7,), dtype)),))


def test_numpy_arrays() -> None:
    a = data(6, (4, 6), "float64")
    frozen = a.copy()
    frozen.flags.writeable = False
    for x in (a, a.T, a[::2], a[:, ::-1], frozen, a.astype("int32"), a > 0, a[0, 0], np.float32(0.1) * a[:0]):
        same(lambda x: ac.add(ac.multiply(x, x), 1), (np.asarray(x),))


def test_a_numpy_argument_is_read_at_every_call() -> None:
    a = np.ones(3)
    f = ac.compile(lambda x: ac.multiply(x, 2.0))
    assert f(a).tolist() == [2.0, 2.0, 2.0]
    a[:] = 5.0
    y = f(a)
    a[:] = 0.0
    assert y.tolist() == [10.0, 10.0, 10.0]


@pytest.mark.parametrize("number", [2, 0.1, True, np.float32(0.1), np.float64(0.1), np.int64(3), np.bool_(True)])
@pytest.mark.parametrize("x", [X, X64, INTS], ids=["float32", "float64", "int64"])
def test_numbers_are_weakly_typed(number: Any, x: ac.Tensor) -> None:
    same(lambda x, k: [x * k, ac.add(k, x), ac.maximum(x, k), ac.where(x > 0, x, k)], (x, number))


def test_a_double_stays_a_double() -> None:
    g = same(lambda x, k: x * k, (X64, 0.1))
    assert g(ac.tensor([1.0], ac.float64), 0.1).item() == 0.1


@pytest.mark.parametrize(
    "f",
    [
        lambda x, k: x * (k * 2),
        lambda x, k: x - (1 - k) ** 2,
        lambda x, k: x / (k / 3 + 0.1),
        lambda x, k: (x + -k) * abs(k),
        lambda x, k: ac.where(x > k, x, k + k),
        lambda x, k: x * (k // 2 + k % 2),
        lambda x, k: ac.exp(x) * ac.exp(k),
    ],
)
@pytest.mark.parametrize("x", [X, X64, INTS], ids=["float32", "float64", "int64"])
def test_arithmetic_on_numbers_is_done_as_python_does_it(f: Callable[..., Any], x: ac.Tensor) -> None:
    same(f, (x, 0.1), (x, 1.0 / 3.0), (x, 2), (x, 7))


@pytest.mark.parametrize(
    "f",
    [
        lambda x, k: x * np.sqrt(k),
        lambda x, k: x * np.exp(k) + np.add(k, 0.1),
        lambda x, k: x * (np.float64(0.1) * k) + np.float64(0.1) / k,
        lambda x, k: x + np.maximum(k, 1.3),
    ],
)
@pytest.mark.parametrize("x", [X, X64, INTS], ids=["float32", "float64", "int64"])
def test_numpy_on_numbers_keeps_double_precision_or_raises(f: Callable[..., Any], x: ac.Tensor) -> None:
    g = ac.compile(f)
    for k in (0.3, 2, 0.7):
        try:
            got = g(x, k)
        except ac.TraceError:
            continue
        compare(f(x, k), got)


def test_numbers_where_tensors_are_expected() -> None:
    def f(k: Any) -> Any:
        made = [ac.asarray(k), ac.exp(k), ac.add(k, k), ac.full((2,), k), ac.full_like(X, k), ac.astype(k, ac.float64)]
        return [*made, ac.stack([ac.asarray(k), ac.asarray(k)]), ac.where(X > 0, k, 0)]

    for k in (2, 0.1, True):
        same(f, (k,))
    with pytest.raises(ac.TraceError, match="test_compile"):
        ac.compile(lambda k: ac.tensor([k, 1.0]))(0.5)


def test_numbers_too_large_for_their_dtype() -> None:
    small = ac.tensor([1, 2, 3], ac.uint8)
    f = ac.compile(lambda x, k: x + k)
    compare(small + 7, f(small, 7))
    for k in (300, -1):
        with pytest.raises(ac.DTypeError):
            f(small, k)
    with pytest.raises(ac.DTypeError):
        f(ac.tensor([1], ac.int32), 1 << 40)
    compare(small + 9, f(small, 9))
    for k in (1 << 62, 1 << 63, -(1 << 63), 1 << 70):
        for x in (X, X64, INTS):
            if x is not INTS or -(1 << 63) <= k < 1 << 63:
                same(lambda x, k: x * k, (x, k))
                continue
            for f in (lambda x, k: x * k, ac.compile(lambda x, k: x * k)):
                with pytest.raises(ac.DTypeError, match=r"multiply: the Python number .* does not fit int64"):
                    f(x, k)


def test_numbers_are_inputs() -> None:
    f = ac.compile(lambda x, k: x * k)
    for k in (0.5, 0.25, -3.0, float("inf")):
        assert f(ac.ones(2), k).tolist() == [k, k]
    assert f.cache_info().misses == 1
    assert f.cache_info().hits == 3


def test_nested_structures() -> None:
    def f(a: Any, *rest: Any, b: Any, **more: Any) -> Any:
        point, (u, [v]) = a["point"], a["pair"]
        return {"sum": point.x + point.y * u, "rest": [r - v for r in rest], "b": (b[0], more["c"] * 2.0)}

    g = ac.compile(f)
    for seed in (1, 2, 3):
        t = [ac.tensor(data(seed + i, (2, 3))) for i in range(7)]
        args = ({"point": Point(t[0], t[1]), "pair": (0.5 * seed, [t[2].numpy()])}, t[3], t[4])
        kwargs = {"b": [t[5]], "c": t[6]}
        compare(f(*args, **kwargs), g(*args, **kwargs))
    assert g.cache_info().misses == 1


def test_defaults_and_keywords() -> None:
    def f(x: ac.Tensor, scale: float = 2.0, *, shift: float = 0.0) -> ac.Tensor:
        return x * scale + shift

    g = ac.compile(f)
    for args, kwargs in [((X,), {}), ((X, 3.0), {}), ((X,), {"scale": 4.0}), ((X, 0.1), {"shift": X}), ((X,), {})]:
        compare(f(*args, **kwargs), g(*args, **kwargs))


def test_other_objects_are_static() -> None:
    def f(x: ac.Tensor, how: str | None, act: Callable[[ac.Tensor], ac.Tensor] = ac.tanh) -> ac.Tensor:
        return ac.sum(x) if how == "sum" else act(x) if how is None else ac.softmax(x, axis=-1)

    g = ac.compile(f)
    for how in ("sum", None, "softmax", "sum", None):
        compare(f(X, how), g(X, how))
    assert g.cache_info().misses == 3
    compare(f(X, None, ac.exp), g(X, None, ac.exp))
    model = ac.nn.MLP([4, 5, 2], seed=0)
    compare(model(X), ac.compile(lambda m, x: m(x))(model, X))


def test_the_same_tensor_twice_and_views_of_it() -> None:
    f = same(lambda a, b: a * 2.0 + b, (X, X), (X, X + 1.0), (X, X[::-1]))
    assert f.cache_info().misses == 1


def test_no_arguments_at_all() -> None:
    f = ac.compile(lambda: ac.arange(4, dtype=ac.float32) * 2.0)
    assert f().tolist() == f().tolist() == [0.0, 2.0, 4.0, 6.0]


def test_unusable_arguments_are_named() -> None:
    f = ac.compile(lambda x, y: ac.sum(x))
    for bad in (np.ones(2, np.complex64), np.array(["a"]), np.array([None])):
        with pytest.raises(TypeError, match=r"\by\b"):
            f(X, bad)
        with pytest.raises(TypeError, match=r"\by\b"):
            f(X, y={"deep": [bad]})
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'y'"):
        f(X)
    compare(ac.sum(X), f(X, X))


# -- signatures and the cache ------------------------------------------------------------------------------------------


def test_one_program_per_signature() -> None:
    """Hard case 67: never a result of the old shape."""
    f = ac.compile(lambda x: ac.concat([x, x]))
    for shape, dtype in [((2,), "float32"), ((3,), "float32"), ((3,), "float64"), ((3, 1), "float64"), ((0,), "int32")]:
        x = ac.tensor(data(7, shape, dtype))
        for _ in range(3):
            compare(ac.concat([x, x]), f(x))
    info = f.cache_info()
    assert (info.hits, info.misses, info.currsize) == (10, 5, 5)
    assert isinstance(info.maxsize, int)


def test_structure_is_part_of_the_signature() -> None:
    f = ac.compile(lambda xs: sum(xs.values()) if isinstance(xs, dict) else sum(xs))
    for xs in ([X], [X, X], (X, X), {"a": X, "b": X}, {"a": X, "c": X}):
        compare(sum(xs.values()) if isinstance(xs, dict) else sum(xs), f(xs))
    assert f.cache_info().misses == 5


def test_the_cache_is_bounded() -> None:
    f = ac.compile(lambda x: x + 1.0, cache_size=2)
    for n in (1, 2, 3, 1, 2, 3, 3):
        assert f(ac.zeros(n)).tolist() == [1.0] * n
    info = f.cache_info()
    assert info.maxsize == 2
    assert info.currsize == 2
    assert info.hits >= 1
    f.cache_clear()
    assert f.cache_info().currsize == 0
    assert f(ac.zeros(2)).tolist() == [1.0, 1.0]


def test_layout_and_origin_are_not_part_of_it() -> None:
    f = ac.compile(ac.exp)
    for x in (X, X[::-1], ac.tensor(X.numpy().T.copy()).T):
        compare(ac.exp(x), f(x))
    assert f.cache_info().misses == 1


# -- closures ----------------------------------------------------------------------------------------------------------


def test_tensors_of_the_closure_are_captured_by_reference() -> None:
    w = ac.tensor([1.0, 2.0])
    f = ac.compile(lambda x: x * w)
    x = ac.ones(2)
    assert f(x).tolist() == [1.0, 2.0]
    w.assign_([5.0, 6.0])
    assert f(x).tolist() == [5.0, 6.0]
    assert f.cache_info().misses == 1


def test_numbers_and_arrays_of_the_closure_are_constants() -> None:
    """Hard case 68: of those only the contents of a large array are not looked at."""
    k, a, large = [2.0], np.array([1.0, 1.0]), np.ones(1000)
    f = ac.compile(lambda x: x * k[0] + a + large[0])
    assert f(ac.ones(2)).tolist() == [4.0, 4.0]
    k[0], a[0] = 7.0, 9.0
    assert f(ac.ones(2)).tolist() == [17.0, 9.0]
    large[0] = 2.0
    assert f(ac.ones(2)).tolist() == [17.0, 9.0]
    large = np.ones(1000)
    assert f(ac.ones(2)).tolist() == [17.0, 9.0]


def test_check_finds_a_changed_constant() -> None:
    k = np.full(1000, 2.0)
    f = ac.compile(lambda x: x * k[0], check=True)
    assert f(ac.ones(2)).tolist() == [2.0, 2.0]
    assert f(ac.ones(2)).tolist() == [2.0, 2.0]
    k[0] = 3.0
    with pytest.raises(ac.AliceError, match="check"):
        f(ac.ones(2))


def test_check_applies_updates_once() -> None:
    s = ac.tensor([0.0])

    def f(x: ac.Tensor) -> ac.Tensor:
        s.assign_(s + x)
        return s * 2.0

    g = ac.compile(f, check=True)
    assert [g(ac.ones(1)).item() for _ in range(3)] == [2.0, 4.0, 6.0]
    assert s.item() == 3.0


# -- results -----------------------------------------------------------------------------------------------------------


def test_results_are_fresh() -> None:
    """Hard case 69."""
    f = ac.compile(lambda x: x * 2.0)
    y1 = f(ac.tensor([1.0, 2.0]))
    y2 = f(ac.tensor([3.0, 4.0]))
    assert y1.tolist() == [2.0, 4.0]
    assert y2.tolist() == [6.0, 8.0]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x,
        lambda x: [x, x],
        lambda x: (x[::2], x.T),
        lambda x: [x[1:][:, 1:], x],
        lambda x: ac.broadcast_to(x[0], (3, 4)),
        lambda x: [ac.exp(x), ac.exp(x)],
        lambda x: (y := ac.exp(x), y, y[0], y),
        lambda x: ac.stop_gradient(x),
        lambda x: [ac.ones((2,)), x],
        lambda x: ac.arange(3),
        lambda x: x[:0],
        lambda x: ac.sum(x[:0]),
        lambda x: {"a": (), "b": [x], "c": {}},
    ],
)
def test_results_of_every_kind(f: Callable[[ac.Tensor], Any]) -> None:
    """Inputs, views of them, one value twice, constants, nothing: values as eager, on memory of their own."""
    buffer = np.array(X.numpy())
    g = ac.compile(f)
    for shift in (0.0, 1.0):
        buffer += shift
        x = ac.asarray(buffer, copy=False)
        want = [np.array(y) for y in _leaves(f(x))]
        got = _leaves(g(x))
        buffer += 10.0
        for w, y in zip(want, got, strict=True):
            compare(w, y.numpy())
            assert not y.is_tracked
        buffer -= 10.0


def _leaves(tree: Any) -> list[Any]:
    return list(ac.tree.leaves(tree))


def test_two_names_of_one_result_do_not_share_later_changes() -> None:
    f = ac.compile(lambda x: [x, x, ac.exp(x)])
    a, b, _ = f(X)
    before = a.tolist()
    b.assign_(0.0)
    assert a.tolist() == before
    compare(f(X)[0], X)


def test_results_that_are_no_tensors_pass_through() -> None:
    def f(x: ac.Tensor) -> Any:
        return {"loss": ac.sum(x), "name": "sum", "count": x.shape[0], "nothing": None}

    g = ac.compile(f)
    for _ in range(2):
        y = g(X)
        compare(ac.sum(X), y["loss"])
        assert (y["name"], y["count"], y["nothing"]) == ("sum", 3, None)
    p = ac.compile(lambda x: Point(x, 2.0 * x))(X)
    assert isinstance(p, Point)


def test_what_wraps_a_function_looks_like_it() -> None:
    @ac.compile
    def f(x: ac.Tensor) -> ac.Tensor:
        """Doubles."""
        return x * 2.0

    assert (f.__name__, f.__doc__, f.__module__) == ("f", "Doubles.", __name__)
    assert list(inspect.signature(f).parameters) == ["x"]


def test_decorated_with_options_and_on_methods() -> None:
    class Model:
        def __init__(self, w: float) -> None:
            self.w = ac.tensor(w)

        @ac.compile(cache_size=8)
        def __call__(self, x: ac.Tensor) -> ac.Tensor:
            return x * self.w

        @ac.compile
        def twice(self, x: ac.Tensor, k: float = 2.0) -> ac.Tensor:
            """Docs."""
            return x * k

    a, b = Model(2.0), Model(3.0)
    for _ in range(2):
        assert (a(ac.ones(1)).item(), b(ac.ones(1)).item()) == (2.0, 3.0)
        assert a.twice(ac.ones(1)).item() == 2.0
        assert a.twice(ac.ones(1), k=5.0).item() == 5.0
    assert Model.twice.__doc__ == "Docs."


def test_the_program_can_be_inspected() -> None:
    model = ac.nn.MLP([4, 8, 3], seed=0)
    f = ac.compile(lambda x: ac.softmax(model(x)))
    program = f.program(X)
    assert "matmul" in str(program)
    assert len(program.instructions) >= 2
    assert program.arena_bytes > 0
    assert program.flops >= 2 * 3 * (4 * 8 + 8 * 3)
    assert program.bytes > 0
    compare(ac.softmax(model(X)), f(X))


def test_what_is_computed_with_one_number_twice_is_computed_once() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.tanh(x * -2.0) + ac.exp(x * -2.0) + ac.ones((2, 3)) * (x * ac.tensor(-2.0))

    x = ac.tensor(data(3, (2, 3)))
    assert str(ac.compile(f).program(x)).count("multiply(in0") == 1
    # Zeros of both signs are equal, and not the same.
    y = ac.compile(lambda x: (x * 0.0, x * -0.0, x * 0.0))(ac.ones((2,)))
    assert [np.signbit(part.numpy()).tolist() for part in y] == [[False] * 2, [True] * 2, [False] * 2]


def test_profile_measures_instructions() -> None:
    f = ac.compile(lambda x: ac.sum(ac.tanh(x @ x.T)), profile=True)
    for _ in range(3):
        f(X)
    assert "µs" in str(f.program(X)) or "us" in str(f.program(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [1, 2, 10, 63, 64, 65, 200])
@pytest.mark.parametrize("rows", [0, 1, 5, 16, 17, 100])
def test_cross_entropy_and_its_gradient_are_one_pass(rows: int, classes: int, dtype: str) -> None:
    logits = data(10, (rows, classes), dtype) * 20
    if rows > 4 and classes > 1:
        logits[0, 0], logits[1, 1] = np.inf, -np.inf
        logits[2], logits[3, 0] = -np.inf, np.nan
    labels = np.random.default_rng(11).integers(0, classes, rows)
    shares = np.random.default_rng(12).random((rows, classes)).astype(dtype)
    for targets, options in (
        (labels, {"reduction": "mean"}),
        (labels, {"reduction": "sum", "label_smoothing": 0.1}),
        (labels, {"reduction": "none"}),
        (labels, {"reduction": "mean", "ignore_index": 0}),
        (shares, {"reduction": "mean"}),
        (shares, {"reduction": "none", "label_smoothing": 0.25}),
    ):

        def f(x: ac.Tensor, y: ac.Tensor, options: dict[str, Any] = options) -> Any:
            def loss(x: ac.Tensor) -> ac.Tensor:
                return ac.sum(ac.losses.cross_entropy(x, y, **options) * 3.0)

            return ac.value_and_grad(loss)(x)

        args = (ac.tensor(logits), ac.tensor(targets))
        g = same(f, args)
        if rows:
            assert sum("cross_entropy" in str(i) for i in g.program(*args).instructions) == 1


def test_a_gradient_that_depends_on_the_loss_is_a_pass_of_its_own() -> None:
    y = ac.tensor([0, 2, 1])
    f = same(ac.grad(lambda x: ac.square(ac.losses.cross_entropy(x, y))), (X,))
    assert sum("cross_entropy" in str(i) for i in f.program(X).instructions) == 2
