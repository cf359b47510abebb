"""The leaderboard as the command makes it: of what the store holds, with statistics or at once."""

import os
from pathlib import Path

import pandas as pd
import pytest

from charachbench import index
from charachbench.commands import leaderboard, open_benchmark
from charachbench.commands.leaderboard import Made
from charachbench.config import Config
from charachbench.evaluate import build_metrics, evaluate
from charachbench.generate import generate
from charachbench.store import Entry, Store
from tests.fakes import settings


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Of a store with all that can become of a pair: a failed one, an unscored one, one whose metric broke."""
    metrics = {
        "brightness": {"_target_": "tests.fakes.Brightness"},
        "picky": {"_target_": "tests.fakes.Picky", "unscored": ["c1"], "error": ["c2"]},
        "shift": {"_target_": "tests.fakes.Shift"},
    }
    for step in (1, 2):
        config = settings(
            tmp_path, metrics=metrics, method_step=step, method_fail_on=["c3__d0"], benchmark_characters=5
        )
        store = Store(tmp_path)
        benchmark = open_benchmark(config, store)
        evaluate(config, benchmark, generate(config, benchmark, store).run, build_metrics(config))
    return config


def make(config: Config) -> Made:
    store = Store(Path(config.results))
    made = leaderboard.make(config, open_benchmark(config, store), store, build_metrics(config))
    assert made is not None
    return made


def test_without_statistics_the_figures_are_the_same(config: Config) -> None:
    whole = make(config)
    config.leaderboard.statistics = False
    bare = make(config)
    assert whole.board.ranking is not None
    assert bare.board.ranking is None
    for with_all, without in zip(whole.board.rows, bare.board.rows, strict=True):
        assert with_all.method == without.method
        assert {name: cell.value for name, cell in with_all.cells.items()} == {
            name: cell.value for name, cell in without.cells.items()
        }
        assert not any(cell.interval for cell in without.cells.values())
    leaderboard.show(bare, Path(config.results))


def test_it_is_the_same_with_an_index_and_without(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    results = Path(config.results)
    for path in results.glob("tiny-*/*/index.json"):
        path.unlink()
    without = make(config).scores
    assert set(without["status"]) == {"scored", "unscored", "error", "failed"}
    for path in (*results.glob("tiny-*/*/*/*"), *results.glob("tiny-*/*/*")):
        os.utime(path, (10**9, 10**9))  # what is new is not indexed
    pd.testing.assert_frame_equal(make(config).scores, without)
    assert len(list(results.glob(f"tiny-*/*/{index.FILE}"))) == 2
    monkeypatch.setattr(Entry, "look", lambda self: pytest.fail(f"{self.folder} was opened"))
    pd.testing.assert_frame_equal(make(config).scores, without)
