"""Cases that are spread out, and orders that are balanced over raters, for any number of them."""

from collections import Counter
from collections.abc import Iterable
from itertools import combinations, pairwise

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charachbench.benchmark.types import Character, DetectedLandmarks, Driver, Pair
from charachbench.study import assignment
from charachbench.video import Video


def character(index: int, domains: int) -> Character:
    return Character(f"character {index}", f"domain {index % domains}", "", lambda: np.zeros((2, 2, 3), np.uint8))


def driver(index: int) -> Driver:
    return Driver(
        f"driver {index}",
        "",
        lambda: Video(np.zeros((1, 2, 2, 3), np.uint8), 25),
        lambda: DetectedLandmarks(*[np.zeros(1)] * 2),
    )


def crossing(characters: int, domains: int, drivers: int) -> list[Pair]:
    cast = [character(index, domains) for index in range(characters)]
    return [Pair(one, driver(index)) for index in range(drivers) for one in cast]


def spread(counts: Iterable[int]) -> int:
    listed = list(counts)
    return max(listed) - min(listed)


@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 6), st.integers(0, 5), st.data())
def test_cases_are_spread_over_characters_domains_and_drivers(
    characters: int, domains: int, drivers: int, seed: int, data: st.DataObject
) -> None:
    pairs = crossing(characters, domains, drivers)
    count = data.draw(st.integers(1, len(pairs)))
    chosen = assignment.spread_out(pairs, count, seed)
    assert len({pair.name for pair in chosen}) == count
    assert (
        spread(Counter({pair.character.name: 0 for pair in pairs} | Counter(p.character.name for p in chosen)).values())
        <= 1
    )
    used = Counter(pair.driver.name for pair in chosen)
    assert spread(used[pair.driver.name] for pair in pairs) <= 2
    if count <= min(characters, drivers):
        assert max(used.values()) == 1
    if characters % domains == 0:
        of_domains = Counter(pair.character.domain for pair in chosen)
        assert spread(of_domains[pair.character.domain] for pair in pairs) <= 1
    assert assignment.spread_out(pairs[::-1], count, seed) == chosen


def test_another_seed_chooses_other_cases() -> None:
    pairs = crossing(46, 7, 24)
    assert assignment.spread_out(pairs, 15, 0) != assignment.spread_out(pairs, 15, 1)


@pytest.mark.parametrize("count", [2, 4, 6, 10])
def test_every_item_follows_every_other_once(count: int) -> None:
    rows = [assignment.ordered(range(count), shift, backwards=False) for shift in range(count)]
    assert Counter(two for row in rows for two in pairwise(row)) == Counter(
        {(one, other): 1 for one in range(count) for other in range(count) if one != other}
    )


@pytest.mark.parametrize("count", [3, 5, 9, 15])
def test_an_odd_number_of_items_needs_both_directions(count: int) -> None:
    rows = [assignment.ordered(range(count), s, backwards=b) for b in (False, True) for s in range(count)]
    assert set(Counter(two for row in rows for two in pairwise(row)).values()) == {2}


SIZES = st.integers(1, 7)


@given(SIZES, SIZES, st.integers(1, 17), st.integers(0, 3))
def test_ratings_show_everything_once_and_balance_every_place(cases: int, methods: int, raters: int, seed: int) -> None:
    names, runs = [f"case {index}" for index in range(cases)], [f"run {index}" for index in range(methods)]
    every = [(case, (run,)) for case in names for run in runs]
    places: Counter[object] = Counter()
    for sights in assignment.rated(names, runs, raters, seed):
        assert sorted(sights) == every
        order = [case for case, _ in sights[::methods]]
        for index, case in enumerate(order):
            block = sights[index * methods : (index + 1) * methods]
            assert {each for each, _ in block} == {case}
            places[case, index] += 1
            places.update((case, run, place) for place, (_, (run,)) in enumerate(block))
        inside = Counter((run, place % methods) for place, (_, (run,)) in enumerate(sights))
        assert spread(inside[run, place] for run in runs for place in range(methods)) <= 1
    assert spread(places[case, index] for case in names for index in range(cases)) <= 1
    for case in names:
        assert spread(places[case, run, place] for run in runs for place in range(methods)) <= 1


@hypothesis.settings(max_examples=50)
@given(SIZES, st.integers(2, 6), st.integers(1, 25), st.integers(0, 3), st.data())
def test_comparisons_balance_pairs_and_sides(
    cases: int, methods: int, raters: int, seed: int, data: st.DataObject
) -> None:
    names, runs = [f"case {index}" for index in range(cases)], [f"run {index}" for index in range(methods)]
    pairs = list(combinations(runs, 2))
    comparisons = data.draw(st.integers(1, len(pairs)))
    shown: Counter[object] = Counter()
    places: Counter[object] = Counter()
    for sights in assignment.compared(names, runs, raters, comparisons, seed):
        assert Counter(case for case, _ in sights) == Counter(dict.fromkeys(names, comparisons))
        assert len({(case, *sorted(two)) for case, two in sights}) == len(sights)
        shown.update(sights)
        places.update((case, index) for index, (case, _) in enumerate(sights[::comparisons]))
    assert spread(places[case, index] for case in names for index in range(cases)) <= 1
    for case in names:
        assert spread(shown[case, two] + shown[case, two[::-1]] for two in pairs) <= 1
        assert all(abs(shown[case, two] - shown[case, two[::-1]]) <= 1 for two in pairs)


@pytest.mark.parametrize("methods", [2, 3, 7])
def test_twenty_raters_are_balanced_over_all_cases_together(methods: int) -> None:
    cases, runs = [f"case {index}" for index in range(15)], [f"run {index}" for index in range(methods)]
    everyone = list(assignment.compared(cases, runs, 20, 1, 0))
    shown = Counter(two for sights in everyone for _, two in sights)
    pairs = list(combinations(runs, 2))
    assert spread(shown[two] + shown[two[::-1]] for two in pairs) <= 2  # of 300 / len(pairs)
    assert all(abs(shown[two] - shown[two[::-1]]) <= 1 for two in pairs)
    for sights in everyone:
        of_methods = Counter(run for _, two in sights for run in two)
        assert spread(of_methods[run] for run in runs) <= 4  # of 30 / methods


@given(st.integers(1, 60), st.integers(0, 8), st.integers(0, 20))
def test_checks_are_spread_and_never_come_first(screens: int, checks: int, seed: int) -> None:
    places = assignment.check_places(screens, checks, np.random.default_rng(seed))
    assert len(places) == checks
    assert places == sorted(places, reverse=True)
    assert all(1 <= place <= screens for place in places)
    if checks:
        assert all(a - b <= 2 * screens / checks + 1 for a, b in pairwise(places))
