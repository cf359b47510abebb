"""A validation as CSV, Markdown and in the terminal."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from charachbench.evaluate import NamedMetric
from charachbench.leaderboard.board import ARROWS
from charachbench.validation.bias import Bias
from charachbench.validation.responses import NO_RESPONSE, Response

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Validation:
    """All that was found.

    Attributes:
        benchmark: its name.
        pairs: how many were corrupted.
        severities: of each corruption, beside none.
        responses: of every metric to every corruption, metrics grouped by family.
        biases: of the metrics of sets.
        absent: by name, why a metric is not among them.
    """

    benchmark: str
    pairs: int
    severities: int
    responses: tuple[Response, ...]
    biases: tuple[Bias, ...]
    absent: dict[str, str]

    @property
    def rows(self) -> dict[str, list[Response]]:
        """By metric."""
        names = dict.fromkeys(response.named.name for response in self.responses)
        return {name: [r for r in self.responses if r.named.name == name] for name in names}

    @property
    def corruptions(self) -> list[str]:
        """The columns."""
        return list(dict.fromkeys(response.corruption for response in self.responses))

    def notes(self) -> list[str]:
        """What a reader must know to read the correlations."""
        return [
            f"Spearman's rank correlation of a corruption's severity (none and {self.severities} more) with how bad "
            "the metric says the video is: +1 where it gets worse step by step, 0 where it stays, -1 where it gets "
            "better. Of metrics of single pairs it is the mean of each pair's own, of metrics of sets that of the "
            "sets' numbers.",
            "In brackets, how much worse it says the strongest corruption is than none, in % of its largest such "
            "change under any corruption.",
            "Bold: the corruption damages what the metric's family claims to measure.",
        ]

    def effect(self, response: Response) -> float | None:
        """How much worse the strongest corruption is said to be than none, of the metric's largest such change.

        Returns:
            -1 to 1; None where the metric has no number, or never another one.
        """
        changes = [abs(known) for r in self.rows[response.named.name] if (known := r.change) is not None]
        if response.change is None or not max(changes):
            return None
        return response.change / max(changes)

    def findings(self) -> list[str]:
        """By metric, what it does not respond to and what it takes for an improvement."""
        lines = []
        for name, responses in self.rows.items():
            known = [(r, r.correlation) for r in responses if r.correlation is not None]
            parts = {
                "does not respond to": [r for r, rho in known if abs(rho) < NO_RESPONSE],
                "gets better under": [r for r, rho in known if rho <= -NO_RESPONSE],
                "has no number under": [r for r in responses if r.correlation is None],
            }
            told = [f"{what} {', '.join(_label(r) for r in those)}" for what, those in parts.items() if those]
            lines.append(f"{name}: {'; '.join(told) or 'responds to all'}.")
        return lines

    def unscored(self) -> list[str]:
        """Which pairs lack a score, by metric and corruption."""
        alike: dict[tuple[str, tuple[int, ...], str], list[str]] = {}
        for r in self.responses:
            if any(r.unscored):
                alike.setdefault((r.corruption, r.unscored, r.reason), []).append(r.named.name)
        return [
            f"{_words(corruption)}: {', '.join(map(str, counts))} of {self.pairs} pairs at severities 0 to "
            f"{self.severities}, by {', '.join(names)}: {reason}."
            for (corruption, counts, reason), names in alike.items()
        ]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _label(response: Response) -> str:
    return _words(response.corruption) + (" (claimed)" if response.claimed else "")


def correlation_text(response: Response) -> str:
    """Two decimals with a sign; a dash where there is none."""
    if response.correlation is None:
        return "–"
    rounded = round(response.correlation, 2)
    return f"{rounded:+.2f}" if rounded else "0.00"


def effect_text(effect: float | None) -> str:
    """Whole per cent; empty for None."""
    return "" if effect is None else f"{round(100 * effect)}%"


def number(value: float | None) -> str:
    """Four significant digits; a dash for None."""
    return "–" if value is None else f"{value:.4g}"


def title(named: NamedMetric) -> str:
    """Name, unit and which way is better."""
    unit = f" [{named.metric.unit}]" if named.metric.unit else ""
    return f"{named.name}{unit} {ARROWS[named.metric.direction]}"


def comma_separated(validation: Validation) -> str:
    """A line for each metric, corruption and severity, unrounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["metric", "family", "unit", "direction", "corruption", "claimed", "severity", "value", "pairs", "unscored",
         "correlation", "signature"]
    )  # fmt: skip
    for response in validation.responses:
        named, metric = response.named, response.named.metric
        for severity, (value, unscored) in enumerate(zip(response.values, response.unscored, strict=True)):
            writer.writerow(
                [named.name, metric.family, metric.unit, metric.direction, response.corruption, response.claimed,
                 severity, _exact(value), response.pairs, unscored, _exact(response.correlation), named.signature]
            )  # fmt: skip
    return out.getvalue()


def _exact(value: float | None) -> str:
    return "" if value is None else repr(value)


def markdown(validation: Validation) -> str:
    """GitHub-flavoured Markdown, with the pictures beside it."""

    def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        rule = ["---"] + ["---:"] * (len(headings) - 1)
        return "\n".join("| " + " | ".join(line) + " |" for line in [headings, rule, *rows])

    def items(lines: Sequence[str]) -> str:
        return "\n".join(f"* {html.escape(line, quote=False)}" for line in lines)

    def cell(response: Response) -> str:
        text, effect = correlation_text(response), effect_text(validation.effect(response))
        return (f"**{text}**" if response.claimed else text) + (f" ({effect})" if effect else "")

    parts = [f"# Validation of metrics on {validation.benchmark}, {validation.pairs} pairs"]
    if validation.responses:
        columns = [_words(name) for name in validation.corruptions]
        correlations = [[name, row[0].named.metric.family, *map(cell, row)] for name, row in validation.rows.items()]
        ends = [
            [title(row[0].named), *(f"{number(r.values[0])} → {number(r.values[-1])}" for r in row)]
            for row in validation.rows.values()
        ]
        parts += [
            "## Responses to corruptions",
            "![rank correlations](responses.png)",
            table(["metric", "family", *columns], correlations),
            items(validation.notes()),
            "### Values, from the truth itself to the strongest corruption",
            table(["metric", *columns], ends),
            "### What each metric does not see",
            f"Not responding: a correlation between -{NO_RESPONSE} and {NO_RESPONSE}.",
            items(validation.findings()),
        ]
    if unscored := validation.unscored():
        parts += ["### Unscored", items(unscored)]
    if validation.biases:
        parts += ["## Small-sample bias", "![bias](bias.png)", BIAS]
        for bias in validation.biases:
            rows = [[str(size), *_statistics(values)] for size, values in zip(bias.sizes, bias.values, strict=True)]
            parts += [f"### {title(bias.named)}", table(["samples in each set", "mean", "least", "greatest"], rows)]
    if validation.absent:
        parts += ["## Absent", items([f"{name}: {reason}." for name, reason in validation.absent.items()])]
    return "\n\n".join(parts) + "\n"


BIAS = (
    "Two disjoint sets of samples, drawn at random from the uncorrupted videos of all pairs together: there is no "
    "difference to find, so what a distance reads is its bias."
)


def _statistics(values: np.ndarray) -> list[str]:
    known = values[np.isfinite(values)]
    if not len(known):
        return ["–"] * 3
    return [number(float(value)) for value in (known.mean(), known.min(), known.max())]


def terminal(validation: Validation) -> Table:
    """The correlations, for ``rich``."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    heading = f"{validation.benchmark}, {validation.pairs} pairs: rank correlation with severity"
    table = Table(title=escape(heading), title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("metric", vertical="bottom", overflow="fold")
    for name in validation.corruptions:
        table.add_column("\n".join(name.split("_")), justify="right", no_wrap=True)
    for name, row in validation.rows.items():
        cells = [f"[bold]{correlation_text(r)}[/bold]" if r.claimed else correlation_text(r) for r in row]
        table.add_row(escape(name), *cells)
    return table
