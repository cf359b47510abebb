"""Corruptions: each grows with its severity, repeats, and keeps the format."""

import functools

import cv2
import numpy as np
import pytest

from charachbench.errors import Unscored
from charachbench.validation.corruptions import CLAIMS, CORRUPTIONS, Clip, corrupt
from charachbench.video import Video
from tests.metrics import samples

SHARES = (0.25, 0.5, 0.75, 1.0)


@functools.cache
def clip(frames: int = 12, height: int = 96, width: int = 96, turn: float = 1.5) -> Clip:
    """A textured scene that turns and drifts by the same amount in every frame, with points that do so too."""
    maps = [samples.rotation(turn * index, (1.5 * index, index)) for index in range(frames)]
    points = np.random.default_rng(2).uniform(50, 110, (68, 2))
    pictures, moved = samples.move(samples.texture(), points, maps)
    scale = np.array([width / samples.SIZE, height / samples.SIZE])
    small = np.stack([cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in pictures])
    return Clip(Video(small, 25), (moved + 0.5) * scale - 0.5)


def another(frames: int = 12, height: int = 96, width: int = 96) -> Clip:
    turned = clip(frames, height, width, -2.0)
    return turned.with_frames(turned.video.frames[..., ::-1])


def no_other() -> Clip:
    raise Unscored("nobody else is there")


def graded(name: str, source: Clip, seed: object = "a") -> list[Clip]:
    return [corrupt(name, source, share, seed, another) for share in SHARES]


def points(made: Clip) -> np.ndarray:
    assert made.landmarks is not None
    return made.landmarks


def error(made: Clip, true: Clip) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(made.video.frames.astype(float) - true.video.frames).mean())


def positions(made: Clip, true: Clip) -> np.ndarray:
    """Which frame of the truth each frame is, told by the pixels."""
    frames = true.video.frames.astype(int)
    distances = [[np.abs(frame.astype(int) - other).sum() for other in frames] for frame in made.video.frames]
    assert np.min(distances, axis=1).max() == 0
    return np.argmin(distances, axis=1)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_nothing_is_changed_at_severity_zero(name: str) -> None:
    assert corrupt(name, clip(), 0, "a", no_other) is clip()


@pytest.mark.parametrize("name", ["blur", "noise", "compression", "colour_shift", "landmark_noise", "identity_swap"])
def test_pixels_differ_more_the_more_severe_it_is(name: str) -> None:
    errors = [error(made, clip()) for made in graded(name, clip())]
    assert errors[0] > 0.3
    assert (np.diff(errors) > 0.1).all(), errors


@pytest.mark.parametrize("name", ["time_shift", "frozen_frames", "frame_drop"])
def test_moments_differ_more_the_more_severe_it_is(name: str) -> None:
    late = [np.abs(positions(made, clip()) - np.arange(12)).mean() for made in graded(name, clip())]
    assert late[0] > 0
    assert (np.diff(late) >= 0).all()
    assert late[-1] > 1.5 * late[0], late


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize(("frames", "height", "width"), [(12, 96, 96), (1, 16, 16), (3, 17, 15), (2, 40, 64)])
def test_the_format_is_kept(name: str, frames: int, height: int, width: int) -> None:
    source = clip(frames, height, width)
    for share in SHARES:
        made = corrupt(name, source, share, "a", lambda: another(2, 30, 24))
        assert made.video.frames.shape == source.video.frames.shape
        assert made.video.frames.dtype == np.uint8
        assert made.video.fps == source.video.fps
        assert made.landmarks is not None
        assert made.landmarks.shape == (frames, 68, 2)
        assert np.isfinite(made.landmarks).all()
        without = corrupt(name, Clip(source.video), share, "a", lambda: another(2, 30, 24))
        assert without.landmarks is None
        np.testing.assert_array_equal(without.video.frames, made.video.frames)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_equal_seeds_give_equal_pixels(name: str) -> None:
    source = clip().video.frames.copy()
    first, again = graded(name, clip())[1], graded(name, clip())[1]
    np.testing.assert_array_equal(first.video.frames, again.video.frames)
    np.testing.assert_array_equal(first.landmarks, again.landmarks)
    np.testing.assert_array_equal(source, clip().video.frames)  # and leave the truth alone
    differs = not np.array_equal(first.video.frames, graded(name, clip(), "b")[1].video.frames)
    assert differs is (name in ("noise", "landmark_noise", "frozen_frames", "frame_drop"))


def test_noise_has_the_spread_that_is_stated() -> None:
    grey = Clip(Video(np.full((4, 64, 64, 3), 128, np.uint8), 25))
    for share in (0.25, 0.5):
        values = corrupt("noise", grey, share, "a", no_other).video.frames.astype(float)
        assert values.std() == pytest.approx(40 * share, rel=0.02)
        assert values.mean() == pytest.approx(128, abs=0.2)
        assert abs(np.corrcoef(values[0].ravel(), values[1].ravel())[0, 1]) < 0.05


def test_blur_spreads_a_point_by_the_stated_share_of_the_side() -> None:
    frames = np.zeros((1, 101, 101, 3), np.uint8)
    frames[0, 45:56, 45:56] = 255
    made = corrupt("blur", Clip(Video(frames, 25)), 1.0, "a", no_other).video.frames[0, :, :, 0].astype(float)
    across = made.sum(axis=0) / made.sum()
    variance = (across * (np.arange(101) - 50) ** 2).sum()
    assert variance == pytest.approx((11**2 - 1) / 12 + (0.02 * 101) ** 2, rel=0.03)


def test_colours_turn_and_shift_as_by_the_matrix_written_out() -> None:
    colours = np.array([[200, 100, 50], [128, 128, 128], [60, 90, 160]], np.uint8).reshape(1, 1, 3, 3)
    made = corrupt("colour_shift", Clip(Video(colours, 25)), 1.0, "a", no_other).video.frames[0, 0]
    from scipy.spatial.transform import Rotation

    turned = Rotation.from_rotvec(np.deg2rad(45) * np.ones(3) / np.sqrt(3)).apply(colours[0, 0].astype(float))
    np.testing.assert_allclose(made, np.clip(turned * [1.3, 1, 0.7], 0, 255), atol=0.51)


def test_compression_takes_away_detail_and_keeps_the_scene() -> None:
    weak, *_, strong = graded("compression", clip())
    assert error(weak, clip()) < 15
    assert error(strong, clip()) < 45
    sharpness = [np.abs(np.diff(c.video.frames.astype(float), axis=2)).mean() for c in (clip(), weak, strong)]
    assert sharpness[0] > sharpness[1] > sharpness[2]


def test_landmarks_move_with_the_pixels_that_are_warped() -> None:
    """A bright dot at each point is found again where the landmarks say it went."""
    at = np.stack(np.meshgrid(np.linspace(20, 180, 6), np.linspace(20, 180, 6)), axis=-1).reshape(-1, 2)
    points = np.concatenate([at, at[:32]])
    canvas = np.zeros((200, 200), np.float32)
    for x, y in at:
        canvas[round(y), round(x)] = 1
    dots = cv2.GaussianBlur(canvas, (0, 0), 2.0)
    frames = np.repeat((255 * dots / dots.max()).astype(np.uint8)[None, ..., None], 3, axis=0).repeat(3, axis=-1)
    made = corrupt("landmark_noise", Clip(Video(frames, 25), np.tile(points, (3, 1, 1))), 1.0, "a", no_other)
    assert made.landmarks is not None
    shifts = made.landmarks - points
    assert np.linalg.norm(shifts, axis=-1).mean() > 1.5
    assert np.abs(shifts[0] - shifts[1]).mean() > 1  # another warp in each frame
    y, x = np.mgrid[:200, :200]
    for frame, moved in zip(made.video.frames[..., 0].astype(float), made.landmarks, strict=True):
        for point in moved[:36]:
            near = frame * ((x - point[0]) ** 2 + (y - point[1]) ** 2 < 9**2)
            centre = [(near * x).sum() / near.sum(), (near * y).sum() / near.sum()]
            np.testing.assert_allclose(centre, point, atol=0.35)


def test_a_time_shift_holds_the_first_frame_and_takes_the_landmarks_along() -> None:
    for share, frames in zip(SHARES, (1, 2, 3, 3), strict=True):
        made = corrupt("time_shift", clip(), share, "a", no_other)
        expected = np.maximum(np.arange(12) - frames, 0)
        np.testing.assert_array_equal(positions(made, clip()), expected)
        np.testing.assert_array_equal(made.landmarks, points(clip())[expected])


def test_frozen_frames_hold_what_came_before_them() -> None:
    sets = []
    for share, count in zip(SHARES, (3, 6, 9, 11), strict=True):
        shown = positions(corrupt("frozen_frames", clip(), share, "a", no_other), clip())
        held = {int(index) for index in np.flatnonzero(np.diff(shown) == 0) + 1}
        assert len(held) == count
        assert all(shown[index] == (shown[index - 1] if index in held else index) for index in range(1, 12))
        sets.append(held)
    assert sets[0] < sets[1] < sets[2] < sets[3]  # what is frozen stays so
    assert (shown == 0).all()


def test_dropped_frames_are_gone_and_the_rest_keeps_its_order() -> None:
    seen = []
    for share, count in zip(SHARES, (3, 5, 7, 9), strict=True):
        shown = positions(corrupt("frame_drop", clip(), share, "a", no_other), clip())
        assert shown[0] == 0
        assert (np.diff(shown) >= 0).all()
        assert len(set(shown.tolist())) == 12 - count
        seen.append(set(shown.tolist()))
    assert seen[0] > seen[1] > seen[2] > seen[3]


def test_another_character_takes_over_at_its_own_moment_and_at_this_size() -> None:
    other = another(12, 48, 48)
    made = corrupt("identity_swap", clip(), 0.5, "a", lambda: other)
    np.testing.assert_array_equal(made.video.frames[:6], clip().video.frames[:6])
    for index in range(6, 12):
        halved = made.video.frames[index].reshape(48, 2, 48, 2, 3).mean(axis=(1, 3))
        assert np.abs(halved - other.video.frames[index]).mean() < 2
    np.testing.assert_array_equal(points(made)[:6], points(clip())[:6])
    np.testing.assert_allclose((points(made)[6:] + 0.5) / 2 - 0.5, points(other)[6:])
    with pytest.raises(Unscored, match="nobody"):
        corrupt("identity_swap", clip(), 0.5, "a", no_other)


def test_claims_are_of_corruptions_that_there_are() -> None:
    assert all(claimed <= set(CORRUPTIONS) for claimed in CLAIMS.values())
    assert set(CORRUPTIONS) == set().union(*CLAIMS.values())
