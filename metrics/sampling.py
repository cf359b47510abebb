"""Which frames of a video a metric looks at."""

from __future__ import annotations

import numpy as np

from charachbench.errors import Unscored, UserError


def spread(count: int, frames: int | None) -> np.ndarray:
    """Indices of frames spread evenly over a video, the first and the last among them.

    Args:
        count: of the video's frames.
        frames: how many to take at most; None takes all.

    Returns:
        int (min(count, frames),), ascending; of a single one, the middle frame.
    """
    if frames is None or frames >= count:
        return np.arange(count)
    if frames == 1:
        return np.array([count // 2])
    return np.linspace(0, count - 1, frames).round().astype(int)


def clips(count: int, length: int, stride: int, most: int | None = None) -> np.ndarray:
    """Indices of clips that follow each other without overlap.

    Args:
        count: of the video's frames.
        length: frames of a clip.
        stride: from one frame of a clip to its next.
        most: how many clips to take, spread evenly; None takes all.

    Returns:
        int (N, length).

    Raises:
        Unscored: the video is shorter than a clip.
    """
    reach = (length - 1) * stride + 1
    if count < reach:
        raise Unscored(f"a clip of {length} frames at a stride of {stride} needs {reach} frames, the video has {count}")
    starts = np.arange(0, count - reach + 1, reach)
    starts = starts[spread(len(starts), most)]
    return starts[:, None] + stride * np.arange(length)


def checked(setting: str, value: int | None, least: int = 1) -> int | None:
    """The value, if it is None or large enough.

    Raises:
        UserError: it is not.
    """
    if value is not None and value < least:
        raise UserError(f"{setting}={value}: accepted are null and whole numbers from {least}")
    return value
