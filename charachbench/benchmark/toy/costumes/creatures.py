"""Fox, teddy bear and monster."""

from __future__ import annotations

import numpy as np

from charachbench.benchmark.toy import texture
from charachbench.benchmark.toy.canvas import Canvas, Paint, ellipse, linear, mirror, mix, moved, path, radial
from charachbench.benchmark.toy.costumes.common import (
    BLACK,
    WHITE,
    Costume,
    clothe,
    fill_pair,
    torso,
    tufted,
    upper_head,
)
from charachbench.benchmark.toy.identity import Identity


def _fox_markings(canvas: Canvas, identity: Identity) -> None:
    look, shape = identity.look, identity.shape
    canvas.fill(ellipse(0, -0.75, 0.5, 0.6), mix(look.skin, look.second, 0.25), 0.6, soft=0.14)
    cheek = path((1.5, -0.02), (0.95, 0.06), (0.72, 0.24), (0.5, 0.32), (0.28, 0.3), (0.14, 0.26), (0.0, 0.3),
                 (0.0, 0.9), (0, 1.7), (0.9, 1.7), (1.6, 1.4), (1.6, 0.6), (1.5, -0.02))  # fmt: skip
    fill_pair(canvas, cheek, look.accent, soft=0.025)
    fill_pair(
        canvas, ellipse(shape.eye_x + 0.02, shape.brow_y - 0.02, 0.17, 0.1), mix(look.skin, look.accent, 0.6), 0.7, 0.05
    )
    line = path((0.0, 0.24), (0.13, 0.02), (0.07, -0.25), (0.03, -0.4), (0, -0.42))
    fill_pair(canvas, line, mix(look.skin, look.second, 0.18), 0.7, 0.03)


def _fox_details(canvas: Canvas, identity: Identity) -> None:
    look, shape = identity.look, identity.shape
    for x, y in ((0.24, 0.56), (0.33, 0.6), (0.28, 0.65)):
        fill_pair(canvas, ellipse(x, y, 0.016, 0.016), look.second, 0.7, 0.004)
    canvas.line(path((0, shape.nose_base), (0, 0.55), (0, shape.mouth_y - 0.01)), 0.025, look.line, 0.6)


def _fox_behind(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    ear = path((0.28, -0.62), (0.5, -1.2), (0.86, -1.42), (0.98, -1.44), (1.02, -1.3), (1.14, -0.8), (0.98, -0.3),
               (0.6, -0.3), (0.28, -0.62))  # fmt: skip
    outer = tufted(ear, identity.seed, 0.035, 0.07)
    fill_pair(canvas, outer, linear((0, -0.5), (0, -1.0), look.skin, mix(look.skin, look.second, 0.1)))
    tip = path((0.56, -1.1), (0.82, -1.42), (0.98, -1.46), (1.05, -1.3), (1.1, -1.0), (0.85, -0.98), (0.56, -1.1))
    fill_pair(canvas, tip, look.second, 0.95, 0.03)
    inner = path((0.46, -0.66), (0.62, -1.05), (0.9, -1.25), (1.0, -0.85), (0.9, -0.5), (0.66, -0.5), (0.46, -0.66))
    fill_pair(canvas, inner, mix(look.accent, look.skin, 0.25), 1, 0.03)
    fill_pair(canvas, moved(0.9 * inner, 0.08, -0.04), mix(look.second, look.skin, 0.35), 0.55, 0.05)
    ruff = tufted(upper_head(identity, 0.01, 0.2), identity.seed, 0.06, 0.09)
    canvas.fill(ruff, look.skin)
    texture.apply(canvas, look.texture, identity.seed)


def _fox_body(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    clothe(canvas, tufted(torso(0.72, 1.0, 1.2, 1.08), identity.seed, 0.05, 0.09), look.skin, 0.6)
    bib = tufted(ellipse(0, 1.55, 0.55, 0.8), identity.seed, 0.07, 0.1)
    canvas.fill(bib, look.accent, soft=0.01)
    texture.apply(canvas, look.texture, identity.seed)
    _scarf(canvas, look.cloth)


def _scarf(canvas: Canvas, paint: str) -> None:
    dark, light = mix(paint, "#101030", 0.35), mix(paint, WHITE, 0.18)
    tail = path((0.3, 1.2), (0.62, 1.45), (0.62, 1.95), (0.45, 2.02), (0.28, 1.98), (0.3, 1.5), (0.12, 1.22))
    canvas.fill(tail, linear((0.2, 1.2), (0.65, 1.9), light, dark))
    for y in (1.6, 1.7):
        canvas.line(path((0.3, y), (0.45, y + 0.06), (0.6, y)), 0.035, mix(paint, WHITE, 0.55))
    wrap = path((-0.78, 0.86), (-0.84, 1.12), (-0.66, 1.2), (0.0, 1.5), (0.66, 1.2), (0.84, 1.12), (0.78, 0.86),
                (0.0, 1.12), (-0.78, 0.86))  # fmt: skip
    canvas.fill(wrap, linear((-0.7, 0.9), (0.5, 1.5), light, dark))
    for shift in (0.1, 0.2):
        fold = path((-0.74, 0.9 + shift), (0.0, 1.19 + shift * 1.1), (0.74, 0.9 + shift))
        canvas.line(fold, 0.022, dark, 0.5, soft=0.008)
    canvas.fill(ellipse(0.27, 1.24, 0.15, 0.13, 20), linear((0.15, 1.1), (0.4, 1.35), light, dark))


def _teddy_markings(canvas: Canvas, identity: Identity) -> None:
    look, shape = identity.look, identity.shape
    if look.patches:
        fill_pair(canvas, ellipse(shape.eye_x + 0.02, shape.eye_y + 0.03, 0.25, 0.3, 25), look.second, soft=0.02)
    canvas.fill(_muzzle(identity), look.accent, soft=0.012)


def _muzzle(identity: Identity) -> np.ndarray:
    shape = identity.shape
    return ellipse(0, shape.muzzle_y + 0.02, shape.muzzle_width, shape.muzzle_height)


def _stitches(canvas: Canvas, points: np.ndarray, paint: Paint, length: float = 0.05) -> None:
    """A seam along a line and the thread across it."""
    canvas.line(points, 0.016, paint, 0.55)
    steps = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    along = np.gradient(points, axis=0)
    for place in np.arange(length, steps[-1], 2 * length):
        x, y, dx, dy = (float(np.interp(place, steps, part)) for part in (*points.T, *along.T))
        across = np.array([-dy, dx]) / max(float(np.hypot(dx, dy)), 1e-9) * length * 0.55
        canvas.line(np.array([x, y]) + np.stack([-across, across]), 0.02, paint, 0.75)


def _teddy_details(canvas: Canvas, identity: Identity) -> None:
    look, shape = identity.look, identity.shape
    _stitches(canvas, path((0, -1.5), (0.02, -0.9), (0, shape.muzzle_y - shape.muzzle_height)), look.line)
    canvas.line(_muzzle(identity), 0.018, look.line, 0.35, soft=0.006, closed=True)
    canvas.line(path((0, shape.nose_base), (0, 0.5), (0, shape.mouth_y + 0.03)), 0.03, look.line, 0.85)


def _teddy_behind(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    outer = look.second if look.patches else look.skin
    fill_pair(
        canvas,
        ellipse(0.82, -0.78, 0.42, 0.42),
        radial((0.7, -0.9), 0.75, mix(outer, WHITE, 0.1), mix(outer, BLACK, 0.3)),
    )
    canvas.fill(
        ellipse(-0.82, -0.78, 0.42, 0.42), radial((-0.94, -0.9), 0.75, mix(outer, WHITE, 0.12), mix(outer, BLACK, 0.28))
    )
    inner = mix(look.second, WHITE, 0.25) if look.patches else look.accent
    fill_pair(canvas, ellipse(0.82, -0.76, 0.26, 0.26), mix(inner, outer, 0.2), soft=0.015)
    texture.apply(canvas, look.texture, identity.seed)


def _teddy_body(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    fur = look.second if look.patches else look.skin
    clothe(canvas, torso(0.55, 0.95, 1.15, 1.1, 0.5), fur, 0.6)
    canvas.fill(ellipse(0, 2.0, 0.62, 0.75), look.accent, 0.9, soft=0.03)
    texture.apply(canvas, look.texture, identity.seed)
    paint, light, dark = look.cloth, mix(look.cloth, WHITE, 0.25), mix(look.cloth, "#200018", 0.4)
    wing = path((0.04, 1.2), (0.3, 0.98), (0.58, 1.0), (0.66, 1.24), (0.58, 1.46), (0.3, 1.44), (0.04, 1.24))
    canvas.fill(wing, linear((0, 1.0), (0.6, 1.45), paint, dark))
    canvas.fill(mirror(wing), linear((-0.6, 1.0), (0, 1.45), light, mix(paint, dark, 0.4)))
    for y in (1.13, 1.22, 1.31):
        fold = path((0.1, 1.22), (0.22, (1.22 + y) / 2), (0.36, y))
        canvas.line(fold, 0.02, dark, 0.45, soft=0.006)
        canvas.line(mirror(fold), 0.02, dark, 0.45, soft=0.006)
    canvas.fill(ellipse(0, 1.22, 0.11, 0.13), radial((-0.04, 1.16), 0.2, light, dark))


def _monster_markings(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    canvas.fill(ellipse(0, 0.55, 0.85, 0.6), mix(look.skin, WHITE, 0.18), 0.8, soft=0.14)
    for x, y, radius in (
        (0.78, 0.06, 0.1),
        (0.9, 0.3, 0.065),
        (0.66, -0.82, 0.1),
        (0.42, -0.96, 0.06),
        (0.7, 0.78, 0.07),
    ):
        fill_pair(canvas, ellipse(x, y, radius, radius * 0.85), look.second, 0.85, 0.02)


def _monster_behind(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    mane = tufted(upper_head(identity, 0.02, 0.1), identity.seed, 0.17, 0.13)
    canvas.fill(mane, linear((-0.5, -1.2), (0.5, 0.2), mix(look.skin, WHITE, 0.1), mix(look.skin, look.line, 0.35)))
    texture.apply(canvas, look.texture, identity.seed)
    horn = path((0.4, -0.8), (0.5, -1.12), (0.78, -1.26), (1.0, -1.38), (1.04, -1.62), (1.26, -1.2), (1.06, -0.98),
                (0.92, -0.8), (0.86, -0.56), (0.4, -0.8))  # fmt: skip
    for points in (horn, mirror(horn)):
        canvas.fill(
            points, linear((0, -0.8), (0, -1.5), mix(look.accent, look.line, 0.3), mix(look.accent, WHITE, 0.25))
        )
    for share in (0.1, 0.35, 0.58):
        left, right = np.array([(0.46, -0.94), (0.84, -1.3)]), np.array([(0.92, -0.72), (1.14, -1.12)])
        start, end = left[0] + share * (left[1] - left[0]), right[0] + share * (right[1] - right[0])
        bow = (start + end) / 2 + np.array([0.08, 0.1])
        ring = path(tuple(start), tuple(bow), tuple(end))
        for points in (ring, mirror(ring)):
            canvas.line(points, 0.022, mix(look.accent, look.line, 0.55), 0.55)


def _monster_front(canvas: Canvas, identity: Identity) -> None:
    look, top = identity.look, -identity.shape.crown
    for x, height, lean in ((-0.16, 0.24, -0.16), (0.16, 0.22, 0.14), (0.0, 0.34, 0.03)):
        lock = path(
            (x - 0.13, top + 0.2),
            (x - 0.1, top - height * 0.6),
            (x + lean, top - height),
            (x + 0.14, top - 0.06),
            (x + 0.13, top + 0.2),
            (x, top + 0.26),
            (x - 0.13, top + 0.2),
        )
        canvas.fill(lock, linear((0, top - height), (0, top + 0.24), mix(look.second, look.skin, 0.1), look.skin))
    texture.apply(canvas, look.texture, identity.seed)


def _monster_body(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    clothe(canvas, tufted(torso(0.7, 0.95, 1.1, 1.15, 0.5), identity.seed, 0.13, 0.14), look.cloth, 0.6)
    belly = tufted(ellipse(0, 2.0, 0.7, 0.8), identity.seed, 0.08, 0.12)
    canvas.fill(belly, mix(look.second, WHITE, 0.25), 0.9, soft=0.02)
    texture.apply(canvas, look.texture, identity.seed)


FOX = Costume(_fox_markings, _fox_details, body=_fox_body, behind=_fox_behind, bare=False)
TEDDY = Costume(_teddy_markings, _teddy_details, body=_teddy_body, behind=_teddy_behind)
MONSTER = Costume(_monster_markings, body=_monster_body, behind=_monster_behind, front=_monster_front, bare=False)
