"""What the harness asks of a method, an animator and a metric; it knows nothing else of them.

Constructors store and check their arguments; weights, devices and heavy imports wait for ``load``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np

from charachbench import keys
from charachbench.benchmark.types import Benchmark, Character, Pair
from charachbench.errors import Unscored, UserError
from charachbench.video import Video

T = TypeVar("T")
Device = str


def halve(part: object, setting: str) -> bool:
    """Halve a whole number, such as how many frames are worked on at once; false where it is 1 already."""
    value = getattr(part, setting)
    if value <= 1:
        return False
    setattr(part, setting, value // 2)
    return True


@dataclass(frozen=True)
class Animation:
    """What a method makes of a pair.

    Attributes:
        video: as many frames as the driver, of the size of the character; None from a method that stops at landmarks.
        landmarks: (T, 68, 2), where the method means the landmarks of its frames to be; None if it has none.
        first_landmarks: (68, 2), landmarks of frame 0, only where that frame does not show the character
            (a control such as ``driver_copy``): metrics then start tracking there, not at the character's annotation.
        notes: anything else for the record, JSON-serialisable.
        degraded: where the method says that it did less than it should, what: "ran without alignment".
        log: what the method printed, for the store.
        seconds: how long it took, where that is not how long the call took: pairs that were made at once.
        peak_memory: MiB of ``ram`` and ``gpu``, where that is not this process's.
    """

    video: Video | None = None
    landmarks: np.ndarray | None = None
    first_landmarks: np.ndarray | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    degraded: str = ""
    log: str = ""
    seconds: float | None = None
    peak_memory: dict[str, float | None] | None = None


class Loadable:
    """What may need weights, a device, or an environment of its own.

    Attributes:
        kind: ``native`` runs here, ``external`` in an environment of its own, ``videos`` ran elsewhere.
    """

    kind: ClassVar[Literal["native", "external", "videos"]] = "native"

    def set_up(self, mirror: str | None = None) -> None:
        """Install what is needed outside of this environment; ``charachbench setup`` calls it.

        Args:
            mirror: a copy of the repository that is to be installed, used instead of where it comes from.

        Raises:
            UserError: something could not be had, or does not run.
        """

    def lacks(self) -> str:
        """What is missing on this machine before ``load`` can work, in one sentence; empty where nothing is."""
        return ""

    def load(self, device: Device) -> None:
        """Load weights onto a device; called once, before its first use, and not at all if all is done."""

    def take_less(self) -> bool:
        """Do with less memory from now on, at the cost of speed alone; called when memory ran out, maybe repeatedly.

        Returns:
            false where there is nothing left to give up.
        """
        return False

    def close(self) -> None:
        """Give back processes and the like; called once, after the last use, also where ``load`` was not."""


class Method(Loadable, ABC):
    """Makes a character move as a driver does."""

    @property
    def random(self) -> bool:
        """Whether it renders through networks with random weights: the plumbing is real, the pictures mean nothing.

        Decided by the configuration alone, so known before ``load``.
        """
        return False

    def prepare(self, benchmark: Benchmark, cache: Path) -> None:
        """See the whole benchmark once, as the method may see it, before the first pair.

        Args:
            benchmark: without truth and annotation, but for what ``given`` lists.
            cache: a folder for what can be made again.
        """

    def fingerprint(self, pair: Pair) -> str:  # noqa: ARG002
        """Hash of whatever decides the output beside the configuration, the seed and the pair itself."""
        return ""

    def expect(self, pairs: Sequence[Pair]) -> None:
        """Told, before ``load``, which pairs are still to be done, in the order in which they will be asked for.

        Some may not be asked for after all, since other processes work on the same store.
        """

    @abstractmethod
    def animate(self, pair: Pair, seed: int) -> Animation:
        """Animate one pair; equal arguments give equal frames.

        ``pair.truth`` and ``pair.character.landmarks`` are None unless the configuration's ``given`` lists them.
        """


class Animator(Loadable, ABC):
    """Renders a character from landmarks."""

    @property
    def random(self) -> bool:
        """See ``Method.random``."""
        return False

    def fingerprint(self) -> str:
        """Hash of whatever decides the output beside the configuration and ``render``'s arguments, such as weights.

        Asked for every pair, before ``load``.
        """
        return ""

    @abstractmethod
    def render(self, image: np.ndarray, source: np.ndarray, landmarks: np.ndarray, seed: int = 0) -> np.ndarray:
        """Move ``image``, whose landmarks are ``source``, to ``landmarks``; equal arguments give equal frames.

        Args:
            image: uint8 RGB (H, W, 3).
            source: float (68, 2), (x, y) in pixels.
            landmarks: float (T, 68, 2), likewise; retargeted ones begin with ``source``.
            seed: of all randomness, the run's.

        Returns:
            uint8 RGB (T, H, W, 3).
        """


@dataclass(frozen=True)
class FoundLandmarks:
    """Landmarks of a character.

    Attributes:
        points: float64 (68, 2), (x, y) in pixels.
        notes: how they were found, for the record and the picture, JSON-serialisable.
    """

    points: np.ndarray
    notes: dict[str, Any] = field(default_factory=dict)


class LandmarkSource(Loadable, ABC):
    """Finds the 68 landmarks of a character."""

    def prepare(self, cache: Path) -> None:
        """Called once, before anything else, with a folder for what can be made again."""

    def fingerprint(self, character: Character) -> str:  # noqa: ARG002
        """Hash of whatever decides ``find`` beside the configuration and the character itself."""
        return ""

    def build_gallery(self, benchmark: Benchmark, folder: Path, cache: Path, device: Device) -> Path:  # noqa: ARG002
        """Write what a benchmark's annotated characters teach to a file that this source can be configured with.

        Args:
            benchmark: with annotation.
            folder: where to.
            cache: a folder for what can be made again.
            device: where models run.

        Raises:
            UserError: this source learns from nothing, or no character is annotated.
        """
        raise UserError(f"{type(self).__name__}: has no gallery to make; accepted: landmarks=faceshot")

    @abstractmethod
    def find(self, character: Character) -> FoundLandmarks:
        """Find them.

        Raises:
            UserError: they could not be found.
        """


class Retargeting(ABC):
    """Moves a character's landmarks as a driver's move."""

    @abstractmethod
    def retarget(self, driver: np.ndarray, character: np.ndarray) -> np.ndarray:
        """Landmarks of the character in every frame of the driver.

        Args:
            driver: float (T, 68, 2), (x, y) in pixels of the driver.
            character: float (68, 2), likewise of the character.

        Returns:
            float64 (T, 68, 2); frame 0 is ``character``.

        Raises:
            UserError: the landmarks are not such arrays, or not finite.
        """


@dataclass(frozen=True)
class Kept:
    """What was computed of a character, a driver or a truth, once for all methods.

    Attributes:
        key: hash of all that decides ``array``.
    """

    key: str
    array: np.ndarray


class References:
    """Keeps what metrics compute of characters, drivers and truths; here in memory, in the store on disk."""

    def __init__(self) -> None:
        self._kept: dict[str, np.ndarray] = {}

    def get(self, identity: Any, compute: Callable[[], np.ndarray]) -> Kept:
        """``compute()``, or what it gave before for an equal identity.

        Args:
            identity: JSON-serialisable, all that decides the array: fingerprints of what it is computed of, and how.
            compute: may raise ``Unscored``.
        """
        key = keys.digest(identity)
        if key not in self._kept:
            self._kept[key] = compute()
        return Kept(key, self._kept[key])


@dataclass
class Sample:
    """One finished pair, decoded once and handed to every metric.

    Attributes:
        pair: with truth and annotation.
        made: the video that the method made, if it made one.
        first_landmarks: see ``Animation.first_landmarks``.
        landmarks: see ``Animation.landmarks``.
        references: keeps what is computed of character, driver and truth, for the other methods' samples.
    """

    pair: Pair
    made: Video | None
    first_landmarks: np.ndarray | None = None
    landmarks: np.ndarray | None = None
    references: References = field(default_factory=References, repr=False)
    _shared: dict[object, Any] = field(default_factory=dict, repr=False)

    @property
    def video(self) -> Video:
        """What the method made.

        Raises:
            Unscored: it made no video.
        """
        if self.made is None:
            raise Unscored("the method made no video")
        return self.made

    @property
    def truth_video(self) -> Video:
        """The true video.

        Raises:
            Unscored: it is not known.
        """
        truth = self.pair.truth
        if truth is None:
            raise Unscored("the true video is not known")
        return self.once("truth video", lambda: truth.video)

    @property
    def driver_video(self) -> Video:
        """The driving video."""
        return self.once("driver video", lambda: self.pair.driver.video)

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
        family: what it is shown among: landmarks, fidelity, distribution, identity, quality, motion, temporal.
        unit: of the number, empty if it has none.
        direction: which way is better.
        limits: least and greatest number that there can be; intervals end there.
        version: raised whenever numbers can change.
        needs: what a pair must have to be scored; where it is missing the harness leaves the pair unscored and says so.
        per_pair: whether ``summarise`` means something for a single pair.
    """

    family: ClassVar[str] = "other"
    unit: ClassVar[str] = ""
    direction: ClassVar[Literal["up", "down"]]
    limits: ClassVar[tuple[float, float]] = (float("-inf"), float("inf"))
    version: ClassVar[int] = 1
    needs: ClassVar[frozenset[Need]] = frozenset()
    per_pair: ClassVar[bool] = True

    @property
    def random(self) -> bool:
        """Whether it looks through a network with random weights: its name must then end in ``_random``."""
        return False

    @property
    def of_set(self) -> bool:
        """Whether its number is one of all pairs together, not the mean of the pairs' own."""
        return type(self).summarise is not Metric.summarise

    def protocol(self) -> dict[str, str | int | float]:
        """How the number comes about, in the words of the table's footnote.

        Backbone, hash of its weights, resizing, frames, what it is compared with: all that decides numbers beside the
        configuration and ``version`` must be here, and whatever a reader of the number must know.

        Found without loading anything heavy, and without the weights where their hash is registered.
        """
        return {}

    def extraction(self) -> Any:
        """What decides ``extract``, JSON-serialisable, where other metrics extract the same: they then share the array.

        None: nobody does.
        """
        return None

    def load(self, device: Device) -> None:  # noqa: B027 - optional
        """Load weights onto a device.

        Raises:
            UserError: they are missing; the metric's pairs then wait, with the reason.
        """

    @abstractmethod
    def extract(self, sample: Sample) -> np.ndarray:
        """The array that is kept for a pair: a value per frame, or features.

        May be called for several pairs at once, from different threads.

        Raises:
            Unscored: with the reason, where the pair cannot be scored.
        """

    def reference(self, sample: Sample) -> Kept | None:  # noqa: ARG002
        """What the pair is compared with, for a metric of sets; ``summarise`` is given each only once."""
        return None

    def summarise(self, arrays: Sequence[np.ndarray], references: Sequence[np.ndarray] = ()) -> float:  # noqa: ARG002
        """One number over pairs: by default the mean over pairs of the mean over each pair's frames.

        Args:
            arrays: what ``extract`` gave, for each pair.
            references: what ``reference`` gave, without repetition.
        """
        return float(np.mean([array.mean(dtype=np.float64) for array in arrays]))

    def contributions(
        self, arrays: Sequence[np.ndarray], references: Sequence[np.ndarray], compared_with: Sequence[int]
    ) -> np.ndarray:
        """What each pair brings to ``summarise(arrays, references)``: numbers whose mean it is, float64 (pairs,).

        From them come intervals and tests. Here they are what the number changes by where a pair is left out (the
        pseudo-values of Tukey's jackknife): right for any number that depends smoothly on the weights of pairs, and as
        slow as computing it once for each.

        Args:
            arrays: what ``extract`` gave, for each pair.
            references: what ``reference`` gave, without repetition.
            compared_with: of each pair the index of its reference; empty where there are none.

        Raises:
            Unscored: there is no number, or none without some pair.
        """
        whole, count = self.summarise(arrays, references), len(arrays)
        if count == 1:
            return np.array([whole])
        without = []
        for left_out in range(count):
            kept = [index for index in range(count) if index != left_out]
            needed = sorted({compared_with[index] for index in kept} if len(compared_with) else ())
            without.append(self.summarise([arrays[i] for i in kept], [references[i] for i in needed]))
        pseudo = -(count - 1) * np.array(without)
        values: np.ndarray = whole + pseudo - pseudo.mean()
        return values

    def caveat(self, samples: int, references: int, dimensions: int) -> str:  # noqa: ARG002
        """Why a number over so many samples is to be mistrusted; empty where it is not.

        Args:
            samples: rows of all pairs' arrays together.
            references: likewise of what they are compared with.
            dimensions: of a row.
        """
        return ""
