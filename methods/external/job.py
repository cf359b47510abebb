"""What an upstream is handed for a pair: files in a folder of its own, which it may overwrite."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charachbench import pictures
from charachbench.benchmark.framing import Framing
from charachbench.errors import UserError
from charachbench.store import write_array
from charachbench.video import Video, write_mp4
from methods.external.recipe import Inputs


@dataclass(frozen=True)
class Square:
    """How a picture becomes a square, and back.

    Attributes:
        height: of the picture, in pixels.
        width: likewise.
        side: of the square.
        fit: see ``Inputs``.
    """

    height: int
    width: int
    side: int
    fit: str

    @property
    def _inner(self) -> tuple[int, int, int, int]:
        """Left, top, width and height, in the square, of what the picture fills."""
        if self.fit == "squash":
            return 0, 0, self.side, self.side
        scale = self.side / max(self.height, self.width)
        width, height = max(1, round(self.width * scale)), max(1, round(self.height * scale))
        return (self.side - width) // 2, (self.side - height) // 2, width, height

    def image(self, image: np.ndarray) -> np.ndarray:
        """uint8 (height, width, 3) -> (side, side, 3)."""
        left, top, width, height = self._inner
        square = np.zeros((self.side, self.side, 3), np.uint8)
        square[top : top + height, left : left + width] = _resized(image, height, width)
        return square

    def points(self, points: np.ndarray) -> np.ndarray:
        """Where points of the picture come to lie, (..., 2) -> (..., 2); pixel centres at whole numbers."""
        left, top, width, height = self._inner
        scale = np.array([width / self.width, height / self.height])
        return np.asarray((points + 0.5) * scale - 0.5 + [left, top], np.float64)

    def points_back(self, points: np.ndarray) -> np.ndarray:
        """The inverse of ``points``."""
        left, top, width, height = self._inner
        scale = np.array([width / self.width, height / self.height])
        return np.asarray((points - [left, top] + 0.5) / scale - 0.5, np.float64)

    def frames_back(self, frames: np.ndarray) -> np.ndarray:
        """Squares of any side as pictures again: uint8 (T, S, S, 3) -> (T, height, width, 3)."""
        of_side = Square(self.height, self.width, frames.shape[1], self.fit)
        left, top, width, height = of_side._inner
        inner = frames[:, top : top + height, left : left + width]
        return np.stack([_resized(frame, self.height, self.width) for frame in inner])


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """By Pillow's bicubic filter, which widens where it shrinks."""
    from PIL import Image

    if image.shape[:2] == (height, width):
        return image
    return np.array(Image.fromarray(np.ascontiguousarray(image)).resize((width, height), Image.Resampling.BICUBIC))


@dataclass(frozen=True)
class Job:
    """One pair, as an upstream sees it.

    Attributes:
        folder: of the pair alone.
        stem: of the names of its image and driver.
        frames: of the driver or the landmarks, as they are handed over.
        fps: likewise.
        seed: of all randomness.
        square: how the character became ``image``.
        wanted: frames of the result.
    """

    folder: Path
    stem: str
    frames: int
    fps: int
    seed: int
    square: Square
    wanted: int

    @property
    def image(self) -> Path:
        """The character, an RGB PNG."""
        return self.folder / f"{self.stem}.png"

    @property
    def driver(self) -> Path:
        """The driving video, where there is one."""
        return self.folder / f"{self.stem}.mp4"

    @property
    def landmarks(self) -> Path:
        """Landmarks to move to, where there are any."""
        return self.folder / "landmarks.npy"

    @property
    def source(self) -> Path:
        """The character's landmarks, likewise."""
        return self.folder / "source.npy"

    @property
    def output(self) -> Path:
        """Where the upstream writes."""
        return self.folder / "output"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.folder / "log.txt"

    @property
    def values(self) -> dict[str, str]:
        """What placeholders stand for."""
        paths = {name: str(getattr(self, name)) for name in ("image", "driver", "landmarks", "source", "output")}
        numbers = {"frames": self.frames, "frames_and_still": self.frames + 1, "fps": self.fps}
        return paths | {"stem": self.stem} | {name: str(value) for name, value in numbers.items()}


def hand_over(
    folder: Path,
    stem: str,
    inputs: Inputs,
    image: np.ndarray,
    seed: int,
    *,
    driver: Video | None = None,
    face: np.ndarray | None = None,
    source: np.ndarray | None = None,
    landmarks: np.ndarray | None = None,
) -> Job:
    """Write the files of a job.

    Args:
        folder: where to, empty.
        stem: see ``Job``.
        inputs: how.
        image: the character, uint8 RGB (H, W, 3).
        seed: see ``Job``.
        driver: the driving video.
        face: (T, 68, 2), the driver's landmarks, where ``inputs`` asks for a crop.
        source: (68, 2), the character's landmarks, in pixels of ``image``.
        landmarks: (T, 68, 2), likewise those to move to.

    Raises:
        UserError: the driver has more frames than the code can do.
    """
    square = Square(image.shape[0], image.shape[1], inputs.size, inputs.fit)
    count = len(driver) if driver is not None else len(landmarks) if landmarks is not None else 0
    if inputs.maximum_frames is not None and count > inputs.maximum_frames:
        raise UserError(
            f"the driver has {count} frames, and this method takes {inputs.maximum_frames} at most; use shorter drivers"
        )
    frames = max(count, inputs.minimum_frames) if count else 0
    rate = 25.0 if driver is None else driver.fps
    job = Job(folder, stem, frames, inputs.fps or max(1, round(rate)), seed, square, count)
    job.output.mkdir(parents=True)
    pictures.save(job.image, square.image(image))
    if driver is not None:
        write_mp4(
            Video(_repeat_last(_squares(inputs, driver, face), frames), float(job.fps)),
            job.driver,
            silent_audio=inputs.silent_audio,
        )
    if source is not None:
        write_array(job.source, square.points(source))
    if landmarks is not None:
        write_array(job.landmarks, _repeat_last(square.points(landmarks), frames))
    return job


def _squares(inputs: Inputs, driver: Video, face: np.ndarray | None) -> np.ndarray:
    """The driver's frames, (T, side, side, 3)."""
    side = inputs.driver_size or inputs.size
    if inputs.driver_crop == "face":
        window = Framing(side, "face").window(driver.size, face)
        return np.stack([window.image(frame) for frame in driver.frames])
    square = Square(driver.size[0], driver.size[1], side, inputs.fit)
    return np.stack([square.image(frame) for frame in driver.frames])


def _repeat_last(frames: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([frames, np.repeat(frames[-1:], count - len(frames), axis=0)])
