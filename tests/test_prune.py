"""Pruning: what is scored may go, the rest stays, and nothing that was computed is lost."""

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from charachbench.commands import leaderboard, open_benchmark
from charachbench.commands import prune as command
from charachbench.config import Config, PruneConfig, StoreConfig
from charachbench.errors import UserError
from charachbench.evaluate import build_metrics, evaluate
from charachbench.generate import Outcome, generate
from charachbench.leaderboard.collect import collect
from charachbench.report import media
from charachbench.store import PRUNED, Entry, Run, Store, StoreError
from charachbench.tracking.content import of_run
from tests.fakes import settings

BRIGHTNESS = {"_target_": "tests.fakes.Brightness"}
SPREAD = {"_target_": "tests.fakes.Spread"}


def made(config: Config) -> Outcome:
    """The run, generated and scored."""
    store = Store(Path(config.results))
    benchmark = open_benchmark(config, store)
    outcome = generate(config, benchmark, store)
    evaluate(config, benchmark, outcome.run, build_metrics(config))
    return outcome


def entries(config: Config) -> dict[str, Entry]:
    store = Store(Path(config.results))
    benchmark = open_benchmark(config, store)
    return {name: entry for run in store.runs(benchmark) for name, (entry, _) in run.finished(benchmark).items()}


def content(config: Config, run: Run, folder: Path) -> str:
    """Fingerprint of what is sent to W&B."""
    store = Store(Path(config.results))
    benchmark, metrics = open_benchmark(config, store), build_metrics(config)
    made = leaderboard.make(config, benchmark, store, metrics)
    assert made is not None
    return of_run(store, benchmark, run, metrics, made.scores, made.board, previews=2, scratch=folder).fingerprint


def configured(results: Path, **options: Any) -> Config:
    return settings(results, metrics={"brightness": BRIGHTNESS, "spread": SPREAD}, **options)


def prune(config: Config, **chosen: Any) -> None:
    config.method, config.prune = None, PruneConfig(**chosen)
    assert command.execute(config) == []


def test_nothing_goes_until_it_is_said_to(tmp_path: Path) -> None:
    made(configured(tmp_path))
    before = {path: path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()}
    prune(configured(tmp_path), previews=True, stale=True)
    assert {path: path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()} == before


def test_scored_videos_go_and_tables_stay_as_they_are(tmp_path: Path) -> None:
    config = configured(tmp_path)
    outcome, store = made(config), Store(tmp_path)
    benchmark = open_benchmark(config, store)
    before, sent = collect(store, benchmark, build_metrics(config)), content(config, outcome.run, tmp_path)
    prune(configured(tmp_path), yes=True)
    assert [entry.is_pruned for entry in entries(config).values()] == [True] * 6
    assert all(entry.preview_path.stat().st_size for entry in entries(config).values())
    again = made(config)
    assert (again.made, len(again.reused)) == ([], 6)
    assert collect(store, benchmark, build_metrics(config)).equals(before)
    assert content(config, outcome.run, tmp_path) == sent  # nothing new for W&B
    whole = outcome.run.finished(benchmark)["c0__d0"]
    with pytest.raises(UserError, match=r"video.mkv: its video was pruned; .* store.restore=true"):
        whole[0].read_sample(benchmark.pairs[0], whole[1])


def test_a_new_metric_is_pending_until_the_videos_are_restored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made(settings(tmp_path, metrics={"brightness": BRIGHTNESS}))
    prune(settings(tmp_path, metrics={"brightness": BRIGHTNESS}), yes=True)
    wider, store = configured(tmp_path), Store(tmp_path)
    benchmark = open_benchmark(wider, store)
    with caplog.at_level(logging.WARNING):
        assert made(wider).made == []
    assert f"roll lacks spread of each of 6 pairs: {PRUNED}" in caplog.messages
    scores = collect(store, benchmark, build_metrics(wider))
    statuses = scores.groupby("metric")["status"].unique()
    assert {name: list(found) for name, found in statuses.items()} == {"brightness": ["scored"], "spread": ["pending"]}
    assert set(scores.loc[scores["metric"] == "spread", "reason"]) == {PRUNED}

    wider.store = StoreConfig(restore=True)
    assert len(made(wider).made) == 6
    assert set(collect(store, benchmark, build_metrics(wider))["status"]) == {"scored"}
    assert made(wider).made == []  # restored once, not with every run


def test_what_lacks_scores_stays_unless_it_is_said_to_go(tmp_path: Path) -> None:
    picky = {"_target_": "tests.fakes.Picky", "error": ["c1"], "unscored": ["c2"]}
    config = settings(tmp_path, metrics={"picky": picky})
    made(config)
    prune(settings(tmp_path, metrics={"picky": picky}), yes=True)
    left = {name for name, entry in entries(config).items() if not entry.is_pruned}
    assert left == {"c1__d0", "c1__d1"}  # an error is tried again; what cannot be scored is done with
    prune(settings(tmp_path, metrics={"picky": picky}), yes=True, unscored=True)
    assert all(entry.is_pruned for entry in entries(config).values())


@pytest.mark.slow
def test_methods_are_chosen_by_name(tmp_path: Path) -> None:
    made(configured(tmp_path))
    made(configured(tmp_path, method="Loud"))
    prune(configured(tmp_path), yes=True, methods=["loud"])
    assert {path.parents[1].name.partition("-")[0] for path in tmp_path.rglob("video.pruned")} \
        == {"loud"}  # fmt: skip
    with pytest.raises(UserError, match=r"prune.methods: 'lud' has no run here; did you mean 'loud'\?"):
        prune(configured(tmp_path), methods=["lud"])


@pytest.mark.slow
def test_pairs_of_former_inputs_go_whole_and_those_of_other_selections_stay(tmp_path: Path) -> None:
    made(configured(tmp_path))
    former = {entry.folder for name, entry in entries(configured(tmp_path)).items() if name.endswith("d0")}
    changed = configured(tmp_path, benchmark_salt="new", benchmark_characters=2)
    made(changed)
    everything = {path.parent for path in tmp_path.rglob("record.json")}
    prune(configured(tmp_path, benchmark_salt="new", benchmark_characters=2), yes=True, stale=True)
    gone = everything - {path.parent for path in tmp_path.rglob("record.json")}
    assert gone == {folder for folder in former if not folder.name.startswith("c2")}
    assert not any(folder.exists() for folder in gone)
    assert len(made(configured(tmp_path)).made) == 2  # c2 of the former driver is still there


def test_previews_go_only_if_that_is_said_and_the_report_tells_why(tmp_path: Path) -> None:
    config = configured(tmp_path)
    outcome = made(config)
    prune(configured(tmp_path), yes=True)
    prune(configured(tmp_path), yes=True, previews=True)
    assert not list(tmp_path.rglob("preview.mp4"))
    found = media.gather(tmp_path / "page", open_benchmark(config, Store(tmp_path)), {"roll": outcome.run})
    assert found["clips"] == [[0] * 6]
    assert found["reasons"] == [PRUNED]


def test_a_pair_that_is_worked_on_is_left_alone(tmp_path: Path) -> None:
    config = configured(tmp_path)
    made(config)
    held = entries(config)["c1__d1"]
    with held.leased(wait=True):
        prune(configured(tmp_path), yes=True)
    assert [name for name, entry in entries(config).items() if not entry.is_pruned] == ["c1__d1"]


def test_a_full_disk_can_be_pruned_and_a_read_only_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(configured(tmp_path))

    def full(self: Path, *_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)  # of every JSON file
    prune(configured(tmp_path), yes=True)
    monkeypatch.undo()
    assert all(entry.is_pruned for entry in entries(configured(tmp_path)).values())

    def refused(*_: object, **__: object) -> int:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(StoreError, match=r"cannot be written \(Read-only file system\); nothing else was removed"):
        prune(configured(tmp_path), yes=True, previews=True)
