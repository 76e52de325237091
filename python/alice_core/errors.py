"""The exceptions of alice_core.

Every message names the op, what was expected, what came, and the remedy. Index errors and plain value errors are
Python's own ``IndexError`` and ``ValueError``.
"""

from __future__ import annotations

import os

from numpy.linalg import LinAlgError as _NumpyError

__all__ = [
    "AliceError",
    "DTypeError",
    "DataError",
    "DeviceError",
    "GradientError",
    "LinAlgError",
    "NonFiniteError",
    "ShapeError",
    "TraceError",
]


class AliceError(Exception):
    """Base of the exceptions that alice_core defines."""


class ShapeError(AliceError, ValueError):
    """Shapes, axes or ranks do not fit the op."""


class DTypeError(AliceError, TypeError):
    """An element type, or the type of an argument, does not fit the op."""


class DataError(AliceError, ValueError):
    """A data file is missing, unreadable, or not what it claims to be."""


class DeviceError(AliceError, RuntimeError):
    """Data is on another device than the op needs."""


class GradientError(AliceError, RuntimeError):
    """A derivative cannot be taken: a saved value changed, a graph was freed, an op has no rule."""


class LinAlgError(AliceError, _NumpyError):
    """A matrix is not what a function of linear algebra needs: positive definite, regular, with real eigenvalues."""


class NonFiniteError(AliceError, FloatingPointError):
    """An op made NaN or infinity out of inputs without, and ``ac.debug_nans`` was on."""


class TraceError(AliceError, RuntimeError):
    """A value was asked for where only a shape and a dtype are known."""

    _located = False


_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def locate(error: TraceError) -> None:
    """Add the line of the user's code that caused it to the message, once."""
    import traceback  # slow to import, and rarely needed

    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not os.path.abspath(f.filename).startswith(_HERE)]
    if own and not error._located:
        frame = own[-1]
        error.args = (f"{error} (at {frame.filename}:{frame.lineno}: {frame.line})",)
        error._located = True
