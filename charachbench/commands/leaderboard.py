"""`charachbench leaderboard`: make the tables from the stored scores."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from charachbench import noise
from charachbench.benchmark.types import Benchmark
from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.evaluate import NamedMetric, build_metrics
from charachbench.leaderboard import published, render
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.board import Leaderboard
from charachbench.leaderboard.collect import collect
from charachbench.leaderboard.sets import SetNumbers
from charachbench.store import Store, atomic_write

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Make the tables; nothing can fail halfway."""
    store = Store(Path(settings.results))
    benchmark, metrics = open_benchmark(settings, store), build_metrics(settings)
    if (made := make(settings, benchmark, store, metrics)) is not None:
        show(*made, store.benchmark_folder(benchmark))
    return []


def make(
    settings: Config, benchmark: Benchmark, store: Store, metrics: Sequence[NamedMetric]
) -> tuple[pd.DataFrame, Leaderboard] | None:
    """The tidy table of scores, and the leaderboard made of it; None, and a message, where nothing was generated."""
    scores = collect(store, benchmark, metrics, settings.leaderboard.methods)
    if scores.empty:
        log.info("no run of %s in %s yet: generate some first", benchmark.name, settings.results)
        return None
    board = aggregate(
        scores,
        metrics,
        settings.leaderboard.aggregation,
        noise=noise.read(store.benchmark_folder(benchmark)),
        sets=SetNumbers(store.cache / "sets"),
    )
    return scores, replace(board, published=published.verdicts(board, published.read(settings.published)))


def show(scores: pd.DataFrame, board: Leaderboard, folder: Path) -> None:
    """Write the tables and print the main one."""
    from rich.console import Console

    figures, comparisons = render.figures(board), render.comparisons(board)
    writers: dict[str, Callable[[Path], object]] = {
        "leaderboard.md": lambda path: path.write_text(render.markdown(board), encoding="utf-8"),
        "leaderboard.tex": lambda path: path.write_text(render.latex(board), encoding="utf-8"),
        "leaderboard.csv": lambda path: figures.to_csv(path, index=False),
        "leaderboard.parquet": lambda path: figures.to_parquet(path, index=False),
        "comparisons.csv": lambda path: comparisons.to_csv(path, index=False),
        "scores.parquet": lambda path: scores.drop(columns=["array", "reference"]).to_parquet(path, index=False),
    }
    console = Console()
    console.print(render.terminal(board))
    for name, write in writers.items():
        atomic_write(folder / name, write)
        console.out(folder / name)
