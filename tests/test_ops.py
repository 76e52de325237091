"""Every op against its reference: values, dtypes, layouts, gradients, second derivatives, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import _core, tree
from op_calls import calls, cast, differentiable_calls, is_float, op, tensors
from op_cases import OpCase, all_cases, linalg_functions

CASES = all_cases()


def flat(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def compare(got: Any, want: Any, tol: float, what: str) -> None:
    assert len(flat(got)) == len(flat(want)), what
    for g, w in zip(flat(got), flat(want), strict=True):
        g, w = np.asarray(g), np.asarray(w)
        assert g.shape == w.shape, f"{what}: shape {g.shape}, expected {w.shape}"
        if w.dtype.kind != "f":
            np.testing.assert_array_equal(g, w, err_msg=what)
            continue
        with np.errstate(over="ignore", under="ignore"):
            w = w.astype(g.dtype)
        scale = np.finfo(g.dtype).tiny if g.dtype.kind == "f" else 0
        np.testing.assert_allclose(g, w, rtol=tol, atol=scale, equal_nan=True, err_msg=what)


def reference(case: OpCase, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with np.errstate(all="ignore"):
        return case.reference(*args, **kwargs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_values(case: OpCase, dtype: str) -> None:
    if dtype not in case.dtypes:
        pytest.skip(f"{case.name} is not defined for {dtype}")
    for args, kwargs in [*calls(case), *((a, dict(k)) for k in case.kwargs for a in case.extreme)]:
        args = cast(args, dtype)
        exact = cast(args, "float64")
        want = reference(case, exact if dtype == "float64" else _widen(args), kwargs)
        got = op(case)(*tensors(args), **kwargs)
        compare(got, want, case.tol[dtype], f"{case.name} {args} {kwargs} {dtype}")
        if any(is_float(a) or (isinstance(a, np.ndarray) and a.dtype == np.float32) for a in args):
            for g, w in zip(flat(got), flat(want), strict=True):
                if np.asarray(w).dtype.kind == "f":
                    assert g.dtype == dtype, f"{case.name}: result dtype {g.dtype} for inputs of {dtype}"


def _widen(args: tuple[Any, ...]) -> tuple[Any, ...]:
    def one(a: Any) -> Any:
        if isinstance(a, (list, tuple)):
            return type(a)(one(x) for x in a)
        return a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype == np.float32 else a

    return tuple(one(a) for a in args)


def reversed_layout(a: np.ndarray[Any, Any]) -> ac.Tensor:
    """The same values, every axis walked backwards in memory."""
    key = (slice(None, None, -1),) * a.ndim
    return ac.asarray(a[key].copy())[key] if a.ndim else ac.tensor(a)


def gapped_layout(a: np.ndarray[Any, Any]) -> ac.Tensor:
    """The same values in column-major order with gaps."""
    if a.ndim == 0:
        return ac.tensor(a)
    wide = np.repeat(a.T, 2, axis=-1) if a.size else a.T
    t = ac.tensor(wide)
    return (t[..., ::2] if a.size else t).T


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
@pytest.mark.parametrize("layout", [reversed_layout, gapped_layout])
def test_layouts(case: OpCase, layout: Callable[..., ac.Tensor]) -> None:
    """Strides, negative and with gaps, change nothing but the order in which memory is read."""
    dtype = case.dtypes[0]
    for args, kwargs in calls(case):
        args = cast(args, dtype)
        plain = flat(op(case)(*tensors(args), **kwargs))
        strided = flat(op(case)(*tensors(args, layout), **kwargs))
        for p, s in zip(plain, strided, strict=True):
            compare(s.numpy(), p.numpy(), case.tol.get(dtype, 0.0), f"{case.name} {args} {kwargs}")


@pytest.mark.notes("M206")
@pytest.mark.parametrize("case", [c for c in CASES if c.grad and "float64" in c.dtypes], ids=lambda c: c.name)
def test_gradients(case: OpCase) -> None:
    """The VJP against central differences, and the VJP of the VJP."""
    ran = False
    for f, xs in differentiable_calls(case):
        if any(isinstance(x, (list, tuple)) for x in xs):
            sizes = [len(x) if isinstance(x, (list, tuple)) else 1 for x in xs]
            flattened = [y for x in xs for y in (x if isinstance(x, (list, tuple)) else [x])]

            def g(*ys: Any, f: Any = f, sizes: Any = sizes, xs: Any = xs) -> Any:
                it = iter(ys)
                groups = [
                    [next(it) for _ in range(n)] if isinstance(x, (list, tuple)) else next(it)
                    for n, x in zip(sizes, xs, strict=True)
                ]
                return f(*groups)

            ac.testing.check_grads(g, flattened, order=2 if case.second_order else 1, atol=1e-5, rtol=1e-5)
        else:
            ac.testing.check_grads(f, xs, order=2 if case.second_order else 1, atol=1e-5, rtol=1e-5)
        ran = True
    assert ran, f"{case.name}: no input is differentiable"


@pytest.mark.notes("M206", "X11")
@pytest.mark.parametrize("case", [c for c in CASES if c.grad and "float32" in c.dtypes], ids=lambda c: c.name)
def test_float32_gradients(case: OpCase) -> None:
    """float32 gradients stay float32, have the shape of the input, and agree with float64."""
    for f, xs in differentiable_calls(case):
        if any(isinstance(x, (list, tuple)) for x in xs):
            continue
        found = []
        for dtype in ("float32", "float64"):
            points = [ac.tensor(x.astype(np.float32), dtype=dtype) for x in xs]
            y, pullback = ac.vjp(f, *points)
            found.append(pullback(_weights(y)))
        for narrow, wide, x in zip(*found, xs, strict=True):
            assert narrow.dtype == "float32"
            assert narrow.shape == x.shape
            # Where contributions cancel, what is left is the rounding of the cotangent, up to 3.5.
            atol = 1e-5 * np.abs(wide.numpy()).max(initial=0.0) + 1e-6
            np.testing.assert_allclose(narrow.numpy(), wide.numpy(), rtol=1e-4, atol=atol)


def _weights(y: Any) -> Any:
    """A cotangent without symmetries, the same numbers in either dtype."""
    if isinstance(y, (tuple, list)):
        return tree.structure(y).unflatten([_weights(v) for v in y])
    return ac.tensor((np.arange(y.size) % 7 - 2.5).reshape(y.shape), dtype=y.dtype)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_abstract_run(case: OpCase) -> None:
    """Shapes and dtypes come out right without data, from the same rule that the real run uses."""
    dtype = case.dtypes[0]
    for args, kwargs in calls(case):
        args = cast(args, dtype)
        if not any(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in args):
            continue
        want = flat(op(case)(*tensors(args), **kwargs))
        hollow = tuple(
            ac.abstract(a.shape, a.dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else t
            for a, t in zip(args, tensors(args), strict=True)
        )
        got = flat(op(case)(*hollow, **kwargs))
        for g, w in zip(got, want, strict=True):
            assert g.is_abstract, case.name
            assert (g.shape, g.dtype) == (w.shape, w.dtype), case.name


@pytest.mark.parametrize("case", [c for c in CASES if c.errors], ids=lambda c: c.name)
def test_errors(case: OpCase) -> None:
    for args, kwargs, exception, message in case.errors:
        with pytest.raises(exception, match=message):
            op(case)(*args, **kwargs)


@pytest.mark.notes("X13")
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_thread_count_changes_no_bit(case: OpCase) -> None:
    dtype = case.dtypes[0]
    before = ac.get_num_threads()
    try:
        for args, kwargs in calls(case):
            results = []
            for n in (1, 2, 4):
                ac.set_num_threads(n)
                results.append([np.asarray(r).tobytes() for r in flat(op(case)(*tensors(cast(args, dtype)), **kwargs))])
            assert results[0] == results[1] == results[2], case.name
    finally:
        ac.set_num_threads(before)


#: What optimisers do beside "sgd".
UPDATES = ("adagrad", "adam", "lbfgs_direction", "lion", "moving_average", "nadam", "rmsprop")

#: Draws that may take several tries, and the derivative of one.
REJECTION = ("gamma_slope", "random_integers", "random_log_gamma", "random_permutation", "random_poisson")

#: Kernels that no row can name: they are reached through an interface of their own, with tests of their own.
ELSEWHERE = {
    "identity": "test_engine.py",
    "remat": "test_checkpoint_compiled.py",
    "stop_gradient": "test_engine.py",
    "constant_copy": "test_views.py",
    "nonnegative": "test_dtypes.py",
    "fitting": "test_python_numbers.py",
    "checked_arithmetic": "test_python_numbers.py",
    "slice_set": "test_scatter.py",
    "vecmat": "test_vecmat.py",
    "matmul_add": "test_linear_cross_entropy.py",
    "sgd": "test_optim.py",
    **dict.fromkeys(UPDATES, "test_optimisers.py"),  # and test_minimize.py
    **dict.fromkeys(REJECTION, "test_distributions.py"),
    "cross_entropy_value_and_vjp": "test_compile.py",
    **dict.fromkeys(("allreduce_start", "allreduce_wait"), "test_distributed.py"),
    **dict.fromkeys(("scan", "while_loop", "switch"), "test_loops.py"),
    "call": "test_compile_calls.py",
    "slice_add": "test_compile_sums.py",
}


def test_kernels_primitives_and_rows_match() -> None:
    kernels = set(_core.kernels())
    primitives = set(ac.primitives())
    covered = {p for case in CASES for p in case.primitives}
    assert covered <= kernels, f"rows name kernels that do not exist: {sorted(covered - kernels)}"
    only_in_programs = {"sgd", *UPDATES, "cross_entropy_value_and_vjp", "slice_add", "matmul_add"}
    assert kernels - only_in_programs == primitives, f"no primitive, or no kernel: {sorted(kernels ^ primitives)}"
    missing = kernels - covered - set(ELSEWHERE)
    assert not missing, f"no row covers the kernels {sorted(missing)}"
    for name, p in ac.primitives().items():
        has_rule = p.vjp_rules is not None or p.vjp_joint is not None
        assert has_rule == p.differentiable, f"{name}: a VJP rule, or differentiable=False"


def test_every_public_op_has_a_row() -> None:
    names = {case.name for case in CASES}
    from alice_core import ops

    public = {name for module in ops.__all__ for name in getattr(ops, module).__all__}
    public |= {f"special.{name}" for name in ac.special.__all__}
    public |= {f"linalg.{name}" for name in linalg_functions()}
    missing = public - names
    assert not missing, f"no row for the ops {sorted(missing)}"
