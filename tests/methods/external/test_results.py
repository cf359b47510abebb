"""What becomes of the files that upstreams leave."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charachbench.errors import PairFailure
from charachbench.video import Video, write_lossless
from methods.external.job import Job, hand_over
from methods.external.recipe import Environment, Inputs, Recipe, Repository, Result, Signs, Step
from methods.external.results import Ended, candidates, collect, collected, read_frames
from tests.methods.external.upstream import noise

RECIPE = Recipe(
    repository=Repository("u", "0" * 40),
    environment=Environment("3", (), "x"),
    inputs=Inputs(size=32),
    result=Result("{output}/*.mkv"),
    steps=(Step(("python",)),),
    signs=Signs(no_face=("^no face",), degraded={"without alignment": "no alignment", "without eyes": "no eyes"}),
)

DONE = Ended(1.0, 0)


def make(
    folder: Path, frames: int = 4, size: tuple[int, int] = (32, 32), character: tuple[int, int] = (32, 32),
    log: str = "", result: bool = True, inputs: Inputs = RECIPE.inputs, driver: int = 4,
) -> Job:  # fmt: skip
    """A job that is done: its result's frame i is of level 20 i on the left, and of half that on the right."""
    video = Video(np.zeros((driver, 8, 8, 3), np.uint8), 25.0)
    job = hand_over(folder / "job", "p0", inputs, noise("c", character), 0, driver=video)
    made = np.repeat(np.arange(frames, dtype=np.uint8) * 20, size[0] * size[1] * 3).reshape(frames, *size, 3)
    made[:, :, size[1] // 2 :] //= 2
    if result:
        write_lossless(Video(made, 10.0), job.folder / "result.mkv")
    job.log.write_text(log, encoding="utf-8")
    return job


def read(job: Job, ended: Ended = DONE, signs: Signs = RECIPE.signs, **result: Any) -> tuple[list[int], list[str]]:
    """Levels of the left, divided by 20, and what was changed."""
    recipe = replace(RECIPE, result=Result("{output}/*.mkv", **result), signs=signs)
    frames, notes, _ = read_frames(recipe, job, ended)
    assert frames.shape[1:] == (job.square.height, job.square.width, 3)
    return [round(float(frame[:, : frame.shape[1] // 4].mean()) / 20) for frame in frames], notes["normalised"]


def reason(job: Job, ended: Ended = DONE, **result: Any) -> tuple[str, str]:
    with pytest.raises(PairFailure) as failure:
        read(job, ended, **result)
    assert failure.value.log == job.log.read_text(encoding="utf-8")
    return failure.value.kind, str(failure.value)


def test_a_whole_result_is_taken_as_it_is(tmp_path: Path) -> None:
    job = make(tmp_path)
    assert read(job) == ([0, 1, 2, 3], [])
    _, notes, degraded = read_frames(RECIPE, job, Ended(1.0, 0))
    assert degraded == ""
    assert notes == {"source_frames": 4, "source_size": [32, 32], "source_fps": 10.0, "status": 0, "normalised": []}


@pytest.mark.parametrize("status", [1, 3, -9])
def test_the_exit_status_decides_nothing(tmp_path: Path, status: int) -> None:
    job = make(tmp_path, log="Traceback\nSomeError: at the very end")
    assert read(job, Ended(1.0, status))[0] == [0, 1, 2, 3]
    assert read_frames(RECIPE, job, Ended(1.0, status))[1]["status"] == status


@pytest.mark.parametrize(
    ("frames", "result", "wanted", "told"),
    [
        (5, {"extra_first": 1}, [1, 2, 3, 4], ["frames -1 +0 at the start, +0"]),
        (3, {"missing_first": 1}, [0, 0, 1, 2], ["frames -0 +1 at the start, +0"]),
        (3, {"missing_last": 1}, [0, 1, 2, 2], ["frames -0 +0 at the start, +1"]),
        (2, {"missing_first": 1, "missing_last": 1}, [0, 0, 1, 1], ["frames -0 +1 at the start, +1"]),
        (4, {"extra_first": 1, "missing_last": 1}, [1, 2, 3, 3], ["frames -1 +0 at the start, +1"]),
        (6, {"length": "trim"}, [0, 1, 2, 3], ["trimmed from 6 to 4 frames"]),
        (4, {"length": "trim"}, [0, 1, 2, 3], []),
        (
            7,
            {"length": "trim", "extra_first": 1},
            [1, 2, 3, 4],
            ["trimmed from 7 to 5 frames", "frames -1 +0 at the start, +0"],
        ),
        (7, {"length": "resample"}, [0, 2, 4, 6], ["resampled from 7 to 4 frames"]),
        (2, {"length": "resample"}, [0, 0, 1, 1], ["resampled from 2 to 4 frames"]),
        (4, {"length": "resample"}, [0, 1, 2, 3], []),
    ],
)
def test_the_number_of_frames_is_made_right_and_told(
    tmp_path: Path, frames: int, result: dict[str, Any], wanted: list[int], told: list[str]
) -> None:
    assert read(make(tmp_path, frames), **result) == (wanted, told)


@pytest.mark.parametrize(
    ("frames", "result", "expected"),
    [
        (3, {}, 4),
        (5, {}, 4),
        (4, {"extra_first": 1}, 5),
        (4, {"missing_last": 1}, 3),
        (3, {"length": "trim"}, 4),
    ],
)
def test_any_other_number_of_frames_fails(tmp_path: Path, frames: int, result: dict[str, Any], expected: int) -> None:
    sentence = f"its result has {frames} frames, and {expected} were expected"
    assert reason(make(tmp_path, frames), **result) == ("error", sentence)


def test_what_was_stopped_is_not_spread_over_the_driver(tmp_path: Path) -> None:
    stopped = Ended(5.0, limit=5.0)
    job = make(tmp_path, frames=2)
    assert reason(job, stopped, length="resample") == ("time_limit", "did not end within 5 s")
    assert read(job, length="resample")[0] == [0, 0, 1, 1]
    assert read(make(tmp_path / "whole"), stopped)[0] == [0, 1, 2, 3]  # it hung when all was done


def test_frames_that_repeat_the_last_are_cut(tmp_path: Path) -> None:
    job = make(tmp_path, frames=6, inputs=Inputs(size=32, minimum_frames=6))
    assert read(job) == ([0, 1, 2, 3], ["2 frames cut that repeated the driver's last"])


def test_the_panel_is_cut_out(tmp_path: Path) -> None:
    job = make(tmp_path, size=(32, 64))
    assert read(job, box=[0, 0, 32, 32]) == ([0, 1, 2, 3], ["panel [0, 0, 32, 32]"])
    frames = read_frames(replace(RECIPE, result=Result("{output}/*", box=(32, 0, 32, 32))), job, Ended(1.0))[0]
    assert (frames[2] == 20).all()  # half of 40
    kind, told = reason(job, box=(33, 0, 32, 32))
    assert (kind, told) == ("error", "its result is 64 x 32, too small for the panel (33, 0, 32, 32)")


def test_what_is_not_square_is_not_cut_silently(tmp_path: Path) -> None:
    assert reason(make(tmp_path, size=(32, 64))) == (
        "error", "its result is 64 x 32, not a square; result.box can cut one out of it",
    )  # fmt: skip


@pytest.mark.parametrize("fit", ["squash", "pad"])
def test_it_gets_the_size_of_the_character(tmp_path: Path, fit: Any) -> None:
    job = make(tmp_path, size=(64, 64), character=(24, 48), inputs=Inputs(size=32, fit=fit))
    assert read(job) == ([0, 1, 2, 3], ["resized to 48 x 24"])


def test_no_result_is_told_with_the_last_exception(tmp_path: Path) -> None:
    log = "Traceback (most recent call last):\n  File x\nshapes.OddError: 3 is odd\nException ignored in: <x>\nbye\n"
    assert reason(make(tmp_path, result=False, log=log), Ended(1.0, 1)) == (
        "error", "it made no result, exit status 1: shapes.OddError: 3 is odd",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", "it made no result"),
        ("$ python animate.py --image x\n", "it made no result"),
        ("$ python a\nstarting\n  giving up  \n\n", "it made no result: giving up"),
        ("KeyError: 'x'\nbye", "it made no result: KeyError: 'x'"),
        ("cv2.error: (-215)\nerrors were found", "it made no result: cv2.error: (-215)"),
    ],
)
def test_no_result_without_an_exception(tmp_path: Path, log: str, told: str) -> None:
    assert reason(make(tmp_path, result=False, log=log)) == ("error", told)


@pytest.mark.parametrize(
    ("log", "ended", "kind", "told"),
    [
        ("no face in it", Ended(1.0, 1), "no_face", "no face found (no face)"),
        (
            "torch.OutOfMemoryError: CUDA",
            Ended(1.0, 1),
            "out_of_memory",
            "ran out of memory: torch.OutOfMemoryError: CUDA",
        ),
        ("out of memory? use --tiny\nno face in it", Ended(1.0, 0), "no_face", "no face found (no face)"),
        ("no face, MemoryError", Ended(9.0, limit=2.5), "time_limit", "did not end within 2.5 s"),
        ("there is no face", Ended(1.0, 1), "error", "it made no result, exit status 1: there is no face"),
    ],
)
def test_failures_have_kinds(tmp_path: Path, log: str, ended: Ended, kind: str, told: str) -> None:
    assert reason(make(tmp_path, result=False, log=f"loading\n{log}"), ended) == (kind, told)


def test_reasons_do_not_name_temporary_files(tmp_path: Path) -> None:
    """Else no two would be equal, and none could be counted."""
    job = make(tmp_path, result=False)
    job.log.write_text(f"FileNotFoundError: {job.folder}/{job.stem}.png is not there", encoding="utf-8")
    with pytest.raises(PairFailure, match=r"^it made no result: FileNotFoundError: job/\{stem\}\.png is not there$"):
        read(job)


def test_signs_of_less_than_it_should_are_told(tmp_path: Path) -> None:
    job = make(tmp_path, log="loading\nno eyes\nno alignment at all\n")
    assert read_frames(RECIPE, job, Ended(1.0))[2] == "without alignment, without eyes"


def test_a_face_that_was_not_found_does_not_matter_where_there_is_a_result(tmp_path: Path) -> None:
    assert read(make(tmp_path, log="no face"))[0] == [0, 1, 2, 3]


@pytest.mark.parametrize("content", [b"", b"junk" * 1000])
def test_garbage_is_told(tmp_path: Path, content: bytes) -> None:
    job = make(tmp_path, result=False, log="ValueError: broken")
    (job.folder / "result.mkv").write_bytes(content)
    kind, told = reason(job)
    assert kind == "error"
    assert told.startswith("its result is no video: cannot be decoded as video")
    assert told.endswith(": ValueError: broken")
    assert str(tmp_path) not in told


def test_a_video_that_is_cut_off_fails(tmp_path: Path) -> None:
    job = make(tmp_path, frames=4, size=(64, 64))
    path = job.folder / "result.mkv"
    path.write_bytes(path.read_bytes()[:700])
    assert reason(job)[0] == "error"


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    job = make(tmp_path, result=False)
    job.log.write_bytes(b"\xff\xfe\x00 na\xefve\nOSError: gr\xf6\xdfe\n")
    with pytest.raises(PairFailure, match="OSError: gr��e") as failure:
        read(job)
    failure.value.log.encode()


def test_the_newest_file_that_meets_the_pattern_is_the_result(tmp_path: Path) -> None:
    job = make(tmp_path, result=False)
    for index, name in enumerate(("old.mkv", "new.mkv", "other.txt")):
        (job.output / name).write_text(name)
        os.utime(job.output / name, ns=(index, index))
    (job.output / "folder.mkv").mkdir()
    assert collected(job) is None
    collect(Result("{output}/*.mkv"), job, {}, {})
    assert collected(job) == job.folder / "result.mkv"
    assert (job.folder / "result.mkv").read_text() == "new.mkv"


def test_what_was_there_before_is_no_result(tmp_path: Path) -> None:
    job, result = make(tmp_path, result=False), Result("{output}/*.mkv")
    for name in ("example.mkv", "another.mkv"):
        (job.output / name).write_text(name)
    before = candidates(result, job, {})
    collect(result, job, {}, before)
    assert collected(job) is None
    (job.output / "example.mkv").write_text("written over")
    collect(result, job, {}, before)
    assert (job.folder / "result.mkv").read_text() == "written over"


@pytest.mark.parametrize("path", ["{work}/results/{stem}/*.mp4", "{checkout}/results/{stem}-*/{frames}.mp4"])
def test_results_are_found_elsewhere(tmp_path: Path, path: str) -> None:
    job = make(tmp_path, result=False)
    start = {"work": str(tmp_path / "work [1] *"), "checkout": str(tmp_path / "check out")}
    place = "work [1] */results/p0/a.mp4" if path.startswith("{work}") else "check out/results/p0-x/4.mp4"
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text("x")
    (tmp_path / place).with_name("b.avi").write_text("x")
    collect(Result(path), job, start, {})
    found = collected(job)
    assert found is not None
    assert found.suffix == ".mp4"
