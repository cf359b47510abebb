"""Fidelity: how close is the video to the true one, pixel by pixel?

The numbers are those of ``torchmetrics``, against which the tests hold them; computed here they take a third of the
time, and no video waits for torch to be imported.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from charachbench.errors import Unscored
from charachbench.protocols import Metric, Need, Sample

Colour = Literal["luminance", "rgb"]

_WHITE = 255.0
_LUMINANCE_STABILITY, _CONTRAST_STABILITY = (0.01 * _WHITE) ** 2, (0.03 * _WHITE) ** 2


def _true_frames(sample: Sample) -> np.ndarray:
    truth = sample.pair.truth
    if truth is None:
        raise Unscored("the true video is not known")
    frames = sample.once("true frames", lambda: truth.video.frames)
    if frames.shape != sample.video.frames.shape:
        made, true = ("{} frames of {} x {}".format(*shape[:3]) for shape in (sample.video.frames.shape, frames.shape))
        raise Unscored(f"the video has {made} pixels, the truth {true}")
    return frames


class Psnr(Metric):
    """Peak signal-to-noise ratio against the true video over RGB, per frame.

    Identical frames, infinitely good, count as ``ceiling`` so that means stay finite. Two values of a 256 x 256 frame
    that are one grey level off already give less.
    """

    unit: ClassVar[str] = "dB"
    direction: ClassVar[Literal["up", "down"]] = "up"
    needs: ClassVar[frozenset[Need]] = frozenset({"truth"})
    ceiling: ClassVar[float] = 100.0

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T,), dB."""
        import cv2

        frames = zip(sample.video.frames, _true_frames(sample), strict=True)
        squares = np.array([cv2.norm(made, true, cv2.NORM_L2SQR) / true.size for made, true in frames])
        least = _WHITE**2 / 10 ** (self.ceiling / 10)
        return 10 * np.log10(_WHITE**2 / np.maximum(squares, least))


class Ssim(Metric):
    """Structural similarity against the true video, per frame: Gaussian window, sigma 1.5, K1 = 0.01, K2 = 0.03.

    Reference: Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 2004.

    Args:
        colour: ``luminance`` (Rec. 601, 8 bits), as defined there; ``rgb``, the mean over the three channels.
    """

    direction: ClassVar[Literal["up", "down"]] = "up"
    needs: ClassVar[frozenset[Need]] = frozenset({"truth"})

    def __init__(self, colour: Colour = "luminance") -> None:
        self.colour = colour

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T,), at most 1."""
        import cv2

        def plane(frame: np.ndarray) -> np.ndarray:
            return (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if self.colour == "luminance" else frame).astype(np.float32)

        frames = zip(sample.video.frames, _true_frames(sample), strict=True)
        return np.array([_similarity(plane(made), plane(true)) for made, true in frames])


def _similarity(made: np.ndarray, true: np.ndarray) -> float:
    """Mean structural similarity of two float32 images (H, W) or (H, W, C), 0 to 255."""
    import cv2

    def local_mean(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (11, 11), 1.5)

    mean_made, mean_true = local_mean(made), local_mean(true)
    product, squares = mean_made * mean_true, mean_made * mean_made + mean_true * mean_true
    covariance = local_mean(made * true) - product
    variances = np.maximum(local_mean(made * made + true * true) - squares, 0)
    luminance = (2 * product + _LUMINANCE_STABILITY) / (squares + _LUMINANCE_STABILITY)
    contrast = (2 * covariance + _CONTRAST_STABILITY) / (variances + _CONTRAST_STABILITY)
    return float((luminance * contrast).mean(dtype=np.float64))
