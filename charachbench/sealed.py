"""Files that tell by themselves whether they are damaged: JSON and arrays with a sha256 of all else in them.

They stay what they are to everything else: the seal is the first entry of the JSON, and follows the array in a
``.npy``, where readers do not look. A file without a seal, from elsewhere, is taken as it is.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

_HEAD = re.compile(rb'\{"sha256": "([0-9a-f]{64})",?')


class Damaged(ValueError):  # noqa: N818 - a state of a file
    """The file is not what was written."""


def json_bytes(value: dict[str, Any]) -> bytes:
    """A sealed JSON file; strict, readable, one line an entry."""
    rest = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False).encode()[1:].lstrip(b"\n") + b"\n"
    comma = b"," if value else b""
    return b'{"sha256": "' + hashlib.sha256(rest).hexdigest().encode() + b'"' + comma + b"\n" + rest


def read_json(content: bytes) -> Any:
    """The value in a JSON file, without its seal.

    Raises:
        Damaged: it is no JSON, or not what the seal says.
    """
    head, _, rest = content.partition(b"\n")
    seal = _HEAD.fullmatch(head)
    if seal is not None and hashlib.sha256(rest).hexdigest().encode() != seal[1]:
        raise Damaged("does not have the sha256 that it had when it was written")
    try:
        value = json.loads(content if seal is None else b"{" + rest)
    except (ValueError, RecursionError) as error:
        raise Damaged("is no JSON") from error
    if seal is None and isinstance(value, dict):
        value.pop("sha256", None)  # of a file that something else rewrote
    return value


def array_bytes(array: np.ndarray) -> bytes:
    """A sealed ``.npy`` file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue() + hashlib.sha256(file.getbuffer()).digest()


def read_array(path: Path) -> np.ndarray:
    """The array in a ``.npy`` file; nothing is unpickled, and no more memory taken than the file is long.

    Raises:
        Damaged: it is no such file, or not what the seal says.
        OSError: it cannot be read.
    """
    content = memoryview(path.read_bytes())
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = read_header[version](file)
        start = file.tell()
        end = start + dtype.itemsize * int(np.prod(shape, dtype=object))
        seal = content[end:]
        if dtype.hasobject or end > len(content) or len(seal) not in (0, 32):
            raise Damaged("is not as long as its header says")
        if len(seal) and hashlib.sha256(content[:end]).digest() != seal:
            raise Damaged("does not have the sha256 that it had when it was written")
        flat = np.frombuffer(content[start:end], dtype).copy()
        return flat.reshape(shape, order="F" if fortran else "C")
    except Damaged:
        raise
    except Exception as error:  # headers are Python literals: there are many ways for them to be none
        raise Damaged("is no array") from error


def broken(path: Path) -> str:
    """What is wrong with a file of either kind; empty if it is as it was written, or has no seal and can be read."""
    try:
        read_array(path) if path.suffix == ".npy" else read_json(path.read_bytes())
    except (Damaged, OSError) as error:
        return f"damaged ({error})"
    return ""
