"""Write csrc/ops/special_tables.h: ``python tools/special_tables.py`` (needs mpmath; some seconds), then clang-format.

Each function is smooth on its interval, which is cut into pieces of one width. On a piece it is a Chebyshev fit, made
with 50 digits, as a polynomial of the place in the piece, from -1 to 1; the constant has a low part.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath as m
from mpmath import mp, mpf

TARGET = Path(__file__).resolve().parent.parent / "csrc" / "ops" / "special_tables.h"
TOLERANCE = mpf(2) ** -57
TINY = mpf(10) ** -25

mp.dps = 50
ROOT = m.findroot(m.digamma, 1.4616)  # of the digamma function


def log_gamma(u: Any) -> Any:
    """log Γ(1 + u) without its zeros at 0 and 1."""
    if abs(u) < TINY:
        return -m.digamma(1)
    return m.digamma(2) if abs(u - 1) < TINY else m.loggamma(1 + u) / (u * (u - 1))


def digamma(u: Any) -> Any:
    """ψ(1 + u) without its zero."""
    distance = 1 + u - ROOT
    return m.polygamma(1, ROOT) if abs(distance) < TINY else m.digamma(1 + u) / distance


def bessel(n: int, x: Any) -> Any:
    return m.besseli(n, x) * m.exp(-x)


def bessel_slope(x: Any) -> Any:
    """The derivative of exp(-x) I₀(x)."""
    return bessel(1, x) - bessel(0, x)


def far(f: Callable[[Any], Any], power: Any) -> Callable[[Any], Any]:
    """f from 8 on, times a power of x, as a function of v = 8/x from 0 to 1."""

    def of(v: Any) -> Any:
        x = 8 / max(v, mpf(10) ** -12)
        return f(x) * x**power

    return of


def inverse_erf(w: Any) -> Any:
    """erf⁻¹(x)/x as a function of x²."""
    x = m.sqrt(w)
    return m.erfinv(x) / x if w else m.sqrt(m.pi) / 2


def inverse_erfc(t: Any) -> Any:
    """erfc⁻¹(q)/s with s = √-log q, as a function of t = (s - 4)/(s + 4)."""
    s = 4 * (1 + t) / (1 - t)
    y = m.sqrt(s * s - m.log(m.pi * s * s) / 2) if s > 1.5 else mpf(1) / 2
    for _ in range(60):
        tail = m.erfc(y)
        step = (m.log(tail) + s * s) * tail * m.sqrt(m.pi) / 2 * m.exp(y * y)
        y += step
        if abs(step) < TINY:
            break
    return y / s


#: name, what it is, the function, where it begins, the width of a piece, how many
PIECES: list[tuple[str, str, Callable[[Any], Any], Any, Any, int]] = [
    ("kLogGamma", "log Γ(1 + u)/(u (u - 1))", log_gamma, 0, mpf(1) / 4, 8),
    ("kDigamma", "ψ(1 + u)/(1 + u - root)", digamma, 0, mpf(1) / 4, 8),
    ("kBessel0", "e⁻ˣ I₀(x)", lambda x: bessel(0, x), 0, mpf(1), 8),
    ("kBessel0Slope", "e⁻ˣ (I₁(x) - I₀(x))", bessel_slope, 0, mpf(1), 8),
    ("kBessel1", "e⁻ˣ I₁(x)/x", lambda x: bessel(1, x) / x if x else mpf(1) / 2, 0, mpf(1), 2),
    ("kBessel0Far", "√x e⁻ˣ I₀(x) of 8/x", far(lambda x: bessel(0, x), mpf(1) / 2), 0, mpf(1) / 4, 4),
    ("kBessel0SlopeFar", "√x³ e⁻ˣ (I₁(x) - I₀(x)) of 8/x", far(bessel_slope, mpf(3) / 2), 0, mpf(1) / 4, 4),
    ("kInverseErf", "erf⁻¹(x)/x of x²", inverse_erf, 0, mpf(1) / 16, 4),
]


def number(x: Any) -> str:
    return float(x).hex().replace("0000000000000p", "p").replace(".p", "p")


def fitted(f: Callable[[Any], Any], begin: Any, width: Any) -> list[Any]:
    """The coefficients, the constant first, as few as the tolerance takes."""
    middle, half = begin + width / 2, width / 2
    for n in range(4, 26):
        found, error = m.chebyfit(lambda t: f(middle + half * t), [-1, 1], n, error=True)
        if error / abs(f(middle)) < TOLERANCE:
            return list(found[::-1])
    raise SystemExit("no fit")


def rows(numbers: list[str]) -> str:
    lines, line = [], "   "
    for n in numbers:
        if len(line) + len(n) + 2 > 120:
            lines.append(line)
            line = "   "
        line += f" {n},"
    return "\n".join([*lines, line])


def table(name: str, what: str, f: Callable[[Any], Any], begin: Any, width: Any, count: int) -> str:
    pieces = [fitted(f, begin + k * width, width) for k in range(count)]
    length = max(map(len, pieces))
    numbers = []
    for piece in pieces:
        constant = mpf(float(piece[0]))
        numbers += [number(piece[0] - constant), number(constant), *map(number, piece[1:])]
        numbers += ["0"] * (length - len(piece))
    data = f"inline constexpr double {name}Data[] = {{\n{rows(numbers)}\n}};\n"
    shape = f"{number(begin)}, {number(1 / width)}, {count}, {length}"
    return f"// {what}\n{data}inline constexpr Pieces {name} = {{{name}Data, {shape}}};\n"


def main() -> None:
    low, high = m.sqrt(m.log(2)), mpf(28)
    guess, error = m.chebyfit(inverse_erfc, [(low - 4) / (low + 4), (high - 4) / (high + 4)], 12, error=True)
    root = mpf(float(ROOT - 1))
    text = f"""// Made by tools/special_tables.py: polynomials of pieces of functions, each piece as the low part
// of its constant, the constant, and the other coefficients.
#pragma once

namespace alice {{

struct Pieces {{
  const double* data;
  double begin, inverse_width;
  int count, length;  // of pieces; of coefficients of one
}};

{chr(10).join(table(*p) for p in PIECES)}
// erfc⁻¹(q)/s with s = √-log q, of (s - 4)/(s + 4), within {m.nstr(error, 2)}
inline constexpr double kInverseErfcGuess[] = {{
{rows([number(c) for c in guess[::-1]])}
}};

// The zero of ψ(1 + u).
inline constexpr double kDigammaRoot = {number(root)}, kDigammaRootLo = {number(ROOT - 1 - root)};

}}  // namespace alice
"""
    TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
