"""What raters think of videos, as columns of the leaderboard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from charachbench.evaluate import NamedMetric
from charachbench.protocols import Metric, Sample
from charachbench.store import Run
from charachbench.study.scores import HumanScores

if TYPE_CHECKING:
    import pandas as pd

    from charachbench.benchmark.types import Benchmark

DEFAULT = "study"
"""The name of a study that its columns need not bear."""


class Opinion(Metric):
    """Mean rating of a video, or the share of comparisons that it won; raters give it, so nothing is extracted.

    Args:
        scores: of a study.
        question: one of its questions.
    """

    family: ClassVar[str] = "human"
    direction: ClassVar[Literal["up", "down"]] = "up"

    def __init__(self, scores: HumanScores, question: str) -> None:
        self.scores, self.question = scores, question
        self.limits = scores.least, scores.most  # type: ignore[misc]
        if scores.kind == "rating":
            self.unit = f"of {scores.most:g}"  # type: ignore[misc]

    def protocol(self) -> dict[str, str | int | float]:
        """Study, kind of question, scale and number of raters."""
        raters = sorted({score.raters for score in self.scores.scores if score.question == self.question})
        return {
            "study": self.scores.name,
            "question": self.question,
            "asked": f"{self.scores.kind}, {self.scores.least:g} to {self.scores.most:g}",
            "raters of a video": " to ".join(dict.fromkeys(map(str, (raters[0], raters[-1])))),
        }

    def extract(self, sample: Sample) -> np.ndarray:
        """Nothing: never called."""
        raise NotImplementedError


def join(
    scores: pd.DataFrame, studies: Sequence[HumanScores], runs: Sequence[Run], benchmark: Benchmark
) -> tuple[pd.DataFrame, list[NamedMetric]]:
    """The tidy table of scores with those of raters, and the metrics that these are.

    Args:
        scores: as ``collect`` gives them.
        studies: of the benchmark.
        runs: of the benchmark; what raters saw of them and was made anew since does not count.
        benchmark: whose pairs.
    """
    import pandas as pd

    if not studies:
        return scores, []
    present = {
        (run.info.key, name): record["outputs"].get("video.mkv")
        for run in runs
        for name, (_, record) in run.finished(benchmark).items()
    }
    base = scores.drop_duplicates(["run", "pair"])
    tables, metrics = [scores], []
    for study in studies:
        for named in _metrics(study):
            question = named.metric.question  # type: ignore[attr-defined]
            values = {
                (score.run, score.pair): score.value
                for score in study.scores
                if score.question == question and present.get((score.run, score.pair)) == score.sha256
            }
            tables.append(_rows(base, named, values))
            metrics.append(named)
    return pd.concat(tables, ignore_index=True), metrics


def _metrics(study: HumanScores) -> Iterator[NamedMetric]:
    of_study = "" if study.name == DEFAULT else f"{study.name}_"
    for question in dict.fromkeys(score.question for score in study.scores):
        metric = Opinion(study, question)
        yield NamedMetric(f"human_{of_study}{question}", metric, {"protocol": metric.protocol()})


def _rows(base: pd.DataFrame, named: NamedMetric, values: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """One for each run and pair."""
    known = [values.get(key) for key in zip(base["run"], base["pair"], strict=True)]
    made = ~base["status"].isin(["failed", "missing"])
    scored = np.array([value is not None for value in known]) & made.to_numpy()
    return base.assign(
        metric=named.name,
        signature=named.signature,
        value=np.array([np.nan if value is None else value for value in known], dtype=float),
        status=np.where(scored, "scored", np.where(made, "unscored", base["status"])),
        reason=np.where(scored, "", np.where(made, "was not shown in the study", base["reason"])),
        array=None,
        reference=None,
    )
