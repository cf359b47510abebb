"""Clips: source videos, sampled and framed, with their landmarks."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from charachbench import keys, untrusted, video
from charachbench.benchmark import files
from charachbench.benchmark.framing import Framing, Window
from charachbench.benchmark.images import Picture, read_image
from charachbench.benchmark.recent import recent
from charachbench.benchmark.sampling import Sampling
from charachbench.benchmark.types import DetectedLandmarks
from charachbench.errors import UserError
from charachbench.landmarks import sidecar
from charachbench.landmarks.detectors import Detector, Given, fill_gaps
from charachbench.video import Video

VERSION = 1
FOLDER_RATE = 25.0
"""Frames per second of a folder of frames where the options name none."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a pass over a clip's source gives.

    Attributes:
        indices: which source frames were taken.
        size: (height, width) of the source.
        count: number of source frames; None if the pass ended before the source.
        video: the framed frames; None where they were not kept.
    """

    indices: tuple[int, ...]
    size: tuple[int, int]
    count: int | None
    video: Video | None = None


@dataclass(frozen=True, eq=False)
class Clip:
    """A driver's source.

    Attributes:
        name: for messages.
        path: a video file or a folder of frames.
        sidecar: its (T, 68, 2) landmarks for every source frame, if it has any; they win over the detector.
        detector: finds the landmarks otherwise.
        cache: folder in which detections are kept.
    """

    name: str
    path: Path
    sidecar: Path | None
    sampling: Sampling
    framing: Framing
    detector: Detector
    cache: Path

    @cached_property
    def _digest(self) -> str:
        return files.digest(self.path)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that decides the video and the landmarks."""
        source = files.digest(self.sidecar) if self.sidecar else [self.detector.fingerprint, self.detector.max_gap]
        rules = self.sampling.fingerprint, self.framing.fingerprint
        return keys.digest(["clip", VERSION, self._digest, rules, source])

    def _frames(self) -> tuple[float, Iterator[tuple[float, np.ndarray]]]:
        """Frames per second of the whole source, and (seconds, frame) of each."""
        if self.path.is_dir():
            rate = self.sampling.fps or FOLDER_RATE
            paths = files.frames_in(self.path)
            return rate, ((index / rate, read_image(path)) for index, path in enumerate(paths))
        return video.decode(self.path)

    def _sampled(self, consume: Callable[[Iterator[np.ndarray]], T]) -> tuple[T, Decoded, float]:
        """Hand the sampled frames to ``consume``; what it returns, what was seen, and the frames per second."""
        rate, frames = self._frames()
        indices: list[int] = []
        sizes: list[tuple[int, int]] = []
        seen, ended = 0, False

        def source() -> Iterator[tuple[float, np.ndarray]]:
            nonlocal seen, ended
            for time, frame in frames:
                seen += 1
                yield time, frame
            ended = True

        def sampled() -> Iterator[np.ndarray]:
            for index, frame in self.sampling.select(source(), rate):
                if len(indices) == untrusted.MAX_FRAMES:  # a file may say that a frame is on display for years
                    raise UserError(
                        f"{self.path}: more than {untrusted.MAX_FRAMES} frames would be taken; choose fewer with "
                        "benchmark.max_frames"
                    )
                indices.append(index)
                sizes.append((frame.shape[0], frame.shape[1]))
                if sizes[-1] != sizes[0]:
                    raise UserError(f"{self.path}: the frame size changes within the video, which is not supported")
                yield frame

        result = consume(sampled())
        if not indices:
            raise UserError(
                f"{self.path}: has no frame from benchmark.start={self.sampling.start} s on; it has {seen} frames at "
                f"{rate:g} per second"
            )
        fps = (self.sampling.fps or rate) / self.sampling.stride
        return result, Decoded(tuple(indices), sizes[0], seen if ended else None), fps

    def _decode(self) -> Decoded:
        window = None
        if self.framing.crop == "face":
            points, _, size = self._source_landmarks
            window = self.framing.window(size, points)

        def framed(frames: Iterator[np.ndarray]) -> list[np.ndarray]:
            kept = ((window or self.framing.window(frame.shape[:2])).image(frame) for frame in frames)
            return video.held(kept, self.path)

        frames, seen, fps = self._sampled(framed)
        return Decoded(seen.indices, seen.size, seen.count, Video(np.stack(frames), fps))

    def decode(self) -> Decoded:
        """Decode, sample and frame; recently decoded clips are remembered.

        Raises:
            UserError: the source cannot be read, has no frames left, or (``crop=face``) has no landmarks.
        """
        return recent.get(
            self.fingerprint, self._decode, lambda decoded: decoded.video.frames.nbytes if decoded.video else 0
        )

    def video(self) -> Video:
        """The framed frames; raises as ``decode``."""
        decoded = self.decode().video
        if decoded is None:
            raise RuntimeError("decode keeps the frames")
        return decoded

    @cached_property
    def source_count(self) -> int:
        """Number of frames of the whole source."""
        count = self.decode().count
        return sum(1 for _ in self._frames()[1]) if count is None else count

    def landmarks(self) -> DetectedLandmarks:
        """Landmarks of the framed video.

        Raises:
            UserError: the sidecar does not fit the source, or no face was found in too many frames in a row.
        """
        points, detected, size = self._source_landmarks
        window = self.framing.window(size, points)
        return DetectedLandmarks(window.points(points), detected)

    @cached_property
    def _source_landmarks(self) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
        """(T, 68, 2) in pixels of the source, (T,) whether detected, and the source's (height, width)."""
        if self.sidecar is not None:
            return self._given(self.sidecar)
        if isinstance(self.detector, Given):
            missing = self.path.with_name(self._stem + ".npy")
            raise UserError(
                f"{missing}: no such file; detector=given needs an array (T, 68, 2) for all frames of driver "
                f"'{self.name}', or use detector=mediapipe"
            )
        points, detected, size = recent.get(
            f"{self.fingerprint} landmarks", self._detected, lambda kept: kept[0].nbytes
        )
        return fill_gaps(points, detected, self.detector.max_gap, f"driver '{self.name}'"), detected, size

    @property
    def _stem(self) -> str:
        return self.path.name if self.path.is_dir() else self.path.stem

    def _given(self, path: Path) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
        if self.framing.crop == "face":  # decoding needs these landmarks, so the frames are only counted here
            _, seen, _ = self._sampled(lambda frames: sum(1 for _ in frames))
        else:
            seen = self.decode()
        points = sidecar.read(path, seen.size, sequence=True)
        if len(points) <= max(seen.indices) or seen.count not in (None, len(points)):
            raise UserError(
                f"{path}: holds landmarks for {len(points)} frames; accepted are as many as {self.path.name} has "
                f"({seen.count or f'more than {max(seen.indices)}'})"
            )
        return points[list(seen.indices)], np.ones(len(seen.indices), dtype=bool), seen.size

    def _detected(self) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
        """As the detector gave them, kept in the cache; a cache file that cannot be read is made again."""
        key = keys.digest([VERSION, self._digest, self.sampling.fingerprint, self.detector.fingerprint])
        kept = self.cache / "landmarks" / f"{key}.npz"
        with contextlib.suppress(UserError):
            if (known := _detections(untrusted.read_arrays(kept))) is not None:
                return known
        (points, detected), seen, _ = self._sampled(self.detector.detect)
        kept.parent.mkdir(parents=True, exist_ok=True)
        aside = kept.with_name(f"{kept.name}.{os.getpid()}.partial")
        try:
            with aside.open("wb") as stream:
                np.savez(stream, points=points, detected=detected, size=np.array(seen.size))
            aside.replace(kept)
        finally:
            aside.unlink(missing_ok=True)
        return points, detected, seen.size


def _detections(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, tuple[int, int]] | None:
    """What a cache file holds, if it is what was put there."""
    if arrays.keys() != {"points", "detected", "size"}:
        return None
    points, detected, size = arrays["points"], arrays["detected"], arrays["size"]
    whole = points.dtype == np.float64 and points.shape == (len(points), 68, 2) and len(points) > 0
    if not whole or detected.dtype != bool or detected.shape != points.shape[:1]:
        return None
    if not np.isfinite(points[detected]).all() or size.dtype.kind != "i" or size.shape != (2,) or size.min() < 1:
        return None
    return points, detected, (int(size[0]), int(size[1]))


@dataclass(frozen=True, eq=False)
class TrueClip:
    """The true animation of a pair.

    It belongs to the driver's frames: all of the driver's source, or exactly those that are sampled. Where its frames
    have the size of the character's picture, they are framed by the same window; where they have the benchmark's
    size, they stay as they are; others are framed by the benchmark's rule (not for ``crop=face``, which has none for
    them).

    Attributes:
        path: of the video.
        sidecar: its (T, 68, 2) landmarks in pixels of the video, if it has any.
    """

    path: Path
    sidecar: Path | None
    picture: Picture
    clip: Clip

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that decides the video and the landmarks."""
        own = files.digest(self.path), files.digest(self.sidecar) if self.sidecar else ""
        return keys.digest(["truth", VERSION, own, self.picture.fingerprint, self.clip.fingerprint])

    def _decode(self) -> tuple[Video, Window, list[int], int, tuple[int, int]]:
        truth = video.read(self.path)
        taken = self._taken(len(truth))
        window = self._window(truth.size)
        frames = np.stack([window.image(truth.frames[index]) for index in taken])
        return Video(frames, self.clip.video().fps), window, taken, len(truth), truth.size

    @property
    def _decoded(self) -> tuple[Video, Window, list[int], int, tuple[int, int]]:
        return recent.get(self.fingerprint, self._decode, lambda decoded: decoded[0].frames.nbytes)

    def _taken(self, count: int) -> list[int]:
        indices = self.clip.decode().indices
        if count == len(indices) and indices == tuple(range(count)):
            return list(indices)
        if count == self.clip.source_count:
            return list(indices)
        if count == len(indices):
            return list(range(count))
        raise UserError(
            f"{self.path}: has {count} frames; accepted are as many as the driver's file ({self.clip.source_count}) or "
            f"as are sampled of it ({len(indices)})"
        )

    def _window(self, size: tuple[int, int]) -> Window:
        side = self.clip.framing.size
        if size == self.picture.source_size:
            return self.picture.window
        if size == (side, side):
            return Window(0, 0, side, side)
        if self.clip.framing.crop == "face":
            raise UserError(
                f"{self.path}: has frames of {size[1]} x {size[0]} pixels; accepted with crop=face are those of the "
                f"character's picture or {side} x {side}"
            )
        return self.clip.framing.window(size)

    def video(self) -> Video:
        """As many frames as the driver's, of the character's size.

        Raises:
            UserError: it cannot be read, or its length or size fits neither.
        """
        return self._decoded[0]

    def landmarks(self) -> np.ndarray:
        """float64 (T, 68, 2) in pixels of ``video``; only where there is a sidecar."""
        if self.sidecar is None:
            raise UserError(f"{self.path}: has no landmarks")
        _, window, taken, count, size = self._decoded
        points = sidecar.read(self.sidecar, size, sequence=True)
        if len(points) != count:
            raise UserError(
                f"{self.sidecar}: holds landmarks for {len(points)} frames; accepted are as many as {self.path.name} "
                f"has ({count})"
            )
        return window.points(points[taken])
