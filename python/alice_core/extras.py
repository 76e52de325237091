"""Packages that only parts of alice_core need: asked for by name, missed with a remedy."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import AliceError

__all__ = ["MissingPackageError", "require"]


class MissingPackageError(AliceError, ImportError):
    """An optional package is not installed."""


def require(module: str, package: str, who: str) -> ModuleType:
    """Import an optional module, or say who needs which package and how to install it.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.extras.require("zlib", "zlib", "save").__name__
    'zlib'
    >>> ac.extras.require("no_such_package", "no-such-package", "plot")
    Traceback (most recent call last):
    ...
    alice_core.extras.MissingPackageError: plot: needs the package no-such-package, which is not installed; run: \
python -m pip install no-such-package
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise  # the package is there, but something in it is broken: hide nothing
        raise MissingPackageError(
            f"{who}: needs the package {package}, which is not installed; run: python -m pip install {package}",
            name=module,
        ) from None
