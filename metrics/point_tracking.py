"""Point-tracking distance: do points on the face travel as the driver's do?

The distance is defined as in H2CEvaluator, written by an author of FaceShot. ``VideoPointTracking`` applies it to what
is tracked in the generated video, as there; ``PointTracking`` to the landmarks that a method means its frames to have,
so that it measures retargeting alone, without rendering or a tracker.

Reference: ``PointTracking._calc_score`` of https://github.com/LeoXing1996/H2CEvaluator, whose alignment follows the
pose rescaling of MimicMotion (Zhang et al., 2024).
"""

from __future__ import annotations

import functools
from typing import ClassVar, Literal

import numpy as np

from charachbench.errors import Unscored, UserError
from charachbench.landmarks import topology
from charachbench.protocols import Metric, Need, Sample
from metrics.landmarks import LandmarkMetric, first_landmarks_of, reliable, track_made
from metrics.tracking import Tracker

_LEAST_CORRELATION = 1e-12
"""Below it a slope is rounding error."""


def point_tracking_distance(driver_tracks: np.ndarray, generated_tracks: np.ndarray, align: bool = True) -> float:
    """Distance of two sets of tracks, summed over frames and averaged over points.

    Either set is divided by its own extents in x and y in frame 0, then Euclidean distances are taken. The positions
    themselves are compared, not the motion, and the sum grows with the number of frames. With ``align`` it makes no
    difference where the generated face lies, how large it is along either axis, or whether it is upside down. Where
    the driver's lies vertically does make one, unless the fit is perfect: that is the reference's definition.

    Args:
        driver_tracks: (T, N, 2), (x, y) in pixels.
        generated_tracks: likewise; point n corresponds to point n of the driver's.
        align: first map all generated tracks by scale and offset per axis, found in frame 0: in y the least-squares fit
            to the driver's, in x the one that gives the driver's extent and mean.

    Returns:
        At least 0, without unit: extents of the face, times frames.

    Raises:
        UserError: the arrays are not such, or of different shapes.
        Unscored: there is a single frame, a position is not finite, a face has no extent in frame 0, or the heights of
            its points there are uncorrelated with the driver's, so that the fit has no slope.
    """
    driver, generated = _checked("driver", driver_tracks), _checked("generated", generated_tracks)
    if driver.shape != generated.shape:
        raise UserError(
            f"point tracks: the driver's are {driver.shape}, the generated {generated.shape}; equal shapes are needed"
        )
    if len(driver) < 2:
        raise Unscored("a single frame has no tracks")
    size, generated_size = _extent("driver's", driver[0]), _extent("generated", generated[0])
    if align:
        scale = np.array([size[0] / generated_size[0], _slope(generated[0, :, 1], driver[0, :, 1])])
        generated = (generated - generated[0].mean(axis=0)) * scale + driver[0].mean(axis=0)
        generated_size = generated_size * np.abs(scale)
    difference = driver / size - generated / generated_size
    return float(np.linalg.norm(difference, axis=-1).sum(axis=0).mean())


def _checked(name: str, tracks: np.ndarray) -> np.ndarray:
    tracks = np.asarray(tracks)
    if tracks.ndim != 3 or tracks.shape[2] != 2 or 0 in tracks.shape or tracks.dtype.kind not in "fiu":
        raise UserError(f"point tracks ({name}): must be numbers (T, N, 2), got {tracks.dtype} {tracks.shape}")
    if not np.isfinite(tracks).all():
        raise Unscored(f"the {name} tracks are not finite everywhere")
    return tracks.astype(np.float64)


def _extent(whose: str, points: np.ndarray) -> np.ndarray:
    """Width and height of the points, (N, 2) -> (2,)."""
    extent = np.ptp(points, axis=0)
    if (extent <= 0).any():
        raise Unscored(f"the {whose} points have no extent in {'x' if extent[0] <= 0 else 'y'} in the first frame")
    return extent


def _slope(source: np.ndarray, target: np.ndarray) -> float:
    """Of the least-squares line from ``source`` to ``target``, (N,) each, neither constant."""
    source, target = source - source.mean(), target - target.mean()
    covariance = float(source @ target)
    if abs(covariance) <= _LEAST_CORRELATION * np.linalg.norm(source) * np.linalg.norm(target):
        raise Unscored("the heights of the generated points are uncorrelated with the driver's in the first frame")
    return covariance / float(source @ source)


def _scored(sample: Sample, driver: np.ndarray, generated: np.ndarray, per_second: bool) -> np.ndarray:
    """The aligned distance, (1,), if wanted by the clip's duration."""
    distance = point_tracking_distance(driver, generated)
    if per_second:
        distance *= sample.driver_video.fps / len(driver)
    return np.array([distance])


class PointTracking(Metric):
    """Aligned point-tracking distance between the driver's landmarks and those a method means its frames to have.

    Args:
        per_second: divide by the clip's duration, so that clips of different lengths compare.
    """

    family: ClassVar[str] = "motion"
    direction: ClassVar[Literal["up", "down"]] = "down"
    limits: ClassVar[tuple[float, float]] = (0, float("inf"))
    needs: ClassVar[frozenset[Need]] = frozenset({"driver_landmarks"})

    def __init__(self, per_second: bool = False) -> None:
        self.per_second = per_second

    def protocol(self) -> dict[str, str | int | float]:
        """Points, duration and reference."""
        return {"points": "68 landmarks", "per": "second" if self.per_second else "clip", "reference": "driver"}

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (1,), without unit, or per second."""
        if sample.landmarks is None:
            raise Unscored("the method does not say where its landmarks are")
        driver = sample.pair.driver.landmarks
        if len(sample.landmarks) != len(driver):
            raise Unscored(f"the method has landmarks of {len(sample.landmarks)} frames, the driver {len(driver)}")
        return _scored(sample, driver, sample.landmarks, self.per_second)


def face_grid(landmarks: np.ndarray, mouth_grid: int, eye_grid: int) -> np.ndarray:
    """Points of the mouth's box and of the box from the eyebrows' top to the mouth's, as wide as brows, eyes and nose.

    The boxes and the grids are those of H2CEvaluator, whose 106 landmarks stand here for the 68.

    Args:
        landmarks: (68, 2).
        mouth_grid: points along a side of the mouth's box.
        eye_grid: likewise of the other.

    Returns:
        float64 (mouth_grid^2 + eye_grid^2, 2); point n of two faces lies at the same place of its box.
    """
    above = landmarks[topology.EYEBROWS.start : topology.EYES.stop]
    mouth = topology.box(landmarks[topology.MOUTH])
    left, top, right, _ = topology.box(above)
    boxes = ((*mouth, mouth_grid), (left, top, right, mouth[1], eye_grid))
    grids = [np.meshgrid(np.linspace(x0, x1, n), np.linspace(y0, y1, n)) for x0, y0, x1, y1, n in boxes]
    return np.concatenate([np.stack(grid, axis=-1).reshape(-1, 2) for grid in grids])


class VideoPointTracking(LandmarkMetric):
    """Aligned point-tracking distance between grids on eyes and mouth tracked through the driver and the video.

    As in H2CEvaluator, but for two things: the grids are laid by the character's annotation and by the driver's
    landmarks, for no detector finds the face of an arbitrary character; and the tracker is the given one, there it is
    CoTracker 2. So its numbers compare with the authors' only with care, and with a tracker like theirs.

    Args:
        tracker: follows the points; in the generated video from the character's picture on.
        eye_grid, mouth_grid: points along a side of either grid, by default as there.
        per_second: divide by the clip's duration, so that clips of different lengths compare.
    """

    family: ClassVar[str] = "motion"
    direction: ClassVar[Literal["up", "down"]] = "down"
    limits: ClassVar[tuple[float, float]] = (0, float("inf"))
    needs: ClassVar[frozenset[Need]] = frozenset({"character_landmarks", "driver_landmarks"})

    def __init__(self, tracker: Tracker, eye_grid: int = 20, mouth_grid: int = 10, per_second: bool = False) -> None:
        super().__init__(tracker)
        for name, value in (("eye_grid", eye_grid), ("mouth_grid", mouth_grid)):
            if value < 2:
                raise UserError(f"{name}={value}: accepted are whole numbers from 2")
        self.eye_grid, self.mouth_grid, self.per_second = eye_grid, mouth_grid, per_second
        self._track = functools.partial(tracker.track, landmarks=False)
        self._tracker = tracker

    def protocol(self) -> dict[str, str | int | float]:
        """Tracker, points, duration and reference."""
        points = f"{self.eye_grid} x {self.eye_grid} eyes, {self.mouth_grid} x {self.mouth_grid} mouth"
        per = "second" if self.per_second else "clip"
        return {**super().protocol(), "points": points, "per": per, "reference": "driver"}

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (1,), without unit, or per second."""
        driver = sample.pair.driver
        if len(driver.landmarks) != len(sample.video):
            raise Unscored(f"the video has {len(sample.video)} frames, the driver {len(driver.landmarks)}")
        grids = [self.version, self._tracker.identity(), self.eye_grid, self.mouth_grid]
        identity = ["point tracks", driver.fingerprint, *grids]
        wanted = sample.references.get(identity, lambda: self._driver_tracks(sample)).array
        made = sample.once(
            ("point tracks", repr(grids)),
            lambda: track_made(sample, self._track, self._grid(first_landmarks_of(sample))),
        )
        return _scored(sample, wanted, reliable(self._tracker, made, "points"), self.per_second)

    def _grid(self, landmarks: np.ndarray) -> np.ndarray:
        return face_grid(landmarks, self.mouth_grid, self.eye_grid)

    def _driver_tracks(self, sample: Sample) -> np.ndarray:
        tracked = self._track(sample.driver_video.frames, self._grid(sample.pair.driver.landmarks[0]))
        return reliable(self._tracker, tracked, "driver's points")
