"""Where the time of `make demo` goes: methods, metrics, codecs, and everything else."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from charachbench.benchmark.toy.benchmark import Toy
from charachbench.landmarks.detectors import Given

SIDE_BY_SIDE = "from charachbench import app, evaluate; evaluate.SIDE_BY_SIDE = {}; app.main()"


def demo(results: Path, side_by_side: int = 2) -> float:
    """Wall time of the demo, scoring so many pairs at a time."""
    start = time.perf_counter()
    command = [sys.executable, "-c", SIDE_BY_SIDE.format(side_by_side), "experiment=demo", f"results={results}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        start = time.perf_counter()
        Toy().open(Given(), results / "cache")
        drawing = time.perf_counter() - start
        wall, again = demo(results), demo(results)
        for benchmark in results.glob("toy-*"):
            shutil.rmtree(benchmark)
        total = demo(results, side_by_side=1)  # one at a time, so that times add up
        loads: dict[str, float] = {}
        spent: defaultdict[str, float] = defaultdict(float)
        for path in results.glob("toy-*/*/*/record.json"):
            record = json.loads(path.read_text())
            seconds = record["seconds"]
            spent["methods"] += seconds["generate"] + loads.pop(record["run"], seconds["load"])
            loads[record["run"]] = 0.0  # once a run
            spent["codecs"] += seconds["encode"] + seconds["read"]
        for path in results.glob("toy-*/*/*/scores.json"):
            for score in json.loads(path.read_text()).values():
                spent["metrics, with decoding"] += score["seconds"]
        spent["everything else"] = total - sum(spent.values())
    print(f"drawing the toy benchmark, once: {drawing:.1f} s; demo: {wall:.1f} s; again: {again:.1f} s")
    print(f"scoring one pair at a time, {total:.1f} s: ", end="")
    print("; ".join(f"{name} {seconds:.1f} s ({seconds / total:.1%})" for name, seconds in spent.items()))


if __name__ == "__main__":
    main()
