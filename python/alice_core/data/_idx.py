"""The IDX format, in which MNIST and its relatives come: one file for images, one for labels, gzipped or not."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import DataError

__all__ = ["read_labelled_images"]

Bytes: TypeAlias = npt.NDArray[np.uint8]
Labelled: TypeAlias = tuple[Bytes, npt.NDArray[np.int64]]


def read_labelled_images(folder: str | os.PathLike[str]) -> tuple[str, Labelled, Labelled]:
    """The folder's name, and its images and labels to learn from and to be tested on."""
    folder = Path(folder)
    if not folder.is_dir():
        came = "a file" if folder.exists() else "nothing there"
        raise DataError(f"load_idx: {folder} must be a folder with the four files of the MNIST format; got {came}")
    return folder.resolve().name, _images_and_labels(folder, "train"), _images_and_labels(folder, "t10k")


def _images_and_labels(folder: Path, part: str) -> Labelled:
    images = _read_idx(folder, f"{part}-images-idx3-ubyte", ("images", "rows", "columns"))
    labels = _read_idx(folder, f"{part}-labels-idx1-ubyte", ("labels",))
    if len(images) != len(labels):
        raise DataError(
            f"load_idx: {part}-images and {part}-labels in {folder} must hold equally many items; "
            f"got {len(images)} images and {len(labels)} labels; take both files from one data set"
        )
    if images.size == 0:
        raise DataError(f"load_idx: {part}-images in {folder} must hold at least one pixel; got shape {images.shape}")
    return images, labels.astype(np.int64)


def _read_idx(folder: Path, name: str, axes: tuple[str, ...]) -> Bytes:
    """One IDX file of unsigned bytes: two zeros, type code 8, rank, big-endian sizes, then the numbers."""
    path = next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)
    if path is None:
        there = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        raise DataError(f"load_idx: {folder / name} or {name}.gz must exist; the folder holds {there}")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"load_idx: {path} must be an intact gzip file; got: {error}; fetch the file again") from None
    except OSError as error:
        raise DataError(f"load_idx: {path} must be readable; got: {error.strerror or error}") from None
    magic = bytes((0, 0, 8, len(axes)))
    start = 4 + 4 * len(axes)
    if content[:4] != magic:
        raise DataError(
            f"load_idx: {path} must begin with the bytes {magic.hex(' ')} (unsigned bytes, {len(axes)}-d); "
            f"got {content[:4].hex(' ') or 'an empty file'}; is it the right file?"
        )
    if len(content) < start:
        raise DataError(
            f"load_idx: {path} must have a header of {start} bytes; got {len(content)} bytes; fetch it again"
        )
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", len(axes), offset=4))
    expected = start + math.prod(shape)  # Python integers: a damaged header cannot overflow
    if len(content) != expected:
        sizes = " x ".join(f"{n} {axis}" for n, axis in zip(shape, axes, strict=True))
        raise DataError(
            f"load_idx: {path} must have {expected} bytes for {sizes}, as its header says; got {len(content)}; "
            "fetch the file again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
