"""What becomes of a store whose processes are killed, or whose files are damaged, at random; against one left in peace.

    python -m benchmarks.soak                     25 processes killed (SIGKILL), some stopped for a while before
    python -m benchmarks.soak --signal SIGTERM    25 told to end, each within 10 s
    python -m benchmarks.soak --signal none       25 files damaged, then `verify verify.repair=true` and a run

Three processes with a shard each work on one store and are started again as they fall; a run ends it. Its
`scores.parquet` must be that of a serial run in another store, and nothing may be damaged or left over.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
METHODS, PROCESSES, PATIENCE, TO_END = "still,warp", 3, 120.0, 10.0
METRICS = ["~metrics", "+metric@metrics.psnr=psnr", "+metric@metrics.nme=nme"]
GIVEN_UP = "processes in a row died while they worked on it"
UPSET = ("video.mkv", "record.json", "scores.json")
"""What is damaged, beside every `.npy`."""


@dataclass
class Figures:
    """What was done to the store, and what came of it.

    Attributes:
        done: processes killed or told to end, or files damaged.
        in_work: of the killed those that held a pair.
        stopped: processes that were stopped for a while.
        died: times that a pair was given up for a run, since three processes in a row had died of it.
        ends: seconds that those took which were told to end.
        damaged: what `verify` finds in the end.
        leftovers: files that nobody needs any more.
        differences: of scores, to the serial run; rows that one of them lacks count too.
        same_file: whether `scores.parquet` is the same to the byte.
        seconds: in all.
    """

    done: int = 0
    in_work: int = 0
    stopped: int = 0
    died: int = 0
    ends: list[float] = field(default_factory=list)
    pairs: int = 0
    damaged: int = 0
    leftovers: int = 0
    differences: int = 0
    same_file: bool = False
    seconds: float = 0.0


def command(results: Path, *arguments: str, pairs: int = 24) -> list[str]:
    toy = [f"benchmark.characters={pairs // 3}", "benchmark.drivers=3", "benchmark.frames=8", "benchmark.size=96"]
    return [
        sys.executable, "-m", "charachbench", *arguments, *toy, *METRICS, "device=cpu", "report=false",
        f"results={results}",
    ]  # fmt: skip


def environment() -> dict[str, str]:
    """One thread a process: there are more of them than cores."""
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run(results: Path, *arguments: str, pairs: int) -> subprocess.CompletedProcess[str]:
    line = command(results, *arguments, pairs=pairs)
    return subprocess.run(line, env=environment(), capture_output=True, text=True, cwd=ROOT)


def sweep(results: Path, pairs: int) -> None:
    """The command that makes everything that is not there; again where it gave up a pair of which too many had died.

    Raises:
        RuntimeError: something failed.
    """
    for given_up in (GIVEN_UP, "\0"):
        done = run(results, "-m", f"method={METHODS}", pairs=pairs)
        printed = done.stdout + done.stderr
        if done.returncode and given_up not in printed:
            raise RuntimeError(printed[-4000:])
        if not done.returncode:
            return


def progress(results: Path) -> int:
    return sum(1 for name in ("record.json", "scores.json") for _ in results.glob(f"toy-*/*/*/{name}"))


def those_given_up(results: Path) -> Iterator[tuple[Path, int]]:
    """Records of pairs of which too many processes died, and when they were written."""
    for path in results.glob("toy-*/*/*/record.json"):
        with contextlib.suppress(FileNotFoundError):
            if b'"kind": "died"' in path.read_bytes():
                yield path, path.stat().st_mtime_ns


class Shards:
    """The processes, each started again once it has ended."""

    def __init__(self, results: Path, pairs: int) -> None:
        self._results, self._pairs = results, pairs
        self.running = [self._start(index) for index in range(PROCESSES)]

    def _start(self, index: int) -> subprocess.Popen[bytes]:
        shard = (f"shard.index={index}", f"shard.count={PROCESSES}")
        line = command(self._results, "-m", f"method={METHODS}", *shard, pairs=self._pairs)
        return subprocess.Popen(line, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)

    def revive(self) -> None:
        """Start again those that have ended."""
        for index, process in enumerate(self.running):
            if process.poll() is not None:
                self.running[index] = self._start(index)

    def holders(self) -> set[int]:
        """Processes that hold a pair now."""
        held = set()
        for path in self._results.glob("toy-*/*/*/.lease"):
            try:
                held.add(json.loads(path.read_bytes()).get("pid"))
            except (OSError, ValueError):  # just given back, or being written
                continue
        return held

    def end(self) -> None:
        """Kill all."""
        for process in self.running:
            process.kill()
            process.wait()


def disturb(
    results: Path, kills: int, seconds: float, number: signal.Signals, rng: random.Random, pairs: int
) -> Figures:
    """Send the signal at random moments to processes that work, until so many got it or the time is over."""
    figures, shards, start = Figures(), Shards(results, pairs), time.monotonic()
    units = 4 * pairs  # two methods, each pair made and scored
    given_up: set[tuple[Path, int]] = set()
    try:
        while figures.done < kills and time.monotonic() - start < seconds:
            before, since = progress(results), time.monotonic()
            wanted = rng.randint(1, max(1, units // (2 * kills)))
            while progress(results) < before + wanted and time.monotonic() - since < PATIENCE and before < units:
                shards.revive()
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.5))
            holders = shards.holders()
            alive = [process for process in shards.running if process.poll() is None]
            working = [process for process in alive if process.pid in holders]
            if not alive:
                shards.revive()
                continue
            if rng.random() < 0.2:
                stopped = rng.choice(working or alive)
                stopped.send_signal(signal.SIGSTOP)
                time.sleep(rng.uniform(0.5, 2))
                stopped.send_signal(signal.SIGCONT)
                figures.stopped += 1
            victim = rng.choice(working or alive)
            figures.done += 1
            figures.in_work += victim.pid in holders
            told = time.monotonic()
            victim.send_signal(number)
            victim.wait()
            figures.ends.append(time.monotonic() - told)
            figures.died += sum(
                b'"kind": "died"' in path.read_bytes() for path in results.glob("toy-*/*/*/record.json")
            )
            shards.revive()
    finally:
        shards.end()
    figures.died = len(given_up)
    return figures


def damage(results: Path, files: int, rng: random.Random, pairs: int) -> Figures:
    """Flip a bit of files, or cut them, a few at a time; mend them by `verify` and a run each time."""
    figures = Figures()
    sweep(results, pairs)
    while figures.done < files:
        found = [path for path in sorted(results.rglob("*.*")) if path.name in UPSET or path.suffix == ".npy"]
        kept = [path for path in found if not {"logs", "cache"} & set(path.relative_to(results).parts)]
        for path in rng.sample(kept, min(5, files - figures.done)):
            content = bytearray(path.read_bytes())
            place = rng.randrange(len(content))
            if rng.random() < 0.5:
                content[place] ^= 1 << rng.randrange(8)
            else:
                del content[place:]
            path.write_bytes(content)
            figures.done += 1
        run(results, "verify", "verify.repair=true", pairs=pairs)
        sweep(results, pairs)
    return figures


def leftovers(results: Path) -> Iterator[Path]:
    """Leases and halves of files, which are hidden; not those in Hydra's folders, nor the system's locks that stay."""
    for path in results.rglob(".*"):
        if path.is_file() and "logs" not in path.relative_to(results).parts and path.suffix != ".lock":
            yield path


def compare(one: Path, other: Path) -> tuple[int, bool]:
    """How many scores differ, and whether the files are the same."""
    (left,), (right,) = one.glob("toy-*/scores.parquet"), other.glob("toy-*/scores.parquet")
    tables = [pd.read_parquet(path).set_index(["method", "pair", "metric"]).sort_index() for path in (left, right)]
    a, b = (table.loc[table.index.intersection(tables[0].index)] for table in tables)
    lacking = len(tables[0].index.symmetric_difference(tables[1].index))
    differ = 0 if lacking else int((~((a == b) | (a.isna() & b.isna()))).to_numpy().sum())
    return lacking + differ, left.read_bytes() == right.read_bytes()


def soak(root: Path, count: int, seconds: float, number: signal.Signals | None, seed: int, pairs: int = 24) -> Figures:
    """Disturb one store and not the other, run once more in peace, and compare them."""
    start, rng = time.monotonic(), random.Random(seed)
    disturbed, peaceful = root / "disturbed", root / "peaceful"
    if number is None:
        figures = damage(disturbed, count, rng, pairs)
    else:
        figures = disturb(disturbed, count, seconds, number, rng, pairs)
    sweep(disturbed, pairs)
    sweep(peaceful, pairs)
    verified = run(disturbed, "verify", "log=json", pairs=pairs)
    figures.damaged = verified.stdout.count('"event": "fault"')
    if verified.returncode and not figures.damaged:
        raise RuntimeError(verified.stdout + verified.stderr)
    figures.pairs = sum(1 for _ in disturbed.glob("toy-*/*/*/record.json"))
    figures.leftovers = sum(1 for _ in leftovers(disturbed))
    figures.differences, figures.same_file = compare(disturbed, peaceful)
    figures.seconds = time.monotonic() - start
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=25, help="of signals, or of files")
    parser.add_argument("--seconds", type=float, default=900, help="after which no more are sent")
    parser.add_argument("--signal", choices=["SIGKILL", "SIGTERM", "none"], default="SIGKILL")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    number = None if given.signal == "none" else signal.Signals[given.signal]
    with tempfile.TemporaryDirectory() as folder:
        figures = soak(Path(folder), given.count, given.seconds, number, given.seed)
    about = {
        "files damaged" if number is None else f"{given.signal} sent": figures.done,
        "at work on a pair": figures.in_work,
        "stopped before": figures.stopped,
        "given up for a run": figures.died,
        "pairs": figures.pairs,
        "damaged": figures.damaged,
        "left over": figures.leftovers,
        "differences": figures.differences,
    }
    for cells in (about, ["---:"] * len(about), map(str, about.values())):
        print(f"| {' | '.join(cells)} |")
    print(
        f"scores.parquet the same to the byte: {'yes' if figures.same_file else 'no'}; {figures.seconds:.0f} s in all"
    )
    late = number is signal.SIGTERM and max(figures.ends, default=0.0) > TO_END
    if number is signal.SIGTERM:
        print(f"the slowest ended after {max(figures.ends, default=0.0):.1f} s")
    if figures.damaged or figures.leftovers or figures.differences or late:
        sys.exit(1)


if __name__ == "__main__":
    main()
