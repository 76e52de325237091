"""Minimisation of a smooth function to the end: all data at once, line searches, and a result as SciPy has it."""

from __future__ import annotations

from .interface import MinimizeResult, minimize

__all__ = ["MinimizeResult", "minimize"]
