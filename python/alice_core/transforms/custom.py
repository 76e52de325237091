"""Rules of one's own: functions whose derivatives are given instead of traced.

The values of such a function become results of a *joint* (``csrc/bindings/joint.cpp``): an equation that passes them on
and says how cotangents and tangents get past it. Its rules are functions of cotangents (or tangents) and residuals
alone, so they can be vectorised with the rest of a trace. Where one direction is given, the other follows by
transposition: both are linear.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

from .. import _core, tree
from ..errors import GradientError, ShapeError
from ..ops import broadcasting, creation, reduction
from ..ops.identity import identity
from ..primitive import Primitive
from ..tensors import Tensor, asarray
from .batching import vmap
from .reverse import vjp

__all__ = ["asks_for", "custom_jvp", "custom_primitive", "custom_vjp"]

P = ParamSpec("P")
R = TypeVar("R")

#: From cotangents of the results (or tangents of the arguments) and residuals to those of the other side.
Linear = Callable[[Sequence[Tensor], Sequence[Tensor]], list[Tensor]]

#: The contexts that transpose a rule.
_linear: ContextVar[frozenset[int]] = ContextVar("linear", default=frozenset())


class _Rules(NamedTuple):
    name: str
    pull: Linear | None = None
    push: Linear | None = None
    # Makes the values, which are the first residuals too, from the residuals: where tracing could not.
    values: Callable[[Sequence[bool], Sequence[Tensor]], list[Tensor]] | None = None


def _transposed(linear: Linear, like: Sequence[Tensor], given: Sequence[Tensor], residuals: Sequence[Tensor]) -> Any:
    """The transpose of ``linear``, whose operands are shaped as ``like``, applied to ``given``."""
    enclosing = _core.get_active()

    def traced(*operands: Tensor) -> list[Tensor]:
        before = _linear.set(_linear.get() | (_core.get_active() - enclosing))
        try:
            return linear(operands, residuals)
        finally:
            _linear.reset(before)

    _, pullback = vjp(traced, *(creation.zeros_like(x) for x in like))
    return list(pullback(list(given)))


def _is_linear(arguments: Sequence[Tensor]) -> bool:
    """Is a rule being transposed, and these are what it is linear in? Then their functions are nothing but linear."""
    return any(x._contexts & _linear.get() for x in arguments)


# -- joints ------------------------------------------------------------------------------------------------------------


def _join(
    rules: _Rules, values: Sequence[Tensor], residuals: Sequence[Tensor], arguments: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    n, fixed = len(values), len(values) + len(residuals)
    joint = _core.make_joint(Primitive, rules.name)

    def read(ans: Any, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        if rules.values is None:
            return inputs[n:fixed]
        return [*([ans] if n == 1 else ans), *inputs[2 * n : fixed]]  # the values are not there before it runs

    def pull(g: Any, ans: Any, inputs: Sequence[Tensor]) -> list[Tensor | None]:
        cotangents = [g] if n == 1 else list(g)
        if rules.pull is not None:
            found = rules.pull(cotangents, read(ans, inputs))
        elif rules.push is not None:
            found = _transposed(rules.push, inputs[fixed:], cotangents, read(ans, inputs))
        else:
            raise GradientError(f"{rules.name}: neither a VJP nor a JVP rule is defined")
        return [None] * fixed + found

    def push(tangents: Sequence[Tensor | None], ans: Any, inputs: Sequence[Tensor]) -> Any:
        filled = [creation.zeros_like(x) if t is None else t for t, x in zip(tangents, inputs, strict=True)][fixed:]
        if rules.push is not None:
            found = rules.push(filled, read(ans, inputs))
        elif rules.pull is not None:
            found = _transposed(rules.pull, inputs[:n], filled, read(ans, inputs))
        else:
            raise GradientError(f"{rules.name}: neither a VJP nor a JVP rule is defined")
        return found[0] if n == 1 else tuple(found)

    joint.vjp_joint = pull
    joint.jvp_joint = push
    joint.rerun_rule = functools.partial(_rerun_joint, rules, n, fixed)
    return _core.join(joint, values, residuals, arguments)


def _rerun_joint(
    rules: _Rules, n: int, fixed: int, batched: Sequence[bool], inputs: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """The joint of a trace, run for a batch."""
    values, residuals, arguments = inputs[:n], inputs[n:fixed], inputs[fixed:]
    if rules.values is not None:
        if _core.is_followed(arguments):  # for the contexts further out there are the rules, too
            with _core.WithoutInnermostContext(arguments):
                values = _rerun_joint(rules, n, fixed, batched, inputs)
        else:
            values = rules.values(batched[n:fixed], residuals)
        residuals = [*values, *residuals[n:]]
        batched = (any(batched),) * n * 2 + tuple(batched[2 * n :])
    if not any(batched):
        return _join(rules, values, residuals, arguments)
    inputs = [*values, *residuals, *arguments]
    size = next(x.shape[0] for b, x in zip(batched, inputs, strict=True) if b)
    over_residuals = [0 if b else None for b in batched[n:fixed]]
    over_arguments = [0 if b else None for b in batched[fixed:]]

    def pull(cotangents: Sequence[Tensor], given: Sequence[Tensor]) -> list[Tensor]:
        assert rules.pull is not None
        found = vmap(rules.pull, in_axes=([0] * n, over_residuals), randomness="same")(list(cotangents), list(given))
        return [c if axis == 0 else reduction.sum(c, axis=0) for c, axis in zip(found, over_arguments, strict=True)]

    def push(tangents: Sequence[Tensor], given: Sequence[Tensor]) -> list[Tensor]:
        assert rules.push is not None
        return list(
            vmap(rules.push, in_axes=(over_arguments, over_residuals), randomness="same")(list(tangents), list(given))
        )

    pairs = zip(batched[:n], values, strict=True)
    values = [v if b else broadcasting.broadcast_to(v, (size, *v.shape)) for b, v in pairs]
    batch_rules = _Rules(rules.name, rules.pull and pull, rules.push and push)
    return _join(batch_rules, values, residuals, arguments)


def asks_for(place: int, inputs: Sequence[Tensor]) -> bool:
    """In the VJP rule of a custom primitive with one result: is the cotangent of this one of its inputs wanted?"""
    # The joint's inputs: the value; what rules read, which is the value and all inputs; those with derivatives.
    which = [x.dtype.kind == "f" for x in inputs]
    return which[place] and _core.rule_wants(2 + len(inputs) + which[:place].count(True))


def _guarded(
    rules: _Rules, arguments: list[Tensor], captured: Sequence[Tensor], functions: Sequence[Any]
) -> tuple[_Rules, list[Tensor]]:
    """What was captured as more arguments, through joints that refuse whoever differentiates it."""
    if not captured:
        return rules, arguments
    name, pull, push, n = rules.name, rules.pull, rules.push, len(arguments)

    def guard(x: Tensor) -> Tensor:
        def refuse(*_: Any) -> Any:
            from ..tracing.naming import called_in  # for the start-up: rarely needed

            raise GradientError(
                f"{name}: expected rules that give all derivatives of the function; got {called_in(functions, x)}, "
                f"shape {x.shape}, dtype {x.dtype.name}, which it captures and which is differentiated; make it an "
                f"argument, with a derivative in the rules, or capture its ac.stop_gradient"
            )

        return _join(_Rules(name, refuse, refuse), [x], [], [x])[0]

    wider = pull and (lambda gs, given: [*pull(gs, given), *map(creation.zeros_like, captured)])
    rules = rules._replace(pull=wider, push=push and (lambda ts, given: push(ts[:n], given)))
    return rules, [*arguments, *map(guard, captured)]


# -- what custom functions share ---------------------------------------------------------------------------------------


def _differentiable(args: Any) -> tuple[list[bool], list[Tensor]]:
    """Which leaves of the arguments can be differentiated, and these."""
    leaves = tree.leaves(args)
    which = [isinstance(x, Tensor) and x.dtype.kind == "f" for x in leaves]
    return which, [x for x, chosen in zip(leaves, which, strict=True) if chosen]


def _tensors(name: str, result: Any) -> list[Tensor]:
    leaves = tree.leaves(result)
    for y in [result] if result is None else leaves:
        if not isinstance(y, Tensor):
            raise GradientError(f"{name}: the function must return Tensors; got {type(y).__name__}")
    return leaves


def _on_own_handles(aside: Any, args: Any, which: Sequence[bool]) -> Any:
    """The arguments for the function, which may capture one of them, too: that is another handle on the value."""
    leaves, form = tree.flatten(args)
    chosen = [x for x, wanted in zip(leaves, which, strict=True) if wanted]
    # Another handle on a leaf is another leaf: where contexts further out follow it, an equation is between the two.
    own = iter(aside.watch([identity(x) if x.is_tracked and x._producer is None else x for x in chosen]))
    given = form.unflatten(next(own) if wanted else x for x, wanted in zip(leaves, which, strict=True))
    # What holds none of them is the argument itself: the function may write into it.
    at = iter(which)
    held = [sum(next(at) for _ in tree.leaves(a)) for a in args]
    return [g if n else a for g, a, n in zip(given, args, held, strict=True)]


def _split(structure: Any) -> tuple[list[Tensor], Callable[[Sequence[Tensor]], Any]]:
    """The Tensors of a structure, and a function that puts others in their places."""
    leaves, form = tree.flatten(structure)
    places = [i for i, x in enumerate(leaves) if isinstance(x, Tensor)]

    def put(tensors: Sequence[Tensor]) -> Any:
        filled = list(leaves)
        for i, t in zip(places, tensors, strict=True):
            filled[i] = t
        return form.unflatten(filled)

    return [leaves[i] for i in places], put


def _checked(name: str, what: str, found: Any, like: Any, which: Sequence[bool]) -> list[Tensor]:
    """The Tensors of ``found``, one per chosen leaf of ``like``; a None stands for zeros."""
    if not isinstance(found, (tuple, list)) or len(found) != len(like):
        got = f"{len(found)}" if isinstance(found, (tuple, list)) else type(found).__name__
        raise GradientError(f"{name}: the rule must return a tuple of {len(like)} {what}s; got {got}")
    checked: list[Tensor] = []
    chosen = iter(which)
    for number, (part, wanted) in enumerate(zip(found, like, strict=True)):
        leaves, form = tree.flatten(wanted)
        text = f"{name}: {what} {number} must have the structure of its counterpart"
        try:
            given = [None] * len(leaves) if part is None else form.match(part, text)
        except ShapeError as error:
            raise GradientError(str(error)) from None
        for g, x in zip(given, leaves, strict=True):
            if not next(chosen):
                continue
            t = creation.zeros_like(x) if g is None else asarray(g)
            if t.shape != x.shape or t.dtype != x.dtype:
                raise GradientError(
                    f"{name}: {what} {number} must have the shape and dtype of its counterpart; expected {x.shape} "
                    f"{x.dtype.name}, got {t.shape} {t.dtype.name}"
                )
            checked.append(t)
    return checked


def _positional(f: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, ...]:
    """The arguments as rules get them: by position."""
    import inspect  # slow to import, and rarely needed

    given = inspect.signature(f).bind(*args, **kwargs)
    given.apply_defaults()
    if given.kwargs:
        raise GradientError(
            f"{getattr(f, '__name__', 'custom')}: rules get arguments by position; got the keyword-only "
            f"{', '.join(given.kwargs)}; make them positional, or close over them"
        )
    return given.args


class _Custom(Generic[P, R]):
    """A function with rules of its own."""

    _run: Callable[..., R]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._run(*(_positional(self._f, args, kwargs) if kwargs else args))

    def __init__(self, f: Callable[P, R]) -> None:
        self._f: Callable[..., R] = f
        functools.update_wrapper(self, f, updated=())

    @property
    def _name(self) -> str:
        return getattr(self._f, "__name__", type(self).__name__)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name}>"


class custom_vjp(_Custom[P, R]):
    """A function with a VJP of its own; use as a decorator.

    Parameters
    ----------
    f : callable
        From Tensors, nested structures of them, and anything else (which stays constant), to Tensors. All that is to
        be differentiated must be an argument: what f captures raises where it is differentiated by. Arguments that f
        changes in place (``assign_``) are changed; structures with Tensors are copies of its own.

    Raises
    ------
    GradientError
        If the rules are missing, or return cotangents of other numbers, shapes or dtypes than the arguments.

    Notes
    -----
    Forward mode (``ac.jvp``) and ``ac.vmap`` work too: the one transposes ``bwd``, the other vectorises both.

    Source
    ------
    The interface is that of JAX (Bradbury et al., 2018).

    Examples
    --------
    A gradient that is clipped on its way back:

    >>> import alice_core as ac
    >>> @ac.custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, None), lambda residuals, g: (ac.clip(g, -1.0, 1.0),))
    >>> ac.grad(lambda x: 10.0 * clipped(x))(2.0)
    Tensor(1., dtype=float32)
    """

    _fwd: Callable[..., Any] | None = None
    _bwd: Callable[..., Any] | None = None

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set the rule: ``fwd(*args)`` returns ``(result, residuals)``, ``bwd(residuals, cotangent)`` cotangents.

        ``bwd`` returns a tuple with one cotangent per argument, of its structure; None stands for zeros.
        """
        self._fwd, self._bwd = fwd, bwd

    def _run(self, *args: Any) -> Any:
        if self._fwd is None or self._bwd is None:
            raise GradientError(f"{self._name}: no VJP rule is defined; call {self._name}.defvjp(fwd, bwd) first")
        which, arguments = _differentiable(args)
        if not _core.is_followed(arguments) or _is_linear(arguments):
            return self._f(*args)
        with _core.WithoutInnermostContext(arguments) as aside:
            pair = self._fwd(*_on_own_handles(aside, args, which))
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise GradientError(f"{self._name}: fwd must return a pair (result, residuals); got {type(pair).__name__}")
        result, kept = pair
        residuals, put = _split(kept)
        bwd, name = self._bwd, self._name
        shapes = tree.map(lambda x: _core.abstract(list(x.shape), x.dtype) if isinstance(x, Tensor) else x, args)
        form = tree.structure(result)

        def pull(cotangents: Sequence[Tensor], given: Sequence[Tensor]) -> list[Tensor]:
            found = bwd(put(given), form.unflatten(cotangents))
            return _checked(name, "cotangent", found, shapes, which)

        rules, arguments = _guarded(_Rules(name, pull=pull), arguments, aside.captured, [self._f, self._fwd])
        return form.unflatten(_join(rules, _tensors(name, result), residuals, arguments))


class custom_jvp(_Custom[P, R]):
    """A function with a JVP of its own; use as a decorator.

    Parameters
    ----------
    f : callable
        As for :class:`custom_vjp`.

    Raises
    ------
    GradientError
        If the rule is missing, or returns tangents of other numbers, shapes or dtypes than the results.

    Notes
    -----
    Reverse mode (``ac.grad``) and ``ac.vmap`` work too: the one transposes the rule, the other vectorises it.

    Source
    ------
    The interface is that of JAX (Bradbury et al., 2018).

    Examples
    --------
    >>> import alice_core as ac
    >>> @ac.custom_jvp
    ... def softplus(x):
    ...     return ac.logaddexp(x, 0.0)
    >>> @softplus.defjvp
    ... def rule(primals, tangents):
    ...     return softplus(*primals), tangents[0] * ac.sigmoid(primals[0])
    >>> ac.grad(softplus)(0.0), ac.jvp(softplus, [0.0], [2.0])[1]
    (Tensor(0.5, dtype=float32), Tensor(1., dtype=float32))
    """

    _rule: Callable[..., Any] | None = None

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule: ``rule(primals, tangents)`` returns ``(result, tangent)``; both are tuples like the arguments.

        Tangents of arguments that are not floating-point Tensors are None.
        """
        self._rule = rule
        return rule

    def _run(self, *args: Any) -> Any:
        if self._rule is None:
            raise GradientError(f"{self._name}: no JVP rule is defined; call {self._name}.defjvp(rule) first")
        which, arguments = _differentiable(args)
        if not _core.is_followed(arguments) or _is_linear(arguments):
            return self._f(*args)
        with _core.WithoutInnermostContext(arguments) as aside:
            result = self._f(*_on_own_handles(aside, args, which))
        primals, put = _split(args)
        rule, name = self._rule, self._name
        given_form, form = tree.structure(args), tree.structure(result)
        values = _tensors(name, result)
        wanted = form.unflatten(_core.abstract(list(y.shape), y.dtype) for y in values)

        def push(tangents: Sequence[Tensor], given: Sequence[Tensor]) -> list[Tensor]:
            them = iter(tangents)
            moved = given_form.unflatten(next(them) if chosen else None for chosen in which)
            pair = rule(put(given), moved)
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise GradientError(f"{name}: the rule must return a pair (result, tangent); got {type(pair).__name__}")
            return _checked(name, "tangent", (pair[1],), (wanted,), [True] * len(values))

        rules, arguments = _guarded(_Rules(name, push=push), arguments, aside.captured, [self._f])
        return form.unflatten(_join(rules, values, primals, arguments))


def custom_primitive(
    value: Callable[..., R],
    *,
    vjp: Callable[..., Any] | None = None,
    jvp: Callable[..., Any] | None = None,
    batch: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Callable[..., R]:
    """Make a primitive of a Python function of Tensors, with the rules of :class:`ac.Primitive`.

    Parameters
    ----------
    value : callable
        From Tensors to a Tensor or a tuple of them. It may leave the package (``x.numpy()``, SciPy, …); inside
        ``ac.compile`` and ``ac.vmap`` it must be made of Tensor ops, or have a batch rule for the latter.
    vjp : callable, optional
        ``vjp(g, ans, *inputs)``: a tuple with one cotangent per input, None for zero.
    jvp : callable, optional
        ``jvp(tangents, ans, *inputs)``: the tangent of the result, or a tuple of them. Either direction follows from
        the other; at least one is needed to differentiate.
    batch : callable, optional
        ``batch(batched, inputs)``: the value for a whole batch, which is axis 0 of the inputs marked True and of all
        results. Default: by the batch rules of the ops in ``value``.
    name : str, optional
        What traces and errors call it. Default: the name of ``value``.

    Returns
    -------
    callable
        Takes Tensors, NumPy arrays and numbers.

    Raises
    ------
    GradientError
        If a rule returns other numbers, shapes or dtypes than it should, or what ``value`` captures is differentiated.

    Source
    ------
    Notes, sections 6.1 and 6.4.

    Examples
    --------
    >>> import alice_core as ac
    >>> import numpy as np
    >>> cbrt = ac.custom_primitive(
    ...     lambda x: ac.asarray(np.cbrt(x.numpy())), vjp=lambda g, y, x: (g / (3.0 * y * y),), name="cbrt"
    ... )
    >>> ac.grad(cbrt)(8.0)
    Tensor(0.08333334, dtype=float32)
    >>> ac.testing.check_grads(cbrt, [[1.0, 8.0]], order=1)
    """
    called = name or str(getattr(value, "__name__", "custom_primitive"))

    @functools.wraps(value, updated=())
    def primitive(*args: Any) -> Any:
        inputs = [asarray(x) for x in args]
        which, arguments = _differentiable(inputs)
        if not _core.is_followed(arguments):
            return value(*inputs)
        placeholders = batch is not None and _core.is_isolated()
        # For each context that follows the inputs there are the rules; only then may the value leave the package.
        with _core.WithoutInnermostContext(arguments) as aside:
            own = _on_own_handles(aside, inputs, which)
            if placeholders:  # a batch rule needs the shapes of one example alone
                ones = value(*(creation.ones_like(x) for x in own))
                result = tree.map(lambda y: _core.abstract(list(y.shape), y.dtype), ones)
            else:
                result = primitive(*own)
        single = not isinstance(result, tuple)
        values = _tensors(called, result)
        n = len(values)
        shapes = [_core.abstract(list(x.shape), x.dtype) for x in inputs]
        wanted = [_core.abstract(list(y.shape), y.dtype) for y in values]

        def pull(cotangents: Sequence[Tensor], given: Sequence[Tensor]) -> list[Tensor]:
            assert vjp is not None
            g, ans = (cotangents[0], given[0]) if single else (tuple(cotangents), tuple(given[:n]))
            return _checked(called, "cotangent", vjp(g, ans, *given[n:]), shapes, which)

        def push(tangents: Sequence[Tensor], given: Sequence[Tensor]) -> list[Tensor]:
            assert jvp is not None
            them = iter(tangents)
            moved = [next(them) if chosen else None for chosen in which]
            ans = given[0] if single else tuple(given[:n])
            found = jvp(moved, ans, *given[n:])
            return _checked(called, "tangent", (found,) if single else found, wanted, [True] * n)

        def batch_values(batched: Sequence[bool], given: Sequence[Tensor]) -> list[Tensor]:
            assert batch is not None
            found: Any = batch(tuple(batched[n:]), given[n:]) if any(batched[n:]) else value(*given[n:])
            return [found] if single else list(found)

        rules = _Rules(called, vjp and pull, jvp and push, batch_values if placeholders else None)
        rules, arguments = _guarded(rules, arguments, aside.captured, [value, batch])
        joined = _join(rules, values, [*values, *inputs], arguments)
        return joined[0] if single else joined

    return primitive
