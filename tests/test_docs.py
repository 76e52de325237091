"""Every example in README.md and in the docstrings runs and prints what it says; README's op table is current."""

from __future__ import annotations

import doctest
import importlib
import math
import pkgutil
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import alice_core as ac

ROOT = Path(__file__).resolve().parent.parent
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NUMBER = re.compile(r"([-+]?\d*\.\d*(?:e[-+]?\d+)?)(?![\w.])")


class Checker(doctest.OutputChecker):
    """Instruction-set levels may differ in the last digits: numbers with a point need to agree to 1e-6 only."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        if super().check_output(want, got, optionflags):
            return True
        texts, others = (NUMBER.split("".join(text.split())) for text in (want, got))
        if len(texts) != len(others) or texts[::2] != others[::2]:
            return False
        try:
            pairs = [(float(a), float(b)) for a, b in zip(texts[1::2], others[1::2], strict=True)]
        except ValueError:  # a lone point
            return False
        return all(math.isclose(a, b, rel_tol=1e-6) for a, b in pairs)


def modules():
    names = ["alice_core"]
    for module in pkgutil.walk_packages(ac.__path__, "alice_core."):
        if module.name.rpartition(".")[2] not in ("_core", "__main__"):
            names.append(module.name)
    return names


def run(test):
    report: list[str] = []
    runner = doctest.DocTestRunner(Checker(), optionflags=FLAGS)
    runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


@pytest.fixture(autouse=True)
def settings():
    """Examples may choose a number of threads; NumPy prints as everywhere."""
    threads = ac.get_num_threads()
    with np.printoptions():
        yield
    ac.set_num_threads(threads)


@pytest.mark.parametrize("name", modules())
def test_docstrings(name):
    module = importlib.import_module(name)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name, extraglobs={}):
        if test.examples:
            run(test)


@pytest.mark.parametrize(("want", "got", "same"), [
    ("Tensor([0.       , 0.8413447], dtype=float32)", "Tensor([0., 0.8413448], dtype=float32)", True),
    ("[1.0, -2.5e-12]", "[1.0000001, -2.5000001e-12]", True),
    ("[1.0, 2.5]", "[1.0, 2.6]", False),
    ("[1.0, 2.5]", "[1.0, 2.5, 2.5]", False),
    ("shape (2, 3)", "shape (2, 4)", False),
    ("float32 1.0", "float64 1.0", False),
    ("0.0", "1e-300", False),
    ("x = .", "x = 1.", False),
])  # fmt: skip
def test_examples_are_compared_up_to_the_last_digits(want, got, same):
    assert Checker().check_output(want + "\n", got + "\n", FLAGS) is same


def python_blocks(path):
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/engine.md"])
def test_pages(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = python_blocks(ROOT / page)
    test = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
    assert page != "README.md" or len(test.examples) >= 5
    run(test)


@pytest.mark.parametrize("tool", ["optable.py", "speedtable.py"])
def test_tables_of_the_readme_are_current(tool):
    written = runpy.run_path(str(ROOT / "tools" / tool))["with_table"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert written(text) == text, f"README.md is out of date; run: python tools/{tool}"
