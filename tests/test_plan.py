"""Plans: what is done, what is left, and what that takes."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charachbench import output, room
from charachbench.commands import open_benchmark, prune
from charachbench.commands import plan as command
from charachbench.config import Config, PlanConfig, PruneConfig, StoreConfig
from charachbench.errors import UserError
from charachbench.generate import generate
from charachbench.plan import Plan, plan
from charachbench.store import Store, read_json, write_json
from tests import composed
from tests.fakes import SIZE, settings


def planned(config: Config) -> Plan:
    store = Store(Path(config.results))
    return plan(config, open_benchmark(config, store), store, room.Extent())


def run(config: Config) -> None:
    store = Store(Path(config.results))
    generate(config, open_benchmark(config, store), store)


def change(results: Path, how: Callable[[dict[str, Any]], object]) -> None:
    """All records of finished pairs."""
    for path in results.rglob("record.json"):
        how(record := read_json(path))
        write_json(path, record)


def test_before_anything_is_made_all_is_left_and_no_time_is_known(tmp_path: Path) -> None:
    found = planned(settings(tmp_path, benchmark_frames=5))
    assert (found.pairs, found.done, found.failed, found.left, found.frames) == (6, 0, 0, 6, 30)
    assert (found.seconds_per_frame, found.seconds, found.job_seconds) == (None, None, None)
    assert found.bytes.likely == pytest.approx(0.45 * 30 * SIZE * SIZE)
    assert not list(tmp_path.rglob("run.json"))


def test_times_are_the_median_of_the_runs_own_pairs(tmp_path: Path) -> None:
    run(settings(tmp_path, benchmark_characters=2, method_fail_on=["c1__d1"]))
    seconds = iter([8.0, 4.0, 400.0])
    change(tmp_path, lambda record: record["status"] == "ok" and record["seconds"].update(generate=next(seconds)))
    config = settings(tmp_path, method_fail_on=["c1__d1"], plan=PlanConfig(jobs=2, seconds_per_frame=1.0))
    found = planned(config)
    assert (found.pairs, found.done, found.failed, found.left, found.frames) == (6, 3, 1, 3, 12)
    assert found.seconds_per_frame == 2.0  # of 1, 2 and 100
    assert found.timed_by.startswith("by 3 pairs of this run on ")
    assert (found.seconds, found.job_seconds) == (24.0, 16.0)  # of three pairs one job has two


def test_else_times_are_of_a_namesake_of_the_same_size_and_else_as_given(tmp_path: Path) -> None:
    run(settings(tmp_path))
    change(tmp_path, lambda record: record["seconds"].update(generate=8.0))
    other = settings(tmp_path, seed=1, plan=PlanConfig(seconds_per_frame=0.5))
    found = planned(other)
    assert found.seconds == 48.0
    assert found.timed_by.startswith("by 6 pairs of run ")
    change(tmp_path, lambda record: record.update(size=[SIZE * 2, SIZE]))
    assert planned(other).seconds == 12.0
    assert planned(other).timed_by == "by plan.seconds_per_frame"


def test_what_was_pruned_is_done_unless_it_is_to_be_restored(tmp_path: Path) -> None:
    config = settings(tmp_path)
    run(config)
    prune.execute(replace(config, method=None, prune=PruneConfig(unscored=True, yes=True)))
    assert planned(config).left == 0
    assert planned(config).seconds == 0
    assert planned(replace(config, store=StoreConfig(restore=True))).left == 6


def test_the_table_is_printed_for_people_and_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(tmp_path, plan=PlanConfig(jobs=3, seconds_per_frame=600.0))
    assert command.execute(config) == []
    printed = capsys.readouterr().out
    assert "roll" in printed
    assert "4.0 h" in printed  # 6 pairs of 4 frames
    assert "80 min" in printed
    assert "roll: time by plan.seconds_per_frame; disk by a guess." in printed.replace("\n", " ")
    monkeypatch.setattr(output, "_json", True)
    command.execute(config)
    told = json.loads(capsys.readouterr().out)
    assert (told["event"], told["benchmark"], told["jobs"]) == ("plan", "tiny", 3)
    assert told["rows"][0]["left"] == told["total"]["left"] == 6
    assert told["total"]["seconds"] == 24 * 600
    assert told["free"] > 0


def test_a_disk_that_is_too_small_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for free, told in ((100, "The disk is too small."), (20_000, "The disk may be too small.")):
        monkeypatch.setattr(room, "free", lambda _, free=free: free)
        command.execute(settings(tmp_path))
        assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (PlanConfig(jobs=0), "plan.jobs=0: accepted are whole numbers from 1"),
        (PlanConfig(seconds_per_frame=-1.0), "plan.seconds_per_frame=-1.0: accepted are seconds above 0"),
        (PlanConfig(), r"plan: of which method\? accepted: method=NAME, plan.methods="),
    ],
)
def test_wrong_settings_are_told(tmp_path: Path, chosen: PlanConfig, message: str) -> None:
    config = composed.settings(f"results={tmp_path}")
    config.plan = chosen
    with pytest.raises(UserError, match=message):
        command.execute(config)
