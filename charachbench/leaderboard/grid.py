"""The tidy table of scores as arrays, methods by pairs: any part of it is then a matter of indices."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from charachbench.codecs import LOSSLESS
from charachbench.errors import UserError
from charachbench.evaluate import NamedMetric
from charachbench.leaderboard.board import Row
from charachbench.leaderboard.comparison import Design

if TYPE_CHECKING:
    import pandas as pd

_MADE = ("scored", "unscored", "error", "pending")
_NOTHING = {"status": "missing", "reason": "not generated yet", "degraded": "", "value": np.nan, "fps": np.nan}


@dataclass(frozen=True)
class MetricGrid:
    """The scores under one metric, each array (M, P); what they hold is told at ``collect``."""

    named: NamedMetric
    status: np.ndarray
    value: np.ndarray
    reason: np.ndarray
    array: np.ndarray
    reference: np.ndarray
    fps: np.ndarray

    @property
    def of_set(self) -> bool:
        """Whether its number is not the mean of the pairs' own."""
        return self.named.metric.of_set

    @property
    def contributed(self) -> bool:
        """Whether it is such a number of which only what each pair contributes is known: its values, without arrays."""
        return self.of_set and not any(self.array[self.scored])

    @property
    def scored(self) -> np.ndarray:
        """(M, P), whether there is a score."""
        return np.asarray(self.status == "scored", dtype=bool)

    def take(self, pairs: np.ndarray) -> MetricGrid:
        """Of some pairs alone."""
        names = ("status", "value", "reason", "array", "reference", "fps")
        return replace(self, **{name: getattr(self, name)[:, pairs] for name in names})

    def why_none(self, method: int | None = None) -> str:
        """The most frequent reason why pairs have no score, what metrics say before what methods say."""
        chosen = slice(None) if method is None else method
        for statuses in (("unscored", "error"), ("failed",), ("pending", "missing")):
            if told := Counter(self.reason[chosen][np.isin(self.status[chosen], statuses)].tolist()):
                return str(min(told, key=lambda reason: (-told[reason], str(reason))))
        return "no pair has been scored"


@dataclass(frozen=True)
class Grid:
    """All scores of M methods on P pairs.

    Attributes:
        methods: (M,) rows, without what became of the pairs, and without cells.
        character, domain, driver: (P,), of each pair.
        status, reason, degraded: (M, P), what became of each pair before it was scored.
    """

    benchmark: str
    methods: tuple[Row, ...]
    character: np.ndarray
    domain: np.ndarray
    driver: np.ndarray
    status: np.ndarray
    reason: np.ndarray
    degraded: np.ndarray
    metrics: tuple[MetricGrid, ...]

    @property
    def pairs(self) -> int:
        """P."""
        return len(self.character)

    def take(self, pairs: np.ndarray) -> Grid:
        """Of some pairs alone."""
        of_pairs = {name: getattr(self, name)[pairs] for name in ("character", "domain", "driver")}
        of_both = {name: getattr(self, name)[:, pairs] for name in ("status", "reason", "degraded")}
        return replace(self, **of_pairs, **of_both, metrics=tuple(metric.take(pairs) for metric in self.metrics))

    def only(self, wanted: Callable[[MetricGrid], bool]) -> Grid:
        """Of some metrics alone."""
        return replace(self, metrics=tuple(filter(wanted, self.metrics)))

    def design(self, pairs: np.ndarray) -> Design:
        """What some pairs share."""
        return Design(self.character[pairs], self.driver[pairs])

    def rows(self) -> list[Row]:
        """With what became of the pairs, without cells."""
        told = [row.codec for row in self.methods if not (row.control or row.random)]
        usual = LOSSLESS if LOSSLESS in told else next(iter(told), LOSSLESS)
        return [
            replace(
                row,
                comparable=row.codec == usual,
                made=int(np.isin(status, _MADE).sum()),
                failures=_counts(_without_name(str(text)) for text in reason[status == "failed"]),
                degraded=_counts(text for text in degraded if text),
            )
            for row, status, reason, degraded in zip(self.methods, self.status, self.reason, self.degraded, strict=True)
        ]


def _without_name(reason: str) -> str:
    return re.sub(r"^(character|driver) '[^']*': ", "", reason)


def _counts(texts: Any) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(texts).most_common())


def to_grid(scores: pd.DataFrame, metrics: Sequence[NamedMetric]) -> Grid:
    """Of the table that ``collect`` gives.

    Raises:
        UserError: figures of one metric were made under different protocols.
    """
    import pandas as pd

    method_codes, methods = pd.factorize(scores["method"])
    pair_codes, pairs = pd.factorize(scores["pair"])
    texts = scores[["metric", "status", "reason", "array", "reference"]].astype(object)
    columns = {name: texts[name].where(texts[name].notna(), None).to_numpy() for name in texts}
    columns |= {name: scores[name].to_numpy(float) for name in ("value", "fps")}
    columns["degraded"] = scores["degraded"].fillna("").to_numpy(object)

    def spread(name: str, rows: Any = slice(None)) -> np.ndarray:
        full = np.full((len(methods), len(pairs)), _NOTHING.get(name), dtype=columns[name].dtype)
        full[method_codes[rows], pair_codes[rows]] = columns[name][rows]
        return full

    grids = []
    for named in metrics:
        rows = np.flatnonzero(columns["metric"] == named.name)
        if len(signatures := sorted(scores["signature"].iloc[rows].unique())) > 1:
            raise UserError(
                f"{named.name}: figures under different protocols cannot share a column: {', '.join(signatures)}; "
                "score them again under one"
            )
        names = ("status", "value", "reason", "array", "reference", "fps")
        grids.append(MetricGrid(named, *(spread(name, rows) for name in names)))
    of_pairs = scores.drop_duplicates("pair")
    return Grid(
        benchmark=str(scores["benchmark"].iloc[0]),
        methods=tuple(_row(row) for row in scores.drop_duplicates("method").itertuples()),
        metrics=tuple(grids),
        **{name: of_pairs[name].to_numpy(object) for name in ("character", "domain", "driver")},
        **{name: spread(name) for name in ("status", "reason", "degraded")},
    )


def _row(row: Any) -> Row:
    return Row(
        method=str(row.method), run=str(row.run), control=bool(row.control), random=bool(row.random),
        codec=str(getattr(row, "codec", LOSSLESS)),  # tables of before there were others do not say
        given=str(row.given), made=0, failures=(), degraded=(), cells={},
    )  # fmt: skip
