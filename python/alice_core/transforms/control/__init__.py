"""Control flow that is part of the trace: loops and choices whose bodies are traced once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from ... import _core, tree
from ...checks import check_function, checked_flag, checked_int, known_values
from ...errors import DTypeError, GradientError, ShapeError, TraceError
from ...ops import creation, joining, selection
from ...tensors import Tensor, asarray, int64
from .bodies import Body, Traced, Type, trace, type_of
from .choosing import switched
from .derivatives import moving_inputs, moving_values
from .scanning import scanned
from .whiling import looped

__all__ = ["cond", "fori_loop", "map", "scan", "switch", "while_loop"]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    *,
    checkpoint: int | Literal["sqrt"] | None = None,
) -> tuple[Any, Any]:
    """A loop that carries a state along and stacks results: ``carry, y = f(carry, x)`` for every item x.

    Parameters
    ----------
    f : callable
        ``f(carry, x)`` returns ``(carry, y)``. It is traced once, so it may not ask for values. The carry keeps its
        structure, shapes and dtypes. Tensors of the closure are found by themselves.
    init : tree of Tensors or numbers
        The first carry. Numbers take the dtype that f gives them.
    xs : tree of Tensors, optional
        Arrays with the items along axis 0, all equally many; None: f gets None ``length`` times.
    length : int, optional
        How many steps; that of ``xs``.
    reverse : bool
        From the last item to the first; y still lies where x did.
    checkpoint : int or "sqrt", optional
        Reverse mode keeps the carry every so many steps alone, and runs the steps between once more: memory for so
        many steps and for all those carries, at the price of a second run. "sqrt": about √n of n steps, for which both
        are least.

    Returns
    -------
    carry
        After the last step.
    ys
        What the steps gave, along a new axis 0.

    Gradient
        Through f, in reverse mode by a loop backwards over what every step kept: its values that the gradient reads.
        The same bits with ``checkpoint``.

    Accuracy
        The bits of the loop in Python, for any number of threads.

    Raises
    ------
    ShapeError
        If items are not equally many, or a carry changes its shape.
    DTypeError
        If a carry changes its dtype.
    TraceError
        If f asks for a value, or takes a step of an optimiser.
    ValueError
        If ``checkpoint`` is neither a positive int nor "sqrt".

    Notes
    -----
    Compiling takes no longer for more steps. Random numbers (``ac.random``) drawn inside differ from step to step.

    Source
        The interface is that of JAX (Bradbury et al., 2018). Notes, section 6.1, for what a trace is.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.scan(lambda total, x: (total + x, total * x), 0.0, ac.tensor([1.0, 2.0, 3.0]))
    (Tensor(6., dtype=float32), Tensor([0., 2., 9.], dtype=float32))
    >>> decay = lambda rate: ac.scan(lambda y, _: (y - rate * y, None), 1.0, length=3)[0]
    >>> ac.grad(decay)(0.5)
    Tensor(-0.75, dtype=float32)
    """
    check_function("scan", f)
    reverse = checked_flag("scan", "reverse", reverse)
    every = _distance(checkpoint)
    carry = _Tree.of("scan", "init", init)
    items = _Tree.of("scan", "xs", xs)
    n = _length("scan", items, length)

    def step(state: Any, x: Any) -> tuple[Any, Any]:
        result = f(state, x)
        if not isinstance(result, tuple) or len(result) != 2:
            raise TraceError(f"scan: the function must return a pair (carry, y); got {type(result).__name__}")
        return result[0], result[1]

    types = [(x.shape[1:], x.dtype) for x in items.leaves]
    if every == 0:
        every = math.isqrt(max(n - 1, 0)) + 1
    return _Stepping("scan", step, carry, types, items.form).run(items.leaves, n, reverse, every)


def _distance(checkpoint: Any) -> int | None:
    """Of the checkpoints; 0 for the root of the number of steps."""
    if checkpoint is None:
        return None
    if isinstance(checkpoint, str):
        if checkpoint != "sqrt":
            raise ValueError(f'scan: checkpoint must be a number of steps, "sqrt" or None; got {checkpoint!r}')
        return 0
    every = checked_int("scan", "checkpoint", checkpoint)
    if every < 1:
        raise ValueError(f"scan: checkpoint must be at least 1 step; got {every}")
    return every


class _Tree(NamedTuple):
    """Leaves as Tensors, and which of them were plain numbers."""

    leaves: list[Tensor]
    form: tree.TreeDef
    plain: list[bool]

    @staticmethod
    def of(name: str, what: str, value: Any) -> _Tree:
        leaves, form = tree.flatten(value)
        tensors = []
        for leaf in leaves:
            try:
                tensors.append(asarray(leaf))
            except DTypeError as error:
                raise DTypeError(f"{name}: {what} must be Tensors or numbers, or trees of them; {error}") from None
        return _Tree(tensors, form, [_is_number(leaf) for leaf in leaves])


def _is_number(leaf: Any) -> bool:
    return type(leaf) in (bool, int, float) or (isinstance(leaf, Tensor) and leaf.is_weak)


def _length(name: str, items: _Tree, length: int | None) -> int:
    if any(x.ndim == 0 for x in items.leaves):
        raise ShapeError(f"{name}: xs must have their items along axis 0; got a 0-d Tensor")
    lengths = sorted({x.shape[0] for x in items.leaves})
    if len(lengths) > 1:
        raise ShapeError(f"{name}: xs must have equally many items along axis 0; got {lengths}")
    if length is None:
        if not lengths:
            raise ShapeError(f"{name}: expected xs, or a length; got neither")
        return lengths[0]
    n = checked_int(name, "length", length)
    if n < 0 or (lengths and lengths[0] != n):
        raise ShapeError(f"{name}: length must be {lengths[0] if lengths else 'at least 0'}; got {n}")
    return n


class _Stepping:
    """A function of carry and item as a body."""

    def __init__(
        self,
        name: str,
        f: Callable[[Any, Any], tuple[Any, Any]],
        carry: _Tree,
        items: Sequence[Type],
        form: tree.TreeDef,
    ) -> None:
        self.name, self.f, self.items, self.items_form = name, f, list(items), form
        self.traced, self.carry = self._settle(carry)

    def _settle(self, carry: _Tree) -> tuple[Traced, _Tree]:
        """Traced with a carry that keeps its types: numbers take those that the function gives them."""
        for last in (False, False, True):
            traced = self._trace(carry)
            types = traced.body.output_types[: len(carry.leaves)]
            new = list(carry.leaves)
            for k, (x, (shape, dtype), plain) in enumerate(zip(carry.leaves, types, carry.plain, strict=True)):
                if x.shape != shape and not (plain and x.ndim == 0 and not last):
                    raise ShapeError(
                        f"{self.name}: the carry must keep its shapes; expected {x.shape} for leaf {k}, got {shape}; "
                        f"start with ac.broadcast_to(…, {shape})"
                    )
                if x.dtype != dtype and (last or not plain):
                    raise DTypeError(
                        f"{self.name}: the carry must keep its dtypes; expected {x.dtype.name} for leaf {k}, got "
                        f"{dtype.name}; start with .astype(ac.{dtype.name}), or end with .astype(ac.{x.dtype.name})"
                    )
                if x.shape != shape or x.dtype != dtype:
                    new[k] = creation.full(shape, x.astype(dtype))
            if all(a is b for a, b in zip(new, carry.leaves, strict=True)):
                return traced, carry
            carry = carry._replace(leaves=new)
        raise AssertionError("unreachable")

    def _trace(self, carry: _Tree) -> Traced:
        n = len(carry.leaves)

        def flat(inputs: list[Tensor]) -> list[Any]:
            state, y = self.f(carry.form.unflatten(inputs[:n]), self.items_form.unflatten(inputs[n:]))
            leaves, form = tree.flatten(state)
            if form != carry.form:
                raise ShapeError(f"{self.name}: the carry must keep its structure; expected {carry.form}, got {form}")
            results, self.results_form = tree.flatten(y)
            return [*leaves, *results]

        return trace(self.name, flat, [*(type_of(x) for x in carry.leaves), *self.items])

    def run(self, items: Sequence[Tensor], length: int, reverse: bool, every: int | None = None) -> tuple[Any, Any]:
        body, inputs, n_consts, n_carry = arranged(self.traced, self.carry.leaves, items)
        check_changes(self.name, self.traced, body, inputs, n_consts, n_carry)
        if every is None or not inputs:
            steps = None if inputs else asarray(length, dtype=int64)
            found = scanned(body, inputs, n_consts, n_carry, length, reverse, steps)
        else:
            from .parts import scanned_in_parts  # start-up

            found = scanned_in_parts(body, inputs, n_consts, n_carry, length, reverse, every)
        n = len(self.carry.leaves)
        write_back(self.traced, found[n:n_carry])
        return self.carry.form.unflatten(found[:n]), self.results_form.unflatten(found[n_carry:])


def arranged(traced: Traced, carry: Sequence[Tensor], items: Sequence[Tensor]) -> tuple[Body, list[Tensor], int, int]:
    """The body with its inputs in the order of loops: constants, carry (with what is changed in place), items."""
    n, n_items, n_read, n_changed = len(carry), len(items), len(traced.read), len(traced.changed)
    first_read = n + n_items
    places = [
        *range(first_read, first_read + n_read),
        *range(n),
        *range(first_read + n_read, first_read + n_read + n_changed),
        *range(n, first_read),
    ]
    n_out = len(traced.body.outputs) - n_changed
    outputs = [*range(n), *range(n_out, n_out + n_changed), *range(n, n_out)]
    # What is changed in place is copied: the gradient reads what it was.
    inputs = [*traced.read, *carry, *(joining.copy(x) for x in traced.changed), *items]
    return traced.body.arranged(places, outputs), inputs, n_read, n + n_changed


def check_changes(name: str, traced: Traced, body: Body, inputs: Sequence[Tensor], n_consts: int, n_carry: int) -> None:
    """What the body changes in place is read as a constant from then on, so it must be one. The other arguments are
    those that ``arranged`` has made of it."""
    if not traced.changed:
        return
    marks = moving_inputs(body, n_consts, n_carry, [x._is_transformed for x in inputs])
    read, carry, items = marks[:n_consts], marks[n_consts : n_consts + n_carry], marks[n_consts + n_carry :]
    n = n_carry - len(traced.changed)
    moved = moving_values(traced.body, [*carry[:n], *items, *read, *carry[n:]])
    for call in traced.body.calls:
        if not call.muted and not traced.assigned.isdisjoint(call.results) and not moved.isdisjoint(call.operands):
            raise GradientError(
                f"{name}: expected a constant in assign_; got a value of shape {call.types[0][0]} that depends on what "
                f"grad, jvp or another transform is differentiating: it would lose its derivative; assign "
                f"ac.stop_gradient(value), or make it part of the carry"
            )


def write_back(traced: Traced, values: Sequence[Tensor]) -> None:
    """What the body has changed in place has the values after the last step."""
    for target, value in zip(traced.changed, values, strict=True):
        _core.update("copy", [value], (), [target])


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """``f`` of every item, one after the other: a loop without a carry.

    :func:`vmap` does the same side by side, which is faster and takes more memory.

    Parameters
    ----------
    f : callable
        Of one item; traced once.
    xs : tree of Tensors
        The items along axis 0.

    Returns
    -------
    tree of Tensors
        The results along a new axis 0.

    Raises
    ------
    ShapeError, TraceError
        As :func:`scan`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.map(lambda x: ac.sum(x * x), ac.tensor([[1.0, 2.0], [3.0, 4.0]]))
    Tensor([ 5., 25.], dtype=float32)
    """
    check_function("map", f)
    items = _Tree.of("map", "xs", xs)
    n = _length("map", items, None)
    types = [(x.shape[1:], x.dtype) for x in items.leaves]
    stepping = _Stepping("map", lambda _, x: (None, f(x)), _Tree.of("map", "carry", None), types, items.form)
    return stepping.run(items.leaves, n, False)[1]


def fori_loop(
    lower: Any, upper: Any, f: Callable[[Tensor, Any], Any], init: Any, *, max_steps: int | None = None
) -> Any:
    """A counting loop: ``carry = f(i, carry)`` for i from ``lower`` to ``upper - 1``.

    Parameters
    ----------
    lower, upper : int or Tensor
        Known numbers make a :func:`scan`, which reverse mode follows; Tensors whose values are not known while a
        function is traced make a :func:`while_loop`.
    f : callable
        Gets the number as an int64 Tensor, and the carry; returns the next carry. Traced once.
    init : tree of Tensors or numbers
    max_steps : int, optional
        See :func:`while_loop`.

    Returns
    -------
    carry
        After the last step; ``init`` if there is none.

    Raises
    ------
    ShapeError, DTypeError, TraceError
        As :func:`scan`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.fori_loop(0, 4, lambda i, total: total + i * i, 0)
    Tensor(14, dtype=int64)
    """
    check_function("fori_loop", f)
    bounds = [_bound("fori_loop", what, x) for what, x in (("lower", lower), ("upper", upper))]
    first, last = (None if (known := known_values(x)) is None else int(known) for x in bounds)
    carry = _Tree.of("fori_loop", "init", init)
    if first is not None and last is not None:
        numbers = creation.arange(first, max(first, last), dtype=int64)
        form = tree.structure(numbers)
        stepping = _Stepping("fori_loop", lambda c, i: (f(i, c), None), carry, [((), int64)], form)
        return stepping.run([numbers], max(last - first, 0), False)[0]
    start, stop = bounds

    def goes_on(state: Any) -> Any:
        return state[0] < stop

    def step(state: Any) -> Any:
        return state[0] + 1, f(state[0], state[1])

    result: Any = while_loop(goes_on, step, (start, init), max_steps=max_steps)[1]
    return result


def _bound(name: str, what: str, value: Any) -> Tensor:
    x = asarray(value)
    if x.ndim or x.dtype.kind not in "iu":
        raise DTypeError(f"{name}: {what} must be an integer; got dtype {x.dtype.name}, shape {x.shape}")
    return selection.astype(x, int64)


def while_loop(
    cond: Callable[[Any], Any], body: Callable[[Any], Any], init: Any, *, max_steps: int | None = None
) -> Any:
    """A loop that ends by value: ``carry = body(carry)`` while ``cond(carry)``.

    Parameters
    ----------
    cond : callable
        From the carry to one bool.
    body : callable
        From the carry to the next one, of the same structure, shapes and dtypes. Both are traced once.
    init : tree of Tensors or numbers
    max_steps : int, optional
        For reverse mode: so many steps are made room for.

    Returns
    -------
    carry
        The first one for which ``cond`` is false.

    Gradient
        Forward mode always. Reverse mode with ``max_steps``: what a step keeps is kept for so many steps.

    Raises
    ------
    GradientError
        In reverse mode without ``max_steps``.
    ValueError
        If ``cond`` still holds after ``max_steps`` steps.
    ShapeError, DTypeError, TraceError
        As :func:`scan`.

    Notes
    -----
    Under :func:`vmap`, where examples may take their own numbers of steps, all go on until the last one is done. Ctrl-C
    ends a loop that does not end.

    Examples
    --------
    Newton's iteration for a square root:

    >>> import alice_core as ac
    >>> def root(a):
    ...     return ac.while_loop(lambda x: abs(x * x - a) > 1e-12, lambda x: 0.5 * (x + a / x), a, max_steps=50)
    >>> root(ac.tensor(2.0, dtype=ac.float64))
    Tensor(1.41421356, dtype=float64)
    >>> ac.grad(root)(ac.tensor(4.0, dtype=ac.float64))
    Tensor(0.25, dtype=float64)
    """
    check_function("while_loop", cond)
    check_function("while_loop", body)
    if max_steps is not None:
        max_steps = checked_int("while_loop", "max_steps", max_steps)
        if max_steps < 0:
            raise ShapeError(f"while_loop: max_steps must be at least 0; got {max_steps}")
    empty = _Tree.of("while_loop", "xs", None)
    stepping = _Stepping(
        "while_loop", lambda c, _: (body(c), None), _Tree.of("while_loop", "init", init), [], empty.form
    )
    carry = stepping.carry

    def asks(inputs: list[Tensor]) -> list[Any]:
        answer = asarray(cond(carry.form.unflatten(inputs)))
        if answer.dtype.kind != "b" or answer.ndim:
            raise DTypeError(
                f"while_loop: cond must return one bool; got dtype {answer.dtype.name}, shape {answer.shape}"
            )
        return [answer]

    asked = trace("while_loop", asks, [type_of(x) for x in carry.leaves])
    if asked.changed:
        raise TraceError("while_loop: cond must not change Tensors in place, nor draw random numbers; let body do it")
    main, inputs, n_consts, n_carry = arranged(stepping.traced, carry.leaves, [])
    check_changes("while_loop", stepping.traced, main, inputs, n_consts, n_carry)
    n = len(carry.leaves)
    # The condition takes what it reads, then all that is carried.
    condition = asked.body.arranged([*range(n, n + len(asked.read)), *range(n)], [0])
    condition = condition.beside([type_of(x) for x in stepping.traced.changed])
    if not inputs and not asked.read:
        raise ShapeError("while_loop: expected a carry; got an empty tree, by which no loop ends")
    *found, _ = looped(condition, main, [*asked.read, *inputs], len(asked.read), n_consts, max_steps)
    write_back(stepping.traced, found[n:n_carry])
    return carry.form.unflatten(found[:n])


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """One of two functions, as a bool says: ``true_fun(*operands)`` if it is True, else ``false_fun(*operands)``.

    Parameters
    ----------
    pred : bool, or Tensor of one bool
        If its value is known, the function is called as it is. While a function is traced it is not: both functions
        are traced, and one of them runs.
    true_fun, false_fun : callable
        Give results of the same structure, shapes and dtypes.
    *operands : trees of Tensors or numbers

    Returns
    -------
    what the function returns

    Gradient
        That of the function that ran.

    Raises
    ------
    DTypeError
        If ``pred`` is no bool, or the results differ in dtype.
    ShapeError
        If the results differ in structure or shape.

    Notes
    -----
    Under :func:`vmap` with a ``pred`` that differs between the examples both run, and each example takes its own.

    Examples
    --------
    >>> import alice_core as ac
    >>> f = ac.compile(lambda x: ac.cond(x > 0, ac.sqrt, ac.negative, x))
    >>> f(ac.tensor(4.0)), f(ac.tensor(-4.0))
    (Tensor(2., dtype=float32), Tensor(4., dtype=float32))
    """
    check_function("cond", true_fun)
    check_function("cond", false_fun)
    chosen = asarray(pred)
    if chosen.dtype.kind != "b" or chosen.ndim:
        raise DTypeError(f"cond: pred must be one bool; got dtype {chosen.dtype.name}, shape {chosen.shape}")
    known = None if _shown(pred) else known_values(chosen)
    if known is not None:
        return (true_fun if known else false_fun)(*operands)
    return _choose("cond", selection.astype(chosen, int64), [false_fun, true_fun], operands)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """One of several functions, by its number: ``branches[index](*operands)``.

    Parameters
    ----------
    index : int, or Tensor of one integer
        From 0 to ``len(branches) - 1``.
    branches : sequence of callables
        Give results of the same structure, shapes and dtypes.
    *operands : trees of Tensors or numbers

    Returns
    -------
    what the function returns

    Raises
    ------
    ValueError
        If there is no branch of that number.
    DTypeError, ShapeError
        As :func:`cond`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.switch(1, [ac.sin, ac.exp], 0.0)
    Tensor(1., dtype=float32)
    """
    if not isinstance(branches, Sequence) or not branches:
        raise DTypeError(f"switch: branches must be a list of functions; got {type(branches).__name__}")
    for branch in branches:
        check_function("switch", branch)
    number = _bound("switch", "index", index)
    known = None if _shown(index) else known_values(number)
    if known is None:
        return _choose("switch", number, branches, operands)
    if not 0 <= int(known) < len(branches):
        raise ValueError(f"switch: index must be from 0 to {len(branches) - 1}; got {int(known)}")
    return branches[int(known)](*operands)


def _shown(chooses: Any) -> bool:
    """A trace shows every branch of a choice that a Tensor makes, not just the one that is taken."""
    return isinstance(chooses, Tensor) and _core.notes_reads()


def _choose(name: str, index: Tensor, branches: Sequence[Callable[..., Any]], operands: Sequence[Any]) -> Any:
    leaves, form = tree.flatten(operands)
    given = _Tree.of(name, "operands", [x for x in leaves if not _is_number(x)])  # numbers stay what they are
    types = [type_of(x) for x in given.leaves]
    forms: list[tree.TreeDef] = []
    made: list[Traced] = []
    for branch in branches:

        def flat(inputs: list[Tensor], branch: Callable[..., Any] = branch) -> list[Any]:
            them = iter(inputs)
            found, its_form = tree.flatten(branch(*form.unflatten(x if _is_number(x) else next(them) for x in leaves)))
            forms.append(its_form)
            return found

        made.append(trace(name, flat, types))
        if made[-1].changed:
            raise TraceError(
                f"{name}: a branch must not change Tensors in place, nor draw random numbers; return the new value"
            )
        if forms[-1] != forms[0]:
            raise ShapeError(f"{name}: branches must return the same structure; got {forms[0]} and {forms[-1]}")
        for k, (one, this) in enumerate(zip(made[0].body.output_types, made[-1].body.output_types, strict=True)):
            if one != this:
                kind = ShapeError if one[0] != this[0] else DTypeError
                raise kind(
                    f"{name}: branches must return the same shapes and dtypes; got {one[0]} {one[1].name} and "
                    f"{this[0]} {this[1].name} for leaf {k}"
                )
    # All take the operands, then what any of them reads.
    n, read = len(types), [x for traced in made for x in traced.read]
    bodies, first = [], n
    all_types = [*types, *(type_of(x) for x in read)]
    for traced in made:
        own = list(range(first, first + len(traced.read)))
        first += len(traced.read)
        bodies.append(traced.body.among(all_types, [*range(n), *own]))
    found = switched(index, bodies, [*given.leaves, *read]) if forms[0].num_leaves else []
    return forms[0].unflatten(found)
