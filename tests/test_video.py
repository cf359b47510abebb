"""The video format: bit for bit on disk, and clear about what it cannot read."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charachbench.errors import UserError
from charachbench.video import Video, decode, read, write, write_lossless, write_mp4, write_preview


def noise(frames: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    frames=st.integers(1, 9),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    fps=st.sampled_from([1.0, 12.5, 23.976, 24.0, 25.0, 29.97, 30000 / 1001, 60.0]),
    seed=st.integers(0, 99),
)
def test_lossless_means_bit_for_bit(
    tmp_path: Path, frames: int, height: int, width: int, fps: float, seed: int
) -> None:
    video = Video(noise(frames, height, width, seed), fps)
    write_lossless(video, tmp_path / "v.mkv")
    kept = read(tmp_path / "v.mkv")
    assert np.array_equal(kept.frames, video.frames)
    assert kept.fps == pytest.approx(fps, rel=1e-3)


@pytest.mark.parametrize("codec", ["lossless_small", "h264_crf51", "h264_crf0", "h264_444_crf20"])
@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63)])
def test_every_codec_gives_as_many_frames_of_the_same_size(tmp_path: Path, codec: str, height: int, width: int) -> None:
    video = Video(noise(5, height, width), 25.0)
    write(video, tmp_path / "v.mkv", codec)
    kept = read(tmp_path / "v.mkv")
    assert (kept.frames.shape, kept.fps) == (video.frames.shape, 25.0)
    assert np.array_equal(kept.frames, video.frames) == (codec == "lossless_small")


def test_what_has_one_colour_survives_a_crf_of_0(tmp_path: Path) -> None:
    """But for rounding on the way to YUV and back: neither channels nor rows are mixed up."""
    video = Video(np.full((3, 16, 24, 3), (200, 90, 30), np.uint8), 25.0)
    write(video, tmp_path / "v.mkv", "h264_crf0")
    assert np.abs(read(tmp_path / "v.mkv").frames.astype(int) - (200, 90, 30)).max() <= 2


def test_an_unknown_codec_is_told(tmp_path: Path) -> None:
    for name in ("h265", "h264_crf52", "h264_crf05", "h264_crf23 "):
        with pytest.raises(UserError, match=f"store.codec: '{name}' is not known; accepted: lossless, "):
            write(Video(noise(1, 8, 8), 25.0), tmp_path / "v.mkv", name)


@pytest.mark.parametrize("codec", ["lossless", "lossless_small", "h264_crf23"])
def test_equal_videos_are_equal_files(tmp_path: Path, codec: str) -> None:
    video = Video(noise(3, 16, 16), 25.0)
    for name in ("a.mkv", "b.mkv"):
        write(video, tmp_path / name, codec)
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()


def test_times_follow_the_rate(tmp_path: Path) -> None:
    write_lossless(Video(noise(4, 8, 8), 12.5), tmp_path / "v.mkv")
    rate, frames = decode(tmp_path / "v.mkv")
    assert rate == 12.5
    assert [time for time, _ in frames] == pytest.approx([0, 0.08, 0.16, 0.24], abs=1e-3)


@pytest.mark.parametrize(("height", "width"), [(64, 48), (65, 47)])
def test_the_preview_is_what_browsers_play(tmp_path: Path, height: int, width: int) -> None:
    smooth = np.repeat(np.linspace(0, 255, width, dtype=np.uint8)[None, None, :, None], height, axis=1)
    write_preview(Video(np.repeat(np.repeat(smooth, 3, axis=3), 5, axis=0), 25.0), tmp_path / "v.mp4")
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    shown = read(tmp_path / "v.mp4")
    assert shown.frames.shape == (5, height - height % 2, width - width % 2, 3)
    assert np.abs(shown.frames[2].astype(int) - smooth[0, : shown.size[0], : shown.size[1]]).mean() < 6


def smooth(frames: int, height: int, width: int) -> np.ndarray:
    """Brighter to the right, and from frame to frame."""
    across = np.linspace(30, 150, width)[None, None, :, None] + np.linspace(0, 90, frames)[:, None, None, None]
    return np.broadcast_to(across, (frames, height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("silent_audio", [True, False])
@pytest.mark.parametrize(("height", "width", "fps"), [(64, 64, 25.0), (65, 49, 30.0)])
def test_what_is_handed_to_others_is_h264_at_nearly_no_loss(
    tmp_path: Path, height: int, width: int, fps: float, silent_audio: bool
) -> None:
    video = Video(smooth(7, height, width), fps)
    write_mp4(video, tmp_path / "v.mp4", silent_audio=silent_audio)
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert [sound.codec_context.name for sound in container.streams.audio] == ["aac"] * silent_audio
    kept = read(tmp_path / "v.mp4")
    assert kept.fps == pytest.approx(fps)
    assert kept.frames.shape == (7, height // 2 * 2, width // 2 * 2, 3)
    off = np.abs(kept.frames.astype(int) - video.frames[:, : kept.size[0], : kept.size[1]])
    assert off.mean() < 2
    assert off.max() < 12


@pytest.mark.parametrize("frames", [1, 2, 50])
def test_silence_is_as_long_as_the_video(tmp_path: Path, frames: int) -> None:
    write_mp4(Video(smooth(frames, 32, 32), 25.0), tmp_path / "v.mp4", silent_audio=True)
    with av.open(str(tmp_path / "v.mp4")) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    samples = sum(block.shape[-1] for block in blocks)
    assert samples == pytest.approx(frames / 25 * 44_100, abs=2 * 1024)
    assert not any(block.any() for block in blocks)
    assert len(read(tmp_path / "v.mp4")) == frames


def test_a_rotated_phone_video_stands_upright(tmp_path: Path) -> None:
    frames = np.zeros((2, 32, 64, 3), np.uint8)
    frames[:, :, :32] = 255  # left half white
    write_preview(Video(frames, 25.0), tmp_path / "v.mp4")
    data = bytearray((tmp_path / "v.mp4").read_bytes())
    at = data.rindex(b"tkhd") + 4 + 40  # the display matrix of the track header, 16.16 fixed point
    matrix = [0, 1 << 16, 0, -1 << 16, 0, 0, 32 << 16, 0, 1 << 30]  # a quarter turn clockwise
    data[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    (tmp_path / "v.mp4").write_bytes(data)
    upright = read(tmp_path / "v.mp4").frames
    assert upright.shape == (2, 64, 32, 3)
    assert upright[0, :28].mean() > 240 > 15 > upright[0, 36:].mean()


@pytest.mark.parametrize(
    ("frames", "fps", "message"),
    [
        (np.zeros((2, 4, 4, 3), np.float32), 25.0, r"uint8 RGB array \(T, H, W, 3\), got float32"),
        (np.zeros((4, 4, 3), np.uint8), 25.0, r"got uint8 \(4, 4, 3\)"),
        (np.zeros((2, 4, 4, 4), np.uint8), 25.0, r"got uint8 \(2, 4, 4, 4\)"),
        (np.zeros((0, 4, 4, 3), np.uint8), 25.0, "at least one frame"),
        ([[0]], 25.0, "got list"),
        (np.zeros((2, 4, 4, 3), np.uint8), 0.0, "must be positive and finite, got 0.0"),
        (np.zeros((2, 4, 4, 3), np.uint8), float("nan"), "must be positive and finite, got nan"),
    ],
)
def test_only_the_one_format_is_accepted(frames: np.ndarray, fps: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Video(frames, fps)


def sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.time_base = 8000, Fraction(1, 8000)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_what_cannot_be_read_is_told_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "größe 'x'.mkv"
    with pytest.raises(UserError, match="größe 'x'.mkv: no such video file"):
        read(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="größe 'x'.mkv: cannot be decoded as video"):
        read(path)
    path.write_bytes(b"not a video at all" * 100)
    with pytest.raises(UserError, match="cannot be decoded as video"):
        read(path)
    write_lossless(Video(noise(5, 32, 32), 25.0), path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(UserError, match="größe 'x'.mkv"):
        read(path)
    sound(path)
    with pytest.raises(UserError, match="holds no video stream"):
        read(path)
