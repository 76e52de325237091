"""Neural networks: modules that hold parameters, layers, activations.

Everything here is built from public names of alice_core, as you would build it yourself.
"""

from __future__ import annotations

from .activations import ELU, GELU, LeakyReLU, PReLU, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from .dropout import Dropout
from .init import manual_seed
from .layers import MLP, Flatten, Linear, Sequential
from .module import Module, Parameter

__all__ = [
    "ELU",
    "GELU",
    "MLP",
    "Dropout",
    "Flatten",
    "LeakyReLU",
    "Linear",
    "Module",
    "PReLU",
    "Parameter",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "manual_seed",
]
