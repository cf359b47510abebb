"""The report's plots, drawn by matplotlib; on the page they take its colours, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from charachbench.leaderboard.board import Cell, Column, Leaderboard, Row
from charachbench.leaderboard.comparison import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _LINE = "#010203", "#010204"
"""Stand for the page's colours of text and of lines."""
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#A6761D")
"""Of ranked methods, as many as can be told apart by those who see few colours (Okabe and Ito, 2008), and two more."""
_MARKERS = "osD^vP*X"
_GREY = "#8a8a92"
_WIDTH = 7.2
"""Inches."""
_FRONT = "the line joins methods that none beats in both. Controls that are far off are left out."


@dataclass(frozen=True)
class Plot:
    """A figure with what it says to those who do not see it.

    Attributes:
        kind: what it is shown among.
        name: of the choice within its kind.
        text: what it shows, in a sentence.
    """

    kind: str
    name: str
    text: str
    figure: Figure

    @property
    def stem(self) -> str:
        """Of its file."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.kind} {self.name}".lower()).strip("-")


def draw(board: Leaderboard, speeds: Mapping[str, float], correlations: Correlations | None) -> list[Plot]:
    """All plots that a leaderboard has something for.

    Args:
        board: the leaderboard.
        speeds: frames per second by method.
        correlations: of metrics.
    """
    styles = _styles(board)
    plots = []
    if board.ranking is not None:
        plots.append(Plot("Mean ranks", "all metrics", _ranks_told(board.ranking), _ranks(board.ranking)))
    for column in board.columns:
        if column.ranking is not None:
            plots.append(Plot("Mean ranks", column.name, _ranks_told(column.ranking), _ranks(column.ranking)))
    domains = board.slices.get("domain", {})
    if len(domains) > 1:
        for column in (each for each in board.columns if any(part.column(each.name) for part in domains.values())):
            text = f"{column.heading} of each method in each domain, with 95% intervals where there are any."
            plots.append(Plot("By domain", column.name, text, _bars(board, column, domains, styles)))
    for across, up in combinations(_headline(board), 2):
        text = f"{up.heading} against {across.heading}; {_FRONT}"
        figure = _scatter(
            board, across.heading, up, lambda row, c=across: _value(row, c), across.direction == "up", styles
        )
        plots.append(Plot("Trade-offs", f"{across.name} and {up.name}", text, figure))
    known = {method: speed for method, speed in speeds.items() if speed > 0}
    for column in _headline(board) if known else ():
        text = f"{column.heading} against frames per second; {_FRONT}"
        figure = _scatter(
            board, "frames per second ↑", column, lambda row: known.get(row.method), True, styles, logarithmic=True
        )
        plots.append(Plot("Speed and quality", column.name, text, figure))
    if correlations is not None:
        plots.append(Plot("Agreement of metrics", "", correlations.text, _heat_map(correlations)))
    return plots


def svg(plot: Plot) -> str:
    """To be put into the page, where it takes the page's colours."""
    out = io.StringIO()
    with _settings():
        plot.figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor").replace(_LINE, "var(--line)")
    text = re.sub(r'id="([^"]+)"', rf'id="{plot.stem}-\1"', text)  # unique on the page
    text = re.sub(r'(href="#|url\(#)', rf"\1{plot.stem}-", text)
    return re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)


def save(plot: Plot, path: Path) -> None:
    """As PNG, dark on white, the same bytes whatever the day."""
    with _settings():
        plot.figure.savefig(path, format="png", dpi=150, facecolor="white", metadata={"Software": None})


def _settings() -> Any:
    import matplotlib as mpl

    return mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "charachbench", "font.family": "sans-serif"})


def _figure(
    width: float, height: float, *, left: float = 0.8, bottom: float = 0.55, top: float = 0.15
) -> tuple[Figure, Axes]:
    """In inches, with so much room around the axes: finding out how much is needed would take half of all time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes(
        (left / width, bottom / height, (width - left - 0.15) / width, (height - bottom - top) / height)
    )
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(_INK)
    axes.tick_params(which="both", colors=_INK, labelsize=9)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    return figure, axes


def _room(texts: Iterable[str]) -> float:
    """Inches that the longest of some labels takes."""
    return 0.25 + 0.073 * max(map(len, texts), default=0)


@dataclass(frozen=True)
class _Style:
    colour: str
    marker: str


def _styles(board: Leaderboard) -> dict[str, _Style]:
    """By method: ranked ones in colour, the others grey."""
    ranked = [row.method for row in board.rows if row.ranked]
    styles = {row.method: _Style(_GREY, "x") for row in board.rows}
    for index, method in enumerate(ranked):
        styles[method] = _Style(
            _COLOURS[index % len(_COLOURS)], _MARKERS[(index // len(_COLOURS) + index) % len(_MARKERS)]
        )
    return styles


def _shown(board: Leaderboard) -> list[Row]:
    """Those that are ranked, or else all whose weights are not random."""
    return [row for row in board.rows if row.ranked] or [row for row in board.rows if not row.random]


def _value(row: Row, column: Column) -> float | None:
    return row.cells[column.name].value


def _headline(board: Leaderboard) -> list[Column]:
    """The first metric of each family."""
    return [columns[0] for columns in board.families.values()]


def _ranks(ranking: Ranking) -> Figure:
    """A critical-difference diagram: mean ranks with intervals, and bars that join what cannot be told apart."""
    count = len(ranking.methods)
    figure, axes = _figure(_WIDTH, 0.9 + 0.3 * (count + len(ranking.groups)), left=_room(ranking.methods))
    for place, (mean, interval) in enumerate(zip(ranking.means, ranking.intervals, strict=True)):
        if interval is not None:
            ends = [max(interval[0], 1), min(interval[1], count)]
            axes.plot(ends, [place, place], color=_LINE, linewidth=3, solid_capstyle="round")
        axes.plot(mean, place, marker="o", color=_COLOURS[0], markersize=6, linestyle="none")
        axes.annotate(
            f"{mean:.2f}", (mean, place), (0, 5), textcoords="offset points", fontsize=7.5, color=_INK, ha="center"
        )
    for index, group in enumerate(ranking.groups):
        ends = [ranking.means[ranking.methods.index(method)] for method in (group[0], group[-1])]
        axes.plot(ends, [count + 0.3 + index * 0.7] * 2, color=_COLOURS[1], linewidth=4, solid_capstyle="round")
    axes.set_ylim(count + len(ranking.groups) * 0.7, -0.7)
    axes.set_xlim(0.9, count + 0.1)
    axes.set_yticks(range(count), list(ranking.methods))
    axes.set_xticks(range(1, count + 1))
    axes.set_xlabel(f"mean rank over {ranking.pairs} pairs, 1 the best", fontsize=9)
    axes.grid(axis="x", color=_LINE, linewidth=0.6, alpha=0.6)
    axes.set_axisbelow(True)
    return figure


def _ranks_told(ranking: Ranking) -> str:
    ranks = ", ".join(f"{method} {mean:.2f}" for method, mean in zip(ranking.methods, ranking.means, strict=True))
    groups = "; ".join(", ".join(group) for group in ranking.groups)
    return f"Mean ranks: {ranks}. " + (
        f"Joined by a bar, as they cannot be told apart: {groups}." if groups else "All can be told apart."
    )


def _bars(
    board: Leaderboard, column: Column, domains: Mapping[str, Leaderboard], styles: Mapping[str, _Style]
) -> Figure:
    """Of each domain a group of bars, one for each method."""
    rows = _shown(board)
    width = 0.84 / len(rows)
    crowded = len(domains) > 5
    figure, axes = _figure(_WIDTH, 3.2, bottom=0.75 if crowded else 0.35, top=_legend_room(len(rows)))
    for index, row in enumerate(rows):
        places, heights, errors = [], [], []
        for place, part in enumerate(domains.values()):
            own = part.row(row.method)
            cell = own.cells.get(column.name, Cell(None, 0)) if own else Cell(None, 0)
            if cell.value is not None:
                low, high = cell.interval or (cell.value, cell.value)
                places.append(place + (index - (len(rows) - 1) / 2) * width)
                heights.append(cell.value)
                errors.append((cell.value - low, high - cell.value))
        if places:
            axes.bar(places, heights, width * 0.92, color=styles[row.method].colour, label=row.marked)
            axes.errorbar(places, heights, np.maximum(np.array(errors).T, 0), fmt="none", ecolor=_INK, elinewidth=0.9)
    axes.set_xticks(range(len(domains)), list(domains), rotation=20 if crowded else 0)
    axes.set_ylabel(column.heading, fontsize=9)
    axes.axhline(0, color=_INK, linewidth=0.8)
    axes.grid(axis="y", color=_LINE, linewidth=0.6, alpha=0.6)
    axes.set_axisbelow(True)
    _legend(axes)
    return figure


_COLUMNS = 3
"""Of a legend."""


def _legend(axes: Axes) -> None:
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=_COLUMNS, frameon=False, fontsize=8, labelcolor=_INK
    )


def _legend_room(entries: int) -> float:
    """Inches above the axes."""
    return 0.15 + 0.2 * -(-entries // _COLUMNS)


def _scatter(
    board: Leaderboard, across: str, up: Column, position: Any, more_is_better: bool, styles: Mapping[str, _Style],
    *, logarithmic: bool = False,
) -> Figure:  # fmt: skip
    """Methods by two quantities, and the front of those that are ranked; controls only where they are not far off."""
    figure, axes = _figure(_WIDTH, 4.2, top=_legend_room(len(board.rows)))
    points: list[tuple[Row, float, float]] = []
    for row in board.rows:
        x, y = position(row), _value(row, up)
        if x is not None and y is not None and not row.random:
            points.append((row, x, y))
    ranked = [(x, y) for row, x, y in points if row.ranked] or [(x, y) for _, x, y in points]
    front = pareto_front(ranked, more_is_better, up.direction == "up")
    if len(front) > 1:
        axes.plot(*zip(*front, strict=True), color=_COLOURS[0], linewidth=1.2, linestyle="--", zorder=1)
    near = [_near(values) for values in zip(*ranked, strict=True)] if ranked else []
    for row, x, y in points:
        if row.ranked or ((logarithmic or near[0](x)) and near[1](y)):
            style = styles[row.method]
            axes.scatter(x, y, 60, style.colour, marker=style.marker, label=row.marked, zorder=2)
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        low, high = axes.get_xlim()
        axes.xaxis.set_minor_formatter("{x:g}" if high < 10 * low else "")  # else they would cover each other
    axes.margins(0.12)
    axes.set_xlabel(across, fontsize=9)
    axes.set_ylabel(up.heading, fontsize=9)
    axes.grid(color=_LINE, linewidth=0.6, alpha=0.6)
    axes.set_axisbelow(True)
    _legend(axes)
    return figure


def _near(values: Sequence[float]) -> Callable[[float], bool]:
    """Whether a number is not so far from these that a plot of both would show these as one."""
    least, most = min(values), max(values)
    reach = 2 * (most - least) or abs(most) / 2
    return lambda value: least - reach <= value <= most + reach


def pareto_front(points: Sequence[tuple[float, float]], x_up: bool, y_up: bool) -> list[tuple[float, float]]:
    """Points that no other beats in one coordinate without losing in the other, by the first coordinate."""
    signs = np.array([1 if x_up else -1, 1 if y_up else -1])

    def beaten(point: np.ndarray) -> bool:
        gains = (np.array(points) - point) * signs
        return bool(((gains >= 0).all(axis=1) & (gains > 0).any(axis=1)).any())

    return sorted({point for point in points if not beaten(np.array(point))})


@dataclass(frozen=True)
class Correlations:
    """Do metrics agree on which method is better on a pair?

    Attributes:
        metrics: K names.
        values: (K, K), Pearson correlation of ranks within pairs; NaN where there is none.
        items: (K, K), over how many (method, pair).
    """

    metrics: tuple[str, ...]
    values: np.ndarray
    items: np.ndarray

    @property
    def text(self) -> str:
        """In a sentence."""
        return (
            "Whether two metrics agree on which method is better on a pair: correlation of the methods' ranks within "
            "pairs, all rows but those of random weights, controls too. 1 they agree, -1 the opposite."
        )


def correlate(metrics: Sequence[str], ranks: np.ndarray) -> Correlations | None:
    """Correlations of ranks (K, M, P), NaN where a method has no score; None of fewer than two metrics or methods."""
    if len(metrics) < 2 or ranks.shape[1] < 2:
        return None
    known = np.isfinite(ranks)
    totals = np.where(known, ranks, 0).sum(axis=1, keepdims=True)
    centred = np.where(known, ranks - totals / np.maximum(known.sum(axis=1, keepdims=True), 1), 0)
    centred, known = centred.reshape(len(metrics), -1), known.reshape(len(metrics), -1)
    both = known.astype(float) @ known.T
    products, squares = centred @ centred.T, (centred**2) @ known.T
    with np.errstate(divide="ignore", invalid="ignore"):
        values = products / np.sqrt(squares * squares.T)
    return Correlations(tuple(metrics), np.where(both >= 3, values, np.nan), both.astype(int))


def _heat_map(correlations: Correlations) -> Figure:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, Normalize

    count = len(correlations.metrics)
    side = max(3.0, 0.36 * count)
    room = _room(correlations.metrics)
    figure, axes = _figure(side + room + 0.15, side + room, left=room, bottom=room - 0.1, top=0.1)
    colours = ListedColormap(colormaps["RdBu"](np.linspace(0.2, 0.8, 255)))  # black on it can be read
    axes.imshow(correlations.values, cmap=colours, norm=Normalize(-1, 1), aspect="auto")
    for y, x in np.ndindex(count, count):
        value = correlations.values[y, x]
        if np.isfinite(value):
            text = f"{value:+.2f}".replace("-", "−").replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:+.0f}"
            axes.text(x, y, text, ha="center", va="center", fontsize=6.5 if count > 8 else 8, color="#1c1c20")
    axes.set_xticks(range(count), list(correlations.metrics), rotation=90)
    axes.set_yticks(range(count), list(correlations.metrics))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure
