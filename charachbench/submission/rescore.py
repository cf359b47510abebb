"""Some clips of a bundle scored again, and the differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from charachbench.benchmark.types import Benchmark, Pair
from charachbench.config import Config
from charachbench.errors import Unscored, UserError
from charachbench.evaluate import Loader, NamedMetric, finite, judged, require
from charachbench.progress import track
from charachbench.protocols import Sample
from charachbench.submission.clips import Clips
from charachbench.submission.schema import Bundle
from charachbench.submission.write import facts

_ROUND_OFF = 1e-9


@dataclass(frozen=True)
class Rescored:
    """What scoring again found.

    Attributes:
        clips: how many were scored.
        problems: where scores differ, a sentence each.
        left_out: by metric, why it was not compared.
    """

    clips: int
    problems: list[str]
    left_out: dict[str, str]


def rescore(
    settings: Config, clips: Clips, benchmark: Benchmark, metrics: Sequence[NamedMetric], noises: Mapping[str, float]
) -> Rescored:
    """Score a sample of clips and compare with what was submitted.

    A number of sets is compared, pair by pair as each contributes, where all clips are scored again.

    Args:
        settings: their ``bundle``, ``seed`` and ``device`` count.
        clips: of the bundle.
        benchmark: that it is of.
        metrics: the configured ones; those of another protocol than the bundle's are left out.
        noises: by signature, what scores differ by anyway (``charachbench.noise``).
    """
    bundle, load = clips.bundle, Loader(settings.device)
    pairs = {pair.name: pair for pair in benchmark.pairs}
    known = [clip for clip in bundle.manifest.clips if clip.pair in pairs]
    drawn = np.random.default_rng(settings.seed).permutation(len(known))[: settings.bundle.rescore]
    own = {each.name: each for each in bundle.manifest.metrics}
    compared, left_out = [], {}
    for named in metrics:
        if named.name not in own or own[named.name].unlike(facts(named)):
            left_out[named.name] = "it is of another protocol than here"
        elif named.metric.of_set and len(drawn) < len(known):
            left_out[named.name] = f"it is a number of all pairs together; bundle.rescore={len(known)} compares it"
        else:
            compared.append(named)
    found: dict[str, dict[str, dict[str, Any]]] = {named.name: {} for named in compared}
    problems: list[str] = []
    for index in track(sorted(drawn.tolist()), "score again"):
        clip = known[index]
        try:
            sample = clips.sample(clip, pairs[clip.pair])
        except UserError as error:
            problems.append(str(error))
            continue
        for named in compared:
            found[named.name][clip.pair] = _scored(named, pairs[clip.pair], sample, load)
    broken = len(problems)
    for named in compared:
        if named.metric.of_set and broken:
            left_out[named.name] = f"it is a number of all pairs together, and {broken} clips cannot be read"
            continue
        scores = found[named.name]
        if named.metric.of_set:
            _contribute(named, scores)
        problems += _differences(named, scores, bundle, settings.bundle.tolerance, noises.get(named.signature, 0.0))
    return Rescored(len(drawn), problems, left_out)


def _scored(named: NamedMetric, pair: Pair, sample: Sample, load: Loader) -> dict[str, Any]:
    """As ``evaluate`` scores, but kept nowhere."""
    score: dict[str, Any] = {}
    with judged(score):
        require(pair, named.metric)
        load(named)
        array, kept = finite(named.metric.extract(sample)), named.metric.reference(sample)
        score |= {"status": "scored", "array": array, "reference": kept}
        if not named.metric.of_set:
            score["value"] = named.metric.summarise([array])
    return score


def _contribute(named: NamedMetric, scores: dict[str, dict[str, Any]]) -> None:
    """Give each score of a number of sets the value that it contributes."""
    scored = [score for score in scores.values() if score["status"] == "scored"]
    if not scored:
        return
    kept = {score["reference"].key: score["reference"].array for score in scored if score["reference"] is not None}
    index = [list(kept).index(score["reference"].key) for score in scored if score["reference"] is not None]
    try:
        values = named.metric.contributions([score["array"] for score in scored], list(kept.values()), index)
    except Unscored as unscored:
        for score in scored:
            score |= {"status": "unscored", "reason": str(unscored)}
    else:
        for score, value in zip(scored, values, strict=True):
            score["value"] = float(value)


def _differences(
    named: NamedMetric, found: dict[str, dict[str, Any]], bundle: Bundle, tolerance: float, noise: float
) -> list[str]:
    submitted = {score.pair: score for score in bundle.scores if score.metric == named.name}
    sizes = [abs(score.value) for score in submitted.values() if score.value is not None]
    accepted = max(noise, tolerance * float(np.median(sizes or [0.0])), _ROUND_OFF)
    problems = []
    for pair, score in found.items():
        told, where = submitted.get(pair), f"{named.name} of {pair}"
        if told is None:
            continue  # told elsewhere
        if score["status"] != told.status:
            here = f"{score['value']:.6g}" if score["status"] == "scored" else f"{score['status']} ({score['reason']})"
            problems.append(f"{where}: was submitted as {told.status}, scored again it is {here}")
        elif told.value is not None and not abs(score["value"] - told.value) <= accepted:
            problems.append(
                f"{where}: {told.value:.6g} was submitted, scored again it is {score['value']:.6g} "
                f"(accepted are differences up to {accepted:.2g})"
            )
    return problems
