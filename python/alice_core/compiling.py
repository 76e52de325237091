"""Compiled programs: a Python function on Tensors becomes one native call.

``compile(f)`` runs ``f`` once with abstract Tensors and writes down all it does: forward pass, gradients, updates of
parameters. The native side (``csrc/program``) plans that trace and replays it. Eager and compiled runs call the same
kernels in the same order of arithmetic, so they return the same bits.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Generic, NamedTuple, ParamSpec, TypeVar, overload

import numpy as np

from . import _core, tree
from .checks import check_function, checked_int
from .errors import DTypeError, GradientError, TraceError, locate
from .primitive import Primitive
from .tensors import Tensor, tensor
from .transforms.control.bodies import Traced, written_down
from .transforms.control.choosing import called
from .transforms.reverse import grad_enabled

__all__ = ["CacheInfo", "CompiledFunction", "Instruction", "Program", "compile"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
_Statics = tuple[tuple[int, ...], frozenset[str]]  # positions and names
_FOLLOWED = tensor(0.0).requires_grad_()


class CacheInfo(NamedTuple):
    """How often a call found its program, and how many programs there are."""

    hits: int
    misses: int
    maxsize: int
    currsize: int


class Instruction(NamedTuple):
    """One step of a program.

    Attributes
    ----------
    calls : tuple of str
        The primitives it runs, one line each; more than one where a chain of elementwise ops was fused.
    flops, bytes : float
        Estimated floating-point operations, and bytes read and written.
    runs : int
        How often it was timed (with ``profile=True``).
    seconds : float
        Time of all these runs.
    """

    calls: tuple[str, ...]
    flops: float
    bytes: float
    runs: int
    seconds: float


class Tape(NamedTuple):
    """What a program of tiny values is run as: every element is a register of its own.

    Attributes
    ----------
    operations : int
        Additions, subtractions, products, quotients and signs of two numbers, and multiply-adds of matrix products.
    loops : int
        Other elementwise ops and reductions, up to 16 results each.
    calls : int
        Calls of other kernels.
    lanes : int
        Examples of a batch that every operation and loop works on side by side; 1 where there is no batch.
    """

    operations: int
    loops: int
    calls: int
    lanes: int


class Program:
    """The plan of one signature of a compiled function.

    Attributes
    ----------
    instructions : list of Instruction
    arena_bytes : int
        Memory for everything between inputs and results, allocated once.
    flops, bytes : float
        Sums over the instructions.
    tape : Tape or None
        What runs in their place where all values are tiny.
    """

    def __init__(self, native: _core.Program) -> None:
        self._native = native
        self.instructions = [
            Instruction(tuple(_line(*c) for c in calls), flops, size, runs, nanoseconds * 1e-9)
            for calls, flops, size, runs, nanoseconds in native.describe()
        ]
        self.arena_bytes = int(native.arena_bytes)
        self.tape = None if native.tape is None else Tape(*native.tape)
        self.flops: float = sum(i.flops for i in self.instructions)
        self.bytes: float = sum(i.bytes for i in self.instructions)

    def __str__(self) -> str:
        lines = [
            f"program: {len(self.instructions)} instructions, {self.flops:.3g} FLOPs, {self.bytes:.3g} bytes moved, "
            f"arena {self.arena_bytes} bytes"
        ]
        if self.tape is not None:
            beside = f", for {self.tape.lanes} examples side by side," if self.tape.lanes > 1 else ""
            lines.append(
                f"runs as a tape of {self.tape.operations} scalar operations, {self.tape.loops} loops and "
                f"{self.tape.calls} calls{beside} in place of"
            )
        for number, i in enumerate(self.instructions):
            note = f"  # {i.flops:.3g} FLOPs, {i.bytes:.3g} bytes"
            if i.runs:
                note += f", {i.seconds / i.runs * 1e6:.3g} us"
            head = f"{number:4d}  "
            if len(i.calls) == 1:
                lines.append(head + i.calls[0] + note)
            else:
                lines.append(f"{head}fused{note}")
                lines += ["        " + c for c in i.calls]
        return "\n".join(lines)

    __repr__ = __str__


def _line(name: str, inputs: list[str], outputs: list[tuple[str, str]], in_place: bool) -> str:
    results = ", ".join(out for out, _ in outputs) if in_place else ", ".join(f"{o}: {t}" for o, t in outputs)
    arrow = "in place: " if in_place else ""
    return f"{arrow}{results} = {name}({', '.join(inputs)})"


class _Call:
    """What a compiled function is where somebody differentiates what it depends on: one call of a primitive.

    Its derivatives are programs, too.
    """

    def __init__(self, traced: Traced, structure: _core.TreeDef, others: tuple[Any, ...], places: list[int]) -> None:
        self._traced, self._structure, self._others, self._places = traced, structure, others, places

    def __call__(self, leaves: list[Tensor]) -> Any:
        results = called(self._traced.body, [*leaves, *self._traced.read])
        return self._structure.unflatten(
            [other if place < 0 else results[place] for other, place in zip(self._others, self._places, strict=True)]
        )


class CompiledFunction(_core.CompiledBase, Generic[P, R]):
    """A function that runs as a native program; made by :func:`compile`."""

    __wrapped__: Callable[P, R]

    if TYPE_CHECKING:  # both are native

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
        @overload
        def __get__(self, instance: None, owner: type | None = None, /) -> CompiledFunction[P, R]: ...
        @overload
        def __get__(
            self: CompiledFunction[Concatenate[Any, Q], R], instance: object, owner: type | None = None, /
        ) -> Callable[Q, R]: ...
        def __get__(self, instance: object, owner: type | None = None, /) -> Any: ...

    _statics: _Statics | None = None

    def __init__(self, function: Callable[P, R], cache_size: int, profile: bool, check: bool) -> None:
        functools.update_wrapper(self, function, updated=())
        self._options = (cache_size, profile, check)

    def __reduce__(self) -> Any:
        found: Any = sys.modules.get(self.__module__)
        for name in str(getattr(self, "__qualname__", "")).split("."):
            found = getattr(found, name, None)
        if found is self:  # the decorated function of a module or class: by its name, as functions are
            return str(getattr(self, "__qualname__", ""))
        return _make, (self.__wrapped__, *self._options, self._statics)

    def program(self, *args: P.args, **kwargs: P.kwargs) -> Program:
        """The program that a call with these arguments runs; traced and planned now if it is not there yet.

        Raises
        ------
        TraceError
            If there is none: an argument is being differentiated.
        """
        found = self._program(*args, **kwargs)
        if found is None:
            raise TraceError(f"compile: {self._name} has no program here, since somebody differentiates an argument")
        return Program(found[0])

    def cache_info(self) -> CacheInfo:
        """Hits, misses, and the bound and number of the programs kept."""
        return CacheInfo(*self._cache_counts())

    @property
    def _name(self) -> str:
        return str(getattr(self, "__name__", type(self.__wrapped__).__name__))

    def __repr__(self) -> str:
        return f"<compiled {self._name}>"

    # Called by the native part, when it meets a signature for the first time, with abstract Tensors for the data.
    # `differentiated`: the data are followed.
    def _trace(self, args: Any, kwargs: Any, inputs: list[Tensor], differentiated: bool) -> tuple[Any, ...]:
        # Whoever differentiates the data differentiates the body as a whole, whatever is muted around the call.
        session = _core.Session(isolated=differentiated)
        try:
            with session:
                result = self.__wrapped__(*args, **kwargs)
                leaves, structure = _core.tree_flatten(result, _is_from_outside)
                outputs = [y for y in leaves if isinstance(y, Tensor)]
                for y in leaves:
                    if not isinstance(y, Tensor):
                        _check_result(y)
                roots = [(y._key, y._root) for y in outputs]
                program = _core.lower(session, inputs, outputs)
        except TraceError as error:
            locate(error)
            self._name_statics(error, args, kwargs)
            raise
        numbers = iter(range(len(outputs)))
        others = tuple(None if isinstance(y, Tensor) else _constant(y) for y in leaves)
        places = [next(numbers) if isinstance(y, Tensor) else -1 for y in leaves]
        call = marks = None
        if differentiated or program.runs_as_it_is or program.followed:
            if differentiated or grad_enabled():
                traced = self._as_body(session, inputs, outputs, roots)
                call = None if traced is None else _Call(traced, structure, others, places)
            marks = self._marks(outputs, program.followed) if call is None else None
        return program, structure, others, places, marks, call

    def _as_body(
        self, session: _core.Session, inputs: list[Tensor], outputs: list[Tensor], roots: list[Any]
    ) -> Traced | None:
        """The trace as a function of its inputs alone; None if it is none, or knows numbers that are no Tensors."""
        if session.wrote_gradients or session.checked or any(x._weak for x in [*inputs, *outputs]):
            return None
        try:
            traced = written_down("compile", session, inputs, roots)
        except TraceError:  # it takes a step of an optimiser
            return None
        return None if traced.changed else traced

    def _marks(self, outputs: list[Tensor], followed: list[int]) -> tuple[Tensor | None, ...] | None:
        """In place of the results that depend on parameters of the closure: Tensors that refuse to be differentiated.

        The program knows the values alone. Nobody may take the results for constants and leave the parameters as they
        are, without a word.
        """
        if not followed:
            return None
        refusal = _core.make_joint(Primitive, f"compiled {self._name}")

        def refuse(*_: Any) -> Any:
            raise GradientError(
                f"backward: expected the gradient to end where the compiled {self._name} begins; got to its result, "
                f"which depends on parameters that the function reads from outside; compile the whole step, backward() "
                f"included, or pass the parameters as arguments, or use ac.stop_gradient(result) if they are to stay "
                f"as they are"
            )

        refusal.vjp_joint = refusal.jvp_joint = refuse
        values = [_core.abstract(list(outputs[i].shape), outputs[i].dtype) for i in followed]
        marks: list[Tensor | None] = [None] * len(outputs)
        for i, mark in zip(followed, _core.join(refusal, values, [], [_FOLLOWED]), strict=True):
            marks[i] = mark
        return tuple(marks)

    def _name_statics(self, error: TraceError, args: Any, kwargs: Any) -> None:
        """Adds to the message which arguments may have been meant as constants."""
        named = [(self._argument_name(i), x) for i, x in enumerate(args)]
        named += [(self._argument_name(name), x) for name, x in kwargs.items()]
        numbers = [name.removeprefix("argument ") for name, x in named if isinstance(x, Tensor) and x._weak]
        if numbers:
            listed = ", ".join(f'"{name}"' for name in numbers)
            error.args = (f"{error}; a number that decides is named in ac.compile(…, static_argnames=[{listed}])",)

    # Called by the native part, for errors.
    def _argument_name(self, which: int | str) -> str:
        if isinstance(which, str):
            return f"argument {which}"
        parameters = _parameters(self.__wrapped__)
        plain = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        return f"argument {plain[which]}" if which < len(plain) else f"argument {which}"

    # Called by the native part, when one trace after the other was not used again.
    def _warn_of_changes(self, times: int, changed: str) -> None:
        warnings.warn(
            f"compile: {self._name} was traced {times} times in a row, because {changed}, which it reads, was another "
            f"one each time; pass it as an argument, or keep what changes in a Tensor and change that by assign_",
            RuntimeWarning,
            stacklevel=3,
        )

    # Called by the native part in place of the program, with check=True.
    def _call_checked(self, args: Any, kwargs: Any) -> Any:
        return _checked(self, args, kwargs)


@overload
def compile(
    fn: Callable[P, R],
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    cache_size: int = 32,
    profile: bool = False,
    check: bool = False,
) -> CompiledFunction[P, R]: ...
@overload
def compile(
    fn: None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    cache_size: int = 32,
    profile: bool = False,
    check: bool = False,
) -> Callable[[Callable[P, R]], CompiledFunction[P, R]]: ...
def compile(
    fn: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    cache_size: int = 32,
    profile: bool = False,
    check: bool = False,
) -> Any:
    """Turn a function on Tensors into native programs, one for each signature of its arguments.

    The first call with arguments of new structure, shapes or dtypes runs ``fn`` on abstract Tensors and plans what it
    did; later calls replay the plan. Gradients, ``backward()``, optimiser steps and ``assign_`` inside are part of it.

    Parameters
    ----------
    fn : callable
        Takes Tensors, arrays (NumPy's, and all that have ``__dlpack__`` or ``__array__``), numbers, and trees of them
        (:mod:`ac.tree`); numbers are inputs, not constants. Other arguments (True and False, strings, modules,
        functions) are part of the signature. Returns Tensors in the like. Tensors of the closure and of modules are
        captured by reference: their values are read, and ``.grad``, parameters and optimiser state written, at every
        call. All else that fn reads is a constant of the program: numbers, flags such as ``module.training``, what
        lists and dicts hold. When any of it has changed, wherever it is (closure, globals, defaults, modules,
        ``self``), the next call traces again. Not noticed are changes inside of arrays of more than 1 KiB, containers
        of more than 4,096 items, and objects without a ``__dict__``; side effects happen only while tracing.
    static_argnums, static_argnames : int or sequence of int, str or sequence of str, optional
        Arguments whose values are part of the signature instead of inputs: flags, axes, shapes, numbers of steps. They
        must be hashable. Either names the argument however it is passed.
    cache_size : int
        Programs kept; the least recently used one is dropped.
    profile : bool
        Measure every instruction; :meth:`CompiledFunction.program` shows the times.
    check : bool
        Run ``fn`` as it is too, and raise if a bit differs: for instance because a constant of the closure changed.

    Returns
    -------
    CompiledFunction
        Its results are new Tensors at every call. While it is itself traced (inside another compiled function, or
        ``ac.vmap``) ``fn`` runs as it is.

    Gradient
        Where somebody differentiates the arguments or what is captured (``ac.grad``, ``ac.jvp``, a later
        ``backward()``), a call is one op of the trace, whose derivatives are compiled once, too; it keeps what its
        gradient reads, so predict under :func:`no_grad`. ``fn`` runs as it is where it is no function of its Tensors
        alone: where it takes Python numbers that are not static, or changes Tensors in place. Where it writes
        gradients itself, a ``backward()`` from its results raises GradientError instead of going on.

    Accuracy
    --------
    The bits of ``fn`` run as it is, for any number of threads.

    Raises
    ------
    TraceError
        If ``fn`` asks for a value (``if x > 0``, ``float(x)``, ``x.item()``, ``x.numpy()``); names the line. Use
        ``ac.where``, keep it outside, or name the argument in ``static_argnames``.
    ValueError
        If there is no such static argument.
    DTypeError
        If a static argument is a Tensor or an array, or not hashable.

    Warns
    -----
    RuntimeWarning
        If eight calls in a row had to be traced again because something had changed; names it.

    Source
    ------
    Notes, section 6.1 (evaluation trace).

    Examples
    --------
    >>> import alice_core as ac
    >>> @ac.compile
    ... def f(x, y):
    ...     return ac.tanh(x * y + 1.0)
    >>> f(ac.tensor([0.0, 1.0]), 2.0)
    Tensor([0.7615942, 0.9950547], dtype=float32)
    >>> f.cache_info()
    CacheInfo(hits=0, misses=1, maxsize=32, currsize=1)
    >>> power = ac.compile(lambda x, n: x * power(x, n - 1) if n > 1 else x, static_argnames="n")
    >>> power(ac.tensor(2.0), 3)
    Tensor(8., dtype=float32)
    """
    if fn is None:
        return functools.partial(
            compile,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            cache_size=cache_size,
            profile=profile,
            check=check,
        )
    check_function("compile", fn)
    if checked_int("compile", "cache_size", cache_size) < 1:
        raise ValueError(f"compile: cache_size must be at least 1; got {cache_size}")
    return _make(fn, cache_size, profile, check, _statics(fn, static_argnums, static_argnames))


def _make(
    fn: Callable[..., Any], cache_size: int, profile: bool, check: bool, statics: _Statics | None
) -> CompiledFunction[..., Any]:
    made = CompiledFunction(fn, cache_size, profile, check)
    if statics is not None:
        made._statics = statics
        made._set_statics(*statics)
    return made


def _parameters(fn: Callable[..., Any]) -> list[Any]:
    """As its signature lists them; none of a function that has no signature."""
    import inspect  # slow to import, and rarely needed

    try:
        return list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        return []


def _statics(fn: Callable[..., Any], argnums: int | Sequence[int], argnames: str | Sequence[str]) -> _Statics | None:
    """The positions and names of static arguments: each of them both, if it has both."""
    if isinstance(argnums, str):
        raise DTypeError(f"compile: static_argnums must be ints; got {argnums!r}; names are for static_argnames")
    if not isinstance(argnames, Iterable):
        raise DTypeError(f"compile: static_argnames must be names; got {argnames!r}; numbers are for static_argnums")
    positions = list(argnums) if isinstance(argnums, Iterable) else [argnums]
    names = [argnames] if isinstance(argnames, str) else list(argnames)
    if not positions and not names:
        return None
    parameters = _parameters(fn)
    by_position = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    by_name = [p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    any_position = not parameters or any(p.kind == p.VAR_POSITIONAL for p in parameters)
    any_name = not parameters or any(p.kind == p.VAR_KEYWORD for p in parameters)
    listed = ", ".join(p.name for p in parameters)
    numbers: set[int] = set()
    for given in positions:
        n = checked_int("compile", "static_argnums", given)
        n += len(by_position) if n < 0 and not any_position else 0
        if n < 0 or (n >= len(by_position) and not any_position):
            raise ValueError(f"compile: static_argnums: there is no argument {given}; the function has ({listed})")
        numbers.add(n)
    for name in names:
        if not isinstance(name, str):
            raise DTypeError(f"compile: static_argnames must be names; got {name!r}; numbers are for static_argnums")
        if name not in by_name and not any_name:
            raise ValueError(f"compile: static_argnames: there is no argument {name!r}; the function has ({listed})")
    both = {by_position[n] for n in numbers if n < len(by_position)} | set(names)
    numbers |= {i for i, name in enumerate(by_position) if name in both}
    return tuple(sorted(numbers)), frozenset(both)


def _constant(y: Any) -> Any:
    """What every call returns, as it is: nobody may change it for the others."""
    if not isinstance(y, np.ndarray):
        return y
    copy = y.copy()
    copy.flags.writeable = False
    return copy


def _check_result(y: Any) -> None:
    """Refuses what would hold abstract Tensors for ever, as far as that can be seen."""
    inside: Any = ()
    if isinstance(y, (set, frozenset)):
        inside = y
    elif hasattr(y, "__dict__") and not isinstance(y, type):
        inside = vars(y).values()
    if hasattr(y, "gi_frame") or any(isinstance(x, Tensor) and x.is_abstract for x in inside):
        raise TraceError(
            f"compile: the function must return Tensors, or trees of them (ac.tree); got {type(y).__name__} that holds "
            f"Tensors, whose values no program could put in; return a list, a dict or a dataclass, or make its class "
            f"known with ac.tree.register"
        )


def _is_from_outside(module: Any) -> bool:
    """A module that a function returns is itself, unless the function made what it holds."""
    return not any(isinstance(x, Tensor) and x.is_abstract for x in tree.leaves(module))


# -- check=True --------------------------------------------------------------------------------------------------------


def _checked(compiled: CompiledFunction[..., Any], args: Any, kwargs: Any) -> Any:
    """Runs the program, puts the state back, runs the function, and compares results and state bit for bit."""
    found = compiled._program(*args, **kwargs)
    if found is None:
        return compiled.__wrapped__(*args, **kwargs)
    _, changed, leaves = found
    values, gradients = [tensor(t) for t in changed], [t.grad for t in leaves]
    result = compiled._call(*args, **kwargs)
    new_values, new_gradients = [tensor(t) for t in changed], [t.grad for t in leaves]
    for t, value in zip(changed, values, strict=True):
        t.assign_(value)
    for t, gradient in zip(leaves, gradients, strict=True):
        t.grad = gradient
    expected = compiled.__wrapped__(*args, **kwargs)

    compared = [("result", *pair) for pair in zip(tree.leaves(result), tree.leaves(expected), strict=True)]
    compared += [("Tensor of the closure", *pair) for pair in zip(new_values, changed, strict=True)]
    compared += [("gradient", g, t.grad) for g, t in zip(new_gradients, leaves, strict=True)]
    for what, got, want in compared:
        if not _same(got, want):
            raise TraceError(
                f"compile: check of {compiled._name}: a {what} differs from that of the function run as it is; "
                f"expected {want!r}, got {got!r}; a number or an array that the function reads has changed since it "
                f"was traced? Pass it as an argument, or make it a Tensor"
            )
    return expected


def _same(a: Any, b: Any) -> bool:
    """The same bits, NaN of any kind being equal."""
    if not isinstance(a, (Tensor, int, float)) or not isinstance(b, (Tensor, int, float)):
        return type(a) is type(b)
    x, y = (np.asarray(v.detach() if isinstance(v, Tensor) else v) for v in (a, b))
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    if x.dtype.kind != "f":
        return np.array_equal(x, y)
    return np.array_equal(x, y, equal_nan=True) and bool(np.all((np.signbit(x) == np.signbit(y)) | np.isnan(x)))


_core.use_vectorcall(CompiledFunction)
