"""What a sweeper optimises."""

from pathlib import Path
from typing import Any

import pytest

from charachbench import objective
from charachbench.commands import open_benchmark
from charachbench.config import Config
from charachbench.errors import UserError
from charachbench.evaluate import build_metrics, evaluate
from charachbench.generate import generate
from charachbench.leaderboard.collect import collect
from charachbench.store import Store
from tests.fakes import settings

METRICS = {
    "brightness": {"_target_": "tests.fakes.Brightness"},
    "difference": {"_target_": "tests.fakes.Difference"},
    "spread": {"_target_": "tests.fakes.Spread"},
}


def value(config: Config, named: Any) -> tuple[Any, dict[str, float]]:
    """The objective, and means over pairs by metric."""
    store = Store(Path(config.results))
    benchmark, metrics = open_benchmark(config, store), build_metrics(config)
    run = generate(config, benchmark, store).run
    evaluate(config, benchmark, run, metrics)
    means = collect(store, benchmark, metrics).dropna(subset="value").groupby("metric")["value"].mean()
    return objective.value(named, store, benchmark, run, metrics), dict(means)


def test_it_is_the_runs_own_figure(tmp_path: Path) -> None:
    found, means = value(settings(tmp_path, metrics=METRICS), "difference")
    assert found == pytest.approx(means["difference"])
    found, means = value(settings(tmp_path, metrics=METRICS), ["difference", "brightness"])
    assert found == pytest.approx([means["difference"], means["brightness"]])
    assert value(settings(tmp_path, metrics=METRICS), None)[0] is None


def test_a_number_of_sets_can_be_one(tmp_path: Path) -> None:
    assert value(settings(tmp_path, metrics=METRICS), "spread")[0] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method_fail_on": ["c1__d0"]}, r"1 of 6 pairs have no difference, .*; the first, c1__d0: RuntimeError: out"),
        ({"benchmark_truth": False}, "6 of 6 pairs have no difference, .*: needs the true video, which is not known"),
    ],
    ids=["a failed pair", "no truth"],
)
def test_there_is_none_where_a_pair_lacks(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        value(settings(tmp_path, metrics=METRICS, **options), "difference")
    assert value(settings(tmp_path, metrics=METRICS, benchmark_truth=False), "brightness")[0] > 0


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("bright", "'bright' is not a configured metric; did you mean 'brightness'?"),
        (["difference", "nme"], "'nme' is not a configured metric; accepted: brightness, difference"),
        ("left_out", "'left_out' is not a configured metric"),
        ([1], "is no name of a metric"),
    ],
    ids=str,
)
def test_what_it_names_must_be_configured(named: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        objective.check(named, {**METRICS, "left_out": None})
