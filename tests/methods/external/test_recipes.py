"""Every recipe in ``conf/``: whole, pinned, and nothing in it that is not there."""

import ast
import importlib
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from charachbench import about, config
from charachbench.protocols import Animator, LandmarkSource, Method
from charachbench.weights import HUB, REGISTRY
from methods.external import flags
from methods.external.recipe import Environment, Recipe, placeholders
from tests import composed

EXTERNAL = Path(flags.__file__).parent
OURS = ("charachbench", "methods", "metrics", "benchmarks", "tests")
PINNED = re.compile(r"[\w.-]+(\[[\w,.-]+\])?==[\w.+!]+( *;.*)?|[\w.-]+ *@ *(git\+)?https://\S*([0-9a-f]{40}\S*|\.whl)")
PLACES = {"method": ("method", Method), "animator": ("animator", Animator), "landmarks": ("source", LandmarkSource)}


def files() -> Iterator[Any]:
    """Each configuration that has a recipe of its own."""
    for group in flags.GROUPS:
        for file in sorted((flags.CONFIGURATION / group).glob("*.yaml")):
            if re.search(r"^ *recipe:", file.read_text(encoding="utf-8"), re.MULTILINE):
                yield pytest.param(group, file.stem, id=file.stem)


RECIPES = list(files())


@cache
def node_of(group: str, name: str) -> dict[str, Any]:
    """The part of the composed configuration that has the recipe."""
    node: dict[str, Any] = yaml.safe_load((flags.CONFIGURATION / group / f"{name}.yaml").read_text(encoding="utf-8"))
    if "defaults" not in node:  # then it is what Hydra composes, which takes much longer
        return node["source"] if group == "landmarks" else node
    if group == "method":
        node = composed.settings(f"method={name}").method
    elif group == "animator":
        node = composed.settings("method=warp_given", f"animator={name}").animator
    else:
        node = composed.settings("method=landmarks_alone", f"landmarks={name}").landmarks["source"]
    return node


def recipe_of(group: str, name: str) -> Recipe:
    """Checked and built."""
    built = config.build(node_of(group, name)["recipe"], f"{group}.recipe", Recipe)
    assert isinstance(built, Recipe)
    return built


def test_the_baselines_of_the_paper_are_there() -> None:
    """And those that people add next, and the detectors of the landmarks track."""
    names = {param.id for param in RECIPES}
    assert names >= {
        *(
            "aniportrait",
            "fadm",
            "face_vid2vid",
            "faceshot_upstream",
            "follow_your_emoji",
            "fomm",
            "lia",
            "live_portrait",
        ),
        *("megactor", "megactor_sigma", "mofa_video_upstream", "star", "x_portrait", "x_pose"),
    }


@pytest.mark.parametrize(("group", "name"), RECIPES)
def test_composes_and_builds(group: str, name: str) -> None:
    """As it is chosen on the command line; the constructors check placeholders, commits and regular expressions."""
    node = node_of(group, name)
    built = config.build({key: value for key, value in node.items() if key != "about"}, group, PLACES[group][1])
    assert built.recipe == recipe_of(group, name)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("group", "name"), RECIPES)
def test_hands_over_what_there_is(group: str, name: str) -> None:
    """A detector has an image alone, an animator no driver, a method no landmarks."""
    recipe = recipe_of(group, name)
    lacking = {"method": {"landmarks", "source"}, "animator": {"driver"}}.get(
        group, {"driver", "landmarks", "source", "frames"}
    )
    texts = [text for step in recipe.steps for text in (*step.arguments, *step.cpu_arguments)]
    used = {found for text in (*texts, recipe.result.path) for found in placeholders(text)}
    assert not used & lacking
    assert recipe.repository.url.startswith("https://github.com/")
    if "work" in used:
        assert recipe.hook is not None or any("{work}" in text for text in texts)


@pytest.mark.parametrize(("group", "name"), RECIPES)
def test_weights_are_in_the_registry(group: str, name: str) -> None:
    """By name; a part of one only of what is a folder."""
    for file in recipe_of(group, name).files.values():
        assert file.weights in REGISTRY or file.weights in HUB
        assert not file.path or file.weights in HUB, f"{file.weights} is one file"


@pytest.mark.parametrize(("group", "name"), RECIPES)
def test_says_what_it_is(group: str, name: str) -> None:
    """All that a reader needs; a recipe that is only part of a method leaves that to the method."""
    entry = yaml.safe_load((flags.CONFIGURATION / group / f"{name}.yaml").read_text(encoding="utf-8")).get("about")
    if entry is None:
        assert group == "animator"
        return
    said = about.read(entry, name)
    assert all((said.title, said.citation, said.url, said.licence, said.note))
    assert re.search(r"\b(19|20)\d\d\b", said.citation)
    assert {"gpu_memory_gib"} <= entry.keys(), "null says that nobody states it"


@pytest.mark.parametrize(("group", "name"), RECIPES)
def test_requirements_are_pinned(group: str, name: str) -> None:
    """To a version or to a commit, and each once."""
    environment = recipe_of(group, name).environment
    assert not [requirement for requirement in environment.requirements if not PINNED.fullmatch(requirement)]
    names = [re.split(r"[\[=@ ]", requirement)[0].lower().replace("_", "-") for requirement in environment.requirements]
    assert len(names) == len(set(names))
    assert re.fullmatch(r"3\.\d+", environment.python)
    assert isinstance(environment, Environment)
    assert environment.entry


@pytest.mark.parametrize(("group", "name"), RECIPES)
def test_refers_to_what_exists(group: str, name: str) -> None:
    """Hooks, workers with their two functions, and scripts."""
    recipe = recipe_of(group, name)
    if recipe.hook is not None:
        module, _, function = recipe.hook.rpartition(".")
        assert module.startswith("methods.external.hooks.")
        assert parameters(source_of(module))[function] == ["jobs", "work"]
    if recipe.worker is not None:
        assert recipe.worker.module.startswith("methods.external.workers.")
        functions = parameters(source_of(recipe.worker.module))
        assert functions["load"] == ["device", "arguments"]
        assert functions["run"][1:] == ["job"]
        read = worker_arguments(source_of(recipe.worker.module))
        assert read in (set(), recipe.worker.arguments.keys())  # or it passes them all on
    for text in (argument for step in recipe.steps for argument in step.arguments if "{scripts}" in argument):
        assert (flags.SCRIPTS / text.removeprefix("{scripts}/")).is_file(), text
    for word in (step.arguments[0] for step in recipe.steps):
        assert word == "python" or word in recipe.environment.programs


def source_of(module: str) -> ast.Module:
    """Of a module, which is not imported."""
    spec = importlib.util.find_spec(module)
    assert spec is not None, module
    assert spec.origin is not None, module
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def parameters(source: ast.Module) -> dict[str, list[str]]:
    """Of each function of a module, by its name."""
    functions = [node for node in source.body if isinstance(node, ast.FunctionDef)]
    return {node.name: [argument.arg for argument in node.args.args] for node in functions}


def worker_arguments(source: ast.Module) -> set[str]:
    """The names that a worker takes out of ``arguments``."""
    found = set()
    for node in ast.walk(source):
        if (
            isinstance(node, ast.Subscript)
            and ast.unparse(node.value) == "arguments"
            and isinstance(node.slice, ast.Constant)
        ):
            found.add(str(node.slice.value))
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == "arguments.get"
            and isinstance(node.args[0], ast.Constant)
        ):
            found.add(str(node.args[0].value))
    return found


CARRIED = [file for folder in ("workers", "scripts") for file in sorted((EXTERNAL / folder).glob("*.py"))]


@pytest.mark.parametrize("file", [*CARRIED, EXTERNAL / "serve.py"], ids=lambda file: file.stem)
def test_runs_in_the_environments_of_upstreams(file: Path) -> None:
    """What runs there is Python 3.8 and imports nothing of ours."""
    source = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 8))
    for node in ast.walk(source):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import: it is run as a file"
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names = [str(node.args[0].value)] if isinstance(node.args[0], ast.Constant) else []
        assert not [name for name in names if name.partition(".")[0] in OURS]


def test_every_file_beside_recipes_is_used() -> None:
    """Each worker, script and hook by some recipe, or by a file that is."""
    texts = "\n".join(
        file.read_text(encoding="utf-8")
        for group in flags.GROUPS
        for file in (flags.CONFIGURATION / group).glob("*.yaml")
    )
    for folder in ("workers", "scripts", "hooks"):
        for file in (EXTERNAL / folder).glob("[!_]*.py"):
            assert re.search(rf"\b{folder}[./}}]+{file.stem}\b", texts), file.name
