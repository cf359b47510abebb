"""DAISY descriptors as features: they need no weights.

Reference: Tola et al., "DAISY: An Efficient Dense Descriptor Applied to Wide-Baseline Stereo", TPAMI 32(5), 2010;
scikit-image's implementation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from charachbench.errors import UserError
from methods.faceshot.features.base import Features
from methods.faceshot.features.networks import resized


class Daisy(Features):
    """Histograms of gradient orientations around every cell, at several scales, and where in the image the cell is.

    The descriptors of all scales together, and the position, are of length one each before the position is weighted:
    the cosine of two cells is (a + position * b) / (1 + position), where a is the mean over scales of the descriptors'
    cosines and b = (cos(pi dx) + cos(pi dy)) / 2 for cells that are dx and dy, in shares of the image's side, apart. So
    ``position`` says how much is expected that faces are framed alike; the matching itself knows nothing of it.

    Args:
        size: side to which images are resized, in pixels; it makes the features independent of their resolution.
        step: side of a cell in pixels, odd, so that its middle is a pixel; ``size`` is a multiple of it.
        radii: of the outermost ring of histograms, in pixels, one for each scale.
        rings: of histograms around the one in the middle.
        histograms: on each ring.
        orientations: of each histogram.
        position: weight of the position beside the descriptors' one; 0 leaves it out.
    """

    def __init__(
        self,
        size: int = 126,
        step: int = 3,
        radii: Sequence[int] = (12, 24),
        rings: int = 3,
        histograms: int = 8,
        orientations: int = 4,
        position: float = 1.5,
    ) -> None:
        counts = {"size": size, "step": step, "rings": rings, "histograms": histograms, "orientations": orientations}
        for name, count in counts.items():
            if count < 1:
                raise UserError(f"features.{name}={count}: accepted are whole numbers from 1")
        if step % 2 == 0:
            raise UserError(f"features.step={step}: accepted are odd numbers, so that the middle of a cell is a pixel")
        if size % step:
            raise UserError(f"features.size={size}: accepted are multiples of features.step={step}")
        if not radii or not all(rings <= radius < size for radius in radii):
            raise UserError(
                f"features.radii={list(radii)}: accepted are one or more whole numbers from features.rings={rings} to "
                f"below features.size={size}"
            )
        if not 0 <= position < math.inf:
            raise UserError(f"features.position={position}: accepted are numbers from 0")
        self.size, self.step, self.radii = size, step, tuple(radii)
        self.rings, self.histograms, self.orientations, self.position = rings, histograms, orientations, position

    def fingerprint(self) -> str:
        """The package that computes them."""
        return f"scikit-image {version('scikit-image')}"

    def extract(self, images: Sequence[np.ndarray], guides: np.ndarray | None = None) -> np.ndarray:
        """See ``Features``.

        Raises:
            UserError: guides are given.
        """
        if guides is not None:
            raise UserError("these features take no guides; features that do are faceshot_sd_ip_adapter")
        return np.stack([self._extract(image) for image in resized(images, self.size)])

    def _extract(self, image: np.ndarray) -> np.ndarray:
        """Features of one image of the working size, float32 (C, h, w)."""
        from skimage.color import rgb2gray

        grey = rgb2gray(image).astype(np.float32)
        scales = [self._descriptors(grey, radius) / math.sqrt(len(self.radii)) for radius in self.radii]
        if self.position:
            scales.append(math.sqrt(self.position) * _places(self.size // self.step))
        return np.ascontiguousarray(np.concatenate(scales, axis=2).transpose(2, 0, 1), dtype=np.float32)

    def _descriptors(self, grey: np.ndarray, radius: int) -> np.ndarray:
        """Descriptors of length one in the middle of every cell, (h, w, C)."""
        from skimage.feature import daisy

        # scikit-image leaves out what is nearer to the border than the radius.
        middle = self.step // 2
        padded = np.pad(grey, radius, mode="reflect")[middle:, middle:]
        found: np.ndarray = daisy(
            padded, self.step, radius, self.rings, self.histograms, self.orientations, normalization="l2"
        )
        return found


def _places(cells: int) -> np.ndarray:
    """Vectors of length one whose cosine is (cos(pi dx) + cos(pi dy)) / 2, (cells, cells, 4).

    dx and dy, the difference of two places in shares of the image's side, are below one, so the cosine falls with each.
    """
    angle = np.pi * (np.arange(cells) + 0.5) / cells
    along = np.stack((np.cos(angle), np.sin(angle)), axis=1) / math.sqrt(2)
    shape = (cells, cells, 2)
    return np.concatenate((np.broadcast_to(along, shape), np.broadcast_to(along[:, None], shape)), axis=2)
