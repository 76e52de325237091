"""What a section of the benchmarks yields: rows of contenders, with what they are held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from harness import Contenders

OURS, EAGER, FLOOR = "alice_core compiled", "alice_core", "C++"
ROW = "alice_core, along rows"  # the same work of ours along the other axis
SGD = "alice_core compiled, SGD"  # the same network of ours with another optimiser


def is_peer(contender: str) -> bool:
    """Whether it is a package that one could use instead: neither a way of ours (their names begin so) nor the work
    written out in C++."""
    return not contender.startswith((EAGER, FLOOR))


@dataclass(frozen=True)
class Target:
    """What a row is to show: ``of``'s time is at most ``at_most`` times that of ``against``.

    ``against`` is a contender, "best peer", or "" for a number of seconds. ``inverse`` only changes how it reads: the
    ratio of ``against`` to ``of`` is then at least ``1 / at_most``.
    """

    at_most: float
    against: str
    of: str = OURS
    inverse: bool = False


def over_floor(ratio: float) -> Target:
    return Target(ratio, FLOOR)


def peer_over_ours(ratio: float) -> Target:
    return Target(1 / ratio, "best peer", inverse=True)


@dataclass
class Row:
    """Contenders on the same work: ``contenders()`` makes them, when the row's turn has come.

    ``limit()`` is the time that the machine's arithmetic and memory allow, in seconds. ``notes`` may be added to while
    the contenders are made.
    """

    name: str
    contenders: Callable[[], Contenders]
    targets: tuple[Target, ...] = ()
    limit: Callable[[], float] | None = None
    rounds: int = 15
    seconds: float = 0.02
    notes: list[str] = field(default_factory=list)


@dataclass
class Measured:
    """A row whose numbers do not come from :func:`harness.compare`: fresh processes, sizes."""

    name: str
    values: Callable[[], dict[str, list[float]]]
    unit: Literal["s", "B"]
    targets: tuple[Target, ...] = ()
    notes: list[str] = field(default_factory=list)
