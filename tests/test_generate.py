"""Generation: keyed, resumable, honest about what a method may see."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench import video
from charachbench.benchmark.types import Pair
from charachbench.commands import open_benchmark
from charachbench.config import Config, StoreConfig, Track
from charachbench.errors import PairFailure, UserError
from charachbench.generate import Outcome, describe_run, generate
from charachbench.protocols import Animation
from charachbench.store import Store
from tests.fakes import Roll, clip, image, settings


def run(config: Config) -> Outcome:
    store = Store(Path(config.results))
    return generate(config, open_benchmark(config, store), store)


def key(config: Config) -> str:
    return describe_run(config, open_benchmark(config, Store(Path(config.results)))).key


def test_every_pair_is_made_once(tmp_path: Path) -> None:
    config = settings(tmp_path)
    first, second = run(config), run(config)
    assert (len(first.made), len(first.reused)) == (6, 0)
    assert (len(second.made), len(second.reused)) == (0, 6)


def test_frames_are_kept_bit_for_bit(tmp_path: Path) -> None:
    config = settings(tmp_path, method_step=3)
    outcome = run(config)
    benchmark = open_benchmark(config, Store(tmp_path))
    entry, record = outcome.run.finished(benchmark)["c1__d0"]
    kept = video.read(entry.video_path)
    assert np.array_equal(kept.frames[2], np.roll(image("c1"), 6, axis=1))
    assert kept.fps == 25
    assert entry.preview_path.stat().st_size > 0
    assert record["seconds"].keys() == {"load", "read", "generate", "encode"}
    assert record["peak_memory_mib"]["ram"] > 10
    assert record["packages"]["numpy"] == np.__version__
    assert record["config"]["method"] == config.method


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"method_step": 2}, {"method_fail_on": ["x"]}, {"store": StoreConfig("h264_crf23")}],
    ids=lambda change: next(iter(change)),
)
def test_what_can_change_the_output_changes_the_key(tmp_path: Path, change: dict[str, Any]) -> None:
    assert key(settings(tmp_path)) != key(settings(tmp_path, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"results": "elsewhere"},
        {"on_error": "raise"},
        {"log": "json"},
        {"device": "cuda"},
        {"tracking": {"_target_": "charachbench.tracking.Wandb", "mode": "online"}},
        {"metrics": {}},
        {"objective": "brightness"},
        {"method_name": "other"},
        {"store": StoreConfig("lossless_small", restore=True)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_cannot_change_the_output_keeps_the_key(tmp_path: Path, change: dict[str, Any]) -> None:
    config = settings(tmp_path)
    if "results" in change:
        change = {"results": str(tmp_path / "elsewhere")}
    assert key(config) == key(replace(config, **change))


def test_keys_are_what_they_were(tmp_path: Path) -> None:
    """Stores are found again: only a higher ``SCHEMA`` may change these."""
    config = settings(tmp_path, benchmark_characters=1, benchmark_drivers=1)
    outcome = run(config)
    assert outcome.run.info.key == "ece4a5038d65873037766daef48070aa65c45a8b2888c0ee7801259df57c7eac"
    (record,) = outcome.run.folder.glob("*/record.json")
    assert str(record.parent.relative_to(tmp_path)) == "tiny-f011e76f/roll-ece4a503/c0__d0-977ccff4"


def test_landmarks_are_not_compressed_so_their_key_knows_no_codec(tmp_path: Path) -> None:
    config = settings(tmp_path, track=Track.retargeting)
    assert key(config) == key(replace(config, store=StoreConfig("h264_crf23")))


def test_the_codec_is_taken_and_written_down(tmp_path: Path) -> None:
    sizes = {}
    for codec in ("lossless", "h264_crf35"):
        config = settings(tmp_path, store=StoreConfig(codec))
        entry, record = run(config).run.finished(open_benchmark(config, Store(tmp_path)))["c1__d0"]
        sizes[record["codec"]] = entry.video_path.stat().st_size
    assert sizes["h264_crf35"] < sizes["lossless"]


def test_a_run_of_before_there_were_random_weights_is_read(tmp_path: Path) -> None:
    config = settings(tmp_path)
    path = run(config).run.folder / "run.json"
    stored = json.loads(path.read_text())
    assert stored.pop("random") is False
    path.write_text(json.dumps(stored))
    outcome = run(config)
    assert len(outcome.reused) == 6
    assert outcome.run.info.random is False


@pytest.mark.parametrize("weights", ["random", "trained"])
def test_random_weights_are_recorded(tmp_path: Path, weights: str) -> None:
    outcome = run(settings(tmp_path, method_weights=weights))
    assert json.loads((outcome.run.folder / "run.json").read_text())["random"] is (weights == "random")
    records = [json.loads(path.read_text()) for path in outcome.run.folder.glob("*/record.json")]
    assert [record["random_weights"] for record in records] == [weights == "random"] * 6


def test_every_setting_is_sorted_into_key_or_not() -> None:
    """A new field of ``Config`` must be put into one of the two tests above."""
    in_key = {"seed", "method", "store"}  # of which its codec, and that alone where it is lossy
    by_content = {"track", "benchmark", "detector"}  # through options, the pairs' fingerprints, `method`
    by_content |= {
        "landmarks",
        "features",
        "parts",
        "embedding",
        "gallery",
        "retargeting",
        "animator",
    }  # through method
    not_in_key = {
        "command",
        "metrics",
        "tracker",
        "noise",
        "validate",
        "weights",
        "setup",
        "conformance",
        "objective",
        "tracking",
        "leaderboard",
        "method_name",
        "device",
        "on_error",
        "log",
        "results",
        "shard",
        "isolate",
        "time_limit",
        "verify",
        "report",
        "study",
        "published",
        "bundle",
        "board",
        "compare",
        "plan",
        "prune",
    }
    assert set(Config.__dataclass_fields__) == in_key | by_content | not_in_key


def test_a_class_of_a_higher_version_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(settings(tmp_path))
    monkeypatch.setattr("tests.fakes.Roll.version", 2, raising=False)
    assert key(settings(tmp_path)) != before


def test_changed_inputs_are_done_again_and_nothing_is_lost(tmp_path: Path) -> None:
    run(settings(tmp_path))
    outcome = run(settings(tmp_path, benchmark_salt="new"))
    assert sorted(outcome.made) == ["c0__d0", "c1__d0", "c2__d0"]
    assert len(outcome.reused) == 3
    assert len(run(settings(tmp_path)).reused) == 6  # those of the former driver are still there


def test_another_subset_of_the_benchmark_reuses_what_is_there(tmp_path: Path) -> None:
    run(settings(tmp_path, benchmark_characters=2))
    outcome = run(settings(tmp_path, benchmark_characters=3))
    assert sorted(outcome.made) == ["c2__d0", "c2__d1"]


def test_one_bad_pair_does_not_stop_the_others_and_is_tried_again(tmp_path: Path) -> None:
    config = settings(tmp_path, method_fail_on=["c1__d0"])
    outcome = run(config)
    assert outcome.failed == {"c1__d0": "RuntimeError: out of luck"}
    assert len(outcome.made) == 5
    benchmark = open_benchmark(config, Store(tmp_path))
    assert "out of luck" in outcome.run.failed(benchmark)["c1__d0"]["traceback"]
    again = run(config)
    assert (list(again.failed), len(again.reused)) == (["c1__d0"], 5)


def test_on_error_raise_stops_at_the_first(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="c0__d0 failed: RuntimeError: out of luck"):
        run(settings(tmp_path, method_fail_on=["c0__d0"], on_error="raise"))


def test_a_wrong_number_of_frames_fails_the_pair(tmp_path: Path) -> None:
    outcome = run(settings(tmp_path, method_frames=3))
    assert "made 3 frames of 32 x 32, wanted 4 (as the driver)" in outcome.failed["c0__d0"]


@pytest.mark.parametrize("given", [[], ["truth"], ["landmarks"], ["landmarks", "truth"]])
def test_truth_and_annotation_are_hidden_unless_given(tmp_path: Path, given: list[str]) -> None:
    report = tmp_path / "seen.txt"
    run(settings(tmp_path, "Spy", method_report=str(report), method_given=given))
    fingerprint = "'a'" if "landmarks" in given else "''"
    seen = f"truth={'truth' in given} landmarks={'landmarks' in given} {fingerprint}"
    assert set(report.read_text().splitlines()) == {seen}


def test_given_accepts_only_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"method.given: 'everything' is not known; accepted: truth, landmarks"):
        run(settings(tmp_path, method_given=["everything"]))


def test_changed_code_is_reported_when_its_results_are_reused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(settings(tmp_path))
    monkeypatch.setattr("charachbench.provenance.sources", lambda *_: "other")
    outcome = run(settings(tmp_path))
    assert len(outcome.reused) == 6
    assert caplog.text.count("the code of this method has changed") == 1


def test_a_full_disk_ends_the_run_with_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    config = settings(tmp_path)
    assert len(run(settings(tmp_path, benchmark_characters=1)).made) == 2
    monkeypatch.setattr("charachbench.video.write", no_space)
    with pytest.raises(UserError, match=r"cannot be written \(No space left on device\); all finished pairs are kept"):
        run(config)
    monkeypatch.undo()
    assert len(run(config).reused) == 2
    assert not list(tmp_path.rglob(".*.video.mkv"))


def test_damaged_records_are_made_again(tmp_path: Path) -> None:
    config = settings(tmp_path)
    outcome = run(config)
    entries = [entry for entry, _ in outcome.run.finished(open_benchmark(config, Store(tmp_path))).values()]
    (entries[0].folder / "record.json").write_text('{"schema": 1, "sta')
    (entries[1].folder / "record.json").write_text("[]")
    entries[2].video_path.unlink()
    assert len(run(config).made) == 3


def test_inputs_of_the_method_that_come_back_are_what_is_shown(tmp_path: Path) -> None:
    """What a method reads beside the pair (a gallery, videos) changes, and changes back."""
    file = tmp_path / "videos" / "c0__d0.mkv"
    config = settings(
        tmp_path / "results", "methods.videos.Videos", benchmark_characters=1, benchmark_drivers=1,
        method_root=str(file.parent), method_pattern="{character}__{driver}.mkv",
    )  # fmt: skip
    file.parent.mkdir()
    shown, benchmark = [], open_benchmark(config, Store(tmp_path / "results"))
    for name in ("a", "b", "a", "b"):
        video.write_lossless(clip(name, 4), file)
        (entry, _) = run(config).run.finished(benchmark)["c0__d0"]
        shown.append(video.read(entry.video_path).frames)
    assert np.array_equal(shown[0], clip("a", 4).frames)
    assert np.array_equal(shown[0], shown[2])
    assert np.array_equal(shown[1], shown[3])
    assert not np.array_equal(shown[0], shown[1])


def test_a_method_that_cannot_be_loaded_is_not_loaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []

    def load(self: Roll, device: str) -> None:
        loads.append(device)
        raise UserError("features: not enough memory")

    monkeypatch.setattr(Roll, "load", load)
    outcome = run(settings(tmp_path))
    assert loads == ["cpu"]
    assert list(outcome.failed.values()) == ["features: not enough memory"] * 6
    told = [json.loads(path.read_text())["traceback"] for path in tmp_path.glob("*/*/*/record.json")]
    assert len(told) == 6
    assert {text.count("in load\n") for text in told} == {1}
    assert max(map(len, told)) < 2 * min(map(len, told))  # one does not hold those of all before it


@pytest.mark.parametrize("notes", [{"score": float("nan")}, {"points": np.zeros(2)}])
def test_notes_that_cannot_be_written_fail_their_pair_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: dict[str, Any]
) -> None:
    def animate(self: Roll, pair: Pair, seed: int) -> Animation:
        return Animation(pair.driver.video, notes=notes if pair.name == "c1__d0" else {})

    monkeypatch.setattr(Roll, "animate", animate)
    outcome = run(settings(tmp_path))
    assert len(outcome.made) == 5
    assert "the method's notes cannot be written as JSON" in outcome.failed["c1__d0"]


class Steps(Roll):
    """Writes down how it is called; what it makes of some pairs stands in ``outcomes``."""

    without_effect = ("patience",)

    def __init__(
        self, report: str, outcomes: dict[str, Any] | None = None, patience: int = 1, lacking: str = ""
    ) -> None:
        super().__init__()
        self.report, self.outcomes, self.patience, self.lacking = Path(report), outcomes or {}, patience, lacking

    def _note(self, *words: str) -> None:
        with self.report.open("a") as file:
            file.write(" ".join(words) + "\n")

    def lacks(self) -> str:
        self._note("lacks")
        return self.lacking

    def expect(self, pairs: Sequence[Pair]) -> None:
        self._note("expect", *[pair.name for pair in pairs])

    def load(self, device: str) -> None:
        self._note("load", device)

    def close(self) -> None:
        self._note("close")

    def animate(self, pair: Pair, seed: int) -> Animation:
        self._note(pair.name)
        outcome = self.outcomes.get(pair.name, {})
        if "kind" in outcome:
            raise PairFailure("was not to be", outcome["kind"], outcome["log"])
        return replace(super().animate(pair, seed), **outcome)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report.txt"


def steps(report: Path, outcomes: dict[str, Any] | None = None, **options: Any) -> Config:
    """One driver, three characters."""
    given = {"method_report": str(report), "method_outcomes": outcomes or {}, "benchmark_drivers": 1, **options}
    return settings(report.parent / "results", "tests.test_generate.Steps", **given)


def record_of(config: Config, pair: str) -> tuple[dict[str, Any], str | None]:
    """A pair's record, and its log."""
    (path,) = Path(config.results).glob(f"tiny-*/steps-*/{pair}-*/record.json")
    log = path.with_name("method.log")
    return json.loads(path.read_text()), log.read_text() if log.is_file() else None


def test_a_method_is_told_what_is_to_be_done_and_when_it_is_over(report: Path) -> None:
    run(steps(report))
    order = ["lacks", "expect c0__d0 c1__d0 c2__d0", "load cpu", "c0__d0", "c1__d0", "c2__d0", "close"]
    assert report.read_text().splitlines() == order
    report.unlink()
    run(steps(report))
    assert report.read_text().splitlines() == ["expect", "close"]  # nothing is left to do, so nothing is needed
    report.unlink()
    run(steps(report, benchmark_characters=4))
    assert report.read_text().splitlines() == ["lacks", "expect c3__d0", "load cpu", "c3__d0", "close"]


def test_a_method_is_closed_whatever_happens(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = {"c0__d0": {"kind": "error", "log": ""}}
    with pytest.raises(UserError, match="pair c0__d0 failed: was not to be"):
        run(steps(report, failing, on_error="raise"))
    assert report.read_text().splitlines()[-1] == "close"

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    report.unlink()
    monkeypatch.setattr(Steps, "animate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(steps(report))
    assert report.read_text().splitlines()[-2:] == ["load cpu", "close"]


def finished(results: Path) -> list[str]:
    """Names of pairs that have a record."""
    return sorted(json.loads(path.read_text())["pair"] for path in results.rglob("record.json"))


def test_a_pair_is_stored_while_the_method_works_on_the_next(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, threads = report.parent / "results", set()

    def animate(self: Steps, pair: Pair, seed: int) -> Animation:
        threads.add(threading.get_ident())
        before = ["c0__d0", "c1__d0", "c2__d0"][: int(pair.name[1])]
        deadline = time.monotonic() + 20
        while finished(results) != before and time.monotonic() < deadline:
            time.sleep(0.005)
        assert finished(results) == before
        return Roll.animate(self, pair, seed)

    monkeypatch.setattr(Steps, "animate", animate)
    assert run(steps(report)).made == ["c0__d0", "c1__d0", "c2__d0"]
    assert threads == {threading.get_ident()}


def test_a_pair_that_is_being_stored_when_the_run_is_interrupted_is_kept(
    report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, write = report.parent / "results", video.write
    interrupted = threading.Event()

    def slow(*arguments: Any) -> None:
        interrupted.wait(20)
        write(*arguments)

    def animate(self: Steps, pair: Pair, seed: int) -> Animation:
        if pair.name == "c1__d0":
            interrupted.set()
            raise KeyboardInterrupt
        return Roll.animate(self, pair, seed)

    monkeypatch.setattr("charachbench.video.write", slow)
    monkeypatch.setattr(Steps, "animate", animate)
    with pytest.raises(KeyboardInterrupt):
        run(steps(report))
    assert finished(results) == ["c0__d0"]
    monkeypatch.undo()
    again = run(steps(report))
    assert (again.made, list(again.reused)) == (["c1__d0", "c2__d0"], ["c0__d0"])


def test_a_pair_that_takes_too_long_to_store_after_an_interrupt_is_dropped(
    report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, write, storing = report.parent / "results", video.write, threading.Event()

    def slow(made: video.Video, path: Path, codec: str, dropped: threading.Event) -> None:
        storing.set()
        assert dropped.wait(20)
        write(made, path, codec, dropped)

    def animate(self: Steps, pair: Pair, seed: int) -> Animation:
        if pair.name == "c1__d0":
            assert storing.wait(20)
            raise KeyboardInterrupt
        return Roll.animate(self, pair, seed)

    monkeypatch.setattr("charachbench.overlap.PATIENCE", 0.01)
    monkeypatch.setattr("charachbench.video.write", slow)
    monkeypatch.setattr(Steps, "animate", animate)
    with pytest.raises(KeyboardInterrupt):
        run(steps(report))
    assert finished(results) == []
    assert not [path for path in results.rglob(".*.*") if path.is_file()]
    monkeypatch.undo()
    assert len(run(steps(report)).made) == 3


def test_a_driver_that_cannot_be_read_fails_its_own_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, frames: int) -> video.Video:
        if name == "d1":
            raise UserError("d1: is cut off")
        return clip(name, frames)

    monkeypatch.setattr("tests.fakes.clip", load)
    outcome = run(settings(tmp_path))
    assert outcome.made == ["c0__d0", "c1__d0", "c2__d0"]
    assert outcome.failed == dict.fromkeys(["c0__d1", "c1__d1", "c2__d1"], "d1: is cut off")


def test_what_lacks_something_is_told_before_it_is_a_row(report: Path) -> None:
    with pytest.raises(UserError, match="^steps: its environment is not there; make it$"):
        run(steps(report, method_lacking="its environment is not there; make it"))
    assert not list(report.parent.rglob("run.json"))
    assert report.read_text().splitlines() == ["lacks"]


@pytest.mark.parametrize("kind", ["no_face", "out_of_memory", "time_limit", "error"])
def test_a_failure_is_kept_with_its_kind_and_its_log(report: Path, kind: str) -> None:
    config = steps(report, {"c1__d0": {"kind": kind, "log": "größe\nTraceback"}})
    outcome = run(config)
    assert outcome.failed == {"c1__d0": "was not to be"}
    assert len(outcome.made) == 2
    record, log = record_of(config, "c1__d0")
    assert (record["status"], record["kind"], record["reason"]) == ("failed", kind, "was not to be")
    assert log == "größe\nTraceback"
    assert "kind" not in record_of(config, "c0__d0")[0]


def test_other_exceptions_are_errors(tmp_path: Path) -> None:
    outcome = run(settings(tmp_path, method_fail_on=["c1__d0"]))
    benchmark = open_benchmark(settings(tmp_path), Store(tmp_path))
    assert outcome.run.failed(benchmark)["c1__d0"]["kind"] == "error"


def test_what_is_degraded_and_what_was_printed_is_kept(report: Path) -> None:
    config = steps(report, {"c1__d0": {"degraded": "without eyes", "log": "hello", "seconds": 2.0}})
    assert len(run(config).made) == 3
    record, log = record_of(config, "c1__d0")
    assert (record["status"], record["degraded"], log) == ("ok", "without eyes", "hello")
    assert record["seconds"]["generate"] == 2.0  # as the method says, since it did several at once
    assert record["frames_per_second"] == 2.0
    record, log = record_of(config, "c0__d0")
    assert (record["degraded"], log) == ("", None)


def test_a_long_log_keeps_its_start_and_its_end(report: Path) -> None:
    config = steps(report, {"c1__d0": {"kind": "error", "log": "the start" + "x" * 1_100_000 + "the end"}})
    run(config)
    log = record_of(config, "c1__d0")[1]
    assert log is not None
    assert len(log) < 1_000_100
    assert log.startswith("the start")
    assert "\n... cut ...\n" in log
    assert log.endswith("the end")


def test_a_pair_that_is_made_after_all_loses_the_log_of_its_failure(
    report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = steps(report, {"c1__d0": {"kind": "error", "log": "Traceback"}})
    run(config)
    assert record_of(config, "c1__d0")[1] == "Traceback"
    monkeypatch.setattr(Steps, "animate", Roll.animate)
    monkeypatch.setattr(Steps, "fail_on", [], raising=False)
    assert run(config).made == ["c1__d0"]
    record, log = record_of(config, "c1__d0")
    assert (record["status"], log) == ("ok", None)
    assert "kind" not in record


def test_settings_without_effect_keep_the_key(report: Path) -> None:
    plain = key(steps(report))
    assert key(steps(report, method_patience=2)) == plain
    assert key(steps(report, method_lacking="x")) != plain
    inner = {"_target_": "tests.test_generate.Steps", "report": "x"}
    nested = [key(steps(report, method_outcomes={"x": {**inner, "patience": patience}})) for patience in (1, 2)]
    assert nested[0] == nested[1]
    elsewhere = [key(steps(report, method_outcomes={"patience": patience})) for patience in (1, 2)]
    assert elsewhere[0] != elsewhere[1]  # of no class that says so
    run(steps(report))
    assert len(run(steps(report, method_patience=2)).reused) == 3


def test_what_a_method_is_does_not_change_its_key(tmp_path: Path) -> None:
    plain = settings(tmp_path)
    told = replace(plain, method={**plain.method, "about": {"title": "x"}})
    assert key(told) == key(plain)
    assert describe_run(told, open_benchmark(told, Store(tmp_path))).method == plain.method


SCRIPT = """
import sys, time
from tests import fakes
from tests.test_generate import run
from pathlib import Path
original = fakes.Roll.animate
def slow(self, pair, seed):
    with open(sys.argv[2], "a") as log:
        log.write(pair.name + "\\n")
    time.sleep(0.15)
    return original(self, pair, seed)
fakes.Roll.animate = slow
print(len(run(fakes.settings(Path(sys.argv[1]))).made))
"""


def start(results: Path, log: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", SCRIPT, str(results), str(log)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_two_processes_on_one_store_share_the_work(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    results = tmp_path / "results"
    processes = [start(results, log), start(results, log)]
    made = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(made) == 6
    assert sorted(log.read_text().split()) == sorted(f"c{c}__d{d}" for c in range(3) for d in range(2))
    assert len(run(settings(results)).reused) == 6


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    log, results = tmp_path / "log.txt", tmp_path / "results"
    process = start(results, log)
    while not log.is_file() or len(log.read_text().split()) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    outcome = run(settings(results))
    assert len(outcome.made) + len(outcome.reused) == 6
    assert 1 <= len(outcome.reused) < 6  # the second may not have been stored yet
    records = [json.loads(path.read_text()) for path in results.rglob("record.json")]
    assert [record["status"] for record in records] == ["ok"] * 6
    assert not [path for path in results.rglob(".*.*") if path.is_file()]
