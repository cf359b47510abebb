"""From the page to the tables, with raters whose opinions are known."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench.commands import leaderboard, open_benchmark, study_results
from charachbench.commands import study as study_command
from charachbench.config import Config, StudyConfig, StudyKind
from charachbench.errors import UserError
from charachbench.evaluate import build_metrics
from charachbench.leaderboard import render
from charachbench.store import Store, write_json
from charachbench.study import scores
from charachbench.study.scores import human_scores
from tests.study.conftest import QUALITY
from tests.study.simulated import answer_all
from tests.study.test_design import folder

STRENGTHS = {name: (quality - 6) / 1.5 for name, quality in QUALITY.items()}


def studied(
    config: Config, kind: StudyKind = StudyKind.rating, inattentive: tuple[int, ...] = (), **options: Any
) -> Config:
    """A configuration whose study has been answered by all of its raters."""
    chosen = {"kind": kind, "cases": 8, "methods": list(QUALITY), "questions": ["overall"], **options}
    config = replace(config, study=StudyConfig(**chosen))
    study_command.execute(config)
    answer_all(folder(config), QUALITY if kind is StudyKind.rating else STRENGTHS, inattentive)
    return config


def lines(config: Config) -> list[dict[str, str]]:
    return list(csv.DictReader((folder(config) / "results.csv").open(encoding="utf-8")))


@pytest.mark.parametrize("kind", StudyKind)
def test_twenty_raters_recover_the_order_of_the_methods(
    config: Config, kind: StudyKind, capsys: pytest.CaptureFixture[str]
) -> None:
    config = studied(config, kind, inattentive=(4,), questions=["motion", "identity", "overall"])
    assert study_results.execute(config) == []
    table = lines(config)
    figure = "mean" if kind is StudyKind.rating else "strength"
    truth = QUALITY if kind is StudyKind.rating else STRENGTHS
    for question in config.study.questions:
        of_methods = {
            line["subject"]: line for line in table if line["question"] == question and line["figure"] == figure
        }
        assert list(of_methods) == list(QUALITY)  # best first
        centre = 0 if kind is StudyKind.rating else np.mean(list(STRENGTHS.values()))
        for name, line in of_methods.items():
            assert float(line["value"]) == pytest.approx(truth[name] - centre, abs=0.6)
            assert float(line["low"]) < float(line["value"]) < float(line["high"])
            assert line["count"] == "19"  # the fourth did not read
        differences = [line for line in table if line["question"] == question and line["figure"] == "difference"]
        assert len(differences) == 3
        assert all(0 < float(line["p_value"]) <= 1 for line in differences)
    text = (folder(config) / "results.md").read_text(encoding="utf-8")
    assert "* 19 of 20 raters, 8 cases; " in text
    assert "* Raters who passed too few of their checks are left out: 4 (0 of 2)." in text
    printed = capsys.readouterr().out
    assert "first_method" in printed
    assert "scores.json" in printed
    for metric in ("brightness", "difference"):
        assert f"| {metric} | 24 | " in text  # over videos
    assert "| spread | 3 | " in text  # of sets, over methods alone
    assert "* Not compared: picky: " in text


def test_the_same_answers_make_the_same_results(config: Config) -> None:
    config = studied(config, cases=3, raters=5)
    study_results.execute(config)
    before = {path: path.read_bytes() for path in folder(config).iterdir() if path.is_file()}
    study_results.execute(config)
    assert {path: path.read_bytes() for path in folder(config).iterdir() if path.is_file()} == before


def test_who_did_not_read_counts_where_that_is_wanted(config: Config) -> None:
    config = studied(config, inattentive=(4, 5), cases=3)
    study_results.execute(replace(config, study=replace(config.study, keep_inattentive=True)))
    text = (folder(config) / "results.md").read_text(encoding="utf-8")
    assert "* 20 of 20 raters, 3 cases; " in text
    assert "are taken into account all the same: 4 (0 of 2), 5 (0 of 2)." in text
    assert next(line for line in lines(config) if line["figure"] == "mean")["count"] == "20"


@pytest.mark.parametrize("kind", StudyKind)
def test_the_leaderboard_can_read_what_raters_think(config: Config, kind: StudyKind) -> None:
    config = studied(config, kind, cases=4, comparisons=3)
    benchmark_folder = folder(config).parents[1]
    assert human_scores(benchmark_folder) == []
    study_results.execute(config)
    ((found),) = human_scores(benchmark_folder)
    pairwise = kind is StudyKind.pairwise
    assert (found.name, found.kind, found.least, found.most) == ("study", kind.name, *((0, 1) if pairwise else (1, 10)))
    assert len(found.scores) == 3 * 4
    responses = [json.loads(path.read_text()) for path in (folder(config) / "responses").iterdir()]
    key = json.loads((folder(config) / "key.json").read_text())
    one = found.scores[0]
    ids = [
        name for name, video in key["videos"].items()
        if video["run"] == one.run and key["cases"][video["case"]]["pair"] == one.pair
    ]  # fmt: skip
    values = []
    for response in responses:
        for answer in response["answers"]:
            check = key["raters"][response["rater"] - 1][answer["screen"]]["told"]
            if answer["question"] == one.question and ids[0] in answer["videos"] and not check:
                side = ("left", "right")[answer["videos"].index(ids[0])]
                values.append(float(answer["value"] == side) if pairwise else answer["value"])
    assert one.value == pytest.approx(np.mean(values))
    assert one.raters == 20
    assert one.sha256 == key["videos"][ids[0]]["sha256"]
    assert {key["methods"][score.run] for score in found.scores} == set(QUALITY)


def test_damaged_scores_are_told(tmp_path: Path) -> None:
    path = tmp_path / "study" / "one" / scores.FILE
    path.parent.mkdir(parents=True)
    for content in ("{", '{"name": "one"}'):
        path.write_text(content)
        with pytest.raises(UserError, match="cannot be read; make it again with `charachbench study_results`"):
            human_scores(tmp_path)


def test_files_that_are_left_out_are_told_and_set_the_status(config: Config) -> None:
    config = studied(config, cases=3, raters=4)
    (folder(config) / "responses" / "junk.json").write_bytes(b"\xff\0")
    (problem,) = study_results.execute(config)
    assert problem.startswith("'junk.json': is left out: ")
    text = (folder(config) / "results.md").read_text(encoding="utf-8")
    assert "* 4 of 4 raters, " in text
    assert "* Files of answers that are left out: 1." in text


def test_answers_may_lie_elsewhere(config: Config, tmp_path: Path) -> None:
    config = studied(config, cases=3, raters=2)
    (folder(config) / "responses").rename(tmp_path / "mail")
    with pytest.raises(UserError, match="study.responses: no such folder: "):
        study_results.execute(config)
    assert study_results.execute(replace(config, study=replace(config.study, responses=str(tmp_path / "mail")))) == []


def test_without_a_study_or_answers_there_is_nothing_to_tell(config: Config) -> None:
    with pytest.raises(UserError, match="holds no study; make one with `charachbench study`"):
        study_results.execute(config)
    config = replace(config, study=StudyConfig(cases=3, methods=list(QUALITY)))
    study_command.execute(config)
    with pytest.raises(UserError, match="no answers that count"):
        study_results.execute(config)
    answer_all(folder(config), QUALITY, inattentive=tuple(range(1, 21)))
    with pytest.raises(UserError, match="20 raters failed their checks"):
        study_results.execute(config)
    assert not (folder(config) / "results.md").exists()


def test_videos_that_are_no_longer_what_was_shown_are_not_compared(config: Config) -> None:
    config = studied(config, cases=6, raters=3)
    cases = json.loads((folder(config) / "key.json").read_text())["cases"].values()
    pair = next(iter(cases))["pair"]
    changed = next(Path(config.results).glob(f"tiny-*/first_method-*/{pair}-*/record.json"))
    record = json.loads(changed.read_text())
    record["outputs"]["video.mkv"] = "0" * 64
    changed.write_text(json.dumps(record))
    study_results.execute(config)
    count = next(line for line in lines(config) if line["figure"] == "spearman over videos")["count"]
    assert int(count) == 3 * 5  # of six cases


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (StudyKind.rating, {"raters": 1}),
        (StudyKind.pairwise, {"cases": 1}),
        *((kind, {"raters": 1, "cases": 1, "checks": 0}) for kind in StudyKind),
    ],
)
def test_a_single_rater_or_case_makes_tables_that_say_so(
    config: Config, kind: StudyKind, options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    config = studied(config, kind, **options)
    assert study_results.execute(config) == []
    text = (folder(config) / "results.md").read_text(encoding="utf-8")
    for name in ("raters", "cases"):
        assert (f"A single {name[:-1]}: intervals say nothing of others." in text) == (options.get(name) == 1)
    assert "nan" not in text


def test_a_single_method_can_be_rated(config: Config) -> None:
    config = studied(config, methods=["second_method"], cases=4, raters=3)
    assert study_results.execute(config) == []
    text = (folder(config) / "results.md").read_text(encoding="utf-8")
    assert "Differences" not in text
    assert "Bold" not in text
    assert "| brightness | 1 | – |" in text


def test_what_raters_think_is_a_column_of_the_leaderboard(config: Config) -> None:
    config = studied(config, cases=6)
    store = Store(Path(config.results))
    benchmark, metrics = open_benchmark(config, store), build_metrics(config)
    before = leaderboard.make(config, benchmark, store, metrics)
    study_results.execute(config)
    made = leaderboard.make(config, benchmark, store, metrics)
    assert before is not None
    assert made is not None
    column = made.board.column("human_overall")
    assert column is not None
    assert (column.family, column.unit, column.direction, column.pairs) == ("human", "of 10", "up", 6)
    assert "raters of a video 20" in column.protocol
    rows = {row.name: row.cells["human_overall"] for row in made.board.rows}
    thought = {name: rows[name].value or 0.0 for name in QUALITY}
    assert list(thought) == sorted(thought, key=lambda name: -thought[name])
    assert thought["first_method"] == pytest.approx(QUALITY["first_method"], abs=0.5)
    assert rows["first_method"].rank == 1
    assert rows["frozen_control"].value is None
    assert rows["frozen_control"].reason == "was not shown in the study"
    kept = before.board.column("brightness")
    assert kept is not None
    assert made.board.column("brightness") == kept  # other columns are as they were
    assert "human_overall" in render.markdown(made.board)


def test_videos_that_were_made_anew_are_not_what_raters_saw(config: Config) -> None:
    config = studied(config, cases=6)
    study_results.execute(config)
    store = Store(Path(config.results))
    benchmark, metrics = open_benchmark(config, store), build_metrics(config)
    for run in store.runs(benchmark):
        for entry, record in run.finished(benchmark).values():
            if run.info.method_name == "first_method":
                write_json(entry.folder / "record.json", record | {"outputs": {"video.mkv": "0" * 64}})
    made = leaderboard.make(config, benchmark, store, metrics)
    assert made is not None
    rows = {row.name: row.cells["human_overall"].value for row in made.board.rows}
    assert rows["first_method"] is None
    assert rows["second_method"] is not None
