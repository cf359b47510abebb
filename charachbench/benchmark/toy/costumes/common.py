"""What a costume is, and the shapes that several share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charachbench.benchmark.toy.canvas import Canvas, Paint, linear, mirror, mix, path
from charachbench.benchmark.toy.identity import Identity

Drawing = Callable[[Canvas, Identity], None]
WHITE, BLACK = "#ffffff", "#000000"


def nothing(canvas: Canvas, identity: Identity) -> None:
    """Draw nothing."""


@dataclass(frozen=True)
class Costume:
    """Drawings by where they go.

    Attributes:
        markings: on the skin, under its texture and shading.
        details: on the skin, over them.
        back: behind everything; moves with the head.
        body: below the head; follows it a little.
        behind: right behind the head, as ears are.
        front: on the head, as hair is; it may reach over the outline and follows the skin.
        bare: whether the upper outline of the head is seen, and gets a line.
    """

    markings: Drawing = nothing
    details: Drawing = nothing
    back: Drawing = nothing
    body: Drawing = nothing
    behind: Drawing = nothing
    front: Drawing = nothing
    bare: bool = True


def fill_pair(canvas: Canvas, points: np.ndarray, paint: Paint, opacity: float = 1, soft: float = 0) -> None:
    """The same shape on both sides."""
    canvas.fill(points, paint, opacity, soft=soft)
    canvas.fill(mirror(points), paint, opacity, soft=soft)


def gleam(canvas: Canvas, points: np.ndarray, opacity: float, soft: float = 0.02) -> None:
    """A soft spot of light."""
    canvas.fill(points, WHITE, opacity, soft=soft)


def tufted(points: np.ndarray, seed: int, length: float, spacing: float) -> np.ndarray:
    """A closed outline (n, 2) with locks of hair sticking out of it."""
    generator = np.random.default_rng([seed, 4])
    closed = np.concatenate([points, points[:1]])
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    count = max(int(along[-1] / spacing), 8)
    base = (np.arange(count) + generator.uniform(-0.25, 0.25, count)) * along[-1] / count
    places = np.sort(np.concatenate([base, base + along[-1] / count * 0.55]) % along[-1])
    ring = np.stack([np.interp(places, along, closed[:, axis]) for axis in (0, 1)], axis=-1)
    outward = ring - points.mean(0)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    sideways = np.stack([-outward[:, 1], outward[:, 0]], axis=-1)
    tip = np.arange(len(ring)) % 2 * generator.uniform(0.5, 1, len(ring)) * length
    return ring + outward * tip[:, None] + sideways * tip[:, None] * generator.normal(0, 0.4, (len(ring), 1))


def upper_head(identity: Identity, grow: float, low: float = 0.0) -> np.ndarray:
    """The outline of the head above ``low``, a little larger."""
    points = identity.shape.outline(np.linspace(0, -np.pi, 60))
    scaled = points * (1 + grow / identity.shape.width, 1 + grow / identity.shape.crown)
    return scaled[scaled[:, 1] <= low]


def torso(neck: float, top: float, shoulder: float, width: float, slope: float = 0.32) -> np.ndarray:
    """Neck and shoulders, running out of the picture below."""
    half = path(
        (neck, 0.2), (neck, 0.6), (neck, top), (neck + 0.02, top + 0.22), (neck + 0.3, shoulder),
        (width - 0.1, shoulder + slope * 0.5), (width, shoulder + slope + 0.25), (width + 0.1, 2.4), (width + 0.1, 3.2),
    )  # fmt: skip
    return np.concatenate([half, mirror(half)[::-1]])


def clothe(canvas: Canvas, points: np.ndarray, paint: str, top: float) -> None:
    """A garment with light from the upper left."""
    light, dark = mix(paint, WHITE, 0.14), mix(paint, "#101030", 0.42)
    canvas.fill(points, linear((-0.8, top), (0.9, top + 1.2), light, dark))
