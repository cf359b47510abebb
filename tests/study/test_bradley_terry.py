"""Strengths against closed forms, another library, and another algorithm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.discrete.discrete_model import Logit

from charachbench.study.bradley_terry import fit


def comparisons(count: int, methods: int, ties: float = 0.2, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    left = rng.integers(methods, size=count)
    right = (left + rng.integers(1, methods, size=count)) % methods
    won = (rng.random(count) < 1 / (1 + np.exp(0.7 * (left - right)))).astype(float)
    return left, right, np.where(rng.random(count) < ties, 0.5, won)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 20))
def test_of_two_methods_it_is_the_log_odds(wins: int, losses: int, ties: int) -> None:
    count = wins + losses + ties
    if count == 0:
        return
    won = np.repeat([1.0, 0.0, 0.5], [wins, losses, ties])
    strengths = fit(np.zeros(count, int), np.ones(count, int), won, 2)
    for_first, for_second = wins + ties / 2 + 0.5, losses + ties / 2 + 0.5
    expected = np.log(for_first / for_second)
    assert strengths.values[0] - strengths.values[1] == pytest.approx(expected, abs=1e-6)
    assert strengths.values.sum() == pytest.approx(0, abs=1e-9)
    variance = np.array([1, -1]) @ strengths.covariance @ np.array([1, -1])
    assert variance == pytest.approx(1 / for_first + 1 / for_second, rel=1e-3)


@pytest.mark.parametrize("methods", [2, 3, 6])
def test_it_is_a_logistic_regression(methods: int) -> None:
    left, right, won = comparisons(300, methods)
    strengths = fit(left, right, won, methods)
    # a tie is a win and a defeat, and all else counts twice
    first, second = np.triu_indices(methods, 1)
    left, right, won = np.r_[left, first], np.r_[right, second], np.r_[won, np.full(len(first), 0.5)]
    design = np.eye(methods)[left] - np.eye(methods)[right]
    outcomes = np.r_[won > 0, won > 0.5].astype(float)
    expected = Logit(outcomes, np.tile(design, (2, 1))[:, 1:]).fit(disp=False)
    assert strengths.values[1:] - strengths.values[0] == pytest.approx(expected.params, abs=1e-5)
    contrast = np.eye(methods)[1:] - np.eye(methods)[0]
    covariance = contrast @ strengths.covariance @ contrast.T
    assert covariance == pytest.approx(2 * expected.cov_params(), rel=1e-4)


def test_it_is_what_minorisation_converges_to() -> None:
    """Hunter, "MM algorithms for generalized Bradley-Terry models", Annals of Statistics, 2004."""
    left, right, won = comparisons(120, 5)
    wins = (np.ones((5, 5)) - np.eye(5)) / 2
    np.add.at(wins, (left, right), won)
    np.add.at(wins, (right, left), 1 - won)
    games, worth = wins + wins.T, np.ones(5)
    for _ in range(5000):
        worth = wins.sum(axis=1) / (games / (worth[:, None] + worth)).sum(axis=1)
    assert fit(left, right, won, 5).values == pytest.approx(np.log(worth) - np.log(worth).mean(), abs=1e-6)


def test_who_always_wins_has_a_finite_strength() -> None:
    left, right = np.repeat([0, 0, 1], 40), np.repeat([1, 2, 2], 40)
    strengths = fit(left, right, np.ones(120), 3)
    assert np.isfinite(strengths.values).all()
    assert np.isfinite(strengths.covariance).all()
    assert list(np.argsort(-strengths.values)) == [0, 1, 2]


def test_influences_are_how_far_one_comparison_more_moves_them() -> None:
    left, right, won = comparisons(2000, 3)
    strengths = fit(left, right, won, 3)
    assert strengths.influences.mean(axis=0) == pytest.approx(strengths.values)

    def moved(index: int) -> np.ndarray:
        again = np.r_[: len(won), index]
        return fit(left[again], right[again], won[again], 3).values

    first, *others = np.unique(np.stack([left, right, won]), axis=1, return_index=True)[1]
    for other in others:
        expected = (strengths.influences[first] - strengths.influences[other]) / 2000
        assert moved(first) - moved(other) == pytest.approx(expected, rel=0.02, abs=1e-6)
