"""`charachbench prune`: remove videos that are completely scored, and keep scores, features and records."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from charachbench import config, output, prune, room
from charachbench.benchmark.types import Benchmark
from charachbench.commands import open_benchmark
from charachbench.errors import UserError
from charachbench.evaluate import build_metrics
from charachbench.generate import describe_run
from charachbench.leaderboard.collect import label_runs
from charachbench.output import event
from charachbench.store import Run, Store

log = logging.getLogger(__name__)


def execute(settings: config.Config) -> list[str]:
    """Tell what can go and, if that is asked for, remove it; nothing can fail halfway."""
    metrics = build_metrics(settings)
    store = Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    chosen = settings.prune
    found = [prune.find(chosen, benchmark, run, metrics) for run in _runs(settings, benchmark, store)]
    _show(found, label_runs(store.runs(benchmark)), benchmark)
    whole = sum(each.size for each in found)
    if not chosen.yes:
        log.info("prune.yes=true removes these %s", room.text(whole)) if whole else log.info("nothing to remove")
        return []
    freed = sum(prune.remove(chosen, benchmark, each, metrics) for each in found)
    log.info("%s were removed", room.text(freed), extra=event("pruned", benchmark=benchmark.name, freed=freed))
    if chosen.previews and (store.benchmark_folder(benchmark) / "report").is_dir():
        log.info("the page still links to the previews: `charachbench report` writes it again, which frees theirs")
    return []


def _runs(settings: config.Config, benchmark: Benchmark, store: Store) -> Sequence[Run]:
    """Those that were chosen."""
    runs, names = store.runs(benchmark), settings.prune.methods
    for name in names or ():
        if name not in (known := {run.info.method_name for run in runs}):
            raise UserError(f"prune.methods: '{name}' has no run here;{config.suggest(name, sorted(known))}")
    if settings.method is not None:
        key = describe_run(settings, benchmark).key
        runs = [run for run in runs if run.info.key == key]
    return [run for run in runs if names is None or run.info.method_name in names]


def _show(found: Sequence[prune.Found], labels: dict[str, str], benchmark: Benchmark) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    rows: list[dict[str, Any]] = [
        {
            "method": labels[each.run.info.key],
            "run": each.run.info.key,
            "videos": len(each.videos),
            "stale": len(each.stale),
            "bytes": each.size,
            "unscored": each.unscored,
            "pruned": each.pruned,
        }
        for each in found
    ]
    table = Table(title=f"{benchmark.name}: what can go", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("method", "videos", "stale pairs", "size", "kept, not scored", "pruned before"):
        table.add_column(heading, justify="left" if heading == "method" else "right", overflow="fold")
    for row in rows:
        counts = [str(row[name]) for name in ("videos", "stale")]
        kept = [str(row[name]) for name in ("unscored", "pruned")]
        table.add_row(escape(row["method"]), *counts, room.text(row["bytes"]), *kept)
    output.show("prune", rows, table, benchmark=benchmark.name)
