"""The results of a study as Markdown, CSV and in the terminal."""

from __future__ import annotations

import csv
import html
import io
from dataclasses import dataclass
from statistics import mean, median
from typing import TYPE_CHECKING, NamedTuple

from charachbench.config import StudyKind
from charachbench.leaderboard.crossed import LEVEL
from charachbench.study.analysis import Interval, Opinions, Verdict
from charachbench.study.correlation import LEAST, METHODS, VIDEOS, Correlation
from charachbench.study.design import Study
from charachbench.study.responses import Rater

if TYPE_CHECKING:
    from rich.console import Group


DIFFERENCES = "Differences"


@dataclass(frozen=True)
class Results:
    """All that was found.

    Attributes:
        name, benchmark: of the study, and of what it shows.
        raters: who are taken into account.
        inattentive: who failed their checks, be they taken into account or not.
        left_out: how many files are not believed.
        correlations: of metrics with raters.
        absent: by metric that is not compared, the reason.
    """

    name: str
    benchmark: str
    study: Study
    raters: tuple[Rater, ...]
    inattentive: tuple[Rater, ...]
    left_out: int
    opinions: Opinions
    verdicts: tuple[Verdict, ...]
    correlations: tuple[Correlation, ...]
    absent: dict[str, str]

    @property
    def is_pairwise(self) -> bool:
        """Whether raters compared."""
        return self.study.kind is StudyKind.pairwise

    def won(self, question: str, method: str) -> float:
        """The share of comparisons that a method won, ties as half."""
        return mean(value for (run, _), values in self.opinions[question].items() if run == method for value in values)

    def notes(self) -> list[str]:
        """What a reader must know of the raters, and to read the figures."""
        counts = {"rater": len(self.raters), "case": len(self.study.cases)}
        minutes = median(rater.seconds for rater in self.raters) / 60
        notes = [
            f"{counts['rater']} of {len(self.study.raters)} raters, {counts['case']} cases; a rater took {minutes:.1f} "
            "minutes (median)."
        ]
        if self.left_out:
            notes.append(f"Files of answers that are left out: {self.left_out}.")
        if self.inattentive:
            taken = "are taken into account all the same" if self.inattentive[0] in self.raters else "are left out"
            told = ", ".join(f"{rater.number} ({rater.passed} of {rater.checks})" for rater in self.inattentive)
            notes.append(f"Raters who passed too few of their checks {taken}: {told}.")
        if self.is_pairwise:
            notes.append(
                "Bradley-Terry strengths, log odds with a mean of 0, and the share of comparisons won. A tie is half a "
                "win, and one more tie between each two methods keeps strengths finite. Intervals "
                f"({LEVEL:.0%}) count on other raters and cases, and are no narrower than by the information matrix."
            )
        else:
            notes.append(
                f"Mean ratings, 1 the worst and {self.study.choices[-1]} the best. Intervals ({LEVEL:.0%}) count on "
                "other raters and cases."
            )
        if unjudged := self.study.methods.keys() - {standing.method for standing in self.verdicts[0].standings}:
            notes.append(f"Not judged yet: {', '.join(sorted(self.study.methods[method] for method in unjudged))}.")
        notes += [f"A single {what}: intervals say nothing of others." for what, n in counts.items() if n == 1]
        if len(self.study.methods) > 1:
            notes.append(
                "Bold: the best under a question, and what cannot be told from it (differences tested at "
                f"{1 - LEVEL:.0%}, all those under a question adjusted after Holm)."
            )
        return notes


class Cell(NamedTuple):
    """Of a table.

    Attributes:
        detail: what follows the text where there is room.
    """

    text: str
    detail: str = ""
    bold: bool = False

    @property
    def whole(self) -> str:
        """Text and detail."""
        return f"{self.text} {self.detail}".strip()


class Sheet(NamedTuple):
    """A table with its title, and what must be known to read it."""

    title: str
    headings: list[str]
    rows: list[list[Cell]]
    notes: list[str]


def sheets(results: Results) -> list[Sheet]:
    """All tables; the first says most."""
    tables = [_standings(results)]
    if len(results.study.methods) > 1:
        tables += [_differences(results, verdict) for verdict in results.verdicts]
    tables.append(_agreement(results))
    tables += [_correlations(results, over) for over in (VIDEOS, METHODS)]
    return [table for table in tables if table.rows or table.notes]


def _standings(results: Results) -> Sheet:
    rows = []
    for method in (standing.method for standing in results.verdicts[-1].standings):
        cells = [Cell(results.study.methods[method])]
        for verdict in results.verdicts:
            standing = next(each for each in verdict.standings if each.method == method)
            text, detail = f"{standing.value:.2f}", _bracket(standing.interval)
            if results.is_pairwise:
                text = f"{standing.value:+.2f}, {results.won(verdict.question, method):.0%}"
                detail = _bracket(standing.interval, "+")
            cells.append(Cell(text, detail, standing.is_best and len(results.study.methods) > 1))
        rows.append(cells)
    title = f"{results.name}: {'comparisons' if results.is_pairwise else 'ratings'} on {results.benchmark}"
    return Sheet(title, ["method", *results.study.questions], rows, results.notes())


def _differences(results: Results, verdict: Verdict) -> Sheet:
    rows = []
    for one in verdict.differences:
        first, second = (results.study.methods[method] for method in one.methods)
        value = Cell(f"{one.value:+.2f}", _bracket(one.interval, "+"))
        rows.append([Cell(f"{first} − {second}"), value, _p_value(one.p_value)])
    return Sheet(f"{DIFFERENCES}: {verdict.question}", ["methods", "difference", "p (Holm)"], rows, [])


def _p_value(value: float | None) -> Cell:
    if value is None:
        return Cell("–")
    return Cell("<0.0001" if value < 0.0001 else f"{value:.4f}", bold=value < 1 - LEVEL)


def _agreement(results: Results) -> Sheet:
    rows = [
        [Cell(each.question), Cell(f"– ({each.undefined})" if each.alpha is None else f"{each.alpha:.2f}")]
        for each in results.verdicts
    ]
    level = "nominal" if results.is_pairwise else "interval"
    note = f"Krippendorff's alpha, {level}: 1 where raters agree wholly, 0 where no more than by chance."
    return Sheet("Agreement of raters", ["question", "alpha"], rows, [note])


def _correlations(results: Results, over: str) -> Sheet:
    found = {(one.metric, one.question): one for one in results.correlations if one.over == over}
    rows = []
    for metric in dict.fromkeys(metric for metric, _ in found):
        mine = [found[metric, question] for question in results.study.questions]
        rows.append([Cell(metric), Cell(str(mine[0].count)), *(_correlation(one) for one in mine)])
    notes = []
    if rows:
        about = {
            VIDEOS: f"n videos of cases with all scores and answers; intervals ({LEVEL:.0%}) by resampling cases.",
            METHODS: f"n methods, figures over the study's videos alone; of fewer than {LEAST} there is none.",
        }
        notes.append(f"Spearman's correlation and Kendall's τ, positive where they agree: {about[over]}")
    if over == METHODS:
        notes += [f"Not compared: {name}: {reason}." for name, reason in results.absent.items()]
    return Sheet(f"Metrics against raters, over {over}", ["metric", "n", *results.study.questions], rows, notes)


def _correlation(one: Correlation) -> Cell:
    if one.spearman is None or one.kendall is None:
        return Cell("–")
    return Cell(f"{one.spearman:+.2f}", f"{_bracket(one.interval, '+')} τ {one.kendall:+.2f}".strip())


def _bracket(interval: Interval, sign: str = "") -> str:
    return "" if interval is None else f"[{interval[0]:{sign}.2f}, {interval[1]:{sign}.2f}]"


def markdown(results: Results) -> str:
    """GitHub-flavoured Markdown."""

    def plain(text: str) -> str:
        return html.escape(text, quote=False).replace("|", "\\|").replace("\n", " ")

    parts = []
    for index, sheet in enumerate(sheets(results)):
        parts.append(f"{'##' if index else '#'} {plain(sheet.title)}")
        if sheet.rows:
            lines = [[plain(heading) for heading in sheet.headings], ["---"] + ["---:"] * (len(sheet.headings) - 1)]
            for row in sheet.rows:
                lines.append([f"**{plain(cell.whole)}**" if cell.bold else plain(cell.whole) for cell in row])
            parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))
        if sheet.notes:
            parts.append("\n".join(f"* {plain(note)}" for note in sheet.notes))
    return "\n\n".join(parts) + "\n"


def terminal(results: Results) -> Group:
    """What a terminal of 80 columns has room for: all tables but the differences, details in the first alone."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown: list[Table | Text] = []
    first, *rest = (sheet for sheet in sheets(results) if not sheet.title.startswith(DIFFERENCES))
    for sheet in (first, *rest):
        table = Table(box=SIMPLE_HEAD, padding=0)
        for index, heading in enumerate(sheet.headings):
            table.add_column(Text(heading), justify="right" if index else "left", overflow="fold")
        for row in sheet.rows:
            texts = [f"{cell.text}\n{cell.detail}".strip() if sheet is first else cell.text for cell in row]
            table.add_row(*(Text(text, "bold" if cell.bold else "") for text, cell in zip(texts, row, strict=True)))
        shown += [Text(f"\n{sheet.title}", "italic"), table, *(Text(note, "dim") for note in sheet.notes)]
    return Group(*shown)


def comma_separated(results: Results) -> str:
    """A line for each figure, unrounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["study", "question", "figure", "subject", "other", "value", "low", "high", "p_value", "count"])

    def line(
        question: str, figure: str, subject: str, value: float | None, interval: Interval = None, *,
        other: str = "", p_value: float | None = None, count: int,
    ) -> None:  # fmt: skip
        ends = interval or (None, None)
        writer.writerow([results.name, question, figure, subject, other, *map(_exact, (value, *ends, p_value)), count])

    names, raters = results.study.methods, len(results.raters)
    for verdict in results.verdicts:
        question = verdict.question
        for one in verdict.standings:
            figure = "strength" if results.is_pairwise else "mean"
            line(question, figure, names[one.method], one.value, one.interval, count=raters)
            if results.is_pairwise:
                line(question, "won", names[one.method], results.won(question, one.method), count=raters)
        for each in verdict.differences:
            first, second = (names[method] for method in each.methods)
            line(
                question,
                "difference",
                first,
                each.value,
                each.interval,
                other=second,
                p_value=each.p_value,
                count=raters,
            )
        line(question, "alpha", "raters", verdict.alpha, count=raters)
    for found in results.correlations:
        line(
            found.question,
            f"spearman over {found.over}",
            found.metric,
            found.spearman,
            found.interval,
            count=found.count,
        )
        line(found.question, f"kendall over {found.over}", found.metric, found.kendall, count=found.count)
    return out.getvalue()


def _exact(value: float | None) -> str:
    return "" if value is None else repr(value)
