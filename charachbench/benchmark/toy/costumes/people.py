"""Humans and an anime girl: hair, necks and clothes."""

from __future__ import annotations

import numpy as np

from charachbench.benchmark.toy.canvas import Canvas, Colour, ellipse, linear, mirror, mix, moved, path
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


def _gloss(canvas: Canvas, paint: str | Colour, points: np.ndarray, top: float, bottom: float) -> None:
    """Hair, lighter above."""
    canvas.fill(points, linear((-0.5, top), (0.35, bottom), mix(paint, WHITE, 0.18), mix(paint, "#2a1040", 0.26)))


def _strands(
    canvas: Canvas, paint: str | Colour, lines: list[np.ndarray], opacity: float = 0.5, width: float = 0.018
) -> None:
    for points in lines:
        canvas.line(points, width, mix(paint, "#1a0a28", 0.5), opacity, soft=0.006)


def _anime_back(canvas: Canvas, identity: Identity) -> None:
    paint = identity.look.hair
    half = path((0, -1.32), (0.95, -1.34), (1.16, -0.5), (1.2, 0.2), (1.3, 0.9), (1.42, 1.5), (1.6, 1.75), (1.3, 1.78),
                (1.12, 1.62), (1.1, 1.9), (1.2, 2.2), (0.6, 2.2), (0.0, 2.2))  # fmt: skip
    _gloss(canvas, mix(paint, "#30103a", 0.22), np.concatenate([half, mirror(half)[::-1]]), -1.3, 1.8)
    lines = [path((x, -0.4), (x * 1.05, 0.6), (x * 1.12, 1.9)) for x in (-1.08, -0.95, -0.82, 0.82, 0.95, 1.08)]
    _strands(canvas, paint, lines, 0.4)


def _anime_behind(canvas: Canvas, identity: Identity) -> None:
    """Locks beside the cheeks; behind them, so that the outline of the face is seen."""
    paint = identity.look.hair
    lock = path((0.4, -0.9), (1.1, -0.8), (1.13, -0.1), (1.16, 0.5), (1.06, 1.0), (1.0, 1.3), (0.84, 1.5), (0.8, 1.2),
                (0.66, 0.9), (0.5, 0.4), (0.4, -0.9))  # fmt: skip
    for points in (lock, mirror(lock)):
        canvas.fill(moved(points, 0.02, 0.04), "#3a1040", 0.25, soft=0.04)
        _gloss(canvas, paint, points, -0.8, 1.4)
    lines = [path((1.0, -0.3), (1.06, 0.3), (0.92, 1.2)), path((0.9, -0.2), (0.98, 0.4), (0.86, 1.3))]
    _strands(canvas, paint, [*lines, *map(mirror, lines)])


def _anime_front(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    paint = look.hair
    bangs = path(
        (-1.05, -0.1), (-1.14, -0.8), (-0.72, -1.14), (-0.3, -1.4), (0, -1.34), (0.3, -1.4), (0.72, -1.14),
        (1.14, -0.8), (1.05, -0.1), (0.98, -0.3), (0.88, -0.42), (0.86, -0.28), (0.72, -0.1), (0.7, -0.3), (0.58, -0.5),
        (0.48, -0.3), (0.3, -0.16), (0.34, -0.36), (0.26, -0.56), (0.1, -0.3), (-0.1, -0.14), (-0.08, -0.36),
        (-0.16, -0.54), (-0.3, -0.3), (-0.48, -0.14), (-0.46, -0.36), (-0.54, -0.52), (-0.66, -0.26), (-0.78, -0.06),
        (-0.8, -0.26), (-0.86, -0.4), (-0.96, -0.3), (-1.05, -0.1),
    )  # fmt: skip
    canvas.fill(moved(bangs, 0.02, 0.06), "#7a3b60", 0.28, soft=0.03)
    _gloss(canvas, paint, bangs, -1.25, 0.1)
    shine = path((-0.86, -0.66), (-0.5, -0.98), (0, -0.94), (0.5, -0.98), (0.86, -0.66), (0.5, -0.8), (0.42, -0.72),
                 (0.3, -0.86), (0.14, -0.72), (0, -0.84), (-0.16, -0.7), (-0.32, -0.84), (-0.46, -0.68), (-0.6, -0.78),
                 (-0.86, -0.66))  # fmt: skip
    canvas.fill(shine, mix(paint, WHITE, 0.75), 0.75, soft=0.012)
    tops = [
        (-0.3, -1.25, -0.34, -0.7),
        (0.26, -1.25, 0.28, -0.75),
        (-0.02, -1.3, -0.12, -0.68),
        (0.6, -1.1, 0.6, -0.65),
    ]
    _strands(canvas, paint, [path((a, b), ((a + c) / 2 + 0.06, (b + d) / 2), (c, d)) for a, b, c, d in tops], 0.35)
    bow = path((0.82, -0.98), (1.08, -1.32), (1.2, -1.08), (1.3, -0.86), (0.86, -0.92), (0.66, -0.66), (0.62, -0.86),
               (0.5, -1.12), (0.82, -0.98))  # fmt: skip
    canvas.fill(moved(bow, 0.02, 0.05), "#3a1030", 0.25, soft=0.03)
    canvas.fill(bow, linear((0.5, -1.2), (1.2, -0.7), mix(look.second, WHITE, 0.3), look.second))
    canvas.fill(ellipse(0.83, -0.95, 0.08, 0.09, 30), mix(look.second, BLACK, 0.22))


def _anime_body(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    canvas.fill(
        torso(0.24, 1.2, 1.42, 1.1), linear((-0.2, 1.0), (0.1, 1.5), mix(look.skin, "#b0406a", 0.22), look.skin)
    )
    shirt = path((-1.35, 3.2), (-1.3, 1.75), (-0.9, 1.56), (-0.5, 1.46), (-0.26, 1.34), (-0.1, 1.66), (0, 1.86),
                 (0.1, 1.66), (0.26, 1.34), (0.5, 1.46), (0.9, 1.56), (1.3, 1.75), (1.35, 3.2))  # fmt: skip
    clothe(canvas, shirt, "#f6f4fb", 1.2)
    collar = path((0.22, 1.3), (0.5, 1.36), (0.92, 1.6), (0.7, 1.9), (0.3, 2.1), (0.1, 2.1), (0.0, 1.9), (0.16, 1.6),
                  (0.22, 1.3))  # fmt: skip
    for points in (collar, mirror(collar)):
        clothe(canvas, points, look.cloth, 1.2)
    stripe = path((0.84, 1.62), (0.6, 1.84), (0.3, 1.98))
    for points in (stripe, mirror(stripe)):
        canvas.line(points, 0.03, WHITE, 0.9)
    knot = path((0, 1.86), (0.3, 1.75), (0.34, 2.05), (0.2, 2.15), (0, 1.94))
    for points in (knot, mirror(knot)):
        canvas.fill(points, linear((-0.3, 1.8), (0.3, 2.1), mix(look.second, WHITE, 0.2), look.second))


def _human_markings(canvas: Canvas, identity: Identity) -> None:
    look, shape = identity.look, identity.shape
    warm = mix(look.skin, "#c8404a", 0.35)
    canvas.fill(ellipse(0, shape.nose_tip + 0.02, 0.17, 0.12), warm, 0.35, soft=0.07)
    fill_pair(canvas, ellipse(shape.eye_x, shape.eye_y, 0.26, 0.17), mix(look.skin, look.line, 0.4), 0.45, 0.06)
    canvas.fill(ellipse(0, shape.mouth_y + 0.2, 0.16, 0.05), mix(look.skin, look.line, 0.5), 0.35, soft=0.04)
    _scalp(canvas, identity)
    if look.beard:
        half = path((1.2, -0.2), (0.84, 0.0), (0.78, 0.3), (0.72, 0.52), (0.46, 0.54), (0.28, 0.52), (0, 0.49), (0, 1),
                    (0, 1.6), (1.2, 1.6), (1.2, -0.2))  # fmt: skip
        canvas.fill(np.concatenate([half, mirror(half)[::-1]]), mix(look.hair, look.skin, 0.12), 0.92, soft=0.05)
        below = ellipse(0, shape.mouth_y + 0.01, shape.mouth_width + 0.03, 0.1)
        canvas.fill(below, look.skin, 0.8, soft=0.025)


def _hairline(identity: Identity) -> np.ndarray:
    """Where the hair of a human begins, left to right, in head units."""
    style = identity.look.hair_style
    if style == "bob":
        half = path((0, -0.5), (0.4, -0.52), (0.66, -0.42), (0.78, -0.36), (0.84, -0.12), (0.88, -0.08), (0.93, -0.08))
    elif style == "short":
        half = path((0, -0.7), (0.3, -0.78), (0.58, -0.74), (0.74, -0.66), (0.77, -0.42), (0.82, -0.2), (0.93, -0.14))
    else:
        half = path((0, -0.86), (0.3, -0.74), (0.6, -0.52), (0.76, -0.36), (0.82, -0.14), (0.88, -0.08), (0.93, -0.08))
    return np.concatenate([mirror(half)[:0:-1], half])


def _scalp(canvas: Canvas, identity: Identity) -> None:
    """The part of the skin that hair covers, so that no skin shows beside the hair when the head turns."""
    line = _hairline(identity)
    over = np.array([(line[-1, 0] + 1, line[-1, 1]), (2.0, -3), (-2.0, -3), (line[0, 0] - 1, line[0, 1])])
    canvas.fill(
        moved(np.concatenate([line, over]), 0, -0.02), mix(identity.look.hair, identity.look.skin, 0.08), soft=0.02
    )


def _human_back(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    paint = mix(look.hair, "#08040c", 0.3)
    if look.hair_style == "short":
        return
    if look.hair_style == "bob":
        half = path((0, -1.3), (0.98, -1.3), (1.08, -0.3), (1.14, 0.5), (1.06, 1.12), (0.6, 1.26), (0, 1.2))
    else:
        half = path((0, -1.3), (0.95, -1.3), (1.06, -0.4), (1.04, 0.3), (1.2, 0.7), (1.26, 1.1), (1.1, 1.4),
                    (1.16, 1.8), (0.9, 2.1), (0, 2.1))  # fmt: skip
    _gloss(canvas, paint, np.concatenate([half, mirror(half)[::-1]]), -1.2, 1.8)
    if look.hair_style == "long":
        lines = [path((x, -0.2), (x * 1.12, 0.6), (x * 1.02, 1.7)) for x in (-0.98, -0.88, 0.88, 0.98)]
        _strands(canvas, paint, lines, 0.5)


def _human_front(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    line = _hairline(identity)
    grow = {"short": 0.1, "bob": 0.14, "long": 0.13}.get(look.hair_style, 0.1)
    ends = line[[-1, 0], 1]
    outer = upper_head(identity, grow, float(ends.max()))
    cap = np.concatenate([outer, line])
    if look.hair_style == "short":
        top = tufted(np.concatenate([outer, outer[::-1] * (0.9, 0.85)]), identity.seed, 0.05, 0.1)
        _gloss(canvas, look.hair, top, -1.2, -0.2)
    canvas.fill(np.concatenate([line, moved(line[::-1], 0, 0.07)]), "#200a10", 0.22, soft=0.035)
    _gloss(canvas, look.hair, cap, -1.2, 0.0)
    strands = []
    for x in np.linspace(-0.85, 0.85, 13):
        index = int(np.clip(np.searchsorted(line[:, 0], x), 1, len(line) - 2))
        end = line[index]
        start = (end[0] * 0.35 - 0.1, -1.18)
        strands.append(
            path(start, ((start[0] + end[0]) / 2 + end[0] * 0.3, (start[1] + end[1]) / 2 - 0.12), tuple(end))
        )
    _strands(canvas, look.hair, strands, 0.4, 0.02)
    sheen = path((-0.72, -0.74), (-0.45, -1.08), (0.0, -1.04), (0.4, -1.06), (0.66, -0.8), (0.4, -0.96), (0, -0.93),
                 (-0.42, -0.94), (-0.72, -0.74))  # fmt: skip
    canvas.fill(sheen, mix(look.hair, WHITE, 0.55), 0.42, soft=0.04)


def _human_behind(canvas: Canvas, identity: Identity) -> None:
    look, shape = identity.look, identity.shape
    x = shape.width - 0.01
    fill_pair(
        canvas,
        ellipse(x, 0.1, 0.11, 0.22, -8),
        linear((0, -0.1), (0, 0.35), mix(look.skin, look.line, 0.12), mix(look.skin, look.line, 0.35)),
    )
    fill_pair(canvas, ellipse(x + 0.01, 0.1, 0.055, 0.13, -8), mix(look.skin, look.line, 0.5), 0.7, 0.02)
    if look.hair_style == "short":
        return
    # Hair beside the cheeks lies behind them, so that the outline of the face is seen.
    if look.hair_style == "bob":
        lock = path((0.4, -0.9), (1.0, -0.9), (1.04, -0.2), (1.12, 0.5), (1.06, 1.06), (0.8, 1.2), (0.66, 1.1),
                    (0.5, 0.4), (0.4, -0.9))  # fmt: skip
    else:
        lock = path((0.4, -0.9), (1.0, -0.9), (1.02, -0.1), (1.02, 0.4), (1.1, 0.8), (1.2, 1.2), (0.96, 1.42),
                    (0.86, 1.1), (0.66, 0.9), (0.5, 0.4), (0.4, -0.9))  # fmt: skip
    for points in (lock, mirror(lock)):
        canvas.fill(moved(points, 0.02, 0.04), "#100818", 0.3, soft=0.04)
        _gloss(canvas, look.hair, points, -0.9, 1.3)
    lines = [path((x, -0.4), (x + 0.12, 0.3), (x - 0.02, 1.05)) for x in (0.86, 0.92, 0.97)]
    _strands(canvas, look.hair, [*lines, *map(mirror, lines)], 0.45)


def _human_body(canvas: Canvas, identity: Identity) -> None:
    look = identity.look
    neck = 0.42 if look.hair_style == "short" else 0.34
    dark = mix(look.skin, look.line, 0.45)
    canvas.fill(torso(neck, 1.3, 1.52, 1.3), linear((0, 1.0), (0, 1.6), dark, mix(look.skin, look.line, 0.08)))
    wide = 1.5 if look.hair_style == "short" else 1.32
    depth = {"short": 1.56, "bob": 1.5, "long": 1.85}.get(look.hair_style, 1.6)
    half = path((0, depth), (neck * 0.8, depth - 0.02), (neck + 0.06, 1.36), (neck + 0.32, 1.5), (0.9, 1.58),
                (wide, 1.68), (wide + 0.06, 2.1), (wide + 0.1, 2.5), (wide + 0.1, 3.2))  # fmt: skip
    clothe(canvas, np.concatenate([half, mirror(half)[::-1]]), look.cloth, 1.3)
    hem = half[:33]
    for points in (hem, mirror(hem)):
        canvas.line(points, 0.07, mix(look.cloth, WHITE, 0.2))
        canvas.line(moved(points, 0, 0.05), 0.02, mix(look.cloth, BLACK, 0.4), 0.5)
    folds = [path((s * 0.95, 1.75), (s * 0.85, 1.95), (s * 0.88, 2.2)) for s in (-1, 1)]
    for points in folds:
        canvas.line(points, 0.035, mix(look.cloth, BLACK, 0.5), 0.4, soft=0.02)


ANIME = Costume(back=_anime_back, body=_anime_body, behind=_anime_behind, front=_anime_front, bare=False)
HUMAN = Costume(
    markings=_human_markings, back=_human_back, body=_human_body, behind=_human_behind, front=_human_front, bare=False
)
