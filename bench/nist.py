"""Digits that each solver of LinearRegression keeps of NIST's certified values, StRD's linear problems.

    python bench/nist.py

Of the coefficient that loses most: -log10 of its relative error, at most 15. "refined" has all that the data allow: of
Filip, powers of x are rounded to float64 before any solver sees them. The condition number is that of the columns,
centred and scaled to one length.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import alice_core as ac
from alice_core.linear_model import LinearRegression

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from support.nist import SETS, certified, fewest_digits

SOLVERS = ("normal", "qr", "lstsq", "refined")
PEER = "np.linalg.lstsq"


def digits(name: str, solver: str) -> str:
    problem, intercept = certified(name), not name.startswith("NoInt")
    if solver == PEER:
        columns = np.column_stack([np.ones(len(problem.y)), problem.X]) if intercept else problem.X
        found = np.linalg.lstsq(columns, problem.y, rcond=None)[0]
    else:
        try:
            model = LinearRegression(solver, fit_intercept=intercept).fit(problem.X, problem.y)
        except ac.LinAlgError:
            return "refused"
        found = np.append(model.intercept_, model.coef_) if intercept else model.coef_
    return f"{fewest_digits(found, problem.coefficients):.1f}"


def condition(name: str) -> float:
    X = certified(name).X
    X = X if name.startswith("NoInt") else X - X.mean(axis=0)
    return ac.linalg.cond(ac.asarray(X / np.sqrt((X * X).sum(axis=0)))).item()


def main() -> None:
    print(f"{'':10} {'condition':>9}", *(f"{s:>9}" for s in SOLVERS), f"{PEER:>16}")
    for name in SETS:
        print(
            f"{name:10} {condition(name):9.1e}",
            *(f"{digits(name, s):>9}" for s in SOLVERS),
            f"{digits(name, PEER):>16}",
        )


if __name__ == "__main__":
    main()
