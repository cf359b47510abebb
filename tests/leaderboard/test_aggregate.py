"""Leaderboards: over the same pairs for all, with nothing left out silently."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charachbench.benchmark.types import Pair
from charachbench.codecs import LOSSLESS
from charachbench.commands import open_benchmark
from charachbench.config import Aggregation, Config, StoreConfig
from charachbench.errors import UserError
from charachbench.evaluate import NamedMetric, build_metrics, evaluate
from charachbench.generate import generate
from charachbench.leaderboard import render
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.board import Leaderboard
from charachbench.leaderboard.collect import COLUMNS, collect, label_runs
from charachbench.leaderboard.sets import SetNumbers
from charachbench.protocols import Animation
from charachbench.store import Run, RunInfo, Store
from tests.fakes import Brightness, Difference, Roll, settings

METRICS = [NamedMetric("up", Brightness(), {}), NamedMetric("down", Difference(), {})]


def table(
    values: Mapping[str, Mapping[str, Mapping[str, float | None]]],
    controls: tuple[str, ...] = (),
    random: tuple[str, ...] = (),
    codecs: Mapping[str, str] = {},
) -> pd.DataFrame:
    """Scores as ``collect`` gives them, from method -> metric -> pair -> value (None: failed)."""
    rows = []
    for method, by_metric in values.items():
        for metric, by_pair in by_metric.items():
            for pair, value in by_pair.items():
                status, reason = ("scored", "") if value is not None else ("failed", "out of luck")
                character, driver = pair.split("__")
                domain = "even" if int(character[1:]) % 2 == 0 else "odd"
                rows.append(
                    ("b", method, method, method in controls, method in random, codecs.get(method, LOSSLESS), "",
                     character, domain, driver, pair,
                     metric, metric, status, value, reason, None, None, 25.0, "")
                )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def value(board: Leaderboard, method: str, metric: str = "up") -> float | None:
    return next(row for row in board.rows if row.method == method).cells[metric].value


def test_means_are_over_the_pairs_that_all_methods_have() -> None:
    scores = table(
        {
            "a": {"up": {"c0__d0": 1.0, "c1__d0": 2.0, "c2__d0": 9.0}},
            "b": {"up": {"c0__d0": 3.0, "c1__d0": 4.0, "c2__d0": None}},
        }
    )
    board = aggregate(scores, METRICS[:1])
    assert (value(board, "a"), value(board, "b")) == (1.5, 3.5)
    assert [row.made for row in board.rows] == [2, 3]
    assert "up: 2 of 3 pairs." in board.footnotes()


def test_failures_count_as_the_worst_value_where_that_is_asked_for() -> None:
    values: dict[str, dict[str, float | None]] = {
        "a": {"c0__d0": 1.0, "c1__d0": 2.0, "c2__d0": 9.0, "c3__d0": None},
        "b": {"c0__d0": 3.0, "c1__d0": None, "c2__d0": 5.0, "c3__d0": None},
        "still": {"c0__d0": -70.0, "c1__d0": -70.0, "c2__d0": -70.0, "c3__d0": -70.0},
        "nothing": dict.fromkeys(("c0__d0", "c1__d0", "c2__d0", "c3__d0")),
    }
    scores = table({name: {"up": pairs, "down": pairs} for name, pairs in values.items()}, controls=("still",))
    unscored = (scores["method"] == "a") & (scores["pair"] == "c2__d0") & (scores["metric"] == "down")
    scores.loc[unscored, ["status", "value"]] = ["unscored", None]  # no fault of the method's
    board = aggregate(scores, METRICS, Aggregation.worst_value_for_failures)
    assert value(board, "a", "up") == (1.0 + 2.0 + 9.0 + 1.0) / 4
    assert value(board, "b", "up") == (3.0 + 1.0 + 5.0 + 1.0) / 4  # 1 is the least that a method reached
    assert value(board, "a", "down") == (1.0 + 2.0 + 5.0) / 3
    assert value(board, "b", "down") == (3.0 + 5.0 + 5.0) / 3
    assert value(board, "nothing", "up") is None
    assert [row.cells["up"].failed for row in board.rows if row.method in "ab"] == [1, 2]
    told = "Pairs that a method failed on count as the worst that any shown method reached: up 1.00, down 5.00."
    assert told in board.footnotes()
    shared = aggregate(scores, METRICS)
    assert (value(shared, "a", "up"), value(shared, "b", "up")) == (5.0, 4.0)


def many(methods: Mapping[str, float], metrics: tuple[str, ...] = ("up",), characters: int = 12) -> pd.DataFrame:
    """Methods whose values differ by about so much on pairs of many characters and two drivers."""
    rng = np.random.default_rng(0)
    pairs = [f"c{character}__d{driver}" for character in range(characters) for driver in range(2)]
    levels = dict(zip(pairs, np.repeat(rng.normal(scale=5, size=characters), 2), strict=True))
    return table(
        {
            name: {metric: {pair: levels[pair] + shift + rng.normal(scale=0.5) for pair in pairs} for metric in metrics}
            for name, shift in methods.items()
        },
        controls=("oracle",),
    )


def test_methods_that_cannot_be_told_from_the_best_are_marked() -> None:
    board = aggregate(many({"best": 3.4, "close": 3.0, "far": 0.0, "oracle": 9.0}), METRICS[:1])
    cells = {row.method: row.cells["up"] for row in board.rows}
    assert {name: cell.tied for name, cell in cells.items()} == {
        "best": True, "close": True, "far": False, "oracle": False,
    }  # fmt: skip
    couples = {(c.first, c.second): c for c in board.columns[0].comparisons}
    assert set(couples) == {("best", "close"), ("best", "far"), ("close", "far")}  # the control is not compared
    assert couples["best", "far"].difference == pytest.approx(3, abs=0.5)
    low, high = couples["best", "far"].interval or (0, 0)
    assert low < couples["best", "far"].difference < high
    width = cells["best"].half_width
    assert width is not None
    assert (high - low) / 2 < width / 3  # characters differ far more than methods do on the same character
    assert f"<u>{board.columns[0].text(cells['close'].value or 0)}</u> ± " in render.markdown(board)
    assert render.markdown(board).count(" ≈ |") == 1
    assert "≈ cannot be told from the best" in render.markdown(board)
    assert r"$\approx$ &" in render.latex(board) or r"$\approx$ \\" in render.latex(board)
    told = render.comparisons(board)
    assert told[["first", "second", "significant"]].to_numpy().tolist() == [
        ["best", "close", False], ["best", "far", True], ["close", "far", True],
    ]  # fmt: skip


def test_too_few_characters_and_drivers_have_neither_intervals_nor_groups() -> None:
    board = aggregate(many({"best": 3.0, "far": 0.0}, characters=3), METRICS[:1])
    assert all(cell.interval is None for row in board.rows for cell in row.cells.values())
    assert {(c.interval, c.p, c.significant) for c in board.columns[0].comparisons} == {(None, None, False)}
    assert not {"±", "≈"} & set(render.markdown(board))
    notes = board.footnotes()
    assert "No intervals or comparisons: 3 characters and 2 drivers are too few to tell how they vary." in notes


def test_intervals_end_where_a_metrics_numbers_end() -> None:
    pairs = {f"c{index}__d0": float(index == 0) for index in range(8)}
    board = aggregate(table({"a": {"up": pairs, "down": pairs}}), METRICS)
    (row,) = board.rows
    (low, high), (unlimited, same) = row.cells["down"].interval or (0, 0), row.cells["up"].interval or (0, 0)
    assert unlimited < 0 == low
    assert high == same > row.cells["up"].value == 1 / 8  # type: ignore[operator]


def test_what_was_resampled_is_told() -> None:
    told = [note for note in aggregate(many({"a": 1.0, "b": 0.0}), METRICS[:1]).footnotes() if "±" in note]
    assert told == [
        "Intervals (±: half of one) hold 95%, by resampling characters, which pairs share, widened by Student's t for "
        "their number; the 2 drivers are taken as given, too few to tell how they vary."
    ]


def test_methods_are_ranked_within_pairs_and_each_family_counts_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Difference, "family", "fidelity")
    metrics = [NamedMetric("up", Brightness(), {}), NamedMetric("more", Brightness(), {}), METRICS[1]]
    scores = many({"high": 5.0, "low": 0.0, "oracle": 9.0}, ("up", "more", "down"))
    board = aggregate(scores, metrics)
    rankings = {column.name: column.ranking for column in board.columns}
    assert {name: ranking and ranking.methods for name, ranking in rankings.items()} == {
        "up": ("high", "low"), "more": ("high", "low"), "down": ("low", "high"),
    }  # fmt: skip
    assert rankings["up"] is not None
    assert rankings["up"].means == (1.0, 2.0)
    assert board.ranking is not None
    assert board.ranking.means == (1.5, 1.5)  # one family says so, the other the opposite
    assert "| high | 1.50" in render.markdown(board)
    tidy = render.figures(board)
    assert set(tidy.loc[tidy["metric"] == render.MEAN_RANK, "value"]) == {1.5}


def test_a_method_without_any_score_does_not_empty_the_others() -> None:
    board = aggregate(table({"a": {"up": {"c0__d0": 1.0}}, "b": {"up": {"c0__d0": None}}}), METRICS[:1])
    assert (value(board, "a"), value(board, "b")) == (1.0, None)
    assert "0/1 (1 failed)" in render.markdown(board)


def test_best_and_second_follow_the_direction_and_leave_controls_out() -> None:
    values = {
        name: {"up": {"c0__d0": figure}, "down": {"c0__d0": figure}}
        for name, figure in {"low": 1.0, "middle": 2.0, "high": 3.0, "oracle": 4.0}.items()
    }
    board = aggregate(table(values, controls=("oracle",)), METRICS)
    ranks = {row.method: (row.cells["up"].rank, row.cells["down"].rank) for row in board.rows}
    assert ranks == {"high": (1, 0), "middle": (2, 2), "low": (0, 1), "oracle": (0, 0)}
    assert [row.method for row in board.rows] == ["high", "middle", "low", "oracle"]
    assert "**3.000**" in render.markdown(board)
    assert r"\textbf{3.000}" in render.latex(board)
    assert r"\underline{2.000}" in render.latex(board)


def shown(board: Leaderboard) -> str:
    """What the terminal shows."""
    from rich.console import Console

    console = Console(width=200, file=io.StringIO())
    console.print(render.terminal(board))
    return console.file.getvalue()  # type: ignore[attr-defined]


NOTE = "¶ random weights: shows that the pipeline runs; its numbers say nothing of the method."
NOISE = "mofa (random weights)"


def test_random_weights_are_marked_wherever_they_show_and_not_ranked() -> None:
    figures = {NOISE: 9.0, "low": 1.0, "high": 3.0, "still": 2.0}
    scores = table({name: {"up": {"c0__d0": v, "c1__d0": v}} for name, v in figures.items()}, ("still",), (NOISE,))
    board = aggregate(scores, METRICS[:1])
    for part in (board, *board.slices["domain"].values()):
        assert [(row.method, row.ranked, row.cells["up"].rank) for row in part.rows] == [
            ("high", True, 1), ("low", True, 2), (NOISE, False, 0), ("still", False, 0),
        ]  # fmt: skip
        assert NOTE in part.footnotes()
    assert render.markdown(board).count(f"| {NOISE} ¶ | 2/2 | 9.000 |") == 1
    assert f"| {NOISE} ¶ |" in render.markdown(board).split("## By domain")[1]
    assert f"* {NOTE}" in render.markdown(board)
    assert rf"{NOISE} \P{{}} & 2/2 & 9.000 \\" in render.latex(board)
    assert NOTE.replace("¶", r"\P{}") in render.latex(board)
    assert f"{NOISE} ¶" in shown(board)
    assert NOTE in shown(board)
    lines = render.figures(board).drop_duplicates("method")
    assert set(lines[["method", "control", "random"]].itertuples(index=False, name=None)) == {
        ("high", False, False), ("low", False, False), ("still", True, False), (NOISE, False, True),
    }  # fmt: skip


def test_trained_weights_bear_no_mark() -> None:
    board = aggregate(table({"a": {"up": {"c0__d0": 1.0}}}, controls=("a",)), METRICS[:1])
    texts = [render.markdown(board), render.latex(board), shown(board)]
    assert not [text for text in texts if "¶" in text or r"\P" in text or "random" in text]


def test_noise_narrows_nobodys_pairs() -> None:
    real = {f"c{index}__d0": float(index) for index in range(4)}
    scores = table({"a": {"up": real}, NOISE: {"up": {"c0__d0": 9.0, "c1__d0": None}}}, random=(NOISE,))
    board = aggregate(scores, METRICS[:1], slices=False)
    assert value(board, "a", "up") == 1.5
    assert value(board, NOISE, "up") == 9.0
    assert board.columns[0].pairs == 4
    assert "Figures are means over the pairs that every shown method that is not of random weights has" in str(
        board.footnotes()
    )


def test_why_pairs_failed_is_told() -> None:
    scores = table({"a": {"up": {"c0__d0": 1.0, "c1__d0": 2.0, "c2__d0": 3.0}}})
    for pair, reason in (("c1__d0", "character 'c1': no face in it"), ("c2__d0", "character 'c2': no face in it")):
        scores.loc[scores["pair"] == pair, ["status", "reason", "value"]] = ["failed", reason, None]
    board = aggregate(scores, METRICS[:1], slices=False)
    assert board.rows[0].failures == (("no face in it", 2),)
    assert "a: 2 failed: no face in it." in board.footnotes()


def test_pairs_that_were_degraded_are_counted_with_what_they_lack() -> None:
    scores = table({"a": {"up": {f"c{index}__d0": 1.0 for index in range(5)}}, "b": {"up": {"c0__d0": 1.0}}})
    mine = scores["method"] == "a"
    scores.loc[mine & scores["pair"].isin(["c1__d0", "c3__d0"]), "degraded"] = "ran without alignment"
    scores.loc[mine & (scores["pair"] == "c2__d0"), "degraded"] = "eyes | were not moved"
    scores.loc[mine & (scores["pair"] == "c4__d0"), ["status", "reason", "value"]] = ["failed", "no face in it", None]
    board = aggregate(scores, METRICS[:1], slices=False)
    rows = {row.method: row for row in board.rows}
    assert rows["a"].degraded == (("ran without alignment", 2), ("eyes | were not moved", 1))
    assert rows["b"].degraded == ()
    sentence = (
        "a: 1 failed: no face in it; 2 of 4 degraded: ran without alignment; 1 of 4 degraded: eyes | were not moved."
    )
    assert sentence in board.footnotes()
    assert value(board, "a") == 1.0  # they count
    assert "2 of 4 degraded: ran without alignment" in shown(board)
    assert "2 of 4 degraded: ran without alignment" in render.latex(board)
    assert "2 of 4 degraded: ran without alignment" in render.markdown(board)


def test_tables_of_before_there_were_degraded_pairs_are_read() -> None:
    scores = table({"a": {"up": {"c0__d0": 1.0}}})
    scores["degraded"] = None
    assert aggregate(scores, METRICS[:1]).rows[0].degraded == ()


def test_the_fourth_reason_is_not_told() -> None:
    scores = table({"a": {"up": {f"c{index}__d0": 1.0 for index in range(9)}}})
    for pair, reason in {"c1": "a", "c2": "b", "c3": "b", "c4": "c", "c5": "d", "c6": "d", "c7": "d"}.items():
        scores.loc[scores["pair"] == f"{pair}__d0", ["status", "reason", "value"]] = ["failed", reason, None]
    board = aggregate(scores, METRICS[:1], slices=False)
    (note,) = [note for note in board.footnotes() if note.startswith("a: ")]
    assert note == "a: 3 failed: d; 2 failed: b; 1 failed: a; others failed."


def test_what_a_method_says_of_its_pairs_is_in_the_tidy_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def animate(self: Roll, pair: Pair, seed: int) -> Animation:
        return Animation(pair.driver.video, degraded="without eyes" if pair.name == "c1__d0" else "")

    monkeypatch.setattr(Roll, "animate", animate)
    scores = _score(settings(tmp_path, method_fail_on=[]))
    assert dict(zip(scores["pair"], scores["degraded"], strict=True)) == {
        pair: "without eyes" if pair == "c1__d0" else "" for pair in scores["pair"]
    }
    for path in tmp_path.rglob("record.json"):  # as those that were written before there was such a thing
        record = json.loads(path.read_text())
        del record["degraded"]
        path.write_text(json.dumps(record))
    assert set(_score(settings(tmp_path, method_fail_on=[]))["degraded"]) == {""}


def test_among_controls_alone_noise_is_not_ranked() -> None:
    scores = table({name: {"up": {"c0__d0": v}} for name, v in ((NOISE, 9.0), ("still", 2.0))}, ("still",), (NOISE,))
    board = aggregate(scores, METRICS[:1])
    assert {row.method: row.cells["up"].rank for row in board.rows} == {NOISE: 0, "still": 1}
    assert f"| {NOISE} ¶ | 1/1 | 9.000 |" in render.markdown(board)
    assert NOTE in board.footnotes()


def test_figures_that_look_equal_share_a_mark() -> None:
    board = aggregate(table({"a": {"up": {"c0__d0": 1.00001}}, "b": {"up": {"c0__d0": 1.00002}}}), METRICS[:1])
    assert [row.cells["up"].rank for row in board.rows] == [1, 1]


def test_a_metric_that_nobody_has_is_absent_with_the_reason() -> None:
    scores = table({"a": {"up": {"c0__d0": 1.0}, "down": {"c0__d0": None}}})
    board = aggregate(scores, METRICS)
    assert board.absent == {"down": "out of luck"}
    assert "Absent: down: out of luck." in render.markdown(board)


def test_a_method_without_any_score_says_why() -> None:
    scores = table({"a": {"up": {"c0__d0": 1.0, "c1__d0": 2.0}}, "b": {"up": {"c0__d0": None, "c1__d0": None}}})
    other = scores["method"] == "b"
    scores.loc[other, "status"] = ["unscored", "pending"]
    scores.loc[other, "reason"] = ["no face found", "not scored yet"]
    assert "–: up of b: no face found." in aggregate(scores, METRICS[:1]).footnotes()


def test_a_damaged_array_is_told_with_its_remedy(tmp_path: Path) -> None:
    config = settings(tmp_path, metrics={"shift": {"_target_": "tests.fakes.Shift"}})
    scores, metrics = _score(config), build_metrics(config)
    Path(scores["array"].iloc[0]).write_bytes(b"junk")
    with pytest.raises(UserError, match=r"features-.*npy: was damaged and is removed; `charachbench evaluate`"):
        aggregate(scores, metrics)


def test_figures_under_different_protocols_never_share_a_column() -> None:
    scores = table({"a": {"up": {"c0__d0": 1.0}}, "b": {"up": {"c0__d0": 2.0}}})
    scores.loc[scores["method"] == "b", "signature"] = "up#other"
    with pytest.raises(UserError, match="up: figures under different protocols cannot share a column: up, up#other"):
        aggregate(scores, METRICS[:1])


def test_no_digit_below_the_noise_is_shown() -> None:
    scores = table({"a": {"up": {"c0__d0": 1.23456}}})
    figures = {}
    for noise in (0.0, 1e-9, 0.003, 0.2, 5.0):
        board = aggregate(scores, METRICS[:1], noise={METRICS[0].signature: noise})
        figures[noise] = render.markdown(board).split("**")[1]
    assert figures == {0.0: "1.235", 1e-9: "1.235", 0.003: "1.23", 0.2: "1", 5.0: "0"}


def test_every_column_says_under_which_protocol_it_is() -> None:
    board = aggregate(table({"a": {"up": {"c0__d0": 1.0}}}), METRICS[:1])
    assert board.protocols() == [f"{METRICS[0].signature}: version 1, fps 25, n 1 pairs"]
    for text in (render.markdown(board), render.latex(board).replace(r"\#", "#")):
        assert METRICS[0].signature in text
    assert set(render.figures(board)["signature"]) == {METRICS[0].signature}


def test_families_have_tables_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Difference, "family", "fidelity")
    board = aggregate(table({"a": {"up": {"c0__d0": 1.0}, "down": {"c0__d0": 2.0}}}), METRICS)
    assert {family: [column.name for column in columns] for family, columns in board.families.items()} == {
        "other": ["up"], "fidelity": ["down"],
    }  # fmt: skip
    assert render.markdown(board).count("| method |") == 2
    assert render.latex(board).count(r"\begin{tabular}") == 2


def test_domains_drivers_and_characters_have_tables_of_their_own() -> None:
    values = {"c0__d0": 1.0, "c1__d0": 3.0, "c0__d1": 5.0, "c1__d1": 9.0}
    board = aggregate(table({"a": {"up": values}}), METRICS[:1])
    found = {kind: {name: value(part, "a") for name, part in parts.items()} for kind, parts in board.slices.items()}
    assert found == {
        "domain": {"even": 3.0, "odd": 6.0},
        "driver": {"d0": 2.0, "d1": 7.0},
        "character": {"c0": 3.0, "c1": 6.0},
    }
    text = render.markdown(board)
    for kind, line in (("domain", "| even | 2 | **3.000** |"), ("driver", "| d1 | 2 | **7.000** |")):
        assert line in text.split(f"## By {kind}")[1]
    tidy = render.figures(board)
    assert tidy.loc[tidy["over"] == "driver", ["part", "value"]].to_numpy().tolist() == [["d0", 2.0], ["d1", 7.0]]
    assert tidy.loc[tidy["over"] == "all", "value"].tolist() == [4.5]


@hypothesis.settings(max_examples=30)  # each makes two leaderboards
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8), st.randoms())
def test_order_of_pairs_does_not_matter(figures: list[float], random: Any) -> None:
    pairs = {f"c{index}__d0": figure for index, figure in enumerate(figures)}
    shuffled = list(pairs.items())
    random.shuffle(shuffled)
    boards = [aggregate(table({"a": {"up": dict(each)}}), METRICS[:1]) for each in (pairs.items(), shuffled)]
    assert value(boards[0], "a") == pytest.approx(value(boards[1], "a"), abs=1e-9)
    assert value(boards[0], "a") == pytest.approx(float(np.mean(figures)), abs=1e-9)


def test_names_are_escaped() -> None:
    board = aggregate(table({r"a_b & 50% {x} \y <b>|[red]": {"up": {"c0__d0": 1.0}}}), METRICS[:1])
    assert r"a\_b \& 50\% \{x\} \textbackslash{}y" in render.latex(board)
    assert r"&lt;b&gt;\|[red]" in render.markdown(board)
    assert "<b>|[red]" in shown(board)


def _score(config: Config) -> pd.DataFrame:
    store = Store(Path(config.results))
    benchmark = open_benchmark(config, store)
    metrics = build_metrics(config)
    outcome = generate(config, benchmark, store)
    evaluate(config, benchmark, outcome.run, metrics)
    return collect(store, benchmark, metrics)


def test_runs_of_one_method_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    assert set(_score(settings(tmp_path))["method"]) == {"roll"}
    assert set(_score(settings(tmp_path, method_step=2))["method"]) == {"roll", "roll (step=2)"}
    scores = _score(settings(tmp_path, method_step=2, seed=1))
    assert set(scores["method"]) == {"roll (seed=0)", "roll (seed=0, step=2)", "roll (seed=1, step=2)"}


@pytest.mark.slow
def test_random_weights_come_first_among_what_tells_runs_apart(tmp_path: Path) -> None:
    scores = _score(settings(tmp_path, method_weights="random"))
    assert set(scores["method"]) == {"roll (random weights)"}
    assert scores["random"].all()
    scores = _score(settings(tmp_path, method_weights="random", seed=1))
    assert set(scores["method"]) == {"roll (random weights, seed=0)", "roll (random weights, seed=1)"}
    scores = _score(settings(tmp_path))
    assert dict(scores.groupby("method")["random"].all()) == {
        "roll (seed=0)": False,
        "roll (random weights, seed=0, weights=random)": True,
        "roll (random weights, seed=1, weights=random)": True,
    }


def test_compressed_videos_are_a_run_of_their_own_that_says_so(tmp_path: Path) -> None:
    for codec in ("lossless", "lossless_small", "h264_crf35"):
        scores = _score(settings(tmp_path, store=StoreConfig(codec)))
    assert dict(scores.groupby("method")["codec"].first()) == {
        "roll": LOSSLESS,
        "roll (codec=h264_crf35)": "h264_crf35",
    }
    means = scores.groupby("method")["value"].mean()
    assert means["roll"] != means["roll (codec=h264_crf35)"]  # what comes back is noise no more


def test_compressed_rows_are_marked_and_not_ranked_beside_others() -> None:
    pairs = {"c0__d0": 1.0, "c1__d0": 2.0}
    best = {name: value + 1 for name, value in pairs.items()}
    values: dict[str, dict[str, dict[str, float | None]]] = {"a": {"up": {**pairs}}, "b": {"up": {**best}}}

    def board(**codecs: str) -> Leaderboard:
        return aggregate(table(values, codecs=codecs), METRICS[:1])

    def ranks(made: Leaderboard) -> dict[str, int]:
        return {row.marked: row.cells["up"].rank for row in made.rows}

    assert ranks(board()) == {"a": 2, "b": 1}
    mixed = board(b="h264_crf23")
    assert ranks(mixed) == {"a": 1, "b ◇": 0}
    (note,) = [note for note in mixed.footnotes() if note.startswith("◇")]
    assert note == (
        "◇ scored from copies compressed by h264_crf23, not from the method's own pixels, so not comparable with rows "
        "of another codec, and not ranked beside them."
    )
    alike = board(a="h264_crf23", b="h264_crf23")
    assert ranks(alike) == {"a ◇": 2, "b ◇": 1}
    assert "not ranked" not in " ".join(alike.footnotes())
    assert not any("◇" in note for note in board().footnotes())
    assert r"$\diamond$" in render.latex(mixed)


def _run(key: str, method: dict[str, Any]) -> Run:
    info = RunInfo(key, "warp", method, given=[], control=False, versions={}, seed=0, benchmark={})
    return Run(Path(), info)


def test_a_changed_class_hides_the_settings_below_it() -> None:
    tps = {"_target_": "methods.animators.tps.Tps", "chunk": 8}
    mean = {"_target_": "methods.landmark_sources.MeanShape", "box": [0, 0, 1, 1]}
    mesh = {"_target_": "methods.landmark_sources.MediaPipe", "model_path": "a/b.task"}
    method = {"_target_": "methods.landmark_driven.LandmarkDriven", "animator": tps}
    runs = [_run("1", {**method, "landmarks": mean}), _run("2", {**method, "landmarks": mesh})]
    assert label_runs(runs) == {"1": "warp (landmarks=MeanShape)", "2": "warp (landmarks=MediaPipe)"}
    runs[1] = _run("2", {**method, "landmarks": mean, "animator": {**tps, "chunk": 4}})
    assert label_runs(runs) == {"1": "warp (chunk=8)", "2": "warp (chunk=4)"}
    runs[1] = _run("2", {"_target_": "methods.still.Still"})
    assert label_runs(runs) == {"1": "warp (class=LandmarkDriven)", "2": "warp (class=Still)"}


def test_settings_of_other_classes_tell_nothing() -> None:
    trained = {"_target_": "a.Trained", "model": "x"}
    tiny = {"_target_": "a.Random", "scale": "tiny"}
    mofa = {"_target_": "a.Mofa", "size": 512, "networks": trained}
    method = {"_target_": "methods.landmark_driven.LandmarkDriven"}
    runs = [
        _run("1", {**method, "animator": mofa}),
        _run("2", {**method, "animator": {**mofa, "size": 64, "networks": tiny}}),
        _run("3", {**method, "animator": {"_target_": "a.Tps", "chunk": 8}}),
    ]
    assert label_runs(runs) == {
        "1": "warp (animator=Mofa, networks=Trained)",
        "2": "warp (animator=Mofa, networks=Random)",
        "3": "warp (animator=Tps)",
    }
    runs.append(_run("4", {**method, "animator": {**mofa, "size": 256}}))
    labels = label_runs(runs)
    assert labels["1"] == "warp (animator=Mofa, networks=Trained, size=512)"
    assert labels["2"] == "warp (animator=Mofa, networks=Random)"


def test_no_name_is_cut_off_in_a_narrow_terminal() -> None:
    from rich.console import Console

    name = "faceshot (retargeting=FaceShotContinuous)"
    metrics = [NamedMetric(f"failure_rate_of_part_{index}", Brightness(), {}) for index in range(8)]
    board = aggregate(table({name: {metric.name: {"c0__d0": 12.5} for metric in metrics}}), metrics)
    console = Console(width=80, file=io.StringIO())
    console.print(render.terminal(board))
    first = "".join(line[:18].strip() for line in console.file.getvalue().splitlines()[8:])  # type: ignore[attr-defined]
    assert name.replace(" ", "") in first.replace(" ", "")


def test_every_pair_of_every_run_is_in_the_tidy_table(tmp_path: Path) -> None:
    picky = {"picky": {"_target_": "tests.fakes.Picky", "unscored": ["c2"]}}
    scores = _score(settings(tmp_path, metrics=picky, method_fail_on=["c0__d0"]))
    assert dict(scores["status"].value_counts()) == {"scored": 3, "unscored": 2, "failed": 1}
    assert scores.loc[scores["status"] == "failed", "reason"].item() == "RuntimeError: out of luck"
    scores = _score(settings(tmp_path, metrics=picky, method_fail_on=["c0__d0"], benchmark_drivers=3))
    assert len(scores) == 9


def test_set_metrics_are_made_from_the_kept_arrays(tmp_path: Path) -> None:
    config = settings(tmp_path, metrics={"spread": {"_target_": "tests.fakes.Spread"}})
    scores, metrics = _score(config), build_metrics(config)
    board = aggregate(scores, metrics)
    arrays = [np.load(path) for path in scores["array"]]
    assert value(board, "roll", "spread") == pytest.approx(float(np.concatenate(arrays).std()))
    part = board.slices["domain"]["odd"]
    odd = [np.load(path) for path in scores.loc[scores["domain"] == "odd", "array"]]
    assert value(part, "roll", "spread") == pytest.approx(float(np.concatenate(odd).std()))


def test_metrics_of_sets_have_intervals_and_are_compared(tmp_path: Path) -> None:
    metrics = {"shift": {"_target_": "tests.fakes.Shift"}, "spread": {"_target_": "tests.fakes.Spread"}}
    for step in (1, 2):
        config = settings(tmp_path, metrics=metrics, benchmark_characters=6, method_step=step)
        scores, built = _score(config), build_metrics(config)
    board = aggregate(scores, built)
    for column in board.columns:
        assert column.of_set
        assert len(column.comparisons) == 1
        assert column.ranking is None
        for row in board.rows:
            low, high = row.cells[column.name].interval or (1, 0)
            assert low <= (row.cells[column.name].value or 0) <= high
    assert board.ranking is None
    assert all(cell.interval is None for row in board.slices["domain"]["even"].rows for cell in row.cells.values())
    assert not board.slices["driver"]["d0"].columns


def test_numbers_of_sets_are_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(tmp_path / "a", metrics={"shift": {"_target_": "tests.fakes.Shift"}}, benchmark_characters=6)
    scores, metrics = _score(config), build_metrics(config)
    before = aggregate(scores, metrics, sets=SetNumbers(tmp_path / "sets"))
    monkeypatch.setattr("tests.fakes.Shift.summarise", lambda *_: 1 / 0)
    again = aggregate(scores, metrics, sets=SetNumbers(tmp_path / "sets"))
    assert again.rows == before.rows
    fewer = scores[scores["pair"] != "c0__d0"]
    with pytest.raises(ZeroDivisionError):
        aggregate(fewer, metrics, sets=SetNumbers(tmp_path / "sets"))


def test_a_metric_of_sets_is_given_each_reference_once(tmp_path: Path) -> None:
    config = settings(tmp_path, metrics={"shift": {"_target_": "tests.fakes.Shift"}})
    scores, metrics = _score(config), build_metrics(config)
    assert scores["reference"].nunique() == 2  # drivers, of six pairs
    made = np.concatenate([np.load(path) for path in scores["array"]]).mean()
    drivers = np.concatenate([np.load(path) for path in scores["reference"].unique()]).mean()
    board = aggregate(scores, metrics)
    assert value(board, "roll", "shift") == pytest.approx(abs(made - drivers))
    assert board.rows[0].cells["shift"].samples == (24, 8)
    assert "§ shift: 24 against 8 rows of 3." in board.footnotes()
    assert board.protocols() == [f"{metrics[0].signature}: version 1, reference driver, fps 25, n 24 against 8"]
