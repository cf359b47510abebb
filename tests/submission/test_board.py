"""A leaderboard of bundles is the one that would have been made of the runs themselves."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from charachbench.config import Aggregation, Config
from charachbench.evaluate import build_metrics
from charachbench.leaderboard import render
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.board import Leaderboard
from charachbench.leaderboard.collect import collect
from charachbench.submission.board import make, read_all
from tests.submission.bundles import METRICS, bundled, configured, edited, opened


class Three(NamedTuple):
    """Bundles of one store: two of all pairs, and one whose pair ``c1__d0`` failed."""

    config: Config
    paths: list[Path]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Three:
    results, options = tmp_path_factory.mktemp("three"), [{}, {}, {"method_fail_on": ["c1__d0"]}]
    configs = [configured(results, method_step=step, **each) for step, each in zip((1, 3, 5), options, strict=True)]
    return Three(configs[0], [bundled(config) for config in configs])


def copied(folder: Path, *paths: Path) -> Path:
    for path in paths:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def board_of(root: Path, config: Config) -> tuple[Leaderboard, list[str]]:
    _, benchmark = opened(config)
    bundles, refused = read_all(root, benchmark)
    return make(bundles, benchmark, Aggregation.shared_pairs, {}), refused


def direct(config: Config, methods: Collection[str]) -> Leaderboard:
    """What the store's own leaderboard says of some rows."""
    store, benchmark = opened(config)
    metrics = build_metrics(config)
    scores = collect(store, benchmark, metrics)
    return aggregate(scores[scores["method"].isin(methods)], metrics)


def test_figures_intervals_and_comparisons_are_those_of_the_store(three: Three, tmp_path: Path) -> None:
    found, refused = board_of(copied(tmp_path, *three.paths), three.config)
    assert refused == []
    own = direct(three.config, [row.method for row in found.rows])
    assert (found.pairs, found.characters, found.drivers) == (own.pairs, own.characters, own.drivers) == (12, 6, 2)
    assert [(row.method, row.made, row.failures) for row in found.rows] == [
        (row.method, row.made, row.failures) for row in own.rows
    ]
    assert found.rows[0].method.startswith("roll (")
    of_pairs = [column for column in own.columns if not column.of_set]
    assert [column for column in found.columns if not column.of_set] == of_pairs
    assert [column.comparisons for column in of_pairs]
    for row, other in zip(found.rows, own.rows, strict=True):
        assert {column.name: row.cells[column.name] for column in of_pairs} == {
            column.name: other.cells[column.name] for column in of_pairs
        }
    assert found.ranking == own.ranking
    column = found.column("spread")
    assert column is not None
    assert column.pairs == 11
    assert column.caveat.startswith("over fewer pairs than some bundle has, so approximate")
    assert "§ spread: over fewer pairs than some bundle has, so approximate" in render.markdown(found)
    assert {kind: list(parts) for kind, parts in found.slices.items()} == {
        kind: list(parts) for kind, parts in own.slices.items()
    }


def test_numbers_of_sets_are_exact_where_all_made_the_same_pairs(three: Three, tmp_path: Path) -> None:
    found, _ = board_of(copied(tmp_path, *three.paths[:2]), three.config)
    own = direct(three.config, [row.method for row in found.rows])
    for name in ("spread", "shift"):
        mine, its = found.column(name), own.column(name)
        assert mine is not None
        assert its is not None
        assert (mine.of_set, mine.caveat, mine.signature, mine.ranking) == (True, its.caveat, its.signature, None)
        assert [(c.first, c.second, c.p) for c in mine.comparisons] == [
            (c.first, c.second, pytest.approx(c.p)) for c in its.comparisons
        ]
        for row, other in zip(found.rows, own.rows, strict=True):
            assert row.cells[name].value == pytest.approx(other.cells[name].value, rel=1e-12)
            assert row.cells[name].interval == pytest.approx(other.cells[name].interval, rel=1e-9)
    assert not any("spread" in part.rows[0].cells for part in found.slices["domain"].values())


def test_the_protocol_of_most_has_the_column_and_others_say_what_differs(three: Three, tmp_path: Path) -> None:
    root = copied(tmp_path, *three.paths[:2])
    other = {**METRICS, "shift": {**METRICS["shift"], "scale": 2.0}}
    del other["spread"]
    copied(root, bundled(configured(Path(three.config.results), method_step=7, metrics=other)))
    found, refused = board_of(root, three.config)
    assert refused == []
    cells = {row.method: row.cells["shift"] for row in found.rows}
    assert cells["roll (step=7)"].value is None
    assert cells["roll (step=1)"].value is not None
    told = "not comparable, scored under another protocol (config.scale: absent → 2.0)"
    assert f"–: shift of roll (step=7): {told}." in found.footnotes()
    assert "–: spread of roll (step=7): was not submitted." in found.footnotes()
    column = found.column("shift")
    assert column is not None
    assert column.signature == next(each.signature for each in build_metrics(three.config) if each.name == "shift")
    assert column.pairs == 12


def test_what_contradicts_itself_and_what_is_there_twice_is_left_out(three: Three, tmp_path: Path) -> None:
    path = three.paths[0]
    root = copied(tmp_path, path)
    edited(path, root / "x.zip", lambda found: found["figures"][0].update(value=0.0, low=0.0, pairs=3))
    (root / "y.zip").write_bytes(b"")
    (root / "z.zip").write_bytes(path.read_bytes())
    found, refused = board_of(root, three.config)
    assert [row.method for row in found.rows] == ["roll"]
    assert len(refused) == 3
    assert refused[0].startswith("x.zip is left out: figure of brightness: pairs is 3, but the scores give 12 (and 2")
    assert refused[1].startswith("y.zip is left out: cannot be read as a zip")
    assert refused[2] == f"z.zip is left out: is the same run as {path.name}"


def test_runs_that_claim_alike_keys_stay_apart(three: Three, tmp_path: Path) -> None:
    path = three.paths[0]
    root = copied(tmp_path, path)

    def change(found: Any) -> None:
        found["method"]["key"] = found["method"]["key"][:4] + "0" * 60

    edited(path, root / "x.zip", change)
    found, _ = board_of(root, three.config)
    assert [row.made for row in found.rows] == [12, 12]
    assert len({row.method for row in found.rows}) == 2


def test_controls_are_not_ranked(three: Three, tmp_path: Path) -> None:
    root = copied(tmp_path, three.paths[1])
    edited(three.paths[0], root / "x.zip", lambda found: found["method"].update(control=True, name="still"))
    found, _ = board_of(root, three.config)
    assert [(row.marked, row.ranked) for row in found.rows] == [("roll", True), ("still ‡", False)]
