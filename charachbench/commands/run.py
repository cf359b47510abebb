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
    failures: list[str] = []
    for _ in range(2):  # once more where stored files turn out to be damaged
        outcome = generate(settings, benchmark, store)
        tally = evaluate(settings, benchmark, outcome.run, metrics)
        failures = generate_command.report(outcome) + evaluate_command.report(outcome.run, tally)
        if not tally.damaged:
            break
    return failures
