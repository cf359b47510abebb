"""Methods against each other: paired differences, corrections, ranks and groups."""

import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from charachbench.leaderboard.comparison import Design, compare, holm, rank, ranks_within_pairs

FIRST, SECOND = np.indices((10, 5)).reshape(2, -1)
DESIGN = Design(FIRST, SECOND)


def values(*shifts: float, spread: float = 1.0, seed: int = 0) -> np.ndarray:
    """(M, N) of methods that differ by so much."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=10)[FIRST] + rng.normal(size=5)[SECOND]
    return np.stack([common + shift + spread * rng.normal(size=len(FIRST)) for shift in shifts])


def test_every_two_methods_are_compared_on_the_same_pairs() -> None:
    made = values(0.0, 0.0, 2.0)
    found = {(c.first, c.second): c for c in compare(["a", "b", "c"], made, DESIGN)}
    assert set(found) == set(itertools.combinations("abc", 2))
    assert not found["a", "b"].significant
    assert found["a", "c"].significant
    assert found["b", "c"].significant
    assert found["a", "c"].difference == pytest.approx(made[0].mean() - made[2].mean())
    assert found["a", "c"].pairs == 50


@hypothesis.settings(max_examples=3)  # statsmodels collects the garbage of all tests each time
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=12))
def test_the_correction_is_holms(ps: list[float]) -> None:
    assert holm(np.array(ps)) == pytest.approx(multipletests(ps, method="holm")[1])


def test_what_was_not_tested_is_not_corrected() -> None:
    assert holm(np.array([])).tolist() == []
    assert np.isnan(holm(np.full(3, np.nan))).all()


def test_of_many_methods_that_are_alike_hardly_any_is_told_apart() -> None:
    found = [
        any(c.significant for c in compare([str(i) for i in range(6)], values(*[0.0] * 6, seed=seed), DESIGN))
        for seed in range(20)
    ]
    assert sum(found) <= 3  # 15 tests each, uncorrected about half of them


def test_a_single_method_is_compared_with_nothing() -> None:
    assert compare(["a"], values(0.0), DESIGN) == ()
    assert rank(["a"], np.ones((1, 50)), DESIGN) is None
    assert rank(["a", "b"], np.ones((2, 0)), Design(FIRST[:0], SECOND[:0])) is None


def test_ties_share_the_mean_of_their_ranks() -> None:
    made = np.array([[1.0, 5.0], [1.0, 4.0], [0.0, 3.0]])
    assert ranks_within_pairs(made, "up").tolist() == [[1.5, 1.0], [1.5, 2.0], [3.0, 3.0]]
    assert ranks_within_pairs(made, "down").tolist() == [[2.5, 3.0], [2.5, 2.0], [1.0, 1.0]]


@hypothesis.settings(max_examples=15)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_mean_ranks_are_what_friedmans_test_is_made_of(methods: int, seed: int) -> None:
    made = values(*np.linspace(0, 1, methods), seed=seed)
    ranking = rank([str(i) for i in range(methods)], ranks_within_pairs(made, "down"), DESIGN)
    assert ranking is not None
    assert sum(ranking.means) == pytest.approx(methods * (methods + 1) / 2)
    assert list(ranking.means) == sorted(ranking.means)
    if methods > 2:
        count, means = made.shape[1], np.array(ranking.means)
        statistic = 12 * count / (methods * (methods + 1)) * ((means - (methods + 1) / 2) ** 2).sum()
        assert statistic == pytest.approx(stats.friedmanchisquare(*made).statistic)
    for group in ranking.groups:
        start = ranking.methods.index(group[0])
        assert ranking.methods[start : start + len(group)] == group
        assert len(group) > 1
    assert not any(set(a) < set(b) for a, b in itertools.permutations(ranking.groups, 2))


def test_groups_overlap_where_neighbours_are_alike_and_ends_are_not() -> None:
    made = values(0.0, 0.7, 1.4, spread=2.0, seed=4)
    ranking = rank(["a", "b", "c"], ranks_within_pairs(made, "down"), DESIGN)
    assert ranking is not None
    assert ranking.groups == (("a", "b"), ("b", "c"))
