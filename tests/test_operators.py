"""What may stand beside a Tensor: lists and tuples may not. Python would repeat or join them, or compare identities."""

from __future__ import annotations

from typing import Any

import pytest

import alice_core as ac

BINARY = {
    "add": "a + b",
    "subtract": "a - b",
    "multiply": "a * b",
    "divide": "a / b",
    "floor_divide": "a // b",
    "remainder": "a % b",
    "pow": "a ** b",
    "matmul": "a @ b",
    "equal": "a == b",
    "not_equal": "a != b",
    "less|greater": "a < b",
    "less_equal|greater_equal": "a <= b",
    "greater|less": "a > b",
    "greater_equal|less_equal": "a >= b",
    "logical_and": "a & b",
    "logical_or": "a | b",
    "logical_xor": "a ^ b",
}


class Pair(tuple):
    def __eq__(self, other: object) -> Any:
        return "mine"

    def __rmul__(self, other: object) -> Any:
        return "mine"

    __hash__ = tuple.__hash__


@pytest.mark.parametrize(
    "x", [ac.tensor(2), ac.tensor([1.0, 2.0]), ac.tensor([True, False])], ids=["0-d", "1-d", "bool"]
)
@pytest.mark.parametrize("op", BINARY)
def test_operators_refuse_lists_and_tuples(op: str, x: ac.Tensor) -> None:
    for other in ([1, 2], (1, 2), [], [x]):
        message = (
            rf"^({op}): expected a Tensor, a NumPy array or a number .*; got {type(other).__name__}; make it a Tensor"
        )
        for a, b in ((x, other), (other, x)):
            with pytest.raises(ac.DTypeError, match=message):
                eval(BINARY[op], {"a": a, "b": b})


def test_a_tensor_is_no_count() -> None:
    for sequence in ("ab", b"ab", bytearray(b"ab")):
        with pytest.raises(ac.DTypeError, match=r"multiply: .*a Tensor is no count, use int\(x\)"):
            sequence * ac.tensor(2)
    joined = [1]
    with pytest.raises(ac.DTypeError, match="add: expected a Tensor"):
        joined += ac.tensor([2])


def test_other_types_are_asked() -> None:
    x, pair = ac.tensor([1.0, 2.0]), Pair((1, 2))
    assert (x == pair) == "mine"
    assert x * pair == "mine"
    assert (x == None) is False  # noqa: E711
    assert (x != "a") is True
