"""The page as a text: all that is promised is there, and nothing that was put into it can do harm."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from charachbench.commands import report as command
from charachbench.leaderboard.board import Leaderboard
from tests.fakes import settings
from tests.report.results import NAMES, configured, report, written
from tests.report.results import fill as fill_store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Leaderboard]:
    return report(tmp_path_factory.mktemp("results"))


class Outline(HTMLParser):
    """Tags with their attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._silent = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._silent else data


def test_names_are_text_and_nothing_else(made: tuple[Path, Leaderboard]) -> None:
    outline = Outline(made[0].read_text(encoding="utf-8"))
    assert "window.broken" not in [attributes.get("onerror") for _, attributes in outline.tags]
    assert not [tag for tag, attributes in outline.tags if tag == "img"]
    assert len([tag for tag, attributes in outline.tags if tag == "script"]) == 2  # the page's own, and data
    assert "tiny <b>" in outline.text
    assert "marked <i>" in outline.text
    assert "<b>out of luck</b>" in outline.text
    assert f"plain__{NAMES['d1']}" in outline.text


def test_nothing_is_asked_for_but_what_lies_in_the_folder(made: tuple[Path, Leaderboard]) -> None:
    text = made[0].read_text(encoding="utf-8")
    outline = Outline(text)
    for _, attributes in outline.tags:
        for name in ("src", "href", "data", "action"):
            target = attributes.get(name)
            if target and not target.startswith(("#", "data:")):
                assert not re.match(r"[a-z]+:|//", target), target
                assert (made[0].parent / target).exists(), target
    assert "url(" not in re.sub(r"url\(#", "", text)


def test_every_figure_stands_in_the_table_with_its_interval(made: tuple[Path, Leaderboard]) -> None:
    text = Outline(made[0].read_text(encoding="utf-8")).text
    for column in made[1].columns:
        assert column.name in text
        for row in made[1].rows:
            value = row.cells[column.name].value
            assert value is not None
            assert column.text(value) in text
    for note in [*made[1].footnotes(), "licence", "ours & theirs", "commit", "configuration"]:
        assert note in text
    assert "1 failed" in text


def test_headings_and_labels_are_there_for_those_who_do_not_see(made: tuple[Path, Leaderboard]) -> None:
    tags = Outline(made[0].read_text(encoding="utf-8")).tags
    assert dict(tags[0][1])["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    identifiers = [attributes["id"] for _, attributes in tags if attributes.get("id")]
    assert len(identifiers) == len(set(identifiers))
    for tag, attributes in tags:
        if label := attributes.get("aria-labelledby"):
            assert label in identifiers, tag


@pytest.mark.slow
def test_the_same_results_make_the_same_page(tmp_path: Path) -> None:
    filled = fill_store(tmp_path)
    path, _ = written(*filled)
    before = {file.relative_to(path.parent): file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
    path, _ = written(*filled)
    after = {file.relative_to(path.parent): file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
    assert before == after


@pytest.mark.slow
def test_without_videos_there_is_a_page_still(tmp_path: Path) -> None:
    command.execute(replace(settings(tmp_path), results=str(tmp_path)))
    assert not list(tmp_path.rglob("index.html"))  # nothing was generated
    config, store, benchmark = fill_store(tmp_path, benchmark_truth=False)
    path, board = written(config, store, benchmark)
    assert board.absent == {"difference": "needs the true video, which is not known"}
    assert "Absent: difference" in path.read_text(encoding="utf-8")
    command.execute(configured(tmp_path, benchmark_truth=False))
