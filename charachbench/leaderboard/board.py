"""What a leaderboard is: rows of methods, columns of metrics, and what a reader must know to read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from charachbench.codecs import LOSSLESS
from charachbench.config import Aggregation
from charachbench.leaderboard.comparison import SIGNIFICANT, Comparison, Direction, Ranking
from charachbench.leaderboard.crossed import LEAST

if TYPE_CHECKING:
    from charachbench.leaderboard.published import Verdict

ARROWS = {"up": "↑", "down": "↓"}
Slice = Literal["domain", "driver", "character"]
LANDMARKS_GIVEN, CONTROL, RANDOM, TIED, CAVEAT, COMPRESSED = "†", "‡", "¶", "≈", "§", "◇"


@dataclass(frozen=True)
class Column:
    """A metric that at least one method has.

    Attributes:
        family: what it is shown among.
        pairs: how many pairs its figures are over.
        decimals: how many to show; -1 shows tens.
        signature: of the protocol that all its figures follow.
        protocol: that in words.
        facts: of the protocol, as ``Metric.protocol`` tells them.
        random: whether it looks through random weights.
        caveat: why its figures are to be mistrusted; empty where they are not.
        of_set: whether it is a number of all pairs together, which a single pair has not.
        worst: what a failed pair counts as; None where failed pairs do not count.
        comparisons: of every two ranked methods.
        ranking: of the ranked methods within each pair; None for fewer than two, and for numbers of all pairs together.
    """

    name: str
    family: str
    unit: str
    direction: Direction
    pairs: int
    decimals: int
    signature: str
    protocol: str
    facts: dict[str, str | int | float] = field(default_factory=dict)
    random: bool = False
    caveat: str = ""
    of_set: bool = False
    worst: float | None = None
    comparisons: tuple[Comparison, ...] = ()
    ranking: Ranking | None = None

    @property
    def marked(self) -> str:
        """The name, with its mark where there is a caveat."""
        return self.name + (f" {CAVEAT}" if self.caveat else "")

    @property
    def heading(self) -> str:
        """Name, unit and arrow."""
        return " ".join(part for part in (self.marked, f"[{self.unit}]" if self.unit else "", self.arrow) if part)

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return ARROWS[self.direction]

    def tied(self, method: str, best: str) -> bool:
        """Whether two ranked methods were compared, or are one, and cannot be told apart."""
        found = [c for c in self.comparisons if {c.first, c.second} == {method, best} and c.p is not None]
        return not found[0].significant if found else method == best

    def text(self, value: float) -> str:
        """A figure, or the half width of its interval, with as many decimals as are shown."""
        return f"{round(value, self.decimals):.{max(self.decimals, 0)}f}"


@dataclass(frozen=True)
class Cell:
    """A method's figure under a metric.

    Attributes:
        value: None where the method has no pair that counts.
        pairs: over how many pairs.
        interval: both ends, at ``crossed.LEVEL``; None where there is none, as of too few characters and drivers.
        samples: of a metric of sets, how many frames or clips it is over, and how many they are compared with.
        reason: why there is no value, where that is not for want of pairs.
        rank: 1 for the best and 2 for the second of the rows that are ranked, else 0.
        tied: whether it is ranked and cannot be told from the best.
        failed: how many of ``pairs`` are failures that count as the worst value.
    """

    value: float | None
    pairs: int
    interval: tuple[float, float] | None = None
    samples: tuple[int, int] | None = None
    reason: str = ""
    rank: int = 0
    tied: bool = False
    failed: int = 0

    @property
    def half_width(self) -> float | None:
        """Half of the interval's."""
        return None if self.interval is None else (self.interval[1] - self.interval[0]) / 2


@dataclass(frozen=True)
class Row:
    """A run.

    Attributes:
        run: its key.
        control: see ``RunInfo.control``.
        random: see ``RunInfo.random``.
        codec: see ``RunInfo.codec``.
        comparable: false where other rows are scored from pixels that were compressed otherwise, or not at all.
        made: how many of the benchmark's pairs the method made.
        failures: the reasons why it failed on others, with how many each, the most frequent first.
        degraded: likewise of pairs that it made, but says that it did less for than it should.
    """

    method: str
    run: str
    control: bool
    random: bool
    given: str
    made: int
    failures: tuple[tuple[str, int], ...]
    degraded: tuple[tuple[str, int], ...]
    cells: dict[str, Cell]
    codec: str = LOSSLESS
    comparable: bool = True

    @property
    def name(self) -> str:
        """Of the method, without the settings that tell its runs apart."""
        return self.method.partition(" (")[0]

    @property
    def failed(self) -> int:
        """How many pairs it failed on."""
        return sum(count for _, count in self.failures)

    @property
    def ranked(self) -> bool:
        """Whether its figures say how good a method is."""
        return self.comparable and not (self.control or self.random)

    @property
    def marked(self) -> str:
        """The name, with marks for what must be known of it."""
        marks = {LANDMARKS_GIVEN: "landmarks" in self.given, CONTROL: self.control, RANDOM: self.random}
        marks[COMPRESSED] = self.codec != LOSSLESS
        return " ".join([self.method, *(mark for mark, holds in marks.items() if holds)])


@dataclass(frozen=True)
class Leaderboard:
    """Rows methods, columns metrics.

    Attributes:
        pairs: how many the benchmark has.
        characters, drivers: how many these are made of; no drivers on a track without them.
        absent: by metric that no method has, the reason.
        ranking: of the ranked methods over all metrics that score pairs; None where there is none.
        slices: the same over the pairs of each domain, driver and character alone.
        published: figures from papers, held against these.
    """

    benchmark: str
    pairs: int
    characters: int
    drivers: int
    aggregation: Aggregation
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    absent: dict[str, str] = field(default_factory=dict)
    ranking: Ranking | None = None
    slices: dict[Slice, dict[str, Leaderboard]] = field(default_factory=dict)
    published: tuple[Verdict, ...] = ()

    @property
    def families(self) -> dict[str, tuple[Column, ...]]:
        """The columns by family, in order."""
        names = dict.fromkeys(column.family for column in self.columns)
        return {name: tuple(column for column in self.columns if column.family == name) for name in names}

    def column(self, name: str) -> Column | None:
        """By its name."""
        return next((column for column in self.columns if column.name == name), None)

    def row(self, method: str) -> Row | None:
        """By its method."""
        return next((row for row in self.rows if row.method == method), None)

    def protocols(self, columns: Sequence[Column] | None = None) -> list[str]:
        """What each column is, of some or of all, and under which signature it may be compared with others."""
        return [f"{column.signature}: {column.protocol}" for column in (self.columns if columns is None else columns)]

    def footnotes(self, columns: Sequence[Column] | None = None) -> list[str]:
        """What a reader must know to read the figures, of some columns or of all."""
        columns = self.columns if columns is None else columns
        cells = [row.cells[column.name] for row in self.rows for column in columns]
        notes = [*self._on_pairs(columns), *self._on_statistics(cells)]
        if any(row.control for row in self.rows):
            notes.append(f"{CONTROL} control: shows a metric's floor or ceiling, not ranked.")
        if any(row.random for row in self.rows):
            notes.append(
                f"{RANDOM} random weights: shows that the pipeline runs; its numbers say nothing of the method."
            )
        if names := sorted({row.codec for row in self.rows} - {LOSSLESS}):
            several = not all(row.comparable for row in self.rows)
            beside = ", so not comparable with rows of another codec, and not ranked beside them" if several else ""
            notes.append(
                f"{COMPRESSED} scored from copies compressed by {', '.join(names)}, not from the method's own "
                f"pixels{beside}."
            )
        if any("landmarks" in row.given for row in self.rows):
            notes.append(f"{LANDMARKS_GIVEN} is given the character's annotated landmarks.")
        if random := [column.name for column in columns if column.random]:
            notes.append(
                f"{', '.join(random)}: through networks with random weights, a weaker yardstick than trained ones, and "
                "not comparable with their figures."
            )
        notes += [f"{CAVEAT} {column.name}: {column.caveat}." for column in columns if column.caveat]
        return [*notes, *self._on_what_lacks(columns)]

    def _on_pairs(self, columns: Sequence[Column]) -> list[str]:
        besides = " that is not of random weights" if any(row.random for row in self.rows) else ""
        notes = [f"Figures are means over the pairs that every shown method{besides} has under that metric."]
        short = [f"{c.name}: {c.pairs} of {self.pairs} pairs" for c in columns if c.pairs != self.pairs]
        notes += [f"{'; '.join(short)}."] if short else []
        if self.aggregation is Aggregation.worst_value_for_failures:
            worst = [f"{c.name} {c.text(c.worst)}" for c in columns if c.worst is not None]
            told = f"the worst that any shown method reached: {', '.join(worst)}" if worst else "nothing: none failed"
            notes.append(f"Pairs that a method failed on count as {told}.")
            sets = [c.name for c in columns if c.of_set and any(row.failed for row in self.rows)]
            notes += [f"{', '.join(sets)}: leave failed pairs out, as a set has no worst value."] if sets else []
        return notes

    def _on_statistics(self, cells: Sequence[Cell]) -> list[str]:
        notes = []
        enough = {"characters": self.characters >= LEAST, "drivers": self.drivers >= LEAST}
        resampled = " and ".join(name for name, holds in enough.items() if holds)
        few = [f"{getattr(self, name)} {name}" for name, holds in enough.items() if not holds and getattr(self, name)]
        if any(cell.interval for cell in cells):
            given = f"; the {few[0]} are taken as given, too few to tell how they vary" if few else ""
            notes.append(
                f"Intervals (±: half of one) hold 95%, by resampling {resampled}, which pairs share, widened by "
                f"Student's t for their number{given}."
            )
        elif few and any(cell.value is not None for cell in cells):
            notes.append(f"No intervals or comparisons: {' and '.join(few)} are too few to tell how they vary.")
        if any(cell.tied and cell.rank != 1 for cell in cells):
            notes.append(
                f"{TIED} cannot be told from the best (paired sign-flip test over {resampled}, p ≥ {SIGNIFICANT} after "
                "Holm's correction for all pairs of methods)."
            )
        return notes

    def _on_what_lacks(self, columns: Sequence[Column]) -> list[str]:
        notes = []
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
