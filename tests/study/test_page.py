"""The page as a rater has it: in a browser, from disk, without a network."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charachbench.commands import study
from charachbench.config import Config, StudyConfig, StudyKind
from charachbench.study import design, page, responses
from charachbench.study.design import Screen, Study
from tests.browser import launched
from tests.study.test_design import folder

OPEN = "fieldset:enabled"


def made(config: Config, **options: Any) -> tuple[Path, Study]:
    """The page of two methods and two cases, and its key."""
    chosen = {"cases": 2, "raters": 12, "checks": 1, "methods": ["first_method", "second_method"], **options}
    config = replace(config, study=StudyConfig(**chosen))
    study.execute(config)
    found = design.read(folder(config))
    assert found is not None
    return folder(config) / "page" / "index.html", found


def saved(window: Any, finish: Any, into: Path) -> Path:
    """The file that the page downloads."""
    with window.expect_download() as download:
        finish()
    path = into / download.value.suggested_filename
    download.value.save_as(path)
    return path


def rate(window: Any, place: int, screen: Screen, found: Study) -> None:
    """One screen by keyboard: as told where it is a check, else 10 and 6."""
    window.wait_for_selector(f"h1:has-text('{place + 1} of ')")
    window.wait_for_selector(OPEN)
    legends = window.locator("legend").all_inner_texts()
    if screen.told:
        told = [screen.told[question] for question in found.questions]
        assert legends == [f"Please answer “{value}” here, whatever you see." for value in told]
        for value in told:
            window.keyboard.press(str(int(value) % 10))
    else:
        assert legends[1] == "Is it <i>good</i>?"
        for key in ("0", "Enter", "7", "ArrowLeft", "r", "ArrowUp"):  # Enter too early
            window.keyboard.press(key)
        assert window.evaluate("document.activeElement.closest('fieldset').classList.contains('current')")


def test_a_rating_from_the_link_to_the_file_by_keyboard(config: Config, tmp_path: Path) -> None:
    index, found = made(config, text="Ask us <b>anything</b>.", questions=["motion", "Is it <i>good</i>?"])
    screens = found.raters[6]
    with launched(accept_downloads=True) as browser:
        window = browser.open(index, "?rater=7")
        assert window.locator(".text").inner_text() == "Ask us <b>anything</b>."
        assert not window.locator("#rater").is_visible()
        for key in ("Tab", "Enter"):
            window.keyboard.press(key)
        for place, screen in enumerate(screens[:-1]):
            rate(window, place, screen, found)
            window.keyboard.press("Enter")
        window = browser.open(index, "?rater=7")  # left, and opened again
        window.get_by_role("button", name="Begin").click()
        rate(window, len(screens) - 1, screens[-1], found)
        path = saved(window, lambda: window.keyboard.press("Enter"), tmp_path)
        text = window.locator("#response").input_value()
        window.reload()
        window.get_by_role("button", name="Begin").click()
        assert window.locator("#response").input_value() == text  # nothing is asked again
        assert browser.complaints == []
    assert path.name == "study-rater-07.json"
    assert path.read_text(encoding="utf-8") == text
    (responses_folder := tmp_path / "responses").mkdir()
    path.rename(responses_folder / path.name)
    (rater,), problems = responses.read(responses_folder, found)
    assert problems == []
    assert (rater.number, rater.passed, rater.checks) == (7, 1, 1)
    assert [judgement.value for judgement in rater.judgements] == [10, 6] * 4
    assert 0.1 < rater.seconds < 60


NO_STORAGE = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('blocked'); }});"


@pytest.mark.slow
def test_a_comparison_on_a_phone_that_keeps_nothing_and_wants_no_motion(config: Config, tmp_path: Path) -> None:
    index, found = made(config, kind=StudyKind.pairwise, questions=["overall"], name="pairs", checks=0)
    phone = {"color_scheme": "dark", "reduced_motion": "reduce", "has_touch": True, "accept_downloads": True}
    with launched(390, 844, **phone) as browser:
        browser.page.add_init_script(NO_STORAGE)
        window = browser.open(index, "?rater=13")  # there is none
        assert window.locator("#unkept").is_visible()
        window.get_by_role("button", name="Begin").click()
        assert window.locator("#start").is_visible()
        window.get_by_label("The number that you were given").fill("12")
        window.get_by_role("button", name="Begin").click()
        for place in range(2):
            window.wait_for_selector(f"h1:has-text('{place + 1} of 2')")
            for name in ("Driving video", "Left result", "Right result"):
                assert window.get_by_label(name, exact=True).is_visible()
            assert window.get_by_role("img", name="Character").is_visible()
            assert window.evaluate("document.documentElement.scrollWidth") == 390
            window.wait_for_function("[...document.querySelectorAll('video')].every(video => video.readyState === 4)")
            assert window.evaluate("[...document.querySelectorAll('video')].every(video => video.paused)")
            for key in ("1", "Enter", "ArrowLeft"):  # too early
                window.keyboard.press(key)
            assert window.locator("input:checked").count() == 0
            window.get_by_role("button", name="Play").tap()
            window.wait_for_selector(OPEN)
            question = window.get_by_role("group", name="Which result is better overall?")
            question.get_by_role("radio", name=("no difference", "right is better")[place]).tap()
            go = window.get_by_role("button", name="Next")
            if place == 0:
                go.click()
        path = saved(window, go.click, tmp_path)
        window.get_by_role("button", name="Copy the text").click()
        window.wait_for_selector("#copied:has-text('Copied.')")
        assert browser.complaints == []
    assert path.name == "pairs-rater-12.json"
    assert [answer["value"] for answer in json.loads(path.read_text())["answers"]] == ["tie", "right"]
    screens = found.raters[11]
    assert [tuple(answer["videos"]) for answer in json.loads(path.read_text())["answers"]] == [
        s.videos for s in screens
    ]


@pytest.mark.slow
def test_a_page_without_its_media_says_so(config: Config) -> None:
    index, _ = made(config)
    for path in index.parent.glob("media/*.mp4"):
        path.unlink()
    with launched() as browser:
        window = browser.open(index, "?rater=1")
        window.get_by_role("button", name="Begin").click()
        window.wait_for_selector("#note:has-text('A video cannot be played.')")
        assert window.locator(OPEN).count() == 0


def luminance(colour: str) -> float:
    """Relative, as WCAG 2 defines it."""
    digits = colour if len(colour) == 6 else "".join(2 * digit for digit in colour)
    parts = [int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [("ink", "paper", 7), ("ink", "soft", 7), ("dim", "paper", 4.5), ("dim", "soft", 4.5), ("on-accent", "accent", 4.5),
     ("accent", "paper", 4.5), ("line", "paper", 3)],
)  # fmt: skip
def test_colours_can_be_told_apart(scheme: int, front: str, back: str, least: float) -> None:
    style = (Path(page.__file__).parent / "page.css").read_text(encoding="utf-8")
    colours = {name: re.findall(rf"--{name}: #(\w+);", style)[scheme] for name in (front, back)}
    low, high = sorted(luminance(colour) for colour in colours.values())
    assert (high + 0.05) / (low + 0.05) >= least
