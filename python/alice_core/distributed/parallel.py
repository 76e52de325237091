"""Training on all ranks: each computes the gradients of its rows, and all take the same step with their mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import alice_core as ac

from .. import _core
from .. import tree as _tree
from ..checks import check_attribute, checked_int, is_known, shown
from ..errors import DTypeError, GradientError, ShapeError
from ..tensors import Tensor
from .agreeing import agree
from .exchanging import allreduce, broadcast, narrow, summed_in_buckets, wide
from .world import world

__all__ = ["DataParallel", "data_parallel"]

#: Draws of a generator between two virtual shards: more than one of them makes.
_STRIDE = 1 << 40


class DataParallel:
    """What :func:`data_parallel` returns: an optimiser whose steps all ranks take together."""

    def __init__(self, opt: Any, deterministic: bool, shards: int, generators: Sequence[Any]) -> None:
        here = world()
        self._optimizer = opt
        self._deterministic, self._shards = deterministic, shards
        self._generators = [ac.random.default_generator, *generators]
        self._averaged = False
        agree("data_parallel", [(f"parameter {i}", p) for i, p in enumerate(self.params)])
        if here.size > 1:
            with ac.no_grad():
                for p, start in zip(self.params, broadcast([p.detach() for p in self.params]), strict=True):
                    p.assign_(start)
                opt.load_state_dict(broadcast(opt.state_dict()))

    def __setattr__(self, name: str, value: Any) -> None:
        check_attribute(self, name, ("lr",))
        object.__setattr__(self, name, value)

    @property
    def optimizer(self) -> Any:
        """The optimiser of this rank, for its other numbers."""
        return self._optimizer

    @property
    def params(self) -> tuple[Tensor, ...]:
        """All parameters."""
        params: tuple[Tensor, ...] = self._optimizer.params
        return params

    @property
    def param_groups(self) -> tuple[Any, ...]:
        """Parameters that the same numbers steer."""
        groups: tuple[Any, ...] = self._optimizer.param_groups
        return groups

    @property
    def lr(self) -> float:
        """The learning rate, of all groups. May be set at any time, on all ranks alike."""
        rate: float = self._optimizer.lr
        return rate

    @lr.setter
    def lr(self, rate: Any) -> None:
        self._optimizer.lr = rate

    def state_dict(self) -> dict[str, Tensor]:
        """That of the optimiser, which is the same on every rank."""
        state: dict[str, Tensor] = self._optimizer.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned, on any number of ranks."""
        self._optimizer.load_state_dict(state)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        self._averaged = False
        self._optimizer.zero_grad()

    def backward(self, loss: Callable[..., Tensor], *batch: Any) -> Tensor:
        """Gradients of the mean loss over the rows of all ranks, into ``p.grad`` of the parameters.

        Parameters
        ----------
        loss : callable
            ``loss(*batch)``: a scalar, the mean over the rows that it is given.
        *batch : Tensor, or trees of them
            This rank's rows, along axis 0; as many as the other ranks have.

        Returns
        -------
        Tensor, scalar
            The mean loss over the rows of all ranks.

        Raises
        ------
        GradientError
            If there are gradients from before.
        ShapeError
            If the rows cannot be cut into virtual shards.
        """
        if any(p.grad is not None for p in self.params):
            raise GradientError("backward: there must be no gradients from before; got some; call zero_grad() first")
        if not self._deterministic:
            value = loss(*batch)
            value.backward()
            self.average_gradients()
            with ac.no_grad():
                return allreduce(value.detach())
        return self._backward_in_shards(loss, batch)

    def average_gradients(self) -> None:
        """Replace ``p.grad`` by its mean over all ranks; :meth:`step` does it, unless it was done to clip before."""
        here, self._averaged = world(), True
        chosen = [(i, p, p.grad) for i, p in enumerate(self.params) if p.grad is not None]
        agree("data_parallel: gradients", [(f"that of parameter {i}", g) for i, _, g in chosen])
        if here.size == 1:
            return
        with ac.no_grad():
            means = _summed([g for _, _, g in chosen], 1.0 / here.size, [here.channel])
        for (_, p, _), mean in zip(chosen, means, strict=True):
            p.grad = mean

    def step(self) -> None:
        """Take the same step on every rank, with the mean of the gradients."""
        if not self._averaged:
            if self._deterministic:
                raise GradientError(
                    "step: in deterministic mode gradients must come from backward(loss, *batch) of this object, which "
                    "computes them shard by shard; got others"
                )
            self.average_gradients()
        self._averaged = False
        self._optimizer.step()

    def _backward_in_shards(self, loss: Callable[..., Tensor], batch: Any) -> Tensor:
        here = world()
        local = self._shards // here.size
        first = here.rank * local
        states = [g._state for g in self._generators]
        with ac.no_grad():
            starts = [ac.random.advance(s, 0) for s in states]
        sums = _Tree()
        for i in range(local):
            for state, start in zip(states, starts, strict=True):
                _core.update("copy", [ac.random.advance(start, (first + i) * _STRIDE)], (), [state])
            value = loss(*_tree.map(lambda x, i=i: _part(x, i, local), batch))
            value.backward()
            with ac.no_grad():
                sums.add([value.detach(), *(p.grad for p in self.params)])
            for p in self.params:
                p.grad = None
        for state in states:  # where a process alone would be
            _core.update("random_advance", [state], (-(first + local - 1) * _STRIDE,), [state])
        given = sums.total()
        chosen = [i for i, x in enumerate(given) if x is not None]
        with ac.no_grad():
            channels = here.pairs if here.size > 1 else []
            found = _summed([given[i] for i in chosen], 1.0 / self._shards, channels)
        for i, mean in zip(chosen[1:], found[1:], strict=True):
            self.params[i - 1].grad = mean
        self._averaged = True
        return found[0]


class _Tree:
    """Sums in the order of a binary tree, whose leaves come one after another: the bits depend on the leaves alone."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, list[Any]]] = []  # each with the number of its leaves, which falls

    def add(self, leaf: list[Any]) -> None:
        n = 1
        while self.parts and self.parts[-1][0] == n:
            _, before = self.parts.pop()
            leaf = [b if a is None else a if b is None else a + b for a, b in zip(before, leaf, strict=True)]
            n *= 2
        self.parts.append((n, leaf))

    def total(self) -> list[Any]:
        ((_, total),) = self.parts
        return total


def _summed(tensors: Sequence[Any], scale: float, channels: Sequence[int]) -> list[Tensor]:
    """Of the last layers first: their gradients are there before the others."""
    scaled = [wide(x) * scale for x in reversed(tensors)]
    found = summed_in_buckets(scaled, channels, overlap=not all(map(is_known, scaled)))
    return [narrow(y, x) for y, x in zip(reversed(found), tensors, strict=True)]


def _part(x: Any, number: int, of: int) -> Any:
    if x.ndim == 0 or x.shape[0] % of or x.shape[0] == 0:
        raise ShapeError(
            f"backward: axis 0 of the batch must be a multiple of the {of} virtual shards of this rank; got shape "
            f"{x.shape}; leave out incomplete batches (drop_last=True), or use another number of shards"
        )
    rows = x.shape[0] // of
    return x[number * rows : (number + 1) * rows]


def data_parallel(
    opt: Any, deterministic: bool = False, *, shards: int = 8, generators: Sequence[Any] = ()
) -> DataParallel:
    """Let all ranks train one model: an optimiser that steps with the mean of their gradients.

    All ranks begin with the parameters and the state of rank 0. Gradients travel in buckets of 4 MiB: in a compiled
    step each leaves as soon as it is there, while the rest of the backward pass is computed. Without a launcher the
    steps are those of ``opt``, bit for bit.

    With ``deterministic`` the rows of each step, those of all ranks together, are cut into a fixed number of virtual
    shards. The gradients of each are computed by themselves and added in the order of a fixed binary tree: 1, 2, 4, …
    ranks have the same bits after every step, as has a run that goes on from a checkpoint with another number of ranks.
    Gradients must then come from :meth:`DataParallel.backward`.

    Parameters
    ----------
    opt : Optimizer
    deterministic : bool
    shards : int
        Virtual shards, a power of two; the number of ranks must divide it, and it the rows of every step.
    generators : sequence of Generator
        What the loss draws from beside the common generator, as dropout may: in deterministic mode each shard draws
        numbers of its own.

    Returns
    -------
    DataParallel
        With ``step``, ``zero_grad``, ``lr``, ``state_dict`` as an optimiser has them, and ``backward``.

    Raises
    ------
    ShapeError
        If the ranks have different parameters; it names the rank and the parameter.
    ValueError
        If the number of shards does not fit.

    Notes
    -----
    All ranks must have equally many rows in a step. What layers keep beside parameters, as the running statistics of
    batch normalisation, stays that of each rank.

    Source
    ------
    Li, Zhao, Varma et al., "PyTorch Distributed: experiences on accelerating data parallel training", 2020 (buckets and
    overlap).

    Examples
    --------
    >>> import alice_core as ac
    >>> model = ac.nn.Linear(2, 1)
    >>> opt = ac.distributed.data_parallel(ac.optim.SGD(model.parameters(), lr=0.1))
    >>> @ac.compile
    ... def step(x, y):
    ...     opt.zero_grad()
    ...     loss = ac.losses.mse_loss(model(x), y)
    ...     loss.backward()
    ...     opt.step()
    ...     return loss
    >>> x, y = ac.distributed.shard(ac.ones((8, 2)), ac.ones((8, 1)))
    >>> step(x, y).shape
    ()
    """
    if not isinstance(opt, ac.optim.Optimizer):
        raise DTypeError(f"data_parallel: opt must be an optimiser of ac.optim; got {shown(opt)}")
    for g in generators:
        if not isinstance(g, ac.random.Generator):
            raise DTypeError(f"data_parallel: generators must be of ac.random.Generator; got {shown(g)}")
    n, here = checked_int("data_parallel", "shards", shards), world()
    if n < 1 or n & (n - 1) or (deterministic and n % here.size):
        raise ValueError(
            f"data_parallel: shards must be a power of two, and a multiple of the number of ranks, {here.size}; got {n}"
        )
    return DataParallel(opt, bool(deterministic), n, generators)
