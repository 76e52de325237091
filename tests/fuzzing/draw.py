"""Draws the pieces of a call as text: shapes, arrays, attributes, and objects that misbehave."""

from __future__ import annotations

import random
from collections.abc import Sequence

DTYPES = (
    "float32",
    "float64",
    "bool",
    "uint8",
    "int32",
    "int64",
    "float16",
    "int8",
    "int16",
    "uint16",
    "uint32",
    "uint64",
)
STRANGE_DTYPES = (
    "complex64",
    "longdouble",
    "object",
    "U3",
    "S3",
    "V8",
    "M8[s]",
    "m8[s]",
    "f4,i4",
    ">f4",
    ">i8",
    "(2,)f4",
)
LAYOUTS = ("C",) * 6 + ("F", "reversed", "gapped", "broadcast", "offset", "misaligned", "big-endian", "readonly")
EXTREMES = (
    0,
    1,
    2,
    3,
    5,
    -1,
    -2,
    7,
    31,
    32,
    63,
    64,
    255,
    256,
    2**31 - 1,
    2**31,
    2**32,
    2**53 + 1,
    2**61,
    2**62,
    2**63 - 1,
    -(2**31),
    -(2**62),
    -(2**63),
    2**63,
    2**64,
    2**70,
    -(2**70),
    10**400,
)
REALS = ("0.0", "-0.0", "1.5", "-1.0", "float('nan')", "float('inf')", "-float('inf')", "1e-320", "1e308", "1e39")
FILLS = ("few",) * 5 + ("wild", "0", "1", "nan")


class Draw:
    """Choices and the text they make; everything random of one call comes from here."""

    def __init__(self, seed: int, index: int) -> None:
        self.random = random.Random(f"{seed}:{index}")
        self.below = self.random.randrange
        self.pick = self.random.choice

    def chance(self, p: float) -> bool:
        return self.random.random() < p

    # -- shapes and arrays ---------------------------------------------------------------------------------------------

    def small_shape(self) -> tuple[int, ...]:
        return tuple(self.pick((0, 1, 2, 3, 4, 5, 8, 17)) for _ in range(self.pick((0, 1, 1, 2, 2, 3, 4))))

    def huge_shape(self, empty: bool = False) -> tuple[int, ...]:
        """With an extent that no memory holds; with ``empty`` one of its extents is 0, so that it needs none."""
        shape = [self.pick((1, 2, 3, 5)) for _ in range(self.below(3))]
        for _ in range(self.pick((1, 1, 2))):
            shape.insert(
                self.below(len(shape) + 1), 2 ** self.pick((20, 31, 32, 33, 40, 61, 62)) + self.pick((0, 0, -1, 1))
            )
        if empty:
            shape.insert(self.below(len(shape) + 1), 0)
        return tuple(shape)

    def shape_near(self, shape: Sequence[int]) -> tuple[int, ...]:
        new = list(shape)
        what = self.below(7)
        if what == 0 or not new:
            new.insert(self.below(len(new) + 1), self.pick((0, 1, 2, 5)))
        elif what == 1:
            del new[self.below(len(new))]
        elif what == 2:
            new[self.below(len(new))] = self.pick((0, 1, 2, 3, 7, 300))
        elif what == 3:
            self.random.shuffle(new)
        elif what == 4:
            return self.huge_shape(empty=True)
        elif what == 5:
            return (1,) * self.pick((4, 7, 8, 9, 16, 33, 65)) if self.chance(0.3) else (1, *new)
        else:
            return self.small_shape()
        return tuple(new)

    def tensor(self, shape: Sequence[int] | None = None, dtype: str | None = None) -> str:
        if shape is None:
            shape = self.small_shape()
        if dtype is None:
            dtype = self.pick(DTYPES)
        layout = self.pick(LAYOUTS)
        if self.chance(0.03):
            return f"T({self.huge_shape(self.chance(0.5))!r}, {dtype!r}, layout='abstract')"
        parts = [repr(tuple(shape)), repr(dtype)]
        if self.chance(0.3) or layout != "C":
            parts += [repr(self.pick(FILLS)), repr(layout)]
        if self.chance(0.1):
            parts.append("leaf=True")
        return f"T({', '.join(parts)})"

    def array(self) -> str:
        """A NumPy array, of dtypes that are not ours too."""
        kind = self.below(8)
        if kind == 0:
            return f"np.zeros({self.small_shape()!r}, {self.pick(STRANGE_DTYPES)!r})"
        if kind == 1:
            return f"np.broadcast_to(np.float32(1), {self.huge_shape()!r})"
        if kind == 2:
            return f"np.zeros({self.huge_shape(empty=True)!r}, {self.pick(DTYPES)!r})"
        if kind == 3:
            step = self.pick((1, 2, 3, 4, 5, 8, 12, -4, 0))
            return (
                f"np.lib.stride_tricks.as_strided(np.zeros(64, 'u1')[{self.below(8)}:].view()[:56]"
                f".view({self.pick(('f4', 'f8', 'i4', 'u1', '?'))!r}), {(self.below(3),)!r}, {(step,)!r})"
                if step >= 0
                else "np.zeros(8, 'f4')[::-1]"
            )
        return f"X({self.small_shape()!r}, {self.pick(DTYPES)!r}, {self.pick(FILLS)!r}, {self.pick(LAYOUTS)!r})"

    # -- anything ------------------------------------------------------------------------------------------------------

    def integer(self) -> str:
        return str(self.pick(EXTREMES)) if self.chance(0.5) else str(self.below(7) - 3)

    def attribute(self) -> str:
        return self.pick(
            (
                self.integer,
                self.integer,
                lambda: self.pick(REALS),
                lambda: self.pick(("None", "True", "False")),
                lambda: f"np.dtype({self.pick((*DTYPES, 'float16', 'complex64', 'U1'))!r})",
                lambda: f"({''.join(self.integer() + ', ' for _ in range(self.pick((0, 1, 1, 2, 3, 9, 70))))})",
                lambda: f"[{', '.join(self.integer() for _ in range(self.pick((0, 1, 2, 3))))}]",
                lambda: repr(self.small_shape()),
                lambda: repr(self.huge_shape(self.chance(0.5))),
                self.misbehaving,
                self.oddity,
            )
        )()

    def oddity(self) -> str:
        return self.pick(
            (
                "None",
                "'abc'",
                "b'abc'",
                "object()",
                "int",
                "...",
                "slice(1, None, -1)",
                "{}",
                "{'a': 1}",
                "[]",
                "()",
                "3j",
                "range(3)",
                "{1, 2}",
                "np.float32(2)",
                "np.int64(-1)",
                "np.bool_(True)",
                "np.float16(1)",
                "np.datetime64('NaT')",
                "np.ma.masked",
                "lambda *a: a",
                "ac.exp",
                "P('exp')",
                "ac",
                "memoryview(b'abcd')",
                "bytearray(8)",
                "iter([1, 2])",
                "(i for i in (1, 2))",
                "np.array(1.0)",
                "np.array(None)",
                "np.array('a')",
                "np.zeros(3, 'f4,i4')",
                "'\\ud800'",
                "NotImplemented",
                "Boom()",
                "float",
                "np.dtype('f4')",
                "core.Session()",
                "core.Session(True)",
                "type('t', (), {})",
                "10**400",
                "-(10**400)",
                "True",
                "1e400",
            )
        )

    def misbehaving(self, victim: str = "[]") -> str:
        """An object that raises, lies, or changes ``victim`` (the text of a list or dict) while it is asked."""
        base = self.pick(
            (
                "object",
                "object",
                "str, 'a'",
                "int, 3",
                "float, 1.5",
                "tuple, (1, 2)",
                "list, [1, 2]",
                "dict, {'a': 1}",
                "bytes, b'a'",
            )
        )
        names = (
            "eq",
            "hash",
            "index",
            "float",
            "int",
            "bool",
            "len",
            "iter",
            "getitem",
            "array",
            "getattr",
            "getattribute",
            "_dtype",
            "_shape",
            "_fields",
            "call",
            "next",
            "array_interface",
            "_ndim",
            "_T",
            "array_priority",
            "alice_bind",
            "radd",
            "rmul",
            "rmatmul",
            "array_ufunc",
            "dlpack",
            "dlpack_device",
            "contains",
            "repr",
            "str",
            "format",
            "setattr",
            "get",
            "instancecheck",
            "class_getitem",
            "enter",
            "exit",
            "copy",
            "deepcopy",
            "reduce",
            "complex",
            "buffer",
            "set_name",
            "subclasshook",
        )
        methods = {}
        for _ in range(self.pick((1, 1, 1, 2, 3))):
            name = self.pick(names[:14] if self.chance(0.6) else names)
            answer = self.pick(
                (
                    "boom",
                    "boom",
                    "-5",
                    "2**70",
                    "object()",
                    "None",
                    "1",
                    "0.5",
                    "'a'",
                    "np.ones(2)",
                    "ac.ones((2,))",
                    "NotImplemented",
                    "[1]",
                    "True",
                    "iter(())",
                    f"then(1, lambda: {victim}.clear())",
                    "then(2, gc.collect)",
                    f"then(True, lambda: {victim}.clear())",
                    "then(0, ac.trim_memory)",
                    f"then(np.ones(1), {victim}.clear)",
                )
            )
            methods[name] = answer
        return f"hostile({base}, {', '.join(f'{k}={v}' for k, v in methods.items())})"

    def anything(self, victim: str = "[]") -> str:
        return self.pick(
            (
                self.tensor,
                self.tensor,
                self.array,
                self.attribute,
                self.oddity,
                lambda: self.misbehaving(victim),
                lambda: f"[{', '.join(self.tensor() for _ in range(self.below(4)))}]",
                lambda: f"({''.join(self.tensor() + ', ' for _ in range(self.below(3)))})",
                lambda: f"{{'a': {self.tensor()}, 'b': [{self.oddity()}]}}",
            )
        )()

    def arguments(self, most: int = 4) -> str:
        return ", ".join(self.anything() for _ in range(self.below(most + 1)))


def is_large(text: str) -> bool:
    """Whether an attribute names a number that would take long to count to."""
    digits = "".join(c if c.isdigit() or c == "*" else " " for c in text).split()
    return any("**" in d or len(d) > 6 for d in digits)
