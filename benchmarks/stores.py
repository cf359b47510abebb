"""Stores as large as one likes, written without running a method: to time what reads them."""

import os
from pathlib import Path

import numpy as np

from charachbench import keys
from charachbench.benchmark.types import Benchmark, Character, DetectedLandmarks, Driver, Pair
from charachbench.evaluate import NamedMetric
from charachbench.protocols import Metric, Sample
from charachbench.store import SCHEMA, RunInfo, Store, pair_inputs, write_array, write_json
from charachbench.video import Video, write_preview

SIDE = 64


class Drawn(Metric):
    """A metric whose scores are drawn at random."""

    direction = "down"

    def extract(self, sample: Sample) -> np.ndarray:
        """Nothing: never called."""
        raise NotImplementedError


def metrics(count: int) -> list[NamedMetric]:
    """So many, each of its own name."""
    return [NamedMetric(f"metric{index}", Drawn(), {"index": index}) for index in range(count)]


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
    """A finished, scored store of this benchmark; previews and landmarks of all pairs are one file each, linked."""
    store, rng = Store(root), np.random.default_rng(0)
    preview, landmarks = root / "preview.mp4", root / "landmarks.npy"
    write_preview(of.drivers[0].video, preview)
    write_array(landmarks, of.drivers[0].landmarks)
    outputs = {"video.mkv": "0" * 64, "landmarks.npy": "1" * 64}
    for method in range(methods):
        info = RunInfo(
            keys.digest(["m", method]), f"method{method}", {"_target_": "made", "step": method}, [], False, {}, 0,
            {"name": of.name, "options": of.options},
        )  # fmt: skip
        run = store.find_run(of, info)
        run.create()
        for pair in of.pairs:
            inputs = {**pair_inputs(pair, []), "method": ""}
            entry = run.entry(pair, inputs)
            entry.folder.mkdir()
            for path in (preview, landmarks):
                os.link(path, entry.folder / path.name)
            values = rng.normal(10 + 0.1 * method, 1, len(named))
            write_json(
                entry.folder / "scores.json",
                {
                    metric.key(pair, outputs): {
                        "metric": metric.name, "signature": metric.signature, "status": "scored", "value": float(value),
                        "array": "array.npy", "reference": None, "seconds": 0.1,
                    }
                    for metric, value in zip(named, values, strict=True)
                },
            )  # fmt: skip
            write_json(
                entry.folder / "record.json",
                {
                    "schema": SCHEMA, "pair": pair.name, "method": info.method_name, "run": info.key, "inputs": inputs,
                    "status": "ok", "outputs": outputs, "frames": of.options["frames"], "size": [SIDE, SIDE],
                    "fps": 25.0, "seconds": {"load": 0.0, "read": 0.0, "generate": 1.0, "encode": 0.0},
                    "peak_memory_mib": {"ram": 100.0, "gpu": None}, "finished": "2026-01-01T00:00:00+00:00",
                    "code": {"version": "0", "commit": None, "dirty": None}, "packages": {}, "device": "cpu",
                    "device_name": "cpu", "sources": "", "degraded": "", "notes": {},
                },
            )  # fmt: skip
    return store
