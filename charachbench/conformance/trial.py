"""A method while it is tried."""

from __future__ import annotations

import gc
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from charachbench.benchmark.types import Benchmark, Pair
from charachbench.conformance.cases import Case
from charachbench.generate import as_seen
from charachbench.protocols import Animation, Method
from charachbench.provenance import PeakMemory

HOUSEKEEPING = ("pymp-", "torchinductor_")
"""How temporary folders are called that Python and torch make by themselves."""


class Fails(Exception):  # noqa: N818 - an outcome, not an error
    """What was wrong and what is wanted."""


class Skipped(Exception):  # noqa: N818 - likewise
    """Why a check cannot be done."""


class _Caller:
    """Calls one function after the other in one thread, so that one that does not end can be given up."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def __call__(self, function: Callable[[], Any], seconds: float) -> Future[Any]:
        """Not done, if the function did not end in time."""
        called: Future[Any] = Future()
        self._work.put((called, function))
        wait([called], seconds)
        return called

    def stop(self) -> None:
        """Let the thread end, once it can."""
        self._work.put(None)

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            try:
                result = item[1]()
            except BaseException as error:  # an upstream's SystemExit too
                item[0].set_exception(error)
            else:
                item[0].set_result(result)
                del result
            del item  # or the method would live on


@dataclass(eq=False)
class Trial:
    """A method while it is tried; the checks of ``CHECKS`` fill it in, in their order.

    Attributes:
        make: makes the method anew.
        cases: see ``cases``.
        given: what the method may see, see ``charachbench.generate.as_seen``.
        device: definite.
        time_limit: seconds that a call may take.
        folder: an empty one.
        method: the one in use.
        first: what it made of the ordinary pair.
        failed: names of checks.
        hung: the call that did not end, empty if all did.
    """

    make: Callable[[], Method]
    cases: dict[str, Case]
    given: list[str]
    device: str
    seed: int
    time_limit: float
    folder: Path
    method: Method | None = None
    first: Animation | None = None
    failed: set[str] = field(default_factory=set)
    hung: str = ""
    seconds: list[float] = field(default_factory=list)
    memory: dict[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._handed: list[tuple[Pair, Case]] = []
        self._call = _Caller()
        self.threads, self.processes, self.files = set(threading.enumerate()), descendants(), working_folder()
        self.largest_child = largest_child()
        self.cache, self.temporary = self.folder / "cache", self.folder / "temporary"
        for folder in (self.cache, self.temporary):
            folder.mkdir()

    def call(self, what: str, *arguments: Any) -> Any:
        """What the method's function ``what`` returns, or raises."""
        try:
            called = self._call(partial(getattr(self.method, what), *arguments), self.time_limit)
        except KeyboardInterrupt:
            self.hung = what  # it goes on, and close must not wait for it
            raise
        if called.done():
            return called.result()
        self.hung = what
        raise Fails(f"{what} did not end in {self.time_limit:g} s; accepted is any end, or a longer time limit")

    def prepare(self) -> None:
        """Show the method the benchmark."""
        pairs = tuple(self.pair(case) for case in self.cases.values())
        self.call("prepare", Benchmark("conformance", {}, pairs), self.cache)

    def load(self, *expected: str) -> None:
        """Load the method, which then expects the named cases."""
        self.call("expect", [self.pair(self.cases[name]) for name in expected])
        self.call("load", self.device)

    def pair(self, case: Case) -> Pair:
        """A pair as the method may see it."""
        pair = as_seen(case.pair(), self.given)
        self._handed.append((pair, case))
        return pair

    def animate(self, name: str) -> Animation:
        """What the method makes of a case.

        Raises:
            Fails: no ``Animation``, or the call did not end.
            Exception: whatever the method raises.
        """
        if name not in self.cases:
            raise Skipped("the benchmark has no such pair")
        pair, memory, start = self.pair(self.cases[name]), PeakMemory(self.device), time.perf_counter()
        made = self.call("animate", pair, self.seed)
        seconds = time.perf_counter() - start
        if not isinstance(made, Animation):
            raise Fails(f"animate returned {type(made).__name__}; wanted is a charachbench.protocols.Animation")
        if name == "ordinary":
            self.seconds.append(seconds if made.seconds is None else made.seconds)
            self.memory = memory.read()
        return made

    def written_to(self) -> str:
        """What the method wrote to of all that it was handed; empty where nothing."""
        return next(filter(None, (case.changed(pair) for pair, case in self._handed)), "")

    def drop(self) -> None:
        """Close the method and let it go."""
        if self.method is not None and self.hung:
            self._call.stop()
            self._call = _Caller()  # the other one is busy
        if self.method is not None:
            try:
                self.call("close")
            finally:
                self.method = None
                gc.collect()

    def stop(self) -> None:
        """End the thread of calls."""
        self._call.stop()


def descendants() -> dict[int, str] | None:
    """Names of the processes below this one, by number; None where the system does not tell."""
    found: dict[int, tuple[int, str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            name, _, rest = path.read_text().partition(" (")[2].rpartition(") ")
            state, parent = rest.split()[:2]
            keeps_house = b"resource_tracker" in path.with_name("cmdline").read_bytes()  # Python's own, until it ends
            if state != "Z" and not keeps_house:
                found[int(path.parent.name)] = int(parent), name
    if os.getpid() not in found:
        return None
    below: dict[int, str] = {}
    added = {os.getpid()}
    while added:
        added = {pid for pid, (parent, _) in found.items() if parent in added}
        below |= {pid: found[pid][1] for pid in added}
    return below


def working_folder() -> set[str]:
    """Names in it, and no further: others may be at work there."""
    return {path.name for path in Path().iterdir() if path.name != "__pycache__"}


def largest_child() -> float:
    """Peak memory in MiB of the largest child process that has ended."""
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
