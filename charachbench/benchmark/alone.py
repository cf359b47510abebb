"""Characters without drivers, as the track of landmarks and a gallery take them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from charachbench.benchmark.types import Character, DetectedLandmarks, Driver, Pair, Truth
from charachbench.errors import UserError
from charachbench.video import Video


def alone(characters: Sequence[Character]) -> tuple[Pair, ...]:
    """Each character as its own driver, for one frame; its annotation is the truth."""
    return tuple(_alone(character) for character in characters)


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
