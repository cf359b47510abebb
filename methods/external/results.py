"""What became of a job: judged by the file that should be there, never by the exit status alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from charachbench import video
from charachbench.errors import FailureKind, PairFailure, UserError
from methods.external.job import Job
from methods.external.recipe import Recipe, Result, Signs, filled

OUT_OF_MEMORY = re.compile(r"out of memory|OutOfMemoryError|Cannot allocate memory|MemoryError", re.IGNORECASE)
_EXCEPTION = re.compile(r"^[\w.]*([Ee]rror|Exception|Interrupt|Exit)(:.*)?$")


@dataclass(frozen=True)
class Ended:
    """How the process that did a job ended.

    Attributes:
        seconds: that each job took, of those that were done at once.
        status: its exit status, None of a worker that goes on.
        limit: the seconds after which it was stopped, None where it was not.
        pairs: that it did at once.
    """

    seconds: float
    status: int | None = None
    limit: float | None = None
    pairs: int = 1


def collected(job: Job) -> Path | None:
    """The file that the upstream made."""
    return next(iter(job.folder.glob("result.*")), None)


def candidates(result: Result, job: Job, start: dict[str, str]) -> dict[Path, tuple[int, int]]:
    """The files that the recipe's pattern meets, with times of change and sizes.

    Args:
        result: of the recipe.
        job: whose.
        start: values of the placeholders that are the same for all jobs of a start.
    """
    place, _, pattern = result.path.partition("/")
    values = {**start, **job.values}
    folder = Path(values[place.strip("{}")])
    found = [path for path in folder.glob(filled(pattern, values)) if path.is_file()]
    return {path: ((stat := path.stat()).st_mtime_ns, stat.st_size) for path in found}


def collect(result: Result, job: Job, start: dict[str, str], before: dict[Path, tuple[int, int]]) -> None:
    """Move the file that the upstream made, if it did, to the job's folder.

    Args:
        result: of the recipe.
        job: whose.
        start: see ``candidates``.
        before: candidates before the upstream ran, such as the repository's own examples.
    """
    made = {path: stamp for path, stamp in candidates(result, job, start).items() if before.get(path) != stamp}
    if made:  # the newest, should there be several
        newest = max(made, key=lambda path: made[path])
        newest.replace(job.folder / f"result{newest.suffix}")


def read_frames(recipe: Recipe, job: Job, ended: Ended) -> tuple[np.ndarray, dict[str, Any], str]:
    """The frames of a finished job.

    Returns:
        uint8 (T, H, W, 3), as many as are wanted and of the character's size; notes for the record, with all that was
        changed on the way; what the code did less than it should, empty where it did all.

    Raises:
        PairFailure: there is no such file, or it is not as it should be; of which kind, see ``failure``.
    """
    path = collected(job)
    if path is None:
        raise failure(recipe.signs, job, ended, "it made no result")
    try:
        found = video.read(path)
    except (UserError, ValueError) as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise failure(recipe.signs, job, ended, f"its result is no video: {reason}") from error
    notes: dict[str, Any] = {
        "source_frames": len(found),
        "source_size": list(found.size),
        "source_fps": found.fps,
        "status": ended.status,
        "normalised": (changes := []),
    }
    frames = found.frames
    if recipe.result.box is not None:
        left, top, width, height = recipe.result.box
        if left + width > found.size[1] or top + height > found.size[0]:
            size = f"{found.size[1]} x {found.size[0]}"
            raise failure(
                recipe.signs, job, ended, f"its result is {size}, too small for the panel {recipe.result.box}"
            )
        frames = frames[:, top : top + height, left : left + width]
        changes.append(f"panel {list(recipe.result.box)}")
    if frames.shape[1] != frames.shape[2] and frames.shape[1:3] != (job.square.height, job.square.width):
        size = f"{frames.shape[2]} x {frames.shape[1]}"
        raise failure(recipe.signs, job, ended, f"its result is {size}, not a square; result.box can cut one out of it")
    # what was stopped may have left a part, which must not be spread over the driver
    wanted = recipe.result if ended.limit is None else replace(recipe.result, length="exact")
    try:
        frames = _of_length(frames, wanted, job, changes)
    except UserError as error:
        raise failure(recipe.signs, job, ended, str(error)) from error
    if frames.shape[1:3] != (job.square.height, job.square.width):
        changes.append(f"resized to {job.square.width} x {job.square.height}")
        frames = job.square.frames_back(frames)
    printed = read_log(job)
    degraded = [words for words, pattern in recipe.signs.degraded.items() if re.search(pattern, printed, re.MULTILINE)]
    return frames, notes, ", ".join(degraded)


def _of_length(frames: np.ndarray, result: Result, job: Job, changes: list[str]) -> np.ndarray:
    """As many frames as are wanted.

    Raises:
        UserError: it cannot be.
    """
    expected = job.frames + result.extra_first - result.missing_first - result.missing_last
    if result.length == "trim" and len(frames) > expected:
        changes.append(f"trimmed from {len(frames)} to {expected} frames")
        frames = frames[:expected]
    if len(frames) == expected:
        first = np.repeat(frames[:1], result.missing_first, axis=0)
        last = np.repeat(frames[-1:], result.missing_last, axis=0)
        whole = np.concatenate([first, frames[result.extra_first :], last])
        if len(whole) != len(frames) or result.extra_first:
            changes.append(f"frames -{result.extra_first} +{result.missing_first} at the start, +{result.missing_last}")
    elif result.length == "resample" and len(frames) > 0:
        whole = frames[np.round(np.linspace(0, len(frames) - 1, job.frames)).astype(int)]
        changes.append(f"resampled from {len(frames)} to {job.frames} frames")
    else:
        raise UserError(f"its result has {len(frames)} frames, and {expected} were expected")
    if job.wanted < job.frames:
        changes.append(f"{job.frames - job.wanted} frames cut that repeated the driver's last")
    return whole[: job.wanted]


def failure(signs: Signs, job: Job, ended: Ended, what: str) -> PairFailure:
    """Why there is no result, from what was printed."""
    printed = read_log(job)
    said = _same_for_all(job, _last_words(printed))
    kind: FailureKind = "error"
    sign = next((match for pattern in signs.no_face if (match := re.search(pattern, printed, re.MULTILINE))), None)
    if ended.limit is not None:
        kind, message = "time_limit", f"did not end within {ended.limit:g} s"
    elif sign is not None:
        kind, message = "no_face", f"no face found ({_same_for_all(job, sign.group(0).strip())[:200]})"
    elif OUT_OF_MEMORY.search(printed):
        kind, message = "out_of_memory", f"ran out of memory: {said}"
    else:
        status = f", exit status {ended.status}" if ended.status else ""
        message = f"{what}{status}{': ' + said if said else ''}"
    return PairFailure(message, kind, printed)


def read_log(job: Job) -> str:
    """What was printed while the job was done."""
    return job.log.read_text(encoding="utf-8", errors="replace") if job.log.is_file() else ""


def _same_for_all(job: Job, said: str) -> str:
    """Without the names of the job's files, so that equal reasons can be counted."""
    return re.sub(rf"\b{job.stem}\b", "{stem}", said.replace(f"{job.folder.parent}/", ""))


def _last_words(printed: str) -> str:
    """The last line that looks like an exception, or the last one; commands are ours."""
    lines = [line.strip() for line in printed.splitlines() if line.strip() and not line.startswith("$ ")]
    exceptions = [line for line in lines[-50:] if _EXCEPTION.match(line)]
    return (exceptions or lines or [""])[-1][:300]
