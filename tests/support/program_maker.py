"""Writes random programs over the whole op set, see ``random_programs.py``."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

import alice_core as ac
from program_ops import ELEMENTWISE, TEMPLATES
from random_programs import NAME, Block, Program, Step, data, leaf_text

__all__ = ["Maker", "random_program"]

T = TypeVar("T")
#: What a call with unfit arguments may raise; the maker then tries another.
REFUSED = (ac.AliceError, ValueError, TypeError, IndexError, OverflowError)
#: Products twice more: they are what programs are made of.
NAMES = (*TEMPLATES, *("matmul", "linear", "losses.cross_entropy", "Tensor.__getitem__") * 2)
LAYOUTS = ("plain",) * 6 + ("transposed", "strided", "reversed", "broadcast")


class _Retry(Exception):
    pass


class Maker:
    """A program in the making, with the values that everything in it has at the first call.

    Parameters
    ----------
    below : callable
        ``below(n)`` is the next choice, from 0 to n - 1; all that is random comes from it.
    scale : int
        0 for small arrays; 1 for those of some thousand elements, which fused loops cut in tiles; 2 for those of some
        10^5, which kernels cut in chunks.
    """

    def __init__(self, below: Callable[[int], int], scale: int = 0) -> None:
        self.below = below
        self.scale = scale
        self.large = scale == 2
        self.limit = (600, 30_000, 400_000)[scale]
        self.program = Program()
        self.steps = self.program.steps
        self.values: dict[str, Any] = {"ac": ac, "np": np, "data": data, "jit": lambda f: f}
        self.scope: list[str] = []  # arrays that may be operands, the oldest first
        self.refused: list[str] = []
        sizes = ((2, 3, 4, 5, 7, 8, 16, 19, 33), (5, 16, 31, 65, 100, 257, 1029), (61, 128, 257, 300, 512))
        self.dims = [self.pick(sizes[scale]) for _ in range(3)]
        self.trains = self.chance(0.5)
        self.focus: str | None = None  # the operand that the next ops should use
        self.depth = 0  # of nested functions
        self._count = 0

    # -- choices -------------------------------------------------------------------------------------------------------

    def chance(self, p: float) -> bool:
        return self.below(1000) < 1000 * p

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def subset(self, options: Iterable[T]) -> list[T]:
        return [x for x in options if self.chance(0.5)]

    def shuffled(self, options: Iterable[T]) -> list[T]:
        left = list(options)
        return [left.pop(self.below(len(left))) for _ in range(len(left))]

    def factors(self, n: int) -> list[int]:
        """A random shape of n elements."""
        if n == 0:
            return [0] + [self.pick((1, 2, 3)) for _ in range(self.below(3))]
        found = []
        while n > 1 and len(found) < 4:
            divisors = [d for d in range(2, min(n, 60) + 1) if n % d == 0] or [n]
            found.append(self.pick(divisors))
            n //= found[-1]
        found += [n] * (n > 1) + [1] * self.chance(0.15)
        return self.shuffled(found)

    # -- what is known of operands -------------------------------------------------------------------------------------

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.values[name].shape) if name in self.values else ()

    def size(self, name: str) -> int:
        return int(self.values[name].size)

    def dtype(self, name: str) -> Any:
        return self.values[name].dtype

    def is_array(self, name: str) -> bool:
        return name in self.values and name[0] != "k"

    def is_tensor(self, name: str) -> bool:
        return isinstance(self.values.get(name), ac.Tensor)

    def is_numpy(self, *names: str) -> bool:
        return any(name[0] == "n" for name in names)

    # -- operands ------------------------------------------------------------------------------------------------------

    def operand(self, kinds: str, where: Callable[[Any], bool] | None = None, tensor: bool = False) -> str:
        """An array whose dtype is of one of the kinds ("f", "i", "u", "b"); recent results are likelier."""
        if not self.chance(0.06):
            x = self.focus
            if x and self.dtype(x).kind in kinds and (where is None or where(self.values[x])) and self.chance(0.9):
                return x
            fit = [n for n in reversed(self.scope) if self.values[n].dtype.kind in kinds]
            fit = [n for n in fit if (not tensor or n[0] != "n") and (where is None or where(self.values[n]))]
            if fit:
                return fit[0] if self.chance(0.45) else fit[self.below(len(fit))]
        for _ in range(8):
            shape = self.new_shape()
            if where is None or where(np.broadcast_to(0, shape)):
                return self.leaf(shape, self.new_dtype(kinds), tensor=tensor)
        raise _Retry

    def other(self, x: str, kinds: str) -> str:
        """A second operand, whose shape broadcasts against x."""
        shape = self.shape(x)
        if not self.chance(0.2):
            fit = [
                n
                for n in reversed(self.scope)
                if self.dtype(n).kind in kinds and self._broadcasts(shape, self.shape(n))
            ]
            if fit:
                return fit[min(self.below(len(fit)), self.below(len(fit)))]
        against = [1 if self.chance(0.25) else self.pick((n, n, 3)) if n == 1 else n for n in shape]
        if self.chance(0.3):
            against = against[self.below(len(against) + 1) :]
        return self.leaf(tuple(against), self.new_dtype(kinds))

    def _broadcasts(self, a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        try:
            return int(np.prod(np.broadcast_shapes(a, b))) <= self.limit
        except ValueError:
            return False

    def pair(self, kinds: str) -> tuple[str, str]:
        """Two operands that broadcast, at least one of them an array."""
        x = self.operand(kinds)
        how = self.below(20)
        if how < 3:  # a number that does not fit uint8 raises, but only where somebody needs the result
            y = "2" if self.dtype(x).kind == "u" else self.number()
        else:
            y = x if how == 3 else self.other(x, kinds)
        return (x, y) if self.chance(0.5) else (y, x)

    def twin(self, x: str, exactly: bool = False) -> str:
        """Something of the shape of x, and of the kind or the very dtype."""
        shape, dtype = self.shape(x), self.dtype(x)
        fit = [n for n in self.scope if self.shape(n) == shape and self.dtype(n).kind == dtype.kind]
        fit = [n for n in fit if not exactly or self.dtype(n) == dtype]
        return self.pick(fit) if fit and not self.chance(0.3) else self.leaf(shape, str(dtype))

    def beside(self, x: str, axis: int) -> str:
        """What can be joined to x along the axis."""
        shape = list(self.shape(x))
        if self.chance(0.4):
            return self.twin(x, exactly=True)
        shape[axis] = self.pick((0, 1, 2, 3))
        return self.leaf(tuple(shape), str(self.dtype(x)))

    def factor(self, x: str) -> str:
        """The second factor of a matrix product."""
        *batch, k = self.shape(x)
        kind = self.dtype(x).kind
        fit = [n for n in self.scope if self.dtype(n).kind == kind and self.shape(n)]
        fit = [n for n in fit if self.shape(n)[max(len(self.shape(n)) - 2, 0)] == k and len(self.shape(n)) <= 2]
        if fit and self.chance(0.6):
            return self.pick(fit)
        columns = self.pick((*self.dims, 1, 10))
        shape: tuple[int, ...] = self.pick(((k, columns), (k, columns), (k,)))
        if len(batch) > 1 and self.chance(0.5):
            shape = (*(1 if self.chance(0.3) else n for n in batch[:-1]), k, columns)
        return self.leaf(shape, str(self.dtype(x)))

    def index(self, n: int, shape: tuple[int, ...]) -> str:
        """Valid indices into an axis of n elements: numbers, an array, an argument, or something computed."""
        if not shape and self.chance(0.6):
            return str(self.below(2 * n) - n if self.chance(0.3) else self.below(n))
        if len(shape) == 1 and 0 < shape[0] < 9 and self.chance(0.25):
            return f"np.array({[self.below(n) for _ in range(shape[0])]})"
        fit = [x for x in self.scope if self.shape(x) == shape and self.dtype(x).kind == "i"]
        if fit and self.chance(0.4):
            return f"ac.remainder({self.pick(fit)}, {n})"
        return self.leaf(shape, self.pick(("int64", "int32", "uint8" if n < 200 else "int64")), bounds=(0, n))

    def number(self) -> str:
        """A literal, or an argument that is a number, perhaps after some arithmetic of Python's own."""
        if self.chance(0.35):
            return self.pick(("2", "0.5", "3", "0.1", "1.5", "1e-3", "-1.25", "-2"))
        names = [n for n in self.values if n[0] == "k"]
        if not names or self.chance(0.3):
            name = self._name("k")
            form = self.pick(("{}", "{}", "{}", "np.float32({})", "np.float64({})", "int({})", "np.int64({})"))
            texts = [form.format(self.pick((0.1, 0.3, 1.7, 2.9, 1.0 / 3.0, 3.0, 2.5))) for _ in "ab"]
            if "int" in form:
                texts = [form.format(1 + self.below(4)).replace("int(", "(") for _ in "ab"]
                texts = [t.replace("np.(", "np.int64(") for t in texts]
            self.program.arguments[name] = texts
            self.values[name] = eval(texts[0], {"np": np})
        else:
            name = self.pick(names)
        if type(self.values[name]) in (int, float) and self.chance(0.4):
            return self.pick((f"({name} * 2)", f"(1 - {name})", f"({name} / 3)", f"{name} ** 2", f"({name} + {name})"))
        return name

    def generator(self) -> str:
        """A generator of random numbers."""
        made = [n for n in self.program.captured if n[0] == "g"]
        if made and self.chance(0.7):
            return self.pick(made)
        name = self._name("g")
        self.program.captured[name] = f"ac.random.Generator({self.below(100)})"
        self.values[name] = eval(self.program.captured[name], self.values)
        return name

    def new_shape(self) -> tuple[int, ...]:
        if self.large:
            a, b = self.dims[:2]
            return self.pick(((100_003,), (a, b), (b, a), (b,), (7, 65, 130), (a, 1), ()))
        rank = self.pick((0, 1, 1, 2, 2, 2, 3, 3, 4))
        shape = tuple(self.pick((*self.dims, *self.dims, 1)) for _ in range(rank))
        if self.chance(0.05) and rank:
            at = self.below(rank)
            shape = (*shape[:at], 0, *shape[at + 1 :])
        return shape if np.prod(shape) <= self.limit else shape[:1]

    def new_dtype(self, kinds: str) -> str:
        kind = self.pick(kinds)
        if kind == "f":
            return "float64" if self.chance(0.25) else "float32"
        return {"i": self.pick(("int64", "int64", "int32")), "u": "uint8", "b": "bool"}[kind]

    def _name(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def leaf(
        self, shape: tuple[int, ...], dtype: str, tensor: bool = False, bounds: tuple[int, int] | None = None
    ) -> str:
        """A new array that the program does not compute: an argument, a parameter, state, or a constant."""
        if np.prod(shape) > self.limit:
            raise _Retry
        role = self.pick("xxxxxxcsn" + ("ppppp" if self.trains and dtype[0] == "f" else ""))
        if (role == "n" and tensor) or (role in "sp" and bounds):
            role = "x"  # indices must stay what they are
        name = self._name(role)
        limits = f", {bounds[0]}, {bounds[1]}" if bounds else ""

        def text() -> str:
            # What changes in place must be contiguous.
            layout = self.pick(LAYOUTS if role in "xn" else LAYOUTS[:-1]) if role in "xnc" else "plain"
            return leaf_text(self.below(1 << 16), shape, dtype, layout, role == "n", limits)

        if role in "xn":
            texts = [text(), text()]
            same = [n for n in self.program.arguments if n[0] == role and self.program.shapes.get(n) == (shape, dtype)]
            if same and not bounds and self.chance(0.15):
                texts = [self.pick(same)] * 2  # the same array twice
            self.program.arguments[name] = texts
            where = self.below(6)
            if where == 0:
                self.program.packed.append(name)
            elif where == 1:
                self.program.keywords.append(name)
        else:
            texts = [text()]
            views = [n for n in self.program.captured if n[0] == "s" and self.program.shapes[n] == (shape[::-1], dtype)]
            if role == "s" and views and len(shape) > 1 and self.chance(0.15):
                texts = [f"{self.pick(views)}.T"]  # two captured Tensors on one memory
            self.program.captured[name] = texts[0] + (".requires_grad_()" if role == "p" else "")
            texts = [self.program.captured[name]]
        self.values[name] = eval(texts[0], self.values)
        self.program.shapes[name] = (shape, dtype)
        self.scope.append(name)
        return name

    # -- steps ---------------------------------------------------------------------------------------------------------

    def add(self, expression: str) -> list[str]:
        """Evaluate an expression and let the program compute it; the names of the results."""
        if self.scale and not re.search(r"\b[bh]\d|\.grad", expression):  # nothing new, or guarded before
            self._guard(expression)
        value = eval(expression, self.values)
        several = isinstance(value, (list, tuple))
        results = list(value) if several else [value]
        for y in results:
            if not isinstance(y, ac.Tensor) or y.size > self.limit or y.ndim > 6:
                raise _Retry
            lost = y.dtype.kind == "f" and y.size and np.isfinite(y.detach().numpy()).mean() < 0.5
            if lost and not self.chance(0.1):
                raise _Retry  # a program full of NaN shows little
        if self.depth and not any(y.is_tracked for y in results) and self.chance(0.7):
            raise _Retry
        if not results:
            raise _Retry
        names = [self._name("v") for _ in results[:3]]
        left = ", ".join(names) + (", *_" if len(results) > 3 else "," if several and len(results) == 1 else "")
        text = f"{left} = {expression}"
        if not several and self.chance(0.02):
            text = f"with ac.no_grad():\n    {text}"
            results = [results[0].detach()]
        self.steps.append(Step(text, names))
        for name, y in zip(names, results, strict=False):
            self._define(name, y)
        return names

    def _define(self, name: str, value: Any) -> None:
        self.values[name] = value
        self.program.shapes[name] = (value.shape, str(value.dtype))
        self.scope.append(name)

    def _guard(self, expression: str) -> None:
        """Before something huge is computed: learn its size without data."""
        hollow = dict(self.values)
        for name in NAME.findall(expression):
            if isinstance(self.values.get(name), (ac.Tensor, np.ndarray)):
                hollow[name] = ac.abstract(self.shape(name), self.dtype(name))
        result = eval(expression, hollow)
        for y in result if isinstance(result, (list, tuple)) else [result]:
            if y.size > self.limit:
                raise _Retry

    def effect(self, text: str) -> None:
        exec(text, self.values)
        self.steps.append(Step(text))
        self.scope = [n for n in self.scope if not self._is_stale(self.values[n])]

    @staticmethod
    def _is_stale(x: Any) -> bool:
        """Is it a view of a Tensor that was changed since?"""
        try:
            x.detach() if isinstance(x, ac.Tensor) else x
        except ValueError:
            return True
        return False

    def op(self) -> None:
        self.add(TEMPLATES[self.pick(NAMES)](self))

    def chain(self) -> None:
        """Elementwise ops one upon the other, and perhaps a reduction at their end: what fuses."""
        try:
            for _ in range(2 + self.below(6)):
                self.focus = self.add(TEMPLATES[self.pick(ELEMENTWISE)](self))[0]
            if self.chance(0.4):
                self.add(TEMPLATES[self.pick(("sum", "mean", "max", "norm", "softmax", "logsumexp"))](self))
        finally:
            self.focus = None

    def again(self) -> None:
        """The same expression a second time, perhaps with other state."""
        fit = [s for s in self.steps if s.block is None and len(s.targets) == 1 and s.text.startswith("v")]
        if not fit:
            raise _Retry
        self.add(self.pick(fit).text.split(" = ", 1)[1])

    def assign(self) -> None:
        targets = [n for n in self.scope if n[0] in "sp"]
        name = self.pick(targets) if targets else self.leaf(self.new_shape(), self.new_dtype("f"), tensor=True)
        if name[0] not in "sp":
            raise _Retry
        shape, kinds = self.shape(name), "f" if self.dtype(name).kind == "f" else "iub"
        fit = [n for n in self.scope if self.dtype(n).kind in kinds and n != name]
        fit = [n for n in fit if self._broadcasts(self.shape(n), shape) and not self.is_numpy(n)]
        fit = [n for n in fit if np.broadcast_shapes(self.shape(n), shape) == shape]
        values = [f"{name} * 0.5", f"1 - {name}", "0.5", f"ac.flip({name})"] + [f"{name}.T"] * (shape == shape[::-1])
        if fit and self.chance(0.8):
            values = [*fit, *(f"0.75 * {name} + 0.25 * {x}" for x in fit)]
        self.effect(f"{name}.assign_({self.pick(values)})")

    def backward(self) -> None:
        fit = [n for n in self.scope if self.is_tensor(n) and self.values[n].is_tracked and n[0] == "v"]
        if not fit:
            raise _Retry
        loss = self.pick(fit)
        if self.below(4) == 0:
            self.effect(f"{loss}.backward(ac.ones_like({loss}))")
        elif self.below(3) == 0 and len(fit) > 1:
            self.effect(f"(ac.mean({loss}) + ac.sum({self.pick(fit)})).backward()")
        else:
            self.effect(f"ac.sum({loss}).backward({self.pick(('', 'retain_graph=True'))})")

    def after_backward(self) -> None:
        learned = [n for n in self.scope if n[0] == "p" and self.values[n].grad is not None]
        if not learned:
            raise _Retry
        p = self.pick(learned)
        how = self.below(4)
        if how == 0:
            self.effect(f"{p}.assign_({p} - 0.1 * {p}.grad)")
        elif how == 1:
            self.effect(f"{p}.grad = {self.pick(('None', f'{p}.grad * 0.5'))}")
        else:
            self.add(f"{p}.grad" if how == 2 else f"ac.norm({p}.grad)")

    def optimise(self) -> None:
        made = [n for n in self.program.captured if n[0] == "o"]
        params = [n for n in self.scope if n[0] == "p"]
        if not made:
            if not params:
                raise _Retry
            name = self._name("o")
            rest = self.pick(("", ", momentum=0.9", ", momentum=0.9, nesterov=True", ", weight_decay=0.01"))
            self.program.captured[name] = f"ac.optim.SGD([{', '.join(params)}], 0.05{rest})"
            self.values[name] = eval(self.program.captured[name], self.values)
            made = [name]
        self.effect(f"{self.pick(made)}.{self.pick(('step', 'step', 'step', 'zero_grad'))}()")

    def nested(self) -> None:
        """A function in the function: differentiated, or compiled on its own."""
        operands = [self.operand("f", tensor=True) for _ in range(self.pick((1, 1, 2)))]
        name, params = self._name("h"), [self._name("a") for _ in operands]
        outer, scope = self.steps, list(self.scope)
        block = Block([])
        self.steps = block.steps
        self.depth += 1
        try:
            for p, x in zip(params, operands, strict=True):
                self._define(p, ac.stop_gradient(self.values[x]).requires_grad_())
            self.fill(1 + self.below(6), effects=False)
            inner = [n for n in self.scope if n not in scope and n[0] in "va" and self.values[n].is_tracked]
        finally:
            self.depth -= 1
            self.steps, self.scope = outer, [*scope, *(n for n in self.scope if n[0] in "xcspn" and n not in scope)]
        y = inner[-1] if self.chance(0.8) else self.pick(inner)
        scalar = y if self.shape(y) == () else f"ac.{self.pick(('sum', 'mean'))}({y})"
        form = self.below(5)
        aux = form == 2 and self.chance(0.5)
        block.result = (f"{scalar}, {self.pick(inner)}" if aux else scalar) if form < 3 else y
        define = Step(f"def {name}({', '.join(params)}):", [name], block)
        exec("\n".join(define.lines()), self.values)
        self.steps.append(define)
        try:
            options = ", argnums=(0, 1)" if len(params) > 1 and self.chance(0.6) else ""
            call = f"({', '.join(operands)})"
            if form < 2:
                self.add(f"ac.grad({name}{options}){call}")
            elif form == 2:
                value = f"ac.value_and_grad({name}{options}{', has_aux=True' if aux else ''}){call}"
                self.add(f"list(ac.tree.leaves({value}))")
            elif form == 3:
                self.add(f"jit({name}){call}")
            else:
                back = self._name("b")
                v = self._name("v")
                text = f"{v}, {back} = ac.vjp({name}, {', '.join(operands)})"
                exec(text, self.values)
                self.steps.append(Step(text, [v, back]))
                self._define(v, self.values[v])
                self.add(f"{back}(ac.ones_like({v}))")
        except (*REFUSED, _Retry):
            if self.steps[-1] is define:
                self.steps.pop()
            raise

    def fill(self, count: int, effects: bool = True) -> None:
        """Add about ``count`` steps; inside of a nested function without those that need the whole program."""
        tries = 0
        wanted = len(self.steps) + count
        while len(self.steps) < wanted and tries < 4 * count + 20:
            tries += 1
            how = self.below(100)
            if how < 6:
                act = self.assign if effects or how == 0 else self.op
            elif how < 17:
                act = self.nested if self.depth < 2 else self.chain
            elif how < 24:
                act = self.chain
            elif how < 27:
                act = self.again
            elif how < 40 and self.trains and effects:
                act = self.pick((self.backward, self.backward, self.after_backward, self.optimise))
            else:
                act = self.op
            try:
                act()
            except _Retry:
                pass
            except REFUSED as error:
                self.refused.append(f"{type(error).__name__}: {error}")

    def finish(self) -> Program:
        if self.trains and self.chance(0.8):
            with contextlib.suppress(_Retry, *REFUSED):
                self.backward()
        made = [n for n in self.scope if n[0] == "v"] or [self.operand("f", tensor=True)]
        outputs = [made[-1]]
        for _ in range(self.below(5)):
            outputs.append(self.pick(self.scope if self.chance(0.15) else made))
        self.program.outputs = [n for n in outputs if n[0] != "n"] or [made[-1]]
        self.program.form = self.below(3)
        return self.program


def random_program(below: Callable[[int], int]) -> Program:
    """A program of some 3 to 25 steps; every choice comes from ``below(n)``, a number from 0 to n - 1."""
    maker = Maker(below, scale=((0,) * 26 + (1,) * 3 + (2,))[below(30)])
    maker.fill(2 + below(6 if maker.large else 22))
    return maker.finish()
