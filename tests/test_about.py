"""What methods are, and the list of them."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from charachbench import about, generate, sweep
from charachbench.app import main
from charachbench.commands import methods
from charachbench.errors import UserError
from charachbench.protocols import Method
from tests import fakes
from tests.composed import settings
from tests.test_app import Terminal, charachbench  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[1]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OWN = {
    "mine": "_target_: tests.test_about.Lacking\nabout: {title: my own, gpu_memory_gib: 2.5}\n",
    "silent": "_target_: methods.still.Still\n",
    "wants": "_target_: methods.videos.Videos\nroot: ???\n",
    "broken": "a: [\n",
    "empty": "",
    "items": "- a\n",
    "typo": "_target_: methods.still.Still\nabout: {titel: t}\n",
    "absent": "_target_: nowhere.Absent\nabout: {title: told all the same}\n",
    "setting": "_target_: methods.still.Still\nspeed: 1\n",
    "lost": "defaults:\n  - nothing\n",
    "dangling": "_target_: methods.videos.Videos\nroot: ${nowhere}\n",
    "still": "_target_: nowhere.Still\n",  # ours comes first on the search path
    "upstream": f"""
_target_: methods.external.External
about: {{title: an upstream, citation: "A, B, C 2020", licence: MIT, needs_face: true}}
recipe:
  _target_: methods.external.recipe.Recipe
  repository: {{url: "https://example.org/upstream", commit: {COMMIT}}}
  environment: {{python: "3.10", requirements: [numpy==1.26.4], entry: numpy}}
  inputs: {{size: 256}}
  steps: [{{arguments: [python, run.py]}}]
  files: {{model: {{weights: cmp, to: model.pth}}}}
  result: {{path: "{{output}}/*.mp4"}}
""",
}


class Lacking(fakes.Roll):
    """Says that something is missing."""

    def lacks(self) -> str:
        return "its model is not set up"


class Listed:
    """The list, made once, with files of a user's own; what it says, and of which configurations."""

    def __init__(self, folder: Path) -> None:
        own = folder / "own configuration" / "method"
        own.mkdir(parents=True)
        for name, text in OWN.items():
            (own / f"{name}.yaml").write_text(text)
        self.rows: dict[tuple[str, str], methods.Row] = {}
        self.composed: dict[tuple[str, str], DictConfig] = {}
        fill, arguments = methods._fill, [f"hydra.searchpath=['file://{own.parent}']", f"results={folder}/results"]

        def spy(row: methods.Row, composed: DictConfig) -> None:
            self.rows[row.group, row.name], self.composed[row.group, row.name] = row, composed
            fill(row, composed)

        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
            patch.setattr(sys, "argv", ["charachbench", "methods", *arguments])
            patch.setattr(sweep, "failures", [])
            patch.setattr(methods, "_fill", spy)
            patch.setenv("CHARACBENCH_WEIGHTS", str(folder))
            with pytest.raises(SystemExit) as end:
                main()
        self.status, self.printed = end.value.code, printed.getvalue()

    def line(self, name: str) -> str:
        (line,) = [line for line in self.printed.splitlines() if re.match(rf"\s*{name}\s", line)]
        return line


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Listed:
    return Listed(tmp_path_factory.mktemp("own"))


def names(group: str) -> set[str]:
    return {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}


def test_every_choice_says_what_it_is(listed: Listed) -> None:
    ours = {(group, name) for group in ("method", "landmarks") for name in names(group)}
    assert ours <= listed.rows.keys()
    for choice in ours:
        row = listed.rows[choice]
        assert row.trouble == "", choice
        assert row.about is not None, choice
        assert row.about.title, choice
        if row.kind == "control":
            assert row.about.gpu_memory_gib == 0, choice
        if row.kind == "external" and row.about.url:
            assert all((row.about.citation, row.about.licence, row.about.note)), choice


def test_it_lists_kind_track_and_needs(listed: Listed) -> None:
    assert listed.status == 0
    found = {name: (row.kind, row.track) for (group, name), row in listed.rows.items() if group == "method"}
    assert found["shuffled"] == ("control", "animation")
    assert found["faceshot_paper"] == ("native", "animation")
    assert found["landmarks_alone"] == ("native", "landmarks")
    assert found["retargeting_alone"] == ("native", "retargeting")
    assert found["videos"] == ("videos", "animation")
    assert found["upstream"] == ("external", "animation")
    assert listed.rows["landmarks", "dift"].track == "landmarks"
    mofa = {need.name for need in listed.rows["method", "mofa_video"].weights}
    assert mofa == {"face_landmarker", "mofa_video", "stable_video_diffusion", "cmp"}
    assert not listed.rows["method", "faceshot"].weights
    assert "a human face" in listed.line("mofa_video")
    assert "ECCV 2024; Apache-2.0" in listed.line("mofa_video")
    assert "GPU" not in listed.line("warp")
    assert "charachbench setup method=NAME" in listed.printed


def test_a_preset_does_not_inherit_what_is_not_true_of_it(listed: Listed) -> None:
    plain, paper = listed.rows["method", "faceshot"].about, listed.rows["method", "faceshot_paper"].about
    assert plain is not None
    assert paper is not None
    assert paper.citation == plain.citation
    assert paper.gpu_memory_gib is None
    assert plain.gpu_memory_gib == 0
    assert paper.licence != plain.licence


def test_a_users_own_methods_are_listed_whatever_is_wrong_with_them(listed: Listed) -> None:
    assert "my own" in listed.line("mine")
    assert "environment: missing, GPU: 2.5 GiB" in listed.line("mine")
    assert listed.line("silent").split() == ["silent", "native,", "animation"]
    assert "give method.root=VALUE" in listed.line("wants")
    for name, said in {
        "broken": "while parsing",
        "empty": "method: needs a _target_ of the form package.module.Class, got None",
        "items": "method: is no mapping with a _target_, got ['a']",
        "typo": "method.about.titel: no such setting; did you mean 'title'?",
        "absent": "told all the same; method._target_: cannot import nowhere.Absent",
        "setting": "method.speed: no such setting",
        "lost": "Could not load 'method/nothing'",
        "dangling": "method.root: Interpolation key 'nowhere' not found",
    }.items():
        assert said in listed.line(name), name
    assert "the character, frozen" in listed.line("still")


def test_what_runs_elsewhere_shows_its_repository_and_environment(listed: Listed) -> None:
    row = listed.rows["method", "upstream"]
    assert row.repositories == [f"https://example.org/upstream at {COMMIT}, Python 3.10"]
    assert "not set up" in row.lacks
    assert re.search("weights: 0 of 1, environment: missing, GPU: memory not known, a human face", listed.printed)


@pytest.mark.parametrize("choice", [("method", "mofa_video"), ("landmarks", "mediapipe")])
def test_what_it_lists_is_what_would_run(listed: Listed, choice: tuple[str, str]) -> None:
    check_composed(listed, *choice)


@pytest.mark.slow
@pytest.mark.parametrize("group", ["method", "landmarks"])
def test_all_that_it_lists_is_what_would_run(listed: Listed, group: str) -> None:
    for name in names(group) - {"videos"}:  # which must be given a root
        check_composed(listed, group, name)


def check_composed(listed: Listed, group: str, name: str) -> None:
    found: Any = OmegaConf.to_container(listed.composed[group, name][group], resolve=True)
    assert found == getattr(settings(f"{group}={name}"), group)


@pytest.mark.slow
def test_listing_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom charachbench.app import main\n"
        f"sys.argv = ['charachbench', 'methods', 'results={tmp_path}']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'cv2', 'mediapipe', 'transformers', 'diffusers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_all_about_one(charachbench: Terminal) -> None:  # noqa: F811
    status, printed = charachbench("methods", "track=landmarks", "landmarks=mediapipe", fakes=False)
    said = " ".join(printed.split())
    assert status == 0
    assert said.startswith("name mediapipe kind native track landmarks what it is MediaPipe's detector for human faces")
    assert "licence Apache-2.0 GPU not needed needs a face yes, on the character note A character in which" in said
    assert re.search("weights face_landmarker: ", said)


def test_all_about_one_that_runs_elsewhere(listed: Listed, capsys: pytest.CaptureFixture[str]) -> None:
    Console(width=200).print(methods._one(listed.rows["method", "upstream"]))
    said = capsys.readouterr().out
    assert f"repository    https://example.org/upstream at {COMMIT}, Python 3.10" in said
    assert "not set up" in said
    assert re.search(r"weights +cmp: missing", said)


def test_readiness() -> None:
    class Need:
        def __init__(self, path: Path | None) -> None:
            self.path = path

        def there(self) -> Path | None:
            return self.path

    def needs(**values: Any) -> list[str]:
        return [text.plain for text in methods._needs(methods.Row("method", "x", **values))]

    assert needs() == []
    assert needs(kind="native") == []
    assert needs(kind="external") == ["environment: ready"]
    assert needs(kind="external", trouble="it cannot be built") == []
    assert needs(kind="external", lacks="not set up") == ["environment: missing"]
    assert needs(weights=[Need(None), Need(ROOT)]) == ["weights: 1 of 2"]
    assert needs(about=about.About("t", gpu_memory_gib=0)) == []
    assert needs(about=about.About("t", needs_face=True)) == ["GPU: memory not known", "a human face"]


def test_about_decides_nothing() -> None:
    benchmark = fakes.Tiny().open(None, Path())
    plain, told = fakes.settings(Path("results")), fakes.settings(Path("results"), method_about={"title": "rolls"})
    assert generate.describe_run(plain, benchmark) == generate.describe_run(told, benchmark)
    assert isinstance(generate.build_method(told), Method)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({}, "x.about.title: field required"),
        ({"title": 3}, "x.about.title: input should be a valid string, got 3"),
        ({"title": "t", "licences": "MIT"}, "x.about.licences: no such setting; did you mean 'licence'?"),
        ({"title": "t", "needs_face": "perhaps"}, "x.about.needs_face: "),
        ({"title": "t", "gpu_memory_gib": -1}, "about.gpu_memory_gib=-1.0: accepted are GiB from 0, or null"),
        ({"title": "t", "gpu_memory_gib": float("nan")}, "about.gpu_memory_gib=nan: accepted are GiB from 0, or null"),
        ("words", "x.about: got 'words'; accepted is a mapping with a title"),
        (None, "x.about: got None; accepted is a mapping with a title"),
    ],
)
def test_what_about_refuses(node: Any, said: str) -> None:
    with pytest.raises(UserError) as error:
        about.read(node, "x.about")
    assert str(error.value).startswith(said)


def test_about_reads() -> None:
    read = about.read({"title": "t", "gpu_memory_gib": 8, "needs_face": True}, "x.about")
    assert read == about.About("t", gpu_memory_gib=8.0, needs_face=True)
    assert about.read({"title": "t"}, "x.about").gpu_memory_gib is None
