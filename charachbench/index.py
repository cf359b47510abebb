"""What a run's folders held when they were last looked at, in one file: so that looking again opens none of them.

A cache: it can be removed, and is made again. What it tells of a pair counts only while the folder of the pair, its
record and its scores are, by their times, sizes and inodes, the very files that were read; a damaged index, or one of
another version, tells nothing. Any number of processes may write it: the last one wins, and each one's is right.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = "index.json"
VERSION = 3
"""To be raised with what is kept, and with what ``Entry.record`` and ``Entry.scores`` accept."""
SETTLED = 2 * 10**9
"""Nanoseconds after which a change cannot hide in a file system's coarse clock, or in those of two machines."""
KEPT = ("status", "value", "array", "reference", "reason")
"""Of a score; what it was made with is in its file."""

Stamp = list[int]
"""Of the folder, the record and the scores: time of change, size and inode; zeros where there is none."""


@dataclass(frozen=True)
class Found:
    """What a pair's folder holds.

    Attributes:
        record: None where there is none, or a damaged one.
        scores: by metric key, ``KEPT`` of each.
        absent: names of files that either of them tells of, but that are not there.
        pruned: whether the video was removed on purpose.
        leased: whether somebody works there, or died at it.
    """

    record: dict[str, Any] | None
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    pruned: bool = False
    leased: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the pair was made, and all is there that was, but for a pruned video."""
        made = self.record is not None and self.record["status"] == "ok"
        return made and self.record is not None and self.absent.isdisjoint(self.record["outputs"])


NOTHING = Found(None)
"""What a folder holds that is not there."""


def stamp(folder: str) -> Stamp:
    """Tells whether what a pair's folder holds has changed; two look-ups and one of the folder, nothing is opened."""
    found: Stamp = []
    for path in (folder, f"{folder}/record.json", f"{folder}/scores.json"):
        try:
            stat = os.stat(path)  # noqa: PTH116 - a Path takes as long again
        except FileNotFoundError:
            found += (0, 0, 0)
        else:
            found += (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return found


def scan(
    folder: Path, version: int, look: Callable[[str], Found], write: Callable[[bytes], object]
) -> dict[str, Found]:
    """What every folder in a run's folder holds, by name, in order.

    Args:
        folder: the run's.
        version: of what ``look`` accepts.
        look: reads a folder.
        write: keeps the index, where the one that there is does not tell all.
    """
    start, known = time.time_ns(), _read(folder / FILE, version)
    found: dict[str, Found] = {}
    settled: dict[str, Stamp] = {}
    news = False
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir())
    for name in names:
        now = stamp(f"{folder}/{name}")
        is_settled = max(now[::3]) < start - SETTLED
        if name in known and known[name][0] == now:
            found[name] = known[name][1]
        else:
            found[name] = look(name)
            news |= is_settled
        if is_settled:
            settled[name] = now
    if news or settled.keys() != known.keys():
        write(_to_bytes({name: (now, found[name]) for name, now in settled.items()}, version))
    return found


def _read(path: Path, version: int) -> dict[str, tuple[Stamp, Found]]:
    """Empty where there is no index, or one that cannot be relied on."""
    try:
        head, _, text = path.read_bytes().partition(b"\n")
    except OSError:
        return {}
    if head != _head(text, version):
        return {}
    common, pairs = json.loads(text)
    return {
        name: (now, Found(None if record is None else {**common, **record}, scores, frozenset(absent), *flags))
        for name, (now, record, scores, absent, *flags) in pairs.items()
    }


def _to_bytes(settled: dict[str, tuple[Stamp, Found]], version: int) -> bytes:
    """What all records share is written, and later held in memory, once."""
    records = [found.record for _, found in settled.values() if found.record is not None]
    common = dict(records[0]) if records else {}
    for record in records:
        common = {name: value for name, value in common.items() if name in record and record[name] == value}
    pairs = {
        name: [
            now,
            None if found.record is None else _without(found.record, common),
            found.scores,
            [*found.absent],
            found.pruned,
            found.leased,
        ]
        for name, (now, found) in settled.items()
    }
    text = json.dumps([common, pairs], separators=(",", ":")).encode()
    return _head(text, version) + b"\n" + text


def _without(record: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in common}


def _head(text: bytes, version: int) -> bytes:
    return f"{VERSION} {version} {hashlib.sha256(text).hexdigest()}".encode()
