"""The report's plots: what they are computed from, and that they take the page's colours."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from charachbench.evaluate import NamedMetric
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.board import Leaderboard
from charachbench.report import plots
from tests.fakes import Brightness, Difference
from tests.leaderboard.test_aggregate import many

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


@given(POINTS, st.booleans(), st.booleans())
def test_the_front_is_what_nothing_beats(points: list[tuple[float, float]], x_up: bool, y_up: bool) -> None:
    def beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
        x, y = (a[0] - b[0]) * (1 if x_up else -1), (a[1] - b[1]) * (1 if y_up else -1)
        return x >= 0 and y >= 0 and (x > 0 or y > 0)

    front = plots.pareto_front(points, x_up, y_up)
    assert set(front) == {point for point in points if not any(beats(other, point) for other in points)}
    for (_, before), (_, after) in pairwise(front):
        assert (after > before) == (x_up != y_up)  # what is gained in one is lost in the other


def test_agreement_of_metrics_is_the_correlation_of_ranks_within_pairs() -> None:
    rng = np.random.default_rng(0)
    ranks = np.stack([np.apply_along_axis(stats.rankdata, 0, rng.normal(size=(5, 40))) for _ in range(3)])
    ranks[1] = 6 - ranks[0]
    ranks[2, :, 30:] = np.nan
    found = plots.correlate(["a", "b", "c"], ranks)
    assert found is not None
    assert found.values[0, 1] == pytest.approx(-1)
    known = slice(0, 30)
    assert found.values[0, 2] == pytest.approx(
        stats.pearsonr(ranks[0, :, known].ravel(), ranks[2, :, known].ravel())[0]
    )
    assert found.items[0].tolist() == [200, 200, 150]
    assert np.diag(found.values) == pytest.approx(1)
    assert plots.correlate(["a"], ranks[:1]) is None
    assert plots.correlate(["a", "b"], ranks[:2, :1]) is None


class Moving(Difference):
    family = "motion"


@pytest.fixture(scope="module")
def board() -> Leaderboard:
    metrics = [NamedMetric("up", Brightness(), {}), NamedMetric("down", Moving(), {})]
    return aggregate(many({"best <b>": 3.0, "close": 2.9, "far": 0.0, "oracle": 9.0}, ("up", "down")), metrics)


def test_everything_that_a_leaderboard_has_is_drawn(board: Leaderboard) -> None:
    drawn = plots.draw(board, {"close": 30.0, "far": 3.0, "best <b>": 0.0}, None)
    assert [(plot.kind, plot.name) for plot in drawn] == [
        ("Mean ranks", "all metrics"), ("Mean ranks", "up"), ("Mean ranks", "down"),
        ("By domain", "up"), ("By domain", "down"),
        ("Trade-offs", "up and down"),
        ("Speed and quality", "up"), ("Speed and quality", "down"),
    ]  # fmt: skip
    assert len({plot.stem for plot in drawn}) == len(drawn)
    assert all(plot.text for plot in drawn)


def test_drawings_take_the_pages_colours_and_escape_names(board: Leaderboard) -> None:
    for plot in plots.draw(board, {"close": 30.0, "far": 3.0}, None):
        text = plots.svg(plot)
        assert text.startswith("<svg")
        assert "currentColor" in text
        assert not re.search("#01020[34]", text)
        assert "<b>" not in text
        identifiers = re.findall(r'\bid="([^"]+)"', text)
        assert all(identifier.startswith(plot.stem) for identifier in identifiers)
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(identifiers)
    assert plots.svg(plots.draw(board, {}, None)[0]) == plots.svg(plots.draw(board, {}, None)[0])


def test_a_leaderboard_of_one_method_has_no_ranks(board: Leaderboard) -> None:
    alone = aggregate(many({"only": 1.0}), [NamedMetric("up", Brightness(), {})])
    assert [plot.kind for plot in plots.draw(alone, {}, None)] == ["By domain"]
