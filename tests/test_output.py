"""What is printed, for people and for programs."""

import contextlib
import io
import json
import logging
import math
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.table import Table

from charachbench import output
from tests.sampled import one_in
from tests.test_app import ROOT, Terminal, charachbench, command, environment  # noqa: F401


def parsed(printed: str) -> list[dict[str, Any]]:
    """The events of printed lines, each checked."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    events = [json.loads(line, parse_constant=refuse) for line in printed.splitlines()]
    for event in events:
        assert list(event)[:4] == ["time", "level", "event", "message"]
        assert datetime.fromisoformat(event["time"]).tzinfo == UTC
    return events


def named(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == name]


def run(results: Path, *arguments: str) -> tuple[int, list[dict[str, Any]], list[dict[str, Any]]]:
    """Exit status, and the events on stdout and stderr, of a command line in a process of its own."""
    line = command(results, *arguments, "log=json")
    done = subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=300)
    return done.returncode, parsed(done.stdout), parsed(done.stderr)


def test_a_sweep_is_told_in_json_lines(tmp_path: Path) -> None:
    loud = ("method=roll", "method._target_=tests.fakes.Loud", "method.fail_on=[c1__d0]")
    status, out, err = run(tmp_path, "-m", *loud, "method.step=1,2", "benchmark.drivers=1", "hydra.verbose=hydra")
    assert status == 1
    jobs = [(event["job"], event["jobs"]) for event in out if event["event"] in ("job_started", "job_done")]
    assert jobs == [(1, 2), (1, 2), (2, 2), (2, 2)]
    made = named(out, "pair_made")
    assert [(event["job"], event["pair"], event["done"], event["total"]) for event in made] == [
        (1, "c0__d0", 1, 3), (1, "c2__d0", 3, 3), (2, "c0__d0", 1, 3), (2, "c2__d0", 3, 3),
    ]  # fmt: skip
    assert all(event["method"] == "roll" and event["stage"] == "generate" and event["seconds"] > 0 for event in made)
    assert len({event["run"] for event in made}) == 2
    failed = named(out, "pair_failed")[0]
    assert (failed["level"], failed["pair"], failed["reason"]) == ("error", "c1__d0", "RuntimeError: out of luck")
    (done, _) = named(out, "run_done")
    assert (done["made"], done["reused"], done["failed"], done["total"]) == (2, 0, 1, 3)
    assert [event["scores"] for event in named(out, "pair_scored")] == [2, 2, 2, 2]
    (board,) = named(out, "leaderboard")
    assert [(row["made"], row["failed"]) for row in board["rows"]] == [(2, 1), (2, 1)]
    assert all(isinstance(row["figures"]["brightness"], float) for row in board["rows"])
    assert [Path(event["path"]).name for event in named(out, "file_written")] == [
        "leaderboard.md", "leaderboard.tex", "leaderboard.csv", "leaderboard.parquet", "comparisons.csv",
        "scores.parquet",
    ]  # fmt: skip
    others = [event["message"] for event in named(out, "message") + named(err, "message")]
    assert any("Launching 2 jobs locally" in message for message in others)  # of Hydra
    assert others.count("rolling c0__d0") == others.count("rolling c2__d0") == 2
    assert others.count("library 100%") == 6
    last = err[-1]
    assert (last["event"], last["status"]) == ("command_failed", 1)
    assert last["failures"] == ["roll, pair c1__d0: RuntimeError: out of luck"] * 2
    for path in tmp_path.glob("logs/*/*/*/charachbench.log"):
        text = path.read_text()
        assert "ERROR roll: pair c1__d0 failed: RuntimeError: out of luck" in text
        assert "INFO roll: pair c0__d0 was made in" in text
        assert "{" not in text


@pytest.mark.slow
def test_what_is_in_the_store_is_told_too(charachbench: Terminal) -> None:  # noqa: F811
    charachbench("generate", "method=roll", "benchmark.characters=1")
    events = parsed(charachbench("method=roll", "benchmark.characters=2", "log=json")[1])
    reused = named(events, "pair_reused")
    assert [(event["pair"], event["stage"], event["done"]) for event in reused] == [
        ("c0__d0", "generate", 1), ("c0__d1", "generate", 2),
    ]  # fmt: skip
    assert [(event["pair"], event["done"]) for event in named(events, "pair_made")] == [("c1__d0", 3), ("c1__d1", 4)]


def test_a_score_that_fails_is_an_event(charachbench: Terminal) -> None:  # noqa: F811
    broken = "+metrics.picky={_target_: tests.fakes.Picky, error: [c1]}"
    status, printed = charachbench("method=roll", "benchmark.drivers=1", broken, "log=json")
    events = parsed(printed)
    assert status == 1
    (failed,) = named(events, "score_failed")
    assert (failed["metric"], failed["pair"], failed["reason"]) == ("picky", "c1__d0", "ZeroDivisionError: broken")
    assert failed["message"] == "picky of roll, pair c1__d0 failed: ZeroDivisionError: broken"
    assert [event["done"] for event in named(events, "pair_scored")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["evalute"], 2, "'evalute' is not a command; did you mean 'evaluate'?"),
        (["method=roll", "sead=1"], 2, "sead: no such setting; did you mean 'seed'?"),
        (["method=roll", "method.step=x"], 1, "method.step: input should be a valid integer"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_an_event(
    charachbench: Terminal,  # noqa: F811
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    ended, printed = charachbench(*arguments, "log=json")
    last = parsed(printed)[-1]
    assert ended == last["status"] == status
    assert last["event"] == "command_failed"
    assert last["message"].startswith(message)


def test_a_bug_is_an_event_with_its_traceback(charachbench: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    def broken(settings: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("charachbench.sweep.execute", broken)
    status, printed = charachbench("method=roll", "log=json")
    last = parsed("\n".join(line for line in printed.splitlines() if not line.startswith("Error executing")))[-1]
    assert status == last["status"] == 1
    assert last["message"] == "ZeroDivisionError: a bug"
    assert last["traceback"].startswith("Traceback")
    assert "in broken" in last["traceback"]


@pytest.mark.parametrize(
    ("arguments", "event", "key"),
    [
        (["methods", "method=warp"], "methods", "about"),
        *one_in(
            9,
            [
                (["conformance", "method=still"], "conformance", "state"),
                (["noise", "noise.pairs=1"], "noise", "differences"),
                (
                    ["validate", "validate.severities=2", "validate.pairs=1", "validate.repeats=1"],
                    "validation",
                    "correlation",
                ),
            ],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_a_table_for_people_is_rows_for_programs(
    charachbench: Terminal,  # noqa: F811
    arguments: list[str],
    event: str,
    key: str,
) -> None:
    if arguments[0] == "noise":
        charachbench("generate", "method=roll")
    events = named(parsed(charachbench(*arguments, "log=json")[1]), event)
    assert len(events) == 1
    assert events[0]["rows"]
    assert all(key in row for row in events[0]["rows"])


def test_a_benchmark_is_counted(charachbench: Terminal) -> None:  # noqa: F811
    (counted,) = named(parsed(charachbench("check", "log=json")[1]), "benchmark")
    assert (counted["characters"], counted["drivers"], counted["pairs"]) == (3, 2, 6)


def test_every_section_of_doctor_is_an_event(charachbench: Terminal) -> None:  # noqa: F811
    events = parsed(charachbench("doctor", "log=json")[1])
    sections = {event["section"]: event["rows"] for event in named(events, "doctor")}
    assert set(sections) == {"weights", "machine", "codecs", "disk", "packages"}
    assert {"name", "state", "size", "path"} == set(sections["weights"][0])
    assert all(isinstance(cell, str) for row in sections["machine"] for cell in row)


def test_every_event_is_on_its_page() -> None:
    named = re.compile(r'\b(?:event|tell|show|_print)\(\s*"(\w+)"')
    names = {name for path in (ROOT / "charachbench").rglob("*.py") for name in named.findall(path.read_text())}
    page = (ROOT / "docs" / "events.md").read_text()
    assert {"pair_made", "leaderboard", "file_written"} < names
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


def test_streams_are_filtered_up_to_a_crash() -> None:
    code = (
        "import os, sys, warnings; from charachbench import output; output.use('json'); output.use('json')\n"
        "print('in Python'); print('{\"time\": \"of another kind\"}'); print(); sys.stdout.flush()\n"
        "os.write(1, b'in C, not UTF-8: \\xff\\n'); warnings.warn('take care'); output.show('things', [1, 2])\n"
        "os.write(2, b'last words'); os.abort()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGABRT
    out, err = parsed(done.stdout), parsed(done.stderr)
    assert [event["message"] for event in out] == [
        "in Python", '{"time": "of another kind"}', "in C, not UTF-8: \ufffd", "things: 2 rows",
    ]  # fmt: skip
    assert [event.get("stream") for event in out] == ["stdout", "stdout", "stdout", None]
    assert out[-1]["rows"] == [1, 2]
    assert "take care" in err[0]["message"]
    assert (err[-1]["message"], err[-1]["stream"]) == ("last words", "stderr")


def test_the_last_words_after_an_interrupt_are_told() -> None:
    code = (
        "import sys, time; from charachbench import output; output.use('json'); output.show('ready', [])\n"
        "try:\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('on my way'); sys.exit(output.fail('interrupted', 130))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    ready = process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all processes in the foreground
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert [event["message"] for event in parsed(ready + out)] == ["ready: 0 rows", "on my way"]
    assert [(event["event"], event["status"]) for event in parsed(err)] == [("command_failed", 130)]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_launchers_print_events_alone(tmp_path: Path, launcher: str) -> None:
    status, out, err = run(tmp_path, "-m", "method=still,roll", f"hydra/launcher={launcher}")
    assert (status, err) == (0, [])
    assert [row["method"] for row in named(out, "leaderboard")[0]["rows"]] == ["roll", "still"]
    if launcher == "joblib":  # its workers share the streams
        assert {event["job"] for event in named(out, "pair_made")} == {1, 2}


class Colour(Enum):
    red = "a red"


@dataclass
class Thing:
    colour: Colour
    path: Path


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def without_gaps(value: Any) -> Any:
    """As JSON has it: what is not finite is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [without_gaps(inner) for inner in value]
    return {key: without_gaps(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def shown(rows: list[Any], **fields: Any) -> dict[str, Any]:
    output.use("json")
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        output.show("things", rows, **fields)
    assert stream.getvalue().isascii()
    (event,) = parsed(stream.getvalue())
    return event


@settings(max_examples=50)
@given(rows=st.lists(PLAIN, max_size=4))
def test_any_value_is_strict_json(rows: list[Any]) -> None:
    assert shown(rows)["rows"] == without_gaps(rows)


def test_other_values_are_their_text() -> None:
    rows = [Thing(Colour.red, Path("a/b")), (np.int64(3), np.float32(0.5), np.float64("nan")), {"key": Path("c")}]
    assert shown(rows)["rows"] == [{"colour": "red", "path": "a/b"}, [3, 0.5, None], {"key": "c"}]


def test_a_field_never_hides_what_every_event_has() -> None:
    event = shown([], time="never", level="high")
    assert (event["level"], event["event"]) == ("info", "things")


def record(message: str, **extra: Any) -> logging.LogRecord:
    return logging.getLogger().makeRecord("charachbench", logging.INFO, "", 0, message, (), None, extra=extra)


@pytest.mark.parametrize(("log", "lines"), [("text", ["a message"]), ("json", ["a message", "c0__d0 is made"])])
def test_people_are_spared_what_a_bar_shows(capsys: pytest.CaptureFixture[str], log: str, lines: list[str]) -> None:
    output.use(log)
    handler = output.Handler()
    handler.handle(record("a message"))
    handler.handle(record("c0__d0 is made", **output.event("pair_made", pair="c0__d0")))
    printed = capsys.readouterr().out.splitlines()
    assert (printed if log == "text" else [json.loads(line)["message"] for line in printed]) == lines


def test_text_is_what_rich_prints(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name")
    table.add_row("roll")
    output.show("things", (1 / 0 for _ in "rows"), table)  # which nobody looks at
    output.wrote(Path("x" * 300))  # a path is never broken
    printed = capsys.readouterr().out
    assert "roll" in printed
    assert printed.splitlines()[-1] == "x" * 300
    assert "\x1b" not in printed
    assert output.fail("no", 2) == 2
    assert capsys.readouterr().err == "charachbench: no\n"
