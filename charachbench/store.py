"""The store: everything that was computed, keyed so that nothing is done twice and nothing stale is reused.

::

    <root>/<benchmark>-<key>/                       one folder per benchmark and its options
        benchmark.json  leaderboard.{md,csv,tex,parquet}  scores.parquet  metrics.json  report/  bundles/
        study/<name>/                               a human study (``charachbench.study``)
        <method>-<key>/                             one folder per run
            run.json  index.json
            <pair>-<fingerprint>/                   one folder per pair and its inputs
                video.mkv  preview.mp4  landmarks.npy  overlay.jpg  strip.jpg  method.log
                record.json  scores.json  <metric>-<key>.npy
    <root>/references/<key>.npy                     what metrics computed of characters, drivers and truths
    <root>/cache/                                   what can be made again: detected landmarks, the toy benchmark

Every file appears whole or not at all (written aside, then renamed); ``record.json`` comes last and makes a pair
finished. Files that decide something tell whether they are damaged (``charachbench.sealed``). Any number of processes
of any number of machines may work on one store: a pair is worked on under its lease (``charachbench.lease``).
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import logging
import os
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from charachbench import codecs, index, lease, records, sealed, untrusted, video
from charachbench.benchmark.recent import recent
from charachbench.benchmark.types import Benchmark, Pair
from charachbench.errors import UserError
from charachbench.keys import digest
from charachbench.protocols import Animation, Kept, References, Sample
from charachbench.secrecy import hidden

log = logging.getLogger(__name__)

SCHEMA = 2
REFERENCES = "references"
LEASE = ".lease"
MAX_LOG = 1_000_000
"""Characters of a pair's log that are kept."""


PRUNED = "its video was pruned; the command that made it makes it again with store.restore=true"


def atomic_write(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file beside ``path``, then rename it; on any failure ``path`` is as it was.

    Raises:
        UserError: the disk is full or cannot be written.
    """
    aside = path.with_name(f".{uuid.uuid4().hex}.{path.name}")
    try:
        write(aside)
        with aside.open("rb+") as handle:
            os.fsync(handle.fileno())
        aside.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM):
            raise StoreError(
                f"{path.parent}: cannot be written ({os.strerror(error.errno)}); "
                "all finished pairs are kept, mend it and run the same command again"
            ) from error
        raise
    finally:
        aside.unlink(missing_ok=True)


class StoreError(UserError):
    """The store itself fails: going on with the next pair would not help."""


def write_json(path: Path, value: Any) -> None:
    """Strict JSON, atomically."""
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)
    atomic_write(path, lambda aside: aside.write_text(text + "\n", encoding="utf-8"))


def write_sealed(path: Path, value: dict[str, Any]) -> None:
    """The same, of what must not be believed once it is damaged."""
    content = sealed.json_bytes(value)
    atomic_write(path, lambda aside: aside.write_bytes(content))


def write_array(path: Path, array: np.ndarray) -> None:
    """One ``.npy``, sealed, atomically."""
    content = sealed.array_bytes(array)
    atomic_write(path, lambda aside: aside.write_bytes(content))


def read_json(path: Path) -> Any:
    """The value, or None where the file is missing or damaged (it is then made again)."""
    value = _read(path, untrusted.read_json)
    if isinstance(value, dict):
        value.pop("sha256", None)  # the seal of a file that something else rewrote
    return value


def read_array(path: Path) -> np.ndarray | None:
    """The array, or None where the file is missing or damaged (it is then made again)."""
    array: np.ndarray | None = _read(path, untrusted.read_array)
    return array


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except UserError as error:
        if path.exists():
            _report_damaged(str(error))
        return None


@functools.cache  # once
def _report_damaged(what: str) -> None:
    log.warning("%s; it is made again", what)


def _names(folder: Path) -> frozenset[str]:
    """Of all that is in a folder; empty where there is none."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries)
    except FileNotFoundError:
        return frozenset()


def reference_file(key: str) -> str:
    """Name of the file of a reference."""
    return f"{key[:32]}.npy"


class StoredReferences(References):
    """``References`` on disk, for all methods and benchmarks of a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where the array with this key is kept."""
        return self.folder / reference_file(key)

    def has(self, key: str) -> bool:
        """Whether the array with this key is kept."""
        return self.path(key).is_file()

    def listed(self) -> Callable[[str], bool]:
        """``has`` as of now, for many keys: it looks into the folder once."""
        names = _names(self.folder)
        return lambda key: reference_file(key) in names

    def get(self, identity: Any, compute: Callable[[], np.ndarray]) -> Kept:
        """See ``References``; computed once whatever the number of threads."""
        key = digest(identity)
        path = self.path(key)

        def load() -> np.ndarray:
            array = read_array(path)
            return np.asarray(compute()) if array is None else array

        array = recent.get(str(path), load, lambda array: array.nbytes)
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_array(path, array)
        return Kept(key, array)


def folder_name(name: str, key: str) -> str:
    """A readable and safe folder name; the key keeps names apart that look alike once they are safe."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "_"
    return f"{safe[:80]}-{key[:8]}"


@dataclass(frozen=True)
class RunInfo:
    """What a run is: one method, wholly configured, on one benchmark.

    Attributes:
        key: hash of everything here that can change the output.
        method_name: the row's name.
        method: the method's configuration, resolved.
        given: what the method may see beside image and driver: ``truth``, ``landmarks``.
        control: a row that shows a metric's floor or ceiling and is not ranked.
        versions: of all classes that the configuration names.
        seed: of all randomness.
        benchmark: name and options.
        random: a row that shows that the method runs, through networks with random weights, and is not ranked.
        codec: that decides its pixels, see ``charachbench.codecs.deciding``.
    """

    key: str
    method_name: str
    method: dict[str, Any]
    given: list[str]
    control: bool
    versions: dict[str, int]
    seed: int
    benchmark: dict[str, Any]
    random: bool = False
    codec: str = codecs.LOSSLESS
    schema: int = SCHEMA


@contextlib.contextmanager
def leased(folder: Path, *, wait: bool) -> Iterator[lease.Lease | None]:
    """Hold the lease of a folder, which is made; see ``lease.hold``.

    Raises:
        StoreError: the folder cannot be written.
    """
    holding = lease.hold(folder / LEASE, wait=wait)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = holding.__enter__()
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written ({error.strerror})") from error
    with contextlib.ExitStack() as giving_back:
        giving_back.push(holding)
        yield held


@dataclass(frozen=True)
class Entry:
    """The folder of one pair within a run."""

    folder: Path

    @property
    def video_path(self) -> Path:
        """The video that is scored: Matroska, lossless unless the run says otherwise; gone once it was pruned."""
        return self.folder / "video.mkv"

    @property
    def is_pruned(self) -> bool:
        """Whether the video was removed on purpose, and not lost."""
        return self._pruned_path.is_file() and not self.video_path.is_file()

    @property
    def _pruned_path(self) -> Path:
        return self.folder / "video.pruned"

    @property
    def preview_path(self) -> Path:
        """The video for browsers."""
        return self.folder / "preview.mp4"

    @property
    def overlay_path(self) -> Path:
        """The character with the landmarks that were found on it."""
        return self.folder / "overlay.jpg"

    @property
    def strip_path(self) -> Path:
        """Some frames of driver, landmarks and result."""
        return self.folder / "strip.jpg"

    def record(self) -> dict[str, Any] | None:
        """The pair's record, None where there is none or it is damaged."""
        value = read_json(self.folder / "record.json")
        known = isinstance(value, dict) and value.get("schema") == SCHEMA and records.is_record(value)
        return value if known else None

    def scores(self) -> dict[str, dict[str, Any]]:
        """What metrics made of the pair, by metric key."""
        value = read_json(self.folder / "scores.json")
        found = value.items() if isinstance(value, dict) else ()
        return {key: score for key, score in found if records.is_score(score)}

    def look(self) -> index.Found:
        """What is there now."""
        record, scores = self.record(), self.scores()
        told = {*(record or {}).get("outputs", {}), *(score["array"] for score in scores.values() if "array" in score)}
        kept = {key: {name: score[name] for name in index.KEPT if name in score} for key, score in scores.items()}
        there = _names(self.folder)
        pruned = self._pruned_path.name in there and self.video_path.name not in there
        absent = told - there - ({self.video_path.name} if pruned else set())
        return index.Found(record, kept, frozenset(absent), pruned, LEASE in there)

    @property
    def references(self) -> StoredReferences:
        """What metrics computed of characters, drivers and truths, in all of the store."""
        return StoredReferences(self.folder.parents[2] / REFERENCES)

    def array_path(self, name: str, key: str) -> Path:
        """Where an array that metrics extracted is kept."""
        return self.folder / f"{folder_name(name, key)}.npy"

    @contextlib.contextmanager
    def leased(self, *, wait: bool) -> Iterator[lease.Lease | None]:
        """Hold the pair's lease; yields None, without waiting, where another process has it and ``wait`` is false."""
        with leased(self.folder, wait=wait) as held:
            if held is not None and held.deaths:
                self.remove_leftovers()
            yield held

    def tidy(self) -> None:
        """Remove what a process left that died on the pair; nothing while one works on it."""
        with contextlib.suppress(StoreError), self.leased(wait=False):  # taking the lease does it
            pass

    def remove_leftovers(self) -> None:
        """Remove half-written files of a process that was killed here."""
        for leftover in self.folder.glob(".*.*"):
            leftover.unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget that the pair is finished, so that it is made again; scores stay, in case it comes out the same."""
        (self.folder / "record.json").unlink(missing_ok=True)

    def write_animation(
        self, animation: Animation, codec: str = codecs.LOSSLESS, dropped: threading.Event | None = None
    ) -> dict[str, str]:
        """Store a result, all but its record; returns the sha256 of each file that can be scored, by name.

        Raises:
            KeyboardInterrupt: another thread has ``dropped`` it.
        """
        made, written = animation.video, []
        if made is not None:
            with ThreadPoolExecutor(1) as beside:  # an encoder of small frames keeps a single core busy
                preview = beside.submit(
                    atomic_write, self.preview_path, lambda aside: video.write_preview(made, aside, dropped)
                )
                atomic_write(self.video_path, lambda aside: video.write(made, aside, codec, dropped))
                preview.result()
            written.append(self.video_path)
        self._pruned_path.unlink(missing_ok=True)
        for name in ("landmarks", "first_landmarks"):
            if (array := getattr(animation, name)) is not None:
                path = self.folder / f"{name}.npy"
                write_array(path, array)
                written.append(path)
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in written}

    def prune(self, *, previews: bool = False) -> None:
        """Remove the video, once all that is wanted of it has been computed; the pair stays finished.

        An empty file tells that it was; that needs no room on a full disk.

        Args:
            previews: remove what is there for people to see, too.

        Raises:
            StoreError: the store cannot be written.
        """
        if self.video_path.is_file():
            self._pruned_path.touch()
            self.video_path.unlink()
        if previews:
            for path in (self.preview_path, self.overlay_path, self.strip_path):
                path.unlink(missing_ok=True)

    def write_log(self, text: str) -> None:
        """Keep what the method printed, start and end where that is long; empty removes what was kept."""
        path, text = self.folder / "method.log", hidden(text)
        if text:
            if len(text) > MAX_LOG:
                text = f"{text[: MAX_LOG // 2]}\n... cut ...\n{text[-MAX_LOG // 2 :]}"
            atomic_write(path, lambda aside: aside.write_text(text, encoding="utf-8", errors="replace"))
        else:
            path.unlink(missing_ok=True)

    def _kept(self, record: dict[str, Any]) -> dict[str, str]:
        """Names and hashes of the files that must be there."""
        gone = {self.video_path.name} if self.is_pruned else set()
        return {name: digest for name, digest in record["outputs"].items() if name not in gone}

    def damaged(self, record: dict[str, Any]) -> list[str]:
        """Names of the files that are not what was generated, but for a video that was pruned."""

        def digest_now(name: str) -> str:
            try:
                return hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
            except OSError:
                return ""

        return [name for name, digest_then in self._kept(record).items() if digest_now(name) != digest_then]

    def read_sample(self, pair: Pair, record: dict[str, Any]) -> Sample:
        """What metrics are handed.

        Raises:
            UserError: the video was pruned, or a file is not what was generated; the pair then counts as not finished
                from now on.
        """
        if self.is_pruned:
            raise UserError(f"{self.video_path}: {PRUNED}")
        if damaged := self.damaged(record):
            self.discard()
            raise UserError(
                f"{self.folder / damaged[0]}: was damaged or changed since it was generated; the pair is made again"
            )

        def array(name: str) -> np.ndarray | None:
            return untrusted.read_array(self.folder / name) if name in record["outputs"] else None

        made = video.read(self.video_path) if self.video_path.name in record["outputs"] else None
        return Sample(pair, made, array("first_landmarks.npy"), array("landmarks.npy"), self.references)


@dataclass(frozen=True)
class Run:
    """The folder of one run."""

    folder: Path
    info: RunInfo

    @property
    def references(self) -> StoredReferences:
        """What metrics computed of characters, drivers and truths, in all of the store."""
        return StoredReferences(self.folder.parents[1] / REFERENCES)

    def entry(self, pair: Pair, inputs: dict[str, str]) -> Entry:
        """Where a pair with these inputs is, or will be, kept."""
        return Entry(self.folder / folder_name(pair.name, digest({"pair": pair.name, **inputs})))

    def finished(self, benchmark: Benchmark) -> dict[str, tuple[Entry, dict[str, Any]]]:
        """By pair name, the entry and record of every pair that was made with its present inputs.

        Of several that differ in what the method's ``fingerprint`` hashes, the one that ``generate`` met last.
        """
        return {name: found for name, found in self.latest(benchmark).items() if found[1]["status"] == "ok"}

    def failed(self, benchmark: Benchmark) -> dict[str, dict[str, Any]]:
        """By pair name, the record of every pair that failed when it was last tried with its present inputs."""
        return {name: record for name, (_, record) in self.latest(benchmark).items() if record["status"] == "failed"}

    def latest(self, benchmark: Benchmark) -> dict[str, tuple[Entry, dict[str, Any]]]:
        """``finished`` and ``failed`` together, as their records' ``status`` says."""
        wanted = {pair.name: pair_inputs(pair, self.info.given) for pair in benchmark.pairs}
        latest: dict[str, tuple[Entry, dict[str, Any]]] = {}
        for folder, found in self.found.items():
            if (record := found.record) is None:
                continue
            name = record["pair"]
            inputs = {key: value for key, value in record["inputs"].items() if key != "method"}
            newest = name not in latest or _in_use_since(record) > _in_use_since(latest[name][1])
            if wanted.get(name) == inputs and newest:
                latest[name] = (Entry(self.folder / folder), record)
        return latest

    def stale(self, benchmark: Benchmark) -> list[Entry]:
        """What was made of the benchmark's pairs with other inputs than the present ones, or is not used of several."""
        used, names = self.latest(benchmark), {pair.name for pair in benchmark.pairs}
        entries = {Entry(self.folder / name): found.record for name, found in self.found.items()}
        of_pairs = [(entry, record["pair"]) for entry, record in entries.items() if record and record["pair"] in names]
        return [entry for entry, name in of_pairs if name not in used or used[name][0] != entry]

    def use_again(self, benchmark: Benchmark, entries: dict[str, Entry]) -> None:
        """Prefer these entries, by pair name, to others of their pairs: what decides the output is as it was for them.

        Also to those that a clock dates later.
        """
        if self.found.keys() <= {entry.folder.name for entry in entries.values()}:
            return  # there is nothing to prefer them to
        latest = self.latest(benchmark)
        for name, entry in entries.items():
            if name in latest and latest[name][0] != entry and (record := entry.record()) is not None:
                after = datetime.fromisoformat(_in_use_since(latest[name][1])) + timedelta(microseconds=1)
                record["in_use_since"] = max(datetime.now(UTC), after).isoformat()
                write_sealed(entry.folder / "record.json", record)
                self.forget()

    def create(self) -> None:
        """Make the run known, if it is not, or its file is damaged."""
        if not _is_info(read_json(self.folder / "run.json"), self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_sealed(self.folder / "run.json", asdict(self.info))

    @cached_property
    def found(self) -> dict[str, index.Found]:
        """What the folders of pairs hold, by name, as it was when this was first asked; see ``forget``."""

        def write(content: bytes) -> None:
            with contextlib.suppress(StoreError, OSError):  # it can be done without
                atomic_write(self.folder / index.FILE, lambda aside: aside.write_bytes(content))

        if not self.folder.is_dir():
            return {}
        return index.scan(self.folder, SCHEMA, lambda name: Entry(self.folder / name).look(), write)

    def forget(self) -> None:
        """Look again when next asked: this or another process has changed something."""
        vars(self).pop("found", None)


def _is_info(value: Any, folder: Path) -> bool:
    """Whether that is what the ``run.json`` of a folder holds."""
    known = isinstance(value, dict) and value.get("schema") == SCHEMA and records.is_run(value)
    return known and folder.name.endswith(f"-{value['key'][:8]}")


def _in_use_since(record: dict[str, Any]) -> str:
    return str(record.get("in_use_since", record["finished"]))


def pair_inputs(pair: Pair, given: list[str]) -> dict[str, str]:
    """Fingerprints of all that a method sees of a pair."""
    inputs = {"character": pair.character.fingerprint, "driver": pair.driver.fingerprint}
    if "landmarks" in given:
        inputs["landmarks"] = pair.character.annotation_fingerprint
    if "truth" in given:
        inputs["truth"] = pair.truth.fingerprint if pair.truth else ""
    return inputs


class Store:
    """A folder of results.

    Raises:
        StoreError: the folder cannot be made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"results: cannot make the folder {root} ({error.strerror})") from error

    @property
    def cache(self) -> Path:
        """What can be made again."""
        return self.root / "cache"

    @property
    def references(self) -> StoredReferences:
        """What metrics computed of characters, drivers and truths."""
        return StoredReferences(self.root / REFERENCES)

    def benchmark_folder(self, benchmark: Benchmark) -> Path:
        """The folder of a benchmark under its present options."""
        identity = {"name": benchmark.name, "options": benchmark.options}
        folder = self.root / folder_name(benchmark.name, digest(identity))
        if not isinstance(read_json(folder / "benchmark.json"), dict):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"results: cannot make the folder {folder} ({error.strerror})") from error
            write_json(folder / "benchmark.json", {"schema": SCHEMA, **identity, "licence": benchmark.licence})
        return folder

    def find_run(self, benchmark: Benchmark, info: RunInfo) -> Run:
        """The run with this key, maybe under another name; where there is none, as it will be once it is created."""
        folder = self.benchmark_folder(benchmark) / folder_name(info.method_name, info.key)
        known = next((run for run in self.runs(benchmark) if run.info.key == info.key), None)
        # of what is configured, not of what the file says, classes are looked up
        return Run(folder, info) if known is None else Run(known.folder, replace(known.info, method=info.method))

    def runs(self, benchmark: Benchmark) -> list[Run]:
        """All runs on a benchmark, by name."""
        runs = []
        for path in sorted(self.benchmark_folder(benchmark).glob("*/run.json")):
            info = read_json(path)
            if _is_info(info, path.parent):
                runs.append(Run(path.parent, RunInfo(**info)))
        return runs
