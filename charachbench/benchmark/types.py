"""Characters, drivers and pairs: what every benchmark gives and every method and metric takes.

Nothing here is read from disk until it is asked for, so opening a benchmark of a thousand pairs costs nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from charachbench.errors import UserError
from charachbench.video import Video

if TYPE_CHECKING:
    from charachbench.landmarks.detectors import Detector


UNKNOWN = "unknown"
"""The domain of a character whose kind is not told."""


@dataclass(frozen=True, eq=False)
class Character:
    """A still image of a face of any kind.

    Attributes:
        name: unique within a benchmark.
        domain: animal, emoji, toy, anime_2d, ..., or ``UNKNOWN``.
        fingerprint: hash of all that decides ``image``.
        annotation_fingerprint: hash of all that decides ``landmarks``.
    """

    name: str
    domain: str
    fingerprint: str
    load_image: Callable[[], np.ndarray] = field(repr=False)
    load_landmarks: Callable[[], np.ndarray] | None = field(default=None, repr=False)
    annotation_fingerprint: str = ""

    @cached_property
    def image(self) -> np.ndarray:
        """uint8 RGB, (H, W, 3)."""
        return self.load_image()

    @cached_property
    def landmarks(self) -> np.ndarray | None:
        """Annotated 68 landmarks, float64 (68, 2), (x, y) in pixels of ``image``; None where not annotated."""
        return None if self.load_landmarks is None else self.load_landmarks()

    @cached_property
    def unannotated(self) -> Character:
        """The character as a method sees it; one for all its pairs, which so share its decoded image."""
        return replace(self, load_landmarks=None, annotation_fingerprint="")


@dataclass(frozen=True)
class DetectedLandmarks:
    """Landmarks of a video.

    Attributes:
        points: float64 (T, 68, 2), (x, y) in pixels; frames without a detection are interpolated.
        detected: bool (T,), false where the points were interpolated.
    """

    points: np.ndarray
    detected: np.ndarray


@dataclass(frozen=True, eq=False)
class Driver:
    """A driving video of a human.

    Attributes:
        name: unique within a benchmark; empty for what stands in for a driver where there is none.
        fingerprint: hash of all that decides ``video`` and ``landmarks``.
    """

    name: str
    fingerprint: str
    load_video: Callable[[], Video] = field(repr=False)
    load_landmarks: Callable[[], DetectedLandmarks] = field(repr=False)

    @property
    def video(self) -> Video:
        """The driving frames; not kept here, since a benchmark's drivers together may not fit in memory."""
        return self.load_video()

    @cached_property
    def detection(self) -> DetectedLandmarks:
        """Landmarks with the share of frames in which they were found.

        Raises:
            UserError: no face was found in enough of the frames.
        """
        return self.load_landmarks()

    @property
    def landmarks(self) -> np.ndarray:
        """float64 (T, 68, 2), (x, y) in pixels of ``video``; raises as ``detection`` does."""
        return self.detection.points


@dataclass(frozen=True, eq=False)
class Truth:
    """The true animation of a pair, where it is known.

    Attributes:
        fingerprint: hash of all that decides ``video`` and ``landmarks``.
    """

    fingerprint: str
    load_video: Callable[[], Video] = field(repr=False)
    load_landmarks: Callable[[], np.ndarray] | None = field(default=None, repr=False)

    @property
    def video(self) -> Video:
        """As many frames as the driver, of the size of the character."""
        return self.load_video()

    @cached_property
    def landmarks(self) -> np.ndarray | None:
        """float64 (T, 68, 2), (x, y) in pixels of ``video``; None where not known."""
        return None if self.load_landmarks is None else self.load_landmarks()


@dataclass(frozen=True, eq=False)
class Pair:
    """A character, the driver that shall move it and, where known, the true result."""

    character: Character
    driver: Driver
    truth: Truth | None = None

    @property
    def name(self) -> str:
        """``<character>__<driver>``, or the character alone where there is no driver; unique within a benchmark."""
        return f"{self.character.name}__{self.driver.name}" if self.driver.name else self.character.name


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Characters x drivers, or a listed subset of it.

    Attributes:
        name: what its leaderboard is called.
        options: all settings that decide what a pair looks like (not which pairs there are, nor where they lie);
            runs under different options never share a leaderboard.
        pairs: ordered by driver, so that each driver is decoded once.
    """

    name: str
    options: dict[str, object]
    pairs: tuple[Pair, ...]
    licence: str = ""

    def __post_init__(self) -> None:
        if not self.pairs:
            raise UserError(f"benchmark '{self.name}' has no pairs left: check its subset options and listed pairs")

    @property
    def drivers(self) -> tuple[Driver, ...]:
        """In the order of first appearance."""
        return tuple({pair.driver.name: pair.driver for pair in self.pairs}.values())

    @property
    def characters(self) -> tuple[Character, ...]:
        """In the order of first appearance."""
        return tuple({pair.character.name: pair.character for pair in self.pairs}.values())


class BenchmarkSource(ABC):
    """Where a benchmark comes from; what the configuration's ``benchmark`` describes."""

    @abstractmethod
    def open(self, detector: Detector, cache: Path) -> Benchmark:
        """Find the characters, drivers and pairs; nothing is decoded yet.

        Args:
            detector: finds the drivers' landmarks.
            cache: a folder for what can be made again.

        Raises:
            UserError: the benchmark is missing, empty or contradicts itself.
        """

    def open_characters(self, detector: Detector, cache: Path) -> Benchmark:
        """The same with each character alone, once, without drivers (``charachbench.benchmark.alone``)."""
        from charachbench.benchmark.alone import alone

        opened = self.open(detector, cache)
        return replace(opened, pairs=alone(opened.characters))

    def problems(self) -> list[str]:
        """All that is missing or unreadable, a sentence each; reads every file."""
        return []
