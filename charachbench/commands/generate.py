"""`charachbench generate`: animate every pair that is not in the store yet."""

import logging
from pathlib import Path

from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.generate import Outcome, generate
from charachbench.store import Store

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Generate; returns the pairs that failed."""
    store = Store(Path(settings.results))
    return report(generate(settings, open_benchmark(settings, store), store))


def report(outcome: Outcome) -> list[str]:
    """Say what was done; returns the pairs that failed."""
    info = outcome.run.info
    total = len(outcome.made) + len(outcome.reused) + len(outcome.failed)
    parts = [f"{len(outcome.made)} generated", f"{len(outcome.reused)} already in the store"]
    parts += [f"{len(outcome.failed)} failed"] if outcome.failed else []
    done = "nothing to generate" if len(outcome.reused) == total else ", ".join(parts)
    log.info("%s on %s: %d pairs, %s", info.method_name, info.benchmark["name"], total, done)
    return [f"{info.method_name}, pair {pair}: {reason}" for pair, reason in outcome.failed.items()]
