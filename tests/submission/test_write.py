"""What a bundle holds, and that equal runs make equal bytes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench import video
from charachbench.errors import Unscored, UserError
from charachbench.evaluate import build_metrics
from charachbench.generate import generate
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.collect import collect
from charachbench.submission.schema import MANIFEST, SCHEMA, Manifest
from charachbench.submission.write import frames_sha256, write
from tests.submission.bundles import bundled, configured, manifest_of, members, opened, run, scores_of
from tests.submission.conftest import Sent


def test_it_tells_of_the_run(sent: Sent) -> None:
    path = sent.path
    found = manifest_of(path)
    assert path.parent.name == "bundles"
    assert path.stem.startswith("roll-")
    assert found["schema"] == SCHEMA
    assert found["benchmark"]["options"] == {"frames": 4, "option": 0}
    assert [pair["name"] for pair in found["benchmark"]["pairs"]][:3] == ["c0__d0", "c1__d0", "c2__d0"]
    assert found["method"]["config"] == {"_target_": "tests.fakes.Roll", "fail_on": ["c1__d0"]}
    assert found["failures"] == [{"pair": "c1__d0", "kind": "error", "reason": "RuntimeError: out of luck"}]
    assert [environment["clips"] for environment in found["environments"]] == [11] == [len(found["clips"])]
    clip = found["clips"][0]
    assert (clip["pair"], clip["frames"], clip["height"], clip["width"], clip["fps"]) == ("c0__d0", 4, 32, 32, 25.0)
    assert {row[2] for row in scores_of(path)[1:] if row[0] == "c1__d0"} == {"failed"}
    assert not any(row[3] for row in scores_of(path)[1:] if row[0] == "c1__d0")


def test_its_figures_are_those_of_a_leaderboard_and_the_means_of_its_scores(sent: Sent) -> None:
    metrics = build_metrics(sent.config)
    board = aggregate(collect(sent.store, sent.benchmark, metrics), metrics)
    for figure in manifest_of(sent.path)["figures"]:
        cell = board.rows[0].cells[figure["metric"]]
        assert (figure["value"], (figure["low"], figure["high"]), figure["pairs"]) == (cell.value, cell.interval, 11)
        values = [float(row[3]) for row in scores_of(sent.path)[1:] if row[1] == figure["metric"] and row[3]]
        assert np.mean(values) == pytest.approx(cell.value, rel=1e-12)
    caveats = {figure["metric"]: figure["caveat"] for figure in manifest_of(sent.path)["figures"]}
    assert caveats["shift"] == "44 against 8 rows of 3"


def test_clips_are_told_by_their_frames_whatever_their_format(sent: Sent, tmp_path: Path) -> None:
    held = members(sent.path)
    assert len([name for name in held if name.startswith("clips/")]) == 11
    (tmp_path / "clip.mkv").write_bytes(held["clips/c0__d0.mkv"])
    clip = next(each for each in manifest_of(sent.path)["clips"] if each["pair"] == "c0__d0")
    assert frames_sha256(video.read(tmp_path / "clip.mkv").frames) == clip["frames_sha256"]


def test_equal_runs_make_equal_bytes(tmp_path: Path) -> None:
    config = configured(tmp_path)
    path = bundled(config, clips=True)
    before = path.read_bytes()
    path.unlink()
    for each in tmp_path.rglob("*"):
        each.touch()
    assert bundled(config, clips=True).read_bytes() == before


def test_nothing_tells_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_PASSWORD", "correct-horse")
    weights = tmp_path / "w.pth"
    path = bundled(configured(tmp_path, method_weights=f"{weights}", method_fail_on=["correct-horse"]))
    assert set(members(path)) == {"manifest.json", "scores.csv"}
    text = b"".join(members(path).values()).decode()
    assert str(tmp_path) not in text
    assert "correct-horse" not in text
    assert manifest_of(path)["method"]["config"] == {
        "_target_": "tests.fakes.Roll",
        "weights": "…/w.pth",
        "fail_on": ["…"],
    }


def test_what_is_unfinished_is_not_sent(tmp_path: Path) -> None:
    config = configured(tmp_path)
    store, benchmark = opened(config)
    metrics = build_metrics(config)
    with pytest.raises(UserError, match="no run of roll on tiny in .*; `charachbench method=roll` makes it"):
        write(config, benchmark, store, metrics)
    generate(config, benchmark, store)
    with pytest.raises(
        UserError, match="roll: 12 pairs are not scored yet; `charachbench method=roll` goes on with it"
    ):
        write(config, benchmark, store, metrics)
    run(config)
    more = configured(tmp_path, benchmark_characters=7)
    with pytest.raises(UserError, match="roll: 2 pairs are not generated yet"):
        write(more, opened(more)[1], store, metrics)


def test_names_that_mean_something_to_markdown_are_not_sent(tmp_path: Path) -> None:
    config = configured(tmp_path)
    config.method_name = "[ours](http://x)"
    with pytest.raises(UserError, match=r"the run cannot be bundled: method.name: string should match pattern .*ours"):
        bundled(config)


def test_pairs_that_make_no_number_together_are_unscored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def summarise(self: Any, arrays: Any, references: Any = ()) -> float:
        raise Unscored("too few")

    monkeypatch.setattr("tests.fakes.Spread.summarise", summarise)
    path = bundled(configured(tmp_path))
    rows = [row for row in scores_of(path) if row[1] == "spread"]
    assert {tuple(row[2:]) for row in rows} == {("unscored", "", "there is no number over all pairs")}
    figure = next(each for each in manifest_of(path)["figures"] if each["metric"] == "spread")
    assert (figure["value"], figure["pairs"]) == (None, 0)


def test_what_is_written_is_read_as_it_was(sent: Sent) -> None:
    text = members(sent.path)[MANIFEST]
    assert json.loads(Manifest.model_validate_json(text).model_dump_json(by_alias=True)) == json.loads(text)
