"""Arguments of set-up code, refused by name: who asked, what was expected, what came, and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

from .errors import DTypeError

__all__ = ["check_function", "checked_choice", "checked_flag", "checked_int", "checked_number", "shown"]


def shown(value: Any) -> str:
    """What came, in a few words: literals as they are written, others by type and shape."""
    if value is None or isinstance(value, (str, float)) or (isinstance(value, int) and abs(value) < 1 << 64):
        return repr(value)
    shape = getattr(value, "shape", None)
    if shape == () and type(value).__module__ == "numpy":
        return repr(value.item())
    return type(value).__name__ + (f" of shape {shape}" if isinstance(shape, tuple) else "")


def _taken_out(who: str, name: str, value: Any) -> Any:
    """The number in a 0-d Tensor, if it may leave; other objects as they are."""
    return value._item(f"{who}: {name}") if hasattr(value, "_item") and value.ndim == 0 else value


def checked_int(who: str, name: str, value: Any, expected: str = "an int") -> int:
    if type(value) is int:
        return value
    number = _taken_out(who, name, value)
    try:
        if not isinstance(number, bool):  # which index() would read
            return index(number)
    except TypeError:
        pass
    raise DTypeError(f"{who}: {name} must be {expected}; got {shown(value)}; convert it with int(…)") from None


def checked_flag(who: str, name: str, value: Any) -> bool:
    number = _taken_out(who, name, value)
    kind = getattr(getattr(number, "dtype", None), "kind", "")
    if isinstance(number, bool) or (kind == "b" and not number.shape):
        return bool(number)
    raise DTypeError(f"{who}: {name} must be True or False; got {shown(value)}")


def checked_choice(who: str, name: str, value: Any, choices: Sequence[str]) -> str:
    if isinstance(value, str) and value in choices:
        return str(value)
    given = [f'"{c}"' for c in choices]
    raise ValueError(f"{who}: {name} must be {', '.join(given[:-1])} or {given[-1]}; got {shown(value)}")


def checked_number(who: str, name: str, value: Any, expected: str = "a number") -> float:
    number = _taken_out(who, name, value)
    kind = getattr(getattr(number, "dtype", None), "kind", "f")
    try:
        # What float() would read, but is no number: text, truth values, parts of complex numbers, single elements.
        if not isinstance(number, (str, bytes, bytearray, bool)) and kind in "fiu" and not getattr(number, "shape", ()):
            return float(number)
    except OverflowError:
        raise ValueError(f"{who}: {name} must be {expected}; got {shown(value)}") from None
    except TypeError:
        pass
    raise DTypeError(f"{who}: {name} must be {expected}; got {shown(value)}; convert it with float(…)")


def check_function(who: str, f: Any, remedy: str = "") -> None:
    if not callable(f):
        remedy = remedy or f"pass the function itself, not what it returns: ac.{who}(f), not ac.{who}(f(x))"
        raise DTypeError(f"{who}: expected a function; got {shown(f)}; {remedy}")
