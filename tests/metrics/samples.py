"""A textured scene that moves by known affine maps, and finished pairs made of it."""

import hashlib

import cv2
import numpy as np

from charachbench.benchmark.types import Character, DetectedLandmarks, Driver, Pair, Truth
from charachbench.protocols import Sample
from charachbench.video import Video
from metrics.tracking import LucasKanade

SIZE = 160


def face() -> np.ndarray:
    """68 points strewn over 90 x 90 pixels in the middle of the scene; the eye corners lie 50 pixels apart."""
    points = np.random.default_rng(1).uniform(35, 125, (68, 2))
    points[36], points[45] = (55, 70), (105, 70)
    return points


def texture(scale: int = 1) -> np.ndarray:
    """Blobs of all sizes in all colours, uint8 RGB."""
    noise = np.random.default_rng(0).normal(size=(SIZE, SIZE, 3)).astype(np.float32)
    blobs = sum(width * cv2.GaussianBlur(noise, (0, 0), width) for width in (2, 4, 8))
    pixels = np.clip(128 + 45 * blobs / np.std(blobs), 0, 255)
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def rotation(degrees: float, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
    """Affine (2, 3): about the middle of the scene, then a shift."""
    matrix = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), degrees, 1)
    matrix[:, 2] += np.asarray(shift)
    return matrix


def move(image: np.ndarray, points: np.ndarray, matrices: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The image and the points under each map: uint8 (T, H, W, 3), float64 (T, N, 2)."""
    size = image.shape[1], image.shape[0]
    frames = [cv2.warpAffine(image, m, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT) for m in matrices]
    return np.stack(frames), np.stack([points @ m[:, :2].T + m[:, 2] for m in matrices])


def fingerprint(pixels: Video) -> str:
    return hashlib.sha256(pixels.frames.tobytes()).hexdigest()


def video(frames: int, size: int = 16) -> Video:
    return Video(np.zeros((frames, size, size, 3), np.uint8), 25)


def sample(
    made: Video,
    *,
    image: np.ndarray | None = None,
    landmarks: np.ndarray | None = None,
    driver: np.ndarray | None = None,
    truth: Video | None = None,
    truth_landmarks: np.ndarray | None = None,
    first_landmarks: np.ndarray | None = None,
    driver_video: Video | None = None,
) -> Sample:
    def load_driver() -> DetectedLandmarks:
        assert driver is not None
        return DetectedLandmarks(driver, np.ones(len(driver), bool))

    true = made if truth is None else truth
    driving = made if driver_video is None else driver_video
    has_truth = truth is not None or truth_landmarks is not None
    pixels = made.frames[0] if image is None else image
    pair = Pair(
        Character(
            name="cat",
            domain="animal",
            fingerprint=hashlib.sha256(pixels.tobytes()).hexdigest(),
            load_image=lambda: pixels,
            load_landmarks=None if landmarks is None else lambda: landmarks,
        ),
        Driver("actor", fingerprint(driving), lambda: driving, load_driver),
        Truth(fingerprint(true), lambda: true, (lambda: truth_landmarks) if truth_landmarks is not None else None)
        if has_truth
        else None,
    )
    return Sample(pair, made, first_landmarks)


class Given(LucasKanade):
    """A tracker that is told the landmarks, and notes what it was asked."""

    calls: list[tuple[int, np.ndarray]]

    def __init__(self, points: np.ndarray, reliable_share: float = 1.0) -> None:
        super().__init__()
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "share", reliable_share)
        object.__setattr__(self, "calls", [])

    def track(self, frames, first_points):
        count = sum(1 for _ in frames)
        self.calls.append((count, first_points))
        leading = [first_points] * (count - len(self.points))
        points = np.stack([*leading, *self.points])
        reliable = np.arange(points.size // 2).reshape(points.shape[:2]) < self.share * points.size / 2
        return points, reliable
