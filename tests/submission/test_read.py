"""Files of whoever: what is not a bundle, or not safe, is refused before it is read."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charachbench.submission import read as module
from charachbench.submission.read import Refused, read
from charachbench.submission.schema import MANIFEST, SCORES
from tests.submission.bundles import edited
from tests.submission.conftest import Sent


def problems_of(path: Path, sent: Sent) -> list[str]:
    try:
        return read(path, sent.pairs)[1]
    except Refused as refused:
        return refused.problems


def test_what_was_written_is_read(sent: Sent) -> None:
    bundle, problems = read(sent.path, sent.pairs)
    assert problems == []
    assert bundle.manifest.method.name == "roll"
    assert len(bundle.scores) == 12 * 4
    assert len(bundle.members) == 11


def rezipped(sent: Sent, target: Path, change: Callable[[zipfile.ZipFile], object]) -> Path:
    """The bundle, and whatever ``change`` adds to it."""
    target.write_bytes(sent.path.read_bytes())
    with zipfile.ZipFile(target, "a") as archive:
        change(archive)
    return target


def link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("clips/c1__d0.mkv")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    archive.writestr(info, "/etc/passwd")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda archive: archive.writestr("../c1__d0.mkv", b""), "holds '../c1__d0.mkv', which leads out of it"),
        (lambda archive: archive.writestr("/etc/passwd", b""), "holds '/etc/passwd', which leads out of it"),
        (lambda archive: archive.writestr("c:/x", b""), "holds 'c:/x', which leads out of it"),
        (lambda archive: archive.writestr("clips\\..\\x", b""), "leads out of it"),
        (link, "holds 'clips/c1__d0.mkv', which is no file but a link or the like"),
        (lambda archive: archive.writestr("clips/c1__d0.mkv", b"", zipfile.ZIP_LZMA), "compressed by something else"),
        (lambda archive: archive.writestr("clips/c1_d0.mkv", b""), "did you mean 'clips/c1__d0.mkv'?"),
        (lambda archive: archive.writestr("setup.py", b""), "holds 'setup.py', which is no file of this benchmark's"),
    ],
)
def test_members_that_do_not_belong(sent: Sent, tmp_path: Path, change: Any, problem: str) -> None:
    (found,) = problems_of(rezipped(sent, tmp_path / "x.zip", change), sent)
    assert problem in found


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice(sent: Sent, tmp_path: Path) -> None:
    path = rezipped(sent, tmp_path / "x.zip", lambda archive: archive.writestr(MANIFEST, b"{}"))
    assert problems_of(path, sent) == ["holds 'manifest.json' 2 times"]


def test_what_unpacks_to_much_is_not_unpacked(sent: Sent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = edited(sent.path, tmp_path / "x.zip", files=lambda held: held.update({SCORES: b" " * 2_000_000}))
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("was read"))
    assert problems_of(bomb, sent) == [f"holds 'scores.csv' of 2000000 bytes; accepted are {2**20 + 12 * 2**16}"]


def test_a_directory_of_many_members_is_not_read(sent: Sent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TEXT", 0)
    monkeypatch.setattr(module, "_TEXT_OF_PAIR", 6_000)

    def many(archive: zipfile.ZipFile) -> None:
        for index in range(2_000):
            archive.writestr(f"{index}", b"")

    (problem,) = problems_of(rezipped(sent, tmp_path / "x.zip", many), sent)
    assert "a part of more than 72000 bytes" in problem


@pytest.mark.parametrize("size", [0, 1, 100, 5_000, -1, -30])
def test_a_broken_file_is_told(sent: Sent, tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(sent.path.read_bytes()[:size])
    (problem,) = problems_of(path, sent)
    assert "accepted is a file of `charachbench bundle`" in problem


def test_no_such_file(sent: Sent, tmp_path: Path) -> None:
    assert "No such file" in problems_of(tmp_path / "x.zip", sent)[0]


def test_flipped_bytes_end_in_sentences(sent: Sent, tmp_path: Path) -> None:
    small = edited(
        sent.path,
        tmp_path / "small.zip",
        files=lambda held: [held.pop(name) for name in list(held) if name.startswith("clips")],
    )
    whole = small.read_bytes()
    for position in range(0, len(whole), 211):
        path = tmp_path / "x.zip"
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        assert all(problem.isprintable() for problem in problems_of(path, sent))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "manifest.json: is no JSON"),
        (b"\xff", "manifest.json: is no JSON"),
        (b"[" * 100_000, "manifest.json: is no JSON"),
        (b"[]", "manifest.json: all of it: input should be an object, got []"),
        (b'{"schema": 2}', "manifest.json: has schema 2, of a later charachbench; accepted here are 1 to 1"),
    ],
)
def test_a_manifest_that_is_none(sent: Sent, tmp_path: Path, text: bytes, problem: str) -> None:
    path = edited(sent.path, tmp_path / "x.zip", files=lambda held: held.update({MANIFEST: text}))
    assert problems_of(path, sent)[0].startswith(problem)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda found: found.pop("clips"), "manifest.json: clips: field required"),
        (lambda found: found.update(extra=1), "manifest.json: extra: extra inputs are not permitted, got 1"),
        (lambda found: found["clips"][2].update(frames="4"), "manifest.json: clips.2.frames: input should be a valid"),
        (lambda found: found["clips"][0].update(seconds=float("nan")), "json: clips.0.seconds: input"),
        (lambda found: found["figures"][0].update(value=float("inf")), "figures.0.value: input should"),
        (lambda found: found["method"].update(name="<b>x</b>"), "json: method.name: string should match"),
        (lambda found: found["method"].update(config={"a": ["\x1b[31m"]}), "text may hold no control characters"),
        (lambda found: found["method"].update(config={"a": float("nan")}), "config: value error, numbers must be"),
        (lambda found: found["metrics"][0].update(direction="left"), "metrics.0.direction: input should be 'up'"),
    ],
)  # fmt: skip
def test_a_manifest_of_another_schema(sent: Sent, tmp_path: Path, change: Any, problem: str) -> None:
    (found,) = problems_of(edited(sent.path, tmp_path / "x.zip", manifest=change), sent)
    assert problem in found


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda rows: rows[0].reverse(), "scores.csv: begins with"),
        (lambda rows: rows.clear(), "scores.csv: begins with []"),
        (lambda rows: rows[1].pop(), "scores.csv, line 2: got"),
        (lambda rows: rows[3].__setitem__(2, "good"), "scores.csv, line 4: got"),
        (lambda rows: rows[3].__setitem__(3, "1,5"), "scores.csv, line 4: got"),
        (lambda rows: rows[3].__setitem__(4, "\x1b[31m"), "scores.csv, line 4: got"),
    ],
)
def test_a_table_that_is_none(sent: Sent, tmp_path: Path, change: Any, problem: str) -> None:
    (found,) = problems_of(edited(sent.path, tmp_path / "x.zip", scores=change), sent)
    assert found.startswith(problem)
