"""Sampling: which frames of a source video are taken, by the time at which they are on display."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from charachbench.errors import UserError

VERSION = 1
TOLERANCE = 1e-3
"""Seconds by which a frame may come late and still count: Matroska rounds times to the millisecond."""

T = TypeVar("T")


@dataclass(frozen=True)
class Sampling:
    """Which frames are taken.

    Attributes:
        fps: frames per second that are sampled, or None for every frame of the source.
        start: seconds into the source.
        stride: every ``stride``-th of these frames is taken, so the result has ``fps / stride`` frames per second.
        max_frames: at most so many are taken.
    """

    fps: float | None = None
    start: float = 0.0
    stride: int = 1
    max_frames: int | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise UserError(f"benchmark.fps={self.fps}: accepted are numbers above 0, at most 1000, or null")
        if not 0 <= self.start < float("inf"):
            raise UserError(f"benchmark.start={self.start}: accepted are seconds from 0")
        if self.stride < 1:
            raise UserError(f"benchmark.stride={self.stride}: accepted are whole numbers from 1")
        if self.max_frames is not None and self.max_frames < 1:
            raise UserError(f"benchmark.max_frames={self.max_frames}: accepted are whole numbers from 1, or null")

    @property
    def fingerprint(self) -> tuple[object, ...]:
        """What decides the result, hashable as JSON."""
        return VERSION, self.fps, self.start, self.stride, self.max_frames

    def select(self, frames: Iterable[tuple[float, T]], rate: float) -> Iterator[tuple[int, T]]:
        """Take frames, reading the source no further than needed.

        With ``fps``, frame k shows what is on display at ``start + k * stride / fps`` seconds: the last source
        frame that is not later; the source's last frame is on display for ``1 / rate``. Without, every
        ``stride``-th source frame from ``start`` on is taken.

        Args:
            frames: (seconds since the first frame, frame), in order of time.
            rate: the source's own frames per second.

        Yields:
            (index in the source, frame).
        """
        taken = self._every(frames) if self.fps is None else self._timed(frames, rate, self.fps)
        for count, item in enumerate(taken, start=1):
            yield item
            if count == self.max_frames:
                return

    def _every(self, frames: Iterable[tuple[float, T]]) -> Iterator[tuple[int, T]]:
        passed = 0
        for index, (time, frame) in enumerate(frames):
            if time >= self.start - TOLERANCE:
                if passed % self.stride == 0:
                    yield index, frame
                passed += 1

    def _timed(self, frames: Iterable[tuple[float, T]], rate: float, fps: float) -> Iterator[tuple[int, T]]:
        shown: tuple[int, T] | None = None
        count, time = 0, 0.0
        for index, (time, frame) in enumerate(frames):
            while shown is not None and self.start + count * self.stride / fps < time - TOLERANCE:
                yield shown
                count += 1
            shown = index, frame
        while shown is not None and self.start + count * self.stride / fps < time + 1 / rate - TOLERANCE:
            yield shown
            count += 1
