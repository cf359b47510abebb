"""A small store with a report: three methods, one of which fails on a pair, and names that would break a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from charachbench.benchmark.types import Benchmark, Pair
from charachbench.commands import leaderboard, open_benchmark
from charachbench.config import Config
from charachbench.evaluate import build_metrics, evaluate
from charachbench.generate import generate
from charachbench.leaderboard.board import Leaderboard
from charachbench.protocols import Animation, Method
from charachbench.report import page
from charachbench.store import Store
from charachbench.video import Video
from tests.fakes import Brightness, Tiny, landmarks, settings

NAMES = {
    "c0": "<script>window.broken = 1</script>\"'&", "c1": "ünï/../ço#dé?%", "c2": "plain",
    "d0": "driver </script><img src=x onerror='window.broken = 1'>", "d1": "d1",
}  # fmt: skip
METRICS = {
    "brightness": {"_target_": "tests.fakes.Brightness"},
    "darkness": {"_target_": "tests.report.results.Darkness"},
    "difference": {"_target_": "tests.fakes.Difference"},
    "shift": {"_target_": "tests.fakes.Shift"},
}


class Named(Tiny):
    """``Tiny`` under these names."""

    def open(self, detector: object, cache: Path) -> Benchmark:
        opened = super().open(detector, cache)
        pairs = tuple(
            replace(
                pair,
                character=replace(pair.character, name=NAMES.get(pair.character.name, pair.character.name)),
                driver=replace(pair.driver, name=NAMES.get(pair.driver.name, pair.driver.name)),
            )
            for pair in opened.pairs
        )
        return replace(opened, pairs=pairs, name="tiny <b>", licence="ours & theirs")


class Darkness(Brightness):
    """The same, and less of it is better."""

    family: ClassVar[str] = "motion"
    direction: ClassVar[Any] = "down"


class Rolling(Method):
    """Rolls the character; says where its landmarks are, and fails on a pair, where it is told to."""

    def __init__(self, step: int = 1, marked: bool = False, fail_on: str = "") -> None:
        self.step, self.marked, self.fail_on = step, marked, fail_on

    def animate(self, pair: Pair, seed: int) -> Animation:
        if pair.name == self.fail_on:
            raise RuntimeError("<b>out of luck</b>")
        count = len(pair.driver.video)
        frames = np.stack([np.roll(pair.character.image, self.step * index, axis=1) for index in range(count)])
        points = landmarks(pair.name, count) if self.marked else None
        return Animation(Video(frames, pair.driver.video.fps), landmarks=points)


ROWS: dict[str, dict[str, Any]] = {
    "marked": {"marked": True},
    "plain": {"step": 2},
    "unlucky": {"step": 3, "fail_on": "plain__d1"},
}


def configured(results: Path, row: str = "marked", **options: Any) -> Config:
    config = settings(results, metrics=METRICS, **options)
    return replace(
        config,
        benchmark={**config.benchmark, "_target_": "tests.report.results.Named"},
        method={"_target_": "tests.report.results.Rolling", **ROWS[row]},
        method_name=f"{row} <i>",
    )


def fill(results: Path, **options: Any) -> tuple[Config, Store, Benchmark]:
    """A store with all rows, scored."""
    store = Store(results)
    for row in ROWS:
        config = configured(results, row, **options)
        benchmark = open_benchmark(config, store)
        outcome = generate(config, benchmark, store)
        evaluate(config, benchmark, outcome.run, build_metrics(config))
    return config, store, benchmark


def report(results: Path, **options: Any) -> tuple[Path, Leaderboard]:
    """The page of such a store, and its leaderboard."""
    return written(*fill(results, **options))


def written(config: Config, store: Store, benchmark: Benchmark) -> tuple[Path, Leaderboard]:
    """The page of a store."""
    metrics = build_metrics(config)
    made = leaderboard.make(config, benchmark, store, metrics)
    assert made is not None
    leaderboard.show(made, store.benchmark_folder(benchmark))
    return page.write(store, benchmark, made.metrics, made.scores, made.board), made.board
