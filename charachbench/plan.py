"""What a method on a benchmark takes before it runs: pairs, frames, time and disk, less what is done."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from charachbench import config, room
from charachbench.benchmark.types import Benchmark
from charachbench.generate import describe_run
from charachbench.store import Run, Store


@dataclass(frozen=True)
class Plan:
    """Of one method; what is done with other weights than the present ones counts as done.

    Attributes:
        pairs: how many the benchmark has.
        done: how many of them are in the store.
        failed: how many failed; they are tried again, so they are left, too.
        left: how many are to be made.
        frames: of these.
        seconds_per_frame: median of finished pairs of the same size; None where it is not known.
        timed_by: what that is taken from.
        seconds: to make what is left, but for loading and scoring; None where that is not known.
        job_seconds: of each of the jobs that run side by side.
        bytes: that what is left will take.
    """

    method: str
    run: str
    pairs: int
    done: int
    failed: int
    left: int
    frames: int
    seconds_per_frame: float | None
    timed_by: str
    seconds: float | None
    job_seconds: float | None
    bytes: room.Bytes


def plan(settings: config.Config, benchmark: Benchmark, store: Store, extent: room.Extent) -> Plan:
    """Look into the store, at drivers and at characters; loads no weights.

    Args:
        settings: with a method.
        benchmark: whose pairs.
        store: where they are or will be.
        extent: remembers what was looked at, for the next method.
    """
    info = describe_run(settings, benchmark)
    run = store.find_run(benchmark, info)
    known = run.folder.is_dir()
    finished, failed = (run.finished(benchmark), run.failed(benchmark)) if known else ({}, {})
    done = {
        name
        for name, (entry, _) in finished.items()
        if (found := run.found[entry.folder.name]).is_whole and not (settings.store.restore and found.pruned)
    }
    for pair in benchmark.pairs:
        if pair.name in finished:
            extent.learn(pair, finished[pair.name][1])
    left = [pair for pair in benchmark.pairs if pair.name not in done]
    work = extent.of(left)
    records = [record for _, record in finished.values()]
    pace, timed_by = _pace(settings.plan, work, run, records, store.runs(benchmark), benchmark)
    seconds = 0.0 if not left else None if pace is None or not work.frames else pace * work.frames
    share = math.ceil(len(left) / settings.plan.jobs) / len(left) if left else 0.0  # pairs are not divided
    return Plan(
        method=info.method_name, run=info.key, pairs=len(benchmark.pairs), done=len(done), failed=len(failed),
        left=len(left), frames=work.frames, seconds_per_frame=pace, timed_by=timed_by, seconds=seconds,
        job_seconds=None if seconds is None else seconds * share,
        bytes=room.a_pixel(settings, benchmark, store, run) * work.pixels,
    )  # fmt: skip


def _pace(
    chosen: config.PlanConfig,
    work: room.Work,
    run: Run,
    records: Sequence[dict[str, Any]],
    runs: Iterable[Run],
    benchmark: Benchmark,
) -> tuple[float | None, str]:
    """Seconds a frame, and whose they are: the run's, else those of its namesakes, else what is given."""
    if own := _times(records, work):
        return statistics.median(own), f"by {len(own)} pairs of this run on {_devices(records)}"
    for other in runs:
        if other.info.method_name == run.info.method_name and other.info.key != run.info.key:
            theirs = [record for _, record in other.finished(benchmark).values()]
            if times := _times(theirs, work):
                return statistics.median(
                    times
                ), f"by {len(times)} pairs of run {other.info.key[:8]} on {_devices(theirs)}"
    if chosen.seconds_per_frame is not None:
        return chosen.seconds_per_frame, "by plan.seconds_per_frame"
    return None, "unknown, as no pair of this size is finished; plan.seconds_per_frame=VALUE tells"


def _times(records: Iterable[dict[str, Any]], work: room.Work) -> list[float]:
    """Seconds a frame of pairs of the sizes that are left, or of any where nothing is."""
    fit = [record for record in records if not work.sizes or tuple(record["size"]) in work.sizes]
    return [record["seconds"]["generate"] / record["frames"] for record in fit]


def _devices(records: Iterable[dict[str, Any]]) -> str:
    return " and ".join(sorted({str(record.get("device_name", "?")) for record in records}))
