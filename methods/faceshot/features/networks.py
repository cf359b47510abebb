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
    """Square images as uint8 (N, size, size, 3), by Pillow's antialiased bicubic."""
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape != (len(image), len(image), 3):
            raise ValueError(f"images must be square uint8 RGB (H, H, 3), got {image.dtype} {image.shape}")
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
