"""Methods against each other, on the pairs that they share: paired differences, and ranks within pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from charachbench.leaderboard.crossed import Crossed

Direction = Literal["up", "down"]
SIGNIFICANT = 0.05
"""Corrected p-value from which on a difference is not told."""


@dataclass(frozen=True)
class Comparison:
    """Of two methods under one metric.

    Attributes:
        difference: of the first less the second, mean over pairs.
        interval: of the difference; None where there are too few characters and drivers.
        p: of there being none, by ``Crossed.sign_test``, corrected by Holm for all pairs of methods; None likewise.
    """

    first: str
    second: str
    pairs: int
    difference: float
    interval: tuple[float, float] | None
    p: float | None

    @property
    def significant(self) -> bool:
        """Whether the two can be told apart."""
        return self.p is not None and self.p < SIGNIFICANT


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of methods within pairs, 1 the best; methods that tie in a pair share the mean of their ranks.

    Attributes:
        methods: best first.
        means: of each its mean rank.
        intervals: of each; None where there are too few characters and drivers.
        pairs: over how many.
        groups: of methods that follow each other and cannot be told apart (Demsar, "Statistical comparisons of
            classifiers over multiple data sets", JMLR 2006), the larger where one holds another.
    """

    methods: tuple[str, ...]
    means: tuple[float, ...]
    intervals: tuple[tuple[float, float] | None, ...]
    pairs: int
    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Design:
    """What pairs share.

    Attributes:
        characters, drivers: (N,), of each pair.
    """

    characters: np.ndarray
    drivers: np.ndarray

    def crossed(self, values: np.ndarray) -> Crossed:
        """Statistics of (M, N): so many quantities over the pairs."""
        return Crossed(values.T, self.characters, self.drivers)

    def intervals(self, values: np.ndarray) -> list[tuple[float, float] | None]:
        """Of the means of (M, N) over pairs; None where there are too few characters and drivers."""
        found = self.crossed(values).intervals()
        return [(float(low), float(high)) if np.isfinite(low) else None for low, high in found]


def within(interval: tuple[float, float] | None, limits: tuple[float, float]) -> tuple[float, float] | None:
    """An interval, cut where a metric's numbers end."""
    return None if interval is None else (max(interval[0], limits[0]), min(interval[1], limits[1]))


def compare(methods: Sequence[str], values: np.ndarray, design: Design) -> tuple[Comparison, ...]:
    """Every two methods.

    Args:
        methods: M names.
        values: (M, N), what each pair contributes to the figure of each method.
        design: of the N pairs.
    """
    if len(methods) < 2:
        return ()
    couples = list(combinations(range(len(methods)), 2))
    crossed = design.crossed(np.stack([values[i] - values[j] for i, j in couples]))
    if not any(crossed.resampled):
        told: list[tuple[tuple[float, float] | None, float | None]] = [(None, None)] * len(couples)
    else:
        ps = holm(crossed.sign_test())
        told = [((float(low), float(high)), float(p)) for (low, high), p in zip(crossed.intervals(), ps, strict=True)]
    return tuple(
        Comparison(methods[i], methods[j], values.shape[1], float(difference), *about)
        for (i, j), difference, about in zip(couples, crossed.means, told, strict=True)
    )


def holm(ps: np.ndarray) -> np.ndarray:
    """P-values corrected for all of them (Holm, Scandinavian Journal of Statistics, 1979).

    statsmodels has this, too, and collects all garbage of the process at each call.
    """
    order = np.argsort(ps)
    steps = np.maximum.accumulate(ps[order] * np.arange(len(ps), 0, -1))
    corrected = np.empty_like(ps)
    corrected[order] = np.minimum(steps, 1)
    return corrected


def ranks_within_pairs(values: np.ndarray, direction: Direction) -> np.ndarray:
    """(M, N) values of methods in pairs -> ranks, 1 the best."""
    import pandas as pd

    return pd.DataFrame(values).rank(axis=0, ascending=direction == "down").to_numpy()


def rank(methods: Sequence[str], ranks: np.ndarray, design: Design) -> Ranking | None:
    """Mean ranks of methods; None for fewer than two.

    Args:
        methods: M names.
        ranks: (M, N), within each pair; may be means over several metrics.
        design: of the N pairs.
    """
    if len(methods) < 2 or not ranks.shape[1]:
        return None
    means, intervals = ranks.mean(axis=1), design.intervals(ranks)
    order = sorted(range(len(methods)), key=lambda index: (means[index], methods[index]))
    names = tuple(methods[index] for index in order)
    apart = {frozenset((c.first, c.second)) for c in compare(methods, ranks, design) if c.significant}
    return Ranking(
        methods=names,
        means=tuple(float(means[index]) for index in order),
        intervals=tuple(intervals[index] for index in order),
        pairs=ranks.shape[1],
        groups=_groups(names, apart),
    )


def _groups(names: Sequence[str], apart: set[frozenset[str]]) -> tuple[tuple[str, ...], ...]:
    """Longest stretches of neighbours no two of whom are apart."""
    groups: list[tuple[str, ...]] = []
    reached = 0
    for start in range(len(names)):
        end = start + 1
        while end < len(names) and not any(frozenset((names[end], each)) in apart for each in names[start:end]):
            end += 1
        if end > max(reached, start + 1):
            groups.append(tuple(names[start:end]))
        reached = max(reached, end)
    return tuple(groups)
