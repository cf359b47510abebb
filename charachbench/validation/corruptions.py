"""Graded corruptions of a true video: each leaves more to notice, the more severe it is.

A corruption draws the same random numbers at every severity, so that a stronger one is the same damage, grown: noise
is the same pattern scaled up, and frames that are frozen, replaced or dropped are so at every greater severity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from charachbench import keys
from charachbench.video import Video

VERSION = 1
"""Raised whenever pixels or landmarks can change."""

BLUR = 0.02
"""Standard deviation of the strongest blur, as a share of the shorter side."""
NOISE = 40.0
"""Standard deviation of the strongest noise, in grey levels."""
RATE_FACTORS = 23.0, 51.0
"""H.264's constant rate factor: its default, beyond which compression starts, and the coarsest there is."""
HUE, GAIN = 45.0, 0.3
"""Of the strongest shift of colours: degrees about the grey axis; gain of red, and loss of blue."""
DISPLACEMENT, KNOTS = 0.012, 4
"""Of the strongest warp: standard deviation at the knots, as a share of the shorter side; knots along either side."""
DELAY = 0.25
"""The longest time shift, as a share of the frames."""
DROPPED = 0.75
"""Share of the frames that are dropped at the strongest."""


@dataclass(frozen=True)
class Clip:
    """A video and the landmarks that it shows.

    Attributes:
        landmarks: (T, 68, 2), (x, y) in pixels; None where they are not known.
    """

    video: Video
    landmarks: np.ndarray | None = None

    def with_frames(self, frames: np.ndarray) -> Clip:
        """The same landmarks in other pixels."""
        return Clip(Video(frames, self.video.fps), self.landmarks)

    def pick(self, indices: np.ndarray) -> Clip:
        """These frames."""
        landmarks = None if self.landmarks is None else self.landmarks[indices]
        return Clip(Video(self.video.frames[indices], self.video.fps), landmarks)


@dataclass(frozen=True)
class Case:
    """What is corrupted, and how much.

    Attributes:
        clip: the truth.
        share: of the strongest corruption, above 0 and at most 1.
        rng: equal for equal pairs, whatever ``share``.
        other: the truth of another character; may raise ``Unscored`` where there is none.
    """

    clip: Clip
    share: float
    rng: np.random.Generator = field(repr=False)
    other: Callable[[], Clip] = field(repr=False)


def corrupt(name: str, clip: Clip, share: float, seed: Any, other: Callable[[], Clip]) -> Clip:
    """A truth under a corruption of ``CORRUPTIONS``: as many frames of the same size.

    Args:
        name: of the corruption.
        clip: the truth.
        share: of the strongest, 0 to 1; at 0 the clip itself.
        seed: JSON-serialisable; equal seeds give equal results.
        other: the truth of another character, asked for only if it is wanted.

    Raises:
        Unscored: another character's truth is wanted, and ``other`` has none.
    """
    if share == 0:
        return clip
    rng = np.random.default_rng(int(keys.digest([name, seed])[:16], 16))
    return CORRUPTIONS[name](Case(clip, share, rng, other))


def blur(case: Case) -> Clip:
    """A Gaussian blur."""
    import cv2

    sigma = case.share * BLUR * min(case.clip.video.size)
    return case.clip.with_frames(np.stack([cv2.GaussianBlur(f, (0, 0), sigma) for f in case.clip.video.frames]))


def noise(case: Case) -> Clip:
    """Gaussian noise, new in every frame and channel."""
    frames = case.clip.video.frames
    corrupted = np.empty_like(frames)
    for index, frame in enumerate(frames):
        grain = case.rng.standard_normal(frame.shape, dtype=np.float32)
        corrupted[index] = np.clip(np.rint(frame + case.share * NOISE * grain), 0, 255)
    return case.clip.with_frames(corrupted)


def compression(case: Case) -> Clip:
    """H.264 in 4:2:0 at a growing constant rate factor."""
    from fractions import Fraction

    import av
    import cv2

    height, width = case.clip.video.size
    even = np.pad(case.clip.video.frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    least, greatest = RATE_FACTORS
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = even.shape[1:3]
    encoder.pix_fmt, encoder.thread_count = "yuv420p", 1
    encoder.time_base = 1 / Fraction(case.clip.video.fps).limit_denominator(100_000)
    encoder.options = {
        "crf": str(least + case.share * (greatest - least)), "preset": "veryfast", "x264-params": "cpu-independent=1"
    }  # fmt: skip
    packets = []
    for index, pixels in enumerate(even):
        # Not converted by FFmpeg, whose rounding depends on where in memory the frame lies.
        planes = cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV_I420)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = index
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder: Any = av.CodecContext.create("h264", "r")
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    pixels = [cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2RGB_I420)[:height, :width] for frame in decoded]
    return case.clip.with_frames(np.stack(pixels))


def colour_shift(case: Case) -> Clip:
    """Hues turned about the grey axis, and a cast: more red, less blue."""
    import cv2

    angle = np.deg2rad(HUE * case.share)
    axis = np.full((3, 3), 1 / 3)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    turn = np.cos(angle) * np.eye(3) + (1 - np.cos(angle)) * axis + np.sin(angle) * across
    matrix = np.diag([1 + GAIN * case.share, 1, 1 - GAIN * case.share]) @ turn
    return case.clip.with_frames(np.stack([cv2.transform(frame, matrix) for frame in case.clip.video.frames]))


def landmark_noise(case: Case) -> Clip:
    """A smooth random warp, another in each frame; the landmarks move with the pixels."""
    import cv2

    height, width = case.clip.video.size
    here = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    amount = case.share * DISPLACEMENT * min(height, width)
    frames, landmarks = [], []
    for index, frame in enumerate(case.clip.video.frames):
        knots = case.rng.standard_normal((KNOTS, KNOTS, 2), dtype=np.float32)
        shift = amount * cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC)
        frames.append(cv2.remap(frame, here - shift, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))  # type: ignore[call-overload]
        if case.clip.landmarks is not None:
            landmarks.append(_moved(case.clip.landmarks[index], shift))
    return Clip(
        Video(np.stack(frames), case.clip.video.fps), np.stack(landmarks) if case.clip.landmarks is not None else None
    )


def _moved(points: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Where points (N, 2) go if the pixel at q comes from q - shift(q): the q that solve q = p + shift(q)."""
    import cv2

    moved = points
    for _ in range(10):  # the warp is smooth and small, so each step is much closer
        there = moved.astype(np.float32)[None]
        moved = points + cv2.remap(shift, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]  # type: ignore[call-overload]
    return moved


def time_shift(case: Case) -> Clip:
    """Every frame comes later, the first being held."""
    count = len(case.clip.video)
    return case.clip.pick(np.maximum(np.arange(count) - int(np.ceil(case.share * DELAY * count)), 0))


def frozen_frames(case: Case) -> Clip:
    """Frames that hold what was shown before them; at the strongest all hold the first."""
    count = len(case.clip.video)
    held = 1 + case.rng.permutation(count - 1)[: int(np.ceil(case.share * (count - 1)))]
    shown = np.arange(count)
    shown[held] = 0
    return case.clip.pick(np.maximum.accumulate(shown))


def identity_swap(case: Case) -> Clip:
    """From a frame on, earlier the more severe, another character is seen; at the strongest it always was."""
    import cv2

    count, (height, width) = len(case.clip.video), case.clip.video.size
    first = count - int(np.ceil(case.share * count))
    other = case.other()
    other = other.pick(np.minimum(np.arange(first, count), len(other.video) - 1))
    scale = np.array([width / other.video.size[1], height / other.video.size[0]])
    frames = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in other.video.frames]
    landmarks = None
    if case.clip.landmarks is not None and other.landmarks is not None:
        moved = (other.landmarks + 0.5) * scale - 0.5  # pixel centres are at whole numbers
        landmarks = np.concatenate([case.clip.landmarks[:first], moved])
    return Clip(Video(np.concatenate([case.clip.video.frames[:first], frames]), case.clip.video.fps), landmarks)


def frame_drop(case: Case) -> Clip:
    """Frames are dropped, the first never, and those that are left are held longer, to the same length."""
    count = len(case.clip.video)
    dropped = 1 + case.rng.permutation(count - 1)[: int(np.ceil(case.share * DROPPED * (count - 1)))]
    left = np.delete(np.arange(count), dropped)
    return case.clip.pick(left[np.linspace(0, len(left) - 1, count).round().astype(int)])


CORRUPTIONS: dict[str, Callable[[Case], Clip]] = {
    corruption.__name__: corruption
    for corruption in (
        blur, noise, compression, colour_shift, landmark_noise, time_shift, frozen_frames, frame_drop, identity_swap
    )
}  # fmt: skip

CLAIMS: dict[str, frozenset[str]] = {
    "landmarks": frozenset({"landmark_noise", "time_shift", "frozen_frames", "frame_drop"}),
    "fidelity": frozenset(CORRUPTIONS),
    "distribution": frozenset({"blur", "noise", "compression", "colour_shift", "identity_swap"}),
    "identity": frozenset({"identity_swap"}),
    "quality": frozenset({"blur", "noise", "compression"}),
    "motion": frozenset({"landmark_noise", "time_shift", "frozen_frames", "frame_drop"}),
    "temporal": frozenset({"noise", "landmark_noise", "frozen_frames", "frame_drop"}),
}
"""By family of metrics, the corruptions that damage what it claims to measure."""
