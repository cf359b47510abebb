"""What the harness asks of a method, an animator and a metric; it knows nothing else of them.

Constructors store and check their arguments; weights, devices and heavy imports wait for ``load``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np

from charachbench.benchmark.types import Benchmark, Character, Pair
from charachbench.video import Video

T = TypeVar("T")
Device = str


@dataclass(frozen=True)
class Animation:
    """What a method makes of a pair.

    Attributes:
        video: as many frames as the driver, of the size of the character.
        landmarks: (T, 68, 2), where the method means the landmarks of its frames to be; None if it has none.
        first_landmarks: (68, 2), landmarks of frame 0, only where that frame does not show the character
            (a control such as ``driver_copy``): metrics then start tracking there, not at the character's annotation.
        notes: anything else for the record, JSON-serialisable.
    """

    video: Video
    landmarks: np.ndarray | None = None
    first_landmarks: np.ndarray | None = None
    notes: dict[str, Any] = field(default_factory=dict)


class Method(ABC):
    """Makes a character move as a driver does."""

    def prepare(self, benchmark: Benchmark) -> None:  # noqa: B027 - optional
        """See the whole benchmark once, as the method may see it, before the first pair."""

    def fingerprint(self, pair: Pair) -> str:  # noqa: ARG002
        """Hash of whatever decides the output beside the configuration, the seed and the pair itself."""
        return ""

    def load(self, device: Device) -> None:  # noqa: B027 - optional
        """Load weights onto a device; called once, before the first ``animate``, and not at all if all is done."""

    @abstractmethod
    def animate(self, pair: Pair, seed: int) -> Animation:
        """Animate one pair; equal arguments give equal frames.

        ``pair.truth`` and ``pair.character.landmarks`` are None unless the configuration's ``given`` lists them.
        """


class Animator(ABC):
    """Renders a character from landmarks."""

    def load(self, device: Device) -> None:  # noqa: B027 - optional
        """Load weights onto a device."""

    @abstractmethod
    def render(self, image: np.ndarray, source: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Move ``image``, whose landmarks are ``source``, to ``landmarks``.

        Args:
            image: uint8 RGB (H, W, 3).
            source: float (68, 2), (x, y) in pixels.
            landmarks: float (T, 68, 2), likewise.

        Returns:
            uint8 RGB (T, H, W, 3).
        """


class LandmarkSource(ABC):
    """Finds the 68 landmarks of a character."""

    def load(self, device: Device) -> None:  # noqa: B027 - optional
        """Load weights onto a device."""

    @abstractmethod
    def find(self, character: Character) -> np.ndarray:
        """float64 (68, 2), (x, y) in pixels.

        Raises:
            UserError: they could not be found.
        """


@dataclass
class Sample:
    """One finished pair, decoded once and handed to every metric.

    Attributes:
        pair: with truth and annotation.
        video: what the method made.
        first_landmarks: see ``Animation.first_landmarks``.
    """

    pair: Pair
    video: Video
    first_landmarks: np.ndarray | None = None
    _shared: dict[object, Any] = field(default_factory=dict, repr=False)

    def once(self, key: object, compute: Callable[[], T]) -> T:
        """``compute()``, shared between all metrics of this sample that ask with an equal ``key``."""
        if key not in self._shared:
            self._shared[key] = compute()
        value: T = self._shared[key]
        return value


Need = Literal["truth", "truth_landmarks", "character_landmarks", "driver_landmarks"]


class Metric(ABC):
    """One column of the leaderboard: per pair it extracts an array, over pairs it makes one number.

    Attributes:
        unit: of the number, empty if it has none.
        direction: which way is better.
        version: raised whenever numbers can change.
        needs: what a pair must have to be scored; where it is missing the harness leaves the pair unscored and says so.
        per_pair: whether ``summarise`` means something for a single pair.
    """

    unit: ClassVar[str] = ""
    direction: ClassVar[Literal["up", "down"]]
    version: ClassVar[int] = 1
    needs: ClassVar[frozenset[Need]] = frozenset()
    per_pair: ClassVar[bool] = True

    def load(self, device: Device) -> None:  # noqa: B027 - optional
        """Load weights onto a device."""

    @abstractmethod
    def extract(self, sample: Sample) -> np.ndarray:
        """The array that is kept for a pair: a value per frame, or features.

        May be called for several pairs at once, from different threads.

        Raises:
            Unscored: with the reason, where the pair cannot be scored.
        """

    def summarise(self, arrays: Sequence[np.ndarray]) -> float:
        """One number over pairs: by default the mean over pairs of the mean over each pair's frames."""
        return float(np.mean([array.mean(dtype=np.float64) for array in arrays]))
