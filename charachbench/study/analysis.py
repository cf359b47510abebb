"""What raters say of methods: means or strengths, which differences are more than chance, and how far raters agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from charachbench.config import StudyKind
from charachbench.leaderboard.comparison import holm
from charachbench.leaderboard.crossed import LEVEL, Crossed
from charachbench.study import bradley_terry
from charachbench.study.design import SIDES, Study
from charachbench.study.responses import Judgement

Interval = tuple[float, float] | None
"""At ``LEVEL``; None where there are too few raters and too few cases to tell how they vary (``crossed.LEAST``)."""
Opinions = dict[str, dict[tuple[str, str], list[float]]]
"""By question and (run, pair), what each judgement is worth to the video: its rating, or 1 for a win, 0.5 for a tie."""
WON = dict(zip(SIDES, (1.0, 0.5, 0.0), strict=True))
"""What an answer is worth to the left one."""


@dataclass(frozen=True)
class Standing:
    """A method under a question.

    Attributes:
        method: the run's key.
        value: the mean rating, or the strength in log odds.
        is_best: whether it is the best, or not distinguishable from it.
    """

    method: str
    value: float
    interval: Interval
    is_best: bool


@dataclass(frozen=True)
class Difference:
    """Of two methods' values under a question.

    Attributes:
        methods: the runs' keys.
        value: of the first minus the second.
        p_value: two-sided, adjusted for all pairs of methods under the question; None where there is no interval.
    """

    methods: tuple[str, str]
    value: float
    interval: Interval
    p_value: float | None


@dataclass(frozen=True)
class Verdict:
    """All that was said to a question.

    Attributes:
        standings: of all methods that were judged, best first.
        alpha: Krippendorff's; None where it is not defined.
        undefined: why it is not, else empty.
    """

    question: str
    standings: tuple[Standing, ...]
    differences: tuple[Difference, ...]
    alpha: float | None
    undefined: str


def judge(study: Study, judgements: Sequence[Judgement]) -> list[Verdict]:
    """The verdict on each question."""
    return [
        _verdict(study, question, [judgement for judgement in judgements if judgement.question == question])
        for question in study.questions
    ]


def opinions(judgements: Iterable[Judgement]) -> Opinions:
    """What is thought of each video."""
    found: Opinions = defaultdict(lambda: defaultdict(list))
    for judgement in judgements:
        for side, method in enumerate(judgement.methods):
            value = float(judgement.value) if len(judgement.methods) == 1 else abs(side - WON[str(judgement.value)])
            found[judgement.question][method, judgement.case].append(value)
    return found


def _verdict(study: Study, question: str, judgements: Sequence[Judgement]) -> Verdict:
    judged = {method for judgement in judgements for method in judgement.methods}
    methods = [method for method in study.methods if method in judged]
    couples = list(combinations(range(len(methods)), 2))
    each = np.eye(len(methods))
    contrasts = np.array([*each, *(each[first] - each[second] for first, second in couples)])
    estimate = _compared if study.kind is StudyKind.pairwise else _rated
    values, intervals, p_values = estimate(judgements, methods, contrasts)
    adjusted = holm(p_values[len(methods) :])  # NaN stays so
    best = int(np.argmax(values[: len(methods)]))
    apart = {sum(two) - best for two, p in zip(couples, adjusted, strict=True) if best in two and p < 1 - LEVEL}
    standings = [
        Standing(method, float(values[index]), _interval(intervals[index]), index not in apart)
        for index, method in enumerate(methods)
    ]
    differences = [
        Difference((methods[first], methods[second]), float(value), _interval(interval), _known(p))
        for (first, second), value, interval, p in zip(
            couples, values[len(methods) :], intervals[len(methods) :], adjusted, strict=True
        )
    ]
    alpha, undefined = _agreement(study.kind, judgements)
    return Verdict(question, tuple(sorted(standings, key=lambda one: -one.value)), tuple(differences), alpha, undefined)


Estimates = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Of contrasts: values (C,), intervals (C, 2) and p-values (C,)."""


def _rated(judgements: Sequence[Judgement], methods: Sequence[str], contrasts: np.ndarray) -> Estimates:
    """Means; raters and cases both being drawn from many (``charachbench.leaderboard.crossed``)."""
    rows: dict[tuple[int, str], dict[str, float]] = defaultdict(dict)
    for judgement in judgements:
        rows[judgement.rater, judgement.case][judgement.methods[0]] = float(judgement.value)
    values = np.array([[row[method] for method in methods] for row in rows.values()])
    raters, cases = (np.array(labels) for labels in zip(*rows, strict=True))
    crossed = Crossed(values @ contrasts.T, raters, cases)
    return crossed.means, crossed.intervals(), crossed.sign_test()


def _compared(judgements: Sequence[Judgement], methods: Sequence[str], contrasts: np.ndarray) -> Estimates:
    """Strengths; their variance is what follows from shared raters and cases, but no less than without them.

    Where a method nearly always wins the former is about 0, as hardly any comparison is then a surprise.
    """
    from scipy import stats

    left, right = (np.array([methods.index(judgement.methods[side]) for judgement in judgements]) for side in (0, 1))
    strengths = bradley_terry.fit(left, right, np.array([WON[str(one.value)] for one in judgements]), len(methods))
    values = contrasts @ strengths.values
    raters, cases = np.array([one.rater for one in judgements]), np.array([one.case for one in judgements])
    crossed = Crossed(strengths.influences @ contrasts.T, raters, cases)
    if not any(crossed.resampled):
        return values, np.full((len(values), 2), np.nan), np.full(len(values), np.nan)
    independent = np.einsum("ci,ij,cj->c", contrasts, strengths.covariance, contrasts)
    errors = np.sqrt(np.maximum(crossed.variances, independent))
    reach = stats.t.ppf((1 + LEVEL) / 2, crossed.freedom) * errors
    p_values = 2 * stats.t.sf(np.abs(values) / errors, crossed.freedom)
    return values, np.stack([values - reach, values + reach], axis=1), p_values


def _agreement(kind: StudyKind, judgements: Sequence[Judgement]) -> tuple[float | None, str]:
    """Krippendorff's alpha over videos or, of comparisons, over two methods' videos of a case; and why there is none.

    Ratings are taken for an interval scale, choices for names. Every comparison counts both ways round: in what order
    its methods are listed is arbitrary, and must not decide how much agreement is to be expected by chance.
    """
    import krippendorff

    rows = {rater: row for row, rater in enumerate({judgement.rater: None for judgement in judgements})}
    units: dict[tuple[str, ...], dict[int, float]] = defaultdict(dict)
    for judgement in judgements:
        value = float(judgement.value) if kind is StudyKind.rating else WON[str(judgement.value)]
        swapped = judgement.methods != (ordered := tuple(sorted(judgement.methods)))
        units[judgement.case, *ordered][rows[judgement.rater]] = 1 - value if swapped else value
    values = np.full((len(rows), len(units)), np.nan)
    for column, known in enumerate(units.values()):
        values[list(known), column] = list(known.values())
    if kind is StudyKind.pairwise:
        values = np.concatenate([values, 1 - values], axis=1)
    shared = values[:, (~np.isnan(values)).sum(axis=0) > 1]
    if shared.size == 0:
        return None, "no two raters judged the same"
    if len(np.unique(shared[~np.isnan(shared)])) == 1:
        return None, "all answers are the same"
    level: Literal["nominal", "interval"] = "nominal" if kind is StudyKind.pairwise else "interval"
    return float(krippendorff.alpha(shared, level_of_measurement=level)), ""


def _interval(ends: np.ndarray) -> Interval:
    return None if np.isnan(ends).any() else (float(ends[0]), float(ends[1]))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
