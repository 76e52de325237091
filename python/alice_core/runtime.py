"""The engine's settings and counters: threads, memory, and how it was built."""

from __future__ import annotations

from typing import Any

from . import _core
from .checks import checked_int

__all__ = [
    "build_config",
    "get_num_threads",
    "memory_stats",
    "reset_peak_memory",
    "set_num_threads",
    "trim_memory",
]


def set_num_threads(n: int) -> None:
    """Use ``n`` threads for large ops, 1 for none but the caller's. Results do not depend on it, bit for bit.

    The default is the number of CPUs this process may use (affinity and container limits considered), or the
    environment variable ``ALICE_NUM_THREADS``.

    Raises
    ------
    DTypeError
        If ``n`` is no int.
    ValueError
        If it is less than 1.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.set_num_threads(1)
    >>> ac.get_num_threads()
    1
    """
    if checked_int("set_num_threads", "n", n) < 1:
        raise ValueError(f"set_num_threads: expected at least 1 thread; got {n}")
    _core.set_num_threads(n)


def get_num_threads() -> int:
    """The number of threads that large ops use."""
    return int(_core.num_threads())


def memory_stats() -> dict[str, int]:
    """Counters of the caching allocator.

    Returns
    -------
    dict
        ``live_bytes`` in use by Tensors, ``peak_bytes`` their maximum so far, ``cached_bytes`` freed and waiting to
        be reused, ``allocations`` blocks handed out so far, ``system_calls`` those of them that were not reused.

    Examples
    --------
    >>> import alice_core as ac
    >>> before = ac.memory_stats()["live_bytes"]
    >>> x = ac.zeros((1024, 1024))
    >>> ac.memory_stats()["live_bytes"] - before >= x.nbytes
    True
    """
    stats: dict[str, int] = _core.memory_stats()
    return stats


def reset_peak_memory() -> None:
    """Let ``peak_bytes`` start again from the bytes now in use."""
    _core.reset_peak_memory()


def trim_memory() -> None:
    """Give all cached blocks back to the operating system."""
    _core.trim_memory()


def build_config() -> dict[str, Any]:
    """How the native part was built and what it runs on.

    Returns
    -------
    dict
        ``version``, ``isa`` (the instruction-set level chosen at import), ``blas``, ``compiler``, ``cuda`` (None in a
        CPU-only build), ``threads``.
    """
    config: dict[str, Any] = _core.build_config()
    return config
