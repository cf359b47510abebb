"""Eyes, nose, mouth and brows, drawn along the curves that the landmarks lie on."""

from __future__ import annotations

import numpy as np

from charachbench.benchmark.toy.canvas import (
    Canvas,
    Mask,
    Sprite,
    ellipse,
    linear,
    mix,
    moved,
    radial,
    ribbon,
)
from charachbench.benchmark.toy.expression import Expression
from charachbench.benchmark.toy.identity import Identity, Look
from charachbench.benchmark.toy.rig import Pose, eye_contour

_WHITE, _BLACK = "#ffffff", "#000000"


def iris(identity: Identity) -> Sprite:
    """An iris of radius 1 with its pupil, without the highlights, which stay where the light is."""
    look = identity.look
    canvas = Canvas((-1.1, -1.1, 1.1, 1.1), 90)
    dark, light = mix(look.iris, _BLACK, 0.6), mix(look.iris, _WHITE, 0.45)
    canvas.fill(ellipse(0, 0, 1, 1), dark)
    canvas.fill(ellipse(0, 0, 0.88, 0.88), linear((0, -0.7), (0, 0.9), mix(look.iris, _BLACK, 0.35), light), soft=0.03)
    for turn in np.arange(0, 2 * np.pi, np.pi / 14):
        fibre = np.array([[np.cos(turn), np.sin(turn)]]) * np.array([[look.pupil], [0.84]])
        canvas.line(fibre, 0.04, mix(look.iris, _WHITE, 0.3), 0.3, soft=0.02)
    canvas.fill(ellipse(0, 0, look.pupil, look.pupil), mix(look.iris, "#05040a", 0.92), soft=0.02)
    return canvas.sprite()


def draw_eyes(canvas: Canvas, face: Pose, identity: Identity, expression: Expression, sprite: Sprite) -> None:
    """Both eyes; where a lid is coming down, the lid."""
    look, shape, place = identity.look, identity.shape, face.placement
    unit = shape.scale
    for name, side, blink in (("left", -1, expression.blink_left), ("right", 1, expression.blink_right)):
        upper, lower = face.curves[f"{name}_upper_lid"], face.curves[f"{name}_lower_lid"]
        contour = np.concatenate([upper, lower[-2:0:-1]])
        if blink > 0:
            _draw_lid(canvas, face, identity, side, blink)
        eye = canvas.mask(contour)
        top = contour[:, 1].min()
        height = (shape.eye_top + shape.eye_bottom) * unit
        canvas.paint(eye, linear((0, top), (0, top + 0.6 * height), mix(look.sclera, look.line, 0.2), look.sclera))
        radius = look.iris_size * (shape.eye_top + shape.eye_bottom) / 2
        # Eyes stay on the viewer as the head turns.
        x = side * shape.eye_x + shape.eye_width * (
            0.32 * expression.gaze_x - 0.55 * np.sin(np.deg2rad(expression.yaw))
        )
        middle = shape.eye_y + (shape.eye_bottom - shape.eye_top) / 2
        y = middle + shape.eye_top * (0.3 * expression.gaze_y - 0.5 * np.sin(np.deg2rad(expression.pitch)))
        depth = float(shape.height(np.array(x), np.array(y)))
        matrix = place.plane(depth, (x, y), radius)
        matrix[:, 1] *= look.iris_aspect
        canvas.stamp(sprite, matrix, eye)
        size = radius * unit
        centre = matrix[:, 2]
        # The shadow of the upper lid, then the light.
        canvas.line(moved(upper, 0, 0.03 * unit), 0.2 * height, look.line, 0.36, eye, soft=0.06 * height)
        for dx, dy, share, opacity in ((-0.34, -0.36, 0.27, 0.97), (0.36, 0.4, 0.15, 0.75)):
            spot = ellipse(
                centre[0] + dx * size, centre[1] + dy * size * look.iris_aspect, share * size, share * size, count=24
            )
            canvas.fill(spot, _WHITE, opacity, eye)
        _draw_lashes(canvas, upper, lower, look, side, unit)


def _draw_lid(canvas: Canvas, face: Pose, identity: Identity, side: int, blink: float) -> None:
    """The lid where the open eye would be: the skin, a little darker towards the lashes."""
    region = face.placement.feature(eye_contour(identity.shape, side))
    mask = canvas.mask(region, soft=0.012 * identity.shape.scale)
    fading = np.linspace(0.1, 0.34, len(mask.alpha), dtype=np.float32)[:, None]
    shade = Mask(mask.top, mask.left, mask.alpha * fading)
    canvas.paint(shade, identity.look.line, min(3 * blink, 1))


def _draw_lashes(canvas: Canvas, upper: np.ndarray, lower: np.ndarray, look: Look, side: int, unit: float) -> None:
    share = np.linspace(-1, 1, len(upper)) * side
    width = look.lash * unit * (0.45 + 0.55 * np.clip((1.1 + share) / 1.4, 0, 1)) * (1 - 0.5 * share**8)
    canvas.line(lower, 0.45 * look.lash * unit, look.line, 0.55)
    canvas.fill(ribbon(upper, width), mix(look.line, _BLACK, 0.25))
    canvas.line(upper, 0.4 * look.lash * unit, mix(look.line, _BLACK, 0.25))


def draw_brows(canvas: Canvas, face: Pose, identity: Identity) -> None:
    """Strokes that taper outwards."""
    look, unit = identity.look, identity.shape.scale
    for name, side in (("left_brow", -1), ("right_brow", 1)):
        points = face.curves[name]
        share = np.linspace(-1, 1, len(points)) * side
        width = look.brow_width * unit * (0.72 - 0.28 * share) * (1 - 0.55 * np.abs(share) ** 6)
        outline = ribbon(points, width)
        canvas.fill(outline, look.brow)
        canvas.line(points, 0.35 * look.brow_width * unit, look.brow)
        canvas.line(
            moved(points, 0, -0.16 * look.brow_width * unit),
            0.2 * look.brow_width * unit,
            mix(look.brow, _WHITE, 0.35),
            0.5,
        )


def draw_nose(canvas: Canvas, face: Pose, identity: Identity) -> None:
    """The bridge as a ridge with light on it, and a nose along the curve of the nostrils."""
    look, shape = identity.look, identity.shape
    unit = shape.scale
    bridge, base = face.curves["bridge"], face.curves["nostrils"]
    tip = bridge[-1]
    width = shape.nose_width * unit
    shadow, light = mix(look.nose, look.line, 0.5), mix(look.skin, _WHITE, 0.6)
    if look.nose_style == "skin":
        canvas.line(moved(bridge, 0.32 * width, 0), 0.4 * width, shadow, 0.3, soft=0.22 * width)
        canvas.line(bridge, 0.22 * width, light, 0.6, soft=0.12 * width)
        ball = np.concatenate([base, (tip + (base[::-1] - tip) * (0.72, -0.5))])
        canvas.fill(
            ball, radial(tuple(moved(tip, -0.25 * width, 0)), 1.5 * width, light, look.nose), 0.35, soft=0.16 * width
        )
        canvas.line(base, 0.16 * width, shadow, 0.9)
        for index in (len(base) // 4, -1 - len(base) // 4):
            canvas.fill(
                moved(ellipse(0, -0.02 * width, 0.2 * width, 0.11 * width, count=24), *base[index]),
                mix(look.line, _BLACK, 0.35),
                0.8,
            )
        return
    ridge = mix(look.skin, _WHITE, 0.45) if look.nose_style != "plate" else mix(look.nose, _WHITE, 0.3)
    canvas.line(moved(bridge, 0.25 * width, 0.02 * unit), 0.3 * width, shadow, 0.25, soft=0.2 * width)
    canvas.line(bridge, 0.2 * width, ridge, 0.7, soft=0.1 * width)
    if look.nose_style == "plate":
        pad = np.concatenate([bridge[:1], base[::-1]])
    else:
        left, right = base[0], base[-1]
        turn = np.linspace(0, np.pi, 24)[1:-1, None]
        rise = tip - (left + right) / 2 + (tip - base[len(base) // 2]) * 0.15
        arc = (left + right) / 2 + (right - left) / 2 * np.cos(turn) * 1.02 + rise * np.sin(turn) ** 0.75
        pad = np.concatenate([base, arc])
    canvas.fill(moved(pad, 0, 0.03 * unit), look.line, 0.3, soft=0.03 * unit)
    centre = tuple(moved(tip, -0.3 * width, -0.05 * unit))
    canvas.fill(pad, radial(centre, 2.2 * width, mix(look.nose, _WHITE, 0.3), mix(look.nose, _BLACK, 0.25)))
    canvas.line(base, 0.02 * unit, mix(look.nose, _BLACK, 0.5), 0.8)
    middle = (tip * 1.6 + base[len(base) // 2] * 0.4) / 2
    canvas.fill(
        ellipse(middle[0] - 0.3 * width, middle[1], 0.26 * width, 0.13 * width, -12, 24), _WHITE, 0.6, soft=0.008 * unit
    )


def draw_mouth(canvas: Canvas, face: Pose, identity: Identity) -> None:
    """Lips between the outer and the inner contour; within the inner one the mouth."""
    look, unit = identity.look, identity.shape.scale
    lips, mouth, marks = face.curves["lips"], face.curves["mouth"], face.landmarks
    top, bottom = lips[:, 1].min(), lips[:, 1].max()
    light = mix(look.lip, _WHITE, 0.22)
    canvas.fill(lips, linear((0, top), (0, bottom), mix(look.lip, _BLACK, 0.12), light))
    canvas.line(lips, 0.014 * unit, mix(look.lip, _BLACK, 0.4), 0.6, closed=True)
    thick = identity.shape.lip_lower
    if thick > 0.05:
        # Light on the lower lip.
        shine = (marks[[58, 57, 56]] + marks[[67, 66, 65]]) / 2
        canvas.line(shine, 0.35 * thick * unit, _WHITE, 0.4, soft=0.2 * thick * unit)
    opening = float(np.linalg.norm(marks[66] - marks[62]))
    if opening > 0.004 * unit:
        inside = canvas.mask(mouth)
        canvas.paint(
            inside, linear((0, mouth[:, 1].min()), (0, mouth[:, 1].max()), mix(look.mouth, _BLACK, 0.45), look.mouth)
        )
        _draw_inside(canvas, face, identity, opening, inside)
    canvas.line(mouth, 0.018 * unit, mix(look.lip, _BLACK, 0.5), 0.85, closed=True)


def _draw_inside(canvas: Canvas, face: Pose, identity: Identity, opening: float, inside: Mask) -> None:
    look, unit, marks = identity.look, identity.shape.scale, face.landmarks
    half = float(np.linalg.norm(marks[64] - marks[60])) / 2
    down = (marks[66] - marks[62]) / max(opening, 1e-9)
    across = (marks[64] - marks[60]) / max(2 * half, 1e-9)
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)[:, None]
    centre = marks[66] - down * 0.02 * unit
    tongue = centre + across * np.cos(turn) * 0.62 * half + down * np.sin(turn) * 0.42 * opening
    canvas.fill(
        tongue,
        linear(
            tuple(centre - down * 0.42 * opening),
            tuple(centre),
            mix(look.tongue, _WHITE, 0.12),
            mix(look.tongue, look.mouth, 0.3),
        ),
        1,
        inside,
    )
    canvas.line(
        np.stack([centre - down * 0.3 * opening, centre]),
        0.02 * unit,
        mix(look.tongue, look.mouth, 0.6),
        0.6,
        inside,
        soft=0.008 * unit,
    )
    mouth = face.curves["mouth"]
    count = len(mouth) // 2 + 1
    upper, lower = mouth[:count], mouth[[0, *range(len(mouth) - 1, count - 2, -1)]]
    if look.teeth in ("upper", "both"):
        depth = min(0.11 * unit, 0.32 * opening)
        band = np.concatenate([upper - down * 0.05 * unit, (upper + down * depth)[::-1]])
        canvas.fill(band, linear(tuple(marks[62]), tuple(marks[62] + down * depth), "#ffffff", "#e6dfd8"), 1, inside)
    if look.teeth == "both":
        depth = min(0.06 * unit, 0.16 * opening)
        canvas.fill(np.concatenate([lower + down * 0.05 * unit, (lower - down * depth)[::-1]]), "#e4dcd4", 1, inside)
    if look.teeth == "fangs":
        size = min(0.15 * unit, 0.5 * opening)
        for place in (-0.52, -0.2, 0.2, 0.52):
            root = np.array([np.interp(place, np.linspace(-1, 1, count), upper[:, axis]) for axis in (0, 1)])
            long = size * (1.0 if abs(place) > 0.4 else 0.6)
            fang = np.stack(
                [
                    root - across * 0.07 * unit - down * 0.05 * unit,
                    root + down * long,
                    root + across * 0.07 * unit - down * 0.05 * unit,
                ]
            )
            canvas.fill(fang, linear(tuple(root), tuple(root + down * long), "#ffffff", "#e8dcc8"), 1, inside)
