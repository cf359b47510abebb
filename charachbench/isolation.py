"""A method in a process of its own, which may crash or hang: its pair fails, and the next one has a new process."""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from charachbench import provenance
from charachbench.benchmark.types import Benchmark, Pair
from charachbench.config import Config
from charachbench.errors import PairFailure
from charachbench.protocols import Animation, Method

if TYPE_CHECKING:
    from pebble import ProcessPool

Result = TypeVar("Result")

GRACE = 5.0
"""Seconds that the process has to end when it is told to."""
_PARENT_DIED = 1
"""Of Linux's prctl: which signal to get then."""


class Isolated(Method):
    """Looks like the method that the settings describe; animates in another process.

    The settings and the names of pairs go there, results come back; so the benchmark is opened there once more.

    Args:
        method: the same method in this process, where it is never loaded.
        settings: which describe it; their ``time_limit`` ends a pair's process, loading not counted.
    """

    def __init__(self, method: Method, settings: Config) -> None:
        self._here, self._settings = method, settings
        self.kind = method.kind  # type: ignore[misc]
        self._pool: ProcessPool | None = None
        self._loaded = False
        self._expected: list[str] = []

    @property
    def random(self) -> bool:
        """The method's."""
        return self._here.random

    def prepare(self, benchmark: Benchmark, cache: Path) -> None:
        """Prepare the method here, for ``fingerprint``."""
        self._here.prepare(benchmark, cache)

    def fingerprint(self, pair: Pair) -> str:
        """The method's."""
        return self._here.fingerprint(pair)

    def expect(self, pairs: Sequence[Pair]) -> None:
        """Tell the method, once it is loaded."""
        self._expected = [pair.name for pair in pairs]

    def lacks(self) -> str:
        """The method's."""
        return self._here.lacks()

    def load(self, device: str) -> None:
        """Start the process and load the method there."""
        from pebble import ProcessPool

        self._device = device
        if self._pool is None:
            context = multiprocessing.get_context("spawn")  # a fork would inherit a GPU that it cannot use
            self._pool = ProcessPool(1, initializer=_begin, initargs=[self._settings], context=context)
        self._call(None, _load, device, self._expected)
        self._loaded = True

    def animate(self, pair: Pair, seed: int) -> Animation:
        """See ``Method``.

        Raises:
            PairFailure: the process crashed, or took too long.
        """
        if not self._loaded:
            self.load(self._device)
        animation = self._call(self._settings.time_limit, _animate, pair.name, seed)
        self._expected = [name for name in self._expected if name != pair.name]
        return animation

    def take_less(self) -> bool:
        """Have the method take less."""
        return self._loaded and self._call(None, _take_less)

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._pool is not None:
            with contextlib.suppress(Exception):
                self._call(GRACE, _close)
            self._pool.stop()
            self._pool.join()
            self._pool = None
        self._here.close()

    def _call(self, time_limit: float | None, function: Callable[..., Result], *arguments: Any) -> Result:
        from pebble import ProcessExpired

        if self._pool is None:
            raise RuntimeError("load comes first")
        try:
            result: Result = self._pool.schedule(function, args=arguments, timeout=time_limit).result()
        except concurrent.futures.TimeoutError as error:
            self._loaded = False
            raise PairFailure(f"took longer than time_limit={time_limit:g} s", "time_limit") from error
        except ProcessExpired as error:
            self._loaded = False
            raise PairFailure(f"its process {_manner(error.exitcode)}", "died") from error
        return result


def _manner(status: int) -> str:
    if status >= 0:
        return f"ended by itself, with status {status}"
    name = signal.Signals(-status).name if -status in list(signal.Signals) else str(-status)
    hint = ", which the system sends when memory runs out" if -status == signal.SIGKILL else ""
    return f"was ended by the signal {name}{hint}"


# What follows runs in the other process.

_method: Method
_pairs: dict[str, Pair]
_device: str


def _begin(settings: Config) -> None:
    global _method, _pairs
    from charachbench.commands import open_benchmark
    from charachbench.generate import as_seen, build_method
    from charachbench.store import Store

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DIED, signal.SIGKILL)
    _method, store = build_method(settings), Store(Path(settings.results))
    given = sorted(settings.method.get("given", []))
    opened = open_benchmark(settings, store)
    seen = replace(opened, pairs=tuple(as_seen(pair, given) for pair in opened.pairs))
    _method.prepare(seen, store.cache)
    _pairs = {pair.name: pair for pair in seen.pairs}


def _load(device: str, expected: list[str]) -> None:
    global _device
    _device = provenance.resolve_device(device)
    _method.expect([_pairs[name] for name in expected])
    _method.load(device)


def _animate(name: str, seed: int) -> Animation:
    pair = _pairs[name]
    _ = pair.driver.video, pair.character.image  # so that decoding is not counted as the method's time
    memory, start = provenance.PeakMemory(_device), time.perf_counter()
    animation = _method.animate(pair, seed)
    seconds = time.perf_counter() - start if animation.seconds is None else animation.seconds
    return replace(animation, seconds=seconds, peak_memory=memory.read())


def _take_less() -> bool:
    return _method.take_less()


def _close() -> None:
    _method.close()
