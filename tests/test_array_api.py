"""The Array API standard, 2024.12: names and signatures against ``array-api-strict``, dtypes and special cases against
its text. What is left out stands in ``LEFT_OUT``, with the reason.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import alice_core as ac

strict = pytest.importorskip("array_api_strict")
compat = pytest.importorskip("array_api_compat")

LEFT_OUT = {
    "complex64": "all numbers are real",
    "complex128": "all numbers are real",
    "fft": "an extension, of complex numbers",
}
#: Of another part of the package, under way.
ELSEWHERE = {
    *("argsort", "sort", "searchsorted", "unique_all", "unique_counts", "unique_inverse", "unique_values", "isin"),
    *("count_nonzero", "cumulative_sum", "cumulative_prod", "diff", "linalg", "nonzero"),
}
OWN = {"ArrayAPIStrictFlags", "Device", "set_array_api_strict_flags", "get_array_api_strict_flags"}


@pytest.fixture(autouse=True)
def the_version() -> Iterator[None]:
    strict.set_array_api_strict_flags(api_version="2024.12")
    yield
    strict.reset_array_api_strict_flags()


def names() -> list[str]:
    own = OWN | {"reset_array_api_strict_flags"}
    return sorted(n for n in strict.__all__ if not n.startswith("__") and n not in own and n not in LEFT_OUT)


def test_every_name_is_there() -> None:
    missing = [n for n in names() if not hasattr(ac, n) and n not in ELSEWHERE]
    assert not missing


def test_what_is_elsewhere_is_found_once_it_is_there() -> None:
    xp = ac.ones(1).__array_namespace__(api_version="2024.12")
    assert xp is ac
    with pytest.raises(ValueError, match=r"__array_namespace__: api_version must be 2021\.12 to 2024\.12; got '1'"):
        ac.ones(1).__array_namespace__(api_version="1")
    assert compat.is_array_api_obj(ac.ones(1))
    assert compat.array_namespace(ac.ones(1), ac.zeros(2)) is ac


@pytest.mark.parametrize("name", names())
def test_signatures(name: str) -> None:
    theirs, ours = getattr(strict, name), getattr(ac, name, None)
    if ours is None or not inspect.isfunction(theirs):
        pytest.skip("no function, or none yet")
    found = inspect.signature(ours).parameters
    positional = [p for p in found.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    for i, p in enumerate(inspect.signature(theirs).parameters.values()):
        if p.kind is p.VAR_POSITIONAL:
            assert any(q.kind is q.VAR_POSITIONAL for q in found.values())
        elif p.kind is p.POSITIONAL_ONLY:
            assert len(positional) > i or any(q.kind is q.VAR_POSITIONAL for q in found.values()), p
        else:
            assert p.name in found, p
            assert found[p.name].kind is not p.POSITIONAL_ONLY, p
            if p.kind is p.POSITIONAL_OR_KEYWORD:
                assert positional.index(found[p.name]) == i, p
            if p.default is not p.empty and not str(type(p.default)).endswith("Undef'>"):
                assert found[p.name].default == p.default, p


METHODS = [
    *("__abs__", "__add__", "__and__", "__array_namespace__", "__bool__", "__complex__", "__dlpack__"),
    *("__dlpack_device__", "__eq__", "__float__", "__floordiv__", "__ge__", "__getitem__", "__gt__", "__index__"),
    *("__int__", "__invert__", "__le__", "__lshift__", "__lt__", "__matmul__", "__mod__", "__mul__", "__ne__"),
    *("__neg__", "__or__", "__pos__", "__pow__", "__rshift__", "__sub__", "__truediv__", "__xor__", "to_device"),
    *("__radd__", "__rand__", "__rfloordiv__", "__rlshift__", "__rmatmul__", "__rmod__", "__rmul__", "__ror__"),
    *("__rpow__", "__rrshift__", "__rsub__", "__rtruediv__", "__rxor__"),
]


def test_methods_and_attributes() -> None:
    x = ac.ones((2, 3))
    assert [m for m in METHODS if not hasattr(x, m)] == []
    assert (x.device, x.ndim, x.shape, x.size, x.dtype) == ("cpu", 2, (2, 3), 6, ac.float32)
    assert x.T.shape == x.mT.shape == (3, 2)
    assert x.to_device("cpu") is x
    assert complex(ac.tensor(2.5)) == 2.5 + 0j
    with pytest.raises(ac.DeviceError, match="to_device: device must be \"cpu\" or None; got 'cuda'"):
        x.to_device("cuda")


def test_operators_in_place_make_new_tensors() -> None:
    x = y = ac.tensor([6, 5])
    x += 1
    x <<= 1
    x |= 1
    x ^= 2
    x >>= 1
    x &= 13
    assert (x.tolist(), y.tolist()) == ([4, 5], [6, 5])


DTYPES = [d for d in ac.__array_namespace_info__().dtypes().values() if d != ac.bool]
INTEGERS = [d for d in DTYPES if d.kind in "iu"]


@pytest.mark.parametrize(("a", "b"), list(itertools.product(DTYPES, DTYPES)), ids=str)
def test_promotion_within_a_kind(a: Any, b: Any) -> None:
    try:
        want = strict.result_type(getattr(strict, a.name), getattr(strict, b.name))._np_dtype
    except TypeError:
        pytest.skip("not defined by the standard")
    assert ac.result_type(a, b) == want
    assert (ac.ones(1, a) + ac.ones(1, b)).dtype == want
    assert ac.can_cast(a, b) == strict.can_cast(getattr(strict, a.name), getattr(strict, b.name))
    assert ac.where(ac.tensor([True]), ac.ones(1, a), ac.ones(1, b)).dtype == want


def test_result_type_of_arrays_and_numbers() -> None:
    assert ac.result_type(ac.ones(2, ac.uint8), 3) == ac.uint8
    assert ac.result_type(ac.int32, 1.5) == ac.get_default_dtype()
    assert ac.result_type(ac.float64, 1, True) == ac.float64
    assert ac.result_type(ac.bool, 1) == ac.int64
    assert ac.result_type(np.ones(2), ac.float32) == ac.float64
    with pytest.raises(ac.DTypeError, match="result_type: expected an array or a dtype; got nothing but numbers"):
        ac.result_type(1, 2.0)
    assert not ac.can_cast(ac.float64, ac.float32)
    assert not ac.can_cast(ac.bool, ac.int32)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_limits(dtype: Any) -> None:
    theirs = (strict.finfo if dtype.kind == "f" else strict.iinfo)(getattr(strict, dtype.name))
    for given in (dtype, ac.ones(1, dtype)):
        ours = (ac.finfo if dtype.kind == "f" else ac.iinfo)(given)
        for name in ("bits", "max", "min") + (("eps", "smallest_normal") if dtype.kind == "f" else ()):
            value = getattr(ours, name)
            assert value == getattr(theirs, name)
            assert type(value) is (float if dtype.kind == "f" and name != "bits" else int)
        assert ours.dtype == dtype
    wrong = ac.iinfo if dtype.kind == "f" else ac.finfo
    with pytest.raises(ac.DTypeError, match=r"expected an? (integer|floating) dtype; got"):
        wrong(dtype)


def test_limits_of_bfloat16() -> None:
    found = ac.finfo(ac.bfloat16)
    assert ac.tensor(found.max, ac.bfloat16).item() == found.max
    assert math.isinf(ac.tensor(found.max * 1.01, ac.bfloat16).item())
    assert (ac.tensor(1 + found.eps, ac.bfloat16) - 1).item() == found.eps


def test_kinds() -> None:
    for kind, dtype in itertools.product(("bool", "signed integer", "unsigned integer", "integral", "real floating",
                                          "complex floating", "numeric"), [ac.bool, *DTYPES]):  # fmt: skip
        assert ac.isdtype(dtype, kind) == strict.isdtype(getattr(strict, dtype.name), kind), (dtype, kind)
    assert ac.isdtype(ac.float32, ac.float32)
    assert not ac.isdtype(ac.float32, (ac.float64, "integral"))
    with pytest.raises(ValueError, match="isdtype: kind must be a dtype, one of bool, signed integer"):
        ac.isdtype(ac.float32, "float")


def test_what_there_is() -> None:
    info = ac.__array_namespace_info__()
    assert info.devices() == [info.default_device()] == ["cpu"]
    assert info.default_dtypes() == {"real floating": ac.float32, "integral": ac.int64, "indexing": ac.int64}
    with ac.set_default_dtype(ac.float64):
        assert info.default_dtypes(device="cpu")["real floating"] == ac.float64
    assert info.dtypes(kind="real floating") == {"float32": ac.float32, "float64": ac.float64}
    assert set(info.dtypes(kind=("bool", "signed integer"))) >= {"bool", "int32", "int64"}
    assert info.dtypes()["bool"] == ac.bool
    assert info.capabilities()["max dimensions"] == 12
    assert ac.ones((1,) * 12).ndim == 12


CREATED = {
    "zeros": lambda **k: ac.zeros(2, **k),
    "ones": lambda **k: ac.ones(2, **k),
    "empty": lambda **k: ac.empty(2, **k),
    "full": lambda **k: ac.full(2, 1.5, **k),
    "zeros_like": lambda **k: ac.zeros_like(ac.ones(2), **k),
    "ones_like": lambda **k: ac.ones_like(ac.ones(2), **k),
    "empty_like": lambda **k: ac.empty_like(ac.ones(2), **k),
    "full_like": lambda **k: ac.full_like(ac.ones(2), 1.5, **k),
    "arange": lambda **k: ac.arange(2, **k),
    "linspace": lambda **k: ac.linspace(0, 1, 2, **k),
    "eye": lambda **k: ac.eye(2, **k),
    "tensor": lambda **k: ac.tensor([1.0, 2.0], **k),
    "asarray": lambda **k: ac.asarray([1.0, 2.0], **k),
    "from_dlpack": lambda **k: ac.from_dlpack(np.ones(2), **k),
    "astype": lambda **k: ac.astype(ac.ones(2), ac.float64, **k),
}


@pytest.mark.parametrize("name", CREATED)
def test_devices(name: str) -> None:
    make = CREATED[name]
    assert make(device="cpu").shape == make(device=None).shape == make().shape
    with pytest.raises(ac.DeviceError, match=f"{name}: device must be \"cpu\" or None; got 'cuda'; all Tensors are on"):
        make(device="cuda")


def test_reshaping_with_and_without_a_copy() -> None:
    x = ac.arange(6)
    view, own = ac.reshape(x, (2, 3), copy=False), ac.reshape(x, (2, 3), copy=True)
    assert view._shares_memory(x)
    assert not own._shares_memory(x)
    assert own.tolist() == view.tolist()
    with pytest.raises(ValueError, match=r"reshape: copy=False, but the strides of x \(3, 2\) do not allow a view"):
        ac.reshape(view.T, (6,), copy=False)
    ac.testing.check_grads(lambda x: ac.reshape(x, (3, 2), copy=True), [np.ones((2, 3))])


def test_shapes() -> None:
    assert ac.broadcast_shapes((2, 1), (3,), ()) == (2, 3)
    with pytest.raises(
        ac.ShapeError, match=r"broadcast_shapes: dimensions must be equal or 1; got shapes \(2,\), \(3,\)"
    ):
        ac.broadcast_shapes((2,), (3,))
    with pytest.raises(ac.DTypeError, match=r"broadcast_shapes: shapes must be tuples of ints; .* write x\.shape"):
        ac.broadcast_shapes((2,), ac.zeros((3, 2)))  # type: ignore[arg-type]


def test_real_numbers() -> None:
    x = ac.tensor([1.5, -2.0])
    for f in (ac.conj, ac.real, ac.positive):
        assert f(x).tolist() == [1.5, -2.0]
    assert ac.imag(x).tolist() == [0.0, 0.0]
    ac.testing.check_grads(lambda x: ac.real(x) * ac.conj(x) * ac.positive(x), [np.ones(2)])


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_bits_of_every_integer(dtype: Any) -> None:
    limits = np.iinfo(dtype)
    a = np.array([limits.min, limits.max, 1, 5, 100], dtype)
    b = np.array([limits.max, 3, 7, 0, 2], dtype)
    s = np.array([0, 1, limits.bits - 1, 3, 2], dtype)
    x, y, k = ac.tensor(a), ac.tensor(b), ac.tensor(s)
    for got, want in (
        (x & y, a & b), (x | y, a | b), (x ^ y, a ^ b), (~x, ~a), (x << k, a << s), (x >> k, a >> s),
        (x & 3, a & dtype.type(3)), (3 | x, a | dtype.type(3)), (1 << k, dtype.type(1) << s),
    ):  # fmt: skip
        assert got.dtype == want.dtype == dtype
        np.testing.assert_array_equal(got.numpy(), want)
    compiled = ac.compile(lambda x, y, k: ((x & y) ^ ~(x | k)) << (k & 1))(x, y, k)
    np.testing.assert_array_equal(compiled.numpy(), ((a & b) ^ ~(a | s)) << (s & 1))


def test_shifts_beyond_the_width_move_everything_out() -> None:
    x = ac.tensor([5, -5])
    assert (x << 64).tolist() == (x << -1).tolist() == [0, 0]
    assert (x >> 64).tolist() == (x >> 1000).tolist() == [0, -1]


@pytest.mark.parametrize("op", ["bitwise_and", "bitwise_or", "bitwise_xor"])
def test_bits_of_bools_are_logic(op: str) -> None:
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    got = getattr(ac, op)(ac.tensor(a), ac.tensor(b))
    assert got.dtype == ac.bool
    np.testing.assert_array_equal(got.numpy(), getattr(np, op)(a, b))
    assert ac.bitwise_invert(ac.tensor(a)).tolist() == (~a).tolist()
    for wrong in (ac.ones(2), 1.5):
        with pytest.raises(ac.DTypeError, match=f"{op}: expected integers; got float32"):
            getattr(ac, op)(ac.ones(2), wrong)
