"""Arguments, refused by name: who asked, what was expected, what came, and the remedy.

For functions, layers and optimisers that are to complain as those of this package do.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core
from .errors import DeviceError, DTypeError

__all__ = [
    "OURS",
    "check_attribute",
    "check_device",
    "check_function",
    "checked_choice",
    "checked_flag",
    "checked_int",
    "checked_number",
    "checked_positive",
    "is_known",
    "known_values",
    "shown",
]


OURS = f"{__name__.partition('.')[0]}."  # what the names of our modules begin with


def shown(value: Any) -> str:
    """What came, in a few words: literals as they are written, others by type and shape.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.checks.shown(0.5), ac.checks.shown(ac.ones((2, 3)))
    ('0.5', 'Tensor of shape (2, 3)')
    """
    if value is None or isinstance(value, (str, float)) or (isinstance(value, int) and abs(value) < 1 << 64):
        return repr(value)
    shape = getattr(value, "shape", None)
    if shape == () and type(value).__module__ == "numpy":
        return repr(value.item())
    return type(value).__name__ + (f" of shape {shape}" if isinstance(shape, tuple) else "")


def _taken_out(who: str, name: str, value: Any) -> Any:
    """The number in a 0-d Tensor, if it may leave; other objects as they are."""
    return value._item(f"{who}: {name}") if hasattr(value, "_item") and value.ndim == 0 else value


def checked_flag(who: str, name: str, value: Any) -> bool:
    """The argument ``name`` of ``who`` as a bool, else :class:`DTypeError`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.checks.checked_flag("sum", "keepdims", 1)
    Traceback (most recent call last):
    ...
    alice_core.errors.DTypeError: sum: keepdims must be True or False; got 1
    """
    if value is True or value is False:
        return value
    number = _taken_out(who, name, value)
    kind = getattr(getattr(number, "dtype", None), "kind", "")
    if isinstance(number, bool) or (kind == "b" and not number.shape):
        return bool(number)
    raise DTypeError(f"{who}: {name} must be True or False; got {shown(value)}")


def checked_choice(who: str, name: str, value: Any, choices: Sequence[str]) -> str:
    """The argument ``name`` of ``who`` if it is one of the texts to choose from, else ValueError.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.checks.checked_choice("gelu", "approximate", "erf", ("none", "tanh"))
    Traceback (most recent call last):
    ...
    ValueError: gelu: approximate must be "none" or "tanh"; got 'erf'
    """
    if isinstance(value, str) and value in choices:
        return str(value)
    given = [f'"{c}"' for c in choices]
    raise ValueError(f"{who}: {name} must be {', '.join(given[:-1])} or {given[-1]}; got {shown(value)}")


def check_attribute(target: object, name: str, known: Sequence[str]) -> None:
    """Raise AttributeError for an attribute that a class of this package does not have: nobody would read it.

    Private names are free, and so are the attributes of classes that users derive.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.optim.SGD([ac.nn.Parameter(1.0)], lr=0.1).learning_rate = 0.2
    Traceback (most recent call last):
    ...
    AttributeError: SGD: expected lr, momentum, nesterov or weight_decay to be set; got learning_rate; write lr
    """
    kind = type(target)
    if name.startswith("_") or hasattr(kind, name) or not kind.__module__.startswith(OURS):
        return
    import difflib  # rarely needed

    initials = "".join(word[0] for word in name.split("_") if word)
    close = [initials] if initials in known else difflib.get_close_matches(name, known, 1)
    what = " or ".join([", ".join(known[:-1]), known[-1]] if known[1:] else known) or "nothing"
    remedy = f"write {close[0]}" if close else "attributes of your own belong into a subclass"
    raise AttributeError(f"{kind.__name__}: expected {what} to be set; got {name}; {remedy}")


def check_device(who: str, device: Any) -> None:
    """Raise :class:`DeviceError` unless ``device`` is the one that there is, ``"cpu"``, or None.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.checks.check_device("zeros", "cuda")
    Traceback (most recent call last):
    ...
    alice_core.errors.DeviceError: zeros: device must be "cpu" or None; got 'cuda'; all Tensors are on the CPU
    """
    if device is not None and not (isinstance(device, str) and device == "cpu"):
        raise DeviceError(f'{who}: device must be "cpu" or None; got {shown(device)}; all Tensors are on the CPU')


def checked_int(who: str, name: str, value: Any, expected: str = "an int") -> int:
    """The argument ``name`` of ``who`` as an int, else :class:`DTypeError`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.checks.checked_int("repeat", "times", 2.5)
    Traceback (most recent call last):
    ...
    alice_core.errors.DTypeError: repeat: times must be an int; got 2.5; convert it with int(…)
    """
    if type(value) is int:
        return value
    number = _taken_out(who, name, value)
    try:
        if not isinstance(number, bool):  # which index() would read
            return index(number)
    except TypeError:
        pass
    raise DTypeError(f"{who}: {name} must be {expected}; got {shown(value)}; convert it with int(…)") from None


def checked_number(who: str, name: str, value: Any, expected: str = "a number") -> float:
    """The argument ``name`` of ``who`` as a float, else :class:`DTypeError`; ``expected`` is what the message asks for.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.checks.checked_number("Dropout", "p", "half", "a number from 0 to 1")
    Traceback (most recent call last):
    ...
    alice_core.errors.DTypeError: Dropout: p must be a number from 0 to 1; got 'half'; convert it with float(…)
    """
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


def checked_positive(who: str, name: str, value: Any) -> Any:
    """A number or array that is an input of an op, positive where its values are known, else ValueError.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.checks.checked_positive("softmax", "temperature", 0)
    Traceback (most recent call last):
    ...
    ValueError: softmax: temperature must be positive; got 0.0
    """
    if type(value) is float:
        positive = value > 0
    else:
        if not isinstance(value, (_core.TensorBase, np.ndarray)):
            value = checked_number(who, name, value, "a positive number or a Tensor")
        elif value.dtype.kind not in "fiu":
            raise DTypeError(
                f"{who}: {name} must be a positive number or a Tensor; got {shown(value)}, dtype {value.dtype}"
            )
        known = known_values(value)
        positive = known is None or bool(np.all(known > 0))
    if not positive:
        raise ValueError(f"{who}: {name} must be positive; got {value}")
    return value


def check_function(who: str, f: Any, remedy: str = "") -> None:
    """Raise :class:`DTypeError` unless ``f`` can be called.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.checks.check_function("grad", ac.ones(2))
    Traceback (most recent call last):
    ...
    alice_core.errors.DTypeError: grad: expected a function; got Tensor of shape (2,); pass the function itself, not \
what it returns: ac.grad(f), not ac.grad(f(x))
    """
    if not callable(f):
        remedy = remedy or f"pass the function itself, not what it returns: ac.{who}(f), not ac.{who}(f(x))"
        raise DTypeError(f"{who}: expected a function; got {shown(f)}; {remedy}")


def known_values(x: Any) -> npt.NDArray[Any] | None:
    """The numbers of an argument, to be looked at but not computed with; None while tracing does not know them yet.

    Parameters
    ----------
    x : Tensor, or what NumPy makes an array of

    Returns
    -------
    NumPy array or None
        Of bfloat16 as float32. None of abstract Tensors, and inside of functions that are being compiled.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.checks.known_values(ac.tensor([1, 2])), ac.checks.known_values(ac.abstract((2,)))
    (array([1, 2]), None)
    """
    if not isinstance(x, _core.TensorBase):
        return np.asarray(x)
    tensor: Any = x
    values: npt.NDArray[Any] | None = tensor._constant()._exact() if is_known(x) else None
    return values


def is_known(x: Any) -> bool:
    """Whether :func:`known_values` has an answer, without fetching it.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.checks.is_known(ac.tensor([1, 2])), ac.checks.is_known(ac.abstract((2,)))
    (True, False)
    """
    readable: bool = getattr(x, "_readable", True)
    return readable
