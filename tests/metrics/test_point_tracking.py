from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charachbench.errors import Unscored, UserError
from charachbench.protocols import Sample
from charachbench.video import Video
from metrics.point_tracking import PointTracking, point_tracking_distance
from tests.metrics import samples

REFERENCE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "cases" / "point_tracking.npz"
FRAMES = 5


def tracks(seed: int, frames: int = FRAMES, noise: float = 3.0) -> np.ndarray:
    """Landmarks that wander about the face, (T, 68, 2)."""
    return samples.face() + np.random.default_rng(seed).normal(0, noise, (frames, 68, 2))


def finished(landmarks: np.ndarray | None, driver: np.ndarray, fps: float = 25) -> Sample:
    video = Video(np.zeros((len(driver), 16, 16, 3), np.uint8), fps)
    sample = samples.sample(video, driver=driver)
    sample.landmarks = landmarks
    return sample


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference's values are not in this checkout")
@pytest.mark.parametrize("case", ["case0", "case1", "case2"])
def test_equals_the_reference_implementation(case: str) -> None:
    with np.load(REFERENCE) as cases:
        driver, generated = cases[f"{case}/driver"], cases[f"{case}/generated"]
        raw, retargeted = float(cases[f"{case}/raw"]), float(cases[f"{case}/retargeted"])
    assert point_tracking_distance(driver, generated, align=False) == pytest.approx(raw, rel=1e-5)
    assert point_tracking_distance(driver, generated) == pytest.approx(retargeted, rel=5e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.booleans())
def test_the_alignment_is_the_least_squares_fit(seed: int, similar: bool) -> None:
    rng = np.random.default_rng(seed)
    driver = tracks(seed, noise=2)
    generated = tracks(seed + 1, noise=20) if similar else rng.uniform(-50, 50, driver.shape)
    slope, offset = np.polyfit(generated[0, :, 1], driver[0, :, 1], 1)
    ratio = np.ptp(driver[0, :, 0]) / np.ptp(generated[0, :, 0])
    x = generated[..., 0] * ratio + np.mean(driver[0, :, 0] - ratio * generated[0, :, 0])
    fitted = np.stack([x, generated[..., 1] * slope + offset], axis=-1)
    unaligned = point_tracking_distance(driver, fitted, align=False)
    assert point_tracking_distance(driver, generated) == pytest.approx(unaligned, rel=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 20), st.floats(-20, 20), st.floats(-20, 20), st.booleans())
def test_a_displacement_after_the_first_frame_counts_once_per_frame(
    frames: int, dx: float, dy: float, align: bool
) -> None:
    driver = np.repeat(samples.face()[None], frames, axis=0)
    moved = driver.copy()
    moved[1:] += dx, dy
    width, height = np.ptp(samples.face(), axis=0)
    distance = (frames - 1) * np.hypot(dx / width, dy / height)
    assert point_tracking_distance(driver, moved, align) == pytest.approx(distance, abs=1e-9)


def test_without_alignment_positions_are_divided_by_the_extent_alone() -> None:
    driver = np.repeat(samples.face()[None], 3, axis=0)
    width, height = np.ptp(samples.face(), axis=0)
    shifted = point_tracking_distance(driver, driver + np.array([7, -3]), align=False)
    assert shifted == pytest.approx(3 * np.hypot(7 / width, 3 / height))
    assert point_tracking_distance(driver, driver * 2.5, align=False) == pytest.approx(0, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 10_000),
    st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)),
    st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    st.booleans(),
)
def test_place_size_and_upside_down_of_the_generated_face_do_not_matter(
    seed: int, scale: tuple[float, float], shift: tuple[float, float], upside_down: bool
) -> None:
    driver, generated = tracks(seed), tracks(seed + 1)
    here = point_tracking_distance(driver, generated)
    there = generated * scale * np.array([1, -1 if upside_down else 1]) + shift
    assert point_tracking_distance(driver, there) == pytest.approx(here, rel=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), st.floats(-500, 500))
def test_size_and_horizontal_place_of_the_driver_do_not_matter(
    seed: int, scale: tuple[float, float], shift: float
) -> None:
    driver, generated = tracks(seed), tracks(seed + 1)
    here = point_tracking_distance(driver, generated)
    assert point_tracking_distance(driver * scale + np.array([shift, 0]), generated) == pytest.approx(here, rel=1e-6)


def test_the_vertical_place_of_the_driver_does_matter() -> None:
    """The reference's definition, pinned: a fit of half the driver's height counts half the driver's place as error."""
    driver = np.repeat(np.array([[[0, 0], [1, 1], [2, 2]]], float), 2, axis=0)
    generated = np.repeat(np.array([[[0, 0], [1, 2], [2, 1]]], float), 2, axis=0)
    slope, height = 0.5, 2
    far = 1e6
    error = len(driver) * far * (1 / (slope * height) - 1 / height)
    assert point_tracking_distance(driver + np.array([0, far]), generated) == pytest.approx(error, rel=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.booleans())
def test_the_order_of_points_does_not_matter_and_no_distance_is_negative(seed: int, align: bool) -> None:
    driver, generated = tracks(seed), tracks(seed + 1)
    order = np.random.default_rng(seed).permutation(68)
    here = point_tracking_distance(driver, generated, align)
    assert here > 0
    assert point_tracking_distance(driver[:, order], generated[:, order], align) == pytest.approx(here)
    assert point_tracking_distance(driver, driver, align) == pytest.approx(0, abs=1e-9)


def flat(axis: int) -> np.ndarray:
    points = tracks(0)
    points[0, :, axis] = 7
    return points


def broken(value: float) -> np.ndarray:
    points = tracks(0)
    points[2, 3, 1] = value
    return points


def crossed() -> tuple[np.ndarray, np.ndarray]:
    """Four corners of a square, their heights paired so that they are uncorrelated."""
    driver = np.array([[[0, 0], [1, 0], [0, 1], [1, 1]]], float)
    return np.repeat(driver, 2, axis=0), np.repeat(driver[:, [0, 2, 1, 3]], 2, axis=0)


@pytest.mark.parametrize(
    ("driver", "generated", "reason"),
    [
        (tracks(0), flat(0), "the generated points have no extent in x in the first frame"),
        (flat(1), tracks(0), "the driver's points have no extent in y in the first frame"),
        (tracks(0)[:, :1], tracks(1)[:, :1], "no extent in x"),
        (tracks(0)[:1], tracks(1)[:1], "single frame"),
        (broken(np.nan), tracks(1), "the driver tracks are not finite"),
        (tracks(1), broken(np.inf), "the generated tracks are not finite"),
        (*crossed(), "heights of the generated points are uncorrelated"),
    ],
)
def test_what_has_no_distance_says_why(driver: np.ndarray, generated: np.ndarray, reason: str) -> None:
    with pytest.raises(Unscored, match=reason):
        point_tracking_distance(driver, generated)


@pytest.mark.parametrize(
    ("driver", "generated", "message"),
    [
        (tracks(0), tracks(0)[:3], r"the driver's are \(5, 68, 2\), the generated \(3, 68, 2\); equal shapes"),
        (tracks(0), tracks(0)[:, :67], "equal shapes"),
        (tracks(0)[0], tracks(0)[0], r"point tracks \(driver\): must be numbers \(T, N, 2\), got float64 \(68, 2\)"),
        (tracks(0), tracks(0)[..., :1], r"point tracks \(generated\)"),
        (tracks(0)[:0], tracks(0)[:0], r"got float64 \(0, 68, 2\)"),
        (tracks(0).astype(str), tracks(0), "must be numbers"),
    ],
)
def test_other_arrays_are_refused(driver: np.ndarray, generated: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        point_tracking_distance(driver, generated)


def test_the_metric_is_the_aligned_distance_to_the_driver() -> None:
    driver, made = tracks(0), tracks(1)
    array = PointTracking().extract(finished(made, driver))
    assert array.dtype == np.float64
    assert array.tolist() == [point_tracking_distance(driver, made)]
    assert PointTracking().direction == "down"
    assert PointTracking().extract(finished(driver * 2 + 9, driver)) == pytest.approx(0, abs=1e-9)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 10), st.floats(5, 60))
def test_per_second_does_not_grow_with_the_length_of_the_clip(repeats: int, fps: float) -> None:
    driver, made = tracks(0), tracks(1)
    once = PointTracking(per_second=True).extract(finished(made, driver, fps))
    longer = PointTracking(per_second=True).extract(
        finished(np.tile(made, (repeats, 1, 1)), np.tile(driver, (repeats, 1, 1)), fps)
    )
    assert longer == pytest.approx(once)
    assert once == pytest.approx(point_tracking_distance(driver, made) / (FRAMES / fps))


@pytest.mark.parametrize(
    ("landmarks", "reason"),
    [
        (None, "the method does not say where its landmarks are"),
        (tracks(0)[:3], "landmarks of 3 frames, the driver 5"),
        (np.full((FRAMES, 68, 2), np.nan), "the generated tracks are not finite"),
        (np.zeros((FRAMES, 68, 2)), "no extent"),
    ],
)
def test_what_the_metric_cannot_score_says_why(landmarks: np.ndarray | None, reason: str) -> None:
    with pytest.raises(Unscored, match=reason):
        PointTracking().extract(finished(landmarks, tracks(0)))


def test_the_metric_needs_no_video() -> None:
    sample = finished(tracks(1), tracks(0))
    sample.made = None
    assert PointTracking(per_second=True).extract(sample).shape == (1,)
