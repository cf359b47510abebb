"""Room: what is to be done is estimated before it is done, and compared with the disk."""

import logging
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charachbench import room
from charachbench.benchmark.types import Pair
from charachbench.commands import open_benchmark
from charachbench.config import Config, StoreConfig, Track
from charachbench.errors import UserError
from charachbench.generate import Outcome, describe_run, generate
from charachbench.store import Entry, Store
from tests.fakes import SIZE, settings

Usage = namedtuple("Usage", "free")


def run(config: Config) -> Outcome:
    store = Store(Path(config.results))
    return generate(config, open_benchmark(config, store), store)


def estimate(config: Config) -> room.Bytes:
    store = Store(Path(config.results))
    benchmark = open_benchmark(config, store)
    return room.a_pixel(config, benchmark, store, store.find_run(benchmark, describe_run(config, benchmark)))


def disk(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(int(free)))


def test_work_is_the_sum_over_pairs_and_of_a_sample_about_that(tmp_path: Path) -> None:
    config = settings(tmp_path, benchmark_frames=5)
    pairs = open_benchmark(config, Store(tmp_path)).pairs
    whole = room.Extent().of(pairs)
    assert whole == room.Work(6, 30, 30 * SIZE * SIZE, frozenset({(SIZE, SIZE)}))
    assert room.Extent().of(pairs, 2) == whole  # all are alike here
    assert room.Extent().of([]) == room.Work()


def test_what_cannot_be_read_counts_as_the_mean_of_the_rest(tmp_path: Path) -> None:
    pairs = list(open_benchmark(settings(tmp_path), Store(tmp_path)).pairs)

    def broken() -> Any:
        raise RuntimeError("no such file")

    pairs[0] = Pair(replace(pairs[0].character, name="broken", fingerprint="x", load_image=broken), pairs[0].driver)
    assert room.Extent().of(pairs).frames == 24
    assert room.Extent().of(pairs[:1]) == room.Work(1)


def test_a_pixel_takes_what_the_store_says_and_else_a_guess(tmp_path: Path) -> None:
    config = settings(tmp_path)
    assert estimate(config).source == "a guess"
    outcome = run(config)
    found = estimate(config)
    assert found.source == "this run's finished pairs"
    folders = [path for path in outcome.run.folder.iterdir() if path.is_dir()]
    sizes = [sum(file.stat().st_size for file in folder.iterdir()) / (4 * SIZE * SIZE) for folder in folders]
    assert (found.least, found.most) == (min(sizes), max(sizes))
    assert found.likely == pytest.approx(sum(sizes) / 6)
    assert estimate(settings(tmp_path, method_step=2)).source == "other runs' finished pairs"
    assert estimate(replace(config, store=StoreConfig("h264_crf23"))).source == "a guess"  # of that codec there is none
    Entry(folders[0]).prune()
    assert estimate(config).least >= found.least  # of pruned pairs nothing is learnt


def test_a_lossy_codec_and_a_track_without_videos_are_guessed_smaller(tmp_path: Path) -> None:
    whole = estimate(settings(tmp_path))
    for smaller in (
        settings(tmp_path, store=StoreConfig("h264_crf23")),
        settings(tmp_path, track=Track.retargeting),
    ):
        assert estimate(smaller).likely < whole.likely / 5


@pytest.mark.parametrize(("free", "warned"), [(1e9, False), (20_000, True)])
def test_what_may_not_fit_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, free: float, warned: bool
) -> None:
    disk(monkeypatch, free)
    with caplog.at_level(logging.WARNING):
        assert len(run(settings(tmp_path)).made) == 6
    told = [record for record in caplog.records if getattr(record, "event", "") == "disk_low"]
    assert len(told) == warned
    if warned:
        assert told[0].getMessage() == (
            f"{tmp_path}: 6 pairs of roll may not fit: they take about 10.8 KiB, at most 36 KiB (by a guess), "
            "and 19.5 KiB are free"
        )


def test_what_cannot_fit_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, 100)
    with pytest.raises(UserError, match=r"6 pairs of roll take 492 B or more, and 100 B are free; remove some"):
        run(settings(tmp_path))
    assert not list(tmp_path.rglob("run.json"))
    disk(monkeypatch, 1e9)
    run(settings(tmp_path))
    disk(monkeypatch, 100)
    assert len(run(settings(tmp_path)).reused) == 6  # which takes nothing


@pytest.mark.parametrize(
    ("size", "told"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 * 2**30, "3 GiB"), (5 * 2**40, "5 TiB")]
)
def test_sizes_are_told_in_units(size: int, told: str) -> None:
    assert room.text(size) == told
