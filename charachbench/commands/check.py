"""`charachbench check`: report what is missing or unreadable in a benchmark."""

import logging
from pathlib import Path

from charachbench.commands import open_benchmark, source
from charachbench.config import Config
from charachbench.errors import UserError
from charachbench.output import event
from charachbench.store import Store

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Read every file of the benchmark; returns the problems."""
    problems = source(settings).problems()
    try:
        benchmark = open_benchmark(settings, Store(Path(settings.results)))
    except UserError as error:
        problems = list(dict.fromkeys([*problems, str(error)]))
    for problem in problems:
        log.warning("%s", problem, extra=event("problem"))
    if problems:
        return problems
    counts = {name: len(getattr(benchmark, name)) for name in ("characters", "drivers", "pairs")}
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    log.info("%s: %s", benchmark.name, said, extra=event("benchmark", benchmark=benchmark.name, **counts))
    return []
