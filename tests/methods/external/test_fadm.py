"""FADM's script, with modules made here in place of its own."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from methods.external.running import SCRIPTS

READ = ("deca_model.tar", "generic_model.pkl", "landmark_embedding.npy")

DEMO = """
import pickle, random, sys
from tkinter import N
from turtle import forward
import numpy, torch
from sibling import VALUE
model = pickle.loads(b"cchumpy.ch\\nCh\\n.")
print(__name__, sys.argv, VALUE, random.random(), numpy.random.rand(), torch.seeds, model.__name__)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Without Tk; of torch only what the script needs."""
    (tmp_path / "demo.py").write_text(DEMO)
    (tmp_path / "sibling.py").write_text("VALUE = 'found'\n")
    (tmp_path / "torch.py").write_text("seeds = []\nmanual_seed = seeds.append\n")
    for name in ("tkinter", "turtle"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('no Tk')\n")
    (tmp_path / "chumpy_fork").mkdir()
    (tmp_path / "chumpy_fork" / "__init__.py").touch()
    (tmp_path / "chumpy_fork" / "ch.py").write_text("class Ch: pass\n")
    (tmp_path / "modules" / "deca").mkdir(parents=True)
    return tmp_path


def pack(checkout: Path, names: tuple[str, ...]) -> None:
    with zipfile.ZipFile(checkout / "modules" / "deca" / "data.zip", "w") as packed:
        for name in names:
            packed.writestr(f"data/{name}", f"of {name}")


def run(checkout: Path, seed: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / "fadm.py"), str(seed), "demo.py", "--flag", "value"]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True)


def test_seeds_decide_all_that_is_random(checkout):
    pack(checkout, READ)
    first, again, other = (run(checkout, seed).stdout for seed in (3, 3, 4))
    assert first.startswith("__main__ ['demo.py', '--flag', 'value'] found ")
    assert first.endswith("[3] Ch\n")
    assert first == again
    assert not set(first.split()[5:7]) & set(other.split()[5:7])


def test_unpacks_what_is_read_and_no_more(checkout):
    pack(checkout, (*READ, "FLAME_albedo_from_BFM.npz"))
    assert run(checkout, 0).returncode == 0
    data = checkout / "modules" / "deca" / "data"
    assert {file.name: file.read_text() for file in data.iterdir()} == {name: f"of {name}" for name in READ}


def test_a_folder_does_in_place_of_the_archive(checkout):
    (checkout / "modules" / "deca" / "data").mkdir()
    for name in READ:
        (checkout / "modules" / "deca" / "data" / name).touch()
    assert run(checkout, 0).returncode == 0


def test_does_not_go_on_without_the_encoder(checkout):
    pack(checkout, READ[1:])
    done = run(checkout, 0)
    assert done.returncode == 1
    assert "deca_model.tar are neither in it nor in" in done.stderr
    assert not done.stdout
