"""A leaderboard as Markdown, CSV, LaTeX and in the terminal."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from charachbench.leaderboard.aggregate import Cell, Column, Leaderboard, Row

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table


class Style(NamedTuple):
    """How one format writes plain text, the best figure and the second best."""

    plain: Callable[[str], str]
    best: Callable[[str], str]
    second: Callable[[str], str]


def _name(row: Row) -> str:
    marks = {"†": "landmarks" in row.given, "‡": row.control, "¶": row.random}
    return " ".join([row.method, *(mark for mark, holds in marks.items() if holds)])


def _coverage(row: Row, board: Leaderboard) -> str:
    return f"{row.made}/{board.pairs}" + (f" ({row.failed} failed)" if row.failed else "")


def _figure(cell: Cell | None, column: Column | None, board: Leaderboard, style: Style) -> str:
    if cell is None or cell.value is None or column is None:
        return style.plain("–")
    write = {1: style.best, 2: style.second}.get(cell.rank, style.plain)
    figure = write(f"{round(cell.value, column.decimals):.{max(column.decimals, 0)}f}")
    return figure if column.pairs is not None or cell.pairs == board.pairs else f"{figure} ({cell.pairs})"


def _table(board: Leaderboard, columns: Sequence[Column], style: Style) -> list[list[str]]:
    """Headings and rows of the main table, or of a family's part of it."""
    lines = [[style.plain(text) for text in ("method", "pairs", *(column.heading for column in columns))]]
    for row in board.rows:
        figures = [_figure(row.cells[column.name], column, board, style) for column in columns]
        lines.append([style.plain(_name(row)), style.plain(_coverage(row, board)), *figures])
    return lines


def _domain_table(board: Leaderboard, name: str, style: Style) -> list[list[str]]:
    """Headings and rows of one metric's table: methods by domains."""
    lines = [[style.plain(text) for text in ("method", *board.domains)]]
    for row in board.rows:
        figures = []
        for part in board.domains.values():
            cells = next((other.cells for other in part.rows if other.method == row.method), {})
            column = next((column for column in part.columns if column.name == name), None)
            mark = " §" if column is not None and column.caveat else ""
            figures.append(_figure(cells.get(name), column, part, style) + style.plain(mark))
        lines.append([style.plain(_name(row)), *figures])
    return lines


def _parts(board: Leaderboard) -> dict[str, tuple[Column, ...]]:
    """The tables that are shown: one for each family, or one without a name."""
    return board.families if len(board.families) > 1 else {"": board.columns}


def markdown(board: Leaderboard) -> str:
    """GitHub-flavoured Markdown: best bold, second underlined."""

    def plain(text: str) -> str:
        return html.escape(text, quote=False).replace("|", "\\|").replace("\n", " ")

    def table(lines: list[list[str]]) -> str:
        rule = ["---"] + ["---:"] * (len(lines[0]) - 1)
        return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])

    style = Style(plain, lambda text: f"**{text}**", lambda text: f"<u>{text}</u>")
    parts = [f"# {plain(board.benchmark)}"]
    for family, columns in _parts(board).items():
        parts += [f"## {plain(family)}"] if family else []
        parts.append(table(_table(board, columns, style)))
    parts.append("\n".join(f"* {plain(note)}" for note in board.footnotes()))
    parts += ["## Protocols", "\n".join(f"* {plain(line)}" for line in board.protocols())]
    if len(board.domains) > 1:
        parts.append("## By domain")
        for column in board.columns:
            parts += [f"### {plain(column.heading)}", table(_domain_table(board, column.name, style))]
    return "\n\n".join(parts) + "\n"


def comma_separated(board: Leaderboard) -> str:
    """One line for each method, metric and domain (``all`` over the whole benchmark), unrounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["benchmark", "domain", "method", "control", "random", "given", "made", "failed", "pairs", "metric", "unit",
         "direction", "value", "scored_pairs", "samples", "reference_samples", "signature", "caveat"]
    )  # fmt: skip
    for domain, part in (("all", board), *board.domains.items()):
        for row in part.rows:
            for column in part.columns:
                cell = row.cells[column.name]
                value = "" if cell.value is None else repr(cell.value)
                writer.writerow(
                    [board.benchmark, domain, row.method, row.control, row.random, row.given, row.made, row.failed,
                     part.pairs, column.name, column.unit, column.direction, value, cell.pairs,
                     *(cell.samples or ("", "")), column.signature, column.caveat]
                )  # fmt: skip
    return out.getvalue()


def latex(board: Leaderboard) -> str:
    """A ``table`` environment for booktabs for each family, with a caption that says what the figures are."""
    tables = [_latex_table(board, family, columns) for family, columns in _parts(board).items()]
    return "\n".join(["% needs \\usepackage{booktabs}", *tables])


def _latex_table(board: Leaderboard, family: str, columns: Sequence[Column]) -> str:
    style = Style(_latex_escape, lambda text: rf"\textbf{{{text}}}", lambda text: rf"\underline{{{text}}}")
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
    text = " ".join(text.split())  # an empty line would end the caption
    special = {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$",
        "†": r"$\dagger$", "‡": r"$\ddagger$", "–": "--", "§": r"\S{}", "¶": r"\P{}",
    }  # fmt: skip
    return "".join(special.get(letter, letter) for letter in text)


def terminal(board: Leaderboard) -> Group:
    """The tables and their footnotes, for ``rich``."""
    from rich.console import Group
    from rich.text import Text

    tables = [_terminal_table(board, family, columns) for family, columns in _parts(board).items()]
    return Group(*tables, *(Text(note, style="dim") for note in [*board.footnotes(), *board.protocols()]))


def _terminal_table(board: Leaderboard, family: str, columns: Sequence[Column]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    style = Style(escape, lambda text: f"[bold]{text}[/bold]", lambda text: f"[underline]{text}[/underline]")
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
    for row, texts in zip(board.rows, rows, strict=True):
        table.add_row(*texts, style="" if row.ranked else "dim")
    return table
