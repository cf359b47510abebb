"""Finished videos of any method, so that they can be scored without running anything."""

import hashlib
import string
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from charachbench import video
from charachbench.benchmark.types import Pair
from charachbench.errors import UserError
from charachbench.protocols import Animation, Method


class Videos(Method):
    """Takes each pair's video from a folder.

    Args:
        root: the folder.
        pattern: the file's path below it, with ``{character}``, ``{driver}`` and ``{domain}``,
            such as ``{character}/{driver}.mp4``.
        resize: resize frames to the character's size; otherwise another size is an error.
        length: ``exact`` takes a video with as many frames as the driver only; ``trim`` also a longer one, whose end
            is dropped; ``resample`` spreads any number of frames evenly over the driver's.
    """

    kind: ClassVar[Literal["native", "external", "videos"]] = "videos"

    def __init__(
        self,
        root: str,
        pattern: str = "{character}__{driver}.mp4",
        resize: bool = False,
        length: Literal["exact", "trim", "resample"] = "exact",
    ) -> None:
        self.root, self.pattern, self.resize, self.length = Path(root), pattern, resize, length
        if not self.root.is_dir():
            raise UserError(f"method.root: no such folder: {root}")
        try:
            fields = {field for _, field, _, _ in string.Formatter().parse(pattern) if field is not None}
        except ValueError:
            fields = {pattern}
        if not fields <= {"character", "driver", "domain"}:
            raise UserError(f"method.pattern: '{pattern}' may hold {{character}}, {{driver}} and {{domain}} only")

    def fingerprint(self, pair: Pair) -> str:
        """The file's content; empty while it is missing, which ``animate`` reports."""
        path = self._path(pair)
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""

    def animate(self, pair: Pair, seed: int) -> Animation:  # noqa: ARG002
        """The video, checked against the driver and normalised only as the options say."""
        path, driver = self._path(pair), pair.driver.video
        found = video.read(path)
        frames, notes = found.frames, {"source_frames": len(found), "source_size": list(found.size)}
        if found.size != pair.character.image.shape[:2]:
            frames = self._resized(frames, pair, path)
        if len(frames) != len(driver):
            frames = self._fitted(frames, len(driver), path)
        return Animation(video.Video(frames, driver.fps), notes=notes)

    def _path(self, pair: Pair) -> Path:
        name = self.pattern.format(character=pair.character.name, driver=pair.driver.name, domain=pair.character.domain)
        path = (self.root / name).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise UserError(f"method.pattern: '{name}' leads out of {self.root}")
        return path

    def _resized(self, frames: np.ndarray, pair: Pair, path: Path) -> np.ndarray:
        import cv2

        height, width = pair.character.image.shape[:2]
        if not self.resize:
            raise UserError(
                f"{path}: frames are {frames.shape[2]} x {frames.shape[1]}, the character {width} x {height}; "
                "accept that with method.resize=true"
            )
        way = cv2.INTER_AREA if frames.shape[1] > height else cv2.INTER_CUBIC
        return np.stack([cv2.resize(frame, (width, height), interpolation=way) for frame in frames])

    def _fitted(self, frames: np.ndarray, length: int, path: Path) -> np.ndarray:
        if self.length == "resample":
            return frames[np.round(np.linspace(0, len(frames) - 1, length)).astype(int)]
        if self.length == "trim" and len(frames) > length:
            return frames[:length]
        accepted = "method.length=resample" if len(frames) < length else "method.length=trim or resample"
        raise UserError(f"{path}: has {len(frames)} frames, the driver {length}; accept that with {accepted}")
