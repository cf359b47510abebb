"""How much of a run's time is not the method's, with a method that sleeps as long as a GPU would work.

Beside it the same with nothing overlapping: each pair is read, animated and stored before the next one.
"""

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from unittest import mock

import cv2
import numpy as np

from benchmarks import overlap  # as the configuration finds it, not as `__main__`
from charachbench import generate, keys, video
from charachbench.benchmark.recent import Recent
from charachbench.benchmark.types import Benchmark, Character, DetectedLandmarks, Driver, Pair
from charachbench.config import Config
from charachbench.overlap import Ahead, Behind
from charachbench.protocols import Animation, Method
from charachbench.store import Store

Result = TypeVar("Result")

SIDE, FRAMES, PAIRS, SECONDS_A_FRAME, TIMES = 512, 64, 6, 0.05, 2


class Sleeping(Method):
    """Gives the driver back, after a while.

    Attributes:
        worked: from when to when, in seconds of ``time.perf_counter``, for each pair.
    """

    worked: ClassVar[list[tuple[float, float]]] = []

    def animate(self, pair: Pair, seed: int) -> Animation:  # noqa: ARG002
        """Sleeps."""
        start, made = time.perf_counter(), pair.driver.video
        time.sleep(SECONDS_A_FRAME * len(made))
        self.worked.append((start, time.perf_counter()))
        return Animation(made)


class ReadNow(Ahead[Any, Any]):
    """Reads nothing ahead."""

    def __init__(self, work: Callable[[Any], Any], items: object) -> None:  # noqa: ARG002
        super().__init__(work, [])


class StoreNow(Behind[Result]):
    """Waits for what it begins."""

    def begin(self, work: Callable[[], Result], ended: Callable[[Future[Result]], object]) -> None:
        """See ``Behind``."""
        super().begin(work, ended)
        self.wait()


def clip(seed: int) -> video.Video:
    """A blurred pattern that moves under a little noise, which costs an encoder about as much as a filmed face."""
    rng = np.random.default_rng(seed)
    pattern = cv2.GaussianBlur(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8), (0, 0), 6)
    pattern = cv2.normalize(pattern, np.empty_like(pattern), 0, 255, cv2.NORM_MINMAX)
    frames = [np.roll(pattern, (index, 2 * index), (0, 1)) + rng.normal(0, 2, pattern.shape) for index in range(FRAMES)]
    return video.Video(np.clip(frames, 0, 255).astype(np.uint8), 25.0)


def benchmark(folder: Path) -> Benchmark:
    """One character, and a driver on disk for each pair."""
    recent = Recent(2**28)

    def driver(index: int) -> Driver:
        path = folder / f"driver{index}.mp4"
        if not path.is_file():
            video.write_mp4(clip(index), path)

        def load() -> video.Video:
            return recent.get(str(path), lambda: video.read(path), lambda made: made.frames.nbytes)

        points = DetectedLandmarks(np.zeros((FRAMES, 68, 2)), np.ones(FRAMES, bool))
        return Driver(f"driver{index}", keys.digest(["overlap", index]), load, lambda: points)

    face = Character("face", "human", keys.digest("face"), lambda: np.zeros((SIDE, SIDE, 3), np.uint8))
    return Benchmark("overlap", {"frames": FRAMES}, tuple(Pair(face, driver(index)) for index in range(PAIRS)))


def measure(folder: Path) -> tuple[float, float, float]:
    """Shares of time that are not the method's: of the whole run, and between its first and its last frame.

    Returns:
        Both, and the seconds that reading and encoding took.
    """
    settings = Config(
        method={"_target_": "benchmarks.overlap.Sleeping"}, method_name="sleeping", results=str(folder), device="cpu"
    )
    made, worked = benchmark(folder.parent), overlap.Sleeping.worked
    worked.clear()
    start = time.perf_counter()
    outcome = generate.generate(settings, made, Store(folder))
    wall = time.perf_counter() - start
    seconds = [record["seconds"] for _, record in outcome.run.finished(made).values()]
    method = sum(end - begin for begin, end in worked)
    between = worked[-1][1] - worked[0][0]
    beside = sum(each["read"] + each["encode"] for each in seconds)
    return 1 - method / (wall - seconds[0]["load"]), 1 - method / between, beside


def main() -> None:
    print(f"{PAIRS} pairs of {FRAMES} frames of {SIDE} x {SIDE}, {1000 * SECONDS_A_FRAME:.0f} ms a frame")
    classes: dict[str, tuple[Any, Any]] = {"one after the other": (ReadNow, StoreNow), "side by side": (Ahead, Behind)}
    found: dict[str, list[tuple[float, float, float]]] = {how: [] for how in classes}
    with tempfile.TemporaryDirectory() as name:
        benchmark(Path(name))
        for attempt in range(TIMES):
            for how, kept in found.items():
                ahead, behind = classes[how]
                with mock.patch.multiple(generate, Ahead=ahead, Behind=behind):
                    kept.append(measure(Path(name) / f"{how} {attempt}"))
    for how, kept in found.items():
        run, between, beside = (min(values) for values in zip(*kept, strict=True))
        print(
            f"{how}: {run:.1%} of the run are not the method's, {between:.1%} between its first and its last frame; ",
            end="",
        )
        print(f"reading and encoding took {beside:.1f} s")


if __name__ == "__main__":
    main()
