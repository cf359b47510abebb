"""The index of a run: what it tells is what the files tell, whatever happens to them or to it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from charachbench import index
from charachbench.store import SCHEMA, Entry, Run, RunInfo, write_json

INFO = RunInfo("k" * 64, "method", {}, [], False, {}, 0, {"name": "made", "options": {}})
LONG_AGO = 10**9


def record(pair: str, **changed: Any) -> dict[str, Any]:
    outputs = {"video.mkv": "0" * 64}
    return {"schema": SCHEMA, "pair": pair, "status": "ok", "packages": {"numpy": "2"}, "outputs": outputs, **changed}


def scores(value: float, array: str = "array.npy") -> dict[str, Any]:
    scored = {"status": "scored", "value": value, "array": array, "reference": None, "protocol": {"frames": 2}}
    return {"a" * 64: scored, "b" * 64: {"status": "unscored", "reason": "no face"}}


def age(folder: Path) -> None:
    """Let everything have been written long ago, since what is new is not indexed."""
    for path in (*folder.iterdir(), folder):
        os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of four pairs; the last failed, and the third has no scores."""
    run = tmp_path / "benchmark" / "run"
    for number in range(4):
        entry = run / f"pair{number}"
        entry.mkdir(parents=True)
        for name in ("video.mkv", "array.npy"):
            (entry / name).write_bytes(b"x")
        status = {"status": "failed", "reason": "out of luck", "outputs": {}} if number == 3 else {}
        write_json(entry / "record.json", record(f"pair{number}", **status))
        if number < 2:
            write_json(entry / "scores.json", scores(number))
        age(entry)
    return run


def looked(folder: Path) -> dict[str, index.Found]:
    return {path.name: Entry(path).look() for path in sorted(folder.iterdir()) if path.is_dir()}


def test_a_second_scan_opens_nothing_and_tells_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Run(folder, INFO).found
    assert first == looked(folder)
    assert list(first) == ["pair0", "pair1", "pair2", "pair3"]
    assert (folder / index.FILE).is_file()
    monkeypatch.setattr(Entry, "look", lambda self: pytest.fail(f"{self.folder} was opened"))
    assert Run(folder, INFO).found == first


def in_place(path: Path, text: str) -> None:
    """Another text as long, in the same file."""
    before = path.stat()
    path.write_text(text.ljust(before.st_size)[: before.st_size])
    assert (path.stat().st_ino, path.stat().st_size) == (before.st_ino, before.st_size)


CHANGES: dict[str, Callable[[Path], object]] = {
    "record replaced": lambda entry: write_json(entry / "record.json", record("pair1", degraded="a little")),
    "record edited": lambda entry: in_place(entry / "record.json", json.dumps(record("other"))),
    "record damaged": lambda entry: (entry / "record.json").write_text('{"schema": 2, "sta'),
    "record removed": lambda entry: (entry / "record.json").unlink(),
    "record of another schema": lambda entry: write_json(entry / "record.json", record("pair1", schema=0)),
    "scores replaced": lambda entry: write_json(entry / "scores.json", scores(7)),
    "scores edited": lambda entry: in_place(entry / "scores.json", json.dumps(scores(8))),
    "scores damaged": lambda entry: (entry / "scores.json").write_text("[]"),
    "scores removed": lambda entry: (entry / "scores.json").unlink(),
    "video removed": lambda entry: (entry / "video.mkv").unlink(),
    "array removed": lambda entry: (entry / "array.npy").unlink(),
    "array of another name": lambda entry: write_json(entry / "scores.json", scores(1, "gone.npy")),
    "everything removed": shutil.rmtree,
    "another pair": lambda entry: shutil.copytree(entry, entry.with_name("pair9")),
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changes_is_seen(folder: Path, change: Callable[[Path], object], later: bool) -> None:
    """Also once it, too, has been indexed."""
    assert Run(folder, INFO).found == looked(folder)
    change(folder / "pair1")
    assert Run(folder, INFO).found == looked(folder)
    if later and (folder / "pair1").is_dir():
        for path in (*(folder / "pair1").iterdir(), folder / "pair1"):
            os.utime(path, (LONG_AGO + 60, LONG_AGO + 60))
        assert Run(folder, INFO).found == looked(folder)
    assert Run(folder, INFO).found == looked(folder)


def test_what_has_just_been_written_is_not_relied_on(folder: Path) -> None:
    """A file system's clock may be too coarse to tell another change."""
    path = folder / "pair1" / "scores.json"
    write_json(path, scores(5))
    new = path.stat()
    assert Run(folder, INFO).found == looked(folder)
    in_place(path, json.dumps(scores(6), indent=1))
    os.utime(path, ns=(new.st_atime_ns, new.st_mtime_ns))
    assert Run(folder, INFO).found["pair1"].scores["a" * 64]["value"] == 6


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b'"pair1"', b'"pair7"', 1),
        lambda content: b"[{}, {}]",
        lambda content: b"\xff" + content,
        lambda content: content.replace(b"1 ", b"0 ", 1),
    ],
    ids=["empty", "cut off", "changed", "no head", "bytes", "another version"],
)
def test_a_damaged_index_is_made_again(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    first = Run(folder, INFO).found
    whole = (folder / index.FILE).read_bytes()
    (folder / index.FILE).write_bytes(damage(whole))
    assert Run(folder, INFO).found == first
    assert (folder / index.FILE).read_bytes() == whole


def test_a_store_that_cannot_be_written_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, *_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert Run(folder, INFO).found == looked(folder)
    assert not list(folder.glob("*.json"))
    assert not list(folder.glob(".*"))


def test_a_run_looks_once_until_it_is_told_to_forget(folder: Path) -> None:
    run = Run(folder, INFO)
    before = run.found
    write_json(folder / "pair1" / "scores.json", scores(5))
    assert run.found is before
    run.forget()
    assert run.found["pair1"].scores["a" * 64]["value"] == 5


def test_a_run_without_a_folder_has_nothing(tmp_path: Path) -> None:
    assert Run(tmp_path / "nowhere", INFO).found == {}


SCRIPT = """
import sys
from pathlib import Path
from charachbench import index
from tests.test_index import INFO, looked
from charachbench.store import Run
folder = Path(sys.argv[1])
for _ in range(40):
    assert Run(folder, INFO).found == looked(folder)
    (folder / index.FILE).unlink(missing_ok=True)
print("well")
"""


def test_any_number_may_write_it_at_once(folder: Path) -> None:
    def start() -> str:
        command = [sys.executable, "-c", SCRIPT, str(folder)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60).stdout

    with ThreadPoolExecutor(3) as pool:
        told = [future.result() for future in [pool.submit(start) for _ in range(3)]]
    assert told == ["well\n"] * 3
    assert Run(folder, INFO).found == looked(folder)
