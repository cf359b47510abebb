"""The tidy table of scores -> a leaderboard."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from charachbench.config import Aggregation
from charachbench.errors import Unscored, UserError
from charachbench.evaluate import NamedMetric
from charachbench.protocols import Metric

if TYPE_CHECKING:
    import pandas as pd

ARROWS = {"up": "↑", "down": "↓"}


@dataclass(frozen=True)
class Column:
    """A metric that at least one method has.

    Attributes:
        family: what it is shown among.
        pairs: how many pairs its figures are over; None where that differs between methods.
        decimals: how many to show; -1 shows tens.
        signature: of the protocol that all its figures follow.
        protocol: that in words.
        random: whether it looks through random weights.
        caveat: why its figures are to be mistrusted; empty where they are not.
    """

    name: str
    family: str
    unit: str
    direction: str
    pairs: int | None
    decimals: int
    signature: str
    protocol: str
    random: bool = False
    caveat: str = ""

    @property
    def marked(self) -> str:
        """The name, with its mark where there is a caveat."""
        return self.name + (" §" if self.caveat else "")

    @property
    def heading(self) -> str:
        """Name, unit and arrow."""
        return " ".join(part for part in (self.marked, f"[{self.unit}]" if self.unit else "", self.arrow) if part)

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
        samples: of a metric of sets, how many frames or clips it is over, and how many they are compared with.
        reason: why there is no value, where that is not for want of pairs.
        rank: 1 for the best and 2 for the second of the rows that are ranked, else 0.
    """

    value: float | None
    pairs: int
    samples: tuple[int, int] | None = None
    reason: str = ""
    rank: int = 0


@dataclass(frozen=True)
class Row:
    """A run.

    Attributes:
        control: see ``RunInfo.control``.
        random: see ``RunInfo.random``.
        made: how many of the benchmark's pairs the method made.
        failures: the reasons why it failed on others, with how many each, the most frequent first.
        degraded: likewise of pairs that it made, but says that it did less for than it should.
    """

    method: str
    control: bool
    random: bool
    given: str
    made: int
    failures: tuple[tuple[str, int], ...]
    degraded: tuple[tuple[str, int], ...]
    cells: dict[str, Cell]

    @property
    def failed(self) -> int:
        """How many pairs it failed on."""
        return sum(count for _, count in self.failures)

    @property
    def ranked(self) -> bool:
        """Whether its figures say how good a method is."""
        return not (self.control or self.random)


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

    @property
    def families(self) -> dict[str, tuple[Column, ...]]:
        """The columns by family, in order."""
        names = dict.fromkeys(column.family for column in self.columns)
        return {name: tuple(column for column in self.columns if column.family == name) for name in names}

    def protocols(self, columns: Sequence[Column] | None = None) -> list[str]:
        """What each column is, of some or of all, and under which signature it may be compared with others."""
        return [f"{column.signature}: {column.protocol}" for column in (self.columns if columns is None else columns)]

    def footnotes(self, columns: Sequence[Column] | None = None) -> list[str]:
        """What a reader must know to read the figures, of some columns or of all."""
        notes = []
        columns = self.columns if columns is None else columns
        if self.aggregation is Aggregation.shared_pairs:
            besides = " that is not of random weights" if any(row.random for row in self.rows) else ""
            notes.append(f"Figures are means over the pairs that every shown method{besides} has under that metric.")
            short = [f"{c.name}: {c.pairs} of {self.pairs} pairs" for c in columns if c.pairs != self.pairs]
            notes += [f"{'; '.join(short)}."] if short else []
        else:
            notes.append("Figures are means over each method's own pairs, their number in brackets where some lack.")
        if any(row.control for row in self.rows):
            notes.append("‡ control: shows a metric's floor or ceiling, not ranked.")
        if any(row.random for row in self.rows):
            notes.append("¶ random weights: shows that the pipeline runs; its numbers say nothing of the method.")
        if any("landmarks" in row.given for row in self.rows):
            notes.append("† is given the character's annotated landmarks.")
        if random := [column.name for column in columns if column.random]:
            notes.append(
                f"{', '.join(random)}: through networks with random weights, a weaker yardstick than trained ones, and "
                "not comparable with their figures."
            )
        notes += [f"§ {column.name}: {column.caveat}." for column in columns if column.caveat]
        lacking: dict[str, dict[str, list[str]]] = {}
        for row in self.rows:
            for name, cell in ((column.name, row.cells[column.name]) for column in columns):
                if cell.value is None and cell.reason:
                    lacking.setdefault(cell.reason, {}).setdefault(row.method, []).append(name)
        for reason, methods in lacking.items():
            where = "; ".join(f"{', '.join(names)} of {method}" for method, names in methods.items())
            notes.append(f"–: {where}: {reason}.")
        for row in self.rows:
            told = [f"{count} failed: {reason}" for reason, count in row.failures[:3]]
            told += ["others failed"] if len(row.failures) > 3 else []
            told += [f"{count} of {row.made} degraded: {reason}" for reason, count in row.degraded]
            if told and row.made:  # where nothing was made the reason is above
                notes.append(f"{row.method}: {'; '.join(told)}.")
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
    noise: Mapping[str, float] | None = None,
) -> Leaderboard:
    """Make a leaderboard.

    Args:
        scores: as ``collect`` gives it.
        metrics: the columns, in order.
        aggregation: over which pairs a figure is.
        by_domain: also make one for each domain.
        noise: by signature, the spread of repeated scoring (``charachbench.noise``); no digit below it is shown.

    Raises:
        UserError: figures of one column were made under different protocols.
    """
    methods = list(dict.fromkeys(scores["method"]))
    randoms = set(scores.loc[scores["random"], "method"])  # which narrow nobody's pairs
    columns, figures, absent = [], {}, {}
    for named in metrics:
        mine = scores[scores["metric"] == named.name]
        if len(signatures := sorted(mine["signature"].unique())) > 1:
            raise UserError(
                f"{named.name}: figures under different protocols cannot share a column: {', '.join(signatures)}; "
                "score them again under one"
            )
        scored = mine[mine["status"] == "scored"]
        if scored.empty:
            absent[named.name] = _reason(mine)
            continue
        cells = {str(method): rows for method, rows in scored.groupby("method", sort=False)}
        deciding = [method for method in cells if method not in randoms] or list(cells)
        shared = set.intersection(*(set(cells[method]["pair"]) for method in deciding))
        if aggregation is Aggregation.shared_pairs:
            cells = {method: rows[rows["pair"].isin(shared)] for method, rows in cells.items()}
        figures[named.name] = {method: _summary(named.metric, rows) for method, rows in cells.items()}
        for method in methods:
            if method not in cells:
                figures[named.name][method] = Cell(None, 0, reason=_reason(mine[mine["method"] == method]))
        if all(cell.value is None for cell in figures[named.name].values()):
            told = [cell.reason for cell in figures[named.name].values() if cell.reason]
            absent[named.name] = told[0] if told else "no pair has a score under every shown method"
            continue
        counts = {len(cells[method]) for method in deciding}
        columns.append(
            Column(
                name=named.name,
                family=named.metric.family,
                unit=named.metric.unit,
                direction=named.metric.direction,
                pairs=counts.pop() if len(counts) == 1 else None,
                decimals=_decimals(figures[named.name].values(), (noise or {}).get(named.signature, 0.0)),
                signature=named.signature,
                protocol=_protocol(named.metric, list(figures[named.name].values()), scored["fps"].unique()),
                random=named.metric.random,
                caveat=_caveat(named.metric, cells, figures[named.name]),
            )
        )
    rows = [_row(method, scores[scores["method"] == method]) for method in methods]
    ranked = [row.method for row in rows if row.ranked] or [row.method for row in rows if not row.random]
    for column in columns:
        _rank(figures[column.name], ranked, column)
    rows = [
        replace(row, cells={column.name: figures[column.name].get(row.method, Cell(None, 0)) for column in columns})
        for row in rows
    ]
    domains = {}
    if by_domain:
        for domain, subset in sorted(scores.groupby("domain")):
            domains[str(domain)] = aggregate(subset, metrics, aggregation, by_domain=False, noise=noise)
    return Leaderboard(
        benchmark=str(scores["benchmark"].iloc[0]),
        pairs=scores["pair"].nunique(),
        aggregation=aggregation,
        columns=tuple(columns),
        rows=tuple(sorted(rows, key=lambda row: _order(row, columns))),
        absent=absent,
        domains=domains,
    )


def _row(method: str, scores: pd.DataFrame) -> Row:
    """A method's row, its cells still to come."""
    pairs, about = scores.drop_duplicates("pair"), scores.iloc[0]
    failed = pairs[pairs["status"] == "failed"]
    reasons = Counter(re.sub(r"^(character|driver) '[^']*': ", "", str(reason)) for reason in failed["reason"])
    return Row(
        method=method,
        control=bool(about["control"]),
        random=bool(about["random"]),
        given=str(about["given"]),
        made=int(pairs["status"].isin(["scored", "unscored", "error", "pending"]).sum()),
        failures=tuple(reasons.most_common()),
        degraded=tuple(Counter(pairs.loc[pairs["degraded"].fillna("") != "", "degraded"]).most_common()),
        cells={},
    )


def _summary(metric: Metric, rows: pd.DataFrame) -> Cell:
    if rows.empty:
        return Cell(None, 0)
    if type(metric).summarise is Metric.summarise:  # the mean over pairs: their values suffice
        return Cell(float(rows["value"].astype(float).mean()), len(rows))
    arrays, references = _Arrays(rows["array"]), _Arrays(rows["reference"].dropna().unique())
    try:
        value = metric.summarise(arrays, references)
    except Unscored as unscored:  # too few samples, say, of a domain
        return Cell(None, len(rows), reason=str(unscored))
    return Cell(value, len(rows), None if metric.per_pair else (arrays.rows(), references.rows()))


class _Arrays(Sequence[np.ndarray]):
    """Stored arrays, read one at a time."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = list(paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: Any) -> Any:
        return self._read(self._paths[index])

    def rows(self) -> int:
        """Of all together; reads no more than headers."""
        return sum(len(self._read(path, mmap_mode="r")) for path in self._paths)

    @staticmethod
    def _read(path: str, **options: Any) -> np.ndarray:
        try:
            array: np.ndarray = np.load(path, allow_pickle=False, **options)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{path}: cannot be read; remove it and run `charachbench evaluate` again") from error
        return array


def _reason(rows: pd.DataFrame) -> str:
    """The most frequent reason why pairs have no score, what metrics say before what methods say."""
    for statuses in (("unscored", "error"), ("failed",), ("pending", "missing")):
        reasons = rows.loc[rows["status"].isin(statuses), "reason"]
        if len(reasons):
            return str(reasons.mode().iloc[0])
    return "no pair has been scored"


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
        facts["n"] = " or ".join(map(str, sorted({cell.pairs for cell in cells if cell.pairs}))) + " pairs"
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def _caveat(metric: Metric, rows: Mapping[str, pd.DataFrame], cells: Mapping[str, Cell]) -> str:
    """Of the method with the fewest samples."""
    counted = {method: cell.samples for method, cell in cells.items() if cell.samples}
    if not counted:
        return ""
    fewest = min(counted, key=lambda method: counted[method])
    return metric.caveat(*counted[fewest], _Arrays(rows[fewest]["array"].iloc[:1])[0].shape[1])


def _rank(cells: dict[str, Cell], ranked: Sequence[str], column: Column) -> None:
    """Mark the best and the second value as they are shown: rows that look equal share a mark."""
    shown = {m: round(cells[m].value, column.decimals) for m in ranked if m in cells and cells[m].value is not None}  # type: ignore[arg-type]
    best = sorted(set(shown.values()), reverse=column.direction == "up")[:2]
    for method, value in shown.items():
        if value in best:
            cells[method] = replace(cells[method], rank=best.index(value) + 1)


def _order(row: Row, columns: Sequence[Column]) -> tuple[bool, float]:
    """Methods before rows that are not ranked, each by the first column, best first."""
    if not columns or (value := row.cells[columns[0].name].value) is None:
        return not row.ranked, float("inf")
    return not row.ranked, -value if columns[0].direction == "up" else value
