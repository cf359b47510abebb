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
    within_x, within_y, between_x, _ = _means(x, y)
    return float(within_x.mean() + within_y.mean() - 2 * between_x.mean())


def influences(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How ``kernel_distance(x, y)`` moves where a vector weighs more, to first order: its influence function.

    Returns:
        Of the vectors of ``x``, (N,), and of ``y``, (M,); 0 on average over each. Arguments and errors are the same.
    """
    within_x, within_y, between_x, between_y = _means(x, y)
    on_x, on_y = ((own - own.mean()) - (others - others.mean()) for own, others in
                  ((within_x, between_x), (within_y, between_y)))  # fmt: skip
    return 2 * on_x, 2 * on_y


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


def _means(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each vector the mean kernel with the others of its set, (N,) and (M,), and with the other set's."""
    if checked(x).shape[1] != checked(y).shape[1]:
        raise UserError(f"features of {x.shape[1]} and of {y.shape[1]} dimensions: accepted are equal ones")
    if min(len(x), len(y)) < 2:
        raise Unscored("a single feature vector has no other of its set: at least 2 are needed on both sides")
    between_x, between_y = np.zeros(len(x)), np.zeros(len(y))
    for rows in _blocks(x):
        for columns in _blocks(y):
            kernel = _kernel(x[rows], y[columns])
            between_x[rows] += kernel.sum(axis=1)
            between_y[columns] += kernel.sum(axis=0)
    return _means_within(x), _means_within(y), between_x / len(y), between_y / len(x)


def _means_within(x: np.ndarray) -> np.ndarray:
    sums, blocks = np.zeros(len(x)), _blocks(x)
    for index, rows in enumerate(blocks):
        kernel = _kernel(x[rows], x[rows])
        np.fill_diagonal(kernel, 0)
        sums[rows] += kernel.sum(axis=1)
        for columns in blocks[index + 1 :]:
            kernel = _kernel(x[rows], x[columns])
            sums[rows] += kernel.sum(axis=1)
            sums[columns] += kernel.sum(axis=0)
    return sums / (len(x) - 1)


def _blocks(features: np.ndarray) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, len(features), _BLOCK)]


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of all pairs of two blocks, (N, M)."""
    kernel = x.astype(np.float64) @ y.astype(np.float64).T
    kernel /= x.shape[1]
    kernel += 1
    squares = kernel * kernel
    squares *= kernel
    return squares
