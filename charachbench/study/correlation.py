"""Which metrics say what raters say: rank correlations over videos and over methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

import numpy as np

from charachbench.evaluate import NamedMetric
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.crossed import LEVEL
from charachbench.study.analysis import Interval, Opinions, Verdict

if TYPE_CHECKING:
    import pandas as pd

VIDEOS, METHODS = "videos", "methods"
RESAMPLES = 1000
LEAST = 3
"""Methods, or videos, below which a rank correlation says nothing."""
_SEED = 0


@dataclass(frozen=True)
class Correlation:
    """Of a metric with the raters, positive where they agree, whichever way the metric is better.

    Attributes:
        over: ``VIDEOS`` or ``METHODS``.
        spearman, kendall: None where either side is constant or there are too few.
        interval: of Spearman's, by resampling cases; None of methods, or of a single case.
        count: over how many videos or methods.
    """

    question: str
    metric: str
    over: str
    spearman: float | None
    kendall: float | None
    interval: Interval
    count: int


def correlate(
    scores: pd.DataFrame, metrics: Sequence[NamedMetric], opinions: Opinions, verdicts: Sequence[Verdict]
) -> tuple[list[Correlation], dict[str, str]]:
    """All metrics with all questions, over videos and over methods.

    Args:
        scores: as ``collect`` gives it, of the videos that were shown alone.
        metrics: to compare.
        opinions: of videos.
        verdicts: on methods.

    Returns:
        Over videos those metrics that score single pairs, on the cases where every method was scored and judged; over
        methods all that have a figure. And by name, why others are not among them.
    """
    if scores.empty:
        return [], {named.name: "no video is in the store as it was shown" for named in metrics}
    runs = dict(zip(scores["method"], scores["run"], strict=True))
    board = aggregate(scores, metrics, statistics=False, slices=False)
    found: list[Correlation] = []
    absent: dict[str, str] = {}
    for named in metrics:
        sign = 1.0 if named.metric.direction == "up" else -1.0
        cells = {runs[row.method]: row.cells[named.name] for row in board.rows if named.name in row.cells}
        of_methods = {run: sign * cell.value for run, cell in cells.items() if cell.value is not None}
        if not of_methods:
            absent[named.name] = _reason(scores[scores["metric"] == named.name])
            continue
        of_videos = sign * _video_values(scores, named.name) if named.metric.per_pair else None
        for verdict in verdicts:
            if of_videos is not None:
                found.append(_over_videos(verdict.question, named.name, opinions[verdict.question], of_videos))
            found.append(_over_methods(verdict, named.name, of_methods))
    return found, absent


def _reason(rows: pd.DataFrame) -> str:
    """The most frequent one why a metric has no score."""
    reasons = Counter(rows.loc[rows["status"] != "scored", "reason"])
    return str(reasons.most_common(1)[0][0]) if reasons else "no method has a figure over these videos"


def _video_values(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Pairs by runs; without pairs on which a run has no score."""
    mine = scores[(scores["metric"] == metric) & (scores["status"] == "scored")]
    table = mine.assign(value=mine["value"].astype(float)).pivot(index="pair", columns="run", values="value")
    return table.reindex(columns=scores["run"].unique()).dropna()


def _over_videos(
    question: str, metric: str, opinions: Mapping[tuple[str, str], list[float]], table: pd.DataFrame
) -> Correlation:
    known = table[[all((run, pair) in opinions for run in table.columns) for pair in table.index]]
    values = known.to_numpy()
    theirs = np.array([[mean(opinions[run, pair]) for run in known.columns] for pair in known.index])
    spearman, kendall = _ranks(theirs.ravel(), values.ravel())
    interval = None
    if spearman is not None and len(values) > 1:
        drawn = np.random.default_rng(_SEED).integers(len(values), size=(RESAMPLES, len(values)))
        again = spearman_rows(theirs[drawn].reshape(RESAMPLES, -1), values[drawn].reshape(RESAMPLES, -1))
        low, high = np.nanquantile(again, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        interval = (float(low), float(high))
    return Correlation(question, metric, VIDEOS, spearman, kendall, interval, values.size)


def _over_methods(verdict: Verdict, metric: str, values: Mapping[str, float]) -> Correlation:
    both = [(each.value, values[each.method]) for each in verdict.standings if each.method in values]
    return Correlation(verdict.question, metric, METHODS, *_ranks(*np.array(both).reshape(-1, 2).T), None, len(both))


def spearman_rows(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(B,), Spearman's correlation of each row of (B, N) with its fellow; NaN where one is constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(values, axis=1) for values in (first, second)]
    first, second = (each - each.mean(axis=1, keepdims=True) for each in ranks)
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.divide((first * second).sum(axis=1), scale, out=np.full(len(scale), np.nan), where=scale > 0)


def _ranks(first: np.ndarray, second: np.ndarray) -> tuple[float | None, float | None]:
    """Spearman's and Kendall's (tau-b) correlation."""
    from scipy import stats

    if len(first) < LEAST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None, None
    return float(spearman_rows(first[None], second[None])[0]), float(stats.kendalltau(first, second).statistic)
