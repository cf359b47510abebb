"""Every score as one tidy table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charachbench import codecs, keys
from charachbench.benchmark.types import Benchmark
from charachbench.differences import flat
from charachbench.evaluate import NamedMetric
from charachbench.store import PRUNED, Run, Store

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
    rows = [
        row
        for run in runs
        if only in (None, run.info.key)
        for row in _rows(run, labels[run.info.key], benchmark, metrics, store)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def without_paths(scores: pd.DataFrame) -> pd.DataFrame:
    """The tidy table, but for where in the store arrays are."""
    return scores.drop(columns=["array", "reference"])


def _rows(
    run: Run, label: str, benchmark: Benchmark, metrics: Sequence[NamedMetric], store: Store
) -> list[tuple[Any, ...]]:
    finished, failed = run.finished(benchmark), run.failed(benchmark)
    rows = []
    for pair in benchmark.pairs:
        scores = finished[pair.name][0].scores() if pair.name in finished else {}
        for metric in metrics:
            status, value, reason, array, reference = "missing", None, "not generated yet", None, None
            rate, degraded = None, ""
            if pair.name in failed:
                status, reason = "failed", failed[pair.name]["reason"]
            elif pair.name in finished:
                entry, record = finished[pair.name]
                rate, degraded = record["fps"], record.get("degraded", "")
                score = scores.get(metric.key(pair, record["outputs"]))
                if score is None:
                    score = {"status": "pending", "reason": PRUNED if entry.is_pruned else "not scored yet"}
                status, value, reason = score["status"], score.get("value"), score.get("reason", "")
                if status == "scored":
                    array = str(entry.folder / score["array"])
                    reference = score["reference"] and str(store.references.path(score["reference"]))
            rows.append(
                (
                    benchmark.name, label, run.info.key, run.info.control, run.info.random, run.info.codec,
                    "+".join(run.info.given), pair.character.name, pair.character.domain, pair.driver.name, pair.name,
                    metric.name, metric.signature, status, value, reason, array, reference,
                    rate, degraded,
                )
            )  # fmt: skip
    return rows


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
