"""The tidy table of scores -> a leaderboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from charachbench.config import Aggregation
from charachbench.errors import Unscored
from charachbench.evaluate import NamedMetric
from charachbench.leaderboard.board import Cell, Column, Leaderboard, Row, Slice
from charachbench.leaderboard.comparison import Ranking, compare, rank, ranks_within_pairs, within
from charachbench.leaderboard.grid import Grid, MetricGrid, to_grid
from charachbench.leaderboard.sets import Arrays, SetNumbers
from charachbench.protocols import Metric

if TYPE_CHECKING:
    import pandas as pd

SLICES: tuple[Slice, ...] = ("domain", "driver", "character")


def aggregate(
    scores: pd.DataFrame,
    metrics: Sequence[NamedMetric],
    aggregation: Aggregation = Aggregation.shared_pairs,
    *,
    statistics: bool = True,
    slices: bool = True,
    noise: Mapping[str, float] | None = None,
    sets: SetNumbers | None = None,
) -> Leaderboard:
    """Make a leaderboard.

    Args:
        scores: as ``collect`` gives it. Where numbers of sets have no arrays, their values are what pairs contribute
            (``Metric.contributions``).
        metrics: the columns, in order.
        aggregation: what becomes of pairs that some method lacks.
        statistics: whether to give intervals, and to compare methods.
        slices: also make one for each domain, driver and character, with intervals but without comparisons.
        noise: by signature, the spread of repeated scoring (``charachbench.noise``); no digit below it is shown.
        sets: computes the numbers of sets; None computes them anew.

    Raises:
        UserError: figures of one column were made under different protocols.
    """
    maker = _Maker(aggregation, noise or {}, sets or SetNumbers(None), statistics)
    whole = to_grid(scores, metrics)
    board = maker.board(whole, comparisons=statistics)
    found: dict[Slice, dict[str, Leaderboard]] = {}
    for kind in SLICES if slices else ():
        # sets as small as a driver's or a character's tell nothing, nor do contributions to the number of a larger set
        of_domain = whole.only(lambda metric: not metric.contributed)
        chosen = of_domain if kind == "domain" else whole.only(lambda metric: not metric.of_set)
        labels: np.ndarray = getattr(whole, kind)
        found[kind] = {str(name): maker.board(chosen.take(labels == name)) for name in np.unique(labels)}
    return replace(board, slices=found)


@dataclass(frozen=True)
class _Figures:
    """Of all methods under one metric.

    Attributes:
        cells: (M,).
        common: (P,), which pairs count.
        contributions: by method, (N,), what each of these pairs brings to its figure.
        worst: what failed pairs count as, where there are any.
    """

    cells: list[Cell]
    common: np.ndarray
    contributions: dict[int, np.ndarray]
    worst: float | None = None

    def stacked(self, methods: Sequence[int]) -> np.ndarray | None:
        """Contributions of some methods, (M, N); None where one has none."""
        if any(method not in self.contributions for method in methods) or not methods:
            return None
        return np.stack([self.contributions[method] for method in methods])


@dataclass(frozen=True)
class _Maker:
    """Makes leaderboards of one kind, over different pairs."""

    aggregation: Aggregation
    noise: Mapping[str, float]
    sets: SetNumbers
    intervals: bool

    def board(self, scores: Grid, *, comparisons: bool = False) -> Leaderboard:
        """Over all pairs of a grid.

        Args:
            scores: the grid.
            comparisons: whether to compare methods, and to rank them within pairs; intervals of numbers of sets, which
                take long, come with them.
        """
        rows, columns, absent = scores.rows(), [], {}
        ranked = [i for i, row in enumerate(rows) if row.ranked] or [i for i, row in enumerate(rows) if not row.random]
        cells: list[dict[str, Cell]] = [{} for _ in rows]
        found: list[tuple[MetricGrid, _Figures]] = []
        for metric in scores.metrics:
            name = metric.named.name
            if not metric.scored.any():
                absent[name] = metric.why_none()
                continue
            figures = self._figures(metric, scores, with_contributions=comparisons or not metric.of_set)
            if all(cell.value is None for cell in figures.cells):
                told = [cell.reason for cell in figures.cells if cell.reason]
                absent[name] = told[0] if told else "no pair has a score under every shown method"
                continue
            column = self._column(metric, figures)
            competing = [index for index in ranked if figures.cells[index].value is not None]
            if comparisons:
                column = _compared(column, [rows[index].method for index in competing], figures, competing, scores)
            for own, cell in zip(cells, _marked(figures.cells, competing, rows, column), strict=True):
                own[name] = cell
            columns.append(column)
            found.append((metric, figures))
        rows = [replace(row, cells=own) for row, own in zip(rows, cells, strict=True)]
        return Leaderboard(
            benchmark=scores.benchmark,
            pairs=scores.pairs,
            characters=len(set(scores.character)),
            drivers=len(set(scores.driver) - {""}),
            aggregation=self.aggregation,
            columns=tuple(columns),
            rows=tuple(sorted(rows, key=lambda row: _order(row, columns))),
            absent=absent,
            ranking=_overall(rows, ranked, found, scores) if comparisons else None,
        )

    def _figures(self, metric: MetricGrid, scores: Grid, *, with_contributions: bool) -> _Figures:
        known = np.asarray(metric.scored.any(axis=1))
        cells = [Cell(None, 0, reason="" if known[i] else metric.why_none(i)) for i in range(len(known))]
        counted, common, failed = self._pairs(metric, scores)
        worst = _worst(metric, scores) if failed[:, common].any() else None
        values = metric.value if worst is None else np.where(failed, worst, metric.value)
        figures, limits = _Figures(cells, common, {}, worst), metric.named.metric.limits
        for index in map(int, np.flatnonzero(known)):
            mine = counted[index] & common
            try:
                cell, contributions = self._cell(metric, index, mine, values[index], with_contributions)
            except Unscored as unscored:  # too few samples, say, of a domain
                cell, contributions = Cell(None, int(mine.sum()), reason=str(unscored)), None
            cells[index] = replace(cell, failed=int(failed[index][mine].sum()))
            if contributions is None or not self.intervals:
                continue
            if np.array_equal(mine, common):
                figures.contributions[index] = contributions
            else:  # of random weights
                (interval,) = scores.design(mine).intervals(contributions[None])
                cells[index] = replace(cells[index], interval=within(interval, limits))
        together = figures.stacked(list(figures.contributions))
        if together is not None:
            intervals = scores.design(common).intervals(together)
            for index, interval in zip(figures.contributions, intervals, strict=True):
                cells[index] = replace(cells[index], interval=within(interval, limits))
        return figures

    def _pairs(self, metric: MetricGrid, scores: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which pairs count for each method (M, P), which for all (P,), and which of the former are failures."""
        scored = metric.scored
        known = np.asarray(scored.any(axis=1))
        failed = np.zeros_like(scored)
        if self.aggregation is Aggregation.worst_value_for_failures and not metric.of_set:
            failed = (metric.status == "failed") & known[:, None]
        solid = known & np.array([not row.random for row in scores.methods])
        deciding = solid if solid.any() else known  # random weights narrow nobody's pairs
        counted = scored | failed
        return counted, counted[deciding].all(axis=0) & scored[deciding].any(axis=0), failed

    def _cell(
        self, metric: MetricGrid, method: int, pairs: np.ndarray, values: np.ndarray, with_contributions: bool
    ) -> tuple[Cell, np.ndarray | None]:
        """A method's figure over some pairs, and what each of them brings to it.

        Raises:
            Unscored: there is none.
        """
        count = int(pairs.sum())
        if not count:
            return Cell(None, 0), None
        if not metric.of_set or metric.contributed:
            return Cell(float(values[pairs].mean()), count), values[pairs]
        compared_with = metric.reference[method][pairs].tolist()
        arrays = Arrays(metric.array[method][pairs].tolist())
        references = Arrays(dict.fromkeys(path for path in compared_with if path is not None))
        value = self.sets.value(metric.named, arrays, references)
        samples = None if metric.named.metric.per_pair else (arrays.rows(), references.rows())
        contributions = None
        if with_contributions and self.intervals:
            contributions = self.sets.contributions(metric.named, arrays, compared_with)
        return Cell(value, count, samples=samples), contributions

    def _column(self, scores: MetricGrid, figures: _Figures) -> Column:
        named, metric = scores.named, scores.named.metric
        known = [cell for cell in figures.cells if cell.value is not None]
        return Column(
            name=named.name,
            family=metric.family,
            unit=metric.unit,
            direction=metric.direction,
            pairs=int(figures.common.sum()),
            decimals=_decimals(known, self.noise.get(named.signature, 0.0)),
            signature=named.signature,
            protocol=_protocol(metric, known, np.unique(scores.fps[scores.scored])),
            facts=metric.protocol(),
            random=metric.random,
            caveat=_caveat(scores, figures),
            of_set=scores.of_set,
            worst=figures.worst,
        )


def _worst(metric: MetricGrid, scores: Grid) -> float:
    """That any method reached on any pair; of controls, which are meant to be bad, only where there is nothing else."""
    judged = [i for i, row in enumerate(scores.methods) if row.ranked and metric.scored[i].any()]
    values = metric.value[judged or slice(None)]
    return float(np.nanmin(values) if metric.named.metric.direction == "up" else np.nanmax(values))


def _compared(
    column: Column, methods: Sequence[str], figures: _Figures, competing: Sequence[int], scores: Grid
) -> Column:
    """With its methods compared and ranked, if they have anything to be compared by."""
    values = figures.stacked(competing)
    if values is None:
        return column
    design = scores.design(figures.common)
    ranking = None if column.of_set else rank(methods, ranks_within_pairs(values, column.direction), design)
    return replace(column, comparisons=compare(methods, values, design), ranking=ranking)


def _overall(
    rows: Sequence[Row], ranked: Sequence[int], found: Sequence[tuple[MetricGrid, _Figures]], scores: Grid
) -> Ranking | None:
    """Of the ranked methods over all metrics that score pairs and that they all have, each family counting the same."""
    methods = [index for index in ranked if rows[index].made]
    families: dict[str, list[np.ndarray]] = {}
    for metric, figures in found:
        if not metric.of_set and (values := figures.stacked(methods)) is not None:
            ranks = np.full((len(methods), scores.pairs), np.nan)
            ranks[:, figures.common] = ranks_within_pairs(values, metric.named.metric.direction)
            families.setdefault(metric.named.metric.family, []).append(ranks)
    if not families:
        return None
    mean = _mean([_mean(family) for family in families.values()])
    known = np.isfinite(mean).all(axis=0)
    return rank([rows[index].method for index in methods], mean[:, known], scores.design(known))


def _mean(layers: Sequence[np.ndarray]) -> np.ndarray:
    """Over those layers that have a number; NaN where none has."""
    known = np.isfinite(layers)
    count = known.sum(axis=0)
    total = np.where(known, layers, 0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _decimals(cells: Iterable[Cell], noise: float) -> int:
    """Four significant digits of the largest figure, but none below the noise."""
    largest = max((abs(cell.value) for cell in cells if cell.value), default=1.0)
    decimals = int(np.clip(3 - np.floor(np.log10(largest)), 0, 6))
    return decimals if noise <= 0 else int(np.clip(np.floor(-np.log10(noise)), -9, decimals))


def _protocol(metric: Metric, cells: Sequence[Cell], rates: Iterable[float]) -> str:
    """The facts of a metric's protocol, the videos' frames per second and its sample sizes, in words."""
    facts = {"version": metric.version, **metric.protocol()}
    facts["fps"] = " or ".join(f"{rate:g}" for rate in sorted(rates))
    counts = sorted({cell.samples for cell in cells if cell.samples})
    if counts:
        facts["n"] = " or ".join(f"{made} against {true}" for made, true in (counts[0], counts[-1])[: len(counts)])
    else:
        facts["n"] = " or ".join(map(str, sorted({cell.pairs for cell in cells}))) + " pairs"
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def _caveat(metric: MetricGrid, figures: _Figures) -> str:
    """Of the method with the fewest samples."""
    counted = {index: cell.samples for index, cell in enumerate(figures.cells) if cell.samples}
    if not counted:
        return ""
    fewest = min(counted, key=lambda index: counted[index])
    path = metric.array[fewest][metric.scored[fewest] & figures.common][0]
    return metric.named.metric.caveat(*counted[fewest], Arrays([path])[0].shape[1])


def _marked(cells: Sequence[Cell], competing: Sequence[int], rows: Sequence[Row], column: Column) -> list[Cell]:
    """Mark the best and the second value as they are shown, rows that look equal alike, and what ties with the best."""
    marked = list(cells)
    upwards = column.direction == "up"
    figures = {index: value for index in competing if (value := cells[index].value) is not None}
    shown = {index: round(value, column.decimals) for index, value in figures.items()}
    places = sorted(set(shown.values()), reverse=upwards)[:2]
    best = (max if upwards else min)(figures, key=lambda index: figures[index], default=None)
    for index, value in shown.items():
        marked[index] = replace(
            cells[index],
            rank=places.index(value) + 1 if value in places else 0,
            tied=best is not None and column.tied(rows[index].method, rows[best].method),
        )
    return marked


def _order(row: Row, columns: Sequence[Column]) -> tuple[bool, float]:
    """Methods before rows that are not ranked, each by the first column, best first."""
    if not columns or (value := row.cells[columns[0].name].value) is None:
        return not row.ranked, float("inf")
    return not row.ranked, -value if columns[0].direction == "up" else value
