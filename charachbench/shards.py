"""Which pairs a job of several sees to first."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from charachbench.benchmark.types import Pair
from charachbench.config import ShardConfig
from charachbench.errors import UserError


def divide(costs: Sequence[float], count: int) -> list[int]:
    """For each cost the shard it falls to, so that all cost about the same: the dearest first, to the cheapest shard.

    Longest processing time first (Graham 1969): no shard costs more than 4/3 of what it must. The same costs are
    always divided in the same way.
    """
    shards = [(0.0, shard) for shard in range(count)]
    chosen = [0] * len(costs)
    for index in sorted(range(len(costs)), key=lambda index: (-costs[index], index)):
        total, shard = shards[0]
        chosen[index] = shard
        heapq.heapreplace(shards, (total + costs[index], shard))
    return chosen


def order(pairs: Sequence[Pair], shard: ShardConfig) -> list[Pair]:
    """The job's own pairs as they come; then, unless it is not to steal, those of other shards, the last ones first.

    A pair costs as many frames as its driver has; one that cannot be read costs nothing.
    """
    if shard.count == 1:
        return list(pairs)
    chosen = divide(list(_frames(pairs)), shard.count)
    others = [(shard.index + step) % shard.count for step in range(1, shard.count)] if shard.steal else []
    own = [pair for pair, falls_to in zip(pairs, chosen, strict=True) if falls_to == shard.index]
    return own + [
        pair
        for other in others
        for pair, falls_to in reversed(list(zip(pairs, chosen, strict=True)))
        if falls_to == other
    ]


def _frames(pairs: Iterable[Pair]) -> Iterable[int]:
    known: dict[str, int] = {}
    for pair in pairs:
        if (key := pair.driver.fingerprint) not in known:
            try:
                known[key] = len(pair.driver.video) if pair.driver.name else 1
            except UserError:  # the pair itself will fail, and tell why
                known[key] = 0
        yield known[key]
