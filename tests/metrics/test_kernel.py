from itertools import permutations, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric
from torchmetrics.image.kid import poly_mmd

from charachbench.errors import Unscored, UserError
from metrics import kernel
from metrics.kernel import influences, kernel_distance, kernel_distance_of_subsets
from tests.metrics.test_frechet import features


def plainly(x: np.ndarray, y: np.ndarray) -> float:
    """Term by term."""

    def mean(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
        return float(np.mean([(a @ b / len(a) + 1) ** 3 for a, b in pairs]))

    within = [mean(list(permutations(side, 2))) for side in (x, y)]
    return sum(within) - 2 * mean(list(product(x, y)))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("count", [2, 30, 200])
def test_agrees_with_torchmetrics(count: int, scale: float) -> None:
    x, y = scale * features(count, 1), scale * features(count, 2)
    expected = float(poly_mmd(torch.tensor(x), torch.tensor(y)))
    assert kernel_distance(x, y) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(2, 9), (70, 23), (23, 70)])
@pytest.mark.parametrize("block", [1, 8, 23, 1000])
def test_agrees_with_the_plain_way_in_any_blocks(monkeypatch, n: int, m: int, block: int) -> None:
    monkeypatch.setattr(kernel, "_BLOCK", block)
    x, y = features(n, 1), features(m, 2)
    assert kernel_distance(x, y) == pytest.approx(plainly(x, y), rel=1e-10)


@pytest.mark.parametrize("seed", [0, 2020])
def test_subsets_are_those_of_torch_fidelity(seed: int) -> None:
    x, y = features(80, 1), features(60, 2)
    options = {"kid_subsets": 7, "kid_subset_size": 20, "rng_seed": seed, "verbose": False}
    expected = kid_features_to_metric(torch.tensor(x), torch.tensor(y), **options)[KEY_METRIC_KID_MEAN]
    assert kernel_distance_of_subsets(x, y, 7, 20, seed) == pytest.approx(expected, rel=1e-9)
    assert kernel_distance(x, y) != pytest.approx(expected, rel=1e-6)


def test_is_unbiased() -> None:
    """Around zero for one distribution, whatever the number of vectors; their squared difference in the mean else."""
    rng = np.random.default_rng(0)
    found = np.array([kernel_distance(*rng.normal(size=(2, 6, 4))) for _ in range(4000)])
    assert abs(found.mean()) <= 4 * found.std() / np.sqrt(len(found))
    assert (found < 0).mean() > 0.3


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(1, 9), st.integers(0, 1000))
def test_symmetry_order_and_rotation(n: int, m: int, dimensions: int, seed: int) -> None:
    x, y = features(n, seed, dimensions), features(m, seed + 1, dimensions) + 1
    expected = pytest.approx(kernel_distance(x, y), rel=1e-9, abs=1e-11)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(dimensions, dimensions)))
    assert kernel_distance(y, x) == expected
    assert kernel_distance(x[::-1], np.roll(y, 1, axis=0)) == expected
    assert kernel_distance(x @ rotation, y @ rotation) == expected


def test_single_precision_costs_nothing() -> None:
    x, y = features(50, 1).astype(np.float32), features(40, 2).astype(np.float16)
    expected = kernel_distance(x.astype(np.float64), y.astype(np.float64))
    assert kernel_distance(x, y) == pytest.approx(expected, rel=1e-12)


def test_bad_features() -> None:
    x, y = features(5, 1), features(5, 2)
    with pytest.raises(Unscored, match="at least 2 are needed"):
        kernel_distance(x, y[:1])
    with pytest.raises(Unscored, match="subsets of 6 need as many feature vectors, there are 5 against 5"):
        kernel_distance_of_subsets(x, y, 3, 6, 0)
    with pytest.raises(UserError, match="features of 24 and of 3 dimensions"):
        kernel_distance(x, y[:, :3])
    y[0, 0] = np.nan
    with pytest.raises(Unscored, match="not finite"):
        kernel_distance(x, y)


@pytest.mark.parametrize(("n", "m"), [(12, 9), (70, 23)])
def test_influences_are_the_derivatives_by_the_weights_of_vectors(n: int, m: int) -> None:
    x, y = features(n, 1), features(m, 2)

    def weighted(weights: np.ndarray, others: np.ndarray) -> float:
        def mean(a: np.ndarray, b: np.ndarray, left: np.ndarray, right: np.ndarray, same: bool) -> float:
            kernel = (a @ b.T / a.shape[1] + 1) ** 3
            if same:
                np.fill_diagonal(kernel, 0)
            count = len(a) * (len(b) - 1 if same else len(b))
            shares = left / left.mean(), right / right.mean()
            return float(shares[0] @ kernel @ shares[1]) / count

        return (
            mean(x, x, weights, weights, True) + mean(y, y, others, others, True)
            - 2 * mean(x, y, weights, others, False)
        )  # fmt: skip

    on_x, on_y = influences(x, y)
    assert weighted(np.ones(n), np.ones(m)) == pytest.approx(kernel_distance(x, y))
    for index in range(3):
        for found, count, of_x in ((on_x, n, True), (on_y, m, False)):
            step = 1e-5 * np.eye(count)[index]
            higher, lower = (
                weighted(1 + sign * step, np.ones(m)) if of_x else weighted(np.ones(n), 1 + sign * step)
                for sign in (1, -1)
            )
            assert found[index] == pytest.approx((higher - lower) / 2e-5 * count, rel=1e-5, abs=1e-7)
