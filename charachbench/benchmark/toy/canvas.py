"""Anti-aliased drawing on planar float images, in the caller's units.

A canvas is float32 (3 or 4, H, W) in 0..255; the fourth plane, where there is one, is opacity, and the colours are
then premultiplied by it, so that one formula composites onto both kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, cos, floor, radians, sin
from typing import Any

import numpy as np

Colour = tuple[float, float, float]
Paint = str | Colour | Callable[[np.ndarray, np.ndarray], np.ndarray]
"""``#rrggbb``, RGB in 0..255, or a function of x (1, W) and y (H, 1), in canvas units, giving (3, H, W)."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

_SUPERSAMPLING = 4
_SUBPIXEL_BITS = 4
_GRID = 8
_UNCOVERED = (1 - np.arange(256) / 255).astype(np.float32)


@lru_cache(maxsize=1024)
def colour(paint: str | Colour) -> Colour:
    """RGB in 0..255."""
    if isinstance(paint, str):
        red, green, blue = bytes.fromhex(paint.removeprefix("#"))
        return (float(red), float(green), float(blue))
    return paint


@lru_cache(maxsize=1024)
def mix(first: str | Colour, second: str | Colour, share: float) -> Colour:
    """``first`` at share 0, ``second`` at share 1."""
    red, green, blue = (a + (b - a) * share for a, b in zip(colour(first), colour(second), strict=True))
    return (red, green, blue)


def _ramp(share: np.ndarray, first: str | Colour, second: str | Colour) -> np.ndarray:
    start, end = (np.array(colour(paint), np.float32)[:, None, None] for paint in (first, second))
    return start + (end - start) * np.minimum(np.maximum(share, 0), 1).astype(np.float32)


def linear(start: tuple[float, float], end: tuple[float, float], first: str | Colour, second: str | Colour) -> Paint:
    """A gradient along the line from ``start`` to ``end``."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = dx * dx + dy * dy
    return lambda x, y: _ramp(((x - start[0]) * dx + (y - start[1]) * dy) / length, first, second)


def radial(centre: tuple[float, float], radius: float, first: str | Colour, second: str | Colour) -> Paint:
    """A gradient from ``centre`` outwards."""
    return lambda x, y: _ramp(np.hypot(x - centre[0], y - centre[1]) / radius, first, second)


@dataclass(frozen=True)
class Mask:
    """Coverage float32 (h, w) in 0..1 of the part of a canvas that starts at (top, left)."""

    top: int
    left: int
    alpha: np.ndarray

    def within(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Coverage of another part of the same canvas."""
        result = np.zeros((height, width), np.float32)
        y0, y1 = max(top, self.top), min(top + height, self.top + self.alpha.shape[0])
        x0, x1 = max(left, self.left), min(left + width, self.left + self.alpha.shape[1])
        if y0 < y1 and x0 < x1:
            part = self.alpha[y0 - self.top : y1 - self.top, x0 - self.left : x1 - self.left]
            result[y0 - top : y1 - top, x0 - left : x1 - left] = part
        return result


@dataclass(frozen=True)
class Sprite:
    """A finished drawing: premultiplied uint8 RGBA (h, w, 4), the place of its corner and its pixels per unit."""

    pixels: np.ndarray
    origin: np.ndarray
    scale: float

    def matrix(self) -> np.ndarray:
        """(2, 3), from sprite pixels to the units it was drawn in."""
        offset = self.origin + 0.5 / self.scale
        return np.array([[1 / self.scale, 0, offset[0]], [0, 1 / self.scale, offset[1]]])

    def corners(self) -> np.ndarray:
        """(4, 2), in the units it was drawn in."""
        width, height = np.array(self.pixels.shape[1::-1]) / self.scale
        return self.origin + np.array([(0, 0), (width, 0), (width, height), (0, height)])


class Canvas:
    """An image that is drawn on in units: ``box`` of the plane at ``scale`` pixels a unit."""

    def __init__(self, box: Box, scale: float, planes: int = 4) -> None:
        left, top, right, bottom = box
        self.origin = np.array([left, top])
        self.scale = scale
        self.pixels = np.zeros((planes, round((bottom - top) * scale), round((right - left) * scale)), np.float32)

    def copy(self) -> Canvas:
        """A canvas with the same drawing on it."""
        twin = object.__new__(Canvas)
        twin.origin, twin.scale, twin.pixels = self.origin, self.scale, self.pixels.copy()
        return twin

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates x (1, W) and y (H, 1) of all pixel centres, in units."""
        return self._grid(0, 0, *self.pixels.shape[1:])

    def _grid(self, top: int, left: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        x = (np.arange(left, left + width, dtype=np.float32) + 0.5) / self.scale + self.origin[0]
        y = (np.arange(top, top + height, dtype=np.float32) + 0.5) / self.scale + self.origin[1]
        return x[None], y[:, None]

    def _to_pixels(self, points: np.ndarray) -> np.ndarray:
        return (np.asarray(points, np.float64) - self.origin) * self.scale - 0.5

    def _part(self, pixels: np.ndarray, margin: float) -> tuple[int, int, int, int]:
        """Top, left, height and width of the part of the canvas around some points."""
        height, width = self.pixels.shape[1:]
        (x0, y0), (x1, y1) = pixels.min(0).tolist(), pixels.max(0).tolist()
        left, top = min(max(floor(x0 - margin), 0), width), min(max(floor(y0 - margin), 0), height)
        right, bottom = ceil(x1 + margin) + 1, ceil(y1 + margin) + 1
        return top, left, max(min(bottom, height) - top, 0), max(min(right, width) - left, 0)

    def mask(self, points: np.ndarray, width: float | None = None, soft: float = 0, closed: bool = True) -> Mask:
        """Coverage of a polygon, or of the line of a ``width`` through ``points``; ``soft`` is the sigma of a blur."""
        import cv2

        pixels = self._to_pixels(points)
        sigma = soft * self.scale
        top, left, rows, columns = self._part(pixels, 2 + (width or 0) * self.scale / 2 + 2.5 * sigma)
        if not rows or not columns:
            return Mask(top, left, np.zeros((rows, columns), np.float32))
        factor = _SUPERSAMPLING if sigma < 1.5 else 1
        fine: Any = np.zeros((rows * factor, columns * factor), np.uint8)
        place = ((pixels - (left, top) + 0.5) * factor - 0.5) * 2**_SUBPIXEL_BITS
        vertices = [np.round(place).astype(np.int32)]
        if width is None:
            cv2.fillPoly(fine, vertices, 255, cv2.LINE_8, _SUBPIXEL_BITS)
        else:
            thickness = max(round(width * self.scale * factor), 1)
            cv2.polylines(fine, vertices, closed, 255, thickness, cv2.LINE_8, _SUBPIXEL_BITS)
        for _ in range(factor // 2):  # halving twice is many times faster than quartering
            fine = cv2.resize(fine, (fine.shape[1] // 2, fine.shape[0] // 2), interpolation=cv2.INTER_AREA)
        if sigma > 0:
            # A wide blur needs few pixels: it is done on a small copy.
            shrink = min(1.0, 2 / sigma)
            small = (max(round(columns * shrink), 1), max(round(rows * shrink), 1))
            fine = cv2.resize(fine, small, interpolation=cv2.INTER_AREA)
            fine = cv2.GaussianBlur(fine, (0, 0), sigma * shrink, borderType=cv2.BORDER_CONSTANT)
            fine = cv2.resize(fine, (columns, rows), interpolation=cv2.INTER_LINEAR)
        return Mask(top, left, fine * np.float32(1 / 255))

    def paint(self, mask: Mask, paint: Paint, opacity: float = 1, clip: Mask | None = None) -> None:
        """Lay a paint over what a mask covers, of that only what ``clip`` covers."""
        height, width = mask.alpha.shape
        if not height or not width:
            return
        alpha = mask.alpha if opacity == 1 else mask.alpha * np.float32(opacity)
        if clip is not None:
            alpha = alpha * clip.within(mask.top, mask.left, height, width)
        part = self.pixels[:, mask.top : mask.top + height, mask.left : mask.left + width]
        if callable(paint):
            source = paint(*self._grid(mask.top, mask.left, height, width))
        else:
            source = np.array(colour(paint), np.float32)[:, None, None]
        part[:3] += (source - part[:3]) * alpha
        if len(part) == 4:
            part[3] += (255 - part[3]) * alpha

    def fill(
        self, points: np.ndarray, paint: Paint, opacity: float = 1, clip: Mask | None = None, soft: float = 0
    ) -> None:
        """Fill a polygon (n, 2)."""
        self.paint(self.mask(points, soft=soft), paint, opacity, clip)

    def line(
        self,
        points: np.ndarray,
        width: float,
        paint: Paint,
        opacity: float = 1,
        clip: Mask | None = None,
        soft: float = 0,
        closed: bool = False,
    ) -> None:
        """Draw a line with round ends through points (n, 2)."""
        self.paint(self.mask(points, width, soft, closed), paint, opacity, clip)

    def stamp(self, sprite: Sprite, matrix: np.ndarray, clip: Mask | None = None) -> None:
        """Lay a sprite down, moved from its own units to this canvas's by ``matrix`` (2, 3)."""
        import cv2

        placed = self._to_pixels(sprite.corners() @ matrix[:, :2].T + matrix[:, 2])
        top, left, height, width = self._part(placed, 1)
        if not height or not width:
            return
        full = matrix[:, :2] @ sprite.matrix()
        full[:, 2] += matrix[:, 2]
        full = full * self.scale
        full[:, 2] -= self.origin * self.scale + 0.5 + (left, top)
        warped = cv2.warpAffine(sprite.pixels, full, (width, height), flags=cv2.INTER_LINEAR)
        self._composite(warped, top, left, clip)

    def drape(
        self,
        sprite: Sprite,
        around: np.ndarray,
        locate: Callable[[np.ndarray], np.ndarray],
        clip: Mask | None = None,
    ) -> None:
        """Lay a sprite over a curved surface.

        Args:
            sprite: what to lay.
            around: points (n, 2), in canvas units, that bound the part of the canvas to cover.
            locate: from canvas units (n, 2) to sprite units; smooth, so it is asked on a coarse grid only.
            clip: what may be covered.
        """
        import cv2

        top, left, height, width = self._part(self._to_pixels(around), 1)
        if not height or not width:
            return
        # cv2.resize aligns pixel centres, so coarse node k lies at pixel (k - 1) * _GRID + (_GRID - 1) / 2.
        rows, columns = -(-height // _GRID) + 2, -(-width // _GRID) + 2
        y = (np.arange(rows) - 1) * _GRID + (_GRID - 1) / 2 + top
        x = (np.arange(columns) - 1) * _GRID + (_GRID - 1) / 2 + left
        nodes = np.stack(np.broadcast_arrays(x[None], y[:, None]), axis=-1).reshape(-1, 2)
        place = (locate((nodes + 0.5) / self.scale + self.origin) - sprite.origin) * sprite.scale - 0.5
        coarse = place.reshape(rows, columns, 2).astype(np.float32)
        dense = cv2.resize(coarse, (columns * _GRID, rows * _GRID), interpolation=cv2.INTER_LINEAR)
        dense = dense[_GRID : _GRID + height, _GRID : _GRID + width]
        warped = cv2.remap(sprite.pixels, dense[..., 0], dense[..., 1], cv2.INTER_LINEAR)
        self._composite(warped, top, left, clip)

    def _composite(self, premultiplied: np.ndarray, top: int, left: int, clip: Mask | None) -> None:
        import cv2

        height, width = premultiplied.shape[:2]
        part = self.pixels[:, top : top + height, left : left + width]
        *source, alpha = cv2.split(premultiplied)
        if clip is None:
            part *= cv2.LUT(alpha, _UNCOVERED)
            for plane, colours in zip(part, source, strict=False):
                cv2.accumulate(colours, plane)
        else:
            share = clip.within(top, left, height, width)
            part *= 1 - cv2.multiply(alpha, share, scale=1 / 255, dtype=cv2.CV_32F)
            for plane, colours in zip(part, source, strict=False):
                plane += cv2.multiply(colours, share, dtype=cv2.CV_32F)

    def sprite(self) -> Sprite:
        """What was drawn, cut to where there is something."""
        pixels = np.clip(np.rint(self.pixels), 0, 255).astype(np.uint8)
        rows, columns = (np.flatnonzero(pixels[3].any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return Sprite(np.zeros((1, 1, 4), np.uint8), self.origin, self.scale)
        # A transparent border keeps edges smooth when the sprite is moved.
        cut = pixels[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].transpose(1, 2, 0)
        origin = self.origin + (np.array([columns[0], rows[0]]) - 1) / self.scale
        return Sprite(np.pad(cut, ((1, 1), (1, 1), (0, 0))), origin, self.scale)

    def image(self) -> np.ndarray:
        """uint8 RGB (H, W, 3)."""
        import cv2

        return cv2.merge([cv2.convertScaleAbs(plane) for plane in self.pixels[:3]])


@lru_cache
def _circle(count: int) -> np.ndarray:
    around = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(around), np.sin(around)], axis=-1)


def ellipse(x: float, y: float, width: float, height: float, angle: float = 0, count: int = 64) -> np.ndarray:
    """Points (count, 2) of an ellipse with half axes ``width`` and ``height``, turned by ``angle`` degrees."""
    cosine, sine = cos(radians(angle)), sin(radians(angle))
    axes = np.array([(width * cosine, width * sine), (-height * sine, height * cosine)])
    return _circle(count) @ axes + np.array([x, y])


def moved(points: np.ndarray, x: float, y: float) -> np.ndarray:
    """Points (n, 2) or a point, shifted."""
    return points + np.array([x, y])


def path(*points: tuple[float, float]) -> np.ndarray:
    """Points of joined quadratic Bezier curves: start, then control and end of each; a point left over ends a line."""
    nodes = np.array(points, np.float64)
    t = np.linspace(0, 1, 16, endpoint=False)[:, None]
    curves = [
        nodes[i] * (1 - t) ** 2 + 2 * nodes[i + 1] * t * (1 - t) + nodes[i + 2] * t**2
        for i in range(0, len(nodes) - 2, 2)
    ]
    return np.concatenate([*curves, nodes[-1:]])


def mirror(points: np.ndarray) -> np.ndarray:
    """The same points on the other side of the face."""
    return points * (-1, 1)


def ribbon(points: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """The polygon around an open line (n, 2) that is ``widths`` (n,) wide."""
    along = np.gradient(points, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    side = np.stack([-along[:, 1], along[:, 0]], axis=-1) * (widths[:, None] / 2)
    return np.concatenate([points + side, (points - side)[::-1]])
