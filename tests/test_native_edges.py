"""Between CPython and C++: whatever Python does to native objects ends in a result or an exception."""

from __future__ import annotations

import copy
import gc
import pickle
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alice_core as ac
import hostile
from alice_core import _core
from alice_core.primitive import Primitive

BINDINGS = Path(__file__).parent.parent / "csrc" / "bindings"


# -- every function that CPython calls is behind a guard ---------------------------------------------------------------


@pytest.mark.skipif(not BINDINGS.exists(), reason="needs the sources")
def test_types_are_made_in_one_place_alone() -> None:
    """slot.h takes no bare function, so no table may be written anywhere else."""
    tables = r"PyType_(FromSpec|FromModuleAndSpec|Slot|Spec)|Py(Method|GetSet|Member)Def|PyCFunction_New"
    fields = r"PyTypeObject \w+ *=|tp_(new|init|call|dealloc|traverse|clear|repr|hash|getattro?|setattro?)\w* *="
    bare = re.compile(rf"{tables}|{fields}|reinterpret_cast<void\*>|vectorcall = (?!.*vectorcall<)")
    for path in BINDINGS.glob("*.*"):
        if path.name in ("slot.h", "slot.cpp"):
            continue
        found = [line for line in path.read_text(encoding="utf-8").splitlines() if bare.search(line)]
        assert not found, (path.name, found)


def test_all_native_types_are_known() -> None:
    """A type that is added joins the list that the calls below go through."""
    types = {name for name, o in vars(_core).items() if isinstance(o, type)}
    assert types == {
        *("TensorBase", "PrimitiveBase", "CompiledBase", "Equation", "Segment"),
        *("Record", "Session", "Program", "Body", "WithoutInnermostContext", "TreeDef"),
    }


def test_hostile_calls_end_in_errors() -> None:
    calls = [sys.executable, hostile.__file__, "1", "4000"]
    done = subprocess.run(calls, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]


# -- exceptions --------------------------------------------------------------------------------------------------------


def frames() -> int:
    """Reads every frame of this thread, which crashed where an exception had passed CPython by."""
    frame, n = sys._getframe(), 0
    while frame is not None:
        n, frame = n + len(frame.f_locals) + frame.f_lineno, frame.f_back  # type: ignore[assignment]
    return n


def test_a_number_too_large_for_a_float_is_an_error_in_a_compiled_function() -> None:
    errors = []

    @ac.compile
    def f(n: Any) -> Any:
        for op in (lambda: n + 10**400, lambda: 10**400 * n, lambda: n < 10**400, lambda: n**10**400):
            with pytest.raises(OverflowError):
                op()
            errors.append(frames())
        return n + 1

    assert f(2) == 3
    assert len(errors) == 4


def test_a_dtype_that_raises_is_an_error_of_the_operator() -> None:
    class Array(np.ndarray):
        @property
        def dtype(self) -> Any:
            raise RuntimeError("no dtype")

    a = np.ones(2, bool).view(Array)
    x = ac.tensor([True, False])
    for op in (_core.TensorBase.__and__, _core.TensorBase.__ror__, _core.TensorBase.__xor__):
        with pytest.raises(RuntimeError, match="no dtype"):
            op(x, a)
        assert frames()


def test_errors_of_python_stay_what_they_are() -> None:
    class Index:
        def __index__(self) -> int:
            raise KeyError("index")

    with pytest.raises(KeyError, match="index"):
        ac.primitives()["sum"](ac.ones((2,)), (Index(),), False)
    with pytest.raises(TypeError):
        _core.TensorBase._leaf(ac.ones((2,)), object())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        _core.TensorBase._leaf(object(), 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        _core.TensorBase.__add__(1, 2)  # type: ignore[arg-type]


def test_a_list_of_attributes_may_shrink_while_it_is_read() -> None:
    axes: list[Any] = []

    class Index:
        def __index__(self) -> int:
            axes.clear()
            return 0

    axes += [Index(), 1, 2, 3]
    ac.primitives()["sum"](ac.ones((2, 2)), axes, False)


# -- abstract values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.numpy(),
        lambda x: x._numpy(True),
        lambda x: memoryview(x),
        lambda x: bytes(x),
        lambda x: x.item(),
        lambda x: float(x),
        lambda x: np.asarray(x),
        lambda x: x.__dlpack__(),
        lambda x: x.__dlpack__(max_version=(1, 0)),
        lambda x: x.__dlpack_device__(),
        lambda x: copy.deepcopy(x),
        lambda x: pickle.dumps(x),
        lambda x: ac.from_dlpack(x),
    ],
)
def test_there_is_nothing_to_read_in_an_abstract_tensor(read: Any) -> None:
    for x in (ac.abstract((1,)), ac.abstract(()), ac.sin(ac.abstract((1,)))):
        with pytest.raises(ac.TraceError):
            read(x)
        assert repr(x).startswith("Tensor(abstract")


def test_a_gradient_has_values() -> None:
    x = ac.ones((2,)).requires_grad_()
    with pytest.raises(ac.TraceError, match=r"grad: expected values; got an abstract Tensor"):
        x.grad = ac.abstract((2,))
    assert x.grad is None
    stand_in = ac.abstract((2,)).requires_grad_()
    stand_in.grad = ac.abstract((2,))
    assert stand_in.grad.is_abstract


# -- rules -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sine() -> Any:
    """A primitive that nobody else uses."""
    p = _core.PrimitiveBase("sin")
    p.vjp_rules = (lambda g, ans, x: g * ac.cos(x),)
    return p


@pytest.mark.parametrize("name", ["vjp_rules", "jvp_rules"])
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (5, TypeError, "must be a tuple with one rule per input, or None; got int"),
        ((), ValueError, "must have one rule per input; expected 1, got 0"),
        ((None, None), ValueError, "must have one rule per input; expected 1, got 2"),
        ((5,), TypeError, "must be functions or None; got int for input 0"),
    ],
)
def test_rules_are_checked_when_they_are_set(sine: Any, name: str, value: Any, error: Any, message: str) -> None:
    before = getattr(sine, name)
    with pytest.raises(error, match=re.escape(message)):
        setattr(sine, name, value)
    assert getattr(sine, name) is before


@pytest.mark.parametrize("name", ["vjp_joint", "jvp_joint"])
def test_joint_rules_are_functions(sine: Any, name: str) -> None:
    with pytest.raises(TypeError, match=f"sin: {name} must be a function or None; got int"):
        setattr(sine, name, 5)


@pytest.mark.parametrize("name", ["vjp_rules", "jvp_rules", "vjp_joint", "jvp_joint"])
def test_a_deleted_rule_is_none(sine: Any, name: str) -> None:
    delattr(sine, name)
    delattr(sine, name)
    assert getattr(sine, name) is None
    x = ac.ones(()).requires_grad_()
    y = sine(x)
    sine.vjp_rules = None
    with pytest.raises(ac.GradientError, match="sin: no VJP rule is defined"):
        y.backward()
    with pytest.raises(ac.GradientError, match="sin: no JVP rule is defined"):
        ac.jvp(lambda x: sine(x), (x,), (x,))


def test_a_primitive_of_any_number_of_inputs_needs_a_rule_for_each() -> None:
    p = _core.PrimitiveBase("concat")
    p.vjp_rules = (lambda g, ans, *rest: None,)
    x = ac.ones((2,)).requires_grad_()
    y = p(x, x, 0)
    with pytest.raises(ac.GradientError, match="concat: there must be one VJP rule per input; expected 2, got 1"):
        y.backward(ac.ones((4,)))


def test_rules_may_be_replaced_while_they_run() -> None:
    p = _core.PrimitiveBase("multiply")

    def first(g: Any, ans: Any, a: Any, b: Any) -> Any:
        p.vjp_rules = None
        gc.collect()
        return g * b

    p.vjp_rules = (first, lambda g, ans, a, b: g * a)
    x = ac.tensor(3.0).requires_grad_()
    p(x, x).backward()
    assert x.grad.item() == 6.0


def test_primitives_are_made_of_kernels_that_can_be_called() -> None:
    for arguments in ((), (5,), ("no such kernel",), ("sgd",), ("joint",), ("\ud800",), ("add", "add")):
        with pytest.raises((TypeError, ValueError)):
            _core.PrimitiveBase(*arguments)
    for broken in (
        lambda: object.__new__(_core.PrimitiveBase),
        lambda: object.__new__(_core.TensorBase),
        lambda: _core.TensorBase(),
        lambda: _core.Equation(),  # type: ignore[call-arg]
        lambda: _core.make_joint(int, "x"),
        lambda: _core.make_joint(5, "x"),  # type: ignore[arg-type]
        lambda: _core.make_joint(Primitive, "x")(1),
        lambda: _core.join(5, [], [], []),
        lambda: _core.join(ac.primitives()["add"], [], [], []),
        lambda: _core.use_vectorcall(int),
        lambda: _core.setup(ac.Tensor, Primitive),
    ):
        with pytest.raises(TypeError):
            broken()


def test_an_operator_is_the_first_primitive_of_its_name() -> None:
    p = _core.PrimitiveBase("add")
    x = ac.ones(()).requires_grad_()
    (x + x).backward()
    assert x.grad.item() == 2.0
    assert p.vjp_rules is None


def test_equations_and_primitives_are_not_copied() -> None:
    x = ac.ones(()).requires_grad_()
    for o in (ac.sin(x)._producer, _core.PrimitiveBase("sin"), ac.primitives()["sin"]):
        for f in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError):
                f(o)


# -- scopes of a thread ------------------------------------------------------------------------------------------------


def scopes() -> list[Any]:
    return [_core.Session(), _core.Session(isolated=True), _core.WithoutInnermostContext([ac.ones(())])]


@pytest.mark.parametrize("i", range(3))
def test_scopes_are_left_as_they_were_entered(i: int) -> None:
    scope = scopes()[i]
    with pytest.raises(ValueError, match="left without having been entered"):
        scope.__exit__()
    with scope:
        with pytest.raises(ValueError, match="entered twice"):
            scope.__enter__()
        errors: list[BaseException] = []

        def leave() -> None:
            try:
                scope.__exit__()
            except ValueError as error:
                errors.append(error)

        thread = threading.Thread(target=leave)
        thread.start()
        thread.join()
        assert "another thread" in str(errors[0])
        with _core.Session(), pytest.raises(ValueError, match="left before a scope inside of it, or too late"):
            scope.__exit__()
    with pytest.raises(ValueError, match="left without having been entered"):
        scope.__exit__()
    assert ac.grad(ac.sin)(ac.zeros(())).item() == 1.0


def in_a_thread(work: Any) -> None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def test_a_thread_may_end_in_the_middle_of_everything() -> None:
    def work() -> None:
        _core.Session().__enter__()
        gc.collect()
        ac.sin(ac.ones(()))  # the session is alive
        _core.set_recorder([])
        _core.enter_mode(True, lambda *args: None)
        _core.begin_context()
        _core.push_forward()
        _core.with_tangent(ac.ones(()), 1, ac.ones(()))

    in_a_thread(work)
    gc.collect()


def test_a_session_that_a_checkpointed_function_leaves_open_cannot_bring_it_back() -> None:
    def work() -> None:
        session = _core.Session()
        x = ac.ones(()).requires_grad_()

        @ac.checkpoint
        def f(x: ac.Tensor) -> ac.Tensor:
            y = ac.sin(x)
            session.__enter__()
            return y

        f(x)
        with pytest.raises(ValueError, match="too late"):
            session.__exit__()
        with _core.Session():
            ac.sin(x)

    in_a_thread(work)


def test_the_thread_owns_what_it_was_given() -> None:
    def work() -> None:
        session = _core.Session()
        session.__enter__()
        assert _core.set_recorder(None) is session.equations
        assert _core.set_recorder(None) is None
        session.__exit__()
        with pytest.raises(TypeError, match="set_recorder: expected a list"):
            _core.set_recorder(5)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="enter_mode: expected a function"):
            _core.enter_mode(False, 5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="end_context: expected the innermost differentiation context"):
            _core.end_context(0)
        with pytest.raises(ValueError, match="context: expected the number of a differentiation context"):
            _core.set_active([2**40])
        with pytest.raises(ValueError, match="pop_forward: no forward context is open"):
            _core.pop_forward()

        def checker(*args: Any) -> None:
            _core.exit_mode(mode)
            gc.collect()

        mode = _core.enter_mode(False, checker)
        del checker
        ac.sin(ac.ones(()))

    in_a_thread(work)


def test_native_objects_are_complete_when_they_are_made() -> None:
    for cls in (_core.Record, _core.Session, _core.Program, _core.WithoutInnermostContext, _core.Segment):
        if cls is _core.Session:
            assert cls.__new__(cls).equations == []
            continue
        with pytest.raises(TypeError):
            cls.__new__(cls)
        with pytest.raises(TypeError):
            type("Sub", (cls,), {})
    hidden = _core.WithoutInnermostContext.__new__(_core.WithoutInnermostContext, [ac.ones(())])
    hidden.__init__([])  # type: ignore[misc]  # a second time
    with hidden:
        pass


def test_sequences_are_read_once_and_owned() -> None:
    """Items that exist only while they are asked for."""

    class Fresh:
        def __init__(self, n: int) -> None:
            self.n = n

        def __len__(self) -> int:
            return self.n

        def __getitem__(self, i: int) -> ac.Tensor:
            if i >= self.n:
                raise IndexError(i)
            return ac.sin(ac.ones((2,)).requires_grad_())

    fresh: Any = Fresh(3)
    pairs = _core.reverse(fresh, Fresh(3), None, True)  # type: ignore[arg-type]
    assert len(pairs) == 3
    assert _core.push_along(fresh, fresh, fresh) == [None] * 3
    joint = _core.make_joint(Primitive, "j")
    assert len(_core.join(joint, fresh, fresh, fresh)) == 3
    with pytest.raises(ValueError, match="reverse: expected one cotangent per output; got 2 for 3"):
        _core.reverse(fresh, Fresh(2), None, True)  # type: ignore[arg-type]


def test_segments_run_for_the_first_time_once() -> None:
    x = ac.ones(()).requires_grad_()
    segment = _core.Segment(lambda: x * x, (), {})
    segment.run()
    with pytest.raises(ValueError, match="only once"):
        segment.run()
    for arguments in ((), (1, 2, 3), (len, [], {}), (len, (), [])):
        with pytest.raises(TypeError):
            _core.Segment(*arguments)
    with pytest.raises(TypeError):
        segment.run_last(1, 2, 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected Equations"):
        _core.kept_memory([5])  # type: ignore[list-item]
