"""One run on many processes: the same script is started several times by MPI, and each rank works on its part.

Without a launcher there is one rank, and all of this does nothing. Where ``mpiexec -n 4 python train.py`` or ``srun``
start more, it needs the extra ``mpi``: mpi4py and an MPI library. See the guide "Beyond one machine".
"""

from __future__ import annotations

from .exchanging import allreduce, broadcast
from .parallel import DataParallel, data_parallel
from .sharding import shard
from .watching import abort, set_timeout
from .world import DistributedError, rank, size, together

__all__ = [
    "DataParallel",
    "DistributedError",
    "abort",
    "allreduce",
    "broadcast",
    "data_parallel",
    "rank",
    "set_timeout",
    "shard",
    "size",
    "together",
]
