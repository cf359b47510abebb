"""`charachbench report`: write the leaderboard and the videos as a page that opens from disk."""

from __future__ import annotations

from pathlib import Path

from charachbench import output
from charachbench.commands import leaderboard, open_benchmark
from charachbench.config import Config
from charachbench.evaluate import build_metrics
from charachbench.report import page
from charachbench.store import Store


def execute(settings: Config) -> list[str]:
    """Write the page; nothing can fail halfway."""
    store = Store(Path(settings.results))
    benchmark, metrics = open_benchmark(settings, store), build_metrics(settings)
    if (made := leaderboard.make(settings, benchmark, store, metrics)) is not None:
        output.wrote(page.write(store, benchmark, made.metrics, made.scores, made.board))
    return []
