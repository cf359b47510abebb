"""Files that anybody may have written: how much of one is accepted, and readers that end in a value or a ``UserError``.

Nothing is unpickled, and nothing is allocated on the word of a header alone.
"""

from __future__ import annotations

import io
import math
import os
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from charachbench import sealed
from charachbench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

MAX_SIDE = 2**14
"""Pixels of a picture's or frame's longer side."""
MAX_PIXELS = 2**26
"""Pixels of a picture or frame: 200 MB as RGB."""
MAX_VIDEO = 2**32
"""Pixels of all frames of a video that are held at once: 13 GB as RGB."""
MAX_FRAMES = 100_000
"""Frames that are taken of a video: more than an hour."""
MAX_JSON = 2**26
"""Bytes of a JSON file; a pair's record has some thousand."""
MAX_YAML = 2**22
"""Bytes of a YAML file: benchmark.yaml may list 50,000 pairs."""
MAX_ROWS = 2**24
"""Rows of a table."""

_MAX_HEADER = 10_000
"""Bytes of a NumPy file's header, as NumPy accepts them."""
_PERHAPS_INFINITE = re.compile(rb"[0-9]{300}|[eE]\+?0*[0-9]{3}")


def check_size(width: int, height: int, path: Path) -> None:
    """Refuse a picture or frame that is too large to be one.

    Raises:
        UserError: it is.
    """
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise UserError(
            f"{path}: is {width} x {height} pixels large; accepted are {MAX_PIXELS // 10**6} million pixels, and sides "
            f"of {MAX_SIDE}"
        )


def confined(path: Path, root: Path) -> Path:
    """The path, if no link on the way leads out of ``root``.

    Raises:
        UserError: one does.
    """
    if not path.resolve().is_relative_to(root.resolve()):
        raise UserError(f"{path}: is a link that leads out of {root}; put the file itself there")
    return path


def read_bytes(path: Path, most: int) -> bytes:
    """A whole file.

    Raises:
        UserError: it is missing, no file, cannot be read, or has more than ``most`` bytes.
    """
    try:
        with _opened(path) as stream:
            held = os.fstat(stream.fileno()).st_size
            data = stream.read(min(held, most) + 1)  # makes room for all that it is told
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) > most:
        raise UserError(f"{path}: is larger than {most} bytes, the most that is accepted")
    return data


def read_json(path: Path) -> Any:
    """A value of strict JSON: no NaN, no number beyond float64, no text that UTF-8 cannot hold, 200 levels at most.

    Raises:
        UserError: the file holds none.
    """
    return parse_json(read_bytes(path, MAX_JSON), str(path))


def parse_json(data: bytes | str, where: str) -> Any:
    """As ``read_json``, of text from ``where``."""
    import pydantic_core  # the standard library's takes NaN and lone surrogates, and ends in a RecursionError

    data = data.encode() if isinstance(data, str) else data
    try:
        data = sealed.opened_json(data)
    except sealed.Damaged as error:
        raise UserError(f"{where}: is {error}") from error
    try:
        value = pydantic_core.from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise UserError(f"{where}: cannot be read as JSON ({error})") from error
    if _PERHAPS_INFINITE.search(data) and not _is_finite(value):
        raise UserError(f"{where}: cannot be read as JSON (a number is out of range)")
    return value


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def read_yaml(path: Path, accepted: str) -> Any:
    """A value of plain YAML, without aliases, of which a few lines can mean gigabytes.

    Args:
        path: of the file.
        accepted: what is, for messages.

    Raises:
        UserError: the file holds none.
    """
    import yaml

    class Plain(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("aliases are not accepted")
            return super().compose_node(parent, index)

    data = read_bytes(path, MAX_YAML)
    try:
        value = yaml.load(data.decode("utf-8"), Plain)
    # constructors of numbers and dates raise what they like
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise UserError(f"{path}: cannot be read as YAML; {accepted}") from error
    return value


def read_array(path: Path) -> np.ndarray:
    """The numbers of a ``.npy``.

    Raises:
        UserError: the file is missing or damaged, or holds anything else.
    """
    with _opened(path) as stream:
        return parse_array(stream, str(path))


def read_length(path: Path) -> int:
    """Length of a ``.npy``'s first axis, of which no more than the header is read; raises as ``read_array``."""
    with _opened(path) as stream:
        shape, _ = _header(stream, str(path))
    if not shape:
        raise UserError(f"{path}: cannot be read as a NumPy file (a single number)")
    return shape[0]


def parse_array(stream: BinaryIO, where: str) -> np.ndarray:
    """As ``read_array``, of a seekable stream from its start."""
    _, is_sealed = _header(stream, where)
    stream.seek(0)
    try:
        if is_sealed:
            sealed.check_array(stream.read())
            stream.seek(0)
    except sealed.Damaged as error:
        raise UserError(f"{where}: is {error}") from error
    try:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise UserError(f"{where}: cannot be read as a NumPy file ({error})") from error
    return array


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an uncompressed ``.npz``; raises as ``read_array``."""
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.compress_type != zipfile.ZIP_STORED or info.file_size > path.stat().st_size:
                    raise UserError(f"{path}: cannot be read as NumPy arrays ({info.filename!a} is compressed)")
                name, data = info.filename.removesuffix(".npy"), archive.read(info)
                found[name] = parse_array(io.BytesIO(data), f"{path}, {info.filename!a}")
    except (OSError, ValueError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: cannot be read as NumPy arrays ({error})") from error
    return found


def _opened(path: Path) -> BinaryIO:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise UserError(f"{path}: is no file")
        return path.open("rb")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:  # the latter of a name that no system takes
        raise UserError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _header(stream: BinaryIO, where: str) -> tuple[tuple[int, ...], bool]:
    """The shape, if the rest of the stream is as long as it says, and whether a seal follows."""
    form = np.lib.format
    try:
        version = form.read_magic(stream)
        if version not in ((1, 0), (2, 0)):  # the third is for names of fields, and there are none
            raise ValueError(f"version {version}")
        length = int.from_bytes(stream.read(2 if version == (1, 0) else 4), "little")
        if length > _MAX_HEADER:  # NumPy would first make room for it
            raise ValueError(f"a header of {length} bytes")
        stream.seek(form.MAGIC_LEN)
        read = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
        shape, _, kind = read(stream)
    except Exception as error:  # it parses Python, and so can end in anything that Python's parser does
        raise UserError(f"{where}: cannot be read as a NumPy file ({type(error).__name__} in its header)") from error
    start = stream.tell()
    held = stream.seek(0, io.SEEK_END) - start
    if kind.hasobject or kind.kind not in "biufc":
        raise UserError(f"{where}: cannot be read as a NumPy file (it holds {str(kind)[:40]})")
    beyond = held - math.prod(shape) * kind.itemsize
    if min(shape, default=0) < 0 or beyond not in (0, sealed.ARRAY_SEAL):
        raise UserError(
            f"{where}: cannot be read as a NumPy file (its header tells of {str(shape)[:80]} {kind}, and {held} bytes "
            "follow)"
        )
    return tuple(map(int, shape)), beyond != 0


def read_parquet(path: Path, texts: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """Those columns of a table.

    Args:
        path: of the file.
        texts: columns of text, which have no gaps.
        numbers: columns of numbers, which may; none is infinite.

    Raises:
        UserError: the file is missing or damaged, lacks one of them, or holds too much.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = read_bytes(path, 2**30)
    try:
        with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
            about = file.metadata
            rows, lacking = about.num_rows, {*texts, *numbers} - set(file.schema_arrow.names)
            held = [about.row_group(index).total_byte_size for index in range(about.num_row_groups)]
            if rows > MAX_ROWS or sum(held) > 2**32:
                raise UserError(f"{path}: has {rows} rows of {sum(held)} bytes; accepted are {MAX_ROWS} rows of 4 GB")
            if lacking:
                raise UserError(f"{path}: lacks {', '.join(sorted(lacking))}")
            table = file.read([*texts, *numbers])
        table.validate(full=True)  # what is not valid may lie outside of what was read
        for name in texts:
            kind = table.schema.field(name).type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)) or table[name].null_count:
                raise UserError(f"{path}: cannot be read as a table ({name} is of {kind}, or has gaps)")
        for name in numbers:
            kind = table.schema.field(name).type
            if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
                raise UserError(f"{path}: cannot be read as a table ({name} is of {kind}, not of numbers)")
        found: pd.DataFrame = table.to_pandas(ignore_metadata=True)
        infinite = np.isinf(found[list(numbers)].astype(float)).any(axis=None)
    except UserError:
        raise
    except Exception as error:  # Arrow's errors are of a dozen kinds, of which some are nobody else's
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: cannot be read as a table ({reason})") from error
    if infinite:
        raise UserError(f"{path}: cannot be read as a table (a number is infinite)")
    return found
