"""Hashes by which the store knows what it has."""

import hashlib
import json
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """sha256, in hex, of a JSON-serialisable value; the order of mappings does not matter."""
    return hashlib.sha256(canonical(value)).hexdigest()


def canonical(value: Any) -> bytes:
    """The JSON that ``digest`` hashes."""
    return _ENCODER.encode(value).encode()
