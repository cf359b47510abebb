"""The pictures that are written with a run: a character with its landmarks, and a strip of what was made of it.

Pixels in, pixels out; only ``save`` touches the disk. The pictures are for people and never scored.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from charachbench.errors import UserError
from charachbench.landmarks import drawing

if TYPE_CHECKING:
    from PIL import ImageFont

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}

_PAPER, _INK, _PLAIN, _OUTLINE = (255, 255, 255), (40, 40, 44), (228, 228, 232), (150, 150, 156)
_DIMMED = 0.35
_WIDEST_CELL = 16 / 9
_LONGEST_TEXT = 200
"""Letters that are kept before a text is measured, which takes time in proportion."""


def overlay(
    image: np.ndarray, points: np.ndarray, captions: Mapping[str, str] | None = None, *, side: int = 512
) -> np.ndarray:
    """A character with its landmarks, and a legend under it.

    Args:
        image: uint8 RGB (H, W, 3).
        points: (68, 2), (x, y) in pixels of ``image``, drawn as ``drawing.draw`` does.
        captions: a text for each label; labels that are parts (``topology.PARTS``) are coloured as these are drawn.
            Long texts are shortened; letters that Pillow's own font lacks show as boxes.
        side: pixels of the longer side that the character is shown at.

    Returns:
        uint8 RGB, the character over the legend, if there are captions.

    Raises:
        UserError: the image or the points are not such arrays, or ``side`` is not positive.
    """
    _check("image", image, 3)
    _check_positive(side=side)
    drawn = _draw(fit(image, side, side), points, image.shape, dots=True)
    return np.concatenate([drawn, _legend(captions, drawn.shape[1], max(8, side // 32))]) if captions else drawn


def strip(
    driver: np.ndarray,
    character: np.ndarray,
    landmarks: np.ndarray | None,
    result: np.ndarray | None,
    *,
    driver_landmarks: np.ndarray | None = None,
    columns: int = 6,
    height: int = 192,
) -> np.ndarray:
    """Some frames of a pair side by side: the driver, the landmarks meant for the character, the result.

    Args:
        driver: uint8 RGB (T, H, W, 3).
        character: uint8 RGB (H', W', 3).
        landmarks: (T, 68, 2), in pixels of ``character``; drawn on a dark canvas of its size, or on the dimmed
            character if there is no result. None leaves out their row.
        result: uint8 RGB (T, H'', W'', 3); None leaves out its row.
        driver_landmarks: (T, 68, 2), drawn on the driver if known.
        columns: how many frames, evenly spread from the first to the last; a shorter clip shows each frame once.
        height: pixels of a cell; less where a picture is wider than 16:9.

    Returns:
        uint8 RGB, rows named at the left, frames numbered from 0 on top.

    Raises:
        UserError: the arrays are not such, or not equally long, or ``columns`` or ``height`` is not positive.
    """
    _check("driver", driver, 4)
    _check("character", character, 3)
    if result is not None:
        _check("result", result, 4)
    _check_positive(columns=columns, height=height)
    for name, array in (("landmarks", landmarks), ("result", result), ("driver_landmarks", driver_landmarks)):
        if array is not None and len(array) != len(driver):
            raise UserError(
                f"strip.{name}: has {len(array)} frames, the driver {len(driver)}; equal lengths are needed"
            )

    cell = height, round(height * _WIDEST_CELL)
    frames = np.unique(np.linspace(0, len(driver) - 1, columns).round().astype(int))
    rows = {"driver": [fit(driver[t], *cell) for t in frames]}
    if driver_landmarks is not None:
        shown = zip(rows["driver"], driver_landmarks[frames], strict=True)
        rows["driver"] = [_draw(image, points, driver.shape[1:]) for image, points in shown]
    if landmarks is not None:
        canvas = fit(character, *cell)
        canvas = (canvas * _DIMMED).astype(np.uint8) if result is None else np.full_like(canvas, drawing.EDGE)
        rows["landmarks"] = [_draw(canvas, points, character.shape) for points in landmarks[frames]]
    if result is not None:
        rows["result"] = [fit(result[t], *cell) for t in frames]
    return _grid(rows, [f"frame {t}" for t in frames], max(8, height // 13))


def save(path: Path, image: np.ndarray) -> None:
    """Write uint8 RGB (H, W, 3) as JPEG or PNG, as the name ends.

    Raises:
        UserError: the name ends otherwise, or the image is not such an array.
        OSError: the file cannot be written.
    """
    from PIL import Image

    _check("image", image, 3)
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: cannot be written as a picture; accepted are names ending in {', '.join(FORMATS)}")
    # JPEG without subsampling, which would take the colour out of thin lines.
    Image.fromarray(image).save(path, FORMATS[path.suffix.lower()], quality=90, subsampling=0)


def _check(name: str, pixels: np.ndarray, dimensions: int) -> None:
    expected = "(H, W, 3)" if dimensions == 3 else "(T, H, W, 3)"
    if pixels.dtype != np.uint8 or pixels.ndim != dimensions or pixels.shape[-1] != 3 or pixels.size == 0:
        raise UserError(f"picture of {name}: must be uint8 RGB {expected}, got {pixels.dtype} {pixels.shape}")


def _check_positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise UserError(f"picture: {name} must be at least 1, got {value}")


def fit(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image as large as fits into a cell of so many pixels."""
    import cv2

    scale = min(height / image.shape[0], width / image.shape[1])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _draw(image: np.ndarray, points: np.ndarray, shape: Sequence[int], *, dots: bool = False) -> np.ndarray:
    """Landmarks, in pixels of a picture of that shape, on that picture resized."""
    scale = np.array([image.shape[1] / shape[1], image.shape[0] / shape[0]])
    return drawing.draw(image, (drawing.checked(points) + 0.5) * scale - 0.5, dots=dots)


def _legend(captions: Mapping[str, str], width: int, size: int) -> np.ndarray:
    """Labels on a ground in their part's colour, each followed by its text; as many in a row as fit."""
    from PIL import Image, ImageDraw

    font, pad = _font(size), size // 2
    row, room = round(1.9 * size), width - 2 * pad
    entries, x, y = [], pad, pad
    for key, value in captions.items():
        label = _shorten(key, font, room // 2)
        ground = round(font.getlength(label)) + 2 * pad
        text = _shorten(value, font, room - ground - pad)
        length = ground + pad + round(font.getlength(text))
        if x > pad and x + length > width - pad:
            x, y = pad, y + row
        entries.append((x, y, ground, label, text, drawing.COLOURS.get(key, _PLAIN)))
        x += length + 2 * pad
    legend = Image.new("RGB", (width, y + row), _PAPER)
    pen = ImageDraw.Draw(legend)
    for x, y, ground, label, text, colour in entries:
        box = (x, y, x + ground, y + round(1.45 * size))
        pen.rounded_rectangle(box, radius=size / 3, fill=colour, outline=_OUTLINE)
        middle = (box[1] + box[3]) / 2
        pen.text((x + pad, middle), label, fill=_INK, font=font, anchor="lm")
        pen.text((x + ground + pad, middle), text, fill=_INK, font=font, anchor="lm")
    return np.array(legend)


def _grid(rows: Mapping[str, Sequence[np.ndarray]], titles: Sequence[str], size: int) -> np.ndarray:
    """Rows of equally many pictures, of one size within each row, with the rows' names and the columns' titles."""
    from PIL import Image, ImageDraw

    font, gap, band = _font(size), max(2, size // 4), round(1.6 * size)
    width = max(pictures[0].shape[1] for pictures in rows.values())
    heights = [pictures[0].shape[0] for pictures in rows.values()]
    grid = Image.new("RGB", (band + len(titles) * (width + gap), band + sum(heights) + len(rows) * gap), _PAPER)
    pen = ImageDraw.Draw(grid)
    lefts = [band + column * (width + gap) for column in range(len(titles))]
    tops = [band + sum(heights[:row]) + row * gap for row in range(len(rows))]
    for title, left in zip(titles, lefts, strict=True):
        middle = left + width / 2, band / 2
        pen.text(middle, _shorten(title, font, width), fill=_INK, font=font, anchor="mm")
    for name, height, top in zip(rows, heights, tops, strict=True):
        label = Image.new("RGB", (height, band), _PAPER)
        middle = height / 2, band / 2
        ImageDraw.Draw(label).text(middle, _shorten(name, font, height), fill=_INK, font=font, anchor="mm")
        grid.paste(label.transpose(Image.Transpose.ROTATE_90), (0, top))
    pixels = np.array(grid)
    for pictures, top in zip(rows.values(), tops, strict=True):
        for picture, left in zip(pictures, lefts, strict=True):
            inset = left + (width - picture.shape[1]) // 2
            pixels[top : top + picture.shape[0], inset : inset + picture.shape[1]] = picture
    return pixels


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _shorten(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float) -> str:
    """One line of the text, no wider than ``room`` pixels; of any text, also such as cannot be encoded."""
    line = " ".join(text[:_LONGEST_TEXT].encode("utf-8", "replace").decode().split())
    if len(text) <= _LONGEST_TEXT and font.getlength(line) <= room:
        return line
    kept = bisect_right(range(len(line) + 1), room, key=lambda count: font.getlength(line[:count] + "…")) - 1
    return line[:kept] + "…" if kept >= 0 else ""
