"""A run that can go on: parameters, optimiser, step and random state in one file that is whole or not there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

import alice_core as ac

from .checks import checked_int, shown
from .distributed import rank, together
from .errors import DTypeError
from .files import NPZ_ERRORS, read_npz, whole, write_npz

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(path: str | os.PathLike[str], model: Any, opt: Any = None, step: int = 0, rng: Any = None) -> None:
    """Write all that a run needs to go on as if it had never stopped.

    The file is written under another name, brought to the disk, and renamed: a process that is killed on the way leaves
    the checkpoint from before. It is an archive of NumPy arrays, which ``np.load`` reads, whatever it is called. All
    ranks (:mod:`alice_core.distributed`) must call this; the first one writes, and all learn of an error.

    Parameters
    ----------
    path : str or path
    model : Module
        Or anything with ``state_dict()`` and ``load_state_dict()``. Generators of its layers (dropout) are saved too.
    opt : Optimizer, optional
    step : int
        How far the run is; :func:`load_checkpoint` returns it.
    rng : Generator, Minibatches, or a sequence of them, optional
        What else the run draws from. The common generator of :mod:`alice_core.random` is always saved.

    Raises
    ------
    DTypeError
        If one of them has no state.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import alice_core as ac, tempfile
    >>> model = ac.nn.Linear(2, 1)
    >>> opt = ac.optim.Adam(model.parameters(), lr=0.01)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ac.save_checkpoint(f"{folder}/run.ckpt", model, opt, step=100)
    ...     ac.load_checkpoint(f"{folder}/run.ckpt", model, opt)
    100
    """
    who = "save_checkpoint"
    number = checked_int(who, "step", step)
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"{who}: step must fit 64 bits; got {number}")
    arrays: dict[str, npt.NDArray[Any]] = {"step": np.asarray(number, np.int64)}
    if opt is not None:
        arrays["optimiser"] = np.asarray(_kind_of(opt))
    for part, holder in _holders(who, model, opt, rng).items():
        arrays |= {f"{part}/{name}": _array(x) for name, x in _state_of(holder).items()}

    def write() -> None:
        if rank() == 0:
            with whole(path, durable=True) as unfinished:
                write_npz(unfinished, arrays)

    together(who, write)


def load_checkpoint(path: str | os.PathLike[str], model: Any, opt: Any = None, rng: Any = None) -> int:
    """Take over what :func:`save_checkpoint` wrote, given the same kinds of things; returns the step.

    If there is any error, nothing has been changed. Every rank reads the file, and there may be more or fewer of them
    than have written it.

    Parameters
    ----------
    path : str or path
    model, opt, rng
        As they were saved.

    Returns
    -------
    int
        The step.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no checkpoint, or one of other parts, parameters or an optimiser of another kind.
    ShapeError, DTypeError
        If arrays have other shapes, or hold other numbers.
    """
    who = "load_checkpoint"
    try:
        arrays = read_npz(path)
    except NPZ_ERRORS as error:
        raise ValueError(
            f"{who}: {path} is no checkpoint ({error}); pass a file that ac.save_checkpoint wrote"
        ) from None
    holders = _holders(who, model, opt, rng)
    found = {name.partition("/")[0] for name in arrays} - {"step", "optimiser"}
    if "step" not in arrays or found - {"generators"} != set(holders) - {"generators"}:
        raise ValueError(
            f"{who}: {path} must hold {', '.join(holders)}; got {', '.join(sorted(found)) or 'nothing'}; pass what was "
            f"given to save_checkpoint"
        )
    step = arrays["step"]
    if step.shape or step.dtype.kind not in "iu":
        raise ValueError(f"{who}: the step of {path} must be one integer; got {step!r}")
    if opt is not None and (kind := str(arrays.get("optimiser", ""))) != _kind_of(opt):
        raise ValueError(
            f"{who}: {path} must be of an optimiser of the kind {_kind_of(opt)}; got {kind or 'none'}; pass one of the "
            f"kind that was given to save_checkpoint"
        )
    before = {part: _state_of(holder) for part, holder in holders.items()}
    changed = []
    try:
        for part, holder in holders.items():
            changed.append(part)
            _load(
                f"{who}: {part}",
                holder,
                {n.partition("/")[2]: a for n, a in arrays.items() if n.startswith(f"{part}/")},
            )
    except BaseException:
        for part in changed:
            _load(who, holders[part], before[part])
        raise
    return int(step)


def _kind_of(opt: Any) -> str:
    """By whose rule the state is to be read; that of data_parallel's optimiser is its own."""
    return type(getattr(opt, "optimizer", opt)).__name__


def _holders(who: str, model: Any, opt: Any, rng: Any) -> dict[str, Any]:
    """What has state, by the part of the file that is about it; what can be refused comes first."""
    holders: dict[str, Any] = {"model": model}
    if opt is not None:
        holders["opt"] = opt
    others = [] if rng is None else list(rng) if isinstance(rng, (list, tuple)) else [rng]
    holders |= {f"rng{i}": x for i, x in enumerate(others)}
    for name, x in holders.items():
        if not (isinstance(x, ac.random.Generator) or (hasattr(x, "state_dict") and hasattr(x, "load_state_dict"))):
            raise DTypeError(
                f"{who}: {name.rstrip('0123456789')} must have state_dict() and load_state_dict(); got {shown(x)}"
            )
    generators = {"common": ac.random.default_generator}
    if isinstance(model, ac.nn.Module):
        for i, module in enumerate(model.modules()):
            generators |= {f"{i}.{n}": g for n, g in vars(module).items() if isinstance(g, ac.random.Generator)}
    return {**holders, "generators": generators}


def _state_of(holder: Any) -> dict[str, Any]:
    if isinstance(holder, ac.random.Generator):
        return {"state": np.asarray(holder.state, np.int64)}
    if isinstance(holder, dict):
        return {name: np.asarray(g.state, np.int64) for name, g in holder.items()}
    state: dict[str, Any] = holder.state_dict()
    return state


def _load(who: str, holder: Any, state: Mapping[str, Any]) -> None:
    if not isinstance(holder, (dict, ac.random.Generator)):
        holder.load_state_dict(state)
        return
    generators = holder if isinstance(holder, dict) else {"state": holder}
    if set(state) != set(generators):
        raise ValueError(
            f"{who} must have the states of {', '.join(sorted(generators))}; got {', '.join(sorted(state)) or 'none'}; "
            f"pass a model with the same layers"
        )
    for name, generator in generators.items():
        words = np.asarray(state[name])
        if words.shape != (2,):
            raise ValueError(f"{who}: the state of {name} must be two integers; got shape {words.shape}")
        key, draw = words.tolist()
        generator.state = (key, draw)


def _array(x: Any) -> npt.NDArray[Any]:
    """As files hold them: bfloat16, which NumPy does not have, as float32, and so exactly."""
    if not isinstance(x, ac.Tensor):
        return np.asarray(x)
    return (x.astype(ac.float32) if x.dtype == ac.bfloat16 else x).numpy()
