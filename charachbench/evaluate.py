"""Store -> metrics -> scores."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from charachbench import config, keys, provenance, shards
from charachbench.benchmark.types import Benchmark, Pair
from charachbench.errors import Unscored, UserError, reason_for
from charachbench.index import Found
from charachbench.output import event
from charachbench.progress import Stage
from charachbench.protocols import Metric, Need, Sample
from charachbench.secrecy import hidden
from charachbench.store import PRUNED, Entry, Run, StoreError, read_array, write_array, write_sealed
from charachbench.worker import survivable

log = logging.getLogger(__name__)

RANDOM_SUFFIX = "_random"
INDIFFERENT = frozenset({"batch"})
"""Settings of metrics that change speed and memory alone; ``charachbench noise`` measures how true that is."""

SIDE_BY_SIDE = 2
"""Pairs that are scored at the same time: while one is decoded or waits for Python's lock, the other goes on."""


@dataclass(frozen=True)
class NamedMetric:
    """A metric as configured.

    Attributes:
        name: its key in the configuration, which is its column's name.
        identity: what decides its numbers: configuration, versions and protocol.
    """

    name: str
    metric: Metric
    identity: dict[str, Any]

    @cached_property
    def signature(self) -> str:
        """Name and hash of ``identity``: numbers under different signatures must not be compared."""
        return f"{self.name}#{keys.digest(self.identity)[:8]}"

    @cached_property
    def canonical(self) -> bytes:
        """``identity`` as ``keys.digest`` hashes it."""
        return keys.canonical(self.identity)

    def key(self, pair: Pair, outputs: dict[str, str]) -> str:
        """Hash of all that decides this pair's score."""
        return keys_of([self], pair, outputs)[0]

    def array_path(self, entry: Entry, pair: Pair, outputs: dict[str, str]) -> Path:
        """Where the extracted array is kept; metrics that extract the same share it."""
        extraction = self.metric.extraction()
        if extraction is None:
            return entry.array_path(self.name, self.key(pair, outputs))
        return entry.array_path("features", _keys([keys.canonical(extraction)], pair, outputs)[0])


def keys_of(metrics: Sequence[NamedMetric], pair: Pair, outputs: dict[str, str]) -> list[str]:
    """``NamedMetric.key`` of each."""
    return _keys([metric.canonical for metric in metrics], pair, outputs)


def _keys(identities: Sequence[bytes], pair: Pair, outputs: dict[str, str]) -> list[str]:
    """``keys.digest`` of metric, inputs and outputs; what they share is made once, as tables need 100,000 of them."""
    truth = pair.truth.fingerprint if pair.truth else ""
    inputs = [pair.character.fingerprint, pair.character.annotation_fingerprint, pair.driver.fingerprint, truth]
    before = b'{"inputs":' + keys.canonical(inputs) + b',"metric":'
    after = b',"outputs":' + keys.canonical(outputs) + b"}"
    return [hashlib.sha256(before + identity + after).hexdigest() for identity in identities]


def build_metrics(settings: config.Config) -> list[NamedMetric]:
    """The configured metrics.

    Raises:
        UserError: one is not a metric, or wrongly configured, or looks through random weights under a name that does
            not say so.
    """
    metrics = []
    for name, node in settings.metrics.items():
        if node is None:
            continue  # `metrics.ssim=null` leaves one out
        try:
            metric = config.build(node, f"metrics.{name}", Metric)
        except UserError as error:  # a constructor does not know what it is called
            raise error if str(error).startswith("metrics.") else UserError(f"metrics.{name}: {error}") from error
        if metric.random != name.endswith(RANDOM_SUFFIX):
            which = "random" if metric.random else "no random"
            raise UserError(
                f"metrics.{name}: has {which} weights; names end in {RANDOM_SUFFIX} if, and only if, they are"
            )
        versions = config.versions(node, f"metrics.{name}")
        try:
            protocol = metric.protocol()
        except UserError as error:  # weights that are nowhere, and have no registered hash
            raise UserError(f"metrics.{name}: {error}") from error
        identity = {"config": _deciding(node), "versions": versions, "protocol": protocol}
        metrics.append(NamedMetric(name, metric, identity))
    if not metrics:
        raise UserError("metrics: none are configured; accepted: metrics=demo, ...")
    return metrics


def _deciding(node: Any) -> Any:
    """The configuration without what changes no number."""
    if not isinstance(node, dict):
        return node
    return {name: _deciding(value) for name, value in node.items() if name not in INDIFFERENT}


@dataclass
class Tally:
    """How many (pair, metric) were scored now, were scored before, and failed.

    Attributes:
        damaged: pairs whose files were no longer what was generated, and which are to be generated again.
    """

    scored: int = 0
    reused: int = 0
    damaged: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)


class Loader:
    """Loads each metric once, whatever the number of runs and threads, and remembers why one could not be."""

    def __init__(self, device: str) -> None:
        self._device, self._lock = device, threading.Lock()
        self.reasons: dict[str, str | None] = {}

    def __call__(self, named: NamedMetric) -> None:
        """Load it, unless that was tried before.

        Raises:
            UserError: it cannot be loaded.
        """
        with self._lock:
            if named.name not in self.reasons:
                self.reasons[named.name] = None
                try:
                    named.metric.load(provenance.resolve_device(self._device))
                except Exception as error:
                    self.reasons[named.name] = reason_for(error)
                    told = event("metric_failed", metric=named.name, reason=self.reasons[named.name])
                    log.error("%s failed: %s", named.name, self.reasons[named.name], extra=told)
        if reason := self.reasons[named.name]:
            raise UserError(reason)


def evaluate(
    settings: config.Config,
    benchmark: Benchmark,
    run: Run,
    metrics: list[NamedMetric],
    load: Loader | None = None,
) -> Tally:
    """Score every finished pair of a run that a metric has not scored; each video is decoded once.

    Args:
        settings: their ``device`` and ``on_error`` count.
        benchmark: whose pairs.
        run: whose videos.
        metrics: to score them with.
        load: shared between runs that are scored one after the other.

    Raises:
        UserError: a metric failed and ``on_error`` is ``raise``.
    """
    finished = run.finished(benchmark)
    lacking, is_kept = {}, run.references.listed()
    for pair in benchmark.pairs:
        if pair.name in finished:
            entry, record = finished[pair.name]
            if found := missing(pair, record, metrics, run.found[entry.folder.name], is_kept):
                lacking[pair] = found
    if lacking:
        ordered = [pair for pair in shards.order(benchmark.pairs, settings.shard) if pair in lacking]
        for pair in lacking.keys() - set(ordered):  # which other jobs see to
            del finished[pair.name]
        lacking = {pair: lacking[pair] for pair in ordered}
    todo = [pair for pair in lacking if not run.found[finished[pair.name][0].folder.name].pruned]
    pruned = [lacking[pair] for pair in lacking.keys() - set(todo)]
    tally = Tally(reused=len(metrics) * (len(finished) - len(todo)) - sum(map(len, pruned)))
    if pruned:
        names = sorted({metric.name for lacked in pruned for metric in lacked.values()})
        what = "of a pair" if len(pruned) == 1 else f"of each of {len(pruned)} pairs"
        log.warning("%s lacks %s %s: %s", run.info.method_name, ", ".join(names), what, PRUNED)
    load = load or Loader(settings.device)
    scored_before = sorted(finished.keys() - {pair.name for pair in todo})
    for name in scored_before:  # nobody else will look at them again
        entry, _ = finished[name]
        if run.found[entry.folder.name].leased:
            entry.tidy()
    stage = Stage("score", run.info.method_name, run.info.key, len(finished), scored_before)

    def attempt(pair: Pair, *, wait: bool) -> dict[str, dict[str, Any]] | None:
        """The new scores; None where another process works on the pair."""
        entry, record = finished[pair.name]
        with entry.leased(wait=wait) as lease:
            if lease is None:
                return None
            left = missing(pair, record, metrics, entry.look(), entry.references.has)
            new = _score(pair, entry, record, left, load, lease.deaths)
            write_sealed(entry.folder / "scores.json", entry.scores() | new)
        return new

    def count(pair: Pair, new: dict[str, dict[str, Any]]) -> None:
        failed = any(score["status"] == "error" for score in new.values())
        if failed and finished[pair.name][0].record() is None:
            tally.damaged.append(pair.name)
        tally.scored += len(new)
        tally.reused += len(metrics) - len(new)
        for score in new.values():
            if score["status"] == "error":
                name = score["metric"]
                unloaded = load.reasons.get(name)
                where = name if unloaded else f"{name} of {run.info.method_name}, pair {pair.name}"
                if not unloaded:
                    said = f"{where} failed: {score['reason']}"
                    stage.tell("score_failed", pair.name, said, reason=score["reason"], ends=False, metric=name)
                tally.errors[where] = score["reason"]
                if settings.on_error == "raise":
                    raise UserError(f"{where} failed: {score['reason']}")
        seconds = sum(score["seconds"] for score in new.values())
        said = f"{run.info.method_name}: pair {pair.name} was scored in {seconds:.2f} s"
        stage.tell("pair_scored", pair.name, said, scores=len(new), seconds=seconds)

    with stage, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        try:
            attempts = [pool.submit(attempt, pair, wait=False) for pair in todo]
            elsewhere = []
            for pair, future in zip(todo, attempts, strict=True):
                stage.current = pair.name
                if (new := future.result()) is None:
                    elsewhere.append(pair)
                else:
                    count(pair, new)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        for pair in elsewhere:
            stage.current = pair.name
            count(pair, attempt(pair, wait=True) or {})
    if todo:
        run.forget()
    return tally


def missing(
    pair: Pair, record: dict[str, Any], metrics: Sequence[NamedMetric], found: Found, is_kept: Callable[[str], bool]
) -> dict[str, NamedMetric]:
    """By key, the metrics that have not scored the pair.

    Errors are looked at again, and scores whose arrays are gone.

    Args:
        pair: whose.
        record: of the video that is scored.
        metrics: all.
        found: what is in its folder.
        is_kept: whether there still is the reference of this key.
    """

    def is_final(score: dict[str, Any] | None) -> bool:
        if score is None or score["status"] == "error":
            return False
        if score["status"] == "unscored":
            return True
        reference = score["reference"]
        return score["array"] not in found.absent and (not reference or is_kept(reference))

    wanted = zip(keys_of(metrics, pair, record["outputs"]), metrics, strict=True)
    return {key: metric for key, metric in wanted if not is_final(found.scores.get(key))}


def _score(
    pair: Pair,
    entry: Entry,
    record: dict[str, Any],
    metrics: dict[str, NamedMetric],
    load: Loader,
    deaths: int,
) -> dict[str, dict[str, Any]]:
    """Scores by metric key, of one pair whose video is decoded once."""
    sample: Sample | None = None
    scores = {}
    for key, named in metrics.items():
        start = time.perf_counter()
        metric = named.metric
        score: dict[str, Any] = {"metric": named.name, "signature": named.signature, "unit": metric.unit}
        with judged(score):
            survivable(deaths)
            require(pair, metric)
            load(named)
            if sample is None:
                sample = entry.read_sample(pair, record)
            path = named.array_path(entry, pair, record["outputs"])
            array = None if metric.extraction() is None else read_array(path)
            if array is None:
                array = finite(metric.extract(sample))
                write_array(path, array)
            reference = metric.reference(sample)
            score |= {
                "status": "scored",
                "protocol": named.identity["protocol"],
                "value": metric.summarise([array]) if metric.per_pair else None,
                "array": path.name,
                "reference": reference and reference.key,
            }
        scores[key] = score | {"seconds": round(time.perf_counter() - start, 4)}
    return scores


@contextlib.contextmanager
def judged(score: dict[str, Any]) -> Iterator[None]:
    """What ends the block ends the score, too: as ``unscored`` or ``error``, with the reason.

    Raises:
        StoreError: the store itself fails.
    """
    try:
        yield
    except Unscored as unscored:
        score |= {"status": "unscored", "reason": str(unscored)}
    except StoreError:
        raise
    except UserError as error:
        score |= {"status": "error", "reason": reason_for(error)}
    except Exception as error:
        score |= {"status": "error", "reason": reason_for(error), "traceback": hidden(traceback.format_exc())}


def finite(array: np.ndarray) -> np.ndarray:
    """What a metric extracted, if it is anything.

    Raises:
        Unscored: it is empty or not finite.
    """
    array = np.asarray(array)
    if array.size == 0 or not np.isfinite(array).all():
        raise Unscored("the metric is not a finite number here")
    return array


def require(pair: Pair, metric: Metric) -> None:
    """Check that a pair has what a metric needs.

    Raises:
        Unscored: it has not.
    """
    for need in sorted(metric.needs):
        if reason := _lack(pair, need):
            raise Unscored(reason)


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
