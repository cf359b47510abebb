"""Files that raters send, or somebody else: none is believed further than the key goes, each is told by name."""

import json
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charachbench.config import StudyKind
from charachbench.study import responses
from charachbench.study.design import Case, Screen, Shown, Study
from charachbench.study.page import _data
from tests.study.simulated import respond

QUALITY = {"a": 8.0, "b": 3.0}


def study_of(kind: StudyKind = StudyKind.rating, questions: tuple[str, ...] = ("motion", "overall")) -> Study:
    """Two methods, one case, two raters, one check."""
    told: dict[str, int | str] = dict.fromkeys(questions, "tie" if kind is StudyKind.pairwise else 3)
    if kind is StudyKind.pairwise:
        sights: list[tuple[str, ...]] = [("v0", "v1"), ("v1", "v0")]
    else:
        sights = [("v0",), ("v1",)]
    screens = (*(Screen(videos, {}) for videos in sights), Screen(sights[0], told))
    return Study(
        asked={"kind": kind.name, "questions": list(questions), "scale": 10, "text": ""},
        methods={"run a": "a", "run b": "b"},
        cases={"c": Case("cat__man", "cat", "man")},
        videos={"v0": Shown("c", "run a", "0"), "v1": Shown("c", "run b", "1")},
        raters=(screens, screens[::-1]),
    )


STUDY = study_of()


def good(rater: int = 1, study: Study = STUDY) -> dict[str, Any]:
    return respond(_data("s", study), study, rater, QUALITY, noise=0)


def put(folder: Path, name: str, response: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(response if isinstance(response, str) else json.dumps(response), encoding="utf-8")


def read(folder: Path, study: Study = STUDY) -> tuple[list[int], list[str]]:
    raters, problems = responses.read(folder, study)
    return [rater.number for rater in raters], problems


@pytest.mark.parametrize("kind", StudyKind)
def test_what_raters_said_is_told_by_case_and_method(tmp_path: Path, kind: StudyKind) -> None:
    study = study_of(kind)
    put(tmp_path, "a.json", good(2, study))
    ((rater,), problems) = responses.read(tmp_path, study)
    assert problems == []
    assert (rater.number, rater.passed, rater.checks, rater.seconds) == (2, 1, 1, 7.5)
    motion = [(one.case, one.methods, one.value) for one in rater.judgements if one.question == "motion"]
    if kind is StudyKind.rating:
        assert motion == [("cat__man", ("run b",), 3), ("cat__man", ("run a",), 8)]
    else:
        assert motion == [("cat__man", ("run b", "run a"), "right"), ("cat__man", ("run a", "run b"), "left")]


def changed(edit: Any) -> dict[str, Any]:
    response = good()
    edit(response)
    return response


def in_first(**values: Any) -> Any:
    return lambda response: response["answers"][0].update(values)


WRONG = {
    "other version": (changed(lambda r: r.update(schema=2)), "is of version 2; accepted is 1"),
    "other study": (changed(lambda r: r.update(study="x" * 100)), f"belongs to the study '{'x' * 39}, while this one"),
    "no rater": (changed(lambda r: r.update(rater=3)), "is of rater 3; there are 1 to 2"),
    "rater 0": (changed(lambda r: r.update(rater=0)), "is of rater 0; there are 1 to 2"),
    "missing": (changed(lambda r: r["answers"].pop()), "lacks 1 of 6 answers"),
    "none": (changed(lambda r: r.update(answers=[])), "lacks 6 of 6 answers"),
    "twice": (changed(lambda r: r["answers"].append(r["answers"][0])), "answers a question twice"),
    "other question": (changed(in_first(question="x")), "answers what was not asked"),
    "other screen": (changed(in_first(screen=3)), "answers what was not asked"),
    "negative screen": (changed(in_first(screen=-1)), "answers what was not asked"),
    "other video": (changed(in_first(videos=["v1"])), "was shown other videos on screen 1 than the key says"),
    "unknown video": (changed(in_first(videos=["<b>"])), "was shown other videos on screen 1"),
    "too much": (changed(in_first(value=11)), "answers 11 on screen 1; accepted are 1 to 10"),
    "side": (changed(in_first(value="left")), "answers 'left' on screen 1; accepted are 1 to 10"),
    "true": (changed(in_first(value=True)), "is not what the page of a study makes (answers.0.value"),
    "half": (changed(in_first(value=7.5)), "is not what the page of a study makes (answers.0.value"),
    "time": (changed(in_first(seconds=-1)), "took -1.0 seconds on screen 1"),
    "infinite": (json.dumps(changed(in_first(seconds=float("inf")))), "took inf seconds on screen 1"),
    "nan": (json.dumps(changed(in_first(seconds=float("nan")))), "took nan seconds on screen 1"),
    "more": (changed(in_first(extra=1)), "is not what the page of a study makes (answers.0.extra"),
    "list": ([1], "is not what the page of a study makes"),
    "junk": ("\0\1{", "is not what the page of a study makes"),
    "empty": ("", "is not what the page of a study makes"),
    "deep": ("[" * 100_000, "is not what the page of a study makes"),
    "long number": (json.dumps(good()).replace('"rater": 1', '"rater": 1' + "0" * 5000), "is not what the page"),
    "huge": (" " * (responses.LARGEST + 1), f"is larger than {responses.LARGEST} bytes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_left_out_with_the_reason(tmp_path: Path, case: str) -> None:
    response, message = WRONG[case]
    put(tmp_path, "bad.json", response)
    put(tmp_path, "good.json", good(2))
    numbers, (problem,) = read(tmp_path)
    assert numbers == [2]
    assert problem.startswith("'bad.json': is left out: ")
    assert message in problem
    assert "\n" not in problem


def test_other_entries_are_told_hidden_ones_are_not(tmp_path: Path) -> None:
    put(tmp_path, "photo\n\x1b[31m.jpg", "junk")
    put(tmp_path, ".DS_Store", "junk")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    numbers, problems = read(tmp_path)
    assert numbers == []
    assert [problem.partition(": ")[0] for problem in problems] == ["'folder'", "'link'", r"'photo\n\x1b[31m.jpg'"]
    assert problems[0].endswith("is no file")


def test_a_file_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    put(tmp_path, "a.json", good())
    put(tmp_path, "a (1).json", good())
    raters, problems = responses.read(tmp_path, STUDY)
    assert problems == []
    assert len(raters) == 1


def test_of_files_of_one_rater_that_differ_none_counts(tmp_path: Path) -> None:
    put(tmp_path, "a.json", good())
    put(tmp_path, "b.json", changed(in_first(value=1)))
    put(tmp_path, "c.json", good(2))
    numbers, problems = read(tmp_path)
    assert numbers == [2]
    reason = "is left out: of rater 1 there are different answers; keep one"
    assert problems == [f"'a.json': {reason}", f"'b.json': {reason}"]


@pytest.mark.parametrize(("share", "attentive"), [(0.0, True), (0.5, True), (0.75, False), (1.0, False)])
def test_who_passes_too_few_checks_is_inattentive(share: float, attentive: bool) -> None:
    assert responses.Rater(1, (), passed=1, checks=2, seconds=0).is_attentive(share) is attentive
    assert responses.Rater(1, (), passed=0, checks=0, seconds=0).is_attentive(share)


def test_one_wrong_answer_fails_a_check(tmp_path: Path) -> None:
    put(tmp_path, "a.json", changed(lambda r: r["answers"][-1].update(value=4)))
    ((rater,), _) = responses.read(tmp_path, STUDY)
    assert (rater.passed, rater.checks) == (0, 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@hypothesis.settings(max_examples=50)
@given(
    st.sampled_from(["schema", "study", "rater", "answers", "screen", "videos", "question", "value", "seconds"]), JSON
)
def test_any_value_anywhere_is_believed_or_told(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: Any
) -> None:
    response = good()
    (response if name in response else response["answers"][0])[name] = value
    folder = tmp_path_factory.mktemp("responses")
    put(folder, "a.json", response)
    raters, problems = responses.read(folder, STUDY)
    assert len(raters) + len(problems) == 1
    for rater in raters:
        assert rater.number in (1, 2)
        assert all(judgement.value in range(1, 11) for judgement in rater.judgements)
