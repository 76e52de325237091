"""Checkpointing: keep less for the gradient, and compute the rest again when reverse mode comes to it.

The graph of a checkpointed call stays, only the data that its equations saved goes
(``csrc/bindings/checkpoint.cpp``). Reverse mode runs the function again before the first equation that needs some, and
drops what came back as it passes.

Source: notes, section 6.3 and figure E.6.1; Griewank, Walther, "Evaluating derivatives", 2nd ed., 2008, chapter 12;
Chen, Xu, Zhang, Guestrin, "Training deep nets with sublinear memory cost", 2016.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import accumulate, pairwise
from operator import index as as_int
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from .. import _core, tree
from ..checks import check_function
from ..ops._moving import batched_by, linear
from ..primitive import Primitive
from ..tensors import Tensor
from .reverse import BACKWARD

__all__ = ["checkpoint", "checkpoint_sequential"]

P = ParamSpec("P")
R = TypeVar("R")

# What a repeated run reads in place of values from outside, while a function is being compiled: the same memory, but
# another value, so that a program does not take the results of the first run for those of the second.
_remat = Primitive("remat", saves=())
_remat.defvjp(lambda g, ans, x: g)
linear(_remat)
batched_by(_remat, lambda n, shape: ())


def checkpoint(f: Callable[P, R]) -> Callable[P, R]:
    """Return ``f`` with another bargain in reverse mode: it keeps its arguments alone, and runs again.

    Parameters
    ----------
    f : callable
        Takes and returns Tensors, or nested lists, tuples and dicts of them, and anything else. It must do the same
        when it runs again; random draws (``ac.random``, ``nn.Dropout``) and other in-place changes of Tensors do, since
        the second run finds the Tensors as the first one did, and does not change them again.

    Returns
    -------
    callable
        Like ``f``. Parameters that f closes over get their gradients as usual.

    Gradient
    --------
    The bits of the gradient of ``f``, to any order, in ``ac.grad`` as in ``backward()``. (Where reverse mode goes
    through ``ac.jvp`` of ``ac.grad``, sums may be taken in another order, and round differently.) Of the values that f
    computes only the results live on. When reverse mode comes to them, f runs again, with its values kept until they
    have been used; once for each time that reverse mode passes, and not at all if no rule needs a value. Calls nest: a
    checkpointed call inside of f is one in the second run, too. In a compiled function the second run is part of the
    program, whose memory shrinks. A function that ``ac.vmap`` runs for a batch is checkpointed only where the gradient
    is taken inside. Where all rows or columns of a Jacobian are computed at once (``ac.jacrev``, ``ac.jacfwd``,
    ``ac.hessian`` around the checkpoint), so are the second runs: what they keep is in memory together.

    Raises
    ------
    GradientError
        In reverse mode, if the second run does something else than the first, or reads a Tensor that was changed in
        place between them. In the call, if f calls ``backward()``, reads or changes a ``.grad``, or takes a step of an
        optimiser.

    Source
    ------
    Notes, section 6.3 and figure E.6.1; Griewank, Walther, "Evaluating derivatives", 2nd ed., 2008, chapter 12.

    Examples
    --------
    >>> import alice_core as ac
    >>> def block(x):
    ...     print("runs")
    ...     return ac.tanh(x) * x
    >>> ac.grad(lambda x: ac.exp(ac.checkpoint(block)(x)))(0.0)
    runs
    runs
    Tensor(0., dtype=float32)
    """
    check_function("checkpoint", f)

    @functools.wraps(f, updated=())
    def checkpointed(*args: P.args, **kwargs: P.kwargs) -> Any:
        if not _core.get_active():  # nobody differentiates
            return f(*args, **kwargs)
        # Every run gets lists and dicts of its own: the caller may change them later, and so may f.
        leaves, structure = _core.tree_flatten((args, kwargs), True)

        def run(*leaves: Any) -> Any:
            positional, named = structure.unflatten(leaves)
            return f(*positional, **named)

        return _core.Segment(run, tuple(leaves), {}).run()

    return checkpointed


def checkpoint_sequential(
    layers: Iterable[Callable[[Any], Any]],
    *,
    segments: int | Sequence[int] | None = None,
    every: int | None = None,
    memory_budget: int | None = None,
    on_event: Callable[[tuple[str, int]], object] | None = None,
) -> Callable[[Any], Any]:
    """Return the composition of layers, cut into segments of which only the ends are kept for reverse mode.

    A segment keeps what its last layer saves, but for the input of that layer, which the layers before can compute
    again. So n layers in s segments take ``2 n - s`` evaluations instead of n, and of n equal layers ``s + n / s`` are
    in memory at a time: least for ``s = sqrt(n)``.

    Parameters
    ----------
    layers : nn.Sequential, or iterable of callables
        Each takes what the one before returns: a Tensor, or nested lists, tuples and dicts of them.
    segments : int or sequence of int
        Number of segments, of equal lengths up to one layer (the longer ones first, when less is kept from before); or
        the length of each.
    every : int
        Layers per segment; the last segment may be shorter.
    memory_budget : int
        Bytes of activations kept for the gradient, at any time: ends of segments that reverse mode has not passed yet,
        and one segment that was computed again. Of the segmentations that fit, one with the fewest evaluations is
        taken. The sizes come from an abstract run of the layers at the first call with an argument of given shapes and
        dtypes. The argument, parameters, cotangents and what an op drops at its end do not count. The pull-back of
        ``ac.vjp`` may be called again, so it keeps all ends of segments.
    on_event : callable, optional
        Gets ``("run", i)`` when layer i runs, ``("store", i)`` when what it saved will be kept, ``("recompute", i)``
        when it runs again.

    Returns
    -------
    callable
        Of one argument.

    Gradient
    --------
    As :func:`checkpoint`. To keep nothing of the last layers of segments but their results, checkpoint the layers too.

    Raises
    ------
    TypeError
        If not exactly one of the three ways to cut was chosen, or a layer is not callable.
    ValueError
        If there are no such segments, or the budget cannot be kept: the message names the least possible.
    TraceError
        If there is a budget, and a layer asks for a value.

    Source
    ------
    Notes, section 6.3 and figure E.6.1; Chen, Xu, Zhang, Guestrin, "Training deep nets with sublinear memory cost",
    2016.

    Examples
    --------
    The figure of the notes: of four blocks the ends of the first, second and fourth are kept, so there are five
    evaluations.

    >>> import alice_core as ac
    >>> events = []
    >>> f = ac.checkpoint_sequential([ac.sin, ac.exp, ac.sin, ac.exp], segments=(1, 1, 2), on_event=events.append)
    >>> g = ac.grad(f)(0.5)
    >>> events[:4]
    [('run', 0), ('store', 0), ('run', 1), ('store', 1)]
    >>> events[4:]
    [('run', 2), ('run', 3), ('store', 3), ('recompute', 2)]
    """
    return _Sequence(list(layers), segments, every, memory_budget, on_event)


class _Sequence:
    """Layers with a rule that cuts them into segments."""

    def __init__(
        self,
        layers: list[Callable[[Any], Any]],
        segments: int | Sequence[int] | None,
        every: int | None,
        memory_budget: int | None,
        on_event: Callable[[tuple[str, int]], object] | None,
    ) -> None:
        for i, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(
                    f"checkpoint_sequential: layers must be modules or functions; got {type(layer).__name__} as layer "
                    f"{i}"
                )
        if sum(choice is not None for choice in (segments, every, memory_budget)) != 1:
            raise TypeError("checkpoint_sequential: give exactly one of segments, every and memory_budget")
        self._layers = layers
        self._budget = None if memory_budget is None else as_int(memory_budget)
        self._known: dict[Hashable, list[int]] = {}  # ends of segments, by the types of the arguments
        self._ends = [] if self._budget is not None else _ends(len(layers), segments, every)
        self._on_event = on_event

    def __call__(self, x: Any) -> Any:
        differentiated = bool(_core.get_active())
        for start, end in pairwise([0, *self._ends_for(x)]):
            if differentiated and end - start > 1:
                segment = _core.Segment(functools.partial(self._run, start, end - 1), (x,), {})
                inner = segment.run()
                leaves = [leaf for leaf in _leaves(inner) if isinstance(leaf, Tensor)]
                x = segment.run_last(functools.partial(self._run, end - 1, end), (inner,), leaves)
            else:
                x = self._run(start, end, x)
            if differentiated:
                self._note("store", end - 1)
        return x

    def _run(self, start: int, end: int, x: Any) -> Any:
        for i in range(start, end):
            self._note("recompute" if _core.repeating() else "run", i)
            x = self._layers[i](x)
        return x

    def _note(self, what: str, layer: int) -> None:
        if self._on_event is not None:
            self._on_event((what, layer))

    def _ends_for(self, x: Any) -> list[int]:
        if self._budget is None:
            return self._ends
        key = tuple((leaf.shape, leaf.dtype) if _is_array(leaf) else type(leaf) for leaf in _leaves(x))
        if key not in self._known:
            stored, kept = _activations(self._layers, x)
            ends = _fewest_evaluations(stored, kept, self._budget)
            if ends is None:
                raise ValueError(
                    f"checkpoint_sequential: memory_budget must be at least {_least_budget(stored, kept)} bytes for an "
                    f"argument of these shapes; got {self._budget}; raise it, or split the layers into smaller ones"
                )
            self._known[key] = ends
        return self._known[key]


def _is_array(x: Any) -> bool:
    return isinstance(x, (Tensor, np.ndarray))


def _ends(n: int, segments: int | Sequence[int] | None, every: int | None) -> list[int]:
    """One past the last layer of each segment."""
    if every is not None:
        if as_int(every) < 1:
            raise ValueError(f"checkpoint_sequential: every must be at least 1; got {every}")
        return [min(start + every, n) for start in range(0, n, every)]
    if isinstance(segments, Sequence):
        lengths = [as_int(length) for length in segments]
        if sum(lengths) != n or min(lengths, default=1) < 1:
            raise ValueError(
                f"checkpoint_sequential: the lengths of segments must be positive, and their sum {n}, the number of "
                f"layers; got {lengths}"
            )
        return list(accumulate(lengths))
    count = as_int(segments)  # type: ignore[arg-type]  # one of the two is given
    if not 1 <= count <= max(n, 1):
        raise ValueError(f"checkpoint_sequential: segments must be from 1 to {n}, the number of layers; got {count}")
    return [(i + 1) * (n // count) + min(i + 1, n % count) for i in range(count if n else 0)]


# -- a budget of memory ------------------------------------------------------------------------------------------------


def _activations(layers: Sequence[Callable[[Any], Any]], x: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Bytes that each layer keeps at the end of a segment, and elsewhere in one that was computed again."""
    ends, outputs = [0], [set(_keys(x))]
    session = _core.Session(isolated=True)
    with session:
        _core.set_active({BACKWARD})  # until the session ends
        x = tree.map(_followed, x)
        for layer in layers:
            x = layer(x)
            ends.append(len(session.equations))
            outputs.append(set(_keys(x)))
    equations = _core.kept_memory(session.equations)

    size: dict[int, int] = {}  # bytes of each memory
    memory_of: dict[Hashable, int] = {}
    made: list[set[int]] = []  # by layer
    stored = []
    read: set[int] = set()
    for i, (start, end) in enumerate(pairwise(ends)):
        made.append(set())
        saved: set[int] = set()
        for saved_values, results in equations[start:end]:
            for key, memory, n in results:
                memory_of[key] = memory
                if memory not in size and memory >= 0:
                    size[memory] = n
                    made[-1].add(memory)
            read.update(memory for _, memory in saved_values)
            saved.update(memory for key, memory in saved_values if key not in outputs[i])
        saved.update(memory_of.get(key, -1) for key in outputs[i + 1])
        stored.append(sum(size.get(memory, 0) for memory in saved))
    kept = [sum(size[memory] for memory in own & read) for own in made]
    return np.array(stored, np.int64), np.array(kept, np.int64)


def _leaves(x: Any) -> list[Any]:
    """Modules are leaves: a repeated run uses those themselves."""
    return _core.tree_flatten(x, True)[0]


def _keys(x: Any) -> list[Hashable]:
    return [leaf._key for leaf in _leaves(x) if isinstance(leaf, Tensor)]


def _followed(leaf: Any) -> Any:
    """An abstract stand-in that somebody differentiates with respect to."""
    if not _is_array(leaf):
        return leaf
    t = _core.abstract(list(leaf.shape), leaf.dtype)
    return t._leaf(BACKWARD) if t.dtype.kind == "f" else t


def _fewest_evaluations(stored: npt.NDArray[Any], kept: npt.NDArray[Any], budget: int) -> list[int] | None:
    """Ends of the most segments that fit, by dynamic programming over their number; None if none do.

    While layers [b, e] are computed again, the ends of all segments up to e are kept, and what the layers [b, e) save.
    Of m segments of the first layers, those that store least leave most for the others.
    """
    n = len(stored)
    if stored.sum() <= budget:
        return list(range(1, n + 1))
    again = np.concatenate([[0], np.cumsum(kept)])
    room = budget - (again[None, :n] - again[:n, None])  # [b, e], e the last layer
    room[np.tril_indices(n, -1)] = -1  # a segment has a layer
    least = np.concatenate([[0.0], np.full(n, np.inf)])  # stored by the first i layers in so many segments
    choices: list[npt.NDArray[Any]] = []
    found = 0
    for count in range(1, n + 1):
        total = least[:n, None] + stored[None, :]
        total[total > room] = np.inf
        choices.append(total.argmin(axis=0))
        least = np.concatenate([[np.inf], total.min(axis=0)])
        if not np.isfinite(least).any():
            break
        if np.isfinite(least[n]):
            found = count
    if not found:
        return None
    ends = [n]
    for choice in reversed(choices[:found]):
        ends.append(int(choice[ends[-1] - 1]))
    return ends[-2::-1]


def _least_budget(stored: npt.NDArray[Any], kept: npt.NDArray[Any]) -> int:
    """The least budget that some segmentation keeps, by bisection."""
    again = np.concatenate([[0], np.cumsum(kept)])
    low, high = 0, int(stored.sum() + kept.sum())
    while low < high:
        middle = (low + high) // 2
        least = np.concatenate([[0.0], np.full(len(stored), np.inf)])
        for e in range(len(stored)):
            total = least[: e + 1] + stored[e]
            total[total + (again[e] - again[: e + 1]) > middle] = np.inf
            least[e + 1] = total.min()
        low, high = (low, middle) if np.isfinite(least[-1]) else (middle + 1, high)
    return high
