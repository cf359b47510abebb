"""Video: the one format at every door, lossless on disk unless told otherwise, with a preview for browsers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from charachbench import codecs, untrusted
from charachbench.errors import UserError

AUDIO_RATE = 44_100
"""Samples a second of silent tracks."""
FORMATS = "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,gif,avi,yuv4mpegpipe,mpegts,mpeg,flv,ogg,asf,apng"
"""What files may be, whatever they are called: playlists, which lead to other files and hosts, are none of it."""
RATES = 0.01, 10_000.0
"""Frames per second that a file may declare."""


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
    limits = {"max_pixels": str(untrusted.MAX_PIXELS)}  # of the decoder, before it allocates
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file", **limits}
    try:
        with av.open(str(path), options=options) as container:
            if not container.streams.video:
                raise UserError(f"{path}: holds no video stream")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise UserError(f"{path}: holds video of an unknown codec")
            untrusted.check_size(stream.width, stream.height, path)
            stream.codec_context.options = limits
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
        UserError: the file is missing, holds no video, or frames larger than ``charachbench.untrusted`` accepts, or
            (while decoding) ends in the middle of it.
    """
    return _decode(path)


def _decode(path: Path, *, whole: bool = False) -> tuple[float, Iterator[tuple[float, np.ndarray]]]:
    """As ``decode``; if ``whole``, of what can be held in memory as far as the header tells."""
    with contextlib.ExitStack() as opened:
        container = opened.enter_context(_open(path))
        stream = container.streams.video[0]
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        if not RATES[0] <= rate <= RATES[1]:
            raise UserError(f"{path}: declares {rate:g} frames per second; accepted are {RATES[0]} to {RATES[1]:g}")
        if whole:
            _check_length(stream.width * stream.height * stream.frames, path)
        handed_over = opened.pop_all()

    def frames() -> Iterator[tuple[float, np.ndarray]]:
        first: float | None = None
        with handed_over:
            stream.thread_type = "AUTO"
            for index, frame in enumerate(container.decode(stream)):
                time = index / rate if frame.time is None else float(frame.time)
                first = time if first is None else first
                untrusted.check_size(frame.width, frame.height, path)  # which may not be what the header said
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
        UserError: see ``decode`` and ``held``; also where the frame size changes within the file.
    """
    rate, decoded = _decode(path, whole=True)
    frames = held((frame for _, frame in decoded), path)
    if len({frame.shape for frame in frames}) > 1:
        raise UserError(f"{path}: the frame size changes within the video, which is not supported")
    return Video(np.stack(frames), rate)


def held(frames: Iterable[np.ndarray], path: Path) -> list[np.ndarray]:
    """All frames of a file, in memory.

    Raises:
        UserError: they are more than ``charachbench.untrusted`` accepts.
    """
    kept, pixels = [], 0
    for frame in frames:
        pixels += frame.shape[0] * frame.shape[1]
        _check_length(pixels, path)
        kept.append(frame)
    return kept


def _check_length(pixels: int, path: Path) -> None:
    if pixels > untrusted.MAX_VIDEO:
        raise UserError(
            f"{path}: its frames have more than {untrusted.MAX_VIDEO // 10**6} million pixels together, which are "
            "accepted; make it shorter or smaller"
        )


def write_lossless(video: Video, path: Path) -> None:
    """Write a Matroska file whose frames read back bit for bit (H.264 in RGB at quantiser 0)."""
    write(video, path, codecs.LOSSLESS)


def write(video: Video, path: Path, codec: str, dropped: threading.Event | None = None) -> None:
    """Write a Matroska file with a codec of ``charachbench.codecs``; it reads back in the same size.

    4:2:0 has one colour for 2 x 2 pixels, so videos with an odd side are written in 4:4:4 instead.

    Raises:
        UserError: there is no such codec.
        KeyboardInterrupt: another thread has ``dropped`` it.
    """
    found = codecs.find(codec)
    odd = found.pixel_format == "yuv420p" and any(side % 2 for side in video.size)
    pixel_format = "yuv444p" if odd else found.pixel_format
    _encode(video, path, found.encoder, pixel_format, "matroska", found.options, gop=found.gop, dropped=dropped)


def write_preview(video: Video, path: Path, dropped: threading.Event | None = None) -> None:
    """Write a small MP4 that browsers play (H.264, 4:2:0); odd sizes lose their last row or column. Never scored.

    Raises:
        KeyboardInterrupt: see ``write``.
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
