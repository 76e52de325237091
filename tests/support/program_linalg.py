"""Templates (``program_ops.py``) of ``ac.linalg``: matrices that are what the functions need, whatever numbers come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from program_rows import Template

if TYPE_CHECKING:
    from random_programs import Maker

__all__ = ["LINALG"]


def _bounded(g: Maker) -> str:
    """A matrix, or some, without infinities and NaN."""
    x = g.operand("f", lambda v: v.ndim >= 2 and min(v.shape[-2:]) > 0 and max(v.shape[-2:]) < 40)
    return f"ac.tanh(ac.where({x} == {x}, {x}, 0.0))"


def _square(g: Maker) -> str:
    """Well conditioned."""
    m = _bounded(g)
    return f"(lambda m: ac.matmul(ac.matrix_transpose(m), ac.roll(m, 1, -1)) + 9.0 * ac.eye(m.shape[-1]))({m})"


def _definite(g: Maker) -> str:
    return f"(lambda m: ac.matmul(ac.matrix_transpose(m), m) + ac.diag(ac.arange(1.0, m.shape[-1] + 1)))({_bounded(g)})"


def _of(name: str, matrix: Template, *options: str) -> Template:
    def template(g: Maker) -> str:
        option = g.pick(("", *(f", {o}" for o in options)))
        return f"ac.linalg.{name}({matrix(g)}{option})"

    return template


def _system(name: str, matrix: Template, *options: str) -> Template:
    """With some rows of the matrix as right-hand sides."""

    def template(g: Maker) -> str:
        option = g.pick(("", *(f", {o}" for o in options)))
        b = g.pick(("m", "m[..., :1]", "ac.matrix_transpose(m)[..., :2]"))
        return f"(lambda m: ac.linalg.{name}(m, {b}{option}))({matrix(g)})"

    return template


def _solve(g: Maker) -> str:
    """Also of matrices that are so large that their factors are kept."""
    large = f"ac.linalg.kron({_square(g)}, ac.eye(17))"
    return f"(lambda m: ac.linalg.solve(m, m[..., :1]))({large})" if g.chance(0.4) else _system("solve", _square)(g)


def _product(name: str) -> Template:
    def template(g: Maker) -> str:
        x = g.operand("f", lambda v: v.ndim == 2 and v.size < 100)
        if name == "kron":
            return f"ac.linalg.kron({x}, {x}[:1])"
        return f"ac.linalg.multi_dot([{x}, {x}.T, {x}])" if g.is_tensor(x) else f"ac.linalg.multi_dot([{x}, {x}.T])"

    return template


LINALG: dict[str, Template] = {
    "linalg.cholesky": _of("cholesky", _definite, "upper=True"),
    "linalg.cho_solve": _system("cho_solve", _definite, "upper=True"),
    "linalg.solve_triangular": _system("solve_triangular", _square, "lower=True", "transposed=True"),
    "linalg.solve": _solve,
    "linalg.inv": _of("inv", _square),
    "linalg.det": _of("det", _square),
    "linalg.slogdet": _of("slogdet", _square),
    "linalg.lu": _of("lu", _bounded),
    "linalg.qr": _of("qr", _square),
    "linalg.eigh": _of("eigh", _definite),
    "linalg.eigvalsh": _of("eigvalsh", _definite),
    "linalg.eig": _of("eig", _definite),
    "linalg.eigvals": _of("eigvals", _definite),
    "linalg.svd": _of("svd", _definite, "full_matrices=False"),
    "linalg.svdvals": _of("svdvals", _bounded),
    "linalg.pinv": _of("pinv", _square),
    "linalg.lstsq": _system("lstsq", _square),
    "linalg.matrix_rank": _of("matrix_rank", _square),
    "linalg.matrix_power": lambda g: f"ac.linalg.matrix_power({_square(g)}, {g.below(5) - 2})",
    "linalg.matrix_norm": _of("matrix_norm", _bounded, "ord=1", "keepdims=True", 'ord="nuc"'),
    "linalg.vector_norm": _of("vector_norm", _bounded, "ord=1", "ord=3", "axis=-1"),
    "linalg.norm": _of("norm", _bounded),
    "linalg.cond": _of("cond", _square, "p=1"),
    "linalg.cross": lambda g: f"ac.linalg.cross({(x := g.operand('f', lambda v: 3 in v.shape[-1:]))}, {g.twin(x)})",
    "linalg.trace": _of("trace", _bounded, "offset=1"),
    "linalg.multi_dot": _product("multi_dot"),
    "linalg.kron": _product("kron"),
    "linalg.expm": _of("expm", _square),
    "linalg.sqrtm": _of("sqrtm", _definite),
    "linalg.logm": _of("logm", _definite),
    "linalg.funm": lambda g: f"ac.linalg.funm({_definite(g)}, {g.pick(('ac.tanh', 'lambda w, c: c * w * w, 0.1'))})",
    "linalg.polar": _of("polar", _square, 'side="left"'),
}
