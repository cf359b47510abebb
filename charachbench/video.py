"""Video: the one format at every door, lossless on disk, with a preview for browsers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from charachbench.errors import UserError

AUDIO_RATE = 44_100
"""Samples a second of silent tracks."""


@dataclass(frozen=True, eq=False)
class Video:
    """Frames with their rate.

    Attributes:
        frames: uint8 RGB, (T, H, W, 3), T at least 1.
        fps: frames per second, positive.
    """

    frames: np.ndarray
    fps: float

    def __post_init__(self) -> None:
        frames = self.frames
        if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
            found = f"{frames.dtype} {frames.shape}" if isinstance(frames, np.ndarray) else type(frames).__name__
            raise ValueError(f"a video is a uint8 RGB array (T, H, W, 3), got {found}")
        if 0 in frames.shape:
            raise ValueError(f"a video has at least one frame and one pixel, got {frames.shape}")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"frames per second must be positive and finite, got {self.fps}")

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.frames.shape[1], self.frames.shape[2]


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Any]:
    """A container and its first video stream, errors turned into one sentence."""
    import av

    if not path.is_file():
        raise UserError(f"{path}: no such video file")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UserError(f"{path}: holds no video stream")
            yield container
    except (av.error.FFmpegError, ValueError) as error:
        raise UserError(f"{path}: cannot be decoded as video ({_reason(error)}); is it complete?") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def decode(path: Path) -> tuple[float, Iterator[tuple[float, np.ndarray]]]:
    """Open a video and decode it frame after frame, upright as the file's rotation says.

    Returns:
        The average frames per second that the file declares, 25 where it declares none; and for each frame, seconds
        since the first one and uint8 RGB (H, W, 3).

    Raises:
        UserError: the file is missing, holds no video, or (while decoding) ends in the middle of it.
    """
    with contextlib.ExitStack() as opened:
        container = opened.enter_context(_open(path))
        stream = container.streams.video[0]
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        handed_over = opened.pop_all()

    def frames() -> Iterator[tuple[float, np.ndarray]]:
        first: float | None = None
        with handed_over:
            stream.thread_type = "AUTO"
            for index, frame in enumerate(container.decode(stream)):
                time = index / rate if frame.time is None else float(frame.time)
                first = time if first is None else first
                # What we write is planar RGB, which needs no conversion.
                pixels = frame.to_ndarray() if frame.format.name == "gbrp" else frame.to_ndarray(format="rgb24")
                turns = round(getattr(frame, "rotation", 0) / 90) % 4
                yield time - first, np.rot90(pixels, turns) if turns else pixels
        if first is None:
            raise UserError(f"{path}: has no frames; it is empty or cut off")

    return rate, frames()


def read(path: Path) -> Video:
    """The whole of a video file.

    Raises:
        UserError: see ``decode``; also where the frame size changes within the file.
    """
    rate, decoded = decode(path)
    frames = [frame for _, frame in decoded]
    if len({frame.shape for frame in frames}) > 1:
        raise UserError(f"{path}: the frame size changes within the video, which is not supported")
    return Video(np.stack(frames), rate)


def write_lossless(video: Video, path: Path, dropped: threading.Event | None = None) -> None:
    """Write a Matroska file whose frames read back bit for bit (H.264 in RGB at quantiser 0).

    Raises:
        KeyboardInterrupt: another thread has ``dropped`` it.
    """
    options = {"qp": "0", "preset": "ultrafast"}
    _encode(video, path, "libx264rgb", "rgb24", "matroska", options, gop=12, dropped=dropped)


def write_preview(video: Video, path: Path, dropped: threading.Event | None = None) -> None:
    """Write a small MP4 that browsers play (H.264, 4:2:0); odd sizes lose their last row or column. Never scored.

    Raises:
        KeyboardInterrupt: see ``write_lossless``.
    """
    _write_mp4(video, path, crf=20, dropped=dropped)


def write_mp4(video: Video, path: Path, *, silent_audio: bool = False) -> None:
    """Write an MP4 that any code reads (H.264, 4:2:0) at nearly no visible loss, with even sides.

    Args:
        video: whose odd sizes lose their last row or column.
        path: where to.
        silent_audio: add a silent AAC track as long as the video.
    """
    _write_mp4(video, path, crf=8, silent_audio=silent_audio)


def _write_mp4(
    video: Video, path: Path, crf: int, *, silent_audio: bool = False, dropped: threading.Event | None = None
) -> None:
    height, width = (side - side % 2 for side in video.size)
    even = Video(video.frames[:, : max(height, 2), : max(width, 2)], video.fps)
    options = {"crf": str(crf), "preset": "superfast", "movflags": "+faststart"}
    _encode(even, path, "libx264", "yuv420p", "mp4", options, gop=48, silent_audio=silent_audio, dropped=dropped)


def _encode(
    video: Video,
    path: Path,
    codec: str,
    pixel_format: str,
    container: str,
    options: dict[str, str],
    gop: int,
    silent_audio: bool = False,
    dropped: threading.Event | None = None,
) -> None:
    import av

    rate = Fraction(video.fps).limit_denominator(100_000)
    # Without it Matroska files carry a random identifier, and equal videos would not be equal files.
    with av.open(str(path), "w", format=container, options={"fflags": "+bitexact"}) as output:
        stream: Any = output.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = video.size
        stream.pix_fmt, stream.gop_size = pixel_format, gop
        stream.codec_context.time_base = 1 / rate
        silence: Any = output.add_stream("aac", rate=AUDIO_RATE, layout="mono") if silent_audio else None
        for index, pixels in enumerate(video.frames):
            if dropped is not None and dropped.is_set():
                raise KeyboardInterrupt
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = index, 1 / rate
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if silence is not None:
            output.mux(list(_silence(silence, len(video) / video.fps)))


def _silence(stream: Any, seconds: float) -> Iterator[Any]:
    """The packets of a silent track."""
    import av

    samples, block = round(seconds * AUDIO_RATE), 1024
    for start in range(0, samples, block):
        samples_here = np.zeros((1, min(block, samples - start)), np.float32)
        frame = av.AudioFrame.from_ndarray(samples_here, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = AUDIO_RATE, start
        yield from stream.encode(frame)
    yield from stream.encode(None)
