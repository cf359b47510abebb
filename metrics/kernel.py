"""Kernel distance between two sets of feature vectors: squared maximum mean discrepancy, with a cubic kernel.

Reference: Binkowski et al., "Demystifying MMD GANs", ICLR 2018, who call it KID over Inception's features: the kernel
is (x.y / D + 1)^3, the estimate unbiased. Unlike the Frechet distance's, its mean does not depend on how many vectors
there are.

The paper takes the mean over random subsets, to spare memory. The estimate over all vectors has the same expectation, a
smaller variance and no seed; it is computed here in blocks, so memory is no concern.
"""

from __future__ import annotations

import numpy as np

from charachbench.errors import Unscored, UserError
from metrics.frechet import checked

_BLOCK = 2048
"""Rows whose kernel is held at a time."""


def kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate over all vectors, in float64.

    Args:
        x: feature vectors (N, D) of any floating point type.
        y: likewise (M, D).

    Returns:
        around 0 for sets from the same distribution, then as often below as above.

    Raises:
        UserError: the dimensions differ.
        Unscored: a set has a single vector, or features are not finite.
    """
    if checked(x).shape[1] != checked(y).shape[1]:
        raise UserError(f"features of {x.shape[1]} and of {y.shape[1]} dimensions: accepted are equal ones")
    if min(len(x), len(y)) < 2:
        raise Unscored("a single feature vector has no other of its set: at least 2 are needed on both sides")
    return _mean_within(x) + _mean_within(y) - 2 * _mean_between(x, y)


def kernel_distance_of_subsets(x: np.ndarray, y: np.ndarray, subsets: int, size: int, seed: int) -> float:
    """Mean of ``kernel_distance`` over random subsets, the same ones as ``torch-fidelity`` draws with that seed.

    Args:
        x: feature vectors (N, D); which subsets are drawn depends on their order.
        y: likewise (M, D).
        subsets: how many.
        size: vectors in each, drawn without replacement.
        seed: of the drawing.

    Raises:
        UserError: the dimensions differ.
        Unscored: a set has fewer vectors than a subset, or features are not finite.
    """
    if min(len(x), len(y)) < size:
        raise Unscored(f"subsets of {size} need as many feature vectors, there are {len(x)} against {len(y)}")
    rng = np.random.RandomState(seed)  # outdated, but torch-fidelity's
    distances = []
    for _ in range(subsets):
        rows, others = (rng.choice(len(side), size, replace=False) for side in (x, y))
        distances.append(kernel_distance(x[rows], y[others]))
    return float(np.mean(distances))


def _blocks(features: np.ndarray, start: int = 0) -> list[np.ndarray]:
    return [features[begin : begin + _BLOCK] for begin in range(start, len(features), _BLOCK)]


def _sum(x: np.ndarray, y: np.ndarray) -> float:
    """Of the kernel over all pairs of two blocks."""
    kernel = x.astype(np.float64) @ y.astype(np.float64).T
    kernel /= x.shape[1]
    kernel += 1
    return float(np.vdot(kernel * kernel, kernel))


def _sum_of_diagonal(x: np.ndarray) -> float:
    squares = np.einsum("nd,nd->n", x, x, dtype=np.float64)
    return float(((squares / x.shape[1] + 1) ** 3).sum())


def _mean_between(x: np.ndarray, y: np.ndarray) -> float:
    return sum(_sum(a, b) for a in _blocks(x) for b in _blocks(y)) / (len(x) * len(y))


def _mean_within(x: np.ndarray) -> float:
    """Over ordered pairs of different vectors."""
    total = 0.0
    for index, block in enumerate(_blocks(x)):
        total += _sum(block, block) - _sum_of_diagonal(block)
        total += 2 * sum(_sum(block, later) for later in _blocks(x, (index + 1) * _BLOCK))
    return total / (len(x) * (len(x) - 1))
