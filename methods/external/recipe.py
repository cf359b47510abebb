"""What an upstream repository is, what it wants, and what it makes: the contents of a recipe in ``conf/``.

A recipe is data: an argument list with placeholders, never a shell line, never an expression. What flags cannot say is
left to a Python function (``hook``) that writes files, and to a script or worker that runs within the upstream's
environment.
"""

import re
import string
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from charachbench.errors import UserError
from charachbench.secrecy import hidden

JOB_PLACEHOLDERS = {
    "image": "the character, an RGB PNG",
    "driver": "the driving video",
    "landmarks": "of an animator: the landmarks to move to, a .npy (T, 68, 2) in pixels of the image",
    "source": "of an animator: the landmarks of the character, a .npy (68, 2)",
    "output": "an empty folder for the result",
    "stem": "of the names of the image and the driver: letters and digits, another one for every pair",
    "frames": "how many the driver has, as it is handed over",
    "frames_and_still": "one more than that",
    "fps": "of the driver, as it is handed over",
}
START_PLACEHOLDERS = {
    "checkout": "the copy of the repository in which the command runs",
    "work": "the folder where the hook writes",
    "scripts": "the folder of our scripts that run in the upstream's environment",
    "seed": "of all randomness",
    "port": "a free TCP port",
}
PLACEHOLDERS = JOB_PLACEHOLDERS | START_PLACEHOLDERS
"""What may stand in braces in arguments, in paths of results and in variables, with what it stands for."""

STRICT = {"extra": "forbid"}


@dataclass(frozen=True)
class Repository:
    """Where the code comes from.

    Attributes:
        url: of a git repository, or the folder of one.
        commit: the full hash.
        skip: patterns, as in ``.gitignore``, of files that are not needed and not checked out: large media.
        submodules: folders of those that are needed.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    url: str
    commit: str
    skip: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{40}", self.commit):
            raise UserError(f"recipe.repository.commit={self.commit}: accepted is a full hash, 40 digits of 0 to f")
        if self.url.startswith("http") and hidden(self.url) != self.url:  # records tell of it
            raise UserError(
                f"recipe.repository.url={hidden(self.url)}: holds a password; accepted is an address without, "
                "for which git asks its credential helper"
            )


@dataclass(frozen=True)
class Environment:
    """What the code runs in.

    Attributes:
        python: a version such as 3.10, or the path of an interpreter.
        requirements: as pip takes them; exact versions, since upstreams break on newer ones.
        build: of packages that only build with others in place, which; these are installed first.
        entry: a module that is imported to see whether the environment works.
        programs: that must be on the path, such as ffmpeg.
        variables: of the process; placeholders may stand in them.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    python: str
    requirements: tuple[str, ...]
    entry: str
    programs: tuple[str, ...] = ()
    build: dict[str, tuple[str, ...]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for value in self.variables.values():
            check_placeholders(value, "recipe.environment.variables")


@dataclass(frozen=True)
class File:
    """A file or folder of weights.

    Attributes:
        weights: a name of the registry, or the path of a file or folder.
        to: where the code wants it, below the checkout.
        path: what of it, where it is a folder; empty for all.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    weights: str
    to: str
    path: str = ""

    def __post_init__(self) -> None:
        for name, value in (("to", self.to), ("path", self.path)):
            if value.startswith("/") or ".." in value.split("/"):
                raise UserError(f"recipe.files.{name}={value}: accepted are paths below the folder")


@dataclass(frozen=True)
class Inputs:
    """How the character and the driver are handed over: a PNG in RGB and an H.264 MP4, copies of each pair's own.

    Attributes:
        size: side of the square that the image becomes, in pixels.
        driver_size: likewise of the driver's frames; by default ``size``.
        fit: how what is not square becomes one: ``squash`` it, or ``pad`` it with black. Undone in the result.
        driver_crop: ``face`` cuts a square about the driver's face, the same for all frames; ``none`` leaves it.
        fps: what the file declares, whole; frames are neither dropped nor repeated. By default the driver's, rounded.
        silent_audio: add a silent track, for code that fails where there is none.
        minimum_frames: the last frame is repeated where a driver has fewer; undone in the result.
        maximum_frames: more than that the code cannot do: such pairs fail. By default any number.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    size: int
    driver_size: int | None = None
    fit: Literal["squash", "pad"] = "squash"
    driver_crop: Literal["none", "face"] = "none"
    fps: int | None = None
    silent_audio: bool = False
    minimum_frames: int = 1
    maximum_frames: int | None = None

    def __post_init__(self) -> None:
        for name in ("size", "driver_size", "fps", "minimum_frames", "maximum_frames"):
            least = 16 if name.endswith("size") else 1
            if (value := getattr(self, name)) is not None and value < least:
                raise UserError(f"recipe.inputs.{name}={value}: accepted are whole numbers from {least}")


@dataclass(frozen=True)
class Step:
    """A command.

    Attributes:
        arguments: the first is ``python``, that of the environment, or a program of ``Environment.programs``.
        folder: below the checkout, where it runs.
        cpu_arguments: added where there is no GPU.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    arguments: tuple[str, ...]
    folder: str = "."
    cpu_arguments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.arguments:
            raise UserError("recipe.steps: a step without arguments; the first is python")
        for argument in (*self.arguments, *self.cpu_arguments):
            check_placeholders(argument, "recipe.steps")


@dataclass(frozen=True)
class Worker:
    """Code of ours that runs in the upstream's environment, loads its model once, and does pair after pair.

    Attributes:
        module: with ``load(device, arguments)`` and ``run(loaded, job)``, see ``serve.py``; it may import the
            upstream's modules, but none of this project's.
        arguments: for ``load``.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    module: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """Where the result is, and what of it.

    Attributes:
        path: a pattern that one file meets when all went well; placeholders may stand in it, `*` does.
        box: left, top, width and height of the result's panel, in pixels of the file's frames; by default all.
        extra_first: frames that come before the driver's first.
        missing_first: frames that the code leaves out at the start; the first one it made stands in for them.
        missing_last: likewise at the end.
        length: what to do with any other number of frames: ``exact`` fails the pair; ``trim`` drops what is too much at
            the end; ``resample`` spreads what there is evenly over the driver's. Whatever is done is in the record.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    path: str
    box: tuple[int, int, int, int] | None = None
    extra_first: int = 0
    missing_first: int = 0
    missing_last: int = 0
    length: Literal["exact", "trim", "resample"] = "exact"

    def __post_init__(self) -> None:
        check_placeholders(self.path, "recipe.result.path")
        if not self.path.startswith(("{output}/", "{checkout}/", "{work}/")):
            raise UserError(
                f"recipe.result.path={self.path}: accepted are paths below {{output}}, {{checkout}} or {{work}}"
            )


@dataclass(frozen=True)
class Signs:
    """Regular expressions by which its own output tells what became of a pair.

    Attributes:
        no_face: why there is no result: it found no face.
        degraded: that it made one, but did less than it should; by what that was, in words for the tables.
    """

    __pydantic_config__: ClassVar[Any] = STRICT

    no_face: tuple[str, ...] = ()
    degraded: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for pattern in (*self.no_face, *self.degraded.values()):
            try:
                re.compile(pattern)
            except re.error as error:
                raise UserError(f"recipe.signs: '{pattern}' is not a regular expression ({error})") from error


@dataclass(frozen=True)
class Recipe:
    """All of it.

    Attributes:
        repository: where the code comes from.
        environment: what it runs in.
        inputs: what it is handed.
        result: what it makes.
        steps: commands that are run for each pair, one after the other.
        worker: used instead, where there is one.
        hook: ``package.module.function`` of this environment, called with the jobs of a start and the folder ``{work}``
            before the steps, to write what flags cannot say.
        files: weights, by any names.
        signs: what its output says.
        cpu: whether it can run without a GPU.
        batch: pairs that the steps do at once; the steps then have no placeholders of a single pair.
        time_limit: seconds that a pair may take, without the loading of a worker.
        start_limit: seconds that a worker may take to load.
    """

    without_effect: ClassVar[tuple[str, ...]] = ("batch", "time_limit", "start_limit")

    repository: Repository
    environment: Environment
    inputs: Inputs
    result: Result
    steps: tuple[Step, ...] = ()
    worker: Worker | None = None
    hook: str | None = None
    files: dict[str, File] = field(default_factory=dict)
    signs: Signs = field(default_factory=Signs)
    cpu: bool = False
    batch: int = 1
    time_limit: float = 3600.0
    start_limit: float = 1800.0

    def __post_init__(self) -> None:
        if not self.steps and self.worker is None:
            raise UserError("recipe: has neither steps nor a worker; it must have one of them")
        for name in ("time_limit", "start_limit"):
            if not getattr(self, name) > 0:
                raise UserError(f"recipe.{name}={getattr(self, name)}: accepted are seconds above 0")
        if self.batch < 1:
            raise UserError(f"recipe.batch={self.batch}: accepted are whole numbers from 1")
        several = "a worker" if self.worker else f"{self.batch} pairs at once" if self.batch > 1 else ""
        texts = [("environment.variables", value) for value in self.environment.variables.values()]
        if self.worker is None:
            texts += [("steps", text) for step in self.steps for text in (*step.arguments, *step.cpu_arguments)]
        for where, text in texts if several else ():
            if single := placeholders(text) & JOB_PLACEHOLDERS.keys():
                raise UserError(
                    f"recipe.{where}: {{{min(single)}}} means nothing to {several}; accepted are "
                    f"{', '.join(sorted(START_PLACEHOLDERS))}"
                )
        if several and not placeholders(self.result.path) & {"output", "stem"}:  # else one gets what another left
            raise UserError(
                f"recipe.result.path={self.result.path}: is the same for all pairs; accepted are "
                "paths with {output} or {stem}"
            )


def placeholders(text: str) -> set[str]:
    """The names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def check_placeholders(text: str, where: str) -> None:
    """Whether all that stands in braces is known, and nothing but names does.

    Raises:
        UserError: it is not.
    """
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as error:
        raise UserError(f"{where}: '{text}': {error}; a brace itself is written twice") from error
    for _, name, form, conversion in parsed:
        if name is not None and (name not in PLACEHOLDERS or form or conversion):
            raise UserError(
                f"{where}: {{{name}}} in '{text}' is not known; accepted: {', '.join(sorted(PLACEHOLDERS))}"
            )


def filled(text: str, values: dict[str, str]) -> str:
    """The text with its placeholders replaced."""
    return string.Formatter().vformat(text, (), values)
