"""One module per command, each with ``execute(settings)`` returning what failed, a sentence each."""

from charachbench import config, objective, tracks
from charachbench.benchmark.types import Benchmark, BenchmarkSource
from charachbench.errors import UserError
from charachbench.evaluate import build_metrics
from charachbench.generate import build_method
from charachbench.landmarks.detectors import Detector
from charachbench.leaderboard import published
from charachbench.store import Store
from charachbench.tracking import Tracking

NEEDS_METHOD = tuple(config.Command[name] for name in ("run", "generate", "bundle", "setup", "conformance"))


def check_settings(settings: config.Config) -> None:
    """Build everything once, so that a wrong setting is told before anything heavy is imported or read.

    Raises:
        UserError: see ``charachbench.config.build``.
    """
    source(settings)
    detector(settings)
    build_metrics(settings)
    objective.check(settings.objective, settings.metrics)
    destination(settings)
    published.read(settings.published)
    if settings.method is not None or settings.command in NEEDS_METHOD:
        build_method(settings)


def source(settings: config.Config) -> BenchmarkSource:
    """The configured benchmark, not opened yet."""
    if settings.benchmark is None:
        raise UserError("benchmark: none was chosen; accepted: benchmark=toy, benchmark=folder benchmark.root=DIR, ...")
    return config.build(settings.benchmark, "benchmark", BenchmarkSource)


def detector(settings: config.Config) -> Detector:
    """What finds the drivers' landmarks."""
    return config.build(settings.detector, "detector", Detector)


def destination(settings: config.Config) -> Tracking:
    """Where results are shown beside the store."""
    return config.build(settings.tracking, "tracking", Tracking)


def open_benchmark(settings: config.Config, store: Store) -> Benchmark:
    """The configured benchmark, as the track sees it."""
    return tracks.open_for(settings.track, source(settings), detector(settings), store.cache)
