"""Surfaces: brightness patterns laid over what is already drawn, the same whatever the picture's size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from charachbench.benchmark.toy.canvas import Canvas

Texture = Literal["fur", "long_fur", "plush", "metal", "peel", "wood", "skin", "smooth"]

_RESOLUTION = 190
"""Pixels a unit at which patterns are made, before they are brought to the canvas's."""


def apply(canvas: Canvas, texture: Texture, seed: int, strength: float = 1) -> None:
    """Darken and brighten a drawing in head units by the pattern of a surface."""
    import cv2

    if texture == "smooth" or not canvas.pixels[3].any():
        return
    drawn = canvas.pixels[3] > 0
    rows, columns = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
    part = canvas.pixels[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    left, top = canvas.origin + np.array([columns[0], rows[0]]) / canvas.scale
    width, height = np.ceil(np.array(part.shape[:0:-1]) / canvas.scale * _RESOLUTION).astype(int)
    x = (np.arange(width, dtype=np.float32) / _RESOLUTION + np.float32(left))[None]
    y = (np.arange(height, dtype=np.float32) / _RESOLUTION + np.float32(top))[:, None]
    pattern = _MAKERS[texture](x, y, np.random.default_rng([seed, 3]))
    mode = cv2.INTER_AREA if canvas.scale < _RESOLUTION else cv2.INTER_CUBIC
    pattern = cv2.resize(pattern, part.shape[:0:-1], interpolation=mode)
    part[:3] = np.minimum(part[:3] * (1 + strength * pattern), part[3])


def _noise(shape: tuple[int, int], sigma_x: float, sigma_y: float, generator: np.random.Generator) -> np.ndarray:
    """Smooth noise of zero mean and unit deviation."""
    import cv2

    noise: Any = generator.standard_normal(shape, np.float32)
    # A wide blur is that of a small image.
    shrink = max(1, int(min(sigma_x, sigma_y) / 2))
    noise = noise[: -(-shape[0] // shrink), : -(-shape[1] // shrink)]
    noise = cv2.GaussianBlur(noise, (0, 0), sigma_x / shrink, sigmaY=sigma_y / shrink, borderType=cv2.BORDER_REFLECT)
    noise = cv2.resize(noise, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return (noise - noise.mean()) / noise.std()


def _hairs(
    x: np.ndarray, y: np.ndarray, generator: np.random.Generator, density: float, length: float, curl: float
) -> np.ndarray:
    """Short strokes that grow away from the nose."""
    import cv2

    shape = (y.size, x.size)
    pattern = np.full(shape, 128, np.uint8)
    count = int(shape[0] * shape[1] / _RESOLUTION**2 * density)
    places = generator.uniform((x[0, 0], y[0, 0]), (x[0, -1], y[-1, 0]), (count, 2))
    angle = np.arctan2(places[:, 1] - 0.15, places[:, 0]) + generator.normal(0, curl, count)
    reach = length * generator.uniform(0.6, 1.3, count)
    bend = generator.normal(0, 0.5, count)
    steps = np.linspace(0, 1, 4)[:, None]
    turned = angle + bend * steps
    ends = places + np.stack([np.cos(turned), np.sin(turned)], axis=-1) * (reach * steps)[..., None]
    pixels = np.round((ends - (x[0, 0], y[0, 0])) * _RESOLUTION * 8).astype(np.int32).transpose(1, 0, 2)
    # Few shades, many strokes a call, drawn over each other in several rounds.
    shades = generator.integers(60, 197, 96).tolist()
    for shade, strokes in zip(shades, np.array_split(np.ascontiguousarray(pixels), len(shades)), strict=True):
        cv2.polylines(pattern, list(strokes), False, shade, 2, cv2.LINE_AA, 3)
    return (pattern.astype(np.float32) - 128) / 128


def _fur(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    soft = _noise((y.size, x.size), 14, 14, generator)
    return 0.26 * _hairs(x, y, generator, 900, 0.1, 0.35) + 0.025 * soft


def _long_fur(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return 0.4 * _hairs(x, y, generator, 600, 0.2, 0.5) + 0.04 * _noise((y.size, x.size), 14, 14, generator)


def _plush(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    shape = (y.size, x.size)
    tufts = _noise(shape, 3.2, 3.2, generator) - _noise(shape, 6, 6, generator)
    return 0.035 * tufts + 0.09 * _hairs(x, y, generator, 900, 0.045, 2)


def _metal(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    shape = (y.size, x.size)
    brushed = 0.022 * _noise(shape, 40, 0.9, generator)
    scratches = 0.02 * _noise(shape, 18, 18, generator)
    # The room reflected: bands of light across the sheet.
    bands = 0.09 * np.sin(2.4 * x + 1.7 * y + 0.6) + 0.05 * np.sin(5.3 * x + 3.1 * y + 2)
    return (brushed + scratches + bands).astype(np.float32)


def _peel(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    shape = (y.size, x.size)
    pores = np.clip(_noise(shape, 2.6, 2.6, generator) - 1.1, 0, 1.5)
    lit = np.roll(pores, (3, 3), axis=(0, 1))
    return -0.2 * pores + 0.16 * lit + 0.02 * _noise(shape, 20, 20, generator)


def _wood(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    shape = (y.size, x.size)
    bent = x * 3.2 + 0.12 * _noise(shape, 14, 60, generator) + 0.5 * np.sin(0.9 * y + 0.4)
    rings = np.abs((bent * 1.6) % 2 - 1) ** 3
    fibres = _noise(shape, 0.9, 22, generator)
    return (0.04 - 0.13 * rings + 0.022 * fibres).astype(np.float32)


def _skin(x: np.ndarray, y: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    shape = (y.size, x.size)
    return 0.013 * _noise(shape, 2, 2, generator) + 0.014 * _noise(shape, 22, 22, generator)


_MAKERS = {
    "fur": _fur,
    "long_fur": _long_fur,
    "plush": _plush,
    "metal": _metal,
    "peel": _peel,
    "wood": _wood,
    "skin": _skin,
}
