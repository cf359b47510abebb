"""Store -> metrics -> scores."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from charachbench import config, keys, provenance
from charachbench.benchmark.types import Benchmark, Pair
from charachbench.errors import Unscored, UserError, reason_for
from charachbench.progress import track
from charachbench.protocols import Metric, Need, Sample
from charachbench.store import Entry, Run, StoreError, write_array, write_json

log = logging.getLogger(__name__)

SIDE_BY_SIDE = 2
"""Pairs that are scored at the same time: while one is decoded or waits for Python's lock, the other goes on."""


@dataclass(frozen=True)
class NamedMetric:
    """A metric as configured.

    Attributes:
        name: its key in the configuration, which is its column's name.
        identity: what decides its numbers: configuration and versions.
    """

    name: str
    metric: Metric
    identity: dict[str, Any]

    def key(self, pair: Pair, outputs: dict[str, str]) -> str:
        """Hash of all that decides this pair's score."""
        truth = pair.truth.fingerprint if pair.truth else ""
        inputs = [pair.character.fingerprint, pair.character.annotation_fingerprint, pair.driver.fingerprint, truth]
        return keys.digest({"metric": self.identity, "inputs": inputs, "outputs": outputs})


def build_metrics(settings: config.Config) -> list[NamedMetric]:
    """The configured metrics.

    Raises:
        UserError: one is not a metric, or wrongly configured.
    """
    metrics = []
    for name, node in settings.metrics.items():
        if node is None:
            continue  # `metrics.ssim=null` leaves one out
        metric = config.build(node, f"metrics.{name}", Metric)
        identity = {"config": node, "versions": config.versions(node, f"metrics.{name}")}
        metrics.append(NamedMetric(name, metric, identity))
    if not metrics:
        raise UserError("metrics: none are configured; accepted: metrics=demo, ...")
    return metrics


@dataclass
class Tally:
    """How many (pair, metric) were scored now, were scored before, and failed."""

    scored: int = 0
    reused: int = 0
    errors: dict[str, str] = field(default_factory=dict)


def evaluate(settings: config.Config, benchmark: Benchmark, run: Run, metrics: list[NamedMetric]) -> Tally:
    """Score every finished pair of a run that a metric has not scored; each video is decoded once.

    Raises:
        UserError: a metric failed and ``on_error`` is ``raise``.
    """
    finished = run.finished(benchmark)
    todo = [pair for pair in benchmark.pairs if pair.name in finished and _missing(pair, finished[pair.name], metrics)]
    tally = Tally(reused=len(metrics) * (len(finished) - len(todo)))
    loaded: set[str] = set()
    loading = threading.Lock()

    def attempt(pair: Pair, *, wait: bool) -> dict[str, dict[str, Any]] | None:
        """The new scores; None where another process works on the pair."""
        entry, _ = finished[pair.name]
        with entry.locked(wait=wait) as mine:
            if not mine:
                return None
            missing = _missing(pair, finished[pair.name], metrics)
            with loading:
                for metric in missing.values():
                    if metric.name not in loaded:
                        metric.metric.load(provenance.resolve_device(settings.device))
                        loaded.add(metric.name)
            new = _score(pair, *finished[pair.name], missing)
            write_json(entry.folder / "scores.json", entry.scores() | new)
        return new

    def count(pair: Pair, new: dict[str, dict[str, Any]]) -> None:
        tally.scored += len(new)
        tally.reused += len(metrics) - len(new)
        for score in new.values():
            if score["status"] == "error":
                where = f"{score['metric']} of {run.info.method_name}, pair {pair.name}"
                tally.errors[where] = score["reason"]
                log.error("%s failed: %s", where, score["reason"])
                if settings.on_error == "raise":
                    raise UserError(f"{where} failed: {score['reason']}")

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        try:
            attempts = [pool.submit(attempt, pair, wait=False) for pair in todo]
            elsewhere = []
            for pair, future in track(list(zip(todo, attempts, strict=True)), f"score {run.info.method_name}"):
                if (new := future.result()) is None:
                    elsewhere.append(pair)
                else:
                    count(pair, new)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for pair in elsewhere:
        count(pair, attempt(pair, wait=True) or {})
    return tally


def _missing(pair: Pair, finished: tuple[Entry, dict[str, Any]], metrics: list[NamedMetric]) -> dict[str, NamedMetric]:
    """By key, the metrics that have not scored the pair."""
    entry, record = finished
    scores = entry.scores()
    wanted = {metric.key(pair, record["outputs"]): metric for metric in metrics}
    return {key: metric for key, metric in wanted.items() if not _is_scored(scores.get(key))}


def _is_scored(score: dict[str, Any] | None) -> bool:
    return score is not None and score["status"] in ("scored", "unscored")


def _score(
    pair: Pair, entry: Entry, record: dict[str, Any], metrics: dict[str, NamedMetric]
) -> dict[str, dict[str, Any]]:
    """Scores by metric key, of one pair whose video is decoded once."""
    sample: Sample | None = None
    scores = {}
    for key, named in metrics.items():
        start = time.perf_counter()
        score: dict[str, Any] = {"metric": named.name, "version": named.metric.version, "unit": named.metric.unit}
        try:
            for need in sorted(named.metric.needs):
                if reason := _lack(pair, need):
                    raise Unscored(reason)
            if sample is None:
                sample = entry.read_sample(pair, record)
            array = np.asarray(named.metric.extract(sample))
            if array.size == 0 or not np.isfinite(array).all():
                raise Unscored("the metric is not a finite number here")
            write_array(entry.array_path(named.name, key), array)
            score |= {"status": "scored", "value": named.metric.summarise([array]) if named.metric.per_pair else None}
        except Unscored as unscored:
            score |= {"status": "unscored", "reason": str(unscored)}
        except StoreError:
            raise
        except Exception as error:
            score |= {"status": "error", "reason": reason_for(error), "traceback": traceback.format_exc()}
        scores[key] = score | {"seconds": round(time.perf_counter() - start, 4)}
    return scores


def _lack(pair: Pair, need: Need) -> str | None:
    """Why a pair lacks what a metric needs; None where it has it. Looks at nothing that is not needed."""
    look: dict[Need, tuple[Callable[[], object], str]] = {
        "truth": (lambda: pair.truth, "needs the true video, which is not known"),
        "truth_landmarks": (
            lambda: pair.truth and pair.truth.landmarks,
            "needs the landmarks of the true video, which are not known",
        ),
        "character_landmarks": (
            lambda: pair.character.landmarks,
            "needs the character's landmarks, which are not annotated",
        ),
        "driver_landmarks": (lambda: pair.driver.landmarks, ""),
    }
    present, reason = look[need]
    try:
        return reason if present() is None else None
    except UserError as error:
        return str(error)
