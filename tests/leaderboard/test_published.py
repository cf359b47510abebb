"""Figures from papers: shown beside measured ones of the same protocol, and held against them."""

import io
from dataclasses import replace
from typing import Any

import pytest

from charachbench.errors import UserError
from charachbench.evaluate import NamedMetric, build_metrics
from charachbench.leaderboard import published, render
from charachbench.leaderboard.aggregate import aggregate
from charachbench.leaderboard.board import Leaderboard
from tests.composed import settings
from tests.fakes import Brightness
from tests.leaderboard.test_aggregate import table


class Protocolled(Brightness):
    def protocol(self) -> dict[str, str | int | float]:
        return {"alignment": "none", "frames": "all"}


def board(random: tuple[str, ...] = ()) -> Leaderboard:
    """Of two rows, with the settings of one in its name, and a mean of 2 and 4."""
    scores = table({"ours (seed=1)": {"up": {"c0__d0": 1.0, "c1__d0": 3.0}},
                    "other": {"up": {"c0__d0": 4.0, "c1__d0": 4.0}}}, random=random)  # fmt: skip
    return aggregate(scores, [NamedMetric("up", Protocolled(), {})])


FIGURE = {"row": "Theirs", "methods": ["ours"], "metric": "up", "value": 2.1, "tolerance": 0.2, "benchmark": "b"}


def judged(leaderboard: Leaderboard | None = None, **changes: Any) -> published.Verdict:
    entry = {"paper": "Somebody 2025", "figures": [{**FIGURE, **changes}]}
    (verdict,) = published.verdicts(leaderboard or board(), published.read({"paper": entry}))
    return verdict


def test_a_figure_within_its_tolerance_is_reproduced_and_another_is_not() -> None:
    assert judged(protocol={"alignment": "none"}, characters=2).verdict == "reproduced"
    assert judged().measured == 2.0
    assert judged().method == "ours (seed=1)"
    assert judged(value=2.3).verdict == "outside"
    assert judged(value=1.8).verdict == "reproduced"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"protocol": {"alignment": "5 points"}}, "alignment is none, published with 5 points"),
        ({"protocol": {"resize": "nearest"}}, "resize is None, published with nearest"),
        ({"characters": 46}, "2 characters, published with 46"),
        ({"unknown": ["what it is divided by"]}, "not known: what it is divided by"),
        ({"methods": ["theirs"]}, "no such method is shown"),
        ({"metric": "down"}, "down was not measured"),
        ({"characters": 46, "unknown": ["a", "b"]}, "not known: a, b; 2 characters, published with 46"),
    ],
)
def test_what_is_not_of_the_same_kind_is_not_compared(changes: dict[str, Any], reason: str) -> None:
    verdict = judged(**changes)
    assert (verdict.verdict, verdict.reason) == ("not comparable", reason)


def test_random_weights_reproduce_nothing() -> None:
    verdict = judged(board(random=("ours (seed=1)",)))
    assert (verdict.verdict, verdict.reason) == ("not comparable", "the row is of random weights")


def test_figures_of_other_benchmarks_are_left_out() -> None:
    figures = published.read({"paper": {"figures": [{**FIGURE, "benchmark": "characbench"}]}, "other": None})
    assert published.verdicts(board(), figures) == ()


def shown(leaderboard: Leaderboard) -> str:
    from rich.console import Console

    console = Console(width=200, file=io.StringIO())
    console.print(render.terminal(leaderboard))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_what_is_comparable_stands_in_the_table_and_all_is_told_below() -> None:
    found = replace(board(), published=(judged(), judged(unknown=["its normaliser"], row="Unclear")))
    text = render.markdown(found)
    assert "| *Theirs, published* |  | *2.1* |" in text
    assert "Unclear, published" not in text
    below = text.split("## Published figures")[1]
    assert "| Theirs | up | 2.1 (tolerance 0.2) | 2.000 | ours (seed=1) | reproduced | Somebody 2025 |" in below
    assert (
        "| Unclear | up | 2.1 (tolerance 0.2) | 2.000 | ours (seed=1) | not comparable: not known: its normaliser"
        in below
    )
    assert r"\textit{Theirs, published} &  & \textit{2.1} \\" in render.latex(found)
    assert "Theirs, published" in shown(found)
    assert "published" not in render.markdown(board())


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"p": 3}, r"published.p: accepted is a mapping with a list of figures"),
        ({"p": {"figures": [{**FIGURE, "valu": 1}]}}, r"p.figures\[0\].valu: no such setting; did you mean 'value'"),
        ({"p": {"figures": [{**FIGURE, "value": "a"}]}}, r"p.figures\[0\].value: input should be a valid number"),
        ({"p": {"figures": [{**FIGURE, "tolerance": 0}]}}, r"tolerance=0.0: accepted are numbers above 0"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_told_in_a_sentence(node: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        published.read(node)


def test_the_figures_of_the_faceshot_paper_say_where_they_are_from_and_of_which_metrics_and_methods() -> None:
    figures = published.read(settings().published)
    assert {figure.value for figure in figures if figure.metric == "arcface"} == {0.848, 0.695}
    assert all(figure.taken_from.startswith("second hand") and figure.paper for figure in figures)
    compared = [figure for figure in figures if not figure.unknown]
    assert {figure.metric for figure in compared} == {"arcface"}
    (arcface,) = (named for named in build_metrics(settings("metrics=paper")) if named.name == "arcface")
    protocol = arcface.metric.protocol()
    for figure in compared:
        assert (figure.protocol or {}).items() <= protocol.items()
    assert published.read(settings("published=[]").published) == []
