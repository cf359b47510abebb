"""`charachbench leaderboard`: make the tables from the stored scores."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
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
from charachbench.leaderboard.collect import collect, without_paths
from charachbench.leaderboard.facts import FILE, MetricFacts
from charachbench.leaderboard.sets import SetNumbers, contributions
from charachbench.store import Store, atomic_write, write_json
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
        scores: as ``collect`` gives them, of all of these; and ``contribution``, what each brings to its figure.
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
    folder, sets = store.benchmark_folder(benchmark), SetNumbers(store.cache / "sets")
    scores, opinions = columns.join(scores, human_scores(folder), store.runs(benchmark), benchmark)
    every, known = (*metrics, *opinions), noise.read(folder)
    wanted = settings.leaderboard
    board = aggregate(scores, every, wanted.aggregation, statistics=wanted.statistics, noise=known, sets=sets)
    board = replace(board, published=published.verdicts(board, published.read(settings.published)))
    return Made(every, scores.assign(contribution=contributions(scores, every, sets)), board)


def show(made: Made, folder: Path) -> None:
    """Print the main table, and write all of them and what they were made of."""
    write(made.board, folder)
    kept = without_paths(made.scores)
    write_table = partial(kept.to_parquet, index=False, write_page_checksum=True)  # so that damage is seen when read
    atomic_write(folder / "scores.parquet", write_table)
    write_json(folder / FILE, {metric.signature: MetricFacts.of(metric).model_dump() for metric in made.metrics})
    output.wrote(folder / "scores.parquet")


def write(board: Leaderboard, folder: Path) -> None:
    """Print the main table, write all of them, and say where they are."""
    rows = (
        {"method": row.method, "made": row.made, "failed": row.failed}
        | {"figures": {name: cell.value for name, cell in row.cells.items()}}
        | {"intervals": {name: cell.interval for name, cell in row.cells.items()}}
        for row in board.rows
    )
    output.show("leaderboard", rows, render.terminal(board), benchmark=board.benchmark, pairs=board.pairs)
    for name, writer in render.writers(board).items():
        atomic_write(folder / name, writer)
        output.wrote(folder / name)
