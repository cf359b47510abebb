"""How many jobs a sweep has, against Hydra's own sweeper."""

from typing import Any

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from charachbench.sweep import _count

BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


def composed(given: list[str], params: dict[str, str] | None = None, sweeper: str = BASIC) -> Any:
    return OmegaConf.create(
        {"hydra": {"sweeper": {"_target_": sweeper, "params": params}, "overrides": {"task": given}}}
    )


@pytest.mark.parametrize(
    "given",
    [
        ["method=still"],
        ["method=still,warp,oracle"],
        ["method=still,warp", "seed=range(0,5)", "device=cpu"],
        ["method=still,warp", "method=oracle"],
        ["metrics.x=choice([1,2],[3])", "+benchmark.drivers=[a,b]"],
    ],
    ids=" ".join,
)
def test_jobs_are_counted_as_hydra_makes_them(given: list[str]) -> None:
    params = {"method": "faceshot,warp", "seed": "0,1"}
    for swept in ({}, params):
        parsed = OverridesParser.create().parse_overrides([*(f"{k}={v}" for k, v in swept.items()), *given])
        (jobs,) = BasicSweeper.split_arguments(parsed, None)
        assert _count(composed(given, swept)) == len(jobs)
    assert _count(composed(given)) == _count(composed(given, {}))


def test_a_number_that_is_not_known_is_none() -> None:
    assert _count(composed(["method=glob(*)"])) is None
    assert _count(composed(["seed=interval(0,1)"], sweeper="hydra_plugins.hydra_optuna_sweeper.OptunaSweeper")) is None
