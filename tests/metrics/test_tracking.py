import numpy as np
import pytest

from charachbench.errors import UserError
from metrics.tracking import LucasKanade, Tracker
from tests.metrics import samples


def distances(points: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points - true, axis=-1)


@pytest.mark.parametrize(
    "matrices",
    [
        [samples.rotation(0, (1.7 * t, -0.9 * t)) for t in range(12)],
        [samples.rotation(3.0 * np.sin(t / 2) * t / 6) for t in range(12)],
        [samples.rotation(0, (11, 7) if t % 2 else (0, 0)) for t in range(6)],
    ],
    ids=["translation", "rotation", "jumps"],
)
def test_follows_known_motion(matrices: list[np.ndarray]) -> None:
    frames, true = samples.move(samples.texture(), samples.face(), matrices)
    points, reliable = LucasKanade().track(frames, true[0])
    assert points.shape == true.shape
    assert points.dtype == np.float64
    assert reliable.mean() > 0.95
    assert distances(points, true).mean() < 0.1
    assert np.quantile(distances(points, true), 0.95) < 0.3


def test_a_still_video_does_not_drift() -> None:
    points, reliable = LucasKanade().track([samples.texture()] * 20, samples.face())
    assert reliable.all()
    assert distances(points, samples.face()).max() < 1e-3


def test_a_lost_point_moves_as_its_neighbours_do() -> None:
    frames, true = samples.move(samples.texture(), samples.face(), [samples.rotation(t, (2 * t, t)) for t in range(8)])
    hidden = 20
    rng = np.random.default_rng(0)
    for frame, (x, y) in zip(frames[1:], np.rint(true[1:, hidden]).astype(int), strict=True):
        frame[y - 15 : y + 16, x - 15 : x + 16] = rng.integers(0, 256, (31, 31, 3))
    points, reliable = LucasKanade().track(frames, true[0])
    travelled = distances(true[-1], true[0])[hidden]
    assert reliable[1:, hidden].mean() < 0.2
    assert distances(points, true)[:, hidden].max() < 0.25 * travelled


def test_points_that_leave_the_frame_keep_a_position() -> None:
    frames, true = samples.move(samples.texture(), samples.face(), [samples.rotation(0, (8 * t, 0)) for t in range(10)])
    points, reliable = LucasKanade().track(frames, true[0])
    outside = true[-1, :, 0] > samples.SIZE + 10
    assert outside.any()
    assert np.isfinite(points).all()
    assert not reliable[-1, outside].any()


def test_unrelated_frames_lose_the_points() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, samples.SIZE, samples.SIZE, 3), dtype=np.uint8)
    points, reliable = LucasKanade().track(noise, samples.face())
    assert reliable[0].all()
    assert reliable[1:].mean() < 0.4
    assert np.isfinite(points).all()


def test_nothing_found_leaves_every_point_where_it_is() -> None:
    blank = np.zeros((3, samples.SIZE, samples.SIZE, 3), np.uint8)
    points, reliable = LucasKanade().track(blank, samples.face())
    assert not reliable[1:].any()
    assert np.array_equal(points, np.repeat(samples.face()[None], 3, axis=0))


def test_resolution_does_not_matter() -> None:
    matrices = [samples.rotation(1.5 * t, (t, 0)) for t in range(6)]
    doubled = [matrix * [[1, 1, 2]] for matrix in matrices]
    small, _ = samples.move(samples.texture(), samples.face(), matrices)
    large, _ = samples.move(samples.texture(2), samples.face() * 2, doubled)
    points, _ = LucasKanade().track(small, samples.face())
    points_of_large, _ = LucasKanade().track(large, samples.face() * 2)
    assert distances(points_of_large / 2, points).max() < 0.5


def test_the_input_is_not_written_to() -> None:
    first = samples.face()
    frames, _ = samples.move(samples.texture(), first, [samples.rotation(0, (t, 0)) for t in range(3)])
    before = frames.copy()
    LucasKanade().track(frames, first)
    assert np.array_equal(first, samples.face())
    assert np.array_equal(frames, before)


@pytest.mark.parametrize(
    ("setting", "value"), [("wide_window", 0), ("narrow_window", -1), ("max_round_trip", 0), ("levels", -1)]
)
def test_wrong_settings_are_named(setting: str, value: float) -> None:
    with pytest.raises(UserError, match=setting):
        LucasKanade(**{setting: value})  # type: ignore[arg-type]


def test_share_of_reliable_points_is_a_share() -> None:
    with pytest.raises(UserError, match=r"min_reliable: must be from 0 to 1, got 50"):
        LucasKanade(min_reliable=50)


@pytest.mark.parametrize("count", [68, 300])
def test_follows_points_that_are_no_landmarks(count: int) -> None:
    points = np.random.default_rng(2).uniform(40, 120, (count, 2))
    matrices = [samples.rotation(1.5 * t, (1.2 * t, -0.7 * t)) for t in range(8)]
    frames, true = samples.move(samples.texture(), points, matrices)
    found, reliable = LucasKanade().track(frames, points, landmarks=False)
    assert found.shape == true.shape
    assert reliable.shape == true.shape[:2]
    assert reliable.mean() > 0.9
    assert distances(found, true).mean() < 0.25
    assert distances(true[-1], points).mean() > 10


def test_where_a_point_lies_beside_the_skin_matters_to_landmarks_alone() -> None:
    """Of points that are no landmarks each is followed by itself: their order does not matter."""
    matrices = [samples.rotation(2 * t, (t, 0)) for t in range(4)]
    frames, _ = samples.move(samples.texture(), samples.face(), matrices)
    order = np.random.default_rng(0).permutation(68)
    tracker = LucasKanade(max_round_trip=1)
    found, _ = tracker.track(frames, samples.face(), landmarks=False)
    shuffled, _ = tracker.track(frames, samples.face()[order], landmarks=False)
    assert np.abs(found[:, order] - shuffled).max() < 1e-3
    as_landmarks, _ = tracker.track(frames, samples.face())
    assert np.abs(as_landmarks - found).max() > 1e-2


def test_a_tracker_is_known_by_all_its_settings() -> None:
    tracker: Tracker = LucasKanade()
    assert tracker.protocol() == {"tracker": "lucas_kanade"}
    assert tracker.identity() == LucasKanade().identity()
    settings = ("wide_window", "narrow_window", "levels", "max_round_trip", "min_reliable")
    others = [LucasKanade(**{setting: 1}).identity() for setting in settings]
    assert all(other != tracker.identity() for other in others)
    tracker.load("cpu")  # needs nothing
