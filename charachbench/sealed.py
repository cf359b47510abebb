"""Files that tell by themselves whether they are damaged: JSON and arrays with a sha256 of all else in them.

They stay what they are to everything else: the seal is the first entry of the JSON, and follows the array in a
``.npy``, where readers do not look. A file without a seal, from elsewhere, is taken as it is.
``charachbench.untrusted`` reads both.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from typing import Any

import numpy as np

ARRAY_SEAL = 32
"""Bytes after an array."""
_HEAD = re.compile(rb'\{"sha256": "([0-9a-f]{64})",?')


class Damaged(ValueError):  # noqa: N818 - a state of a file
    """The file is not what was written."""

    def __init__(self) -> None:
        super().__init__("damaged: it does not have the sha256 that it had when it was written")


def json_bytes(value: dict[str, Any]) -> bytes:
    """A sealed JSON file; strict, readable, one line an entry."""
    rest = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False).encode()[1:].lstrip(b"\n") + b"\n"
    comma = b"," if value else b""
    return b'{"sha256": "' + hashlib.sha256(rest).hexdigest().encode() + b'"' + comma + b"\n" + rest


def opened_json(content: bytes) -> bytes:
    """JSON without its seal, if it has one.

    Raises:
        Damaged: it has another.
    """
    head, _, rest = content[:100].partition(b"\n")
    if (seal := _HEAD.fullmatch(head)) is None:
        return content
    rest = content[len(head) + 1 :]
    if hashlib.sha256(rest).hexdigest().encode() != seal[1]:
        raise Damaged
    return b"{" + rest


def array_bytes(array: np.ndarray) -> bytes:
    """A sealed ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue() + hashlib.sha256(file.getbuffer()).digest()


def check_array(content: bytes) -> None:
    """Compare the seal that follows an array with what it follows.

    Raises:
        Damaged: they do not fit.
    """
    if hashlib.sha256(content[:-ARRAY_SEAL]).digest() != content[-ARRAY_SEAL:]:
        raise Damaged
