"""The conformance kit: every built-in method passes, and each check notices what it is there for."""

import gc
import re
import signal
import subprocess
import sys
import tempfile
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from charachbench import conformance
from charachbench.benchmark.alone import alone
from charachbench.benchmark.toy.benchmark import Toy
from charachbench.benchmark.types import Benchmark, Pair
from charachbench.commands.conformance import execute, table
from charachbench.config import ConformanceConfig
from charachbench.conformance import CHECKS, Case, Finding, State, cases, check
from charachbench.errors import PairFailure, UserError
from charachbench.generate import build_method
from charachbench.landmarks.detectors import Given
from charachbench.protocols import Animation, Method
from charachbench.video import Video, write_lossless
from tests import fakes
from tests.composed import settings
from tests.fakes import SIZE, Tiny, video_of
from tests.test_app import Terminal

NAMES = [one.name for one in CHECKS]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    source = Toy(characters=2, drivers=2, frames=3, size=64)
    return cases(source.open(Given(), tmp_path_factory.mktemp("toy")), 64, 3)


@pytest.fixture(scope="module")
def tiny() -> dict[str, Case]:
    return cases(Tiny().open(None, Path()), SIZE, 4)


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One where nobody else is at work."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True, scope="module")
def nothing_to_collect() -> Iterator[None]:
    """What was imported so far is no garbage: else looking through it is what takes the time here."""
    gc.freeze()
    yield
    gc.unfreeze()


def failures(findings: list[Finding]) -> dict[str, str]:
    assert [finding.check for finding in findings] == NAMES
    return {finding.check: finding.detail for finding in findings if finding.state is State.fails}


def skips(findings: list[Finding]) -> dict[str, str]:
    return {finding.check: finding.detail for finding in findings if finding.state is State.skipped}


def built(*overrides: str) -> tuple[Callable[[], Method], list[str]]:
    """A method of the configuration, and what it is given."""
    configured = settings(*overrides)
    configured.method_name = "it"
    return lambda: build_method(configured), configured.method.get("given", [])


SMALL = ["gallery.benchmarks.toy.characters=2", "+gallery.benchmarks.toy.size=64", "landmarks.source.size=64"]
BUILT_IN = {
    "still": ["method=still"],
    "oracle": ["method=oracle"],
    "driver_copy": ["method=driver_copy"],
    "shuffled": ["method=shuffled"],
    "warp": ["method=warp"],
    "warp_given": ["method=warp_given"],
    "retargeting_alone": ["method=retargeting_alone"],
    "faceshot": ["method=faceshot", *SMALL],
    "mofa_tiny": ["method=warp", "animator=mofa_tiny"],
}
MARKS = {"mofa_tiny": pytest.mark.slow}


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in BUILT_IN])
def test_built_in_methods_pass(toy: dict[str, Case], name: str) -> None:
    make, given = built(*BUILT_IN[name])
    findings = check(make, toy, given)
    assert failures(findings) == {}
    assert skips(findings).keys() == ({"frames", "frame rate", "range"} if name == "retargeting_alone" else set())


def test_finished_videos_pass(toy: dict[str, Case], tmp_path: Path) -> None:
    for case in toy.values():
        path = tmp_path / case.character / f"{case.driver}.mkv"
        path.parent.mkdir(exist_ok=True)
        frames = np.repeat(case.image[None], len(case.frames), axis=0)
        write_lossless(Video(frames, 25.0), path)
    make, given = built("method=videos", f"method.root={tmp_path}", "method.pattern='{character}/{driver}.mkv'")
    findings = check(make, toy, given)
    assert (failures(findings), skips(findings)) == ({}, {})


def test_a_method_of_landmarks_passes_without_drivers(tmp_path: Path) -> None:
    characters = Toy(characters=2, drivers=1, frames=1, size=64).open_characters(Given(), tmp_path)
    make, given = built("track=landmarks")
    findings = check(make, cases(characters, 64, 3), given)
    assert failures(findings) == {}
    none = {"longer", "one frame", "two frames", "faceless driver"}
    assert skips(findings).keys() == {"frames", "frame rate", "range"} | none


class Good(Method):
    """Rolls the character, with noise."""

    def animate(self, pair: Pair, seed: int) -> Animation:
        image, count = pair.character.image, len(pair.driver.video)
        noise = np.random.default_rng(seed).integers(0, 2, image.shape, np.uint8)
        frames = np.stack([np.roll(image // 2 + noise, step, axis=1) for step in range(count)])
        return Animation(Video(frames, pair.driver.video.fps))


def frame(pair: Pair) -> int:
    """How many there are."""
    return len(pair.driver.video)


def changed(make: Callable[[Animation, Pair], Animation]) -> type[Good]:
    """A method whose results are changed."""

    class Changed(Good):
        def animate(self, pair: Pair, seed: int) -> Animation:
            return make(super().animate(pair, seed), pair)

    return Changed


def video(pixels: Callable[[np.ndarray], np.ndarray], fps: float = 25.0) -> type[Good]:
    return changed(lambda made, pair: replace(made, video=Video(pixels(video_of(made).frames), fps)))


def refusing(when: Callable[[Pair], bool], error: BaseException) -> type[Good]:
    def make(made: Animation, pair: Pair) -> Animation:
        if when(pair):
            raise error
        return made

    return changed(make)


class Imports(Good):
    def __init__(self) -> None:
        with suppress(ImportError):
            import tensorflow  # type: ignore  # noqa: F401


class Versioned(Good):
    version: Any = "2"


class Untyped(Good):
    def __init__(self, step=1) -> None:
        self.step = step


class Ineffective(Good):
    without_effect = ("batch",)


class Vague(Good):
    random: Any = None


class Restless(Good):
    """Another fingerprint each time."""

    asked = 0

    def fingerprint(self, pair: Pair) -> str:
        self.asked += 1
        return str(self.asked)


class Unloadable(Good):
    def load(self, device: str) -> None:
        raise RuntimeError("no kernel")


class Late(Good):
    """Knows only after loading that its weights are random."""

    loaded = False

    @property
    def random(self) -> bool:
        return self.loaded

    def load(self, device: str) -> None:
        self.loaded = True


class Unseeded(Good):
    def animate(self, pair: Pair, seed: int) -> Animation:
        return super().animate(pair, int(np.random.default_rng().integers(2**31)))


class Sticky(Good):
    """Keeps the first pair's driver, as it were: another pair changes what comes next."""

    last = ""

    def animate(self, pair: Pair, seed: int) -> Animation:
        if pair.character.name != "c0":
            self.last = pair.character.name
        return super().animate(pair, seed + len(self.last))


class Ageing(Good):
    """Another result from each instance."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.offset = type(self).made

    def animate(self, pair: Pair, seed: int) -> Animation:
        return super().animate(pair, seed + self.offset)


class Fragile(Good):
    """Does nothing any more once it saw a driver without a face."""

    broken = False

    def animate(self, pair: Pair, seed: int) -> Animation:
        if pair.driver.name == "faceless":
            self.broken = True
            raise PairFailure("no face found in the driver", "no_face")
        if self.broken:
            raise RuntimeError("the stream is closed")
        return super().animate(pair, seed)


class Greedy(Good):
    """Writes to what it is given."""

    def __init__(self, what: str) -> None:
        self.what = what

    def animate(self, pair: Pair, seed: int) -> Animation:
        made = super().animate(pair, seed)
        if self.what == "image":
            pair.character.image[0] = 0
        elif self.what == "frames":
            pair.driver.video.frames[0, 0] = 0
        elif pair.driver.name != "faceless":
            pair.driver.landmarks[0] += 1
        return made


class Untidy(Good):
    """Leaves files where it stands."""

    def __init__(self, folder: Callable[[], str]) -> None:
        self.folder = folder

    def animate(self, pair: Pair, seed: int) -> Animation:
        (Path(self.folder()) / "result.txt").write_text("done")
        return super().animate(pair, seed)


def first_pixels(change: Callable[[np.ndarray], Any]) -> Callable[[Animation, Pair], Animation]:
    return lambda made, pair: replace(made, landmarks=change(np.zeros((frame(pair), 68, 2))))


BAD: list[tuple[str, Callable[[], Method], str]] = [
    ("constructor", Imports, r"imports tensorflow; wanted: not before load"),
    ("settings", Versioned, r"version is '2'; wanted: a whole number"),
    ("settings", Untyped, r"setting 'step' has no annotation"),
    ("settings", Ineffective, r"without_effect names 'batch'"),
    ("before loading", Vague, r"random is None before load"),
    ("before loading", Restless, r"fingerprint gave '1', then '2'"),
    ("loading", Unloadable, r"RuntimeError: no kernel \(test_conformance.py, line \d+\)"),
    ("loading", Late, r"random was False before load and is True after"),
    ("ordinary pair", refusing(lambda _: True, UserError("too small")), r"refused: too small; wanted: .*benchmark=fol"),
    ("ordinary pair", refusing(lambda _: True, KeyError("x")), r"KeyError: 'x' \(test_conformance.py"),
    ("ordinary pair", refusing(lambda _: True, SystemExit(0)), r"SystemExit: 0"),
    ("ordinary pair", changed(lambda made, _: made.video), r"animate returned Video; wanted is a .*Animation"),  # type: ignore[arg-type, return-value]
    ("frames", video(lambda frames: np.concatenate([frames, frames[:1]])), r"5 frames of 32 x 32; wanted: 4"),
    ("frames", video(lambda frames: frames[:, ::2]), r"4 frames of 32 x 16; .* of 32 x 32 \(as the character\)"),
    ("frames", changed(lambda made, _: Animation()), r"neither a video nor landmarks"),
    ("frame rate", video(lambda frames: frames, 30.0), r"30 frames per second; wanted: 25"),
    ("range", video(lambda frames: (frames / 255 > 0.2).astype(np.uint8)), r"all pixels are 0 or 1, as when 0..1"),
    ("range", video(lambda frames: np.zeros_like(frames)), r"all pixels are 0, as"),
    ("landmarks", changed(first_pixels(lambda points: points[:, :5])), r"landmarks are \(4, 5, 2\); .* \(4, 68, 2\)"),
    ("landmarks", changed(first_pixels(lambda points: points * np.nan)), r"landmarks are not all finite"),
    ("landmarks", changed(lambda made, _: replace(made, first_landmarks=np.zeros((1, 68, 2)))), r"first_landmarks are"),
    ("notes", changed(lambda made, _: replace(made, notes={"score": np.float32(1)})), r"cannot be written as JSON"),
    ("notes", changed(lambda made, _: replace(made, degraded=None)), r"degraded is None; wanted: text"),  # type: ignore[arg-type]
    ("repetition", Unseeded, r"the second time frames differ by up to 1; wanted: equal ones"),
    ("order", Sticky, r"after another pair frames differ by up to 1"),
    ("names", refusing(lambda pair: " " in pair.character.name, OSError("bad name")), r"OSError: bad name"),
    ("names", refusing(lambda pair: not pair.driver.name.isascii(), UserError("no such file")), r"no such file"),
    ("tall", refusing(lambda pair: pair.character.name == "tall", ValueError("odd")), r"ValueError: odd"),
    ("wide", refusing(lambda pair: pair.character.image.shape[0] == 25, ValueError("odd")), r"ValueError: odd"),
    ("longer", refusing(lambda pair: frame(pair) == 7, ValueError("long")), r"ValueError: long"),
    ("one frame", refusing(lambda pair: frame(pair) == 1, ValueError("too\nshort")), r"ValueError: too short"),
    (
        "two frames",
        refusing(lambda pair: frame(pair) == 2, UserError("too\nshort")),
        r"refused by .*; wanted: one sent",
    ),
    ("faceless character", refusing(lambda pair: pair.character.name == "faceless", IndexError("0")), r"IndexError: 0"),
    ("faceless driver", refusing(lambda pair: pair.driver.name == "faceless", SystemExit(1)), r"SystemExit: 1"),
    ("after failures", Fragile, r"RuntimeError: the stream is closed"),
    ("fresh instance", Ageing, r"in another instance frames differ by up to 1"),
    ("inputs", partial(Greedy, "image"), r"the character's image was written to"),
    ("inputs", partial(Greedy, "frames"), r"the driver's frames was written to"),
    ("inputs", partial(Greedy, "landmarks"), r"the driver's landmarks was written to"),
    ("files", partial(Untidy, lambda: "."), r"made or removed: result.txt; wanted: only the cache folder"),
    ("files", partial(Untidy, tempfile.gettempdir), r"made or removed: \$TMPDIR/result.txt"),
]


@pytest.mark.parametrize(
    ("name", "make", "detail"), BAD, ids=[f"{name}-{index}" for index, (name, *_) in enumerate(BAD)]
)
def test_each_check_alone_notices_what_it_is_for(
    tiny: dict[str, Case], name: str, make: Callable[[], Method], detail: str
) -> None:
    found = failures(check(make, tiny))
    assert found.keys() == {name}
    assert re.search(detail, found[name]), found[name]
    assert "\n" not in found[name]


def test_every_check_is_seen_to_fail() -> None:
    elsewhere = {"processes", "resources"}  # a test of its own; a report alone
    assert {name for name, *_ in BAD} | elsewhere == set(NAMES)


def test_a_good_method_passes(tiny: dict[str, Case]) -> None:
    findings = check(Good, tiny)
    assert {finding.state for finding in findings} == {State.ok}
    assert re.fullmatch(r"\S+ s a frame, \d+ MiB of memory", findings[-1].detail)


def test_results_that_no_seed_decides_are_told_once(tiny: dict[str, Case]) -> None:
    assert skips(check(Unseeded, tiny)) == dict.fromkeys(["order", "fresh instance"], "results differ anyway")


def test_what_a_module_imports_at_its_top_is_seen(tiny: dict[str, Case], monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("somebodys")
    module.torch = types.ModuleType("torch")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "somebodys", module)
    top = type("Top", (Good,), {"__module__": "somebodys"})
    assert failures(check(top, tiny)) == {
        "constructor": "somebodys imports 'torch' (torch) at its top; wanted: not before load"
    }


def test_parts_are_looked_at_too(tiny: dict[str, Case], monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("somebodys")
    module.Tensor = type("Tensor", (), {"__module__": "torch"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "somebodys", module)

    class Whole(Good):
        def __init__(self) -> None:
            self.part = type("Part", (Good,), {"__module__": "somebodys"})()

    assert "somebodys imports 'Tensor'" in failures(check(Whole, tiny))["constructor"]


def test_a_slow_constructor_is_seen(tiny: dict[str, Case], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance.checks, "CONSTRUCTION_SECONDS", -1.0)
    assert re.match(r"making the object computed for 0.0 s", failures(check(Good, tiny))["constructor"])


@pytest.mark.parametrize("what", ["lacks", "prepare", "fingerprint", "load"])
def test_what_is_missing_is_no_failure(tiny: dict[str, Case], what: str) -> None:
    def missing(self: Method, *_: Any) -> str:
        if what == "lacks":
            return "needs a GPU"
        raise UserError("needs a GPU")

    findings = check(type("Poor", (Good,), {what: missing}), tiny)
    assert failures(findings) == {}
    stage = "loading" if what == "load" else "before loading"
    rest = NAMES[NAMES.index(stage) + 1 :]
    assert skips(findings) == {stage: "needs a GPU", **dict.fromkeys(rest, f"needs '{stage}'")}


def test_after_a_call_that_does_not_end_nothing_is_tried(tiny: dict[str, Case]) -> None:
    end, closed = threading.Event(), []

    class Hanging(Good):
        def animate(self, pair: Pair, seed: int) -> Animation:
            if pair.driver.name == "faceless":
                end.wait()
            return super().animate(pair, seed)

        def close(self) -> None:
            closed.append(self)

    try:
        findings = check(Hanging, tiny, time_limit=0.5)
    finally:
        end.set()
    assert re.match(r"animate did not end in 0.5 s", failures(findings)["faceless driver"])
    rest = NAMES[NAMES.index("faceless driver") + 1 :]
    assert skips(findings) == dict.fromkeys(rest, "animate did not end")
    assert len(closed) == 1


@pytest.mark.slow
def test_an_interrupted_method_is_closed_at_once(tiny: dict[str, Case], monkeypatch: pytest.MonkeyPatch) -> None:
    end, closed, main = threading.Event(), [], threading.get_ident()

    class Slow(Good):
        def animate(self, pair: Pair, seed: int) -> Animation:
            signal.pthread_kill(main, signal.SIGINT)
            end.wait()
            return super().animate(pair, seed)

        def close(self) -> None:
            closed.append(end.is_set())
            end.set()

    with pytest.raises(KeyboardInterrupt):
        check(Slow, tiny, time_limit=5)
    assert closed == [False]


@pytest.mark.parametrize("closes", [True, False])
def test_processes_must_end_with_the_method(
    tiny: dict[str, Case], monkeypatch: pytest.MonkeyPatch, started: list[Any], closes: bool
) -> None:
    monkeypatch.setattr(conformance.checks, "GRACE_SECONDS", 0.1)

    class Server(Good):
        def load(self, device: str) -> None:
            started.append(subprocess.Popen(["sleep", "60"]))

        def close(self) -> None:
            if closes:
                started[-1].kill()

    found = failures(check(Server, tiny))
    assert found == ({} if closes else {"processes": "still running after close: sleep, sleep; wanted: none"})


@pytest.fixture
def started() -> Iterator[list[Any]]:
    processes: list[Any] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_methods_see_what_they_are_given_alone(tiny: dict[str, Case]) -> None:
    seen: set[tuple[bool, bool]] = set()

    class Curious(Good):
        def prepare(self, benchmark: Benchmark, cache: Path) -> None:
            seen.update((pair.truth is None, pair.character.landmarks is None) for pair in benchmark.pairs)

        def animate(self, pair: Pair, seed: int) -> Animation:
            seen.add((pair.truth is None, pair.character.landmarks is None))
            return super().animate(pair, seed)

    assert failures(check(Curious, tiny)) == {}
    assert seen == {(True, True)}
    seen.clear()
    assert failures(check(Curious, tiny, ["truth", "landmarks"])) == {}
    assert seen == {(False, False), (True, True), (True, False)}  # known; no character's face; no driver's


def test_cases_are_what_they_are_called(tiny: dict[str, Case]) -> None:
    first, tall, wide, longer = (tiny[name] for name in ("ordinary", "tall", "wide", "longer"))
    assert (tall.image.shape, wide.image.shape) == ((32, 25, 3), (25, 32, 3))
    assert tall.landmarks is not None
    assert wide.landmarks is not None
    assert first.landmarks is not None
    assert first.truth is not None
    assert wide.truth is not None
    shift = first.landmarks - tall.landmarks
    assert np.array_equal(first.image[:, int(shift[0, 0]) :][:, :25], tall.image)
    down = int((first.landmarks - wide.landmarks)[0, 1])
    assert np.array_equal(first.image[down:][:25], wide.image)
    assert np.array_equal(first.truth[:, down:][:, :25], wide.truth)
    assert [len(tiny[name].frames) for name in ("one frame", "two frames")] == [1, 2]
    assert np.array_equal(longer.frames, first.frames[[0, 1, 2, 3, 2, 1, 0]])
    with pytest.raises(UserError, match="no face found"):
        _ = tiny["faceless driver"].pair().driver.landmarks
    names = [case.pair().name for case in tiny.values()]
    assert len(set(names)) == len(names)


def test_cases_are_scaled_and_shortened() -> None:
    pair, half = Tiny().open(None, Path()).pairs[0], cases(Tiny().open(None, Path()), SIZE // 2, 3)["ordinary"].pair()
    assert half.driver.video.frames.shape == (3, SIZE // 2, SIZE // 2, 3)
    means = pair.character.image.reshape(SIZE // 2, 2, SIZE // 2, 2, 3).mean(axis=(1, 3))
    assert np.abs(half.character.image - means).max() <= 0.5
    assert half.character.landmarks is not None
    assert np.allclose(half.character.landmarks, pair.character.landmarks / 2 - 0.25)  # type: ignore[operator]
    assert np.allclose(half.driver.landmarks, pair.driver.landmarks[:3] / 2 - 0.25)


def test_one_character_is_enough_for_most() -> None:
    findings = check(Good, cases(Tiny(characters=1).open(None, Path()), SIZE, 4))
    assert failures(findings) == {}
    assert skips(findings) == {"order": "the benchmark has no such pair"}


def test_characters_alone_are_enough_for_most() -> None:
    opened = Tiny().open(None, Path())
    findings = check(Good, cases(replace(opened, pairs=alone(opened.characters)), SIZE, 4))
    assert failures(findings) == {}
    assert skips(findings).keys() == {"longer", "one frame", "two frames", "faceless driver"}


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_and_folds_what_was_not_tried(tiny: dict[str, Case], width: int) -> None:
    console = Console(width=width, record=True, file=None)
    with console.capture() as captured:
        console.print(table("[x]", check(Unloadable, tiny)))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].startswith(f"[x]: 3 ok, 1 fails, {len(NAMES) - 4} skipped")
    assert any(re.match(rf" *{len(NAMES) - 4} others +skipped +needs 'loading'", line) for line in lines)


@pytest.fixture
def charachbench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:  # fmt: skip
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal(tmp_path / "results", monkeypatch, capsys)


def test_the_command(charachbench: Terminal) -> None:
    status, printed = charachbench("conformance", "method=roll,still", "-m")
    assert status == 0
    assert all(f"{name}: {len(NAMES)} ok" in printed for name in ("roll", "still"))
    status, printed = charachbench("conformance", "method=roll", "+method.fail_on=[tall__d0]")
    assert status == 1
    assert "roll, tall: RuntimeError: out of luck" in printed
    assert "tall" in printed


@pytest.mark.parametrize("setting", ["size", "frames", "time_limit"])
def test_settings_are_checked(tmp_path: Path, setting: str) -> None:
    chosen = fakes.settings(tmp_path, conformance=ConformanceConfig(**{setting: 0}))
    with pytest.raises(UserError, match=rf"^conformance.{setting}=0: accepted are numbers from \d+$"):
        execute(chosen)


def test_a_method_must_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="^method: none was chosen"):
        execute(replace(fakes.settings(tmp_path), method=None))
