"""What benchmarks on disk have in common: which files are taken, what they are called, and their hashes."""

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from charachbench import keys, untrusted
from charachbench.errors import UserError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
VIDEO_SUFFIXES = (".mp4", ".mov", ".webm", ".mkv", ".gif")


def listed(values: Iterable[object], limit: int = 12) -> str:
    """``a, b, c`` for a message, cut after ``limit``."""
    names = [str(value) for value in values]
    return ", ".join(names[:limit]) + (f", ... ({len(names)} in all)" if len(names) > limit else "")


def natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Sorting key by which ``frame_2`` comes before ``frame_10``."""
    parts = re.split(r"(\d+)", path.stem.casefold())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts], path.name


def entries(folder: Path, root: Path) -> list[Path]:
    """Everything in a folder in natural order, without hidden files.

    Raises:
        UserError: an entry is a link that leads out of ``root``.
    """
    found = sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=natural)
    for path in found:
        if path.is_symlink():
            untrusted.confined(path, root)
    return found


def is_image(path: Path) -> bool:
    """By its ending; what it really is, its content decides when it is read."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def is_video(path: Path) -> bool:
    """By its ending."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".") and path.is_file()


def check_name(name: str, path: Path) -> None:
    """Refuse a name that would not make a readable, unambiguous pair name ``<character>__<driver>``.

    Spaces, quotes and any script are fine.

    Raises:
        UserError: naming the file.
    """
    printable = name.isprintable() and "\\" not in name and name == name.strip() and set(name) != {"."}
    if not printable:  # undecodable bytes of a file name arrive as lone surrogates, which are not printable either
        raise UserError(
            f"{str(path)!a}: cannot be used as a name: it may hold any letters, digits, signs and inner spaces, "
            "but no backslash or control character"
        )
    if "__" in name or name.startswith("_") or name.endswith("_"):
        raise UserError(
            f"{path}: cannot be used as a name: '__' joins character and driver in the name of a pair, so a name "
            "may neither hold it nor begin or end with '_'"
        )


def check_unique(paths: Iterable[tuple[str, Path]], what: str) -> None:
    """Refuse two things of one name, also where only case or Unicode form tells them apart.

    Raises:
        UserError: naming both.
    """
    seen: dict[str, Path] = {}
    for name, path in paths:
        other = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), path)
        if other is not path:
            raise UserError(f"{path}: a {what} called like {other} already exists (case aside); rename one of them")


def choose(names: list[str], wanted: list[str] | None, what: str) -> set[str]:
    """The wanted ones, or all where nothing is asked for.

    Raises:
        UserError: an unknown one is wanted, with near matches.
    """
    if wanted is None:
        return set(names)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        near = difflib.get_close_matches(unknown[0], names, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise UserError(f"no {what} is called '{unknown[0]}'{hint} Known: {listed(sorted(set(names)))}")
    return set(wanted)


def digest(path: Path) -> str:
    """Hexadecimal sha256 of a file's bytes; of a folder, of its images' in natural order.

    Raises:
        UserError: it cannot be read.
    """
    if path.is_dir():
        return keys.digest([digest(frame) for frame in frames_in(path)])
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def frames_in(folder: Path) -> list[Path]:
    """The images of a folder of frames, in natural order."""
    return sorted((path for path in folder.iterdir() if is_image(path)), key=natural)
