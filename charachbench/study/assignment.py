"""Who sees what, in which order: cases that are spread out, and raters among whom everything is balanced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np

from charachbench.benchmark.types import Pair

T = TypeVar("T")
Sight = tuple[str, tuple[str, ...]]
"""A case, and the methods whose videos of it are on the screen: one, or the left and the right one."""


def spread_out(pairs: Sequence[Pair], count: int, seed: int) -> list[Pair]:
    """Choose pairs whose characters, domains and drivers, in this order, come as equally often as can be."""
    rest = shuffled(sorted(pairs, key=lambda pair: pair.name), np.random.default_rng(seed))
    chosen: list[Pair] = []
    used: Counter[Hashable] = Counter()
    while len(chosen) < count:
        pair = min(rest, key=lambda pair: [used[trait] for trait in _traits(pair)])
        used.update(_traits(pair))
        rest.remove(pair)
        chosen.append(pair)
    return chosen


def _traits(pair: Pair) -> list[Hashable]:
    return [("character", pair.character.name), ("domain", pair.character.domain), ("driver", pair.driver.name)]


def ordered(items: Sequence[T], shift: int, *, backwards: bool) -> list[T]:
    """A row of Williams' square: over the shifts each item stands once in each place, and seldom follows the same one.

    Of an even number of items each follows each other one once; of an odd number, once forwards or backwards, and once
    more (Williams, "Experimental designs balanced for the estimation of residual effects of treatments", Australian
    Journal of Scientific Research A, 1949).
    """
    zigzag = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(len(items))]
    row = [items[(step + shift) % len(items)] for step in zigzag]
    return row[::-1] if backwards else row


def rated(cases: Sequence[str], methods: Sequence[str], raters: int, seed: int) -> Iterator[list[Sight]]:
    """For each rater all videos, those of a case one after the other.

    Over raters, each case stands in each place equally often, and so does each method within each case; for each rater
    each method does within cases. All this holds for the first so many raters, too, within one.
    """
    rng = np.random.default_rng(seed)
    cases, methods = shuffled(cases, rng), shuffled(methods, rng)
    for rater in range(raters):
        yield [
            (case, (method,))
            for case in _cases_of(cases, rater)
            for method in ordered(methods, rater + cases.index(case), backwards=_backwards(methods, rater))
        ]


def compared(
    cases: Sequence[str], methods: Sequence[str], raters: int, comparisons: int, seed: int
) -> Iterator[list[Sight]]:
    """For each rater some pairs of methods of every case, those of a case one after the other.

    Each is chosen so as to keep even, in this order: how often each case shows each pair of methods, each pair is shown
    at all, and the rater sees each method; and likewise which of the two is on the left (minimisation: Taves,
    "Minimization", Clinical Pharmacology and Therapeutics, 1974). The first of these holds within one.
    """
    rng = np.random.default_rng(seed)
    cases, pairs = shuffled(cases, rng), list(combinations(methods, 2))
    shown: Counter[Hashable] = Counter()
    placed: Counter[Hashable] = Counter()
    for rater in range(raters):
        sights: list[Sight] = []
        seen: Counter[str] = Counter()
        on_left: Counter[str] = Counter()
        for case in _cases_of(cases, rater):
            left_over = shuffled(pairs, rng)
            for _ in range(comparisons):
                pair = min(left_over, key=lambda two: (shown[case, two], shown[two], seen[two[0]] + seen[two[1]]))
                left_over.remove(pair)
                sides = shuffled([pair, pair[::-1]], rng)
                sight = min(sides, key=lambda two: (placed[case, two], placed[two], on_left[two[0]]))
                sights.append((case, sight))
                shown.update([(case, pair), pair])
                placed.update([(case, sight), sight])
                seen.update(pair)
                on_left[sight[0]] += 1
        yield sights


def check_places(screens: int, checks: int, rng: np.random.Generator) -> list[int]:
    """After how many screens each check comes, evenly spread but not to be foreseen; the last one first."""
    return [1 + int((check + rng.random()) * screens / checks) for check in reversed(range(checks))]


def shuffled(items: Sequence[T], rng: np.random.Generator) -> list[T]:
    """The items in an order that is drawn."""
    return [items[index] for index in rng.permutation(len(items))]


def _cases_of(cases: Sequence[str], rater: int) -> list[str]:
    return ordered(cases, rater, backwards=_backwards(cases, rater))


def _backwards(items: Sequence[T], rater: int) -> bool:
    """Whether it is the turn of the second half of a square of an odd number of items."""
    return len(items) % 2 == 1 and rater // len(items) % 2 == 1
