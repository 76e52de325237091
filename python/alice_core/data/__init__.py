"""Data for training: examples and splits, minibatches, streams, and two ways to get labelled images.

``load_digits`` gives scikit-learn's bundled handwritten digits, ``load_idx`` reads a folder of MNIST-format files. Both
return a :class:`Dataset`: flat float32 images, standardised with the training images' mean and standard deviation.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..extras import require
from ..ops.indexing import one_hot
from .batches import Minibatches, minibatches, whole_number
from .supervised import Examples, Scaler, stream

if TYPE_CHECKING:
    from ._idx import Bytes

__all__ = [
    "DataError",
    "Dataset",
    "Examples",
    "Minibatches",
    "Scaler",
    "load_digits",
    "load_idx",
    "minibatches",
    "one_hot",
    "stream",
]


class Dataset(NamedTuple):
    """Labelled images, split into a part to learn from and a part to be tested on.

    Attributes
    ----------
    name : str
        What the images show, for titles.
    x_train, x_test : numpy.ndarray, shape (n, height * width), float32
        One flat image a row. Over all training pixels the mean is 0 and the standard deviation 1; the test images are
        mapped with the training images' numbers. All four arrays are read-only, so Tensors share their memory.
    y_train, y_test : numpy.ndarray, shape (n,), int64
        Labels 0 .. n_classes - 1.
    image_shape : (int, int)
        Height and width, in pixels.
    n_classes : int
    """

    name: str
    x_train: npt.NDArray[np.float32]
    y_train: npt.NDArray[np.int64]
    x_test: npt.NDArray[np.float32]
    y_test: npt.NDArray[np.int64]
    image_shape: tuple[int, int]
    n_classes: int


# --- labelled images --------------------------------------------------------------------------------------------------


def load_digits(test_fraction: float = 0.2, seed: int = 0) -> Dataset:
    """Load scikit-learn's bundled handwritten digits: 1797 images of 8x8 pixels, ten classes.

    Parameters
    ----------
    test_fraction : float
        Part of the images that is kept for the test, between 0 and 1; every class gets its share.
    seed : int
        Decides which images those are.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        If test_fraction or seed is out of range.
    MissingPackageError
        If scikit-learn is not installed.

    Source
    ------
    Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998 (test part).

    Examples
    --------
    >>> import alice_core as ac
    >>> digits = ac.data.load_digits()
    >>> digits.x_train.shape, digits.x_test.shape, digits.n_classes
    ((1437, 64), (360, 64), 10)
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"load_digits: test_fraction must lie between 0 and 1; got {test_fraction}")
    seed = whole_number("load_digits: seed", seed, 0) % 2**32  # as many as scikit-learn takes
    datasets = require("sklearn.datasets", "scikit-learn", "load_digits")
    selection = require("sklearn.model_selection", "scikit-learn", "load_digits")
    bunch = datasets.load_digits()
    images, labels = bunch.images.astype(np.uint8), bunch.target.astype(np.int64)  # pixels are whole numbers 0 .. 16
    train, test = selection.train_test_split(
        np.arange(len(labels)), test_size=test_fraction, random_state=seed, stratify=labels
    )
    return _dataset("handwritten digits", images[train], labels[train], images[test], labels[test])


def load_idx(folder: str | os.PathLike[str]) -> Dataset:
    """Read labelled images from the four files of the MNIST format, gzipped or not.

    The files are ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and
    ``t10k-labels-idx1-ubyte``, each also with the ending ``.gz``. MNIST, Fashion-MNIST and KMNIST come like that;
    Debian's package ``dataset-fashion-mnist`` puts Fashion-MNIST into ``/usr/share/datasets/fashion-mnist``.

    Parameters
    ----------
    folder : str or path
        The folder that holds the four files.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If a file is missing, unreadable, damaged, of another format, or does not fit the others.

    Source
    ------
    LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "File formats".
    """
    from ._idx import read_labelled_images  # gzip and pathlib are slow to import: a shorter start-up

    name, (train, train_labels), (test, test_labels) = read_labelled_images(folder)
    if train.shape[1:] != test.shape[1:]:
        raise DataError(
            f"load_idx: training and test images in {folder} must have one size; got {_size(train)} and {_size(test)} "
            "pixels; take all four files from one data set"
        )
    return _dataset(name, train, train_labels, test, test_labels)


def _size(images: Bytes) -> str:
    return "x".join(str(n) for n in images.shape[1:])


def _dataset(
    name: str, train: Bytes, train_labels: npt.NDArray[np.int64], test: Bytes, test_labels: npt.NDArray[np.int64]
) -> Dataset:
    """Standardise the pixels with the mean and deviation of the training part alone, and flatten the images."""
    chunks = np.array_split(train.reshape(-1), -(-train.size // 2**22))  # bincount widens: bound what it needs
    counts = sum(np.bincount(chunk, minlength=256) for chunk in chunks)
    levels = np.arange(256.0)
    mean = np.average(levels, weights=counts)
    deviation = np.sqrt(np.average((levels - mean) ** 2, weights=counts))
    table = ((levels - mean) / (deviation or 1.0)).astype(np.float32)
    x_train, x_test = table[train].reshape(len(train), -1), table[test].reshape(len(test), -1)
    for array in (x_train, train_labels, x_test, test_labels):
        array.flags.writeable = False  # ac.asarray shares read-only arrays instead of copying them
    return Dataset(
        name=name,
        x_train=x_train,
        y_train=train_labels,
        x_test=x_test,
        y_test=test_labels,
        image_shape=(train.shape[1], train.shape[2]),
        n_classes=1 + int(max(train_labels.max(), test_labels.max())),
    )
