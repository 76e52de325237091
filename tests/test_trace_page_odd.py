"""Pages of odd traces: empty, huge, untracked, of values that JavaScript has not, with markup in their names."""

from __future__ import annotations

import html
import importlib.util
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from page_scripts import engine, live_data, probe
from test_trace_page import Page


@pytest.fixture(scope="module", autouse=True)
def _thread_of_the_engine() -> None:
    """Begins before the tests that must leave none behind."""
    if importlib.util.find_spec("py_mini_racer"):
        engine()


def reason(t: ac.Trace) -> str:
    """Why the page of a trace stays still; empty where it moves."""
    found = re.findall(r'<p class="still">This page shows what Python computed: (.*?)\.</p>', t.to_html())
    return html.unescape(found[0]) if found else ""


@ac.custom_vjp
def twice(x: ac.Tensor) -> ac.Tensor:
    return x * 2.0


twice.defvjp(lambda x: (x * 2.0, x), lambda x, g: (g * ac.cos(x),))

x2 = np.array([1.0, -2.0])
ODD: list[tuple[Callable[..., Any], list[Any]]] = [
    (lambda x: ac.sum(x * 2.0), [np.zeros(0)]),
    (lambda x: x * 2.0, [np.zeros((0, 3))]),
    (lambda x: x, [1.0]),
    (lambda x: ac.tensor(3.0), [1.0]),
    (lambda x: (x, x, x * 1.0, ac.argmax(x), ac.stop_gradient(x)), [x2]),
    (lambda x, i: x[i], [x2, ac.tensor(1)]),
    (lambda x, y: x * 2.0, [1.0, 2.0]),
    (lambda x: ac.sqrt(x) * x, [np.array([np.nan, -1.0, np.inf, -0.0])]),
    (lambda x: x * ac.random.uniform((3,)), [np.ones(3)]),
    (ac.grad(lambda x: ac.sum(x**3)), [x2]),
    (ac.hessian(lambda x: ac.sum(ac.sin(x) * x**2)), [x2]),
    (ac.jacfwd(lambda x: ac.tanh(x) * x), [x2]),
    (ac.vmap(lambda x: ac.sum(x * ac.exp(x))), [np.ones((2, 2))]),
    (ac.checkpoint(lambda x: ac.sum(ac.exp(ac.sin(x)))), [x2]),
    (ac.compile(lambda x: ac.sum(ac.sin(x) * x)), [x2]),
    (lambda x: twice(x) * 3.0, [x2]),
    (lambda x: ac.map(lambda v: ac.sin(v) * v, x), [x2]),
]


@pytest.mark.parametrize(("f", "xs"), ODD)
def test_they_live_and_agree(f: Callable[..., Any], xs: list[Any]) -> None:
    t = ac.trace(f)(*xs)
    page = Page(t.to_html())
    assert len(page.ids) == len(set(page.ids))
    assert set(page.links) <= set(page.ids)
    assert reason(t) == ""
    for op, _, verdict, shown in probe(live_data(t)):
        assert verdict == "agrees", f"{op} {verdict} {shown}"


def by_value(x: ac.Tensor) -> ac.Tensor:
    return x * x if x > 0.0 else -x


def in_place(x: ac.Tensor) -> ac.Tensor:
    p = ac.zeros(())
    p.assign_(x * 2.0)
    return p * 3.0


@pytest.mark.parametrize(("f", "xs", "why"), [
    (by_value, [2.0], "the function asks for the value of b: with other arguments its equations may be others"),
    (lambda x: x * float(ac.stop_gradient(x)), [2.0], "the function asks for the value of a"),
    (lambda x: x * np.asarray(ac.argmax(x)).sum(), [np.ones(3)], "the function asks for the value of b"),
    (in_place, [2.0], "copy changes a Tensor in place"),
    (lambda i: i * 2, [ac.tensor(3)], "no argument is floating"),
    (lambda x: x * 2.0, [ac.abstract((3,))], "the arguments are abstract"),
    (lambda x: x * x, [ac.ones(2).astype("bfloat16")], "JavaScript has no numbers of dtype bfloat16"),
    (lambda x: ac.sum(x @ x), [np.ones((300, 300))], "its values take"),
    (lambda x: x + ac.sum(ac.tensor(np.array([2**60])) + ac.astype(x, ac.int64)), [2.0], "beyond 2^53"),
])  # fmt: skip
def test_they_say_why_they_stay_still(f: Callable[..., Any], xs: list[Any], why: str) -> None:
    t = ac.trace(f)(*xs)
    assert why in reason(t)
    assert "<script type=" not in t.to_html()
    Page(t.to_html())


def test_what_a_value_is_read_for_does_not_matter_where_no_argument_leads_to_it() -> None:
    t = ac.trace(lambda x: x * ac.tensor(2.0).item() if ac.tensor(1.0) > 0.0 else x)(1.0)
    assert reason(t) == ""


def test_long_programs_are_cut_and_say_so() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        for _ in range(1000):
            x = ac.sin(x) + 1.0
        return x

    t = ac.trace(f)(1.0)
    text = t.to_html()
    page = Page(text)
    assert len(text) < 500_000
    assert text.count("further lines; print(trace) shows all") == 3
    assert "1800 further lines" in page.text
    assert set(page.links) <= set(page.ids)
    assert "the page shows 200 lines of a program, and there are more" in reason(t)


def test_the_page_stays_below_its_size() -> None:
    """Whatever is left of 500 kB is for the values."""
    sizes = []
    for n in (1, 10, 20, 60):
        text = ac.trace(lambda x: ac.sum(ac.tanh(x @ x) * x))(np.linspace(-1.0, 1.0, n * n).reshape(n, n)).to_html()
        sizes.append((len(text.encode()), 'id="programs"' in text))
    assert max(size for size, _ in sizes) < 500_000
    assert [lives for _, lives in sizes] == [True, True, True, False]


EVIL = '</script><img src=x onerror="alert(1)">&\''


def test_markup_in_names_is_text() -> None:
    t = ac.trace(lambda params: ac.sum(params[EVIL] * 2.0))({EVIL: ac.ones(2)})
    text = t.to_html()
    assert "<img" not in text
    assert text.count("</script>") == 2
    page = Page(text)
    (data,) = re.findall(r'<script type="application/json" id="programs">(.*?)</script>', text)
    (name,) = json.loads(data)["arguments"]
    assert "onerror" in name
    assert not set(" ~'") & set(name)
    assert name in page.text


def test_the_first_result_begins() -> None:
    """A direction of the arguments is a column of the Jacobian, and one of the results a row."""
    data = live_data(ac.trace(lambda x: (ac.argmax(x), ac.softmax(x), ac.sum(x)))(ac.tensor([1.0, 2.0, 3.0])))
    value = {name: data["programs"]["values"][n] for name, n in data["names"].items()}
    assert [value[name] for name in data["seeds"]["tangent"]] == [[1.0, 0.0, 0.0]]
    assert [value[name] for name in data["seeds"]["dual"]] == [[1.0, 0.0, 0.0], [0.0]]
