"""Functions of arrays on what arrays seldom hold: NaN, infinities, zeros of both signs, the ends of the range, no items
at all, and memory in any order. Values are NumPy's and SciPy's, compiled functions and layouts give the same bits, and
the two modes of differentiation agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import scipy.special

import alice_core as ac
from alice_core import linalg

Array = np.ndarray[Any, Any]
DTYPES = ["float32", "float64"]
INTEGERS = ["int8", "uint8", "int32", "int64", "uint64"]

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def places(dtype: str) -> Array:
    """The ends of the range, zeros, small integers and halves, and where functions turn."""
    info = np.finfo(dtype)
    ends = [info.smallest_subnormal, 1e3 * info.smallest_subnormal, info.tiny, info.max, info.eps, 1 + info.eps]
    middle = [
        0.0,
        0.5,
        1.0,
        1.5,
        2.0,
        2.5,
        3.0,
        10.0,
        1e-3,
        0.1,
        20.0,
        40.0,
        88.0,
        104.0,
        710.0,
        745.0,
        1e5,
        1e10,
        1e15,
    ]
    powers = [float(info.max) ** 0.65, float(info.tiny) ** 0.65, 2.0**31, 2.0**53, 2.0**63, np.pi, np.pi / 2]
    x = np.array([*ends, *middle, *powers, np.inf], dtype)
    return np.concatenate([x, -x, [np.nan]]).astype(dtype)


def few(dtype: str) -> Iterator[Array]:
    """Arrays of any shape, and what reductions and scans meet in them."""
    for shape in ((), (0,), (1,), (0, 3), (3, 0), (1, 1), (2, 0, 3)):
        yield np.full(shape, 0.5, dtype)
    nan, inf = np.nan, np.inf
    for rows in (
        [nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 2.0],
        [inf, -inf],
        [inf, inf, 0.0],
        [nan, nan],
        [-0.0, -0.0],
        [1.0, 1.0, 2.0, 2.0, 1.0],
        [[nan, 1.0, 2.0], [3.0, nan, -inf], [0.0, -0.0, inf]],
        [[0.25, -1.5, 0.75, 3.0], [2.5, -0.5, 1.25, 0.0], [1.5, 0.5, -2.0, 4.0]],
    ):
        yield np.array(rows, dtype)
    info = np.finfo(dtype)
    yield np.array([info.smallest_subnormal, 1e3 * info.smallest_subnormal, -info.tiny], dtype)


def layouts(x: Array) -> Iterator[ac.Tensor]:
    """The same numbers: as they are, from the end, with gaps, by columns, and as one of a larger array."""
    yield ac.asarray(x)
    if x.ndim:
        yield ac.asarray(x[::-1].copy())[::-1]
        yield ac.asarray(np.repeat(x, 2, -1))[..., ::2]
        yield ac.asarray(np.ascontiguousarray(x.T)).T
        yield ac.broadcast_to(ac.asarray(x), (2, *x.shape))[1]


def same_bits(got: Array, want: Array, what: Any) -> None:
    """But for the sign of NaN."""
    assert (got.shape, got.dtype) == (want.shape, want.dtype), what
    np.testing.assert_array_equal(got, want, err_msg=str(what))
    if got.dtype.kind == "f":
        known = ~np.isnan(got)
        np.testing.assert_array_equal(np.signbit(got)[known], np.signbit(want)[known], err_msg=str(what))


def check(what: Any, f: Callable[..., Any], xs: tuple[Array, ...], reference: Callable[..., Any], units: float) -> None:
    """The value against a reference in float64; compiled; and both derivatives, if it has some."""
    tensors = [ac.asarray(x) for x in xs]
    result = f(*tensors)
    got = result.numpy()
    wide = [x.astype(np.float64) if x.dtype == np.float32 else x for x in xs]
    want = np.asarray(reference(*wide))
    assert got.shape == want.shape, what
    if got.dtype.kind == "f":
        want = want.astype(np.float64).astype(got.dtype)
        least = float(np.finfo(got.dtype).smallest_subnormal)
        unit = units * float(np.finfo(got.dtype).eps)
        with np.errstate(all="ignore"):
            near = np.abs(got.astype(np.float64) - want) <= unit * np.abs(want).astype(np.float64) + units * least
        fine = (got == want) | (np.isnan(got) & np.isnan(want)) | (np.isfinite(got) & np.isfinite(want) & near)
        bad = np.argwhere(np.atleast_1d(~fine))[:5]
        assert fine.all(), (what, [tuple(np.atleast_1d(z)[tuple(i)] for z in (*xs, got, want)) for i in bad])
    else:
        np.testing.assert_array_equal(got, want, err_msg=str(what))
    same_bits(ac.compile(f)(*tensors).numpy(), got, what)
    if got.dtype.kind != "f" or not all(x.dtype.kind == "f" for x in xs):
        return

    def pull(*xs: ac.Tensor) -> Any:
        return ac.vjp(f, *xs)[1](ac.ones_like(result))

    backward = [g.numpy() for g in pull(*tensors)]
    for g, again in zip(backward, ac.compile(pull)(*tensors), strict=True):
        same_bits(again.numpy(), g, what)


# -- elementwise -----------------------------------------------------------------------------------------------------


def elementwise() -> Iterator[Any]:
    """Ours that NumPy or SciPy has as a ufunc, and in how many units of roundoff these are good."""
    for ours, theirs, units in ((ac, np, 4.0), (ac.special, scipy.special, 1e5)):
        for name in sorted(vars(ours)):
            reference = getattr(theirs, name, None)
            if (
                isinstance(reference, np.ufunc)
                and reference.nout == 1
                and not (name.startswith("bitwise") or reference.signature)
            ):
                yield pytest.param(getattr(ours, name), reference, 16.0 if name == "logaddexp2" else units, id=name)


#: Where the reference is not to be followed: it is wrong, or calls a limit what we call NaN.
OTHERWISE: dict[str, Callable[..., Any]] = {
    "expit": lambda x: x < -709,
    "gammaln": lambda x: (np.abs(x) < 1e-300) | (x == -np.inf) | (np.abs(x - 1) < 1e-9),
    "betaln": lambda a, b: (
        ~((np.minimum(a, b) > 1e-9) & (np.maximum(a, b) < 1e4)) | (np.minimum(abs(a - 1), abs(b - 1)) < 1e-9)
    ),
    "gamma": lambda x: x == -np.inf,
    "digamma": lambda x: x == -np.inf,
    "psi": lambda x: x == -np.inf,
    "nextafter": lambda x, y: np.ones(np.broadcast_shapes(np.shape(x), np.shape(y)), bool),
}


def left_out(name: str, xs: tuple[Array, ...]) -> Array:
    rule = OTHERWISE.get(name)
    return np.zeros(xs[0].shape, bool) if rule is None else rule(*(x.astype(np.float64) for x in xs))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("f", "reference", "units"), list(elementwise()))
def test_elementwise(f: Any, reference: np.ufunc, units: float, dtype: str) -> None:
    one = places(dtype)
    xs = (one,) if reference.nin == 1 else tuple(x.ravel() for x in np.meshgrid(one, one))
    kept = ~left_out(reference.__name__, xs)
    xs = tuple(x[kept] for x in xs)
    check(reference.__name__, f, xs, reference, units)
    whole = f(*map(ac.asarray, xs)).numpy()
    for made in zip(*map(layouts, xs), strict=True):
        same_bits(f(*made).numpy(), whole, reference.__name__)
    for place in range(len(xs)):  # each item has its own derivative: as many ones as may be

        def along(x: ac.Tensor, place: int = place) -> ac.Tensor:
            return f(*(x if i == place else ac.asarray(y) for i, y in enumerate(xs)))

        if whole.dtype.kind == "f":
            ones = ac.ones_like(ac.asarray(xs[place]))
            forward = ac.jvp(along, [xs[place]], [ones])[1].numpy()
            np.testing.assert_array_equal(ac.vjp(along, xs[place])[1](ones)[0].numpy(), forward)


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
@pytest.mark.parametrize(("f", "reference", "units"), list(elementwise()))
def test_elementwise_of_integers(f: Any, reference: np.ufunc, units: float, dtype: str) -> None:
    if (dtype, reference.__name__) == ("bool", "positive"):
        pytest.skip("NumPy has none")
    if dtype == "bool":
        one = np.array([True, False])
    else:
        info = np.iinfo(dtype)
        one = np.array(
            sorted({info.min, info.min + 1, 0, 1, 2, 3, 7, info.max - 1, info.max, max(info.min, -1)}), dtype
        )
    xs = (one,) if reference.nin == 1 else tuple(x.ravel() for x in np.meshgrid(one, one))
    kept = ~left_out(reference.__name__, xs)
    xs = tuple(x[kept] for x in xs)
    try:
        got = f(*map(ac.asarray, xs)).numpy()
    except (ac.DTypeError, ValueError):
        return  # refused
    if got.dtype.kind == "f":
        check((reference.__name__, dtype), f, tuple(x.astype(got.dtype) for x in xs), reference, units)
        same_bits(f(*(ac.tensor(x, got.dtype) for x in xs)).numpy(), got, dtype)
    elif dtype != "bool" or got.dtype == np.bool_:  # as numbers they are counted
        np.testing.assert_array_equal(got, reference(*xs))


@pytest.mark.parametrize(("f", "reference", "units"), list(elementwise()))
def test_elementwise_of_any_shape(f: Any, reference: np.ufunc, units: float) -> None:
    shapes = [(), (0,), (1,), (0, 3), (3, 0), (1, 1), (2, 3)]
    for a in shapes:
        for b in shapes[: 1 if reference.nin == 1 else None]:
            try:
                np.broadcast_shapes(a, b)
            except ValueError:
                with pytest.raises(ac.ShapeError, match="must broadcast"):
                    f(np.full(a, 0.5), np.full(b, 0.25))
                continue
            xs = (np.full(a, 0.5), np.full(b, 0.25))[: reference.nin]
            check((reference.__name__, a, b), f, xs, reference, units)


# -- along axes ------------------------------------------------------------------------------------------------------

REDUCTIONS = {name: getattr(np, name) for name in ("sum", "prod", "mean", "var", "std", "max", "min", "any", "all")}
REDUCTIONS |= {name: getattr(np, name) for name in ("argmax", "argmin", "count_nonzero", "median")}
SCANS: dict[str, Callable[..., Any]] = {
    "sort": lambda x, axis: np.sort(x, axis, stable=True),
    "argsort": lambda x, axis: np.argsort(x, axis, stable=True),
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "cummax": np.maximum.accumulate,
    "cummin": np.minimum.accumulate,
    "logcumsumexp": np.logaddexp.accumulate,
    "diff": lambda x, axis: np.diff(x, axis=axis),
    "flip": np.flip,
    "trapezoid": lambda x, axis: np.trapezoid(x, axis=axis),
}


def along(
    name: str, f: Callable[..., Any], reference: Callable[..., Any], x: Array, units: float, one_axis: bool
) -> None:
    axes: list[Any] = [*range(-x.ndim, x.ndim)]
    if not one_axis:
        axes += [None, ()] if name not in {"argmax", "argmin"} else [None]
        axes += [tuple(range(x.ndim))] if x.ndim > 1 and name not in {"argmax", "argmin"} else []
    for axis in axes:
        what = (name, x.dtype.name, x.tolist() if x.size else x.shape, axis)
        try:
            want = reference(x, axis=axis)
        except ValueError:
            want = None
        try:
            got = f(ac.asarray(x), axis=axis).numpy()
        except ValueError:
            assert want is None or (name == "median" and x.size == 0), what
            continue
        assert want is not None, what
        check(what, lambda x, axis=axis: f(x, axis=axis), (x,), lambda x, axis=axis: reference(x, axis=axis), units)
        for other in layouts(x):
            same_bits(f(other, axis=axis).numpy(), got, what)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str, dtype: str) -> None:
    for x in few(dtype):
        along(name, getattr(ac, name), REDUCTIONS[name], x, 8.0, False)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SCANS)
def test_scans(name: str, dtype: str) -> None:
    for x in few(dtype):
        along(name, getattr(ac, name), SCANS[name], x, 8.0, True)


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
@pytest.mark.parametrize("name", [*REDUCTIONS, "sort", "argsort", "cummax", "flip"])
def test_along_axes_of_integers(name: str, dtype: str) -> None:
    reference = REDUCTIONS.get(name) or SCANS[name]
    for x in (
        np.zeros((0, 2), dtype),
        np.array([[1, 0], [1, 1]], dtype),
        np.array([[100, 3], [100, 100]]).astype(dtype),
    ):
        along(name, getattr(ac, name), reference, x, 8.0, name in SCANS)


# -- matrices --------------------------------------------------------------------------------------------------------

NORMS = {
    f"norm {order} of {kind}": (
        lambda x, f=kind, order=order: getattr(linalg, f)(x, ord=order, **({"axis": -1} if f == "vector_norm" else {})),
        lambda x, f=kind, order=order: getattr(np.linalg, f)(
            x, ord=order, **({"axis": -1} if f == "vector_norm" else {})
        ),
    )
    for kind, orders in (("vector_norm", (0, 0.5, 1, 2, 3, -1, np.inf)), ("matrix_norm", ("fro", "nuc", 1, 2, np.inf)))
    for order in orders
}
MATRICES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "svdvals": (linalg.svdvals, np.linalg.svdvals),
    "pinv": (linalg.pinv, np.linalg.pinv),
    "matrix_rank": (linalg.matrix_rank, np.linalg.matrix_rank),
    "outer": (lambda x: linalg.outer(ac.ravel(x), ac.ravel(x)), lambda x: np.outer(x, x)),
    "kron": (lambda x: linalg.kron(x, x), lambda x: np.kron(x, x)),
    "matmul": (lambda x: x @ x.mT, lambda x: x @ np.swapaxes(x, -1, -2)),
    **NORMS,
}
SQUARES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "det": (linalg.det, np.linalg.det),
    "slogdet": (lambda x: linalg.slogdet(x)[1], lambda x: np.linalg.slogdet(x)[1]),
    "inv": (linalg.inv, np.linalg.inv),
    "cholesky": (linalg.cholesky, np.linalg.cholesky),
    "trace": (linalg.trace, np.linalg.trace),
    "matrix_power": (lambda x: linalg.matrix_power(x, 3), lambda x: np.linalg.matrix_power(x, 3)),
    "eigvalsh": (linalg.eigvalsh, lambda x: np.linalg.eigvalsh((x + np.swapaxes(x, -1, -2)) / 2)),
    "cond": (linalg.cond, np.linalg.cond),
    "cond -2": (lambda x: linalg.cond(x, -2), lambda x: np.linalg.cond(x, -2)),
}


def matrices(dtype: str, square: bool) -> Iterator[Array]:
    rng = np.random.default_rng(0)
    yield from (np.zeros(shape, dtype) for shape in ((0, 0), (2, 0, 0), (0, 2, 2), (1, 1), (2, 2)))
    yield from (np.array(rows, dtype) for rows in ([[2.0]], [[0.0, 1.0], [1.0, 0.0]], [[4.0, 1.0], [1.0, 3.0]]))
    yield np.eye(3).astype(dtype)
    yield (lambda a: a @ np.swapaxes(a, -1, -2) + np.eye(3))(rng.standard_normal((2, 3, 3))).astype(dtype)
    yield np.array([[np.inf, 1.0], [1.0, 2.0]], dtype)
    yield np.array([[np.nan, 1.0], [1.0, np.nan]], dtype)
    if not square:
        yield from (np.zeros(shape, dtype) for shape in ((0, 3), (3, 0), (2, 0, 3)))
        yield from (rng.standard_normal(shape).astype(dtype) for shape in ((3, 2), (2, 4), (1, 3)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*MATRICES, *SQUARES])
def test_matrices(name: str, dtype: str) -> None:
    f, reference = (MATRICES | SQUARES)[name]
    for x in matrices(dtype, name in SQUARES):
        what = (name, dtype, x.tolist())
        try:
            got = f(ac.asarray(x)).numpy()
        except (ac.LinAlgError, ac.ShapeError):
            if np.isfinite(x).all():
                with pytest.raises((np.linalg.LinAlgError, ValueError)):
                    reference(x)
            continue
        if np.isfinite(x).all() or "norm" in name:
            want = np.asarray(reference(x.astype(np.float64)))
            finite = np.isfinite(want)
            np.testing.assert_array_equal(np.isfinite(got), finite, err_msg=str(what))
            np.testing.assert_array_equal(got[~finite], want[~finite].astype(dtype), err_msg=str(what))
            error = np.abs(got[finite] - want[finite])
            assert np.all(error <= 1e3 * np.finfo(dtype).eps * np.max(np.abs(want[finite]), initial=1.0)), what
        elif np.isnan(x).any() and got.dtype.kind == "f":
            assert np.isnan(got).any(), what
        for other in layouts(x):
            same_bits(f(other).numpy(), got, what)
        same_bits(ac.compile(f)(x).numpy(), got, what)


# -- what was wrong --------------------------------------------------------------------------------------------------


def test_powers_far_beyond_the_range() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0, 1e3, 20_000), np.exp(rng.uniform(-700, 700, 20_000))])
    y = np.exp(rng.uniform(10, 36, x.size)) * rng.choice([-1.0, 1.0], x.size)
    far = np.abs(y * np.log2(x)) > 1100
    want = np.where((x > 1) == (y > 0), np.inf, 0.0)
    np.testing.assert_array_equal(ac.pow(x, y).numpy()[far], want[far])
    slope = ac.grad(lambda x: ac.sum(ac.pow(x, y)))(ac.tensor(x)).numpy()
    assert not np.any(np.isfinite(slope[far]) & (want[far] == np.inf))


def test_nothing_overflows_on_the_way() -> None:
    assert ac.trapezoid(ac.tensor([200, 100, 7], ac.uint8)).item() == 203.5
    for dtype in DTYPES:
        top = float(np.finfo(dtype).max)
        x = ac.tensor([-top, top, top], dtype)
        assert ac.quantile(x, 0.25).item() == 0.0
        assert ac.median(x).item() == top
        assert ac.trapezoid(x[1:]).item() == top
        assert ac.linspace(-top, top, 3, dtype=dtype).tolist() == [-top, 0.0, top]
        np.testing.assert_allclose(ac.percentile(x, [5.0, 45.0]).numpy(), [-0.8 * top, 0.8 * top], rtol=1e-6)


@pytest.mark.parametrize("order", [0.5, 1.5, 3, -1, -2.5])
def test_gradients_of_norms_beside_zeros(order: float) -> None:
    x = np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [3.0, -4.0, 1.0]])

    def norm(x: ac.Tensor) -> ac.Tensor:
        return ac.sum(linalg.vector_norm(x, ord=order, axis=-1))

    got = ac.grad(norm)(ac.tensor(x)).numpy()
    assert np.isfinite(got[2]).all()
    if order > 0:
        np.testing.assert_allclose(got[0, 0], 1.0, rtol=1e-15)
        assert not got[1].any()
    ac.testing.check_grads(norm, [x[2:]], modes=("rev", "fwd"))


def test_logarithms_of_quotients_too_small_for_a_number() -> None:
    x, y = np.array([1e-8, 1e-310, 3e-300]), np.array([1.7e308, 100.0, 2e300])
    want = x * (np.log(x) - np.log(y))
    np.testing.assert_allclose(ac.special.rel_entr(x, y).numpy(), want, rtol=1e-15)
