"""A trace as a page: one HTML file that loads nothing, readable without JavaScript, and alive with it.

``document.py`` writes what is there without JavaScript; ``live.py`` adds programs, which the page runs when a reader
moves an argument, in the arithmetic of the scripts beside it.
"""

from __future__ import annotations

from .document import embedded, page

__all__ = ["embedded", "page"]
