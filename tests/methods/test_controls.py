"""The methods that show each metric's floor and ceiling."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from charachbench.benchmark.types import Benchmark, Pair
from charachbench.errors import UserError
from charachbench.protocols import Animation, Method
from charachbench.video import Video
from methods.driver_copy import DriverCopy
from methods.oracle import Oracle
from methods.shuffled import Shuffled
from methods.still import Still
from tests.fakes import SIZE, Roll, Tiny, clip, landmarks, video_of


@pytest.fixture
def benchmark() -> Benchmark:
    return Tiny(characters=1, drivers=2, frames=5).open(None, Path())


@pytest.fixture
def pair(benchmark: Benchmark) -> Pair:
    return benchmark.pairs[0]


def test_still_is_the_character(pair: Pair) -> None:
    made = video_of(Still().animate(pair, 0))
    assert (made.frames == pair.character.image).all()
    assert (len(made), made.fps) == (5, 25.0)


def test_oracle_is_the_truth(pair: Pair) -> None:
    assert np.array_equal(video_of(Oracle().animate(pair, 0)).frames, clip("c0d0", 5).frames)
    with pytest.raises(UserError, match="the true video of pair 'c0__d0' is not known"):
        Oracle().animate(replace(pair, truth=None), 0)


def test_driver_copy_is_the_driver_with_its_landmarks(pair: Pair) -> None:
    animation = DriverCopy().animate(pair, 0)
    assert np.array_equal(video_of(animation).frames, clip("d0", 5).frames)
    assert animation.first_landmarks is not None
    assert np.array_equal(animation.first_landmarks, landmarks("d0", 5)[0])


def test_driver_copy_takes_the_characters_size(pair: Pair) -> None:
    large = Video(np.kron(clip("d0", 5).frames, np.ones((1, 2, 2, 1), np.uint8)), 25.0)
    double = replace(pair.driver, load_video=lambda: large)
    animation = DriverCopy().animate(replace(pair, driver=double), 0)
    assert video_of(animation).size == (SIZE, SIZE)
    assert np.array_equal(video_of(animation).frames, clip("d0", 5).frames)
    assert animation.first_landmarks is not None
    assert np.allclose(animation.first_landmarks, (landmarks("d0", 5)[0] + 0.5) / 2 - 0.5)


class CopyDriver(Method):
    """Shows which driver it was given."""

    def animate(self, pair: Pair, seed: int) -> Animation:
        return Animation(pair.driver.video, landmarks=pair.driver.landmarks)


def test_shuffled_uses_the_next_driver(benchmark: Benchmark, pair: Pair) -> None:
    method = Shuffled(CopyDriver())
    method.prepare(benchmark, Path())
    animation = method.animate(pair, 0)
    assert np.array_equal(video_of(animation).frames, clip("d1", 5).frames)
    assert animation.notes["driver"] == "d1"
    assert method.fingerprint(pair) == benchmark.drivers[1].fingerprint


@pytest.mark.parametrize("weights", ["random", "trained"])
def test_shuffled_is_as_random_as_its_method(weights: str) -> None:
    assert Shuffled(Roll(weights=weights)).random is (weights == "random")


@pytest.mark.parametrize(
    ("length", "order"), [(2, [0, 1]), (7, [0, 1, 2, 3, 4, 3, 2]), (10, [0, 1, 2, 3, 4, 3, 2, 1, 0, 1])]
)
def test_shuffled_fits_the_other_drivers_length(
    benchmark: Benchmark, pair: Pair, length: int, order: list[int]
) -> None:
    method = Shuffled(CopyDriver())
    method.prepare(benchmark, Path())
    frames = Video(np.zeros((length, SIZE, SIZE, 3), np.uint8), 12.5)
    animation = method.animate(replace(pair, driver=replace(pair.driver, load_video=lambda: frames)), 0)
    assert np.array_equal(video_of(animation).frames, clip("d1", 5).frames[order])
    assert animation.landmarks is not None
    assert np.array_equal(animation.landmarks, landmarks("d1", 5)[order])
    assert video_of(animation).fps == 12.5


def test_shuffled_needs_two_drivers() -> None:
    with pytest.raises(UserError, match="needs a benchmark with at least two drivers"):
        Shuffled(CopyDriver()).prepare(Tiny(drivers=1).open(None, Path()), Path())
