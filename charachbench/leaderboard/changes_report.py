"""Changes as Markdown, a tidy table and in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from charachbench.leaderboard.board import ARROWS
from charachbench.leaderboard.changes import Changes, FigureChange
from charachbench.leaderboard.render import markdown_table, markdown_text

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Group

FIGURES = ["run", "metric", "before → after", "difference", "p", "verdict", "pairs", "changed most"]
_ORDER = {"worse": 0, "better": 1, "": 2}


class Section(NamedTuple):
    """A table with its title, or sentences alone."""

    title: str
    lines: list[list[str]]
    notes: list[str]


def sections(changes: Changes) -> list[Section]:
    """What is shown, those without content left out."""
    runs = [[run.method, run.state, "; ".join(run.differences)] for run in changes.runs if run.state != "same"]
    same = sum(run.state == "same" for run in changes.runs)
    moved = sorted((each for each in changes.figures if not each.same), key=lambda each: (_ORDER[each.verdict], each.p))
    alike = len(changes.figures) - len(moved)
    outcomes = [
        [each.method, each.pair, ", ".join(each.metrics) or "all", f"{each.before} → {each.after}", each.reason]
        for each in changes.outcomes
    ]
    incomparable = [[name, why] for name, why in changes.incomparable.items()]
    found = [
        Section("Runs", [["run", "is", "what differs"], *runs], [f"As before: {same} runs."] if same else []),
        Section(
            "Figures",
            [FIGURES, *map(_figure, moved)],
            [*_notes(moved), *([f"As before: {alike} figures."] if alike else [])],
        ),
        Section("Pairs", [["run", "pair", "metrics", "was → is", "reason"], *outcomes], []),
        Section("Not comparable", [["metric", "what differs"], *incomparable], []),
        Section("Notes", [], [f"{note}." for note in changes.notes]),
    ]
    return [Section(each.title, each.lines if len(each.lines) > 1 else [], each.notes) for each in found
            if len(each.lines) > 1 or each.notes]  # fmt: skip


def _figure(change: FigureChange) -> list[str]:
    unit, mark = f" [{change.unit}]" if change.unit else "", " §" if change.approximate else ""
    about = "" if change.interval is None else f" ± {(change.interval[1] - change.interval[0]) / 2:.2g}"
    return [
        change.method,
        f"{change.metric}{unit} {ARROWS[change.direction]}",
        f"{number(change.before)} → {number(change.after)}{mark}",
        f"{change.difference:+.3g}{about}",
        "–" if change.interval is None else f"{change.p:.2g}",
        change.verdict or "–",
        str(change.pairs),
        f"{change.pair}: {number(change.pair_before)} → {number(change.pair_after)}",
    ]


def _notes(changes: list[FigureChange]) -> list[str]:
    if not changes:
        return []
    notes = [
        "Over the pairs that are scored on both sides. ±: half of the 95% interval; p by the leaderboard's paired "
        f"sign-flip test, after Holm's correction for the {len(changes)} figures that changed."
    ]
    if any(change.approximate for change in changes):
        notes.append("§ over fewer pairs than a side has, so approximate: a mean of what pairs contribute to more.")
    if any(change.noise for change in changes):
        notes.append("Differences within the measured noise of a metric are not told, whatever their p-value.")
    return notes


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def markdown(changes: Changes) -> str:
    """GitHub-flavoured."""
    parts = [f"# What changed on {markdown_text(changes.benchmark)}"]
    for section in sections(changes):
        parts.append(f"## {section.title}")
        if section.lines:
            parts.append(markdown_table([[markdown_text(text) for text in line] for line in section.lines]))
        if section.notes:
            parts.append("\n".join(f"* {markdown_text(note)}" for note in section.notes))
    return "\n\n".join(parts) + "\n"


def tidy(changes: Changes) -> pd.DataFrame:
    """One row for each run and metric on both sides, unrounded."""
    import pandas as pd

    columns = ["benchmark", "method", "metric", "unit", "direction", "pairs", "before", "after", "difference", "low",
               "high", "p", "verdict", "noise", "approximate", "same", "pair", "pair_before", "pair_after"]  # fmt: skip
    rows = []
    for each in changes.figures:
        low, high = each.interval or (None, None)
        told = {name: getattr(each, name) for name in columns if name not in ("benchmark", "low", "high")}
        rows.append({"benchmark": changes.benchmark, "low": low, "high": high, **told})
    return pd.DataFrame(rows, columns=columns)


def terminal(changes: Changes) -> Group:
    """For ``rich``."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    styles = {"worse": "red", "better": "green"}
    shown: list[Table | Text] = [Text(f"What changed on {changes.benchmark}", style="bold")]
    for section in sections(changes):
        if section.lines:
            table = Table(title=section.title, title_justify="left", box=SIMPLE_HEAD, padding=0)
            headings, *lines = section.lines
            shown_of = [index for index, heading in enumerate(headings) if heading != FIGURES[-1]]  # for want of width
            for index in shown_of:
                table.add_column(headings[index], overflow="fold")
            for line in lines:
                style = next((styles[text] for text in line if text in styles), "")
                table.add_row(*(escape(line[index]) for index in shown_of), style=style)
            shown.append(table)
        shown += [Text(note, style="dim") for note in section.notes]
    return Group(*shown)
