from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charachbench.errors import Unscored, UserError
from charachbench.landmarks import mean_shape
from charachbench.protocols import Sample
from charachbench.video import Video
from metrics.point_tracking import PointTracking, VideoPointTracking, face_grid, point_tracking_distance
from metrics.tracking import LucasKanade
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


HUMAN = mean_shape.fit(np.array([30, 30, 130, 130]))
WIDE = mean_shape.fit(np.array([20, 50, 150, 120]))


def motion(frames: int = FRAMES) -> list[np.ndarray]:
    return [samples.rotation(1.5 * t, (1.3 * t, -0.8 * t)) for t in range(frames)]


def filmed(face: np.ndarray = WIDE, frames: int = FRAMES, still: bool = False) -> Sample:
    """A character that moves with its driver, or does not, by known maps; both are textured planes."""
    driving, driver = samples.move(np.ascontiguousarray(samples.texture()[::-1]), HUMAN, motion(frames))
    image = samples.texture()
    made, _ = samples.move(image, face, [samples.rotation(0)] * frames if still else motion(frames))
    return samples.sample(Video(made, 25), image=image, landmarks=face, driver=driver, driver_video=Video(driving, 25))


class Counted(LucasKanade):
    """Notes how many points it was asked to follow, and through how many frames."""

    calls: list[tuple[int, int]]

    def track(self, frames, first_points, *, landmarks=True):
        assert not landmarks
        frames = list(frames)
        object.__setattr__(self, "calls", [*getattr(self, "calls", []), (len(frames), len(first_points))])
        return super().track(frames, first_points, landmarks=landmarks)


class TestFaceGrid:
    @settings(deadline=None, max_examples=20)
    @given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 6))
    def test_boxes_are_those_of_the_reference(self, seed: int, mouth: int, eyes: int) -> None:
        points = np.random.default_rng(seed).uniform(0, 100, (68, 2))
        xs, ys = points[17:48].T
        lips_x, lips_y = points[48:68].T
        expected = {
            (
                round(min(x) + i * (max(x) - min(x)) / (count - 1), 6),
                round(top + j * (bottom - top) / (count - 1), 6),
            )
            for x, top, bottom, count in (
                (lips_x, min(lips_y), max(lips_y), mouth),
                (xs, min(ys), min(lips_y), eyes),
            )
            for i in range(count)
            for j in range(count)
        }
        grid = face_grid(points, mouth, eyes)
        assert len(grid) == mouth**2 + eyes**2
        assert {(round(x, 6), round(y, 6)) for x, y in grid.tolist()} == expected

    def test_points_correspond(self) -> None:
        scale, shift = np.array([2, 0.5]), np.array([7, -3])
        assert face_grid(HUMAN * scale + shift, 10, 20) == pytest.approx(face_grid(HUMAN, 10, 20) * scale + shift)


class TestVideoPointTracking:
    def test_equals_the_distance_of_the_true_tracks(self) -> None:
        human, wide = (samples.move(samples.texture(), face_grid(face, 5, 8), motion())[1] for face in (HUMAN, WIDE))
        moved = VideoPointTracking(LucasKanade(), 8, 5).extract(filmed())
        assert moved == pytest.approx(point_tracking_distance(human, wide), abs=0.05)
        still = np.repeat(wide[:1], FRAMES, axis=0)
        stayed = VideoPointTracking(LucasKanade(), 8, 5).extract(filmed(still=True))
        assert stayed == pytest.approx(point_tracking_distance(human, still), abs=0.05)
        assert stayed > 2 * moved

    def test_the_drivers_own_video_is_perfect(self) -> None:
        driving, driver = samples.move(samples.texture(), HUMAN, motion())
        video = Video(driving, 25)
        sample = samples.sample(video, landmarks=HUMAN, driver=driver, driver_video=video)
        sample.first_landmarks = driver[0]
        assert VideoPointTracking(LucasKanade()).extract(sample) == pytest.approx(0, abs=1e-9)

    def test_the_driver_is_tracked_once_for_all_methods(self) -> None:
        first, second = filmed(), filmed(still=True)
        second.references = first.references
        tracker = Counted()
        once = VideoPointTracking(tracker, 4, 3)
        alone = once.extract(filmed(still=True))
        object.__setattr__(tracker, "calls", [])
        once.extract(first)
        assert once.extract(second) == pytest.approx(alone)
        assert tracker.calls == [(FRAMES, 25), (FRAMES + 1, 25), (FRAMES + 1, 25)]
        VideoPointTracking(tracker, 4, 2).extract(first)  # other points are tracked anew
        assert tracker.calls[3:] == [(FRAMES, 20), (FRAMES + 1, 20)]

    def test_per_second(self) -> None:
        clip, second = (VideoPointTracking(LucasKanade(), 4, 3, per_second=x).extract(filmed()) for x in (False, True))
        assert second == pytest.approx(clip * 25 / FRAMES)

    def test_what_cannot_be_scored_says_why(self) -> None:
        metric = VideoPointTracking(LucasKanade(), 4, 3)
        short = filmed()
        short.made = Video(short.video.frames[:3], 25)
        with pytest.raises(Unscored, match="the video has 3 frames, the driver 5"):
            metric.extract(short)
        with pytest.raises(Unscored, match="a single frame has no tracks"):
            metric.extract(filmed(frames=1))
        black = filmed()
        black.made = Video(np.zeros_like(black.video.frames), 25)
        with pytest.raises(Unscored, match=r"only \d+% of the points could be tracked, 50% are needed"):
            metric.extract(black)
        dark = filmed()
        dark._shared["driver video"] = Video(np.zeros_like(dark.video.frames), 25)
        with pytest.raises(Unscored, match=r"only \d+% of the driver's points could be tracked, 50% are needed"):
            metric.extract(dark)
        with pytest.raises(Unscored, match="character's face has no extent"):
            metric.extract(filmed(np.ones((68, 2))))

    @pytest.mark.parametrize("name", ["eye_grid", "mouth_grid"])
    def test_a_grid_has_two_sides(self, name: str) -> None:
        with pytest.raises(UserError, match=f"{name}=1: accepted are whole numbers from 2"):
            VideoPointTracking(LucasKanade(), **{name: 1})  # type: ignore[arg-type]

    def test_the_footnote(self) -> None:
        assert VideoPointTracking(LucasKanade()).protocol() == {
            "tracker": "lucas_kanade",
            "points": "20 x 20 eyes, 10 x 10 mouth",
            "per": "clip",
            "reference": "driver",
        }
        assert PointTracking(per_second=True).protocol()["per"] == "second"
        assert VideoPointTracking.family == PointTracking.family == "motion"
