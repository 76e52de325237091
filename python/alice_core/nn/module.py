"""Module: a function with parameters.

A module's *state* is every Tensor among its attributes, and among those of the modules, lists, tuples and dicts that
it holds; attributes whose names begin with an underscore are private and left out. Those that require a gradient are
its *parameters*.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import alice_core as ac

from .._extras import require

if TYPE_CHECKING:
    import numpy.typing as npt

    from ..tensor import DTypeLike

__all__ = ["Module", "Parameter"]


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


class Module:
    """Base class of everything with parameters. Subclasses assign Tensors and modules to attributes and define
    :meth:`forward`; there is nothing to register and no ``super().__init__()`` to call.

    Attributes
    ----------
    training : bool
        True while learning, False while predicting; see :meth:`train` and :meth:`eval`.

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

    training: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; to be defined by the subclass."""
        raise NotImplementedError(f"{type(self).__name__}: define forward(self, ...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    # -- what is inside -------------------------------------------------------------------------------------------

    def _walk(self) -> Iterator[tuple[str, Any]]:
        """All modules and Tensors inside, with their dotted names, in the order of their assignment."""
        seen: set[int] = set()
        stack: list[tuple[str, Any]] = [("", self)]
        while stack:
            name, node = stack.pop()
            if isinstance(node, ac.Tensor):
                if node._producer is None:  # not the recorded result of some op, kept by the way
                    yield name, node
                continue
            if isinstance(node, Module):
                if id(node) in seen:
                    continue
                seen.add(id(node))
                yield name, node
                inside = [(k, v) for k, v in vars(node).items() if not k.startswith("_")]
            elif isinstance(node, Mapping):
                inside = [(str(k), v) for k, v in node.items()]
            elif isinstance(node, (list, tuple)):
                inside = [(str(i), v) for i, v in enumerate(node)]
            else:
                continue
            prefix = f"{name}." if name else ""
            stack += [(prefix + k, v) for k, v in reversed(inside)]

    def _state(self) -> dict[str, ac.Tensor]:
        return {name: node for name, node in self._walk() if isinstance(node, ac.Tensor)}

    def modules(self) -> Iterator[Module]:
        """The module itself and all modules inside."""
        return (node for _, node in self._walk() if isinstance(node, Module))

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

    def requires_grad_(self, on: bool = True) -> Module:
        """Mark all floating state as learned, or freeze it; returns the module."""
        for x in self._state().values():
            if x.dtype.kind == "f":
                x.requires_grad_(on)
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            p.grad = None

    def train(self, mode: bool = True) -> Module:
        """Set ``training`` here and in all modules inside; returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Set ``training`` to False here and in all modules inside; returns the module."""
        return self.train(False)

    # -- state ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, ac.Tensor]:
        """Copies of all state by dotted name: a snapshot that later steps do not change."""
        return {name: ac.tensor(x) for name, x in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Overwrite all state in place.

        Parameters
        ----------
        state : mapping from dotted names to Tensors or arrays
            What :meth:`state_dict` returned.

        Raises
        ------
        ValueError
            If names are missing or unexpected.
        ShapeError
            If shapes differ. Nothing has been changed then.
        """
        own = self._state()
        who = f"load_state_dict: {type(self).__name__}"
        missing, unexpected = [n for n in own if n not in state], [n for n in state if n not in own]
        if missing or unexpected:
            parts = [
                f"{what} {', '.join(names)}"
                for what, names in (("misses", missing), ("does not know", unexpected))
                if names
            ]
            raise ValueError(f"{who} {' and '.join(parts)}; the state must come from a module of the same structure")
        arrays = {name: np.asarray(_plain(state[name])) for name in own}
        wrong = [
            f"{name} must have shape {x.shape}, got {arrays[name].shape}"
            for name, x in own.items()
            if arrays[name].shape != x.shape
        ]
        if wrong:
            raise ac.ShapeError(f"{who}: {'; '.join(wrong)}")
        for name, x in own.items():
            x.assign_(arrays[name])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to a file: ``.npz`` (NumPy) or ``.safetensors`` (needs the package safetensors).

        Raises
        ------
        ValueError
            If the name has another ending.
        MissingPackageError
            If safetensors is needed and not installed.
        """
        arrays = {name: x._exact() for name, x in self.state_dict().items()}
        ending = _ending("save", path)
        package = require("safetensors.numpy", "safetensors", "save") if ending == ".safetensors" else None
        from .._files import whole  # pathlib takes longer to import than this module

        with whole(path) as unfinished:
            if package is not None:
                package.save_file(arrays, str(unfinished))
            else:
                np.savez(unfinished, **arrays)  # type: ignore[arg-type]

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read the state from a file that :meth:`save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is no file of its kind, or holds another module's state.
        """
        if _ending("load", path) == ".safetensors":
            package = require("safetensors.numpy", "safetensors", "load")
            readable: tuple[type[Exception], ...] = (require("safetensors", "safetensors", "load").SafetensorError,)
        else:
            import zipfile  # takes longer to import than this module

            package, readable = None, (ValueError, zipfile.BadZipFile, EOFError)
        try:
            arrays = _read_npz(path) if package is None else package.load_file(str(path))
        except readable as error:
            raise ValueError(f"load: {path} is not a readable {_ending('load', path)} file ({error})") from None
        self.load_state_dict(arrays)

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


def _plain(value: Any) -> Any:
    return value.detach()._exact() if isinstance(value, ac.Tensor) else value


def _ending(who: str, path: str | os.PathLike[str]) -> str:
    ending = os.path.splitext(path)[1]
    if ending not in (".npz", ".safetensors"):
        raise ValueError(f"{who}: the file must end in .npz or .safetensors; got {str(path)!r}")
    return ending


def _read_npz(path: str | os.PathLike[str]) -> dict[str, npt.NDArray[Any]]:
    with open(path, "rb") as file:  # closed whatever NumPy finds in it
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array")
        return dict(archive)
