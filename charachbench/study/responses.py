"""What raters answered: their files, each of which is believed only as far as it fits the key."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from charachbench import untrusted
from charachbench.errors import UserError
from charachbench.study import page
from charachbench.study.design import Study, Value, answers

if TYPE_CHECKING:
    from pydantic import TypeAdapter

LARGEST = 8_000_000
"""Bytes of a file that is read at all; a thousand screens make about one million."""
STRICT: dict[str, Any] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True)
class Answer:
    """To one question, as the page writes it.

    Attributes:
        screen: its place among the rater's screens, from 0.
        videos: ids of what was shown.
        seconds: since the screen was shown.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    screen: int
    videos: tuple[str, ...]
    question: str
    value: Value
    seconds: float


@dataclass(frozen=True)
class Response:
    """A rater's file, as the page writes it."""

    __pydantic_config__: ClassVar[Any] = STRICT

    schema: int
    study: str
    name: str
    rater: int
    started: str
    finished: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Judgement:
    """One answer that counts.

    Attributes:
        rater: their number.
        case: the pair's name.
        methods: keys of the runs that were shown: one, or the left and the right one.
        value: the rating, or a side.
    """

    rater: int
    case: str
    methods: tuple[str, ...]
    question: str
    value: Value


@dataclass(frozen=True)
class Rater:
    """Who has answered everything.

    Attributes:
        judgements: without those of checks.
        passed: how many of the checks were answered as told.
        checks: how many there were.
        seconds: until the last answer, of all screens together.
    """

    number: int
    judgements: tuple[Judgement, ...]
    passed: int
    checks: int
    seconds: float

    def is_attentive(self, share: float) -> bool:
        """Whether such a share of the checks was passed, or there were none."""
        return self.passed >= share * self.checks


class _Unfit(Exception):  # noqa: N818 - an outcome
    """Why a file is left out."""


def read(folder: Path, study: Study) -> tuple[list[Rater], list[str]]:
    """All raters whose files can be believed, by number, and why others cannot, a sentence each.

    What is there twice counts once. Of files of one rater that differ none counts: which of them is meant, only the
    researcher can know.
    """
    problems: list[str] = []
    found: dict[int, dict[Rater, list[str]]] = defaultdict(lambda: defaultdict(list))
    for path in answers(folder):
        try:
            rater = _rater(_response(path), study)
        except _Unfit as unfit:
            problems.append(f"{path.name!r}: is left out: {unfit}")
        else:
            found[rater.number][rater].append(repr(path.name))
    raters: list[Rater] = []
    for number, versions in sorted(found.items()):
        if len(versions) == 1:
            raters += versions
        else:
            names = [name for each in versions.values() for name in each]
            problems += [
                f"{name}: is left out: of rater {number} there are different answers; keep one" for name in names
            ]
    return raters, problems


@cache
def _reader() -> TypeAdapter[Response]:
    from pydantic import TypeAdapter

    return TypeAdapter(Response)


def _response(path: Path) -> Response:
    from pydantic import ValidationError

    try:
        if path.is_symlink() or not path.is_file():
            raise _Unfit("is no file")
        return _reader().validate_json(untrusted.read_bytes(path, LARGEST))
    except UserError as error:
        raise _Unfit(str(error).removeprefix(f"{path}: ")) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _Unfit(f"is not what the page of a study makes ({where and f'{where}: '}{first['msg']})") from error


def _rater(response: Response, study: Study) -> Rater:
    """What a file says, if that fits the key."""
    if response.schema != page.SCHEMA:
        raise _Unfit(f"is of version {_short(response.schema)}; accepted is {page.SCHEMA}")
    if response.study != study.id:
        raise _Unfit(f"belongs to the study {_short(response.study)}, while this one is {study.id}")
    if not 1 <= response.rater <= len(study.raters):
        raise _Unfit(f"is of rater {_short(response.rater)}; there are 1 to {len(study.raters)}")
    screens, choices = study.raters[response.rater - 1], study.choices
    given = Counter((answer.screen, answer.question) for answer in response.answers)
    wanted = {(index, question) for index in range(len(screens)) for question in study.questions}
    if given.keys() - wanted:
        raise _Unfit("answers what was not asked")
    if missing := len(wanted - given.keys()):
        raise _Unfit(f"lacks {missing} of {len(wanted)} answers")
    if given.total() > len(wanted):
        raise _Unfit("answers a question twice")
    judgements, failed, seconds = [], set(), dict.fromkeys(range(len(screens)), 0.0)
    for answer in response.answers:
        screen, where = screens[answer.screen], f"on screen {answer.screen + 1}"
        if answer.videos != screen.videos:
            raise _Unfit(f"was shown other videos {where} than the key says")
        if answer.value not in choices:
            raise _Unfit(f"answers {_short(answer.value)} {where}; accepted are {choices[0]} to {choices[-1]}")
        if not (math.isfinite(answer.seconds) and answer.seconds >= 0):
            raise _Unfit(f"took {answer.seconds} seconds {where}")
        seconds[answer.screen] = max(seconds[answer.screen], answer.seconds)
        if not screen.told:
            videos = [study.videos[video] for video in screen.videos]
            case = study.cases[videos[0].case].pair
            methods = tuple(video.run for video in videos)
            judgements.append(Judgement(response.rater, case, methods, answer.question, answer.value))
        elif answer.value != screen.told[answer.question]:
            failed.add(answer.screen)
    checks = sum(bool(screen.told) for screen in screens)
    return Rater(response.rater, tuple(judgements), checks - len(failed), checks, sum(seconds.values()))


def _short(value: object) -> str:
    """For a message, whatever it is."""
    return repr(value)[:40]
