"""A method fed with the wrong driver."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from charachbench.benchmark.types import Benchmark, DetectedLandmarks, Driver, Pair
from charachbench.errors import UserError
from charachbench.protocols import Animation, Method
from charachbench.video import Video


class Shuffled(Method):
    """Animates every character with the benchmark's next driver: good frames, unrelated motion.

    A metric of motion that scores this row no worse than the method itself does not measure motion.

    Args:
        method: what animates.
    """

    def __init__(self, method: Method) -> None:
        self.method = method
        self._next: dict[str, Driver] = {}

    @property
    def random(self) -> bool:
        """As the method."""
        return self.method.random

    def prepare(self, benchmark: Benchmark, cache: Path) -> None:
        """Give each driver its successor."""
        drivers = benchmark.drivers
        if len(drivers) < 2:
            raise UserError("method=shuffled: needs a benchmark with at least two drivers")
        self._next = {driver.name: drivers[(index + 1) % len(drivers)] for index, driver in enumerate(drivers)}
        self.method.prepare(benchmark, cache)

    def fingerprint(self, pair: Pair) -> str:
        """The driver that is used instead."""
        return self._next[pair.driver.name].fingerprint + self.method.fingerprint(pair)

    def load(self, device: str) -> None:
        """Load the method."""
        self.method.load(device)

    def animate(self, pair: Pair, seed: int) -> Animation:
        """As the method does with the other driver, played to and fro to the length of the right one."""
        other = _with_length(self._next[pair.driver.name], len(pair.driver.video), pair.driver.video.fps)
        animation = self.method.animate(replace(pair, driver=other), seed)
        return replace(animation, notes={**animation.notes, "driver": other.name})


def _with_length(driver: Driver, length: int, fps: float) -> Driver:
    """The driver with exactly ``length`` frames."""

    def load_video() -> Video:
        frames = driver.video.frames
        return Video(frames[_to_and_fro(len(frames), length)], fps)

    def load_landmarks() -> DetectedLandmarks:
        found = driver.detection
        index = _to_and_fro(len(found.points), length)
        return DetectedLandmarks(found.points[index], found.detected[index])

    return replace(driver, load_video=load_video, load_landmarks=load_landmarks)


def _to_and_fro(count: int, length: int) -> np.ndarray:
    period = np.arange(length) % max(2 * count - 2, 1)
    return np.where(period < count, period, 2 * count - 2 - period)
