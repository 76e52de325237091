"""The trace as a page: its text, and what a browser makes of it."""

from __future__ import annotations

import html
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import alice_core as ac
from alice_core.tracing.summary import summarise
from browser import BROWSER

in_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


def example(profile: bool = False, live: bool = False) -> tuple[ac.Trace, str]:
    W = ac.tensor(np.linspace(-1.0, 1.0, 12).reshape(4, 3)).requires_grad_()

    def loss(x: ac.Tensor) -> ac.Tensor:
        h = ac.tanh(x @ W)
        return ac.mean(h * h) + ac.sum(h)

    t = ac.trace(loss)(ac.tensor(np.linspace(-2.0, 2.0, 20).reshape(5, 4)))
    return t, t.to_html(profile=profile, live=live)


class Page(HTMLParser):
    """Checks that elements are closed in order, and collects what refers to what."""

    VOID = frozenset({"meta", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.lines: list[dict[str, str | None]] = []
        self.urls: list[str] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"] or "")
        if tag == "a":
            self.links.append((given["href"] or "")[1:])
        if given.get("class") == "line":
            self.lines.append(given)
        self.urls += [v for k, v in attrs if k in ("src", "href", "action", "xlink:href") and v and v[0] != "#"]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_data(self, data: str) -> None:
        self.text += data


# -- without a browser -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [False, True])
def test_everything_is_there_without_javascript(live: bool) -> None:
    t, text = example(live=live)
    page = Page(text)
    visible = "".join(page.text.split())
    for trace in (t, t.reverse()):
        for line in trace.lines:
            assert "".join(f"= {line.op}(".split()) in visible or not line.op
    makes = [line["data-makes"] for line in page.lines if line.get("data-makes")]
    assert set(t.reverse().adjoints) <= set(makes)
    assert {name + "~" for name in t.reverse().adjoints} <= set(makes)
    assert "h = ac.tanh(x @ W)" in page.text
    assert "FLOPs" in page.text


@pytest.mark.parametrize("live", [False, True])
def test_links_lead_to_where_a_value_is_made(live: bool) -> None:
    page = Page(example(live=live)[1])
    assert len(page.ids) == len(set(page.ids))
    assert set(page.links) <= set(page.ids)


@pytest.mark.parametrize("live", [False, True])
def test_nothing_is_loaded(live: bool) -> None:
    _, text = example(live=live)
    page = Page(text)
    assert page.urls == []
    assert "default-src 'none'" in text
    assert not re.search(r"https?:|@import|url\(", text)


def test_text_of_the_user_is_escaped(tmp_path: Path) -> None:
    source = "def f(x):\n    return ac.exp(x) * (1.0 if '<script>&\"' else 2.0)\n"
    path = tmp_path / "a<b>&.py"
    path.write_text(source, encoding="utf-8")
    scope = {"ac": ac}
    exec(compile(source, str(path), "exec"), scope)
    text = ac.trace(scope["f"])(ac.ones(2)).to_html()
    page = Page(text)
    assert "a<b>&.py:2" in page.text
    assert "'<script>&\"'" in page.text
    assert text.count("<script>") == 1


def test_values_are_summarised() -> None:
    x = ac.tensor([1.0, 2.0, 3.0, np.nan, np.inf, -np.inf])
    s = summarise(x)
    assert s is not None
    assert s[:5] == (1.0, 2.0, 3.0, 1, 2)
    assert sum(s.counts) == 3
    assert s.counts[0] == s.counts[-1] == 1
    text = ac.trace(lambda x: x * 2.0)(x).to_html(live=False)
    assert "1 NaN, 2 infinite" in text
    assert text.count("<svg") == 2


@pytest.mark.parametrize("x", [
    ac.tensor(np.array([-1.7e308, 1.7e308])), ac.tensor(np.array([5e-324, 1e-323])), ac.zeros((3,)), ac.tensor(7),
    ac.tensor([True, False]), ac.tensor([np.nan]), ac.full((2, 2), np.inf), ac.ones((1000,)) + 1e-7,
])  # fmt: skip
def test_summaries_of_odd_values(x: ac.Tensor) -> None:
    s = summarise(x)
    assert s is not None
    finite = x.numpy()[np.isfinite(x.numpy())].astype(np.float64)
    assert sum(s.counts) in (0, finite.size)
    assert not finite.size or s.minimum <= s.mean <= s.maximum
    Page(ac.trace(lambda x: x.reshape((-1,)))(x).to_html())


def test_abstract_values_have_no_summary() -> None:
    assert summarise(ac.abstract((3,))) is None
    assert summarise(ac.zeros((0, 3))) is None
    text = ac.trace(lambda x: ac.sum(ac.tanh(x)))(ac.abstract((3,))).to_html(profile=True)
    assert 'class="stats"' not in text
    assert 'class="time"' not in text
    assert "tanh_vjp" in text


def test_where_there_is_no_dual_program() -> None:
    text = ac.trace(lambda x: ac.argmax(x))(ac.ones(3)).to_html()
    assert "nothing can be differentiated" in Page(text).text
    vector = ac.trace(lambda x: (ac.exp(x), ac.sum(x)))(ac.ones(3)).to_html(live=False)
    assert "Dual program" in vector
    assert vector.count('class="stats"') == 3  # the argument and the two results; the cotangent is abstract
    t, _ = example()
    assert "<h2>Trace</h2>" not in t.reverse().to_html()


def test_times_on_request() -> None:
    t, text = example(profile=True)
    timed = [line for trace in (t, t.reverse()) for line in trace.lines if line.equation]
    assert text.count('class="time"') == len(timed)
    assert not re.search('class="time"', t.to_html(live=False))
    widths = [float(w) for w in re.findall(r'class="bar" style="width: ([\d.]+)%"', text)]
    assert max(widths) == 70.0


def test_profiling_changes_nothing() -> None:
    p = ac.ones((3,)).requires_grad_()
    opt = ac.optim.SGD([p], lr=0.5)

    def step(x: ac.Tensor) -> ac.Tensor:
        loss = ac.sum(x * p)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    t = ac.trace(step)(ac.ones((3,)))
    after = p.numpy().copy()
    assert "backward() went through this graph" in html.unescape(t.to_html(profile=True))
    np.testing.assert_array_equal(p.numpy(), after)


def test_in_a_notebook() -> None:
    t, text = example(live=True)
    frame = t._repr_html_()
    (inner,) = re.findall(r'srcdoc="([^"]*)"', frame)
    assert html.unescape(inner) == text


# -- in a browser ------------------------------------------------------------------------------------------------------


def chromium(folder: Path, text: str, *options: str) -> str:
    page = folder / "page.html"
    page.write_text(text, encoding="utf-8")
    assert BROWSER is not None
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=2000",
         f"--user-data-dir={folder / 'profile'}", *options, page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout


# What is marked, in the words of the page's own attributes.
PROBE = """
const seen = {};
const names = (kind) => [...new Set([...document.querySelectorAll(".v." + kind)].map((v) => v.dataset.v))].sort();
const made = (kind) => [...document.querySelectorAll(".line." + kind)].map((l) => l.dataset.makes || l.dataset.op);
const note = (step) => (seen[step] = {self: names("self"), partner: names("partner"), maker: made("maker"),
  reader: made("reader"), status: document.getElementById("status").textContent});
const first = (name) => document.querySelector(`.v[data-v="${name}"]`);
const send = (target, kind, options) =>
  target.dispatchEvent(new (kind === "keydown" ? KeyboardEvent : MouseEvent)(
    kind, {bubbles: true, cancelable: true, ...options}));
%s
const out = document.createElement("pre");
out.id = "seen";
out.textContent = JSON.stringify(seen);
document.body.append(out);
"""


def drive(folder: Path, text: str, script: str) -> dict[str, dict[str, list[str]]]:
    """Runs the script behind the page's own and returns what it noted."""
    dom = chromium(folder, text.replace("</body>", f"<script>{PROBE % script}</script></body>"), "--dump-dom")
    (found,) = re.findall(r'<pre id="seen">(.*?)</pre>', dom, re.DOTALL)
    seen: dict[str, dict[str, list[str]]] = json.loads(html.unescape(found))
    return seen


@in_browser
def test_a_click_shows_maker_readers_and_adjoint(tmp_path: Path) -> None:
    t, text = example()
    dual = t.reverse()
    (tanh,) = [line for line in t.lines if line.op == "tanh"]
    name = tanh.results[0][0]
    readers = [line for trace in (t, dual) for line in trace.lines if name in line.reads]
    seen = drive(tmp_path, text, f"""
        note("before");
        send(first("{name}"), "mouseover"); note("hover");
        send(document.body, "mouseover"); note("left");
        send(first("{name}"), "click"); note("clicked");
        send(first("{t.lines[0].results[0][0]}"), "mouseover"); note("kept");
        send(document.body, "keydown", {{key: "Escape"}}); note("escaped");
        send(first("{name}~"), "click"); note("adjoint");
        send(document.body, "click"); note("elsewhere");
    """)  # fmt: skip
    nothing = {"self": [], "partner": [], "maker": [], "reader": []}
    for step in ("before", "left", "escaped", "elsewhere"):
        assert {k: v for k, v in seen[step].items() if k != "status"} == nothing, step
    clicked = seen["clicked"]
    assert clicked["self"] == [name]
    assert f"{name}~" in clicked["partner"]
    assert {partner.split("~")[0] for partner in clicked["partner"]} == {name}
    assert clicked["maker"] == [name]
    assert clicked["reader"] == [" ".join(n for n, _ in line.results) for line in readers]
    assert seen["hover"]["self"] == seen["kept"]["self"] == [name]
    assert f"{name} is made by tanh" in str(clicked["status"])
    assert f"its adjoint is {name}~" in str(clicked["status"])
    assert seen["adjoint"]["partner"] == [name]
    assert f"adjoint of {name}" in str(seen["adjoint"]["status"])
    assert seen["adjoint"]["maker"] == [f"{name}~"]


def pixels(folder: Path, text: str, scheme: int = 1) -> np.ndarray:
    shot = folder / "shot.png"
    settings = f"--blink-settings=preferredColorScheme={scheme}"
    chromium(folder, text, f"--screenshot={shot}", "--window-size=1200,800", settings)
    return imread(shot)[..., :3]


def ink(picture: np.ndarray) -> np.ndarray:
    """Where a picture is not of the colour of its paper."""
    return np.abs(picture - picture[2, 2]).max(axis=-1) > 0.3


@in_browser
@pytest.mark.parametrize(("scheme", "dark"), [(1, False), (0, True)])
def test_the_picture_in_both_colour_schemes(tmp_path: Path, scheme: int, dark: bool) -> None:
    picture = pixels(tmp_path, example(profile=True)[1], scheme)
    assert picture.shape == (800, 1200, 3)
    assert (float(picture[2, 2].mean()) < 0.3) is dark
    for column in (picture[:, :600], picture[:, 600:]):
        assert 0.01 < ink(column).mean() < 0.5
        assert ink(column)[:400].any()


@in_browser
def test_the_picture_where_scripts_are_off(tmp_path: Path) -> None:
    """The same, without the bar that tells what to point at."""
    _, text = example()
    whole = pixels(tmp_path, text)
    plain = pixels(tmp_path, re.sub(r"<script>.*</script>", "", text, flags=re.DOTALL))
    np.testing.assert_array_equal(plain[:700], whole[:700])
    assert not np.array_equal(plain[700:], whole[700:])
