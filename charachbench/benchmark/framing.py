"""Framing: every picture becomes a square of one size, and its landmarks follow exactly."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from charachbench.errors import UserError
from charachbench.untrusted import MAX_SIDE

VERSION = 1
LARGEST = 4096
"""Side of framed pictures, in pixels."""
Crop = Literal["centre", "face", "none"]

FACE_SCALE = 2.0
"""Side of a face crop, in longer sides of the landmarks' box: room for hair, ears and motion."""
FACE_RISE = 0.2
"""How far a face crop's centre lies above the box's centre, in box heights: landmarks end at the eyebrows."""


@dataclass(frozen=True)
class Window:
    """A square of a picture, resized.

    It may reach beyond the picture, where the picture's edge is repeated.

    Attributes:
        left: first column of the square, in whole pixels of the picture.
        top: first row.
        side: of the square, in pixels of the picture.
        size: of the result, in pixels.
    """

    left: int
    top: int
    side: int
    size: int

    def image(self, image: np.ndarray) -> np.ndarray:
        """Cut out and resize: uint8 (H, W, 3) -> (size, size, 3).

        Resizing is Pillow's bicubic: antialiased when it shrinks (its kernel widens with the factor, unlike OpenCV's)
        and computed in whole numbers, so that every machine gives the same pixels.
        """
        from PIL import Image

        height, width = image.shape[:2]
        bottom, right = self.top + self.side, self.left + self.side
        before = max(0, -self.top), max(0, -self.left)
        after = max(0, bottom - height), max(0, right - width)
        if any((*before, *after)):
            image = np.pad(image, ((before[0], after[0]), (before[1], after[1]), (0, 0)), mode="edge")
        top, left = self.top + before[0], self.left + before[1]
        square = np.ascontiguousarray(image[top : top + self.side, left : left + self.side])
        if self.side == self.size:
            return square
        resized = Image.fromarray(square).resize((self.size, self.size), Image.Resampling.BICUBIC)
        return np.array(resized)

    def points(self, points: np.ndarray) -> np.ndarray:
        """Where points of the picture come to lie: (..., 2) -> (..., 2), pixel centres at whole numbers."""
        scale = self.size / self.side
        return np.asarray((points - np.array([self.left, self.top]) + 0.5) * scale - 0.5, dtype=np.float64)


@dataclass(frozen=True)
class Framing:
    """The rule by which a square is chosen.

    Attributes:
        size: side of the result, in pixels, from 16 to ``LARGEST``.
        crop: ``centre``, the largest centred square; ``face``, a square about the landmarks (``FACE_SCALE``,
            ``FACE_RISE``); ``none``, the whole picture, padded to a square by repeating its edge.
    """

    size: int
    crop: Crop

    def __post_init__(self) -> None:
        if not 16 <= self.size <= LARGEST:
            raise UserError(f"benchmark.size={self.size}: accepted are whole numbers of pixels from 16 to {LARGEST}")

    @property
    def fingerprint(self) -> tuple[object, ...]:
        """What decides the result, hashable as JSON."""
        face = (FACE_SCALE, FACE_RISE) if self.crop == "face" else ()
        return VERSION, self.size, self.crop, *face

    def window(self, size: tuple[int, int], points: np.ndarray | None = None) -> Window:
        """The square of a picture of ``size`` (height, width).

        Args:
            size: of the picture.
            points: (..., 2), all that a ``face`` crop shall enclose.

        Raises:
            UserError: the square is too large to be filled.
        """
        height, width = size
        if self.crop == "face":
            if points is None:
                raise ValueError("a face crop needs landmarks")
            low, high = points.reshape(-1, 2).min(axis=0), points.reshape(-1, 2).max(axis=0)
            side = max(2, round(FACE_SCALE * float((high - low).max())))
            if side > MAX_SIDE:
                raise UserError(f"a face crop of {side} pixels is too large; accepted are {MAX_SIDE}, or crop=centre")
            x, y = (low + high) / 2 - [0, FACE_RISE * (high - low)[1]]
            return Window(round(x - (side - 1) / 2), round(y - (side - 1) / 2), side, self.size)
        side = min(size) if self.crop == "centre" else max(size)
        return Window((width - side) // 2, (height - side) // 2, side, self.size)
