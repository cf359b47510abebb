"""How much scores vary by themselves: videos scored again with another seed, batch, number of threads and device."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from charachbench import provenance
from charachbench.benchmark.folder import spread
from charachbench.benchmark.types import Benchmark
from charachbench.config import Config
from charachbench.errors import Unscored, reason_for
from charachbench.evaluate import NamedMetric, build_metrics, finite, require
from charachbench.progress import track
from charachbench.protocols import References, Sample
from charachbench.store import Run, read_json, write_json

FILE = "noise.json"


@dataclass
class Noise:
    """Of one metric.

    Attributes:
        signature: of the metric as configured.
        differences: by change, the largest difference of its number, over runs, from the number as configured.
        reason: why it could not be measured; empty where it was.
    """

    signature: str
    differences: dict[str, float] = field(default_factory=dict)
    reason: str = ""

    @property
    def spread(self) -> float:
        """The largest of all differences."""
        return max(self.differences.values(), default=0.0)


def measure(settings: Config, benchmark: Benchmark, runs: Sequence[Run], pairs: int) -> dict[str, Noise]:
    """Score some pairs of each run again and again.

    A network's random weights are not drawn anew: they are part of what the metric is, as trained ones are.

    Args:
        settings: whose metrics, and on which device.
        benchmark: whose pairs.
        runs: with finished pairs.
        pairs: how many of each run, spread evenly.

    Returns:
        By metric. A change that does not concern a metric is left out: a seed or batch that it has not.
    """
    chosen = [(run, _chosen(benchmark, run, pairs)) for run in runs]
    noises = {metric.name: Noise(metric.signature) for metric in build_metrics(settings)}
    configured: dict[tuple[str, str], float] = {}
    for change, changed in track(list(_changes(settings).items()), "noise"):
        with changed.threads():
            for named in build_metrics(changed.settings):
                noise = noises[named.name]
                if noise.reason or (change in ("seed", "batch") and _same(settings, changed.settings, named.name)):
                    continue
                reasons = []
                try:
                    named.metric.load(provenance.resolve_device(changed.settings.device))
                    for run, samples in chosen:
                        key = named.name, run.info.key
                        try:
                            value = _number(named, benchmark, run, samples)
                        except Unscored as unscored:
                            reasons.append(str(unscored))
                            continue
                        if change == "configured":
                            configured[key] = value
                        elif key in configured:
                            difference = abs(value - configured[key])
                            noise.differences[change] = max(difference, noise.differences.get(change, 0.0))
                except Exception as error:
                    noise.reason = reason_for(error)
                if len(reasons) == len(chosen):
                    noise.reason = reasons[0]
    return noises


def write(folder: Path, noises: dict[str, Noise]) -> Path:
    """Keep what was measured beside the leaderboard, with what was measured before of other metrics."""
    path = folder / FILE
    measured = {noise.signature: {"spread": noise.spread, "differences": noise.differences} for noise in noises.values()
                if not noise.reason}  # fmt: skip
    before = read_json(path)
    write_json(path, (before if isinstance(before, dict) else {}) | measured)
    return path


def read(folder: Path) -> dict[str, float]:
    """By signature, the spread that was measured; empty where none was."""
    found = read_json(folder / FILE)
    measured = found.items() if isinstance(found, dict) else []
    return {
        signature: noise["spread"]
        for signature, noise in measured
        if isinstance(noise, dict) and isinstance(noise.get("spread"), int | float) and noise["spread"] >= 0
    }


@dataclass(frozen=True)
class _Change:
    settings: Config
    threads: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext


def _changes(settings: Config) -> dict[str, _Change]:
    """By name, as configured first."""
    import torch

    def with_metrics(edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Config:
        return replace(settings, metrics={name: _edited(node, edit) for name, node in settings.metrics.items()})

    changes = {
        "configured": _Change(settings),
        "seed": _Change(with_metrics(_next_seed)),
        "batch": _Change(with_metrics(lambda node: {**node, "batch": 1} if "batch" in node else node)),
        "threads": _Change(settings, _one_thread),
    }
    here = provenance.resolve_device(settings.device)
    if here != "cpu":
        changes["device"] = _Change(replace(settings, device="cpu"))
    elif torch.cuda.is_available():
        changes["device"] = _Change(replace(settings, device="cuda"))
    return changes


def _edited(node: Any, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if not isinstance(node, dict):
        return node
    return edit({name: _edited(value, edit) for name, value in node.items()})


def _next_seed(node: dict[str, Any]) -> dict[str, Any]:
    return {**node, "seed": node["seed"] + 1} if "seed" in node and node.get("weights") != "random" else node


def _same(settings: Config, other: Config, metric: str) -> bool:
    return bool(settings.metrics[metric] == other.metrics[metric])


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def _chosen(benchmark: Benchmark, run: Run, pairs: int) -> list[Any]:
    """(pair, entry, record) of some finished pairs."""
    finished = run.finished(benchmark)
    known = [pair for pair in benchmark.pairs if pair.name in finished and not finished[pair.name][0].is_pruned]
    return [(pair, *finished[pair.name]) for pair in spread(known, pairs)]


def _number(named: NamedMetric, benchmark: Benchmark, run: Run, samples: list[Any]) -> float:
    """The metric's number over the pairs that it can score; nothing computed before is used.

    Raises:
        Unscored: there is none.
    """
    arrays, references, reasons, fresh = [], {}, [], References()
    for pair, entry, record in samples:
        sample: Sample = replace(entry.read_sample(pair, record), references=fresh, _shared={})
        try:
            require(pair, named.metric)
            arrays.append(finite(named.metric.extract(sample)))
            if kept := named.metric.reference(sample):
                references[kept.key] = kept.array
        except Unscored as unscored:
            reasons.append(str(unscored))
    if not arrays:
        raise Unscored(f"{run.info.method_name} on {benchmark.name}: {(reasons or ['no pair is finished'])[0]}")
    return named.metric.summarise(arrays, list(references.values()))
