"""What may leave the store: videos of pairs that are completely scored, and pairs whose inputs are others by now."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from charachbench.benchmark.types import Benchmark, Pair
from charachbench.config import PruneConfig
from charachbench.evaluate import NamedMetric, missing
from charachbench.room import folder_bytes
from charachbench.store import Entry, Run, StoreError


@dataclass
class Found:
    """Of one run, what can go and what stays.

    Attributes:
        videos: pairs whose videos, and pictures where that is asked for, can go.
        stale: what was made of the benchmark's pairs with other inputs than their present ones.
        pruned: how many pairs have nothing left that could go.
        unscored: how many pairs stay since they lack scores.
        size: bytes that ``videos`` and ``stale`` take.
    """

    run: Run
    videos: list[Pair] = field(default_factory=list)
    stale: list[Entry] = field(default_factory=list)
    pruned: int = 0
    unscored: int = 0
    size: int = 0


def find(chosen: PruneConfig, benchmark: Benchmark, run: Run, metrics: Sequence[NamedMetric]) -> Found:
    """Look, and remove nothing."""
    found, finished, is_kept = Found(run), run.finished(benchmark), run.references.listed()
    for pair in benchmark.pairs:
        if pair.name not in finished:
            continue
        entry, record = finished[pair.name]
        size = sum(path.stat().st_size for path in _files(entry, chosen))
        if not size:
            found.pruned += entry.is_pruned
        elif not chosen.unscored and missing(pair, record, metrics, run.found[entry.folder.name], is_kept):
            found.unscored += 1
        else:
            found.videos.append(pair)
            found.size += size
    if chosen.stale:
        found.stale = run.stale(benchmark)
        found.size += sum(folder_bytes(entry.folder) for entry in found.stale)
    return found


def remove(chosen: PruneConfig, benchmark: Benchmark, found: Found, metrics: Sequence[NamedMetric]) -> int:
    """Remove what was found, but for pairs that are being worked on, or that changed since; returns the bytes freed.

    Raises:
        StoreError: the store cannot be written.
    """
    freed, run = 0, Run(found.run.folder, found.run.info)  # which reads the records anew
    finished = run.finished(benchmark)
    try:
        for pair in found.videos:
            if pair.name not in finished:
                continue
            entry, record = finished[pair.name]
            with entry.leased(wait=False) as mine:
                if mine and (chosen.unscored or not missing(pair, record, metrics, entry.look(), entry.references.has)):
                    freed += sum(path.stat().st_size for path in _files(entry, chosen))
                    entry.prune(previews=chosen.previews)
        for entry in found.stale:
            with entry.leased(wait=False) as mine:
                if mine:
                    freed += folder_bytes(entry.folder)
                    shutil.rmtree(entry.folder)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{run.folder}: cannot be written ({error.strerror}); nothing else was removed") from error
    return freed


def _files(entry: Entry, chosen: PruneConfig) -> Iterator[Path]:
    shown = (entry.preview_path, entry.overlay_path, entry.strip_path) if chosen.previews else ()
    return (path for path in (entry.video_path, *shown) if path.is_file())
