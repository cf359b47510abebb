"""`charachbench generate`: animate every pair that is not in the store yet."""

import logging
from pathlib import Path

from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.generate import Outcome, generate
from charachbench.output import event
from charachbench.store import Store

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Generate; returns the pairs that failed."""
    store = Store(Path(settings.results))
    return report(generate(settings, open_benchmark(settings, store), store))


def report(outcome: Outcome) -> list[str]:
    """Say what was done; returns the pairs that failed."""
    info = outcome.run.info
    counts = {name: len(getattr(outcome, name)) for name in ("made", "reused", "failed")}
    total, each = sum(counts.values()), outcome.seconds / counts["made"] if counts["made"] else None
    parts = [f"{counts['made']} generated", f"{counts['reused']} already in the store"]
    parts += [f"{counts['failed']} failed"] if counts["failed"] else []
    parts += [f"{each:.2f} s a pair"] if each is not None else []
    done = "nothing to generate" if counts["reused"] == total else ", ".join(parts)
    name, benchmark = info.method_name, info.benchmark["name"]
    told = event("run_done", method=name, run=info.key, benchmark=benchmark, total=total, **counts, seconds_a_pair=each)
    log.info("%s on %s: %d pairs, %s", name, benchmark, total, done, extra=told)
    return [f"{info.method_name}, pair {pair}: {reason}" for pair, reason in outcome.failed.items()]
