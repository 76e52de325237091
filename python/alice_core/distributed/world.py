"""The processes of one run: who this one is, and how it reaches the others."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from .. import _core
from ..errors import AliceError
from ..extras import MissingPackageError
from .watching import waiting, watch

__all__ = ["DistributedError", "World", "rank", "size", "together", "world"]

R = TypeVar("R")

#: What launchers tell their processes: how many they are.
_LAUNCHERS = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "MV2_COMM_WORLD_SIZE", "MPI_LOCALNRANKS")
#: MPI's names of the dtypes, in the order of the native table; a dtype that it does not add has none.
_TYPES = ("", "UINT8_T", "INT32_T", "INT64_T", "FLOAT", "DOUBLE", "", "", "INT8_T", "INT16_T", "UINT16_T", "UINT32_T",
          "UINT64_T")  # fmt: skip


class DistributedError(AliceError, RuntimeError):
    """The ranks of a run cannot work together."""


@dataclass(frozen=True)
class World:
    """All ranks. A process that was started by itself is a world of its own, which needs no MPI."""

    rank: int = 0
    size: int = 1
    mpi: Any = None  # the module mpi4py.MPI
    comm: Any = None  # for what ranks agree upon; arrays go through channels, watchers through one of their own
    channel: int = 0

    def channel_of(self, comm: Any) -> int:
        """The native side of a communicator."""
        return _core.open_channel([_signed(word) for word in (*_library(self.mpi), self.mpi._handleof(comm))])

    @functools.cached_property
    def pairs(self) -> list[int]:
        """Channels to the rank that differs in one bit, for each bit: of a number of ranks that is a power of two."""
        return [
            self.channel_of(self.comm.Split(self.rank & ~(1 << bit), self.rank))
            for bit in range((self.size - 1).bit_length())
        ]


@functools.cache
def world() -> World:
    """The ranks of this run; MPI starts with the first call, unless the process was started by itself.

    Raises
    ------
    MissingPackageError
        If a launcher has started this process, and mpi4py is not installed.
    DistributedError
        If the launcher belongs to another MPI than mpi4py.
    """
    started = max((int(os.environ[name]) for name in _LAUNCHERS if os.environ.get(name, "").isdigit()), default=1)
    if started == 1:
        return World()
    try:
        MPI: Any = importlib.import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as error:  # the second where it finds no MPI library
        raise MissingPackageError(
            f"distributed: a launcher has started {started} processes, but mpi4py cannot be loaded ({error}); run: "
            f"python -m pip install 'alice_core[mpi]', or build mpi4py with the cluster's own MPI",
            name="mpi4py",
        ) from None
    if MPI.COMM_WORLD.size == 1:
        library = MPI.Get_library_version().splitlines()[0].strip()
        raise DistributedError(
            f"distributed: the launcher has started {started} processes, but mpi4py's library ({library}) sees one; "
            f"start them with the mpiexec of that library"
        )
    comm = MPI.COMM_WORLD.Dup()
    made = World(comm.rank, comm.size, MPI, comm)
    object.__setattr__(made, "channel", made.channel_of(comm.Dup()))
    watch(made)
    return made


def _library(MPI: Any) -> list[int]:
    """The words of ``exchange::Library``: functions by their addresses, then what they take."""
    import ctypes  # few programs need it

    functions = ctypes.CDLL(MPI.__file__)  # and what it is linked with
    names = ("MPI_Allreduce", "MPI_Iallreduce", "MPI_Bcast", "MPI_Wait", "MPI_Error_string")
    addresses = [ctypes.cast(getattr(functions, name), ctypes.c_void_p).value or 0 for name in names]
    handles = [MPI.BYTE, MPI.SUM, MPI.MAX, MPI.MIN]
    types = [MPI._handleof(getattr(MPI, name)) if name else 0 for name in _TYPES]
    return [*addresses, int(MPI.IN_PLACE), *map(MPI._handleof, handles), *types]


def _signed(word: int) -> int:
    return (word + (1 << 63)) % (1 << 64) - (1 << 63)


def rank() -> int:
    """The number of this process among those of the run, from 0.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.distributed.rank(), ac.distributed.size()  # of a process that was started by itself
    (0, 1)
    """
    return world().rank


def size() -> int:
    """How many processes the run has: what ``mpiexec -n`` says, 1 without it."""
    return world().size


def together(who: str, work: Callable[[], R]) -> R:
    """What ``work`` returns, once all ranks have done theirs; if it raises on one of them, it does on all.

    Raises
    ------
    DistributedError
        Naming the rank whose work has raised, on the others.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.distributed.together("example", lambda: 1 + 1)
    2
    """
    here = world()
    if here.size == 1:
        return work()
    failed: Exception | None = None
    try:
        result = work()
    except Exception as error:
        failed = error
    with waiting(who):
        said = here.comm.allgather(failed and f"{type(failed).__name__}: {failed}")
    if failed is not None:
        raise failed
    for other, text in enumerate(said):
        if text is not None:
            raise DistributedError(f"{who}: rank {other} raised {text}")
    return result
