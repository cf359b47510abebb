"""An upstream repository on this machine: its checkout and its environment, in a folder of the user's cache.

``$CHARACBENCH_EXTERNAL`` names that folder; by default it is ``~/.cache/charachbench/external``. Checkouts are shared
by all that want the same commit, environments by all that want the same packages.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from charachbench import keys, untrusted
from charachbench.errors import UserError
from charachbench.secrecy import NAMES, hidden
from charachbench.store import write_json
from methods.external.recipe import Recipe, filled, placeholders

log = logging.getLogger(__name__)

VARIABLE = "CHARACBENCH_EXTERNAL"


def root() -> Path:
    """Where checkouts and environments are kept."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "charachbench" / "external"


class Installation:
    """Where a recipe's code and environment are, or will be.

    Args:
        recipe: of which ``repository`` and ``environment`` count.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.repository, self.environment = recipe.repository, recipe.environment
        name = self.repository.url.rstrip("/").rpartition("/")[2].removesuffix(".git") or "repository"
        checkout = keys.digest([self.repository.commit, self.repository.skip, self.repository.submodules])[:12]
        packages = keys.digest([self.environment.python, self.environment.requirements, self.environment.build])[:12]
        self.checkout = root() / "checkouts" / f"{name}-{checkout}"
        self.packages = root() / "environments" / packages
        self._whole = self.packages / "whole"
        self._verified = root() / "verified" / f"{name}-{checkout}-{packages}-{self.environment.entry}.json"

    @property
    def python(self) -> Path:
        """The interpreter of the environment."""
        return self.packages / "bin" / "python"

    @property
    def installed(self) -> dict[str, str]:
        """Versions of the packages in the environment, as they were when it was set up."""
        versions = untrusted.read_json(self._verified)
        return dict(versions["packages"])

    def lacks(self) -> str:
        """See ``charachbench.protocols.Loadable``."""
        if not (self._verified.is_file() and self.checkout.is_dir() and self.python.exists()):
            return "its repository and environment are not set up; run `charachbench setup` with the same settings"
        return self._lacking_programs()

    def _lacking_programs(self) -> str:
        missing = [name for name in self.environment.programs if shutil.which(name) is None]
        return f"needs {', '.join(missing)} on the path; install it with the system's packages" if missing else ""

    def set_up(self, mirror: str | None = None) -> None:
        """Clone, make the environment, and import the entry point; what is there already is not done again.

        Args:
            mirror: of the repository: a folder or an address, used in place of the recipe's.

        Raises:
            UserError: one of these does not work.
        """
        import filelock

        if lacking := self._lacking_programs():
            raise UserError(lacking)
        try:
            self.packages.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(root() / "lock"):
                if not self.checkout.is_dir():
                    self._clone(mirror or self.repository.url)
                if not (self._whole.is_file() and self.python.exists()):
                    self._install()
                    self._verified.unlink(missing_ok=True)
                if not self._verified.is_file():
                    self._verify()
        except OSError as error:
            raise UserError(
                f"setup: cannot write to {root()} ({error.strerror or error}); accepted is a folder that can be "
                f"written to, which ${VARIABLE} names"
            ) from error
        log.info("set up: %s and %s", self.checkout, self.packages)

    def _clone(self, source: str) -> None:
        """Into a folder aside, renamed once it is whole."""
        log.info("cloning %s at %s", hidden(source), self.repository.commit[:7])
        aside = self.checkout.with_name(f".{self.checkout.name}")
        shutil.rmtree(aside, ignore_errors=True)
        aside.parent.mkdir(parents=True, exist_ok=True)
        local = Path(source).expanduser()
        partial = [] if local.is_dir() else ["--filter=blob:none"]  # what is not checked out is not transferred
        address = str(local.absolute()) if local.is_dir() else source
        self._git("clone", "--quiet", "--no-checkout", *partial, "--", address, str(aside))
        if self.repository.skip:
            patterns = ["/*", *(f"!{pattern}" for pattern in self.repository.skip)]
            self._git("-C", str(aside), "sparse-checkout", "set", "--no-cone", *patterns)
        self._git("-C", str(aside), "checkout", "--quiet", "--detach", self.repository.commit)
        for submodule in self.repository.submodules:
            self._git("-C", str(aside), "submodule", "update", "--quiet", "--init", "--", submodule)
        if hidden(address) != address:  # the code that runs there has no business with a password
            self._git("-C", str(aside), "remote", "set-url", "origin", hidden(address))
        aside.replace(self.checkout)

    def _git(self, *arguments: str) -> None:
        _run(["git", *arguments], {"GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"})

    def _install(self) -> None:
        log.info("making an environment of Python %s, which can take minutes", self.environment.python)
        shutil.rmtree(self.packages, ignore_errors=True)
        _uv("venv", "--no-project", "--python", self.environment.python, str(self.packages))
        install = ("pip", "install", "--python", str(self.python))
        if self.environment.build:
            _uv(*install, "--", *(needed for every in self.environment.build.values() for needed in every))
        unisolated = [f"--no-build-isolation-package={name}" for name in self.environment.build]
        if self.environment.requirements:
            _uv(*install, *unisolated, "--", *self.environment.requirements)
        self._whole.touch()  # other recipes may share it, so it is not made again for each

    def _verify(self) -> None:
        """Import the entry point, then write down what is installed."""
        log.info("importing %s", self.environment.entry)
        imports = "import importlib, sys; sys.path.insert(0, ''); importlib.import_module(sys.argv[1])"
        known = {"checkout": str(self.checkout)}
        variables = {
            name: filled(value, known)
            for name, value in self.environment.variables.items()
            if placeholders(value) <= known.keys()
        }
        variables["PYTHONDONTWRITEBYTECODE"] = "1"  # the checkout stays as it is
        command = [str(self.python), "-c", imports, self.environment.entry]
        _run(command, variables, self.checkout, f"importing {self.environment.entry} of {self.checkout}")
        frozen = _uv("pip", "list", "--format", "json", "--python", str(self.python))
        packages = {package["name"]: package["version"] for package in json.loads(frozen)}
        self._verified.parent.mkdir(parents=True, exist_ok=True)
        write_json(self._verified, {"repository": self.repository.url, "packages": packages})


def _uv(*arguments: str) -> str:
    """What uv prints.

    It runs in our folder, since in the user's it would heed what a ``pyproject.toml`` there says of other packages.
    """
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if found is None:
        raise UserError("setup: uv is needed to make environments; install it with `pip install uv`")
    own = {name: value for name, value in os.environ.items() if name.startswith("UV_")}  # it may need a registry's
    return _run([found, "--quiet", *arguments], own, root())


def _run(
    arguments: Sequence[str], variables: dict[str, str] | None = None, folder: Path | None = None, doing: str = ""
) -> str:
    """What a command prints.

    Raises:
        UserError: it fails, or is not there; with the last that it said.
    """
    try:
        done = subprocess.run(
            arguments, cwd=folder, env=clean_environment() | (variables or {}), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace",
        )  # fmt: skip
    except OSError as error:
        raise UserError(f"setup: {arguments[0]} cannot be run ({error.strerror})") from error
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()] or [f"status {done.returncode}"]
        doing = doing or f"`{' '.join(arguments[:4])} ...`"
        raise UserError(hidden(f"setup: {doing} failed: {' / '.join(said[-3:])}"))
    return done.stdout


def clean_environment() -> dict[str, str]:
    """This process's variables, without those that would lead into its own environment, and without secrets."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV") and not NAMES.search(name)
    }
