"""Whatever a file holds, its reader ends in a right result or in a sentence: no other error, crash, hang or flood."""

from pathlib import Path

import pytest

from tests.fuzz import corpus, run
from tests.fuzz.readers import READERS

SOME, MANY = 9, 111
"""Mutations of each format: by default 198 in all, and 2,442 where tests may be slow."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    corpus.make(folder, shared=False)
    return folder


def check(files: Path, numbers: range) -> None:
    tallies = run.fuzz(files, READERS, numbers, files / "failures")
    print("\n" + run.table(tallies))  # noqa: T201 - shown with -s
    failures = [failure for tally in tallies.values() for failure in tally.failures]
    assert not failures, "\n\n".join(failures)
    assert all(tally.counts.total() == len(numbers) for tally in tallies.values())


def test_damaged_files_are_read_or_refused(files: Path) -> None:
    check(files, range(SOME))


@pytest.mark.slow
def test_many_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    if not corpus.SHARED.is_dir():
        pytest.skip("needs photos and a video: ../shared/data is not there")
    corpus.make(tmp_path)
    check(tmp_path, range(SOME, SOME + MANY))


def test_undamaged_files_are_read(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else everything would be refused, and nothing seen of it."""
    import shutil

    for name, reader in READERS.items():
        if name == "tar":
            continue  # which would be installed here
        for case in sorted((files / name).iterdir()):
            shutil.copytree(case, tmp_path / name / case.name)
            assert reader.read(tmp_path / name / case.name) == "right", case


class TestWhatIsWrongIsNoticed:
    """Of the harness itself."""

    def fuzzed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> str:
        monkeypatch.setattr(run, "WORKER", ["-c", f"import sys, os, time\nfor line in sys.stdin:\n  {code}"])
        (tmp_path / "work" / "png").mkdir(parents=True)
        tally = run.fuzz(tmp_path, ["png"], range(1), tmp_path / "failures")["png"]
        assert (tmp_path / "failures" / "png-0").is_dir()
        return tally.failures[0]

    def test_a_crash(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "png 0: crash: crash, status -6" in self.fuzzed(tmp_path, monkeypatch, "os.abort()")

    def test_a_hang(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run, "DEADLINE", 0.5)
        assert "png 0: hang" in self.fuzzed(tmp_path, monkeypatch, "time.sleep(60)")
