"""What changed between two folders of results of one benchmark, found without the benchmark's data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from charachbench import codecs, noise, records, untrusted
from charachbench.differences import differences, flat
from charachbench.errors import UserError
from charachbench.leaderboard.comparison import SIGNIFICANT, Design, Direction, holm
from charachbench.leaderboard.facts import FILE, MetricFacts
from charachbench.store import Entry, read_json

if TYPE_CHECKING:
    import pandas as pd

SCORES = "scores.parquet"
_NEEDED = {"method", "run", "character", "driver", "pair", "metric", "signature", "status", "contribution", "reason"}
_NOT_MADE = ("failed", "missing")
_ROUND_OFF = 1e-9
"""Share of the largest score: smaller differences are none."""


@dataclass(frozen=True)
class Results:
    """What a folder tells by itself.

    Attributes:
        scores: ``scores.parquet``.
        facts: by metric.
        settings: by run, all that decides its output; none where its folder is not there.
        environments: by run, the code, packages and devices that made it.
        noise: by signature, see ``charachbench.noise``.
    """

    folder: Path
    scores: pd.DataFrame
    facts: dict[str, MetricFacts]
    settings: dict[str, dict[str, Any]]
    environments: dict[str, dict[str, str]]
    noise: dict[str, float]

    @property
    def labels(self) -> dict[str, str]:
        """By run, what its row is called."""
        rows = self.scores.drop_duplicates("run")
        return dict(zip(rows["run"], rows["method"], strict=True))


@dataclass(frozen=True)
class RunChange:
    """A run.

    Attributes:
        differences: of settings, code, packages and devices.
    """

    method: str
    state: Literal["new", "gone", "changed", "same"]
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class FigureChange:
    """A run's figure under a metric, over the pairs that are scored on both sides.

    Attributes:
        difference: of after less before, with its interval; None for too few characters and drivers.
        p: of there being none, by ``Crossed.sign_test``, corrected by Holm over all figures that are not as they were.
        noise: by how much scores differ by themselves, as far as it was measured.
        pair: which changed most, and from what to what: the pair's score or, of a number of sets, its contribution.
        approximate: whether it is a number of sets that was made over more pairs.
    """

    method: str
    metric: str
    unit: str
    direction: Direction
    pairs: int
    before: float
    after: float
    noise: float
    pair: str
    pair_before: float
    pair_after: float
    approximate: bool
    same: bool
    interval: tuple[float, float] | None = None
    p: float = 1.0

    @property
    def difference(self) -> float:
        """After less before."""
        return self.after - self.before

    @property
    def verdict(self) -> Literal["better", "worse", ""]:
        """Empty where nothing can be told."""
        if self.same or self.p >= SIGNIFICANT or abs(self.difference) <= self.noise:
            return ""
        return "better" if (self.difference > 0) == (self.direction == "up") else "worse"


@dataclass(frozen=True)
class OutcomeChange:
    """A pair that has, or has not, been made or scored any more.

    Attributes:
        metrics: that this is so for; empty where the pair itself failed, or does no longer.
        reason: why it is not made or scored, on the side where it is not.
    """

    method: str
    pair: str
    metrics: tuple[str, ...]
    before: str
    after: str
    reason: str


@dataclass(frozen=True)
class Changes:
    """All of them.

    Attributes:
        incomparable: by metric, why its figures cannot be compared.
        notes: what else a reader must know.
    """

    benchmark: str
    runs: tuple[RunChange, ...]
    figures: tuple[FigureChange, ...]
    outcomes: tuple[OutcomeChange, ...]
    incomparable: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def folders(before: Path, after: Path) -> tuple[list[tuple[Path, Path]], list[str]]:
    """The folders of benchmarks on both sides.

    Args:
        before: such a folder, or a store.
        after: likewise.

    Returns:
        those that are on both sides; a sentence for each that is on one alone.

    Raises:
        UserError: a side has none, or both have none in common.
    """
    old, new = _benchmarks(before, "before"), _benchmarks(after, "after")
    if len(old) == len(new) == 1:  # whatever the folders are called
        return list(zip(old.values(), new.values(), strict=True)), []
    alone = [f"{name} is in {before} alone" for name in old if name not in new]
    alone += [f"{name} is in {after} alone" for name in new if name not in old]
    both = [name for name in old if name in new]
    if not both:
        raise UserError(f"{before} and {after} have no benchmark in common: {'; '.join(alone)}")
    return [(old[name], new[name]) for name in both], alone


def _benchmarks(folder: Path, name: str) -> dict[str, Path]:
    if not folder.is_dir():
        raise UserError(f"compare.{name}: no such folder: {folder}")
    found = [folder] if (folder / SCORES).is_file() else [path.parent for path in sorted(folder.glob(f"*/{SCORES}"))]
    if not found:
        raise UserError(f"compare.{name}={folder}: holds no {SCORES}; `charachbench leaderboard` writes it")
    return {path.resolve().name: path for path in found}


def read(folder: Path) -> Results:
    """What is known of the runs that the tables in a folder show.

    Raises:
        UserError: they are missing, damaged, or of a version that kept less.
    """
    again = "`charachbench leaderboard` writes it again"
    try:
        scores = untrusted.read_parquet(folder / SCORES, sorted(_NEEDED - {"contribution"}), ["contribution"])
        found = untrusted.read_json(folder / FILE)
    except UserError as error:
        raise UserError(f"{error}; {again}") from error
    try:
        facts = TypeAdapter(dict[str, MetricFacts]).validate_python(found)
    except ValidationError as error:
        raise UserError(f"{folder / FILE}: cannot be read ({str(error).splitlines()[0]}); {again}") from error
    signatures = scores["signature"].unique().tolist()
    if not signatures or set(signatures) - facts.keys():
        raise UserError(f"{folder / SCORES}: lacks what comparisons need, or {FILE} is of other metrics; {again}")
    runs = {info["key"]: path.parent for path in sorted(folder.glob("*/run.json"))
            if records.is_run(info := read_json(path))}  # fmt: skip
    shown = set(scores["run"])
    return Results(
        folder=folder,
        scores=scores,
        facts={facts[signature].name: facts[signature] for signature in signatures},
        settings={key: _settings(path) for key, path in runs.items() if key in shown},
        environments={key: _environment(path) for key, path in runs.items() if key in shown},
        noise=noise.read(folder),
    )


def _settings(folder: Path) -> dict[str, Any]:
    info = read_json(folder / "run.json")
    told = {name: info.get(name) for name in ("method", "given", "versions", "seed")}
    return told | {"codec": info.get("codec", codecs.LOSSLESS)}


def _environment(folder: Path) -> dict[str, str]:
    """Of all pairs that were made; several values are told together."""
    found: dict[str, set[str]] = {}
    for path in folder.glob("*/record.json"):
        record = Entry(path.parent).record()
        if record is not None and record["status"] == "ok":
            told = {name: record.get(name) for name in ("code", "packages", "device", "device_name")}
            for name, value in flat(told).items():
                text = str(value)[:7] if name == ".code.commit" else str(value)
                found.setdefault(name.removeprefix("."), set()).add(text)
    return {name: " and ".join(sorted(values)) for name, values in found.items()}


def compare(before: Results, after: Results) -> Changes:
    """What changed.

    Raises:
        UserError: the two are not of the same benchmark.
    """
    told = [found if isinstance(found := read_json(side.folder / "benchmark.json"), dict) else {}
            for side in (before, after)]  # fmt: skip
    if unlike := differences(*({name: each.get(name) for name in ("name", "options")} for each in told)):
        raise UserError(f"{before.folder} and {after.folder} are of different benchmarks: {'; '.join(unlike)}")
    matched = _match(before, after)
    shared = [name for name in after.facts if name in before.facts]
    incomparable = {name: why for name in shared if (why := after.facts[name].unlike(before.facts[name]))}
    comparable = [name for name in shared if name not in incomparable]
    notes = []
    for side, here, there in (("before", before, after), ("after", after, before)):
        notes += [f"{name} is there {side} alone" for name in here.facts if name not in there.facts]
        if lone := set(here.scores["pair"]) - set(there.scores["pair"]):
            notes.append(f"{len(lone)} pairs are there {side} alone, and left out")
    return Changes(
        benchmark=str(told[1].get("name", after.folder.name)),
        runs=tuple(_runs(before, after, matched)),
        figures=_tested(list(_figures(before, after, matched, comparable))),
        outcomes=tuple(_outcomes(before, after, matched, shared)),
        incomparable=incomparable,
        notes=tuple(notes),
    )


def _match(before: Results, after: Results) -> dict[str, str]:
    """By run after, its run before: of the same key, else the only ones that are called the same."""
    left, right = dict(before.labels), dict(after.labels)
    matched: dict[str, str] = {}
    ways: tuple[Callable[[tuple[str, str]], str], ...] = (
        lambda run: run[0], lambda run: run[1], lambda run: run[1].partition(" (")[0],
    )  # fmt: skip
    for way in ways:
        for run in list(right.items()):
            same = [other for other in left.items() if way(other) == way(run)]
            alike = [other for other in right.items() if way(other) == way(run)]
            if len(same) == len(alike) == 1:
                ((matched[run[0]], _),) = same
                del left[matched[run[0]]], right[run[0]]
    return matched


def _runs(before: Results, after: Results, matched: dict[str, str]) -> Iterator[RunChange]:
    for key, label in after.labels.items():
        if key not in matched:
            yield RunChange(label, "new")
            continue
        old = matched[key]
        told = [] if before.labels[old] == label else [f"was called {before.labels[old]}"]
        if key in after.settings and old in before.settings:
            told += differences(before.settings[old], after.settings[key])
            told += differences(before.environments[old], after.environments[key])
        else:
            told.append("its settings are not known: its folder is not there")
        yield RunChange(label, "changed" if told else "same", tuple(told))
    for key, label in before.labels.items():
        if key not in matched.values():
            yield RunChange(label, "gone")


def _figures(
    before: Results, after: Results, matched: dict[str, str], metrics: list[str]
) -> Iterator[tuple[FigureChange, Design, np.ndarray]]:
    """Without interval and p-value, and with what these are found from: what pairs share, and their differences."""
    columns = ["pair", "character", "driver", "contribution"]
    old, new = (dict(list(side.scores.groupby(["run", "metric"])[columns])) for side in (before, after))
    for key, label in after.labels.items():
        for name in metrics:
            if key not in matched or (key, name) not in new or (matched[key], name) not in old:
                continue
            sides = old[matched[key], name].dropna(), new[key, name].dropna()
            both = sides[1].merge(sides[0][["pair", "contribution"]], on="pair", suffixes=("", "_before"))
            if both.empty:
                continue
            values, were = both["contribution"].to_numpy(), both["contribution_before"].to_numpy()
            changes, facts = values - were, after.facts[name]
            most = int(np.abs(changes).argmax())
            change = FigureChange(
                method=label, metric=name, unit=facts.unit, direction=facts.direction, pairs=len(both),
                before=float(were.mean()), after=float(values.mean()), noise=after.noise.get(facts.signature, 0.0),
                pair=str(both["pair"].iloc[most]), pair_before=float(were[most]), pair_after=float(values[most]),
                approximate=facts.of_set and any(len(side) > len(both) for side in sides),
                same=bool(np.abs(changes).max() <= _ROUND_OFF * np.abs([values, were]).max()),
            )  # fmt: skip
            yield change, Design(both["character"].to_numpy(str), both["driver"].to_numpy(str)), changes


def _tested(found: list[tuple[FigureChange, Design, np.ndarray]]) -> tuple[FigureChange, ...]:
    """With intervals and p-values.

    Those that are as they were are no tests: counted as such, they would hide what changed.
    """
    tests = {index: each for index, each in enumerate(found) if not each[0].same}
    together: dict[tuple[bytes, bytes], list[int]] = {}  # over the same pairs they are found at once
    for index, (_, design, _) in tests.items():
        together.setdefault((design.characters.tobytes(), design.drivers.tobytes()), []).append(index)
    ps: dict[int, float] = {}
    intervals: dict[int, tuple[float, float] | None] = {}
    for indices in together.values():
        design, changes = found[indices[0]][1], np.stack([found[index][2] for index in indices])
        ps |= dict(zip(indices, design.crossed(changes).sign_test().tolist(), strict=True))
        intervals |= dict(zip(indices, design.intervals(changes), strict=True))
    told = [index for index, p in ps.items() if np.isfinite(p)]
    corrected = dict(zip(told, holm(np.array([ps[index] for index in told])), strict=True))
    return tuple(
        replace(change, p=float(corrected.get(index, 1.0)), interval=intervals.get(index))
        for index, (change, *_) in enumerate(found)
    )


def _outcomes(before: Results, after: Results, matched: dict[str, str], metrics: list[str]) -> Iterator[OutcomeChange]:
    was, now = (
        {
            (str(row.run), str(row.metric), str(row.pair)): (str(row.status), str(row.reason))
            for row in side.scores[side.scores["metric"].isin(metrics)].itertuples()
        }
        for side in (before, after)
    )
    found: dict[tuple[str, str, str, str, str], list[str]] = {}
    for (run, metric, pair), (status, reason) in now.items():
        if run not in matched or (key := (matched[run], metric, pair)) not in was:
            continue
        old, old_reason = was[key]
        of_pair = (old in _NOT_MADE) != (status in _NOT_MADE)
        if old == status or not (of_pair or "scored" in (old, status)):
            continue
        label, why = after.labels[run], old_reason if status == "scored" or old in _NOT_MADE else reason
        if of_pair:
            old, status = (each if each in _NOT_MADE else "made" for each in (old, status))
        found.setdefault((label, pair, old, status, why), []).extend([] if of_pair else [metric])
    for (method, pair, old, status, reason), names in found.items():
        yield OutcomeChange(method, pair, tuple(names), old, status, reason)
