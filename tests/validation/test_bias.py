"""Small-sample bias: a distance that is biased is told from one that is not."""

from typing import Any

import numpy as np
import pytest

from charachbench.errors import Unscored
from charachbench.evaluate import NamedMetric
from charachbench.protocols import Kept, Metric, Sample
from charachbench.validation import bias
from charachbench.validation.responses import TRUTH, Extracted
from tests.fakes import Brightness


class Biased(Metric):
    """Squared distance of means: of sets of one distribution, 2 D / n on average for unit variance."""

    direction, per_pair = "down", False

    def extract(self, sample: Sample) -> np.ndarray:
        raise NotImplementedError

    def summarise(self, arrays: Any, references: Any = ()) -> float:
        x, y = np.concatenate(list(arrays)), np.concatenate(list(references))
        if len(x) < 5:
            raise Unscored("too few")
        return float(((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum())


class Unbiased(Biased):
    """The same without what the variance adds."""

    def summarise(self, arrays: Any, references: Any = ()) -> float:
        x, y = np.concatenate(list(arrays)), np.concatenate(list(references))
        excess = x.var(axis=0, ddof=1).sum() / len(x) + y.var(axis=0, ddof=1).sum() / len(y)
        return super().summarise(arrays, references) - float(excess)


def extracted(metric: Metric, pairs: int = 10, rows: int = 80) -> Extracted:
    rng = np.random.default_rng(0)
    arrays = {f"p{index}": rng.normal(size=(rows, 6)) for index in range(pairs)}
    references: dict[str, Kept | None] = {name: Kept(name, array) for name, array in arrays.items()}
    return Extracted(NamedMetric("it", metric, {}), {TRUTH: arrays}, {TRUTH: {}}, references)


def measured(metric: Metric, **options: Any) -> bias.Bias:
    found = bias.measure(extracted(metric, **options), 200, 0)
    assert found is not None
    return found


def test_a_biased_distance_falls_as_its_expectation_does_and_an_unbiased_one_stays_at_zero() -> None:
    biased, unbiased = measured(Biased()), measured(Unbiased())
    assert biased.sizes[0] == bias.FEWEST
    assert biased.sizes[-1] == 400
    assert np.isnan(biased.values[0]).all()  # too few there
    means = biased.values[1:].mean(axis=1)
    np.testing.assert_allclose(means, 2 * 6 / biased.sizes[1:], rtol=0.15)
    assert np.abs(unbiased.values[1:].mean(axis=1)).max() < 0.1 * means[0]
    spreads = unbiased.values[1:].std(axis=1)
    assert (np.diff(spreads) < 0).all()


def test_draws_repeat_and_are_disjoint() -> None:
    np.testing.assert_array_equal(measured(Biased()).values, measured(Biased()).values)

    class Overlap(Biased):
        """How many samples both sets have."""

        def summarise(self, arrays: Any, references: Any = ()) -> float:
            x, y = np.concatenate(list(arrays)), np.concatenate(list(references))
            return float(len({row.tobytes() for row in x} & {row.tobytes() for row in y}))

    assert (measured(Overlap()).values == 0).all()


@pytest.mark.parametrize(("pairs", "rows"), [(0, 0), (1, 1), (3, 1)])
def test_too_few_samples_have_no_bias(pairs: int, rows: int) -> None:
    assert bias.measure(extracted(Unbiased(), pairs, rows), 2, 0) is None


def test_metrics_of_single_pairs_have_none() -> None:
    assert bias.measure(extracted(Brightness()), 2, 0) is None


def test_a_set_without_references_is_drawn_alone() -> None:
    class Spread(Biased):
        def summarise(self, arrays: Any, references: Any = ()) -> float:
            assert not len(references)
            return float(np.concatenate(list(arrays)).var())

    one = extracted(Spread())
    one.references = dict.fromkeys(one.references)
    found = bias.measure(one, 200, 0)
    assert found is not None
    # The variance of n samples of D values each, about their common mean, falls short by one in n D.
    np.testing.assert_allclose(found.values.mean(axis=1), 1 - 1 / (6 * found.sizes), rtol=0.06)
