"""`charachbench leaderboard`: make the tables from the stored scores."""

import logging
from collections.abc import Sequence
from pathlib import Path

from charachbench import noise
from charachbench.benchmark.types import Benchmark
from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.evaluate import NamedMetric, build_metrics
from charachbench.leaderboard import render
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.collect import collect
from charachbench.store import Store, atomic_write

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Make the tables; nothing can fail halfway."""
    store = Store(Path(settings.results))
    show(settings, open_benchmark(settings, store), store, build_metrics(settings))
    return []


def show(settings: Config, benchmark: Benchmark, store: Store, metrics: Sequence[NamedMetric]) -> None:
    """Write the tables and print the main one."""
    from rich.console import Console

    scores = collect(store, benchmark, metrics, settings.leaderboard.methods)
    if scores.empty:
        log.info("no run of %s in %s yet: generate some first", benchmark.name, settings.results)
        return
    folder = store.benchmark_folder(benchmark)
    board = aggregate(scores, metrics, settings.leaderboard.aggregation, noise=noise.read(folder))
    atomic_write(
        folder / "scores.parquet",
        lambda path: scores.drop(columns=["array", "reference"]).to_parquet(path, index=False),
    )
    console = Console()
    console.print(render.terminal(board))
    for suffix, text in (
        ("md", render.markdown(board)),
        ("csv", render.comma_separated(board)),
        ("tex", render.latex(board)),
    ):
        path = folder / f"leaderboard.{suffix}"
        atomic_write(path, lambda aside, text=text: aside.write_text(text, encoding="utf-8"))  # type: ignore[misc]
        console.out(path)
    console.out(folder / "scores.parquet")
