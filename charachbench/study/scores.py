"""What raters think of single videos, as the leaderboard reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

from charachbench import untrusted
from charachbench.config import StudyKind
from charachbench.errors import UserError
from charachbench.store import write_json
from charachbench.study.analysis import opinions
from charachbench.study.design import FOLDER, Study
from charachbench.study.responses import Judgement

FILE = "scores.json"
SCHEMA = 1


@dataclass(frozen=True)
class HumanScore:
    """Of a video under a question.

    Attributes:
        run: the key of the run that made it.
        pair: its name.
        sha256: of the video in the store, which may have been made anew since.
        value: the mean rating, or the share of comparisons that it won, ties as half; more is better.
        raters: how many judged it.
    """

    run: str
    pair: str
    sha256: str
    question: str
    value: float
    raters: int


@dataclass(frozen=True)
class HumanScores:
    """Of a study.

    Attributes:
        name: of the study, unique within a benchmark.
        kind: ``rating`` or ``pairwise``.
        least, most: between which values are.
    """

    name: str
    kind: str
    least: float
    most: float
    scores: tuple[HumanScore, ...]
    schema: int = SCHEMA


def of(name: str, study: Study, judgements: Sequence[Judgement]) -> HumanScores:
    """What raters think of the videos of a study."""
    raters: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for one in judgements:
        for method in one.methods:
            raters[one.question, method, one.case].add(one.rater)
    shown = {(video.run, study.cases[video.case].pair): video.sha256 for video in study.videos.values()}
    found = [
        HumanScore(run, pair, shown[run, pair], question, mean(values), len(raters[question, run, pair]))
        for question, of_videos in opinions(judgements).items()
        for (run, pair), values in sorted(of_videos.items())
    ]
    least, most = (0, 1) if study.kind is StudyKind.pairwise else (1, study.asked["scale"])
    return HumanScores(name, study.kind.name, least, most, tuple(found))


def write(folder: Path, scores: HumanScores) -> Path:
    """Keep them beside the study's key."""
    path = folder / FILE
    write_json(path, asdict(scores))
    return path


def human_scores(folder: Path) -> list[HumanScores]:
    """Of every study of a benchmark that has results, by name.

    Args:
        folder: of the benchmark (``Store.benchmark_folder``).

    Raises:
        UserError: a file is damaged or of another version.
    """
    from pydantic import TypeAdapter, ValidationError

    found = []
    for path in sorted((folder / FOLDER).glob(f"*/{FILE}")):
        try:
            scores = TypeAdapter(HumanScores).validate_python(untrusted.read_json(path))
        except (ValidationError, UserError) as error:
            raise UserError(f"{path}: cannot be read; make it again with `charachbench study_results`") from error
        if scores.schema != SCHEMA:
            raise UserError(f"{path}: is of another version; make it again with `charachbench study_results`")
        found.append(scores)
    return found
