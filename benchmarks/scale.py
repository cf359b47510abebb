"""What it costs to run everything again when all is done, and to make a leaderboard: against the number of pairs.

Each measurement is a process of its own; what it imports, and opening the benchmark, is not counted.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import stores

CHARACTERS, METHODS, METRICS = 46, 10, 12
DRIVERS = (2, 11, 24, 109)
"""Times 460: about 1,000, 5,000, 11,000 and 50,000 pairs."""
TIMES = 3


def rerun(root: Path, drivers: int) -> Callable[[], object]:
    """Generates and evaluates every method."""
    from charachbench.evaluate import evaluate
    from charachbench.generate import generate
    from charachbench.store import Store

    benchmark, named = stores.benchmark(CHARACTERS, drivers), stores.metrics(METRICS)

    def job() -> None:
        store = Store(root)
        for method in range(METHODS):
            settings = stores.settings(root, method)
            outcome = generate(settings, benchmark, store)
            tally = evaluate(settings, benchmark, outcome.run, named)
            if len(outcome.reused) != CHARACTERS * drivers or tally.reused != CHARACTERS * drivers * METRICS:
                raise RuntimeError("something was done again")

    return job


def leaderboard(root: Path, drivers: int) -> Callable[[], object]:
    """Makes and writes the tables, without statistics."""
    from charachbench.commands import leaderboard as command
    from charachbench.store import Store

    benchmark, named = stores.benchmark(CHARACTERS, drivers), stores.metrics(METRICS)
    settings = stores.settings(root, 0)
    settings.leaderboard.statistics = False

    def job() -> None:
        store = Store(root)
        if (made := command.make(settings, benchmark, store, named)) is None:
            raise RuntimeError("the store is empty")
        command.show(made, store.benchmark_folder(benchmark))

    return job


JOBS: dict[str, Callable[[Path, int], Callable[[], object]]] = {"rerun": rerun, "leaderboard": leaderboard}


def child(name: str, root: Path, drivers: int) -> None:
    """Do one job; the last line that is printed tells what it took."""
    import pandas  # noqa: F401

    job = JOBS[name](root, drivers)
    before, wall, cpu = peak(), time.perf_counter(), time.process_time()
    job()
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "memory": peak(), "before": before}
    print("\n" + json.dumps(took))


def peak() -> float:
    """Of this process, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, root: Path, drivers: int) -> dict[str, Any]:
    """The job in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale", name, str(root), str(drivers)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    for drivers in DRIVERS:
        pairs = CHARACTERS * drivers * METHODS
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            stores.fill(root, stores.benchmark(CHARACTERS, drivers), METHODS, stores.metrics(METRICS))
            for name in JOBS:
                first, *again = [measure(name, root, drivers) for _ in range(TIMES)]
                best = {what: min(each[what] for each in again) for what in first}
                print(
                    f"{pairs} pairs, {name}: {best['wall']:.2f} s ({best['cpu']:.2f} s of CPU, "
                    f"{1e6 * best['cpu'] / pairs:.0f} us a pair), at first {first['wall']:.2f} s; "
                    f"peak memory {best['memory']:.0f} MiB ({best['before']:.0f} before)",
                    flush=True,
                )


if __name__ == "__main__":
    if len(sys.argv) == 4:
        child(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
