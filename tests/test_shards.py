from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charachbench import shards
from charachbench.commands import open_benchmark
from charachbench.config import Config, ShardConfig
from charachbench.errors import UserError
from charachbench.evaluate import build_metrics, evaluate
from charachbench.generate import generate
from charachbench.store import Store
from tests.fakes import Tiny, settings

COSTS = st.lists(st.integers(0, 500), max_size=60)


@given(COSTS, st.integers(1, 9))
def test_every_cost_falls_to_a_shard_and_none_costs_much_more_than_it_must(costs, count):
    chosen = shards.divide(costs, count)
    assert len(chosen) == len(costs)
    assert set(chosen) <= set(range(count))
    totals = [sum(cost for cost, shard in zip(costs, chosen, strict=True) if shard == one) for one in range(count)]
    # Graham (1969): the last one that was added to the dearest shard was added to the cheapest one
    assert max(totals) <= sum(costs) / count + max(costs, default=0)
    assert chosen == shards.divide(costs, count)


def test_the_dearest_first_where_it_matters():
    assert sorted(map(sum, [[7, 3], [6, 4]])) == [10, 10]
    chosen = shards.divide([3, 7, 4, 6], 2)
    assert chosen[0] == chosen[1] != chosen[2] == chosen[3]


@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 4))
def test_shards_begin_with_pairs_of_their_own_and_end_with_all(characters, drivers, count):
    pairs = Tiny(characters, drivers).open(None, Path()).pairs
    own = [shards.order(pairs, ShardConfig(index, count, steal=False)) for index in range(count)]
    assert sorted(pair.name for each in own for pair in each) == sorted(pair.name for pair in pairs)
    assert max(map(len, own)) - min(map(len, own)) <= 1  # all drivers are equally long
    for index in range(count):
        whole = shards.order(pairs, ShardConfig(index, count))
        assert whole[: len(own[index])] == own[index]
        assert {pair.name for pair in whole} == {pair.name for pair in pairs}
        assert len(whole) == len(pairs)


@pytest.mark.parametrize(
    ("index", "count", "told"), [(2, 2, "shard.index=2: accepted are 0 to 1"), (-1, 3, "-1"), (0, 0, "shard.count=0")]
)
def test_shards_that_there_are_not(index, count, told):
    with pytest.raises(UserError, match=told):
        ShardConfig(index, count)


def of(config: Config, index: int, *, steal: bool) -> tuple[list[str], int]:
    config = replace(config, shard=ShardConfig(index, 2, steal))
    store = Store(Path(config.results))
    benchmark = open_benchmark(config, store)
    outcome = generate(config, benchmark, store)
    tally = evaluate(config, benchmark, outcome.run, build_metrics(config))
    assert tally.reused == len(outcome.reused)
    return outcome.made, tally.scored


def test_a_shard_that_does_not_steal_leaves_the_rest_to_others(tmp_path):
    config = settings(tmp_path)
    (one, scored), (other, also) = of(config, 0, steal=False), of(config, 1, steal=False)
    assert (len(one), len(other), scored, also) == (3, 3, 3, 3)
    assert not set(one) & set(other)


def test_a_shard_takes_what_another_one_does_not_do(tmp_path):
    made, scored = of(settings(tmp_path), 1, steal=True)
    assert (len(made), scored) == (6, 6)
    assert of(settings(tmp_path), 0, steal=True) == ([], 0)
