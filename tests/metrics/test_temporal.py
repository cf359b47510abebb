import numpy as np
import pytest

from charachbench.errors import Unscored
from charachbench.video import Video
from metrics.temporal import Flicker
from tests.metrics import samples

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
