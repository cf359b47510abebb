"""What in a store is damaged, left over or of another version; needs no configuration but where it lies."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from charachbench import lease, untrusted
from charachbench.errors import UserError
from charachbench.store import LEASE, REFERENCES, SCHEMA, Entry

ABANDONED = 3600.0
"""Seconds after which nobody still writes a file that is no longer than a table."""


@dataclass(frozen=True)
class Fault:
    """Something that is not as it should be.

    Attributes:
        path: where.
        what: in a few words.
        remove: files without which it is made again, or was never missed; empty where nothing can be done about it.
    """

    path: Path
    what: str
    remove: tuple[Path, ...] = ()

    def mend(self) -> None:
        """Remove them."""
        for path in self.remove:
            path.unlink(missing_ok=True)


def find(root: Path) -> Iterator[Fault]:
    """Read every file that decides something, by its checksum; pairs that are being worked on are left alone."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for benchmark in sorted(path.parent for path in root.glob("*/benchmark.json")):
            if broken := _broken(about := benchmark / "benchmark.json"):
                yield Fault(about, broken, (about,))
            for run in sorted(path for path in benchmark.iterdir() if _is_run(path)):
                yield from _of_run(run)
                pairs = sorted(path for path in run.iterdir() if path.is_dir())
                yield from itertools.chain.from_iterable(pool.map(_of_pair, pairs))
            yield from _left_over(benchmark.glob(".*.*"))
        yield from _left_over((root / REFERENCES).glob(".*.*"))
        references = sorted((root / REFERENCES).glob("[!.]*.npy"))
        for path, broken in zip(references, pool.map(_broken, references), strict=True):
            if broken:
                yield Fault(path, broken, (path,))


def _left_over(paths: Iterable[Path]) -> Iterator[Fault]:
    """Half-written files outside of pairs' folders, where no lease tells whether somebody still writes them."""
    for path in sorted(paths):
        with contextlib.suppress(FileNotFoundError):  # it was renamed meanwhile
            if path.is_file() and time.time() - path.stat().st_mtime > ABANDONED:
                yield Fault(path, "left over by a process that died", (path,))


def _is_run(folder: Path) -> bool:
    """Whether a folder has runs' pairs, be its description there or not."""
    return (folder / "run.json").is_file() or any(folder.glob("*/record.json"))


def _of_run(folder: Path) -> Iterator[Fault]:
    path = folder / "run.json"
    if not path.is_file():
        yield Fault(path, "missing; the run's command writes it again")
    elif broken := _broken(path):
        yield Fault(path, f"{broken}; the run's command writes it again", (path,))
    elif not isinstance(about := untrusted.read_json(path), dict):
        yield Fault(path, "tells of no run; the run's command writes it again", (path,))
    elif (schema := about.get("schema")) != SCHEMA:
        yield Fault(path, f"of version {schema} of the store, this is {SCHEMA}; left alone")


def _of_pair(folder: Path) -> list[Fault]:
    if lease.is_held(folder / LEASE):
        return []
    return list(_of_idle_pair(Entry(folder)))


def _of_idle_pair(entry: Entry) -> Iterator[Fault]:
    folder = entry.folder
    for leftover in [folder / LEASE, *sorted(folder.glob(".*.*"))]:
        if leftover.is_file():
            yield Fault(leftover, "left over by a process that died", (leftover,))
    path, record = folder / "record.json", None
    if not path.is_file():
        yield Fault(folder, "not finished; the run's command makes it")
    elif broken := _broken(path):
        yield Fault(path, broken, (path,))
    elif (record := entry.record()) is None:
        yield Fault(path, "is no record of a pair, or of another version of the store; the pair counts as not finished")
    elif record["status"] == "ok":
        for name in entry.damaged(record):
            yield Fault(folder / name, "missing, damaged or changed since it was generated", (path, folder / name))
    for path in [*folder.glob("scores.json"), *sorted(folder.glob("[!.]*.npy"))]:
        if (broken := _broken(path)) and not (record and path.name in record.get("outputs", {})):
            yield Fault(path, broken, (path,))


def _broken(path: Path) -> str:
    """What is wrong with a file of JSON or an array; empty if it is as it was written."""
    try:
        untrusted.read_array(path) if path.suffix == ".npy" else untrusted.read_json(path)
    except UserError as error:
        return str(error).removeprefix(f"{path}: ")
    return ""
