"""Characters in plain colours, and features and embeddings that can be foretold."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from charachbench import keys
from charachbench.benchmark.types import Benchmark, BenchmarkSource, Character, Driver, Pair
from charachbench.landmarks import mean_shape
from methods.faceshot.embeddings import Embedding
from methods.faceshot.features.base import Features

SIZE = 64


def image(colour: tuple[int, int, int], seed: int) -> np.ndarray:
    """A colour with some noise."""
    noise = np.random.default_rng(seed).integers(-20, 20, (SIZE, SIZE, 3))
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)


def character(name: str, domain: str, colour: tuple[int, int, int], seed: int = 0, shift: float = 0.0) -> Character:
    """Annotated with a mean shape, moved by ``shift`` pixels."""
    pixels, points = image(colour, seed), mean_shape.fit(np.array([16.0, 20.0, 46.0, 52.0]) + shift)
    key = keys.digest([pixels.tolist(), shift])
    return Character(name, domain, key, lambda: pixels, lambda: points, key)


RED, GREEN, BLUE = (200, 40, 40), (40, 200, 40), (40, 40, 200)
CAST = (
    character("ruby", "red", RED, 1),
    character("rose", "red", RED, 2, 2.0),
    character("jade", "green", GREEN, 3, -2.0),
    character("moss", "green", GREEN, 4, 1.0),
)


class Painted(BenchmarkSource):
    """``CAST``, or those of it that are named."""

    def __init__(self, names: list[str] | None = None, annotated: bool = True) -> None:
        self.names, self.annotated = names, annotated

    def open(self, detector: object, cache: Path) -> Benchmark:
        chosen = [c for c in CAST if self.names is None or c.name in self.names]
        kept = [c if self.annotated else c.unannotated for c in chosen]
        return Benchmark("painted", {}, tuple(Pair(c, _nobody()) for c in kept))


def _nobody() -> Driver:
    def nothing() -> None:
        raise AssertionError("no driver is needed")

    return Driver("nobody", "", nothing, nothing)  # type: ignore[arg-type]


class Waves(Features):
    """Smooth waves of position, a little of the image's own colours, and the guide if there is one."""

    def __init__(self, cells: int = 16, colour: float = 0.05, guidance: bool = False) -> None:
        self.cells, self.colour, self.guidance = cells, colour, guidance
        self.extracted: list[int] = []
        self.guides: list[np.ndarray] = []

    @property
    def guided(self) -> bool:
        return self.guidance

    def extract(self, images: Sequence[np.ndarray], guides: np.ndarray | None = None) -> np.ndarray:
        self.extracted.append(len(images))
        if guides is not None:
            self.guides += list(guides)
        y, x = (np.mgrid[: self.cells, : self.cells] + 0.5) / self.cells * np.pi
        waves = np.stack([f(k * v) for k in (1, 2) for v in (x, y) for f in (np.cos, np.sin)])
        step = SIZE // self.cells
        maps = []
        for number, pixels in enumerate(images):
            cells = pixels.reshape(self.cells, step, self.cells, step, 3).mean(axis=(1, 3)).transpose(2, 0, 1) / 255
            extra = [] if guides is None else [np.ones((1, *x.shape)) * guides[number].mean()]
            maps.append(np.concatenate([waves, self.colour * cells, *extra]))
        return np.stack(maps).astype(np.float32)


class MeanColour(Embedding):
    """The crop's mean colour about grey."""

    def __init__(self, offset: float = 128.0) -> None:
        self.offset = offset
        self.embedded: list[int] = []

    def embed(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        self.embedded.append(len(crops))
        return np.stack([crop.mean(axis=(0, 1)) - self.offset for crop in crops]).astype(np.float32)
