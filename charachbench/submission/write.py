"""A run of the store -> a bundle."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from charachbench import about, keys
from charachbench.benchmark.types import Benchmark, Pair
from charachbench.config import Config
from charachbench.errors import UserError
from charachbench.evaluate import NamedMetric
from charachbench.generate import describe_run
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.board import Leaderboard
from charachbench.leaderboard.collect import collect
from charachbench.leaderboard.facts import MetricFacts
from charachbench.leaderboard.sets import SetNumbers, contributions
from charachbench.progress import track
from charachbench.store import Entry, Run, RunInfo, Store, atomic_write
from charachbench.submission.anonymous import anonymous
from charachbench.submission.schema import COLUMNS, MANIFEST, SCHEMA, SCORES, Manifest, member

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "bundles"
"""Beside the runs."""
_WHENEVER = (1980, 1, 1, 0, 0, 0)
"""The date of all files, the earliest that a zip can hold: equal content makes equal bytes."""


def write(settings: Config, benchmark: Benchmark, store: Store, metrics: list[NamedMetric]) -> Path:
    """Write the configured method's run, with its clips where ``bundle.clips`` says so.

    Raises:
        UserError: there is no such run, or some of its pairs have not been tried or scored yet.
    """
    run = _find(settings, benchmark, store)
    scores, sets = collect(store, benchmark, metrics, only=run.info.key), SetNumbers(store.cache / "sets")
    _refuse_unfinished(scores, run)
    board = aggregate(scores, metrics, slices=False, sets=sets)
    found, failed = run.finished(benchmark), run.failed(benchmark)
    made = [(pair, *found[pair.name]) for pair in benchmark.pairs if pair.name in found]
    manifest = {
        "schema": SCHEMA,
        "benchmark": {
            "name": benchmark.name,
            "options": anonymous(benchmark.options),
            "pairs": [_pair(pair) for pair in benchmark.pairs],
        },
        "method": {**method_facts(run.info), "about": _about(settings)},
        "environments": _environments(record for *_, record in made),
        "metrics": [facts(metric).model_dump() for metric in metrics],
        "figures": [_figure(metric.name, board) for metric in metrics],
        "clips": [_clip(*each) for each in track(made, "hash clips")],
        "failures": [
            {"pair": pair.name, "kind": failed[pair.name]["kind"], "reason": anonymous(failed[pair.name]["reason"])}
            for pair in benchmark.pairs
            if pair.name in failed
        ],
    }
    texts = {MANIFEST: _checked(manifest), SCORES: _table(scores, contributions(scores, metrics, sets))}
    files = {
        member(pair.name, output): entry.folder / output
        for pair, entry, record in made
        for output in record["outputs"]
        if settings.bundle.clips
    }
    folder = store.benchmark_folder(benchmark) / FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / f"{run.folder.name}.zip"
    atomic_write(path, lambda aside: _zip(aside, texts, files))
    return path


def frames_sha256(frames: np.ndarray) -> str:
    """Of uint8 RGB (T, H, W, 3): the same for every lossless copy, whatever its format."""
    return hashlib.sha256(np.ascontiguousarray(frames).data).hexdigest()


def facts(metric: NamedMetric) -> MetricFacts:
    """Of a metric, as they are sent."""
    found = MetricFacts.of(metric)
    return found.model_copy(update={"protocol": anonymous(found.protocol), "config": anonymous(found.config)})


def method_facts(info: RunInfo) -> dict[str, Any]:
    """``MethodFacts`` of a run, as they are sent, all but ``about``."""
    return {
        "name": info.method_name,
        "key": info.key,
        "config": anonymous(info.method),
        "versions": info.versions,
        "given": info.given,
        "control": info.control,
        "random": info.random,
        "seed": info.seed,
        "codec": info.codec,
    }


def _find(settings: Config, benchmark: Benchmark, store: Store) -> Run:
    name, key = settings.method_name, describe_run(settings, benchmark).key
    for run in store.runs(benchmark):
        if run.info.key == key:
            return run
    raise UserError(f"no run of {name} on {benchmark.name} in {store.root}; `charachbench method={name}` makes it")


def _refuse_unfinished(scores: pd.DataFrame, run: Run) -> None:
    """Raise ``UserError`` where something is left to do."""
    for status, what in (("missing", "not generated"), ("pending", "not scored")):
        if count := scores.loc[scores["status"] == status, "pair"].nunique():
            name = run.info.method_name
            raise UserError(f"{name}: {count} pairs are {what} yet; `charachbench method={name}` goes on with it")


def _pair(pair: Pair) -> dict[str, str]:
    character = pair.character
    return {"name": pair.name, "character": character.name, "driver": pair.driver.name, "domain": character.domain}


def _about(settings: Config) -> dict[str, Any]:
    told = settings.method.get("about")
    return {} if told is None else dict(anonymous(asdict(about.read(told, "method.about"))))


def _environments(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The most frequent first."""
    told = [{name: record[name] for name in ("code", "packages", "device", "device_name")} for record in records]
    by_key = {keys.digest(each): each for each in told}
    counts = Counter(keys.digest(each) for each in told)
    return [{**anonymous(by_key[key]), "clips": counts[key]} for key in sorted(by_key, key=lambda k: (-counts[k], k))]


def _figure(name: str, board: Leaderboard) -> dict[str, Any]:
    column, cell = board.column(name), board.rows[0].cells.get(name)
    if column is None or cell is None:
        return {"metric": name, "value": None, "low": None, "high": None, "pairs": 0, "caveat": ""}
    low, high = cell.interval or (None, None)
    return {
        "metric": name, "value": cell.value, "low": low, "high": high, "pairs": cell.pairs,
        "caveat": anonymous(column.caveat),
    }  # fmt: skip


def _clip(pair: Pair, entry: Entry, record: dict[str, Any]) -> dict[str, Any]:
    """Raises ``UserError`` where a file is not what was generated."""
    made = entry.read_sample(pair, record).made
    return {
        "pair": pair.name,
        "frames": record["frames"],
        "height": record["size"][0],
        "width": record["size"][1],
        "fps": record["fps"],
        "files": record["outputs"],
        "frames_sha256": None if made is None else frames_sha256(made.frames),
        "inputs": record["inputs"],
        "seconds": record["seconds"]["generate"],
        "peak_memory_mib": record["peak_memory_mib"],
        "degraded": anonymous(record.get("degraded", "")),
    }


def _checked(manifest: dict[str, Any]) -> bytes:
    """As JSON, if readers will take it.

    Raises:
        UserError: they will not, as of a name with signs that mean something to Markdown or HTML.
    """
    from pydantic import ValidationError

    text = json.dumps(manifest, indent=1, allow_nan=False, ensure_ascii=False).encode() + b"\n"
    try:
        Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"the run cannot be bundled: {where}: {first['msg'].lower()}, got {first['input']!r}") from None
    return text


def _table(scores: pd.DataFrame, values: np.ndarray) -> bytes:
    """``scores.csv``, with all digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row, value in zip(scores.itertuples(), values.tolist(), strict=True):
        if row.status == "scored" and np.isfinite(value):
            writer.writerow([row.pair, row.metric, row.status, repr(value), ""])
        elif row.status == "scored":
            writer.writerow([row.pair, row.metric, "unscored", "", "there is no number over all pairs"])
        else:
            writer.writerow([row.pair, row.metric, row.status, "", anonymous(row.reason)])
    return out.getvalue().encode()


def _zip(path: Path, texts: dict[str, bytes], files: dict[str, Path]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            archive.writestr(_info(name, zipfile.ZIP_DEFLATED), text)
        for name, file in files.items():
            info = _info(name, zipfile.ZIP_STORED)  # videos are compressed as they are
            with file.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)


def _info(name: str, compression: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _WHENEVER)
    info.compress_type, info.create_system, info.external_attr = compression, 3, 0o644 << 16
    return info
