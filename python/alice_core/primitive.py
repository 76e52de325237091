"""Primitives: functions whose Jacobian products we know.

A primitive is a native kernel together with its derivative rules. Calling it runs the kernel and, where somebody
differentiates or records, appends an equation to the trace; see ``csrc/bindings/primitive.cpp`` for that path. The
rules are plain Python in terms of other primitives, so their results can be differentiated again.

Source: notes, section 6.1 (primitives, evaluation trace) and 6.4 (VJPs).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from . import _core
from .tensors import Tensor

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Primitive", "primitives", "update"]

#: ``rule(g, ans, *inputs, *attributes)``: the cotangent of one input, or the tangent of the result (see ``defjvp``).
Rule = Callable[..., Any]

_registry: dict[str, Primitive] = {}


def primitives() -> dict[str, Primitive]:
    """All primitives by name, a copy."""
    return dict(_registry)


def update(name: str, inputs: Sequence[Tensor], attributes: Sequence[Any], outputs: Sequence[Tensor]) -> None:
    """Run a kernel that writes its results over parameters: the step of an optimiser.

    Compiled functions repeat it at every call; nothing is differentiated through it, and what read the old elements
    for a gradient raises from then on, as after :meth:`Tensor.assign_`.

    Parameters
    ----------
    name : str
        Name of the kernel: that of a primitive, or one that only updates, as ``"sgd"`` of ``ac.optim.SGD``.
    inputs : sequence of Tensor
        What it reads; ``outputs`` may be among them.
    attributes : sequence
        The other arguments of the kernel.
    outputs : sequence of Tensor
        One for each result, of its shape and dtype: contiguous leaves with memory of their own.

    Raises
    ------
    ValueError
        If there is no such kernel, or a Tensor cannot be changed in place.
    ShapeError
        If a result has another shape or dtype than what it is to be written over.
    TraceError
        If a Tensor is an argument or a result of a function that is being traced.

    Examples
    --------
    >>> import alice_core as ac
    >>> p = ac.nn.Parameter([3.0, -1.0])
    >>> ac.sum(p * p).backward()
    >>> ac.update("subtract", [p, 0.25 * ac.sign(p.grad)], (), [p])
    >>> p
    Tensor([ 2.75, -0.75], dtype=float32, requires_grad=True)
    """
    _core.update(name, inputs, attributes, outputs)


class Primitive(_core.PrimitiveBase):
    """A native kernel with its derivative rules.

    Parameters
    ----------
    name : str
        Name of the kernel.
    saves : sequence of int and ``"ans"``, optional
        The inputs, by index, and the result whose *data* the gradient rules read. Only these are kept alive by the
        trace; rules see the others as abstract Tensors (shape and dtype). Default: everything.
    differentiable : bool
        False for ops with integer or boolean results: what they return is never tracked.
    """

    batch_rule: Rule | None
    basis_rule: Rule | None
    #: Of a joint (``transforms/custom.py``), which has no kernel: what runs it again, as a batch rule does.
    rerun_rule: Rule | None = None

    def __new__(cls, name: str, *, saves: Sequence[int | str] | None = None, differentiable: bool = True) -> Self:
        self = super().__new__(cls, name)
        inputs = (1 << 64) - 1 if saves is None else sum(1 << i for i in saves if isinstance(i, int))
        self._set_saves(inputs, saves is None or "ans" in saves, differentiable)
        self.batch_rule = self.basis_rule = None
        _registry[name] = self
        return self

    def defvjp(self, *rules: Rule | None) -> None:
        """Set one rule per input: ``rule(g, ans, *inputs, *attributes)`` returns the cotangent of that input.

        None stands for a derivative that is zero wherever it exists.
        """
        if self.n_inputs >= 0 and len(rules) != self.n_inputs:
            raise ValueError(f"{self.name}: expected {self.n_inputs} VJP rules, one per input; got {len(rules)}")
        self.vjp_rules = rules

    def defvjp_all(self, rule: Rule) -> None:
        """Set one rule for all inputs: ``rule(g, ans, inputs, *attributes)`` returns a cotangent or None for each."""
        self.vjp_joint = rule

    def defjvp(self, *rules: Rule | None) -> None:
        """Set one rule per input: ``rule(t, ans, *inputs, *attributes)`` is what its tangent t adds to the result's.

        None stands for a derivative that is zero wherever it exists. The rules read the data that the VJP rules read
        (see ``saves``). Of several results, a rule returns a tuple of tangents, None for zero.
        """
        if self.n_inputs >= 0 and len(rules) != self.n_inputs:
            raise ValueError(f"{self.name}: expected {self.n_inputs} JVP rules, one per input; got {len(rules)}")
        self.jvp_rules = rules

    def defjvp_all(self, rule: Rule) -> None:
        """Set one rule for all inputs: ``rule(tangents, ans, inputs, *attributes)``, None for inputs without tangent.

        Returns the tangent of the result: a Tensor, or a tuple of them (or None) for several results.
        """
        self.jvp_joint = rule

    def defbatch(self, rule: Rule) -> None:
        """Set the rule that runs the primitive once for a whole batch: ``rule(batched, inputs, *attributes)``.

        ``batched`` says for each input whether its axis 0 is the batch, in front of the axes of one example; at least
        one has it. The batch is axis 0 of every result.
        """
        self.batch_rule = rule

    def defbasis(self, rule: Rule) -> None:
        """Set the rule for a batch that scales a basis, as Jacobians are found with: ``rule(at, inputs, *attributes)``.

        Example i of input number ``at`` is 0 but for item i; ``inputs[at]`` holds these items, in the shape of one
        example. The other inputs have no batch. Returns the result and whether it is of that form too, else with the
        batch as axis 0; or None, and the batch rule is used. Optional.
        """
        self.basis_rule = rule

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


# From here on native calls return Tensors.
_core.setup(Tensor, Primitive)
