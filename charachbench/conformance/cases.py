"""The pairs on which a method is tried, in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from charachbench.benchmark.types import Benchmark, Character, DetectedLandmarks, Driver, Pair, Truth
from charachbench.errors import UserError
from charachbench.video import Video


@dataclass(frozen=True, eq=False)
class Case:
    """A pair in memory, of which equal ones can be made again and again.

    Attributes:
        character, domain, driver: names; an empty driver where the track has none.
        fps: of the driver.
        image: uint8 RGB (H, W, 3), the character's.
        frames: uint8 RGB (T, h, w, 3), the driver's.
        landmarks: (68, 2), the character's annotation, if any.
        driver_landmarks: (T, 68, 2); None where the driver shows no face.
        truth: uint8 RGB (T, H, W, 3), if known.
        truth_landmarks: (T, 68, 2), if known.
    """

    character: str
    domain: str
    driver: str
    fps: float
    image: np.ndarray
    frames: np.ndarray
    landmarks: np.ndarray | None = None
    driver_landmarks: np.ndarray | None = None
    truth: np.ndarray | None = None
    truth_landmarks: np.ndarray | None = None

    def pair(self) -> Pair:
        """A pair of its own arrays, which can be written to, as a benchmark's can."""
        copies: dict[str, Any] = {name: value.copy() for name, value in self._arrays()}
        own = replace(self, **copies)
        looks = {name: hashlib.sha256(value.tobytes()).hexdigest() for name, value in self._arrays()}
        annotation, true = own.landmarks, own.truth
        character = Character(
            own.character, own.domain, looks["image"], lambda: own.image,
            None if annotation is None else lambda: annotation, looks.get("landmarks", ""),
        )  # fmt: skip
        fingerprint = looks["frames"] + looks.get("driver_landmarks", "")
        video = Video(own.frames, own.fps)
        driver = Driver(own.driver, fingerprint, lambda: video, partial(_detection, own))
        truth = None
        if true is not None:
            made, points = Video(true, own.fps), own.truth_landmarks
            truth = Truth(looks["truth"], lambda: made, None if points is None else lambda: points)
        return Pair(character, driver, truth)

    def changed(self, pair: Pair) -> str:
        """What of a pair, once made by this case, was written to; empty where nothing was."""
        character, driver, truth = pair.character, pair.driver, pair.truth
        seen = {
            "the character's image": (character.image, self.image),
            "the character's landmarks": (character.landmarks, self.landmarks),
            "the driver's frames": (driver.video.frames, self.frames),
            "the driver's landmarks": (
                None if self.driver_landmarks is None else driver.landmarks,
                self.driver_landmarks,
            ),
            "the true frames": (None if truth is None else truth.video.frames, self.truth),
            "the true landmarks": (None if truth is None else truth.landmarks, self.truth_landmarks),
        }
        return next((what for what, (now, was) in seen.items() if now is not None and not _equal(now, was)), "")

    def taking(self, index: np.ndarray, driver: str) -> Case:
        """The same with these frames of the driver, under another name."""
        taken: dict[str, Any] = {
            name: value[index]
            for name, value in self._arrays()
            if name in ("frames", "driver_landmarks", "truth", "truth_landmarks")
        }
        return replace(self, driver=driver, **taken)

    def cut(self, left: int, top: int, width: int, height: int, character: str) -> Case:
        """The same with a part of the character's picture, under another name."""
        rows, columns = slice(top, top + height), slice(left, left + width)
        part: dict[str, Any] = {"image": self.image[rows, columns]}
        if self.truth is not None:
            part["truth"] = self.truth[:, rows, columns]
        for name in ("landmarks", "truth_landmarks"):
            if (points := getattr(self, name)) is not None:
                part[name] = points - (left, top)
        return replace(self, character=character, **part)

    def _arrays(self) -> list[tuple[str, np.ndarray]]:
        return [(name, value) for name, value in vars(self).items() if isinstance(value, np.ndarray)]


def _detection(case: Case) -> DetectedLandmarks:
    if case.driver_landmarks is None:
        raise UserError(f"driver '{case.driver}': no face found in any frame")
    return DetectedLandmarks(case.driver_landmarks, np.ones(len(case.frames), bool))


def _equal(now: np.ndarray, was: np.ndarray | None) -> bool:
    return was is not None and np.array_equal(now, was)


def cases(benchmark: Benchmark, size: int, frames: int) -> dict[str, Case]:
    """The pairs on which a method is tried, made of the first ones of a benchmark.

    Args:
        benchmark: with two characters and, where its track has them, two drivers, so that all checks can be done.
        size: longer side of all pictures, pixels.
        frames: how many of a driver, at most.

    Returns:
        Under fixed names, in the order in which they are tried; without those of drivers where there are none.
    """
    first = benchmark.pairs[0]
    others = [pair for pair in benchmark.pairs if pair.character.name != first.character.name]
    others.sort(key=lambda pair: pair.driver.name == first.driver.name)  # rather another driver too
    ordinary = _read(first, size, frames)
    made = {"ordinary": ordinary}
    if others:
        made["other"] = _read(others[0], size, frames)
    driven = bool(ordinary.driver)
    made["named"] = replace(
        ordinary, character='señor "Bär" d\'été 熊', driver='a driver\'s "ünïcode" 名前' if driven else ""
    )
    height, width = ordinary.image.shape[:2]
    narrow, low = width * 4 // 5 | 1, height * 4 // 5 | 1  # odd, and faces are in the middle or somewhat below
    made["tall"] = ordinary.cut((width - narrow) // 2, 0, narrow, height, "tall")
    made["wide"] = ordinary.cut(0, (height - low) * 3 // 4, width, low, "wide")
    if driven:
        count = len(ordinary.frames)
        to_and_fro = np.abs((np.arange(count + 3) + count - 1) % max(2 * count - 2, 1) - (count - 1))
        made["longer"] = ordinary.taking(to_and_fro, "longer")
        made["one frame"] = ordinary.taking(np.arange(1), "one_frame")
        made["two frames"] = ordinary.taking(np.minimum(np.arange(2), count - 1), "two_frames")
    unknown: dict[str, Any] = {"truth": None, "truth_landmarks": None}
    slope = _slope(height, width)
    made["faceless character"] = replace(ordinary, character="faceless", image=slope, landmarks=None, **unknown)
    if driven:
        moving = np.stack([np.roll(slope, 2 * step, axis=1) for step in range(len(ordinary.frames))])
        made["faceless driver"] = replace(ordinary, driver="faceless", frames=moving, driver_landmarks=None, **unknown)
    return made


def _read(pair: Pair, size: int, frames: int) -> Case:
    """A benchmark's pair, smaller and shorter."""
    driven = bool(pair.driver.name)
    video, truth = pair.driver.video, pair.truth
    frames = min(frames, len(video))
    image, landmarks = _scaled(pair.character.image[None], pair.character.landmarks, size)
    moving, driver_landmarks = _scaled(video.frames[:frames], pair.driver.landmarks[:frames] if driven else None, size)
    true, points = None, None
    if truth is not None:
        points = truth.landmarks
        true, points = _scaled(truth.video.frames[:frames], None if points is None else points[:frames], size)
    return Case(
        pair.character.name, pair.character.domain, pair.driver.name, video.fps,
        image[0], moving, landmarks, driver_landmarks, true, points,
    )  # fmt: skip


def _scaled(frames: np.ndarray, points: np.ndarray | None, size: int) -> tuple[np.ndarray, np.ndarray | None]:
    import cv2

    height, width = frames.shape[1:3]
    new = [max(round(side * size / max(height, width)), 1) for side in (width, height)]
    if new == [width, height]:
        return frames, points
    frames = np.stack([cv2.resize(frame, new, interpolation=cv2.INTER_AREA) for frame in frames])
    if points is not None:
        points = (points + 0.5) * (np.array(new) / (width, height)) - 0.5  # pixel centres are at whole numbers
    return frames, points


def _slope(height: int, width: int) -> np.ndarray:
    """uint8 RGB (height, width, 3): a smooth picture of nothing."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return np.stack([60 + 150 * x, 80 + 120 * y, 200 - 100 * x * y], axis=-1).astype(np.uint8)
