"""Expression and pose of the generated face, where MediaPipe finds one, against the true video's or the driver's.

Drawn characters often have no face that MediaPipe finds; a video with too few of them is left unscored, which its
coverage shows. ``motion_error`` and ``OpeningCorrelation`` ask similar questions of any character.

With the driver as reference values are compared as they are, not as changes since the first frame: a character that
smiles by nature, or whose picture is turned, scores worse than one that resembles the driver.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from importlib.metadata import version
from typing import ClassVar, Literal

import numpy as np

from charachbench import weights
from charachbench.errors import Unscored, UserError
from charachbench.landmarks.detectors import BLENDSHAPES, MediaPipe
from charachbench.protocols import Device, Metric, Need, Sample
from charachbench.video import Video

_REGISTERED = "face_landmarker"


class _FaceMetric(Metric):
    """What both share: MediaPipe looks at each video once, at drivers and truths once for all methods."""

    family: ClassVar[str] = "motion"
    direction: ClassVar[Literal["up", "down"]] = "down"
    limits: ClassVar[tuple[float, float]] = (0, float("inf"))

    def __init__(
        self,
        reference: Literal["truth", "driver"] = "truth",
        min_found: float = 0.5,
        min_confidence: float = 0.5,
        weights: str = _REGISTERED,
    ) -> None:
        if not 0 <= min_found <= 1:
            raise UserError(f"min_found={min_found}: accepted are numbers from 0 to 1")
        self.compared_with, self.min_found, self.weights = reference, min_found, weights
        needs: frozenset[Need] = frozenset({"truth"} if reference == "truth" else ())
        self.needs = needs  # type: ignore[misc]
        self._detector = MediaPipe(None if weights == _REGISTERED else weights, min_confidence=min_confidence)

    def protocol(self) -> dict[str, str | int | float]:
        """Model, weights, the least share of frames with a face, and the reference."""
        return {
            "backbone": f"MediaPipe {version('mediapipe')} face landmarker",
            "weights": weights.fingerprint(self.weights),
            "least_found": self.min_found,
            "reference": self.compared_with,
        }

    def load(self, device: Device) -> None:  # noqa: ARG002
        """Check that the weights are there."""
        _ = self._identity

    @cached_property
    def _identity(self) -> str:
        return self._detector.fingerprint

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (at most T,), for the frames of the video whose face is found there and in the reference."""
        if self.compared_with == "driver":
            fingerprint, other = sample.pair.driver.fingerprint, sample.driver_video
        else:
            truth, other = sample.pair.truth, sample.truth_video
            fingerprint = truth.fingerprint if truth is not None else ""
        if len(other) != len(sample.video):
            raise Unscored(f"the video has {len(sample.video)} frames, the {self.compared_with} {len(other)}")
        made = sample.once(("expression", self._identity), lambda: self._look(sample.video))
        wanted = sample.references.get(["expression", fingerprint, self._identity], lambda: self._look(other)).array
        for faces, where in ((made, ""), (wanted, f" of the {self.compared_with}")):
            lost = np.isnan(faces).any(axis=1)
            if lost.all() or lost.mean() > 1 - self.min_found:
                raise Unscored(f"no face found in {lost.sum()} of {len(lost)} frames{where}")
        both = np.isfinite(made).all(axis=1) & np.isfinite(wanted).all(axis=1)
        if not both.any():
            raise Unscored(f"no frame shows a face both in the video and in the {self.compared_with}")
        return self.difference(made[both], wanted[both])

    def _look(self, video: Video) -> np.ndarray:
        """Blendshapes and matrix of each frame, float64 (T, 52 + 9), NaN where no face is found."""
        blendshapes, matrices = self._detector.expressions(video.frames)
        return np.concatenate([blendshapes, matrices.reshape(-1, 9)], axis=1)

    @abstractmethod
    def difference(self, made: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Of what ``_look`` found in each frame, (T, 61) each, to (T,)."""


class ExpressionError(_FaceMetric):
    """Average expression distance (AED): mean absolute difference of MediaPipe's 52 blendshapes, 0 to 1, per frame.

    The neutral blendshape, which is always about 0, is among them, as in ``jieun-b/portrait-eval-pipeline``. The AED of
    other papers is a distance of 3D morphable models' coefficients and does not compare with it.

    Args:
        reference: ``truth`` or ``driver``.
        min_found: least share of frames in which a face must be found, in the video and in the reference.
        min_confidence: of face detection and presence, 0 to 1.
        weights: ``face_landmarker``, found in the weights registry, or the path of that file.
    """

    def difference(self, made: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """See ``_FaceMetric``."""
        return np.abs(made - wanted)[:, :BLENDSHAPES].mean(axis=1)


class PoseError(_FaceMetric):
    """Average pose distance (APD): the angle between the two heads' rotations, in degrees, per frame.

    The geodesic angle between the rotations of MediaPipe's transformation matrices. ``jieun-b/portrait-eval-pipeline``
    takes the mean absolute difference of their nine entries instead, which has no unit and depends on the axis.

    Args:
        reference, min_found, min_confidence, weights: as for ``ExpressionError``.
    """

    unit: ClassVar[str] = "°"

    def difference(self, made: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """See ``_FaceMetric``."""
        return rotation_angle(*(rows[:, BLENDSHAPES:].reshape(-1, 3, 3) for rows in (made, wanted)))


def rotation_angle(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angle between rotations, in degrees, 0 to 180.

    Args:
        first: (T, 3, 3), rotations times positive scales.
        second: likewise.

    Returns:
        float64 (T,).
    """
    turns = [matrices / np.linalg.norm(matrices, axis=1, keepdims=True) for matrices in (first, second)]
    # The chord between them: exact for small angles, where the trace's arc cosine is not.
    chord = np.linalg.norm(turns[0] - turns[1], axis=(1, 2)) / (2 * np.sqrt(2))
    return 2 * np.degrees(np.arcsin(np.minimum(chord, 1)))
