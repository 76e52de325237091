"""What a trace costs, added up."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, NamedTuple

from .listing import operands_of, quantity, results_of

if TYPE_CHECKING:
    from .evaluation import Trace

__all__ = ["Cost", "PrimitiveCost", "cost"]


class PrimitiveCost(NamedTuple):
    """What all calls of one primitive cost.

    Attributes
    ----------
    equations : int
        Calls.
    flops, bytes : float
        Estimated operations on numbers, and bytes of operands and results; 0 for views.
    """

    equations: int
    flops: float
    bytes: float


class Cost(NamedTuple):
    """What a trace costs.

    Attributes
    ----------
    equations : int
        Those that have a line.
    flops, bytes : float
        Estimated operations on numbers, and bytes of operands and results, over all equations; views cost nothing.
    saved_bytes : int
        Computed values that reverse mode keeps for its rules.
    peak_bytes : int
        The most that is needed at once if every value is freed after its last use: arguments, Tensors of the enclosing
        scope, results and what is computed in between.
    primitives : dict of str to PrimitiveCost
        The parts, by name, the one of most operations first.
    """

    equations: int
    flops: float
    bytes: float
    saved_bytes: int
    peak_bytes: int
    primitives: dict[str, PrimitiveCost]

    def __str__(self) -> str:
        rows = [("primitive", "equations", "FLOPs", "bytes")]
        rows += [(name, f"{p.equations}", f"{p.flops:.4g}", f"{p.bytes:.4g}") for name, p in self.primitives.items()]
        rows.append(("all", f"{self.equations}", f"{self.flops:.4g}", f"{self.bytes:.4g}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join([row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)])
            for row in rows
        ]
        lines.append(f"saved for reverse mode: {quantity(self.saved_bytes, 'byte')}")
        lines.append(f"most at once: {quantity(self.peak_bytes, 'byte')}")
        return "\n".join(lines)


def cost(trace: Trace) -> Cost:
    """See :meth:`Trace.cost`."""
    parts: dict[str, PrimitiveCost] = {}
    equations = [line.equation for line in trace.lines if line.equation is not None]
    for eq in equations:
        n, flops, size = parts.get(eq.primitive.name, (0, 0.0, 0.0))
        parts[eq.primitive.name] = PrimitiveCost(n + 1, flops + eq.record.flops, size + eq.record.bytes)
    memory = _Memory(trace)
    return Cost(
        equations=len(equations),
        flops=sum(p.flops for p in parts.values()),
        bytes=sum(p.bytes for p in parts.values()),
        saved_bytes=memory.saved(),
        peak_bytes=memory.peak(),
        primitives=dict(sorted(parts.items(), key=lambda item: -item[1].flops)),
    )


class _Memory:
    """Whose memory every value lies in: views have none of their own."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._owner: dict[Hashable, Hashable] = {}
        self._outside: dict[Hashable, int] = {}  # bytes, by key of the owner
        self._made: dict[Hashable, int] = {}
        for x in trace.inputs:
            self._outside[x._key] = x.nbytes
        for eq in trace.equations:
            for key, value in operands_of(eq):
                owner = self._of(key)
                if owner not in self._made:
                    self._outside.setdefault(owner, value.nbytes)
            for i, (key, value) in enumerate(results_of(eq)):
                if eq.record.is_view:
                    self._owner[key] = self._of(eq.variables[i])
                else:
                    self._made[key] = value.nbytes

    def _of(self, key: Hashable) -> Hashable:
        return self._owner.get(key, key)

    def saved(self) -> int:
        kept = set()
        for eq in self._trace.equations:
            keys = [*eq.variables, *(key for key, _ in results_of(eq))]
            kept |= {self._of(key) for key, saved in zip(keys, eq.record.saved, strict=True) if saved}
        return sum(size for key, size in self._made.items() if key in kept)

    def peak(self) -> int:
        end = len(self._trace.equations)
        last = {self._of(y._key): end for y in self._trace.outputs}
        for i, eq in reversed(list(enumerate(self._trace.equations))):
            for key in [*eq.variables, *(key for key, _ in results_of(eq))]:
                last.setdefault(self._of(key), i)
        live = peak = sum(self._outside.values())
        dying: dict[int, list[Hashable]] = {}
        for key in self._made:
            dying.setdefault(last[key], []).append(key)
        for i, eq in enumerate(self._trace.equations):
            live += sum(self._made.get(key, 0) for key, _ in results_of(eq))
            peak = max(peak, live)
            live -= sum(self._made[key] for key in dying.get(i, ()))
        return peak
