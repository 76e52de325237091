"""The page that a reader plays with, by clicking, dragging and typing in headless Chromium."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from browser import LivePage, driver

__all__ = ["driver"]  # a fixture


def wave(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
    return ac.sin(x) * y + ac.exp(x * y)


def derivatives(f: Callable[..., ac.Tensor], xs: list[float], dx: list[float]) -> tuple[float, float, list[float]]:
    given = [ac.tensor(x, dtype=ac.float64) for x in xs]
    y, t = ac.jvp(f, tuple(given), tuple(ac.tensor(d, dtype=ac.float64) for d in dx))
    return y.item(), t.item(), [g.item() for g in ac.grad(f, argnums=tuple(range(len(xs))))(*given)]


@pytest.fixture
def opened(driver: Any, tmp_path: Path) -> Callable[[ac.Trace], LivePage]:
    def open_page(t: ac.Trace) -> LivePage:
        page = LivePage(driver, tmp_path, t.to_html())
        assert page.errors() == []
        return page

    return open_page


def of_wave(opened: Callable[[ac.Trace], LivePage], dtype: str = "float64") -> LivePage:
    return opened(ac.trace(wave)(ac.tensor(0.5, dtype=dtype), ac.tensor(1.5, dtype=dtype)))


def test_it_begins_with_what_python_computed(opened: Callable[[ac.Trace], LivePage]) -> None:
    page = of_wave(opened)
    assert "agrees with Python" in page.note()
    value, tangent, (dx, dy) = derivatives(wave, [0.5, 1.5], [1.0, 0.0])
    np.testing.assert_allclose(page.numbers("g"), [value, tangent, 1.0], rtol=1e-12)
    np.testing.assert_allclose(page.numbers("a"), [0.5, 1.0, dx], rtol=1e-12)
    np.testing.assert_allclose(page.numbers("b"), [1.5, 0.0, dy], rtol=1e-12)
    assert "Both modes agree" in page.find(".duality").text


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_dragging_recomputes_values_tangents_and_adjoints(opened: Callable[[ac.Trace], LivePage], dtype: str) -> None:
    page = of_wave(opened, dtype)
    page.drag("a", 37)
    page.drag("b", -51)
    x, y = page.numbers("a")[0], page.numbers("b")[0]
    assert x != 0.5
    assert y != 1.5
    value, tangent, (dx, dy) = derivatives(wave, [x, y], [1.0, 0.0])
    rtol = 1e-12 if dtype == "float64" else 2e-6
    np.testing.assert_allclose(page.numbers("g"), [value, tangent, 1.0], rtol=rtol)
    np.testing.assert_allclose([page.numbers("a")[2], page.numbers("b")[2]], [dx, dy], rtol=rtol)
    if dtype == "float32":
        assert np.float32(page.numbers("g")[0]) == page.numbers("g")[0]
    # The programs show the same numbers, rounded.
    shown = page.find('.stats[data-of="g"]').text.replace("\u2212", "-")
    np.testing.assert_allclose(float(shown), value, rtol=1e-4)
    assert page.errors() == []


def test_numbers_and_tangents_are_typed(opened: Callable[[ac.Trace], LivePage]) -> None:
    page = of_wave(opened)
    page.type("a, exact", "-1.25")
    page.type("tangent of a", "0.5")
    page.type("tangent of b", "-2")
    value, tangent, (dx, dy) = derivatives(wave, [-1.25, 1.5], [0.5, -2.0])
    np.testing.assert_allclose(page.numbers("g"), [value, tangent, 1.0], rtol=1e-12)
    page.type("g~", "3")
    np.testing.assert_allclose([page.numbers(n)[2] for n in "abg"], [3 * dx, 3 * dy, 3.0], rtol=1e-12)
    page.type("a, exact", "1e6")  # beyond the slider, which follows
    assert page.numbers("a")[0] == 1e6
    assert float(page.slider("a").get_attribute("max")) >= 1e6
    page.type("a, exact", "")  # nothing yet
    assert page.numbers("a")[0] == 1e6
    page.find('button[aria-label^="back to the arguments"]').click()
    page.settle()
    assert page.numbers("a")[0] == 0.5


def test_by_keyboard_alone(opened: Callable[[ac.Trace], LivePage]) -> None:
    from selenium.webdriver import Keys

    page = of_wave(opened)
    for _ in range(4):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        if page.driver.switch_to.active_element.get_attribute("type") == "range":
            break
    slider = page.driver.switch_to.active_element
    assert slider.get_attribute("aria-label") == "a"
    page.press(slider, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert page.numbers("a")[0] > 0.5
    assert all(box.get_attribute("aria-label") for box in page.all("#play input, #play button"))


def test_step_by_step(opened: Callable[[ac.Trace], LivePage]) -> None:
    """First values and tangents, line by line; then adjoints, from the result to the arguments."""
    page = of_wave(opened)
    page.find('button[aria-label="before the first step"]').click()
    assert page.row("a")[:2] == ["0.5", "1"]
    assert page.row("a")[2] == page.row("g")[0] == page.row("g")[2] == "·"
    forward = page.find('button[aria-label="a step on"]')
    forward.click()
    assert page.row("c")[:2] != ["·", "·"]
    assert page.row("d")[0] == "·"
    assert {line.get_attribute("data-makes") for line in page.all(".line.now")} == {"c", "c'"}
    assert "forward: c = sin" in page.find(".at").text
    while "reverse" not in page.find(".at").text:
        forward.click()
    assert page.row("g")[0] != "·"
    assert page.row("a")[2] == "·"
    page.find('button[aria-label="after the last step"]').click()
    assert page.row("a")[2] != "·"
    assert page.all(".line.now") == []
    page.find('button[aria-label="play the steps"]').click()
    assert page.find('button[aria-label="play the steps"]').text == "Stop"
    page.find('button[aria-label="play the steps"]').click()


def test_arrays_have_a_slider_for_each_item(opened: Callable[[ac.Trace], LivePage]) -> None:
    W = ac.tensor(np.linspace(-1.0, 1.0, 6).reshape(2, 3)).requires_grad_()
    x = np.linspace(-2.0, 2.0, 60).reshape(30, 2)

    def loss(x: ac.Tensor) -> ac.Tensor:
        return ac.sum(ac.tanh(x @ W), axis=0)

    page = opened(ac.trace(loss)(ac.tensor(x)))
    assert len(page.all('fieldset input[type="range"]')) == 24 + 6
    assert "The other 36 items stay as they are" in page.find("fieldset p").text
    page.type("a[1,0], exact", "0.75")
    page.type("e~[1]", "1")
    x[1, 0] = 0.75
    want = ac.vjp(loss, ac.tensor(x))[1](ac.tensor([1.0, 1.0, 0.0], dtype=ac.float64))[0].numpy()
    data = json.loads(page.driver.execute_script("return document.getElementById('programs').textContent"))
    assert data["most"] == 24
    shown = page.find('.stats[data-of="a~"]').text
    for word, number in zip(("min", "mean", "max"), (want.min(), want.mean(), want.max()), strict=True):
        found = float(shown.split(word)[1].split()[0].replace("\u2212", "-"))
        np.testing.assert_allclose(found, number, rtol=1e-3, atol=1e-12)


def test_a_model_shows_its_parameters_by_name(opened: Callable[[ac.Trace], LivePage]) -> None:
    model = ac.nn.MLP([2, 3, 1], activation="tanh")
    page = opened(ac.trace(lambda x: ac.sum(model(x)))(ac.ones((1, 2))))
    assert "agrees" in page.note()
    names = [row.text for row in page.all(".modes tbody th")]
    assert {"layers.0.weight", "layers.2.bias"} <= set(names)
    before = page.row("a")[2]
    page.drag("layers.0.weight[0,0]", 25)
    assert page.row("a")[2] != before


def test_loops_move_too(opened: Callable[[ac.Trace], LivePage]) -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        last, _ = ac.scan(lambda c, i: (ac.sin(c) + x * i, None), x, ac.arange(4, dtype=ac.float64))
        return ac.cond(last > 0.0, lambda v: v * v, lambda v: -v, last)

    page = opened(ac.trace(f)(ac.tensor(0.75, dtype=ac.float64)))
    assert "agrees" in page.note()
    blocks = [block.text for block in page.all("#trace .block")]
    assert "sin(" in blocks[0]
    assert "negative(" in blocks[1]
    assert "multiply(" in blocks[1]
    for x in ("0.25", "-2"):
        page.type("a, exact", x)
        value, tangent, (slope,) = derivatives(f, [float(x)], [1.0])
        result = page.find("#trace .line:last-child .v").text
        np.testing.assert_allclose(page.numbers(result)[:2], [value, tangent], rtol=1e-12)
        np.testing.assert_allclose(page.numbers("a")[2], slope, rtol=1e-12)


def test_kinks_choose_as_the_library(opened: Callable[[ac.Trace], LivePage]) -> None:
    page = opened(ac.trace(lambda x: ac.relu(x) + ac.abs(x) + ac.maximum(x, 0.0))(ac.tensor(1.0)))
    page.type("a, exact", "0")
    assert page.numbers("a")[2] == 0.5


def test_an_argument_without_a_result_says_so(opened: Callable[[ac.Trace], LivePage]) -> None:
    page = opened(ac.trace(lambda x: ac.log(x))(ac.tensor(2.0)))
    page.type("a, exact", "-1")
    assert page.row("b")[0] == "NaN"
    page.type("a, exact", "0")
    assert page.row("b")[0] == "-Infinity"

    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.while_loop(lambda v: v < 10.0, lambda v: v + x, x * 1.0, max_steps=50)

    page = opened(ac.trace(f)(ac.tensor(2.0)))
    page.type("a, exact", "0.1")
    assert "max_steps" in page.note()
    page.type("a, exact", "4")
    assert "agrees" in page.note()
    assert page.errors() == []


def test_what_cannot_move_says_why(opened: Callable[[ac.Trace], LivePage]) -> None:
    page = opened(ac.trace(lambda x: ac.sum(ac.linalg.svdvals(x)))(ac.ones((2, 2))))
    assert "JavaScript has not been taught the op svd" in page.note()
    assert page.all("#play input") == []
    assert "svd" in page.find("#trace").text


def test_numbers_that_do_not_agree_are_never_shown(driver: Any, tmp_path: Path) -> None:
    """The page that got another sine than Python's."""
    text = ac.trace(wave)(ac.tensor(0.5), ac.tensor(1.5)).to_html()
    assert text.count("sin: Math.sin,") == 1
    page = LivePage(driver, tmp_path, text.replace("sin: Math.sin,", "sin: (x) => x,"))
    assert "sin gives other numbers here than in Python" in page.note()
    assert page.all("#play input") == []


@pytest.mark.parametrize("width", [1600, 1000, 400])
def test_nothing_is_wider_than_the_screen(opened: Callable[[ac.Trace], LivePage], driver: Any, width: int) -> None:
    driver.set_window_size(width, 900)
    page = opened(ac.trace(lambda x: ac.softmax(x @ x.T))(ac.tensor(np.linspace(-1.0, 1.0, 12).reshape(3, 4))))
    inner, scroll = driver.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
    driver.set_window_size(1200, 900)
    assert "agrees" in page.note()
    assert scroll <= inner
