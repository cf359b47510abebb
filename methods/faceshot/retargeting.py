"""Moves a character's 68 landmarks as a driver's move: FaceShot's coordinate-based retargeting, and simpler ways.

FaceShot (ICLR 2025, arXiv 2503.00740) takes a face apart into thirteen curves. Each has a frame of its own: its origin
is the midpoint of the curve's first and last point, its x axis runs along them. The driver's face outline moves all
curves of the character alike, each curve then moves relative to the outline, and each point within its curve. Rules
that the paper does not tell are those of the reference implementation, ``open-mmlab/FaceShot``.

Points of the plane are handled as complex numbers x + iy: multiplying by a unit number turns them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MappingProxyType

import numpy as np

from charachbench.errors import UserError
from charachbench.landmarks import topology
from charachbench.protocols import Retargeting

# In the order in which they are written: of points that two curves share, the later curve decides.
CURVES = MappingProxyType(
    {
        "outline": [*range(17)],
        "outer upper lip": [*range(48, 55)],
        "outer lower lip": [*range(54, 60), 48],
        "nose base": [*range(31, 36)],
        "inner upper lip": [*range(60, 65)],
        "inner lower lip": [*range(64, 68), 60],
        "right upper lid": [*range(36, 40)],
        "right lower lid": [*range(39, 42), 36],
        "left upper lid": [*range(42, 46)],
        "left lower lid": [*range(45, 48), 42],
        "right brow": [*range(17, 22)],
        "left brow": [*range(22, 27)],
        "nose bridge": [*range(27, 31)],
    }
)
INNER_LIPS = ("inner upper lip", "inner lower lip")
UNSMOOTHED = ("right brow", "left brow", "nose bridge")

# What bounds the free space of a curve that shifts towards +y, -y, -x and +x: another curve's origin or a landmark.
# That +y, down in the picture, is bounded by what lies above is the reference's.
RIGHT_TEMPLE, CHIN, LEFT_TEMPLE = 0, 8, 16
_LIPS = ("nose base", CHIN, RIGHT_TEMPLE, LEFT_TEMPLE)
_RIGHT_EYE = ("right brow", "nose bridge", RIGHT_TEMPLE, "left upper lid")
_LEFT_EYE = ("left brow", "nose bridge", "right upper lid", LEFT_TEMPLE)
NEIGHBOURS: MappingProxyType[str, tuple[str | int, ...]] = MappingProxyType(
    {
        "outer upper lip": _LIPS,
        "outer lower lip": _LIPS,
        "nose base": ("nose bridge", "outer upper lip", RIGHT_TEMPLE, LEFT_TEMPLE),
        "inner upper lip": _LIPS,
        "inner lower lip": _LIPS,
        "right upper lid": _RIGHT_EYE,
        "right lower lid": _RIGHT_EYE,
        "left upper lid": _LEFT_EYE,
        "left lower lid": _LEFT_EYE,
        "right brow": (CHIN, "right upper lid", RIGHT_TEMPLE, "left brow"),
        "left brow": (CHIN, "left upper lid", "right brow", LEFT_TEMPLE),
    }
)

# Coordinates below this many pixels count as zero.
LEAST = 1.0
# A character's coordinate that is this many times the driver's grows by the driver's pixels instead of its ratio; the
# coordinate itself no longer counts once it would grow by this share.
CAP = 1.5
# Pixels of motion over which ``continuous`` changes from displacements to the reference's ratios.
FADE = (1.0, 8.0)
# No coordinate may be farther out, in pixels: whatever is computed stays finite.
FARTHEST = 1e6

Frames = dict[str, tuple[np.ndarray, np.ndarray]]
PointMotion = Callable[[str, np.ndarray, np.ndarray], np.ndarray]


def retarget(driver: np.ndarray, character: np.ndarray) -> np.ndarray:
    """FaceShot's retargeting, equal to the reference implementation in floating point.

    Some defects are the reference's own. A driver that does not move makes the character jump by some pixels from frame
    0 to frame 1, where coordinates under one pixel are dropped; its thresholds make the character jump at other times
    too; shifts are turned by the angle from the character's face to the driver's instead of back, so that a face that
    is tilted otherwise than the driver's drifts off its own axes. Left out is its fit of an ellipse, which nothing
    uses. Where it divides zero free space by zero, the ratio here is 1.

    Args:
        driver: float (T, 68, 2), (x, y) in pixels of the driver.
        character: float (68, 2), likewise of the character.

    Returns:
        float64 (T, 68, 2); frame 0 is ``character``.

    Raises:
        UserError: the landmarks are not such arrays, not finite, or farther out than a million pixels.
    """
    return _move(*_checked(driver, character), _point_motion)


def continuous(driver: np.ndarray, character: np.ndarray) -> np.ndarray:
    """FaceShot's retargeting without its jumps: continuous in every frame of the driver after frame 0.

    Curves move as in ``retarget``. Within its curve, a coordinate that has moved by less than 1 px since frame 0 is
    displaced by as much, scaled by face size; from 8 px on it follows the reference's ratio; in between they are mixed.
    The ratio itself is made continuous: coordinates of later frames are never dropped, the growth cap is a plateau
    from 1.5 to 2.5 and measures growth from the mirrored coordinate where the sign changes, and ratios are neither
    smoothed over a curve nor averaged at the inner lips' middle. A coordinate that moved by 8 px and that none of these
    touches is exactly where ``retarget`` puts it.

    What is still discontinuous: the dependence on the character and on the driver's frame 0, whose coordinates under
    one pixel still count as zero, and frames in which the end points of one of the driver's curves coincide.

    Args, Returns and Raises as for ``retarget``; also raises where the driver's face in frame 0 has no extent.
    """
    driver, character = _checked(driver, character)
    return _move(driver, character, partial(_continuous_point_motion, scale=_size_ratio(driver, character)))


def direct(driver: np.ndarray, character: np.ndarray) -> np.ndarray:
    """The driver's displacements since frame 0, scaled by face size (geometric mean of the box's sides), added.

    Args, Returns and Raises as for ``continuous``.
    """
    driver, character = _checked(driver, character)
    return character + (driver - driver[0]) * _size_ratio(driver, character)


def similarity(driver: np.ndarray, character: np.ndarray) -> np.ndarray:
    """The driver's head motion, turned and scaled about the character's own centre, and its expression on top.

    Head motion is the least-squares similarity transform that maps the driver's frame 0 to frame t (Umeyama, IEEE TPAMI
    1991; in the plane it is a complex quotient), its translation scaled by face size. Expression is the displacement
    that is left, seen in the pose of frame 0 and scaled by face size alike in x and y, so that it turns with the head.

    Args, Returns and Raises as for ``continuous``.
    """
    driver, character = _checked(driver, character)
    scale = _size_ratio(driver, character)
    faces, face = _complex(driver), _complex(character)
    centred = faces - faces.mean(axis=1, keepdims=True)
    own = face - face.mean()
    turn = (centred * centred[0].conj()).sum(axis=1) / (np.abs(centred[0]) ** 2).sum()
    moved = face + scale * (faces - faces[0]) + (turn[:, None] - 1) * (own - scale * centred[0])
    moved[0] = face
    return _real(moved)


class FaceShot(Retargeting):
    """FaceShot's retargeting as released; see ``retarget``."""

    def retarget(self, driver: np.ndarray, character: np.ndarray) -> np.ndarray:
        """See ``Retargeting``."""
        return retarget(driver, character)


class FaceShotContinuous(Retargeting):
    """FaceShot's retargeting without its jumps; see ``continuous``."""

    def retarget(self, driver: np.ndarray, character: np.ndarray) -> np.ndarray:
        """See ``Retargeting``."""
        return continuous(driver, character)


class Direct(Retargeting):
    """Displacements scaled by face size; see ``direct``."""

    def retarget(self, driver: np.ndarray, character: np.ndarray) -> np.ndarray:
        """See ``Retargeting``."""
        return direct(driver, character)


class Similarity(Retargeting):
    """Head motion about the character's own centre, and expression; see ``similarity``."""

    def retarget(self, driver: np.ndarray, character: np.ndarray) -> np.ndarray:
        """See ``Retargeting``."""
        return similarity(driver, character)


def _checked(driver: np.ndarray, character: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    driver, character = np.asarray(driver, np.float64), np.asarray(character, np.float64)
    count = topology.COUNT
    if driver.ndim != 3 or driver.shape[1:] != (count, 2) or not len(driver):
        raise UserError(f"retargeting: driver landmarks must have shape (T, {count}, 2), T >= 1, got {driver.shape}")
    if character.shape != (count, 2):
        raise UserError(f"retargeting: character landmarks must have shape ({count}, 2), got {character.shape}")
    for name, points in (("driver", driver), ("character", character)):
        valid = np.abs(points) <= FARTHEST
        if not valid.all():
            raise UserError(
                f"retargeting: {name} landmarks must be finite and within {FARTHEST:.0f} pixels, "
                f"got {points[~valid][0]} at index {np.argwhere(~valid)[0].tolist()}"
            )
    return driver, character


def _size_ratio(driver: np.ndarray, character: np.ndarray) -> float:
    """Size of the character's face by the driver's in frame 0."""
    size = topology.box_size(driver[0])
    if size < 1e-6:
        raise UserError("retargeting: the driver's face in frame 0 has no extent: its landmarks lie on one line")
    return float(topology.box_size(character) / size)


def _complex(points: np.ndarray) -> np.ndarray:
    """(..., 2) -> complex (...)."""
    return points[..., 0] + 1j * points[..., 1]


def _real(points: np.ndarray) -> np.ndarray:
    """Complex (...) -> (..., 2)."""
    return np.stack((points.real, points.imag), axis=-1)


def _frames(face: np.ndarray) -> Frames:
    """Origin and direction, a unit number, of every curve's frame: complex (..., 68) -> two complex (...) each."""
    frames = {}
    for curve, points in CURVES.items():
        first, last = face[..., points[0]], face[..., points[-1]]
        angle = np.angle(last - first)
        frames[curve] = (first + last) / 2, np.cos(angle) + 1j * np.sin(angle)
    return frames


def _spaces(face: np.ndarray) -> dict[str, np.ndarray]:
    """Distances of each curve's origin to its neighbours along the axes of the outline: complex (68,) -> (4,) each."""
    frames = _frames(face)
    axis = frames["outline"][1].conj()
    spaces = {}
    for curve, neighbours in NEIGHBOURS.items():
        places = [face[place] if isinstance(place, int) else frames[place][0] for place in neighbours]
        plus_y, minus_y, minus_x, plus_x = (np.array(places) - frames[curve][0]) * axis
        spaces[curve] = np.abs([plus_y.imag, minus_y.imag, minus_x.real, plus_x.real])
    return spaces


def _move(driver: np.ndarray, character: np.ndarray, point_motion: PointMotion) -> np.ndarray:
    """Global, local and point motion: (T, 68, 2) and (68, 2) -> (T, 68, 2)."""
    faces, face = _complex(driver), _complex(character)
    theirs, own = _frames(faces), _frames(face)
    their_spaces, own_spaces = _spaces(faces[0]), _spaces(face)
    # The reference measures free space from the nose base's own origin, but moves it about that of the bridge.
    for frames in (theirs, own):
        frames["nose base"] = frames["nose bridge"][0], frames["nose base"][1]

    # Global motion: the outline's shift and turn since frame 0.
    origin, axis = theirs["outline"]
    global_shift, global_turn = origin - origin[0], axis * axis[0].conj()
    global_move = global_shift * axis[0] * own["outline"][1].conj()
    moved = np.empty_like(faces)
    for curve, points in CURVES.items():
        (origin, axis), (own_origin, own_axis) = theirs[curve], own[curve]
        local = _real((faces[:, points] - origin[:, None]) * axis[:, None].conj())
        own_local = _real((face[points] - own_origin) * own_axis.conj())
        shape = _complex(point_motion(curve, local, own_local))
        placed = own_origin + shape * (own_axis * global_turn)[:, None] + global_move[:, None]
        if curve != "outline":
            # Local motion: the curve's own shift and turn beyond the global ones, as far as there is room.
            turn = axis * axis[0].conj()
            shift = _real((origin - origin[0] - global_shift) * axis)
            if curve in NEIGHBOURS:
                shift *= _shift_ratios(shift, their_spaces[curve], own_spaces[curve])
            centre = (placed[:, :1] + placed[:, -1:]) / 2
            placed = centre + (placed - centre) * (turn * global_turn.conj())[:, None]
            placed += (_complex(shift) * (own_axis * turn).conj())[:, None]
        moved[:, points] = placed
    moved[0] = face
    return _real(moved)


def _shift_ratios(shift: np.ndarray, their_space: np.ndarray, own_space: np.ndarray) -> np.ndarray:
    """Free space of the character by the driver's, at most 1, in the direction of each shift: (T, 2) -> (T, 2)."""
    ratios = np.divide(own_space, their_space, out=np.ones(4), where=own_space < their_space)
    plus_y, minus_y, minus_x, plus_x = ratios
    return np.stack((np.where(shift[:, 0] < 0, minus_x, plus_x), np.where(shift[:, 1] < 0, minus_y, plus_y)), axis=-1)


def _dropped(points: np.ndarray) -> np.ndarray:
    """Coordinates under one pixel become 0."""
    return np.where(np.abs(points) < LEAST, 0, points)


def _point_motion(curve: str, driver: np.ndarray, character: np.ndarray) -> np.ndarray:
    """The character's curve in its own frame as the reference has it, (T, n, 2).

    Args:
        curve: its name.
        driver: (T, n, 2), the driver's curve, each frame in the curve's frame at that time.
        character: (n, 2), the character's, likewise.
    """
    driver, character = _dropped(driver), _dropped(character)
    ratios = _ratios(driver, driver[0], character, np.abs(driver - driver[0]), _hard_cap)
    before, now = np.broadcast_to(driver[0], driver.shape).copy(), driver.copy()
    if curve in INNER_LIPS:
        # The middle of closed lips has no height that a ratio could be taken of: its neighbours stand in for it.
        height = ratios[..., 1]
        closed = (height[:, 2] == 0) & (height[:, 1] != 0) & (height[:, 3] != 0)
        for values in (ratios, before, now):
            values[closed, 2, 1] = (values[closed, 1, 1] + values[closed, 3, 1]) / 2
    if curve not in UNSMOOTHED:
        ratios = _without_outliers(ratios)
    change = np.where(driver[0] != 0, driver[0] * ratios - driver[0] * (ratios != 0), ratios)
    return _signs_repaired(np.where(character != 0, character * ratios, change), before, now, character)


def _continuous_point_motion(curve: str, driver: np.ndarray, character: np.ndarray, scale: float) -> np.ndarray:  # noqa: ARG001
    """The same for ``continuous``; ``scale`` is the character's face size by the driver's."""
    before, at_rest = _dropped(driver[0]), _dropped(character)
    ratios = _ratios(driver, before, at_rest, np.abs(driver) - np.abs(before), _plateau)
    change = np.where(before != 0, driver - before, ratios)
    followed = _signs_repaired(np.where(at_rest != 0, at_rest * ratios, change), before, driver, at_rest)
    motion = driver - driver[0]
    displaced = character + scale * motion
    weight = np.clip((np.abs(motion) - FADE[0]) / (FADE[1] - FADE[0]), 0, 1)
    return displaced + weight * (followed - displaced)


def _hard_cap(growth: np.ndarray) -> np.ndarray:
    """Ratio of a coordinate that grows by a share of itself; it falls back by 1 at the cap, as in the reference."""
    return (growth <= CAP) + growth


def _plateau(growth: np.ndarray) -> np.ndarray:
    """The same without falling back: it waits at the cap until the reference has caught up."""
    return np.clip(CAP + 1 - growth, 0, 1) + growth


def _ratios(
    driver: np.ndarray,
    before: np.ndarray,
    character: np.ndarray,
    growth: np.ndarray,
    capped: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """By what the character's coordinates are multiplied; where it and the driver have none, what becomes of them.

    Args:
        driver: (T, n, 2), the driver's coordinates.
        before: (n, 2), those in frame 0, dropped.
        character: (n, 2), the character's, dropped.
        growth: (T, n, 2), how much larger the driver's have become, in pixels.
        capped: from the growth by the character's size to the ratio of a coordinate that grows by pixels.
    """
    driver_zero, zero = before == 0, character == 0
    divisor, size = np.where(driver_zero, 1, before), np.where(zero, 1, np.abs(character))
    # A coordinate that is zero in both takes the ratio of the point's other coordinate.
    other = np.where(driver_zero | zero, 1, size / np.abs(divisor))[:, ::-1]
    plain = np.where(driver_zero, driver * other, driver / divisor)
    side = np.sign(driver * np.where(driver_zero, character, before))
    grows = (size > CAP * np.abs(before)) & (np.abs(driver) > np.abs(before)) & ~zero
    return np.where(grows, side * capped(growth / size), plain)


def _signs_repaired(moved: np.ndarray, before: np.ndarray, now: np.ndarray, character: np.ndarray) -> np.ndarray:
    """Coordinates on the driver's side of the axis where the character's began on the other."""
    crossed = (before * character < 0) & (now != 0)
    returned = (before == 0) & (now * character < 0)
    return np.where(crossed, -moved, np.where(returned, moved + character, moved))


def _without_outliers(ratios: np.ndarray) -> np.ndarray:
    """Outlying sizes replaced by the mean of their nearest neighbours' along the curve: (T, n, 2) -> (T, n, 2).

    Outliers are those beyond 1.5 inter-quartile ranges; where there are none, those with a modified z-score (Iglewicz
    and Hoaglin, 1993) above 2.5. Zeros do not count, and where they are too many all become zero.
    """
    ratios = ratios.swapaxes(1, 2)
    sizes, used, n = np.abs(ratios), ratios != 0, ratios.shape[-1]
    count = used.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):  # infinity stands for what does not count
        ordered = np.sort(np.where(used, sizes, np.inf), axis=-1)
        low, high = _quantile(ordered, count, 0.25), _quantile(ordered, count, 0.75)
        spread = high - low
        spread = np.where(spread < 0.2, spread + 0.2, spread)
        outlying = used & ((sizes < low - 1.5 * spread) | (sizes > high + 1.5 * spread))
        deviations = sizes - _median(ordered, count)
        spread = _median(np.sort(np.where(used, np.abs(deviations), np.inf), axis=-1), count)
        spread = np.where(spread < 0.1, spread + 0.1, spread)
        scores = np.abs(0.6745 * deviations / spread)
    outlying = np.where(outlying.any(axis=-1, keepdims=True), outlying, used & (scores > 2.5))
    # The curve counts as closed: twice around, the nearest kept point before and after each.
    place = np.arange(2 * n)
    kept = np.concatenate([used & ~outlying] * 2, axis=-1)
    previous = np.maximum.accumulate(np.where(kept, place, 0), axis=-1)[..., n:] % n
    following = np.minimum.accumulate(np.where(kept, place, 2 * n)[..., ::-1], axis=-1)[..., : n - 1 : -1] % n
    mean = (np.take_along_axis(sizes, previous, axis=-1) + np.take_along_axis(sizes, following, axis=-1)) / 2
    smoothed = np.where(outlying, mean * np.sign(ratios), ratios)
    return np.where(count > (n - 2) / 2, smoothed, 0).swapaxes(1, 2)


def _quantile(ordered: np.ndarray, count: np.ndarray, share: float) -> np.ndarray:
    """Of the first ``count`` values, linearly interpolated, rounded as NumPy rounds: thresholds hang on it."""
    place = share * (count - 1)
    index = np.floor(place).astype(int)
    weight = place - index
    low = np.take_along_axis(ordered, index, axis=-1)
    high = np.take_along_axis(ordered, np.minimum(index + 1, count - 1), axis=-1)
    return np.where(weight < 0.5, low + (high - low) * weight, high - (high - low) * (1 - weight))


def _median(ordered: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Of the first ``count`` values."""
    low = np.take_along_axis(ordered, (count - 1) // 2, axis=-1)
    return (low + np.take_along_axis(ordered, count // 2, axis=-1)) / 2
