"""The presets of metrics: all can be made, without weights and without loading anything."""

from collections.abc import Iterator
from typing import Any

import pytest

from charachbench import weights
from charachbench.evaluate import NamedMetric, build_metrics
from metrics.tracking import LucasKanade
from tests.composed import settings

FAMILIES = ["landmarks", "fidelity", "distribution", "identity", "quality", "motion", "temporal"]


def preset(name: str) -> dict[str, NamedMetric]:
    return {metric.name: metric for metric in build_metrics(settings(f"metrics={name}"))}


@pytest.mark.parametrize("name", ["demo", "paper", "reenactment", "full", "landmarks", "retargeting"])
def test_every_metric_of_a_preset_can_be_made(name: str) -> None:
    metrics = preset(name)
    families = [metric.metric.family for metric in metrics.values()]
    assert families == sorted(families, key=FAMILIES.index), "columns of a family stand together"
    assert all(metric.metric.direction in ("up", "down") for metric in metrics.values())
    assert len({metric.signature.partition("#")[2] for metric in metrics.values()}) == len(metrics)
    assert all(facts for facts in (metric.metric.protocol() for metric in metrics.values()))


def test_the_demo_needs_no_weights_and_shows_every_family_but_quality() -> None:
    metrics = preset("demo")
    assert {metric.metric.family for metric in metrics.values()} == set(FAMILIES) - {"quality"}
    assert {"lpips_random", "fid_random", "kid_random", "fvd_random", "identity_random"} <= set(metrics)
    trackers = {getattr(metric.metric, "tracker", None) for metric in metrics.values()} - {None}
    assert trackers == {LucasKanade()}


@pytest.mark.slow
def test_full_holds_all_others() -> None:
    videos = {name for each in ("demo", "paper", "reenactment") for name in preset(each) if not name.endswith("random")}
    assert videos <= set(preset("full"))


def test_the_papers_four() -> None:
    metrics = preset("paper")
    assert {"arcface", "hyperiqa", "aesthetic", "point_tracking"} <= set(metrics)
    assert metrics["arcface"].metric.protocol()["alignment"] == "none, whole frame"
    assert metrics["point_tracking"].metric.protocol()["tracker"] == "CoTracker3 offline"


def test_every_network_of_the_hub_is_registered_under_its_commit() -> None:
    models = {node["model"]: node["revision"] for node in _nodes(settings("metrics=full").metrics) if "model" in node}
    assert len(models) == 3
    assert models == {entry.hub: entry.revision for entry in weights.HUB.values() if entry.hub in models}


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _nodes(value)
