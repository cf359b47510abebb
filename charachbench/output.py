"""The one door of what is printed: text for people, or JSON Lines for programs (``log=json``).

Lines come through ``logging``, where ``extra=event(...)`` says what happened; tables come through ``show``. As JSON
each line is an object with ``time`` (ISO 8601, UTC), ``level``, ``event``, ``message``, and the event's own fields.

Run as a program, this file turns the lines of others into such objects; so it imports nothing but the standard library.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import math
import numbers
import os
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console, RenderableType

QUIET = frozenset({"job_started", "job_done", "pair_made", "pair_reused", "pair_scored"})
"""Events that as text are lines of the job's log file alone: a bar shows them, and a summary follows."""

context: dict[str, Any] = {}
"""Fields of every event: of a sweep the number of the job, and in the process that started it how many there are."""

_FILTERED = "CHARACHBENCH_LINES_ARE_FILTERED"
_json = False


def use(log: str) -> None:
    """Print JSON Lines from now on, or text.

    Args:
        log: ``json``; anything else is text.
    """
    global _json
    _json = log == "json"
    own = sys.stdout is sys.__stdout__ and sys.stderr is sys.__stderr__  # or whoever replaced them knows why
    if _json and own and _FILTERED not in os.environ:
        os.environ[_FILTERED] = "1"  # for the processes that share both streams with this one
        _filter()


def is_json() -> bool:
    """Whether JSON Lines are printed."""
    return _json


def event(name: str, **fields: Any) -> dict[str, Any]:
    """What a line of the log is about, for its ``extra``."""
    return {"event": name, "fields": fields}


class Handler(logging.StreamHandler[Any]):
    """Where Hydra's loggers print; a bar that is drawn replaces ``sys.stdout``, to put lines above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line, unless it is for the log file alone."""
        if _json or getattr(record, "event", None) not in QUIET:
            self.stream = sys.stdout
            super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        """As the formatter does, or as JSON."""
        if not _json:
            return super().format(record)
        fields = getattr(record, "fields", {})
        if record.exc_info:
            fields = {**fields, "traceback": "".join(traceback.format_exception(*record.exc_info))}
        name = getattr(record, "event", "message")
        return _line(record.created, record.levelname.lower(), name, record.getMessage(), fields)


def show(name: str, rows: Iterable[Any], *shown: RenderableType, console: Console | None = None, **fields: Any) -> None:
    """Print tables, or as JSON the event with the rows that they show.

    Args:
        name: of the event.
        rows: mappings, dataclasses or sequences; looked at for JSON alone.
        shown: what people see.
        console: where, if not on any one.
        fields: of the event.
    """
    if _json:
        listed = list(rows)
        _print(name, f"{name}: {len(listed)} rows", {**fields, "rows": listed})
        return
    from rich.console import Console

    console = console or Console()
    for each in shown:
        console.print(each)


def wrote(path: Path) -> None:
    """Tell the path of a file that was written."""
    if _json:
        _print("file_written", str(path), {"path": path})
        return
    from rich.console import Console

    Console().out(path)


def fail(message: str, status: int, **fields: Any) -> int:
    """Tell on stderr why the command line ends; returns the exit status."""
    if _json:
        sys.stderr.write(_line(time.time(), "error", "command_failed", message, {"status": status, **fields}) + "\n")
    else:
        sys.stderr.write(f"charachbench: {message}\n")
    return status


def _print(name: str, message: str, fields: Mapping[str, Any]) -> None:
    sys.stdout.write(_line(time.time(), "info", name, message, fields) + "\n")
    sys.stdout.flush()


def _line(when: float, level: str, name: str, message: str, fields: Mapping[str, Any]) -> str:
    """One object in strict JSON, all ASCII, so that any encoding of a stream can write it."""
    moment = datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")
    stated = {"time": moment, "level": level, "event": name, "message": message}
    return json.dumps(stated | _plain({**context, **fields} | stated), allow_nan=False)


def _plain(value: Any) -> Any:
    """What JSON knows: a number that is not finite is null, anything unknown is its text."""
    if is_dataclass(value) and not isinstance(value, type):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    return value.name if isinstance(value, Enum) else str(value)


def _filter() -> None:
    """Put a process of its own behind stdout and stderr, which turns the lines of others into events.

    So libraries in C are reached, which know nothing of Python's streams, and what is printed before a crash is kept.
    """
    import subprocess

    end, filters = os.urandom(16).hex(), {}
    sys.stdout.flush()
    sys.stderr.flush()
    for number, name in ((1, "stdout"), (2, "stderr")):
        command = [sys.executable, "-I", __file__, name, end]
        # in a session of its own: Ctrl-C is for the command, whose last words are still to be printed
        filters[number] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=number, start_new_session=True)
        with filters[number].stdin as pipe:  # type: ignore[union-attr]
            os.dup2(pipe.fileno(), number)

    def finish() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, process in filters.items():
            with contextlib.suppress(BrokenPipeError):
                os.write(number, f"\n{end}\n".encode())  # other processes may keep the pipe open
            process.wait()

    atexit.register(finish)


def _pass_on(stream: str, end: str) -> None:
    """Copy lines from stdin to stdout until the one that ends them: events as they are, others as events."""
    for line in sys.stdin.buffer:
        text = line.decode(errors="replace").rstrip().rpartition("\r")[2]  # of a bar, what it shows last
        if text == end:
            return
        if text:
            told = text if _is_event(text) else _line(time.time(), "info", "message", text, {"stream": stream})
            sys.stdout.write(told + "\n")
            sys.stdout.flush()


def _is_event(text: str) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and {"time", "level", "event", "message"} <= found.keys()


if __name__ == "__main__":
    try:
        _pass_on(*sys.argv[1:])
    except BrokenPipeError:  # nobody reads any more
        os._exit(1)
