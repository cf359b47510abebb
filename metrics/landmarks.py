"""Landmark metrics: is the face where it should be, and does it move as the driver does?

Landmarks of a generated video are tracked from the character's annotation, since no detector finds the face of an
arbitrary character. All 68 points count in every frame: leaving out the lost ones would reward what breaks them. A
video in which too many are lost is left unscored, which its coverage shows.

Where a method's own landmarks are what is compared (the tracks of landmarks and of retargeting), ``tracker`` is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Literal

import numpy as np

from charachbench import keys
from charachbench.errors import Unscored, UserError
from charachbench.landmarks import topology
from charachbench.protocols import Device, Metric, Need, Sample
from metrics.tracking import Tracker

Normaliser = Literal["inter_ocular", "face_box", "diagonal"]
Track = Callable[[Iterable[np.ndarray], np.ndarray], tuple[np.ndarray, np.ndarray]]
Part = Literal["boundary", "eyebrows", "nose", "eyes", "mouth"]


def first_landmarks_of(sample: Sample) -> np.ndarray:
    """Landmarks that tracking starts from, (68, 2).

    Raises:
        Unscored: they are not known, or coincide.
    """
    points = sample.pair.character.landmarks if sample.first_landmarks is None else sample.first_landmarks
    if points is None:
        raise Unscored("the character's landmarks are not annotated")
    positive(topology.box_size(points), "character's face")
    return points


def landmarks_of(sample: Sample, tracker: Tracker | None) -> np.ndarray:
    """Landmarks of the generated video, or those that the method itself gives, (T, 68, 2).

    Raises:
        Unscored: the method gives none, or too many could not be tracked.
    """
    if tracker is None:
        if sample.landmarks is None:
            raise Unscored("the method gives no landmarks")
        return sample.landmarks
    key = ("tracked", keys.digest(tracker.identity()))
    return reliable(tracker, sample.once(key, lambda: track_made(sample, tracker.track, first_landmarks_of(sample))))


def track_made(sample: Sample, track: Track, first_points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of the generated video, (T, N, 2), and whether each was tracked, (T, N).

    Args:
        sample: whose video it is.
        track: a tracker's.
        first_points: (N, 2), where they are in the character's picture, or in the first frame where that frame does
            not show the character.

    Raises:
        Unscored: the video is not of the size of the character.
    """
    frames = sample.video.frames
    if sample.first_landmarks is not None:
        return track(frames, first_points)
    image = sample.pair.character.image
    if image.shape != frames.shape[1:]:
        made, own = ("{} x {}".format(*shape) for shape in (frames.shape[1:3], image.shape))
        raise Unscored(f"the video has {made} pixels, the character {own}")
    points, found = track((image, *frames), first_points)
    return points[1:], found[1:]


def reliable(tracker: Tracker, tracked: tuple[np.ndarray, np.ndarray], what: str = "landmarks") -> np.ndarray:
    """The points of what ``tracker.track`` gave.

    Raises:
        Unscored: too many of them were lost.
    """
    points, found = tracked
    if found.mean() < tracker.min_reliable:
        raise Unscored(f"only {found.mean():.0%} of the {what} could be tracked, {tracker.min_reliable:.0%} are needed")
    return points


def positive(sizes: np.ndarray, what: str) -> np.ndarray:
    """The sizes.

    Raises:
        Unscored: one of them is not positive.
    """
    if (sizes <= 0).any():
        raise Unscored(f"the {what} has no extent: its landmarks coincide")
    return sizes


def true_landmarks(sample: Sample, frames: int) -> np.ndarray:
    """Landmarks of the true video, (T, 68, 2).

    Raises:
        Unscored: they are not known, or not of so many frames.
    """
    truth = sample.pair.truth
    if truth is None or truth.landmarks is None:
        raise Unscored("the true landmarks are not known")
    if len(truth.landmarks) != frames:
        raise Unscored(f"the result has {frames} frames, the truth {len(truth.landmarks)}")
    return truth.landmarks


class LandmarkMetric(Metric):
    """What the metrics of landmarks share.

    Args:
        tracker: finds the landmarks of the generated video; None takes those that the method gives.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"character_landmarks"})

    def __init__(self, tracker: Tracker | None) -> None:
        self.tracker = tracker

    def protocol(self) -> dict[str, str | int | float]:
        """The tracker's."""
        return {"tracker": "none, the method's landmarks"} if self.tracker is None else self.tracker.protocol()

    def load(self, device: Device) -> None:
        """Load the tracker."""
        if self.tracker is not None:
            self.tracker.load(device)


class _TruthMetric(LandmarkMetric):
    """What the metrics against true landmarks share."""

    family: ClassVar[str] = "landmarks"
    unit: ClassVar[str] = "%"
    needs: ClassVar[frozenset[Need]] = frozenset({"character_landmarks", "truth_landmarks"})

    def __init__(
        self, tracker: Tracker | None, normaliser: Normaliser = "inter_ocular", part: Part | None = None
    ) -> None:
        super().__init__(tracker)
        self.normaliser, self.part = normaliser, part

    def protocol(self) -> dict[str, str | int | float]:
        """Tracker, normaliser, part and reference."""
        part: dict[str, str] = {} if self.part is None else {"part": self.part}
        return {**super().protocol(), "normaliser": self.normaliser, **part, "reference": "truth"}

    def error(self, sample: Sample) -> np.ndarray:
        """Distance to the true landmarks, mean over points, as a share of the normaliser: (T,)."""
        points = landmarks_of(sample, self.tracker)
        true = true_landmarks(sample, len(points))
        if self.normaliser == "diagonal":
            size = np.full(len(points), np.hypot(*sample.pair.character.image.shape[:2]))
        else:
            measure = topology.inter_ocular if self.normaliser == "inter_ocular" else topology.box_size
            size = positive(measure(true), "true face")
        part = slice(None) if self.part is None else topology.PARTS[self.part]
        return np.linalg.norm(points - true, axis=-1)[:, part].mean(axis=-1) / size


class Nme(_TruthMetric):
    """Normalised mean error of the landmarks, in % of the normaliser, per frame.

    Args:
        tracker: finds the landmarks of the generated video; None takes those that the method gives.
        normaliser: ``inter_ocular``, distance of the true outer eye corners in that frame, as in 300-W (Sagonas et al.,
            2016); ``face_box``, geometric mean of the sides of the true landmarks' box, which a turned head shrinks
            less; ``diagonal``, of the character's picture.
        part: over this part's landmarks alone; None takes all 68.
    """

    direction: ClassVar[Literal["up", "down"]] = "down"
    limits: ClassVar[tuple[float, float]] = (0, float("inf"))

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T,), %."""
        return 100 * self.error(sample)


class _ThresholdMetric(_TruthMetric):
    def __init__(
        self,
        tracker: Tracker | None,
        normaliser: Normaliser = "inter_ocular",
        threshold: float = 0.08,
        part: Part | None = None,
    ) -> None:
        super().__init__(tracker, normaliser, part)
        if threshold <= 0:
            raise UserError(f"threshold: must be positive, a share of the normaliser such as 0.08, got {threshold}")
        self.threshold = threshold

    def protocol(self) -> dict[str, str | int | float]:
        """Those of the error, and the threshold."""
        return {**super().protocol(), "threshold": self.threshold}


class NmeAuc(_ThresholdMetric):
    """Area under the cumulative error distribution of the frames up to a threshold, as in 300-W, in % of the best.

    The distribution of one frame with error e is a step at e, whose area up to the threshold t is max(0, t - e); the
    area under a mean of steps is the mean of their areas. So each frame scores max(0, 1 - e / t), exactly.

    Args:
        tracker, normaliser, part: as for ``Nme``.
        threshold: as a share of the normaliser.
    """

    direction: ClassVar[Literal["up", "down"]] = "up"
    limits: ClassVar[tuple[float, float]] = (0, 100)

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T,), %."""
        return 100 * np.maximum(0, 1 - self.error(sample) / self.threshold)


class NmeFailureRate(_ThresholdMetric):
    """Share of frames whose normalised mean error is above a threshold, as in 300-W, in %.

    Args:
        tracker, normaliser, threshold, part: as for ``NmeAuc``.
    """

    direction: ClassVar[Literal["up", "down"]] = "down"
    limits: ClassVar[tuple[float, float]] = (0, 100)

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T,), 0 or 100."""
        return 100.0 * (self.error(sample) > self.threshold)


class Akd(LandmarkMetric):
    """Average keypoint distance, in pixels of a frame resized to 256 x 256, so that resolutions compare.

    Mean Euclidean distance of the 68 landmarks. The authors' code (``AliaksandrSiarohin/pose-evaluation``) takes the
    mean of the absolute differences in x and in y instead, about 0.64 of it where errors have no direction, on
    landmarks that a face detector finds in both videos; its numbers do not compare with these.

    Args:
        tracker: finds the landmarks of the generated video; None takes those that the method gives.
        reference: ``truth``, the true landmarks; ``retargeted``, those that the method means its frames to have, so
            that what is left is the error of rendering (and of tracking).

    Reference: Siarohin et al., "Animating arbitrary objects via deep motion transfer", CVPR 2019.
    """

    family: ClassVar[str] = "landmarks"
    unit: ClassVar[str] = "px"
    direction: ClassVar[Literal["up", "down"]] = "down"
    limits: ClassVar[tuple[float, float]] = (0, float("inf"))

    def __init__(self, tracker: Tracker | None, reference: Literal["truth", "retargeted"] = "truth") -> None:
        super().__init__(tracker)
        if tracker is None and reference == "retargeted":
            raise UserError("reference=retargeted: needs a tracker, else nothing is compared")
        self.compared_with = reference
        if reference == "truth":
            self.needs = self.needs | {"truth_landmarks"}  # type: ignore[misc]

    def protocol(self) -> dict[str, str | int | float]:
        """Tracker and reference."""
        return {**super().protocol(), "reference": self.compared_with}

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T,), px."""
        points = landmarks_of(sample, self.tracker)
        if self.compared_with == "truth":
            meant = true_landmarks(sample, len(points))
        else:
            meant = landmarks_of(sample, None)
            if len(meant) != len(points):
                raise Unscored(f"the video has {len(points)} frames, the method's landmarks {len(meant)}")
        height, width = sample.pair.character.image.shape[:2]
        return np.linalg.norm((points - meant) * (256 / np.array([width, height])), axis=-1).mean(axis=-1)


class MotionError(LandmarkMetric):
    """Difference of landmark motion between the generated video and the driver, in % of the inter-ocular distance.

    Motion is displacement since the first frame, divided by the face's own distance of outer eye corners at the start
    (the character's annotation; the driver's first frame), so a wide cartoon face and a narrow human one compare. A
    still image scores the size of the driver's motion.

    Args:
        tracker: finds the landmarks of the generated video.
    """

    family: ClassVar[str] = "motion"
    unit: ClassVar[str] = "%"
    direction: ClassVar[Literal["up", "down"]] = "down"
    limits: ClassVar[tuple[float, float]] = (0, float("inf"))
    needs: ClassVar[frozenset[Need]] = frozenset({"character_landmarks", "driver_landmarks"})

    def __init__(self, tracker: Tracker) -> None:
        super().__init__(tracker)

    def protocol(self) -> dict[str, str | int | float]:
        """Tracker, normaliser and reference."""
        return {**super().protocol(), "normaliser": "inter_ocular", "reference": "driver"}

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T - 1,), %: the first frame, zero by definition, is left out."""
        driver = sample.pair.driver.landmarks
        if len(driver) != len(sample.video):
            raise Unscored(f"the video has {len(sample.video)} frames, the driver {len(driver)}")
        if len(driver) < 2:
            raise Unscored("a single frame has no motion")
        points = landmarks_of(sample, self.tracker)
        own = positive(topology.inter_ocular(first_landmarks_of(sample)), "character's face")
        drivers = positive(topology.inter_ocular(driver[0]), "driver's face")
        difference = (points[1:] - points[0]) / own - (driver[1:] - driver[0]) / drivers
        return 100 * np.linalg.norm(difference, axis=-1).mean(axis=-1)


class OpeningCorrelation(LandmarkMetric):
    """Does the mouth, or do the eyes, open and close when the driver's do? Pearson correlation over the frames.

    Opening of the mouth is the inner lips' mean distance by the mouth's width, that of the eyes the mean aspect ratio
    of both (Soukupova and Cech, "Real-time eye blink detection using facial landmarks", 2016). How far they open does
    not matter, only when. A video in which nothing opens or closes has no correlation with anything: it scores 0.

    Args:
        tracker: finds the landmarks of the generated video; None takes those that the method gives.
        part: whose opening.
        least_motion: standard deviation of the driver's opening below which the driver is taken not to move.
    """

    family: ClassVar[str] = "motion"
    direction: ClassVar[Literal["up", "down"]] = "up"
    limits: ClassVar[tuple[float, float]] = (-1, 1)
    needs: ClassVar[frozenset[Need]] = frozenset({"character_landmarks", "driver_landmarks"})

    def __init__(
        self, tracker: Tracker | None, part: Literal["mouth", "eyes"] = "mouth", least_motion: float = 0.005
    ) -> None:
        super().__init__(tracker)
        if least_motion <= _STILL:
            raise UserError(f"least_motion={least_motion}: accepted are numbers above {_STILL}")
        self.part, self.least_motion = part, least_motion

    def protocol(self) -> dict[str, str | int | float]:
        """Tracker, part and reference."""
        return {**super().protocol(), "part": self.part, "reference": "driver"}

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (1,), -1 to 1."""
        points, driver = landmarks_of(sample, self.tracker), sample.pair.driver.landmarks
        if len(points) != len(driver):
            raise Unscored(f"the result has {len(points)} frames, the driver {len(driver)}")
        wanted, made = opening(driver, self.part, "driver's"), opening(points, self.part, "character's")
        if wanted.std() < self.least_motion:
            raise Unscored(f"the driver's {self.part} open and close too little ({wanted.std():.2g} of their width)")
        return np.array([0.0 if made.std() < _STILL else np.corrcoef(wanted, made)[0, 1]])


_STILL = 1e-4
"""Standard deviation of an opening below which it is rounding error: 0.005 pixels of a mouth of 50."""

_LIDS = (((37, 41), (38, 40), (36, 39)), ((43, 47), (44, 46), (42, 45)))
_LIPS = (((61, 67), (62, 66), (63, 65), (topology.RIGHT_MOUTH_CORNER, topology.LEFT_MOUTH_CORNER)),)
"""Of each opening, pairs of points that face each other, and last those at its ends."""


def opening(points: np.ndarray, part: Literal["mouth", "eyes"], whose: str) -> np.ndarray:
    """Height of an opening as a share of its width, (T, 68, 2) -> (T,)."""
    openings = []
    for *across, ends in _LIPS if part == "mouth" else _LIDS:
        *heights, width = (np.linalg.norm(points[:, i] - points[:, j], axis=-1) for i, j in (*across, ends))
        openings.append(np.mean(heights, axis=0) / positive(width, f"{whose} {part}"))
    return np.mean(openings, axis=0)


class StartJump(Metric):
    """How much further the landmarks move from the first frame to the second than the driver's do.

    The first frame is the character itself, every other one is retargeted: a rule that changes even what does not move
    shows as a jump between the two. In % of each face's own inter-ocular distance, mean over points; 0 where the
    driver moves as far.
    """

    family: ClassVar[str] = "motion"
    unit: ClassVar[str] = "%"
    direction: ClassVar[Literal["up", "down"]] = "down"
    limits: ClassVar[tuple[float, float]] = (0, float("inf"))
    needs: ClassVar[frozenset[Need]] = frozenset({"character_landmarks", "driver_landmarks"})

    def protocol(self) -> dict[str, str | int | float]:
        """Normaliser and reference."""
        return {"normaliser": "inter_ocular", "reference": "driver"}

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (1,), %."""
        points, driver = landmarks_of(sample, None), sample.pair.driver.landmarks
        if len(points) < 2 or len(driver) < 2:
            raise Unscored("a single frame has no motion")

        def step(track: np.ndarray, what: str) -> np.ndarray:
            return np.linalg.norm(track[1] - track[0], axis=-1) / positive(topology.inter_ocular(track[0]), what)

        excess = step(points, "character's face") - step(driver, "driver's face")
        return 100 * np.maximum(0, excess).mean(keepdims=True)
