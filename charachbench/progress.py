"""How far one is: a bar where somebody looks at a terminal, nothing elsewhere, and an event for each pair."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from charachbench import output

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live

T = TypeVar("T")

log = logging.getLogger(__name__)


def terminal() -> Console | None:
    """Where bars are drawn; None where nobody looks, or where a sweep's jobs in other processes would draw theirs."""
    shared = "job" in output.context and "jobs" not in output.context
    if output.is_json() or shared or not sys.stderr.isatty():
        return None
    from rich.console import Console

    return Console(stderr=True)


def track(items: Sequence[T], label: str) -> Iterator[T]:
    """Yield the items, showing how far one is and how long the rest will take."""
    with Bar(label, len(items)) as bar:
        for item in items:
            yield item
            bar.advance()


class Bar:
    """A bar, and below it what is being worked on and what has failed; drawn on a terminal alone.

    Args:
        label: of what.
        total: how many there are; those that are done when it is entered say nothing of how long the rest will take.
    """

    def __init__(self, label: str, total: int) -> None:
        self.label, self.total, self.done = label, total, 0
        self.current, self.failures, self.reason = "", 0, ""
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if (console := terminal()) is None:
            return self
        from rich import progress as rich
        from rich.live import Live

        self._progress = rich.Progress(
            rich.TextColumn("{task.description}", markup=False), rich.BarColumn(12), rich.MofNCompleteColumn(),
            rich.TimeElapsedColumn(), "elapsed,", rich.TimeRemainingColumn(), "left",
            console=console, speed_estimate_period=float("inf"),  # a pair may take minutes
        )  # fmt: skip
        job, jobs = output.context.get("job"), output.context.get("jobs")
        sweep = f"job {job}/{jobs}: " if jobs else f"job {job}: " if job else ""
        self._task = self._progress.add_task(sweep + self.label, total=self.total, completed=self.done)
        # what is printed meanwhile comes above it, but for a stdout that is no terminal
        self._live = Live(
            get_renderable=self._draw, console=console, transient=True, redirect_stdout=sys.stdout.isatty()
        )
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def advance(self) -> None:
        """One more is done."""
        self.done += 1
        if self._live is not None:
            self._progress.advance(self._task)

    def _draw(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        failed = f"{self.failures} failed, the last: {' '.join(self.reason.split())}" if self.failures else ""
        below = Text("  ").join([Text(part, style) for part, style in ((self.current, "dim"), (failed, "red")) if part])
        below.no_wrap, below.overflow = True, "ellipsis"
        return Group(self._progress, *([below] if below else []))


class Stage(Bar):
    """What becomes of a run's pairs: each is an event of the log, and the bar shows how many there were.

    Args:
        name: ``generate`` or ``score``.
        method: whose run.
        run: its key.
        total: how many pairs there are.
        reused: those that were done before.
    """

    def __init__(self, name: str, method: str, run: str, total: int, reused: Sequence[str]) -> None:
        super().__init__(f"{method}, {name}", total)
        self._fields = {"stage": name, "method": method, "run": run, "total": total}
        for pair in reused:
            if output.is_json():  # people read how many they are
                self.tell("pair_reused", pair, f"{method}: pair {pair} is in the store already")
            else:
                self.advance()

    def tell(
        self, event: str, pair: str, message: str, *, reason: str | None = None, ends: bool = True, **fields: Any
    ) -> None:
        """Log what became of a pair.

        Args:
            event: its name.
            pair: its name.
            message: that in words.
            reason: of a failure; None where there is none.
            ends: whether the pair is done with.
            fields: of the event.
        """
        if ends:
            self.advance()
        if reason is not None:
            self.failures, self.reason = self.failures + 1, reason
            fields["reason"] = reason
        told = output.event(event, **self._fields, pair=pair, done=self.done, **fields)
        log.log(logging.INFO if reason is None else logging.ERROR, "%s", message, extra=told)
