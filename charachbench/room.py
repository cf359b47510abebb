"""How much there is to do, how much disk that takes, and whether there is so much."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from charachbench import config
from charachbench.benchmark.folder import spread
from charachbench.benchmark.types import Benchmark, Pair
from charachbench.codecs import LOSSLESS, find
from charachbench.errors import UserError
from charachbench.index import NOTHING
from charachbench.output import event
from charachbench.store import Entry, Run, Store

log = logging.getLogger(__name__)

SAMPLE = 32
"""Finished pairs whose files are looked at, and from how few on they tell more than constants do."""
FEW = 3
LOOK = 4
"""Pairs that are looked at before a run, to tell how long and how large all of them are."""

# Bytes a pixel of all files of a pair: least, likely, most. benchmarks/codec_effect.py measures the likely ones; a
# frozen image takes the least, noise the most.
_LOSSLESS = (0.02, 0.45, 1.5)
_LOSSLESS_SMALL = (0.003, 0.3, 1.5)
_LOSSY = (0.001, 0.05, 0.3)
_NO_VIDEO = (0.0, 0.02, 0.1)


@dataclass(frozen=True)
class Work:
    """What pairs come to.

    Attributes:
        pairs: how many.
        frames: of all of them.
        pixels: of all frames.
        sizes: (height, width) that were met.
    """

    pairs: int = 0
    frames: int = 0
    pixels: int = 0
    sizes: frozenset[tuple[int, int]] = frozenset()


@dataclass
class Extent:
    """How long drivers and how large characters are; each is read once, and not at all where that is told."""

    _frames: dict[str, int | None] = field(default_factory=dict)
    _sizes: dict[str, tuple[int, int] | None] = field(default_factory=dict)

    def learn(self, pair: Pair, record: dict[str, Any]) -> None:
        """Take both from what a finished pair recorded."""
        height, width = record["size"]
        self._frames.setdefault(pair.driver.fingerprint, record["frames"])
        self._sizes.setdefault(pair.character.fingerprint, (height, width))

    def of(self, pairs: Sequence[Pair], look: int | None = None) -> Work:
        """What pairs come to, those that cannot be read counting as the mean of the others.

        Args:
            pairs: any.
            look: at how many, evenly spread; None for all.
        """
        seen = [found for pair in spread(list(pairs), look) if (found := self._look(pair)) is not None]
        if not seen:
            return Work(len(pairs))
        share = len(pairs) / len(seen)
        frames = round(share * sum(frames for frames, _ in seen))
        pixels = round(share * sum(frames * height * width for frames, (height, width) in seen))
        return Work(len(pairs), frames, pixels, frozenset(size for _, size in seen))

    def _look(self, pair: Pair) -> tuple[int, tuple[int, int]] | None:
        driver, character = pair.driver.fingerprint, pair.character.fingerprint
        try:
            if driver not in self._frames:
                self._frames[driver] = None
                self._frames[driver] = len(pair.driver.video)
            if character not in self._sizes:
                self._sizes[character] = None
                height, width = pair.character.image.shape[:2]
                self._sizes[character] = height, width
        except Exception:  # whatever it is, it fails its pairs when they are made, and nothing else
            return None
        frames, size = self._frames[driver], self._sizes[character]
        return None if frames is None or size is None else (frames, size)


@dataclass(frozen=True)
class Bytes:
    """An estimate.

    Attributes:
        least, likely, most: bytes, of a pixel or of many.
        source: what it is taken from.
    """

    least: float
    likely: float
    most: float
    source: str

    def __mul__(self, pixels: int) -> Bytes:
        return Bytes(self.least * pixels, self.likely * pixels, self.most * pixels, self.source)


def a_pixel(settings: config.Config, benchmark: Benchmark, store: Store, run: Run) -> Bytes:
    """What a pixel takes: of what the run has stored or, where that is little, all runs of its codec; else a guess."""
    if settings.track is not config.Track.animation:
        return Bytes(*_NO_VIDEO, "a guess")
    codec = settings.store.codec
    own, others = list(_measured([run], codec)), []
    if len(own) < FEW:
        others = list(_measured((other for other in store.runs(benchmark) if other.info.key != run.info.key), codec))
    for found, source in ((own, "this run's finished pairs"), (own + others, "other runs' finished pairs")):
        if len(found) >= FEW:
            return Bytes(min(found), sum(found) / len(found), max(found), source)
    lossless = _LOSSLESS if codec == LOSSLESS else _LOSSLESS_SMALL
    return Bytes(*(lossless if find(codec).lossless else _LOSSY), "a guess")


def _measured(runs: Iterable[Run], codec: str) -> Iterator[float]:
    """Bytes a pixel of some finished pairs of each run."""
    for run in runs:
        folders = sorted(run.folder.iterdir()) if run.folder.is_dir() else []
        for folder in spread(folders, SAMPLE):
            found = Entry(folder).look() if folder.is_dir() else NOTHING
            record = found.record
            if found.is_whole and not found.pruned and record is not None and record.get("codec", LOSSLESS) == codec:
                height, width = record["size"]
                yield folder_bytes(folder) / (record["frames"] * height * width)


def folder_bytes(folder: Path) -> int:
    """Of all files in it."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def free(store: Store) -> int:
    """Bytes that the store's disk has left; of a quota it does not know."""
    return shutil.disk_usage(store.root).free


def text(size: float) -> str:
    """Bytes for people: ``3.1 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:,.3g} TiB"


def check(settings: config.Config, benchmark: Benchmark, store: Store, run: Run, pairs: Sequence[Pair]) -> None:
    """Compare what pairs will take with what is free; warn where that may not do.

    Raises:
        UserError: not even the least that they can take is free.
    """
    if not pairs:
        return
    needed = a_pixel(settings, benchmark, store, run) * Extent().of(pairs, LOOK).pixels
    left, name = free(store), run.info.method_name
    if needed.least > left:
        raise UserError(
            f"{settings.results}: {len(pairs)} pairs of {name} take {text(needed.least)} or more, and {text(left)} are "
            "free; remove some (`charachbench prune`), compress (store.codec=h264_crf18), or give another disk "
            "(results=DIR)"
        )
    if needed.most > left:
        about = f"{text(needed.likely)}, at most {text(needed.most)}"
        log.warning(
            "%s: %d pairs of %s may not fit: they take about %s (by %s), and %s are free",
            settings.results, len(pairs), name, about, needed.source, text(left),
            extra=event("disk_low", method=name, pairs=len(pairs), likely=needed.likely, most=needed.most, free=left),
        )  # fmt: skip
