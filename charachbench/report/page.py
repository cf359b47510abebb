"""The page: what the leaderboard, the store and its media come to in HTML."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from charachbench import __version__, provenance
from charachbench.benchmark.types import Benchmark
from charachbench.evaluate import NamedMetric
from charachbench.leaderboard import render
from charachbench.leaderboard.board import Leaderboard
from charachbench.leaderboard.comparison import ranks_within_pairs
from charachbench.leaderboard.grid import Grid, MetricGrid, to_grid
from charachbench.report import media, plots
from charachbench.store import Run, Store, atomic_write

if TYPE_CHECKING:
    import jinja2
    import pandas as pd
    from markupsafe import Markup

FOLDER, INDEX = "report", "index.html"
TABLES = (".csv", ".md", ".parquet", ".tex")
TEMPLATES = Path(__file__).parent / "templates"
FIGURES = 5
"""Significant digits of what the viewer is told."""
_LISTED = 50
"""Pairs that failed alike and are named."""


@dataclass(frozen=True)
class Origin:
    """Where results come from, for readers.

    Attributes:
        facts: of the benchmark and of this page.
        runs: by method, facts of its run.
    """

    facts: dict[str, str] = field(default_factory=dict)
    runs: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """Of one method, for one reason.

    Attributes:
        pairs: at most ``_LISTED`` names.
        count: of all.
    """

    method: str
    reason: str
    count: int
    pairs: tuple[str, ...]


def write(
    store: Store, benchmark: Benchmark, metrics: Sequence[NamedMetric], scores: pd.DataFrame, board: Leaderboard
) -> Path:
    """Write the report of a benchmark; returns the page.

    Args:
        store: where videos and records are.
        benchmark: whose pairs.
        metrics: the columns of ``scores``.
        scores: as ``collect`` gives them.
        board: as made of them.
    """
    folder = store.benchmark_folder(benchmark) / FOLDER
    folder.mkdir(exist_ok=True)
    by_key, grid = {run.info.key: run for run in store.runs(benchmark)}, to_grid(scores, metrics)
    runs = {row.method: by_key[row.run] for row in board.rows}
    records = {method: [record for _, record in run.finished(benchmark).values()] for method, run in runs.items()}
    viewer = media.gather(folder, benchmark, runs) | _values(
        grid, board, list(dict.fromkeys(scores["pair"])), benchmark
    )
    atomic_write(folder / "pairs.js", lambda path: path.write_text(media.script("pairs", [viewer]), encoding="utf-8"))
    return write_page(
        folder,
        board,
        plots.draw(board, _speeds(records), _correlations(grid)),
        origin=_origin(benchmark, runs, records),
        failures=_failures(scores),
        files={path.name: f"../{path.name}" for path in sorted(folder.parent.iterdir()) if path.suffix in TABLES},
        viewer=True,
    )


def write_page(
    folder: Path,
    board: Leaderboard,
    drawn: Sequence[plots.Plot],
    *,
    origin: Origin,
    title: str = "leaderboard",
    failures: Sequence[Failure] = (),
    files: Mapping[str, str] | None = None,
    viewer: bool = False,
) -> Path:
    """Write the page of a leaderboard, and its plots as pictures; returns the page.

    Args:
        folder: where to.
        board: the leaderboard.
        drawn: its plots.
        origin: where its results come from.
        title: of the page, beside the benchmark's name.
        failures: of methods.
        files: of tables for readers to take, where they lie as seen from the page.
        viewer: whether ``pairs.js`` and the media are in the folder.
    """
    from markupsafe import Markup

    shelf = media.Shelf(folder, "plots")
    groups: dict[str, list[tuple[plots.Plot, Markup]]] = defaultdict(list)
    for plot in drawn:
        groups[plot.kind].append((plot, Markup(plots.svg(plot))))
        if len(groups[plot.kind]) == 1:
            atomic_write(shelf.path(f"{plot.stem}.png"), functools.partial(plots.save, plot))
    shelf.clear()
    text = environment().get_template("index.html.j2").render(
        board=board, title=title, plots=groups, origin=origin, failures=failures, files=files or {}, viewer=viewer,
        version=__version__, families=render.sections(board), published_rows=render.published_rows,
        published=render.published_lines(board) if board.published else [], slices=_slices(board),
    )  # fmt: skip
    path = folder / INDEX
    atomic_write(path, lambda aside: aside.write_text(text, encoding="utf-8"))
    return path


@functools.cache
def environment() -> jinja2.Environment:
    """Of all templates of pages; everything that is put into one is escaped."""
    import jinja2
    from markupsafe import Markup

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.globals["inline"] = lambda name: Markup((TEMPLATES / name).read_text(encoding="utf-8"))
    made.filters["script"] = lambda value: Markup(media.as_json(value))
    return made


def _values(grid: Grid, board: Leaderboard, names: Sequence[str], benchmark: Benchmark) -> dict[str, Any]:
    """What each pair scored, by metric, method and pair, in the page's order; null where it did not."""
    methods = [[row.method for row in grid.methods].index(row.method) for row in board.rows]
    places = {name: index for index, name in enumerate(names)}
    pairs = [places[pair.name] for pair in benchmark.pairs]
    shown, values = [], []
    for metric in grid.metrics:
        column = board.column(metric.named.name)
        if column is not None and metric.named.metric.per_pair:
            shown.append([column.name, column.unit, column.direction])
            values.append([[_number(value) for value in row] for row in metric.value[np.ix_(methods, pairs)]])
    return {"metrics": shown, "values": values}


def _number(value: float) -> float | None:
    return float(f"{value:.{FIGURES}g}") if np.isfinite(value) else None


def _speeds(records: Mapping[str, Sequence[dict[str, Any]]]) -> dict[str, float]:
    """Frames per second by method, over all pairs that it made."""
    speeds = {}
    for method, of_pairs in records.items():
        seconds = sum(record["seconds"]["generate"] for record in of_pairs)
        if seconds > 0:
            speeds[method] = sum(record["frames"] for record in of_pairs) / seconds
    return speeds


def _correlations(grid: Grid) -> plots.Correlations | None:
    solid = np.array([not row.random for row in grid.methods])
    of_pairs = [metric for metric in grid.metrics if metric.named.metric.per_pair and metric.scored[solid].any()]
    if not of_pairs:
        return None
    return plots.correlate(
        [metric.named.name for metric in of_pairs], np.stack([_ranks(metric, solid) for metric in of_pairs])
    )


def _ranks(metric: MetricGrid, methods: np.ndarray) -> np.ndarray:
    """(M, P), within the pairs that all methods that have any score have; NaN elsewhere."""
    scored = metric.scored & methods[:, None]
    known = scored.any(axis=1)
    common = scored[known].all(axis=0)
    ranks = np.full(scored.shape, np.nan)
    ranks[np.ix_(known, common)] = ranks_within_pairs(
        metric.value[np.ix_(known, common)], metric.named.metric.direction
    )
    return ranks[methods]


def _failures(scores: pd.DataFrame) -> list[Failure]:
    failed = scores[scores["status"] == "failed"].drop_duplicates(["method", "pair"])
    found = []
    for (method, reason), rows in failed.groupby(["method", "reason"], sort=False):
        names = tuple(map(str, rows["pair"]))
        found.append(Failure(str(method), str(reason), len(names), names[:_LISTED]))
    return sorted(found, key=lambda failure: (failure.method, -failure.count))


def _slices(board: Leaderboard) -> dict[str, Any]:
    """Figures by part of the benchmark, for the breakdown's tables."""
    kinds = {kind: parts for kind, parts in board.slices.items() if len(parts) > 1}
    methods = [row.method for row in board.rows]
    return {
        "methods": [row.marked for row in board.rows],
        "metrics": [[column.name, column.heading] for column in board.columns],
        "kinds": {
            kind: [
                {
                    "name": name,
                    "cells": {
                        column.name: [
                            None if (row := part.row(method)) is None else _told(row.cells[column.name], column)
                            for method in methods
                        ]
                        for column in part.columns
                    },
                }
                for name, part in parts.items()
            ]
            for kind, parts in kinds.items()
        },
    }


def _told(cell: Any, column: Any) -> list[Any] | None:
    """[figure, interval, rank] as they are shown."""
    if cell.value is None:
        return None
    interval = "" if cell.interval is None else f"{column.text(cell.interval[0])} to {column.text(cell.interval[1])}"
    return [column.text(cell.value), interval, cell.rank]


def _origin(benchmark: Benchmark, runs: Mapping[str, Run], records: Mapping[str, Sequence[dict[str, Any]]]) -> Origin:
    code = provenance.code()
    commit = f"{code['commit'][:12]}{', with changes' if code['dirty'] else ''}" if code["commit"] else "not known"
    facts = {
        "benchmark": benchmark.name,
        "options": as_yaml(benchmark.options),
        "licence": benchmark.licence or "not stated",
        "page made by": f"charachbench {code['version']}, commit {commit}",
        "packages": ", ".join(f"{name} {version}" for name, version in provenance.packages().items()),
    }
    told = {}
    for method, run in runs.items():
        pruned = sum(entry.is_pruned for entry, _ in run.finished(benchmark).values())
        told[method] = _run_facts(run, records[method])
        if pruned:
            told[method]["videos"] = f"{pruned} of {len(records[method])} were pruned after they were scored"
    return Origin(facts, told)


def _run_facts(run: Run, records: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Of all of its pairs; where these differ, each value once."""

    def told(values: Any) -> str:
        return "; ".join(dict.fromkeys(map(str, values))) or "–"

    codes = [record["code"] for record in records]
    seconds = [record["seconds"]["generate"] for record in records]
    frames = sum(record["frames"] for record in records)
    memory = {
        kind: max((record["peak_memory_mib"][kind] or 0 for record in records), default=0) for kind in ("ram", "gpu")
    }
    return {
        "key": run.info.key,
        "configuration": as_yaml(run.info.method),
        "seed": str(run.info.seed),
        "is given": ", ".join(run.info.given) or "image and driver alone",
        "versions of classes": ", ".join(f"{name.rpartition('.')[2]} {v}" for name, v in run.info.versions.items()),
        "code": told(
            f"charachbench {c['version']}, commit {c['commit']}{', with changes' if c['dirty'] else ''}" for c in codes
        ),
        "packages": told(", ".join(f"{n} {v}" for n, v in record["packages"].items()) for record in records),
        "device": told(f"{record['device']} ({record['device_name']})" for record in records),
        "speed": f"{frames / sum(seconds):.3g} frames a second" if sum(seconds) > 0 else "–",
        "peak memory": f"{memory['ram']:.0f} MiB" + (f", GPU {memory['gpu']:.0f} MiB" if memory["gpu"] else ""),
        "made": told(sorted({record["finished"][:10] for record in records})),
    }


def as_yaml(value: Any) -> str:
    """For readers."""
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=None)
    return text.strip()
