"""Self-reenactment: a video's first frame is the character, the rest is driver and truth."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from charachbench import keys
from charachbench.benchmark import files
from charachbench.benchmark.clips import Clip
from charachbench.benchmark.folder import find_sidecar, options_of, spread
from charachbench.benchmark.framing import Crop, Framing
from charachbench.benchmark.sampling import Sampling
from charachbench.benchmark.types import Benchmark, BenchmarkSource, Character, DetectedLandmarks, Driver, Pair, Truth
from charachbench.errors import UserError, reason_for
from charachbench.landmarks.detectors import Detector
from charachbench.video import Video


class SelfReenactment(BenchmarkSource):
    """Any folder of videos, or of folders of videos, which then are the domains.

    The character, the driver and the truth of a pair come from one video, so every frame has a true counterpart, pixel
    by pixel. The character's annotation is the landmarks of its frame.

    Args:
        root: the folder.
        name: of the benchmark; null takes the folder's.
        size: side of the square frames, in pixels.
        fps: frames per second; null takes every source frame.
        start: seconds into each video.
        stride: every ``stride``-th frame is taken.
        max_frames: at most so many are taken, the character's not counted.
        crop: see ``charachbench.benchmark.framing.Framing``.
        domains, drivers: take only those with these names.
        max_drivers: take so many of what is left, spread evenly over the sorted list.
    """

    def __init__(
        self,
        *,
        root: str,
        name: str | None = None,
        size: int = 512,
        fps: float | None = None,
        start: float = 0.0,
        stride: int = 1,
        max_frames: int | None = None,
        crop: Crop = "centre",
        domains: list[str] | None = None,
        drivers: list[str] | None = None,
        max_drivers: int | None = None,
    ) -> None:
        self.root, self.name = Path(root).expanduser(), name
        self.framing = Framing(size, crop)
        self.sampling = Sampling(fps, start, stride, max_frames)
        self.domains, self.drivers, self.max_drivers = domains, drivers, max_drivers
        if max_drivers is not None and max_drivers < 1:
            raise UserError(f"benchmark.max_drivers={max_drivers}: accepted are whole numbers from 1, or null")

    def open(self, detector: Detector, cache: Path) -> Benchmark:
        """See ``BenchmarkSource``; hashes the chosen files."""
        options = options_of(self.framing, self.sampling)
        found = self._found()
        if not all(find_sidecar(path) for path, _ in found):
            options["detector"], options["max_gap"] = detector.fingerprint, detector.max_gap
        pairs = tuple(self._pair(path, domain, detector, cache) for path, domain in self._chosen(found))
        return Benchmark(self.name or self.root.resolve().name, options, pairs)

    def problems(self) -> list[str]:
        """See ``BenchmarkSource``: decodes every video of the chosen subset."""
        from charachbench.video import read

        found = []
        try:
            chosen = self._chosen(self._found())
        except UserError as error:
            return [str(error)]
        for path, _ in chosen:
            try:
                read(path)
            except Exception as error:  # a report must survive whatever a broken file does to a decoder
                found.append(reason_for(error))
        return found

    def _found(self) -> list[tuple[Path, str]]:
        accepted = f"videos ({', '.join(files.VIDEO_SUFFIXES)}), flat or in one folder per domain"
        if not self.root.is_dir():
            raise UserError(f"{self.root}: no such folder; benchmark.root must be a folder of {accepted}")
        found: list[tuple[Path, str]] = []
        for path in files.entries(self.root, self.root):
            inside = files.entries(path, self.root) if path.is_dir() else [path]
            found += [(clip, path.name if path.is_dir() else "human") for clip in inside if files.is_video(clip)]
        if not found:
            raise UserError(f"{self.root}: holds no videos; it must hold {accepted}")
        for path, _ in found:
            files.check_name(path.stem, path)
        files.check_unique(((path.stem, path) for path, _ in found), "video")
        return found

    def _chosen(self, found: list[tuple[Path, str]]) -> list[tuple[Path, str]]:
        domains = files.choose([domain for _, domain in found], self.domains, "domain")
        names = files.choose([path.stem for path, _ in found], self.drivers, "driver")
        return spread([item for item in found if item[1] in domains and item[0].stem in names], self.max_drivers)

    def _pair(self, path: Path, domain: str, detector: Detector, cache: Path) -> Pair:
        limit = self.sampling.max_frames
        sampling = replace(self.sampling, max_frames=None if limit is None else limit + 1)
        clip = Clip(path.stem, path, find_sidecar(path), sampling, self.framing, detector, cache)

        def frames() -> Video:
            video = clip.video()
            if len(video) < 2:
                raise UserError(
                    f"{path}: gives {len(video)} frame; self-reenactment needs at least 2 (character and driver)"
                )
            return video

        def first() -> np.ndarray:
            return frames().frames[0].copy()

        def rest() -> Video:
            return Video(frames().frames[1:], frames().fps)

        def landmarks() -> DetectedLandmarks:
            found = clip.landmarks()
            return DetectedLandmarks(found.points[1:], found.detected[1:])

        key = {role: keys.digest(["self_reenactment", role, clip.fingerprint]) for role in ("character", "rest")}
        character = Character(
            path.stem, domain, key["character"], first, lambda: clip.landmarks().points[0], key["character"]
        )
        truth = Truth(key["rest"], rest, lambda: landmarks().points)
        return Pair(character, Driver(path.stem, key["rest"], rest, landmarks), truth)
