"""How much faster two jobs on one store are than one: `python -m benchmarks.throughput [COMMAND ARGUMENT ...]`.

Every job gets the cores that it has beside the others, alone too: else one job, which stores a pair while it works on
the next, takes more than its share, and the ratio tells of that. What one job does with all cores is told, too. A job
is ``charachbench generate method=warp`` on the toy benchmark where no other command line is given; what stands for
``{job}`` and ``{jobs}`` in it is the job's number and how many there are (``shard.index={job} shard.count={jobs}``).
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
CORES = sorted(os.sched_getaffinity(0))
COMMAND = ("generate", "method=warp")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


def start(arguments: list[str], results: Path, job: int, jobs: int, cores: int) -> "subprocess.Popen[bytes]":
    """One of so many jobs, on so many cores."""
    threads, own = str(cores), CORES[job * cores : (job + 1) * cores]
    given = [argument.replace("{job}", str(job)).replace("{jobs}", str(jobs)) for argument in arguments]
    command = [sys.executable, "-m", "charachbench", *given, f"results={results}", "device=cpu"]
    return subprocess.Popen(
        command,
        env=os.environ | dict.fromkeys(THREADS, threads),
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, own),
    )


def measure(arguments: list[str], jobs: int, cores: int, cache: Path) -> tuple[float, float, float, int]:
    """Seconds from the start to the end of all jobs; pairs a second once all work; CPU seconds of all; pairs."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        (results / "cache").symlink_to(cache)
        start_time, cpu_before = time.perf_counter(), cpu()
        processes = [start(arguments, results, job, jobs, cores) for job in range(jobs)]
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
    share = max(1, len(CORES) // max(JOBS))
    cases = [(1, len(CORES)), *((jobs, share) for jobs in JOBS)]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        measure(arguments, *cases[0], cache)  # draws the toy benchmark
        found: dict[tuple[int, int], list[tuple[float, float, float]]] = {case: [] for case in cases}
        for _ in range(TIMES):
            for case in cases:
                wall, steady, used, pairs = measure(arguments, *case, cache)
                found[case].append((pairs / wall, steady, pairs / used))
    best = {case: [max(values) for values in zip(*each, strict=True)] for case, each in found.items()}
    print(f"{' '.join(arguments)}, {pairs} pairs, {len(CORES)} cores, load {os.getloadavg()[0]:.1f}")
    for (jobs, cores), (whole, steady, a_second_of_cpu) in best.items():
        print(
            f"jobs: {jobs}, cores of each: {cores}: {steady:.2f} pairs a second ({whole:.2f} with start-up), "
            f"{1 / a_second_of_cpu:.2f} s of CPU a pair, start-up with it"
        )
    one, two = best[1, share], best[max(JOBS), share]
    print(f"{two[1] / one[1]:.2f} times ({two[0] / one[0]:.2f} with start-up)")


if __name__ == "__main__":
    main()
