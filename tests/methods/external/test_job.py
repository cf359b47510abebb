"""What upstreams are handed, and the way back from squares to pictures."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from charachbench.errors import UserError
from charachbench.video import Video, read
from methods.external.job import Job, Square, hand_over
from methods.external.recipe import Inputs
from tests.methods.external.upstream import noise

SIDES = st.integers(2, 40)
FITS = st.sampled_from(["squash", "pad"])


def smooth(height: int, width: int) -> np.ndarray:
    """A picture that survives resizing: brighter to the right, redder to the bottom."""
    x, y = np.meshgrid(np.linspace(60, 250, width), np.linspace(60, 250, height))
    return np.stack([y, x, x], axis=2).astype(np.uint8)


@given(height=SIDES, width=SIDES, side=st.integers(8, 64), fit=FITS, seed=st.integers(0, 9))
@settings(max_examples=40)
def test_points_come_back(height: int, width: int, side: int, fit: str, seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-5, 45, (2, 68, 2))
    square = Square(height, width, side, fit)
    np.testing.assert_allclose(square.points_back(square.points(points)), points, atol=1e-9)


@given(height=SIDES, width=SIDES, side=st.integers(8, 64), made=st.integers(8, 64), fit=FITS)
@example(height=40, width=2, side=8, made=8, fit="pad")
@settings(max_examples=25)
def test_frames_come_back_in_the_size_of_the_picture(height: int, width: int, side: int, made: int, fit: str) -> None:
    square = Square(height, width, side, fit)
    assert square.image(smooth(height, width)).shape == (side, side, 3)
    assert square.frames_back(np.zeros((2, made, made, 3), np.uint8)).shape == (2, height, width, 3)


@pytest.mark.parametrize("fit", ["squash", "pad"])
@pytest.mark.parametrize("size", [(64, 48), (30, 64), (50, 50)])
@pytest.mark.parametrize("made", [64, 128])
def test_what_upstreams_do_not_change_comes_back_unchanged(fit: str, size: tuple[int, int], made: int) -> None:
    """Also where they make squares of another side than they were given."""
    square = Square(*size, 64, fit)
    image = np.array(Image.fromarray(square.image(smooth(*size))).resize((made, made)))
    back = square.frames_back(image[None])[0]
    off = np.abs(back.astype(int) - smooth(*size))
    assert off.mean() < 1.5
    assert off[4:-4, 4:-4].max() <= 6


def test_padding_keeps_the_shape_and_is_black() -> None:
    white = np.full((20, 40, 3), 255, np.uint8)
    padded = Square(20, 40, 40, "pad").image(white)
    assert (padded[10:30] == 255).all()
    assert (padded[:10] == 0).all()
    assert (padded[30:] == 0).all()
    assert (Square(20, 40, 40, "squash").image(white) == 255).all()


@pytest.mark.parametrize("fit", ["squash", "pad"])
def test_points_follow_the_pixels(fit: str) -> None:
    """A bright dot lies where ``points`` says."""
    image = np.zeros((24, 48, 3), np.uint8)
    image[8:12, 30:34] = 255
    square = Square(24, 48, 96, fit)
    ys, xs = np.nonzero(square.image(image)[..., 0] > 127)
    np.testing.assert_allclose(square.points(np.array([31.5, 9.5])), [xs.mean(), ys.mean()], atol=0.3)


def handed(folder: Path, image: np.ndarray | None = None, frames: int = 4, rate: float = 25.0, **inputs: Any) -> Job:
    shown = np.repeat(smooth(32, 32)[None], frames, axis=0) * np.linspace(0.3, 1, frames)[:, None, None, None]
    driver = Video(shown.astype(np.uint8), rate)
    picture = noise("c", (32, 32)) if image is None else image
    return hand_over(folder / "job", "p0", Inputs(**{"size": 32, **inputs}), picture, 0, driver=driver)


def test_the_character_is_a_png_of_the_same_pixels(tmp_path: Path) -> None:
    job = handed(tmp_path)
    with Image.open(job.image) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (32, 32))
        assert np.array_equal(np.asarray(image), noise("c", (32, 32)))
    assert job.output.is_dir()
    assert not list(job.output.iterdir())
    assert {job.image.stem, job.driver.stem} == {"p0"}


@pytest.mark.parametrize(
    ("rate", "inputs", "declared"), [(25.0, {}, 25), (29.97, {}, 30), (12.5, {"fps": 25}, 25), (0.4, {}, 1)]
)
def test_the_driver_keeps_every_frame_at_a_whole_rate(
    tmp_path: Path, rate: float, inputs: dict[str, Any], declared: int
) -> None:
    job = handed(tmp_path, frames=5, rate=rate, **inputs)
    video = read(job.driver)
    assert (len(video), video.size, video.fps, job.fps) == (5, (32, 32), declared, declared)
    assert (np.diff(video.frames.mean(axis=(1, 2, 3))) > 10).all()  # in order


def test_the_driver_has_a_size_of_its_own(tmp_path: Path) -> None:
    job = handed(tmp_path, driver_size=64)
    assert read(job.driver).size == (64, 64)
    with Image.open(job.image) as image:
        assert image.size == (32, 32)


def test_a_short_driver_is_made_longer_by_its_last_frame(tmp_path: Path) -> None:
    job = handed(tmp_path, minimum_frames=7)
    video = read(job.driver)
    assert (len(video), job.frames, job.wanted) == (7, 7, 4)
    assert (job.values["frames"], job.values["frames_and_still"]) == ("7", "8")
    brightness = video.frames.mean(axis=(1, 2, 3))
    assert np.abs(brightness[4:] - brightness[3]).max() < 2
    assert brightness[3] - brightness[2] > 10


def test_a_driver_that_is_too_long_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="^the driver has 4 frames, and this method takes 3 at most; use shorter "):
        handed(tmp_path, maximum_frames=3)
    handed(tmp_path, maximum_frames=4)


@pytest.mark.parametrize("silent_audio", [True, False])
def test_a_silent_track_is_as_long_as_the_video(tmp_path: Path, silent_audio: bool) -> None:
    job = handed(tmp_path, frames=25, silent_audio=silent_audio)
    with av.open(str(job.driver)) as container:
        assert len(container.streams.audio) == silent_audio
        for frame in container.decode(audio=0) if silent_audio else ():
            assert not frame.to_ndarray().any()
        if silent_audio:
            track: Any = container.streams.audio[0]
            assert float(track.duration * track.time_base) == pytest.approx(1.0, abs=0.1)
    assert len(read(job.driver)) == 25


def test_a_crop_shows_the_face(tmp_path: Path) -> None:
    frames = np.zeros((3, 100, 200, 3), np.uint8)
    frames[:, 40:60, 140:160] = 255  # the face: a white patch
    points = np.random.default_rng(0).uniform([140, 40], [159, 59], (3, 68, 2))
    inputs = Inputs(size=64, driver_crop="face")
    job = hand_over(tmp_path / "job", "p0", inputs, noise("c", (8, 8)), 0, driver=Video(frames, 25.0), face=points)
    cropped = read(job.driver).frames
    assert cropped.shape == (3, 64, 64, 3)
    assert (cropped > 127).mean() > 2 * (frames > 127).mean()
    whole = hand_over(tmp_path / "whole", "p0", Inputs(size=64), noise("c", (8, 8)), 0, driver=Video(frames, 25.0))
    assert (read(whole.driver).frames > 127).mean() == pytest.approx((frames > 127).mean(), rel=0.2)


@pytest.mark.parametrize("fit", ["squash", "pad"])
def test_landmarks_are_handed_over_in_pixels_of_the_image(tmp_path: Path, fit: str) -> None:
    source = np.random.default_rng(0).uniform(0, 20, (68, 2))
    moved = np.stack([source, source + 1, source + 2])
    inputs = Inputs(size=64, fit=fit, minimum_frames=5)  # type: ignore[arg-type]
    job = hand_over(tmp_path / "job", "p0", inputs, noise("c", (32, 24)), 0, source=source, landmarks=moved)
    square = Square(32, 24, 64, fit)
    np.testing.assert_array_equal(np.load(job.source), square.points(source))
    np.testing.assert_array_equal(np.load(job.landmarks), square.points(moved)[[0, 1, 2, 2, 2]])
    assert not job.driver.exists()
    assert (job.frames, job.wanted) == (5, 3)
