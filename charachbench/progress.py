"""Progress bars where somebody looks at a terminal, nothing elsewhere; and Ctrl-C, which is always heeded."""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def track(items: Sequence[T], label: str) -> Iterator[T]:
    """Yield the items, showing how far one is and how long the rest will take.

    Raises:
        KeyboardInterrupt: also before the next item, where one that came during an item was lost.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    quiet = not sys.stderr.isatty()
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress, _interrupts() as heed:
        for item in progress.track(items, description=label):
            yield item
            heed()


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], None]]:
    """A function that raises KeyboardInterrupt if one came: Python drops it in destructors and in callbacks from C."""
    came: list[int] = []

    def heed() -> None:
        if came:
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield heed
        return

    def handle(number: int, frame: Any) -> None:
        came.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield heed
    finally:
        signal.signal(signal.SIGINT, before)
