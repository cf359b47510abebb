"""Bundles of fakes, and how tests change them."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from charachbench.benchmark.types import Benchmark
from charachbench.commands import open_benchmark
from charachbench.config import BundleConfig, Config
from charachbench.evaluate import build_metrics, evaluate
from charachbench.generate import generate
from charachbench.store import Store
from charachbench.submission.schema import MANIFEST, SCORES
from charachbench.submission.write import write
from tests.fakes import settings

METRICS = {
    "brightness": {"_target_": "tests.fakes.Brightness"},
    "difference": {"_target_": "tests.fakes.Difference"},
    "spread": {"_target_": "tests.fakes.Spread"},
    "shift": {"_target_": "tests.fakes.Shift"},
}


def configured(results: Path, **options: Any) -> Config:
    """Six characters, so that there are intervals, two drivers, and numbers of sets."""
    return settings(results, **{"metrics": METRICS, "benchmark_characters": 6, **options})


def opened(config: Config) -> tuple[Store, Benchmark]:
    """The store and benchmark of a configuration."""
    store = Store(Path(config.results))
    return store, open_benchmark(config, store)


def run(config: Config) -> None:
    """Generate and evaluate."""
    store, benchmark = opened(config)
    evaluate(config, benchmark, generate(config, benchmark, store).run, build_metrics(config))


def bundled(config: Config, *, clips: bool = False) -> Path:
    """Generate, evaluate and bundle."""
    run(config)
    config.bundle = BundleConfig(clips=clips)
    store, benchmark = opened(config)
    return write(config, benchmark, store, build_metrics(config))


def members(path: Path) -> dict[str, bytes]:
    """What a bundle holds."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest_of(path: Path) -> Any:
    """As it is written."""
    return json.loads(members(path)[MANIFEST])


def scores_of(path: Path) -> list[list[str]]:
    """Rows with the headings."""
    return list(csv.reader(io.StringIO(members(path)[SCORES].decode())))


def edited(
    path: Path,
    target: Path,
    manifest: Callable[[Any], object] = lambda found: None,
    scores: Callable[[list[list[str]]], object] = lambda rows: None,
    files: Callable[[dict[str, bytes]], object] = lambda found: None,
) -> Path:
    """A copy in which manifest, rows of scores and members are changed in place."""
    held, found, rows = members(path), manifest_of(path), scores_of(path)
    manifest(found)
    scores(rows)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    held |= {MANIFEST: json.dumps(found).encode(), SCORES: table.getvalue().encode()}
    files(held)
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in held.items():
            archive.writestr(name, data)
    return target
