"""FaceShot's appearance-guided landmark matching: where in a character is each landmark of a face?

Reference: Gao et al., "FaceShot: Bring Any Character into Life", ICLR 2025, section 3.1, and its implementation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from charachbench.errors import UserError
from charachbench.landmarks import topology
from charachbench.protocols import Device

if TYPE_CHECKING:
    import torch

CPU_CHUNK = 2**21
"""Pixels of cosine maps that are held at once on a CPU: 16 MB."""

CURVES: tuple[tuple[int, ...], ...] = (
    tuple(range(17)),
    tuple(range(17, 22)),
    tuple(range(22, 27)),
    tuple(range(31, 36)),
    (36, 37, 38, 39),
    (39, 40, 41, 36),
    (42, 43, 44, 45),
    (45, 46, 47, 42),
    tuple(range(48, 55)),
    (*range(54, 60), 48),
    tuple(range(60, 65)),
    (*range(64, 68), 60),
)
"""Curves that ``regularise`` spreads; only the longest, the boundary, has points enough for an ellipse."""

NOSE_LINE = (27, 28, 29, 30, 33)
"""The bridge of the nose, down to the point between the nostrils."""

_MIN_POINTS_OF_ELLIPSE = 16
_PLACES_OF_A_CONIC = 5
_MAX_ASPECT = 1e3
_MAX_COORDINATE = 1e6


def match(
    features: np.ndarray,
    targets: np.ndarray,
    size: int | tuple[int, int],
    refine: bool = False,
    device: Device = "cpu",
) -> np.ndarray:
    """The pixel most like each target, by the cosine between the target and the upsampled features.

    It equals the arg-max of ``targets @ normalize(upsample(features))``, the first in row-major order, without ever
    making the upsampled features. Bilinear upsampling is linear, so the small dot-product maps are upsampled instead;
    a pixel's squared norm is a quadratic form in the products of the up to four cells that it is mixed from.
    Cosines that are equal in float32 count as equal, so that the choice on a plateau is not left to float noise.

    Args:
        features: float32 (C, h, w), as of ``Features.extract``; upsampled as by ``torch.nn.Upsample`` (bilinear, half
            pixel centres).
        targets: float32 (N, C), of any lengths; one of length 0 is matched to the first pixel.
        size: side, or height and width, to upsample to, in pixels.
        refine: whether to move each maximum that is not on the image's border to the peak of the paraboloid through its
            3 x 3 neighbours, by half a pixel at most in x and y.
        device: where to compute; on a CPU targets are taken a few at a time, to save memory.

    Returns:
        float64 (N, 2), (x, y) in pixels, whole unless refined.

    Raises:
        UserError: the arrays are not such, or not finite, or disagree about C, or the size is not positive.
    """
    import torch
    from torch.nn.functional import interpolate, normalize

    height, width = _checked(features, targets, size)
    if device.startswith("mps"):
        device = "cpu"  # Apple's GPUs have no float64
    cells, vectors = (
        torch.tensor(np.ascontiguousarray(array), dtype=torch.float64, device=device) for array in (features, targets)
    )
    maps = (normalize(vectors) @ cells.flatten(1)).reshape(1, len(targets), *cells.shape[1:])
    norms = _upsampled_norms(cells, height, width)

    found = np.empty((len(targets), 2))
    chunk = len(targets) if norms.is_cuda else CPU_CHUNK // (height * width)
    for start in range(0, len(targets), max(1, chunk)):
        part = slice(start, start + max(1, chunk))
        cosines = interpolate(maps[:, part], size=(height, width), mode="bilinear")[0].div_(norms)
        best = cosines.float().flatten(1).argmax(dim=1).cpu().numpy()
        x, y = best % width, best // width
        found[part] = np.stack((x, y), axis=1)
        if refine:
            found[part] += _peak_offsets(cosines, x, y)
    return found


def _checked(features: np.ndarray, targets: np.ndarray, size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width, once everything is as ``match`` needs it."""
    if features.ndim != 3 or not features.size:
        raise UserError(f"matching: the features have shape {features.shape}, accepted is (channels, height, width)")
    if targets.ndim != 2:
        raise UserError(f"matching: the targets have shape {targets.shape}, accepted is (landmarks, channels)")
    if targets.shape[1] != features.shape[0]:
        raise UserError(
            f"matching: the targets have {targets.shape[1]} channels, the features {features.shape[0]}: the gallery "
            "was made with other features; build it again with these"
        )
    for name, array in (("features", features), ("targets", targets)):
        if not np.isfinite(array).all():
            raise UserError(f"matching: some {name} are not finite; accepted are numbers only")
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise UserError(f"matching: size={size}; accepted is a side, or height and width, of at least 1 pixel")
    return height, width


def _upsampled_norms(cells: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Norm of the upsampled features in every pixel, (height, width); infinite where they have no direction.

    Args:
        cells: float64 (C, h, w).
        height: to upsample to.
        width: to upsample to.
    """
    import torch
    from torch.nn.functional import interpolate

    def weights(length: int, upsampled: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Squares of every cell's weights in every pixel, and products of neighbouring cells' weights."""
        one_hot = torch.eye(length, dtype=cells.dtype, device=cells.device)[None]
        weight = interpolate(one_hot, size=upsampled, mode="linear")[0]
        return weight.square(), weight[:-1] * weight[1:]

    def products(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return (first * second).sum(dim=0)

    same_y, next_y = weights(cells.shape[1], height)
    same_x, next_x = weights(cells.shape[2], width)
    upper, lower, left, right = cells[:, :-1], cells[:, 1:], cells[:, :, :-1], cells[:, :, 1:]
    own = products(cells, cells)
    diagonals = products(upper[:, :, :-1], lower[:, :, 1:]) + products(upper[:, :, 1:], lower[:, :, :-1])
    within_rows = own @ same_x + 2 * products(left, right) @ next_x
    between_rows = products(upper, lower) @ same_x + diagonals @ next_x
    squares = same_y.T @ within_rows + 2 * next_y.T @ between_rows

    # Where opposite cells cancel to a millionth, what is left is rounding error of the features, in any direction.
    uncancelled = interpolate(own[None, None], size=(height, width), mode="bilinear")[0, 0]
    norms = squares.clamp(min=0).sqrt().clamp(min=1e-12)
    return torch.where(squares > 1e-12 * uncancelled, norms, torch.inf)


def _peak_offsets(cosines: torch.Tensor, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """From each maximum to the peak of the paraboloid through its neighbours, float64 (N, 2), (x, y).

    Zero where there is no such peak, as on a plateau, or no neighbour, on the image's border.

    Args:
        cosines: float64 (N, height, width).
        x: int (N,), column of each one's maximum.
        y: int (N,), its row.
    """
    height, width = cosines.shape[1:]
    offsets = np.zeros((len(x), 2))
    inside = (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
    which, x, y = inside.nonzero()[0], x[inside], y[inside]
    around = np.arange(-1, 2)
    near = cosines[which[:, None, None], (y[:, None] + around)[:, :, None], (x[:, None] + around)[:, None]]
    value = near.cpu().numpy().transpose(1, 2, 0)

    slope_x, slope_y = (value[1, 2] - value[1, 0]) / 2, (value[2, 1] - value[0, 1]) / 2
    bend_x = value[1, 2] - 2 * value[1, 1] + value[1, 0]
    bend_y = value[2, 1] - 2 * value[1, 1] + value[0, 1]
    twist = (value[2, 2] - value[2, 0] - value[0, 2] + value[0, 0]) / 4
    determinant = bend_x * bend_y - twist**2
    peaked = (bend_x < 0) & (determinant > 0)
    newton = np.stack((twist * slope_y - bend_y * slope_x, twist * slope_x - bend_x * slope_y), axis=1)
    offsets[which[peaked]] = np.clip(newton[peaked] / determinant[peaked, None], -0.5, 0.5)
    return offsets


def regularise(points: np.ndarray) -> np.ndarray:
    """Smooth matched landmarks by what is known of faces.

    Each of ``CURVES`` keeps its end points; the others are spread evenly, by angle, along an ellipse fitted to the
    boundary, a circle fitted to any other curve, or a line where all points of a curve are on one, and keep their
    distance from it. The nose line is then spread evenly in y and put on one straight line through its lowest point.

    As in the reference everything happens on whole pixels, and what lies between two is truncated towards zero, after
    each step. Unlike there, a whole number that is missed by less than a billionth is not truncated to the next one;
    points on a line are spread along it, also where it is vertical; a boundary that decides no ellipse, or one a
    thousand times longer than wide, gets a circle; a nose line without height is left as it is.

    Args:
        points: (68, 2), (x, y) in pixels; first rounded to whole pixels.

    Returns:
        float64 (68, 2), whole; a curve may leave the image by what its fit does.

    Raises:
        UserError: the points are not such an array, not finite or further than a million pixels out.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.shape != (topology.COUNT, 2):
        raise UserError(f"matching: the landmarks have shape {points.shape}, accepted is ({topology.COUNT}, 2)")
    if not (np.abs(points) <= _MAX_COORDINATE).all():
        raise UserError("matching: some landmarks are not finite, or further than a million pixels out")
    points = np.round(points)
    for curve in CURVES:
        inner = list(curve[1:-1])
        points[inner] = _whole(_spread(points[list(curve)])[1:-1])
    points[list(NOSE_LINE)] = _whole(_spread_nose(points[list(NOSE_LINE)]))
    return points


def _whole(points: np.ndarray) -> np.ndarray:
    return np.trunc(np.round(points, 9))


def _spread(curve: np.ndarray) -> np.ndarray:
    """Points of a curve, (K, 2), spread evenly along what fits them."""
    origin = curve.mean(axis=0)
    centred = curve - origin
    scale = centred.std() or 1.0
    unit = centred / scale
    circle = _circle(unit)
    if circle is None:
        return curve[0] + np.linspace(0, 1, len(curve))[:, None] * (curve[-1] - curve[0])
    ellipse = _ellipse(unit) if len(curve) >= _MIN_POINTS_OF_ELLIPSE else None
    return origin + scale * _spread_by_angle(unit, *(ellipse or circle))


def _spread_by_angle(curve: np.ndarray, centre: np.ndarray, semi_axes: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Spread evenly in the ellipse's eccentric angle, keeping each point's distance from where its own angle is.

    Args:
        curve: (K, 2).
        centre: (2,), of an ellipse.
        semi_axes: (2,), their lengths.
        axes: (2, 2), their directions in columns.
    """
    local = (curve - centre) @ axes
    x, y = (local / semi_axes).T
    angle = np.unwrap(np.arctan2(y, x))
    nearby = semi_axes * np.stack((np.cos(angle), np.sin(angle)), axis=1)
    distance = np.linalg.norm(local - nearby, axis=1) * np.where(np.hypot(x, y) < 1, -1, 1)
    even = np.linspace(angle[0], angle[-1], len(curve))
    spread = (semi_axes + distance[:, None]) * np.stack((np.cos(even), np.sin(even)), axis=1)
    return np.asarray(centre + spread @ axes.T)


def _circle(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Least-squares circle as an ellipse: centre, semi-axes and their directions; None if the points are on a line.

    Linear in the centre c and in r^2 - |c|^2; the radius is then the root mean square distance from the centre.
    """
    design = np.column_stack((2 * points, np.ones(len(points))))
    solution, _, rank, _ = np.linalg.lstsq(design, (points**2).sum(axis=1), rcond=1e-10)
    if rank < 3:
        return None
    centre = solution[:2]
    radius = np.sqrt(((points - centre) ** 2).sum(axis=1).mean())
    return centre, np.full(2, radius), np.eye(2)


def _ellipse(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Least-squares ellipse: centre, semi-axes and their directions; None where the fit is none or float noise decides.

    It is float noise where fewer than five places leave many conics, or where the best is next to two parallel lines.

    Halir and Flusser, "Numerically stable direct least squares fitting of ellipses", WSCG 1998: of conics
    (a, b, c, d, e, f) . (x^2, xy, y^2, x, y, 1) = 0 the one of least algebraic error with 4 a c - b^2 = 1.

    Args:
        points: (K, 2), not all on a line, centred and of unit scale.
    """
    if len(np.unique(points, axis=0)) < _PLACES_OF_A_CONIC:
        return None
    x, y = points.T
    quadratic, linear = np.stack((x * x, x * y, y * y), axis=1), np.stack((x, y, np.ones_like(x)), axis=1)
    to_linear = -np.linalg.solve(linear.T @ linear, linear.T @ quadratic)
    scatter = quadratic.T @ (quadratic + linear @ to_linear)
    constraint = np.array([[0, 0, 2], [0, -1, 0], [2, 0, 0]])
    vectors = np.linalg.eig(np.linalg.solve(constraint, scatter)).eigenvectors.real
    discriminants = 4 * vectors[0] * vectors[2] - vectors[1] ** 2
    elliptic = vectors[:, discriminants.argmax()]
    (a, b, c), (d, e, f) = elliptic, to_linear @ elliptic
    form = np.array([[a, b / 2], [b / 2, c]])
    inverse_squares, axes = np.linalg.eigh(form)
    if np.abs(inverse_squares).max() > _MAX_ASPECT**2 * np.abs(inverse_squares).min():
        return None
    centre = -np.linalg.solve(2 * form, np.array([d, e]))
    squares = -(f + (d * centre[0] + e * centre[1]) / 2) / inverse_squares
    return (centre, np.sqrt(squares), axes) if (squares > 0).all() else None


def _spread_nose(line: np.ndarray) -> np.ndarray:
    """Spread evenly in y, on the line through the last point with the least-squares slope of x on y: (K, 2)."""
    last = line[-1]
    x, y = (line - last).T
    if not y.any():
        return line
    rows = np.linspace(y[0], 0, len(line))
    return last + np.stack((rows * (x @ y) / (y @ y), rows), axis=1)
