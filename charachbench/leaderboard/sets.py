"""Numbers of sets, such as FID: over all pairs together, from the arrays that metrics extracted of each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from charachbench import keys, untrusted
from charachbench.errors import Unscored, UserError
from charachbench.evaluate import NamedMetric
from charachbench.store import read_array, write_array

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


class Arrays(Sequence[np.ndarray]):
    """Stored arrays, read one at a time."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = list(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        path = Path(self.paths[index])
        if (array := read_array(path)) is None:
            path.unlink(missing_ok=True)
            raise UserError(f"{path}: was damaged and is removed; `charachbench evaluate` makes it again")
        return array

    def rows(self) -> int:
        """Of all together; reads no more than headers."""
        try:
            return sum(untrusted.read_length(Path(path)) for path in self.paths)
        except UserError:
            return sum(len(array) for array in self)


class SetNumbers:
    """Computes each number once: finding one takes seconds, and a leaderboard is made after every run.

    Args:
        folder: where they are kept; None keeps none.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def value(self, named: NamedMetric, arrays: Arrays, references: Arrays) -> float:
        """Of all pairs together.

        Raises:
            Unscored: the metric says that there is none.
        """
        return float(
            self._kept(
                "value", named, arrays, references, lambda: np.array([named.metric.summarise(arrays, references)])
            )[0]
        )

    def contributions(self, named: NamedMetric, arrays: Arrays, compared_with: Sequence[str | None]) -> np.ndarray:
        """Of each pair, (pairs,): see ``Metric.contributions``; raises as ``value`` does.

        Args:
            named: the metric.
            arrays: of each pair.
            compared_with: of each pair the path of its reference, or None for all.
        """
        paths = list(dict.fromkeys(path for path in compared_with if path is not None))
        index = [paths.index(path) for path in compared_with if path is not None]
        references = Arrays(paths)
        return self._kept(
            ["contributions", index],
            named,
            arrays,
            references,
            lambda: named.metric.contributions(arrays, references, index),
        )

    def _kept(self, what: Any, named: NamedMetric, arrays: Arrays, references: Arrays, compute: Any) -> np.ndarray:
        if self.folder is None:
            return np.asarray(compute())
        # the paths hold the keys of what the arrays were extracted from, and how
        key = keys.digest([what, named.identity, [_key(path) for path in [*arrays.paths, "|", *references.paths]]])
        path = self.folder / f"{key[:32]}.npy"
        if (array := read_array(path)) is None:
            array = np.asarray(compute())
            self.folder.mkdir(parents=True, exist_ok=True)
            write_array(path, array)
        return array


def contributions(scores: pd.DataFrame, metrics: Sequence[NamedMetric], sets: SetNumbers) -> np.ndarray:
    """What each score brings to its method's figure, which is their mean; float64 (rows,), NaN where there is none.

    Args:
        scores: as ``collect`` gives it.
        metrics: of all its columns.
        sets: finds the numbers of sets.
    """
    found = scores["value"].to_numpy(float, copy=True)
    for named in metrics:
        if not named.metric.of_set:
            continue
        own = (scores["metric"] == named.name).to_numpy()
        found[own] = np.nan
        for method in scores.loc[own, "method"].unique():
            rows = np.flatnonzero(own & (scores["method"] == method) & (scores["status"] == "scored"))
            references = [path if isinstance(path, str) else None for path in scores["reference"].iloc[rows]]
            with contextlib.suppress(Unscored):  # too few for a number
                arrays = Arrays(scores["array"].iloc[rows])
                found[rows] = sets.contributions(named, arrays, references) if len(rows) else []
    return found


def _key(path: str) -> list[str]:
    """A file's name and its folder's, wherever the store lies."""
    return list(Path(path).parts[-3:])
