"""Module: a function with parameters.

A module's *state* is every Tensor among its attributes, and among those of the modules, lists, tuples and dicts that
it holds. Those that require a gradient are its *parameters*. Left out is what is kept by the way:

* attributes whose names begin with an underscore, which are private;
* what a call of the module assigns to a name that held no Tensor before: its last input or output, say. A parameter
  that is made at the first call belongs to the state nevertheless;
* results of recorded ops.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

import alice_core as ac

from .. import tree
from ..checks import check_attribute, checked_choice
from ..extras import require
from ..state import checked, overwrite

if TYPE_CHECKING:
    import numpy.typing as npt

    from ..tensors import DTypeLike

__all__ = ["Module", "Parameter"]

M = TypeVar("M", bound="Module")

_PLAIN = (bool, int, float, str, type(None))  # hold no Tensors
_LAYERS = f"{__name__.rpartition('.')[0]}."


def Parameter(value: Any, dtype: DTypeLike | None = None) -> ac.Tensor:
    """A Tensor that is learned: a copy of ``value`` that requires a gradient.

    Parameters
    ----------
    value : anything that ``ac.tensor`` takes
    dtype : floating dtype, optional

    Returns
    -------
    Tensor

    Raises
    ------
    DTypeError
        If the dtype is not floating.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.Parameter([1.0, 2.0])
    Tensor([1., 2.], dtype=float32, requires_grad=True)
    """
    return ac.tensor(value, dtype).requires_grad_()


def widened(layer: str, x: Any, parameter: ac.Tensor) -> ac.DTypeError:
    """What a layer raises whose result has not its dtype: nobody wants all that follows in float64 by accident."""
    own, given = parameter.dtype.name, x.dtype.name
    return ac.DTypeError(
        f"{layer}: expected inputs of dtype {own}, that of its parameters, or of a narrower one; got {given}, in which "
        f"all that follows would be computed; convert them with x.astype(ac.{own}), or make the layer with "
        f"dtype=ac.{given}"
    )


class Module:
    """Base class of everything with parameters. Subclasses assign Tensors and modules to attributes and define
    :meth:`forward`; there is nothing to register and no ``super().__init__()`` to call.

    State is what is assigned outside of calls, in ``__init__`` above all: Tensors, those that require a gradient being
    parameters. What a call assigns to a name that held no Tensor is no state, unless it is a new parameter.

    Attributes
    ----------
    training : bool
        True while learning, False while predicting; see :meth:`train` and :meth:`eval`.
    torch_names : mapping of str to str
        Of the class: attributes whose state has another name in PyTorch's module, "" for a level that it lacks.
    torch_transposed : frozenset of str
        Of the class: attributes that PyTorch's module keeps as the transposed matrix.

    Examples
    --------
    >>> import alice_core as ac
    >>> class Scale(ac.nn.Module):
    ...     def __init__(self):
    ...         self.factor = ac.nn.Parameter(2.0)
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> model = Scale()
    >>> model(ac.tensor([1.0, 2.0])).tolist()
    [2.0, 4.0]
    >>> [name for name, _ in model.named_parameters()]
    ['factor']
    """

    _passing: frozenset[str] | set[str] = frozenset()  # attributes that hold no state

    training: bool = True

    torch_names: ClassVar[Mapping[str, str]] = {}
    torch_transposed: ClassVar[frozenset[str]] = frozenset()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; to be defined by the subclass."""
        raise NotImplementedError(f"{type(self).__name__}: define forward(self, ...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        if not isinstance(value, _PLAIN):
            given = _arguments(self)
            if given is None or _makes_parameters(value, given):
                if name in self._passing:
                    self.__dict__["_passing"] = self._passing - {name}
            elif name not in self._passing and not _tensors(self.__dict__.get(name)):
                self.__dict__.setdefault("_passing", set()).add(name)
        elif name not in self.__dict__ and not _is_read(self, name):
            own = [n for n, x in vars(self).items() if isinstance(x, _PLAIN) and not n.startswith("_")]
            check_attribute(self, name, ["training", *own])
        object.__setattr__(self, name, value)

    # -- what is inside -------------------------------------------------------------------------------------------

    def _state(self, layout: str = "own") -> dict[str, ac.Tensor]:
        """All Tensors of the state with their dotted names, in the order of their assignment."""
        state: dict[str, ac.Tensor] = {}
        for name, node in _walk(self, layout == "torch"):
            if isinstance(node, ac.Tensor) and node.is_leaf:
                if name in state:
                    raise ValueError(
                        f"{type(self).__name__}: two Tensors have the name {name}; names are joined by dots, so give "
                        f"one of the keys or attributes that lead there another name"
                    )
                state[name] = node
        return state

    def modules(self) -> Iterator[Module]:
        """The module itself and all modules inside."""
        return (node for _, node in _walk(self) if isinstance(node, Module))

    def named_parameters(self) -> Iterator[tuple[str, ac.Tensor]]:
        """The Tensors that require a gradient, with dotted names; one that is shared comes once."""
        seen: set[int] = set()
        for name, x in self._state().items():
            if x.requires_grad and id(x) not in seen:
                seen.add(id(x))
                yield name, x

    def parameters(self) -> list[ac.Tensor]:
        """The Tensors that require a gradient, each once."""
        return [p for _, p in self.named_parameters()]

    def requires_grad_(self: M, on: bool = True) -> M:
        """Mark all floating state as learned, or freeze it; returns the module."""
        for x in self._state().values():
            if x.dtype.kind == "f":
                x.requires_grad_(on)
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            p.grad = None

    def train(self: M, mode: bool = True) -> M:
        """Set ``training`` here and in all modules inside; returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """Set ``training`` to False here and in all modules inside; returns the module."""
        return self.train(False)

    # -- state ----------------------------------------------------------------------------------------------------

    def state_dict(self, layout: str = "own") -> dict[str, ac.Tensor]:
        """Copies of all state by dotted name: a snapshot that later steps do not change.

        Parameters
        ----------
        layout : "own" or "torch"
            "torch": names and shapes are those of the PyTorch module of the same structure.

        Examples
        --------
        >>> import alice_core as ac
        >>> model = ac.nn.Sequential(ac.nn.Linear(2, 3))
        >>> {name: x.shape for name, x in model.state_dict().items()}
        {'layers.0.weight': (2, 3), 'layers.0.bias': (3,)}
        >>> {name: x.shape for name, x in model.state_dict(layout="torch").items()}
        {'0.weight': (3, 2), '0.bias': (3,)}
        """
        turned = self._transposed("state_dict", layout)
        return {name: ac.tensor(x.T if id(x) in turned else x) for name, x in self._state(layout).items()}

    def load_state_dict(self, state: Mapping[str, Any], layout: str = "own") -> None:
        """Overwrite all state in place. If there is any error, nothing has been changed.

        Parameters
        ----------
        state : mapping from dotted names to Tensors or arrays
            What :meth:`state_dict` returned. Floating numbers may be rounded to the dtype of the module; integers and
            bools must be such.
        layout : "own" or "torch"
            "torch": names and shapes are those of the PyTorch module of the same structure.

        Raises
        ------
        ValueError
            If names are missing or unexpected, or a Tensor that has two names would get two values.
        ShapeError
            If shapes differ.
        DTypeError
            If a value is no number of its dtype.
        """
        turned = self._transposed("load_state_dict", layout)
        own = self._state(layout)
        if turned and isinstance(state, Mapping):
            matrices = {n: state[n] for n, x in own.items() if id(x) in turned and n in state}
            state = {**state, **{n: _turned(x) for n, x in matrices.items()}}
        overwrite(own, checked(f"load_state_dict: {type(self).__name__}", own, state))

    def _transposed(self, who: str, layout: str) -> set[int]:
        """By identity, the Tensors of the state that the layout has as transposed matrices."""
        if checked_choice(who, "layout", layout, ("own", "torch")) == "own":
            return set()
        return {id(x) for m in self.modules() for x in map(vars(m).get, m.torch_transposed) if x is not None}

    def save(self, path: str | os.PathLike[str], layout: str = "own") -> None:
        """Write the state to a file: ``.npz`` (NumPy) or ``.safetensors`` (needs the package safetensors).

        The layout is that of :meth:`state_dict`: with "torch", PyTorch's module of the same structure can load it.

        Raises
        ------
        ValueError
            If the name has another ending, or a Tensor has a name that cannot be written.
        MissingPackageError
            If safetensors is needed and not installed.
        """
        arrays = {name: _numbers(x) for name, x in self.state_dict(layout).items()}
        ending = _ending("save", path)
        package = require("safetensors.numpy", "safetensors", "save") if ending == ".safetensors" else None
        from ..files import whole, write_npz  # pathlib takes longer to import than this module: a shorter start-up

        with whole(path) as unfinished:
            if package is not None:
                package.save_file(arrays, str(unfinished))
            else:
                write_npz(unfinished, arrays)

    def load(self, path: str | os.PathLike[str], layout: str = "own") -> None:
        """Read the state from a file that :meth:`save` wrote. If there is any error, nothing has been changed.

        The layout is that of :meth:`load_state_dict`: with "torch", of a file that PyTorch's safetensors wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is no file of its kind, or holds another module's state.
        DTypeError
            If it holds other numbers than the module.
        """
        if _ending("load", path) == ".safetensors":
            package = require("safetensors.numpy", "safetensors", "load")
            readable: tuple[type[Exception], ...] = (require("safetensors", "safetensors", "load").SafetensorError,)
        else:
            from ..files import NPZ_ERRORS, read_npz  # for a shorter start-up, as above

            package, readable = None, NPZ_ERRORS
        try:
            arrays = read_npz(path) if package is None else package.load_file(str(path))
        except readable as error:
            raise ValueError(f"load: {path} is not a readable {_ending('load', path)} file ({error})") from None
        self.load_state_dict(arrays, layout)

    # -- as a tree ------------------------------------------------------------------------------------------------

    def __tree_flatten__(self) -> tuple[list[ac.Tensor], Any, Any]:
        """The Tensors of the state, each once; what else there is and compares; and what is kept by the way."""
        kept = {k: v for k, v in vars(self).items() if not (k == "_passing" or k in self._passing)}
        private = {k: kept.pop(k) for k, v in list(kept.items()) if k.startswith("_") and _tensors(v)}
        by_the_way = {k: v for k, v in vars(self).items() if k not in kept and k not in private}
        leaves, structure = tree.flatten({"training": self.training, **kept})
        state: list[ac.Tensor] = []
        numbers: dict[int, int] = {}
        places = []
        for x in leaves:
            if isinstance(x, ac.Tensor) and numbers.setdefault(id(x), len(state)) == len(state):
                state.append(x)
            places.append(numbers[id(x)] if isinstance(x, ac.Tensor) else -1)
        others = tuple(None if isinstance(x, ac.Tensor) else x for x in leaves)
        return state, (structure, tuple(places), others), {**private, **by_the_way}

    @classmethod
    def __tree_unflatten__(cls, state: list[Any], rest: Any, carried: dict[str, Any]) -> Module:
        structure, places, others = rest
        leaves = [x if place < 0 else state[place] for place, x in zip(places, others, strict=True)]
        new = object.__new__(cls)
        vars(new).update(structure.unflatten(leaves))
        vars(new).update({k: set(v) if k == "_passing" else v for k, v in carried.items()})
        return new

    # -- text -----------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands in the parentheses of the printed module."""
        return ""

    def __repr__(self) -> str:
        children: list[tuple[str, Any]] = []
        for name, value in vars(self).items():
            if isinstance(value, Module):
                children.append((name, value))
            elif isinstance(value, (list, tuple)) and any(isinstance(v, Module) for v in value):
                children += [(f"{name}.{i}", v) for i, v in enumerate(value)]
        head = f"{type(self).__name__}({self.extra_repr()}"
        if not children:
            return head + ")"
        lines = [f"  {name}: {child!r}".replace("\n", "\n  ") for name, child in children]
        return "\n".join([head, *lines, ")"])


def _walk(root: Any, as_torch: bool = False) -> Iterator[tuple[str, Any]]:
    """All modules and Tensors inside, with their dotted names, in the order of their assignment."""
    seen: set[int] = set()
    stack: list[tuple[str, Any, bool]] = [("", root, True)]
    while stack:
        name, node, kept = stack.pop()
        inside: list[tuple[str, Any, bool]]
        if isinstance(node, ac.Tensor):
            if kept:
                yield name, node
            continue
        if isinstance(node, Module):
            if id(node) in seen:
                continue
            seen.add(id(node))
            yield name, node
            inside = [(k, v, k not in node._passing) for k, v in vars(node).items() if not k.startswith("_")]
            if as_torch:
                inside = [(node.torch_names.get(k, k), v, kept) for k, v, kept in inside]
        elif isinstance(node, Mapping):
            inside = [(str(k), v, kept) for k, v in node.items()]
        elif isinstance(node, (list, tuple)):
            inside = [(str(i), v, kept) for i, v in enumerate(node)]
        else:
            continue
        stack += [(f"{name}.{k}" if name and k else name or k, v, kept) for k, v, kept in reversed(inside)]


def _tensors(value: Any) -> list[ac.Tensor]:
    if isinstance(value, ac.Tensor):
        return [value]
    return [node for _, node in _walk(value) if isinstance(node, ac.Tensor)]


def _arguments(module: Module) -> Any:
    """What the innermost call of the module that is going on was given; None outside of its calls.

    Found on the stack, so that calls pay nothing for it: they are many, and few of them assign anything.
    """
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code is _CALL and (call := frame.f_locals)["self"] is module:
            return call["args"], call["kwargs"]
        frame = frame.f_back  # type: ignore[assignment]
    return None


_CALL = Module.__call__.__code__


def _is_read(module: Module, name: str) -> bool:
    """Whether the name occurs in the code of a layer of ours: no setting has another one."""
    kind = type(module)
    if not kind.__module__.startswith(_LAYERS):
        return True
    if kind not in _USED:
        members = [x for base in kind.__mro__[: kind.__mro__.index(Module)] for x in vars(base).values()]
        _USED[kind] = {n for x in members for n in getattr(getattr(x, "__code__", None), "co_names", ())}
    return name in _USED[kind]


_USED: dict[type, set[str]] = {}


def _makes_parameters(value: Any, arguments: Any) -> bool:
    """Whether there are parameters in what a call assigns that it was not given."""
    new = [x for x in _tensors(value) if x.requires_grad]
    given = [id(x) for x in tree.leaves(arguments)]
    return any(id(x) not in given for x in new)


def _turned(x: Any) -> Any:
    """The transpose of a matrix of any package; what is none is refused by its shape later."""
    array = x if hasattr(x, "T") else np.asarray(x)
    return array.T if array.ndim == 2 else array


def _numbers(x: ac.Tensor) -> npt.NDArray[Any]:
    """As files hold them: bfloat16, which NumPy does not have, as float32."""
    return (x.astype(ac.float32) if x.dtype == ac.bfloat16 else x).numpy()


def _ending(who: str, path: str | os.PathLike[str]) -> str:
    ending = os.path.splitext(path)[1]
    if ending not in (".npz", ".safetensors"):
        raise ValueError(f"{who}: the file must end in .npz or .safetensors; got {str(path)!r}")
    return ending
