"""The 68 landmarks drawn on an image: thin coloured lines over a dark edge, so that they read on anything."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from charachbench.errors import UserError
from charachbench.landmarks import topology

COLOURS = MappingProxyType(
    {
        "boundary": (182, 150, 255),
        "eyebrows": (255, 238, 95),
        "nose": (215, 255, 255),
        "eyes": (38, 160, 135),
        "mouth": (250, 70, 15),
    }
)
"""RGB of each part. Also under protanopia, deuteranopia and tritanopia any two differ by more than 20 in CIEDE2000."""

EDGE = (20, 20, 24)
"""RGB of the dark edge around lines and dots."""

_EDGE_OPACITY = 0.65

_SHIFT = 4
"""Fractional bits of the positions handed to OpenCV: 1/16 pixel."""

_FARTHEST = 1e6
"""Pixels; OpenCV's positions are 32-bit integers, and what lies beyond is outside of any picture."""


def draw(image: np.ndarray, points: np.ndarray, *, dots: bool = True) -> np.ndarray:
    """Draw landmarks as anti-aliased lines and dots, a colour per part, as wide as suits the image's size.

    Args:
        image: uint8 RGB (H, W, 3), left as it is; may be blank.
        points: (68, 2), (x, y) in pixels, whole numbers being the middles of pixels. What lies outside of the image is
            cut off; points that are not finite are left out together with the lines that end in them.
        dots: also mark the points; on small pictures they hide the shape of eyes and mouth.

    Returns:
        uint8 RGB (H, W, 3).

    Raises:
        UserError: the arrays are not such.
    """
    import cv2

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise UserError(f"landmarks are drawn on a uint8 RGB image (H, W, 3), got {image.dtype} {image.shape}")
    image, points = np.ascontiguousarray(image), checked(points)
    line, edge = _widths(image.shape[:2])
    finite = np.isfinite(points).all(axis=-1)
    fixed = np.clip(np.where(finite[:, None], points, 0), -_FARTHEST, _FARTHEST) * (1 << _SHIFT)
    positions = np.round(fixed).astype(np.int32)

    def trace(canvas: np.ndarray, outset: int, colours: Mapping[str, tuple[int, int, int]]) -> None:
        radius = round((line + 0.3 + outset) * (1 << _SHIFT))
        for part, indices in topology.PARTS.items():
            ends = _SEGMENTS[part][finite[_SEGMENTS[part]].all(axis=-1)]
            cv2.polylines(canvas, list(positions[ends]), False, colours[part], line + 2 * outset, cv2.LINE_AA, _SHIFT)
            for x, y in positions[indices][finite[indices]].tolist() if dots else ():
                cv2.circle(canvas, (x, y), radius, colours[part], cv2.FILLED, cv2.LINE_AA, _SHIFT)

    # All edges come first, so that no part's edge darkens another part's lines.
    edges = image.copy()
    trace(edges, edge, dict.fromkeys(topology.PARTS, EDGE))
    canvas = cv2.addWeighted(edges, _EDGE_OPACITY, image, 1 - _EDGE_OPACITY, 0)
    trace(canvas, 0, COLOURS)
    return canvas


def checked(points: np.ndarray) -> np.ndarray:
    """Landmarks as float64 (68, 2).

    Raises:
        UserError: they are not such.
    """
    points = np.asarray(points)
    if points.shape != (topology.COUNT, 2) or points.dtype.kind not in "fiu":
        raise UserError(f"landmarks to draw are numbers ({topology.COUNT}, 2), got {points.dtype} {points.shape}")
    return points.astype(np.float64)


def _widths(size: tuple[int, int]) -> tuple[int, int]:
    """Pixels that a line is wide, and its edge on either side, for an image's (height, width)."""
    scale = float(np.sqrt(size[0] * size[1])) / 256
    return max(1, round(1.1 * scale)), max(1, round(0.6 * scale))


def _segments() -> dict[str, np.ndarray]:
    """The two points that each line joins, int (N, 2), by part."""
    pairs: dict[str, list[tuple[int, int]]] = {part: [] for part in topology.PARTS}
    for run, closed in topology.POLYLINES:
        indices = list(range(run.start, run.stop))
        part = next(name for name, whole in topology.PARTS.items() if whole.start <= run.start < whole.stop)
        pairs[part] += zip(indices, indices[1:] + indices[: int(closed)], strict=False)
    return {part: np.array(ends) for part, ends in pairs.items()}


_SEGMENTS = _segments()
