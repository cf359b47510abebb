"""Verdicts: known orders, known agreements, and what happens where there is hardly anything to go by."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from charachbench.config import StudyKind
from charachbench.study import analysis
from charachbench.study.analysis import Verdict
from charachbench.study.design import Study, Value
from charachbench.study.responses import Judgement
from tests.study.test_responses import study_of


def among(methods: int, kind: StudyKind) -> Study:
    return replace(study_of(kind, ("q",)), methods={f"m{index}": f"m{index}" for index in range(methods)})


def verdict_on(study: Study, judgements: Sequence[Judgement]) -> Verdict:
    (verdict,) = analysis.judge(study, judgements)
    return verdict


def rated(values: np.ndarray) -> list[Judgement]:
    """Of (raters, cases, methods)."""
    return [
        Judgement(rater, f"c{case}", (f"m{method}",), "q", value)
        for (rater, case, method), value in np.ndenumerate(values)
    ]


def compared(choices: Sequence[tuple[int, int, int, int, Value]]) -> list[Judgement]:
    """Of (rater, case, left method, right method, value)."""
    return [
        Judgement(rater, f"c{c}", (f"m{left}", f"m{right}"), "q", value) for rater, c, left, right, value in choices
    ]


def drawn_ratings(quality: Sequence[float], raters: int, cases: int, seed: int = 0) -> np.ndarray:
    """Whole numbers of 1 to 10 around the quality: strict and lenient raters, hard and easy cases."""
    rng = np.random.default_rng(seed)
    spread = rng.standard_normal((raters, 1, 1)) + rng.standard_normal((1, cases, 1))
    values = np.array(quality) + spread + rng.standard_normal((raters, cases, len(quality)))
    return np.clip(np.round(values), 1, 10).astype(int)


def test_ratings_recover_the_order_and_tell_apart_what_differs() -> None:
    verdict = verdict_on(among(4, StudyKind.rating), rated(drawn_ratings([4, 7, 7.02, 5], 20, 15)))
    assert [standing.method for standing in verdict.standings[2:]] == ["m3", "m0"]
    assert {standing.method for standing in verdict.standings if standing.is_best} == {"m1", "m2"}
    differences = {difference.methods: difference for difference in verdict.differences}
    assert len(differences) == 6
    assert differences["m0", "m1"].value == pytest.approx(-3, abs=0.3)
    p_value = differences["m1", "m2"].p_value
    assert p_value is not None
    assert p_value > 0.05
    for difference in verdict.differences:
        assert difference.interval is not None
        assert difference.interval[0] < difference.value < difference.interval[1]
        if difference.methods != ("m1", "m2"):
            assert difference.p_value is not None
            assert difference.p_value < 0.01
    assert verdict.alpha is not None
    assert 0.3 < verdict.alpha < 0.9


def test_intervals_of_means_count_on_other_raters_and_cases() -> None:
    """Twice the answers of as many raters and cases tell hardly more."""
    values = drawn_ratings([5], 12, 10)
    one = verdict_on(among(1, StudyKind.rating), rated(values)).standings[0].interval
    assert one is not None
    naive = 2 * 1.96 * values.std() / np.sqrt(values.size)
    assert one[1] - one[0] > 2 * naive


def drawn_choices(strengths: Sequence[float], raters: int, cases: int, of_cases: float, seed: int) -> list[Judgement]:
    """One comparison of each case by each rater; strengths differ between cases."""
    rng = np.random.default_rng(seed)
    here = np.array(strengths) + of_cases * rng.standard_normal((cases, len(strengths)))
    choices: list[tuple[int, int, int, int, Value]] = []
    for rater in range(raters):
        for case in range(cases):
            left, right = rng.permutation(len(strengths))[:2]
            wins = rng.random() < 1 / (1 + np.exp(here[case, right] - here[case, left]))
            choices.append((rater, case, int(left), int(right), "left" if wins else "right"))
    return compared(choices)


def test_comparisons_recover_the_order_and_tell_apart_what_differs() -> None:
    verdict = verdict_on(among(4, StudyKind.pairwise), drawn_choices([-1, 1, 0, -2], 20, 15, 0.0, 1))
    assert [standing.method for standing in verdict.standings] == ["m1", "m2", "m0", "m3"]
    assert [standing.is_best for standing in verdict.standings] == [True, False, False, False]
    for standing, expected in zip(verdict.standings, (1.5, 0.5, -0.5, -1.5), strict=True):
        assert standing.value == pytest.approx(expected, abs=0.4)
        assert standing.interval is not None
        assert standing.interval[0] < expected < standing.interval[1]


def test_tests_of_strengths_hold_their_level_where_cases_differ() -> None:
    """No method is better, but in each case one is: were all answers independent, half the tests would find one."""
    p_values, naive = [], []
    for seed in range(150):
        choices = drawn_choices([0, 0], 20, 15, 2.0, seed)
        p_values.append(analysis._compared(choices, ["m0", "m1"], np.array([[1, -1]]))[2][0])
        wins = sum((one.value == "left") == (one.methods[0] == "m0") for one in choices)
        naive.append(abs(wins - 150) > 1.96 * np.sqrt(75))
    assert np.mean(naive) > 0.3
    assert np.mean(np.array(p_values) <= 0.05) <= 0.11  # three standard errors of the simulation


@pytest.mark.parametrize("strengths", [(1, 0, -1), (2, 0, -2)])
def test_intervals_of_strengths_cover_what_they_say(strengths: tuple[float, ...]) -> None:
    covered = []
    for seed in range(80):
        choices = drawn_choices(strengths, 20, 15, 0.0, seed)
        low, high = analysis._compared(choices, ["m0", "m1", "m2"], np.eye(3))[1].T
        covered.append((low <= strengths) & (strengths <= high))
    assert 0.93 <= np.mean(covered) <= 0.99  # the larger of two variances is meant to be on the safe side


def test_who_always_wins_is_best_with_an_interval_that_says_how_far() -> None:
    choices = compared([(rater, case, 0, 1, "left") for rater in range(10) for case in range(6)])
    verdict = verdict_on(among(2, StudyKind.pairwise), choices)
    best, other = verdict.standings
    assert best.method == "m0"
    assert not other.is_best
    assert best.value - other.value == pytest.approx(np.log(60.5 / 0.5))
    assert best.interval is not None
    assert best.interval[1] - best.interval[0] > 1  # though no comparison contradicts another


def test_ties_alone_make_equals() -> None:
    choices = compared([(rater, case, 0, 1, "tie") for rater in range(6) for case in range(4)])
    verdict = verdict_on(among(2, StudyKind.pairwise), choices)
    assert [standing.value for standing in verdict.standings] == pytest.approx([0, 0], abs=1e-9)
    assert all(standing.is_best for standing in verdict.standings)
    assert verdict.differences[0].p_value == pytest.approx(1)
    assert (verdict.alpha, verdict.undefined) == (None, "all answers are the same")


@pytest.mark.parametrize(("raters", "cases"), [(1, 1), (1, 6), (6, 1)])
@pytest.mark.parametrize("kind", StudyKind)
def test_a_single_rater_or_case_has_a_defined_verdict(kind: StudyKind, raters: int, cases: int) -> None:
    rng = np.random.default_rng(0)
    if kind is StudyKind.rating:
        judgements = rated(rng.integers(1, 11, (raters, cases, 2)))
    else:
        sides = rng.integers(2, size=(raters, cases))
        judgements = compared([(r, c, 0, 1, ("left", "right")[side]) for (r, c), side in np.ndenumerate(sides)])
    verdict = verdict_on(among(2, kind), judgements)
    assert all(np.isfinite(standing.value) for standing in verdict.standings)
    known = raters * cases > 1
    assert all((standing.interval is not None) == known for standing in verdict.standings)
    assert all((difference.p_value is not None) == known for difference in verdict.differences)
    if not known:
        assert all(standing.is_best for standing in verdict.standings)
    if raters == 1:
        assert (verdict.alpha, verdict.undefined) == (None, "no two raters judged the same")


def test_a_single_method_is_best_and_differs_from_none() -> None:
    verdict = verdict_on(among(1, StudyKind.rating), rated(drawn_ratings([5], 5, 4)))
    assert [standing.is_best for standing in verdict.standings] == [True]
    assert verdict.differences == ()


def test_alpha_of_ratings_is_that_of_its_author() -> None:
    """The worked example of Krippendorff, "Computing Krippendorff's alpha-reliability", 2011: 0.849 as intervals."""
    coders = ["123321412***", "1233224125*3", "*3332342251*", "12332441251*"]
    judgements = [
        Judgement(rater, f"c{unit}", ("m0",), "q", int(value))
        for rater, values in enumerate(coders)
        for unit, value in enumerate(values)
        if value != "*"
    ]
    alpha, _ = analysis._agreement(StudyKind.rating, judgements)
    assert alpha == pytest.approx(0.849, abs=5e-4)


def test_alpha_of_choices_is_its_closed_form_whichever_side_methods_were_on() -> None:
    """Two raters: 1 - (n - 1) * disagreeing / (sum of products of unlike counts), each comparison both ways round."""
    answers = [
        ("left", "left"),
        ("left", "left"),
        ("tie", "left"),
        ("left", "right"),
        ("left", "tie"),
        ("left", "left"),
    ]
    straight = compared([(rater, case, 0, 1, two[rater]) for case, two in enumerate(answers) for rater in (0, 1)])
    flipped = {"left": "right", "right": "left", "tie": "tie"}
    turned = [
        replace(one, methods=one.methods[::-1], value=flipped[str(one.value)]) if index % 3 else one
        for index, one in enumerate(straight)
    ]
    lefts, rights, ties = 9 + 1, 1 + 9, 2 * 2  # both ways round
    count = lefts + rights + ties
    disagreeing = 2 * 2 * 3  # three cases, both ways round, both orders of raters
    unlike = count**2 - lefts**2 - rights**2 - ties**2
    expected = 1 - (count - 1) * disagreeing / unlike
    for judgements in (straight, turned):
        alpha, _ = analysis._agreement(StudyKind.pairwise, judgements)
        assert alpha == pytest.approx(expected)


def test_opinions_are_what_each_answer_is_worth_to_a_video() -> None:
    choices = compared([(1, 0, 0, 1, "left"), (2, 0, 1, 0, "left"), (3, 0, 0, 1, "tie")])
    assert analysis.opinions(choices)["q"] == {("m0", "c0"): [1.0, 0.0, 0.5], ("m1", "c0"): [0.0, 1.0, 0.5]}
    ratings = rated(np.array([[[7, 2]], [[8, 3]]]))
    assert analysis.opinions(ratings)["q"] == {("m0", "c0"): [7.0, 8.0], ("m1", "c0"): [2.0, 3.0]}
