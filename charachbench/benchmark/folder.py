"""A benchmark as one has it on disk; `data/README.md` shows the layout."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from charachbench import untrusted
from charachbench.benchmark import files
from charachbench.benchmark.alone import alone
from charachbench.benchmark.clips import Clip, TrueClip
from charachbench.benchmark.framing import Crop, Framing
from charachbench.benchmark.images import Colour, Picture
from charachbench.benchmark.sampling import Sampling
from charachbench.benchmark.types import UNKNOWN, Benchmark, BenchmarkSource, Character, Driver, Pair, Truth
from charachbench.errors import UserError, reason_for
from charachbench.landmarks.detectors import Detector, Given

DEFAULT_SIZE = 512
T = TypeVar("T")


@dataclass
class Manifest:
    """What ``benchmark.yaml`` may say; options of the command line win over it.

    Attributes:
        name: of the benchmark.
        size: side of the square pictures and frames, in pixels.
        fps: frames per second.
        pairs: [character, driver] each; without it every character meets every driver.
        licence: of the data.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read by pydantic

    name: str | None = None
    size: int | None = None
    fps: float | None = None
    pairs: list[tuple[str, str]] | None = None
    licence: str = ""


@dataclass(frozen=True)
class _Entry:
    """A character or driver on disk."""

    name: str
    path: Path
    domain: str = ""


@dataclass
class _Contents:
    """What lies in the root, and what is wrong with it."""

    manifest: Manifest = field(default_factory=Manifest)
    characters: list[_Entry] = field(default_factory=list)
    drivers: list[_Entry] = field(default_factory=list)
    truths: dict[str, Path] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    driver_faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def attempt(self, make: Callable[[], T], default: T, faults: list[str] | None = None) -> T:
        """``make()``; a user's mistake is noted down and ``default`` returned."""
        try:
            return make()
        except UserError as error:
            (self.faults if faults is None else faults).append(str(error))
            return default


class Folder(BenchmarkSource):
    """Characters and drivers in a folder.

    Landmarks in a ``.npy`` beside a picture or a driver are used whenever they are there, whatever the detector.

    Args:
        root: holds ``characters/`` and ``drivers/`` and, if wanted, ``truth/`` and ``benchmark.yaml``.
        name: of the benchmark; null takes the manifest's, else the folder's.
        size: side of the square pictures and frames, in pixels; null takes the manifest's, else 512.
        fps: frames per second; null takes the manifest's, else every source frame.
        start: seconds into each driver.
        stride: every ``stride``-th frame is taken.
        max_frames: at most so many are taken.
        crop: see ``charachbench.benchmark.framing.Framing``.
        background: RGB on which transparent pictures are laid.
        annotations: a folder of ``<character>.npy`` for characters that have none beside them.
        domains, characters, drivers: take only those with these names.
        max_characters, max_drivers: take so many of what is left, spread evenly over the sorted list.
        expect_characters: number of characters that a complete copy has; see ``problems``.
    """

    def __init__(
        self,
        *,
        root: str,
        name: str | None = None,
        size: int | None = None,
        fps: float | None = None,
        start: float = 0.0,
        stride: int = 1,
        max_frames: int | None = None,
        crop: Crop = "centre",
        background: Colour = (255, 255, 255),
        annotations: str | None = None,
        domains: list[str] | None = None,
        characters: list[str] | None = None,
        drivers: list[str] | None = None,
        max_characters: int | None = None,
        max_drivers: int | None = None,
        expect_characters: int | None = None,
    ) -> None:
        self.root, self.name = Path(root).expanduser(), name
        self.size, self.fps, self.crop = size, fps, crop
        self.start, self.stride, self.max_frames = start, stride, max_frames
        self.annotations = None if annotations is None else Path(annotations).expanduser()
        self.domains, self.characters, self.drivers = domains, characters, drivers
        self.max_characters, self.max_drivers = max_characters, max_drivers
        self.expect_characters = expect_characters
        if len(background) != 3 or not all(0 <= value <= 255 for value in background):
            raise UserError(f"benchmark.background={list(background)}: accepted are three numbers from 0 to 255")
        self.background: Colour = (background[0], background[1], background[2])
        for option, limit in (("max_characters", max_characters), ("max_drivers", max_drivers)):
            if limit is not None and limit < 1:
                raise UserError(f"benchmark.{option}={limit}: accepted are whole numbers from 1, or null")
        (
            self._framing(Manifest()),
            self._sampling(Manifest()),
        )  # so that a wrong setting is found before any file is read

    def _framing(self, manifest: Manifest) -> Framing:
        return Framing(next((size for size in (self.size, manifest.size) if size is not None), DEFAULT_SIZE), self.crop)

    def _sampling(self, manifest: Manifest) -> Sampling:
        fps = manifest.fps if self.fps is None else self.fps
        return Sampling(fps, self.start, self.stride, self.max_frames)

    def open(self, detector: Detector, cache: Path) -> Benchmark:
        """See ``BenchmarkSource``; hashes the chosen files."""
        contents = self._contents
        _refuse([*contents.faults, *contents.driver_faults])
        return self._open(contents, detector, cache)

    def open_characters(self, detector: Detector, cache: Path) -> Benchmark:  # noqa: ARG002
        """See ``BenchmarkSource``; the folder needs no drivers for it."""
        contents = self._contents
        _refuse(contents.faults)
        framing = self._framing(contents.manifest)
        characters = [character for _, character in self._open_characters(contents, framing).values()]
        options: dict[str, object] = {"size": framing.size, "crop": framing.crop, "background": list(self.background)}
        return Benchmark(self._called(contents), options, alone(characters), contents.manifest.licence)

    def problems(self) -> list[str]:
        """See ``BenchmarkSource``: decodes every file of the chosen subset, and counts the characters."""
        contents = self._contents
        found = [*contents.faults, *contents.driver_faults, *contents.remarks]
        if self.expect_characters not in (None, len(contents.characters)):
            found.append(
                f"{self.root / 'characters'}: holds {len(contents.characters)} characters, "
                f"a complete copy has {self.expect_characters}"
            )
        if contents.faults or contents.driver_faults:
            return found
        with tempfile.TemporaryDirectory() as cache:
            try:
                benchmark = self._open(contents, Given(), Path(cache))
            except UserError as error:
                return [*found, str(error)]
            sidecars = {entry.name for entry in contents.drivers if find_sidecar(entry.path)}
            for character in benchmark.characters:
                found += _tried(partial(getattr, character, "image"))
                found += _tried(partial(getattr, character, "landmarks"))
            for driver in benchmark.drivers:
                if driver.name in sidecars or self.crop != "face":
                    found += _tried(partial(getattr, driver, "video"))
                if driver.name in sidecars:
                    found += _tried(partial(getattr, driver, "landmarks"))
            for truth in (pair.truth for pair in benchmark.pairs if pair.truth):
                found += _tried(partial(getattr, truth, "video"))
                found += _tried(partial(getattr, truth, "landmarks"))
        return list(dict.fromkeys(found))

    @cached_property
    def _contents(self) -> _Contents:
        contents = _Contents()
        if not self.root.is_dir():
            contents.faults.append(
                f"{self.root}: no such folder; benchmark.root is one with characters/ and drivers/ (data/README.md)"
            )
            return contents
        contents.manifest = contents.attempt(self._read_manifest, contents.manifest)
        contents.characters = contents.attempt(lambda: self._find_characters(contents), [])
        contents.drivers = contents.attempt(lambda: self._find_drivers(contents), [], contents.driver_faults)
        if contents.characters and contents.drivers:
            contents.truths = contents.attempt(lambda: self._find_truths(contents), {})
        if self.annotations is not None and not self.annotations.is_dir():
            contents.faults.append(
                f"{self.annotations}: no such folder; benchmark.annotations is one of <character>.npy"
            )
        return contents

    def _read_manifest(self) -> Manifest:
        from pydantic import TypeAdapter, ValidationError

        path = self.root / "benchmark.yaml"
        if not path.is_file():
            return Manifest()
        accepted = "accepted are name, size, fps, licence and pairs (a list of [character, driver])"
        try:
            values = untrusted.read_yaml(untrusted.confined(path, self.root), accepted)
            manifest = TypeAdapter(Manifest).validate_python({} if values is None else values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the whole file"
            raise UserError(f"{path}: {where}: {first['msg'].lower()}; {accepted}") from error
        try:
            self._framing(manifest), self._sampling(manifest)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        for option in ("name", "licence"):
            if not (value := getattr(manifest, option) or "").isprintable():
                raise UserError(
                    f"{path}: {option}: {value!a} holds what cannot be printed; accepted is text in one line"
                )
        return manifest

    def _listing(self, name: str, accepted: str) -> list[Path]:
        folder = self.root / name
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; it must hold {accepted}")
        return files.entries(untrusted.confined(folder, self.root), self.root)

    def _find_characters(self, contents: _Contents) -> list[_Entry]:
        accepted = f"pictures ({', '.join(files.IMAGE_SUFFIXES)}), flat or in one folder per domain"
        found = []
        for path in self._listing("characters", accepted):
            inside = files.entries(path, self.root) if path.is_dir() else [path]
            domain = path.name if path.is_dir() else UNKNOWN
            found += [_Entry(picture.stem, picture, domain) for picture in inside if files.is_image(picture)]
            contents.remarks += _ignored(inside, (*files.IMAGE_SUFFIXES, ".npy"))
        return _checked(found, "character", self.root / "characters", accepted)

    def _find_drivers(self, contents: _Contents) -> list[_Entry]:
        accepted = (
            f"videos ({', '.join(files.VIDEO_SUFFIXES)}) or folders of frames ({', '.join(files.IMAGE_SUFFIXES)})"
        )
        found = []
        paths = self._listing("drivers", accepted)
        for path in paths:
            if path.is_dir():
                if not any(files.is_image(frame) for frame in files.entries(path, self.root)):
                    raise UserError(f"{path}: holds no frames; {path.parent} must hold {accepted}")
                found.append(_Entry(path.name, path))
            elif files.is_video(path):
                found.append(_Entry(path.stem, path))
        contents.remarks += _ignored([path for path in paths if path.is_file()], (*files.VIDEO_SUFFIXES, ".npy"))
        return _checked(found, "driver", self.root / "drivers", accepted)

    def _find_truths(self, contents: _Contents) -> dict[str, Path]:
        folder = self.root / "truth"
        if not folder.is_dir():
            return {}
        known = {f"{c.name}__{d.name}" for c in contents.characters for d in contents.drivers}
        entries = files.entries(untrusted.confined(folder, self.root), self.root)
        paths = [path for path in entries if files.is_video(path)]
        for path in paths:
            if path.stem not in known:
                raise UserError(
                    f"{path}: belongs to no pair; a true video is called <character>__<driver>{path.suffix}"
                )
        files.check_unique(((path.stem, path) for path in paths), "true video")
        return {path.stem: path for path in paths}

    def _open_characters(self, contents: _Contents, framing: Framing) -> dict[str, tuple[Picture, Character]]:
        """The chosen characters by name, and their pictures."""
        domains = files.choose([entry.domain for entry in contents.characters], self.domains, "domain")
        names = files.choose([entry.name for entry in contents.characters], self.characters, "character")
        chosen = [entry for entry in contents.characters if entry.domain in domains and entry.name in names]
        opened = {}
        for entry in spread(chosen, self.max_characters):
            picture = Picture(entry.path, self._annotation(entry), framing, self.background)
            opened[entry.name] = picture, as_character(entry.name, entry.domain, picture)
        return opened

    def _chosen_drivers(self, contents: _Contents) -> list[_Entry]:
        wanted = files.choose([entry.name for entry in contents.drivers], self.drivers, "driver")
        return spread([entry for entry in contents.drivers if entry.name in wanted], self.max_drivers)

    def _called(self, contents: _Contents) -> str:
        return self.name or contents.manifest.name or self.root.resolve().name

    def _listed(self, contents: _Contents) -> set[tuple[str, str]] | None:
        if contents.manifest.pairs is None:
            return None
        characters, drivers = ({entry.name for entry in side} for side in (contents.characters, contents.drivers))
        for character, driver in contents.manifest.pairs:
            for name, known, what in ((character, characters, "character"), (driver, drivers, "driver")):
                if name not in known:
                    raise UserError(
                        f"{self.root / 'benchmark.yaml'}: pairs name the {what} '{name}', which does not exist; "
                        f"accepted are {files.listed(sorted(known))}"
                    )
        return set(contents.manifest.pairs)

    def _open(self, contents: _Contents, detector: Detector, cache: Path) -> Benchmark:
        manifest = contents.manifest
        framing, sampling = self._framing(manifest), self._sampling(manifest)
        characters, listed = self._open_characters(contents, framing), self._listed(contents)
        pairs = []
        for entry in self._chosen_drivers(contents):
            partners = [name for name in characters if listed is None or (name, entry.name) in listed]
            if not partners:
                continue
            clip = Clip(entry.name, entry.path, find_sidecar(entry.path), sampling, framing, detector, cache)
            driver = Driver(entry.name, clip.fingerprint, clip.video, clip.landmarks)
            for name in partners:
                picture, character = characters[name]
                path = contents.truths.get(f"{name}__{entry.name}")
                true = TrueClip(path, find_sidecar(path), picture, clip) if path else None
                pairs.append(Pair(character, driver, as_truth(true) if true else None))
        options = options_of(framing, sampling)
        options["background"] = list(self.background)
        if not all(find_sidecar(entry.path) for entry in contents.drivers):
            options["detector"], options["max_gap"] = detector.fingerprint, detector.max_gap
        return Benchmark(self._called(contents), options, tuple(pairs), manifest.licence)

    def _annotation(self, entry: _Entry) -> Path | None:
        beside = find_sidecar(entry.path)
        if beside is not None or self.annotations is None:
            return beside
        aside = untrusted.confined(self.annotations / f"{entry.name}.npy", self.annotations)
        return aside if aside.is_file() else None


def _refuse(faults: list[str]) -> None:
    if faults:
        more = len(faults) - 1
        raise UserError(faults[0] + (f" (and {more} more: run `charachbench check`)" if more else ""))


def spread(entries: list[T], limit: int | None) -> list[T]:
    """At most ``limit`` of the entries, evenly spread, the first and (from two) the last among them."""
    if limit is None or limit >= len(entries):
        return entries
    return [entries[round(index)] for index in np.linspace(0, len(entries) - 1, limit)]


def options_of(framing: Framing, sampling: Sampling) -> dict[str, object]:
    """``Benchmark.options`` as far as they follow from the two rules."""
    return {
        "size": framing.size, "crop": framing.crop, "fps": sampling.fps, "start": sampling.start,
        "stride": sampling.stride, "max_frames": sampling.max_frames,
    }  # fmt: skip


def as_character(name: str, domain: str, picture: Picture) -> Character:
    """A picture as the harness sees it."""
    landmarks = picture.landmarks if picture.sidecar else None
    return Character(
        name, domain, picture.fingerprint, lambda: picture.image, landmarks, picture.annotation_fingerprint
    )


def as_truth(true: TrueClip) -> Truth:
    """A true video as the harness sees it."""
    return Truth(true.fingerprint, true.video, true.landmarks if true.sidecar else None)


def find_sidecar(path: Path) -> Path | None:
    """The ``.npy`` beside a picture, a video or a folder of frames."""
    beside = path.with_name(f"{path.name if path.is_dir() else path.stem}.npy")
    return beside if beside.is_file() else None


def _ignored(paths: list[Path], suffixes: tuple[str, ...]) -> list[str]:
    return [
        f"{path}: is not read; accepted here are {', '.join(suffixes)}"
        for path in paths
        if path.is_dir() or path.suffix.lower() not in suffixes
    ]


def _checked(found: list[_Entry], what: str, folder: Path, accepted: str) -> list[_Entry]:
    if not found:
        raise UserError(f"{folder}: holds no {what}s; it must hold {accepted}")
    for entry in found:
        files.check_name(entry.name, entry.path)
        if entry.domain != UNKNOWN:
            files.check_name(entry.domain, entry.path.parent)
    files.check_unique(((entry.name, entry.path) for entry in found), what)
    return found


def _tried(read: Callable[[], Any]) -> list[str]:
    try:
        read()
    except Exception as error:  # a report must survive whatever a broken file does to a decoder
        return [reason_for(error)]
    return []
