"""`charachbench run`, the default: generate, evaluate, and show the leaderboard."""

from pathlib import Path

from charachbench.commands import evaluate as evaluate_command
from charachbench.commands import generate as generate_command
from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.evaluate import build_metrics, evaluate
from charachbench.generate import generate
from charachbench.store import Store


def execute(settings: Config) -> list[str]:
    """One method on one benchmark, all but the leaderboard; returns what failed.

    The leaderboard comes last and once, after the job or after the whole sweep, and so does what is tracked
    (``charachbench.sweep``).
    """
    metrics = build_metrics(settings)
    store = Store(Path(settings.results))
    benchmark = open_benchmark(settings, store)
    outcome = generate(settings, benchmark, store)
    failures = generate_command.report(outcome)
    run = outcome.run
    failures += evaluate_command.report(run, evaluate(settings, benchmark, run, metrics))
    return failures
