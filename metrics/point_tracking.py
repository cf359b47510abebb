"""Point-tracking distance: do points on the face travel as the driver's do?

The distance is defined as in H2CEvaluator, written by an author of FaceShot. It is applied here to the landmarks that a
method means its frames to have, so it measures retargeting alone, without rendering or a tracker.

Reference: ``PointTracking._calc_score`` of https://github.com/LeoXing1996/H2CEvaluator, whose alignment follows the
pose rescaling of MimicMotion (Zhang et al., 2024).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from charachbench.errors import Unscored, UserError
from charachbench.protocols import Metric, Need, Sample

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


class PointTracking(Metric):
    """Aligned point-tracking distance between the driver's landmarks and those a method means its frames to have.

    Args:
        per_second: divide by the clip's duration, so that clips of different lengths compare.
    """

    direction: ClassVar[Literal["up", "down"]] = "down"
    needs: ClassVar[frozenset[Need]] = frozenset({"driver_landmarks"})

    def __init__(self, per_second: bool = False) -> None:
        self.per_second = per_second

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (1,), without unit, or per second."""
        if sample.landmarks is None:
            raise Unscored("the method does not say where its landmarks are")
        driver = sample.pair.driver.landmarks
        if len(sample.landmarks) != len(driver):
            raise Unscored(f"the method has landmarks of {len(sample.landmarks)} frames, the driver {len(driver)}")
        distance = point_tracking_distance(driver, sample.landmarks)
        if self.per_second:
            distance *= sample.pair.driver.video.fps / len(driver)
        return np.array([distance])
