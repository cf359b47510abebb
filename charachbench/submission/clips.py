"""A bundle's clips, wherever they are: in it, in a folder, or in the store."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from charachbench import untrusted, video
from charachbench.benchmark.files import entries, is_video
from charachbench.benchmark.types import Benchmark, Pair
from charachbench.errors import UserError
from charachbench.protocols import References, Sample
from charachbench.store import Store
from charachbench.submission.read import extract
from charachbench.submission.schema import CLIPS, Bundle, Clip, Output, member
from charachbench.submission.write import frames_sha256

_ARRAYS: dict[str, Output] = {"landmarks": "landmarks.npy", "first_landmarks": "first_landmarks.npy"}
"""By what a sample calls them."""


@dataclass(frozen=True)
class Clips:
    """Where each file is.

    Attributes:
        where: they are, in words.
        bundle: that they belong to.
        paths: of each file by the name that it has, or would have, in the bundle; None where they are in it.
        references: shared by all samples.
    """

    where: str
    bundle: Bundle
    paths: dict[str, Path] | None
    references: References = field(default_factory=References)

    @property
    def names(self) -> frozenset[str]:
        """Of all files."""
        return self.bundle.members if self.paths is None else frozenset(self.paths)

    def sample(self, clip: Clip, pair: Pair) -> Sample:
        """What metrics are handed.

        Raises:
            UserError: a file is missing or damaged, or not the one that the manifest tells of.
        """
        with contextlib.ExitStack() as opened:
            files = {output: opened.enter_context(self._file(clip, output)) for output in clip.files}
            made = _frames(files["video.mkv"], clip) if "video.mkv" in files else None
            arrays = {
                name: _landmarks(files[output], clip, output) for name, output in _ARRAYS.items() if output in files
            }
        return Sample(pair, made, arrays.get("first_landmarks"), arrays.get("landmarks"), self.references)

    @contextlib.contextmanager
    def _file(self, clip: Clip, output: Output) -> Iterator[Path]:
        name = member(clip.pair, output)
        if self.paths is not None:
            if name not in self.paths:
                raise UserError(f"{clip.pair}: its {output} is not in {self.where}")
            yield self.paths[name]
            return
        if name not in self.bundle.members:
            raise UserError(f"{clip.pair}: its {output} is not in the bundle")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / output  # the file's own name may hold anything
            extract(self.bundle, name, path)
            yield path


def find(bundle: Bundle, benchmark: Benchmark, store: Store, folder: str | None) -> Clips | None:
    """The clips in a folder, if one is told, else in the bundle, else in the store, if it has that run.

    Raises:
        UserError: there is no such folder, or two videos of one pair in it.
    """
    if folder is not None:
        paths, twice = in_folder(Path(folder))
        if twice:
            raise UserError(f"{folder}: {twice[0]}; keep one of them")
        return Clips(folder, bundle, paths)
    if bundle.members:
        return Clips("the bundle", bundle, None)
    told = {clip.pair for clip in bundle.manifest.clips}
    for run in store.runs(benchmark):
        if run.info.key == bundle.manifest.method.key:
            paths = {
                member(name, output): entry.folder / output
                for name, (entry, record) in run.finished(benchmark).items()
                for output in record["outputs"]
                if name in told and not entry.is_pruned
            }
            return Clips(str(run.folder), bundle, paths)
    return None


def in_folder(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Videos of any format, and whatever else is there.

    Returns:
        Each by the name that it would have in a bundle; which of them are there twice, a sentence each.

    Raises:
        UserError: there is no such folder, or a link leads out of it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    found: dict[str, Path] = {}
    problems = []
    for path in entries(folder, folder):
        name = member(path.stem, "video.mkv") if is_video(path) else f"{CLIPS}{path.name}"
        if (other := found.setdefault(name, path)) != path:
            problems.append(f"'{path.name}' and '{other.name}' are of one pair")
    return found, problems


def _frames(path: Path, clip: Clip) -> video.Video:
    """Decoded no further than the manifest allows."""
    _, decoded = video.decode(path)
    frames: list[np.ndarray] = []
    for _, frame in decoded:
        frames.append(frame)
        if frame.shape[:2] != (clip.height, clip.width):
            height, width = frame.shape[:2]
            raise UserError(
                f"{clip.pair}: frames are {width} x {height}, its manifest says {clip.width} x {clip.height}"
            )
        if len(frames) > clip.frames:
            break
    if len(frames) != clip.frames:
        count = f"more than {clip.frames}" if len(frames) > clip.frames else str(len(frames))
        raise UserError(f"{clip.pair}: has {count} frames, its manifest says {clip.frames}")
    made = video.Video(np.stack(frames), clip.fps)
    if frames_sha256(made.frames) != clip.frames_sha256:
        raise UserError(f"{clip.pair}: its frames are not those that were bundled (another hash)")
    return made


def _landmarks(path: Path, clip: Clip, output: Output) -> np.ndarray:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != clip.files[output]:
        raise UserError(f"{clip.pair}: its {output} is not the one that was bundled (another hash)")
    array = untrusted.parse_array(io.BytesIO(data), f"{clip.pair}: its {output}")
    shape = (68, 2) if output == "first_landmarks.npy" else (clip.frames, 68, 2)
    if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise UserError(f"{clip.pair}: its {output} is {array.dtype} {array.shape}; accepted are finite floats {shape}")
    return array
