"""Arguments of set-up code, refused by name: who asked, what was expected, what came, and the remedy."""

from __future__ import annotations

from operator import index
from typing import Any

from .errors import DTypeError

__all__ = ["check_function", "checked_int", "checked_number", "shown"]


def shown(value: Any) -> str:
    """What came, in a few words: literals as they are written, others by type and shape."""
    if value is None or isinstance(value, (str, int, float)):
        return repr(value)
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {shape}" if isinstance(shape, tuple) else "")


def checked_int(who: str, name: str, value: Any) -> int:
    try:
        return index(value)
    except TypeError:
        raise DTypeError(f"{who}: {name} must be an int; got {shown(value)}; convert it with int(…)") from None


def checked_number(who: str, name: str, value: Any, expected: str = "a number") -> float:
    try:
        if not isinstance(value, (str, bytes, bytearray, bool)):  # which float() would read
            return float(value)
    except OverflowError:
        raise ValueError(f"{who}: {name} must be {expected}; got {value!r}") from None
    except TypeError:
        pass
    raise DTypeError(f"{who}: {name} must be {expected}; got {shown(value)}; convert it with float(…)")


def check_function(who: str, f: Any, remedy: str = "") -> None:
    if not callable(f):
        remedy = remedy or f"pass the function itself, not what it returns: ac.{who}(f), not ac.{who}(f(x))"
        raise DTypeError(f"{who}: expected a function; got {shown(f)}; {remedy}")
