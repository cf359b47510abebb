"""Weights: where each file comes from, under which licence, and whether the one at hand is the right one."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from charachbench.errors import UserError

VARIABLE = "CHARACBENCH_WEIGHTS"


@dataclass(frozen=True)
class Weights:
    """One file of weights.

    Attributes:
        file: its name on disk.
        source: where to get it.
        licence: under which it is given.
        sha256: of its bytes, hexadecimal.
        size: in bytes.
    """

    file: str
    source: str
    licence: str
    sha256: str
    size: int


REGISTRY = {
    "face_landmarker": Weights(
        file="face_landmarker.task",
        source="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task",
        licence="Apache-2.0",
        sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        size=3_758_596,
    ),
}


def folders() -> list[Path]:
    """Where weights are looked for, in order: the folder in ``$CHARACBENCH_WEIGHTS``, then the user's cache."""
    named = os.environ.get(VARIABLE)
    return [*([Path(named)] if named else []), Path.home() / ".cache" / "charachbench"]


def locate(name: str, path: str | Path | None = None) -> Path:
    """The checked file of weights called ``name``.

    Args:
        name: a key of ``REGISTRY``.
        path: the file itself; without it, ``folders()`` are searched for it.

    Raises:
        UserError: the name is unknown, or the file is missing or not the registered one.
    """
    if name not in REGISTRY:
        raise UserError(f"no weights called '{name}' are registered; known are {', '.join(sorted(REGISTRY))}")
    weights = REGISTRY[name]
    candidates = [folder / weights.file for folder in folders()] if path is None else [Path(path).expanduser()]
    found = next((candidate for candidate in candidates if candidate.is_file()), None)
    if found is None:
        raise UserError(
            f"weights '{name}' not found at {' or '.join(map(str, candidates))}: get {weights.file} from "
            f"{weights.source} ({weights.licence}) and put it there, or set {VARIABLE} to the folder that holds it"
        )
    with found.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != weights.sha256:
        raise UserError(
            f"{found}: is not the registered '{name}' (sha256 {digest[:12]}..., {found.stat().st_size} bytes; expected "
            f"{weights.sha256[:12]}..., {weights.size} bytes): get it again from {weights.source}"
        )
    return found
