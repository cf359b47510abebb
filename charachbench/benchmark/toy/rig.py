"""The rig: from proportions and an expression to the curves of a face, which the 68 landmarks are points of.

A head is a shallow dome over the plane of its outline. All of the face lies on the dome, the skin's texture too, so
turning the head moves everything in one smooth warp of the image: nothing slides against anything and no gap can open.
Head units: x right, y down, z to the viewer, about half the width of the head. Image units: 0..1 across the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from charachbench.benchmark.toy.canvas import mirror
from charachbench.benchmark.toy.expression import NEUTRAL, Expression


@dataclass(frozen=True)
class Shape:
    """Proportions of a head, in head units unless said otherwise.

    Attributes:
        scale: one head unit, as a share of the picture's side.
        centre: of the head, in image units.
        width, crown, chin: how far the outline reaches sideways, up and down from the centre.
        squareness, jaw_squareness: exponents of the outline's upper and lower half, 2 an ellipse, larger a box.
        crown_taper, taper: narrowing towards the crown and the chin, 0..1.
        cheek, cheek_y: a bulge of the outline, and its height.
        depth: of the dome.
        pivot: y of the base of the neck, about which the head tilts.
        eye_x, eye_y: of the centre of the eye; eye_width is half of it, eye_top and eye_bottom its two heights.
        eye_roundness: exponent of the lids, 0.5 an ellipse, 1 a parabola.
        eye_slant: how much higher the outer corner is.
        brow_x, brow_y, brow_length, brow_arch, brow_slant: brow_length is half of it.
        nose_top, nose_tip, nose_base, nose_width, nose_lift: nose_width is half of it; nose_lift is its height.
        mouth_y, mouth_width, mouth_bend: mouth_width is half of it; mouth_bend is the smile at rest.
        lip_upper, lip_lower: thickness.
        gape: how far the lips part when the jaw is open; chin_drop is how far the chin goes.
        muzzle_y, muzzle_width, muzzle_height, muzzle_depth: a bulge of the dome.
    """

    scale: float = 0.29
    centre: tuple[float, float] = (0.5, 0.5)
    width: float = 1.0
    crown: float = 1.15
    chin: float = 1.1
    squareness: float = 2.2
    jaw_squareness: float = 2.2
    crown_taper: float = 0.0
    taper: float = 0.2
    cheek: float = 0.0
    cheek_y: float = 0.3
    depth: float = 0.55
    pivot: float = 1.3
    eye_x: float = 0.4
    eye_y: float = -0.06
    eye_width: float = 0.2
    eye_top: float = 0.13
    eye_bottom: float = 0.09
    eye_roundness: float = 0.75
    eye_slant: float = 0.02
    brow_x: float = 0.41
    brow_y: float = -0.36
    brow_length: float = 0.24
    brow_arch: float = 0.07
    brow_slant: float = 0.02
    nose_top: float = -0.08
    nose_tip: float = 0.3
    nose_base: float = 0.37
    nose_width: float = 0.15
    nose_lift: float = 0.18
    mouth_y: float = 0.66
    mouth_width: float = 0.34
    mouth_bend: float = 0.04
    lip_upper: float = 0.06
    lip_lower: float = 0.08
    gape: float = 0.36
    chin_drop: float = 0.17
    muzzle_y: float = 0.5
    muzzle_width: float = 0.4
    muzzle_height: float = 0.35
    muzzle_depth: float = 0.0

    def outline(self, angle: np.ndarray) -> np.ndarray:
        """Points (n, 2) of the outline of the head at rest; angle 0 is right, a quarter turn is the chin."""
        cosine, sine = np.cos(angle), np.sin(angle)
        below = sine > 0
        power = 2 / np.where(below, self.jaw_squareness, self.squareness)
        height = np.abs(sine) ** power
        narrowing = 1 - np.where(below, self.taper, self.crown_taper) * height**1.5
        x = np.sign(cosine) * self.width * np.abs(cosine) ** power * narrowing
        y = np.where(below, self.chin, -self.crown) * height
        # The bulge fades towards the middle, so that the outline has no corner at the chin.
        bulge = self.cheek * np.exp(-(((y - self.cheek_y) / 0.32) ** 2)) * np.tanh(3 * x)
        return np.stack([x + bulge, y], axis=-1)

    def height(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height z of the skin: the dome, which is 0 at the outline, and the muzzle."""
        reach = np.where(y > 0, self.chin, self.crown)
        z = self.depth * np.maximum(1 - (x / self.width) ** 2 - (y / reach) ** 2, 0)
        if self.muzzle_depth:
            bulge = (x / self.muzzle_width) ** 2 + ((y - self.muzzle_y) / self.muzzle_height) ** 2
            z = z + self.muzzle_depth * np.exp(-1.5 * bulge)
        return z


class Placement:
    """Where a head's points go in the picture, under the head pose and the jaw of an expression."""

    def __init__(self, shape: Shape, expression: Expression) -> None:
        self.shape, self.expression = shape, expression
        yaw, pitch, roll = np.deg2rad([expression.yaw, expression.pitch, expression.roll])
        self._yaw, self._pitch = (np.cos(yaw), np.sin(yaw)), (np.cos(pitch), np.sin(pitch))
        self._roll = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        self._pivot = np.array([0, shape.pivot])
        self._shift = self._pivot + np.array([expression.shift_x, expression.shift_y])

    def _dropped(self, y: np.ndarray) -> np.ndarray:
        """How far the jaw pulls the skin at height y down."""
        shape = self.shape
        if not self.expression.jaw:
            return np.zeros_like(y)
        share = np.minimum(np.maximum((y - shape.mouth_y) / (0.75 * (shape.chin - shape.mouth_y)), 0), 1)
        return self.expression.jaw * shape.chin_drop * share * share * (3 - 2 * share)

    def skin(self, points: np.ndarray, lift: float | np.ndarray = 0.0) -> np.ndarray:
        """Image units (n, 2) of points of the skin at rest, which the jaw moves; ``lift`` is a height above it."""
        moved = np.stack([points[..., 0], points[..., 1] + self._dropped(points[..., 1])], axis=-1)
        return self._turn(moved, self.shape.height(points[..., 0], points[..., 1]) + lift)

    def feature(self, points: np.ndarray, lift: float | np.ndarray = 0.0) -> np.ndarray:
        """Image units (n, 2) of points that are already where the expression puts them on the dome."""
        return self._turn(points, self.shape.height(points[..., 0], points[..., 1]) + lift)

    def _turn(self, points: np.ndarray, z: np.ndarray) -> np.ndarray:
        x, y = points[..., 0], points[..., 1]
        (cosine, sine), (cosine_pitch, sine_pitch) = self._yaw, self._pitch
        turned = np.stack([x * cosine + z * sine, y * cosine_pitch + (z * cosine - x * sine) * sine_pitch], axis=-1)
        return self._place((turned - self._pivot) @ self._roll.T + self._shift)

    def _place(self, points: np.ndarray) -> np.ndarray:
        return points * self.shape.scale + self.shape.centre

    def locate(self, points: np.ndarray) -> np.ndarray:
        """The points of the skin at rest (n, 2) that ``skin`` takes to ``points``: its inverse, by iteration."""
        target = ((points - np.array(self.shape.centre)) / self.shape.scale - self._shift) @ self._roll + self._pivot
        (cosine, sine), (cosine_pitch, sine_pitch) = self._yaw, self._pitch
        x, y = goal_x, goal_y = target.T
        for _ in range(10):
            z = self.shape.height(x, y)
            dropped = self._dropped(y)
            x = (goal_x - z * sine) / cosine
            y = (goal_y - (z * cosine - x * sine) * sine_pitch) / cosine_pitch - dropped
        return np.stack([x, y], axis=-1)

    def plane(self, depth: float, origin: tuple[float, float] = (0, 0), scale: float = 1) -> np.ndarray:
        """(2, 3), what happens to a flat thing at a depth: from units of ``scale`` at ``origin`` to image units."""
        corners = np.array([(0.0, 0.0), (scale, 0.0), (0.0, scale)]) + origin
        centre, right, down = self._turn(corners, np.full(3, depth))
        return np.stack([right - centre, down - centre, centre], axis=-1)


@dataclass(frozen=True)
class Pose:
    """A posed face.

    Attributes:
        landmarks: float64 (68, 2), in image units, each a point of one of the curves.
        curves: by name, float64 (n, 2) in image units: ``jaw`` (0-16), ``crown`` (closes the outline),
            ``left_brow``, ``right_brow``, ``bridge``, ``nostrils``, ``lips`` and ``mouth`` (outer and inner contour),
            and for each eye ``left_upper_lid``, ``left_lower_lid`` (both from corner to corner, left to right).
        placement: where further things on the head go.
    """

    landmarks: np.ndarray
    curves: dict[str, np.ndarray]
    placement: Placement


@lru_cache
def _samples(marks: tuple[float, ...], count: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Places on -1..1, dense towards both ends and with all ``marks`` among them, and the indices of the marks."""
    values = np.union1d(np.sin(np.linspace(-np.pi / 2, np.pi / 2, count + 1)), np.array(marks))
    return values, np.searchsorted(values, np.array(marks))


_FIFTHS = (-1, -0.5, 0, 0.5, 1)


def _hill(t: np.ndarray, power: float) -> np.ndarray:
    """1 in the middle of -1..1, 0 at its ends."""
    return np.maximum(1 - t * t, 0) ** power


@lru_cache
def _outline(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Jaw (97, 2), from temple to temple in steps of equal length, and crown (64, 2), at rest."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 2001)
    temple = np.interp(shape.eye_y, shape.outline(angle)[:, 1], angle)
    angle = np.linspace(np.pi / 2, temple, 1001)
    steps = np.linalg.norm(np.diff(shape.outline(angle), axis=0), axis=1)
    length = np.concatenate([[0], np.cumsum(steps)])
    right = shape.outline(np.interp(np.linspace(0, length[-1], 49), length, angle))
    right[0, 0] = 0  # not the rounding error of a cosine, raised to a small power
    crown = shape.outline(np.linspace(temple, -np.pi - temple, 66)[1:-1])
    return np.concatenate([mirror(right[:0:-1]), right]), crown


def _eye(shape: Shape, expression: Expression, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upper lid, lower lid (n, 2), left to right, and the indices of corner, two marks, corner; head units."""
    t, marks = _samples((-1, -0.36, 0.36, 1))
    blink = np.clip(expression.blink_left if side < 0 else expression.blink_right, 0, 1)
    smile = max(expression.smile, 0)
    curve = _hill(t, shape.eye_roundness)
    # Raised brows open the eyes a little, a smile pushes the lower lid up.
    top = -shape.eye_top * (1 + 0.12 * expression.brow_raise - 0.12 * expression.brow_frown) * curve
    bottom = shape.eye_bottom * (1 - 0.35 * smile) * curve
    shut = shape.eye_bottom * 0.55 * curve
    slant = -shape.eye_slant * t * side
    x = side * shape.eye_x + shape.eye_width * t
    lids = (top + (shut - top) * blink, bottom + (shut - bottom) * blink)
    upper, lower = (np.stack([x, shape.eye_y + slant + lid], axis=-1) for lid in lids)
    return upper, lower, marks


def eye_contour(shape: Shape, side: int) -> np.ndarray:
    """The contour (n, 2) of an eye that is open, in head units; ``side`` is -1 left or 1 right."""
    upper, lower, _ = _eye(shape, NEUTRAL, side)
    return np.concatenate([upper, lower[-2:0:-1]])


def _brow(shape: Shape, expression: Expression, side: int) -> tuple[np.ndarray, np.ndarray]:
    t, marks = _samples(_FIFTHS)
    outward = t * side
    inner = np.clip((1 - outward) / 2, 0, 1) ** 1.5
    x = side * shape.brow_x + shape.brow_length * t - side * 0.05 * expression.brow_frown * inner
    y = shape.brow_y - shape.brow_arch * _hill(t, 1) * (1 + 0.4 * expression.brow_raise) - shape.brow_slant * outward
    return np.stack([x, y - 0.17 * expression.brow_raise + 0.13 * expression.brow_frown * inner], axis=-1), marks


def _nose(shape: Shape) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Bridge (4, 2) and nostrils (n, 2) in head units, the height of the bridge (4,), and the marks of the nostrils."""
    down = np.linspace(0, 1, 4)
    bridge = np.stack([0 * down, shape.nose_top + (shape.nose_tip - shape.nose_top) * down], axis=-1)
    t, marks = _samples(_FIFTHS, 16)
    base = shape.nose_base - 0.3 * shape.nose_width * (1 - _hill(t, 0.8))
    return bridge, np.stack([shape.nose_width * t, base], axis=-1), shape.nose_lift * down, marks


def _mouth(shape: Shape, expression: Expression) -> list[tuple[np.ndarray, np.ndarray]]:
    """Outer upper, outer lower, inner upper and inner lower lip line (n, 2), left to right, with marks; head units."""
    wide, tight = max(expression.stretch, 0), max(-expression.stretch, 0)
    half = shape.mouth_width * (1 + 0.2 * wide - 0.42 * tight + 0.16 * expression.smile)
    bend = shape.mouth_bend * (1 - 0.6 * tight) + 0.15 * expression.smile
    opening = shape.gape * expression.jaw * (1 - 0.2 * wide)
    power, thick = 0.62 - 0.12 * tight, 1 + 0.25 * tight - 0.15 * wide

    def line(
        marks: tuple[float, ...], inside: float, parting: float, lip: float, dip: float
    ) -> tuple[np.ndarray, np.ndarray]:
        t, indices = _samples(marks)
        y = shape.mouth_y + bend * (0.6 - (inside * t) ** 2) + parting * opening * _hill(t, power)
        y = y + lip * thick * _hill(t, 0.7) * (1 - dip * np.exp(-((t / 0.18) ** 2)))
        return np.stack([half * inside * t, y], axis=-1), indices

    return [
        line((-1, -0.64, -0.28, 0, 0.28, 0.64, 1), 1, -0.22, -shape.lip_upper, 0.22),
        line((-1, -0.66, -0.33, 0, 0.33, 0.66, 1), 1, 0.78, shape.lip_lower, 0),
        line((-1, -0.4, 0, 0.4, 1), 0.9, -0.22, 0, 0),
        line((-1, -0.4, 0, 0.4, 1), 0.9, 0.78, 0, 0),
    ]


def pose(shape: Shape, expression: Expression) -> Pose:
    """Pose a face; see ``Pose``."""
    placement = Placement(shape, expression)
    curves: dict[str, np.ndarray] = {}
    marked: list[np.ndarray] = []

    def keep(name: str, points: np.ndarray, marks: np.ndarray | slice) -> None:
        curves[name] = points
        marked.append(points[marks])

    jaw, crown = _outline(shape)
    keep("jaw", placement.skin(jaw), slice(None, None, 6))
    curves["crown"] = placement.skin(crown)
    for name, side in (("left_brow", -1), ("right_brow", 1)):
        points, marks = _brow(shape, expression, side)
        keep(name, placement.feature(points, 0.02), marks)
    bridge, nostrils, height, marks = _nose(shape)
    keep("bridge", placement.feature(bridge, height), slice(None))
    keep("nostrils", placement.feature(nostrils, 0.5 * shape.nose_lift), marks)
    for name, side in (("left", -1), ("right", 1)):
        upper, lower, marks = _eye(shape, expression, side)
        keep(f"{name}_upper_lid", placement.feature(upper), marks)
        keep(f"{name}_lower_lid", placement.feature(lower), marks[2:0:-1])
    over, under, inner_over, inner_under = _mouth(shape, expression)
    for name, (top, first), (bottom, second) in (("lips", over, under), ("mouth", inner_over, inner_under)):
        contour = placement.feature(np.concatenate([top, bottom[-2:0:-1]]), 0.03)
        keep(name, contour, np.concatenate([first, len(top) + len(bottom) - 2 - second[-2:0:-1]]))
    return Pose(np.concatenate(marked), curves, placement)
