"""`charachbench check`: report what is missing or unreadable in a benchmark."""

import logging
from pathlib import Path

from charachbench.commands import open_benchmark, source
from charachbench.config import Config
from charachbench.errors import UserError
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
        log.warning("%s", problem)
    if problems:
        return problems
    log.info(
        "%s: %d characters, %d drivers, %d pairs",
        benchmark.name, len(benchmark.characters), len(benchmark.drivers), len(benchmark.pairs),
    )  # fmt: skip
    return []
