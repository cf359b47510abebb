"""Landmark metrics: is the face where it should be, and does it move as the driver does?

Landmarks of a generated video are tracked from the character's annotation, since no detector finds the face of an
arbitrary character. All 68 points count in every frame: leaving out the lost ones would reward what breaks them. A
video in which too many are lost is left unscored, which its coverage shows.

Where a method's own landmarks are what is compared (the tracks of landmarks and of retargeting), ``tracker`` is None.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from charachbench.errors import Unscored, UserError
from charachbench.landmarks import topology
from charachbench.protocols import Metric, Need, Sample
from metrics.tracking import LucasKanade

Normaliser = Literal["inter_ocular", "face_box", "diagonal"]
Part = Literal["boundary", "eyebrows", "nose", "eyes", "mouth"]


def _first_landmarks(sample: Sample) -> np.ndarray:
    """Landmarks that tracking starts from, (68, 2)."""
    points = sample.pair.character.landmarks if sample.first_landmarks is None else sample.first_landmarks
    if points is None:
        raise Unscored("the character's landmarks are not annotated")
    _positive(topology.box_size(points), "character's face")
    return points


def _landmarks(sample: Sample, tracker: LucasKanade | None) -> np.ndarray:
    """Landmarks of the generated video, or those that the method itself gives, (T, 68, 2)."""
    if tracker is None:
        if sample.landmarks is None:
            raise Unscored("the method gives no landmarks")
        return sample.landmarks

    def track() -> tuple[np.ndarray, np.ndarray]:
        first, frames = _first_landmarks(sample), sample.video.frames
        if sample.first_landmarks is not None:
            return tracker.track(frames, first)
        points, reliable = tracker.track((sample.pair.character.image, *frames), first)
        return points[1:], reliable[1:]

    points, reliable = sample.once(("tracked", tracker), track)
    if reliable.mean() < tracker.min_reliable:
        raise Unscored(
            f"only {reliable.mean():.0%} of the landmarks could be tracked, {tracker.min_reliable:.0%} are needed"
        )
    return points


def _positive(sizes: np.ndarray, what: str) -> np.ndarray:
    if (sizes <= 0).any():
        raise Unscored(f"the {what} has no extent: its landmarks coincide")
    return sizes


class _TruthMetric(Metric):
    """What the metrics against true landmarks share."""

    unit: ClassVar[str] = "%"
    needs: ClassVar[frozenset[Need]] = frozenset({"character_landmarks", "truth_landmarks"})

    def __init__(
        self, tracker: LucasKanade | None, normaliser: Normaliser = "inter_ocular", part: Part | None = None
    ) -> None:
        self.tracker, self.normaliser, self.part = tracker, normaliser, part

    def error(self, sample: Sample) -> np.ndarray:
        """Distance to the true landmarks, mean over points, as a share of the normaliser: (T,)."""
        truth = sample.pair.truth
        if truth is None or truth.landmarks is None:
            raise Unscored("the true landmarks are not known")
        true, points = truth.landmarks, _landmarks(sample, self.tracker)
        if len(true) != len(points):
            raise Unscored(f"the result has {len(points)} frames, the truth {len(true)}")
        if self.normaliser == "diagonal":
            size = np.full(len(points), np.hypot(*sample.pair.character.image.shape[:2]))
        else:
            measure = topology.inter_ocular if self.normaliser == "inter_ocular" else topology.box_size
            size = _positive(measure(true), "true face")
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

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T,), %."""
        return 100 * self.error(sample)


class _ThresholdMetric(_TruthMetric):
    def __init__(
        self, tracker: LucasKanade | None, normaliser: Normaliser = "inter_ocular", threshold: float = 0.08
    ) -> None:
        super().__init__(tracker, normaliser)
        if threshold <= 0:
            raise UserError(f"threshold: must be positive, a share of the normaliser such as 0.08, got {threshold}")
        self.threshold = threshold


class NmeAuc(_ThresholdMetric):
    """Area under the cumulative error distribution of the frames up to a threshold, as in 300-W, in % of the best.

    The distribution of one frame with error e is a step at e, whose area up to the threshold t is max(0, t - e); the
    area under a mean of steps is the mean of their areas. So each frame scores max(0, 1 - e / t), exactly.

    Args:
        tracker, normaliser: as for ``Nme``.
        threshold: as a share of the normaliser.
    """

    direction: ClassVar[Literal["up", "down"]] = "up"

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T,), %."""
        return 100 * np.maximum(0, 1 - self.error(sample) / self.threshold)


class NmeFailureRate(_ThresholdMetric):
    """Share of frames whose normalised mean error is above a threshold, as in 300-W, in %.

    Args:
        tracker, normaliser, threshold: as for ``NmeAuc``.
    """

    direction: ClassVar[Literal["up", "down"]] = "down"

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T,), 0 or 100."""
        return 100.0 * (self.error(sample) > self.threshold)


class MotionError(Metric):
    """Difference of landmark motion between the generated video and the driver, in % of the inter-ocular distance.

    Motion is displacement since the first frame, divided by the face's own distance of outer eye corners at the start
    (the character's annotation; the driver's first frame), so a wide cartoon face and a narrow human one compare. A
    still image scores the size of the driver's motion.

    Args:
        tracker: finds the landmarks of the generated video.
    """

    unit: ClassVar[str] = "%"
    direction: ClassVar[Literal["up", "down"]] = "down"
    needs: ClassVar[frozenset[Need]] = frozenset({"character_landmarks", "driver_landmarks"})

    def __init__(self, tracker: LucasKanade) -> None:
        self.tracker = tracker

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T - 1,), %: the first frame, zero by definition, is left out."""
        driver = sample.pair.driver.landmarks
        if len(driver) != len(sample.video):
            raise Unscored(f"the video has {len(sample.video)} frames, the driver {len(driver)}")
        if len(driver) < 2:
            raise Unscored("a single frame has no motion")
        points = _landmarks(sample, self.tracker)
        own = _positive(topology.inter_ocular(_first_landmarks(sample)), "character's face")
        drivers = _positive(topology.inter_ocular(driver[0]), "driver's face")
        difference = (points[1:] - points[0]) / own - (driver[1:] - driver[0]) / drivers
        return 100 * np.linalg.norm(difference, axis=-1).mean(axis=-1)


class StartJump(Metric):
    """How much further the landmarks move from the first frame to the second than the driver's do.

    The first frame is the character itself, every other one is retargeted: a rule that changes even what does not move
    shows as a jump between the two. In % of each face's own inter-ocular distance, mean over points; 0 where the
    driver moves as far.
    """

    unit: ClassVar[str] = "%"
    direction: ClassVar[Literal["up", "down"]] = "down"
    needs: ClassVar[frozenset[Need]] = frozenset({"character_landmarks", "driver_landmarks"})

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (1,), %."""
        points, driver = _landmarks(sample, None), sample.pair.driver.landmarks
        if len(points) < 2 or len(driver) < 2:
            raise Unscored("a single frame has no motion")

        def step(track: np.ndarray, what: str) -> np.ndarray:
            return np.linalg.norm(track[1] - track[0], axis=-1) / _positive(topology.inter_ocular(track[0]), what)

        excess = step(points, "character's face") - step(driver, "driver's face")
        return 100 * np.maximum(0, excess).mean(keepdims=True)
