"""Trace, reverse mode and differentiation contexts, whatever the op."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

import alice_core as ac
from alice_core import _core


def scalar(x: float) -> ac.Tensor:
    return ac.tensor(x, dtype=ac.float64)


# -- values of gradients ----------------------------------------------------------------------------------------------


@pytest.mark.notes("M011")
def test_gradient_of_the_notes_example() -> None:
    """Row M011: f = x1^2 x2 + sin x3 at (1, 2, 0.5)."""
    g = ac.grad(lambda x: x[0] ** 2 * x[1] + ac.sin(x[2]))(ac.tensor([1.0, 2.0, 0.5], dtype=ac.float64))
    np.testing.assert_allclose(g.numpy(), [4.0, 1.0, 0.8775825618903728], rtol=1e-15)


def test_nested_gradients_give_higher_derivatives() -> None:
    f = ac.sin
    x = scalar(0.7)
    for want in (np.cos, lambda v: -np.sin(v), lambda v: -np.cos(v), np.sin):
        f = ac.grad(f)
        np.testing.assert_allclose(f(x).item(), want(0.7), rtol=1e-14)


def test_inner_gradient_does_not_see_the_outer_variable_as_its_own() -> None:
    """d/dx [ x * d/dy (x * y) ] = 2x: perturbations of different contexts must not mix."""
    outer = ac.grad(lambda x: x * ac.grad(lambda y: x * y)(x))
    assert outer(scalar(3.0)).item() == 6.0


def test_gradient_inside_backward() -> None:
    """A gradient penalty: backward() goes through the dual program of grad()."""
    w = scalar(2.0).requires_grad_()
    penalty = ac.grad(lambda x: w * x**3)(scalar(1.5)) ** 2  # (3 w x^2)^2
    penalty.backward()
    np.testing.assert_allclose(w.grad.item(), 2 * 2.0 * (3 * 1.5**2) ** 2)


def test_a_finished_gradient_keeps_no_graph() -> None:
    g = ac.grad(lambda x: ac.exp(x))(scalar(1.0))
    assert g._producer is None
    value, _ = ac.vjp(lambda x: ac.exp(x), scalar(1.0))
    assert value._producer is None


@pytest.mark.notes("X02", "M235")
def test_shared_nodes_run_each_rule_once() -> None:
    """Row X02: twelve doublings have 4096 paths and twelve rules."""
    double = ac.primitives()["add"]
    calls = 0
    rules = double.vjp_rules

    def counting(g: ac.Tensor, *rest: ac.Tensor) -> ac.Tensor:
        nonlocal calls
        calls += 1
        return rules[0](g, *rest)

    def f(x: ac.Tensor) -> ac.Tensor:
        for _ in range(12):
            x = x + x
        return x

    double.defvjp(counting, rules[1])
    try:
        assert ac.grad(f)(1.0).item() == 4096.0
    finally:
        double.defvjp(*rules)
    assert calls == 12


@pytest.mark.notes("X01")
def test_diamond_and_reuse() -> None:
    x = scalar(3.0)
    assert ac.grad(lambda x: x * x + x)(x).item() == 7.0
    assert ac.grad(lambda x: (x * x) * (3.0 * x))(x).item() == 81.0


def test_unused_argument_gets_zeros() -> None:
    g = ac.grad(lambda x, y: ac.sum(x), argnums=1)(ac.ones((2,)), ac.ones((3,)))
    assert g.tolist() == [0.0, 0.0, 0.0]


def test_structures_and_aux() -> None:
    params = {"w": ac.ones((2,)), "rest": [ac.tensor(3.0), (ac.tensor(1.0),)]}

    def f(p: dict[str, object], x: ac.Tensor) -> tuple[ac.Tensor, str]:
        return ac.sum(p["w"] * x) * p["rest"][0] + p["rest"][1][0], "aux"

    (value, aux), g = ac.value_and_grad(f, has_aux=True)(params, ac.tensor([1.0, 2.0]))
    assert (value.item(), aux) == (10.0, "aux")
    assert g["w"].tolist() == [3.0, 6.0]
    assert g["rest"][0].item() == 3.0
    assert g["rest"][1][0].item() == 1.0


def test_vjp_of_several_results() -> None:
    y, pullback = ac.vjp(lambda x: {"twice": 2.0 * x, "same": x}, ac.tensor([1.0, 2.0]))
    assert y["twice"].tolist() == [2.0, 4.0]
    (g,) = pullback({"twice": ac.ones((2,)), "same": ac.tensor([10.0, 20.0])})
    assert g.tolist() == [12.0, 22.0]
    (again,) = pullback({"twice": ac.ones((2,)), "same": ac.tensor([10.0, 20.0])})
    assert again.tolist() == g.tolist()


def test_cotangent_of_another_structure() -> None:
    _, pullback = ac.vjp(lambda x: (x, 2.0 * x), ac.ones((2,)))
    with pytest.raises(ac.ShapeError, match=r"structure of the result; expected \(\*, \*\), got \*"):
        pullback(ac.ones((2,)))
    with pytest.raises(ac.DTypeError, match="grad: argument 0 must hold Tensors or numbers; got 'none';"):
        ac.grad(lambda p: ac.sum(p["a"]))({"a": ac.ones((2,)), "b": "none"})


def test_kwargs_and_negative_argnums() -> None:
    assert ac.grad(lambda x, y, *, k: k * x * y, argnums=-1)(2.0, 5.0, k=3.0).item() == 6.0


@pytest.mark.notes("X06")
def test_stop_gradient_and_no_grad() -> None:
    assert ac.grad(lambda x: x * ac.stop_gradient(x))(3.0).item() == 3.0
    w = scalar(2.0).requires_grad_()
    with ac.no_grad():
        assert not (w * w).is_tracked
        assert ac.grad(lambda x: w * x)(scalar(1.0)).item() == 2.0
    assert (w * w).is_tracked


# -- backward() -------------------------------------------------------------------------------------------------------


@pytest.mark.notes("X05")
def test_backward_accumulates_and_does_not_alias() -> None:
    w = ac.tensor([1.0, 2.0]).requires_grad_()
    ac.sum(w).backward()
    first = w.grad
    ac.sum(w).backward()
    assert w.grad.tolist() == [2.0, 2.0]
    assert first.tolist() == [1.0, 1.0]
    w.grad = None
    assert w.grad is None


def test_backward_on_a_leaf_itself() -> None:
    w = ac.tensor(2.0).requires_grad_()
    w.backward()
    assert w.grad.item() == 1.0


@pytest.mark.notes("X08")
def test_backward_twice_names_the_remedy() -> None:
    w = ac.tensor(2.0).requires_grad_()
    y = w * w
    y.backward()
    with pytest.raises(ac.GradientError, match=r"retain_graph=True"):
        y.backward()
    z = w * w
    z.backward(retain_graph=True)
    z.backward()
    assert w.grad.item() == 12.0


@pytest.mark.notes("M210")
def test_backward_needs_a_scalar_or_a_cotangent() -> None:
    w = ac.ones((3,)).requires_grad_()
    with pytest.raises(ac.ShapeError, match=r"backward: expected a 0-d result; got shape \(3,\).*ac\.vjp"):
        (2.0 * w).backward()
    (2.0 * w).backward(ac.tensor([1.0, 2.0, 3.0]))
    assert w.grad.tolist() == [2.0, 4.0, 6.0]
    with pytest.raises(ac.ShapeError, match=r"backward: the cotangent must have the shape"):
        (2.0 * w).backward(ac.ones((2,)))


def test_backward_without_parameters() -> None:
    with pytest.raises(ac.GradientError, match="requires_grad_"):
        ac.sum(ac.ones((2,))).backward()


def test_requires_grad_on_results_and_integers() -> None:
    w = ac.tensor(1.0).requires_grad_()
    with pytest.raises(ac.GradientError, match="expected a leaf"):
        (w * 2.0).requires_grad_()
    with pytest.raises(ac.DTypeError, match="expected a floating dtype; got int64"):
        ac.tensor([1, 2]).requires_grad_()


def test_integer_argument_of_grad() -> None:
    with pytest.raises(TypeError, match=r"grad: argument 0 must be floating-point.*got int64"):
        ac.grad(lambda x: ac.sum(x))(ac.tensor([1, 2]))


def test_non_scalar_function_of_grad() -> None:
    with pytest.raises(ac.ShapeError, match=r"grad: the function must return a 0-d Tensor; got shape \(2,\).*ac\.vjp"):
        ac.grad(lambda x: x)(ac.ones((2,)))
    with pytest.raises(ac.GradientError, match="must return Tensors; got float"):
        ac.grad(lambda x: float(ac.stop_gradient(x)))(1.0)


def test_argnums_out_of_range() -> None:
    with pytest.raises(ValueError, match="argnums 2 is out of range; the call has 1"):
        ac.grad(lambda x: x, argnums=2)(1.0)


# -- in-place changes -------------------------------------------------------------------------------------------------


@pytest.mark.notes("X07")
def test_a_changed_saved_value_raises() -> None:
    w = ac.tensor([1.0, 2.0]).requires_grad_()
    loss = ac.sum(w * w)
    w.assign_([5.0, 6.0])
    with pytest.raises(
        ac.GradientError, match=r"multiply: the saved input 0, shape \(2,\), float32, was changed in place"
    ):
        loss.backward()
    ac.sum(w * w).backward()
    assert w.grad.tolist() == [10.0, 12.0]


def test_assign_casts_broadcasts_and_refuses_results() -> None:
    w = ac.zeros((2, 2)).requires_grad_()
    assert w.assign_(np.array([1.0, 2.0])).tolist() == [[1.0, 2.0], [1.0, 2.0]]
    w.assign_(w.T)
    assert w.tolist() == [[1.0, 1.0], [2.0, 2.0]]
    assert w.requires_grad
    with pytest.raises(ac.GradientError, match="expected a leaf"):
        (w * 1.0).assign_(0.0)
    frozen = np.ones(2)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        ac.asarray(frozen).assign_(0.0)


def test_item_assignment_explains_itself() -> None:
    with pytest.raises(TypeError, match=r"x\.at\[key\]\.set.*assign_"):
        ac.ones((2,))[0] = 1.0


# -- depth, memory, lifetime ------------------------------------------------------------------------------------------


@pytest.mark.notes("X03")
def test_a_chain_of_a_million_ops_on_a_small_stack() -> None:
    """Builds, differentiates and frees without recursion: a 256 KiB stack is enough."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            x = ac.tensor(1.0, dtype=ac.float64).requires_grad_()
            y = x
            for _ in range(1_000_000):
                y = y + 1e-6
            y.backward()
            assert x.grad.item() == 1.0
            z = x
            for _ in range(100_000):
                z = z + 1e-6
            del z  # dropped without backward
        except BaseException as error:
            failures.append(error)

    before = threading.stack_size(256 * 1024)
    try:
        t = threading.Thread(target=work)
        t.start()
        t.join()
    finally:
        threading.stack_size(before)
    assert not failures, failures


def test_no_reference_cycles() -> None:
    """Memory is flat over many steps with the garbage collector switched off."""
    model_w = ac.ones((4, 4)).requires_grad_()
    x = ac.ones((2, 4))

    def step() -> None:
        loss = ac.sum(ac.tanh(x @ model_w) ** 2)
        loss.backward()
        model_w.grad = None

    gc.collect()
    gc.disable()
    try:
        for _ in range(100):
            step()
        before = ac.memory_stats()["live_bytes"]
        objects = len(gc.get_objects())
        for _ in range(100_000):
            step()
        assert ac.memory_stats()["live_bytes"] == before
        assert len(gc.get_objects()) <= objects + 10
    finally:
        gc.enable()


@pytest.mark.notes("X08")
def test_second_order_graph_is_freed_without_the_collector() -> None:
    gc.disable()
    try:
        x = ac.ones((100,))
        before = ac.memory_stats()["live_bytes"]
        g = ac.grad(lambda x: ac.sum(ac.grad(lambda z: ac.sum(ac.tanh(z) ** 3))(x) ** 2))(x)
        ref = weakref.ref(g)
        del g
        assert ref() is None
        assert ac.memory_stats()["live_bytes"] == before
    finally:
        gc.enable()


def test_blocks_are_reused() -> None:
    x = ac.ones((300, 300))
    y = x + 1.0
    del y
    before = ac.memory_stats()["system_calls"]
    for _ in range(100):
        y = x + 1.0
        del y
    assert ac.memory_stats()["system_calls"] == before
    ac.trim_memory()
    assert ac.memory_stats()["cached_bytes"] == 0


@pytest.mark.notes("X15")
def test_unread_inputs_are_not_kept() -> None:
    """Addition's rule reads no data, so the trace must not hold any."""
    w = ac.ones((1000,)).requires_grad_()
    live = ac.memory_stats()["live_bytes"]
    y = w + ac.ones((1000,))
    z = y + ac.ones((1000,))
    del y
    assert ac.memory_stats()["live_bytes"] - live <= 2 * 4000
    z.backward(ac.ones((1000,)))


@pytest.mark.notes("M238", "X08")
def test_backward_frees_the_saved_values() -> None:
    w = ac.ones((1000,)).requires_grad_()
    y = w
    for _ in range(20):
        y = ac.sin(y)
    loss = ac.sum(y)
    del y
    held = ac.memory_stats()["live_bytes"]
    loss.backward()
    assert ac.memory_stats()["live_bytes"] < held - 15 * 4000


# -- exceptions, threads, processes -----------------------------------------------------------------------------------


def test_an_exception_inside_leaves_everything_usable() -> None:
    def broken(x: ac.Tensor) -> ac.Tensor:
        raise KeyError("mine")

    active = _core.get_active()
    with pytest.raises(KeyError):
        ac.grad(lambda x: ac.grad(broken)(x))(1.0)
    with pytest.raises(KeyError):
        ac.trace(broken)(1.0)
    assert _core.get_active() == active
    assert ac.grad(lambda x: x * x)(3.0).item() == 6.0


def test_threads_have_contexts_of_their_own() -> None:
    results: list[float] = []

    def work() -> None:
        x = ac.tensor(np.full((200, 200), 0.01))
        for _ in range(20):
            results.append(ac.grad(lambda x: ac.sum(ac.tanh(x @ x)))(x)[0, 0].item())

    workers = [threading.Thread(target=work) for _ in range(4)]
    with ac.no_grad():
        for w in workers:
            w.start()
        for w in workers:
            w.join()
    assert len(results) == 80
    assert len(set(results)) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_computes() -> None:
    import os

    x = ac.ones((512, 512))
    want = (x @ x).sum().item()
    pid = os.fork()
    if pid == 0:
        ok = (x @ x).sum().item() == want and ac.grad(lambda x: ac.sum(ac.tanh(x)))(x).shape == (512, 512)
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# -- the trace, and the seams for what follows ------------------------------------------------------------------------


@pytest.mark.notes("M209")
def test_trace_lists_primitives_in_order() -> None:
    """Row M209: h_i consumes h_{i-1}."""
    w = [ac.ones((3, 3)) for _ in range(3)]

    def program(x: ac.Tensor) -> ac.Tensor:
        for m in w:
            x = ac.tanh(m @ x)
        return ac.sum(x)

    t = ac.trace(program)(ac.ones((3,)))
    assert [eq.primitive.name for eq in t.equations] == ["matmul", "tanh"] * 3 + ["sum"]
    assert str(t).splitlines()[0] == "trace(a: float32[3]) {"


def test_abstract_run_touches_no_data() -> None:
    model = ac.nn.MLP([64, 128, 10])
    x = ac.abstract((1 << 40, 64))  # 2^48 bytes: could not be allocated
    t = ac.trace(model)(x)
    (y,) = t.outputs
    assert y.is_abstract
    assert y.shape == (1 << 40, 10)
    with pytest.raises(ac.TraceError, match="abstract"):
        y.item()
    with pytest.raises(ac.TraceError, match=r"ac\.where"):
        bool(ac.sum(y) > 0)
    with pytest.raises(ac.TraceError, match="abstract"):
        y.numpy()


def test_gradients_of_abstract_tensors() -> None:
    """The dual program can be written without data as well."""
    g = ac.trace(ac.grad(lambda x: ac.sum(ac.tanh(x) ** 2)))(ac.abstract((5, 6)))
    assert g.outputs[0].shape == (5, 6)
    assert len(g.equations) > 4


class Dual:
    """Forward mode in a dozen lines: the smallest use of the seam that a value with a tangent will take."""

    def __init__(self, value: ac.Tensor, tangent: ac.Tensor) -> None:
        self.value, self.tangent = value, tangent

    def __alice_bind__(self, primitive: ac.Primitive, args: tuple[object, ...]) -> Dual:
        plain = [a.value if isinstance(a, Dual) else a for a in args]
        ans = primitive(*plain)
        tangents = [
            rule(a.tangent, ans, *plain)
            for a, rule in zip(args, primitive.jvp_rules, strict=True)
            if isinstance(a, Dual)
        ]
        return Dual(ans, sum(tangents[1:], tangents[0]))


def test_seam_for_forward_mode() -> None:
    mul, sin = ac.primitives()["multiply"], ac.primitives()["sin"]
    before = mul.jvp_rules, sin.jvp_rules
    mul.defjvp(lambda t, ans, x, y: t * y, lambda t, ans, x, y: x * t)
    sin.defjvp(lambda t, ans, x: t * ac.cos(x))
    try:
        x = Dual(scalar(0.5), scalar(1.0))
        y = ac.multiply(ac.sin(x), x)
        np.testing.assert_allclose(y.value.item(), np.sin(0.5) * 0.5)
        np.testing.assert_allclose(y.tangent.item(), np.cos(0.5) * 0.5 + np.sin(0.5))
    finally:
        mul.jvp_rules, sin.jvp_rules = before
