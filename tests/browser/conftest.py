"""The pages in a real browser, headless, at an application of their own.

Where neither Chromium nor Chrome is installed with its driver, these tests are left out and
pytest's first lines say so. Screenshots of what was looked at are kept in ``reports/screenshots``.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from served import Api, Served
    from window import Window

CHROMIUM: Final = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER: Final = shutil.which("chromedriver")

collect_ignore_glob = [] if CHROMIUM and DRIVER else ["test_*.py"]


def pytest_report_header() -> str:
    if CHROMIUM and DRIVER:
        return f"browser: {CHROMIUM}"
    return "browser: none (apt-get install chromium chromium-driver), so tests/browser is left out"


@pytest.fixture(scope="module")
def shop(module_database: str) -> Iterator["Served"]:
    from served import served

    with served(module_database, None, webhook_private_targets=True) as running:
        yield running


@pytest.fixture(scope="module")
def api(shop: "Served", module_database: str) -> Iterator["Api"]:
    from served import Api, new_keys

    with Api(shop.url, new_keys(module_database)) as clients:
        yield clients


@pytest.fixture(scope="module")
def windows() -> Iterator[Callable[..., "Window"]]:
    """Opens windows with nothing in common: each is a browser of its own, with flags of its own."""
    from window import open_window

    with ExitStack() as stack:
        yield lambda *flags: stack.enter_context(open_window(CHROMIUM, DRIVER, *flags))


@pytest.fixture(scope="module")
def shared_window(windows: Callable[..., "Window"]) -> "Window":
    return windows()


@pytest.fixture
def window(shared_window: "Window", shop: "Served") -> "Window":
    """A window that knows nobody yet."""
    shared_window.begin(shop.url)
    return shared_window


@pytest.fixture(scope="module")
def shared_other(windows: Callable[..., "Window"]) -> "Window":
    return windows()


@pytest.fixture
def other_window(shared_other: "Window", shop: "Served") -> "Window":
    """Somebody else's."""
    shared_other.begin(shop.url)
    return shared_other
