import itertools

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charachbench.errors import Unscored, UserError
from charachbench.protocols import Metric
from charachbench.video import Video
from metrics import temporal
from metrics.temporal import Flicker, FrozenShare, Jitter, WarpingError
from tests.metrics import samples
from tests.metrics.samples import Given

FRAMES = 10
SIGNS = (-1) ** np.arange(FRAMES)[:, None, None, None]


def flicker(frames: np.ndarray) -> np.ndarray:
    pixels = np.clip(np.rint(frames), 0, 255).astype(np.uint8)
    return Flicker().extract(samples.sample(Video(pixels, 25)))


def moving() -> np.ndarray:
    matrices = [samples.rotation(0.5 * t, (1.3 * t, 0.6 * t)) for t in range(FRAMES)]
    return samples.move(samples.texture(), samples.face(), matrices)[0].astype(np.float64)


def still() -> np.ndarray:
    return np.repeat(samples.texture()[None].astype(np.float64), FRAMES, axis=0)


def test_a_still_video_does_not_flicker() -> None:
    values = flicker(still())
    assert values.shape == (FRAMES - 2,)
    assert (values == 0).all()


@pytest.mark.parametrize("level", [1, 5, 40])
def test_flat_frames_flicker_by_the_change_of_brightness(level: int) -> None:
    flat = np.full((FRAMES, 32, 32, 3), 100.0)
    assert flicker(flat + level * (SIGNS > 0)) == pytest.approx(level, abs=1e-3)


def test_motion_is_not_flicker_but_brightness_on_top_of_it_is() -> None:
    smooth = flicker(moving()).mean()
    assert smooth < 0.6
    assert flicker(moving() + 4 * SIGNS).mean() > 10 * smooth
    assert flicker(moving() + 4 * SIGNS).mean() == pytest.approx(8, rel=0.2)


def test_flicker_of_texture_counts() -> None:
    noise = np.random.default_rng(0).normal(0, 6, (FRAMES, samples.SIZE, samples.SIZE, 1))
    assert flicker(moving() + noise).mean() > flicker(moving() + noise / 2).mean() > 2 * flicker(moving()).mean()


def test_fades_and_lasting_changes_are_not_flicker() -> None:
    fade = still() * np.linspace(1, 0.6, FRAMES)[:, None, None, None]
    assert flicker(fade).mean() < 0.3
    change = still()
    change[FRAMES // 2 :, 40:80, 40:80] = 255
    assert flicker(change).mean() < 0.05 * flicker(np.where(SIGNS > 0, still(), change[-1])).mean()


def test_two_frames_are_too_few() -> None:
    with pytest.raises(Unscored, match="at least 3 frames, the video has 2"):
        flicker(moving()[:2])


def score(metric: Metric, frames: np.ndarray) -> np.ndarray:
    pixels = np.clip(np.rint(frames), 0, 255).astype(np.uint8)
    return metric.extract(samples.sample(Video(pixels, 25)))


class TestWarpingError:
    @pytest.mark.parametrize("level", [1, 5, 40])
    def test_flat_frames_differ_by_the_change_of_brightness(self, level: int) -> None:
        flat = np.full((FRAMES, 32, 32, 3), 100.0)
        values = score(WarpingError(), flat + level * (SIGNS > 0))
        assert values == pytest.approx(np.full(FRAMES - 1, 1e3 * (level / 255) ** 2))

    def test_a_still_video_has_none_and_motion_little(self) -> None:
        assert (score(WarpingError(), still()) == 0).all()
        smooth = score(WarpingError(), moving()).mean()
        assert 0 < smooth < 0.05
        assert score(WarpingError(), moving() + 4 * SIGNS).mean() == pytest.approx(1e3 * (8 / 255) ** 2, rel=0.1)

    def test_equals_a_warp_by_torch_outside_occlusions(self) -> None:
        """The same flow, with a square that hides and uncovers what lies behind it; loops and torch do the rest."""
        frames = still().astype(np.uint8)[:3]
        for t, frame in enumerate(frames):
            frame[40:90, 20 + 12 * t : 70 + 12 * t] = samples.texture()[100:150, 100:150]
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        height, width = frames.shape[1:3]
        expected, hidden = [], 0
        for first, second in itertools.pairwise(frames):
            grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second)]
            forward, backward = dis.calc(*grey, None), dis.calc(*grey[::-1], None)  # type: ignore[call-overload]
            x = np.arange(width)[None] + forward[..., 0]
            y = np.arange(height)[:, None] + forward[..., 1]
            grid = torch.from_numpy(np.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], axis=-1))[None]
            layers = np.concatenate([second, backward], axis=-1).transpose(2, 0, 1)[None].astype(np.float64)
            warped = torch.nn.functional.grid_sample(
                torch.from_numpy(layers), grid.double(), align_corners=True, padding_mode="border"
            )[0].permute(1, 2, 0).numpy()  # fmt: skip
            round_trip = ((forward + warped[..., 3:]) ** 2).sum(-1)
            bound = 0.01 * ((forward**2).sum(-1) + (warped[..., 3:] ** 2).sum(-1)) + 0.5
            seen = (round_trip <= bound) & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
            hidden += (~seen).sum()
            expected.append(1e3 * ((warped[..., :3] / 255 - first / 255) ** 2)[seen].mean())
        assert hidden > 1000
        # OpenCV warps to 1/32 of a pixel.
        assert score(WarpingError(), frames) == pytest.approx(expected, rel=0.02)

    def test_no_pixel_in_common_is_unscored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        away = np.full((samples.SIZE, samples.SIZE, 2), 1000, np.float32)
        monkeypatch.setattr(temporal, "_motion", lambda *_: away)
        with pytest.raises(Unscored, match="no frame shows anything of the one before"):
            score(WarpingError(), moving())

    def test_a_single_frame_and_tiny_frames_are_unscored(self) -> None:
        with pytest.raises(Unscored, match="at least 2 frames, the video has 1"):
            score(WarpingError(), moving()[:1])
        for metric in (WarpingError(), Flicker()):
            with pytest.raises(Unscored, match="frames of 12 pixels a side"):
                score(metric, np.zeros((4, 8, 8, 3)))
            with pytest.raises(Unscored, match="at most four times as long as wide"):  # OpenCV would crash
                score(metric, np.zeros((4, 12, 200, 3)))


def jitter(points: np.ndarray, size: float = 1) -> np.ndarray:
    sample = samples.sample(samples.video(len(points)), landmarks=size * samples.face())
    return Jitter(Given(points)).extract(sample)


class TestJitter:
    @settings(deadline=None, max_examples=20)
    @given(st.integers(3, 9), st.floats(-3, 3), st.floats(-3, 3), st.floats(0.2, 5))
    def test_of_known_acceleration(self, frames: int, x: float, y: float, size: float) -> None:
        time = np.arange(frames)[:, None, None]
        steady = samples.face() + time * np.array([2, -1])
        assert jitter(steady) == pytest.approx(0, abs=1e-9)
        faster = steady + time**2 / 2 * np.array([x, y])
        values = jitter(size * faster, size)
        assert values == pytest.approx(np.full(frames - 2, 100 * np.hypot(x, y) / 50), abs=1e-8)

    def test_shaking_shows(self) -> None:
        shaking = np.repeat(samples.face()[None], FRAMES, axis=0) + SIGNS[..., 0] * np.array([1, 0])
        assert jitter(shaking) == pytest.approx(100 * 4 / 50)

    def test_two_frames_have_no_acceleration(self) -> None:
        with pytest.raises(Unscored, match="at least 3 frames, there are 2"):
            jitter(np.repeat(samples.face()[None], 2, axis=0))


class TestFrozenShare:
    def test_counts_the_frames_that_repeat(self) -> None:
        frames = moving()[[0, 0, 1, 2, 2, 2, 3]]
        assert score(FrozenShare(), frames).tolist() == [100, 0, 0, 100, 100, 0]
        assert FrozenShare().summarise([score(FrozenShare(), frames)]) == pytest.approx(50)
        assert (score(FrozenShare(), moving()) == 0).all()
        assert (score(FrozenShare(), still()) == 100).all()

    @pytest.mark.parametrize(("threshold", "frozen"), [(0, 0), (1.99, 0), (2, 100), (3, 100)])
    def test_the_threshold_is_the_mean_difference(self, threshold: float, frozen: float) -> None:
        frames = np.full((2, 8, 8, 3), 100.0)
        frames[1, ::2] += 4
        assert score(FrozenShare(threshold), frames).tolist() == [frozen]

    def test_a_single_frame_is_unscored(self) -> None:
        with pytest.raises(Unscored, match="at least 2 frames, the video has 1"):
            score(FrozenShare(), moving()[:1])

    @pytest.mark.parametrize("threshold", [-0.1, 255])
    def test_a_threshold_is_a_grey_level(self, threshold: float) -> None:
        with pytest.raises(UserError, match=f"threshold={threshold}: accepted are grey levels from 0"):
            FrozenShare(threshold)


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 1000))
def test_time_may_run_backwards(seed: int) -> None:
    order = np.random.default_rng(seed).integers(0, 4, 6)
    frames = moving()[order]
    for metric in (Flicker(), FrozenShare()):
        assert score(metric, frames[::-1])[::-1] == pytest.approx(score(metric, frames), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("metric", [Flicker(), WarpingError(), FrozenShare(), Jitter(None)])
def test_the_footnote_is_not_empty(metric: Metric) -> None:
    assert metric.family == "temporal"
    assert metric.direction == "down"
    assert metric.protocol()
