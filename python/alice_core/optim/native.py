"""Optimisers of which a kernel makes the step: all parameters of a group in one call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import alice_core as ac

from .optimizer import Optimizer, ParamGroup

__all__ = ["NativeOptimizer"]


class NativeOptimizer(Optimizer):
    """Base class of the optimisers here. Subclasses name their kernel, see ``csrc/ops/update_rules.cpp``, and what it
    remembers of each parameter: arrays of its shape, in its dtype, in float32 where that is float16 or bfloat16.
    """

    _kernel: str
    _progress: tuple[float, ...] = ()  # numbers that count the steps of a parameter, as they are before the first
    _remembers: tuple[str, ...] = ()  # always
    _options: dict[str, str] = {}  # what else, and the number that says whether  # noqa: RUF012 - nobody changes it
    _counts = Optimizer._counts | {"progress", "second_moment", "largest_second_moment", "sum_of_squares"}
    _takes_schedules = True

    def __init__(self, params: Iterable[Any], **numbers: Any) -> None:
        super().__init__(params, **numbers)
        self._parts: list[_Part] = []
        for group in self.param_groups:
            flags = tuple(bool(group[name]) for name in self._options.values())
            names = [*self._remembers, *(x for x, kept in zip(self._options, flags, strict=True) if kept)]
            kinds: dict[str, list[ac.Tensor]] = {}
            if self._progress:
                kinds["progress"] = [ac.tensor(list(self._progress), ac.float64) for _ in group.params]
            for name in names:
                kinds[name] = [self._memory_of(p) for p in group.params]
            self._parts.append(_Part(group, flags, list(kinds.values())))
            for name in ("progress",) * bool(self._progress) + self._remembers + tuple(self._options):
                self._memory.setdefault(name, []).extend(kinds.get(name) or [None] * len(group.params))

    def _memory_of(self, p: ac.Tensor) -> ac.Tensor:
        return ac.zeros(p.shape, p.dtype if p.dtype.itemsize > 2 else ac.float32)

    def step(self) -> None:
        """Change every parameter that has a gradient; those whose ``.grad`` is None stay as they are."""
        for part in self._parts:
            part.group._tick()
            part.step(self._kernel)


class _Part:
    """The parameters of a group with what is remembered of them."""

    def __init__(self, group: ParamGroup, flags: tuple[bool, ...], kinds: list[list[ac.Tensor]]) -> None:
        self.group, self.flags, self.kinds = group, flags, kinds
        self.kept = [x for kind in kinds for x in kind]

    def step(self, kernel: str) -> None:
        params, kept = self.group.params, self.kept
        grads = [g for p in params if (g := p.grad) is not None]
        if len(grads) != len(params):
            chosen = [i for i, p in enumerate(params) if p.grad is not None]
            if not chosen:
                return
            params = tuple(params[i] for i in chosen)
            kept = [kind[i] for kind in self.kinds for i in chosen]
        ac.update(kernel, [self.group._hyper, *params, *grads, *kept], (len(params), *self.flags), [*params, *kept])
