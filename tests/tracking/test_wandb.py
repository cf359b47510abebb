"""W&B: what offline runs recorded, read back."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench import tracking
from charachbench.commands import leaderboard, open_benchmark
from charachbench.config import Config
from charachbench.errors import UserError
from charachbench.evaluate import build_metrics, evaluate
from charachbench.generate import generate
from charachbench.store import Store
from charachbench.tracking import Wandb
from charachbench.tracking.content import Content
from tests.fakes import settings
from tests.tracking.recorded import read, sent, table, types

ROOT = Path(__file__).parents[2]
METRICS = {
    "brightness": {"_target_": "tests.fakes.Brightness"},
    "difference": {"_target_": "tests.fakes.Difference"},
    "picky": {"_target_": "tests.fakes.Picky", "unscored": ["c0"], "error": ["c1"]},
    "spread": {"_target_": "tests.fakes.Spread"},
}
SECRET = "5ec7e7" * 6 + "abcd"


def track(config: Config, tracker: Wandb, sweep: str = "", *, board: bool = True) -> None:
    store = Store(Path(config.results))
    benchmark, metrics = open_benchmark(config, store), build_metrics(config)
    run = generate(config, benchmark, store).run
    evaluate(config, benchmark, run, metrics)
    tracker.send_run(store, benchmark, run, metrics, sweep)
    made = leaderboard.make(config, benchmark, store, metrics) if board else None
    if made is not None:
        tracker.send_leaderboard(store, benchmark, made.metrics, made.board, made.scores)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two runs on five characters and two drivers; the second, with a failed pair, is sent."""
    from charachbench import pictures

    results = tmp_path_factory.mktemp("results")
    first: dict[str, Any] = {"method_step": 1}
    second: dict[str, Any] = {"method_step": 2, "method_fail_on": ["c2__d1"]}
    track(settings(results, metrics=METRICS, benchmark_characters=5, **first), Wandb(mode="disabled"), board=False)
    config = settings(results, metrics=METRICS, benchmark_characters=5, **second)
    (folder,) = results.glob("tiny-*")
    (folder / "report" / "plots").mkdir(parents=True)
    pictures.save(folder / "report" / "plots" / "ranks.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_API_KEY", SECRET)
        track(config, Wandb(previews=4), sweep="sweep 7")
    return results


@pytest.fixture(scope="module")
def run(results: Path) -> dict[str, Any]:
    return next(about for about in sent(results).values() if about["job_type"] == "run")


@pytest.fixture(scope="module")
def board(results: Path) -> dict[str, Any]:
    return next(about for about in sent(results).values() if about["job_type"] == "leaderboard")


def test_a_run_tells_how_it_came_about_and_can_be_found(run: dict[str, Any]) -> None:
    assert (run["name"], run["group"], run["exit"]) == ("roll (fail_on=['c2__d1'], step=2)", "sweep 7", 0)
    assert run["tags"] == ["track:animation", "benchmark:tiny", "domain:even", "domain:odd"]
    assert "out of luck" in run["notes"]
    config = run["config"]
    assert config["method"] == {"_target_": "tests.fakes.Roll", "step": 2, "fail_on": ["c2__d1"]}
    assert config["versions"] == ["tests.fakes.Roll 1"]
    assert (config["seed"], config["device"], config["track"]) == (0, "cpu", "animation")
    assert config["benchmark"]["options"] == {"frames": 4, "option": 0}
    assert {"commit", "dirty", "version"} <= config["code"].keys()
    assert "numpy" in config["packages"]
    assert config["metrics"]["brightness"]["signature"].startswith("brightness#")


def test_metrics_are_plain_numbers_in_a_single_step(run: dict[str, Any]) -> None:
    (line,) = run["history"]
    summary = run["summary"]
    assert line["_step"] == 0
    for name in ("brightness", "difference", "spread"):
        assert isinstance(summary[name], float)
        assert summary[name] == line[name]
        assert summary[f"{name}_low"] < summary[name] < summary[f"{name}_high"]
    assert run["best"] == {"brightness": "max", "difference": "min", "picky": "max", "spread": "max"}
    assert (summary["pairs_total"], summary["pairs_made"], summary["pairs_failed"]) == (10, 9, 1)
    assert (summary["scores_scored"], summary["scores_unscored"], summary["scores_error"]) == (32, 2, 2)
    assert summary["pairs._type"] == "table-file"
    assert summary["seconds"] > 0


def test_the_table_has_a_row_a_pair_and_nothing_missing_is_zero(run: dict[str, Any]) -> None:
    rows = {row["pair"]: row for row in table(run, "pairs")}
    assert len(rows) == 10
    failed = rows["c2__d1"]
    assert (failed["status"], failed["reason"]) == ("failed", "RuntimeError: out of luck")
    assert {failed[name] for name in ("brightness", "difference", "picky", "seconds")} == {None}
    unscored, broken, whole = rows["c0__d0"], rows["c1__d0"], rows["c3__d1"]
    assert unscored["picky"] is None
    assert (unscored["status"], unscored["reason"]) == ("unscored", "picky: no face found in 4 of 4 frames")
    assert (broken["status"], broken["reason"]) == ("error", "picky: ZeroDivisionError: broken")
    assert (whole["status"], whole["reason"], whole["picky"]) == ("scored", "", 3.0)
    assert "spread" not in whole  # of no single pair
    kinds = types(run, "pairs")
    assert {kinds[name] for name in ("brightness", "picky", "seconds", "peak_gpu_mib")} == {"none|number"}
    assert {kinds[name] for name in ("pair", "status", "reason")} == {"none|string"}
    assert (kinds["character_image"], kinds["preview"]) == ("image-file|none", "none|video-file")


def test_what_can_be_seen_is_sent_for_some_pairs_each_file_once(run: dict[str, Any]) -> None:
    rows = table(run, "pairs")
    shown = [row for row in rows if row["preview"]]
    assert {row["pair"] for row in shown} == {"c0__d0", "c3__d0", "c1__d1", "c4__d1"}  # evenly spread
    entries = run["artifacts"][f"run-{run['id']}-pairs"]
    pictures = {row["character_image"]["path"] for row in shown}
    videos = {row["driver_video"]["path"] for row in shown}
    assert len(pictures) == len({row["character"] for row in shown}) == 4
    assert len(videos) == len({row["driver"] for row in shown}) == 2
    media = {path for path in entries if path.startswith("media/")}
    assert media == pictures | videos | {row["preview"]["path"] for row in shown}
    assert entries[next(iter(videos))].read_bytes()[4:8] == b"ftyp"


def test_an_offline_folder_holds_all_that_is_to_be_sent(run: dict[str, Any], board: dict[str, Any]) -> None:
    for about in (run, board):
        files = [path for entries in about["artifacts"].values() for path in entries.values()]
        assert files
        assert all(path.is_relative_to(about["folder"].absolute()) and path.is_file() for path in files)
    assert list(run["artifacts"][f"run-{run['id']}"]) == ["scores.parquet"]
    assert "brightness#" in run["metadata"][f"run-{run['id']}"]
    assert {"leaderboard.csv", "leaderboard.md", "leaderboard.parquet", "comparisons.csv", "scores.parquet"} <= set(
        board["artifacts"][f"leaderboard-{board['id']}"]
    )


def test_the_leaderboard_has_figures_intervals_ties_ranks_and_comparisons(board: dict[str, Any]) -> None:
    first, second = table(board, "leaderboard")
    assert {first["method"], second["method"]} == {"roll (step=1)", "roll (fail_on=['c2__d1'], step=2)"}
    assert {first["coverage"], second["coverage"]} == {1.0, 0.9}
    assert {first["mean_rank"] + second["mean_rank"]} == {3.0}
    figures = {(row["method"], row["metric"]): row for row in table(board, "figures")}
    figure = figures[first["method"], "brightness"]
    assert figure["value"] == first["brightness"]
    assert figure["low"] < figure["value"] < figure["high"]
    assert {figures[row["method"], "brightness"]["rank"] for row in (first, second)} <= {1, 2}
    assert figure["tied"] in (True, False)
    assert {row["domain"] for row in table(board, "by_domain")} == {"even", "odd"}
    compared = {row["metric"]: row for row in table(board, "comparisons")}
    assert 0 <= compared["difference"]["p"] <= 1
    assert board["history"][0]["plots/ranks._type"] == "image-file"
    assert board["group"].startswith("tiny-")
    assert board["config"]["aggregation"] == "shared_pairs"


def test_no_secret_is_written(results: Path) -> None:
    files = [path for path in results.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def folders(results: Path) -> set[str]:
    return {path.name for path in results.glob("wandb/offline-run-*")}


def test_what_was_sent_is_sent_again_only_when_it_changed(tmp_path: Path) -> None:
    config = settings(tmp_path, method_step=1)
    track(config, Wandb(), board=False)
    (before,) = folders(tmp_path)
    track(config, Wandb(), sweep="of another name", board=False)
    assert folders(tmp_path) == {before}
    track(settings(tmp_path, method_step=2), Wandb(mode="disabled"), board=False)  # gives the first another name
    track(config, Wandb(project="elsewhere"), board=False)
    track(config, Wandb(group="mine"), board=False)
    assert before not in folders(tmp_path)
    found = [read(path) for path in tmp_path.glob("wandb/offline-run-*/*.wandb")]
    assert {(about["project"], about["group"] == "mine") for about in found} == {
        ("charachbench", True), ("elsewhere", False),
    }  # fmt: skip
    assert [about["name"] for about in found] == ["roll (step=1)"] * 2
    assert len({about["id"] for about in found}) == 1


def test_random_weights_are_named_wherever_a_run_is_sent(tmp_path: Path) -> None:
    track(settings(tmp_path, method_weights="random"), Wandb())
    run, board = sorted(sent(tmp_path).values(), key=lambda about: about["job_type"], reverse=True)
    assert run["name"] == "roll (random weights)"
    assert run["config"]["random"] is True
    assert "random_weights" in run["tags"]
    assert [row["random_weights"] for row in table(board, "leaderboard")] == [True]


def test_a_failing_replay_leaves_nothing_and_is_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(tmp_path)
    monkeypatch.setattr(tracking, "_artifact", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        track(config, Wandb())
    assert folders(tmp_path) == set()
    monkeypatch.undo()
    track(config, Wandb(), board=False)
    assert [about["exit"] for about in sent(tmp_path).values()] == [0]


SEND = """
import os, signal, sys
from pathlib import Path
from charachbench import tracking
from tests.tracking.test_wandb import send_little

tracking._artifact = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
send_little(Path(sys.argv[1]))
"""


def send_little(folder: Path) -> None:
    shown = Content("roll", "run", "", [], {"metrics": {}}, figures={"brightness": 1.0})
    Wandb()._send(Store(folder), folder, "of-a-run", shown, "group")


def test_a_replay_that_was_killed_is_sent_whole_and_once(tmp_path: Path) -> None:
    line = [sys.executable, "-c", SEND, str(tmp_path)]
    killed = subprocess.run(line, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=120)
    assert killed.returncode == -signal.SIGKILL
    (left,) = folders(tmp_path)
    assert left.endswith("-of-a-run")
    send_little(tmp_path)
    assert len(folders(tmp_path)) == 1
    (about,) = sent(tmp_path).values()
    assert (about["id"], about["exit"], about["summary"]["brightness"]) == ("of-a-run", 0, 1.0)
    assert set(about["artifacts"]) == {"run-of-a-run"}


def test_runs_whose_ids_begin_alike_and_replays_of_one_second_are_told_apart(tmp_path: Path) -> None:
    left = ["offline-run-20250101_101010-of-a-run", "offline-run-20250101_101010-of-a-run-1"]
    others = ["offline-run-20250101_101010-of-a-run-too", "offline-run-20250101_101010-out-of-a-run", "run-1-of-a-run"]
    for name in [*left, *others]:
        (tmp_path / "wandb" / name).mkdir(parents=True)
    send_little(tmp_path)
    kept = {path.name for path in (tmp_path / "wandb").iterdir()}
    assert not kept & set(left)
    assert kept >= set(others)


@pytest.mark.slow
def test_disabled_does_all_but_send(tmp_path: Path) -> None:
    config = settings(tmp_path)
    track(config, Wandb(mode="disabled"))
    assert not (tmp_path / "wandb").exists()
    assert not list(tmp_path.rglob("tracked.json"))


@pytest.mark.slow
def test_an_agent_of_a_wandb_sweep_finds_the_run_in_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep")
    monkeypatch.setenv("WANDB_RUN_ID", "agents")
    track(settings(tmp_path), Wandb())
    monkeypatch.setenv("WANDB_RUN_ID", "agents_next")
    track(settings(tmp_path), Wandb())  # the same trial again
    track(settings(tmp_path), Wandb())
    found = [read(path) for path in tmp_path.glob("wandb/offline-run-*/*.wandb")]
    assert sorted((about["id"], about["job_type"]) for about in found) == [("agents", "run"), ("agents_next", "run")]
    assert found[-1]["summary"]["brightness"] > 0


@pytest.mark.parametrize(
    ("level", "message", "lost"),
    [
        ("ERROR+4", "filestream: fatal error: filestream: failed to upload: 400 Bad Request", True),
        ("ERROR", "sender: failed to log artifact: most remaining uploads have failed, giving up", True),
        ("ERROR", "file transfer: upload: failed to upload: status: 403 Forbidden", True),
        ("ERROR", "api: HTTP error", False),  # it tries again
        ("ERROR", "stream: failed to shut down analytics", False),
        ("INFO", "sender: started", False),
    ],
    ids=lambda value: str(value).partition(":")[0],
)
def test_what_did_not_arrive_is_found_in_the_log_of_wandb(tmp_path: Path, level: str, message: str, lost: bool) -> None:
    path = tmp_path / "debug-internal.log"
    path.write_text("not json\n" + json.dumps({"level": level, "msg": message}) + "\n")
    assert tracking._lost(path) == (message if lost else "")
    assert tracking._lost(tmp_path / "nowhere") == ""


def test_what_did_not_arrive_does_not_count_as_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(tmp_path)
    monkeypatch.setattr(tracking, "_lost", lambda _: "filestream: fatal error")
    with pytest.raises(UserError, match=r"not all of roll arrived \(filestream: fatal error\); all results are in the"):
        track(config, Wandb(), board=False)
    monkeypatch.undo()
    track(config, Wandb(), board=False)
    assert len(sent(tmp_path)) == 1
