"""Speed of retargeting, and against loops over frames, points and axes: ``python -m benchmarks.retargeting``.

The loops follow FaceShot's rules number by number, as the reference implementation does, and with its ellipse
fits, which take most of its time although it does not use their results.
"""

from __future__ import annotations

import math

import numpy as np

from benchmarks import seconds
from methods.faceshot import retargeting
from methods.faceshot.retargeting import CURVES, INNER_LIPS, NEIGHBOURS, UNSMOOTHED

FRAMES = 122


def face(seed: int) -> np.ndarray:
    """68 landmarks of a face with features of its own, about 300 px wide, in no particular position."""
    from charachbench.landmarks import mean_shape

    random = np.random.default_rng(seed)
    return mean_shape.fit(np.array([110, 120, 400, 420])) + random.normal(0, 4, (68, 2))


def talking(first: np.ndarray) -> np.ndarray:
    """A head that sways and nods while its face moves, (FRAMES, 68, 2)."""
    random = np.random.default_rng(0)
    phase = np.linspace(0, 4 * np.pi, FRAMES)[:, None, None]
    angle = 0.15 * np.sin(phase)
    turned = (first - first.mean(axis=0)) * np.cos(angle) + (first - first.mean(axis=0))[:, ::-1] * [-1, 1] * np.sin(
        angle
    )
    waves = random.normal(0, 6, (68, 2)) * np.sin(3 * phase) + random.normal(0, 6, (68, 2)) * np.sin(5 * phase)
    landmarks = first.mean(axis=0) + turned + 20 * np.sin(2 * phase) + waves
    landmarks[0] = first
    return landmarks


def loops(driver: np.ndarray, character: np.ndarray) -> np.ndarray:
    """``retargeting.retarget``, a number at a time."""
    result = np.repeat(character[None].astype(np.float64), len(driver), axis=0)
    ratios = free_space_ratios(driver[0], character)
    start, start_angle = frame(driver[0], "outline")
    own_angle = frame(character, "outline")[1]
    for index in range(1, len(driver)):
        origin, angle = frame(driver[index], "outline")
        shift, turn = origin - start, angle - start_angle
        for curve, points in CURVES.items():
            shape = move_points(driver[0], driver[index], character, curve)
            centre, own = moving_frame(character, curve)
            moved = [centre + rotate(point, own + turn) + rotate(shift, start_angle - own_angle) for point in shape]
            if curve != "outline":
                first, first_angle = moving_frame(driver[0], curve)
                now, now_angle = moving_frame(driver[index], curve)
                local = rotate(now - first - shift, now_angle)
                plus_y, minus_y, minus_x, plus_x = ratios[curve]
                local = local * [minus_x if local[0] < 0 else plus_x, minus_y if local[1] < 0 else plus_y]
                middle = (moved[0] + moved[-1]) / 2
                moved = [
                    middle
                    + rotate(point - middle, now_angle - first_angle - turn)
                    + rotate(local, first_angle - now_angle - own)
                    for point in moved
                ]
            result[index, points] = moved
    return result


def fit_heights(landmarks: np.ndarray) -> list[float]:
    """Height of the half-ellipse over every curve's axis in every frame, as the reference fits it."""
    from scipy.optimize import least_squares

    heights = []
    for points in landmarks:
        for curve, indices in CURVES.items():
            origin, angle = frame(points, curve)
            x, y = np.array([rotate(point - origin, -angle) for point in points[indices[1:-1]]]).T
            across = float(np.linalg.norm(points[indices[-1]] - points[indices[0]]))
            if np.abs(y).max() <= 2:
                heights.append(0.0)
                continue

            def misfit(b: np.ndarray, x: np.ndarray = x, y: np.ndarray = y, across: float = across) -> np.ndarray:
                return (2 * x / across) ** 2 + (y / b) ** 2 - 1

            heights.append(2 * float(least_squares(misfit, x0=1).x[0]))
    return heights


def rotate(point: np.ndarray, angle: float) -> np.ndarray:
    sine, cosine = math.sin(angle), math.cos(angle)
    return np.array([point[0] * cosine - point[1] * sine, point[0] * sine + point[1] * cosine])


def frame(points: np.ndarray, curve: str) -> tuple[np.ndarray, float]:
    first, last = points[CURVES[curve][0]], points[CURVES[curve][-1]]
    return (first + last) / 2, math.atan2(last[1] - first[1], last[0] - first[0])


def moving_frame(points: np.ndarray, curve: str) -> tuple[np.ndarray, float]:
    origin, angle = frame(points, curve)
    return (frame(points, "nose bridge")[0] if curve == "nose base" else origin), angle


def free_space_ratios(driver: np.ndarray, character: np.ndarray) -> dict[str, list[float]]:
    ratios = {curve: [1.0] * 4 for curve in CURVES}
    for curve, neighbours in NEIGHBOURS.items():
        for side, (neighbour, axis) in enumerate(zip(neighbours, (1, 1, 0, 0), strict=True)):
            spaces = []
            for points in (character, driver):
                place = points[neighbour] if isinstance(neighbour, int) else frame(points, neighbour)[0]
                spaces.append(abs(rotate(place - frame(points, curve)[0], -frame(points, "outline")[1])[axis]))
            ratios[curve][side] = spaces[0] / spaces[1] if spaces[0] < spaces[1] else 1.0
    return ratios


def move_points(first: np.ndarray, now: np.ndarray, character: np.ndarray, curve: str) -> np.ndarray:
    before, after, own = (local(points, curve) for points in (first, now, character))
    ratios = np.array([[ratio(before[i], after[i], own[i], axis) for axis in (0, 1)] for i in range(len(own))])
    if curve in INNER_LIPS and ratios[2, 1] == 0 and ratios[1, 1] != 0 and ratios[3, 1] != 0:
        for values in (ratios, after):
            values[2, 1] = (values[1, 1] + values[3, 1]) / 2
        repaired = before.copy()
        repaired[2, 1] = (before[1, 1] + before[3, 1]) / 2
    else:
        repaired = before
    if curve not in UNSMOOTHED:
        ratios = np.stack([smooth(list(ratios[:, axis])) for axis in (0, 1)], axis=1)
    moved = np.zeros_like(own)
    for i, axis in np.ndindex(*own.shape):
        old, new, at_rest, by = before[i, axis], after[i, axis], own[i, axis], ratios[i, axis]
        if at_rest != 0:
            moved[i, axis] = at_rest * by
        elif by != 0:
            moved[i, axis] = old * by - old if old != 0 else by
        old = repaired[i, axis]
        if old * at_rest < 0 and new != 0:
            moved[i, axis] *= -1
        elif old == 0 and new * at_rest < 0:
            moved[i, axis] += at_rest
    return moved


def local(points: np.ndarray, curve: str) -> np.ndarray:
    origin, angle = moving_frame(points, curve)
    turned = np.array([rotate(point - origin, -angle) for point in points[CURVES[curve]]])
    turned[np.abs(turned) < 1] = 0
    return turned


def ratio(before: np.ndarray, after: np.ndarray, own: np.ndarray, axis: int) -> float:
    old, new, at_rest = float(before[axis]), float(after[axis]), float(own[axis])
    if new == 0:
        return 0.0
    if at_rest == 0 and old == 0:
        other = 1 - axis
        usable = before[other] != 0 and own[other] != 0
        return new * abs(own[other] / before[other]) if usable else new
    if old == 0:
        growth = abs(new / at_rest)
        return math.copysign(growth + (growth <= 1.5), new * at_rest)
    if abs(at_rest) > 1.5 * abs(old) and abs(new) > abs(old):
        growth = abs(new - old) / abs(at_rest)
        return math.copysign(growth + (growth <= 1.5), new * old)
    return new / old


def smooth(ratios: list[float]) -> list[float]:
    used = [i for i, value in enumerate(ratios) if value != 0]
    if len(used) <= (len(ratios) - 2) / 2:
        return [0.0] * len(ratios)
    sizes = [abs(ratios[i]) for i in used]
    low, high = np.percentile(sizes, 25), np.percentile(sizes, 75)
    spread = high - low if high - low >= 0.2 else high - low + 0.2
    outliers = [k for k, size in enumerate(sizes) if size < low - 1.5 * spread or size > high + 1.5 * spread]
    if not outliers:
        median = np.median(sizes)
        spread = np.median([abs(size - median) for size in sizes])
        spread = spread if spread >= 0.1 else spread + 0.1
        outliers = [k for k, size in enumerate(sizes) if abs(0.6745 * (size - median) / spread) > 2.5]
    result = list(ratios)
    for k in outliers:
        left = right = k
        while left in outliers:
            left = (left - 1) % len(sizes)
        while right in outliers:
            right = (right + 1) % len(sizes)
        result[used[k]] = math.copysign((sizes[left] + sizes[right]) / 2, ratios[used[k]])
    return result


def main() -> None:
    driver, character = talking(face(0)), face(1)
    difference = np.abs(loops(driver, character) - retargeting.retarget(driver, character)).max()
    parts = [seconds(lambda: loops(driver, character), 2), seconds(lambda: fit_heights(driver), 1)]
    baseline = sum(parts)
    print(
        f"loops, {FRAMES} frames: {1000 * baseline:.0f} ms, {1000 * parts[1]:.0f} of them ellipse fits; "
        f"within {difference:.0e} px of retarget"
    )
    for job in (retargeting.retarget, retargeting.continuous, retargeting.similarity, retargeting.direct):
        took = seconds(lambda: job(driver, character), 20)  # noqa: B023 - called at once
        print(f"{job.__name__}, {FRAMES} frames: {1000 * took:.1f} ms, {baseline / took:.0f} x the loops")


if __name__ == "__main__":
    main()
