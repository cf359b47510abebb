"""Speed of the thin-plate-spline animator, and against one SciPy spline per frame: ``python -m benchmarks.tps``."""

from __future__ import annotations

import numpy as np

from benchmarks import seconds
from methods.animators.tps import Tps

FRAMES = 96


def face(size: int) -> np.ndarray:
    """68 landmarks of a round face with closed lips."""

    def ellipse(x: float, y: float, width: float, height: float, start: float, stop: float, count: int) -> np.ndarray:
        angle = np.radians(np.linspace(start, stop, count))
        return np.stack((x + width * np.cos(angle), y + height * np.sin(angle)), axis=1)

    parts = [
        ellipse(0.5, 0.5, 0.24, 0.27, 180, 0, 17),
        *(ellipse(x, 0.47, 0.075, 0.05, 200, 340, 5) for x in (0.39, 0.61)),
        np.stack((np.full(4, 0.5), np.linspace(0.49, 0.58, 4)), axis=1),
        ellipse(0.5, 0.595, 0.035, 0.015, 180, 0, 5),
        *(ellipse(x, 0.5, 0.04, 0.018, 180, 480, 6) for x in (0.39, 0.61)),
        ellipse(0.5, 0.67, 0.08, 0.03, 180, 510, 12),
        ellipse(0.5, 0.67, 0.07, 0, 180, 495, 8),
    ]
    return np.concatenate(parts) * size


def talking(source: np.ndarray) -> np.ndarray:
    """A head that turns and nods while its mouth opens and closes, (FRAMES, 68, 2)."""
    size = np.ptp(source[:17, 0])
    phase = np.linspace(0, 4 * np.pi, FRAMES)[:, None]
    landmarks = source + size * 0.06 * np.stack((np.sin(phase), np.sin(2 * phase)), axis=-1)
    opened = np.clip(np.sin(3 * phase), 0, 1) * size * 0.15
    for share, points in ((0.2, [48, 54, 60, 64]), (0.6, [55, 59]), (1.0, [56, 57, 58, 65, 66, 67])):
        landmarks[:, points, 1] += share * opened
    landmarks[:, 3:14, 1] += opened * 0.8 * np.sin(np.linspace(0.3, np.pi - 0.3, 11))
    return landmarks


def scipy_frame(image: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The plain way: a spline evaluated at every pixel, then one remapping."""
    import cv2
    from scipy.interpolate import RBFInterpolator

    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    spline = RBFInterpolator(target, source, kernel="thin_plate_spline", smoothing=1.0)
    places = spline(np.stack((x, y), axis=-1).reshape(-1, 2)).reshape(height, width, 2).astype(np.float32)
    return np.asarray(cv2.remap(image, places[..., 0], places[..., 1], cv2.INTER_CUBIC))


def main() -> None:
    import torch

    for size in (256, 512):
        image = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
        source = face(size)
        landmarks = talking(source)
        devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
        baseline = seconds(lambda: scipy_frame(image, source, landmarks[1]), 2)  # noqa: B023 - called at once
        for device in devices:
            animator = Tps()
            animator.load(device)
            animator.render(image, source, landmarks[:8])
            per_frame = seconds(lambda: animator.render(image, source, landmarks), 5) / FRAMES  # noqa: B023
            where = f"{torch.get_num_threads()} threads" if device == "cpu" else torch.cuda.get_device_name()
            print(
                f"tps {size} px, {where}: {1 / per_frame:.0f} frames/s, "
                f"{baseline / per_frame:.0f} x one SciPy spline per frame ({1 / baseline:.1f} frames/s)"
            )


if __name__ == "__main__":
    main()
