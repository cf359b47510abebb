"""A page in headless Chromium, without a network; what it complains about is collected."""

import atexit
import contextlib
import functools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

OPTIONS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class Browser:
    """One window.

    Attributes:
        page: of playwright.
        complaints: errors that were thrown or logged, and requests that left the disk.
    """

    page: Any
    complaints: list[str] = field(default_factory=list)

    def open(self, path: Path, query: str = "") -> Any:
        """Open a file; returns the page."""
        self.page.goto(path.resolve().as_uri() + query)
        return self.page


@functools.cache
def _started() -> Any:
    """The browser, one for all tests of a process; a sentence where there is none."""
    from playwright.sync_api import Error, sync_playwright

    playwright = sync_playwright().start()
    atexit.register(playwright.stop)
    try:
        path = next(filter(None, map(shutil.which, NAMES)), None)
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
    except Error as error:
        return f"Chromium does not start: {str(error).splitlines()[0]}"
    atexit.register(browser.close)
    return browser


@contextlib.contextmanager
def launched(width: int = 1280, height: int = 800, **context: Any) -> Iterator[Browser]:
    """A window of this size, that shares nothing with others; skips the test where there is no browser.

    Args:
        width, height: pixels.
        context: what else ``playwright`` takes for a window, as ``color_scheme``.
    """
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    browser = _started()
    if isinstance(browser, str):
        pytest.skip(browser)
    window = browser.new_context(viewport={"width": width, "height": height}, offline=True, **context)
    try:
        window.set_default_timeout(15_000)
        opened = Browser(window.new_page())
        _listen(opened)
        yield opened
    finally:
        window.close()


def _listen(browser: Browser) -> None:
    page, complain = browser.page, browser.complaints.append

    def guard(route: Any) -> None:
        if route.request.url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        else:
            complain(f"asked for {route.request.url}")
            route.abort()

    page.route("**/*", guard)
    page.on("pageerror", lambda error: complain(f"threw {error}"))
    page.on("console", lambda message: complain(message.text) if message.type in ("error", "warning") else None)
