"""Loops and choices as primitives."""

from __future__ import annotations

from .loops import cond, fori_loop, map, scan, switch, while_loop

__all__ = ["cond", "fori_loop", "map", "scan", "switch", "while_loop"]
