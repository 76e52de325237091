"""Packages that only parts of alice_core need: asked for by name, missed with a remedy."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import AliceError

__all__ = ["MissingPackageError", "require"]


class MissingPackageError(AliceError, ImportError):
    """An optional package is not installed."""


def require(module: str, package: str, who: str) -> ModuleType:
    """Import an optional module, or say who needs which package and how to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise  # the package is there, but something in it is broken: hide nothing
        raise MissingPackageError(
            f"{who}: needs the package {package}, which is not installed; run: python -m pip install {package}",
            name=module,
        ) from None
