"""Data for training: minibatches, and two ways to get labelled images.

``load_digits`` gives scikit-learn's bundled handwritten digits, ``load_idx`` reads a folder of MNIST-format files. Both
return a :class:`Dataset`: flat float32 images, standardised with the training images' mean and standard deviation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

import alice_core as ac

from ..errors import DataError, DTypeError, ShapeError
from ..extras import require
from ..ops.indexing import one_hot, take
from ..tensors import Tensor, TensorLike

if TYPE_CHECKING:
    from ._idx import Bytes

__all__ = ["DataError", "Dataset", "Minibatches", "load_digits", "load_idx", "minibatches", "one_hot"]


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


# --- minibatches ------------------------------------------------------------------------------------------------------


class Minibatches:
    """What :func:`minibatches` returns: ``len()`` counts the batches, every ``iter()`` is a new epoch."""

    def __init__(self, arrays: tuple[Tensor, ...], batch_size: int, shuffle: bool, seed: int, drop_last: bool) -> None:
        self._arrays, self._n = arrays, arrays[0].shape[0]
        self._batch_size, self._shuffle, self._seed, self._drop_last = batch_size, shuffle, seed, drop_last
        # A Tensor, which compiled functions read anew at each call. A counter would be a constant of the program of a
        # step whose object has its data beside it, so that every epoch would trace that again.
        self._epoch = ac.tensor(0, dtype=ac.int64)

    def __len__(self) -> int:
        full, rest = divmod(self._n, self._batch_size)
        return full + (rest > 0 and not self._drop_last)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        epoch = int(self._epoch)
        self._epoch.numpy(writable=True)[()] = epoch + 1
        return self._batches(epoch)

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        # The order depends on (seed, epoch) alone: a loop that is left early does not change the epochs that follow.
        order = np.random.default_rng((self._seed, epoch)).permutation(self._n) if self._shuffle else None
        for start in range(0, len(self) * self._batch_size, self._batch_size):
            rows = slice(start, start + self._batch_size)
            if order is None:
                yield tuple(a[rows] for a in self._arrays)
            else:
                drawn = order[rows]
                yield tuple(take(a, drawn, axis=0) for a in self._arrays)


def minibatches(
    X: TensorLike | Any,
    y: TensorLike | Any,
    batch_size: int,
    shuffle: bool = True,
    seed: int = 0,
    drop_last: bool = False,
    *,
    weights: TensorLike | Any | None = None,
) -> Minibatches:
    """Cut data into batches; each pass over the result is one epoch.

    Each epoch visits every row once. With ``shuffle`` the order differs from epoch to epoch, and the sequence of orders
    follows from ``seed``. The result knows its length, so progress bars do too.

    Parameters
    ----------
    X : array_like, shape (n, ...)
        Inputs.
    y : array_like, shape (n, ...)
        Targets, one a row of X.
    batch_size : int
        Rows a batch, at least 1; the last batch of an epoch may be smaller.
    shuffle : bool
        Draw a new order for every epoch; otherwise rows come as they are.
    seed : int
        Where the sequence of orders starts, at least 0.
    drop_last : bool
        Leave out the last batch where it would be smaller.
    weights : array_like, shape (n, ...), optional
        What else belongs to each row.

    Returns
    -------
    Minibatches
        Iterable of pairs ``(x, y)`` of Tensors, or of triples ``(x, y, weights)``.

    Raises
    ------
    ShapeError
        If X, y and weights differ in length, or one of them is a scalar.
    DTypeError
        If batch_size or seed is not an integer.
    ValueError
        If batch_size is below 1 or seed below 0.

    Source: notes, section 5.3, with erratum E-31: n rows in batches of r make n / r steps an epoch; how many epochs is
    free.

    Examples
    --------
    >>> import alice_core as ac
    >>> batches = ac.data.minibatches([[0.0], [1.0], [2.0]], [0, 1, 2], batch_size=2, shuffle=False)
    >>> len(batches)
    2
    >>> for x, y in batches:
    ...     print(x.shape, y.numpy())
    (2, 1) [0 1]
    (1, 1) [2]
    """
    arrays = tuple(ac.asarray(a) for a in ((X, y) if weights is None else (X, y, weights)))
    if any(a.ndim == 0 or a.shape[0] != arrays[0].shape[0] for a in arrays):
        names = ("X", "y", "weights")[: len(arrays)]
        raise ShapeError(
            f"minibatches: {', '.join(names[:-1])} and {names[-1]} must have the same length along axis 0; got "
            + ", ".join(f"{name} {a.shape}" for name, a in zip(names, arrays, strict=True))
        )
    return Minibatches(
        arrays,
        _integer("minibatches: batch_size", batch_size, 1),
        bool(shuffle),
        _integer("minibatches: seed", seed, 0),
        bool(drop_last),
    )


def _integer(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise DTypeError(f"{name} must be an integer; got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}")
    return int(value)


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
    seed = _integer("load_digits: seed", seed, 0) % 2**32  # as many as scikit-learn takes
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
