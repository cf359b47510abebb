"""A leaderboard as Markdown, LaTeX, tidy tables and in the terminal."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from charachbench.leaderboard.board import CAVEAT, TIED, Cell, Column, Leaderboard, Row
from charachbench.leaderboard.comparison import Ranking

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Group
    from rich.table import Table

MEAN_RANK = "mean_rank"
FIGURES = (
    "benchmark", "over", "part", "method", "run", "control", "random", "given", "made", "failed", "pairs", "metric",
    "family", "unit", "direction", "value", "low", "high", "rank", "tied", "scored_pairs", "samples",
    "reference_samples", "signature", "caveat",
)  # fmt: skip
COMPARISONS = (
    "benchmark", "metric", "unit", "direction", "first", "second", "pairs", "difference", "low", "high", "p",
    "significant",
)  # fmt: skip


class Style(NamedTuple):
    """How one format writes plain text, the best figure and the second best, and parts a figure from its interval."""

    plain: Callable[[str], str]
    best: Callable[[str], str]
    second: Callable[[str], str]
    about: str = " ± "
    published: Callable[[str], str] = str


def coverage(row: Row, board: Leaderboard) -> str:
    """How many pairs a method made, and how many it failed on."""
    return f"{row.made}/{board.pairs}" + (f" ({row.failed} failed)" if row.failed else "")


def _figure(cell: Cell | None, column: Column | None, style: Style) -> str:
    if cell is None or cell.value is None or column is None:
        return style.plain("–")
    figure = {1: style.best, 2: style.second}.get(cell.rank, style.plain)(column.text(cell.value))
    if cell.half_width is not None:
        figure += f"{style.about}{column.text(cell.half_width)}"
    return figure + (style.plain(f" {TIED}") if cell.tied and cell.rank != 1 else "")


def _table(board: Leaderboard, columns: Sequence[Column], style: Style) -> list[list[str]]:
    """Headings and rows of the main table, or of a family's part of it; last, what was published of the same kind."""
    lines = [[style.plain(text) for text in ("method", "pairs", *(column.heading for column in columns))]]
    for row in board.rows:
        figures = [_figure(row.cells[column.name], column, style) for column in columns]
        lines.append([style.plain(row.marked), style.plain(coverage(row, board)), *figures])
    for name, values in published_rows(board, columns).items():
        figures = [style.published(f"{values[c.name]:g}") if c.name in values else style.plain("–") for c in columns]
        lines.append([style.published(style.plain(name)), "", *figures])
    return lines


def published_rows(board: Leaderboard, columns: Sequence[Column]) -> dict[str, dict[str, float]]:
    """By row, the published figures by metric that may stand in one of these columns."""
    rows: dict[str, dict[str, float]] = {}
    for verdict in board.published:
        if verdict.comparable and verdict.figure.metric in {column.name for column in columns}:
            rows.setdefault(f"{verdict.figure.row}, published", {})[verdict.figure.metric] = verdict.figure.value
    return rows


def published_lines(board: Leaderboard) -> list[list[str]]:
    """Headings and rows of what was published on this benchmark, and whether the measured figures reproduce it."""
    lines = [["published as", "metric", "published", "measured", "as", "verdict", "source"]]
    for verdict in board.published:
        figure, column = verdict.figure, board.column(verdict.figure.metric)
        measured = "–" if verdict.measured is None or column is None else column.text(verdict.measured)
        told = f"{verdict.verdict}: {verdict.reason}" if verdict.reason else verdict.verdict
        source = f"{figure.paper} ({figure.taken_from})" if figure.taken_from else figure.paper
        value = f"{figure.value:g} (tolerance {figure.tolerance:g})"
        lines.append([figure.row, figure.metric, value, measured, verdict.method or "–", told, source])
    return lines


def _slice_table(board: Leaderboard, parts: dict[str, Leaderboard], name: str, style: Style) -> list[list[str]]:
    """Headings and rows of one metric's table: parts of the benchmark by methods."""
    lines = [[style.plain(text) for text in ("", "pairs", *(row.marked for row in board.rows))]]
    for part, own in parts.items():
        column = own.column(name)
        mark = f" {CAVEAT}" if column is not None and column.caveat else ""
        cells = [found.cells.get(name) if (found := own.row(row.method)) else None for row in board.rows]
        pairs = 0 if column is None else column.pairs
        lines.append(
            [style.plain(f"{part}{mark}"), style.plain(str(pairs)), *(_figure(cell, column, style) for cell in cells)]
        )
    return lines


def _ranking_table(board: Leaderboard, style: Style) -> list[list[str]]:
    """Headings and rows of the mean ranks: over all metrics, and of each."""
    rankings = _rankings(board)
    lines = [[style.plain(text) for text in ("method", *rankings)]]
    methods = [row.method for row in board.rows if any(row.method in ranking.methods for ranking in rankings.values())]
    for method in methods:
        figures = []
        for ranking in rankings.values():
            place = ranking.methods.index(method) if method in ranking.methods else None
            figures.append(style.plain("–") if place is None else _rank_text(ranking, place, style))
        lines.append([style.plain(method), *figures])
    return lines


def _rank_text(ranking: Ranking, place: int, style: Style) -> str:
    text = f"{ranking.means[place]:.2f}"
    if interval := ranking.intervals[place]:
        text += f"{style.about}{(interval[1] - interval[0]) / 2:.2f}"
    return text


def _rankings(board: Leaderboard) -> dict[str, Ranking]:
    overall = {} if board.ranking is None else {"all metrics": board.ranking}
    return overall | {column.name: column.ranking for column in board.columns if column.ranking is not None}


def sections(board: Leaderboard) -> dict[str, tuple[Column, ...]]:
    """The tables that are shown: one for each family, or one without a name."""
    return board.families if len(board.families) > 1 else {"": board.columns}


RANKING_NOTE = (
    "Mean rank within pairs, 1 the best, of the methods that are ranked; over all metrics that score single pairs, "
    "each family counting the same, and under each."
)


def markdown_text(text: str) -> str:
    """Escaped, so that it can stand in a cell."""
    return html.escape(text, quote=False).replace("|", "\\|").replace("\n", " ")


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """Headings and rows of escaped cells; all but the first column to the right."""
    rule = ["---"] + ["---:"] * (len(lines[0]) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])


def markdown(board: Leaderboard) -> str:
    """GitHub-flavoured Markdown: best bold, second underlined."""
    plain, table = markdown_text, markdown_table
    style = Style(plain, lambda text: f"**{text}**", lambda text: f"<u>{text}</u>", published=lambda text: f"*{text}*")
    parts = [f"# {plain(board.benchmark)}"]
    for family, columns in sections(board).items():
        parts += [f"## {plain(family)}"] if family else []
        parts.append(table(_table(board, columns, style)))
    parts.append("\n".join(f"* {plain(note)}" for note in board.footnotes()))
    if _rankings(board):
        parts += ["## Mean ranks", RANKING_NOTE, table(_ranking_table(board, style))]
    if board.published:
        cells = [[plain(text) for text in line] for line in published_lines(board)]
        parts += ["## Published figures", table(cells)]
    parts += ["## Protocols", "\n".join(f"* {plain(line)}" for line in board.protocols())]
    for kind, slices in board.slices.items():
        if len(slices) > 1:
            parts.append(f"## By {kind}")
            for column in board.columns:
                if any(own.column(column.name) for own in slices.values()):
                    lines = table(_slice_table(board, slices, column.name, style))
                    parts.append(f"<details><summary>{plain(column.heading)}</summary>\n\n{lines}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def figures(board: Leaderboard) -> pd.DataFrame:
    """One row for each method and metric, over all pairs and over each part of the benchmark, unrounded."""
    import pandas as pd

    wholes = [("all", "", board)]
    parts = [(kind, name, own) for kind, slices in board.slices.items() for name, own in slices.items()]
    rows = []
    for kind, name, own in wholes + parts:
        for row in own.rows:
            for column in own.columns:
                rows.append(_tidy(own, kind, name, row, column))
    rows += list(_tidy_ranks(board))
    return pd.DataFrame(rows, columns=list(FIGURES)).astype({"samples": "Int64", "reference_samples": "Int64"})


def _tidy(board: Leaderboard, kind: str, part: str, row: Row, column: Column) -> tuple[Any, ...]:
    cell = row.cells[column.name]
    of_row = (
        board.benchmark,
        kind,
        part,
        row.method,
        row.run,
        row.control,
        row.random,
        row.given,
        row.made,
        row.failed,
    )
    of_column = (board.pairs, column.name, column.family, column.unit, column.direction)
    of_cell = (cell.value, *(cell.interval or (None, None)), cell.rank, cell.tied, cell.pairs)
    return (*of_row, *of_column, *of_cell, *(cell.samples or (None, None)), column.signature, column.caveat)


def _tidy_ranks(board: Leaderboard) -> Iterator[tuple[Any, ...]]:
    if board.ranking is None:
        return
    column = Column(MEAN_RANK, "rank", "", "down", board.ranking.pairs, 2, MEAN_RANK, "")
    ranking = board.ranking
    for method, mean, interval in zip(ranking.methods, ranking.means, ranking.intervals, strict=True):
        row = next(row for row in board.rows if row.method == method)
        cells = {MEAN_RANK: Cell(mean, ranking.pairs, interval)}
        yield _tidy(board, "all", "", Row(**{**vars(row), "cells": cells}), column)


def comparisons(board: Leaderboard) -> pd.DataFrame:
    """One row for each metric and every two ranked methods."""
    import pandas as pd

    rows = [
        (board.benchmark, column.name, column.unit, column.direction, c.first, c.second, c.pairs, c.difference,
         *(c.interval or (None, None)), c.p, c.significant)
        for column in board.columns
        for c in column.comparisons
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COMPARISONS))


def writers(board: Leaderboard) -> dict[str, Callable[[Path], object]]:
    """By file name, what writes it."""
    tidy, compared = figures(board), comparisons(board)
    return {
        "leaderboard.md": lambda path: path.write_text(markdown(board), encoding="utf-8"),
        "leaderboard.tex": lambda path: path.write_text(latex(board), encoding="utf-8"),
        "leaderboard.csv": lambda path: tidy.to_csv(path, index=False),
        "leaderboard.parquet": lambda path: tidy.to_parquet(path, index=False),
        "comparisons.csv": lambda path: compared.to_csv(path, index=False),
    }


def latex(board: Leaderboard) -> str:
    """A ``table`` environment for booktabs for each family, with a caption that says what the figures are."""
    tables = [_latex_table(board, family, columns) for family, columns in sections(board).items()]
    return "\n".join(["% needs \\usepackage{booktabs}", *tables])


def _latex_table(board: Leaderboard, family: str, columns: Sequence[Column]) -> str:
    style = Style(
        _latex_escape, lambda text: rf"\textbf{{{text}}}", lambda text: rf"\underline{{{text}}}", r"\,$\pm$\,",
        lambda text: rf"\textit{{{text}}}",
    )  # fmt: skip
    headings, *rows = _table(board, columns, style)
    about = f"{board.benchmark}{f', {family}' if family else ''}: {board.pairs} pairs."
    caption = " ".join([about, *board.footnotes(columns), ". ".join(board.protocols(columns)) + "."])
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex_escape(caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(headings) - 1)}}}",
            r"\toprule",
            " & ".join(headings) + r" \\",
            r"\midrule",
            *(" & ".join(row) + r" \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _latex_escape(text: str) -> str:
    leading = " " if text.startswith(" ") else ""
    text = leading + " ".join(text.split())  # an empty line would end the caption
    special = {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
        "↑": r"$\uparrow$", "↓": r"$\downarrow$", "†": r"$\dagger$", "‡": r"$\ddagger$", "–": "--", "§": r"\S{}",
        "◇": r"$\diamond$",
        "¶": r"\P{}", "≈": r"$\approx$", "±": r"$\pm$", "≥": r"$\geq$", "°": r"$^\circ$", "²": r"$^2$",
    }  # fmt: skip
    return "".join(special.get(letter, letter) for letter in text)


def terminal(board: Leaderboard) -> Group:
    """The tables and their footnotes, for ``rich``."""
    from rich.console import Group
    from rich.text import Text

    tables = [_terminal_table(board, family, columns) for family, columns in sections(board).items()]
    return Group(*tables, *(Text(note, style="dim") for note in [*board.footnotes(), *board.protocols()]))


def _terminal_table(board: Leaderboard, family: str, columns: Sequence[Column]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    style = Style(
        escape, lambda text: f"[bold]{text}[/bold]", lambda text: f"[underline]{text}[/underline]", "\n±",
        lambda text: f"[dim italic]{text}[/dim italic]",
    )  # fmt: skip
    _, *rows = _table(board, columns, style)
    title = ", ".join(part for part in (board.benchmark, f"{board.pairs} pairs", family) if part)
    table = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD, padding=0)
    narrowest = min(16, max(len(row[0]) for row in rows))
    table.add_column("method", vertical="bottom", overflow="fold", min_width=narrowest)  # no name is cut off
    table.add_column("pairs", justify="right")
    for column in columns:  # one word a line: narrow enough for a terminal of 80 columns
        words = [
            *column.marked.replace("_", " ").split(),
            *(f"[{column.unit}]".split() if column.unit else []),
            column.arrow,
        ]
        table.add_column(escape("\n".join(words)), justify="right", overflow="fold")
    for texts, row in zip_longest(rows, board.rows):
        table.add_row(*texts, style="" if row is None or row.ranked else "dim")
    return table
