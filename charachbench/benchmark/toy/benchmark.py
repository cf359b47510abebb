"""The toy benchmark as a source: drawn once into the cache, then read as any folder is."""

from pathlib import Path

from charachbench.benchmark.folder import Folder
from charachbench.benchmark.toy import VERSION
from charachbench.benchmark.types import Benchmark, BenchmarkSource
from charachbench.errors import UserError
from charachbench.keys import digest
from charachbench.landmarks.detectors import Detector


class Toy(BenchmarkSource):
    """Characters drawn from a rig that can take any expression, so every pair has its true video and landmarks.

    Args:
        characters, drivers, frames: how many.
        size: side of the square frames, pixels.
        fps: frames per second.
        seed: of proportions, colours and motion.
        domains: only these; null takes all.
    """

    def __init__(
        self,
        characters: int = 8,
        drivers: int = 3,
        frames: int = 32,
        size: int = 256,
        fps: float = 25.0,
        seed: int = 0,
        domains: list[str] | None = None,
    ) -> None:
        for name, value, least in (("characters", characters, 1), ("drivers", drivers, 1), ("frames", frames, 1)):
            if value < least:
                raise UserError(f"benchmark.{name}: must be at least {least}, got {value}")
        if not 64 <= size <= 2048:
            raise UserError(f"benchmark.size: must be from 64 to 2048, got {size}")
        if fps <= 0:
            raise UserError(f"benchmark.fps: must be positive, got {fps}")
        self.drawn = {
            "characters": characters, "drivers": drivers, "frames": frames, "size": size, "fps": fps, "seed": seed,
        }  # fmt: skip
        self.size, self.domains = size, domains

    def open(self, detector: Detector, cache: Path) -> Benchmark:
        """See ``BenchmarkSource``."""
        return self._folder(cache).open(detector, cache)

    def open_characters(self, detector: Detector, cache: Path) -> Benchmark:
        """See ``BenchmarkSource``."""
        return self._folder(cache).open_characters(detector, cache)

    def _folder(self, cache: Path) -> Folder:
        """The benchmark, drawn first if it is not in the cache."""
        root = cache / f"toy-{digest({'version': VERSION, **self.drawn})[:8]}"
        if not root.is_dir():
            from charachbench.benchmark.toy.build import build

            try:
                build(root, **self.drawn)  # type: ignore[arg-type]
            except OSError as error:
                raise UserError(f"{root}: the toy benchmark cannot be drawn ({error.strerror or error})") from error
        return Folder(root=str(root), name="toy", size=self.size, domains=self.domains)
