"""What a bundle holds: ``manifest.json``, ``scores.csv`` and, on request, ``clips/``.

The schema's number is raised whenever a reader of the former could misread, or would refuse, what is written. Readers
take every number up to their own, and refuse later ones, naming them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints

from charachbench.codecs import LOSSLESS
from charachbench.leaderboard.facts import Line, MetricFacts, Part, Settings, Title

SCHEMA = 1
MANIFEST, SCORES, CLIPS = "manifest.json", "scores.csv", "clips/"
COLUMNS = ("pair", "metric", "status", "value", "reason")
"""Of ``scores.csv``."""

Status = Literal["scored", "unscored", "error", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)
Output = Literal["video.mkv", "landmarks.npy", "first_landmarks.npy"]
OUTPUTS: tuple[Output, ...] = get_args(Output)
"""Files of a clip, as a store calls them."""
Name = Annotated[Line, StringConstraints(min_length=1, max_length=255)]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Amount = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0, le=10**9)]
Several = Annotated[int, Field(ge=1, le=10**9)]


class PairFacts(Part):
    """A pair of the benchmark, made or not."""

    name: Name
    """``<character>__<driver>``, or the character alone where there is no driver."""
    character: Name
    """Its name."""
    driver: Line
    """Its name; empty where there is none."""
    domain: Name
    """Of the character."""


class BenchmarkFacts(Part):
    """The benchmark that the run is on."""

    name: Title
    """What its leaderboard is called."""
    options: Settings
    """All settings that decide what a pair looks like."""
    pairs: list[PairFacts]
    """All of them."""


class MethodFacts(Part):
    """The method, wholly configured."""

    name: Title
    """What its row is called."""
    key: Sha256
    """Hash of everything that can change the output."""
    config: Settings
    """Its configuration; of paths the last part alone, and no secrets."""
    versions: dict[str, int]
    """Of all classes that the configuration names."""
    given: list[Literal["truth", "landmarks"]]
    """What it saw beside image and driver."""
    control: bool
    """Whether it shows a metric's floor or ceiling, and is not ranked."""
    random: bool
    """Whether it renders through networks with random weights, and is not ranked."""
    codec: Title = LOSSLESS
    """Of the clips that were scored: lossless, or what compressed them first."""
    seed: int
    """Of all randomness."""
    about: Settings
    """What its configuration says of it: title, citation, address, licence; empty where it says nothing."""


class Code(Part):
    """The state of charachbench."""

    version: Line
    """Of the package."""
    commit: Line | None
    """In a checkout."""
    dirty: bool | None
    """Whether files differed from the commit."""


class Environment(Part):
    """Where clips were made."""

    code: Code
    """Of charachbench."""
    packages: dict[Line, Line]
    """Versions of Python and of the packages that can change a number."""
    device: Line
    """As torch calls it."""
    device_name: Line
    """In words."""
    clips: Several
    """How many were made there."""


class Memory(Part):
    """Peak while a clip was made."""

    ram: Amount
    """Of the process, MiB."""
    gpu: Amount | None
    """Of the GPU, MiB; null without one."""


class Clip(Part):
    """What the method made of a pair."""

    pair: Name
    """Its name."""
    frames: Several
    """How many."""
    height: Several
    """Pixels."""
    width: Several
    """Pixels."""
    fps: Annotated[float, Field(gt=0)]
    """Frames per second."""
    files: dict[Output, Sha256]
    """sha256 of each file that was scored."""
    frames_sha256: Sha256 | None
    """Of the decoded frames, uint8 RGB in the order frame, row, column, channel: a copy in another format, if it is
    lossless, has the same. Null where the method made landmarks alone."""
    inputs: dict[Line, Line]
    """Fingerprints of what the method saw of character and driver and, as ``method``, of its weights and whatever else
    decides the output beside its configuration."""
    seconds: Amount
    """That the method took."""
    peak_memory_mib: Memory
    """While it did."""
    degraded: Line
    """What the method says that it did less than it should; empty where it did all."""


class Failure(Part):
    """A pair that the method failed on."""

    pair: Name
    """Its name."""
    kind: Literal["no_face", "out_of_memory", "time_limit", "died", "error"]
    """Of failure."""
    reason: Line
    """In one sentence."""


class Figure(Part):
    """The run's number under a metric."""

    metric: Title
    """Its name."""
    value: float | None
    """Over the pairs that are scored; null where there is none."""
    low: float | None
    """Lower end of the 95% interval; null where there is none."""
    high: float | None
    """Upper end."""
    pairs: Count
    """Over how many."""
    caveat: Line
    """Why it is to be mistrusted; empty where it is not."""


class Manifest(Part):
    """All of a run but its scores pair by pair."""

    version: Literal[1] = Field(alias="schema")
    """Number of this schema."""
    benchmark: BenchmarkFacts
    """What it is on."""
    method: MethodFacts
    """What ran."""
    environments: list[Environment]
    """Where it ran: one, or more where the run was continued elsewhere."""
    metrics: list[MetricFacts]
    """What scored it."""
    figures: list[Figure]
    """Its numbers, one for each metric."""
    clips: list[Clip]
    """What was made, by pair."""
    failures: list[Failure]
    """What was not: every pair of the benchmark is here or among ``clips``."""


@dataclass(frozen=True)
class Score:
    """A line of ``scores.csv``.

    Attributes:
        value: of numbers of sets what the pair contributes; None but for scored pairs.
        reason: why there is none.
    """

    pair: str
    metric: str
    status: Status
    value: float | None
    reason: str


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read.

    Attributes:
        members: the files of clips that the archive holds.
    """

    path: Path
    manifest: Manifest
    scores: tuple[Score, ...]
    members: frozenset[str]


def member(pair: str, output: Output) -> str:
    """What a file of a clip is called: ``clips/<pair>.mkv``, ``clips/<pair>.landmarks.npy``."""
    return f"{CLIPS}{pair}.{output.removeprefix('video.')}"
