"""Files that are either whole or not there, and NumPy's archives of arrays."""

from __future__ import annotations

import errno
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["NPZ_ERRORS", "read_npz", "whole", "write_npz"]

#: What reading a file raises that is no archive of arrays.
NPZ_ERRORS = (ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError)  # the last one of what is encrypted


@contextmanager
def whole(path: str | os.PathLike[str], durable: bool = False) -> Iterator[Path]:
    """Give a name to write to, which becomes ``path`` at the end; an error or Ctrl-C leaves ``path`` as it was.

    With ``durable`` that holds when the machine loses its power, too: what was written reaches the disk first.

    Examples
    --------
    >>> import tempfile
    >>> from alice_core.files import whole
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole(f"{folder}/notes.txt") as unfinished:
    ...         _ = unfinished.write_text("all of it")
    ...     (Path(folder) / "notes.txt").read_text()
    'all of it'
    """
    path = Path(path)
    # In the same folder, so that the renaming cannot fail half-way; of this process, for others may write there too.
    unfinished = path.with_name(f".unfinished-{os.getpid()}-{path.name}")
    try:
        yield unfinished
        if durable:
            _to_disk(unfinished)
        unfinished.replace(path)
        if durable and os.name == "posix":
            _to_disk(path.parent)  # the new name
    finally:
        unfinished.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    opened = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """What ``np.savez`` writes, under any names: those of its own parameters (``file``) are names as others.

    Examples
    --------
    >>> import tempfile
    >>> from alice_core.files import read_npz, write_npz
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_npz(f"{folder}/state.npz", {"file": np.ones(2)})
    ...     read_npz(f"{folder}/state.npz")
    {'file': array([1., 1.])}
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            if entry.filename != f"{name}.npy":
                raise ValueError(f"save: no archive can hold the name {name!r}; give the attribute or key another one")
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def read_npz(path: str | os.PathLike[str]) -> dict[str, npt.NDArray[Any]]:
    """The arrays by name; ``np.load`` would mix up ``w`` and ``w.npy``."""
    try:
        return _read_npz(path)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise ValueError("it refers to places that it does not have") from None


def _read_npz(path: str | os.PathLike[str]) -> dict[str, npt.NDArray[Any]]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(set(names)) != len(names) or not all(name.endswith(".npy") for name in names):
            raise ValueError("it holds something else than arrays with names of their own")
        arrays = {}
        for name in names:
            with archive.open(name) as file:
                arrays[name.removesuffix(".npy")] = np.lib.format.read_array(file, allow_pickle=False)
        return arrays
