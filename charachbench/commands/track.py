"""`charachbench track tracking=wandb`: send stored runs and the leaderboard to W&B, each once."""

from pathlib import Path

from charachbench.commands import destination, leaderboard, open_benchmark
from charachbench.config import Config
from charachbench.errors import UserError
from charachbench.evaluate import build_metrics
from charachbench.store import Store
from charachbench.tracking import NoTracking


def execute(settings: Config) -> list[str]:
    """Replay the store; what a destination already has is not sent again unless `tracking.resend=true`."""
    tracking = destination(settings)
    if isinstance(tracking, NoTracking):
        raise UserError("tracking: 'none' sends nothing; accepted here: tracking=wandb")
    metrics = build_metrics(settings)
    store = Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    for run in store.runs(benchmark):
        tracking.send_run(store, benchmark, run, metrics)
    if made := leaderboard.make(settings, benchmark, store, metrics):
        tracking.send_leaderboard(store, benchmark, made.metrics, made.board, made.scores)
    return []
