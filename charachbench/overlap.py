"""What goes on beside the method: the next pair is read and the last one stored while it works on this one.

The method itself, locks, events and counts stay in the caller's thread. At most one thing is read ahead and at most one
is being stored, so memory holds two results at a time and never more.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE = 5.0
"""Seconds: a scheduler that wants its machine back kills after 10 or more."""


class Ahead(Generic[Item, Result]):
    """Does ``work`` of the next item, in another thread, while the caller is busy with this one.

    Args:
        work: what is done of each.
        items: in the order in which they will be asked for; some may be left out.
    """

    def __init__(self, work: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self._work = work
        self._after = {id(item): following for item, following in itertools.pairwise(items)}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._begun: tuple[Item, Future[Result]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def get(self, item: Item) -> Result:
        """What ``work(item)`` gives, or raises; begins with the item after it."""
        begun, self._begun = self._begun, None
        future = begun[1] if begun is not None and begun[0] is item else self._pool.submit(self._work, item)
        try:
            return future.result()
        finally:
            if (following := self._after.get(id(item))) is not None:
                self._begun = following, self._pool.submit(self._work, following)


class Behind(Generic[Result]):
    """Ends one thing, in another thread, while the caller goes on with the next.

    Left by an exception, what was begun is given ``PATIENCE`` to end all the same, and is then dropped; if it fails,
    the first exception is what is told.

    Attributes:
        dropped: set where what was begun shall not go on.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="behind")
        self._begun: tuple[Future[Result], Callable[[Future[Result]], object]] | None = None
        self.dropped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is not None and self._begun is not None and not wait([self._begun[0]], PATIENCE).done:
                self.dropped.set()
            self.wait()
        except Exception:
            if kind is None:
                raise
        finally:
            self._pool.shutdown(wait=False)

    def begin(self, work: Callable[[], Result], ended: Callable[[Future[Result]], object]) -> None:
        """Begin ``work``, all before it being waited for; ``wait`` calls ``ended``, in the caller's thread."""
        if self._begun is not None:
            raise RuntimeError("wait for what was begun before")
        self._begun = self._pool.submit(work), ended

    def wait(self) -> None:
        """Wait until nothing is begun any more.

        Raises:
            Exception: what ``ended`` raises.
        """
        if self._begun is not None:
            future, ended = self._begun
            future.exception()  # an interrupt here forgets nothing
            self._begun = None
            ended(future)
