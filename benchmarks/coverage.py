"""How often intervals hold what they should, and tests find what is not there, on simulated benchmarks."""

import time

import numpy as np

from charachbench.leaderboard.crossed import Crossed

DESIGNS = {(46, 24): 0.0, (15, 20): 0.0, (20, 10): 0.3, (8, 5): 0.0}
"""Characters and drivers, and the share of pairs that is missing."""
EFFECTS = ((1, 1, 1), (1, 0, 1), (0, 1, 1), (1, 1, 0.1), (1, 0.2, 5), (0, 0, 1))
"""Standard deviations of characters, of drivers, and of single pairs."""
BENCHMARKS, FLIPS = 2000, 1999


def simulate(shape: tuple[int, int], missing: float, deviations: tuple[float, ...], skewed: bool) -> tuple[float, ...]:
    """Coverage of intervals, share of rejections, and coverage if pairs are taken for independent; the mean is 0."""
    rng = np.random.default_rng(0)

    def draw(*size: int) -> np.ndarray:
        return rng.exponential(size=(*size, BENCHMARKS)) - 1 if skewed else rng.standard_normal((*size, BENCHMARKS))

    of_characters, of_drivers, of_pairs = deviations
    values = of_characters * draw(shape[0], 1) + of_drivers * draw(1, shape[1]) + of_pairs * draw(*shape)
    first, second = np.nonzero(rng.random(shape) >= missing)
    values = values[first, second]
    crossed = Crossed(values, first, second)
    low, high = crossed.intervals().T
    naive = np.abs(crossed.means) <= 1.96 * values.std(axis=0, ddof=1) / np.sqrt(len(values))
    found = (low <= 0) & (high >= 0), crossed.sign_test(FLIPS) <= 0.05, naive
    return tuple(float(each.mean()) for each in found)


def main() -> None:
    start = time.perf_counter()
    print(f"{BENCHMARKS} benchmarks each; 95% intervals, tests at 5%")
    print("| characters x drivers | deviations of characters, drivers, pairs | intervals hold | tests reject | skewed |"
          " independent pairs would hold |")  # fmt: skip
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for shape, missing in DESIGNS.items():
        for deviations in EFFECTS:
            holds, rejects, naive = simulate(shape, missing, deviations, skewed=False)
            skewed = simulate(shape, missing, deviations, skewed=True)[0]
            name = f"{shape[0]} x {shape[1]}" + (f", {missing:.0%} missing" if missing else "")
            told = ", ".join(f"{deviation:g}" for deviation in deviations)
            print(f"| {name} | {told} | {holds:.1%} | {rejects:.1%} | {skewed:.1%} | {naive:.1%} |")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
