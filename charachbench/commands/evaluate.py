"""`charachbench evaluate`: score every finished pair that has no score yet, of one method or of all."""

import logging
from pathlib import Path

from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.evaluate import Loader, Tally, build_metrics, evaluate
from charachbench.generate import describe_run
from charachbench.output import event
from charachbench.store import Run, Store

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Evaluate the runs in the store (`method=...` picks one); returns the scores that failed."""
    metrics = build_metrics(settings)
    store = Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    runs = store.runs(benchmark)
    if settings.method is not None:
        key = describe_run(settings, benchmark).key
        runs = [run for run in runs if run.info.key == key]
    if not runs:
        log.info("nothing to evaluate: no run of %s in %s", settings.method_name or benchmark.name, settings.results)
    load = Loader(settings.device)
    failed = [line for run in runs for line in report(run, evaluate(settings, benchmark, run, metrics, load))]
    return list(dict.fromkeys(failed))  # what could not be loaded is told of every run


def report(run: Run, tally: Tally) -> list[str]:
    """Say what was done; returns the scores that failed."""
    name, counts = run.info.method_name, {"scored": tally.scored, "reused": tally.reused, "failed": len(tally.errors)}
    told = event("scores_done", method=name, run=run.info.key, **counts)
    if not tally.scored:
        log.info("%s: %d scores, nothing to evaluate", name, tally.reused, extra=told)
    else:
        log.info("%s: %d scores, %d already in the store", name, tally.scored, tally.reused, extra=told)
    return [f"{where}: {reason}" for where, reason in tally.errors.items()]
