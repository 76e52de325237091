"""Objects that misbehave, and calls of everything that the native module offers with them.

``python tests/hostile.py seed n`` makes n calls and ends with status 0 unless the process crashed. Nothing that is
called here may leave the thread in a state in which ordinary work fails: that is checked after every few calls.
"""

from __future__ import annotations

import contextlib
import copy
import faulthandler
import gc
import pickle
import random
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import alice_core as ac
from alice_core import _core


class Liar:
    """Claims to be everything, and raises or changes things when it is asked."""

    def __init__(self, rng: random.Random, victims: list[Any]) -> None:
        self.rng, self.victims = rng, victims

    def _strike(self) -> Any:
        choice = self.rng.randrange(6)
        if choice == 0:
            raise RuntimeError("strike")
        if choice == 1 and self.victims:
            self.rng.choice(self.victims).clear()
        if choice == 2:
            gc.collect(0)
        return self.rng.choice([0, 1, -1, 10**400, None, "x", 2.5, self])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__array") or name in ("rng", "victims"):
            raise AttributeError(name)
        return self._strike()

    def __index__(self) -> Any:
        return self._strike()

    def __float__(self) -> Any:
        return self._strike()

    def __bool__(self) -> Any:
        return self._strike()

    def __len__(self) -> Any:
        return self._strike()

    def __iter__(self) -> Any:
        return self._strike()

    def __getitem__(self, key: Any) -> Any:
        return self._strike()

    def __eq__(self, other: object) -> Any:
        return self._strike()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._strike()

    def __add__(self, other: Any) -> Any:
        return self._strike()

    __radd__ = __and__ = __rand__ = __matmul__ = __rpow__ = __add__
    __hash__ = object.__hash__


class Dtyped:
    """NumPy would believe it: its dtype raises."""

    @property
    def dtype(self) -> Any:
        raise RuntimeError("dtype")


class Array(np.ndarray):
    dtype = property(lambda self: 1 // 0)  # type: ignore[assignment]


class Bound:
    """Takes calls over, badly."""

    def __init__(self, liar: Liar) -> None:
        self.liar = liar

    def __alice_bind__(self, primitive: Any, args: Any) -> Any:
        return self.liar._strike()


def pool(rng: random.Random) -> list[Any]:
    x = ac.tensor(np.arange(6.0).reshape(2, 3)).requires_grad_()
    y = ac.sin(x) * x
    parts = ac.split(x * 2.0, 3, axis=1)
    victims: list[Any] = [[1, 2], [x, y], {"a": x}]
    liar = Liar(rng, victims)
    victims[0].append(liar)
    victims[1].append(liar)
    equation = y._producer
    primitives = list(ac.primitives().values())
    segment = _core.Segment(lambda *a: y * x, (x,), {})
    session = _core.Session()
    base = _core.PrimitiveBase("exp")
    return [
        *(
            None,
            True,
            False,
            0,
            1,
            -1,
            3,
            2**31,
            2**62,
            -(2**63),
            10**400,
            0.0,
            2.5,
            float("nan"),
            "",
            "add",
            "x" * 300,
        ),
        *((), (1,), (0, 1), (2**62, 2**62), (liar,), [], [liar, liar], {}, {"a": 1}, b"ab", object(), object, int),
        *victims,
        *(
            liar,
            Dtyped(),
            Bound(liar),
            np.arange(3.0),
            np.arange(3)[::-1],
            np.zeros((0, 3)),
            np.float32(2),
            np.bool_(1),
        ),
        *(np.array(["a"]), np.dtype("float32"), np.dtype("O"), np.arange(3, dtype=">f8"), np.zeros(1).view(Array)),
        *(x, y, parts[0], x.detach(), ac.tensor(1), ac.tensor(True), ac.ones((2, 3)) > 0, ac.zeros((0,))),
        *(ac.abstract((2, 3)), ac.abstract((2, 3))._leaf(0), ac.tensor([[1, 2, 3]])[:, ::-1], x._leaf(None)),
        *(equation, equation.primitive, parts[0]._producer, base, _core.make_joint(ac.primitive.Primitive, "j")),
        *rng.sample(primitives, 5),
        *(segment, session, _core.WithoutInnermostContext([x])),
        *(ac.compile(lambda x: x + 1.0), ac.Tensor, ac.primitive.Primitive),
        *(lambda *a: x, lambda *a: None, lambda *a: (x,), lambda g, *a: g, _core.TensorBase, _core.Equation),
        *(y.__class__.__add__, x._leaf, len, memoryview(b"abcd"), iter([1, x]), range(3), slice(1, 2), Ellipsis),
    ]


# What would change the process on purpose.
SKIP = {
    "set_num_threads",
    "_fail_allocation_after",
    "_set_saves",
    "set_reads",  # what is printed is read: a list of all that was read is never printed to its end
    "setup",
    "__class__",
    "__init_subclass__",
    "__subclasshook__",
    "__dir__",
    "__module__",
    "__doc__",
}
TYPES = [o for o in vars(_core).values() if isinstance(o, type)] + [ac.Tensor, ac.primitive.Primitive]


def targets(o: Any, rng: random.Random) -> Callable[..., Any] | None:
    names = [n for n in dir(o) if n not in SKIP]
    return getattr(o, rng.choice(names), None) if names else None


def one_call(rng: random.Random, objects: list[Any]) -> None:
    def any_object() -> Any:
        return rng.choice(objects)

    arguments = [any_object() for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4, 5]))]
    what = rng.randrange(10)
    if what < 3:
        f = getattr(_core, rng.choice([n for n in dir(_core) if n not in SKIP and not n.startswith("__")]))
        f(*arguments)
    elif what < 5:
        f = targets(rng.choice(TYPES), rng)
        f(*arguments)  # type: ignore[misc]  # not callable is one of the errors
    elif what < 7:
        f = targets(any_object(), rng)
        f(*arguments)  # type: ignore[misc]
    elif what == 7:
        o = rng.choice([o for o in objects if str(type(o).__module__).startswith("alice_core")])
        name = rng.choice([n for n in dir(o) if n not in SKIP])
        (delattr(o, name) if rng.randrange(4) == 0 else setattr(o, name, any_object()))
    elif what == 8:
        rng.choice([copy.copy, copy.deepcopy, pickle.dumps, repr, hash, bytes, memoryview, np.asarray, len, iter, dir])(
            any_object()
        )
    else:
        rng.choice(list(ac.primitives().values()))(*arguments)


def healthy() -> None:
    """Ordinary work still works."""
    x = ac.tensor([1.0, 2.0]).requires_grad_()
    assert ac.grad(lambda x: ac.sum(x * x * x))(x).numpy().tolist() == [3.0, 12.0]
    ac.sum(ac.checkpoint(ac.exp)(x)).backward()
    assert ac.jvp(ac.sin, (ac.zeros(()),), (ac.ones(()),))[1].item() == 1.0
    assert ac.compile(lambda x: x + 1.0)(ac.zeros(())).item() == 1.0


def run(seed: int, n: int) -> None:
    """What a call opens (a session, a level, a recorder) nobody closes, so every few calls have their own thread."""
    names = ("vjp_rules", "vjp_joint", "jvp_rules", "jvp_joint")
    rules = [(p, name, getattr(p, name)) for p in ac.primitives().values() for name in names]
    attributes = [(p, dict(vars(p))) for p in ac.primitives().values()]
    for start in range(0, n, 200):
        rng = random.Random(f"{seed} {start}")

        def some(rng: random.Random = rng) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                objects = pool(rng)
                for _ in range(200):
                    with contextlib.suppress(Exception):  # any error will do, but no crash
                        one_call(rng, objects)

        thread = threading.Thread(target=some)
        thread.start()
        thread.join()
        for p, name, value in rules:
            setattr(p, name, value)
        for p, known in attributes:
            p.__dict__ = dict(known)
        gc.collect()
        failed: list[BaseException] = []

        def check(failed: list[BaseException] = failed) -> None:
            try:
                healthy()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=check)
        thread.start()
        thread.join()
        if failed:
            raise RuntimeError(f"after seed {seed}, calls from {start} on") from failed[0]


if __name__ == "__main__":
    faulthandler.enable()
    run(int(sys.argv[1]), int(sys.argv[2]))
