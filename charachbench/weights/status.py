"""Whether weights are on this machine, and are what they should be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from charachbench import weights
from charachbench.weights import hub

QUICK = 200_000_000
"""Bytes; larger files are not read unless that is asked for."""


class State(Enum):
    """How an entry of the registry stands."""

    found = "found"
    unverified = "not verified"
    wrong = "wrong hash"
    missing = "missing"


@dataclass(frozen=True)
class Status:
    """How an entry of the registry stands.

    Attributes:
        state: see ``State``; ``unverified``: it is there and its size is right, but it was not read, or no hash of it
            is registered.
        path: the file or folder, None where it is missing.
        size: on this machine, in bytes; where it is missing, what is registered, if anything.
    """

    state: State
    path: Path | None
    size: int | None


def status(name: str, verify: bool = False) -> Status:
    """Look up an entry.

    Args:
        name: a key of ``REGISTRY`` or ``HUB``.
        verify: read files of any size; otherwise those above ``QUICK``, and repositories, are not read.
    """
    return _repository(name, verify) if name in weights.HUB else _file(name, verify)


def _file(name: str, verify: bool) -> Status:
    entry = weights.REGISTRY[name]
    path = weights.find(entry)
    if path is None:
        return Status(State.missing, None, entry.size)
    size = path.stat().st_size
    if entry.size is not None and size != entry.size:
        return Status(State.wrong, path, size)
    if entry.sha256 is None or (size > QUICK and not verify):
        return Status(State.unverified, path, size)
    return Status(State.found if weights.sha256(path) == entry.sha256 else State.wrong, path, size)


def _repository(name: str, verify: bool) -> Status:
    entry = weights.HUB[name]
    folder = hub.snapshot(entry, entry.hub, None)
    if folder is None:
        return Status(State.missing, None, None)
    paths = hub.files(entry, folder)
    size = sum(path.stat().st_size for path in paths)
    if not verify:
        return Status(State.unverified, folder, size)
    # the cache names the bytes of a large file by their sha256
    blobs = {path: path.resolve().name for path in paths}
    known = {path: digest for path, digest in blobs.items() if re.fullmatch("[0-9a-f]{64}", digest)}
    if any(weights.sha256(path) != digest for path, digest in known.items()):
        return Status(State.wrong, folder, size)
    return Status(State.found if known else State.unverified, folder, size)
