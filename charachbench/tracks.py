"""What is compared: videos, the landmarks of characters, or landmark sequences."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from charachbench.benchmark.types import Benchmark, Character, DetectedLandmarks, Driver, Pair, Truth
from charachbench.config import Track
from charachbench.errors import UserError
from charachbench.video import Video


def view(benchmark: Benchmark, track: Track) -> Benchmark:
    """The benchmark as a track sees it; each track has its own runs and leaderboard.

    The track of landmarks takes each character once: it is its own driver, for one frame, and its annotation is the
    truth.
    """
    if track is Track.animation:
        return benchmark
    pairs = benchmark.pairs
    if track is Track.landmarks:
        pairs = tuple(_alone(character) for character in benchmark.characters)
    options = {**benchmark.options, "track": track.name}
    return replace(benchmark, name=f"{benchmark.name}-{track.name}", options=options, pairs=pairs)


def _alone(character: Character) -> Pair:
    video = partial(_one_frame, character)
    truth = None
    if (annotation := character.load_landmarks) is not None:
        fingerprint = character.fingerprint + character.annotation_fingerprint
        truth = Truth(fingerprint, video, lambda: annotation()[None])
    return Pair(character, Driver("", character.fingerprint, video, _no_driver), truth)


def _one_frame(character: Character) -> Video:
    return Video(character.image[None], 1.0)


def _no_driver() -> DetectedLandmarks:
    raise UserError("there are no drivers in the track of landmarks")
