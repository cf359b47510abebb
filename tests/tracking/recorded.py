"""What offline runs of W&B recorded, read back."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def records(path: Path) -> Iterator[Any]:
    """The records of a ``.wandb`` file: a LevelDB log (32 KiB blocks, 7-byte record headers) of protocol buffers."""
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    data, position, parts = path.read_bytes(), 7, b""
    while position + 7 <= len(data):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = Record()
            record.ParseFromString(parts)
            yield record
            parts = b""


def read(path: Path) -> dict[str, Any]:
    """What one run recorded; its summary as it is in the end."""
    about: dict[str, Any] = {"folder": path.parent, "summary": {}, "history": [], "best": {}, "artifacts": {}}
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run" and "id" not in about:
            run = record.run
            about |= {"id": run.run_id, "group": run.run_group, "name": run.display_name, "job_type": run.job_type}
            about |= {"tags": list(run.tags), "notes": run.notes, "project": run.project}
            about["config"] = {item.key: json.loads(item.value_json) for item in run.config.update}
        elif kind == "metric":
            about["best"][record.metric.name] = "min" if record.metric.summary.min else "max"
        elif kind == "history":
            items = record.history.item
            about["history"].append({i.key or ".".join(i.nested_key): json.loads(i.value_json) for i in items})
        elif kind == "summary":
            for item in record.summary.update:
                about["summary"][item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
        elif kind == "artifact":
            entries = record.artifact.manifest.contents
            about["artifacts"][record.artifact.name] = {entry.path: Path(entry.local_path) for entry in entries}
            about.setdefault("metadata", {})[record.artifact.name] = record.artifact.metadata
        elif kind == "exit":
            about["exit"] = record.exit.exit_code
    return about


def sent(results: Path) -> dict[str, dict[str, Any]]:
    """By W&B run id, what `wandb sync` would send; it would send two of one id, and stop at one without an end."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(results.glob("wandb/offline-run-*/*.wandb")):
        about = read(path)
        assert "exit" in about, f"{path} is not whole"
        assert about["id"] not in found
        found[about["id"]] = about
    return found


def table(about: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The rows of a table as its artifact has them, media as references."""
    entries = about["artifacts"][f"run-{about['id']}-{name}"]
    content = json.loads(entries[f"{name}.table.json"].read_text())
    return [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]


def types(about: dict[str, Any], name: str) -> dict[str, str]:
    """By column of a table, the type that W&B has for it."""
    entries = about["artifacts"][f"run-{about['id']}-{name}"]
    declared = json.loads(entries[f"{name}.table.json"].read_text())["column_types"]["params"]["type_map"]
    return {
        column: "|".join(sorted(each["wb_type"] for each in kind["params"]["allowed_types"]))
        for column, kind in declared.items()
    }
