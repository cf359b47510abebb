"""Detectors of the 68 landmarks of human faces, behind one small interface."""

import contextlib
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from charachbench import weights
from charachbench.errors import PairFailure, UserError
from charachbench.landmarks.topology import COUNT

T = TypeVar("T")

BLENDSHAPES = 52
"""Of MediaPipe's face landmarker, the neutral one among them."""

# Which of the 478 points of MediaPipe's face mesh stands for each of the 68: checked by eye on both shared drivers.
MESH = np.array(
    [
        *(127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356),  # boundary
        *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # eyebrows
        *(168, 197, 5, 1, 98, 97, 2, 326, 327),  # nose
        *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes
        *(61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91),  # outer lips
        *(78, 82, 13, 312, 308, 317, 14, 87),  # inner lips
    ]
)


class Detector(ABC):
    """Finds the landmarks of one human face, frame by frame.

    Landmarks that lie in a ``.npy`` beside a driver always win over a detector, whichever is configured: they were put
    there on purpose.

    Args:
        max_gap: at most so many frames in a row may be without a face; they are interpolated.
    """

    def __init__(self, max_gap: int = 5) -> None:
        if max_gap < 0:
            raise UserError(f"detector.max_gap={max_gap}: accepted are whole numbers from 0")
        self.max_gap = max_gap

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """All that decides ``detect``: kind, versions, weights, settings.

        Raises:
            UserError: the weights or the package are missing.
        """

    @abstractmethod
    def detect(self, frames: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Find the face in each frame.

        Args:
            frames: uint8 RGB (H, W, 3); taken one at a time.

        Returns:
            float64 (T, 68, 2), (x, y) in pixels, NaN where no face was found; bool (T,), where one was.

        Raises:
            UserError: the weights or the package are missing.
        """


class Given(Detector):
    """No detector: the landmarks lie in a ``.npy`` beside each driver."""

    @property
    def fingerprint(self) -> str:
        """Decides nothing."""
        return "given"

    def detect(self, frames: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:  # noqa: ARG002
        """Always fails: nothing was given."""
        raise UserError(
            "detector=given finds no landmarks itself: put a .npy beside the video or use detector=mediapipe"
        )


class MediaPipe(Detector):
    """The MediaPipe face landmarker, its 478-point mesh reduced to 68 points.

    It works on single images: its video mode follows the face from frame to frame, so that a frame's landmarks would
    depend on where the clip starts and which frames are sampled.

    Args:
        model_path: the task file; null takes it from the weights registry.
        max_gap: see ``Detector``.
        min_confidence: of face detection and presence, 0 to 1.

    Reference: Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs", 2019.
    """

    def __init__(self, model_path: str | None = None, max_gap: int = 5, min_confidence: float = 0.5) -> None:
        super().__init__(max_gap)
        if not 0 <= min_confidence <= 1:
            raise UserError(f"detector.min_confidence={min_confidence}: accepted are numbers from 0 to 1")
        self.model_path, self.min_confidence = model_path, min_confidence

    @cached_property
    def _model(self) -> Path:
        return weights.locate("face_landmarker", self.model_path)

    @property
    def fingerprint(self) -> str:
        """Kind, package version, weights and threshold."""
        sha256 = weights.sha256(self._model)
        return f"mediapipe {version('mediapipe')} {sha256[:16]} confidence {self.min_confidence} mesh 1"

    def detect(self, frames: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """See ``Detector``."""

        def points(found: Any, shape: tuple[int, ...]) -> np.ndarray:
            return self._points(found.face_landmarks[0], shape) if found.face_landmarks else np.full((COUNT, 2), np.nan)

        return _stacked(self._found(frames, points))

    def expressions(self, frames: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Expression and pose of the face in each frame.

        Args:
            frames: uint8 RGB (H, W, 3); taken one at a time.

        Returns:
            float64 (T, 52), strengths of the model's blendshapes, 0 to 1, in its order, whose first is the neutral one;
            float64 (T, 3, 3), the part of the head's transformation matrix that turns and scales. NaN where no face was
            found.

        Raises:
            UserError: the weights or the package are missing.
        """

        def expression(found: Any, _: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
            if not (found.face_blendshapes and found.facial_transformation_matrixes):
                return np.full(BLENDSHAPES, np.nan), np.full((3, 3), np.nan)
            strengths = sorted(found.face_blendshapes[0], key=lambda shape: shape.index)
            return np.array([shape.score for shape in strengths]), found.facial_transformation_matrixes[0][:3, :3]

        outputs = {"output_face_blendshapes": True, "output_facial_transformation_matrixes": True}
        blendshapes, matrices = zip(*self._found(frames, expression, **outputs), strict=True)
        return np.array(blendshapes, dtype=np.float64), np.array(matrices, dtype=np.float64)

    def _found(
        self, frames: Iterable[np.ndarray], read: Callable[[Any, tuple[int, ...]], T], **outputs: bool
    ) -> list[T]:
        """What ``read`` makes of the landmarker's result for each frame, and of the frame's shape."""
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(self._model)),
            running_mode=vision.RunningMode.IMAGE,
            min_face_detection_confidence=self.min_confidence,
            min_face_presence_confidence=self.min_confidence,
            **outputs,
        )
        with _quiet(), vision.FaceLandmarker.create_from_options(options) as landmarker:
            return [
                read(
                    landmarker.detect(mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(frame))),
                    frame.shape,
                )
                for frame in frames
            ]

    @staticmethod
    def _points(mesh: Any, shape: tuple[int, ...]) -> np.ndarray:
        height, width = shape[:2]
        # The mesh is in shares of the image's sides; a pixel's centre lies half a pixel from its edge.
        return np.array([(mesh[index].x * width - 0.5, mesh[index].y * height - 0.5) for index in MESH])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what MediaPipe's C++ code writes to the error stream whatever it is told; its errors are exceptions."""
    with _ERROR_STREAM:
        kept = os.dup(2)
        try:
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


_ERROR_STREAM = threading.Lock()


class FaceAlignment(Detector):
    """The face alignment network (FAN), of the kind that FaceShot uses; the largest face of a frame is taken.

    The package fetches its own weights on first use; its version pins them.

    Args:
        max_gap: see ``Detector``.
        device: where it runs.

    Reference: Bulat and Tzimiropoulos, "How far are we from solving the 2D & 3D face alignment problem?", ICCV 2017.
    """

    def __init__(self, max_gap: int = 5, device: str = "cpu") -> None:
        super().__init__(max_gap)
        self.device = device

    @property
    def fingerprint(self) -> str:
        """Kind and package version."""
        try:
            return f"face_alignment {version('face-alignment')}"
        except PackageNotFoundError as error:
            raise UserError(_NO_FACE_ALIGNMENT) from error

    def detect(self, frames: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """See ``Detector``."""
        try:
            import face_alignment
        except ImportError as error:
            raise UserError(_NO_FACE_ALIGNMENT) from error
        network = face_alignment.FaceAlignment(face_alignment.LandmarksType.TWO_D, device=self.device, flip_input=False)
        points = []
        for frame in frames:
            faces = network.get_landmarks_from_image(np.ascontiguousarray(frame)) or [np.full((COUNT, 2), np.nan)]
            points.append(max(faces, key=lambda face: float(np.prod(np.ptp(face[:, :2], axis=0))))[:, :2])
        return _stacked(points)


_NO_FACE_ALIGNMENT = (
    "detector=face_alignment needs a package that is not installed: pip install charachbench[face_alignment]"
)


def _stacked(points: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    stacked = np.asarray(points, dtype=np.float64).reshape(-1, COUNT, 2)
    return stacked, np.asarray(np.isfinite(stacked).all(axis=(1, 2)))


def fill_gaps(points: np.ndarray, detected: np.ndarray, max_gap: int, name: str) -> np.ndarray:
    """Interpolate frames without a face, linearly between the neighbours; at the ends the nearest face stands.

    Args:
        points: (T, 68, 2).
        detected: bool (T,).
        max_gap: longest run of frames that is filled.
        name: of what is looked at, for the message.

    Returns:
        float64 (T, 68, 2).

    Raises:
        PairFailure: a run is longer, or there is no face at all.
    """
    total = len(detected)
    if not detected.any():
        reason = f"{name}: no face found in any of its {total} frames; it must show one human face"
        raise PairFailure(reason, kind="no_face")
    edges = np.flatnonzero(np.diff(np.concatenate([[True], detected, [True]]).astype(int)))
    gaps = [(int(first), int(last)) for first, last in edges.reshape(-1, 2) if last - first > max_gap]
    if gaps:
        runs = ", ".join(f"{first}-{last - 1}" if last - first > 1 else str(first) for first, last in gaps)
        raise PairFailure(
            f"{name}: no face found in frames {runs} of {total} (counted from 0); accepted are gaps of up to "
            f"{max_gap} frames (detector.max_gap)",
            kind="no_face",
        )
    frames, known = np.arange(total), np.flatnonzero(detected)
    flat = points.reshape(total, -1)
    filled = np.stack([np.interp(frames, known, flat[known, column]) for column in range(flat.shape[1])], axis=1)
    return filled.reshape(points.shape)
