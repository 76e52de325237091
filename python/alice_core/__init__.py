"""alice_core: a small, fast automatic-differentiation engine.

NumPy-like Python outside, C++ inside. Start with ``ac.tensor``, ``ac.grad`` and ``ac.nn``; ``alice demo`` trains a
network on handwritten digits.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from . import bayes as bayes
    from . import calibration as calibration
    from . import data as data
    from . import distributed as distributed
    from . import linalg as linalg
    from . import linear_model as linear_model
    from . import neural_network as neural_network
    from . import nn as nn
    from . import optim as optim
    from . import testing as testing
    from .checkpoints import load_checkpoint as load_checkpoint
    from .checkpoints import save_checkpoint as save_checkpoint
    from .tracing import Trace as Trace
    from .tracing import trace as trace
    from .transforms.sparse import SparseMatrix as SparseMatrix
    from .transforms.sparse import Sparsity as Sparsity
    from .transforms.sparse import sparsity as sparsity

# The engine.
from . import checks as checks
from . import extras as extras
from . import ops as ops
from . import random as random
from . import special as special
from . import state as state
from . import tree as tree
from ._dtypes import get_default_dtype as get_default_dtype
from ._dtypes import int8 as int8
from ._dtypes import int16 as int16
from ._dtypes import set_default_dtype as set_default_dtype
from ._dtypes import uint16 as uint16
from ._dtypes import uint32 as uint32
from ._dtypes import uint64 as uint64
from .array_api import *
from .array_api import __array_namespace_info__ as __array_namespace_info__
from .compiling import CompiledFunction as CompiledFunction
from .compiling import Program as Program
from .compiling import compile as compile
from .errors import AliceError as AliceError
from .errors import DeviceError as DeviceError
from .errors import DTypeError as DTypeError
from .errors import GradientError as GradientError
from .errors import LinAlgError as LinAlgError
from .errors import NonFiniteError as NonFiniteError
from .errors import ShapeError as ShapeError
from .errors import TraceError as TraceError
from .ops.activation import *
from .ops.arithmetic import *
from .ops.arranging import *
from .ops.attention import *
from .ops.bitwise import *
from .ops.broadcasting import *
from .ops.comparison import *
from .ops.convolution import *
from .ops.creation import *
from .ops.diagonals import *
from .ops.einsum import *
from .ops.exponential import *
from .ops.extremes import *
from .ops.floating import *
from .ops.indexing import *
from .ops.joining import *
from .ops.linalg import *
from .ops.logistic import *
from .ops.normalisation import *
from .ops.pooling import *
from .ops.powers import *
from .ops.reduction import *
from .ops.scans import *
from .ops.scatter import *
from .ops.searching import *
from .ops.selection import *
from .ops.softmax import *
from .ops.sorting import *
from .ops.tables import *
from .ops.trigonometric import *
from .ops.unfolding import *
from .ops.views import *
from .primitive import Primitive as Primitive
from .primitive import primitives as primitives
from .primitive import update as update
from .random import randn as randn
from .runtime import build_config as build_config
from .runtime import get_num_threads as get_num_threads
from .runtime import memory_stats as memory_stats
from .runtime import reset_peak_memory as reset_peak_memory
from .runtime import set_num_threads as set_num_threads
from .runtime import trim_memory as trim_memory
from .tensors import Tensor as Tensor
from .tensors import abstract as abstract
from .tensors import asarray as asarray
from .tensors import bfloat16 as bfloat16
from .tensors import bool_ as bool  # noqa: F401 - the Array API's name
from .tensors import float16 as float16
from .tensors import float32 as float32
from .tensors import float64 as float64
from .tensors import int32 as int32
from .tensors import int64 as int64
from .tensors import tensor as tensor
from .tensors import uint8 as uint8
from .transforms import associative_scan as associative_scan
from .transforms import checkpoint as checkpoint
from .transforms import checkpoint_sequential as checkpoint_sequential
from .transforms import cond as cond
from .transforms import custom_jvp as custom_jvp
from .transforms import custom_primitive as custom_primitive
from .transforms import custom_vjp as custom_vjp
from .transforms import debug_nans as debug_nans
from .transforms import fori_loop as fori_loop
from .transforms import grad as grad
from .transforms import grad_enabled as grad_enabled
from .transforms import hessian as hessian
from .transforms import hvp as hvp
from .transforms import jacfwd as jacfwd
from .transforms import jacobian as jacobian
from .transforms import jacrev as jacrev
from .transforms import jvp as jvp
from .transforms import linearize as linearize
from .transforms import map as map
from .transforms import no_grad as no_grad
from .transforms import numerical_grad as numerical_grad
from .transforms import scan as scan
from .transforms import stop_gradient as stop_gradient
from .transforms import switch as switch
from .transforms import value_and_grad as value_and_grad
from .transforms import vhp as vhp
from .transforms import vjp as vjp
from .transforms import vmap as vmap
from .transforms import while_loop as while_loop

# isort: split
# Built on it, of the names above, as a user would, and too small to wait.
from . import losses as losses

#: In an index, an axis of size 1 more: NumPy's name of None.
newaxis = None

#: The version of the Array API standard that the names follow.
__array_api_version__ = "2024.12"

__version__: str = build_config()["version"]


#: What is imported when somebody asks for it, as most programs do without: modules, and names of modules.
_LATER = {
    **dict.fromkeys(("bayes", "calibration", "data", "distributed", "linalg", "linear_model"), ""),
    **dict.fromkeys(("neural_network", "nn", "optim", "testing"), ""),
    **dict.fromkeys(("load_checkpoint", "save_checkpoint"), "checkpoints"),
    "Trace": "tracing",
    "trace": "tracing",
    **dict.fromkeys(("SparseMatrix", "Sparsity", "sparsity"), "transforms.sparse"),
}


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


def __getattr__(name: str) -> _Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _import_module(f"alice_core.{_LATER[name] or name}")
    found = globals()[name] = getattr(module, name) if _LATER[name] else module
    return found
