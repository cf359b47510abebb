"""Landmark files: a ``.npy`` beside a picture or a video."""

from pathlib import Path

import numpy as np

from charachbench import untrusted
from charachbench.errors import UserError
from charachbench.landmarks.topology import COUNT

TOLERANCE = 0.05
"""How far outside the picture a point may lie, as a share of the picture's longer side: a chin may be cut off."""


def read(path: Path, size: tuple[int, int], sequence: bool = False) -> np.ndarray:
    """Read and check landmarks.

    Args:
        path: of the ``.npy`` file.
        size: (height, width) of the picture or video that they belong to.
        sequence: whether it is a video's.

    Returns:
        float64 (68, 2), or (T, 68, 2) for a sequence.

    Raises:
        UserError: the file is not such an array, or points lie outside the picture.
    """
    accepted = f"accepted is a real array {'(T, 68, 2)' if sequence else '(68, 2)'} of (x, y) in pixels"
    try:
        points = untrusted.read_array(path)
    except UserError as error:
        raise UserError(f"{error}; {accepted}") from error
    if points.dtype.kind not in "fiu":
        raise UserError(f"{path}: holds no real numbers; {accepted}")
    if points.shape[-2:] != (COUNT, 2) or points.ndim != 2 + sequence or 0 in points.shape:
        raise UserError(f"{path}: has the shape {points.shape}; {accepted}")
    points = points.astype(np.float64)
    if not np.isfinite(points).all():
        raise UserError(f"{path}: holds values that are not finite; {accepted}")
    height, width = size
    slack = TOLERANCE * max(size)
    outside = ((points < -slack) | (points > np.array([width, height]) - 1 + slack)).any(axis=-1)
    if outside.any():
        where = tuple(int(number) for number in np.argwhere(outside)[0])
        x, y = points[where]
        frame = f" of frame {where[0]}" if sequence else ""
        raise UserError(
            f"{path}: {int(outside.sum())} landmarks lie outside the picture of {width} x {height} pixels, the first "
            f"is landmark {where[-1]}{frame} at ({x:.1f}, {y:.1f}); {accepted} of the original picture"
        )
    return points
