"""Emoji, robot, fruit and wooden doll."""

from __future__ import annotations

import numpy as np

from charachbench.benchmark.toy import texture
from charachbench.benchmark.toy.canvas import Canvas, ellipse, linear, mirror, mix, moved, path, radial
from charachbench.benchmark.toy.costumes.common import BLACK, WHITE, Costume, clothe, gleam, torso
from charachbench.benchmark.toy.identity import Identity


def _emoji_markings(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    box = ellipse(0, 0, 2, 2)
    canvas.fill(box, radial((-0.25, -0.45), 2.3, mix(look.skin, look.second, 0.55), look.accent))


def _emoji_details(canvas: Canvas, identity: Identity) -> None:
    look, shape = identity.look, identity.shape
    gleam(canvas, ellipse(-0.1, -0.74 * shape.crown, 0.5, 0.14, -4), 0.5, 0.045)
    gleam(canvas, ellipse(-0.62, -0.52, 0.07, 0.14, 38), 0.55, 0.025)
    canvas.line(ellipse(0, 0, shape.width * 0.95, 0.95, 0, 100)[8:42], 0.05, look.second, 0.55, soft=0.04)


def _shadow(canvas: Canvas, identity: Identity) -> None:
    bottom = identity.shape.chin + 0.14
    canvas.fill(ellipse(0, bottom, 0.72, 0.07), "#20304a", 0.5, soft=0.05)


def _bolt(canvas: Canvas, x: float, y: float, radius: float, look_line: str, metal: str) -> None:
    canvas.fill(ellipse(x + radius * 0.2, y + radius * 0.3, radius * 1.1, radius * 1.1), look_line, 0.55, soft=0.012)
    canvas.fill(
        ellipse(x, y, radius, radius),
        radial((x - radius / 2, y - radius / 2), radius * 2, mix(metal, WHITE, 0.6), mix(metal, BLACK, 0.35)),
    )


def _robot_details(canvas: Canvas, identity: Identity) -> None:
    look, shape = identity.look, identity.shape
    light = mix(look.skin, WHITE, 0.5)
    seams = [
        path((-2, -0.78), (0, -0.82), (2, -0.78)),
        path((-2, 0.36), (-1.2, 0.36), (-0.62, 0.36), (-0.54, 0.3), (-0.5, 0.2)),
    ]
    seams.append(mirror(seams[1]))
    for points in seams:
        canvas.line(points, 0.028, look.line, 0.65)
        canvas.line(moved(points, 0, 0.024), 0.014, light, 0.6)
    for x, y in ((0.86, -0.66), (0.9, 0.24), (0.86, 0.74), (0.9, -0.2)):
        for side in (-1, 1):
            _bolt(canvas, side * x * shape.width, y, 0.042, look.line, look.skin)
    for side in (-1, 1):
        x, y = side * shape.eye_x, shape.eye_y
        width = shape.eye_width + 0.085
        canvas.fill(ellipse(x + 0.02, y + 0.04, width, width), look.line, 0.5, soft=0.03)
        canvas.fill(
            ellipse(x, y, width, width),
            linear((x - width, y - width), (x + width, y + width), light, mix(look.skin, look.line, 0.75)),
        )
        canvas.fill(ellipse(x, y, width - 0.05, width - 0.05), mix(look.skin, look.line, 0.55))
        for step in range(3):
            canvas.fill(ellipse(side * (0.62 + 0.07 * step), 0.52 + 0.0 * step, 0.018, 0.07), look.line, 0.6)
    for x in (-0.24, -0.12, 0.0, 0.12, 0.24):
        canvas.line(np.array([(x, -0.95), (x, -0.87)]), 0.03, look.line, 0.5)


def _robot_behind(canvas: Canvas, identity: Identity) -> None:
    look, shape = identity.look, identity.shape
    metal, dark = mix(look.skin, WHITE, 0.3), mix(look.skin, look.line, 0.7)
    top = -shape.crown
    canvas.fill(
        path(
            (-0.03, top + 0.2),
            (-0.025, top - 0.1),
            (-0.02, top - 0.34),
            (0.02, top - 0.34),
            (0.02, top - 0.34),
            (0.025, top),
            (0.03, top + 0.2),
        ),
        linear((-0.03, 0), (0.03, 0), metal, dark),
    )
    canvas.fill(
        path((-0.22, top + 0.1), (-0.18, top - 0.1), (0, top - 0.1), (0.18, top - 0.1), (0.22, top + 0.1)),
        linear((-0.2, 0), (0.22, 0), metal, dark),
    )
    canvas.fill(ellipse(0, top - 0.4, 0.22, 0.22), look.accent, 0.35, soft=0.09)
    canvas.fill(
        ellipse(0, top - 0.4, 0.1, 0.1), radial((-0.03, top - 0.44), 0.16, mix(look.accent, WHITE, 0.7), look.accent)
    )
    for side in (-1, 1):
        edge = side * (shape.width - 0.05)
        ear = np.array([(edge, -0.32), (edge + side * 0.2, -0.28), (edge + side * 0.2, 0.2), (edge, 0.24)])
        canvas.fill(ear, linear((0, -0.32), (0, 0.24), metal, dark))
        cap = ellipse(edge + side * 0.22, -0.04, 0.1, 0.2)
        canvas.fill(cap, linear((0, -0.26), (0, 0.18), mix(look.accent, WHITE, 0.35), mix(look.accent, BLACK, 0.35)))


def _robot_body(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    light, dark = mix(look.cloth, WHITE, 0.3), mix(look.line, BLACK, 0.2)
    for y in np.arange(0.7, 1.4, 0.1):
        ring = path(
            (-0.34, y),
            (-0.4, y + 0.05),
            (-0.34, y + 0.1),
            (0, y + 0.16),
            (0.34, y + 0.1),
            (0.4, y + 0.05),
            (0.34, y),
            (0, y + 0.06),
            (-0.34, y),
        )
        canvas.fill(moved(ring, 0, 0.01), linear((-0.38, 0), (0.42, 0), light, dark))
        canvas.line(path((-0.36, y + 0.1), (0, y + 0.16), (0.36, y + 0.1)), 0.025, dark, 0.8)
    half = path(
        (0, 1.36),
        (0.5, 1.36),
        (0.62, 1.4),
        (1.2, 1.44),
        (1.36, 1.6),
        (1.46, 1.75),
        (1.46, 2.1),
        (1.46, 2.4),
        (1.46, 3.2),
    )
    torso = np.concatenate([half, mirror(half)[::-1]])
    canvas.fill(torso, linear((-1.2, 1.3), (1.2, 2.2), light, mix(look.cloth, look.line, 0.6)))
    texture.apply(canvas, "metal", identity.seed)
    canvas.line(half[:80], 0.03, mix(look.cloth, WHITE, 0.6), 0.5)
    canvas.line(mirror(half[:80]), 0.03, mix(look.cloth, WHITE, 0.6), 0.6)
    panel = path(
        (-0.5, 1.6),
        (-0.5, 1.55),
        (-0.44, 1.55),
        (0, 1.55),
        (0.44, 1.55),
        (0.5, 1.55),
        (0.5, 1.6),
        (0.5, 2),
        (0.5, 2.6),
        (0, 2.6),
        (-0.5, 2.6),
        (-0.5, 2),
        (-0.5, 1.6),
    )
    canvas.line(panel, 0.028, look.line, 0.6, closed=True)
    for index, paint in enumerate((look.accent, look.second, "#6fd08a")):
        x = -0.24 + 0.24 * index
        canvas.fill(ellipse(x, 1.7, 0.1, 0.1), paint, 0.3, soft=0.04)
        _bolt(canvas, x, 1.7, 0.065, look.line, paint)
    for x in (0.75, 1.1):
        for side in (-1, 1):
            _bolt(canvas, side * x, 1.62, 0.045, look.line, look.cloth)


def _fruit_markings(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    canvas.fill(
        ellipse(0, 0, 2, 2), radial((-0.3, -0.4), 1.8, mix(look.skin, "#fff2a8", 0.25), mix(look.skin, look.line, 0.3))
    )
    canvas.fill(ellipse(0, -0.98, 0.34, 0.16), mix(look.skin, look.accent, 0.55), 0.6, soft=0.07)


def _fruit_details(canvas: Canvas, identity: Identity) -> None:
    gleam(canvas, ellipse(-0.52 * identity.shape.width, -0.5, 0.16, 0.09, -42), 0.55, 0.035)
    gleam(canvas, ellipse(-0.72, -0.24, 0.045, 0.07, 20), 0.5, 0.018)


def _fruit_behind(canvas: Canvas, identity: Identity) -> None:
    look, top = identity.look, -identity.shape.crown
    canvas.fill(
        path(
            (-0.08, top + 0.2),
            (-0.06, top - 0.1),
            (0.06, top - 0.26),
            (0.14, top - 0.3),
            (0.18, top - 0.22),
            (0.06, top - 0.1),
            (0.08, top + 0.2),
        ),
        linear((-0.06, 0), (0.12, 0), mix(look.second, WHITE, 0.25), mix(look.second, BLACK, 0.3)),
    )
    for tip, bend in (((0.86, -0.3), (0.5, -0.44)), ((-0.62, -0.22), (-0.36, -0.36))):
        end = (tip[0], top + tip[1])
        low = (tip[0] * 0.6, top + 0.06)
        leaf = path((0.03, top + 0.02), (bend[0], top + bend[1]), end, low, (0.03, top + 0.02))
        canvas.fill(
            leaf,
            linear(
                (0, top - 0.35), (0, top + 0.05), mix(look.accent, "#f4ffb0", 0.35), mix(look.accent, "#06301c", 0.35)
            ),
        )
        vein = path((0.03, top + 0.02), ((bend[0] + low[0]) / 2, (top + bend[1] + low[1]) / 2), end)
        canvas.line(vein, 0.018, mix(look.accent, "#f4ffb0", 0.6), 0.8)


def _doll_hairline() -> np.ndarray:
    return path(
        (-1.3, 0.3),
        (-0.9, 0.1),
        (-0.86, -0.2),
        (-0.7, -0.62),
        (0, -0.66),
        (0, -0.66),
        (0, -0.66),
        (0.7, -0.62),
        (0.86, -0.2),
        (0.9, 0.1),
        (1.3, 0.3),
    )


def _doll_markings(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    line = _doll_hairline()
    hair = np.concatenate([line, np.array([(1.5, -2), (-1.5, -2)])])
    canvas.fill(hair, linear((-0.6, -1.1), (0.6, -0.1), mix(look.hair, WHITE, 0.16), look.hair))


def _doll_details(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    line = _doll_hairline()
    canvas.line(line, 0.02, mix(look.hair, BLACK, 0.4), 0.6)
    gleam(canvas, ellipse(-0.46, -0.82, 0.24, 0.05, -24), 0.5, 0.025)
    for x in (-0.62, 0.62):
        for step in range(3):
            y = -0.95 + 0.1 * step
            canvas.line(
                path((0, -1.1), (x * 0.5, y - 0.1), (x * 1.3, y + 0.35)), 0.012, mix(look.hair, WHITE, 0.3), 0.35
            )
    band = path((-1.2, -0.42), (-0.6, -0.8), (0, -0.8), (0.6, -0.8), (1.2, -0.42))
    canvas.line(moved(band, 0, 0.03), 0.1, BLACK, 0.3, soft=0.02)
    canvas.line(band, 0.1, look.accent)
    canvas.line(moved(band, 0, -0.025), 0.025, mix(look.accent, WHITE, 0.5), 0.7)
    for x in (-0.08, 0.0, 0.08):
        canvas.fill(ellipse(0.5 + x, -0.7 + x * 0.4, 0.035, 0.035), look.second)
    for dx, dy in (
        (0.09, 0),
        (-0.09, 0),
        (0, 0.09),
        (0, -0.09),
        (0.065, 0.065),
        (-0.065, 0.065),
        (0.065, -0.065),
        (-0.065, -0.065),
    ):
        canvas.fill(ellipse(0.5 + dx, -0.7 + dy, 0.05, 0.05), mix(look.second, WHITE, 0.5))
    canvas.fill(ellipse(0.5, -0.7, 0.055, 0.055), look.second)


def _doll_behind(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    for side in (-1, 1):
        bun = ellipse(side * 1.02, -0.5, 0.3, 0.3)
        canvas.fill(
            bun, radial((side * 1.02 - 0.1, -0.6), 0.5, mix(look.hair, WHITE, 0.25), mix(look.hair, BLACK, 0.25))
        )
        canvas.fill(ellipse(side * 0.9, -0.42, 0.09, 0.13, 30 * side), look.accent)
    texture.apply(canvas, "wood", identity.seed, 0.5)


def _doll_body(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    canvas.fill(
        torso(0.3, 1.15, 1.3, 0.5),
        linear((-0.3, 0), (0.35, 0), mix(look.skin, WHITE, 0.1), mix(look.skin, look.line, 0.6)),
    )
    half = path(
        (0, 1.34),
        (0.28, 1.34),
        (0.34, 1.26),
        (0.8, 1.34),
        (1.0, 1.66),
        (1.14, 1.95),
        (1.16, 2.3),
        (1.18, 2.6),
        (1.18, 3.2),
    )
    dress = np.concatenate([half, mirror(half)[::-1]])
    clothe(canvas, dress, look.cloth, 1.2)
    texture.apply(canvas, "wood", identity.seed, 0.7)
    frame = canvas.mask(dress)
    for row, y in enumerate(np.arange(1.62, 2.6, 0.2)):
        for x in np.arange(-1.3, 1.31, 0.26):
            canvas.fill(ellipse(x + 0.13 * (row % 2), y, 0.045, 0.045), look.second, 0.95, frame)
    for x in np.linspace(-0.48, 0.48, 7):
        canvas.fill(
            ellipse(x, 1.36 + 0.1 * (1 - (x / 0.5) ** 2), 0.1, 0.09),
            radial((x - 0.03, 1.36), 0.16, "#fffaf0", "#d9c8b4"),
        )
    canvas.line(path((-0.29, 1.12), (0, 1.2), (0.29, 1.12)), 0.03, look.line, 0.7)


EMOJI = Costume(_emoji_markings, _emoji_details, back=_shadow)
ROBOT = Costume(details=_robot_details, body=_robot_body, behind=_robot_behind)
FRUIT = Costume(_fruit_markings, _fruit_details, back=_shadow, behind=_fruit_behind)
DOLL = Costume(_doll_markings, _doll_details, body=_doll_body, behind=_doll_behind)
