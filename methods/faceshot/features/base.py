"""What landmark matching asks of dense image features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from methods.faceshot.model import Model


class Features(Model, ABC):
    """Turns images into dense features."""

    @property
    def guided(self) -> bool:
        """Whether ``extract`` needs guides."""
        return False

    @abstractmethod
    def extract(self, images: Sequence[np.ndarray], guides: np.ndarray | None = None) -> np.ndarray:
        """Features of images, each independent of which others are extracted with it.

        Args:
            images: square uint8 RGB (H, W, 3), of any sizes.
            guides: float32 (N, D), image embeddings that steer features which can be guided; others refuse them.

        Returns:
            float32 (N, C, h, w), not normalised. Cell (i, j) stands for the rectangle of the image that it covers when
            the map is laid over the whole image: its middle is at x = (j + 0.5) W / w - 0.5, y likewise.
        """
