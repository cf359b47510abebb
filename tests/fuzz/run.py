"""Hands mutations to workers, and counts what became of them."""

import json
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

DEADLINE = 30.0
"""Seconds for one file; the machine may be busy."""
WORKER = ["-m", "tests.fuzz.worker"]
MOST = 2048
"""MiB by which reading one file may raise the process's peak."""


@dataclass
class Tally:
    """What became of a format's mutations: ``right`` results, ``error`` in a sentence, ``remade`` files of a store."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def fuzz(corpus: Path, names: Iterable[str], numbers: range, failures: Path) -> dict[str, Tally]:
    """Read mutations of every format; files that something else came of than is accepted are kept in a folder."""
    tallies: dict[str, Tally] = {}
    worker = None
    for name in names:
        tally = tallies[name] = Tally()
        for number in numbers:
            worker = worker or _start(corpus)
            answer = _ask(worker, name, number)
            outcome, told = str(answer["outcome"]), str(answer["told"])
            if outcome in ("hang", "crash"):
                told = f"{outcome}, status {_stop(worker)}"
                worker = None
            elif int(str(answer["grown_mib"])) > MOST:
                outcome, told = "memory", f"took {answer['grown_mib']} MiB"
            if outcome not in ("right", "error", "remade") or (outcome == "error" and not told.strip()):
                kept = failures / f"{name}-{number}"
                kept.parent.mkdir(parents=True, exist_ok=True)
                (corpus / "work" / name).rename(kept)
                tally.failures.append(f"{name} {number}: {outcome}: {told.strip()[-2000:]}\n  kept in {kept}")
            tally.counts[outcome] += 1
    if worker is not None:
        _stop(worker)
    return tallies


def table(tallies: dict[str, Tally]) -> str:
    """Counts by format."""
    lines = [f"{'format':<12}{'mutations':>10}{'right':>8}{'remade':>8}{'errors':>8}{'failures':>10}"]
    every = {**tallies, "all": Tally(sum((tally.counts for tally in tallies.values()), Counter()))}
    for name, tally in every.items():
        told = [tally.counts[outcome] for outcome in ("right", "remade", "error")]
        count = tally.counts.total()
        lines.append(f"{name:<12}{count:>10}{told[0]:>8}{told[1]:>8}{told[2]:>8}{count - sum(told):>10}")
    return "\n".join(lines)


def _start(corpus: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *WORKER, str(corpus)], text=True, cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _ask(worker: subprocess.Popen[str], name: str, number: int) -> dict[str, object]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(f"{name} {number}\n")
    worker.stdin.flush()
    ready, _, _ = select.select([worker.stdout], [], [], DEADLINE)
    if not ready:
        return {"outcome": "hang", "told": ""}
    line = worker.stdout.readline()
    answer: dict[str, object] = json.loads(line) if line else {"outcome": "crash", "told": ""}
    return answer


def _stop(worker: subprocess.Popen[str]) -> int:
    assert worker.stdin is not None
    assert worker.stdout is not None
    if worker.poll() is None:
        worker.kill()
    worker.stdin.close()
    worker.stdout.close()
    return worker.wait()
