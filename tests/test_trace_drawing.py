"""The trace as a drawing."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import alice_core as ac


def edges(text: str) -> set[tuple[str, str, str]]:
    return set(re.findall(r'(\w+) -> (\w+) \[label="([^":]*)', text))


def test_dot_draws_every_equation_and_every_use() -> None:
    W = ac.ones((3, 3))
    t = ac.trace(lambda x: ac.sum(ac.tanh(W @ x) * x))(ac.ones((3,)))
    text = t.to_dot()
    assert text.count("{") == text.count("}") == 2
    assert re.findall(r'label="(\w+)", tooltip', text) == [line.op for line in t.lines]
    assert edges(text) == {
        ("trace_0_in0", "trace_0", "b"),
        ("trace_in0", "trace_0", "a"),
        ("trace_0", "trace_1", "c"),
        ("trace_1", "trace_2", "d"),
        ("trace_in0", "trace_2", "a"),
        ("trace_2", "trace_3", "e"),
        ("trace_3", "trace_out0", "f"),
    }


def test_dot_draws_what_is_handed_out_as_it_came() -> None:
    c = ac.ones(2)
    text = ac.trace(lambda x: (x, c, c))(ac.zeros(2)).to_dot()
    assert edges(text) == {("trace_in0", "trace_out0", "a"), ("trace_out1", "trace_out2", "b")}


def test_dot_draws_the_dual_program_beside() -> None:
    t = ac.trace(lambda x: ac.sum(ac.exp(x) + x))(ac.ones((3,)))
    text = t.to_dot(reverse=True)
    assert "cluster_trace" in text
    assert "cluster_dual" in text
    assert any(a.startswith("trace_") and b.startswith("dual_") for a, b, _ in edges(text))  # a rule reads exp(x)
    assert any(name == "a~" and to == "dual_out0" for _, to, name in edges(text))
    with pytest.raises(ac.GradientError, match="has none of its own"):
        t.reverse().to_dot(reverse=True)


def test_render_hands_the_drawing_to_graphviz(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn = []

    class Source:
        def __init__(self, text: str) -> None:
            self.text = text

        def render(self, outfile: str, cleanup: bool) -> None:
            drawn.append((self.text, outfile, cleanup))

    monkeypatch.setitem(sys.modules, "graphviz", SimpleNamespace(Source=Source))
    t = ac.trace(ac.exp)(1.0)
    t.render(tmp_path / "t.svg")
    assert drawn == [(t.to_dot(), str(tmp_path / "t.svg"), True)]


def test_render_names_the_package_that_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(ImportError, match="graphviz"):
        ac.trace(ac.exp)(1.0).render(tmp_path / "t.svg")
