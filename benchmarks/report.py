"""How long the report of a store of CharacBench's size takes to write, and to open in a browser."""

import shutil
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks import stores
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.collect import collect
from charachbench.report import page

CHARACTERS, DRIVERS, METHODS, METRICS = 46, 24, 5, 12
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]


def renderer_memory() -> float:
    """MiB of the processes that hold pages, those of them that others share not counted twice."""
    found = [
        process for process in psutil.Process().children(recursive=True)
        if "--type=renderer" in " ".join(process.cmdline())
    ]  # fmt: skip
    return sum(process.memory_full_info().uss for process in found) / 2**20


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        benchmark, named = stores.benchmark(CHARACTERS, DRIVERS), stores.metrics(METRICS)
        store = stores.fill(Path(folder), benchmark, METHODS, named)
        start = time.perf_counter()
        scores = collect(store, benchmark, named)
        board = aggregate(scores, named)
        made = time.perf_counter()
        times = []
        for _ in range(2):
            start_of_page = time.perf_counter()
            path = page.write(store, benchmark, named, scores, board)
            times.append(time.perf_counter() - start_of_page)
        size = sum(file.stat().st_size for file in (path, path.with_name("pairs.js"))) / 2**20
        print(
            f"{CHARACTERS * DRIVERS} pairs x {METHODS} methods x {METRICS} metrics: leaderboard {made - start:.1f} s, ",
            end="",
        )
        print(f"page {times[0]:.1f} s, again {times[1]:.1f} s, {size:.1f} MiB without media")
        if (chromium := shutil.which("chromium")) is None:
            print("no Chromium here, so it was not opened")
            return
        from playwright.sync_api import sync_playwright

        with sync_playwright() as started:
            browser = started.chromium.launch(executable_path=chromium, args=OPTIONS)
            tab = browser.new_page()
            tab.goto("about:blank")
            before = renderer_memory()
            start = time.perf_counter()
            tab.goto(path.as_uri(), wait_until="load")
            loaded = time.perf_counter() - start
            tab.locator("#pairs").scroll_into_view_if_needed()
            tab.wait_for_function(
                "[...document.querySelectorAll('#tiles video')].some((video) => video.readyState >= 2)"
            )
            opened = time.perf_counter() - start
            at_first = renderer_memory()
            for _ in range(60):
                tab.locator("#next").click()
                tab.wait_for_timeout(30)
            tab.locator("#play").click()
            tab.wait_for_timeout(2000)
            print(
                f"opens in {loaded:.2f} s, the first pair's videos are there after {opened:.2f} s; memory of the page ",
                end="",
            )
            print(f"{at_first:.0f} MiB, after 60 pairs {renderer_memory():.0f} MiB (an empty page has {before:.0f})")
            browser.close()


if __name__ == "__main__":
    main()
