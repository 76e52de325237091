"""What an op is given beside its arrays: axes, flags, numbers, shapes, dtypes, words. Right, or refused by its name.

Every public op is called with every kind of value for every one of its attributes. What it takes is what the
canonical spelling says (``np.int64(1)`` is 1, a list a tuple), in every mode; everything else is an error of ours.
Nothing is read as what it is not, and nothing is ignored.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import IntEnum
from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac
from alice_core import ops, tree

FAMILIES = (*(getattr(ops, family) for family in ops.__all__), ac.losses, ac.random, ac.special)
X = np.array([[1.0, -2.0, 3.0], [4.0, 0.5, 7.0]], np.float32)
LABELS = np.array([0, 2])
SORTED = np.array([-2.0, 0.5, 3.0], np.float32)
STATE = np.array([3, 4])
F32 = {"dtype": ac.float32}


def _convolved(f: Callable[..., Any], rank: int, x: Any, **given: Any) -> Any:
    """x as one image, its first axis spatial where there are several."""
    shape = (2, 3) if rank == 1 else (1,) * (rank - 1) + (2, 3)
    return f(ac.reshape(x, shape), np.ones((shape[0], shape[0]) + (1,) * (rank - 1) + (2,)), **given)


def _pooled(f: Callable[..., Any], rank: int, x: Any, window: Any, **given: Any) -> Any:
    return f(ac.reshape(x, (1,) * (rank - 1) + (2, 3)), window, **given)


def _adaptive(f: Callable[..., Any], rank: int, x: Any, output_size: Any, **given: Any) -> Any:
    return f(ac.reshape(x, (1,) * (rank - 1) + (2, 3)), output_size, **given)


_CLOSE: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-8, "equal_nan": False}

#: The ops with attributes: how one is called with an array of shape (2, 3), and what its attributes are if nothing else
#: is asked for. Those of None may be left out.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "elu": (ac.elu, {"alpha": 1.0}),
    "gelu": (ac.gelu, {"approximate": "none"}),
    "leaky_relu": (ac.leaky_relu, {"negative_slope": 0.01}),
    "astype": (
        lambda x, dtype, **more: ac.astype(x, dtype, **more),
        {"dtype": ac.float64, "copy": True, "device": None},
    ),
    "clip": (ac.clip, {"min": -1.0, "max": 2.0}),
    "arange": (
        lambda x, start, **more: ac.arange(start, **more),
        {"start": 0, "stop": 4, "step": 1, "dtype": None, "device": None},
    ),
    "empty": (lambda x, **given: ac.empty(**given), {"shape": 2, "dtype": ac.float32, "device": None}),
    "zeros": (lambda x, **given: ac.zeros(**given), {"shape": 2, "dtype": ac.float32, "device": None}),
    "ones": (lambda x, **given: ac.ones(**given), {"shape": 2, "dtype": ac.float32, "device": None}),
    "full": (lambda x, **given: ac.full(**given), {"shape": 2, "fill_value": 1.0, "dtype": None, "device": None}),
    "empty_like": (ac.empty_like, {"dtype": None, "device": None}),
    "zeros_like": (ac.zeros_like, {"dtype": None, "device": None}),
    "ones_like": (ac.ones_like, {"dtype": None, "device": None}),
    "full_like": (ac.full_like, {"fill_value": 1.0, "dtype": None, "device": None}),
    "eye": (
        lambda x, N, M, **more: ac.eye(N, M, **more),
        {"N": 2, "M": 3, "k": 0, "dtype": ac.float32, "device": None},
    ),
    "linspace": (
        lambda x, start, stop, **more: ac.linspace(start, stop, **more),
        {"start": 0.0, "stop": 1.0, "num": 3, "dtype": ac.float32, "endpoint": True, "device": None},
    ),
    "meshgrid": (lambda x, indexing: ac.meshgrid(x[0], x[1], indexing=indexing)[0], {"indexing": "xy"}),
    "one_hot": (lambda x, **given: ac.one_hot(LABELS, **given), {"num_classes": 3, "dtype": ac.float32}),
    "take": (lambda x, axis: ac.take(x, [1, 0], axis), {"axis": 1}),
    "take_along_axis": (lambda x, axis: ac.take_along_axis(x, np.array([[1], [0]]), axis), {"axis": 1}),
    "tensordot": (lambda x, axes: ac.tensordot(x, X, axes=axes), {"axes": 2}),
    "vecdot": (lambda x, axis: ac.vecdot(x, X, axis=axis), {"axis": -1}),
    **{
        name: (getattr(ac, name), {"axis": 1, "keepdims": False})
        for name in ("argmax", "argmin", "logsumexp", "norm", "vector_norm")
    },
    **{name: (getattr(ac, name), {"axis": 1, "keepdims": False, "where": None}) for name in ("all", "any", "mean")},
    **{name: (getattr(ac, name), {"axis": 1, "keepdims": False, "initial": None}) for name in ("max", "min")},
    **{
        name: (getattr(ac, name), {"axis": 1, "dtype": None, "keepdims": False, "initial": None, "where": None})
        for name in ("prod", "sum")
    },
    **{
        name: (getattr(ac, name), {"axis": 1, "correction": 0.0, "keepdims": False, "ddof": None, "where": None})
        for name in ("std", "var")
    },
    "average": (ac.average, {"axis": 1, "keepdims": False}),
    "cumsum": (ac.cumsum, {"axis": 1}),
    "ravel": (ac.ravel, {"order": "C"}),
    "round": (ac.round, {"decimals": 0}),
    "polygamma": (lambda x, n: ac.special.polygamma(n, x), {"n": 1}),
    "nan_to_num": (ac.nan_to_num, {"posinf": None, "neginf": None}),
    **{
        name: (partial(lambda f, x, **given: f(x, X + 1e-6, **given), getattr(ac, name)), options)
        for name, options in (("isclose", _CLOSE), ("allclose", _CLOSE))
    },
    "rot90": (ac.rot90, {"k": 1, "axes": (0, 1)}),
    "einsum": (lambda x, optimize: ac.einsum("ij,kj,k", x, X, X[:, 0], optimize=optimize), {"optimize": True}),
    "sort": (ac.sort, {"axis": 1, "descending": False, "stable": True}),
    "argsort": (ac.argsort, {"axis": 1, "descending": False, "stable": True}),
    "topk": (lambda x, k, **more: ac.topk(x, k, **more).values, {"k": 1, "axis": 1, "largest": True}),
    "partition": (lambda x, kth, axis: ac.partition(x, kth, axis), {"kth": 1, "axis": 1}),
    "quantile": (
        lambda x, q, **more: ac.quantile(x, q, **more),
        {"q": 0.5, "axis": 1, "method": "linear", "keepdims": False},
    ),
    "percentile": (
        lambda x, q, **more: ac.percentile(x, q, **more),
        {"q": 50, "axis": 1, "method": "linear", "keepdims": False},
    ),
    "median": (ac.median, {"axis": 1, "keepdims": False}),
    "searchsorted": (lambda x, side: ac.searchsorted(SORTED, x, side=side), {"side": "left"}),
    "isin": (lambda x, invert: ac.isin(x, SORTED, invert=invert), {"invert": False}),
    "count_nonzero": (ac.count_nonzero, {"axis": 1, "keepdims": False}),
    "unique": (
        lambda x, **flags: tree.leaves(ac.unique(x, **flags))[-1],
        {"return_index": False, "return_inverse": False, "return_counts": False, "equal_nan": True},
    ),
    "bincount": (lambda x, **given: ac.bincount(LABELS, **given), {"minlength": 0, "length": None}),
    "histogram": (
        lambda x, **given: ac.histogram(x, **given).counts,
        {"bins": 3, "range": None, "density": False},
    ),
    "scatter": (lambda x, **given: ac.scatter(x, LABELS[:, None], 5.0, **given), {"axis": 1, "mode": "set"}),
    "segment_sum": (lambda x, num_segments: ac.segment_sum(x, LABELS, num_segments), {"num_segments": 3}),
    "segment_max": (lambda x, num_segments: ac.segment_max(x, LABELS, num_segments), {"num_segments": 3}),
    **{name: (getattr(ac, name), {"axis": 1}) for name in ("cumprod", "cummax", "cummin", "logcumsumexp")},
    **{
        name: (getattr(ac, name), {"axis": 1, "dtype": None, "include_initial": False})
        for name in ("cumulative_sum", "cumulative_prod")
    },
    "diff": (ac.diff, {"n": 1, "axis": 1}),
    "trapezoid": (ac.trapezoid, {"axis": 1}),
    "sum_to": (lambda x, shape: ac.sum_to(x, shape), {"shape": (1, 3)}),
    "broadcast_to": (ac.broadcast_to, {"shape": (2, 2, 3)}),
    "concat": (lambda x, axis: ac.concat([x, X], axis=axis), {"axis": 0}),
    "stack": (lambda x, axis: ac.stack([x, X], axis=axis), {"axis": 0}),
    "diag": (ac.diag, {"k": 0}),
    "diagonal": (ac.diagonal, {"offset": 0, "axis1": 0, "axis2": 1}),
    "expand_dims": (ac.expand_dims, {"axis": 0}),
    "flatten": (ac.flatten, {"start_axis": 0, "end_axis": 1}),
    "flip": (ac.flip, {"axis": 1}),
    "moveaxis": (ac.moveaxis, {"source": 0, "destination": 1}),
    "pad": (ac.pad, {"pad_width": 1, "value": 0.0}),
    "permute_dims": (ac.permute_dims, {"axes": (1, 0)}),
    "repeat": (ac.repeat, {"repeats": 2, "axis": 1}),
    "reshape": (ac.reshape, {"shape": (3, 2), "order": "C", "copy": None}),
    "roll": (ac.roll, {"shift": 1, "axis": 1}),
    "split": (lambda x, **given: ac.split(x, **given)[0], {"indices_or_sections": 1, "axis": 1}),
    "squeeze": (lambda x, axis: ac.squeeze(x[:1], axis), {"axis": 0}),
    "swapaxes": (ac.swapaxes, {"axis1": 0, "axis2": 1}),
    "tile": (ac.tile, {"reps": 2}),
    "tril": (ac.tril, {"k": 0}),
    "triu": (ac.triu, {"k": 0}),
    "unstack": (lambda x, axis: ac.unstack(x, axis)[0], {"axis": 0}),
    **{
        f"{name}{rank}d": (
            partial(_convolved, getattr(ac, f"{name}{rank}d"), rank),
            {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "layout": f"NC{'DHW'[3 - rank :]}"}
            | ({"output_padding": 0} if name == "conv_transpose" else {}),
        )
        for name in ("conv", "conv_transpose")
        for rank in (1, 2, 3)
    },
    **{
        f"{name}{rank}d": (
            partial(_pooled, getattr(ac, f"{name}{rank}d"), rank),
            {"window": 1, "stride": None, "padding": 0, "layout": f"NC{'DHW'[3 - rank :]}"}
            | ({"dilation": 1} if name == "max_pool" else {"count_include_pad": True}),
        )
        for name in ("max_pool", "avg_pool")
        for rank in (1, 2, 3)
    },
    **{
        f"adaptive_{name}_pool{rank}d": (
            partial(_adaptive, getattr(ac, f"adaptive_{name}_pool{rank}d"), rank),
            {"output_size": 1, "layout": f"NC{'DHW'[3 - rank :]}"},
        )
        for name in ("avg", "max")
        for rank in (1, 2, 3)
    },
    "unfold": (
        lambda x, window, **more: ac.unfold(ac.reshape(x, (1, 2, 3)), window, **more),
        {"window": 1, "stride": 1, "padding": 0, "dilation": 1},
    ),
    "fold": (
        lambda x, output_size, window, **more: ac.fold(ac.reshape(x, (1, 6)), output_size, window, **more),
        {"output_size": (2, 3), "window": 1, "stride": 1, "padding": 0, "dilation": 1},
    ),
    "log_softmax": (ac.log_softmax, {"axis": 1}),
    "softmax": (ac.softmax, {"axis": 1, "temperature": 1.0, "mask": None}),
    "scaled_dot_product_attention": (
        lambda x, **given: ac.scaled_dot_product_attention(x, X, X, **given),
        {"is_causal": False, "scale": None},
    ),
    "layer_norm": (ac.layer_norm, {"axis": 1, "eps": 1e-5}),
    "rms_norm": (ac.rms_norm, {"axis": 1, "eps": 1e-5}),
    "batch_norm": (ac.batch_norm, {"axis": 1, "eps": 1e-5}),
    "embedding": (
        lambda x, padding_idx: ac.embedding(LABELS, ac.reshape(x, (3, 2)), padding_idx=padding_idx),
        {"padding_idx": None},
    ),
    **{
        name: (partial(lambda f, x, **given: f(x, X + 1.0, **given), getattr(ac.losses, name)), {"reduction": "mean"})
        for name in (
            "absolute_loss",
            "binary_cross_entropy_with_logits",
            "hinge_loss",
            "margin_loss",
            "mse_loss",
            "zero_one_loss",
        )
    },
    **{
        name: (
            partial(
                lambda f, x, **given: f(ac.softmax(x), ac.softmax(ac.asarray(X)), **given), getattr(ac.losses, name)
            ),
            {"reduction": "mean"},
        )
        for name in ("binary_cross_entropy", "categorical_cross_entropy", "kl_divergence")
    },
    "focal_loss": (
        lambda x, **given: ac.losses.focal_loss(x, LABELS, **given),
        {"gamma": 2.0, "reduction": "mean"},
    ),
    "linear_cross_entropy": (
        lambda x, **given: ac.losses.linear_cross_entropy(x, X.T @ X, LABELS, **given),
        {"reduction": "mean", "ignore_index": None, "label_smoothing": 0.0},
    ),
    "gaussian_nll": (
        lambda x, **given: ac.losses.gaussian_nll(x, X + 1.0, **given),
        {"sigma": 1.0, "reduction": "mean"},
    ),
    "huber_loss": (lambda x, **given: ac.losses.huber_loss(x, X + 1.0, **given), {"delta": 1.0, "reduction": "mean"}),
    "cross_entropy": (
        lambda x, **given: ac.losses.cross_entropy(x, LABELS, **given),
        {"reduction": "mean", "ignore_index": None, "label_smoothing": 0.0},
    ),
    "advance": (lambda x, draws: ac.random.advance(ac.tensor(STATE), draws), {"draws": 1}),
    "bits": (lambda x, **given: ac.random.bits(ac.tensor(STATE), **given), {"shape": 2, "first": 0}),
    "unit": (lambda x, **given: ac.random.unit(ac.tensor(STATE), **given), {"shape": 2, "dtype": ac.float32}),
    "uniform": (
        lambda x, **given: ac.random.Generator(0).uniform(**given),
        {"shape": 2, "low": 0.0, "high": 1.0, "dtype": ac.float32},
    ),
    "normal": (
        lambda x, **given: ac.random.Generator(0).normal(**given),
        {"shape": 2, "mean": 0.0, "std": 1.0, "dtype": ac.float32},
    ),
    "bernoulli": (lambda x, **given: ac.random.Generator(0).bernoulli(**given), {"shape": 2, "p": 0.5}),
    "exponential": (lambda x, **given: ac.random.Generator(0).exponential(**given), {"shape": 2, "scale": 1.0, **F32}),
    "gumbel": (
        lambda x, **given: ac.random.Generator(0).gumbel(**given),
        {"shape": 2, "loc": 0.0, "scale": 1.0, **F32},
    ),
    "gamma": (
        lambda x, **given: ac.random.Generator(0).gamma(**given),
        {"shape": 2, "alpha": 2.0, "scale": 1.0, **F32},
    ),
    "beta": (lambda x, **given: ac.random.Generator(0).beta(**given), {"shape": 2, "a": 1.0, "b": 2.0, **F32}),
    "multivariate_normal": (
        lambda x, **given: ac.random.Generator(0).multivariate_normal(X[0], np.eye(3, dtype=np.float32), **given),
        {"shape": 2, **F32},
    ),
    "truncated_normal": (
        lambda x, **given: ac.random.Generator(0).truncated_normal(**given),
        {"shape": 2, "low": -1.0, "high": 2.0, "mean": 0.5, "std": 2.0, **F32},
    ),
    "poisson": (lambda x, **given: ac.random.Generator(0).poisson(**given), {"shape": 2, "rate": 1.0}),
    "integers": (
        lambda x, **given: ac.random.Generator(0).integers(**given),
        {"shape": 2, "low": 0, "high": 9, "dtype": ac.int64},
    ),
    "permutation": (lambda x, **given: ac.random.Generator(0).permutation(x, **given), {"axis": 0}),
    "categorical": (lambda x, **given: ac.random.Generator(0).categorical(x, **given), {"axis": 1, "shape": (3, 2)}),
    "choice": (
        lambda x, **given: ac.random.Generator(0).choice(x, **given),
        {"shape": 2, "replace": True, "axis": 0},
    ),
    "seed": (lambda x, seed: ac.random.Generator(seed).uniform(2), {"seed": 3}),
}
#: Drawing is no function of an array, and a seed is taken once.
DRAWS = {
    "uniform",
    "normal",
    "bernoulli",
    "exponential",
    "gumbel",
    "gamma",
    "multivariate_normal",
    "truncated_normal",
    "beta",
    "poisson",
    "integers",
}
CHOICES = {"permutation", "categorical", "choice"}
WITHOUT_MODES = {"advance", "bits", "unit", "seed", "empty", "empty_like", "unique", *DRAWS, *CHOICES}
#: Arrays, though annotated for what they mostly are.
INPUTS = {
    *(("take", "indices"), ("einsum", "operands"), ("einsum", "subscripts"), ("trapezoid", "x"), ("interp", "left")),
    *(
        ("interp", "right"),
        ("bincount", "weights"),
        ("searchsorted", "sorter"),
        ("histogram", "weights"),
        ("diff", "prepend"),
        ("diff", "append"),
    ),
    *(("cross_entropy", "weight"), ("focal_loss", "weight"), ("linear_cross_entropy", "bias")),
    ("binary_cross_entropy_with_logits", "pos_weight"),
    *((f"conv{kind}{rank}d", "bias") for kind in ("", "_transpose") for rank in (1, 2, 3)),
    *(("average", "weights"), ("max", "where"), ("min", "where")),
    *(("permutation", "x"), ("choice", "a"), ("choice", "p")),
    ("scaled_dot_product_attention", "attn_mask"),
    *((f"{kind}_norm", name) for kind in ("layer", "rms", "batch") for name in ("mean", "var", "weight", "bias")),
}
ARRAYS = ("Tensor", "TensorLike", "Sequence[TensorLike]")


class Two(IntEnum):
    TWO = 2


#: One of each kind, and then some.
VALUES: tuple[Any, ...] = (
    *(None, True, False, np.True_, 0, 1, -1, 2, 10**30, -(2**63), 10**400, Two.TWO),
    *(0.0, 1.0, 0.5, 1.5, -0.5, float("nan"), float("inf"), 1e300, Decimal("0.5"), 1j),
    *("1", "0.5", "no", "sum", "tanh", "ij", "float32", "", b"1", bytearray(b"1")),
    *((), (1,), [1], (0, 1), [0, 1], (1, 0), (0, 0), (1.0,), (True,), (None,), ("1",), [[1]], [0.5], (np.int64(1),)),
    *(np.int64(1), np.uint8(1), np.int32(-1), np.float32(0.5), np.float64(1.0), np.float16(0.5), np.longdouble(0.5)),
    *(np.complex64(1 + 2j), np.str_("1"), np.array(1), np.array(0.5), np.array(True), np.array(1j), np.array("1")),
    *(np.array([1]), np.array([0.5]), np.array([0, 1]), np.array([True]), np.zeros(0)),
    *(ac.tensor(1), ac.tensor(0.5), ac.tensor(True), ac.tensor([1]), ac.tensor([0.5]), ac.tensor([0, 1])),
    *(object(), {}, {"axis": 1}, {1}, range(2), slice(1), ..., float, int, np.float64, ac.float64, ac.bfloat16, len),
)


def canonical(value: Any) -> Any:
    """The same as Python would have it."""
    if isinstance(value, (np.generic, np.ndarray)) and value.shape == () and value.dtype.kind in "biuf":
        return value.item() if not isinstance(value.item(), np.generic) else float(value)
    if isinstance(value, ac.Tensor) and value.ndim == 0:
        return value.item()
    if isinstance(value, (np.ndarray, ac.Tensor)) and value.dtype.kind in "iu":
        return canonical(value.tolist())
    if isinstance(value, (list, tuple, range)):
        return tuple(map(canonical, value))
    if isinstance(value, IntEnum):
        return int(value)
    return float(value) if isinstance(value, Decimal) else value


def is_kind(value: Any, annotation: str) -> bool:
    """Whether the canonical value is one of the kinds that an annotation names."""
    kinds = set(re.sub(r"\[.*\]", "", annotation).split(" | "))
    ints = isinstance(value, tuple) and all(type(v) is int or is_kind(v, annotation) for v in value)
    if kinds & {"TensorLike", "Tensor"}:
        kinds = kinds - {"TensorLike", "Tensor"} | {"float", "bool", "array"}
    found = {
        "int": type(value) is int,
        "float": type(value) in (int, float),
        "bool": type(value) is bool,
        "str": type(value) is str,
        "None": value is None,
        "Axis": value is None or type(value) is int or ints,
        "array": isinstance(value, (np.ndarray, ac.Tensor, tuple, bytearray)),
        "DTypeLike": isinstance(value, (type, str, np.dtype)) or value is None or value is ac.bfloat16,
    }
    return any(ints if kind in ("Sequence", "tuple") else found[kind] for kind in kinds)


def annotations(name: str) -> dict[str, str]:
    f = next(getattr(family, name) for family in FAMILIES if name in family.__all__)
    return {p.name: str(p.annotation) for p in inspect.signature(f).parameters.values()}


def attributes() -> Iterator[tuple[str, str]]:
    return ((name, keyword) for name, (_, given) in CALLS.items() for keyword in given)


def attempt(f: Callable[[], Any]) -> Any:
    """The result, or the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", RuntimeWarning)  # of overflow in NumPy
        try:
            return f()
        except Exception as error:
            return error


#: Ops that are another one, or become it.
SAME = {
    "sum": "sum|add",
    "prod": "prod|multiply",
    "max": "max|maximum",
    "min": "min|minimum",
    "allclose": "isclose",
    "nan_to_num": "where|nan_to_num",
    "average": "average|mean",
    "rot90": "rot90|swapaxes|flip",
    "vector_norm": "norm",
    "leaky_relu": "leaky_relu|prelu",
    "elu": "elu|prelu",
    "softmax": "softmax|divide|where",
    "huber_loss": "huber_loss|clip",
    "count_nonzero": "count_nonzero|sum",
    "bincount": "bincount|zeros",
    "histogram": "histogram|linspace",
    "scatter": "scatter(_set)?",
    "segment_sum": "segment_sum|scatter_add|zeros",
    "segment_max": "segment_max|scatter_max|full",
}


def is_ours(name: str, error: Exception) -> bool:
    kinds = (ac.AliceError, ValueError, TypeError, IndexError, OverflowError)
    too_large = str(error).startswith("shape: too many elements to address; got")  # for any op
    named = re.match(rf"(compile: )?({SAME.get(name, name)}): ", str(error))
    return isinstance(error, kinds) and (too_large or named is not None)


def is_same(got: Any, want: Any) -> bool:
    if not isinstance(got, ac.Tensor) or not isinstance(want, ac.Tensor) or got.shape != want.shape:
        return False
    return bool(np.array_equal(got._exact(), want._exact(), equal_nan=got.dtype.kind == "f"))


def checked(name: str, keyword: str, value: Any) -> Any:
    """What the op makes of the value, checked: a result or an error."""
    f, given = CALLS[name]
    annotation = annotations(name)[keyword]
    x = ac.tensor(X)
    got = attempt(lambda: f(x, **given | {keyword: value}))
    if isinstance(got, Exception):
        assert is_ours(name, got), f"{name}({keyword}={value!r}) raised {type(got).__name__}: {got}"
        return got
    plain = canonical(value)
    assert is_kind(plain, annotation), f"{name}({keyword}={value!r}) is taken for {annotation}: {got}"
    if name in ("empty", "empty_like") or (name, value) == ("seed", None):
        return got
    want = attempt(lambda: f(x, **given | {keyword: plain}))
    if "Tensor" in annotation:  # an input, which may bring a dtype of its own
        want, got = (y if isinstance(y, Exception) else ac.asarray(y.numpy().astype(np.float32)) for y in (want, got))
        if not isinstance(want, Exception):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-3)
        return got
    assert is_same(got, want), f"{name}({keyword}={value!r}) is {got}, not {want}"
    return got


def test_every_op_with_attributes_is_called() -> None:
    public = {name for family in FAMILIES for name in family.__all__ if inspect.isfunction(getattr(family, name))}
    public -= {"randn"}  # normal, with another way to write the shape
    found = {
        (name, parameter)
        for name in public
        for parameter, annotation in annotations(name).items()
        if annotation not in ARRAYS and (name, parameter) not in INPUTS
    }
    assert found <= set(attributes())
    assert set(CALLS) <= public


@pytest.mark.parametrize(("name", "keyword"), list(attributes()))
def test_attributes_are_right_or_refused(name: str, keyword: str) -> None:
    for value in VALUES:
        checked(name, keyword, value)


SCALARS = st.sampled_from([np.int8, np.uint8, np.int32, np.int64, np.float16, np.float32, np.float64, np.bool_])
#: None in between: arrays of that size would have to be allocated.
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.integers(2**61, 2**80),
    st.integers(-(2**80), -(2**61)),
    st.floats(-3, 3),
    st.floats(min_value=1e18),
    st.floats(max_value=-1e18),
    st.sampled_from([True, False, None, float("nan")]),
    st.text(max_size=3),
)


@st.composite
def scalars(draw: st.DrawFn) -> Any:
    number = draw(SCALARS)(draw(st.integers(0, 2)) * draw(st.sampled_from([1.0, 0.5])))
    number = number if number.dtype.kind in "bu" or draw(st.booleans()) else -number
    forms = [number, np.asarray(number)]
    return draw(st.sampled_from(forms if number.dtype == np.int8 else [*forms, ac.tensor(number)]))


ENTRIES = st.one_of(st.integers(-3, 3), scalars(), NUMBERS)
DRAWN = st.one_of(NUMBERS, scalars(), st.lists(ENTRIES, max_size=3), st.lists(ENTRIES, max_size=3).map(tuple))


def holds_tensor(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(isinstance(v, ac.Tensor) or holds_tensor(v) for v in value)


def in_modes(name: str, keyword: str, value: Any) -> dict[str, Any]:
    """What the op gives of a float where somebody follows its array."""
    f, given = CALLS[name]

    def call(x: ac.Tensor) -> ac.Tensor:
        y: ac.Tensor = f(x, **given | {keyword: value})
        return y

    def differentiated() -> Any:
        _, pull = ac.vjp(lambda x: call(x) * 1.0, ac.tensor(X))
        y, _ = ac.vjp(call, ac.tensor(X))
        pull(ac.ones_like(y * 1.0))
        return y

    x = ac.tensor(X)
    return {
        "vjp": attempt(differentiated),
        "jvp": attempt(lambda: ac.jvp(call, (x,), (ac.ones_like(x),))[0]),
        "vmap": attempt(lambda: ac.vmap(call)(ac.stack([x, x + 1.0]))[0]),
        "compile": attempt(lambda: ac.compile(call)(x)),
    }


@given(
    attribute=st.sampled_from([a for a in attributes() if a[0] not in WITHOUT_MODES]),
    value=DRAWN | st.sampled_from(VALUES),
)
def test_attributes_mean_the_same_in_every_mode(attribute: tuple[str, str], value: Any) -> None:
    name, keyword = attribute
    eager = checked(name, keyword, value)
    for mode, got in in_modes(name, keyword, value).items():
        where = f"{mode} of {name}({keyword}={value!r})"
        if isinstance(got, Exception):
            known = isinstance(got, ac.DTypeError) and re.match(r"v?jvp: |grad: |multiply: ", str(got))
            known = known or (isinstance(got, ac.TraceError) and holds_tensor(value))
            assert is_ours(name, got) or known, f"{where} raised {type(got).__name__}: {got}"
            assert isinstance(eager, Exception) or known or isinstance(value, (ac.Tensor, list, tuple)), where
        else:
            if isinstance(eager, Exception):  # programs do not look at values
                assert isinstance(value, ac.Tensor), f"{where} is {got}, though eager {eager}"
                assert type(eager) is ValueError, f"{where} is {got}, though eager {eager}"
            elif "Tensor" not in annotations(name)[keyword]:
                assert is_same(got, eager), f"{where} is {got}, not {eager}"


# ---- several axes ----------------------------------------------------------------------------------------------------

CUBE = np.random.default_rng(0).standard_normal((2, 3, 4))


@pytest.mark.parametrize("axis", [None, (), (0,), [1], (0, 2), (2, 0), [-1, 0], (0, 1, 2), np.int64(1)])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_softmax_and_its_kin_take_the_axes_that_scipy_takes(name: str, axis: Any) -> None:
    f = getattr(ac, name)
    x = ac.tensor(CUBE)
    want = getattr(scipy.special, name)(CUBE, axis=tuple(axis) if isinstance(axis, list) else axis)
    got = f(x, axis=axis)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-14)
    ac.testing.check_grads(lambda x: f(x, axis=axis), [CUBE], order=2, modes=("rev", "fwd"))
    assert np.array_equal(ac.compile(lambda x: f(x, axis=axis))(x).numpy(), got.numpy())
    assert np.array_equal(ac.vmap(lambda x: f(x, axis=axis))(ac.stack([x, x]))[1].numpy(), got.numpy())


def test_softmax_over_axes_names_each_once() -> None:
    with pytest.raises(ac.ShapeError, match=r"softmax: each axis must be named once; got \(0, -3\)"):
        ac.softmax(ac.tensor(CUBE), axis=(0, -3))
    with pytest.raises(ac.ShapeError, match="log_softmax: axis must be from -3 to 2; got 3"):
        ac.log_softmax(ac.tensor(CUBE), axis=(0, 3))


def test_a_masked_softmax_takes_several_axes() -> None:
    mask = CUBE > 0
    want = np.where(mask, np.exp(CUBE), 0.0)
    got = ac.softmax(ac.tensor(CUBE), axis=(0, 1), mask=mask)
    np.testing.assert_allclose(got.numpy(), want / want.sum((0, 1)), rtol=1e-14)


def test_argmax_counts_through_several_axes_in_order() -> None:
    rows = np.moveaxis(CUBE, 1, 0).reshape(3, 8)
    assert np.array_equal(ac.argmax(ac.tensor(CUBE), axis=(0, 2)).numpy(), rows.argmax(1))
    assert np.array_equal(ac.argmin(ac.tensor(CUBE), axis=(0, 2), keepdims=True).numpy(), rows.argmin(1)[None, :, None])


# ---- what is mathematically an input ---------------------------------------------------------------------------------

DIFFERENTIABLE: dict[str, Callable[..., Any]] = {
    "leaky_relu": lambda s, x: ac.leaky_relu(x, s),
    "elu": lambda s, x: ac.elu(x, s),
    "pad": lambda s, x: ac.pad(x, ((1, 0), (2, 1)), s),
    "full": lambda s, x: ac.full((2, 3), s, x.dtype) * x,
    "full_like": lambda s, x: ac.full_like(x, s) * x,
    "start of linspace": lambda s, x: ac.linspace(s, 2.0, 3, dtype=ac.float64) * x,
    "stop of linspace": lambda s, x: ac.linspace(0, s, 3, dtype=ac.float64, endpoint=False) * x,
    "temperature of softmax": lambda s, x: ac.softmax(x, temperature=s),
    "temperature over axes": lambda s, x: ac.softmax(x, (0, 1), temperature=s),
    "huber_loss": lambda s, x: ac.losses.huber_loss(x, x * 0.5, s),
    "gaussian_nll": lambda s, x: ac.losses.gaussian_nll(x, x * 0.5, s),
    "clip": lambda s, x: ac.clip(x, s, 2.5),
}
REFUSED: dict[str, Callable[..., Any]] = {
    "var: correction": lambda s, x: ac.var(x, correction=s),
    "std: correction": lambda s, x: ac.std(x, 1, s),
    "cross_entropy: label_smoothing": lambda s, x: ac.losses.cross_entropy(x, LABELS, label_smoothing=s),
    "arange: start": lambda s, x: ac.sum(ac.arange(s, 4)),
    "arange: step": lambda s, x: ac.sum(ac.arange(0, 4, s)),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_tensors_that_are_inputs_are_differentiated(name: str) -> None:
    f, x, s = DIFFERENTIABLE[name], ac.tensor(X.astype(np.float64)), ac.tensor(0.3, dtype=ac.float64)
    ac.testing.check_grads(lambda s: f(s, x), [np.array(0.3)], order=2, modes=("rev", "fwd"))
    want = f(0.3, x).numpy()
    np.testing.assert_allclose(f(s, x).numpy(), want, rtol=1e-14)
    for number in (s, 0.3):
        np.testing.assert_allclose(ac.compile(f)(number, x).numpy(), want, rtol=1e-14)
    assert np.array_equal(ac.compile(lambda x: f(s, x))(x).numpy(), f(s, x).numpy())
    batch = ac.vmap(f, in_axes=(0, None))(ac.tensor([0.7, 0.3], dtype=ac.float64), x)
    np.testing.assert_allclose(batch[1].numpy(), want, rtol=1e-14)


@pytest.mark.parametrize("what", REFUSED)
def test_tensors_that_are_no_inputs_are_refused_where_somebody_follows_them(what: str) -> None:
    f, x, s = REFUSED[what], ac.tensor(X), ac.tensor(0.3)
    assert f(s, x).shape == f(0.3, x).shape
    for run in (lambda: ac.grad(f)(s, x), lambda: ac.jvp(lambda s: f(s, x), (s,), (s,))):
        with pytest.raises(ac.GradientError, match=f"^{what}: expected a constant; got a value, .*stop_gradient"):
            run()
    for run in (lambda: ac.compile(f)(s, x), lambda: ac.compile(f)(0.3, x), lambda: ac.compile(lambda: f(s, x))()):
        with pytest.raises(ac.TraceError, match=f"^{what}: "):
            run()


@pytest.mark.parametrize("f", [ac.leaky_relu, ac.elu])
@pytest.mark.parametrize("s", [0.5, 1.0, 2.0, -1.0])
def test_kinks_of_slopes_that_are_tensors_are_those_of_numbers(f: Callable[..., ac.Tensor], s: float) -> None:
    assert ac.grad(f)(0.0, s).item() == ac.grad(f)(0.0, ac.tensor(s)).item()


# ---- what equations keep ---------------------------------------------------------------------------------------------


def test_an_attribute_that_changes_after_the_call_does_no_harm() -> None:
    x = ac.tensor(X).requires_grad_()
    axes = [0]
    y = ac.norm(x, axes)
    axes[0] = 1
    ac.sum(y * y).backward()
    np.testing.assert_allclose(x.grad.numpy(), 2.0 * X, rtol=1e-6)


def test_equations_keep_pythons_own_objects() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        y = ac.var(x, np.array(1), np.float32(0.1), np.True_)
        return ac.pad(ac.sum(y, [np.int64(0), 1]), (), np.float64(0.5))

    attributes = [a for eq in ac.trace(f)(ac.tensor(X)).equations for a in eq.attributes]
    assert attributes[:3] == [1, True, float(np.float32(0.1))]
    assert {type(a) for a in attributes} <= {int, float, bool, tuple}
    assert {type(n) for a in attributes if isinstance(a, tuple) for n in a} <= {int}


def test_rules_compute_with_the_precision_of_the_array() -> None:
    correction = np.float32(0.1)
    got = ac.grad(lambda x: ac.var(x, correction=correction))(CUBE)
    assert np.array_equal(got.numpy(), ac.grad(lambda x: ac.var(x, correction=float(correction)))(CUBE).numpy())


@pytest.mark.parametrize("delta", [np.uint8(1), np.array(1, np.uint8), ac.tensor(1, dtype=ac.uint8), 1])
def test_a_delta_without_a_sign_bounds_from_below_too(delta: Any) -> None:
    loss = ac.losses.huber_loss(ac.tensor([-3.0, 3.0]), ac.tensor([0.0, 0.0]), delta, reduction="none")
    assert loss.tolist() == [2.5, 2.5]


def test_padding_keeps_every_bit_of_an_integer() -> None:
    x = ac.tensor([1])
    for value in (2**63 - 1, -(2**63), 2**53 + 1):
        assert ac.pad(x, 1, value).tolist() == [value, 1, value]
    for value in (1.5, np.float32(-0.5), float("inf"), 2**63, 2.0**63):
        with pytest.raises(ValueError, match="pad: the value must be a number of dtype int64; got"):
            ac.pad(x, 1, value)


@pytest.mark.parametrize(("low", "high"), [(np.nan, 1.0), (0.0, np.nan), (np.nan, np.nan)])
def test_a_bound_that_is_nan_is_not_ignored(low: float, high: float) -> None:
    for dtype in (ac.float32, ac.float64, ac.float16):
        x = ac.tensor([-2.0, 0.5, 3.0, np.nan], dtype=dtype)
        assert np.isnan(ac.clip(x, low, high).numpy()).all()
        assert np.isnan(ac.compile(ac.clip)(x, low, high).numpy()).all()
