"""What goes to others without what tells of this machine: absolute paths, secrets, control characters."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from charachbench.secrecy import HIDDEN, NAMES, secrets

_ADDRESS = re.compile(r"(\b(?!file:)[a-z][a-z0-9+.-]*://[^\s'\"<>]+)", re.IGNORECASE)
_PATH = re.compile(
    r"""(?<![\w.…])(?:file://)?(?:~[\w.-]*/|[a-z]:[\\/]|\\\\|/)(?=\S)(?:[^\s/\\'"<>|:,;()]+[/\\]+)*""", re.IGNORECASE
)


def anonymous(value: Any) -> Any:
    """A JSON-serialisable value whose texts tell nothing of this machine.

    Of paths the last part stays; of addresses user, password and query go; settings that are called like secrets go,
    and wherever it stands the content of an environment variable that is called like one.
    """
    if isinstance(value, dict):
        return {
            _text(str(name)): HIDDEN if isinstance(inner, str) and NAMES.search(str(name)) else anonymous(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [anonymous(inner) for inner in value]
    return _text(value) if isinstance(value, str) else value


def one_line(text: str, most: int = 2000) -> str:
    """A text without line breaks and whatever else cannot be printed, cut after ``most`` characters."""
    line = "".join(letter if letter.isprintable() else "�" for letter in " ".join(text.split()))
    return line if len(line) <= most else line[: most - 1] + HIDDEN


def _text(text: str) -> str:
    for secret in secrets():
        text = text.replace(secret, HIDDEN)
    if Path(text).is_absolute() and Path(text).name and ": " not in text:  # a path alone, whatever spaces it holds
        return one_line(f"{HIDDEN}/{Path(text).name}")
    for folder in (Path.cwd(), Path.home(), Path(tempfile.gettempdir())):
        if len(folder.parts) > 1:
            text = re.sub(rf"{re.escape(str(folder))}(?=[/\\]|$)[/\\]*", f"{HIDDEN}/", text)
    parts = _ADDRESS.split(text)  # every second one is an address
    parts[::2] = [_PATH.sub(f"{HIDDEN}/", part) for part in parts[::2]]
    parts[1::2] = [re.sub(r"[?#].*", "", re.sub(r"(?<=://)[^/@]*@", "", address)) for address in parts[1::2]]
    return one_line("".join(parts))
