"""Runs FADM's ``demo.py``, which draws its noise without a seed, with one.

Usage, in the checkout: ``python fadm.py SEED demo.py FLAG ...``. On the way there it unpacks what the code reads of
``modules/deca/data.zip``, lets the FLAME model be read without chumpy, which no longer installs, and stands in for Tk,
of which the code imports two names that it never uses.
"""

import importlib
import pathlib
import pkgutil
import random
import runpy
import sys
import types
import zipfile
from typing import Any

READ = ("deca_model.tar", "generic_model.pkl", "landmark_embedding.npy")


def unpack(archive: pathlib.Path) -> None:
    """Write what is read of an archive into the folder ``data`` beside it; without an archive it must be there.

    Without ``deca_model.tar`` the code would go on with random numbers in its place.
    """
    folder = archive.with_suffix("")
    if archive.exists():
        folder.mkdir(exist_ok=True)
        with zipfile.ZipFile(archive) as packed:
            for name in packed.namelist():
                if pathlib.PurePosixPath(name).name in READ:
                    (folder / pathlib.PurePosixPath(name).name).write_bytes(packed.read(name))
    missing = [name for name in READ if not (folder / name).exists()]
    if missing:
        sys.exit(f"{archive}: {', '.join(missing)} are neither in it nor in {folder}")


def provide(name: str, *members: str) -> None:
    """Where a module cannot be imported, stand in for it."""
    try:
        importlib.import_module(name)
    except ImportError:
        module: Any = types.ModuleType(name)
        for member in members:
            setattr(module, member, None)
        sys.modules[name] = module


def provide_chumpy() -> None:
    """Make a copy of chumpy that does install known by its first name, which pickled models use."""
    fork = importlib.import_module("chumpy_fork")
    sys.modules["chumpy"] = fork
    for found in pkgutil.iter_modules(fork.__path__):
        if found.name in ("ch", "ch_ops", "linalg", "logic", "reordering", "utils"):
            sys.modules[f"chumpy.{found.name}"] = importlib.import_module(f"chumpy_fork.{found.name}")


def main() -> None:
    """Run it."""
    seed, script = int(sys.argv[1]), sys.argv[2]
    sys.argv, sys.path[0] = sys.argv[2:], str(pathlib.Path.cwd())
    unpack(pathlib.Path("modules", "deca", "data.zip"))
    provide("tkinter", "N")
    provide("turtle", "forward")
    provide_chumpy()
    numpy, torch = importlib.import_module("numpy"), importlib.import_module("torch")
    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
