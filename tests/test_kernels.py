"""The table of kernels: what each declares is what it takes, whoever calls it and with whatever."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import _core

SOURCES = pathlib.Path(__file__).parent.parent / "csrc"
#: Where kernels are entered into tables by their names: operators are bound to primitives, rows to each other.
TABLES = {"bindings/primitive.cpp", "ops/elementwise.cpp"}
KERNELS = _core.kernels()
CALLABLE = [name for name in KERNELS if _core.kernel_signature(name)["n_out"] > 0]
#: An object of each kind that an attribute may be.
OBJECTS: dict[str, tuple[Any, ...]] = {
    "none": (None,),
    "integer": (1, np.int64(1), np.uint8(1)),
    "real": (0.5, np.float64(0.5), np.float32(0.5)),
    "flag": (True, np.bool_(True)),
    "dims": ((), (1,), [0, 1]),
    "dtype": (ac.float32, ac.int64),
}
NOTHING = ("axis", {"axis": 1}, object(), b"1", 1j, (0.5,), (None,), (True,), ((1,),), np.zeros(3))


def signature(name: str) -> dict[str, Any]:
    return _core.kernel_signature(name)


def primitive(name: str) -> Any:
    return ac.primitives().get(name) or _core.PrimitiveBase(name)


def operands(name: str, shape: tuple[int, ...] = (2, 2), dtype: Any = ac.float32) -> list[Any]:
    n = signature(name)["n_in"]
    return [_core.abstract(list(shape), dtype) for _ in range(n if n > 0 else 2)]


def takes(kinds: list[str], kind: str) -> bool:
    return kind in kinds or (kind == "integer" and "real" in kinds)


def describe(kinds: list[str]) -> str:
    """As messages put it."""
    number = "a number" if "real" in kinds else "an int"
    words = {"dtype": "a dtype such as ac.float32", "integer": number, "real": number, "dims": "a tuple of ints"}
    words |= {"flag": "True or False", "none": "None"}
    parts = list(dict.fromkeys(words[k] for k in words if k in kinds))
    return " or ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def good(kinds: list[str]) -> Any:
    return OBJECTS[kinds[0]][0]


def attributes() -> Iterator[tuple[str, int, str, list[str]]]:
    for name in CALLABLE:
        for i, (attribute, kinds) in enumerate(signature(name)["attributes"]):
            yield name, i, attribute, kinds


def test_no_kernel_is_known_by_its_name() -> None:
    names = "|".join(KERNELS)
    asked = re.compile(rf'strcmp|name\w*(\(\))?\s*(==|!=)\s*"|find\("({names})"\)|"({names})"\s*(==|!=)')
    found = [
        f"{path.relative_to(SOURCES)}: {line.strip()}"
        for path in SOURCES.rglob("*.[ch]*")
        if str(path.relative_to(SOURCES)) not in TABLES
        for line in path.read_text().splitlines()
        if asked.search(line)
    ]
    assert found == []
    for table in TABLES:
        assert "strcmp" not in (SOURCES / table).read_text()


def test_kernels_are_registered_with_designated_initialisers() -> None:
    bare = re.compile(r"\badd\(\{\s*\"|\bKernel\s*\w*\{\s*\"")
    assert [p.name for p in SOURCES.rglob("*.cpp") if bare.search(p.read_text())] == []


@pytest.mark.parametrize(("name", "i", "attribute", "kinds"), list(attributes()))
def test_attributes_of_a_wrong_kind_are_refused(name: str, i: int, attribute: str, kinds: list[str]) -> None:
    attrs = [good(k) for _, k in signature(name)["attributes"]]
    wrong = [o for kind, objects in OBJECTS.items() if not takes(kinds, kind) for o in objects]
    for value in [*wrong, *NOTHING]:
        attrs[i] = value
        with pytest.raises((ac.DTypeError, ValueError), match=rf"^{name}: {attribute} must be {describe(kinds)}; got "):
            primitive(name)(*operands(name), *attrs)


@pytest.mark.parametrize(("name", "i", "attribute", "kinds"), list(attributes()))
def test_attributes_of_every_declared_kind_are_taken(name: str, i: int, attribute: str, kinds: list[str]) -> None:
    attrs = [good(k) for _, k in signature(name)["attributes"]]
    for kind, objects in OBJECTS.items():
        if not takes(kinds, kind):
            continue
        for value in objects:
            attrs[i] = value
            message = ""
            try:
                primitive(name)(*operands(name), *attrs)
            except (ac.AliceError, ValueError, IndexError) as error:
                message = str(error)  # the shape rule may refuse the value, not the kind
            assert f"{attribute} must be {describe(kinds)}" not in message


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**400])
def test_integers_that_do_not_fit_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match="take: axis must fit 64 bits; got"):
        primitive("take")(ac.ones((2,)), ac.asarray(np.array([0])), value)
    with pytest.raises(ValueError, match="reshape: shape must fit 64 bits; got"):
        primitive("reshape")(ac.ones((2,)), (value,))


def test_entries_that_change_their_list_do_no_harm() -> None:
    class Shrinks:
        def __init__(self, of: list[Any]) -> None:
            self.of = of

        def __index__(self) -> int:
            self.of.clear()
            return 2

    shape: list[Any] = []
    shape.extend([Shrinks(shape), 7, 8, 9])
    assert primitive("reshape")(ac.ones((2,)), shape).shape == (2,)


def test_a_compiled_function_checks_attributes_alike() -> None:
    f = ac.compile(lambda x: primitive("sum")(x, 0.5, False))
    with pytest.raises(ac.DTypeError, match=r"sum: axis must be an int, a tuple of ints or None; got 0\.5"):
        f(ac.ones((2,)))


@pytest.mark.parametrize(
    ("kernel", "inputs", "attrs", "outputs", "message"),
    [
        ("copy", 2, (), 1, "copy: takes 1 arrays and 0 attributes and gives 1 results; got 2, 0 and 1"),
        ("copy", 1, (), 0, "copy: takes 1 arrays and 0 attributes and gives 1 results; got 1, 0 and 0"),
        ("copy", 0, (), 1, "copy: takes 1 arrays and 0 attributes and gives 1 results; got 0, 0 and 1"),
        ("copy", 1, (1,), 1, "copy: expected 0 attributes; got 1"),
        ("sgd", 0, (1, False), 1, "sgd: takes any number of arrays"),
        ("identity", 1, (), 1, "update: identity looks at its operand"),
        ("sum_to", 1, ((2,),), 1, "update: sum_to looks at its operand"),
    ],
)
def test_updates_check_how_many_arrays_there_are(
    kernel: str, inputs: int, attrs: tuple[Any, ...], outputs: int, message: str
) -> None:
    tensors = [ac.ones((2,)) for _ in range(inputs)]
    with pytest.raises(ValueError, match=re.escape(message)):
        _core.update(kernel, tensors, attrs, [ac.ones((2,)) for _ in range(outputs)])


# ---- sizes ----------------------------------------------------------------------------------------------------------

EXTENTS = (0, 1, 2, 3, 2**31, 2**32 + 1, 2**58, 2**59 - 1, 2**61, 2**62)


def huge(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(EXTENTS[i]) for i in rng.integers(len(EXTENTS), size=rng.integers(5)))


def abstract(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    dtypes = (ac.bool, ac.uint8, ac.int32, ac.int64, ac.float32, ac.float64)
    while True:
        try:
            return _core.abstract(list(shape), dtypes[rng.integers(len(dtypes))])
        except ac.ShapeError:
            shape = huge(rng)


def any_attribute(rng: np.random.Generator, kinds: list[str]) -> Any:
    kind = kinds[rng.integers(len(kinds))]
    numbers = (0, 1, 2, -1, 3, 2**31, 2**59, 2**62, 2**63 - 1, -(2**63), -(2**62))
    if kind == "integer":
        return int(numbers[rng.integers(len(numbers))]) if rng.random() < 0.5 else int(rng.integers(-2, 3))
    if kind == "dims":
        if rng.random() < 0.5:
            return tuple(int(v) for v in rng.integers(-2, 4, size=rng.integers(5)))
        return tuple(int(numbers[i]) for i in rng.integers(len(numbers), size=rng.integers(5)))
    objects = OBJECTS[kind]
    return objects[rng.integers(len(objects))]


@pytest.mark.parametrize("name", CALLABLE)
def test_huge_shapes_give_a_checked_result_or_an_error(name: str) -> None:
    rng = np.random.default_rng(sum(map(ord, name)))
    declared = signature(name)
    for _ in range(300):
        n = declared["n_in"] if declared["n_in"] > 0 else int(rng.integers(1, 4))
        shape = huge(rng)
        inputs = [abstract(rng, shape if rng.random() < 0.7 else huge(rng)) for _ in range(n)]
        attrs = [any_attribute(rng, kinds) for _, kinds in declared["attributes"]]
        try:
            results = primitive(name)(*inputs, *attrs)
        except (ac.AliceError, ValueError, IndexError):
            continue
        for y in results if isinstance(results, tuple) else (results,):
            items = 1
            for d in y.shape:
                assert d >= 0
                items *= max(d, 1)
            assert items * 8 < 2**63


@pytest.mark.parametrize("run", [lambda f: f, ac.compile], ids=["eager", "compiled"])
def test_products_of_empty_operands_may_be_too_large(run: Callable[..., Any]) -> None:
    a, b = ac.zeros((2**31, 0)), ac.zeros((0, 2**31))
    message = r"matmul: the result has too many elements to address; got shape \(2147483648, 2147483648\)"
    with pytest.raises(ac.ShapeError, match=message):
        run(lambda a, b: a @ b)(a, b)
