"""The 68 facial landmarks of iBUG 300-W: which index is what, and the sizes a face is measured by.

"Left" and "right" are the subject's own, so the right eye is the one on the left of an upright picture.

Reference: Sagonas et al., "300 Faces In-The-Wild Challenge: database and results", Image and Vision Computing 47, 2016.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

COUNT = 68

BOUNDARY = slice(0, 17)
EYEBROWS = slice(17, 27)
NOSE = slice(27, 36)
EYES = slice(36, 48)
MOUTH = slice(48, 68)
PARTS = MappingProxyType({"boundary": BOUNDARY, "eyebrows": EYEBROWS, "nose": NOSE, "eyes": EYES, "mouth": MOUTH})

RIGHT_EYEBROW = slice(17, 22)
LEFT_EYEBROW = slice(22, 27)
RIGHT_EYE = slice(36, 42)
LEFT_EYE = slice(42, 48)
OUTER_LIPS = slice(48, 60)
INNER_LIPS = slice(60, 68)
UPPER_LIP = (*range(49, 54), *range(61, 64))
LOWER_LIP = (*range(55, 60), *range(65, 68))
"""Both edges of each lip, without the corners of the mouth."""

RIGHT_MOUTH_CORNER = 48
LEFT_MOUTH_CORNER = 54

RIGHT_EYE_OUTER_CORNER = 36
LEFT_EYE_OUTER_CORNER = 45

POLYLINES: tuple[tuple[slice, bool], ...] = (
    (BOUNDARY, False),
    (RIGHT_EYEBROW, False),
    (LEFT_EYEBROW, False),
    (slice(27, 31), False),
    (slice(31, 36), False),
    (RIGHT_EYE, True),
    (LEFT_EYE, True),
    (OUTER_LIPS, True),
    (INNER_LIPS, True),
)
"""The lines a face is drawn with: which points, in order, and whether the line is closed."""


def _mirror() -> np.ndarray:
    order = np.arange(COUNT)
    symmetric_runs = (BOUNDARY, EYEBROWS, slice(31, 36), slice(48, 55), slice(55, 60), slice(60, 65), slice(65, 68))
    for run in symmetric_runs:
        order[run] = order[run][::-1]
    for right, left in ((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)):
        order[right], order[left] = left, right
    order.setflags(write=False)
    return order


MIRROR = _mirror()
"""int (68,): ``points[MIRROR]`` is the face with left and right exchanged; the caller also flips x. Its own inverse."""


def inter_ocular(points: np.ndarray) -> np.ndarray:
    """Distance of the outer eye corners, by which 300-W divides errors: (..., 68, 2) -> (...)."""
    return np.linalg.norm(points[..., LEFT_EYE_OUTER_CORNER, :] - points[..., RIGHT_EYE_OUTER_CORNER, :], axis=-1)


def box(points: np.ndarray) -> np.ndarray:
    """Tightest upright box around the points: (..., N, 2) -> (..., 4), left, top, right, bottom."""
    return np.concatenate([points.min(axis=-2), points.max(axis=-2)], axis=-1)


def box_size(points: np.ndarray) -> np.ndarray:
    """Geometric mean of the box's width and height: (..., N, 2) -> (...)."""
    return np.sqrt(np.ptp(points, axis=-2).prod(axis=-1))


def box_diagonal(points: np.ndarray) -> np.ndarray:
    """Diagonal of the box: (..., N, 2) -> (...)."""
    return np.linalg.norm(np.ptp(points, axis=-2), axis=-1)
