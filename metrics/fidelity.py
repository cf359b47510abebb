"""Fidelity: how close is the video to the true one, pixel by pixel?

The numbers are those of ``torchmetrics``, against which the tests hold them; computed here they take a third of the
time, and no video waits for torch to be imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np

from charachbench.errors import Unscored
from charachbench.protocols import Metric, Need, Sample

Colour = Literal["luminance", "rgb"]

_WHITE = 255.0
_LUMINANCE_STABILITY, _CONTRAST_STABILITY = (0.01 * _WHITE) ** 2, (0.03 * _WHITE) ** 2


_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents from the finest scale to the coarsest."""
_WINDOW, _SIGMA = 11, 1.5


def true_frames(sample: Sample) -> np.ndarray:
    """Frames of the true video, uint8 RGB (T, H, W, 3), as many and as large as the generated ones.

    Raises:
        Unscored: the videos are of different lengths or sizes, or the true one is not known.
    """
    made, true = sample.video.frames, sample.truth_video.frames
    if made.shape != true.shape:
        own, wanted = ("{} frames of {} x {}".format(*frames.shape[:3]) for frames in (made, true))
        raise Unscored(f"the video has {own} pixels, the truth {wanted}")
    return true


class _FidelityMetric(Metric):
    """What the metrics against the true video share."""

    family: ClassVar[str] = "fidelity"
    needs: ClassVar[frozenset[Need]] = frozenset({"truth"})

    def protocol(self) -> dict[str, str | int | float]:
        """Colour and reference."""
        return {"colour": "rgb", "reference": "truth"}

    def frames(self, sample: Sample) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Each frame with the true one; raises as ``true_frames`` does."""
        return zip(sample.video.frames, true_frames(sample), strict=True)


class L1(_FidelityMetric):
    """Mean absolute difference to the true video over RGB, per frame, of values from 0 to 1, as papers report it.

    Reference: Siarohin et al., "First order motion model for image animation", NeurIPS 2019.
    """

    direction: ClassVar[Literal["up", "down"]] = "down"
    limits: ClassVar[tuple[float, float]] = (0, 1)

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T,), 0 to 1."""
        import cv2

        sums = np.array([cv2.norm(made, true, cv2.NORM_L1) / true.size for made, true in self.frames(sample)])
        return sums / _WHITE


class Psnr(_FidelityMetric):
    """Peak signal-to-noise ratio against the true video over RGB, per frame.

    Identical frames, infinitely good, count as ``ceiling`` so that means stay finite. Two values of a 256 x 256 frame
    that are one grey level off already give less.
    """

    unit: ClassVar[str] = "dB"
    direction: ClassVar[Literal["up", "down"]] = "up"
    limits: ClassVar[tuple[float, float]] = (0, 100)
    ceiling: ClassVar[float] = 100.0

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T,), dB."""
        import cv2

        squares = np.array([cv2.norm(made, true, cv2.NORM_L2SQR) / true.size for made, true in self.frames(sample)])
        least = _WHITE**2 / 10 ** (self.ceiling / 10)
        return 10 * np.log10(_WHITE**2 / np.maximum(squares, least))


class Ssim(_FidelityMetric):
    """Structural similarity against the true video, per frame: Gaussian window, sigma 1.5, K1 = 0.01, K2 = 0.03.

    Reference: Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE TIP 2004.

    Args:
        colour: ``luminance`` (Rec. 601, 8 bits), as defined there; ``rgb``, the mean over the three channels.
    """

    direction: ClassVar[Literal["up", "down"]] = "up"
    limits: ClassVar[tuple[float, float]] = (-1, 1)

    def __init__(self, colour: Colour = "luminance") -> None:
        self.colour = colour

    def protocol(self) -> dict[str, str | int | float]:
        """Colour, window and reference."""
        return {**super().protocol(), "colour": self.colour, "window": f"Gaussian {_SIGMA}"}

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T,), at most 1."""
        pairs = self.frames(sample)
        return np.array([self.similarity(self.plane(made), self.plane(true)) for made, true in pairs])

    def plane(self, frame: np.ndarray) -> np.ndarray:
        """What is compared of a frame, float32 (H, W) or (H, W, 3), 0 to 255."""
        import cv2

        return (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if self.colour == "luminance" else frame).astype(np.float32)

    def similarity(self, made: np.ndarray, true: np.ndarray) -> float:
        """Of two planes."""
        luminance, contrast = _similarities(made, true)
        return float((luminance * contrast).mean(dtype=np.float64))


class MsSsim(Ssim):
    """Multi-scale structural similarity against the true video, per frame, over five scales, each half the last.

    As in ``torchmetrics``, negative similarities count as 0, and contrast leaves out a rim of half a window.

    Reference: Wang et al., "Multiscale structural similarity for image quality assessment", Asilomar 2003.

    Args:
        colour: as for ``Ssim``.
    """

    limits: ClassVar[tuple[float, float]] = (0, 1)
    least_side: ClassVar[int] = _WINDOW * 2 ** (len(_SCALES) - 1)

    def protocol(self) -> dict[str, str | int | float]:
        """Those of ``Ssim``, and the number of scales."""
        return {**super().protocol(), "scales": len(_SCALES)}

    def extract(self, sample: Sample) -> np.ndarray:
        """float64 (T,), 0 to 1."""
        height, width = sample.video.size
        if min(height, width) < self.least_side:
            raise Unscored(
                f"frames have {height} x {width} pixels, multi-scale similarity needs {self.least_side} a side"
            )
        return super().extract(sample)

    def similarity(self, made: np.ndarray, true: np.ndarray) -> float:
        """Of two planes."""
        rim, product = slice(_WINDOW // 2, -(_WINDOW // 2)), 1.0
        for exponent in _SCALES[:-1]:
            contrast = _similarities(made, true)[1][rim, rim].mean(dtype=np.float64)
            product *= max(contrast, 0) ** exponent
            made, true = _halved(made), _halved(true)
        return float(product * max(super().similarity(made, true), 0) ** _SCALES[-1])


def _halved(plane: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels, without an odd last row or column."""
    import cv2

    height, width = (side // 2 for side in plane.shape[:2])
    return cv2.resize(plane[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)


def _similarities(made: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Local similarity of luminance, and of contrast and structure, of two float32 images of 0 to 255, their shape."""
    import cv2

    def local_mean(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA)

    mean_made, mean_true = local_mean(made), local_mean(true)
    product, squares = mean_made * mean_true, mean_made * mean_made + mean_true * mean_true
    covariance = local_mean(made * true) - product
    variances = np.maximum(local_mean(made * made + true * true) - squares, 0)
    luminance = (2 * product + _LUMINANCE_STABILITY) / (squares + _LUMINANCE_STABILITY)
    contrast = (2 * covariance + _CONTRAST_STABILITY) / (variances + _CONTRAST_STABILITY)
    return luminance, contrast
