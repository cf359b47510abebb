"""`charachbench noise`: measure how much scores vary by themselves."""

from __future__ import annotations

import logging
from pathlib import Path

from charachbench import noise, output
from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.errors import UserError
from charachbench.generate import describe_run
from charachbench.store import Store

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Measure, print, and keep it for the tables; a metric that cannot be scored is told, and no failure."""
    from rich.table import Table

    if settings.noise.pairs < 1:
        raise UserError(f"noise.pairs={settings.noise.pairs}: accepted are whole numbers from 1")
    store = Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    runs = [run for run in store.runs(benchmark) if run.finished(benchmark)]
    if settings.method is not None:
        key = describe_run(settings, benchmark).key
        runs = [run for run in runs if run.info.key == key]
    if not runs:
        raise UserError(
            f"no finished run of {settings.method_name or benchmark.name} in {store.root}: generate some first"
        )
    noises = noise.measure(settings, benchmark, runs, settings.noise.pairs)
    changes = list(dict.fromkeys(change for each in noises.values() for change in each.differences))
    table = Table(
        title=f"largest difference when scored again with another ..., {len(runs)} runs", title_justify="left"
    )
    for heading in ("metric", *changes):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for name, each in noises.items():
        if not each.reason:
            figures = [each.differences.get(change) for change in changes]
            table.add_row(name, *("–" if figure is None else f"{figure:.2g}" for figure in figures))
    output.show("noise", ({"metric": name, **vars(each)} for name, each in noises.items()), table)
    for name, each in noises.items():
        if each.reason:
            log.info("%s: not measured: %s", name, each.reason)
    output.wrote(noise.write(store.benchmark_folder(benchmark), noises))
    return []
