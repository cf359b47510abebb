"""`charachbench plan`: tell what a benchmark takes before it runs: pairs, frames, hours, disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charachbench import config, output, room
from charachbench.commands import methods, open_benchmark
from charachbench.errors import UserError
from charachbench.plan import Plan, plan
from charachbench.store import Store

if TYPE_CHECKING:
    from rich.table import Table

COUNTS = ("pairs", "done", "failed", "left", "frames")


def execute(settings: config.Config) -> list[str]:
    """Print a row for each method, and one for all; nothing is written and nothing can fail halfway."""
    chosen = settings.plan
    if chosen.jobs < 1:
        raise UserError(f"plan.jobs={chosen.jobs}: accepted are whole numbers from 1")
    if chosen.seconds_per_frame is not None and not 0 < chosen.seconds_per_frame < float("inf"):
        raise UserError(f"plan.seconds_per_frame={chosen.seconds_per_frame}: accepted are seconds above 0")
    if chosen.methods is not None:
        configured = [_with_method(settings, name) for name in dict.fromkeys(chosen.methods)]
    elif settings.method is not None:
        configured = [settings]
    else:
        raise UserError("plan: of which method? accepted: method=NAME, plan.methods=[NAME,NAME]")
    store, extent = Store(Path(settings.results)), room.Extent()
    benchmark = open_benchmark(settings, store)
    plans, free = [plan(each, benchmark, store, extent) for each in configured], room.free(store)
    total = _total(plans)
    output.show(
        "plan", plans, _table(plans, total, free, chosen.jobs), *_notes(plans, free),
        benchmark=benchmark.name, jobs=chosen.jobs, free=free, total=total,
    )  # fmt: skip
    return []


def _with_method(settings: config.Config, name: str) -> config.Config:
    """The settings with another method.

    Raises:
        UserError: there is none, or it needs a setting.
    """
    from omegaconf import OmegaConf

    files = dict(methods.choices("method"))
    if name not in files:
        raise UserError(f"plan.methods: '{name}' is not known;{config.suggest(name, sorted(files))}")
    base = OmegaConf.structured(replace(settings, metrics={}, method=None))
    node = methods.with_choice(base, "method", name, files[name]).method
    if missing := sorted(OmegaConf.missing_keys(node)):
        raise UserError(f"plan.methods: {name} needs a setting of its own; use method={name} {missing[0]}=VALUE")
    return replace(settings, method=OmegaConf.to_container(node, resolve=True), method_name=name)


def _total(plans: Sequence[Plan]) -> dict[str, Any]:
    """Sums; of times None where one is not known. Jobs do one method after the other."""

    def times(name: str) -> float | None:
        known = [getattr(each, name) for each in plans]
        return None if None in known else sum(known)

    counts = {name: sum(getattr(each, name) for each in plans) for name in COUNTS}
    needed = {name: sum(getattr(each.bytes, name) for each in plans) for name in ("least", "likely", "most")}
    return counts | {"seconds": times("seconds"), "job_seconds": times("job_seconds"), "bytes": needed}


def _table(plans: Sequence[Plan], total: dict[str, Any], free: int, jobs: int) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="What is left to do", title_justify="left", box=SIMPLE_HEAD, show_footer=len(plans) > 1)

    def column(heading: str, foot: Any, left: bool = False) -> None:
        table.add_column(heading, str(foot), justify="left" if left else "right", overflow="fold")

    column("method", "all", left=True)
    for name in COUNTS:
        column(name, f"{total[name]:,}")
    column("s a frame", "")
    column("time", _time(total["seconds"]))
    if jobs > 1:
        column(f"in {jobs} jobs", _time(total["job_seconds"]))
    column("disk", room.text(total["bytes"]["likely"]))
    for each in plans:
        counts = [f"{getattr(each, name):,}" for name in COUNTS]
        pace = "?" if each.seconds_per_frame is None else f"{each.seconds_per_frame:.3g}"
        times = [_time(each.seconds), *([_time(each.job_seconds)] if jobs > 1 else [])]
        table.add_row(escape(each.method), *counts, pace, *times, room.text(each.bytes.likely))
    likely, most = (room.text(total["bytes"][name]) for name in ("likely", "most"))
    table.caption = f"{likely} (at most {most}) of {room.text(free)} that are free"
    return table


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def _notes(plans: Sequence[Plan], free: int) -> list[Any]:
    """Where times and sizes are from, and whether the disk will do."""
    from rich.text import Text

    notes = [f"{each.method}: time {each.timed_by}; disk by {each.bytes.source}." for each in plans if each.left]
    notes += ["Failed pairs are tried again. Times are of generating alone: loading and scoring come on top."]
    least, most = (sum(getattr(each.bytes, name) for each in plans) for name in ("least", "most"))
    if least > free:
        notes.append("The disk is too small.")
    elif most > free:
        notes.append("The disk may be too small.")
    return [Text(note, style="dim") for note in notes]
