"""Decoded videos that are likely to be wanted again, by the next pair, metric or method."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Recent:
    """Keeps what was made last, up to so many bytes; the very last whatever its size.

    May be asked from several threads: each value is made once, and nobody waits for another one's.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[Future[Any], int]] = OrderedDict()

    def get(self, key: str, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """What ``make()`` gave for an equal ``key``, or gives now; ``size`` tells its bytes. Failures are not kept."""
        with self._lock:
            known = self._kept.get(key)
            future: Future[T] = known[0] if known else Future()
            if known:
                self._kept.move_to_end(key)
            else:
                self._kept[key] = future, 0
        if known:
            return future.result()
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                self._kept.pop(key, None)
            future.set_exception(error)
            raise
        with self._lock:
            self._kept[key] = future, size(value)
            while len(self._kept) > 1 and sum(bytes_ for _, bytes_ in self._kept.values()) > self.limit:
                self._kept.popitem(last=False)
        future.set_result(value)
        return value


recent = Recent(512 * 2**20)
"""Shared by all benchmarks of a process: keys are fingerprints, which say all about a video."""
