"""Automatic differentiation and descent to read and to watch: the algorithms of the lecture notes, one at a time.

The engine itself never builds a Jacobian. Here every Jacobian, tangent matrix and adjoint is built, kept and counted,
on the public names of alice_core alone, so that the source is the explanation: start with ``forward.py`` and
``reverse.py``. ``descent.py`` keeps every point of a descent, ``surfaces.py`` says what is at its end. ``import
alice_core`` does not load it; write ``from alice_core import teaching``. Pictures need the extra ``demo``, formulas the
extra ``teaching``.

Source: notes, section 2.3 (gradient descent) with errata E-3 to E-5, and chapter 6 (automatic differentiation), as
corrected by its errata E-35 to E-49.

Examples
--------
>>> import alice_core as ac
>>> from alice_core import teaching
>>> layers = teaching.fully_connected_layers([3, 4, 2], activation=ac.tanh)
>>> run = teaching.reverse_mode(layers, ac.tensor([1.0, 2.0, 3.0], dtype=ac.float64))
>>> run["h~_1"].shape, run["grad W_1"].shape, run.multiplications
((1, 4), (1, 12), 104)
"""

from __future__ import annotations

from .backpropagation import Backpropagation as Backpropagation
from .backpropagation import backpropagate as backpropagate
from .costs import count_chain as count_chain
from .costs import count_multiplications as count_multiplications
from .costs import multiply_chain as multiply_chain
from .depth import gradient_norms as gradient_norms
from .descent import Path as Path
from .descent import descend as descend
from .descent import small_change as small_change
from .descent import small_gradient as small_gradient
from .descent import small_step as small_step
from .differences import DifferenceErrors as DifferenceErrors
from .differences import difference_errors as difference_errors
from .differences import jacobian_from_differences as jacobian_from_differences
from .formulas import Symbolic as Symbolic
from .formulas import symbolic as symbolic
from .forward import forward_mode as forward_mode
from .forward import gradients_from_jvps as gradients_from_jvps
from .forward import jvp_pass as jvp_pass
from .jacobians import jacobian_from_jvps as jacobian_from_jvps
from .jacobians import jacobian_from_vjps as jacobian_from_vjps
from .jacobians import jvp_from_vjps as jvp_from_vjps
from .layers import Layer as Layer
from .layers import evaluate as evaluate
from .layers import fully_connected as fully_connected
from .layers import fully_connected_layers as fully_connected_layers
from .pictures import draw_curves as draw_curves
from .reverse import reverse_mode as reverse_mode
from .run import Entry as Entry
from .run import Run as Run
from .surfaces import StationaryPoint as StationaryPoint
from .surfaces import chord_excess as chord_excess
from .surfaces import classify_stationary as classify_stationary
from .surfaces import is_lowest_nearby as is_lowest_nearby
