"""Starts upstreams: commands, or a worker that stays; each as a process group, which is ended as a whole."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, Any, ClassVar, Literal

from charachbench import keys, weights
from charachbench.errors import PairFailure, UserError
from charachbench.protocols import Loadable
from methods.external import results
from methods.external.installation import Installation, clean_environment
from methods.external.job import Job
from methods.external.recipe import File, Recipe, Step, filled
from methods.external.results import Ended

SCRIPTS = Path(__file__).parent / "scripts"
SERVE = Path(__file__).parent / "serve.py"
COPIED = 1_000_000
"""Bytes; larger files of a checkout are linked into a copy of it."""
GRACE = 5.0
"""Seconds between asking a process group to end and ending it."""


class Upstream(Loadable):
    """A repository that does jobs: what an external method, animator and landmark source have in common.

    Args:
        recipe: how.
    """

    kind: ClassVar[Literal["native", "external", "videos"]] = "external"

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.installation = recipe, Installation(recipe)
        self.device = ""
        self._temporary: Path | None = None
        self._worker: _Worker | None = None
        self._step: subprocess.Popen[bytes] | None = None
        self._closed = False

    @property
    def folder(self) -> Path:
        """For what is needed only while it runs."""
        if self._closed:  # by another thread, since this one did not end in time
            raise RuntimeError("is closed")
        if self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="charachbench-"))
        return self._temporary

    @cached_property
    def identity(self) -> str:
        """Hash of what decides results beside the configuration: weights, and our own code that runs with the upstream.

        Raises:
            UserError: weights are missing whose hash is not registered.
        """
        return keys.digest(_identity(self.recipe))

    def set_up(self, mirror: str | None = None) -> None:
        """Clone the repository and make its environment."""
        self.installation.set_up(mirror)

    def lacks(self) -> str:
        """Whether that is done, and whether its weights are there; they are not read."""
        missing = (_missing(file, name) for name, file in self.recipe.files.items())
        return self.installation.lacks() or next(filter(None, missing), "")

    def load(self, device: str) -> None:
        """Start the worker, where there is one.

        Args:
            device: see ``Config.device``; a GPU is shown to the upstream as its only one.

        Raises:
            UserError: it needs a GPU and there is none, its weights are missing, or the worker does not start.
        """
        if not device.startswith("cuda") and not self.recipe.cpu:
            raise UserError(f"needs a GPU with CUDA, and device={device}")
        if lacking := self.installation.lacks():
            raise UserError(lacking)
        for name, file in self.recipe.files.items():
            source_of(file, name)
        self.device, self._closed = device, False
        if self.recipe.worker is not None:
            self._start_worker()

    def close(self) -> None:
        """End what runs, in whatever thread, and remove what was needed for a while."""
        self._closed = True
        if self._step is not None:
            end_group(self._step)
        self._end_worker()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def _end_worker(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    def run(self, jobs: Sequence[Job]) -> Ended:
        """Do jobs, at once if there are several; what came of each is in its folder.

        Never raises for what an upstream does.
        """
        if self.recipe.worker is not None:
            ended = Ended(0.0)
            for job in jobs:
                ended = self._run_in_worker(job)
            return ended
        return self._run_steps(jobs)

    def _run_in_worker(self, job: Job) -> Ended:
        if self._worker is None:  # the last pair was its end
            try:
                self._start_worker()
            except PairFailure as error:
                job.log.write_text(f"{error.log}\n{error}", encoding="utf-8")
                return Ended(0.0, status=1)
        worker = self._worker
        assert worker is not None
        request: dict[str, Any] = {
            name: str(getattr(job, name)) for name in ("image", "driver", "landmarks", "source", "output")
        }
        request |= {"stem": job.stem, "seed": job.seed, "frames": job.frames, "fps": job.fps}
        before = results.candidates(self.recipe.result, job, worker.values)
        ended = worker.ask(request, self.recipe.time_limit, job.log)
        results.collect(self.recipe.result, job, worker.values, before)
        if ended.status is not None or ended.limit is not None:
            self._end_worker()
        return ended

    def _start_worker(self) -> None:
        assert self.recipe.worker is not None
        values = self._values(self.folder / "worker", seed=0)
        script = _file_of(self.recipe.worker.module, "recipe.worker.module")
        device = "cuda" if self.device.startswith("cuda") else "cpu"
        arguments = json.dumps(self.recipe.worker.arguments)
        command = [str(self.installation.python), str(SERVE), str(script), device, arguments]
        checkout = Path(values["checkout"])
        self._view(checkout)
        self._worker = _Worker(command, checkout, self._variables(values, checkout), values)
        ended = self._worker.answer(self.recipe.start_limit)
        if ended.status is not None or ended.limit is not None:
            printed = self._worker.log.read_text(encoding="utf-8", errors="replace")
            self._end_worker()
            what = f"did not start within {ended.limit:g} s" if ended.limit else f"exit status {ended.status} at start"
            last = [line for line in printed.splitlines() if line.strip()][-1:]
            raise PairFailure(f"worker {self.recipe.worker.module}: {': '.join([what, *last])}", log=printed)

    def _run_steps(self, jobs: Sequence[Job]) -> Ended:
        work = self.folder / "work"
        values = self._values(work, jobs[0].seed)
        if len(jobs) == 1:
            values |= jobs[0].values
        limit = self.recipe.time_limit * len(jobs)
        began, status = time.monotonic(), None
        log = self.folder / "log.txt"
        before: dict[str, dict[Path, tuple[int, int]]] = {}
        try:
            self._view(Path(values["checkout"]))
            if self.recipe.hook is not None:
                locate_function(self.recipe.hook)(list(jobs), work)
            before = {job.stem: results.candidates(self.recipe.result, job, values) for job in jobs}
            with log.open("wb") as output:
                for step in self.recipe.steps:
                    left = limit - (time.monotonic() - began)
                    status = self._run_step(step, values, output, left)
                    if status is None:
                        return Ended((time.monotonic() - began) / len(jobs), limit=limit, pairs=len(jobs))
                    if status != 0:
                        break  # what was made until then is judged
        finally:
            for job in jobs:
                if log.is_file():
                    shutil.copyfile(log, job.log)
                results.collect(self.recipe.result, job, values, before.get(job.stem, {}))
            shutil.rmtree(work, ignore_errors=True)
        return Ended((time.monotonic() - began) / len(jobs), status, pairs=len(jobs))

    def _run_step(self, step: Step, values: dict[str, str], output: IO[bytes], limit: float) -> int | None:
        """Its exit status, None where it was stopped after ``limit`` seconds."""
        on_cpu = () if self.device.startswith("cuda") else step.cpu_arguments
        arguments = [filled(argument, values) for argument in (*step.arguments, *on_cpu)]
        if arguments[0] == "python":
            arguments[0] = str(self.installation.python)
        folder = Path(values["checkout"]) / step.folder
        output.write(f"$ {' '.join(arguments)}\n".encode())
        output.flush()
        try:
            self._step = subprocess.Popen(
                arguments, cwd=folder, env=self._variables(values, folder), stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            output.write(f"{arguments[0]}: cannot be run ({error.strerror})\n".encode())
            return 127
        try:
            return self._step.wait(max(limit, 0.01))
        except subprocess.TimeoutExpired:
            return None
        finally:
            end_group(self._step)
            self._step = None

    def _values(self, work: Path, seed: int) -> dict[str, str]:
        """What the placeholders of a start stand for."""
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        paths = {"checkout": str(work / "checkout"), "work": str(work), "scripts": str(SCRIPTS)}
        return paths | {"seed": str(seed), "port": str(_free_port())}

    def _variables(self, values: dict[str, str], folder: Path) -> dict[str, str]:
        """Of a process that runs in ``folder``, from which upstreams import."""
        bin_folder = str(self.installation.python.parent)
        inherited = clean_environment()
        return inherited | {
            "PATH": f"{bin_folder}{os.pathsep}{inherited.get('PATH', '')}",
            "VIRTUAL_ENV": str(self.installation.packages),
            "PYTHONPATH": str(folder),
            "PYTHONUNBUFFERED": "1",
            "CUDA_VISIBLE_DEVICES": visible_devices(self.device),
            "HF_HUB_OFFLINE": "1",
            "MPLBACKEND": "Agg",
            **{name: filled(value, values) for name, value in self.recipe.environment.variables.items()},
        }

    def _view(self, checkout: Path) -> None:
        """A copy of the checkout that may be written to, weights in their places."""
        shutil.copytree(
            self.installation.checkout, checkout, symlinks=True, copy_function=_copy_or_link,
            ignore=shutil.ignore_patterns(".git"),
        )  # fmt: skip
        for name, file in self.recipe.files.items():
            place = checkout / file.to
            place.parent.mkdir(parents=True, exist_ok=True)
            _link(source_of(file, name), place)


def _missing(file: File, name: str) -> str:
    """Why weights are not there, empty where they are; large files are not read."""
    entry = weights.REGISTRY.get(file.weights)
    if entry is not None and weights.find(entry) is not None:
        return ""
    try:
        source_of(file, name)
    except UserError as error:
        return str(error)
    return ""


def source_of(file: File, name: str) -> Path:
    """Where a recipe's weights are on this machine.

    Raises:
        UserError: they are missing.
    """
    found = _own_folder(file) or weights.locate(file.weights)
    found = (found / file.path if file.path else found).absolute()
    if not found.exists():
        raise UserError(f"recipe.files.{name}: {found} is not there")
    return found


def _own_folder(file: File) -> Path | None:
    """The user's folder of weights, if it is one; a name of the registry is never that of a folder that lies here."""
    path = Path(file.weights).expanduser()
    known = file.weights in weights.REGISTRY or file.weights in weights.HUB
    return path if path.is_dir() and not known else None


def locate_function(path: str) -> Callable[[list[Job], Path], None]:
    """The hook with this dotted name.

    Raises:
        UserError: there is none.
    """
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"recipe.hook: cannot import {path} ({error})") from error
    if not callable(found):
        raise UserError(f"recipe.hook: {path} is not a function")
    hook: Callable[[list[Job], Path], None] = found
    return hook


def visible_devices(device: str) -> str:
    """``CUDA_VISIBLE_DEVICES`` for a process that shall use this device alone, none for another kind."""
    if not device.startswith("cuda"):
        return ""
    index = int(device.partition(":")[2] or 0)
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return visible[index] if index < len(visible) else str(index)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _copy_or_link(source: str, target: str) -> None:
    if Path(source).stat().st_size > COPIED:
        with contextlib.suppress(OSError):
            Path(target).symlink_to(source)
            return
    shutil.copy2(source, target)


def _link(target: Path, place: Path) -> None:
    """Make ``place`` lead to ``target``; a folder of the repository keeps what is not in the folder of weights."""
    if place.is_dir() and target.is_dir() and not place.is_symlink():
        for inner in target.iterdir():
            _link(inner, place / inner.name)
        return
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def end_group(process: subprocess.Popen[Any]) -> None:
    """End a process and all that it started."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        if ending is signal.SIGTERM:
            _until_gone(process.pid, GRACE)


def _until_gone(group: int, seconds: float) -> None:
    """Wait until no process of the group is left, but not for ever."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(0.02)


class _Worker:
    """A process that answers, see ``serve.py``.

    Attributes:
        log: all that it printed.
        values: of the placeholders.
    """

    def __init__(self, command: list[str], folder: Path, variables: dict[str, str], values: dict[str, str]) -> None:
        self.log, self.values = folder.parent / "worker.txt", values
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=folder, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output,
                start_new_session=True,
            )  # fmt: skip

    def ask(self, request: dict[str, Any], limit: float, log: Path) -> Ended:
        """Have a job done; what is printed meanwhile goes to ``log``."""
        assert self._process.stdin is not None
        before = self.log.stat().st_size
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write((json.dumps(request) + "\n").encode())
            self._process.stdin.flush()
        ended = self.answer(limit)
        with self.log.open("rb") as printed:
            printed.seek(before)
            log.write_bytes(printed.read())
        return ended

    def answer(self, limit: float) -> Ended:
        """Wait for a line: of a process that goes on the status is None."""
        assert self._process.stdout is not None
        began = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(limit):
                return Ended(time.monotonic() - began, limit=limit)
        line = self._process.stdout.readline()  # written at once
        if not line:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
            end_group(self._process)  # some hang as they end
            return Ended(time.monotonic() - began, status=self._process.returncode)
        return Ended(time.monotonic() - began)

    def end(self) -> None:
        """End it; it is not asked to, since it may be busy."""
        end_group(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        shutil.rmtree(self.log.parent, ignore_errors=True)


def _identity(recipe: Recipe) -> list[str]:
    """Hashes of weights and of our own code."""
    found = [f"{name} {_weights_hash(file)}" for name, file in sorted(recipe.files.items())]
    modules = [recipe.worker.module] if recipe.worker else []
    modules += [recipe.hook.rpartition(".")[0]] if recipe.hook else []
    found += [weights.sha256(_file_of(name, "recipe")) for name in modules]
    scripts = {argument for step in recipe.steps for argument in step.arguments if argument.startswith("{scripts}/")}
    return found + [weights.sha256(Path(filled(name, {"scripts": str(SCRIPTS)}))) for name in sorted(scripts)]


def _file_of(module: str, where: str) -> Path:
    """Where a module's code is; it is not imported.

    Raises:
        UserError: there is no such module.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise UserError(f"{where}: there is no module {module}")
    return Path(spec.origin)


def _weights_hash(file: File) -> str:
    """Of a file its hash, of a repository of the hub its commit, of a folder the hash of names and files' hashes."""
    if file.weights in weights.HUB:
        return weights.HUB[file.weights].revision or weights.fingerprint(file.weights)
    if _own_folder(file) is None:
        return weights.fingerprint(file.weights)
    place = source_of(file, file.weights)
    inner = sorted(item for item in (place, *place.rglob("*")) if item.is_file())
    return keys.digest([(str(item.relative_to(place)), weights.sha256(item)) for item in inner])
