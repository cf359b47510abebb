"""How two nested settings differ, in words."""

from __future__ import annotations

from typing import Any


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Every leaf of nested mappings by its path, ``.landmarks.size``; lists are leaves."""
    if not isinstance(node, dict):
        return {prefix: node}
    return {key: leaf for name, value in node.items() for key, leaf in flat(value, f"{prefix}.{name}").items()}


def differences(before: Any, after: Any) -> list[str]:
    """``landmarks.size: 128 → 256`` for every leaf that is not the same; what one of them lacks is ``absent``."""
    old, new = flat(before), flat(after)
    absent = "absent"
    return [
        f"{name.removeprefix('.')}: {old.get(name, absent)} → {new.get(name, absent)}"
        for name in dict.fromkeys([*old, *new])
        if old.get(name, absent) != new.get(name, absent)
    ]
