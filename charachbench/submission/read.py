"""A bundle's file -> a bundle. Whoever wrote the file may mean harm: its parts are looked at before they are read."""

from __future__ import annotations

import contextlib
import csv
import difflib
import io
import shutil
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import pydantic_core
from pydantic import ValidationError

from charachbench.errors import UserError
from charachbench.submission.anonymous import one_line
from charachbench.submission.schema import (
    CLIPS,
    COLUMNS,
    MANIFEST,
    OUTPUTS,
    SCHEMA,
    SCORES,
    STATUSES,
    Bundle,
    Manifest,
    Score,
    member,
)

_TEXT, _TEXT_OF_PAIR = 1 << 20, 1 << 16
"""Bytes that the manifest, the scores or the directory of members may have, and as many more for each pair."""
_CLIP = 1 << 30
"""Bytes that a file of a clip may have."""
_HINTS = 50
"""Names for which a like one is looked for, which takes long."""
_BROKEN = (OSError, EOFError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error)
"""What reading a broken archive may end in."""


class Refused(UserError):  # noqa: N818 - an outcome
    """A file that is no bundle, or one that is not safe to read.

    Attributes:
        problems: a sentence each.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = [one_line(problem) for problem in problems]
        super().__init__("; ".join(self.problems))


def read(path: Path, pairs: Sequence[str]) -> tuple[Bundle, list[str]]:
    """Read all but the clips.

    Args:
        path: of the file.
        pairs: the names of the benchmark's: by them sizes are judged, and names of clips.

    Returns:
        The bundle; what else is in the file, a sentence each.

    Raises:
        Refused: it is no bundle, or some part of it is unsafe or too large, and nothing was read.
    """
    known = {member(pair, output) for pair in pairs for output in OUTPUTS}
    with _opened(path, len(pairs)) as archive:
        infos = [info for info in archive.infolist() if info.filename != CLIPS]
        if unsafe := list(_unsafe(infos, len(pairs))):
            raise Refused(unsafe)
        names = {info.filename for info in infos}
        if lacking := [name for name in (MANIFEST, SCORES) if name not in names]:
            raise Refused(f"lacks {name}; accepted is a file that `charachbench bundle` wrote" for name in lacking)
        texts = archive.read(MANIFEST), archive.read(SCORES)
    told = [
        one_line(f"holds '{name}', which is no file of this benchmark's bundles{hint}")
        for name, hint in strangers(names - {MANIFEST, SCORES}, known)
    ]
    return Bundle(path, _manifest(texts[0]), _scores(texts[1]), frozenset(names & known)), told


def extract(bundle: Bundle, name: str, target: Path) -> None:
    """Copy a file of a clip.

    Raises:
        UserError: it is damaged.
    """
    pairs = len(bundle.manifest.benchmark.pairs)
    try:
        with _opened(bundle.path, pairs) as archive, archive.open(name) as source, target.open("wb") as stream:
            shutil.copyfileobj(source, stream)
    except Refused as error:
        raise UserError(f"{name}: {error}") from error


def strangers(names: Iterable[str], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The names that are not known, each with ``; did you mean 'x'?`` where one is like it."""
    accepted = sorted(set(known))
    for index, name in enumerate(sorted(set(names).difference(accepted))):
        close = difflib.get_close_matches(name, accepted, n=1) if index < _HINTS else []
        yield name, f"; did you mean '{close[0]}'?" if close else ""


class _Wary(io.FileIO):
    """A file that is read in pieces of a bounded size only: a directory of members is read in one."""

    def __init__(self, path: Path, most: int) -> None:
        super().__init__(path)
        self.most = most

    def read(self, size: int | None = -1, /) -> bytes:
        """As ``FileIO``; never more than may be there."""
        data = super().read(min(self.most + 1, size) if size is not None and size >= 0 else self.most + 1)
        if len(data) > self.most:
            raise zipfile.BadZipFile(f"a part of more than {self.most} bytes")
        return data


@contextlib.contextmanager
def _opened(path: Path, pairs: int) -> Iterator[zipfile.ZipFile]:
    """Errors turned into a sentence."""
    try:
        with _Wary(path, _largest_text(pairs)) as stream, zipfile.ZipFile(stream) as archive:
            yield archive
    except _BROKEN as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Refused([f"cannot be read as a zip ({reason}); accepted is a file of `charachbench bundle`"]) from error


def _largest_text(pairs: int) -> int:
    return _TEXT + pairs * _TEXT_OF_PAIR


def _unsafe(infos: list[zipfile.ZipInfo], pairs: int) -> Iterator[str]:
    for name, count in Counter(info.filename for info in infos).items():
        if count > 1:
            yield f"holds '{name}' {count} times"
    for info in infos:
        name, path = f"'{info.filename}'", PurePosixPath(info.filename.replace("\\", "/"))
        kind = stat.S_IFMT(info.external_attr >> 16)
        most = _largest_text(pairs) if info.filename in (MANIFEST, SCORES) else _CLIP
        if path.is_absolute() or ".." in path.parts or ":" in info.filename.partition("/")[0]:
            yield f"holds {name}, which leads out of it"
        elif kind not in (0, stat.S_IFREG):
            yield f"holds {name}, which is no file but a link or the like"
        elif info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            yield f"holds {name}, which is encrypted, or compressed by something else than deflate"
        elif info.file_size > most:
            yield f"holds {name} of {info.file_size} bytes; accepted are {most}"


def _manifest(text: bytes) -> Manifest:
    try:
        found = pydantic_core.from_json(text)
    except ValueError as error:
        raise Refused([f"{MANIFEST}: is no JSON ({error})"]) from None
    number = found.get("schema") if isinstance(found, dict) else None
    if isinstance(number, int) and number > SCHEMA:
        raise Refused([f"{MANIFEST}: has schema {number}, of a later charachbench; accepted here are 1 to {SCHEMA}"])
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise Refused(_sentences(error)) from None


def _sentences(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False):
        where = ".".join(map(str, each["loc"])) or "all of it"
        got = "" if each["type"] == "missing" else f", got {one_line(repr(each['input']), 80)}"
        yield f"{MANIFEST}: {where}: {each['msg'].lower()}{got}"


def _scores(text: bytes) -> tuple[Score, ...]:
    scores, problems = [], []
    try:
        rows = list(csv.reader(io.StringIO(text.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Refused([f"{SCORES}: cannot be read ({error})"]) from None
    if not rows or tuple(rows[0]) != COLUMNS:
        raise Refused([f"{SCORES}: begins with {rows[:1]}; accepted is {','.join(COLUMNS)}"])
    for line, row in enumerate(rows[1:], start=2):
        try:
            scores.append(_score(*row))
        except (TypeError, ValueError):
            told = f"accepted are pair, metric, one of {', '.join(STATUSES)}, a number or nothing, and a reason"
            problems.append(f"{SCORES}, line {line}: got {one_line(','.join(row), 80)}; {told}")
    if problems:
        raise Refused(problems)
    return tuple(scores)


def _score(pair: str, metric: str, status: str, value: str, reason: str) -> Score:
    """Raises ``ValueError`` where it is none."""
    if status not in STATUSES or not reason.isprintable():
        raise ValueError
    return Score(pair, metric, STATUSES[STATUSES.index(status)], float(value) if value else None, reason)
