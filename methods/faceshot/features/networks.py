"""What features that a network makes have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from charachbench.benchmark.framing import Window
from charachbench.errors import UserError

if TYPE_CHECKING:
    import torch


def resized(images: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Square images as uint8 (N, size, size, 3), by Pillow's antialiased bicubic.

    Raises:
        UserError: an image is not square.
    """
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"images must be uint8 RGB (H, W, 3), got {image.dtype} {image.shape}")
        if image.shape[0] != image.shape[1]:
            raise UserError(
                f"faceshot: the picture is {image.shape[1]} x {image.shape[0]}; accepted are squares, such as "
                "benchmark.crop=centre gives"
            )
    return np.stack([Window(0, 0, len(image), size).image(image) for image in images])


def finite(features: np.ndarray, dtype: torch.dtype) -> np.ndarray:
    """The features, if they are.

    Raises:
        UserError: some are infinite or not numbers.
    """
    if not np.isfinite(features).all():
        raise UserError(
            f"the features are not finite in {str(dtype).removeprefix('torch.')}: use features.dtype=fp32 or bf16, or "
            "check the weights"
        )
    return features
