"""Weights: found on this machine, checked against the registry, and known by their hash."""

import difflib
import functools
import hashlib
import os
from pathlib import Path

from charachbench.errors import UserError
from charachbench.weights import hub
from charachbench.weights.registry import HUB, REGISTRY, Repository, Weights

__all__ = [
    "HUB",
    "REGISTRY",
    "VARIABLE",
    "Repository",
    "Weights",
    "find",
    "fingerprint",
    "folders",
    "locate",
    "sha256",
    "unknown",
    "wrong",
]

VARIABLE = "CHARACBENCH_WEIGHTS"


def folders() -> list[Path]:
    """Where weights are looked for: ``$CHARACBENCH_WEIGHTS``, the user's cache, torch hub's.

    New ones go into the first.
    """
    named = os.environ.get(VARIABLE)
    first = [Path(named).expanduser()] if named else []
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    torch_hub = Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser() / "hub" / "checkpoints"
    return [*first, Path.home() / ".cache" / "charachbench", torch_hub]


def find(weights: Weights) -> Path | None:
    """The first file of that name in ``folders()``, not checked."""
    return next((folder / weights.file for folder in folders() if (folder / weights.file).is_file()), None)


def locate(name: str, path: str | Path | None = None) -> Path:
    """The checked file of weights called ``name``, or the folder of a repository of the hub called so.

    A file of which no hash is registered is checked by its size, if that is.

    Args:
        name: a key of ``REGISTRY`` or ``HUB``, or the path of a file, which is taken as it is.
        path: the file of a key of ``REGISTRY``; without it, ``folders()`` are searched for it.

    Raises:
        UserError: there is no such name or file, or what belongs to a name is missing or not the registered one.
    """
    if name in HUB:
        return _repository(name)
    weights = REGISTRY.get(name)
    if weights is None:
        return _file(name)
    found = find(weights) if path is None else Path(path).expanduser()
    if found is None or not found.is_file():
        places = [folder / weights.file for folder in folders()] if found is None else [found]
        command = "" if weights.manual else f"them by 'charachbench weights weights.names=[{name}]', or "
        raise UserError(
            f"weights '{name}' not found at {' or '.join(map(str, places))}: get {command}{weights.file} "
            f"{'by hand ' if weights.manual else ''}from {' or '.join(weights.sources)} ({weights.licence}) and "
            f"put it there, or set {VARIABLE} to the folder that holds it"
        )
    if why := wrong(weights, found):
        raise UserError(
            f"{found}: is not the registered '{name}' ({why}): get it again from {' or '.join(weights.sources)}"
        )
    return found


def wrong(weights: Weights, path: Path) -> str:
    """How a file differs from what is registered; empty where it does not, or nothing is registered to tell by."""
    size = path.stat().st_size
    expected = f"{weights.size} bytes"
    if weights.sha256 is None:
        return f"{size} bytes; expected {expected}" if weights.size not in (None, size) else ""
    digest = sha256(path)
    if digest == weights.sha256:
        return ""
    more = f", {expected}" if weights.size else ""
    return f"sha256 {digest[:12]}..., {size} bytes; expected {weights.sha256[:12]}...{more}"


def fingerprint(name: str) -> str:
    """The first 8 digits of the sha256 of weights: the registered ones for a name, which needs no file.

    Of a name without a registered one it is the file's own; of a repository in the cache of the hub, its commit's.

    Args:
        name: a key of ``REGISTRY`` or ``HUB``, or the path of a file.

    Raises:
        UserError: there is no such name, or no file where it needs one.
    """
    if name in HUB:
        return _repository(name).name[:8]
    registered = REGISTRY[name].sha256 if name in REGISTRY else None
    return (registered or sha256(locate(name)))[:8]


def sha256(path: Path) -> str:
    """Of a file, hexadecimal; read once in a process while its size and its time of change stay."""
    stat = path.stat()
    return _sha256(path.absolute(), stat.st_size, stat.st_mtime_ns)


@functools.cache
def _sha256(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 - part of what is remembered
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _file(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_file():
        return path
    raise UserError(f"weights '{name}': no such file, and no weights called so are registered;{unknown(name)}")


def _repository(name: str) -> Path:
    entry = HUB[name]
    folder = hub.snapshot(entry, entry.hub, None)
    if folder is None:
        raise UserError(
            f"weights '{name}' ({entry.hub}) not found at {hub.place(entry, entry.hub, None)}: get them by "
            f"'charachbench weights weights.names=[{name}]' ({entry.licence})"
        )
    return folder


def unknown(name: str) -> str:
    """The end of a message about a name that is not registered: the nearest names, and all of them."""
    names = [*REGISTRY, *HUB]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f" did you mean {' or '.join(near)}?" if near else ""
    return f"{hint} known are {', '.join(sorted(names))}"
