"""Finding, retargeting and rendering landmarks in one method."""

from pathlib import Path

import numpy as np
import pytest

from charachbench.benchmark.types import Character, Pair
from charachbench.protocols import Animator, FoundLandmarks, LandmarkSource, Retargeting
from methods.faceshot.retargeting import Direct, FaceShot, FaceShotContinuous, Similarity
from methods.landmark_driven import LandmarkDriven
from tests.fakes import Tiny


@pytest.fixture
def pair() -> Pair:
    return Tiny(characters=1, drivers=2, frames=5).open(None, Path()).pairs[0]


class Square(LandmarkSource):
    """A square of points, 10 pixels wide, and a note."""

    def prepare(self, cache: Path) -> None:
        self.cache = cache

    def fingerprint(self, character: Character) -> str:
        return f"square on {character.name}"

    def find(self, character: Character) -> FoundLandmarks:
        side = np.linspace(0, 10, 17)
        ring = np.concatenate([np.stack([side, 0 * side], 1), np.stack([0 * side, side], 1)])
        return FoundLandmarks(np.concatenate([ring, ring[:, ::-1]]) + 5.0, {"shape": "square"})


class Recorder(Animator):
    """Renders the image and keeps what it was asked for."""

    def render(self, image: np.ndarray, source: np.ndarray, landmarks: np.ndarray, seed: int = 0) -> np.ndarray:
        self.source, self.landmarks, self.seed = source, landmarks, seed
        return np.repeat(image[None], len(landmarks), axis=0)


class Noise(Recorder):
    """Has weights, and they are random."""

    @property
    def random(self) -> bool:
        return True

    def fingerprint(self) -> str:
        return "weights"


class Double(Retargeting):
    """Twice the driver's displacements."""

    def retarget(self, driver: np.ndarray, character: np.ndarray) -> np.ndarray:
        return character + 2 * (driver - driver[0])


def test_direct_adds_displacements_scaled_by_face_size(pair: Pair) -> None:
    recorder = Recorder()
    animation = LandmarkDriven(Square(), Direct(), recorder).animate(pair, 0)
    width, height = np.ptp(pair.driver.landmarks[0], axis=0)
    expected = recorder.source + np.linspace(0, 10 / np.sqrt(width * height), 5)[:, None, None]
    assert np.allclose(recorder.landmarks, expected)
    assert np.array_equal(recorder.landmarks[0], recorder.source)
    assert animation.landmarks is not None
    assert np.array_equal(animation.landmarks, recorder.landmarks)
    assert animation.notes == {"shape": "square"}


def test_the_configured_retargeting_decides_what_is_rendered(pair: Pair) -> None:
    recorder = Recorder()
    animation = LandmarkDriven(Square(), Double(), recorder).animate(pair, 0)
    assert np.allclose(recorder.landmarks[-1] - recorder.source, 2.0)
    assert animation.video is not None
    assert animation.video.fps == pair.driver.video.fps


def test_without_an_animator_the_landmarks_are_the_result(pair: Pair) -> None:
    animation = LandmarkDriven(Square(), Double()).animate(pair, 0)
    assert animation.video is None
    assert animation.landmarks is not None
    assert animation.landmarks.shape == (5, 68, 2)


def test_without_retargeting_the_characters_landmarks_are_the_result(pair: Pair) -> None:
    animation = LandmarkDriven(Square()).animate(pair, 0)
    assert animation.landmarks is not None
    assert np.array_equal(animation.landmarks, Square().find(pair.character).points[None])


def test_the_landmark_source_is_prepared_and_decides_the_fingerprint(pair: Pair, tmp_path: Path) -> None:
    source = Square()
    method = LandmarkDriven(source, Double())
    method.prepare(Tiny().open(None, tmp_path), tmp_path)
    assert source.cache == tmp_path
    assert method.fingerprint(pair) == "square on c0"


@pytest.mark.parametrize("animator", [None, Recorder()], ids=["landmarks alone", "an animator without weights"])
def test_an_animator_without_weights_leaves_the_fingerprint_as_it_is(pair: Pair, animator: Animator | None) -> None:
    method = LandmarkDriven(Square(), Double(), animator)
    assert method.fingerprint(pair) == "square on c0"
    assert not method.random


def test_the_animators_weights_are_part_of_the_fingerprint_and_random_if_it_says_so(pair: Pair) -> None:
    method = LandmarkDriven(Square(), Double(), Noise())
    assert method.fingerprint(pair) == "square on c0weights"
    assert method.random


def test_the_seed_reaches_the_animator(pair: Pair) -> None:
    recorder = Recorder()
    LandmarkDriven(Square(), Double(), recorder).animate(pair, 7)
    assert recorder.seed == 7


@pytest.mark.parametrize(
    "retargeting", [FaceShot(), FaceShotContinuous(), Direct(), Similarity()], ids=lambda r: type(r).__name__
)
def test_what_is_rendered_begins_with_the_characters_landmarks(pair: Pair, retargeting: Retargeting) -> None:
    recorder = Recorder()
    LandmarkDriven(Square(), retargeting, recorder).animate(pair, 0)
    assert np.array_equal(recorder.landmarks[0], recorder.source)
