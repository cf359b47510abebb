"""What must be known of a metric to read its numbers: it goes where they go, and makes tables without the metric."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, JsonValue, StringConstraints

from charachbench.differences import differences
from charachbench.errors import Unscored
from charachbench.evaluate import NamedMetric
from charachbench.protocols import Metric, Sample

FILE = "metrics.json"
"""Beside a leaderboard, the facts of its metrics."""


def _plain(value: JsonValue) -> JsonValue:
    """Any nested value, if it can be shown and hashed wherever others of its kind are."""
    if isinstance(value, dict):
        for each in (*value, *value.values()):
            _plain(each)
    elif isinstance(value, list):
        for each in value:
            _plain(each)
    elif isinstance(value, str) and not value.isprintable():
        raise ValueError("text may hold no control characters")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("numbers must be finite")
    return value


Line = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_plain)]
"""A text in one line."""
Title = Annotated[str, StringConstraints(pattern=r"^\w[\w .+:=#()-]{0,99}$")]
"""What a row, a column or a benchmark is called: without signs that mean something to Markdown or HTML."""
Settings = Annotated[dict[str, JsonValue], AfterValidator(_plain)]
"""Nested, as in a configuration."""


class Part(BaseModel):
    """What is written to a file and read from it again: nothing is guessed, left out or added."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class MetricFacts(Part):
    """A metric as it was configured."""

    name: Title
    """Its column's name."""
    family: Title
    """What it is shown among."""
    unit: Line
    """Of its number; empty if it has none."""
    direction: Literal["up", "down"]
    """Which way is better."""
    least: float | None
    """Number that there can be; null where there is no such limit."""
    most: float | None
    """Likewise."""
    signature: Line
    """Name and hash of configuration, versions and protocol: only numbers under the same may be compared."""
    version: int
    """Of its code."""
    random: bool
    """Whether it looks through a network with random weights."""
    of_set: bool
    """Whether it is a number of all pairs together; a pair's value is then what it contributes."""
    protocol: Settings
    """How its number comes about: backbone, hash of weights, frames, reference."""
    config: Settings
    """Its configuration."""
    versions: dict[str, int]
    """Of every class that the configuration names."""

    @classmethod
    def of(cls, named: NamedMetric) -> MetricFacts:
        """Of a metric, whatever it is called: checked where it is read."""
        metric, identity = named.metric, named.identity
        return cls.model_construct(
            name=named.name, family=metric.family, unit=metric.unit, direction=metric.direction,
            least=_finite(metric.limits[0]), most=_finite(metric.limits[1]),
            signature=named.signature, version=metric.version, random=metric.random, of_set=metric.of_set,
            protocol=identity.get("protocol", {}), config=identity.get("config", {}),
            versions=identity.get("versions", {}),
        )  # fmt: skip

    @property
    def limits(self) -> tuple[float, float]:
        """Where its numbers end."""
        return -math.inf if self.least is None else self.least, math.inf if self.most is None else self.most

    def recall(self) -> NamedMetric:
        """A metric that can make tables, but cannot score."""
        return _NamedFacts(self.name, _Recalled(self), {"signature": self.signature})

    def unlike(self, other: MetricFacts) -> str:
        """Why numbers of the two cannot share a column, other first; empty where they can."""
        # the signature covers the configuration, of which paths are hidden in what is sent, on each machine its own
        same = self.signature == other.signature
        left_out = {"signature"} | ({"config"} if same else set())
        found = differences(other.model_dump(exclude=left_out), self.model_dump(exclude=left_out))
        return "; ".join(found) if found or same else f"signature: {other.signature} → {self.signature}"


def _finite(limit: float) -> float | None:
    return float(limit) if math.isfinite(limit) else None


class _Recalled(Metric):
    """Has a metric's facts, and takes the mean of what pairs contribute."""

    def __init__(self, facts: MetricFacts) -> None:
        # of its class elsewhere, here of its own
        for name in ("family", "unit", "direction", "version"):
            setattr(self, name, getattr(facts, name))
        self.limits = facts.limits  # type: ignore[misc]
        self.facts = facts

    @property
    def random(self) -> bool:
        """See ``Metric``."""
        return self.facts.random

    @property
    def of_set(self) -> bool:
        """See ``Metric``."""
        return self.facts.of_set

    def protocol(self) -> dict[str, Any]:
        """See ``Metric``."""
        return dict(self.facts.protocol)

    def extract(self, sample: Sample) -> np.ndarray:  # noqa: ARG002
        """See ``Metric``."""
        raise Unscored(f"of {self.facts.name} the facts alone are known")


class _NamedFacts(NamedMetric):
    """Bears the signature that it was given."""

    @cached_property
    def signature(self) -> str:
        """See ``NamedMetric``."""
        return str(self.identity["signature"])
