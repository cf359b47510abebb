"""`charachbench leaderboard`: make the tables from the stored scores."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from charachbench import noise, output
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
from charachbench.study import columns
from charachbench.study.scores import human_scores

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Make the tables; nothing can fail halfway."""
    store = Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    if (made := make(settings, benchmark, store, build_metrics(settings))) is not None:
        show(made, store.benchmark_folder(benchmark))
    return []


@dataclass(frozen=True)
class Made:
    """A leaderboard, with what it was made of.

    Attributes:
        metrics: those that were configured and, after them, those of human studies.
        scores: as ``collect`` gives them, of all of these.
    """

    metrics: tuple[NamedMetric, ...]
    scores: pd.DataFrame
    board: Leaderboard


def make(settings: Config, benchmark: Benchmark, store: Store, metrics: Sequence[NamedMetric]) -> Made | None:
    """The leaderboard of a benchmark; None, and a message, where nothing was generated."""
    scores = collect(store, benchmark, metrics, settings.leaderboard.methods)
    if scores.empty:
        log.info("no run of %s in %s yet: generate some first", benchmark.name, settings.results)
        return None
    folder = store.benchmark_folder(benchmark)
    scores, opinions = columns.join(scores, human_scores(folder), store.runs(benchmark), benchmark)
    board = aggregate(
        scores,
        (every := (*metrics, *opinions)),
        settings.leaderboard.aggregation,
        noise=noise.read(folder),
        sets=SetNumbers(store.cache / "sets"),
    )
    return Made(every, scores, replace(board, published=published.verdicts(board, published.read(settings.published))))


def show(made: Made, folder: Path) -> None:
    """Write the tables and print the main one."""
    scores, board = made.scores, made.board
    figures, comparisons = render.figures(board), render.comparisons(board)
    writers: dict[str, Callable[[Path], object]] = {
        "leaderboard.md": lambda path: path.write_text(render.markdown(board), encoding="utf-8"),
        "leaderboard.tex": lambda path: path.write_text(render.latex(board), encoding="utf-8"),
        "leaderboard.csv": lambda path: figures.to_csv(path, index=False),
        "leaderboard.parquet": lambda path: figures.to_parquet(path, index=False),
        "comparisons.csv": lambda path: comparisons.to_csv(path, index=False),
        "scores.parquet": lambda path: scores.drop(columns=["array", "reference"]).to_parquet(path, index=False),
    }
    rows = (
        {"method": row.method, "made": row.made, "failed": row.failed}
        | {"figures": {name: cell.value for name, cell in row.cells.items()}}
        | {"intervals": {name: cell.interval for name, cell in row.cells.items()}}
        for row in board.rows
    )
    output.show("leaderboard", rows, render.terminal(board), benchmark=board.benchmark, pairs=board.pairs)
    for name, write in writers.items():
        atomic_write(folder / name, write)
        output.wrote(folder / name)
