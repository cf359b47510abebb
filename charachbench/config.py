"""The configuration: its schema, and how a node with a ``_target_`` becomes an object.

Everything is checked here, before anything heavy is imported: constructors only store their arguments.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import typing
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from charachbench import codecs
from charachbench.errors import UserError

T = TypeVar("T")


class Command(Enum):
    """The words that may come first on the command line."""

    run = "generate, evaluate, show the leaderboard and write the report"
    generate = "animate every pair that is not in the store yet"
    evaluate = "score every finished pair that has no score yet"
    leaderboard = "make the tables from the stored scores"
    report = "write the leaderboard and the videos as a page that opens from disk"
    track = "send stored runs to W&B"
    bundle = "write a run into one file, to send to who keeps a leaderboard"
    check_bundle = "check such a file, or a folder of clips, against the benchmark"
    board = "make the tables from a folder of such files"
    compare = "tell what changed between two folders of results"
    check = "report what is missing or unreadable in a benchmark"
    verify = "check every file of the store against its checksum, and list or mend what is wrong"
    plan = "tell what a benchmark takes before it runs: pairs, frames, hours, disk"
    prune = "remove videos that are completely scored, and keep scores, features and records"
    noise = "measure how much scores vary by themselves; tables then show no digit below that"
    validate = "measure how each metric responds to graded corruptions of true videos"
    study = "make a page on which people judge the finished videos without knowing whose they are"
    study_results = "read what the raters of a study answered, and compare it with the metrics"
    gallery = "make an appearance gallery of a benchmark's annotated characters"
    setup = "install what a method needs outside of this environment, and get its weights"
    weights = "get the files of weights that the configuration needs"
    conformance = "check a method against the contract"
    methods = "list the methods, what they need, and whether they can run here"
    doctor = "report what this machine has: weights, devices, codecs, packages, disk"


class Aggregation(Enum):
    """Over which pairs a method's figure in the leaderboard is."""

    shared_pairs = "over the pairs that every shown method has"
    worst_value_for_failures = "the same, a pair that a method failed on counting as the worst value that any reached"


class Track(Enum):
    """What is compared."""

    animation = "videos"
    landmarks = "68 points on each character"
    retargeting = "landmark sequences of each pair"


class StudyKind(Enum):
    """What a rater of a study is asked."""

    rating = "each video alone, on a scale"
    pairwise = "of two methods' videos, which is better"


@dataclass
class ShardConfig:
    """Which of several jobs that share a store this one is."""

    index: int = 0
    """From 0."""
    count: int = 1
    """How many there are; each begins with its own pairs, equal shares by frames."""
    steal: bool = True
    """Then take what others have not begun, or left when they died, and wait until all is done."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UserError(f"shard.count={self.count}: accepted are whole numbers from 1")
        if not 0 <= self.index < self.count:
            raise UserError(
                f"shard.index={self.index}: accepted are 0 to {self.count - 1}, for shard.count={self.count}"
            )


@dataclass
class StoreConfig:
    """How the store keeps videos."""

    codec: str = codecs.LOSSLESS
    """lossless; lossless_small, by a third or more; or h264_crf23 and the like, which change what is scored."""
    restore: bool = False
    """Make pairs again whose videos were pruned."""


@dataclass
class LeaderboardConfig:
    """How the leaderboard is made."""

    aggregation: Aggregation = Aggregation.shared_pairs
    """Over which pairs a method's figure is."""
    methods: list[str] | None = None
    """Show these methods only; null shows every method in the store."""
    statistics: bool = True
    """Give intervals, compare methods and rank them; false gives the figures alone, at once."""


@dataclass
class BundleConfig:
    """How a run is written into one file, and how that is checked."""

    clips: bool = False
    """Put the clips themselves into it, beside their hashes."""
    path: str | None = None
    """What is checked: a bundle, or a folder of clips named <pair>.<ending>."""
    clips_from: str | None = None
    """A folder of the bundle's clips; null takes those in the bundle or, if it has none, in the store."""
    rescore: int = 0
    """How many clips are scored again, drawn at random by ``seed``."""
    tolerance: float = 1e-3
    """By how much a score may differ then, as a share of the metric's median size; no less than measured noise."""


@dataclass
class BoardConfig:
    """Of which bundles a leaderboard is made."""

    root: str | None = None
    """A folder of bundles."""
    output: str | None = None
    """Where the tables go; null puts them beside the bundles."""


@dataclass
class CompareConfig:
    """Which results are compared."""

    before: str | None = None
    """A folder results/<benchmark>-<key>, or a whole store."""
    after: str | None = None
    """Likewise, of the same benchmarks."""
    output: str | None = None
    """Where the tables go; null puts them into ``after``."""
    fail_on_worse: bool = False
    """Exit with status 1 where something got significantly worse."""


@dataclass
class VerifyConfig:
    """What becomes of what is wrong in the store."""

    repair: bool = False
    """Remove damaged and left-over files, so that they are made again; else list them."""


@dataclass
class PlanConfig:
    """Of what it is told beforehand what it takes."""

    methods: list[str] | None = None
    """Choices of the group method; null for the one that is configured."""
    jobs: int = 1
    """How many run side by side."""
    seconds_per_frame: float | None = None
    """For methods of which the store has no times."""


@dataclass
class PruneConfig:
    """What leaves the store."""

    methods: list[str] | None = None
    """Of these only; null for all in the store."""
    previews: bool = False
    """The videos and pictures for people, too."""
    unscored: bool = False
    """Videos that lack scores of the configured metrics, too."""
    stale: bool = False
    """Pairs that were made with other inputs than the present ones, too: all that there is of them."""
    yes: bool = False
    """Remove it; else tell what would be removed."""


@dataclass
class NoiseConfig:
    """Of what repeated scoring is done."""

    pairs: int = 4
    """How many of each run, spread evenly."""


@dataclass
class ValidateConfig:
    """How metrics are validated."""

    severities: int = 4
    """Of each corruption, beside none."""
    pairs: int = 8
    """How many of the benchmark, spread evenly."""
    repeats: int = 8
    """Draws for each sample size in the plot of small-sample bias."""


@dataclass
class StudyConfig:
    """What a human study shows and asks, and how its answers are read."""

    name: str = "study"
    """Its folder beside the leaderboard; a benchmark may have several."""
    kind: StudyKind = StudyKind.rating
    """rating: each video alone, on a scale; pairwise: of two methods' videos, which is better, or no difference."""
    cases: int = 15
    """How many of the benchmark's pairs, spread over characters, domains and drivers."""
    methods: list[str] | None = None
    """By their name in the leaderboard; null for all that are ranked and made enough pairs."""
    questions: list[str] = field(default_factory=lambda: ["motion", "identity", "overall"])
    """motion, identity, overall, or any other question in full."""
    scale: int = 10
    """The best rating, 1 being the worst."""
    comparisons: int = 1
    """pairwise: how many of each case a rater makes."""
    raters: int = 20
    """For how many raters the order is laid down."""
    checks: int = 2
    """Screens for each rater that tell what to answer, which only those who read know."""
    text: str = ""
    """Shown before the first screen: whom to ask, consent."""
    seed: int = 0
    """Of cases and orders."""
    responses: str | None = None
    """The folder of the raters' files; null for the one beside the key."""
    checks_passed: float = 0.5
    """The share of the checks that a rater must have answered as told to be taken into account."""
    keep_inattentive: bool = False
    """Take the others into account, too."""


@dataclass
class WeightsConfig:
    """What the commands ``weights`` and ``doctor`` do with weights."""

    names: Any = None
    """Of the registry, as [NAME,NAME], or all; null for those that the configuration needs."""
    export: str | None = None
    """Get nothing, but write what is here into this tar."""
    install: str | None = None
    """Get nothing, but put what is in this tar where it is looked for."""
    verify: bool = False
    """doctor reads files of any size, to compare their hashes."""
    online: bool = False
    """doctor asks whether the hub can be reached."""


@dataclass
class ConformanceConfig:
    """On what a method is tried."""

    size: int = 128
    """Longer side of all pictures, pixels."""
    frames: int = 8
    """Of an ordinary driver."""
    time_limit: float = 600.0
    """Seconds that a call of the method may take."""


@dataclass
class SetupConfig:
    """How the command ``setup`` installs a method."""

    mirror: str | None = None
    """A folder or address to clone the method's repository from, instead of its own."""


@dataclass
class Config:
    """All settings of a job; the groups' own are checked against the constructors they name."""

    command: Command = Command.run
    track: Track = Track.animation
    benchmark: Any = None
    detector: Any = None
    landmarks: Any = None
    features: Any = None
    parts: Any = None
    embedding: Any = None
    gallery: Any = None
    retargeting: Any = None
    animator: Any = None
    method: Any = None
    tracker: Any = None
    """Finds the landmarks of generated videos, for the metrics that need them."""
    metrics: dict[str, Any] = field(default_factory=dict)
    objective: Any = None
    """What a sweeper optimises: the name of a metric, or a list of such."""
    tracking: Any = None
    published: dict[str, Any] = field(default_factory=dict)
    """Figures from papers, shown beside measured ones."""
    shard: ShardConfig = field(default_factory=ShardConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    leaderboard: LeaderboardConfig = field(default_factory=LeaderboardConfig)
    bundle: BundleConfig = field(default_factory=BundleConfig)
    board: BoardConfig = field(default_factory=BoardConfig)
    compare: CompareConfig = field(default_factory=CompareConfig)
    verify: VerifyConfig = field(default_factory=VerifyConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)
    prune: PruneConfig = field(default_factory=PruneConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    validate: ValidateConfig = field(default_factory=ValidateConfig)
    study: StudyConfig = field(default_factory=StudyConfig)
    weights: WeightsConfig = field(default_factory=WeightsConfig)
    setup: SetupConfig = field(default_factory=SetupConfig)
    conformance: ConformanceConfig = field(default_factory=ConformanceConfig)
    method_name: str | None = None
    """The chosen file of the group ``method``: what the row is called."""
    seed: int = 0
    device: str = "auto"
    """cpu, cuda, cuda:1, mps, or auto: cuda where there is one, else cpu. auto:N is of several the one that is N modulo
    their number, which ``auto`` becomes in job N of those that a launcher runs at a time."""
    on_error: str = "continue"
    """continue: record a failed pair and go on; raise: stop at once."""
    isolate: bool = False
    """Run the method in a process of its own: one that crashes fails its pair, and a new one goes on with the next."""
    time_limit: float | None = None
    """Seconds that a pair may take, in a process of its own; null for as long as it likes."""
    log: str = "text"
    """text for people, or json: each line that is printed is an object of JSON."""
    results: str = "results"
    """The store."""
    report: bool = True
    """Whether a run, or a sweep, ends with the page."""

    def __post_init__(self) -> None:
        if self.on_error not in ("continue", "raise"):
            raise UserError(f"on_error: '{self.on_error}' is not known; accepted: continue, raise")
        if self.log not in ("text", "json"):
            raise UserError(f"log: '{self.log}' is not known; accepted: text, json")
        if self.time_limit is not None and not self.time_limit > 0:
            raise UserError(f"time_limit={self.time_limit}: accepted are seconds above 0, or null")
        codecs.find(self.store.codec)
        if not re.fullmatch(r"cpu|mps|(auto|cuda)(:\d+)?", self.device):
            raise UserError(f"device: '{self.device}' is not known; accepted: auto, auto:N, cpu, cuda, cuda:N, mps")


SETTINGS = {
    "seed": "of all randomness (0)",
    "device": "auto, cpu, cuda, cuda:N, mps (auto)",
    "objective": "the metric that a sweeper optimises (null)",
    "on_error": "continue or raise when a pair fails (continue)",
    "shard.index": "which of shard.count jobs that share a store this one is (0 of 1)",
    "isolate": "run the method in a process of its own, which may crash (false)",
    "time_limit": "seconds that a pair may take; implies isolate (null)",
    "log": "text or json, a line each: what is printed (text)",
    "store.codec": "of stored videos: lossless, lossless_small, h264_crf<N>, h264_444_crf<N> (lossless)",
    "results": "the folder where everything is kept (results)",
    "report": "whether a run ends with the page (true)",
}


PLUGINS = {"optuna": "optuna", "joblib": "joblib", "submitit_local": "slurm", "submitit_slurm": "slurm", "ray": "ray"}
"""Of Hydra's sweepers and launchers those that need an extra, and which."""


def register() -> None:
    """Make the schema, and the number of GPUs, known to Hydra."""
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    from charachbench.provenance import count_gpus

    ConfigStore.instance().store(name="schema", node=Config)
    OmegaConf.register_new_resolver("gpus", lambda: max(1, count_gpus()), replace=True)


def resolve(config: Any) -> Config:
    """The composed configuration, its interpolations resolved, as plain objects.

    Raises:
        UserError: a value that must be given is not.
    """
    from omegaconf import OmegaConf

    if missing := sorted(OmegaConf.missing_keys(config)):
        raise UserError(f"{missing[0]}: must be given, as in {missing[0]}=VALUE")
    resolved = OmegaConf.to_object(config)
    if not isinstance(resolved, Config):
        raise TypeError(f"expected the configuration of charachbench, got {type(resolved).__name__}")
    return resolved


def locate(node: Any, where: str) -> type:
    """The class that a node's ``_target_`` names."""
    target = node.get("_target_") if isinstance(node, dict) else None
    if not isinstance(target, str) or "." not in target:
        raise UserError(f"{where}: needs a _target_ of the form package.module.Class, got {target!r}")
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{where}._target_: cannot import {target} ({error})") from error
    if not inspect.isclass(found):
        raise UserError(f"{where}._target_: {target} is not a class")
    return typing.cast("type", found)


def build(node: dict[str, Any], where: str, kind: type[T]) -> T:
    """Make the object that a node describes, and those within it, its arguments checked against the annotations.

    Args:
        node: ``_target_`` and the constructor's arguments.
        where: the node's name in the configuration, for messages.
        kind: what it must be.

    Raises:
        UserError: it is of another kind, or an argument is unknown, missing or of the wrong type.
    """
    from pydantic import ConfigDict, ValidationError, create_model

    cls = locate(node, where)
    if not issubclass(cls, kind):
        raise UserError(f"{where}._target_: {node['_target_']} is not a {kind.__module__}.{kind.__qualname__}")
    arguments = {name: _build_nested(value, f"{where}.{name}") for name, value in node.items() if name != "_target_"}
    parameters = [p for name, p in inspect.signature(cls.__init__).parameters.items() if name != "self"]
    annotations = typing.get_type_hints(cls.__init__)
    accepted = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    for name in arguments.keys() - set(accepted):
        raise UserError(f"{where}.{name}: no such setting;{suggest(name, accepted)}")
    fields: dict[str, Any] = {
        f"value_{p.name}": (annotations.get(p.name, Any), ... if p.default is p.empty else p.default)
        for p in parameters
        if p.name in accepted
    }
    model = create_model(cls.__name__, __config__=ConfigDict(arbitrary_types_allowed=True), **fields)
    try:
        checked = model.model_validate({f"value_{name}": value for name, value in arguments.items()})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]).removeprefix("value_")
        got = "" if first["type"] == "missing" else f", got {first['input']!r}"
        raise UserError(f"{where}.{name}: {first['msg'].lower()}{got}") from None
    made: T = cls(**{name: getattr(checked, f"value_{name}") for name in accepted})
    return made


def _build_nested(value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        return value
    if "_target_" in value:
        return build(value, where, object)
    return {name: _build_nested(inner, f"{where}.{name}") for name, inner in value.items()}


def versions(node: Any, where: str) -> dict[str, int]:
    """The ``version`` of every class that a node names, itself and those within it: part of every key."""
    if not isinstance(node, dict):
        return {}
    found = {node["_target_"]: int(getattr(locate(node, where), "version", 1))} if "_target_" in node else {}
    for name, value in node.items():
        found |= versions(value, f"{where}.{name}")
    return found


def deciding(node: Any, where: str) -> Any:
    """A node without the settings that its classes list as ``without_effect``: those that cannot change a result.

    They are time limits, sizes of batches and the like, which need no new results where they change.
    """
    if not isinstance(node, dict):
        return node
    ignored = getattr(locate(node, where), "without_effect", ()) if "_target_" in node else ()
    return {name: deciding(value, f"{where}.{name}") for name, value in node.items() if name not in ignored}


def suggest(name: str, accepted: list[str]) -> str:
    """`` did you mean 'x'? accepted: ...``."""
    close = difflib.get_close_matches(name, accepted, n=1)
    hint = f" did you mean '{close[0]}'?" if close else ""
    return f"{hint} accepted: {', '.join(sorted(accepted)) or 'nothing'}"


def explain(error: Exception) -> UserError:
    """An exception of Hydra or OmegaConf in one sentence."""
    from hydra.errors import MissingConfigException
    from omegaconf import DictConfig
    from omegaconf.errors import OmegaConfBaseException

    if str(error).startswith("Ambiguous value"):
        return UserError(f"{_first_line(error)}: several values need -m")
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        if group in ("hydra/launcher", "hydra/sweeper") and name in PLUGINS:
            return UserError(f"{group}: '{name}' is not installed: pip install charachbench[{PLUGINS[name]}]")
        if error.options is not None:
            return UserError(f"{group}: '{name}' is not known;{suggest(name, list(error.options))}")
    cause = error if isinstance(error, OmegaConfBaseException) else error.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.full_key is not None:
        parent = cause.parent_node
        if isinstance(parent, DictConfig) and cause.key not in parent:
            return UserError(f"{cause.full_key}: no such setting;{suggest(str(cause.key), [str(k) for k in parent])}")
        return UserError(f"{cause.full_key}: {_first_line(cause)}")
    return UserError(_first_line(error))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
