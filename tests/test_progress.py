"""Bars, on a terminal that a test looks at."""

import io
import logging
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

from charachbench import output, progress
from charachbench.generate import generate
from charachbench.progress import Bar, Stage, track
from charachbench.store import Store
from tests import fakes

RED = "\x1b[31m"


class Screen(io.StringIO):
    """A file that says that it is a terminal; bars on it go by its clock."""

    now = 0.0

    def isatty(self) -> bool:
        return True

    def console(self) -> Console:
        return Console(
            file=self, force_terminal=True, color_system="standard", width=78, legacy_windows=False,
            get_time=lambda: self.now, _environ={},
        )  # fmt: skip


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """What bars are drawn on."""
    drawn = Screen()
    console = drawn.console()
    monkeypatch.setattr(progress, "terminal", lambda: console)
    return drawn


def plain(screen: Screen) -> str:
    """All that was drawn, one state after the other, without colours."""
    return re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", screen.getvalue()).replace("\r", "\n")


def test_a_stage_shows_where_one_is_and_what_failed(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "context", {"jobs": 7, "job": 2})
    reason = "no face\nfound in 45 of 48 frames, which is " + "far " * 20 + "too few"
    with Stage("generate", "roll", "key", 46, ["c0__d0", "c1__d0"]) as stage:
        stage.current = "c2__d0"
        stage.tell("pair_failed", "c2__d0", "said", reason=reason)
        stage.tell("pair_made", "c3__d0", "said")
        stage.tell("score_failed", "c3__d0", "said", reason="out of luck", ends=False)
    states = plain(screen)
    assert "job 2/7: roll, generate" in states
    assert "2/46" in states  # from the start
    assert "4/46" in states
    assert "c2__d0  2 failed, the last: out of luck" in states
    assert f"{RED}2 failed, the last: out of luck" in screen.getvalue()


def test_a_long_reason_is_shortened_to_the_line(screen: Screen) -> None:
    with Bar("roll, score", 3) as bar:
        bar.failures, bar.reason = 1, "no face\nfound: " + "far " * 40
    (line,) = {line for line in plain(screen).splitlines() if "failed" in line}
    assert line.startswith("1 failed, the last: no face found: far")
    assert line.endswith("…")
    assert len(line) == 78


def test_what_was_done_before_says_nothing_of_the_speed(screen: Screen) -> None:
    with Stage("generate", "roll", "key", 100, [f"pair {index}" for index in range(50)]) as stage:
        for seconds in (60, 90, 120):  # slower than what rich takes for stalled
            screen.now = seconds
            stage.tell("pair_made", "c0__d0", "said")
    assert "53/100 0:02:00 elapsed, 0:23:30 left" in plain(screen)  # 47 at 30 s


def test_a_run_draws_its_failures(tmp_path: Path, screen: Screen) -> None:
    settings = fakes.settings(tmp_path, method_fail_on=["c1__d0"])
    benchmark = fakes.Tiny().open(None, tmp_path)
    outcome = generate(settings, benchmark, Store(tmp_path))
    states = plain(screen)
    assert "roll, generate" in states
    assert "6/6" in states
    assert "c2__d1  1 failed, the last: RuntimeError: out of luck" in states
    assert outcome.seconds > 0


def test_lines_come_above_a_bar(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = Screen()
    monkeypatch.setattr(sys, "stdout", stdout)
    handler = output.Handler()
    with Bar("roll, generate", 6):
        handler.handle(logging.LogRecord("", logging.INFO, "", 0, "a line", (), None))
        sys.stdout.write("what a method prints\n")
    assert stdout.getvalue() == ""
    drawn = [line.rstrip() for line in plain(screen).splitlines() if line.strip()]
    bar = next(line for line in drawn if line.startswith("roll, generate"))
    assert [line for line in drawn if line != bar] == ["a line", "what a method prints"]
    assert drawn[0] == drawn[-1] == bar


def test_lines_go_to_a_file_beside_a_bar(screen: Screen, capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("roll, generate", 6):
        output.Handler().handle(logging.LogRecord("", logging.INFO, "", 0, "a line", (), None))
    assert capsys.readouterr().out == "a line\n"
    assert "a line" not in screen.getvalue()


def test_track_draws_and_yields_all(screen: Screen) -> None:
    assert list(track([3, 1, 2], "noise")) == [3, 1, 2]
    assert "noise" in plain(screen)
    assert "3/3" in plain(screen)


def test_nothing_is_drawn_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate(fakes.settings(tmp_path), fakes.Tiny().open(None, tmp_path), Store(tmp_path))
    assert list(track([1, 2], "noise")) == [1, 2]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("log", "context", "drawn"),
    [
        ("text", {}, True),
        ("json", {}, False),
        ("text", {"jobs": 2, "job": 1}, True),
        ("text", {"jobs": None, "job": 1}, True),
        ("text", {"job": 1}, False),  # of a sweep that another process started
    ],
)
def test_where_bars_are_drawn(
    monkeypatch: pytest.MonkeyPatch, log: str, context: dict[str, int | None], drawn: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", Screen())
    monkeypatch.setattr(output, "context", context)
    output.use(log)
    assert (progress.terminal() is not None) is drawn
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setenv("FORCE_COLOR", "1")  # colours in a log are not bars in it
    assert progress.terminal() is None
