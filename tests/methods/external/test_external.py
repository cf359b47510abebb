"""External methods as a whole: from a recipe to frames, points, and rows of the leaderboard."""

import json
from collections.abc import Callable
from pathlib import Path, PosixPath
from typing import Any

import numpy as np
import pytest
import yaml

from charachbench.benchmark.types import Driver, Pair
from charachbench.config import build, deciding
from charachbench.errors import PairFailure, UserError
from charachbench.protocols import Animator, LandmarkSource, Method
from charachbench.video import Video
from methods.external import External
from methods.external.animator import ExternalAnimator
from methods.external.landmarks import ExternalLandmarks
from tests import fakes
from tests.methods.external import upstream
from tests.methods.external.upstream import Toy, levels, method, node, only, pair, recipe
from tests.test_app import Terminal, charachbench  # noqa: F401 - a fixture

Load = Callable[..., External]


@pytest.mark.parametrize("name", ["c0", "größe 'x' 50% 猫/{a}"])
def test_a_pair_is_animated(toy: Toy, loaded: Load, name: str) -> None:
    animation = loaded().animate(pair(name), seed=0)
    assert animation.video is not None
    assert animation.video.frames.shape == (4, 32, 32, 3)
    assert levels(animation.video) == [0, 1, 2, 3]
    assert animation.video.fps == 25
    assert (animation.degraded, animation.landmarks) == ("", None)
    assert animation.log.startswith(f"$ {toy.external}")
    assert "animating" in animation.log
    notes = animation.notes
    assert 0 < notes.pop("upstream_seconds") < 20
    assert notes == {
        "commit": toy.commit, "packages": {"toy-requirement": "1.0"},
        "source_frames": 4, "source_size": [32, 32], "source_fps": 25.0, "status": 0,
        "normalised": [],
    }  # fmt: skip


def test_it_is_given_the_driver(loaded: Load) -> None:
    smooth = np.linspace(20, 230, 6).astype(np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 3), np.uint8)
    given = pair(frames=6)
    shown = Video(smooth, 12.5)
    given = Pair(given.character, Driver("d", "x", lambda: shown, given.driver.load_landmarks))
    made = loaded("--modes", "*=copy").animate(given, 0).video
    assert made is not None
    assert np.abs(made.frames.astype(int) - smooth).max() < 6
    assert made.fps == 12.5  # though the file says 12


@pytest.mark.parametrize("fit", ["squash", "pad"])
def test_a_character_of_any_shape(loaded: Load, fit: str) -> None:
    made = loaded("--size", "64x64", inputs={"size": 64, "fit": fit}).animate(pair(size=(20, 48)), 0)
    assert made.video is not None
    assert made.video.frames.shape == (4, 20, 48, 3)
    assert levels(made.video) == [0, 1, 2, 3]
    assert made.notes["normalised"] == ["resized to 48 x 20"]


@pytest.mark.parametrize(
    ("changes", "flags", "frames", "made"),
    [
        ({"result__length": "trim"}, ["--extra", "3"], 4, [0, 1, 2, 3]),
        ({"result__extra_first": 1}, ["--extra", "1"], 4, [1, 2, 3, 4]),
        ({"inputs__minimum_frames": 6}, [], 4, [0, 1, 2, 3]),
        ({"result__box": [32, 0, 32, 32]}, ["--size", "96x32"], 3, [0, 1, 2]),
    ],
)
def test_the_result_is_made_to_fit(
    loaded: Load, changes: dict[str, Any], flags: list[str], frames: int, made: list[int]
) -> None:
    animation = loaded(*flags, **changes).animate(pair(frames=frames), 0)
    assert levels(animation.video) == made
    assert len(animation.notes["normalised"]) == 1


@pytest.mark.parametrize(
    ("flags", "kind", "reason"),
    [
        (["--modes", "*=raise"], "error", "it made no result, exit status 1: ValueError: no luck today"),
        (["--modes", "*=silent"], "error", "it made no result: animating {stem}.png: silent"),
        (["--modes", "*=no_face"], "no_face", "no face found (No face detected)"),
        (["--modes", "*=memory"], "out_of_memory", "ran out of memory: MemoryError: CUDA out of memory. Tried to "),
        (["--modes", "*=garbage"], "error", "its result is no video: cannot be decoded as video ("),
        (["--extra", "-1"], "error", "its result has 3 frames, and 4 were expected"),
        (["--size", "32x16"], "error", "its result is 32 x 16, not a square"),
        (["--no-such-flag"], "error", "it made no result, exit status 2: animate.py: error: unrecognized arguments"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_failures_are_told(loaded: Load, flags: list[str], kind: str, reason: str) -> None:
    with pytest.raises(PairFailure) as failure:
        loaded(*flags).animate(pair(), 0)
    assert failure.value.kind == kind
    assert str(failure.value).startswith(reason)
    assert failure.value.log.count("$ ") == 1


def test_a_whole_result_counts_whatever_the_exit_status(loaded: Load) -> None:
    animation = loaded("--modes", "*=fail").animate(pair(), 0)
    assert levels(animation.video) == [0, 1, 2, 3]
    assert animation.notes["status"] == 3


def test_less_than_it_should_is_told(loaded: Load) -> None:
    animation = loaded("--modes", "*=degraded").animate(pair(), 0)
    assert levels(animation.video) == [0, 1, 2, 3]
    assert animation.degraded == "ran without alignment"


def test_what_is_kept_for_looking_into(toy: Toy, tmp_path: Path) -> None:
    for mode, name in (("ok", "c0"), ("raise", "c1")):
        made = External(recipe(toy, "--modes", f"*={mode}"), keep=str(tmp_path / "kept"))
        made.load("cpu")
        try:
            made.animate(pair(name), 0)
        except PairFailure:
            pass
        finally:
            made.close()
    folders = sorted((tmp_path / "kept").iterdir(), key=lambda folder: (folder / "result.y4m").exists())
    for folder in folders:
        assert {f"{folder.name}.png", f"{folder.name}.mp4", "log.txt"} <= {path.name for path in folder.iterdir()}
    assert [(folder / "result.y4m").exists() for folder in folders] == [False, True]


def test_it_needs_what_it_says(toy: Toy, tmp_path: Path) -> None:
    for changes, sentence in (
        ({"cpu": False}, "^needs a GPU with CUDA, and device=cpu$"),
        ({"environment__requirements": []}, "^its repository and environment are not set up; run `charachbench setup`"),
        ({"files": {"toy": {"weights": str(tmp_path / "no"), "to": "a"}}}, "/no': no such file, and no weights called"),
        ({"files": {"toy": {"weights": str(tmp_path), "to": "a", "path": "b"}}}, "^recipe.files.toy: .*/b is not"),
    ):
        with pytest.raises(UserError, match=sentence):
            method(toy, **changes).load("cpu")


# What decides the key and the fingerprint


def test_only_what_can_change_a_result_is_in_the_key(toy: Toy) -> None:
    def key(**changes: Any) -> Any:
        inner = node(toy, **changes)
        return deciding({"_target_": "methods.external.External", "recipe": inner}, "method")

    batch = {"hook": "tests.methods.external.upstream.write_list", "steps": [{"arguments": ["python"]}]}
    assert key(time_limit=5, start_limit=5) == key()
    assert key(**batch, batch=3) == key(**batch)
    changes: list[dict[str, Any]] = [
        {"environment__requirements": ["numpy==2.0"]},
        {"environment__variables": {"A": "b"}},
        {"repository__commit": "0" * 40},
        {"inputs__size": 64},
        {"result__length": "trim"},
        {"signs": {}},
        batch,
    ]
    for change in changes:
        assert key(**change) != key()


def test_weights_and_our_own_code_are_in_the_fingerprint(toy: Toy, tmp_path: Path) -> None:
    def fingerprint(weights: Path, **changes: Any) -> str:
        return method(toy, files={"toy": {"weights": str(weights), "to": "a"}}, **changes).fingerprint(pair())

    one, equal, other = tmp_path / "one", tmp_path / "equal", tmp_path / "other"
    for path, text in ((one, "x"), (equal, "x"), (other, "y")):
        path.write_text(text)
    assert fingerprint(one) == fingerprint(equal)
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) != fingerprint(one, hook="tests.methods.external.upstream.write_list")
    assert fingerprint(one) != fingerprint(one, worker={"module": "tests.methods.external.toy_worker"})
    folder = tmp_path / "folder"
    folder.mkdir()
    before = fingerprint(folder)
    (folder / "new").write_text("x")
    with_new = fingerprint(folder)
    (folder / "new").write_text("y")  # of the same size, as other checkpoints of a network are
    assert len({before, with_new, fingerprint(folder)}) == 3
    with pytest.raises(UserError, match="no such file, and no weights called so"):
        fingerprint(tmp_path / "missing")


def test_where_the_hub_keeps_its_files_decides_nothing(toy: Toy, tmp_path: Path, monkeypatch: Any) -> None:
    prints = {}
    for place, commit in (("here", "a" * 40), ("there", "a" * 40), ("newer", "b" * 40)):
        found = tmp_path / place / commit
        monkeypatch.setattr("charachbench.weights.hub.snapshot", lambda *_, found=found: found)
        prints[place] = method(toy, files={"toy": {"weights": "megactor", "to": "a"}}).fingerprint(pair())
    assert prints["here"] == prints["there"] != prints["newer"]


@pytest.mark.parametrize("name", ["lia_vox", "megactor"])
def test_a_folder_that_is_called_as_registered_weights_is_not_taken_for_them(
    toy: Toy, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("CHARACBENCH_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / name).mkdir()
    found = method(toy, files={"toy": {"weights": name, "to": "a"}})
    assert found.lacks().startswith(f"weights '{name}'")
    with pytest.raises(UserError, match=f"^weights '{name}' .*not found"):
        found.load("cpu")


# Recipes


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": [{"arguments": ["python", "{imag}"]}]}, "recipe.steps: {imag} in '{imag}' is not known; accepted"),
        ({"steps": [{"arguments": ["python", "{}"]}]}, "recipe.steps: {} in '{}' is not known"),
        ({"steps": [{"arguments": ["python", "{seed:d}"]}]}, "recipe.steps: {seed} in '{seed:d}' is not known"),
        ({"steps": [{"arguments": ["python", "{image.parent}"]}]}, "recipe.steps: {image.parent} in"),
        ({"steps": [{"arguments": ["python", "{image"]}]}, "recipe.steps: '{image': expected '}' before end of string"),
        ({"steps": [{"arguments": ["python"], "cpu_arguments": ["{x}"]}]}, "recipe.steps: {x} in '{x}' is not known"),
        ({"steps": [{"arguments": []}]}, "recipe.steps: a step without arguments; the first is python"),
        ({"steps": []}, "recipe: has neither steps nor a worker; it must have one of them"),
        ({"environment__variables": {"A": "{x}"}}, "recipe.environment.variables: {x} in '{x}' is not known"),
        ({"batch": 2}, "recipe.steps: {image} means nothing to 2 pairs at once; accepted are checkout, port, scripts"),
        (
            {"batch": 2, "steps": [{"arguments": ["python"], "cpu_arguments": ["{image}"]}]},
            "recipe.steps: {image} means nothing to 2 pairs at once",
        ),
        (
            {"batch": 2, "steps": [{"arguments": ["python"]}], "result__path": "{work}/*.mp4"},
            "recipe.result.path={work}/*.mp4: is the same for all pairs; accepted are paths with {output} or {stem}",
        ),
        (
            {"steps": [], "worker": {"module": "x"}, "result__path": "{checkout}/results/*.mp4"},
            "recipe.result.path={checkout}/results/*.mp4: is the same for all pairs; accepted are paths with {output}",
        ),
        (
            {"worker": {"module": "x"}, "environment__variables": {"A": "{image}"}},
            "recipe.environment.variables: {image} means nothing to a worker",
        ),
        ({"batch": 0}, "recipe.batch=0: accepted are whole numbers from 1"),
        ({"repository__commit": "v1.0"}, "recipe.repository.commit=v1.0: accepted is a full hash, 40 digits of 0 to f"),
        ({"repository__commit": "A" * 40}, f"recipe.repository.commit={'A' * 40}: accepted is"),
        ({"signs": {"no_face": ["(no"]}}, "recipe.signs: '(no' is not a regular expression (missing ), unterminated"),
        ({"signs": {"degraded": {"x": "["}}}, "recipe.signs: '[' is not a regular expression"),
        ({"result__path": "/tmp/x.mp4"}, "recipe.result.path=/tmp/x.mp4: accepted are paths below {output}"),
        ({"result__path": "{output}/{nobody}"}, "recipe.result.path: {nobody} in"),
        ({"files": {"a": {"weights": "x", "to": "../x"}}}, "recipe.files.to=../x: accepted are paths below the folder"),
        ({"files": {"a": {"weights": "x", "to": "/x"}}}, "recipe.files.to=/x: accepted are paths below the folder"),
        ({"result__lenght": "trim"}, "method.recipe.result.lenght: unexpected keyword argument, got 'trim'"),
        ({"inputs__fit": "crop"}, "method.recipe.inputs.fit: input should be 'squash' or 'pad', got 'crop'"),
        ({"inputs": {}}, "method.recipe.inputs.size: field required"),
        ({"shell": True}, "method.recipe.shell: no such setting; accepted: batch, cpu, environment, files"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(next(iter(value.items())))[:50],
)
def test_a_wrong_recipe_gets_one_sentence(toy: Toy, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        build({"_target_": "methods.external.External", "recipe": node(toy, **changes)}, "method", Method)
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_braces_that_are_meant_are_written_twice(toy: Toy) -> None:
    assert recipe(toy, '{{"a": 1}}').steps[0].arguments[-1] == '{{"a": 1}}'


# Animators and landmark sources


def test_landmarks_come_back_in_pixels_of_the_character(toy: Toy, tmp_path: Path) -> None:
    """The middle of the picture and its corners, whatever its shape."""
    corners = np.array([[-0.5, -0.5], [63.5, 63.5], [31.5, 31.5]])
    points = np.concatenate([corners, np.random.default_rng(0).uniform(0, 63, (65, 2))])
    np.save(tmp_path / "points.npy", points.astype(np.float32))
    steps = [{"arguments": ["python", "points.py", str(tmp_path / "points.npy"), "{output}/points.npy"]}]
    changes: dict[str, Any] = {"steps": steps, "result__path": "{output}/*.npy", "inputs": {"size": 64}}
    arguments = {"_target_": "methods.external.landmarks.ExternalLandmarks", "recipe": node(toy, **changes)}
    source = build(arguments, "landmarks.source", LandmarkSource)
    source.load("cpu")
    character = pair(size=(20, 48)).character
    found = source.find(character)
    np.testing.assert_allclose(found.points[:3], [[-0.5, -0.5], [47.5, 19.5], [23.5, 9.5]], atol=1e-5)
    assert found.points.dtype == np.float64
    assert found.notes["commit"] == toy.commit
    assert source.fingerprint(character)
    source.close()

    changes["inputs"] = {"size": 64, "fit": "pad"}
    padding = ExternalLandmarks(recipe(toy, **changes))
    padding.load("cpu")
    np.testing.assert_allclose(padding.find(character).points[2], [23.5, 9.5], atol=1)
    padding.close()


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((68, 3)), "its result is an array (68, 3), or holds values that are not finite; wanted is (68, 2)"),
        (np.full((68, 2), np.nan), "its result is an array (68, 2), or holds values that are not finite"),
        (None, "its result is no array; wanted is (68, 2)"),
    ],
)
def test_what_is_no_landmarks_is_told(toy: Toy, tmp_path: Path, array: np.ndarray | None, told: str) -> None:
    if array is None:
        (tmp_path / "points.npy").write_bytes(b"junk")
    else:
        np.save(tmp_path / "points.npy", array)
    steps = [{"arguments": ["python", "points.py", str(tmp_path / "points.npy"), "{output}/points.npy"]}]
    source = ExternalLandmarks(recipe(toy, steps=steps, result__path="{output}/*.npy"))
    source.load("cpu")
    for _ in range(2):  # what is left of one character is not taken for another's
        with pytest.raises(PairFailure) as failure:
            source.find(pair().character)
        assert str(failure.value).startswith(told)
        (tmp_path / "points.npy").unlink(missing_ok=True)
        told = "it made no result, exit status 1: FileNotFoundError"
    source.close()


def test_an_animator_is_handed_landmarks(toy: Toy, tmp_path: Path) -> None:
    keep = "import shutil, sys; [shutil.copy(path, sys.argv[1]) for path in sys.argv[2:]]"
    steps = [
        {"arguments": ["python", "-c", keep, str(tmp_path), "{source}", "{landmarks}", "{image}"]},
        {"arguments": [*upstream.steps()[0]["arguments"], "--size", "64x64"]},
    ]
    animator = ExternalAnimator(recipe(toy, steps=steps, inputs={"size": 64, "fit": "pad"}), random_weights=True)
    assert animator.random
    assert isinstance(animator, Animator)
    animator.load("cpu")
    source = np.random.default_rng(0).uniform(0, 20, (68, 2))
    moved = np.stack([source, source + 1, source + 2])
    frames = animator.render(upstream.noise("c", (24, 48)), source, moved)
    assert frames.shape == (3, 24, 48, 3)
    np.testing.assert_allclose(np.load(tmp_path / "source.npy"), (source + 0.5) * 64 / 48 - 0.5 + [0, 16])
    np.testing.assert_allclose(np.load(tmp_path / "landmarks.npy")[2], (moved[2] + 0.5) * 64 / 48 - 0.5 + [0, 16])
    assert animator.fingerprint() == animator.identity
    animator.close()


# The command line


def write_method(folder: Path, name: str, recipe: dict[str, Any]) -> None:
    (folder / "method").mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump({"_target_": "methods.external.External", "recipe": recipe}, allow_unicode=True)
    (folder / "method" / f"{name}.yaml").write_text(text, encoding="utf-8")


class Quoted(PosixPath):
    """A path that Hydra takes in an override, whatever letters it has."""

    def __format__(self, _: str) -> str:
        return f"'{self!s}'"


class Line:
    """Command lines that know the methods in a folder."""

    def __init__(self, terminal: Terminal, folder: Path) -> None:
        self.terminal, self.folder = terminal, folder

    def __call__(self, *arguments: str) -> tuple[int, str]:
        fakes_folder = Path(fakes.__file__).parent / "conf"
        search = f"hydra.searchpath=[file://{self.folder},file://{fakes_folder}]"
        return self.terminal(*arguments, search, "benchmark=tiny", "metrics=fakes", "device=cpu", fakes=False)


@pytest.fixture
def line(charachbench: Terminal, tmp_path: Path) -> Line:  # noqa: F811
    charachbench.results = Quoted(tmp_path / "Ergebnisse für 猫")
    return Line(charachbench, tmp_path / "conf")


@pytest.mark.slow
def test_a_sweep_goes_on_and_its_table_says_what_failed(
    toy: Toy, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("methods.external.running.GRACE", 0.5)
    modes = [
        only(tmp_path, fakes.image(f"c{index}"), mode)
        for index, mode in enumerate(("raise", "hang", "no_face", "degraded"))
    ]
    settings = {"time_limit": 5, "environment__variables": {"TOY_NOTES": str(tmp_path / "notes")}}
    write_method(line.folder, "theirs", node(toy, "--modes", *modes, **settings))
    assert line("setup", "method=theirs")[0] == 0
    status, printed = line("-m", "method=theirs,still", "benchmark.characters=6", "benchmark.drivers=1")
    assert status == 1
    assert "Traceback" not in printed
    assert "theirs, pair c0__d0: it made no result, exit status 1: ValueError: no luck today" in printed
    assert "3/6 (3 failed)" in printed
    (path,) = line.terminal.results.glob("*/leaderboard.md")
    board = path.read_text(encoding="utf-8")
    assert (
        "theirs: 1 failed: it made no result, exit status 1: ValueError: no luck today; 1 failed: did not end within "
        "5 s; 1 failed: no face found (No face detected); 1 of 3 degraded: ran without alignment."
    ) in board
    assert "| still" in board

    records = {}
    for record in line.terminal.results.glob("tiny-*/theirs-*/*/record.json"):
        found = json.loads(record.read_text(encoding="utf-8"))
        records[found["character"]] = found
        assert "animating" in (record.parent / "method.log").read_text(encoding="utf-8")
    kinds = {name: record.get("kind", record["status"]) for name, record in sorted(records.items())}
    assert list(kinds.values()) == ["error", "time_limit", "no_face", "ok", "ok", "ok"]
    assert records["c3"]["degraded"] == "ran without alignment"
    assert records["c4"]["notes"]["commit"] == toy.commit

    table = line.terminal.table()
    assert set(table[table["method"] == "still"]["status"]) == {"scored"}
    scored = table[(table["method"] == "theirs") & (table["metric"] == "brightness")].set_index("character")
    assert scored["value"]["c5"] == pytest.approx((0 + 8 + 16 + 24) / 4 * 255 / 219, abs=1)


@pytest.mark.slow
def test_what_is_not_set_up_is_told_and_is_no_row(toy: Toy, line: Line, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("CHARACBENCH_EXTERNAL", str(tmp_path / "empty"))
    write_method(line.folder, "theirs", node(toy))
    status, printed = line("-m", "method=theirs,still", "benchmark.characters=1", "benchmark.drivers=1")
    assert status == 1
    sentence = "theirs: its repository and environment are not set up; run `charachbench setup` with the same settings"
    assert sentence in printed
    assert set(line.terminal.table()["method"]) == {"still"}
    status, printed = line("method=theirs")
    assert status == 1
    assert f"charachbench: {sentence}" in printed
    assert "Traceback" not in printed


def test_what_needs_a_gpu_says_so(toy: Toy, line: Line) -> None:
    write_method(line.folder, "theirs", node(toy, cpu=False))
    status, printed = line("method=theirs", "benchmark.characters=1", "benchmark.drivers=1")
    assert status == 1
    assert "pair c0__d0 failed: needs a GPU with CUDA, and device=cpu" in printed
    assert "Traceback" not in printed


def test_a_set_up_that_fails_is_told_in_one_sentence(toy: Toy, line: Line) -> None:
    write_method(line.folder, "theirs", node(toy, repository__commit="0" * 40))
    status, printed = line("setup", "method=theirs")
    assert status == 1
    assert "charachbench: setup: `git -C" in printed
    assert "Traceback" not in printed
    assert "charachbench: method: none was chosen; accepted: " in line("setup")[1]


@pytest.mark.slow
def test_a_mirror_is_a_setting(toy: Toy, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARACBENCH_EXTERNAL", str(tmp_path / "own"))
    write_method(line.folder, "theirs", node(toy, repository__url="https://127.0.0.1:9/theirs.git"))
    assert line("setup", "method=theirs")[0] == 1
    assert line("setup", "method=theirs", f"setup.mirror='{toy.repository}'")[0] == 0
    assert method(toy, repository__url="https://127.0.0.1:9/theirs.git").lacks() == ""


@pytest.mark.slow
def test_a_batch_goes_through_the_harness(toy: Toy, line: Line, tmp_path: Path) -> None:
    """Also where pairs are done already: those are not handed over."""
    notes = tmp_path / "starts"
    steps = [{"arguments": ["python", "batch.py", "{work}/jobs.json"]}]
    batch = {"steps": steps, "hook": "tests.methods.external.upstream.write_list", "batch": 4}
    write_method(line.folder, "theirs", node(toy, **batch, environment__variables={"TOY_NOTES": str(notes)}))
    assert line("generate", "method=theirs", "benchmark.characters=1")[0] == 0
    assert notes.read_text() == "2\n"
    status, printed = line("generate", "method=theirs", "benchmark.characters=3", "method.recipe.batch=3")
    assert status == 0
    assert "6 pairs, 4 generated, 2 already in the store" in printed
    assert notes.read_text() == "2\n3\n1\n"
