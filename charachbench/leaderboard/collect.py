"""Every score as one tidy table."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charachbench import codecs, keys
from charachbench.benchmark.types import Benchmark, Pair
from charachbench.differences import flat
from charachbench.evaluate import NamedMetric, keys_of
from charachbench.store import PRUNED, Entry, Run, Store, reference_file

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "benchmark", "method", "run", "control", "random", "codec", "given", "character", "domain", "driver", "pair",
    "metric", "signature", "status", "value", "reason", "array", "reference", "fps", "degraded",
)  # fmt: skip


def collect(
    store: Store,
    benchmark: Benchmark,
    metrics: Sequence[NamedMetric],
    methods: Sequence[str] | None = None,
    only: str | None = None,
) -> pd.DataFrame:
    """One row for each run, pair and metric, whatever became of it.

    Args:
        store: where the scores are.
        benchmark: whose pairs.
        metrics: the columns.
        methods: names of those to show; None shows all.
        only: the key of a single run; it is called what it is called among all of them.

    Returns:
        Columns ``COLUMNS``; ``status`` is ``scored``, ``unscored``, ``error`` (of the metric), ``failed`` (of the
        method), ``pending`` (not scored yet) or ``missing`` (not generated yet); ``value`` is None but for scored
        pairs of metrics that mean something for a single pair; ``array`` is the path of what the metric extracted, and
        ``reference`` of what that is compared with; ``fps`` is of the generated video; ``degraded`` is what its method
        says that it did less than it should, empty where it did all.
    """
    import pandas as pd

    runs = [run for run in store.runs(benchmark) if methods is None or run.info.method_name in methods]
    labels = label_runs(runs)
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for run in runs:
        if only in (None, run.info.key):
            for name, values in _columns(run, labels[run.info.key], benchmark, metrics, store).items():
                columns[name] += values
    return pd.DataFrame(columns)


def without_paths(scores: pd.DataFrame) -> pd.DataFrame:
    """The tidy table, but for where in the store arrays are."""
    return scores.drop(columns=["array", "reference"])


def _columns(
    run: Run, label: str, benchmark: Benchmark, metrics: Sequence[NamedMetric], store: Store
) -> dict[str, list[Any]]:
    """``COLUMNS`` of a run's part of the table: for each pair all metrics."""
    latest, references = run.latest(benchmark), str(store.references.folder)
    told = [_of_pair(pair, latest.get(pair.name), run, metrics, references) for pair in benchmark.pairs]
    run.forget()  # a table of many runs needs no more of each than what is told
    count = len(metrics)

    def of_run(value: Any) -> list[Any]:
        return [value] * (count * len(told))

    def of_pairs(values: Iterable[Any]) -> list[Any]:
        return [value for value in values for _ in range(count)]

    scores = [score for pair in told for score in pair.scores]
    return {
        "benchmark": of_run(benchmark.name),
        "method": of_run(label),
        "run": of_run(run.info.key),
        "control": of_run(run.info.control),
        "random": of_run(run.info.random),
        "codec": of_run(run.info.codec),
        "given": of_run("+".join(run.info.given)),
        "character": of_pairs(pair.character.name for pair in benchmark.pairs),
        "domain": of_pairs(pair.character.domain for pair in benchmark.pairs),
        "driver": of_pairs(pair.driver.name for pair in benchmark.pairs),
        "pair": of_pairs(pair.name for pair in benchmark.pairs),
        "metric": [metric.name for metric in metrics] * len(told),
        "signature": [metric.signature for metric in metrics] * len(told),
        **{name: [score[index] for score in scores] for index, name in enumerate(_OF_SCORES)},
        "fps": of_pairs(pair.fps for pair in told),
        "degraded": of_pairs(pair.degraded for pair in told),
    }


_OF_SCORES = ("status", "value", "reason", "array", "reference")


@dataclass(frozen=True)
class _OfPair:
    """What became of a pair.

    Attributes:
        scores: ``_OF_SCORES`` under each metric.
    """

    scores: list[tuple[Any, ...]]
    fps: float | None = None
    degraded: str = ""


def _of_pair(
    pair: Pair,
    latest: tuple[Entry, dict[str, Any]] | None,
    run: Run,
    metrics: Sequence[NamedMetric],
    references: str,
) -> _OfPair:
    if latest is not None and latest[1]["status"] == "failed":
        return _OfPair([("failed", None, latest[1]["reason"], None, None)] * len(metrics))
    if latest is None or latest[1]["status"] != "ok":
        return _OfPair([("missing", None, "not generated yet", None, None)] * len(metrics))
    entry, record = latest
    folder, found = str(entry.folder), run.found[entry.folder.name]
    pending = ("pending", None, PRUNED if found.pruned else "not scored yet", None, None)
    scores: list[tuple[Any, ...]] = []
    for key in keys_of(metrics, pair, record["outputs"]):
        if (score := found.scores.get(key)) is None:
            scores.append(pending)
        elif score["status"] == "scored":
            array, reference = score["array"], score["reference"]
            kept = reference and f"{references}{os.sep}{reference_file(reference)}"
            scores.append(("scored", score["value"], score.get("reason", ""), f"{folder}{os.sep}{array}", kept))
        else:
            scores.append((score["status"], score.get("value"), score.get("reason", ""), None, None))
    return _OfPair(scores, record["fps"], record.get("degraded", ""))


def label_runs(runs: Sequence[Run]) -> dict[str, str]:
    """Row names by run key: the method's name; in brackets random weights, lossy codec, differences to namesakes."""
    labels = {}
    for run in runs:
        namesakes = [other for other in runs if other.info.method_name == run.info.method_name]
        settings = {other.info.key: flat({**other.info.method, "seed": other.info.seed}) for other in namesakes}
        mine = settings[run.info.key]
        names = sorted({name for each in settings.values() for name in each})
        differing = [name for name in names if len({str(each.get(name)) for each in settings.values()}) > 1]
        for target in [name for name in differing if name.endswith("._target_")]:
            # A class's settings mean nothing to another: of those below it, only what tells its own runs apart.
            inside = [name for name in differing if name.startswith(target.removesuffix("_target_")) and name != target]
            alike = [each for each in settings.values() if each.get(target) == mine.get(target)]
            told = {name for name in inside if len({str(each.get(name)) for each in alike}) > 1}
            differing = [name for name in differing if name not in inside or name in told]
        # Where classes tell runs apart, their settings need not: only what differs among runs of the same classes.
        targets = [name for name in differing if name.endswith("._target_")]
        peers = [each for each in settings.values() if all(each.get(name) == mine.get(name) for name in targets)]
        differing = [name for name in differing if name in targets or len({str(each.get(name)) for each in peers}) > 1]
        parts = ["random weights"] if run.info.random else []
        parts += [f"codec={run.info.codec}"] if run.info.codec != codecs.LOSSLESS else []
        parts += [f"{_short(name)}={_value(mine[name])}" for name in differing if name in mine]
        labels[run.info.key] = run.info.method_name + (f" ({', '.join(parts)})" if parts else "")
    counts = Counter(labels.values())
    return {key: label if counts[label] == 1 else f"{label} #{key[:4]}" for key, label in labels.items()}


def _short(name: str) -> str:
    """The setting's name without the path to it; a class is called after what it is set for."""
    return name.removesuffix("._target_").rpartition(".")[2] or "class"


def _value(value: Any) -> str:
    if isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        return f"#{keys.digest(value)[:4]}"  # too long to read
    text = str(value)
    if isinstance(value, float) and len(text) > 6:  # as a sampler draws them
        return f"{value:.4g}"
    if re.fullmatch("[0-9a-f]{40}", text):  # of a commit its first digits
        return text[:7]
    if (last := text.rpartition(".")[2])[:1].isupper():  # of a class its name
        return last
    return Path(text).name if "/" in text else text
