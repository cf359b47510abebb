"""Metrics against raters: signs, other libraries, and what is left out."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from charachbench.evaluate import NamedMetric
from charachbench.leaderboard.collect import COLUMNS
from charachbench.study.analysis import Opinions, Standing, Verdict
from charachbench.study.correlation import METHODS, VIDEOS, Correlation, correlate, spearman_rows
from tests.fakes import Brightness, Difference

CASES, RUNS = [f"p{index}" for index in range(8)], ["r0", "r1", "r2", "r3"]
METRICS = [NamedMetric("up", Brightness(), {}), NamedMetric("down", Difference(), {})]


def table(values: dict[str, np.ndarray]) -> pd.DataFrame:
    """Scores of metrics, (cases, runs) each; NaN is unscored."""
    rows = []
    for metric, scores in values.items():
        for (case, run), value in np.ndenumerate(scores):
            known = not np.isnan(value)
            row: dict[str, Any] = dict.fromkeys(COLUMNS, "")
            row |= {"method": f"name of {RUNS[run]}", "run": RUNS[run], "pair": CASES[case], "domain": "d"}
            row |= {"control": False, "random": False, "metric": metric, "signature": metric, "fps": 25.0}
            row |= {
                "status": "scored" if known else "unscored",
                "value": float(value) if known else None,
                "reason": "why",
            }
            rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def opinions_of(theirs: np.ndarray) -> tuple[Opinions, list[Verdict]]:
    opinions = {
        "q": {(RUNS[run], CASES[case]): [value - 1, value + 1] for (case, run), value in np.ndenumerate(theirs)}
    }
    standings = [Standing(run, float(value), None, True) for run, value in zip(RUNS, theirs.mean(axis=0), strict=True)]
    return opinions, [Verdict("q", tuple(standings), (), None, "")]


def found(values: dict[str, np.ndarray], theirs: np.ndarray) -> dict[tuple[str, str], Correlation]:
    metrics = [metric for metric in METRICS if metric.name in values]
    correlations, _ = correlate(table(values), metrics, *opinions_of(theirs))
    return {(one.metric, one.over): one for one in correlations}


def draw(seed: int = 0, ties: bool = False) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(len(CASES), len(RUNS)))
    return np.round(values) if ties else values


@pytest.mark.parametrize("ties", [False, True])
def test_it_is_what_scipy_finds_and_positive_where_they_agree(ties: bool) -> None:
    theirs = draw(0, ties) + np.arange(4)
    values = {"up": draw(1, ties) + np.arange(4), "down": draw(2, ties) + np.arange(4)}
    correlations = found(values, theirs)
    for metric, sign in (("up", 1), ("down", -1)):
        one = correlations[metric, VIDEOS]
        assert one.spearman == pytest.approx(sign * stats.spearmanr(theirs.ravel(), values[metric].ravel()).statistic)
        assert one.kendall == pytest.approx(sign * stats.kendalltau(theirs.ravel(), values[metric].ravel()).statistic)
        assert one.count == 32
        assert one.interval is not None
        assert one.interval[0] < (one.spearman or 0) < one.interval[1]
        of_methods = stats.spearmanr(theirs.mean(axis=0), values[metric].mean(axis=0)).statistic
        assert correlations[metric, METHODS].spearman == pytest.approx(sign * of_methods)
        assert correlations[metric, METHODS].count == 4
        assert correlations[metric, METHODS].interval is None


def test_a_metric_that_says_the_same_has_1_one_that_says_the_reverse_has_minus_1() -> None:
    theirs = draw()
    correlations = found({"up": 3 * theirs + 7, "down": theirs**3}, theirs)
    for over in (VIDEOS, METHODS):
        assert correlations["up", over].spearman == pytest.approx(1)
        assert correlations["up", over].kendall == pytest.approx(1)
    assert correlations["down", VIDEOS].spearman == pytest.approx(-1)
    assert correlations["up", VIDEOS].interval == pytest.approx((1, 1))


def test_cases_without_a_score_of_every_method_are_left_out() -> None:
    theirs, values = draw(), draw(1)
    values[2, 1] = np.nan
    one = found({"up": values}, theirs)["up", VIDEOS]
    rest = np.delete(np.arange(8), 2)
    assert one.count == 28
    assert one.spearman == pytest.approx(stats.spearmanr(theirs[rest].ravel(), values[rest].ravel()).statistic)


def test_what_never_changes_has_none() -> None:
    correlations = found({"up": np.ones((8, 4))}, draw())
    assert (correlations["up", VIDEOS].spearman, correlations["up", VIDEOS].interval) == (None, None)
    assert correlations["up", METHODS].kendall is None


def test_a_metric_without_scores_is_absent_with_the_reason() -> None:
    values = {"up": np.full((8, 4), np.nan), "down": draw(1)}
    correlations, absent = correlate(table(values), METRICS, *opinions_of(draw()))
    assert {one.metric for one in correlations} == {"down"}
    assert absent == {"up": "why"}
    nothing, absent = correlate(table(values).iloc[:0], METRICS, *opinions_of(draw()))
    assert nothing == []
    assert set(absent) == {"up", "down"}


def test_intervals_grow_with_what_cases_share() -> None:
    """Eight cases, each of which moves all its videos: 32 videos say no more than eight."""
    hard = np.random.default_rng(0).normal(size=(8, 1)) * 10
    one = found({"up": draw(1) + hard}, draw(2) + hard[::-1])["up", VIDEOS]
    assert one.interval is not None
    independent = 2 * 1.96 / np.sqrt(32)
    assert one.interval[1] - one.interval[0] > 1.4 * independent


def test_rows_are_correlated_each_for_itself() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, (2, 20, 9))
    second[3] = 1
    expected = [stats.spearmanr(a, b).statistic if np.ptp(b) else np.nan for a, b in zip(first, second, strict=True)]
    assert spearman_rows(first, second) == pytest.approx(expected, nan_ok=True)
