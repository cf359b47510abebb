"""A page in headless Chromium, without a network; what it complains about is collected."""

import contextlib
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


@contextlib.contextmanager
def launched(width: int = 1280, height: int = 800, **context: Any) -> Iterator[Browser]:
    """A browser with a window of this size; skips the test where there is none.

    Args:
        width, height: pixels.
        context: what else ``playwright`` takes for a window, as ``color_scheme``.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        try:
            path = next(filter(None, map(shutil.which, NAMES)), None)
            browser = started.chromium.launch(executable_path=path, args=OPTIONS)
        except playwright.Error as error:
            pytest.skip(f"Chromium does not start: {str(error).splitlines()[0]}")
        try:
            window = browser.new_context(viewport={"width": width, "height": height}, offline=True, **context)
            window.set_default_timeout(15_000)
            opened = Browser(window.new_page())
            _listen(opened)
            yield opened
        finally:
            browser.close()


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
