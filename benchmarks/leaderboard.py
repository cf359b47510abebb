"""Time and memory of a leaderboard with intervals, tests and slices, beside the same without."""

import resource
import time

import numpy as np
import pandas as pd

from charachbench.codecs import LOSSLESS
from charachbench.evaluate import NamedMetric
from charachbench.leaderboard import render
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.collect import COLUMNS
from charachbench.protocols import Metric, Sample

CHARACTERS, DRIVERS, METHODS, METRICS = 46, 24, 10, 12


class Made(Metric):
    """A metric whose scores are drawn here."""

    direction = "down"

    def extract(self, sample: Sample) -> np.ndarray:
        """Nothing: never called."""
        raise NotImplementedError


def scores(rng: np.random.Generator) -> pd.DataFrame:
    """As ``collect`` gives them."""
    character, driver = (codes.ravel() for codes in np.indices((CHARACTERS, DRIVERS)))
    rows = []
    for method in range(METHODS):
        for metric in range(METRICS):
            values = rng.normal(size=CHARACTERS)[character] + rng.normal(size=DRIVERS)[driver]
            values = values + rng.normal(size=len(character)) + 0.05 * method
            rows += [
                ("made", f"m{method}", f"m{method}", False, False, LOSSLESS, "", f"c{c}", f"domain{c % 6}", f"d{d}",
                 f"c{c}__d{d}", f"metric{metric}", f"metric{metric}#0", "scored", value, "", None, None, 25.0, "")
                for c, d, value in zip(character, driver, values, strict=True)
            ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def main() -> None:
    metrics = [NamedMetric(f"metric{index}", Made(), {}) for index in range(METRICS)]
    made = scores(np.random.default_rng(0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = {}
    for name, statistics in (("figures alone", False), ("intervals, tests and ranks, too", True)):
        start = time.perf_counter()
        board = aggregate(made, metrics, statistics=statistics)
        times[name] = time.perf_counter() - start
    start = time.perf_counter()
    for write in (render.markdown, render.latex, render.figures, render.comparisons):
        write(board)
    times["writing it in all formats"] = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{CHARACTERS * DRIVERS} pairs x {METHODS} methods x {METRICS} metrics, 1000 resamples: ", end="")
    print("; ".join(f"{name} {seconds:.1f} s" for name, seconds in times.items()), end="")
    print(f"; peak memory {after:.0f} MiB ({before:.0f} of them before)")


if __name__ == "__main__":
    main()
