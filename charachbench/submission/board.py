"""Bundles -> a leaderboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charachbench.benchmark.types import Benchmark
from charachbench.config import Aggregation
from charachbench.leaderboard import render
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.board import Column, Leaderboard
from charachbench.leaderboard.collect import COLUMNS, label_runs
from charachbench.leaderboard.facts import MetricFacts
from charachbench.progress import track
from charachbench.report import page, plots
from charachbench.store import Run, RunInfo
from charachbench.submission.anonymous import one_line
from charachbench.submission.check import contradictions
from charachbench.submission.read import Refused, read
from charachbench.submission.schema import Bundle, Manifest

if TYPE_CHECKING:
    import pandas as pd

Facts = dict[str, MetricFacts]


def read_all(root: Path, benchmark: Benchmark) -> tuple[list[Bundle], list[str]]:
    """Every bundle of a folder that is one, of this benchmark, and does not contradict itself.

    Returns:
        those, by file name; why others are left out, a sentence each.
    """
    bundles: dict[str, Bundle] = {}
    refused = []
    names = [pair.name for pair in benchmark.pairs]
    for path in track(sorted(root.glob("*.zip")), "check bundles"):
        try:
            bundle, problems = read(path, names)
            problems = problems + contradictions(bundle, benchmark)
            if not problems and (same := bundles.get(bundle.manifest.method.key)):
                problems = [f"is the same run as {same.path.name}"]
        except Refused as error:
            problems = error.problems
        if problems:
            more = f" (and {len(problems) - 1} more, see `charachbench check_bundle`)" if len(problems) > 1 else ""
            refused.append(f"{path.name} is left out: {problems[0]}{more}")
        else:
            bundles[bundle.manifest.method.key] = bundle
    return list(bundles.values()), refused


def make(
    bundles: Sequence[Bundle], benchmark: Benchmark, aggregation: Aggregation, noise: Mapping[str, float]
) -> Leaderboard:
    """A leaderboard of bundles that have been checked.

    Under each metric stand the figures of the protocol that most bundles follow; those of others are not comparable,
    which their footnotes say. Numbers of sets are means of what pairs contribute: exact over the pairs that a bundle
    has, approximate over fewer, which a caveat says.

    Args:
        bundles: at least one.
        benchmark: that they are of.
        aggregation: what becomes of pairs that some bundle lacks.
        noise: see ``charachbench.leaderboard.aggregate``.
    """
    labels = label_runs([Run(bundle.path, _info(bundle)) for bundle in bundles])
    rows: dict[str, Bundle] = {}
    for bundle in bundles:  # whatever keys they claim, no two share a row
        label = one_line(labels[bundle.manifest.method.key], 100)
        rows[f"{label} ({bundle.path.name})" if label in rows else label] = bundle
    chosen = _most_frequent(bundles)
    scores = _tidy(rows, chosen, benchmark)
    board = aggregate(scores, [facts.recall() for facts in chosen.values()], aggregation, noise=noise)
    columns = tuple(replace(column, caveat=_caveat(column, bundles, chosen)) for column in board.columns)
    return replace(board, columns=columns)


def write_page(folder: Path, bundles: Sequence[Bundle], board: Leaderboard) -> Path:
    """The leaderboard as a page, without videos, which bundles may lack; returns it."""
    by_key = {bundle.manifest.method.key: bundle.manifest for bundle in bundles}
    manifests = {row.method: by_key[row.run] for row in board.rows}
    seconds = {name: sum(clip.seconds for clip in own.clips) for name, own in manifests.items()}
    speeds = {
        name: sum(clip.frames for clip in own.clips) / seconds[name]
        for name, own in manifests.items()
        if seconds[name] > 0
    }
    origin = page.Origin(
        {"benchmark": board.benchmark, "bundles": ", ".join(sorted(bundle.path.name for bundle in bundles))},
        {name: _facts(own) for name, own in manifests.items()},
    )
    tables = {name: name for name in render.writers(board)}
    drawn = plots.draw(board, speeds, None)
    return page.write_page(folder, board, drawn, origin=origin, title="submissions", files=tables)


def _facts(manifest: Manifest) -> dict[str, str]:
    method = manifest.method
    return {
        "key": method.key,
        "configuration": page.as_yaml(dict(method.config)),
        "seed": str(method.seed),
        "about": page.as_yaml(dict(method.about)),
        "made in": page.as_yaml([each.model_dump() for each in manifest.environments]),
    }


def _info(bundle: Bundle) -> RunInfo:
    method, benchmark = bundle.manifest.method, bundle.manifest.benchmark
    return RunInfo(
        key=method.key, method_name=method.name, method=dict(method.config), given=list(method.given),
        control=method.control, versions=method.versions, seed=method.seed,
        benchmark={"name": benchmark.name, "options": benchmark.options}, random=method.random,
        codec=method.codec,
    )  # fmt: skip


def _of(bundle: Bundle) -> Facts:
    return {facts.name: facts for facts in bundle.manifest.metrics}


def _most_frequent(bundles: Sequence[Bundle]) -> Facts:
    """By metric, the facts that most bundles share; of as many, those met first."""
    chosen = {}
    for name in dict.fromkeys(facts.name for bundle in bundles for facts in bundle.manifest.metrics):
        met = [facts for bundle in bundles if (facts := _of(bundle).get(name)) is not None]
        alike = [facts.model_dump_json(exclude={"config"}) for facts in met]  # which the signature covers
        ((most, _),) = Counter(alike).most_common(1)
        chosen[name] = met[alike.index(most)]
    return chosen


def _tidy(bundles: Mapping[str, Bundle], metrics: Facts, benchmark: Benchmark) -> pd.DataFrame:
    """See ``collect``; values of numbers of sets are what pairs contribute."""
    import pandas as pd

    rows = [row for label, bundle in bundles.items() for row in _rows(label, bundle, metrics, benchmark)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(label: str, bundle: Bundle, metrics: Facts, benchmark: Benchmark) -> list[tuple[Any, ...]]:
    method, own = bundle.manifest.method, _of(bundle)
    clips = {clip.pair: clip for clip in bundle.manifest.clips}
    scores = {(score.metric, score.pair): score for score in bundle.scores}
    refused = {
        name: f"not comparable, scored under another protocol ({why})" if name in own else "was not submitted"
        for name, facts in metrics.items()
        if name not in own or (why := own[name].unlike(facts))
    }
    failed = {failure.pair: failure.reason for failure in bundle.manifest.failures}
    rows = []
    for pair in benchmark.pairs:
        clip = clips.get(pair.name)
        for name, facts in metrics.items():
            status, value, reason = "failed", None, failed.get(pair.name, "")
            if clip is not None and name in refused:
                status, reason = "unscored", refused[name]
            elif clip is not None:
                score = scores[name, pair.name]
                status, value, reason = score.status, score.value, score.reason
            rows.append(
                (
                    benchmark.name, label, method.key, method.control, method.random, method.codec,
                    "+".join(method.given),
                    pair.character.name, pair.character.domain, pair.driver.name, pair.name,
                    name, facts.signature, status, value, reason, None, None,
                    None if clip is None else clip.fps, "" if clip is None else clip.degraded,
                )
            )  # fmt: skip
    return rows


def _caveat(column: Column, bundles: Sequence[Bundle], chosen: Facts) -> str:
    """What the bundles say of their own figures and, of numbers of sets over fewer pairs, that they are not exact."""
    figures = [
        figure
        for bundle in bundles
        for figure in bundle.manifest.figures
        if figure.metric == column.name and not _of(bundle)[column.name].unlike(chosen[column.name])
    ]
    told = list(dict.fromkeys(figure.caveat for figure in figures if figure.caveat))
    if column.of_set and any(figure.pairs > column.pairs for figure in figures):
        told.append("over fewer pairs than some bundle has, so approximate: a mean of what pairs contribute to more")
    return "; ".join(told)
