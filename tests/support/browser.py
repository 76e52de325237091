"""A headless Chromium that clicks, drags and types, where one is installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

#: None where a sanitizer is loaded into every program: into the browser too, which does not stand that.
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
BROWSER = None if "san.so" in os.environ.get("LD_PRELOAD", "") else BROWSER
DRIVER = shutil.which("chromedriver")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if BROWSER is None or DRIVER is None:
        pytest.skip("no Chromium with chromedriver is installed")
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs the package selenium")
    service = pytest.importorskip("selenium.webdriver.chrome.service")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    profile = tmp_path_factory.mktemp("profile")
    for option in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile}",
        "--window-size=1200,900",
    ):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=service.Service(DRIVER))
    yield browser
    browser.quit()


class LivePage:
    """A page that is open in the browser."""

    def __init__(self, driver: Any, folder: Path, text: str) -> None:
        path = folder / "page.html"
        path.write_text(text, encoding="utf-8")
        self.driver = driver
        driver.get(path.as_uri())

    def errors(self) -> list[str]:
        """What the browser complains of: scripts that failed, things that may not be loaded."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        found: list[Any] = self.driver.find_elements("css selector", selector)
        return found

    def row(self, name: str) -> list[str]:
        """Value, tangent and adjoint as the table shows them, by the exact number where it is one."""
        for row in self.all(".modes tbody tr"):
            if row.find_element("css selector", "th").text == name:
                cells = row.find_elements("css selector", "td")[1:]  # behind the equation
                return [cell.get_attribute("title") or cell.text for cell in cells]
        raise LookupError(name)

    def numbers(self, name: str) -> list[float]:
        return [float(text) for text in self.row(name)]

    def settle(self) -> None:
        """Until what was asked for is computed."""
        self.driver.execute_async_script(
            "const f = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(f))"
        )

    def drag(self, label: str, x: int) -> None:
        from selenium.webdriver import ActionChains

        slider = self.slider(label)
        ActionChains(self.driver).click_and_hold(slider).move_by_offset(x, 0).release().perform()
        self.settle()

    def press(self, element: Any, *keys: str) -> None:
        element.send_keys(*keys)
        self.settle()

    def type(self, label: str, text: str) -> None:
        from selenium.webdriver import Keys

        box = self.find(f'input[type="number"][aria-label="{label}"]')
        box.send_keys(Keys.CONTROL, "a")
        box.send_keys(text)
        self.settle()

    def slider(self, label: str) -> Any:
        return self.find(f'input[type="range"][aria-label="{label}"]')

    def note(self) -> str:
        text: str = self.find("#play .still").text
        return text
