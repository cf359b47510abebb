"""Landmarks drawn as coloured lines, as landmark-driven networks were trained to see them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_FARTHEST = 1e6
"""Pixels; OpenCV's positions are 32-bit integers, and what lies beyond is outside of any picture."""


@dataclass(frozen=True)
class Curve:
    """Landmarks joined by straight lines.

    Attributes:
        points: of the 68, in order, counted from 0.
        colour: of 0 to 255 per channel, in the order in which the network has them.
    """

    points: tuple[int, ...]
    colour: tuple[int, int, int]


def draw(landmarks: np.ndarray, curves: Sequence[Curve], height: int, width: int, thickness: int = 2) -> np.ndarray:
    """Curves on black, later ones above earlier ones.

    Args:
        landmarks: float (T, 68, 2), (x, y) in pixels of the drawing; truncated to whole pixels. What lies outside of
            the drawing is cut off; points that are not finite are left out together with the lines that end in them.
        curves: what to draw.
        height: of the drawing.
        width: of the drawing.
        thickness: of the lines, in pixels.

    Returns:
        uint8 (T, height, width, 3).
    """
    import cv2

    pictures = np.zeros((len(landmarks), height, width, 3), np.uint8)
    finite = np.isfinite(landmarks).all(axis=-1)
    whole = np.clip(np.where(finite[..., None], landmarks, 0), -_FARTHEST, _FARTHEST).astype(np.int32)
    for curve in curves:
        ends = np.stack((curve.points[:-1], curve.points[1:]), axis=-1)
        for picture, points, known in zip(pictures, whole, finite[:, ends].all(axis=-1), strict=True):
            cv2.polylines(picture, list(points[ends[known]]), False, curve.colour, thickness)
    return pictures
