"""The command line, as a user meets it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from charachbench import sweep, weights
from charachbench.app import main, translate
from charachbench.video import read
from tests.sampled import one_in
from tests.tracking.recorded import sent

ROOT = Path(__file__).parents[1]
FAKES = [f"hydra.searchpath=[file://{ROOT}/tests/conf]", "benchmark=tiny", "metrics=fakes", "device=cpu"]


class Terminal:
    """Runs command lines in this process, on one store."""

    def __init__(self, results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.results, self.monkeypatch, self.capsys = results, monkeypatch, capsys

    def __call__(self, *arguments: str, fakes: bool = True) -> tuple[int, str]:
        """Exit status, and all that was printed."""
        settings = [f"results={self.results}", *(FAKES if fakes else [])]
        settings += [] if any(argument.startswith("report") for argument in arguments) else ["report=false"]
        self.monkeypatch.setattr(sys, "argv", ["charachbench", *arguments, *settings])
        self.monkeypatch.setattr(sweep, "failures", [])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        printed = self.capsys.readouterr()
        return status, printed.out + printed.err

    def table(self) -> pd.DataFrame:
        """The tidy table that was written last."""
        (path,) = self.results.glob("*/scores.parquet")
        return pd.read_parquet(path)


@pytest.fixture
def charachbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(tmp_path / "results", monkeypatch, capsys)


@pytest.mark.slow
def test_a_run_is_planned_made_pruned_and_restored(charachbench: Terminal) -> None:
    status, printed = charachbench("plan", "plan.methods=[roll,still]", "plan.seconds_per_frame=1")
    assert status == 0
    left = dict(re.findall(r"^ *(roll|still|all) +(?:\d+ +){3}(\d+)", printed, re.MULTILINE))
    assert left == {"roll": "6", "still": "6", "all": "12"}
    assert charachbench("method=roll")[0] == 0
    assert re.search(r"^ *roll +6 +6 +0 +0 ", charachbench("plan", "method=roll")[1], re.MULTILINE)
    assert "prune.yes=true removes these" in charachbench("prune")[1]
    status, printed = charachbench("prune", "prune.yes=true")
    assert status == 0
    assert " were removed" in printed
    assert not list(charachbench.results.rglob("video.mkv"))
    assert "roll on tiny: 6 pairs, nothing to generate" in charachbench("method=roll", "report=true")[1]
    assert "6 of 6 were pruned" in next(charachbench.results.rglob("index.html")).read_text(encoding="utf-8")
    assert "6 pairs, 6 generated" in charachbench("method=roll", "store.restore=true")[1]
    assert charachbench("plan", "plan.methods=[rol]")[1].startswith(
        "charachbench: plan.methods: 'rol' is not known; did you mean 'roll'?"
    )
    wants = "charachbench: plan.methods: videos needs a setting of its own; use method=videos method.root=VALUE"
    assert wants in charachbench("plan", "plan.methods=[videos]")[1]
    assert "store.codec: 'h265' is not known; accepted: lossless," in charachbench("method=roll", "store.codec=h265")[1]


def test_a_store_that_cannot_hold_a_log_is_told_in_one_sentence(
    charachbench: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Path.mkdir

    def mkdir(self: Path, *arguments: Any, **named: Any) -> None:
        if "logs" in self.parts:
            raise OSError(30, os.strerror(30), str(self))
        original(self, *arguments, **named)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    status, printed = charachbench("plan", "method=roll")
    assert status == 1
    told = r"charachbench: \S+: cannot be written \(Read-only file system\); hydra.run.dir=DIR puts the log elsewhere\n"
    assert re.fullmatch(told, printed)
    assert charachbench("plan", "method=roll", f"hydra.run.dir={charachbench.results.parent / 'elsewhere'}")[0] == 0


def test_run_makes_scores_and_tables_once(charachbench: Terminal) -> None:
    status, printed = charachbench("method=roll", "report=true")
    assert status == 0
    assert "roll on tiny: 6 pairs, 6 generated, 0 already in the store" in printed
    for name in ("leaderboard.md", "leaderboard.csv", "leaderboard.tex", "leaderboard.parquet", "report/index.html"):
        (path,) = charachbench.results.glob(f"*/{name}")
        assert str(path) in printed
        assert b"roll" in path.read_bytes()
    before = charachbench.table()
    status, printed = charachbench("method=roll")
    assert status == 0
    assert "roll on tiny: 6 pairs, nothing to generate" in printed
    assert "roll: 12 scores, nothing to evaluate" in printed
    pd.testing.assert_frame_equal(before, charachbench.table())


@pytest.mark.slow
def test_methods_join_one_leaderboard(charachbench: Terminal) -> None:
    charachbench("method=roll")
    status, printed = charachbench("method=still,oracle", "-m")
    assert status == 0
    assert set(charachbench.table()["method"]) == {"roll", "still", "oracle"}
    assert printed.count("tiny, 6 pairs") == 1  # one leaderboard, after the last job


def test_the_commands_one_by_one(charachbench: Terminal) -> None:
    assert "no run of tiny" in charachbench("leaderboard")[1]
    assert "nothing to evaluate" in charachbench("evaluate")[1]
    charachbench("generate", "method=still")
    charachbench("generate", "method=oracle")
    assert "still: 12 scores" in charachbench("evaluate", "method=still")[1]
    printed = charachbench("evaluate")[1]
    assert "oracle: 12 scores, 0 already in the store" in printed
    assert "still: 12 scores, nothing to evaluate" in printed
    charachbench("leaderboard")
    assert set(charachbench.table()["status"]) == {"scored"}
    assert charachbench("check")[0] == 0


@pytest.mark.slow
def test_runs_are_sent_checked_shown_and_compared(charachbench: Terminal, tmp_path: Path) -> None:
    charachbench("method=roll")
    status, printed = charachbench("bundle", "method=roll")
    assert status == 0
    (path,) = charachbench.results.glob("tiny-*/bundles/roll-*.zip")
    assert str(path) in printed
    status, printed = charachbench("check_bundle", f"bundle.path={path}", "bundle.rescore=2")
    assert (status, "nothing is wrong; checked: 6 of 6 pairs of tiny, 2 metrics" in printed) == (0, True)
    assert "2 of them scored again" in printed
    status, printed = charachbench("check_bundle", f"bundle.path={path}", "method=still")
    assert status == 1
    assert "method is not as here: config._target_: methods.still.Still → tests.fakes.Roll" in printed
    status, printed = charachbench("board", f"board.root={path.parent}", f"board.output={tmp_path / 'board'}")
    assert status == 0
    figures = pd.read_csv(tmp_path / "board" / "leaderboard.csv")
    (direct,) = charachbench.results.glob("tiny-*/leaderboard.csv")
    pd.testing.assert_frame_equal(figures, pd.read_csv(direct))
    (path.parent / "x.zip").write_bytes(b"x")
    status, printed = charachbench("board", f"board.root={path.parent}", f"board.output={tmp_path / 'board'}")
    assert status == 1
    assert "x.zip is left out: cannot be read as a zip" in printed
    sides = [f"compare.before={path.parents[1]}", f"compare.after={charachbench.results}"]
    status, printed = charachbench("compare", *sides)
    assert (status, "As before: 2 figures." in printed) == (0, True)


def test_a_failed_pair_is_told_and_sets_the_status(charachbench: Terminal) -> None:
    status, printed = charachbench("method=roll", "method.fail_on=[c1__d0]")
    assert status == 1
    assert "pair c1__d0 failed: RuntimeError: out of luck" in printed
    assert "5/6 (1 failed)" in printed
    status, printed = charachbench("method=roll,still", "method.fail_on=[c1__d0]", "-m")
    assert status == 1
    assert "method.fail_on: no such setting" in printed  # of `still`, alone
    assert "5/6 (1 failed)" in printed
    status, printed = charachbench("method=roll", "method.step=1,2", "method.fail_on=[c1__d0]", "-m")
    assert status == 1
    assert "charachbench: 2 failed, the first: roll, pair c1__d0: RuntimeError: out of luck" in printed


@pytest.mark.slow
def test_a_broken_job_does_not_end_the_sweep(charachbench: Terminal) -> None:
    status, printed = charachbench("method=oracle,still", "benchmark.truth=false", "-m")
    assert status == 1
    assert "method=oracle: the true video of pair 'c0__d0' is not known" in printed
    assert "0/6 (6 failed)" in printed
    assert "Absent: difference: needs the true video, which is not known." in printed
    status, printed = charachbench("method=roll", "benchmark.characters=0,3", "-m")
    assert status == 1
    assert "charachbench: benchmark 'tiny' has no pairs left" in printed
    assert "6/6" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    one_in(3, [
        (["evalute"], "'evalute' is not a command; did you mean 'evaluate'? accepted: board, bundle, check, "),
        (["run"], "method: none was chosen; accepted: method=still"),
        (["method=stil"], "method: 'stil' is not known; did you mean 'still'? accepted: aniportrait, driver_copy"),
        (["method=null"], "method: 'null' is not known; accepted: aniportrait, driver_copy"),
        (["track=nonsense"], "track: 'nonsense' is not known; accepted: animation, landmarks, retargeting"),
        (["method=faceshot", "gallery=stored"], "gallery.path: must be given, as in gallery.path=VALUE"),
        (["method=faceshot", "gallery.benchmarks.toy=null"], "gallery.benchmarks: is empty; accepted is at least one"),
        (["method=faceshot", "features.size=x"], "method.landmarks.features.size: input should be a valid integer"),
        (["method=still", "metrics=demos"], "metrics: 'demos' is not known; did you mean 'demo'?"),
        (["method=still", "benchmark=toys"], "benchmark: 'toys' is not known; did you mean 'toy'?"),
        (["method=still", "sead=1"], "sead: no such setting; did you mean 'seed'?"),
        (["method=still", "seed=one"], "seed: Value 'one' of type 'str' could not be converted to Integer"),
        (["method=still", "benchmark.frmaes=3"], "benchmark.frmaes: no such setting; did you mean 'frames'?"),
        (["method=still", "benchmark.frames=x"], "benchmark.frames: input should be a valid integer"),
        (["method=still", "benchmark.frames=0"], "benchmark.frames: must be at least 1, got 0"),
        (["method=still", "metrics.psnrr=null"], "metrics.psnrr: no such setting; did you mean 'psnr'?"),
        (["method=still", "metrics.nme.normaliser=iod"], "metrics.nme.normaliser: input should be 'inter_ocular'"),
        (["method=still", "on_error=ignore"], "on_error: 'ignore' is not known; accepted: continue, raise"),
        (["method=still", "log=xml"], "log: 'xml' is not known; accepted: text, json"),
        (["method=still", "leaderboard.aggregation=mean"], "leaderboard.aggregation: "),
        (["method=still", "objective=nm"], "objective: 'nm' is not a configured metric; did you mean 'nme'?"),
        (["method=still", "tracking.mode=on"], "tracking.mode: no such setting; accepted: _target_"),
        (["method=still", "tracking=wandb", "tracking.mode=on"], "tracking.mode: input should be 'offline', 'online'"),
        (["method=videos"], "method.root: must be given, as in method.root=VALUE"),
        (["method=videos", "method.root=nowhere"], "method.root: no such folder: nowhere"),
        (["method=still", "benchmark=folder"], "benchmark.root: must be given, as in benchmark.root=VALUE"),
        (["method=still", "benchmark=folder", "benchmark.root=nowhere"], "nowhere: no such folder; benchmark.root"),
        (["method=still", "device=gpu"], "device: 'gpu' is not known; accepted: auto, auto:N, cpu, cuda"),
        (["check_bundle"], "bundle.path: must be given, as in bundle.path=FILE"),
        (["check_bundle", "bundle.path=x", "bundle.rescore=-1"], "bundle.rescore=-1, bundle.tolerance=0.001: acc"),
        (["board"], "board.root: must be given, as in board.root=DIR"),
        (["board", "board.root=nowhere"], "board.root: no such folder: nowhere"),
        (["compare"], "compare: both folders must be given, as in compare.before=DIR compare.after=DIR"),
        (["bundle"], "method: none was chosen; accepted: method=still"),
        (["track"], "tracking: 'none' sends nothing; accepted here: tracking=wandb"),
    ]),
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_wrong_usage_gets_one_sentence(
    charachbench: Terminal, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Hydra composes all to know whether it is a sweep, and then again: half of the time of these tests
    monkeypatch.setattr("hydra._internal.hydra.Hydra.get_mode", lambda *_, **__: None)
    status, printed = charachbench(*arguments, fakes=False)
    assert status in (1, 2)
    assert f"charachbench: {message}" in printed
    assert "Traceback" not in printed
    assert len(printed.strip().splitlines()) == 1


def test_odd_names_and_broken_files_end_in_the_same_table(charachbench: Terminal, tmp_path: Path) -> None:
    """On disk: names as people give them; an image and a video that cannot be read fail their own pairs only."""
    from PIL import Image

    from charachbench.video import Video, write_lossless

    root = tmp_path / "my faces"
    for folder in ("characters/toy & co", "drivers"):
        (root / folder).mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    odd = ["größe 'x' \"y\" 50%", "猫_$1 {a}"]
    for name, image in zip(odd, pixels, strict=False):
        Image.fromarray(image).save(root / "characters" / "toy & co" / f"{name}.png")
    (root / "characters" / "broken.png").write_bytes(b"not an image")
    write_lossless(Video(pixels, 25.0), root / "drivers" / "who's there.mkv")
    (root / "drivers" / "cut.mkv").write_bytes((root / "drivers" / "who's there.mkv").read_bytes()[:400])

    settings = ["method=still", "benchmark=folder", f"benchmark.root={root}", "benchmark.size=64", "detector=given"]
    status, printed = charachbench(
        *settings, "metrics=fakes", f"hydra.searchpath=[file://{ROOT}/tests/conf]", fakes=False
    )
    assert status == 1
    assert "Traceback" not in printed
    assert "2/6 (4 failed)" in printed
    table = charachbench.table()
    reasons = table[table["metric"] == "brightness"].set_index("pair")[["status", "reason"]]
    for name in odd:
        assert reasons.loc[f"{name}__who's there", "status"] == "scored"
        assert "cut.mkv" in str(reasons.loc[f"{name}__cut", "reason"])
    assert "broken.png" in str(reasons.loc["broken__who's there", "reason"])
    (latex,) = charachbench.results.glob("*/leaderboard.tex")
    assert "my faces" in latex.read_text(encoding="utf-8")


SMALL = ["benchmark=toy", "benchmark.drivers=1", "benchmark.frames=3", "benchmark.size=64", "device=cpu"]


@pytest.mark.slow
def test_the_track_of_landmarks(charachbench: Terminal) -> None:
    line = ["track=landmarks", *SMALL, "benchmark.characters=2", "landmarks=given,mean_shape"]
    status, printed = charachbench(*line, fakes=False)
    assert status == 0
    assert "given on toy-landmarks: 2 pairs, 2 generated" in printed
    table = charachbench.table()
    assert set(table["method"]) == {"given", "mean_shape"}
    assert set(table["status"]) == {"scored"}
    nme = table[table["metric"] == "nme"].groupby("method")["value"].mean()
    assert nme["given"] == 0
    assert nme["mean_shape"] > 5
    assert len(list(charachbench.results.glob("toy-landmarks-*/*/*/overlay.jpg"))) == 4
    assert "2 pairs, nothing to generate" in charachbench("generate", *line[:-1], "landmarks=given", fakes=False)[1]
    printed = charachbench("evaluate", *line[:-1], fakes=False)[1]
    for name in ("given", "mean_shape"):  # all runs, not those alone over which the track sweeps
        assert f"{name}: 16 scores, nothing to evaluate" in printed


@pytest.mark.slow
def test_the_track_of_retargeting(charachbench: Terminal) -> None:
    status, _ = charachbench("track=retargeting", *SMALL, "benchmark.characters=1", fakes=False)
    assert status == 0
    table = charachbench.table()
    assert set(table["method"]) == {"faceshot", "faceshot_continuous", "direct", "similarity"}
    assert set(table["status"]) == {"scored"}
    assert set(table["given"]) == {"landmarks"}
    jump = table[table["metric"] == "start_jump"].set_index("method")["value"]
    assert jump["faceshot_continuous"] < jump["faceshot"]
    assert len(list(charachbench.results.glob("toy-retargeting-*/*/*/strip.jpg"))) == 4
    assert not list(charachbench.results.rglob("video.mkv"))


@pytest.mark.slow
def test_a_gallery_is_made_and_used(charachbench: Terminal) -> None:
    small = [*SMALL, "features.size=63", "features.radii=[6]"]
    status, printed = charachbench("gallery", *small, "benchmark.characters=2", "benchmark.seed=1", fakes=False)
    assert status == 0
    (path,) = charachbench.results.glob("galleries/*.safetensors")
    assert f"gallery=stored gallery.path={path}" in printed
    line = ["method=faceshot", "gallery=stored", f"gallery.path={path}", *small, "benchmark.characters=1"]
    status, printed = charachbench(*line, "metrics.motion_error=null", fakes=False)
    assert status == 0
    assert "faceshot on toy: 1 pairs, 1 generated" in printed
    (record,) = charachbench.results.glob("toy-*/faceshot-*/*/record.json")
    assert set(json.loads(record.read_text())["notes"]["captions"]) == {"boundary", "eyebrows", "nose", "eyes", "mouth"}
    assert {"video.mkv", "preview.mp4", "overlay.jpg", "strip.jpg"} <= {file.name for file in record.parent.iterdir()}
    status, printed = charachbench("generate", *line, fakes=False)
    assert "1 pairs, nothing to generate" in printed
    status, printed = charachbench("generate", *line, "features.radii=[8]", fakes=False)
    assert status == 1
    assert "was made with other features" in printed


@pytest.mark.parametrize("setting", ["features=dinov2", "features=dift", "embedding=clip", "parts=owlv2"])
def test_missing_weights_are_told_before_the_first_pair(charachbench: Terminal, setting: str) -> None:
    group = setting.partition("=")[0]
    line = ["method=faceshot", setting, f"{group}.model=nowhere/nothing", "gallery.benchmarks.toy=null"]
    line.append("+gallery.benchmarks.tiny={_target_: tests.fakes.Tiny}")
    status, printed = charachbench(*line)
    assert status == 1
    assert f"charachbench: {group}.model=nowhere/nothing: no such folder, and not all of it in the cache" in printed
    assert "Traceback" not in printed
    assert len(printed.strip().splitlines()) == 1
    assert not list(charachbench.results.rglob("run.json"))  # nor is it a row


@pytest.mark.parametrize(
    ("arguments", "translated"),
    [
        (["method=still"], ["method=still"]),
        (["method=still", "-m"], ["-m", "method=still"]),
        (["generate", "method=still"], ["command=generate", "method=still"]),
        (["leaderboard"], ["command=leaderboard", "hydra.mode=RUN"]),
        (["evaluate"], ["command=evaluate", "hydra.mode=RUN", "~method"]),
        (["evaluate", "landmarks=given"], ["command=evaluate", "landmarks=given"]),
        (["gallery"], ["command=gallery", "hydra.mode=RUN", "landmarks=faceshot"]),
        (["--multirun", "evaluate", "seed=1,2"], ["--multirun", "command=evaluate", "seed=1,2"]),
        (["--cfg", "job"], ["--cfg", "job"]),
        (["method=videos", "method.root=a"], ["method=videos", "++method.root=a"]),
        ([], []),
    ],
)
def test_a_bare_first_word_is_the_command(arguments: list[str], translated: list[str]) -> None:
    assert translate(arguments) == translated


def test_help_names_commands_groups_and_choices(charachbench: Terminal) -> None:
    status, printed = charachbench("--help")
    assert status == 0
    for word in ("leaderboard", "benchmark ", "toy", "warp", "experiment=demo", "on_error"):
        assert word in printed


OPTUNA = ["-m", "hydra/sweeper=optuna", "hydra.sweeper.n_jobs=1", "hydra.sweeper.sampler.seed=0", "method=roll"]


def found_by_optuna(charachbench: Terminal) -> dict[str, Any]:
    (path,) = charachbench.results.glob("logs/*/*/optimization_results.yaml")
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


@pytest.mark.slow
def test_optuna_finds_the_best_of_its_trials_and_all_are_rows(charachbench: Terminal) -> None:
    line = [*OPTUNA, "hydra.sweeper.n_trials=3", "method.step=range(1,9)", "objective=difference"]
    status, printed = charachbench(*line)
    assert status == 0
    means = charachbench.table().query("metric == 'difference'").groupby("method")["value"].mean()
    found = found_by_optuna(charachbench)
    assert len(means) > 1
    assert found["best_value"] == pytest.approx(means.min())
    assert means.idxmin() == f"roll (step={found['best_params']['++method.step']})"
    assert f"best_value: {found['best_value']}" in printed


@pytest.mark.slow
def test_optuna_asks_for_the_same_trials_again(charachbench: Terminal) -> None:
    line = [*OPTUNA, "method.step=range(1,99)", "objective=difference"]
    assert charachbench(*line, "hydra.sweeper.n_trials=12")[1].count("6 generated") > 6
    assert "generated" not in charachbench(*line, "hydra.sweeper.n_trials=12")[1]
    assert 0 < charachbench(*line, "hydra.sweeper.n_trials=15")[1].count("6 generated") <= 3


@pytest.mark.slow
def test_optuna_goes_on_after_a_trial_without_a_figure(charachbench: Terminal) -> None:
    line = [*OPTUNA, "hydra.sweeper.n_trials=3", "objective=difference", "benchmark.truth=choice(false,true)"]
    status, printed = charachbench(*line, "hydra.sweeper.max_failure_rate=1")
    assert status == 1
    assert "objective: 6 of 6 pairs have no difference" in printed
    assert found_by_optuna(charachbench)["best_params"] == {"benchmark.truth": True}
    status, printed = charachbench(*line[:-1], "benchmark.truth=choice(false)")  # none is complete
    assert status == 1
    assert "charachbench: objective: 6 of 6 pairs have no difference" in printed
    assert "No trials are completed" not in printed


@pytest.mark.slow
def test_optuna_takes_several_objectives(charachbench: Terminal) -> None:
    line = [*OPTUNA, "hydra.sweeper.n_trials=1", "method.step=range(1,9)", "objective=[brightness,difference]"]
    assert charachbench(*line, "hydra.sweeper.direction=[maximize,minimize]")[0] == 0
    assert len(found_by_optuna(charachbench)["solutions"][0]["values"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["objective=brightness"],
            "hydra.sweeper.direction: minimize contradicts what is better of brightness; accepted",
        ),
        (["objective=[difference,brightness]"], "accepted is hydra.sweeper.direction=[minimize,maximize]"),
        ([], "objective: none was chosen, and this sweeper needs one"),
        (["objective=differnce"], "objective: 'differnce' is not a configured metric; did you mean 'difference'?"),
    ],
    ids=["direction", "directions", "none", "unknown"],
)
def test_a_sweep_that_cannot_be_optimised_is_refused(
    charachbench: Terminal, arguments: list[str], message: str
) -> None:
    status, printed = charachbench(*OPTUNA, "method.step=range(1,9)", *arguments)
    assert status == 1
    assert printed.startswith("charachbench: ")
    assert message in printed
    assert len(printed.splitlines()) == 1
    assert not charachbench.results.exists()


@pytest.mark.slow
def test_runs_of_a_sweep_are_tracked_as_they_are_called_in_the_end(charachbench: Terminal) -> None:
    assert charachbench("-m", "method=roll", "method.step=1,2", "tracking=wandb")[0] == 0
    (sweep,) = charachbench.results.glob("logs/*/*")
    found = list(sent(charachbench.results).values())
    assert sorted(about["name"] for about in found) == ["leaderboard tiny", "roll (step=1)", "roll (step=2)"]
    groups = {about["group"] for about in found if about["job_type"] == "run"}
    assert groups == {f"{sweep.parent.name}_{sweep.name}"}
    assert len(list(charachbench.results.glob("wandb/offline-run-*"))) == 3


@pytest.mark.slow
def test_shards_of_a_run_are_tracked_once(charachbench: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by each job with what there is then: when all have ended."""
    jobs: list[int] = []
    monkeypatch.setattr(sweep, "track", lambda same, _: jobs.append(len(same)))
    charachbench("-m", "method=roll", "shard.index=0,1", "shard.count=2")
    assert jobs == [2]


def test_shards_of_a_run_have_one_leaderboard_and_tell_a_failure_once(charachbench: Terminal) -> None:
    status, printed = charachbench("-m", "method=roll", "method.fail_on=[c1__d0]", "shard.index=0,1", "shard.count=2")
    assert status == 1
    assert printed.count("tiny, 6 pairs") == 1
    assert "charachbench: roll, pair c1__d0: RuntimeError: out of luck\n" in printed


def command(results: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "charachbench", f"results={results}", *FAKES, "report=false", *arguments]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_keeps_what_is_finished(charachbench: Terminal, number: int) -> None:
    line = command(charachbench.results, "method=roll", "benchmark.characters=200")
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment())
    while len(list(charachbench.results.glob("tiny-*/*/*/record.json"))) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; what is finished is kept" in printed
    assert "Traceback" not in printed
    kept = [json.loads(path.read_text())["pair"] for path in charachbench.results.glob("tiny-*/*/*/record.json")]
    made, reused = _counts(charachbench("generate", "method=roll", "benchmark.characters=200")[1])
    assert reused == len(kept)
    assert made == 400 - len(kept)


def _counts(printed: str) -> tuple[int, int]:
    found = re.search(r"(\d+) generated, (\d+) already in the store", printed)
    assert found, printed
    return int(found[1]), int(found[2])


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_every_launcher_gives_the_serial_leaderboard(charachbench: Terminal, tmp_path: Path, launcher: str) -> None:
    status, _ = charachbench("-m", "method=still,roll,oracle")
    assert status == 0
    serial = charachbench.table()
    parallel = tmp_path / launcher
    line = command(parallel, "-m", "method=still,roll,oracle", f"hydra/launcher={launcher}")
    subprocess.run(line, env=environment(), check=True, timeout=300)
    (path,) = parallel.glob("*/scores.parquet")
    pd.testing.assert_frame_equal(serial, pd.read_parquet(path))


@pytest.mark.parametrize(
    "method",
    [pytest.param("faceshot", marks=pytest.mark.slow), "mofa_video", "mofa_video +landmarks.source.min_confidence=1"],
)
def test_mofa_video_runs_whole_and_is_marked_as_random(charachbench: Terminal, method: str) -> None:
    name, *more = method.split()
    if name == "mofa_video" and weights.find(weights.REGISTRY["face_landmarker"]) is None:
        pytest.skip("the model of MediaPipe's face landmarker is not on this machine")
    benchmark = ("benchmark=toy", "benchmark.characters=2", "benchmark.drivers=1", "benchmark.frames=8")
    arguments = (f"method={name}", "animator=mofa_tiny", *more, *benchmark, "benchmark.size=128")
    status, _ = charachbench("generate", *arguments, fakes=False)
    records = [json.loads(path.read_text()) for path in charachbench.results.glob("toy-*/*/*/record.json")]
    assert [record["random_weights"] for record in records] == [True, True]
    (info,) = charachbench.results.glob("toy-*/*/run.json")
    assert json.loads(info.read_text())["random"]
    if more:  # no detection is that sure
        assert status == 1
        assert all("MediaPipe finds no face" in record["reason"] for record in records)
        return
    assert status == 0
    assert [(record["frames"], record["size"]) for record in records] == [(8, [128, 128])] * 2
    assert len({record["seconds"]["load"] for record in records}) == 1  # once for all
    assert all(record["peak_memory_mib"]["ram"] > 0 for record in records)
    videos = [read(path) for path in charachbench.results.glob("toy-*/*/*/video.mkv")]
    assert [video.frames.shape for video in videos] == [(8, 128, 128, 3)] * 2
    assert all(video.frames.std() > 10 for video in videos)


@pytest.mark.slow
def test_a_study_is_made_answered_and_told(charachbench: Terminal) -> None:
    from tests.study.simulated import answer_all

    charachbench("method=roll", "method.step=1,2", "-m")
    line = ["study.cases=3", "study.kind=pairwise", "study.questions=[overall,'Is it, well, good?']", "study.raters=4"]
    status, printed = charachbench("study", *line)
    assert status == 0
    assert "study: 2 methods, 3 cases, 4 raters of 5 screens each" in printed
    (folder,) = charachbench.results.glob("tiny-*/study/study")
    answer_all(folder, {"roll (step=1)": 3.0, "roll (step=2)": 0.0})
    (folder / "responses" / "holiday.jpg").write_bytes(b"\xff\xd8")
    status, printed = charachbench("study_results")
    assert status == 1
    assert printed.index("roll (step=1)") < printed.index("roll (step=2)")
    assert "'holiday.jpg': is left out: is not what the page of a study makes" in printed
