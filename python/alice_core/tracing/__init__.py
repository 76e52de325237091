"""The evaluation trace: what a function did, as a list of equations.

Running primitives on tracked Tensors leaves a graph of equations behind (``csrc/bindings/engine.h`` draws it), which
reverse mode walks from the last equation to the first (``csrc/bindings/reverse.cpp``). Here the same equations are
written down one after the other, tracked or not, to be read: as text, as numbers, as a drawing, as a page; and so is
the dual program.

Source: notes, sections 6.1 and 6.3, with erratum E-36.
"""

from __future__ import annotations

from .evaluation import Trace
from .recorder import recording, trace

__all__ = ["Trace", "recording", "trace"]
