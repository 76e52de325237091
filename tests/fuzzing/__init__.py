"""Random calls of everything native, each a piece of Python text that depends on a seed and a number alone."""

from __future__ import annotations

import sys
from pathlib import Path

SUPPORT = str(Path(__file__).resolve().parent.parent / "support")
if SUPPORT not in sys.path:  # outside of pytest, which has it from pyproject.toml
    sys.path.insert(0, SUPPORT)
