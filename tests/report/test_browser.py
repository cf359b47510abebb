"""The page in a real browser: it sorts, plays in step, shows landmarks, and asks no network for anything."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charachbench.leaderboard.board import Leaderboard
from tests.browser import Browser, launched
from tests.report.results import NAMES, report


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Leaderboard]:
    return report(tmp_path_factory.mktemp("results"), benchmark_frames=20)


@pytest.fixture
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    with launched(width=getattr(request, "param", 1280), height=800) as opened:
        yield opened
        assert opened.complaints == []
        assert opened.page.evaluate("window.broken") is None


both_widths = pytest.mark.parametrize("browser", [1280, 390], indirect=True)


def rows(page: Any) -> list[str]:
    """Names of the first table's rows."""
    return [each.inner_text() for each in page.query_selector_all(".sortable >> nth=0 >> tbody tr th")]


@both_widths
def test_headings_sort(browser: Browser, made: tuple[Path, Leaderboard]) -> None:
    page, board = browser.open(made[0]), made[1]
    ascending = [row.marked for row in sorted(board.rows, key=lambda row: row.cells["difference"].value or 0)]
    heading = page.locator(".sortable").first.locator("thead button", has_text="difference")
    heading.click()
    assert rows(page) == ascending  # the best come first
    assert heading.locator("..").get_attribute("aria-sort") == "ascending"
    heading.press("Enter")
    assert rows(page) == ascending[::-1]
    page.locator(".sortable").first.locator("thead button", has_text="method").click()
    assert rows(page) == sorted(ascending)


@both_widths
def test_the_page_is_no_wider_than_the_window(browser: Browser, made: tuple[Path, Leaderboard]) -> None:
    page = browser.open(made[0])
    page.locator("#pairs").scroll_into_view_if_needed()
    page.wait_for_selector("#tiles video")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_plots_and_breakdown_follow_what_is_chosen(browser: Browser, made: tuple[Path, Leaderboard]) -> None:
    page = browser.open(made[0])
    section = page.locator(".plot", has_text="By domain")
    assert section.locator("figure:visible").get_attribute("aria-label") == "By domain: brightness"
    section.locator("select").select_option("darkness")
    assert section.locator("figure:visible").get_attribute("aria-label") == "By domain: darkness"
    page.locator("#slice-kind").select_option(label="character")
    assert NAMES["c0"] in page.locator("#slice-table").inner_text()
    page.locator("#slice-metric").select_option(index=1)
    part = made[1].slices["character"]["plain"]
    column = part.column(made[1].columns[1].name)
    row = made[1].rows[0]
    assert column is not None
    value = next(own for own in part.rows if own.method == row.method).cells[column.name].value
    assert column.text(value or 0) in page.locator("#slice-table tbody tr", has_text="plain").inner_text()


def opened(browser: Browser, path: Path, query: str = "") -> Any:
    """The page with its viewer ready."""
    page = browser.open(path, query)
    page.locator("#pairs").scroll_into_view_if_needed()
    page.wait_for_function(
        "[...document.querySelectorAll('#tiles video')].length && "
        "[...document.querySelectorAll('#tiles video')].every((video) => video.readyState >= 3)"
    )
    return page


TIMES = "[...document.querySelectorAll('#tiles video')].map((video) => video.currentTime)"


@both_widths
def test_videos_play_in_step(browser: Browser, made: tuple[Path, Leaderboard]) -> None:
    page = opened(browser, made[0])
    assert page.locator("#tiles video").count() == 4  # the driver's and three methods'
    page.locator("#play").click()
    page.wait_for_function("document.querySelector('#tiles video').currentTime > 0.2")
    assert page.locator("#play").get_attribute("aria-pressed") == "true"
    apart = page.evaluate(f"Math.max(...{TIMES}) - Math.min(...{TIMES})")
    assert apart < 0.1
    page.wait_for_function("document.querySelector('#tiles video').currentTime < 0.2")  # begins again
    page.locator("#play").click()
    page.wait_for_function("[...document.querySelectorAll('#tiles video')].every((video) => video.paused)")
    page.wait_for_function(f"new Set({TIMES}.map((time) => time.toFixed(4))).size === 1")


def test_frames_are_stepped_through_by_keys_alone(browser: Browser, made: tuple[Path, Leaderboard]) -> None:
    page = opened(browser, made[0])
    page.locator("#tiles").focus()
    for expected in ("2/20", "3/20"):
        page.keyboard.press(".")
        page.wait_for_function(f"document.querySelector('#counter').textContent === '{expected}'")
    page.keyboard.press(",")
    page.wait_for_function("document.querySelector('#counter').textContent === '2/20'")
    before = page.evaluate("location.hash")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"location.hash !== '{before}'")
    assert page.locator("#place").inner_text() == "2 of 6"


PAINTED = """[...document.querySelectorAll('#tiles canvas')].map((canvas) => {
  if (!canvas.width) return false;
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const pen = copy.getContext("2d", { willReadFrequently: true });
  pen.drawImage(canvas, 0, 0);
  return pen.getImageData(0, 0, copy.width, copy.height).data.some((value) => value > 0);
})"""
"""Of each tile, whether anything is drawn over it."""


def test_landmarks_are_shown_on_demand(browser: Browser, made: tuple[Path, Leaderboard]) -> None:
    page = opened(browser, made[0])
    assert not any(page.evaluate(PAINTED))
    page.locator("#overlay").check()
    page.wait_for_function(f"{PAINTED}.filter((painted) => painted).length === 3")
    names = [caption.inner_text().split("\n")[0] for caption in page.query_selector_all(".tile figcaption")]
    painted = [name for name, drawn in zip(names, page.evaluate(PAINTED), strict=True) if drawn]
    assert "marked <i>" in painted
    assert "plain <i>" not in painted  # it says nothing of landmarks
    page.locator("#tiles").focus()
    page.keyboard.press("l")
    assert not any(page.evaluate(PAINTED))


def test_a_link_opens_its_pair_and_failures_tell_why(browser: Browser, made: tuple[Path, Leaderboard]) -> None:
    page = browser.open(made[0])
    page.locator("#failures a").first.click()
    page.wait_for_selector("#tiles .nothing")
    assert page.locator("#tiles .nothing").inner_text() == "RuntimeError: <b>out of luck</b>"
    assert page.locator("#character option:checked").inner_text() == "plain"
    page.reload()
    page.wait_for_selector("#tiles .nothing")


def test_worst_and_best_pairs_are_found(browser: Browser, made: tuple[Path, Leaderboard]) -> None:
    page = opened(browser, made[0])
    shown: dict[str, str] = {}
    for how in ("worst", "best"):
        page.locator("#order").select_option(how)
        shown[how] = page.locator("#extremes button[aria-current]").inner_text()
    numbers = {how: float(text.rpartition("(")[2].rstrip(")")) for how, text in shown.items()}
    assert numbers["best"] > numbers["worst"]
    page.locator("#order").select_option("failed")
    page.locator("#order-method").select_option("2")
    if not page.locator("#extremes button").count():
        index = [row.method for row in made[1].rows].index("unlucky <i>")
        page.locator("#order-method").select_option(str(index))
    assert page.locator("#extremes button").all_inner_texts() == ["plain__d1"]


def test_dark_and_light(made: tuple[Path, Leaderboard]) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        with launched(color_scheme=scheme) as browser:
            page = browser.open(made[0])
            ground = "getComputedStyle(document.body).backgroundColor"
            grounds[scheme] = page.evaluate(ground)
            page.locator("#theme").click()
            assert page.evaluate(ground) != grounds[scheme]
            assert browser.complaints == []
    assert grounds["light"] != grounds["dark"]


CONTRAST = """() => {
  const channel = (value) => (value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (text) => {
    const [r, g, b] = parse(text);
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.99) return getComputedStyle(at).backgroundColor;
    }
    return "rgb(255, 255, 255)";
  };
  const bad = [];
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest("svg") || !element.checkVisibility() || element.disabled) continue;
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(`${element.tagName} ${element.className} ${ratio.toFixed(2)}`);
  }
  return bad;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_and_everything_has_a_name(made: tuple[Path, Leaderboard], scheme: Any) -> None:
    with launched(color_scheme=scheme) as browser:
        page = opened(browser, made[0])
        assert page.evaluate(CONTRAST) == []
        unnamed = page.evaluate(
            "[...document.querySelectorAll('button, select, input, a, video, img')].filter((element) => !("
            "element.textContent.trim() || element.labels?.length || element.getAttribute('aria-label') || "
            "element.alt || element.title)).map((element) => element.outerHTML)"
        )
        assert unnamed == []
