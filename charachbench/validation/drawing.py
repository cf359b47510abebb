"""The pictures of a validation: a heat map of correlations, and lines of bias."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from charachbench.validation.bias import Bias
from charachbench.validation.report import Validation, correlation_text, effect_text, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK, _GREY, _LINE = "#28282c", "#dcdce0", "#2166ac"


def heat_map(validation: Validation) -> Figure:
    """Metrics by corruptions, grouped by family; cells that a family claims are framed."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, Normalize

    rows, columns = list(validation.rows.values()), validation.corruptions
    values = np.array([[np.nan if r.correlation is None else r.correlation for r in row] for row in rows])
    left, width, top, bottom = 3.3, 0.8 * len(columns), 0.95, 0.75  # inches
    height = 0.4 * len(rows)
    full_width, full_height = left + width + 0.2, top + height + bottom
    figure = _figure(full_width, full_height)
    axes = figure.add_axes((left / full_width, bottom / full_height, width / full_width, height / full_height))
    axes.set_facecolor(_GREY)
    # Without the darkest ends, so that black on it can be read.
    colours = ListedColormap(colormaps["RdBu"](np.linspace(0.2, 0.8, 255)))
    image = axes.imshow(values, cmap=colours, norm=Normalize(-1, 1), aspect="auto")
    for y, row in enumerate(rows):
        for x, response in enumerate(row):
            effect = effect_text(validation.effect(response))
            for text, lift, size in ((correlation_text(response), 0.12 if effect else 0, 9), (effect, -0.24, 6.5)):
                axes.text(x, y - lift, text.replace("-", "−"), ha="center", va="center", fontsize=size, color=_INK)
            if response.claimed:
                axes.add_patch(_frame(x, y))
    axes.set_xticks(range(len(columns)), [name.replace("_", "\n") for name in columns], fontsize=9)
    axes.set_yticks(range(len(rows)), list(validation.rows), fontsize=9)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.set_xticks(np.arange(1, len(columns)) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, len(rows)) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    _families(axes, [row[0].named.metric.family for row in rows], (0.15 - left) / width)

    def note(text: str, up: float, size: float) -> None:
        figure.text(0.15 / full_width, up / full_height, text, fontsize=size, color=_INK, va="center")

    heading = f"Rank correlation of severity with how bad a metric says the video is ({validation.benchmark},"
    note(f"{heading} {validation.pairs} pairs)", full_height - 0.22, 10.5)
    note("framed: the family claims to see it\nsmall: % of the metric's largest change\n–: not scored", 0.38, 8)
    bar = figure.add_axes((left / full_width, 0.45 / full_height, min(3.6, width) / full_width, 0.13 / full_height))
    figure.colorbar(image, cax=bar, orientation="horizontal")
    bar.set_xticks([-1, 0, 1], ["−1 gets better", "0 no response", "+1 gets worse"], fontsize=8)
    return figure


def _families(axes: Any, families: list[str], edge: float) -> None:
    """Name the families left of the metrics, from ``edge`` of the map's width on, and part them by lines."""
    beside = axes.get_yaxis_transform()
    for family in dict.fromkeys(families):
        first, count = families.index(family), families.count(family)
        axes.text(
            edge, first + (count - 1) / 2, family, transform=beside, fontsize=9, fontweight="bold", va="center"
        )  # fmt: skip
        if first:
            axes.plot([edge, 1], [first - 0.5] * 2, transform=beside, color=_INK, linewidth=0.8, clip_on=False)
    axes.set_ylim(len(families) - 0.5, -0.5)


def _frame(x: int, y: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.455, y - 0.43), 0.91, 0.86, fill=False, edgecolor=_INK, linewidth=1.3)


def lines(biases: tuple[Bias, ...]) -> Figure:
    """A panel for each metric of sets: mean and range over draws, by the number of samples."""
    across = min(3, len(biases))
    down = -(-len(biases) // across)
    figure = _figure(3.6 * across, 2.7 * down + 0.3)
    for index, bias in enumerate(biases):
        axes = figure.add_subplot(down, across, index + 1)
        known = np.isfinite(bias.values).any(axis=1)
        sizes, values = bias.sizes[known], bias.values[known]
        axes.axhline(0, color=_INK, linewidth=0.8, linestyle=":")
        axes.fill_between(sizes, np.nanmin(values, axis=1), np.nanmax(values, axis=1), color=_LINE, alpha=0.2, lw=0)
        axes.plot(sizes, np.nanmean(values, axis=1), color=_LINE, marker="o", markersize=4)
        axes.set_xscale("log")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.set_xticks([], minor=True)
        axes.set_title(title(bias.named), fontsize=9.5)
        axes.tick_params(labelsize=8)
        axes.set_xlabel("samples in each set", fontsize=8.5)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle("What is read between two sets of one distribution: mean and range over draws", fontsize=10)
    figure.tight_layout()
    return figure


def _figure(width: float, height: float) -> Figure:
    """Inches; drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """As PNG, the same bytes whatever the day."""
    figure.savefig(path, format="png", dpi=150, metadata={"Software": None})
