"""A benchmark, methods and metrics so small that the harness itself is all there is to test."""

import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from charachbench import keys
from charachbench.benchmark.types import Benchmark, BenchmarkSource, Character, DetectedLandmarks, Driver, Pair, Truth
from charachbench.config import Config
from charachbench.errors import Unscored, UserError
from charachbench.protocols import Animation, Kept, Method, Metric, Sample, halve
from charachbench.video import Video

SIZE = 32


def image(name: str) -> np.ndarray:
    seed = int(keys.digest(name)[:8], 16)
    return np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


def clip(name: str, frames: int) -> Video:
    return Video(np.stack([np.roll(image(name), index, axis=1) for index in range(frames)]), 25.0)


def landmarks(name: str, frames: int) -> np.ndarray:
    rng = np.random.default_rng(int(keys.digest(["landmarks", name])[:8], 16))
    return rng.uniform(4, SIZE - 4, (68, 2)) + np.linspace(0, 1, frames)[:, None, None]


def video_of(animation: Animation) -> Video:
    assert animation.video is not None
    return animation.video


class Tiny(BenchmarkSource):
    """Characters of random pixels; ``salt`` changes the driver ``d0``."""

    def __init__(
        self, characters: int = 3, drivers: int = 2, frames: int = 4, salt: str = "", truth: bool = True,
        annotated: bool = True, faceless: bool = False, option: int = 0,
    ) -> None:  # fmt: skip
        self.characters, self.drivers, self.frames, self.salt = characters, drivers, frames, salt
        self.truth, self.annotated, self.faceless, self.option = truth, annotated, faceless, option

    def open(self, detector: object, cache: Path) -> Benchmark:
        characters = [self._character(f"c{index}") for index in range(self.characters)]
        drivers = [self._driver(f"d{index}") for index in range(self.drivers)]
        pairs = tuple(Pair(c, d, self._truth(c, d)) for d in drivers for c in characters)
        return Benchmark("tiny", {"frames": self.frames, "option": self.option}, pairs)

    def _character(self, name: str) -> Character:
        return Character(
            name, "even" if int(name[1:]) % 2 == 0 else "odd", keys.digest(name), lambda: image(name),
            (lambda: landmarks(name, 1)[0]) if self.annotated else None, "a" if self.annotated else "",
        )  # fmt: skip

    def _driver(self, name: str) -> Driver:
        content = name + (self.salt if name == "d0" else "")

        def load() -> DetectedLandmarks:
            if self.faceless:
                raise UserError(f"driver '{name}': no face found in any frame")
            return DetectedLandmarks(landmarks(content, self.frames), np.ones(self.frames, bool))

        return Driver(name, keys.digest(content), lambda: clip(content, self.frames), load)

    def _truth(self, character: Character, driver: Driver) -> Truth | None:
        if not self.truth:
            return None
        name = character.name + driver.name
        return Truth(keys.digest(name), lambda: clip(name, self.frames), lambda: landmarks(name, self.frames))


class Roll(Method):
    """Rolls the character; fails on the pairs named in ``fail_on``; its weights are random on request."""

    def __init__(
        self, step: int = 1, fail_on: list[str] | None = None, frames: int | None = None, weights: str = ""
    ) -> None:
        self.step, self.fail_on, self.frames, self.weights = step, fail_on or [], frames, weights

    @property
    def random(self) -> bool:
        return self.weights == "random"

    def animate(self, pair: Pair, seed: int) -> Animation:
        if pair.name in self.fail_on:
            raise RuntimeError("out of luck")
        count = self.frames or len(pair.driver.video)
        frames = np.stack([np.roll(pair.character.image, self.step * index + seed, axis=1) for index in range(count)])
        return Animation(Video(frames, pair.driver.video.fps))


class Loud(Roll):
    """Prints, and so does a library of it that knows nothing of Python."""

    def animate(self, pair: Pair, seed: int) -> Animation:
        sys.stdout.write(f"rolling {pair.name}\n")
        os.write(2, b"\rlibrary 50%\rlibrary 100%\n")
        return super().animate(pair, seed)


class Faulty(Roll):
    """Crashes, hangs, or runs out of memory unless it has little to do at once."""

    def __init__(
        self, crash_on: list[str] | None = None, hang_on: list[str] | None = None, memory: int = 9, chunk: int = 8
    ) -> None:
        super().__init__()
        self.crash_on, self.hang_on, self.memory, self.chunk = crash_on or [], hang_on or [], memory, chunk

    def take_less(self) -> bool:
        return halve(self, "chunk")

    def animate(self, pair: Pair, seed: int) -> Animation:
        if pair.name in self.crash_on:
            os.kill(os.getpid(), signal.SIGSEGV)
        if pair.name in self.hang_on:
            hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # minutes, in which Python has no say
        if self.chunk > self.memory:
            raise MemoryError(f"{self.chunk} at once")
        return super().animate(pair, seed)


class Spy(Method):
    """Writes down what it may see."""

    def __init__(self, report: str) -> None:
        self.report = Path(report)

    def prepare(self, benchmark: Benchmark, cache: Path) -> None:
        self._note(benchmark.pairs)

    def animate(self, pair: Pair, seed: int) -> Animation:
        self._note([pair])
        return Animation(pair.driver.video)

    def _note(self, pairs: Any) -> None:
        with self.report.open("a") as file:
            for pair in pairs:
                truth, annotation = pair.truth is not None, pair.character.landmarks is not None
                file.write(f"truth={truth} landmarks={annotation} {pair.character.annotation_fingerprint!r}\n")


class Brightness(Metric):
    """Mean grey level per frame."""

    unit, direction = "grey", "up"

    def extract(self, sample: Sample) -> np.ndarray:
        return sample.video.frames.mean(axis=(1, 2, 3))


class Difference(Metric):
    """Mean absolute difference from the truth."""

    direction, needs, limits = "down", frozenset({"truth"}), (0, 85.5)

    def extract(self, sample: Sample) -> np.ndarray:
        assert sample.pair.truth is not None
        return np.abs(sample.video.frames.astype(float) - sample.pair.truth.video.frames).mean(axis=(1, 2, 3))


class Picky(Metric):
    """Scores, declines or breaks, by the character's name."""

    direction = "up"

    def __init__(self, unscored: list[str] | None = None, error: list[str] | None = None) -> None:
        self.unscored, self.error = unscored or [], error or []

    def extract(self, sample: Sample) -> np.ndarray:
        name = sample.pair.character.name
        if name in self.unscored:
            raise Unscored("no face found in 4 of 4 frames")
        if name in self.error:
            raise ZeroDivisionError("broken")
        return np.full(len(sample.video), float(name[1:]))


class Spread(Metric):
    """A set metric: the spread of the features of all pairs."""

    direction, per_pair = "up", False

    def extract(self, sample: Sample) -> np.ndarray:
        return sample.video.frames.mean(axis=(1, 2))

    def summarise(self, arrays: Any, references: Any = ()) -> float:
        return float(np.concatenate(list(arrays)).std())


class Shift(Metric):
    """A set metric: how far the mean colour of all pairs is from the drivers'."""

    direction, per_pair = "down", False

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def protocol(self) -> dict[str, str | int | float]:
        return {"reference": "driver"}

    def extraction(self) -> Any:
        return "mean colours"

    def extract(self, sample: Sample) -> np.ndarray:
        return sample.video.frames.mean(axis=(1, 2))

    def reference(self, sample: Sample) -> Kept:
        driver = sample.pair.driver
        return sample.references.get([self.extraction(), driver.fingerprint], lambda: self._colours(sample))

    def _colours(self, sample: Sample) -> np.ndarray:
        return sample.driver_video.frames.mean(axis=(1, 2))

    def summarise(self, arrays: Any, references: Any = ()) -> float:
        return self.scale * float(abs(np.concatenate(list(arrays)).mean() - np.concatenate(list(references)).mean()))

    def caveat(self, samples: int, references: int, dimensions: int) -> str:
        return f"{samples} against {references} rows of {dimensions}"


class Weighty(Brightness):
    """Needs a file of weights; random on request."""

    def __init__(self, weights: str, batch: int = 1) -> None:
        self.weights, self.batch = weights, batch

    @property
    def random(self) -> bool:
        return self.weights == "random"

    def load(self, device: str) -> None:
        if not self.random and not Path(self.weights).is_file():
            raise UserError(f"weights {self.weights} not found")


def settings(results: Path, method: str = "Roll", metrics: dict[str, Any] | None = None, **options: Any) -> Config:
    """A configuration of fakes: ``benchmark_*`` and ``method_*`` go to their constructors."""
    benchmark = {k.removeprefix("benchmark_"): v for k, v in options.items() if k.startswith("benchmark_")}
    arguments = {k.removeprefix("method_"): v for k, v in options.items() if k.startswith("method_")}
    rest = {k: v for k, v in options.items() if not k.startswith(("benchmark_", "method_"))}
    return Config(
        benchmark={"_target_": "tests.fakes.Tiny", **benchmark},
        detector={"_target_": "charachbench.landmarks.detectors.Given"},
        method={"_target_": f"tests.fakes.{method}" if "." not in method else method, **arguments},
        method_name=method.rpartition(".")[2].lower(),
        metrics=metrics if metrics is not None else {"brightness": {"_target_": "tests.fakes.Brightness"}},
        tracking={"_target_": "charachbench.tracking.NoTracking"},
        results=str(results),
        device="cpu",
        **rest,
    )
