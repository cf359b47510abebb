"""Speed of the Frechet distance, against torchmetrics and SciPy's matrix root: ``python -m benchmarks.frechet``.

From features to number, covariances included, with as many threads as each library takes. ``--quick`` does the same at
a fourth of the dimensions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from benchmarks import seconds
from metrics.frechet import frechet_distance

Way = Callable[[np.ndarray, np.ndarray], float]


def by_torchmetrics(x: np.ndarray, y: np.ndarray) -> float:
    import torch
    from torchmetrics.image.fid import _compute_fid

    a, b = torch.from_numpy(x), torch.from_numpy(y)
    return float(_compute_fid(a.mean(dim=0), a.T.cov(), b.mean(dim=0), b.T.cov()))


def by_sqrtm(x: np.ndarray, y: np.ndarray) -> float:
    from scipy.linalg import sqrtm

    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    step = x.mean(axis=0) - y.mean(axis=0)
    return float(step @ step + np.trace(a) + np.trace(b) - 2 * np.trace(sqrtm(a @ b)).real)


def measure(way: Way, x: np.ndarray, y: np.ndarray, repeats: int) -> tuple[float, float]:
    """Fastest seconds of ``repeats`` runs, and the distance."""
    way(x[:9, :9], y[:9, :9])  # libraries are imported
    found: list[float] = []
    return seconds(lambda: found.append(way(x, y)), repeats), found[0]


def main(shrink: int) -> None:
    rng = np.random.default_rng(0)
    dimensions = 2048 // shrink
    mixing = rng.normal(size=(dimensions, dimensions)) * np.arange(1, dimensions + 1)[:, None] ** -0.5
    for count in (1000 // shrink, 5000 // shrink):
        x, y = (shift + rng.normal(size=(count, dimensions)) @ mixing for shift in (0, 0.1))
        ways: list[tuple[Way, int]] = [(frechet_distance, 3), (by_torchmetrics, 2), (by_sqrtm, 1)]
        times, found = zip(*(measure(way, x, y, repeats) for way, repeats in ways), strict=True)
        ours, torchmetrics, sqrtm = times
        difference = max(abs(other / found[0] - 1) for other in found[1:])
        print(
            f"Frechet distance of {count} x {dimensions} features: {ours:.2f} s; torchmetrics {torchmetrics:.2f} s, "
            f"{torchmetrics / ours:.1f} x; sqrtm {sqrtm:.2f} s, {sqrtm / ours:.1f} x; they differ by {difference:.0e}"
        )


if __name__ == "__main__":
    main(shrink=4 if "--quick" in sys.argv[1:] else 1)
