"""Landmarks drawn as coloured lines, as landmark-driven networks were trained to see them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


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
        landmarks: float (T, 68, 2), (x, y) in pixels of the drawing; truncated to whole pixels.
        curves: what to draw.
        height: of the drawing.
        width: of the drawing.
        thickness: of the lines, in pixels.

    Returns:
        uint8 (T, height, width, 3).
    """
    import cv2

    pictures = np.zeros((len(landmarks), height, width, 3), np.uint8)
    for picture, points in zip(pictures, landmarks.astype(np.int32), strict=True):
        for curve in curves:
            cv2.polylines(picture, [points[list(curve.points)]], False, curve.colour, thickness)
    return pictures
