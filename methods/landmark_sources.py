"""Where a method takes a character's landmarks from."""

from pathlib import Path

import numpy as np

from charachbench.benchmark.types import Character
from charachbench.errors import UserError
from charachbench.landmarks import detectors, mean_shape
from charachbench.protocols import FoundLandmarks, LandmarkSource


class MeanShape(LandmarkSource):
    """A mean human face in the box where a framed character's face usually is: it looks at nothing.

    Args:
        box: left, top, right and bottom of the face, from eyebrows to chin, as shares of the image's sides.
    """

    def __init__(self, box: tuple[float, float, float, float] = (0.25, 0.35, 0.75, 0.85)) -> None:
        left, top, right, bottom = box
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise UserError(
                f"landmarks.source.box={list(box)}: accepted are left < right and top < bottom, from 0 to 1"
            )
        self.box = box

    def find(self, character: Character) -> FoundLandmarks:
        """See ``LandmarkSource``."""
        height, width = character.image.shape[:2]
        return FoundLandmarks(mean_shape.fit(np.array(self.box) * [width, height, width, height] - 0.5))


class MediaPipe(LandmarkSource):
    """What MediaPipe's detector for human faces finds.

    Args:
        model_path: the task file; null takes it from the weights registry.
        min_confidence: of face detection and presence, 0 to 1.
    """

    def __init__(self, model_path: str | None = None, min_confidence: float = 0.5) -> None:
        self.detector = detectors.MediaPipe(model_path, min_confidence=min_confidence)
        self._found: dict[str, np.ndarray] = {}

    def prepare(self, cache: Path) -> None:  # noqa: ARG002
        """Look for the weights."""
        self._fingerprint = self.detector.fingerprint

    def fingerprint(self, character: Character) -> str:  # noqa: ARG002
        """Of package and weights."""
        return self._fingerprint

    def find(self, character: Character) -> FoundLandmarks:
        """See ``LandmarkSource``; looks once at each character."""
        if character.fingerprint not in self._found:
            points, detected = self.detector.detect([character.image])
            if not detected[0]:
                raise UserError(
                    f"character '{character.name}': MediaPipe finds no face in it; use landmarks=mean_shape, or "
                    "annotate it and use landmarks=given"
                )
            self._found[character.fingerprint] = points[0]
        return FoundLandmarks(self._found[character.fingerprint].copy())


class Given(LandmarkSource):
    """The character's annotation."""

    def find(self, character: Character) -> FoundLandmarks:
        """See ``LandmarkSource``."""
        landmarks = character.landmarks
        if landmarks is None:
            raise UserError(
                f"character '{character.name}': has no annotation; put its (68, 2) landmarks into {character.name}.npy "
                "beside the picture, or use landmarks=mean_shape or landmarks=mediapipe"
            )
        return FoundLandmarks(landmarks.copy())
