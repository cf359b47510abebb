"""Intervals and tests over a crossed design: closed forms, other libraries, and simulated benchmarks."""

from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from charachbench.leaderboard.crossed import Crossed


def simulated(
    characters: int,
    drivers: int,
    deviations: tuple[float, float, float],
    benchmarks: int = 2000,
    missing: float = 0.0,
    seed: int = 0,
) -> Crossed:
    """So many benchmarks of one design, drawn from normal effects around a mean of 0."""
    rng = np.random.default_rng(seed)
    of_characters, of_drivers, of_pairs = deviations
    values = (
        of_characters * rng.standard_normal((characters, 1, benchmarks))
        + of_drivers * rng.standard_normal((1, drivers, benchmarks))
        + of_pairs * rng.standard_normal((characters, drivers, benchmarks))
    )
    first, second = np.nonzero(rng.random((characters, drivers)) >= missing)
    return Crossed(values[first, second], first, second)


def coverage(crossed: Crossed) -> float:
    low, high = crossed.intervals(400).T
    return float(((low <= 0) & (high >= 0)).mean())


LARGE = [(46, 24, 0.0), (15, 20, 0.0), (20, 10, 0.3)]
"""CharacBench's size, a human study's, and a smaller one in which pairs failed."""
EFFECTS = [(1, 1, 1), (1, 0, 1), (0, 1, 1), (1, 1, 0.1), (1, 0.2, 5), (0, 0, 1)]


@pytest.mark.parametrize(("characters", "drivers", "missing"), LARGE)
@pytest.mark.parametrize("deviations", EFFECTS)
def test_intervals_cover_what_they_say(
    characters: int, drivers: int, missing: float, deviations: tuple[float, float, float]
) -> None:
    crossed = simulated(characters, drivers, deviations, 1500, missing)
    assert coverage(crossed) == pytest.approx(0.95, abs=0.034)  # 3 points, and the simulation's own error


@pytest.mark.parametrize(("characters", "drivers", "missing"), LARGE)
@pytest.mark.parametrize("deviations", EFFECTS)
def test_tests_hold_their_level(
    characters: int, drivers: int, missing: float, deviations: tuple[float, float, float]
) -> None:
    crossed = simulated(characters, drivers, deviations, 1500, missing)
    assert (crossed.sign_test(999) <= 0.05).mean() <= 0.07  # three standard errors of the simulation


@pytest.mark.parametrize("deviations", EFFECTS)
def test_five_characters_and_drivers_are_enough(deviations: tuple[float, float, float]) -> None:
    crossed = simulated(5, 5, deviations)
    assert crossed.resampled == (True, True)
    assert 0.93 <= coverage(crossed) <= 0.995
    assert (crossed.sign_test(999) <= 0.05).mean() <= 0.065


def test_a_few_drivers_are_taken_as_given() -> None:
    rng = np.random.default_rng(1)
    first, second = np.indices((12, 3)).reshape(2, -1)
    drivers = rng.standard_normal((3, 1))
    values = 5 * drivers[second] + rng.standard_normal((12, 4000))[first] + rng.standard_normal((36, 4000))
    crossed = Crossed(values, first, second)
    assert crossed.resampled == (True, False)
    low, high = crossed.intervals(400).T
    true = 5 * drivers.mean()  # of these three, not of all that there might be
    assert ((low <= true) & (high >= true)).mean() == pytest.approx(0.95, abs=0.015)
    assert (Crossed(values - true, first, second).sign_test(999) <= 0.05).mean() == pytest.approx(0.05, abs=0.015)
    swapped = Crossed(values, second, first)
    assert swapped.resampled == (False, True)
    assert swapped.variances == pytest.approx(crossed.variances)


@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (1, 4), (4, 1)])
def test_of_too_few_characters_and_drivers_nothing_is_said(shape: tuple[int, int]) -> None:
    first, second = np.indices(shape).reshape(2, -1)
    crossed = Crossed(np.random.default_rng(0).standard_normal((len(first), 2)) + 100, first, second)
    assert crossed.means == pytest.approx(100, abs=5)
    assert np.isnan(crossed.intervals()).all()
    assert np.isnan(crossed.sign_test()).all()


def test_pairs_taken_for_independent_would_cover_far_less() -> None:
    crossed = simulated(46, 24, (1, 1, 1))
    naive = 1.96 * np.sqrt(3 / (46 * 24))
    assert (np.abs(crossed.means) <= naive).mean() < 0.4


def test_of_a_balanced_design_the_variance_is_that_of_the_analysis_of_variance() -> None:
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    rng = np.random.default_rng(3)
    table = rng.standard_normal((7, 1)) + rng.standard_normal((1, 5)) + rng.standard_normal((7, 5))
    first, second = np.indices(table.shape).reshape(2, -1)
    frame = pd.DataFrame({"y": table.ravel(), "a": first, "b": second})
    anova = anova_lm(ols("y ~ C(a) + C(b)", frame).fit())
    a, b, rest = anova["mean_sq"]
    assert min(a, b) > rest
    crossed = Crossed(table.reshape(-1, 1), first, second)
    assert crossed.variances[0] == pytest.approx((a + b - rest) / table.size)
    freedom = (a + b - rest) ** 2 / (a**2 / 6 + b**2 / 4 + rest**2 / 24)
    assert crossed.freedom[0] == pytest.approx(freedom)


def test_where_pairs_share_nothing_it_is_students_interval_and_fishers_test() -> None:
    values = np.random.default_rng(4).standard_normal(12) + 0.5
    names = np.arange(12)
    for first, second in ((names, names), (names, np.zeros(12))):
        crossed = Crossed(values[:, None], first, second)
        student = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
        assert crossed.intervals(20_000)[0] == pytest.approx(student, abs=0.03)
        exact = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert crossed.sign_test(20_000)[0] == pytest.approx(exact.pvalue, abs=0.01)


def test_a_real_difference_is_found() -> None:
    rng = np.random.default_rng(5)
    first, second = np.indices((46, 24)).reshape(2, -1)
    values = 0.3 + 0.5 * rng.standard_normal((46, 300))[first] + rng.standard_normal((len(first), 300))
    assert (Crossed(values, first, second).sign_test(999) <= 0.05).mean() > 0.9


@pytest.mark.parametrize("count", [5, 24])
def test_equal_values_have_an_interval_without_extent(count: int) -> None:
    first, second = np.indices((count, count)).reshape(2, -1)
    crossed = Crossed(np.full((count**2, 1), 7.0), first, second)
    assert crossed.intervals()[0] == pytest.approx([7, 7])
    assert crossed.sign_test()[0] < 0.001


def test_methods_that_tie_everywhere_do_not_differ() -> None:
    first, second = np.indices((6, 3)).reshape(2, -1)
    assert Crossed(np.zeros((18, 1)), first, second).sign_test()[0] == 1


def values_of(draw: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    characters, drivers = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    first, second = np.indices((characters, drivers)).reshape(2, -1)
    kept = draw(st.lists(st.booleans(), min_size=len(first), max_size=len(first)).filter(any))
    numbers = draw(st.lists(st.floats(-100, 100, width=16), min_size=len(first), max_size=len(first)))
    return np.array(numbers)[kept][:, None], first[kept], second[kept]


@hypothesis.settings(max_examples=60)
@given(st.data(), st.floats(0.1, 10), st.floats(-100, 100))
def test_intervals_and_tests_follow_scale_order_and_names(data: Any, scale: float, shift: float) -> None:
    values, first, second = values_of(data.draw)
    crossed = Crossed(values, first, second)
    low, high = crossed.intervals(50)[0]
    assert np.isfinite([low, high]).all() == any(crossed.resampled)
    hypothesis.assume(any(crossed.resampled))
    assert low <= high
    assert 0 < crossed.sign_test(99)[0] <= 1
    moved = Crossed(values * scale + shift, first, second)
    tolerance = 1e-6 * (1 + abs(shift) + 100 * scale)
    assert moved.intervals(50)[0] == pytest.approx([low * scale + shift, high * scale + shift], abs=tolerance)
    renamed = Crossed(values, np.array([f"c{code}" for code in first]), np.array([f"d{code}" for code in second]))
    assert renamed.intervals(50)[0] == pytest.approx([low, high])
    order = np.random.default_rng(0).permutation(len(values))
    mixed = Crossed(values[order], first[order], second[order])
    assert mixed.variances == pytest.approx(crossed.variances, abs=1e-6)
