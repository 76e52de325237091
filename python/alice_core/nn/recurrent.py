"""Recurrent layers: cells, which make one step, and layers of them along sequences.

Names, shapes and order of gates are those of PyTorch. The steps of a sequence are a loop in Python, which a compiled
function unrolls: its program is as long as the sequence.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import alice_core as ac

from ..checks import checked_choice, checked_flag, checked_int
from . import init
from .dropout import Dropout
from .module import Module, Parameter, widened

if TYPE_CHECKING:
    from ..tensors import DTypeLike

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

# -- one step: from what comes from the input, and the state, to the new state ---------------------------------------


def _affine(x: ac.Tensor, weight: ac.Tensor, bias: ac.Tensor | None) -> ac.Tensor:
    y = x @ weight.T
    return y if bias is None else y + bias


def _rnn(nonlinearity: str) -> Any:
    f = ac.tanh if nonlinearity == "tanh" else ac.relu

    def step(gates: ac.Tensor, state: Any, weight: ac.Tensor, bias: ac.Tensor | None) -> Any:
        return (f(gates + _affine(state[0], weight, bias)),)

    return step


def _gru(gates: ac.Tensor, state: Any, weight: ac.Tensor, bias: ac.Tensor | None) -> Any:
    """h' = (1 - z) n + z h."""
    (h,) = state
    n = h.shape[-1]
    own = _affine(h, weight, bias)
    both = ac.sigmoid(gates[..., : 2 * n] + own[..., : 2 * n])
    r, z = both[..., :n], both[..., n:]
    new = ac.tanh(gates[..., 2 * n :] + r * own[..., 2 * n :])
    return (new + z * (h - new),)


def _lstm(gates: ac.Tensor, state: Any, weight: ac.Tensor, bias: ac.Tensor | None) -> Any:
    """c' = f c + i g, h' = o tanh(c')."""
    h, c = state
    n = h.shape[-1]
    total = gates + _affine(h, weight, bias)
    i, f, o = (ac.sigmoid(total[..., k * n : (k + 1) * n]) for k in (0, 1, 3))
    c = f * c + i * ac.tanh(total[..., 2 * n : 3 * n])
    return o * ac.tanh(c), c


def _count(who: str, name: str, value: int) -> int:
    number = checked_int(who, name, value)
    if number < 1:
        raise ac.ShapeError(f"{who}: {name} must be at least 1; got {number}")
    return number


# -- cells -----------------------------------------------------------------------------------------------------------


class _Cell(Module):
    """What the cells share: two affine maps of ``_gates`` gates, and how the state is checked."""

    _gates: int
    _states: int = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        dtype: DTypeLike | None = None,
        seed: init.Seed = None,
    ) -> None:
        who = type(self).__name__
        self.input_size = _count(who, "input_size", input_size)
        self.hidden_size = n = _count(who, "hidden_size", hidden_size)
        generator, bound, rows = init.rng(seed), 1.0 / math.sqrt(n), self._gates * n
        bias = checked_flag(who, "bias", bias)
        self.weight_ih = Parameter(init.uniform((rows, self.input_size), bound, dtype, generator))
        self.weight_hh = Parameter(init.uniform((rows, n), bound, dtype, generator))
        self.bias_ih = Parameter(init.uniform((rows,), bound, dtype, generator)) if bias else None
        self.bias_hh = Parameter(init.uniform((rows,), bound, dtype, generator)) if bias else None

    def _step(self) -> Any:
        raise NotImplementedError

    def _next(self, x: ac.Tensor, state: Any) -> tuple[ac.Tensor, ...]:
        who = type(self).__name__
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ac.ShapeError(
                f"{who}: expected inputs of shape (N, {self.input_size}) or ({self.input_size},); got {x.shape}"
            )
        shape = (*x.shape[:-1], self.hidden_size)
        if state is None:
            state = (ac.zeros(shape, self.weight_hh.dtype),) * self._states
        for h in state:
            if h.shape != shape:
                raise ac.ShapeError(f"{who}: the state must have shape {shape}; got {h.shape}")
        gates = _affine(x, self.weight_ih, self.bias_ih)
        new: tuple[ac.Tensor, ...] = self._step()(gates, state, self.weight_hh, self.bias_hh)
        if new[0].dtype is not self.weight_hh.dtype:
            raise widened(who, x, self.weight_hh)
        return new

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"


class RNNCell(_Cell):
    """One step of a simple recurrent network: ``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
        False leaves both biases out.
    nonlinearity : "tanh" or "relu"
    dtype : floating dtype, optional
        None: the default, see :func:`alice_core.set_default_dtype`.
    seed : int, numpy Generator or ac.random.Generator, optional
        Of the starting values; None: the common generator.

    Attributes
    ----------
    weight_ih, weight_hh : Tensor, shapes (hidden_size, input_size) and (hidden_size, hidden_size)
    bias_ih, bias_hh : Tensor, shape (hidden_size,), or None
        All start uniform from -1/sqrt(hidden_size) to 1/sqrt(hidden_size).

    Raises
    ------
    ShapeError
        In the call, if input or state have other shapes than (N, input_size) and (N, hidden_size), or both without N.
    DTypeError
        In the call, if the result would have another dtype than the layer.

    Source: Elman, "Finding structure in time", 1990.

    Examples
    --------
    >>> import alice_core as ac
    >>> cell = ac.nn.RNNCell(3, 5)
    >>> h = cell(ac.zeros((2, 3)))
    >>> cell(ac.ones((2, 3)), h).shape
    (2, 5)
    """

    _gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        dtype: DTypeLike | None = None,
        seed: init.Seed = None,
    ) -> None:
        self.nonlinearity = checked_choice("RNNCell", "nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(input_size, hidden_size, bias, dtype, seed)

    def _step(self) -> Any:
        return _rnn(self.nonlinearity)

    def forward(self, x: ac.Tensor, h: ac.Tensor | None = None) -> ac.Tensor:
        return self._next(x, None if h is None else (h,))[0]


class GRUCell(_Cell):
    """One step of a gated recurrent unit: ``h' = (1 - z) n + z h``.

    With ``r, z = sigmoid(…)`` of ``W_ih x + b_ih + W_hh h + b_hh`` and ``n = tanh(W_in x + b_in + r (W_hn h + b_hn))``;
    the gates stand in the weights in the order r, z, n.

    Parameters
    ----------
    input_size, hidden_size, bias, dtype, seed
        As of :class:`RNNCell`.

    Attributes
    ----------
    weight_ih, weight_hh : Tensor, shapes (3 hidden_size, input_size) and (3 hidden_size, hidden_size)
    bias_ih, bias_hh : Tensor, shape (3 hidden_size,), or None

    Raises
    ------
    ShapeError, DTypeError
        As of :class:`RNNCell`.

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.GRUCell(3, 5)(ac.zeros((2, 3))).shape
    (2, 5)
    """

    _gates = 3

    def _step(self) -> Any:
        return _gru

    def forward(self, x: ac.Tensor, h: ac.Tensor | None = None) -> ac.Tensor:
        return self._next(x, None if h is None else (h,))[0]


class LSTMCell(_Cell):
    """One step of a long short-term memory: ``c' = f c + i g``, ``h' = o tanh(c')``.

    With ``i, f, o = sigmoid(…)`` and ``g = tanh(…)`` of ``W_ih x + b_ih + W_hh h + b_hh``; the gates stand in the
    weights in the order i, f, g, o.

    Parameters
    ----------
    input_size, hidden_size, bias, dtype, seed
        As of :class:`RNNCell`.

    Attributes
    ----------
    weight_ih, weight_hh : Tensor, shapes (4 hidden_size, input_size) and (4 hidden_size, hidden_size)
    bias_ih, bias_hh : Tensor, shape (4 hidden_size,), or None

    Raises
    ------
    ShapeError, DTypeError
        As of :class:`RNNCell`.

    Source: Hochreiter, Schmidhuber, "Long short-term memory", 1997; Gers et al., "Learning to forget", 2000.

    Examples
    --------
    >>> import alice_core as ac
    >>> h, c = ac.nn.LSTMCell(3, 5)(ac.zeros((2, 3)))
    >>> h.shape, c.shape
    ((2, 5), (2, 5))
    """

    _gates = 4
    _states = 2

    def _step(self) -> Any:
        return _lstm

    def forward(self, x: ac.Tensor, state: tuple[ac.Tensor, ac.Tensor] | None = None) -> tuple[ac.Tensor, ac.Tensor]:
        h, c = self._next(x, state)
        return h, c


# -- layers ----------------------------------------------------------------------------------------------------------


class _Recurrent(Module):
    """What the layers share: parameters of each layer and direction, and the loops."""

    _gates: int
    _states: int = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: DTypeLike | None = None,
        seed: init.Seed = None,
    ) -> None:
        who = type(self).__name__
        self.input_size = _count(who, "input_size", input_size)
        self.hidden_size = n = _count(who, "hidden_size", hidden_size)
        self.num_layers = _count(who, "num_layers", num_layers)
        self.batch_first = checked_flag(who, "batch_first", batch_first)
        self.bidirectional = checked_flag(who, "bidirectional", bidirectional)
        self.bias = checked_flag(who, "bias", bias)
        self.dropout = Dropout(dropout)
        generator, bound, rows = init.rng(seed), 1.0 / math.sqrt(n), self._gates * n
        for layer in range(self.num_layers):
            width = self.input_size if layer == 0 else n * (2 if bidirectional else 1)
            for end in self._ends():
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, width), "weight_hh": (rows, n)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                for name, shape in shapes.items():
                    setattr(self, f"{name}_l{layer}{end}", Parameter(init.uniform(shape, bound, dtype, generator)))

    def _ends(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def _of(self, which: str) -> list[Any]:
        """The parameters of one layer and direction, None for what it lacks."""
        return [vars(self).get(name + which) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]

    def _step(self) -> Any:
        raise NotImplementedError

    def _run(self, x: ac.Tensor, states: Any) -> tuple[ac.Tensor, tuple[ac.Tensor, ...]]:
        who = type(self).__name__
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            raise ac.ShapeError(
                f"{who}: expected inputs of {'(N, L' if self.batch_first else '(L, N'}, {self.input_size}) or "
                f"(L, {self.input_size}); got {x.shape}"
            )
        turned = self.batch_first and x.ndim == 3
        x = ac.swapaxes(x, 0, 1) if turned else x
        ends = self._ends()
        first: ac.Tensor = vars(self)["weight_hh_l0"]
        shape = (self.num_layers * len(ends), *x.shape[1:-1], self.hidden_size)
        if states is None:
            states = (ac.zeros(shape, first.dtype),) * self._states
        for s in states:
            if s.shape != shape:
                raise ac.ShapeError(f"{who}: states must have shape {shape}; got {s.shape}")
        step, last = self._step(), []
        for layer in range(self.num_layers):
            outputs = []
            for direction, end in enumerate(ends):
                at = layer * len(ends) + direction
                w_ih, w_hh, b_ih, b_hh = self._of(f"_l{layer}{end}")
                gates = _affine(x, w_ih, b_ih)  # of all steps at once
                state = tuple(s[at] for s in states)
                steps: list[ac.Tensor] = []
                for t in range(x.shape[0]) if not end else reversed(range(x.shape[0])):
                    state = step(gates[t], state, w_hh, b_hh)
                    steps.append(state[0])
                if not steps:
                    outputs.append(ac.zeros((0, *shape[1:]), first.dtype))
                else:
                    outputs.append(ac.stack(steps if not end else steps[::-1]))
                last.append(state)
            x = outputs[0] if len(outputs) == 1 else ac.concat(outputs, axis=-1)
            if x.dtype is not first.dtype:
                raise widened(who, x, first)
            if layer + 1 < self.num_layers:
                x = self.dropout(x)
        finals = tuple(ac.stack([state[i] for state in last]) for i in range(self._states))
        return (ac.swapaxes(x, 0, 1) if turned else x), finals

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + (
            "" if self.num_layers == 1 else f", num_layers={self.num_layers}"
        )


class RNN(_Recurrent):
    """Layers of :class:`RNNCell` along sequences.

    Parameters
    ----------
    input_size, hidden_size : int
    num_layers : int
        Each layer reads the outputs of the one before.
    bias : bool
        False leaves all biases out.
    batch_first : bool
        Whether sequences are (N, L, features) rather than (L, N, features). Both may lack N.
    dropout : float
        Of the outputs between layers, while learning.
    bidirectional : bool
        Whether there are cells that read from the end too; outputs of both stand side by side.
    nonlinearity : "tanh" or "relu"
    dtype : floating dtype, optional
        None: the default, see :func:`alice_core.set_default_dtype`.
    seed : int, numpy Generator or ac.random.Generator, optional
        Of the starting values; None: the common generator.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_ih_l0_reverse, …, weight_ih_l1, … : Tensor
        As of the cell, for each layer and direction.

    Returns
    -------
    In the call, of a sequence and the states to begin with (num_layers · directions, N, hidden_size), if not zeros:

    outputs : Tensor, shape (L, N, directions · hidden_size)
    states : Tensor
        Those after the last step.

    Raises
    ------
    ShapeError
        In the call, if shapes do not fit.
    DTypeError
        In the call, if the result would have another dtype than the layer.

    Examples
    --------
    >>> import alice_core as ac
    >>> outputs, h = ac.nn.RNN(3, 5)(ac.zeros((7, 2, 3)))
    >>> outputs.shape, h.shape
    ((7, 2, 5), (1, 2, 5))
    """

    _gates = 1

    def __init__(self, *args: Any, nonlinearity: str = "tanh", **kwargs: Any) -> None:
        self.nonlinearity = checked_choice("RNN", "nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(*args, **kwargs)

    def _step(self) -> Any:
        return _rnn(self.nonlinearity)

    def forward(self, x: ac.Tensor, h: ac.Tensor | None = None) -> tuple[ac.Tensor, ac.Tensor]:
        outputs, states = self._run(x, None if h is None else (h,))
        return outputs, states[0]


class GRU(_Recurrent):
    """Layers of :class:`GRUCell` along sequences.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype, seed
        As of :class:`RNN`, whose attributes, results and errors these are too.

    Examples
    --------
    >>> import alice_core as ac
    >>> outputs, h = ac.nn.GRU(3, 5, num_layers=2, batch_first=True)(ac.zeros((2, 7, 3)))
    >>> outputs.shape, h.shape
    ((2, 7, 5), (2, 2, 5))
    """

    _gates = 3

    def _step(self) -> Any:
        return _gru

    def forward(self, x: ac.Tensor, h: ac.Tensor | None = None) -> tuple[ac.Tensor, ac.Tensor]:
        outputs, states = self._run(x, None if h is None else (h,))
        return outputs, states[0]


class LSTM(_Recurrent):
    """Layers of :class:`LSTMCell` along sequences.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype, seed
        As of :class:`RNN`, whose attributes, results and errors these are too. States are pairs (h, c).

    Examples
    --------
    >>> import alice_core as ac
    >>> outputs, (h, c) = ac.nn.LSTM(3, 5, bidirectional=True)(ac.zeros((7, 2, 3)))
    >>> outputs.shape, h.shape, c.shape
    ((7, 2, 10), (2, 2, 5), (2, 2, 5))
    """

    _gates = 4
    _states = 2

    def _step(self) -> Any:
        return _lstm

    def forward(
        self, x: ac.Tensor, state: tuple[ac.Tensor, ac.Tensor] | None = None
    ) -> tuple[ac.Tensor, tuple[ac.Tensor, ac.Tensor]]:
        outputs, (h, c) = self._run(x, state)
        return outputs, (h, c)
