"""The examples are short, run, and find what they look for."""

from __future__ import annotations

import codecs
import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="examples/ is not part of this installation")


def run(name: str) -> str:
    environment = {**os.environ, "MPLBACKEND": "Agg"}  # which shows nothing
    done = subprocess.run([sys.executable, str(EXAMPLES / name)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    if "tqdm" in (EXAMPLES / name).read_text(encoding="utf-8"):
        assert not done.stderr  # progress is for terminals
    return done.stdout


def numbers(line: str) -> list[float]:
    return [float(x) for x in re.findall(r"-?\d+\.\d+", line)]


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 80


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_draws_something(path: Path) -> None:
    """The gallery shows it; without, an empty picture stands there."""
    text = path.read_text(encoding="utf-8")
    assert "plt.show()" in text or ".png" in text


def test_lotka_volterra() -> None:
    needs("matplotlib")
    rates, check = run("lotka_volterra.py").splitlines()
    found, true = numbers(rates)[:4], numbers(rates)[4:]
    assert found == pytest.approx(true, rel=0.02)
    adjoint, tangent = numbers(check)
    assert adjoint == pytest.approx(tangent, abs=1e-8)


def test_kalman() -> None:
    needs("matplotlib")
    best, errors = run("kalman.py").splitlines()
    push, true_push, blur, true_blur, _ = numbers(best)
    error_push, error_blur = numbers(errors)
    assert abs(push / true_push - 1) < 3 * error_push
    assert abs(blur / true_blur - 1) < 4 * error_blur


def test_cart_pole() -> None:
    """Upright soon, and to stay, though the model's pole is too light."""
    needs("matplotlib")
    needs("tqdm")
    swing, stay = run("cart_pole.py").splitlines()
    seconds, force = numbers(swing)
    assert 1.0 < seconds < 3.0
    assert force < 30
    off, far = numbers(stay)
    assert off < 0.01
    assert far < 1.5


def test_zen() -> None:
    """It has learned words, and writes them."""
    needs("matplotlib")
    needs("tqdm")
    losses, *lines = run("zen.py").splitlines()
    first, chance, last = numbers(losses)
    assert abs(first / chance - 1) < 0.1
    assert last < 0.5
    text = codecs.decode(importlib.import_module("this").s, "rot13")
    words = " ".join(lines).split()
    assert len(words) > 20
    assert np.mean([word in text.split() for word in words]) > 0.7


def test_eight_schools() -> None:
    needs("matplotlib")
    accepted, mean, r_hat, schools = run("eight_schools.py").splitlines()
    assert 0.9 < numbers(accepted)[0] < 1
    effect, spread = numbers(mean)
    assert effect == pytest.approx(4.4, abs=0.4)  # the posterior means that others find
    assert spread == pytest.approx(3.6, abs=0.4)
    assert numbers(r_hat)[0] < 1.01
    assert len(numbers(schools)) == 8


@pytest.mark.notes("M054", "M057")
def test_fine_tuning() -> None:
    needs("sklearn")
    needs("matplotlib")
    scratch, head, tuned, trunk = run("fine_tuning.py").splitlines()
    assert trunk.endswith("the trunk is as it was")
    assert numbers(head)[0] > numbers(scratch)[0] + 0.02
    assert numbers(tuned)[0] >= numbers(head)[0] - 0.02


@pytest.mark.notes("M055")
def test_masked_pixels() -> None:
    needs("sklearn")
    needs("matplotlib")
    found, mean_image = numbers(run("masked_pixels.py"))
    assert found < 0.5 * mean_image


@pytest.mark.notes("M172")
def test_penguins() -> None:
    """The same weights after 200 updates as those of a network that was written in NumPy by hand."""
    needs("palmerpenguins")
    needs("matplotlib")
    penguins, apart = run("penguins.py").splitlines()
    assert penguins.startswith("342 penguins, ")
    assert numbers(penguins)[0] > 98
    assert float(re.search(r"\d\.\de[-+]\d+", apart)[0]) <= 1e-8


@pytest.mark.notes("M054", "M057")
def test_frozen_trunk() -> None:
    needs("sklearn")
    needs("matplotlib")
    old, new = run("frozen_trunk.py").splitlines()
    assert numbers(old)[0] > 0.95
    assert old.endswith("the trunk has not changed: True")
    learned, random = numbers(new)
    assert learned > random + 0.05
