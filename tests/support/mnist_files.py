"""Files in the MNIST format, tiny ones."""

from __future__ import annotations

import gzip
import struct

import numpy as np


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def files_of(rng, n_train=12, n_test=5, size=(4, 3)):
    """Content of the four files by name; images of 4x3 pixels, labels 0 .. 2."""
    return {
        "train-images-idx3-ubyte": idx(rng.integers(0, 256, (n_train, *size))),
        "train-labels-idx1-ubyte": idx(np.arange(n_train) % 3),
        "t10k-images-idx3-ubyte": idx(rng.integers(0, 256, (n_test, *size))),
        "t10k-labels-idx1-ubyte": idx(np.arange(n_test) % 3),
    }


def write(folder, files, *, zipped=False):
    for name, content in files.items():
        path = folder / (name + (".gz" if zipped else ""))
        path.write_bytes(gzip.compress(content) if zipped else content)
