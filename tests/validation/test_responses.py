"""Responses: a metric that sees a corruption is told from one that does not, over the same pairs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from charachbench.benchmark.types import Benchmark
from charachbench.config import ValidateConfig
from charachbench.errors import Unscored, UserError
from charachbench.evaluate import NamedMetric
from charachbench.landmarks.detectors import Given
from charachbench.protocols import Kept, Metric, References, Sample
from charachbench.validation import responses
from charachbench.validation.responses import TRUTH, Extracted, Response, rank_correlation, respond
from tests.fakes import Difference, Shift, Tiny, settings


def ranks(values: Sequence[float]) -> np.ndarray:
    """From 1, ties sharing their mean rank; written out."""
    return np.array([sum(o < v for o in values) + (sum(o == v for o in values) + 1) / 2 for v in values])


@pytest.mark.parametrize("values", [[0, 1, 2, 3, 4], [5.0, 5.0, 7.0, 6.0, 9.0], [3.0, -1.0, 4.0, -1.5, 2.0]])
def test_the_rank_correlation_is_scipys_and_that_of_the_definition(values: list[float]) -> None:
    found = rank_correlation(values, "down", range(5))
    assert found == pytest.approx(stats.spearmanr(range(5), values).statistic)
    assert found == pytest.approx(np.corrcoef(ranks(list(range(5))), ranks(values))[0, 1])
    assert rank_correlation(values, "up", range(5)) == -found


@given(st.lists(st.integers(-100, 100), min_size=3, max_size=8))
def test_a_rank_correlation_is_bounded_and_knows_only_order(values: list[int]) -> None:
    found = rank_correlation(values, "down", range(len(values)))
    assert -1 - 1e-9 <= found <= 1 + 1e-9
    assert rank_correlation([v**3 for v in values], "down", range(len(values))) == pytest.approx(found)
    assert rank_correlation(values[::-1], "down", range(len(values))) == pytest.approx(-found)


def test_rounding_errors_are_no_response() -> None:
    assert rank_correlation([0.5, 0.5000001, 0.5000002], "down", range(3)) == 0
    assert rank_correlation([0, 0, 0], "up", range(3)) == 0
    assert rank_correlation([0, 1e-9, 2e-9], "down", range(3)) == 1


class Frozen(Metric):
    """A constant."""

    family, direction = "fidelity", "up"

    def extract(self, sample: Sample) -> np.ndarray:
        return np.full(len(sample.video), 0.1)


class Backwards(Metric):
    """Takes what differs from the truth for better."""

    direction = "up"

    def extract(self, sample: Sample) -> np.ndarray:
        return Difference().extract(sample)


class Fussy(Difference):
    """Declines what differs much, and the pairs of one character."""

    def extract(self, sample: Sample) -> np.ndarray:
        if sample.pair.character.name == "c0":
            raise Unscored("not this one")
        values = super().extract(sample)
        if values.mean() > 40:
            raise Unscored("too different")
        return values


class FromTruth(Shift):
    """How far the mean colour of all pairs is from the truths'."""

    def _colours(self, sample: Sample) -> np.ndarray:
        return sample.truth_video.frames.mean(axis=(1, 2))

    def reference(self, sample: Sample) -> Kept:
        assert sample.pair.truth is not None
        return sample.references.get(["true", sample.pair.truth.fingerprint], lambda: self._colours(sample))


class Own(Metric):
    """Distance of the landmarks to the true ones."""

    family, direction, needs = "landmarks", "down", frozenset({"truth_landmarks"})

    def extract(self, sample: Sample) -> np.ndarray:
        assert sample.pair.truth is not None
        assert sample.landmarks is not None
        assert sample.pair.truth.landmarks is not None
        return np.abs(sample.landmarks - sample.pair.truth.landmarks).mean(axis=(1, 2))


class Broken(Metric):
    """Breaks, but on truths (as the weakest blur leaves the smallest pictures)."""

    direction = "up"

    def extract(self, sample: Sample) -> np.ndarray:
        assert sample.pair.truth is not None
        if np.array_equal(sample.video.frames, sample.pair.truth.video.frames):
            return np.ones(1)
        raise ZeroDivisionError("broken")


class Infinite(Metric):
    """Never a number."""

    direction = "up"

    def extract(self, sample: Sample) -> np.ndarray:
        return np.array([np.inf])


def tiny(**options: Any) -> Benchmark:
    return Tiny(frames=6, **options).open(Given(), Path())


def extract(
    metrics: dict[str, Metric], benchmark: Benchmark | None = None, kept: References | None = None, **options: Any
) -> tuple[dict[str, Extracted], list[str]]:
    benchmark = benchmark or tiny()
    pairs = responses.choose(benchmark, 4)
    config = settings(Path(), validate=ValidateConfig(severities=3), **options)
    named = [NamedMetric(name, metric, {"name": name}) for name, metric in metrics.items()]
    found, failures = responses.extract(config, benchmark, pairs, named, References(), kept or References())
    return {one.named.name: one for one in found}, failures


def response(metric: Metric, corruption: str, **options: Any) -> Response:
    found, failures = extract({"it": metric}, **options)
    assert not failures
    return respond(found["it"], corruption, 3)


def test_a_metric_that_sees_a_corruption_has_one_and_one_that_does_not_has_none() -> None:
    found, failures = extract({"sees": Difference(), "blind": Frozen(), "backwards": Backwards(), "own": Own()})
    assert not failures
    for corruption in ("noise", "colour_shift", "landmark_noise"):
        rho = {name: respond(one, corruption, 3).correlation for name, one in found.items()}
        moved = 1 if corruption == "landmark_noise" else 0
        assert rho == {"sees": pytest.approx(1), "blind": 0, "backwards": pytest.approx(-1), "own": moved}
    assert respond(found["sees"], "noise", 3).pairs == 4
    assert respond(found["sees"], "noise", 3).values[0] == 0


def test_values_are_the_means_over_pairs_and_change_follows_the_direction() -> None:
    found, _ = extract({"sees": Difference(), "backwards": Backwards()})
    sees = respond(found["sees"], "noise", 3)
    arrays = [found["sees"].arrays[step] for step in (TRUTH, ("noise", 1), ("noise", 2), ("noise", 3))]
    assert sees.values == pytest.approx([np.mean([a.mean() for a in at.values()]) for at in arrays])
    assert sees.change == pytest.approx(sees.values[-1])
    assert respond(found["backwards"], "noise", 3).change == pytest.approx(-sees.change)  # type: ignore[operator]


def test_a_metric_of_sets_is_told_by_its_sets() -> None:
    shift = response(FromTruth(), "colour_shift")
    assert shift.correlation == pytest.approx(1)
    assert shift.values[0] == pytest.approx(0, abs=1e-9)
    benchmark = tiny()
    truths = np.concatenate([p.truth.video.frames for p in responses.choose(benchmark, 4) if p.truth]).mean()
    strongest = extract({"it": FromTruth()})[0]["it"].arrays["colour_shift", 3]
    assert shift.values[-1] == pytest.approx(abs(np.concatenate(list(strongest.values())).mean() - truths))


def test_pairs_without_a_score_are_counted_and_the_rest_is_over_the_same_pairs() -> None:
    fussy = response(Fussy(), "noise", benchmark=tiny(characters=2, drivers=2))
    assert fussy.unscored == (2, 2, 2, 2)
    assert fussy.pairs == 2
    assert fussy.reason == "not this one"
    assert fussy.correlation == pytest.approx(1)
    late = response(Fussy(), "identity_swap", benchmark=tiny(characters=2, drivers=2))
    assert late.unscored[-1] == 4
    assert late.pairs == 0
    assert late.values == (None,) * 4
    assert late.change is None


def test_too_few_severities_give_no_correlation() -> None:
    named = NamedMetric("it", Difference(), {})
    one = Extracted(named, {step: {} for step in (TRUTH, ("blur", 1), ("blur", 2), ("blur", 3))})
    one.reasons = {step: {} for step in one.arrays}
    for step, value in ((TRUTH, 0.0), (("blur", 1), 1.0)):
        one.arrays[step]["a"] = np.array([value])
    assert respond(one, "blur", 3).correlation is None
    one.arrays["blur", 3]["a"] = np.array([0.5])
    assert respond(one, "blur", 3).correlation == pytest.approx(0.5)


def test_no_number_is_no_zero() -> None:
    infinite = response(Infinite(), "blur")
    assert infinite.correlation is None
    assert infinite.unscored == (4,) * 4
    assert infinite.reason == "the metric is not a finite number here"


def test_without_another_character_nothing_is_swapped() -> None:
    alone = response(Difference(), "identity_swap", benchmark=tiny(characters=1, drivers=2))
    assert alone.unscored == (0, 2, 2, 2)
    assert alone.reason == "the true video of no other character is known"
    assert alone.correlation is None


def test_a_metric_that_breaks_is_told_once_or_stops_everything() -> None:
    found, failures = extract({"broken": Broken(), "sees": Difference()})
    assert len(failures) == 1
    assert failures[0].startswith("broken of c0__d0 under blur 2: ZeroDivisionError: broken")
    assert respond(found["broken"], "noise", 3).unscored == (0, 4, 4, 4)
    assert respond(found["sees"], "noise", 3).correlation == pytest.approx(1)
    with pytest.raises(UserError, match="broken of c0__d0 under blur 2 failed"):
        extract({"broken": Broken()}, on_error="raise")


def test_what_is_kept_is_not_extracted_again() -> None:
    kept = References()
    first, _ = extract({"it": Difference()}, kept=kept)
    again, failures = extract({"it": Broken()}, kept=kept)  # the same identity
    assert not failures
    assert all(
        np.array_equal(array, again["it"].arrays[step][name])
        for step, arrays in first["it"].arrays.items()
        for name, array in arrays.items()
    )
    with_seed = extract({"it": Difference()}, kept=kept, seed=1)[0]["it"].arrays["noise", 1]
    assert not np.array_equal(with_seed["c0__d0"], first["it"].arrays["noise", 1]["c0__d0"])


def test_the_other_one_is_another_character_under_the_same_driver() -> None:
    benchmark = tiny()
    for pair in benchmark.pairs:
        other = responses.another(benchmark, pair, 0)
        assert other is not None
        assert other.character.name != pair.character.name
        assert other.driver.name == pair.driver.name


def test_pairs_are_those_with_truth_spread_evenly() -> None:
    assert [pair.name for pair in responses.choose(tiny(), 2)] == ["c0__d0", "c2__d1"]
    assert len(responses.choose(tiny(), 100)) == 6
    with pytest.raises(UserError, match="benchmark 'tiny': no pair has a true video"):
        responses.choose(tiny(truth=False), 2)
