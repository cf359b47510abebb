"""How much faster two jobs on one store are than one: `python -m benchmarks.throughput [COMMAND ARGUMENT ...]`.

Every job gets as many threads as it would beside the others, alone too: else one job's libraries take all cores, and
the ratio tells of them alone. A job is ``charachbench generate method=warp`` on the toy benchmark where no other
command line is given; what stands for ``{job}`` and ``{jobs}`` in it is the job's number and how many there are
(``shard.index={job} shard.count={jobs}``).
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

JOBS = (1, 2)
TIMES = 2
COMMAND = ("generate", "method=warp")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


def start(arguments: list[str], results: Path, job: int, jobs: int) -> "subprocess.Popen[bytes]":
    """One of so many jobs."""
    threads = str(max(1, len(os.sched_getaffinity(0)) // max(JOBS)))
    given = [argument.replace("{job}", str(job)).replace("{jobs}", str(jobs)) for argument in arguments]
    command = [sys.executable, "-m", "charachbench", *given, f"results={results}", "device=cpu"]
    return subprocess.Popen(command, env=os.environ | dict.fromkeys(THREADS, threads), stdout=subprocess.DEVNULL)


def measure(arguments: list[str], jobs: int, cache: Path) -> tuple[float, float, float, int]:
    """Seconds from the start to the end of all jobs; pairs a second once all work; CPU seconds of all; pairs."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        (results / "cache").symlink_to(cache)
        start_time, cpu_before = time.perf_counter(), cpu()
        processes = [start(arguments, results, job, jobs) for job in range(jobs)]
        if sum(process.wait() for process in processes):
            raise SystemExit("a job failed")
        wall = time.perf_counter() - start_time
        records = [json.loads(path.read_text()) for path in results.glob("*/*/*/record.json")]
        ends = sorted(datetime.fromisoformat(record["finished"]).timestamp() for record in records)
        # from when every job has made its first pair to when the first one has nothing left to do
        middle = ends[jobs : len(ends) - jobs]
        return wall, (len(middle) - 1) / (middle[-1] - middle[0]), cpu() - cpu_before, len(ends)


def cpu() -> float:
    """Seconds of CPU time that ended jobs took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    arguments = sys.argv[1:] or list(COMMAND)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        measure(arguments, 1, cache)  # draws the toy benchmark
        found: dict[int, list[tuple[float, float, float]]] = {jobs: [] for jobs in JOBS}
        for _ in range(TIMES):
            for jobs in JOBS:
                wall, steady, used, pairs = measure(arguments, jobs, cache)
                found[jobs].append((pairs / wall, steady, pairs / used))
    best = {jobs: [max(values) for values in zip(*each, strict=True)] for jobs, each in found.items()}
    print(f"{' '.join(arguments)}, {pairs} pairs, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    for jobs, (whole, steady, a_second_of_cpu) in best.items():
        print(
            f"{jobs} job{'s' if jobs > 1 else ''}: {steady:.2f} pairs a second ({whole:.2f} with start-up), "
            f"{1 / a_second_of_cpu:.2f} s of CPU a pair, start-up with it"
        )
    one, two = best[1], best[2]
    print(f"{two[1] / one[1]:.2f} times ({two[0] / one[0]:.2f} with start-up)")


if __name__ == "__main__":
    main()
