"""Objects that misbehave when they are asked something: they raise, lie, or change what is being read."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

__all__ = ["Boom", "Capsule", "alive", "boom", "hostile", "then"]


class Boom(Exception):
    """What hostile objects raise: nothing in the library knows it."""


def boom(*_: Any, **__: Any) -> Any:
    raise Boom


def then(result: Any, *actions: Callable[[], Any]) -> Callable[..., Any]:
    """A method that does something behind the caller's back and then answers."""

    def method(*_: Any, **__: Any) -> Any:
        for action in actions:
            action()
        return result

    return method


def _ending(method: Callable[..., Any]) -> Callable[..., Any]:
    """A ``__getitem__`` with an end: where it never raises IndexError, Python itself iterates for ever."""

    def getitem(self: Any, key: Any = None, *rest: Any) -> Any:
        if isinstance(key, int) and key >= 1000:
            raise IndexError(key)
        return method(self, key, *rest)

    return getitem


def hostile(base: type = object, *args: Any, **methods: Any) -> Any:
    """An instance of a new subclass of ``base``; ``eq=boom`` defines ``__eq__``, ``_dtype=3`` the attribute ``dtype``.

    What is no function is answered by one.
    """
    names: dict[str, Any] = {}
    for name, method in methods.items():
        if name.startswith("_"):
            names[name[1:]] = property(method) if callable(method) else method
        else:
            names[f"__{name}__"] = method if callable(method) or method is None else then(method)
    if callable(names.get("__getitem__")):
        names["__getitem__"] = _ending(names["__getitem__"])
    if "__eq__" in names and "__hash__" not in names:
        names["__hash__"] = base.__hash__
    made = type("Hostile", (base,), names)
    return made(*args)


# -- DLPack ------------------------------------------------------------------------------------------------------------


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
#: Does nothing, and no Python: a deleter is called wherever the array dies.
_nothing = ctypes.cast(ctypes.CDLL(None).getpid, _Deleter)


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter)]


class _Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", _Deleter),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    ]


_new = ctypes.pythonapi.PyCapsule_New
_new.restype, _new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class Capsule:
    """An exporter of one hand-made capsule; 4096 bytes lie on both sides of where its data begins."""

    def __init__(
        self,
        shape: tuple[int, ...] = (2, 3),
        strides: tuple[int, ...] | None = None,
        *,
        code: int = 2,
        bits: int = 32,
        lanes: int = 1,
        offset: int = 0,
        device: tuple[int, int] = (1, 0),
        told: Any = (1, 0),
        version: tuple[int, int] | None = None,
        flags: int = 0,
        name: bytes | None = None,
        data: bool = True,
        deleter: bool = True,
        times: int = 1,
    ) -> None:
        self.memory = ctypes.create_string_buffer(8192 + 64)
        self.shape = (ctypes.c_int64 * max(len(shape), 1))(*shape)
        self.strides = None if strides is None else (ctypes.c_int64 * max(len(strides), 1))(*strides)
        self.managed = _Managed() if version is None else _Versioned()
        if version is not None:
            self.managed.major, self.managed.minor = version
            self.managed.flags = flags
        t = self.managed.tensor
        t.data = (ctypes.addressof(self.memory) // 64 + 1) * 64 + 4096 if data else None
        t.device_type, t.device_id = device
        t.ndim, t.code, t.bits, t.lanes, t.byte_offset = len(shape), code, bits, lanes, offset
        t.shape = ctypes.cast(self.shape, ctypes.POINTER(ctypes.c_int64))
        if self.strides is not None:
            t.strides = ctypes.cast(self.strides, ctypes.POINTER(ctypes.c_int64))
        if deleter:
            self.managed.deleter = _nothing
        self.name = name or (b"dltensor" if version is None else b"dltensor_versioned")
        self.told = told
        self.times = times
        self.capsule: Any = None
        alive.append(self)
        del alive[:-64]

    def __dlpack__(self, **_: Any) -> Any:
        if self.capsule is None or self.times > 1:
            self.capsule = _new(ctypes.addressof(self.managed), self.name, None)
        return self.capsule

    def __dlpack_device__(self) -> Any:
        return self.told


#: Capsules hold memory of their exporters; the last ones stay, whatever the consumer does.
alive: list[Capsule] = []
