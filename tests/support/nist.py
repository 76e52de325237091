"""NIST's Statistical Reference Datasets, linear regression: public domain, as Debian's gretl-data has them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FILES = Path(__file__).parent.parent / "data" / "nist"

#: Degree of a polynomial (None: columns as they are), and digits that singular values and QR keep at least.
SETS = {
    "Norris": (1, 12), "Pontius": (2, 11), "NoInt1": (None, 14), "NoInt2": (None, 14), "Longley": (None, 11),
    "Filip": (10, 6), "Wampler1": (5, 8), "Wampler2": (5, 12), "Wampler3": (5, 8), "Wampler4": (5, 7),
    "Wampler5": (5, 5),
}  # fmt: skip


class Certified(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    coefficients: np.ndarray
    deviation: float


def certified(name: str) -> Certified:
    degree = SETS[name][0]
    lines = (FILES / f"{name}.dat").read_text(encoding="latin-1").splitlines()
    head = "\n".join(lines[:60])
    first, last = map(int, re.search(r"Certified Values\s+\(lines (\d+) to (\d+)\)", head).groups())
    values = [float(m[1]) for line in lines[first - 1 : last] if (m := re.match(r"\s+B\d+\s+(\S+)", line))]
    deviation = float(re.search(r"Standard Deviation\s+([\d.E+-]+)\s*$", head, re.MULTILINE)[1])
    first, last = map(int, re.search(r"Data\s+\(lines (\d+) to (\d+)\)", head).groups())
    data = np.array([line.split() for line in lines[first - 1 : last]], float)
    X = data[:, 1:] if degree is None else data[:, 1:2] ** np.arange(1, degree + 1)
    return Certified(X, data[:, 0], np.array(values), deviation)


def fewest_digits(found: Any, want: Any) -> float:
    """Of the number that loses most."""
    return float((-np.log10(np.maximum(np.abs(np.atleast_1d(found) - want) / np.abs(want), 1e-15))).min())
