"""Pictures of a posed face: what never changes is drawn once per character, the rest for every frame."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from charachbench.benchmark.toy import texture
from charachbench.benchmark.toy.backdrop import backdrop
from charachbench.benchmark.toy.canvas import Canvas, Sprite, ellipse, moved
from charachbench.benchmark.toy.costumes import COSTUMES
from charachbench.benchmark.toy.costumes.common import Drawing
from charachbench.benchmark.toy.expression import Expression
from charachbench.benchmark.toy.features import draw_brows, draw_eyes, draw_mouth, draw_nose, iris
from charachbench.benchmark.toy.identity import Identity
from charachbench.benchmark.toy.rig import Placement, pose

_OVERSAMPLING = 1.5
"""Sprites have this many pixels to one of the picture, so that moving them does not blur them."""
_BOX = (-2.3, -2.0, 2.3, 2.7)
_SKIN_BOX = (-1.45, -1.4, 1.45, 1.6)
_LIGHT = np.array([-0.42, -0.62, 0.66])


class Painter:
    """Renders one character at one size."""

    def __init__(self, identity: Identity, size: int) -> None:
        self.identity, self.size = identity, size
        costume = COSTUMES[identity.kind]
        self._costume = costume
        self._backdrop = backdrop(identity, size)
        self._skin = self._draw_skin()
        self._back, self._body, self._behind, self._front = (
            self._draw(drawing) for drawing in (costume.back, costume.body, costume.behind, costume.front)
        )
        self._iris = iris(identity)

    def _canvas(self, box: tuple[float, float, float, float]) -> Canvas:
        return Canvas(box, self.size * self.identity.shape.scale * _OVERSAMPLING)

    def _draw(self, drawing: Drawing) -> Sprite:
        canvas = self._canvas(_BOX)
        drawing(canvas, self.identity)
        return canvas.sprite()

    def _draw_skin(self) -> Sprite:
        """The skin at rest, shaded as the dome it lies on, reaching beyond the outline of the head."""
        import cv2

        identity, look, shape = self.identity, self.identity.look, self.identity.shape
        canvas = self._canvas(_SKIN_BOX)
        canvas.fill(np.array([(-9, -9), (9, -9), (9, 9), (-9, 9)]), look.skin)
        self._costume.markings(canvas, identity)
        texture.apply(canvas, look.texture, identity.seed)
        x, y = np.broadcast_arrays(*canvas.grid())
        height = cv2.GaussianBlur(shape.height(x, y), (0, 0), 0.05 * canvas.scale)
        down, right = np.gradient(height, 1 / canvas.scale)
        light = (_LIGHT[2] - right * _LIGHT[0] - down * _LIGHT[1]) / np.sqrt(1 + right**2 + down**2)
        head = canvas.mask(shape.outline(np.linspace(0, 2 * np.pi, 400, endpoint=False)))
        inside = (head.within(0, 0, *x.shape) > 0.5).astype(np.uint8)
        rim = np.exp(-cv2.distanceTransform(inside, cv2.DIST_L2, 3) / (0.13 * canvas.scale))
        shade = np.clip(1 + 0.42 * (light - _LIGHT[2]) - 0.17 * rim, 0.35, 1.3).astype(np.float32)
        # Shadows are warm: red fades least.
        for plane, power in zip(canvas.pixels, (0.75, 1.0, 1.05), strict=False):
            plane *= np.minimum(shade, 1) ** power
            plane += (255 - plane) * np.maximum(shade - 1, 0)
        if look.blush:
            for side in (-1, 1):
                at = (side * shape.eye_x * 1.38, (shape.eye_y + shape.mouth_y) / 2 + 0.06)
                canvas.fill(ellipse(*at, 0.2, 0.13), "#f0506a", 0.55 * look.blush, soft=0.07)
        self._costume.details(canvas, identity)
        return canvas.sprite()

    def draw(self, expression: Expression) -> tuple[np.ndarray, np.ndarray]:
        """The face under an expression; see ``render``."""
        look, shape, costume = self.identity.look, self.identity.shape, self._costume
        face = pose(shape, expression)
        place = face.placement
        canvas = self._backdrop.copy()
        damped = Expression(
            roll=0.15 * expression.roll, yaw=0.2 * expression.yaw,
            shift_x=0.4 * expression.shift_x, shift_y=0.35 * expression.shift_y,
        )  # fmt: skip
        canvas.stamp(self._back, place.plane(-0.25))
        head = np.concatenate([face.curves["jaw"], face.curves["crown"]])
        unit = shape.scale
        if self._body.pixels.any():
            canvas.stamp(self._body, Placement(shape, damped).plane(-0.1))
            canvas.fill(moved(head, 0.01, 0.09 * unit), "#1a1024", 0.34, soft=0.06 * unit)
        canvas.stamp(self._behind, place.plane(-0.08))
        mask = canvas.mask(head)
        canvas.drape(self._skin, head, place.locate, mask)
        rim = head if costume.bare else face.curves["jaw"]
        canvas.line(rim, 0.022 * unit, look.line, 0.7, closed=costume.bare)
        canvas.drape(self._front, place.skin(_frame(self._front)), place.locate)
        draw_eyes(canvas, face, self.identity, expression, self._iris)
        draw_nose(canvas, face, self.identity)
        draw_mouth(canvas, face, self.identity)
        draw_brows(canvas, face, self.identity)
        return canvas.image(), face.landmarks * self.size - 0.5


def _frame(sprite: Sprite) -> np.ndarray:
    """Points (n, 2) all around the edge of a sprite, in its own units."""
    corners = sprite.corners()
    steps = np.linspace(0, 1, 6, endpoint=False)[:, None]
    return np.concatenate([a + (b - a) * steps for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)])


@lru_cache(maxsize=32)
def painter(identity: Identity, size: int) -> Painter:
    """The painter of a character, kept because making one costs as much as many frames."""
    return Painter(identity, size)


def render(identity: Identity, expression: Expression, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a face.

    Returns:
        uint8 RGB (size, size, 3), and its 68 landmarks, float64 (68, 2), (x, y) in pixels with pixel centres at
        whole numbers: exact points of the curves that are drawn.
    """
    return painter(identity, size).draw(expression)
