"""Figures from papers beside measured ones, and whether these reproduce them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from charachbench import config
from charachbench.errors import UserError

if TYPE_CHECKING:
    from charachbench.leaderboard.board import Column, Leaderboard, Row


@dataclass(frozen=True)
class Figure:
    """As published.

    Attributes:
        row: what the paper calls the method.
        methods: our names of methods that are the same.
        metric: our name of the metric.
        tolerance: how far a measured figure may be from it, in the metric's unit.
        benchmark: its name here; with ``-landmarks`` or ``-retargeting`` on these tracks.
        characters: of the benchmark, how many; None where that is not known.
        protocol: facts of the metric's protocol, as its footnote tells them.
        unknown: what else decides the figure and is not known; such a figure is never compared.
        source: the entry of the configuration.
        paper: authors, title, venue and year.
        url: of the paper.
        taken_from: where the figure was read.
    """

    row: str
    metric: str
    value: float
    tolerance: float
    benchmark: str
    methods: list[str]
    characters: int | None = None
    protocol: dict[str, Any] | None = None
    unknown: list[str] | None = None
    source: str = ""
    paper: str = ""
    url: str = ""
    taken_from: str = ""

    def __post_init__(self) -> None:
        if self.tolerance <= 0:
            raise UserError(f"tolerance={self.tolerance}: accepted are numbers above 0")


@dataclass(frozen=True)
class Verdict:
    """On one figure.

    Attributes:
        method: the shown row that was held against it; empty where there is none.
        measured: that row's figure.
        verdict: ``outside``: of the tolerance.
        reason: why it is not comparable.
    """

    figure: Figure
    method: str
    measured: float | None
    verdict: Literal["reproduced", "outside", "not comparable"]
    reason: str = ""

    @property
    def comparable(self) -> bool:
        """Whether the figure may stand in the metric's column."""
        return self.verdict != "not comparable"


def read(node: Any) -> list[Figure]:
    """The figures of a configuration's entry ``published``.

    Raises:
        UserError: an entry holds something else than ``Figure`` does.
    """
    figures = []
    for source, entry in (node or {}).items():
        if entry is None:
            continue  # `published.faceshot=null` leaves one out
        where = f"published.{source}"
        if not isinstance(entry, Mapping) or not isinstance(entry.get("figures"), list):
            raise UserError(f"{where}: accepted is a mapping with a list of figures, see conf/published/faceshot.yaml")
        about = {name: value for name, value in entry.items() if name != "figures"}
        for index, figure in enumerate(entry["figures"]):
            target = f"{__name__}.{Figure.__name__}"
            arguments = {**about, **figure, "source": source, "_target_": target}
            figures.append(config.build(arguments, f"{where}.figures[{index}]", Figure))
    return figures


def verdicts(board: Leaderboard, figures: Sequence[Figure]) -> tuple[Verdict, ...]:
    """On all figures of the board's benchmark, for each row that they may be held against."""
    return tuple(
        verdict for figure in figures if figure.benchmark == board.benchmark for verdict in _judge(board, figure)
    )


def _judge(board: Leaderboard, figure: Figure) -> Iterator[Verdict]:
    rows = [row for row in board.rows if row.name in figure.methods]
    column = board.column(figure.metric)
    if not rows:
        yield Verdict(figure, "", None, "not comparable", "no such method is shown")
    elif column is None:
        yield Verdict(figure, rows[0].method, None, "not comparable", f"{figure.metric} was not measured")
    else:
        yield from (_hold(board, figure, row, column) for row in rows)


def _hold(board: Leaderboard, figure: Figure, row: Row, column: Column) -> Verdict:
    measured = row.cells[column.name].value
    reasons = list(_differences(board, figure, column))
    if row.random:
        reasons.append("the row is of random weights")
    if measured is None:
        reasons.append(row.cells[column.name].reason or "it has no figure")
    if reasons or measured is None:
        return Verdict(figure, row.method, measured, "not comparable", "; ".join(reasons))
    near = abs(measured - figure.value) <= figure.tolerance
    return Verdict(figure, row.method, measured, "reproduced" if near else "outside")


def _differences(board: Leaderboard, figure: Figure, column: Column) -> Iterator[str]:
    if figure.unknown:
        yield f"not known: {', '.join(figure.unknown)}"
    for fact, published in (figure.protocol or {}).items():
        if (own := column.facts.get(fact)) != published:
            yield f"{fact} is {own}, published with {published}"
    if figure.characters is not None and board.characters != figure.characters:
        yield f"{board.characters} characters, published with {figure.characters}"
