"""Timings, as ratios against a baseline in the same run; `make bench` runs them all."""

import time
from collections.abc import Callable


def seconds(job: Callable[[], object], repeats: int) -> float:
    """Fastest of ``repeats`` runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)
