"""Thin-plate-spline animator: the weight-free one.

Each output pixel asks where in the character it comes from. The answer is interpolated from the 68 landmarks by a
thin-plate spline (Bookstein, "Principal Warps", IEEE TPAMI 1989), together with points on the rest of the head, which
follow the face as one rigid piece, and with fixed points around the head, so that the background stays where it is.
"""

from __future__ import annotations

from functools import reduce
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from charachbench.errors import UserError
from charachbench.protocols import Animator, Device, halve
from methods.animators import inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

# Landmarks that expressions hardly move: they tell how the head as a whole has moved.
RIGID = [0, 1, 2, 14, 15, 16, *range(27, 36), 36, 39, 42, 45]
INNER_LIPS = slice(60, 68)
OUTER_LIPS = slice(48, 60)

# Jaw landmarks mirrored through the middle of the temples and stretched give a forehead, the outline of a head with
# its ears, and hair or an animal's ears above it.
HEAD = ((0.7, slice(5, 12, 2)), (1.15, slice(1, 16, 2)), (1.5, slice(4, 13, 2)))
ANCHORS = 24

# Landmarks in the order in which they lie below each other, and the two between which their "below" is upright:
# nose, lips and chin; brows and lids.
COLUMNS = (
    ((48, 54), ([32, 50, 61, 67, 58, 7], [33, 51, 62, 66, 57, 8], [34, 52, 63, 65, 56, 9])),
    ((36, 39), ([19, 37, 41], [20, 38, 40])),
    ((42, 45), ([23, 43, 47], [24, 44, 46])),
)
# Least share of its height to which the space between two of them is squeezed, and least share of its height that it
# comes from where it is stretched.
SQUEEZED, STRETCHED = 0.2, 0.05

# Mixed, in grey levels, with the colour of the lips, which may be black or covered in fur.
FLESH = (150.0, 60.0, 55.0)

# How much displacement may grow per pixel of distance from what is fixed: towards it, where 1 would fold, and away.
TOWARDS, AWAY = 0.7, 3.0
# Least Jacobian determinant of the field: below 0 the picture would fold, near 0 it smears.
LEAST_JACOBIAN = 0.002
SMOOTHING_STEPS = 4
# Positions evaluated at once, so that the kernel stays within a processor's cache
BLOCK = 2048


class Tps(Animator):
    """Moves a character by a thin-plate-spline warp of its landmarks.

    Frames are independent of each other; landmarks equal to the source give the character back bit for bit, and the
    outermost pixels never move. Landmarks that leave the image are held inside, and those that cross over are put back
    in order; where the picture would still fold, it is smoothed nearby, and as a last resort the frame's motion is
    damped, until nothing folds.

    Args:
        smoothing: in pixels; neighbouring landmarks nearer than about this that contradict each other are averaged.
        grid_step: in pixels; the spline is evaluated on a grid this wide and interpolated linearly in between.
        chunk: frames held in memory at once.
        paint_mouth: paint the inside of a mouth that is closed in the character and opens.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(self, smoothing: float = 1.0, grid_step: int = 4, chunk: int = 8, paint_mouth: bool = True) -> None:
        if not (np.isfinite(smoothing) and smoothing >= 0.1):
            raise UserError(f"tps: smoothing must be at least 0.1 pixels, got {smoothing}")
        if grid_step < 1:
            raise UserError(f"tps: grid_step must be at least 1 pixel, got {grid_step}")
        if chunk < 1:
            raise UserError(f"tps: chunk must be at least 1 frame, got {chunk}")
        self.smoothing, self.grid_step, self.chunk, self.paint_mouth = smoothing, grid_step, chunk, paint_mouth
        self.device = "cpu"

    def load(self, device: Device) -> None:
        """Render on ``device`` from now on."""
        self.device = device

    def take_less(self) -> bool:
        """Hold fewer frames in memory."""
        return halve(self, "chunk")

    def render(self, image: np.ndarray, source: np.ndarray, landmarks: np.ndarray, seed: int = 0) -> np.ndarray:  # noqa: ARG002
        """See ``Animator.render``; nothing is random.

        Raises:
            UserError: an argument has the wrong shape or type, or holds a landmark that is not finite.
        """
        import torch
        from torch.nn.functional import grid_sample, interpolate

        _check(image, source, landmarks)
        height, width = image.shape[:2]
        origin = torch.tensor(np.asarray(source, np.float64), device=self.device)
        targets = torch.tensor(np.asarray(landmarks, np.float64), device=self.device)
        pixels = torch.tensor(image, dtype=torch.float32, device=self.device).permute(2, 0, 1)[None]
        colour = _mouth_colour(image, source)
        last = torch.tensor([width - 1, height - 1], dtype=torch.float32, device=self.device)
        still = (_lattice(height, width, height, width, self.device) / last * 2 - 1).permute(2, 0, 1).contiguous()

        frames = np.empty((len(landmarks), height, width, 3), np.uint8)
        for start in range(0, len(frames), self.chunk):
            target = targets[start : start + self.chunk]
            field, shown_landmarks = self.displacement(origin, target, height, width)
            planes = (field * (2 / last)).permute(0, 3, 1, 2).contiguous()
            planes = interpolate(planes, (height, width), mode="bilinear", align_corners=True).add_(still)
            shown = grid_sample(
                pixels.expand(len(target), -1, -1, -1),
                planes.permute(0, 2, 3, 1),
                mode="bicubic",
                padding_mode="border",
                align_corners=True,
            )
            if self.paint_mouth:
                _paint_mouth(shown, origin, shown_landmarks, colour)
            shown = shown.round_().clamp_(0, 255).to(torch.uint8)
            frames[start : start + self.chunk] = torch.stack(shown.unbind(1), dim=-1).cpu().numpy()
        return frames

    def displacement(self, source: Tensor, landmarks: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """From where in the character the pixels on the grid come, relative to where they are.

        Args:
            source: float64 (68, 2).
            landmarks: float64 (T, 68, 2).
            height: of the image.
            width: of the image.

        Returns:
            float32 (T, rows, columns, 2), (x, y) in pixels, on a grid that spans the image's outermost pixel centres;
            interpolated linearly, it folds nowhere, unless the painted mouth hides it; and the landmarks, float64
            (T, 68, 2), put inside the image and in order.
        """
        import torch

        rows, columns = (-(-(side - 1) // self.grid_step) + 1 for side in (height, width))
        lattice = _lattice(rows, columns, height, width, source.device)
        centre = (source[0] + source[16]) / 2
        head = HEAD[-1][0] * (source[:17] - centre).norm(dim=-1).amax()
        motion = (landmarks - source).norm(dim=-1).amax(dim=-1)
        reach = head + torch.maximum(0.7 * head, 2 * motion)

        here, there = _controls(source, landmarks, centre, reach, height, width)
        smoothing = torch.full_like(here[..., 0], self.smoothing**2)
        spacing = lattice[1, 1]
        shown = here[:, :68]
        hidden = self._hidden(source, shown, lattice)

        def fit(chosen: Tensor) -> Tensor:
            spline = thin_plate_spline(here[chosen], (there - here)[chosen], smoothing[chosen], float(head))
            field = spline(lattice.reshape(-1, 2)).reshape(-1, rows, columns, 2)
            return _limited(field, lattice, height, width, (centre.float(), reach[chosen].float()))

        def folds() -> Tensor:
            return jacobian(field, spacing).masked_fill_(hidden, 1) < LEAST_JACOBIAN

        field = fit(torch.arange(len(landmarks), device=source.device))
        radius = head / 16
        for _ in range(SMOOTHING_STEPS):
            cells = folds().nonzero()
            if not len(cells):
                break
            chosen = cells[:, 0].unique()
            radius *= 2
            for index in chosen.tolist():
                places = (cells[cells[:, 0] == index][:, [2, 1]] + 0.5) * spacing
                smoothing[index, torch.cdist(here[index].float(), places).amin(dim=1) < radius] *= 16
            field[chosen] = fit(chosen)
        while (folded := folds().flatten(1).any(1)).any():
            field[folded] *= 0.9
        return field, shown

    def _hidden(self, source: Tensor, landmarks: Tensor, lattice: Tensor) -> Tensor:
        """Cells of the grid that the painted mouth covers, folds and all: bool (T, rows - 1, columns - 1)."""
        import torch

        hidden = torch.zeros(
            len(landmarks), *(side - 1 for side in lattice.shape[:2]), dtype=torch.bool, device=lattice.device
        )
        if self.paint_mouth:
            x, y = (lattice[:-1, :-1] + lattice[1, 1] / 2).unbind(-1)
            lips = landmarks[:, INNER_LIPS].float()
            for index in (_opening(source, landmarks) == 1).nonzero().flatten().tolist():
                window = _window(lips[index] / lattice[1, 1], 2)
                hidden[index][window] = _depth(x[window], y[window], lips[index][None])[0] > -self.grid_step
        return hidden


def thin_plate_spline(
    points: Tensor, values: Tensor, smoothing: Tensor, scale: float = 1.0
) -> Callable[[Tensor], Tensor]:
    """Smoothing thin-plate splines through scattered points, one per batch entry.

    Args:
        points: float64 (T, N, 2).
        values: float64 (T, N, 2), any number of last components.
        smoothing: float64 (T, N), weight of the bending energy: 0 interpolates, and needs distinct points.
        scale: typical distance of the points, for conditioning only.

    Returns:
        Function of positions (G, 2) that gives the splines' values there, (T, G, 2), as precisely as their type.
    """
    import torch

    batch, count = points.shape[:2]
    centre = points.mean(dim=1, keepdim=True)
    points = (points - centre) / scale
    squared = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist") ** 2
    system = points.new_zeros(batch, count + 3, count + 3)
    system[:, :count, :count] = torch.xlogy(squared, squared) / 2
    system[:, :count, :count] += torch.diag_embed(smoothing / scale**2)
    affine = torch.cat((torch.ones_like(points[..., :1]), points), dim=-1)
    system[:, :count, count:] = affine
    system[:, count:, :count] = affine.mT
    weights = torch.linalg.solve(system, torch.nn.functional.pad(values, (0, 0, 0, 3)))
    bend, drift = weights[:, :count] / 2, weights[:, count:]
    # |x - p|^2 = x^2 - 2 x.p + p^2, as one product of matrices
    right = torch.cat((-2 * points, torch.ones_like(points[..., :1]), (points**2).sum(-1, keepdim=True)), dim=-1)

    def evaluate(positions: Tensor) -> Tensor:
        middle, other, weight, plane = (table.to(positions.dtype) for table in (centre, right, bend, drift))
        result = positions.new_empty(batch, len(positions), values.shape[-1])
        for index, start in product(range(batch), range(0, len(positions), BLOCK)):
            local = (positions[start : start + BLOCK] - middle[index]) / scale
            left = torch.cat((local, (local**2).sum(-1, keepdim=True), torch.ones_like(local[:, :1])), dim=-1)
            squared = (left @ other[index].T).clamp_(min=1e-12)
            block = torch.addmm(plane[index, 0], local, plane[index, 1:])
            result[index, start : start + BLOCK] = block.addmm_(squared.log().mul_(squared), weight[index])
        return result

    return evaluate


def jacobian(field: Tensor, spacing: Tensor) -> Tensor:
    """Least Jacobian determinant, in each cell, of position plus ``field`` interpolated linearly between grid points.

    Within a cell the determinant is a linear function, so the least is found at its corners.

    Args:
        field: (T, rows, columns, 2), (x, y) in pixels.
        spacing: (2,), between columns and between rows.

    Returns:
        (T, rows - 1, columns - 1); not positive where the field folds.
    """
    import torch

    across = field.diff(dim=2) / spacing[0]
    down = field.diff(dim=1) / spacing[1]
    corners = product((across[:, :-1], across[:, 1:]), (down[:, :, :-1], down[:, :, 1:]))
    return reduce(torch.minimum, ((1 + a[..., 0]) * (1 + b[..., 1]) - a[..., 1] * b[..., 0] for a, b in corners))


def _check(image: np.ndarray, source: np.ndarray, landmarks: np.ndarray) -> None:
    """Raise UserError where ``render`` cannot work with its arguments."""
    inputs.check("tps", image, source, landmarks)
    if np.ptp(source[:17], axis=0).max() < 1:
        raise UserError("tps: the source landmarks of the jaw all lie in one place")


def _lattice(rows: int, columns: int, height: int, width: int, device: Device | torch.device) -> Tensor:
    """float32 (rows, columns, 2): (x, y) of evenly spaced points that span the centres of the image's pixels."""
    import torch

    y = torch.linspace(0, height - 1, rows, dtype=torch.float64)
    x = torch.linspace(0, width - 1, columns, dtype=torch.float64)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).float().to(device)


def _complex(points: Tensor) -> Tensor:
    import torch

    return torch.complex(points[..., 0], points[..., 1])


def _controls(
    source: Tensor, landmarks: Tensor, centre: Tensor, reach: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """Control points of every frame, the 68 landmarks first, and where they are in the character.

    Float64 (T, N, 2) each.
    """
    import torch

    jaw = source[:17] - centre
    rest = torch.cat([centre - stretch * jaw[part] for stretch, part in HEAD])
    # The similarity that fits the rigid landmarks best, as one complex factor
    old, new = _complex(source[RIGID]), _complex(landmarks[:, RIGID])
    old_mean, new_mean = old.mean(), new.mean(dim=1, keepdim=True)
    spread = (old - old_mean).abs().square().sum().clamp(min=1e-9)
    factor = ((new - new_mean) * (old - old_mean).conj()).sum(dim=1, keepdim=True) / spread
    moved = torch.view_as_real(new_mean + factor * (_complex(rest) - old_mean))
    moved = rest + _limited(moved - rest, rest, height, width, (centre, reach))

    turn = factor / factor.abs().clamp(min=1e-9)
    there = source.expand(len(landmarks), -1, -1).clone()
    here = source + _limited(landmarks - source, source, height, width)
    for (first, last), columns in COLUMNS:
        normal = 1j * _complex(source[last] - source[first])
        normal = (normal / normal.abs().clamp(min=1e-9)).expand_as(turn)
        for column in columns:
            old, new = there[:, column], here[:, column]
            here[:, column] = _ordered(new, normal * turn, old, normal, SQUEEZED)
            there[:, column] = _ordered(old, normal, new, normal * turn, STRETCHED)

    # Fixed points on a circle around the head, or on the image's edge where that is nearer
    angle = torch.arange(ANCHORS, dtype=torch.float64, device=source.device) * (2 * torch.pi / ANCHORS)
    ray = torch.stack((angle.cos(), angle.sin()), dim=-1)
    corner = source.new_tensor([width - 1, height - 1])
    middle = torch.minimum(torch.maximum(centre, 0.1 * corner), 0.9 * corner)
    edge = (torch.where(ray > 0, corner - middle, middle) / ray.abs().clamp(min=1e-9)).amin(dim=-1)
    anchors = middle + torch.minimum(edge, reach[:, None])[..., None] * ray

    here = torch.cat((here, moved, anchors), dim=1)
    there = torch.cat((there, rest.expand_as(moved), anchors), dim=1)
    return here, there


def _ordered(points: Tensor, down: Tensor, others: Tensor, others_down: Tensor, least: float) -> Tensor:
    """Points of a column (T, N, 2), moved along ``down`` (T, 1), complex, until each lies below the one before it.

    Neighbours end up at least ``least`` times as far apart as ``others`` are.
    """
    import torch
    from torch.nn.functional import pad

    def heights(these: Tensor, direction: Tensor) -> Tensor:
        return (_complex(these) * direction.conj()).real.diff(dim=1)

    lack = (least * heights(others, others_down).clamp(min=0) - heights(points, down)).clamp(min=0)
    shift = pad(lack.cumsum(dim=1), (1, 0))
    shift = shift - shift.mean(dim=1, keepdim=True)
    return points + torch.view_as_real(shift * down)


def _limited(
    displacement: Tensor, positions: Tensor, height: int, width: int, circle: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Displacement that fades to nothing towards the image's edge and, if given, a circle's rim, without folds.

    Elsewhere it is nearly as it was.

    Args:
        displacement: (T, ..., 2), in pixels.
        positions: what it displaces, (..., 2) or (T, ..., 2).
        height: of the image.
        width: of the image.
        circle: centre (2,) and radii (T,), beyond which nothing moves.
    """
    import torch

    x, y = positions.unbind(-1)
    dx, dy = displacement.unbind(-1)
    bounds = [(x, -dx), (width - 1 - x, dx), (y, -dy), (height - 1 - y, dy)]
    if circle is not None:
        centre, radius = circle
        outwards = positions - centre
        distance = outwards.norm(dim=-1)
        radius = radius.reshape(-1, *[1] * (displacement.ndim - 2))
        bounds.append((radius - distance, (displacement * outwards).sum(-1) / distance.clamp(min=1e-6)))
    length = displacement.norm(dim=-1).clamp(min=1e-6)
    most = reduce(
        torch.minimum,
        (TOWARDS * room.clamp(min=0) * length / towards.maximum(length * (TOWARDS / AWAY)) for room, towards in bounds),
    )
    blend = (most.square().square() + length.square().square()).sqrt().sqrt()
    return displacement * (most / blend)[..., None]


def _mouth_colour(image: np.ndarray, source: np.ndarray) -> np.ndarray:
    """The hue of the lips, deepened and made a little like flesh: float (3,) in grey levels."""
    import cv2

    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.clip(source[OUTER_LIPS], -1e4, 1e4).round().astype(np.int32)], 1)
    lips = image[mask > 0] if mask.any() else image.reshape(-1, 3)
    mean = lips.mean(axis=0)
    return 0.6 * np.clip(mean + 0.8 * (mean - mean.mean()), 0, 255) + 0.4 * np.array(FLESH)


def _gap(lips: Tensor) -> tuple[Tensor, Tensor]:
    """How far the inner lips (..., 8, 2) are apart, and how wide they are, in pixels."""
    across = lips[..., 4, :] - lips[..., 0, :]
    apart = lips[..., [7, 6, 5], :].mean(dim=-2) - lips[..., [1, 2, 3], :].mean(dim=-2)
    width = across.norm(dim=-1)
    cross = across[..., 0] * apart[..., 1] - across[..., 1] * apart[..., 0]
    return (cross / width.clamp(min=1e-6)).clamp(min=0), width


def _opening(source: Tensor, landmarks: Tensor) -> Tensor:
    """How much of the mouth's inside is new to be seen, (T,) from 0 (as open as in the character) to 1."""
    gap, width = _gap(landmarks[:, INNER_LIPS])
    closed_gap, closed_width = _gap(source[INNER_LIPS])
    slack = 0.02 * closed_width
    ratio = (gap + slack) / (closed_gap * width / closed_width.clamp(min=1e-6) + slack).clamp(min=1e-6)
    return ((ratio - 1.5) / 1.5).clamp(0, 1)


def _paint_mouth(frames: Tensor, source: Tensor, landmarks: Tensor, colour: np.ndarray) -> None:
    """Paint, in place, what a mouth shows that is more open than in the character.

    Args:
        frames: float32 (T, 3, H, W) in grey levels.
        source: float64 (68, 2).
        landmarks: float64 (T, 68, 2).
        colour: (3,) in grey levels.
    """
    import torch

    lips, strength = landmarks[:, INNER_LIPS], _opening(source, landmarks)
    if not strength.any():
        return
    rows, columns = _window(lips[strength > 0].reshape(-1, 2), 3)
    window = frames[:, :, rows, columns]
    y, x = torch.meshgrid(
        *(
            torch.arange(side, device=frames.device)[part]
            for side, part in zip(frames.shape[2:], (rows, columns), strict=True)
        ),
        indexing="ij",
    )
    inside = _depth(x.float(), y.float(), _rounded(lips.float()))
    width = (lips[:, 4] - lips[:, 0]).norm(dim=-1).float().clamp(min=1)[:, None, None]
    soft = (0.015 * width).clamp(min=0.75)
    alpha = ((inside + soft) / (2 * soft)).clamp(0, 1) * strength.float()[:, None, None]
    # Darkest behind the lips' middle, lighter at their rims
    shade = 0.2 + 0.3 * torch.exp(-inside.clamp(min=0) / (0.07 * width))
    paint = shade[:, None] * frames.new_tensor(colour)[:, None, None]
    window.add_(alpha[:, None] * (paint - window))


def _rounded(lips: Tensor) -> Tensor:
    """Inner lips (T, 8, 2) with points added on smooth curves (Catmull-Rom) between the mouth's corners: (T, 16, 2)."""
    import torch

    curves = []
    for chain in ([0, 0, 1, 2, 3, 4, 4], [4, 4, 5, 6, 7, 0, 0]):
        points = lips[:, chain]
        before, start, end, after = (points[:, i : i + 4] for i in range(4))
        for t in (0.0, 0.5):
            curve = 2 * start + t * (end - before) + t**2 * (2 * before - 5 * start + 4 * end - after)
            curves.append((curve + t**3 * (3 * start - before - 3 * end + after)) / 2)
    halves = [torch.stack(curves[i : i + 2], dim=2).flatten(1, 2) for i in (0, 2)]
    return torch.cat(halves, dim=1)


def _window(points: Tensor, margin: int) -> tuple[slice, slice]:
    """Rows and columns around points (N, 2) of a raster."""
    low = (points.amin(dim=0).floor().long() - margin).clamp(min=0).tolist()
    high = (points.amax(dim=0).ceil().long() + margin + 1).clamp(min=0).tolist()
    return slice(low[1], high[1]), slice(low[0], high[0])


def _depth(x: Tensor, y: Tensor, polygon: Tensor) -> Tensor:
    """Signed distance (T, ...) of positions ``x``, ``y`` (...) to the edges of polygons (T, N, 2), positive inside."""
    import torch

    distance = torch.full((len(polygon), *x.shape), float("inf"), device=x.device)
    inside = torch.zeros_like(distance, dtype=torch.bool)
    corners = polygon.reshape(*polygon.shape, *[1] * x.ndim)
    for index in range(polygon.shape[1]):
        (ax, ay), (bx, by) = corners[:, index - 1].unbind(1), corners[:, index].unbind(1)
        ex, ey = bx - ax, by - ay
        px, py = x - ax, y - ay
        along = (px * ex).add_(py * ey).div_((ex**2 + ey**2).clamp(min=1e-12)).clamp_(0, 1)
        distance = distance.minimum((px - along * ex).square_().add_((py - along * ey).square_()))
        crosses = (py < 0) != (y < by)
        inside ^= crosses & ((px * ey < py * ex) == (ey > 0))
    return torch.where(inside, 1.0, -1.0) * distance.sqrt_()
