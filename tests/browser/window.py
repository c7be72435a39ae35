"""A browser window, and what people do with it."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

T = TypeVar("T")

SCREENSHOTS: Final = Path(__file__).parents[2] / "reports" / "screenshots"
DESKTOP: Final = (1200, 900)
PHONE: Final = (390, 844)

_SECONDS_MAX: Final = 10.0
_LOOK_SECONDS: Final = 0.02
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--hide-scrollbars",
    "--lang=en-US",
    "--no-first-run",
    "--no-proxy-server",
)


class Window:
    """Finds things by what people see: the words on them."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver
        self._url = ""

    def begin(self, url: str) -> None:
        """Start at an application as somebody who was never here."""
        self._url = url
        self.look(DESKTOP, dark=False)
        self.driver.get(f"{url}/web/icon.svg")
        self.run("sessionStorage.clear()")

    def look(self, size: tuple[int, int], *, dark: bool) -> None:
        width, height = size
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {
                "width": width,
                "height": height,
                "deviceScaleFactor": 1,
                "mobile": width < DESKTOP[0],
            },
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def sign_in(self, key: str, user_id: str = "") -> None:
        """As the form does it."""
        self.run(
            "sessionStorage.setItem('flashticket.key', arguments[0]);"
            "if (arguments[1]) sessionStorage.setItem('flashticket.user', arguments[1])",
            key,
            user_id,
        )

    def visit(self, path: str) -> None:
        self.driver.get("about:blank")  # else a change after # alone would load nothing
        self.driver.get(self._url + path)
        self.find("main h1")

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, look: Callable[[], T], what: str, seconds_max: float = _SECONDS_MAX) -> T:
        """What ``look`` finds once it finds something."""
        deadline = time.monotonic() + seconds_max
        while True:
            try:
                found = look()
            except StaleElementReferenceException:
                found = None
            if found:
                return found
            assert time.monotonic() < deadline, f"no {what}; the page says:\n{self.text()}"
            time.sleep(_LOOK_SECONDS)

    def find(self, selector: str) -> WebElement:
        return self.until(
            lambda: next(iter(self.driver.find_elements(By.CSS_SELECTOR, selector)), None), selector
        )

    def button(self, words: str) -> WebElement:
        """The button or link that can be seen and begins with these words."""

        def look() -> WebElement | None:
            for element in self.driver.find_elements(By.CSS_SELECTOR, "button, a"):
                if element.is_displayed() and element.text.startswith(words):
                    return element
            return None

        return self.until(look, f"button {words!r}")

    def press(self, words: str) -> None:
        self.button(words).click()

    def control(self, label: str) -> WebElement:
        """The control with this label."""

        def look() -> WebElement | None:
            for element in self.driver.find_elements(By.TAG_NAME, "label"):
                if element.text == label and element.is_displayed():
                    return self.driver.find_element(By.ID, element.get_attribute("for") or "")
            return None

        return self.until(look, f"control {label!r}")

    def write(self, label: str, text: str) -> None:
        control = self.control(label)
        control.clear()
        control.send_keys(text)

    def text(self) -> str:
        return str(self.run("return document.body.innerText"))

    def see(self, words: str, seconds_max: float = _SECONDS_MAX) -> None:
        """Return once the page shows these words."""
        self.until(lambda: words in self.text(), f"words {words!r}", seconds_max)

    def seat(self, label: str) -> WebElement:
        return self.find(f'[data-seat="{label}"]')

    def is_free(self, seat: str) -> bool:
        return self.seat(seat).get_attribute("aria-disabled") == "false"

    def keys(self, *keys: str) -> None:
        """To whatever has the focus."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(getattr(Keys, key, key))

    def keep_downloads(self, folder: Path) -> None:
        """Whatever is downloaded from now on goes there."""
        allowed = {"behavior": "allow", "downloadPath": str(folder)}
        self.driver.execute_cdp_cmd("Browser.setDownloadBehavior", allowed)

    def keep_screenshot(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))


@contextmanager
def open_window(chromium: str, driver: str, *flags: str) -> Iterator[Window]:
    """A window of a browser with an empty profile, closed when the block ends."""
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*_FLAGS, *flags, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            yield Window(browser)
        finally:
            browser.quit()
