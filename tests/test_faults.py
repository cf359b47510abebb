"""What goes wrong on clusters ends in a pair that failed with a reason, or in the same result as without it."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench import lease, memory, sealed
from charachbench.commands import open_benchmark
from charachbench.commands import run as run_command
from charachbench.commands import verify as verify_command
from charachbench.config import Config, VerifyConfig
from charachbench.evaluate import build_metrics, evaluate
from charachbench.generate import Outcome, generate
from charachbench.leaderboard.collect import collect, without_paths
from charachbench.store import Entry, Run, Store, write_sealed
from charachbench.worker import MAX_DEATHS
from methods.animators.tps import Tps
from metrics.backbones.base import in_batches
from tests.fakes import Faulty, settings

METRICS = {name: {"_target_": f"tests.fakes.{name.title()}"} for name in ("brightness", "shift")}


def run(config: Config) -> Outcome:
    store = Store(Path(config.results))
    return generate(config, open_benchmark(config, store), store)


def entries(config: Config) -> dict[str, tuple[Entry, dict[str, Any]]]:
    store = Store(Path(config.results))
    benchmark = open_benchmark(config, store)
    (found,) = store.runs(benchmark)
    return found.finished(benchmark)


def table(config: Config) -> str:
    store = Store(Path(config.results))
    scores = without_paths(collect(store, open_benchmark(config, store), build_metrics(config)))
    return scores.drop(columns="run").to_csv()


def faulty(tmp_path: Path, **options: Any) -> Config:
    return settings(tmp_path, "Faulty", METRICS, benchmark_drivers=1, **options)


def died(folder: Path, deaths: int) -> None:
    """As if a process that followed so many dead ones had died on the pair."""
    with lease.hold(folder / ".lease", wait=False) as held:
        assert held is not None
        about = json.loads(held.path.read_text()) | {"pid": 2**22 + 1, "deaths": deaths}
    (folder / ".lease").write_text(json.dumps(about))


def test_a_method_that_crashes_or_hangs_fails_the_pair_alone(tmp_path):
    config = faulty(tmp_path, method_crash_on=["c1__d0"], method_hang_on=["c2__d0"], time_limit=1.0)
    outcome = run(config)
    assert outcome.made == ["c0__d0"]
    assert outcome.failed == {
        "c1__d0": "its process was ended by the signal SIGSEGV",
        "c2__d0": "took longer than time_limit=1 s",
    }
    kinds = {path.parent.name[:6]: json.loads(path.read_text()).get("kind") for path in tmp_path.rglob("record.json")}
    assert kinds == {"c0__d0": None, "c1__d0": "died", "c2__d0": "time_limit"}
    ((entry, record),) = entries(config).values()
    assert record["peak_memory_mib"]["ram"] > 0
    plain = run(settings(tmp_path / "plain", "Faulty", METRICS, benchmark_drivers=1))
    assert entry.video_path.read_bytes() == next(plain.run.folder.glob("c0*/video.mkv")).read_bytes()


@pytest.mark.slow
def test_what_is_raised_in_its_own_process_is_told_as_in_this_one(tmp_path):
    options = {"method_fail_on": ["c1__d0"], "benchmark_drivers": 1}
    here = run(settings(tmp_path / "here", **options)).failed
    assert run(settings(tmp_path / "there", isolate=True, **options)).failed == here


@pytest.mark.parametrize(
    ("need", "again", "isolate"),
    [(8, 0, False), (1, 3, False), pytest.param(2, 2, True, marks=pytest.mark.slow)],
)
def test_out_of_memory_is_tried_again_with_less(tmp_path, need, again, isolate):
    config = faulty(tmp_path, method_memory=need, isolate=isolate)
    outcome = run(config)
    assert len(outcome.made) == 3
    first, *others = [record["out_of_memory"] for _, record in entries(config).values()]
    assert (first, others) == (again, [0, 0])  # what suffices is kept


def test_out_of_memory_with_nothing_to_give_up_fails_the_pair(tmp_path):
    outcome = run(faulty(tmp_path, method_memory=0))
    assert set(outcome.failed.values()) == {"MemoryError: 1 at once"}
    kinds = [json.loads(path.read_text())["kind"] for path in outcome.run.folder.glob("*/record.json")]
    assert kinds == ["out_of_memory"] * 3


def test_running_out_of_memory_is_seen_however_it_is_told():
    torch = pytest.importorskip("torch")
    told = ValueError("too little for these features")
    told.__cause__ = torch.OutOfMemoryError("CUDA out of memory")
    assert memory.ran_out(told)
    assert memory.ran_out(MemoryError())
    assert not memory.ran_out(ValueError("out of memory"))


def test_the_warp_gives_up_frames_at_once_until_there_is_one_and_gives_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    image, source = rng.integers(0, 256, (40, 40, 3), np.uint8), rng.uniform(5, 35, (68, 2))
    moves = source + rng.normal(0, 0.5, (6, 1, 2))
    animator = Tps(chunk=5)
    frames = animator.render(image, source, moves)
    assert [animator.take_less(), animator.chunk, animator.take_less(), animator.take_less()] == [True, 2, True, False]
    np.testing.assert_array_equal(animator.render(image, source, moves), frames)


def test_metrics_halve_their_batch_when_memory_runs_out():
    sizes = []

    def embed(frames: np.ndarray) -> np.ndarray:
        sizes.append(len(frames))
        if len(frames) > 3:
            raise MemoryError
        return frames * 2

    np.testing.assert_array_equal(in_batches(embed, np.arange(7), 7), np.arange(7) * 2)
    assert sizes == [7, 3, 3, 1]

    def never(_: np.ndarray) -> np.ndarray:
        raise MemoryError

    with pytest.raises(MemoryError):
        in_batches(never, np.arange(7), 4)


@pytest.mark.parametrize("deaths", [MAX_DEATHS - 2, MAX_DEATHS - 1])
def test_a_pair_on_which_processes_keep_dying_fails(tmp_path, deaths):
    config = faulty(tmp_path)
    (folder, *_) = run(config).run.folder.glob("c1*")
    for path in folder.iterdir():
        path.unlink()
    died(folder, deaths)
    outcome = run(config)
    if deaths < MAX_DEATHS - 1:  # it died, too
        assert outcome.made == ["c1__d0"]
    else:
        assert outcome.failed == {"c1__d0": f"{deaths + 1} processes in a row died while they worked on it"}
        assert json.loads((folder / "record.json").read_text())["kind"] == "died"
        assert run(config).made == ["c1__d0"]  # the next run tries it again
    assert not (folder / ".lease").exists()


def test_a_pair_on_whose_scores_processes_keep_dying_has_errors(tmp_path):
    config = faulty(tmp_path)
    outcome, store = run(config), Store(tmp_path)
    benchmark, metrics = open_benchmark(config, store), build_metrics(config)
    died(next(outcome.run.folder.glob("c1*")), MAX_DEATHS)
    tally = evaluate(config, benchmark, outcome.run, metrics)
    assert set(tally.errors) == {"brightness of faulty, pair c1__d0", "shift of faulty, pair c1__d0"}
    assert evaluate(config, benchmark, outcome.run, metrics).errors == {}


@pytest.mark.parametrize("scored", [True, False])
def test_what_a_killed_process_left_is_removed_by_the_next_run(tmp_path, scored):
    """Also where it had finished the pair, so that nothing else remains to be done there."""
    config = settings(tmp_path, metrics=METRICS, benchmark_drivers=1)
    assert run_command.execute(config) == []
    folder = entries(config)["c1__d0"][0].folder
    died(folder, 0)
    (folder / ".0123.scores.json").write_bytes(b"half")
    if not scored:
        (folder / "scores.json").unlink()
    with lease.hold(entries(config)["c0__d0"][0].folder / ".lease", wait=False) as working:
        assert run_command.execute(config) == []
        assert working is not None
        assert not working.lost
    assert [path.name for path in folder.glob(".*")] == []
    assert verify_command.execute(config) == []


def test_what_failed_in_another_process_meanwhile_is_not_tried_again(tmp_path, monkeypatch):
    config = faulty(tmp_path)
    tried = []
    animate = Faulty.animate

    def spy(self: Faulty, pair: Any, seed: int) -> Any:
        tried.append(pair.name)
        if pair.name == "c0__d0" and "nested" not in tried:
            tried.append("nested")
            monkeypatch.setattr(Faulty, "animate", lambda *_: 1 / 0)
            elsewhere(config, "c2__d0")
            monkeypatch.setattr(Faulty, "animate", spy)
        return animate(self, pair, seed)

    def elsewhere(config: Config, name: str) -> None:
        """Another process tries the pair."""
        store = Store(Path(config.results))
        benchmark = open_benchmark(config, store)
        only = type(benchmark)(benchmark.name, benchmark.options, tuple(p for p in benchmark.pairs if p.name == name))
        assert list(generate(config, only, store).failed) == [name]

    monkeypatch.setattr(Faulty, "animate", spy)
    outcome = run(config)
    assert outcome.failed == {"c2__d0": "ZeroDivisionError: division by zero"}
    assert [name for name in tried if name != "nested"] == ["c0__d0", "c1__d0"]
    assert run(config).made == ["c2__d0"]


def test_a_damaged_video_is_made_again_by_the_same_command(tmp_path, caplog):
    config = settings(tmp_path)
    assert run_command.execute(config) == []
    before, found = table(config), entries(config)
    for name in ("c0__d0", "c2__d1"):
        entry = found[name][0]
        content = bytearray(entry.video_path.read_bytes())
        content[len(content) // 2] ^= 1
        entry.video_path.write_bytes(content)
        (entry.folder / "scores.json").unlink()
    assert run_command.execute(config) == []
    assert "was damaged or changed since it was generated; the pair is made again" in caplog.text
    assert table(config) == before


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 12))])
def test_a_flipped_bit_anywhere_is_found_and_mended(tmp_path, seed, caplog):
    """In any file that decides something; pictures for people do not."""
    config = settings(tmp_path, metrics=METRICS, benchmark_drivers=1)
    assert run_command.execute(config) == []
    before, rng = table(config), random.Random(seed)
    files = [path for ending in ("*.json", "*.npy") for path in sorted(tmp_path.rglob(ending))]
    decisive = [
        path for path in files if path.name in ("run.json", "record.json", "scores.json") or path.suffix == ".npy"
    ]
    for path in rng.sample(decisive, 3):
        content = bytearray(path.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
    remaining = verify_command.execute(replace(config, verify=VerifyConfig(repair=True)))
    assert all("the run's command writes it again" in fault for fault in remaining)  # where nothing is left to remove
    assert run_command.execute(config) == []
    assert table(config) == before
    assert verify_command.execute(config) == []
    assert {path for path in files if path.is_file()} == set(files)


def test_a_run_whose_description_is_damaged_is_found_again(tmp_path):
    config = settings(tmp_path, benchmark_drivers=1)
    outcome = run(config)
    (outcome.run.folder / "run.json").write_bytes(b"\0" * 100)
    again = run(config)
    assert (again.made, len(again.reused), again.run.folder) == ([], 3, outcome.run.folder)
    assert isinstance(entries(config)["c0__d0"][0], Entry)


def test_a_store_can_be_moved_and_two_be_merged(tmp_path):
    both = [settings(tmp_path / name, method_step=step) for name, step in (("one", 1), ("two", 2))]
    for config in both:
        assert run_command.execute(config) == []
    shutil.copytree(tmp_path / "one", tmp_path / "merged")
    shutil.copytree(tmp_path / "two", tmp_path / "merged", dirs_exist_ok=True)
    for config in both:
        outcome = run(Config(**{**vars(config), "results": str(tmp_path / "merged")}))
        assert (outcome.made, len(outcome.reused)) == ([], 6)
    store = Store(tmp_path / "merged")
    runs: list[Run] = store.runs(open_benchmark(both[0], store))
    assert len(runs) == 2


STUCK = """
import sys
from charachbench import app
from tests.fakes import Faulty
app.GRACE = 1.0
app._run = lambda: Faulty(hang_on=["p"]).animate(type("Pair", (), {"name": "p"}), print("ready", flush=True) or 0)
app.main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_a_scheduler_ends_even_what_python_cannot_interrupt(number):
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    start = time.monotonic()
    process.send_signal(number)
    assert process.wait(30) == 128 + number
    assert time.monotonic() - start < 10
    process.stdout.close()


def test_another_version_of_the_store_is_left_alone(tmp_path):
    """What a later version of the code wrote is not read, nor lost."""
    config = settings(tmp_path, benchmark_drivers=1)
    outcome = run(config)
    for path in [outcome.run.folder / "run.json", *outcome.run.folder.glob("*/record.json")]:
        path.write_bytes(sealed.json_bytes(json.loads(path.read_text()) | {"schema": 99}))
    kept = {path: path.read_bytes() for path in outcome.run.folder.glob("*/video.mkv")}
    newer = outcome.run.folder.rename(outcome.run.folder.with_name("roll-of-99"))
    again = run(config)
    assert len(again.made) == 3
    assert again.run.folder != newer
    assert {newer / path.relative_to(outcome.run.folder): content for path, content in kept.items()} == {
        path: path.read_bytes() for path in newer.glob("*/video.mkv")
    }


def test_verify_lists_what_is_wrong_and_mends_it(tmp_path, caplog):
    caplog.set_level("INFO")
    config = settings(tmp_path, metrics=METRICS, benchmark_drivers=1)
    assert run_command.execute(config) == []
    before, found = table(config), entries(config)
    assert verify_command.execute(config) == []
    assert "0 faults, 0 mended" in caplog.text
    one, two, three = (found[f"c{index}__d0"][0].folder for index in range(3))
    (one / "video.mkv").write_bytes(b"")
    (two / "record.json").unlink()
    (two / ".aaaa.video.mkv").write_bytes(b"half")
    died(three, 0)
    half = tmp_path / "references" / ".aaaa.reference"
    half.write_bytes(b"half")
    for path in [*three.glob("*.npy"), three / "scores.json", *tmp_path.glob("references/*.npy")]:
        path.write_bytes(path.read_bytes()[:-40])
    wrong = {str(path) for path in [one / "video.mkv", two, two / ".aaaa.video.mkv", three / ".lease"]}
    wrong |= {str(path) for path in [*three.glob("*.npy"), three / "scores.json", *tmp_path.glob("references/*.npy")]}
    assert {fault.partition(": ")[0] for fault in verify_command.execute(config)} == wrong
    with lease.hold(one / ".lease", wait=False):  # being worked on
        listed = {fault.partition(": ")[0] for fault in verify_command.execute(config)}
        assert listed == wrong - {str(one / "video.mkv")}
    os.utime(half, (0, 0))  # before, it might still have been written
    (remaining,) = verify_command.execute(replace(config, verify=VerifyConfig(repair=True)))
    assert "not finished" in remaining
    assert run_command.execute(config) == []
    assert verify_command.execute(config) == []
    assert not half.exists()
    assert table(config) == before


def test_a_clock_that_went_back_shows_nothing_stale(tmp_path, monkeypatch):
    """What was made last counts, though what was made with other weights is dated later."""
    weights = ["old"]
    monkeypatch.setattr(Faulty, "fingerprint", lambda self, pair: weights[0])
    config = faulty(tmp_path)
    run(config)
    for entry, record in entries(config).values():
        record["finished"] = "2999-01-01T00:00:00+00:00"
        write_sealed(entry.folder / "record.json", record)
    weights[0] = "new"
    assert len(run(config).made) == 3
    assert {record["inputs"]["method"] for _, record in entries(config).values()} == {"new"}
    weights[0] = "old"
    assert len(run(config).reused) == 3
    assert {record["inputs"]["method"] for _, record in entries(config).values()} == {"old"}


def test_verify_tells_of_files_that_are_whole_and_say_nothing(tmp_path):
    config = settings(tmp_path, metrics=METRICS, benchmark_drivers=1)
    assert run_command.execute(config) == []
    info = next(tmp_path.glob("tiny-*/*/run.json"))
    record = next(tmp_path.glob("tiny-*/*/c1__d0-*/record.json"))
    for path in (info, record):
        path.write_text("[]")
    told = dict(fault.split(": ", 1) for fault in verify_command.execute(config))
    assert told.keys() == {str(info), str(record)}
    assert "tells of no run" in told[str(info)]
    assert "is no record of a pair" in told[str(record)]
    assert run_command.execute(config) == []
    assert verify_command.execute(config) == []
