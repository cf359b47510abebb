"""Identity: does the video still show the character?"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from charachbench import keys
from charachbench.errors import Unscored, UserError
from charachbench.landmarks import topology
from charachbench.protocols import Device, Metric, Need, Sample
from metrics.backbones.base import Backbone
from metrics.landmarks import landmarks_of
from metrics.sampling import checked, spread
from metrics.tracking import Tracker

TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""(5, 2): where ArcFace expects right eye, left eye, nose tip, right and left corner of the mouth, in 112 x 112 pixels.

Deng et al., "RetinaFace", CVPR 2020; insightface's ``face_align``.
"""
SIZE = 112
NOSE_TIP = 30


class IdentitySimilarity(Metric):
    """Cosine of the embeddings of each frame and of the character's picture, -1 to 1.

    Args:
        backbone: of frames; of faces (ArcFace) or of any picture (DINOv2, CLIP).
        frames: how many frames of a video to look at, spread evenly; null takes all.
        alignment: ``none`` embeds whole frames, as the FaceShot paper's authors do (H2CEvaluator): no detector finds
            the face of every character. ``landmarks`` cuts out the face and turns it upright as ArcFace was trained,
            by eyes, nose and mouth; background and size of the face then do not count.
        tracker: finds the landmarks of the generated video for ``alignment=landmarks``; null takes those that the
            method itself gives.
    """

    family: ClassVar[str] = "identity"
    direction: ClassVar[Literal["up", "down"]] = "up"
    limits: ClassVar[tuple[float, float]] = (-1, 1)

    def __init__(
        self,
        backbone: Backbone,
        frames: int | None = None,
        alignment: Literal["none", "landmarks"] = "none",
        tracker: Tracker | None = None,
    ) -> None:
        if backbone.takes_clips:
            raise UserError(f"backbone={type(backbone).__name__}: takes clips; accepted are backbones of single frames")
        checked("frames", frames)
        self.backbone, self.frames, self.alignment, self.tracker = backbone, frames, alignment, tracker
        needs: frozenset[Need] = frozenset({"character_landmarks"} if alignment == "landmarks" else ())
        self.needs = needs  # type: ignore[misc]

    @property
    def random(self) -> bool:
        """See ``Metric``."""
        return self.backbone.random

    def protocol(self) -> dict[str, str | int | float]:
        """See ``Metric``."""
        how: dict[str, str | int | float] = {"alignment": "none, whole frame"}
        if self.alignment == "landmarks":
            tracking = {"tracker": "none, the method's landmarks"} if self.tracker is None else self.tracker.protocol()
            how = {"alignment": f"5 points, {SIZE} px, bilinear", **tracking}
        return {**self.backbone.protocol(), **how, "frames": self.frames or "all", "reference": "character"}

    def load(self, device: Device) -> None:
        """See ``Metric``."""
        self.backbone.load(device)
        if self.alignment == "landmarks" and self.tracker is not None:
            self.tracker.load(device)

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (min(T, frames),)."""
        character = sample.pair.character
        identity = [
            "identity",
            self.version,
            type(self.backbone).__qualname__,
            self.backbone.version,
            self.backbone.protocol(),
            character.fingerprint,
            None if self.alignment == "none" else keys.digest(self._annotation(sample).tolist()),
        ]
        reference = sample.references.get(identity, lambda: self._character(sample)).array
        chosen = spread(len(sample.video), self.frames)
        frames = sample.video.frames[chosen]
        if self.alignment == "landmarks":
            points = landmarks_of(sample, self.tracker)
            if len(points) != len(sample.video):
                raise Unscored(f"the video has {len(sample.video)} frames, its landmarks {len(points)}")
            frames = np.stack([aligned(frame, at) for frame, at in zip(frames, points[chosen], strict=True)])
        return _directions(self.backbone.embed(frames)) @ reference

    def _annotation(self, sample: Sample) -> np.ndarray:
        points = sample.pair.character.landmarks
        if points is None:
            raise Unscored("the character's landmarks are not annotated")
        return points

    def _character(self, sample: Sample) -> np.ndarray:
        image = sample.pair.character.image
        if self.alignment == "landmarks":
            image = aligned(image, self._annotation(sample))
        return _directions(self.backbone.embed(image[None]))[0]


def _directions(embeddings: np.ndarray) -> np.ndarray:
    """Embeddings (N, D) at unit length, float64."""
    vectors = embeddings.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise Unscored("the embedding of a frame has no direction: it is zero or not finite")
    return vectors / lengths


def aligned(frame: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The face cut out as ArcFace expects it, black where it reaches beyond the frame.

    Args:
        frame: uint8 RGB (H, W, 3).
        points: 68 landmarks (68, 2), (x, y) in pixels of ``frame``.

    Returns:
        uint8 RGB (112, 112, 3).

    Raises:
        Unscored: the face has no extent.
    """
    import cv2

    return cv2.warpAffine(frame, alignment(points), (SIZE, SIZE), flags=cv2.INTER_LINEAR)


def alignment(points: np.ndarray) -> np.ndarray:
    """The similarity that brings five points of a face closest to ``TEMPLATE``, affine (2, 3).

    Least squares without reflection (Umeyama, IEEE TPAMI 1991); in the plane its factor is a complex quotient.

    Args:
        points: 68 landmarks (68, 2).

    Raises:
        Unscored: the five points coincide.
    """
    eyes = (points[part].mean(axis=0) for part in (topology.RIGHT_EYE, topology.LEFT_EYE))
    tips = points[[NOSE_TIP, topology.RIGHT_MOUTH_CORNER, topology.LEFT_MOUTH_CORNER]]
    here, there = (five @ (1, 1j) for five in (np.vstack([*eyes, tips]), TEMPLATE))
    spread_out = here - here.mean()
    extent = (np.abs(spread_out) ** 2).sum()
    if not extent > 0:
        raise Unscored("the face has no extent: its landmarks coincide")
    factor = (spread_out.conj() * there).sum() / extent
    shift = there.mean() - factor * here.mean()
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])
