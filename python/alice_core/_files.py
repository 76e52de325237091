"""Files that are either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole"]


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a name to write to, which becomes ``path`` at the end; an error or Ctrl-C leaves ``path`` as it was."""
    path = Path(path)
    unfinished = path.with_name(f".unfinished-{path.name}")  # same folder: the renaming cannot fail half-way
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
