"""Stores as large as one likes, written without running a method: to time what reads them.

Their runs are what ``generate`` and ``evaluate`` take for finished.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from charachbench import keys, provenance
from charachbench.benchmark.types import Benchmark, Character, DetectedLandmarks, Driver, Pair
from charachbench.config import Config
from charachbench.evaluate import NamedMetric
from charachbench.generate import describe_run
from charachbench.protocols import Animation, Method, Metric, Sample
from charachbench.store import SCHEMA, Store, pair_inputs, write_array
from charachbench.video import Video, write_preview

SIDE = 64
LONG_AGO = 1_700_000_000


class Made(Method):
    """A method whose videos are there already; ``step`` tells them apart."""

    def __init__(self, step: int) -> None:
        self.step = step

    def animate(self, pair: Pair, seed: int) -> Animation:
        """Nothing: never called."""
        raise NotImplementedError


class Drawn(Metric):
    """A metric whose scores are drawn at random."""

    direction = "down"

    def extract(self, sample: Sample) -> np.ndarray:
        """Nothing: never called."""
        raise NotImplementedError


def metrics(count: int) -> list[NamedMetric]:
    """So many, each of its own name."""
    protocol: dict[str, Any] = {"tracker": "lucas_kanade", "normaliser": "inter_ocular", "reference": "truth"}
    identities = [
        {"config": {"_target_": "Drawn", "index": index}, "versions": {"Drawn": 1}, "protocol": protocol}
        for index in range(count)
    ]
    return [NamedMetric(f"metric{index}", Drawn(), identity) for index, identity in enumerate(identities)]


def settings(root: Path, method: int) -> Config:
    """Of the run of a method, by its number."""
    made = {"_target_": "benchmarks.stores.Made", "step": method}
    return Config(method=made, method_name=f"method{method}", results=str(root), device="cpu")


def benchmark(characters: int, drivers: int, frames: int = 100) -> Benchmark:
    """Of noise, small."""
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    clip = Video(np.stack([np.roll(noise, frame, axis=1) for frame in range(frames)]), 25.0)
    points = np.full((frames, 68, 2), SIDE / 2) + np.arange(68)[:, None] / 4
    faces = [
        Character(f"character{i:04}", f"domain{i % 6}", keys.digest(["c", i]), lambda: noise, lambda: points[0], "a")
        for i in range(characters)
    ]
    found = DetectedLandmarks(points, np.ones(frames, bool))
    moves = [Driver(f"driver{i:04}", keys.digest(["d", i]), lambda: clip, lambda: found) for i in range(drivers)]
    return Benchmark("made", {"frames": frames}, tuple(Pair(face, move) for move in moves for face in faces))


def fill(root: Path, of: Benchmark, methods: int, named: list[NamedMetric]) -> Store:
    """A finished, scored store of this benchmark, a while old; files of all pairs but JSON are one each, linked.

    The first third of the metrics compares with a reference, one for each driver.
    """
    store, rng = Store(root), np.random.default_rng(0)
    shared = {name: root / name for name in ("preview.mp4", "landmarks.npy", "video.mkv")}
    write_preview(of.drivers[0].video, shared["preview.mp4"])
    write_array(shared["landmarks.npy"], of.drivers[0].landmarks)
    shared["video.mkv"].write_bytes(b"never read")
    outputs = {"video.mkv": "0" * 64, "landmarks.npy": "1" * 64}
    with_reference = {metric.name for metric in named[: len(named) // 3]}
    references = {
        driver.name: store.references.get(["made", driver.name], lambda: np.zeros(1)).key for driver in of.drivers
    }
    for method in range(methods):
        info = describe_run(settings(root, method), of)
        run = store.find_run(of, info)
        run.create()
        common = {
            "schema": SCHEMA, "method": info.method_name, "run": info.key, "status": "ok", "outputs": outputs,
            "config": {"method": info.method, "benchmark": info.benchmark}, "given": [], "seed": 0,
            "random_weights": False, "sources": provenance.sources(info.method, "method"),
            "code": provenance.code(), "packages": provenance.packages(), "device": "cpu", "device_name": "cpu",
            "frames": of.options["frames"], "size": [SIDE, SIDE], "fps": 25.0, "notes": {}, "degraded": "",
            "finished": "2026-01-01T00:00:00+00:00",
        }  # fmt: skip
        for pair in of.pairs:
            inputs = {**pair_inputs(pair, []), "method": ""}
            entry = run.entry(pair, inputs)
            entry.folder.mkdir()
            seconds = dict(zip(("load", "read", "generate", "encode"), rng.random(4), strict=True))
            record = {
                **common, "pair": pair.name, "inputs": inputs, "seconds": seconds,
                "character": pair.character.name, "domain": pair.character.domain, "driver": pair.driver.name,
                "frames_per_second": 4 / seconds["generate"],
                "peak_memory_mib": {"ram": float(rng.random()), "gpu": None},
            }  # fmt: skip
            scores = {
                metric.key(pair, outputs): {
                    "metric": metric.name, "signature": metric.signature, "unit": metric.metric.unit,
                    "status": "scored", "protocol": metric.identity["protocol"], "value": float(value),
                    "array": metric.array_path(entry, pair, outputs).name,
                    "reference": references[pair.driver.name] if metric.name in with_reference else None,
                    "seconds": 0.1234,
                }
                for metric, value in zip(named, rng.normal(10 + 0.1 * method, 1, len(named)), strict=True)
            }  # fmt: skip
            for name, path in shared.items():
                os.link(path, entry.folder / name)
            for score in scores.values():
                (entry.folder / score["array"]).touch()  # a file has 65,000 links at most
            for name, value in (("record.json", record), ("scores.json", scores)):
                (entry.folder / name).write_text(json.dumps(value, indent=1), encoding="utf-8")
                os.utime(entry.folder / name, (LONG_AGO, LONG_AGO))
            os.utime(entry.folder, (LONG_AGO, LONG_AGO))
    return store
