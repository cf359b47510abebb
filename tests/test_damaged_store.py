"""A store in which a file was damaged: nothing crashes, nothing damaged is shown, and a rerun mends what it can."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from charachbench.commands import evaluate, generate, leaderboard, open_benchmark, report
from charachbench.config import Config
from charachbench.errors import UserError
from charachbench.store import Store
from tests.sampled import one_in
from tests.submission.bundles import configured

RUN, PAIR = "tiny-*/rolling-*", "tiny-*/rolling-*/c1__d0-*"
MADE_AGAIN = {
    "record": f"{PAIR}/record.json", "scores": f"{PAIR}/scores.json", "run": f"{RUN}/run.json",
    "benchmark": "tiny-*/benchmark.json",
}  # fmt: skip
KEPT = {"video": f"{PAIR}/video.mkv", "landmarks": f"{PAIR}/landmarks.npy", "preview": f"{PAIR}/preview.mp4"}
ARRAYS = {"array": f"{PAIR}/spread-*.npy", "features": f"{PAIR}/features-*.npy", "reference": "references/*.npy"}


def settings_of(results: Path) -> Config:
    return configured(
        results, benchmark_characters=2, benchmark_drivers=2, method="tests.report.results.Rolling", method_marked=True
    )


def rerun(config: Config) -> None:
    for command in (generate, evaluate, leaderboard):
        assert command.execute(config) == []


def figures(config: Config) -> list[tuple[str, str, str, str]]:
    store = Store(Path(config.results))
    table = pd.read_parquet(store.benchmark_folder(open_benchmark(config, store)) / "scores.parquet")
    columns = table[["pair", "metric", "status", "value"]].astype(str)
    return sorted(columns.itertuples(index=False, name=None))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("damaged") / "results"
    rerun(settings_of(results))
    return results


@pytest.fixture
def config(made: Path, tmp_path: Path) -> Config:
    shutil.copytree(made, tmp_path / "results")
    return settings_of(tmp_path / "results")


def of(config: Config, pattern: str) -> Path:
    return next(Path(config.results).glob(pattern))


def edited(edit: Callable[[Any], object]) -> Callable[[bytes], bytes]:
    def damage(data: bytes) -> bytes:
        value = json.loads(data)
        edit(value)
        return json.dumps(value).encode()

    return damage


def each_score(**changes: Any) -> Callable[[bytes], bytes]:
    return edited(lambda value: [score.update(changes) for score in value.values() if isinstance(score, dict)])


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "list": lambda data: b"[]",
    "deep": lambda data: b"[" * 100_000,
    "number": lambda data: b"1" * 10_000,
    "no text": lambda data: b'{"schema": 2, "status": "ok", "pair": "\\ud800"}',
    "little": lambda data: b'{"schema": 2, "status": "ok"}',
}


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        pytest.param(pattern, damage, marks=[] if name in ("half", "deep") else pytest.mark.slow, id=f"{file}-{name}")
        for file, pattern in MADE_AGAIN.items()
        for name, damage in DAMAGE.items()
    ],
)
def test_what_can_be_made_again_is(config: Config, pattern: str, damage: Callable[[bytes], bytes]) -> None:
    before, path = figures(config), of(config, pattern)
    path.write_bytes(damage(path.read_bytes()))
    assert leaderboard.execute(config) == []
    shown = {row for row in figures(config) if row[2] == "scored"} if path.name != "run.json" else set()
    assert shown <= set(before)
    rerun(config)
    assert figures(config) == before


@pytest.mark.parametrize(
    ("pattern", "damage"),
    one_in(
        3,
        [
            (MADE_AGAIN["record"], edited(lambda value: value["outputs"].update({"../../run.json": "0" * 64}))),
            (MADE_AGAIN["record"], edited(lambda value: value["outputs"].update({"/etc/passwd": "0" * 64}))),
            (MADE_AGAIN["record"], edited(lambda value: value.update(size=[-1, 0]))),
            (MADE_AGAIN["record"], edited(lambda value: value.pop("seconds"))),
            (MADE_AGAIN["record"], edited(lambda value: value.update(fps="fast"))),
            (MADE_AGAIN["scores"], each_score(array="../../../../x.npy")),
            (MADE_AGAIN["scores"], each_score(array="/etc/x.npy")),
            (MADE_AGAIN["scores"], each_score(reference="../../x")),
            (MADE_AGAIN["scores"], each_score(value=float("inf"))),
            (MADE_AGAIN["scores"], each_score(value="0.5")),
            (MADE_AGAIN["run"], edited(lambda value: value.update(key="0" * 64))),
            (MADE_AGAIN["run"], edited(lambda value: value.update(extra=1))),
            (MADE_AGAIN["run"], edited(lambda value: value.update(seed="0"))),
        ],
    ),
)
def test_what_leads_out_or_is_of_another_type_is_not_believed(config: Config, pattern: str, damage: Any) -> None:
    test_what_can_be_made_again_is(config, pattern, damage)


def test_no_class_is_looked_up_that_a_file_names(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    path = of(config, MADE_AGAIN["run"])
    path.write_bytes(edited(lambda value: value["method"].update(_target_="antigravity.x"))(path.read_bytes()))
    monkeypatch.setattr("webbrowser.open", lambda *_: pytest.fail("was imported"))
    rerun(config)


@pytest.mark.parametrize("pattern", KEPT.values(), ids=KEPT)
def test_what_is_not_looked_at_again_changes_no_figure(config: Config, pattern: str) -> None:
    before, path = figures(config), of(config, pattern)
    path.write_bytes(path.read_bytes()[:-20])
    rerun(config)
    assert figures(config) == before


def test_a_damaged_video_is_not_scored(config: Config) -> None:
    path = of(config, KEPT["video"])
    path.write_bytes(path.read_bytes()[:-20])
    of(config, MADE_AGAIN["scores"]).unlink()
    for array in path.parent.glob("*-*.npy"):
        array.unlink()
    assert evaluate.execute(config) != []
    leaderboard.execute(config)
    told = [row for row in figures(config) if row[0] == "c1__d0"]
    assert {row[2] for row in told} == {"missing"}  # it is made again, not scored


@pytest.mark.parametrize("damage", [DAMAGE[name] for name in ("empty", "half", "zeros")])
@pytest.mark.parametrize("pattern", ARRAYS.values(), ids=ARRAYS)
def test_a_damaged_array_is_told_with_its_remedy(config: Config, pattern: str, damage: Any) -> None:
    before, path = figures(config), of(config, pattern)
    path.write_bytes(damage(path.read_bytes()))
    shutil.rmtree(Path(config.results) / "cache" / "sets")
    with pytest.raises(UserError, match=rf"{path.name}: was damaged and is removed; `charachbench evaluate`"):
        leaderboard.execute(config)
    rerun(config)
    assert figures(config) == before


def test_the_report_is_written_whatever_is_damaged(config: Config) -> None:
    for pattern in (*MADE_AGAIN.values(), *KEPT.values()):
        path = of(config, pattern)
        if path.name != "run.json":  # else there is no row
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert report.execute(config) == []
    for damage in (lambda data: b"junk", DAMAGE["deep"]):
        for path in Path(config.results).glob("tiny-*/rolling-*/*/landmarks.npy"):
            path.write_bytes(damage(b""))
        assert report.execute(config) == []
