"""A store with finished and scored runs, made once."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.evaluate import build_metrics, evaluate
from charachbench.generate import generate
from charachbench.store import Store
from tests.fakes import settings

METRICS = {
    "brightness": {"_target_": "tests.fakes.Brightness"},
    "difference": {"_target_": "tests.fakes.Difference"},
    "spread": {"_target_": "tests.fakes.Spread"},
    "picky": {"_target_": "tests.fakes.Picky", "unscored": ["c0", "c1", "c2", "c3"]},
}
QUALITY = {"first_method": 8.0, "second_method": 6.0, "third_method": 5.0}
"""What simulated raters think of the three methods that are ranked and made all pairs."""


def configured(results: Path) -> Config:
    return settings(results, metrics=METRICS, benchmark_characters=4, benchmark_drivers=2, benchmark_frames=3)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("study") / "results"
    config = configured(results)
    store = Store(results)
    benchmark = open_benchmark(config, store)
    for step, name in enumerate(QUALITY, 1):
        run = generate(replace(config, method={**config.method, "step": step}, method_name=name), benchmark, store).run
        evaluate(config, benchmark, run, build_metrics(config))
    others: dict[str, dict[str, Any]] = {
        "frozen_control": {"step": 0, "control": True},
        "random_method": {"weights": "random"},
        "lazy_method": {"step": 4, "fail_on": [pair.name for pair in benchmark.pairs[3:]]},
    }
    for name, changed in others.items():
        generate(replace(config, method={**config.method, **changed}, method_name=name), benchmark, store)
    return results


@pytest.fixture
def config(made: Path, tmp_path: Path) -> Config:
    """Of a copy of the store, free to be changed."""
    shutil.copytree(made, tmp_path / "results")
    return configured(tmp_path / "results")
