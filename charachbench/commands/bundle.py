"""`charachbench bundle`: write a run into one file, to send to who keeps a leaderboard."""

import logging
from pathlib import Path

from charachbench.commands import open_benchmark
from charachbench.commands.doctor import readable
from charachbench.config import Config
from charachbench.evaluate import build_metrics
from charachbench.store import Store
from charachbench.submission.write import write

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Write it and say where it is; nothing can fail halfway."""
    store = Store(Path(settings.results))
    path = write(settings, open_benchmark(settings, store), store, build_metrics(settings))
    log.info("%s (%s)", path, readable(path.stat().st_size))
    return []
