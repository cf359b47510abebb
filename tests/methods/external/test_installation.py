"""Getting a repository and its environment."""

import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from charachbench.errors import UserError
from methods.external import installation as installing
from methods.external.installation import Installation, clean_environment
from tests.methods.external import upstream
from tests.methods.external.upstream import Toy


def installation(toy: Toy, **changes: Any) -> Installation:
    return Installation(upstream.recipe(toy, **changes))


@pytest.fixture
def elsewhere(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for what a test sets up, with spaces and letters of all kinds."""
    monkeypatch.setenv("CHARACBENCH_EXTERNAL", str(tmp_path / "größe 猫"))
    return tmp_path / "größe 猫"


def test_the_commit_is_checked_out_and_its_packages_are_installed(toy: Toy) -> None:
    made = installation(toy)
    assert made.lacks() == ""
    assert (made.checkout / "animate.py").read_text(encoding="utf-8") == upstream.ANIMATE  # not the last commit's
    assert upstream.git(made.checkout, "rev-parse", "HEAD") == toy.commit
    assert made.installed == {"toy-requirement": "1.0"}
    assert not list(made.checkout.rglob("__pycache__"))
    assert made.checkout.is_relative_to(toy.external)
    assert made.packages.is_relative_to(toy.external)


def test_nothing_is_done_twice(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: Any) -> str:
        raise AssertionError(arguments)

    monkeypatch.setattr("methods.external.installation._run", never)
    installation(toy).set_up()


def test_a_mirror_stands_in_for_an_address(toy: Toy, elsewhere: Path) -> None:
    away = dataclasses.replace(upstream.recipe(toy).repository, url="https://127.0.0.1:9/toy.git")
    recipe = dataclasses.replace(upstream.recipe(toy, environment__requirements=[]), repository=away)
    recipe = dataclasses.replace(recipe, environment=dataclasses.replace(recipe.environment, entry="points"))
    made = Installation(recipe)
    with pytest.raises(UserError, match="^setup: `git clone --quiet --no-checkout ...` failed: .*127.0.0.1"):
        made.set_up()
    assert "`charachbench setup` with the same settings" in made.lacks()
    with pytest.raises(UserError, match="^setup: `git clone .*no such place"):
        made.set_up(mirror=str(elsewhere / "no such place"))
    (elsewhere / "points").mkdir()
    with pytest.raises(UserError, match="^setup: `git clone "):
        made.set_up(mirror=str(elsewhere / "points"))
    bare = elsewhere / "mirror of it.git"
    upstream.git(elsewhere, "clone", "--quiet", "--bare", str(toy.repository), str(bare))
    (elsewhere / "points").rmdir()
    broken = dataclasses.replace(recipe, environment=dataclasses.replace(recipe.environment, entry="animate"))
    with pytest.raises(UserError, match="No module named 'toy_requirement'"):  # cloned, but without its requirement
        Installation(broken).set_up(mirror=bare.as_uri())
    made.set_up()  # the environment and the checkout are there, another entry is not what it lacked
    assert made.lacks() == ""
    assert made.checkout.name.startswith("toy-")


def test_files_are_skipped(toy: Toy, elsewhere: Path) -> None:
    environment = {"python": sys.executable, "requirements": [], "entry": "points"}
    made = installation(toy, repository__skip=["*.gif", "/tools/"], environment=environment)
    made.set_up()
    names = set(upstream.tree(made.checkout))
    assert names == {"animate.py", "batch.py", "points.py", "broken.py", "data/notes.txt"}
    assert made.checkout != installation(toy).checkout  # which has them


def test_a_commit_that_is_not_there(toy: Toy, elsewhere: Path) -> None:
    made = installation(toy, repository__commit="0" * 40)
    with pytest.raises(UserError, match=r"^setup: `git -C .* failed: fatal: .*0000000"):
        made.set_up()
    assert not made.checkout.exists()
    assert made.lacks().startswith("its repository and environment are not set up")


def test_an_entry_that_cannot_be_imported(toy: Toy) -> None:
    made = installation(toy, environment__entry="broken", environment__python=sys.executable)
    with pytest.raises(
        UserError, match="^setup: importing broken of .* failed: .*No module named 'a_module_that_is_not_there'$"
    ):
        made.set_up()
    assert made.lacks()
    assert not installation(toy).lacks()  # with the entry that is there


def test_a_folder_that_cannot_be_written(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CHARACBENCH_EXTERNAL", str(tmp_path / "file" / "folder"))
    with pytest.raises(UserError, match=r"^setup: cannot write to .*file/folder \(Not a directory\); accepted is"):
        installation(toy).set_up()


def test_a_requirement_that_cannot_be_had(toy: Toy, elsewhere: Path) -> None:
    made = installation(toy, environment__requirements=["toy-that-is-nowhere==1.0"])
    with pytest.raises(UserError, match="^setup: `.*uv --quiet pip install ...` failed: .*toy-that-is-nowhere"):
        made.set_up()
    assert made.lacks()


def test_a_program_that_is_missing_is_told_first(toy: Toy, elsewhere: Path) -> None:
    made = installation(toy, environment__programs=["git", "a-program-that-is-nowhere"])
    sentence = "needs a-program-that-is-nowhere on the path; install it with the system's packages"
    with pytest.raises(UserError, match=f"^{sentence}$"):
        made.set_up()
    assert not elsewhere.exists()
    monkeypatched = installation(toy, environment__programs=["git"])
    monkeypatched.set_up()
    assert monkeypatched.lacks() == ""
    monkeypatched.environment = made.environment
    assert monkeypatched.lacks() == sentence


def test_what_was_interrupted_is_done_again(toy: Toy, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = installation(toy)
    half = made.checkout.with_name(f".{made.checkout.name}")
    half.mkdir(parents=True)
    (half / "rest of a clone").touch()
    (made.packages / "bin").mkdir(parents=True)
    (made.packages / "bin" / "python").touch()
    assert made.lacks()

    with monkeypatch.context() as patch:  # the machine goes down while packages are installed
        patch.setattr(Installation, "_verify", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            made.set_up()
    assert made.lacks()
    assert not half.exists()
    made.set_up()
    assert made.lacks() == ""
    assert made.installed == {"toy-requirement": "1.0"}

    shutil.rmtree(made.packages)
    assert made.lacks()
    made.set_up()
    assert made.lacks() == ""


def _interrupt(_: Installation) -> None:
    raise KeyboardInterrupt


def test_an_environment_is_shared_and_not_made_again_for_another_repository(toy: Toy, tmp_path: Path) -> None:
    other = upstream.make(tmp_path)
    made = installation(toy, repository={"url": str(other.repository), "commit": other.commit, "skip": ["*.gif"]})
    assert made.packages == installation(toy).packages
    (made.packages / "in use").touch()
    assert made.lacks()
    made.set_up()
    assert made.lacks() == ""
    assert (made.packages / "in use").exists()


def test_what_it_is_made_of_names_the_folders(toy: Toy) -> None:
    plain = installation(toy)
    wheel = f"toy-requirement @ {toy.wheel.as_uri()}"
    assert installation(toy, time_limit=1).packages == plain.packages
    assert installation(toy, environment__requirements=[wheel, "other"]).packages != plain.packages
    assert installation(toy, environment__python="3.10").packages != plain.packages
    assert installation(toy, environment__variables={"A": "b"}).packages == plain.packages
    assert installation(toy, repository__commit="0" * 40).checkout != plain.checkout
    assert installation(toy, repository__url=f"{toy.repository}/").checkout == plain.checkout


def test_it_says_what_it_recorded(toy: Toy) -> None:
    made = installation(toy)
    (record,) = (toy.external / "verified").glob(f"{made.checkout.name}-*.json")
    assert json.loads(record.read_text())["repository"] == str(toy.repository)


def test_neither_our_environment_nor_secrets_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "VIRTUAL_ENV", "HF_TOKEN", "WANDB_API_KEY", "UV_PUBLISH_TOKEN", "SOMETHING_ELSE"):
        monkeypatch.setenv(name, "x")
    kept = clean_environment()
    assert kept["SOMETHING_ELSE"] == "x"
    assert not kept.keys() & {"PYTHONPATH", "VIRTUAL_ENV", "HF_TOKEN", "WANDB_API_KEY", "UV_PUBLISH_TOKEN"}


def test_uv_alone_gets_what_a_registry_wants(toy: Toy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\necho "$UV_INDEX_OURS_PASSWORD,$HF_TOKEN"\n')
    uv.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("UV_INDEX_OURS_PASSWORD", "open sesame")
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert installing._uv("version") == "open sesame,\n"
