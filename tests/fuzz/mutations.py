"""Files, damaged as accidents and attackers do; the same for the same numbers."""

import copy
import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
LONG = "1" + "0" * 400
PLACEHOLDERS = {
    '"@deep@"': "[" * 100_000, '"@closed@"': "[" * 5_000 + "]" * 5_000,
    '"@mapping@"': '{"a":' * 3_000 + "1" + "}" * 3_000,
    '"@digits@"': "9" * 6_000, '"@beyond@"': "1e999", '"@huge@"': LONG, '"@lone@"': '"\\ud800"', '"@nan@"': "NaN",
    '"@control@"': '"\\u0000\\u001b[31m"',
}  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**18, 0.5, -0.0, 1e308, -1e-308, float("nan"), float("inf"),
    "", " ", "a", "../../../etc/passwd", "/etc/passwd", "..", "C:\\x", "a\x00b", "<script>alert(1)</script>",
    "$(reboot)", "x" * 100_000, "{output}", "\u202e", "0" * 64, [], {}, [None], [[]], {"": 0}, [1, 2], ["a", "b"],
    *PLACEHOLDERS,
)  # fmt: skip
TYPED = {name: name.strip('"') for name in PLACEHOLDERS}


def damaged(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """One to four changes of bytes; ``other`` is a file of the same kind."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        changed = rng.choice(_BYTES)(changed, other, rng)
    return bytes(changed)


def _place(data: bytearray, rng: random.Random) -> int:
    """Often within the header, or the end, where other formats keep theirs."""
    size = max(len(data), 1)
    near = rng.choice((32, 128, 1024, size, size))
    place = rng.randrange(min(near, size))
    return place if rng.random() < 0.8 else size - 1 - place


def _flip(data: bytearray, other: bytes, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 1, 3, 16)) if data else 0):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)
    return data


def _overwrite(data: bytearray, other: bytes, rng: random.Random) -> bytearray:
    width, order = rng.choice((1, 2, 4, 8)), rng.choice(("big", "little"))
    place = _place(data, rng)
    value = rng.choice(EXTREMES) % 256**width
    data[place : place + width] = value.to_bytes(width, "big" if order == "big" else "little")
    return data


def _truncate(data: bytearray, other: bytes, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data) + 1)]


def _insert(data: bytearray, other: bytes, rng: random.Random) -> bytearray:
    place, size = _place(data, rng), rng.choice((1, 4, 100, 5000))
    return data[:place] + rng.choice((bytes(size), rng.randbytes(size), b"\xff" * size)) + data[place:]


def _delete(data: bytearray, other: bytes, rng: random.Random) -> bytearray:
    place = _place(data, rng)
    return data[:place] + data[place + rng.choice((1, 4, 64, 1000)) :]


def _duplicate(data: bytearray, other: bytes, rng: random.Random) -> bytearray:
    place, size = _place(data, rng), rng.choice((4, 64, 1000))
    return data[:place] + data[place : place + size] * rng.choice((2, 3, 50)) + data[place + size :]


def _splice(data: bytearray, other: bytes, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


_BYTES: tuple[Callable[[bytearray, bytes, random.Random], bytearray], ...] = (
    _flip, _flip, _overwrite, _overwrite, _overwrite, _truncate, _insert, _delete, _duplicate, _splice,
)  # fmt: skip


def with_sums(png: bytes) -> bytes:
    """A PNG whose checksums are right again, as far as its chunks can be followed: damage goes deeper then."""
    made, place = bytearray(png), 8
    while place + 12 <= len(made):
        (size,) = struct.unpack_from(">I", made, place)
        end = place + 8 + size
        if end + 4 > len(made):
            break
        struct.pack_into(">I", made, end, zlib.crc32(made[place + 4 : end]))
        place = end + 4
    return bytes(made)


def restructured(value: Any, rng: random.Random) -> Any:
    """A copy of a nested value, with one to three changes."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 2, 3))):
        holders = [each for each in _holders(value) if each]
        if not holders:
            return rng.choice(VALUES)
        holder = rng.choice(holders)
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        kind = rng.randrange(7)
        if kind <= 2:
            new = rng.choice(VALUES)
            holder[key] = TYPED.get(new, new) if isinstance(new, str) else copy.deepcopy(new)
        elif kind == 3:
            del holder[key]
        elif kind == 4:
            holder[key] = _of_another_type(holder[key])
        elif kind == 5:
            other = rng.choice(holders)
            holder[key] = copy.deepcopy(rng.choice(list(other.values()) if isinstance(other, dict) else other))
        elif isinstance(holder, dict):
            holder[rng.choice(("", "../x", "x" * 1000, "__class__", key.swapcase()))] = holder.pop(key)
        else:
            holder.extend(copy.deepcopy([holder[key]] * rng.choice((1, 100))))
    return value


def _holders(value: Any) -> list[Any]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [value, *(found for each in inner for found in _holders(each))]
    return []


def _of_another_type(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return [value]
    return str(value) if isinstance(value, list) else list(value) if value else 0


def as_json(value: Any) -> bytes:
    """JSON and what is nearly that: nested too deep, with NaN, with numbers out of range."""
    text = json.dumps(value)
    for name, meant in PLACEHOLDERS.items():
        text = text.replace(name, meant)
    return text.encode()
