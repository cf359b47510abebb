"""What the report's viewer plays and shows: copies of the store's videos and pictures beside the page.

Files are linked where the system can, so that a report costs no room until it is copied elsewhere.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from charachbench import keys, pictures, video
from charachbench.benchmark.types import Benchmark, Character, Driver
from charachbench.errors import UserError
from charachbench.store import PRUNED, Entry, Run, atomic_write, folder_name, read_array

SIDE = 512
"""Longer side of a character's picture, pixels."""
_LANDMARKS = "landmarks"


@dataclass
class Shelf:
    """A folder that holds just the files that were asked for since it was opened.

    Attributes:
        root: of the page; paths are relative to it.
        name: of the folder.
    """

    root: Path
    name: str
    _kept: set[Path] = field(default_factory=set)

    def path(self, name: str) -> Path:
        """Where a file of the folder lies; the folder it lies in is made."""
        path = self.root / self.name / name
        if path not in self._kept:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._kept.add(path)
        return path

    def link(self, source: Path, name: str) -> bool:
        """Put a file of the store here; false where there is none."""
        path = self.path(name)
        try:
            if path.exists() and path.samefile(source):
                return True
            atomic_write(path, lambda aside: _link(source, aside))
        except FileNotFoundError:
            self._kept.discard(path)
            return False
        return True

    def clear(self) -> None:
        """Remove what was not asked for, as of runs that are no longer shown."""
        for path in sorted((self.root / self.name).rglob("*"), reverse=True):
            if path.is_file() and path not in self._kept:
                path.unlink(missing_ok=True)
            elif path.is_dir():
                with contextlib.suppress(OSError):  # not empty
                    path.rmdir()


def _link(source: Path, path: Path) -> None:
    try:
        os.link(source, path)
    except OSError:
        shutil.copyfile(source, path)  # another disk, or a system without links


def gather(root: Path, benchmark: Benchmark, runs: Mapping[str, Run]) -> dict[str, Any]:
    """Put all media of a benchmark beside the page; returns what the viewer must know of them, JSON-serialisable.

    Args:
        root: the page's folder.
        benchmark: whose characters, drivers and pairs.
        runs: by their names in the leaderboard, in the order in which they are shown.

    Returns:
        ``characters``, ``drivers``, ``pairs`` (indices of both, and the stem of its files), ``methods`` (name and
        folder) and ``clips`` (by method and pair: letters for what there is, v a video, l landmarks, s a strip and o an
        overlay; or the index of a reason, why there is nothing) with ``reasons``.
    """
    shelf = Shelf(root, "media")
    characters = {character.name: index for index, character in enumerate(benchmark.characters)}
    drivers = {driver.name: index for index, driver in enumerate(benchmark.drivers)}
    stems = [folder_name(pair.name, keys.digest(pair.name)) for pair in benchmark.pairs]
    reasons: dict[str, int] = {}
    clips = [_clips(shelf, benchmark, stems, run, reasons) for run in runs.values()]
    found = {
        "characters": [_character(shelf, character) for character in benchmark.characters],
        "drivers": [_driver(shelf, driver) for driver in benchmark.drivers],
        "pairs": [
            [characters[pair.character.name], drivers[pair.driver.name], stem]
            for pair, stem in zip(benchmark.pairs, stems, strict=True)
        ],
        "methods": [[name, run.folder.name] for name, run in runs.items()],
        "clips": clips,
        "reasons": list(reasons),
    }
    shelf.clear()
    return found


def _character(shelf: Shelf, character: Character) -> dict[str, Any]:
    stem = f"characters/{folder_name(character.name, character.fingerprint)}"
    described: dict[str, Any] = {"name": character.name, "domain": character.domain}
    try:
        image = character.image
        described["size"] = [image.shape[1], image.shape[0]]
        path = shelf.path(f"{stem}.jpg")
        if not path.is_file():
            small = pictures.fit(image, SIDE, SIDE)
            atomic_write(path, lambda aside: pictures.save(aside, small))
        described["image"] = f"media/{stem}.jpg"
        if character.landmarks is not None:
            described["landmarks"] = _encoded(character.landmarks[None], image.shape)
    except UserError as error:  # a file that is gone since it was animated
        described["reason"] = str(error)
    return described


def _driver(shelf: Shelf, driver: Driver) -> dict[str, Any]:
    if not driver.name:
        return {"name": ""}
    stem = f"drivers/{folder_name(driver.name, driver.fingerprint)}"
    described: dict[str, Any] = {"name": driver.name}
    try:
        clip = driver.video
        described |= {"frames": len(clip), "fps": clip.fps, "video": f"media/{stem}.mp4"}
        path = shelf.path(f"{stem}.mp4")
        if not path.is_file():
            atomic_write(path, lambda aside: video.write_preview(clip, aside))
        _write_landmarks(shelf.path(f"{stem}.js"), f"{stem}", driver.landmarks, clip.frames.shape[1:])
        described["landmarks"] = stem
    except UserError as error:  # no face, or no file any more
        described["reason"] = str(error)
    return described


def _clips(
    shelf: Shelf, benchmark: Benchmark, stems: Sequence[str], run: Run, reasons: dict[str, int]
) -> list[str | int]:
    finished, failed = run.finished(benchmark), run.failed(benchmark)
    clips: list[str | int] = []
    for pair, stem in zip(benchmark.pairs, stems, strict=True):
        if pair.name in finished:
            entry, record = finished[pair.name]
            there = _clip(shelf, f"{run.folder.name}/{stem}", entry, record)
            shown = not entry.is_pruned or set(there) & set("vso")
            clips.append(there if shown else reasons.setdefault(PRUNED, len(reasons)))
        else:
            reason = failed[pair.name]["reason"] if pair.name in failed else "not generated yet"
            clips.append(reasons.setdefault(str(reason), len(reasons)))
    return clips


def _clip(shelf: Shelf, stem: str, entry: Entry, record: dict[str, Any]) -> str:
    there = ""
    if shelf.link(entry.preview_path, f"{stem}.mp4"):
        there += "v"
    source = entry.folder / f"{_LANDMARKS}.npy"
    if source.name in record["outputs"]:
        path = shelf.path(f"{stem}.js")
        if not path.is_file() or path.stat().st_mtime < source.stat().st_mtime:
            points = read_array(source)
            if points is not None and points.shape == (record["frames"], 68, 2) and np.isfinite(points).all():
                _write_landmarks(path, stem, points, record["size"])
        there += "l" if path.is_file() else ""
    for letter, picture in (("s", entry.strip_path), ("o", entry.overlay_path)):
        if "v" not in there and shelf.link(picture, f"{stem}-{letter}.jpg"):
            there += letter
    return there


def script(call: str, arguments: Sequence[Any]) -> str:
    """A file that calls a function of the page: pages that lie on disk may load scripts, but not data."""
    return f"report.{call}(...{as_json(arguments)});\n"


def as_json(value: Any) -> str:
    """Strict JSON that may stand in a page's script: names are whatever a folder held."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _write_landmarks(path: Path, stem: str, points: np.ndarray, size: Sequence[int]) -> None:
    text = script("landmarks", [stem, _encoded(points, size)])
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        atomic_write(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def _encoded(points: np.ndarray, size: Sequence[int]) -> str:
    """(T, 68, 2) in pixels of a picture of (height, width) -> base64 of little-endian uint16.

    0 is half a picture left of, or above, the picture's edge, 65535 as far beyond the other: steps of a hundredth of a
    pixel in a tenth of the room.
    """
    shares = (np.asarray(points, dtype=np.float64) + 0.5) / (size[1], size[0])
    numbers = np.rint((np.clip(shares, -0.5, 1.5) + 0.5) * (65535 / 2)).astype("<u2")
    return base64.b64encode(numbers.tobytes()).decode()
