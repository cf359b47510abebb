"""What is checked, in order."""

from __future__ import annotations

import builtins
import importlib
import inspect
import json
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from charachbench.conformance.cases import Case
from charachbench.conformance.trial import (
    HOUSEKEEPING,
    Fails,
    Skipped,
    Trial,
    descendants,
    largest_child,
    working_folder,
)
from charachbench.errors import UserError
from charachbench.protocols import Animation, Loadable
from charachbench.video import Video

HEAVY = (
    "diffusers", "jax", "lpips", "mediapipe", "onnxruntime", "pyiqa", "tensorflow", "torch", "torch_fidelity",
    "torchvision", "transformers",
)  # fmt: skip
"""Packages that nothing may import before ``load``."""
CONSTRUCTION_SECONDS = 2.0
"""Of computing, that making the object may take."""
GRACE_SECONDS = 1.0
"""Until child processes must be gone after ``close``."""


def _constructor(trial: Trial) -> str:
    start = time.thread_time()
    with _watched_imports() as imported:
        trial.method = trial.make()
    seconds = time.thread_time() - start
    if heavy := sorted(imported & set(HEAVY)):
        raise Fails(f"making the object imports {', '.join(heavy)}; wanted: not before load")
    for module in {cls.__module__: sys.modules[cls.__module__] for cls in _classes(trial.method)}.values():
        for name, value in vars(module).items():
            origin = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
            if isinstance(origin, str) and origin.partition(".")[0] in HEAVY:
                raise Fails(f"{module.__name__} imports '{name}' ({origin}) at its top; wanted: not before load")
    if seconds > CONSTRUCTION_SECONDS:
        raise Fails(f"making the object computed for {seconds:.1f} s; wanted: what takes time waits for load")
    return ""


def _classes(part: Loadable) -> set[type]:
    """Of a method and its parts, with those that they inherit from."""
    parts = [value for value in getattr(part, "__dict__", {}).values() if isinstance(value, Loadable)]
    return set(type(part).__mro__).union(*map(_classes, parts))


@contextmanager
def _watched_imports() -> Iterator[set[str]]:
    """The packages that import statements name meanwhile, also where they are imported already."""
    named: set[str] = set()
    statement, function = builtins.__import__, importlib.import_module

    def by_statement(name: str, *arguments: Any, **others: Any) -> Any:
        named.add(name.partition(".")[0])
        return statement(name, *arguments, **others)

    def by_function(name: str, package: str | None = None) -> Any:
        named.add(name.partition(".")[0])
        return function(name, package)

    builtins.__import__, importlib.import_module = by_statement, by_function
    try:
        yield named
    finally:
        builtins.__import__, importlib.import_module = statement, function


def _settings(trial: Trial) -> str:
    cls = type(trial.method)
    version = getattr(cls, "version", 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise Fails(f"version is {version!r}; wanted: a whole number from 1, raised whenever the output can change")
    parameters = list(inspect.signature(cls).parameters.values())
    for parameter in parameters:
        if parameter.annotation is parameter.empty:
            raise Fails(f"setting '{parameter.name}' has no annotation; wanted: a type, which its values are to be of")
    if unknown := sorted(set(getattr(cls, "without_effect", ())) - {parameter.name for parameter in parameters}):
        raise Fails(f"without_effect names '{unknown[0]}'; wanted: settings of the constructor")
    return ""


def _before_loading(trial: Trial) -> str:
    assert trial.method is not None
    random = trial.method.random
    if not isinstance(random, bool):
        raise Fails(f"random is {random!r} before load; wanted: true or false")
    try:
        trial.prepare()
        prints = [trial.call("fingerprint", trial.pair(trial.cases["ordinary"])) for _ in range(2)]
        lacking = trial.call("lacks")
    except UserError as error:
        raise Skipped(str(error)) from None
    if not isinstance(prints[0], str) or prints[0] != prints[1]:
        raise Fails(f"fingerprint gave {prints[0]!r}, then {prints[1]!r} for an equal pair; wanted: equal text")
    if lacking:
        raise Skipped(lacking)
    return ""


def _loading(trial: Trial) -> str:
    assert trial.method is not None
    random = trial.method.random
    try:
        trial.load(*trial.cases)
    except UserError as error:
        raise Skipped(str(error)) from None
    if trial.method.random != random:
        raise Fails(f"random was {random} before load and is {trial.method.random} after; wanted: known before")
    return "random weights: the pictures mean nothing" if random else ""


def _ordinary(trial: Trial) -> str:
    try:
        trial.first = trial.animate("ordinary")
    except UserError as error:
        raise Fails(
            f"refused: {error}; wanted: a result, for which other pictures can be chosen by "
            "benchmark=folder benchmark.root=DIR"
        ) from None
    return "" if not trial.first.degraded else f"degraded: {trial.first.degraded}"


def _frames(made: Animation, case: Case) -> str:
    if made.video is None:
        if made.landmarks is None:
            raise Fails("neither a video nor landmarks were made; wanted: one of them")
        raise Skipped("stops at landmarks")
    if not isinstance(made.video, Video):
        raise Fails(f"the video is a {type(made.video).__name__}; wanted: a charachbench.video.Video")
    (height, width), (wanted_height, wanted_width) = made.video.size, case.image.shape[:2]
    if (len(made.video), height, width) != (len(case.frames), wanted_height, wanted_width):
        raise Fails(
            f"{len(made.video)} frames of {width} x {height}; wanted: {len(case.frames)} (as the driver) of "
            f"{wanted_width} x {wanted_height} (as the character)"
        )
    return f"{len(made.video)} of {width} x {height}"


def _rate(made: Animation, case: Case) -> str:
    if made.video is None:
        raise Skipped("stops at landmarks")
    if abs(made.video.fps - case.fps) > 1e-3 * case.fps:
        raise Fails(f"{made.video.fps:g} frames per second; wanted: {case.fps:g}, as the driver")
    return ""


def _range(made: Animation, case: Case) -> str:
    if made.video is None:
        raise Skipped("stops at landmarks")
    values = np.unique(made.video.frames)
    if len(values) <= 3 and len(np.unique(case.image)) > 16:
        listed = " or ".join(map(str, values))
        raise Fails(f"all pixels are {listed}, as when 0..1 or -1..1 is cast to uint8; wanted: colours from 0 to 255")
    return ""


def _landmarks(made: Animation, case: Case) -> str:
    for name, points, shape in (
        ("landmarks", made.landmarks, (len(case.frames), 68, 2)),
        ("first_landmarks", made.first_landmarks, (68, 2)),
    ):
        if points is None:
            continue
        if not isinstance(points, np.ndarray) or points.shape != shape:
            raise Fails(f"{name} are {getattr(points, 'shape', type(points).__name__)}; wanted: an array {shape}")
        if not np.isfinite(points).all():
            raise Fails(f"{name} are not all finite; wanted: finite ones, or None")
    return "none" if made.landmarks is None else ""


def _notes(made: Animation, case: Case) -> str:  # noqa: ARG001 - as the others
    try:
        json.dumps(made.notes, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Fails(f"notes cannot be written as JSON ({error}); wanted: numbers, text, lists and mappings") from None
    for name in ("degraded", "log"):
        if not isinstance(getattr(made, name), str):
            raise Fails(f"{name} is {getattr(made, name)!r}; wanted: text")
    return ""


CONTENT = {"frames": _frames, "frame rate": _rate, "range": _range, "landmarks": _landmarks, "notes": _notes}
"""What is looked at of each result."""


def _of_first(look: Callable[[Animation, Case], str], trial: Trial) -> str:
    assert trial.first is not None
    return look(trial.first, trial.cases["ordinary"])


def _whole(trial: Trial, made: Animation, name: str) -> None:
    """Look at the content, but for what is wrong with the ordinary pair already."""
    for check, look in CONTENT.items():
        if check not in trial.failed:
            with suppress(Skipped):
                look(made, trial.cases[name])


def _same(trial: Trial, made: Animation, when: str) -> str:
    """Compare with what the ordinary pair gave at first."""
    first = trial.first
    assert first is not None
    pictures = [None if one.video is None else one.video.frames for one in (first, made)]
    for name, (was, now) in {"frames": pictures, "landmarks": [first.landmarks, made.landmarks]}.items():
        if was is None and now is None:
            continue
        if was is None or now is None or was.shape != now.shape:
            raise Fails(f"{when} there are other {name}; wanted: equal ones")
        if not np.array_equal(was, now, equal_nan=name == "landmarks"):
            most = np.abs(was.astype(float) - now).max()
            raise Fails(f"{when} {name} differ by up to {most:g}; wanted: equal ones for an equal pair and seed")
    return ""


def _repeated(trial: Trial) -> str:
    return _same(trial, trial.animate("ordinary"), "the second time")


def _steady(trial: Trial) -> None:
    """Skip what compares, where results differ for no reason."""
    if trial.failed & {"repetition", "order"}:
        raise Skipped("results differ anyway")


def _ordered(trial: Trial) -> str:
    _steady(trial)
    try:
        _whole(trial, trial.animate("other"), "other")
    except UserError as error:
        raise Skipped(f"the other pair was refused: {error}") from None
    return _same(trial, trial.animate("ordinary"), "after another pair")


def _named(trial: Trial) -> str:
    _whole(trial, trial.animate("named"), "named")
    return ""


def _unusual(name: str, trial: Trial) -> str:
    """A result, or a refusal."""
    try:
        made = trial.animate(name)
    except UserError as error:
        if not str(error).strip() or len(str(error).splitlines()) > 1:
            raise Fails(f"refused by {str(error)!r}; wanted: one sentence") from None
        return f"refused: {error}"
    _whole(trial, made, name)
    return "" if not made.degraded else f"degraded: {made.degraded}"


def _after_failures(trial: Trial) -> str:
    made = trial.animate("ordinary")
    _whole(trial, made, "ordinary")
    return "" if trial.failed & {"repetition", "order"} else _same(trial, made, "after the faceless ones")


def _inputs(trial: Trial) -> str:
    if changed := trial.written_to():
        raise Fails(f"{changed} was written to; wanted: a copy is written to, as other pairs share it")
    return ""


def _fresh_instance(trial: Trial) -> str:
    trial.drop()
    _steady(trial)
    trial.method = trial.make()
    trial.prepare()
    trial.load("ordinary")
    return _same(trial, trial.animate("ordinary"), "in another instance")


def _processes(trial: Trial) -> str:
    trial.drop()
    if trial.processes is None:
        raise Skipped("child processes are listed on Linux alone")
    end = time.monotonic() + GRACE_SECONDS
    while left := {pid: name for pid, name in (descendants() or {}).items() if pid not in trial.processes}:
        if time.monotonic() > end:
            raise Fails(f"still running after close: {', '.join(sorted(left.values()))}; wanted: none")
        time.sleep(0.05)
    return ""


def _files(trial: Trial) -> str:
    new = sorted(trial.files ^ working_folder())
    left = [f"$TMPDIR/{path.name}" for path in trial.temporary.iterdir() if not path.name.startswith(HOUSEKEEPING)]
    if new or left:
        raise Fails(f"made or removed: {', '.join([*new, *left][:3])}; wanted: only the cache folder is written to")
    return ""


def _resources(trial: Trial) -> str:
    said = [f"{min(trial.seconds) / len(trial.cases['ordinary'].frames):.2g} s a frame"]
    said += [
        f"{amount:.0f} MiB of {'memory' if kind == 'ram' else 'GPU memory'}"
        for kind, amount in trial.memory.items() if amount is not None
    ]  # fmt: skip
    if (children := largest_child()) > trial.largest_child:
        said.append(f"at most {children:.0f} MiB in a child process")
    if left := len([thread for thread in threading.enumerate() if thread not in trial.threads]):
        said.append(f"{left} threads left")
    return ", ".join(said)


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        sentence: what is wanted.
        run: returns what is worth knowing, or raises: any exception is a failure.
        essential: without it the later ones cannot be done.
    """

    name: str
    sentence: str
    run: Callable[[Trial], str]
    essential: bool = False


_RESULT = "a result, or a sentence why not"


CHECKS = (
    Check("constructor", "quick; imports neither torch nor the like", _constructor, essential=True),
    Check("settings", "a version, and a type for each setting", _settings),
    Check("before loading", "random and fingerprint are known", _before_loading, essential=True),
    Check("loading", "load works on this machine", _loading, essential=True),
    Check("ordinary pair", "there is a result", _ordinary, essential=True),
    Check("frames", "as many as the driver's, of the character's size", partial(_of_first, _frames)),
    Check("frame rate", "the driver's", partial(_of_first, _rate)),
    Check("range", "colours are from 0 to 255", partial(_of_first, _range)),
    Check("landmarks", "68 finite points in each frame, or none", partial(_of_first, _landmarks)),
    Check("notes", "can be written as JSON", partial(_of_first, _notes)),
    Check("repetition", "the same pair again gives the same", _repeated),
    Check("order", "so it does after another pair", _ordered),
    Check("names", "may have spaces, quotes and any letters", _named),
    Check("tall", f"an odd width: {_RESULT}", partial(_unusual, "tall")),
    Check("wide", f"an odd height: {_RESULT}", partial(_unusual, "wide")),
    Check("longer", f"a longer driver: {_RESULT}", partial(_unusual, "longer")),
    Check("one frame", f"a driver of one frame: {_RESULT}", partial(_unusual, "one frame")),
    Check("two frames", f"a driver of two: {_RESULT}", partial(_unusual, "two frames")),
    Check("faceless character", _RESULT, partial(_unusual, "faceless character")),
    Check("faceless driver", _RESULT, partial(_unusual, "faceless driver")),
    Check("after failures", "the ordinary pair still gives the same", _after_failures),
    Check("fresh instance", "so it does from a new object", _fresh_instance),
    Check("inputs", "are not written to", _inputs),
    Check("processes", "none left after close", _processes),
    Check("files", "none left in working or temporary folder", _files),
    Check("resources", "what the ordinary pair took", _resources),
)
