"""Scoring with networks, against loops in which each metric decodes and processes every video and reference itself.

So do existing suites, among them H2CEvaluator, which also embeds the character once more for every frame. Random
weights stand in for trained ones; ``--full`` takes the networks at their full sizes (minutes).
"""

import logging
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from charachbench import config, provenance, video
from charachbench.benchmark.types import Benchmark, Truth
from charachbench.commands import open_benchmark
from charachbench.evaluate import NamedMetric, build_metrics, evaluate
from charachbench.generate import generate
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.collect import collect
from charachbench.protocols import References, Sample
from charachbench.store import Run, Store
from metrics.identity import IdentitySimilarity

METHODS = ("still", "driver_copy", "oracle")
RANDOM = ("lpips_random", "fid_random", "kid_random", "fvd_random", "identity_random")
FULL = (
    "metrics.fid_random.features.size=299",
    "metrics.kid_random.features.size=299",
    "metrics.fvd_random.features.resolution=224",
    "metrics.identity_random.backbone.depth=r100",
)


def settings(results: Path, *overrides: str) -> config.Config:
    """The toy benchmark, 8 pairs of 32 frames at 256 pixels, all frames looked at."""
    from hydra import compose, initialize_config_module

    config.register()
    shown = [f"+metric@metrics.{name}={name}" for name in RANDOM]
    every = [f"metrics.{name}.{'clips' if name == 'fvd_random' else 'frames'}=null" for name in RANDOM]
    with initialize_config_module("conf", version_base="1.3"):
        composed = compose(
            "config",
            ["~metrics", *shown, *every, "benchmark.drivers=1", f"results={results}", "device=cpu", *overrides],
        )
    return config.resolve(composed)


def generated(results: Path, *overrides: str) -> tuple[config.Config, Benchmark, Store]:
    """A store with all methods' videos."""
    store = Store(results)
    for method in METHODS:
        one = settings(results, f"method={method}", f"method_name={method}", *overrides)
        benchmark = open_benchmark(one, store)
        generate(one, benchmark, store)
    return one, benchmark, store


def together(one: config.Config, benchmark: Benchmark, store: Store, metrics: list[NamedMetric]) -> dict[str, float]:
    """As the harness scores; the numbers by metric and method."""
    for run in store.runs(benchmark):
        evaluate(one, benchmark, run, metrics)
    board = aggregate(collect(store, benchmark, metrics), metrics, slices=False)
    return {f"{column.name} {row.method}": row.cells[column.name].value or 0.0 for row in board.rows
            for column in board.columns}  # fmt: skip


def apart(benchmark: Benchmark, runs: list[Run], metrics: list[NamedMetric], truths: Path) -> dict[str, float]:
    """Each metric by itself."""
    numbers = {}
    for named in metrics:
        for run in runs:
            arrays, references = [], []
            for pair in benchmark.pairs:
                entry, _ = run.finished(benchmark)[pair.name]
                truth = Truth("", lambda path=truths / f"{pair.name}.mkv": video.read(path))  # type: ignore[misc]
                made = video.read(entry.video_path)
                sample = Sample(replace(pair, truth=truth), made, references=References())
                arrays.append(named.metric.extract(sample))
                if isinstance(named.metric, IdentitySimilarity):
                    named.metric.backbone.embed(np.repeat(pair.character.image[None], len(made), axis=0))
                if kept := named.metric.reference(sample):
                    references.append(kept.array)
            numbers[f"{named.name} {run.info.method_name}"] = named.metric.summarise(arrays, references)
    return numbers


def peak(pairs: int, results: Path) -> float:
    """MiB of a process that scores so many pairs."""
    command = [sys.executable, "-m", "benchmarks.metrics", "--peak", str(pairs), str(results)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def main() -> None:
    if "--peak" in sys.argv:
        pairs, results = int(sys.argv[-2]), Path(sys.argv[-1])
        few = [f"metrics.{name}.{'clips' if name == 'fvd_random' else 'frames'}=1" for name in RANDOM]
        one, benchmark, store = generated(results, f"benchmark.drivers={pairs // 8}", *few)
        memory = provenance.PeakMemory("cpu")
        together(one, benchmark, store, build_metrics(one))
        print(memory.read()["ram"])
        return
    with tempfile.TemporaryDirectory() as folder:
        one, benchmark, store = generated(Path(folder) / "results", *(FULL if "--full" in sys.argv else ()))
        metrics, truths = build_metrics(one), Path(folder) / "truths"
        truths.mkdir()
        for pair in benchmark.pairs:
            assert pair.truth is not None
            video.write_lossless(pair.truth.video, truths / f"{pair.name}.mkv")
        for named in metrics:
            named.metric.load("cpu")
        start = time.perf_counter()
        ours = together(one, benchmark, store, metrics)
        middle = time.perf_counter()
        theirs = apart(benchmark, store.runs(benchmark), metrics, truths)
        end = time.perf_counter()
        worst = max(abs(ours[name] - theirs[name]) / max(abs(theirs[name]), 1e-3) for name in theirs)
        assert np.isfinite(worst)
        print(
            f"{len(metrics)} metrics with networks, {len(METHODS)} methods x {len(benchmark.pairs)} pairs x 32 frames: "
            f"{middle - start:.1f} s; each by itself {end - middle:.1f} s, {(end - middle) / (middle - start):.1f} x; "
            f"numbers differ by {worst:.0e}"
        )
    for pairs in (8, 24):
        with tempfile.TemporaryDirectory() as folder:
            print(f"peak memory of scoring {len(METHODS)} x {pairs} pairs: {peak(pairs, Path(folder)):.0f} MiB")


if __name__ == "__main__":
    logging.disable(logging.INFO)
    main()
