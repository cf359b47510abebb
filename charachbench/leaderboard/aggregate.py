"""The tidy table of scores -> a leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from charachbench.config import Aggregation
from charachbench.evaluate import NamedMetric
from charachbench.protocols import Metric

if TYPE_CHECKING:
    import pandas as pd

ARROWS = {"up": "↑", "down": "↓"}


@dataclass(frozen=True)
class Column:
    """A metric that at least one method has.

    Attributes:
        pairs: how many pairs its figures are over; None where that differs between methods.
        decimals: how many to show.
    """

    name: str
    unit: str
    direction: str
    pairs: int | None
    decimals: int

    @property
    def heading(self) -> str:
        """Name, unit and arrow."""
        return " ".join(part for part in (self.name, f"[{self.unit}]" if self.unit else "", self.arrow) if part)

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return ARROWS[self.direction]


@dataclass(frozen=True)
class Cell:
    """A method's figure under a metric.

    Attributes:
        value: None where the method has no pair that counts.
        pairs: over how many pairs.
        rank: 1 for the best and 2 for the second of the rows that are ranked, else 0.
    """

    value: float | None
    pairs: int
    rank: int = 0


@dataclass(frozen=True)
class Row:
    """A run.

    Attributes:
        made: how many of the benchmark's pairs the method made.
        failed: how many it failed on.
    """

    method: str
    control: bool
    given: str
    made: int
    failed: int
    cells: dict[str, Cell]


@dataclass(frozen=True)
class Leaderboard:
    """Rows methods, columns metrics.

    Attributes:
        pairs: how many the benchmark has.
        absent: by metric that no method has, the reason.
        domains: the same over each domain's pairs alone.
    """

    benchmark: str
    pairs: int
    aggregation: Aggregation
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    absent: dict[str, str] = field(default_factory=dict)
    domains: dict[str, Leaderboard] = field(default_factory=dict)

    def footnotes(self) -> list[str]:
        """What a reader must know to read the figures."""
        notes = []
        if self.aggregation is Aggregation.shared_pairs:
            notes.append("Figures are means over the pairs that every shown method has under that metric.")
            short = [f"{c.name}: {c.pairs} of {self.pairs} pairs" for c in self.columns if c.pairs != self.pairs]
            notes += [f"{'; '.join(short)}."] if short else []
        else:
            notes.append("Figures are means over each method's own pairs, their number in brackets where some lack.")
        if any(row.control for row in self.rows):
            notes.append("‡ control: shows a metric's floor or ceiling, not ranked.")
        if any("landmarks" in row.given for row in self.rows):
            notes.append("† is given the character's annotated landmarks.")
        for reason in dict.fromkeys(self.absent.values()):
            names = [name for name, other in self.absent.items() if other == reason]
            notes.append(f"Absent: {', '.join(names)}: {reason}.")
        return notes


def aggregate(
    scores: pd.DataFrame,
    metrics: Sequence[NamedMetric],
    aggregation: Aggregation = Aggregation.shared_pairs,
    *,
    by_domain: bool = True,
) -> Leaderboard:
    """Make a leaderboard.

    Args:
        scores: as ``collect`` gives it.
        metrics: the columns, in order.
        aggregation: over which pairs a figure is.
        by_domain: also make one for each domain.
    """
    methods = list(dict.fromkeys(scores["method"]))
    columns, figures, absent = [], {}, {}
    for named in metrics:
        mine = scores[scores["metric"] == named.name]
        scored = mine[mine["status"] == "scored"]
        if scored.empty:
            reasons = mine.loc[mine["reason"] != "", "reason"]
            absent[named.name] = str(reasons.mode().iloc[0]) if len(reasons) else "no pair has been scored"
            continue
        cells = {str(method): rows for method, rows in scored.groupby("method", sort=False)}
        shared = set.intersection(*(set(rows["pair"]) for rows in cells.values()))
        if aggregation is Aggregation.shared_pairs:
            cells = {method: rows[rows["pair"].isin(shared)] for method, rows in cells.items()}
        figures[named.name] = {method: _summary(named.metric, rows) for method, rows in cells.items()}
        counts = {cell.pairs for cell in figures[named.name].values()}
        values = [abs(cell.value) for cell in figures[named.name].values() if cell.value]
        columns.append(
            Column(
                name=named.name,
                unit=named.metric.unit,
                direction=named.metric.direction,
                pairs=counts.pop() if len(counts) == 1 else None,
                decimals=int(np.clip(3 - np.floor(np.log10(max(values, default=1.0))), 0, 4)),
            )
        )
    facts = {method: _facts(rows) for method, rows in scores.groupby("method", sort=False)}
    ranked = [method for method in methods if not facts[method].control] or methods
    for column in columns:
        _rank(figures[column.name], ranked, column)
    rows = [
        Row(
            method=method,
            control=facts[method].control,
            given=facts[method].given,
            made=facts[method].made,
            failed=facts[method].failed,
            cells={column.name: figures[column.name].get(method, Cell(None, 0)) for column in columns},
        )
        for method in methods
    ]
    domains = {}
    if by_domain:
        for domain, subset in sorted(scores.groupby("domain")):
            domains[str(domain)] = aggregate(subset, metrics, aggregation, by_domain=False)
    return Leaderboard(
        benchmark=str(scores["benchmark"].iloc[0]),
        pairs=scores["pair"].nunique(),
        aggregation=aggregation,
        columns=tuple(columns),
        rows=tuple(sorted(rows, key=lambda row: _order(row, columns))),
        absent=absent,
        domains=domains,
    )


@dataclass(frozen=True)
class _Facts:
    control: bool
    given: str
    made: int
    failed: int


def _facts(rows: pd.DataFrame) -> _Facts:
    first = rows.drop_duplicates("pair")
    made = first["status"].isin(["scored", "unscored", "error", "pending"])
    failed = int((first["status"] == "failed").sum())
    return _Facts(bool(rows["control"].iloc[0]), str(rows["given"].iloc[0]), int(made.sum()), failed)


def _summary(metric: Metric, rows: pd.DataFrame) -> Cell:
    if rows.empty:
        return Cell(None, 0)
    if type(metric).summarise is Metric.summarise:  # the mean over pairs: their values suffice
        value = float(rows["value"].astype(float).mean())
    else:
        value = metric.summarise([np.load(path, allow_pickle=False) for path in rows["array"]])
    return Cell(value, len(rows))


def _rank(cells: dict[str, Cell], ranked: Sequence[str], column: Column) -> None:
    """Mark the best and the second value as they are shown: rows that look equal share a mark."""
    shown = {m: round(cells[m].value, column.decimals) for m in ranked if m in cells and cells[m].value is not None}  # type: ignore[arg-type]
    best = sorted(set(shown.values()), reverse=column.direction == "up")[:2]
    for method, value in shown.items():
        if value in best:
            cells[method] = Cell(cells[method].value, cells[method].pairs, best.index(value) + 1)


def _order(row: Row, columns: Sequence[Column]) -> tuple[bool, float]:
    """Methods before controls, each by the first column, best first."""
    if not columns or (value := row.cells[columns[0].name].value) is None:
        return row.control, float("inf")
    return row.control, -value if columns[0].direction == "up" else value
