"""`charachbench board`: make tables and a page from a folder of bundles."""

import logging
from dataclasses import replace
from pathlib import Path

from charachbench import noise, output
from charachbench.commands import leaderboard, open_benchmark
from charachbench.config import Config
from charachbench.errors import UserError
from charachbench.leaderboard import published
from charachbench.store import Store
from charachbench.submission import board

log = logging.getLogger(__name__)


def execute(settings: Config) -> list[str]:
    """Make them of the bundles that can be shown; returns why others cannot."""
    chosen = settings.board
    if chosen.root is None:
        raise UserError("board.root: must be given, as in board.root=DIR")
    root = Path(chosen.root)
    if not root.is_dir():
        raise UserError(f"board.root: no such folder: {root}")
    store = Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    bundles, refused = board.read_all(root, benchmark)
    for sentence in refused:
        log.warning("%s", sentence)
    if not bundles:
        raise UserError(f"board.root={root}: holds no bundle of {benchmark.name} that can be shown")
    known = noise.read(store.benchmark_folder(benchmark))
    made = board.make(bundles, benchmark, settings.leaderboard.aggregation, known)
    made = replace(made, published=published.verdicts(made, published.read(settings.published)))
    folder = root if chosen.output is None else Path(chosen.output)
    folder.mkdir(parents=True, exist_ok=True)
    leaderboard.write(made, folder)
    output.wrote(board.write_page(folder, bundles, made))
    return refused
