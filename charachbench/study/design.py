"""A study: which videos it shows to whom, under ids that tell nothing. All of it is the key, which raters never get."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import cycle, product
from pathlib import Path
from typing import Any

import numpy as np

from charachbench import config, keys, untrusted
from charachbench.benchmark.types import Benchmark, Pair
from charachbench.config import StudyConfig, StudyKind, Track
from charachbench.errors import UserError
from charachbench.leaderboard.collect import label_runs
from charachbench.store import Entry, Run, Store, write_json
from charachbench.study import assignment

log = logging.getLogger(__name__)

SCHEMA = 1
FOLDER, KEY_FILE, RESPONSES = "study", "key.json", "responses"
SIDES = ("left", "tie", "right")
"""What can be answered where two videos are compared."""
SCALES = range(2, 11)
LONGEST_QUESTION = 200
Value = int | str


@dataclass(frozen=True)
class Case:
    """A pair whose videos are shown."""

    pair: str
    character: str
    driver: str


@dataclass(frozen=True)
class Shown:
    """A video that is shown.

    Attributes:
        case: its id.
        run: the key of the run that made it.
        sha256: of the file in the store.
    """

    case: str
    run: str
    sha256: str


@dataclass(frozen=True)
class Screen:
    """What a rater sees at once.

    Attributes:
        videos: ids; one, or the left and the right one.
        told: of a check, by question, what the rater is told to answer; empty where the screen is none.
    """

    videos: tuple[str, ...]
    told: dict[str, Value]


@dataclass(frozen=True)
class Study:
    """All that decides what raters see.

    Attributes:
        asked: the settings, and the pairs, runs and files that they led to.
        methods: names in the leaderboard, by run key.
        cases, videos: by id.
        raters: the screens of each, in order.
    """

    asked: dict[str, Any]
    methods: dict[str, str]
    cases: dict[str, Case]
    videos: dict[str, Shown]
    raters: tuple[tuple[Screen, ...], ...]
    schema: int = SCHEMA

    @property
    def id(self) -> str:
        """Hash of everything: answers belong to one study alone."""
        return keys.digest(asdict(self))[:16]

    @property
    def kind(self) -> StudyKind:
        """What raters are asked."""
        return StudyKind[self.asked["kind"]]

    @property
    def questions(self) -> list[str]:
        """As configured."""
        return list(self.asked["questions"])

    @property
    def choices(self) -> tuple[Value, ...]:
        """What can be answered, from the worst to the best, or from left to right."""
        return SIDES if self.kind is StudyKind.pairwise else tuple(range(1, self.asked["scale"] + 1))


@dataclass(frozen=True)
class _Row:
    """A run whose videos are shown.

    Attributes:
        name: in the leaderboard.
        finished: by pair name, entries and records, as ``Run.finished`` gives them.
    """

    key: str
    name: str
    finished: dict[str, tuple[Entry, dict[str, Any]]]

    def sha256(self, pair: Pair) -> str:
        """Of its video of a pair."""
        entry, record = self.finished[pair.name]
        return str(record["outputs"][entry.video_path.name])


def folder_of(settings: config.Config, benchmark: Benchmark, store: Store) -> Path:
    """Where the configured study is kept.

    Raises:
        UserError: a setting is out of range.
    """
    if settings.track is not Track.animation:
        raise UserError(f"track={settings.track.name}: has no videos to judge; accepted here: track=animation")
    _check(settings.study)
    return store.benchmark_folder(benchmark) / FOLDER / settings.study.name


def read(folder: Path) -> Study | None:
    """The study whose key lies in a folder; None where none does.

    Raises:
        UserError: the key is damaged.
    """
    from pydantic import TypeAdapter, ValidationError

    path = folder / KEY_FILE
    if not path.exists():
        return None
    try:
        found = TypeAdapter(dict[str, Any]).validate_python(untrusted.read_json(path))
        told = found.pop("id", None)
        study = TypeAdapter(Study).validate_python(found)
    except (ValidationError, UserError) as error:
        raise UserError(f"{path}: is no key of a study; put back the one that was made with its page") from error
    plain = all(re.fullmatch(r"[\w-]+", name, re.ASCII) for name in (*study.cases, *study.videos))  # of files
    if study.schema != SCHEMA or study.id != told or not plain:
        raise UserError(f"{path}: is of another version, or was changed; put back the one that was made with its page")
    return study


def make(settings: config.Config, benchmark: Benchmark, store: Store) -> Study:
    """The configured study: the one that is there where nothing has changed, else a new one, whose key is written.

    Raises:
        UserError: a setting is wrong, the store has too little, or what raters have answered would be lost.
    """
    chosen, folder = settings.study, folder_of(settings, benchmark, store)
    rows = _choose_rows(chosen, benchmark, store)
    pairs = _choose_pairs(chosen, benchmark, rows)
    asked = _asked(chosen, pairs, rows)
    before = read(folder)
    if before is not None:
        if before.asked == asked:
            return before
        named = before.asked.keys() | asked.keys()
        changed = ", ".join(sorted(name for name in named if asked.get(name) != before.asked.get(name)))
        if answers(folder / RESPONSES):
            raise UserError(
                f"{folder}: was answered already, and was made with other {changed}; "
                "choose another study.name, or what it was made with"
            )
        (folder / KEY_FILE).replace(folder / f"key-{before.id}.json")
        log.warning("%s: is made anew with other %s; pages that were given out before are void", folder.name, changed)
    study = _draw(chosen, asked, pairs, rows)
    (folder / RESPONSES).mkdir(parents=True, exist_ok=True)
    write_json(folder / KEY_FILE, {"id": study.id, **asdict(study)})
    return study


def answers(folder: Path) -> list[Path]:
    """All that lies in a folder of responses, but for hidden files, by name."""
    return sorted(path for path in folder.glob("*") if not path.name.startswith("."))


def _choose_rows(chosen: StudyConfig, benchmark: Benchmark, store: Store) -> list[_Row]:
    """The runs that are shown."""
    runs = store.runs(benchmark)
    names = label_runs(runs)
    rows = {names[run.info.key]: (run.info, _row(run, names[run.info.key], benchmark)) for run in runs}
    if chosen.methods is not None:
        for name in chosen.methods:
            if name not in rows:
                raise UserError(
                    f"study.methods: '{name}' is no row of {benchmark.name};{config.suggest(name, [*rows])}"
                )
        shown = [rows[name][1] for name in dict.fromkeys(chosen.methods)]
    else:
        ranked = [row for info, row in rows.values() if not (info.control or info.random)]
        shown = [row for row in ranked if len(row.finished) >= chosen.cases]
        for row in ranked:
            if row not in shown:
                log.warning("%s: is not shown, as it has made %d pairs only", row.name, len(row.finished))
    least = 2 if chosen.kind is StudyKind.pairwise else 1
    if len(shown) < least:
        raise UserError(
            f"study.kind={chosen.kind.name}: needs {least} or more methods that are ranked and have made "
            f"study.cases={chosen.cases} pairs of {benchmark.name}, found {len(shown)}; "
            "make more, show fewer cases, or choose others by study.methods"
        )
    most = len(shown) * (len(shown) - 1) // 2
    if chosen.kind is StudyKind.pairwise and chosen.comparisons > most:
        raise UserError(f"study.comparisons={chosen.comparisons}: of {len(shown)} methods accepted are 1 to {most}")
    return shown


def _choose_pairs(chosen: StudyConfig, benchmark: Benchmark, rows: Sequence[_Row]) -> list[Pair]:
    """The pairs that are shown, of those that every method made."""
    shared = [pair for pair in benchmark.pairs if all(pair.name in row.finished for row in rows)]
    if len(shared) < chosen.cases:
        made = ", ".join(f"{row.name} {len(row.finished)}" for row in rows)
        raise UserError(f"study.cases={chosen.cases}: all methods together have {len(shared)} pairs (alone: {made})")
    return assignment.spread_out(shared, chosen.cases, chosen.seed)


def _row(run: Run, name: str, benchmark: Benchmark) -> _Row:
    finished = run.finished(benchmark)
    shown = {pair: made for pair, made in finished.items() if made[0].video_path.is_file()}
    return _Row(run.info.key, name, shown)


def _check(chosen: StudyConfig) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", chosen.name):
        raise UserError(
            f"study.name={chosen.name!r}: accepted are up to 64 of A-Z, a-z, 0-9 and ._-, none of ._- first"
        )
    for name, least in {"cases": 1, "comparisons": 1, "raters": 1, "checks": 0, "seed": 0}.items():
        if (value := getattr(chosen, name)) < least:
            raise UserError(f"study.{name}={value}: accepted are whole numbers from {least}")
    if chosen.scale not in SCALES:
        raise UserError(f"study.scale={chosen.scale}: accepted are {SCALES[0]} to {SCALES[-1]}, as there are keys")
    if not 0 <= chosen.checks_passed <= 1:
        raise UserError(f"study.checks_passed={chosen.checks_passed}: accepted is a share, 0 to 1")
    if not chosen.questions or len(set(chosen.questions)) < len(chosen.questions):
        raise UserError(f"study.questions={chosen.questions}: accepted is at least one question, and none twice")
    for question in chosen.questions:
        if not question.strip() or len(question) > LONGEST_QUESTION:
            raise UserError(f"study.questions: '{question[:40]}': accepted are 1 to {LONGEST_QUESTION} letters")


def _asked(chosen: StudyConfig, pairs: Sequence[Pair], rows: Sequence[_Row]) -> dict[str, Any]:
    """All that would make it another study, JSON-serialisable."""
    names = ["questions", "raters", "checks", "text", "seed"]
    names.append("comparisons" if chosen.kind is StudyKind.pairwise else "scale")
    return {
        "kind": chosen.kind.name,
        **{name: getattr(chosen, name) for name in names},
        "cases": {pair.name: [pair.character.fingerprint, pair.driver.fingerprint] for pair in pairs},
        "methods": {row.key: {pair.name: row.sha256(pair) for pair in pairs} for row in rows},
    }


def _draw(chosen: StudyConfig, asked: dict[str, Any], pairs: Sequence[Pair], rows: Sequence[_Row]) -> Study:
    """A study under ids of its own."""
    cases = {_new_id(): pair for pair in pairs}
    videos = {_new_id(): Shown(case, row.key, row.sha256(cases[case])) for case, row in product(cases, rows)}
    runs = [row.key for row in rows]
    if chosen.kind is StudyKind.pairwise:
        sights = assignment.compared(list(cases), runs, chosen.raters, chosen.comparisons, chosen.seed)
    else:
        sights = assignment.rated(list(cases), runs, chosen.raters, chosen.seed)
    study = Study(
        asked=asked,
        methods={row.key: row.name for row in rows},
        cases={case: Case(pair.name, pair.character.name, pair.driver.name) for case, pair in cases.items()},
        videos=videos,
        raters=(),
    )
    return replace(study, raters=tuple(_screens(study, sights)))


def _screens(study: Study, sights: Iterator[list[assignment.Sight]]) -> Iterator[tuple[Screen, ...]]:
    """What each rater sees, with checks: screens that were seen before, but tell what to answer."""
    ids = {(video.case, video.run): name for name, video in study.videos.items()}
    for rater, seen in enumerate(sights):
        rng = np.random.default_rng([study.asked["seed"], rater])
        screens = [Screen(tuple(ids[case, run] for run in runs), {}) for case, runs in seen]
        for place in assignment.check_places(len(screens), study.asked["checks"], rng):
            values = cycle(assignment.shuffled(study.choices, rng))  # so that nobody passes by always the same answer
            told = dict(zip(study.questions, values))  # noqa: B905 - endless
            screens.insert(place, Screen(screens[rng.integers(place)].videos, told))
        yield tuple(screens)


def _new_id() -> str:
    return secrets.token_hex(8)
