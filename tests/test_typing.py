"""What type checkers and readers of signatures see: the user's function, not ``(*args, **kwargs)``."""

from __future__ import annotations

import inspect
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import alice_core as ac

TYPING = Path(__file__).parent / "typing"

with_mypy = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import mypy"], capture_output=True).returncode != 0,
    reason="mypy, which checks types, is not installed",
)


def mypy(folder: Path, *arguments: str | Path) -> None:
    """Run in an empty folder, with the settings of nobody; what is imported is the installed package."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], cwd=folder, env=dict(os.environ), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@with_mypy
def test_a_program_under_strict(tmp_path: Path) -> None:
    mypy(
        tmp_path, "mypy", "--strict", "--warn-unused-ignores", "--config-file=", "--cache-dir", tmp_path,
        TYPING / "program.py", TYPING / "mistakes.py",
    )  # fmt: skip


def test_the_program_runs() -> None:
    runpy.run_path(str(TYPING / "program.py"))


@with_mypy
def test_the_stubs_are_those_of_the_module(tmp_path: Path) -> None:
    mypy(tmp_path, "mypy.stubtest", "alice_core", "--concise", "--allowlist", TYPING / "stubtest.allow")


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(ac.__file__).parent / "py.typed").is_file()


def loss(w: ac.Tensor, x: ac.Tensor, *, scale: float = 1.0) -> ac.Tensor:
    """The loss."""
    return ac.sum(w * x) * scale


TRANSFORMS: dict[str, Any] = {
    name: getattr(ac, name)
    for name in (
        *(
            "grad",
            "value_and_grad",
            "jacrev",
            "jacfwd",
            "jacobian",
            "hessian",
            "vmap",
            "checkpoint",
            "compile",
            "trace",
        ),
        *("custom_vjp", "custom_jvp", "custom_primitive"),
    )
}
TRANSFORMS |= {"no_grad": ac.no_grad(), "debug_nans": ac.debug_nans(), "compile()": ac.compile(cache_size=2)}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_keep_name_text_and_signature(name: str) -> None:
    made = TRANSFORMS[name](loss)
    assert made.__name__ == "loss"
    assert made.__qualname__ == "loss"
    assert made.__module__ == __name__
    assert made.__doc__ == "The loss."
    assert inspect.unwrap(made) is loss
    assert inspect.signature(made) == inspect.signature(loss)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_what_has_no_name_is_transformed_too(name: str) -> None:
    assert callable(TRANSFORMS[name](ac.nn.Linear(2, 3)))
    assert "weight" not in vars(TRANSFORMS[name](ac.nn.Linear(2, 3)))


def test_tensors_by_keyword_are_inputs_of_a_trace() -> None:
    x = ac.tensor([1.0, 2.0])
    t = ac.trace(loss)(x, x=ac.tensor([3.0, 4.0]), scale=2.0)
    assert [x.tolist() for x in t.inputs] == [[1.0, 2.0], [3.0, 4.0]]
    assert [g.tolist() for g in t.reverse().outputs] == [[6.0, 8.0], [2.0, 4.0]]


@pytest.mark.parametrize("kind", [ac.custom_vjp, ac.custom_jvp])
def test_custom_functions_take_keywords(kind: Any) -> None:
    @kind
    def f(x: ac.Tensor, factor: float = 2.0) -> ac.Tensor:
        return x * factor

    if kind is ac.custom_vjp:
        f.defvjp(lambda x, factor: (f(x, factor), factor), lambda factor, g: (g * factor * 10.0, None))
    else:
        f.defjvp(lambda primals, tangents: (f(*primals), tangents[0] * primals[1] * 10.0))
    assert ac.grad(lambda x: f(x, factor=3.0))(1.0).item() == 30.0
    assert ac.grad(lambda x: f(x=x))(1.0).item() == 20.0
    with pytest.raises(TypeError, match="unexpected keyword"):
        f(ac.tensor(1.0), fctor=3.0)
