"""The toy benchmark on disk, in the layout that the ``folder`` benchmark reads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from charachbench.benchmark.toy import cast
from charachbench.benchmark.toy.expression import NEUTRAL, Expression
from charachbench.benchmark.toy.identity import Identity
from charachbench.benchmark.toy.motion import expression_at, script
from charachbench.benchmark.toy.render import Painter
from charachbench.video import Video, write_lossless

SHARED_FROM = 200
"""Frames from which on a second process helps: drawing holds Python's lock most of the time."""
SET_UP = 10
"""What it costs to prepare for drawing an identity, in frames."""


def build(
    root: Path,
    *,
    characters: int = 8,
    drivers: int = 3,
    frames: int = 32,
    size: int = 256,
    fps: float = 25.0,
    seed: int = 0,
) -> None:
    """Write ``characters/<domain>/<name>.png``, ``drivers/<name>.mkv``, ``truth/<character>__<driver>.mkv``.

    Each has its landmarks beside it as ``.npy``: float64 (68, 2) or (T, 68, 2), (x, y) in pixels. All is made in a
    temporary folder that is renamed to ``root`` at the end, so there is a whole benchmark or none.

    Args:
        root: where to; nothing is done where another process has made it meanwhile.
        characters: how many, over eight kinds in seven domains, with new colours each time round.
        drivers: how many, three people and three scripts in turn.
        frames: of each video.
        size: of its sides, in pixels.
        fps: frames per second.
        seed: of proportions, colours, textures and timing.
    """
    options = {"characters": characters, "drivers": drivers, "frames": frames, "size": size, "fps": fps, "seed": seed}
    root.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(root.parent / f".{root.name}.lock"):
        if root.is_dir():
            return
        for leftover in root.parent.glob(f".{root.name}.*.part"):  # of a process that was killed here
            shutil.rmtree(leftover)
        work = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=".part", dir=root.parent))
        try:
            work_to_do = frames * drivers * (characters + 1) + SET_UP * (characters + drivers)
            shares = 2 if work_to_do >= SHARED_FROM and (os.cpu_count() or 1) > 1 else 1
            _draw_in_processes(work, shares, options)
            settings = f"name: toy\nsize: {size}\nfps: {fps}\nlicence: Apache-2.0\n"
            (work / "benchmark.yaml").write_text(settings, encoding="utf-8")
            work.chmod(0o755)
            work.rename(root)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _draw_in_processes(work: Path, shares: int, options: dict[str, Any]) -> None:
    # Not multiprocessing, which would run an unguarded script of the user's a second time.
    program = [sys.executable, "-m", __name__]
    others = [
        subprocess.Popen([*program, json.dumps({"work": str(work), "share": share, "of": shares, **options})])
        for share in range(1, shares)
    ]
    try:
        draw_share(work, 0, shares, **options)
        if any(process.wait() for process in others):
            raise RuntimeError("a process that draws a part of the toy benchmark failed; see its message above")
    finally:
        for process in others:
            process.kill()


def draw_share(
    work: Path, share: int, of: int, *, characters: int, drivers: int, frames: int, size: int, fps: float, seed: int
) -> None:
    """Draw every ``of``-th identity from number ``share`` on, with all its videos; see ``build`` for the rest."""
    people = cast.drivers(drivers, seed)
    tracks = [[expression_at(script(index, seed), frame / fps) for frame in range(frames)] for index in range(drivers)]
    jobs: list[tuple[Identity, Path | None, dict[Path, list[Expression]]]] = []
    for person, track in zip(people, tracks, strict=True):
        jobs.append((person, None, {work / "drivers" / person.name: track}))
    for character in cast.characters(characters, seed):
        names = [f"{character.name}__{person.name}" for person in people]
        truth = {work / "truth" / name: track for name, track in zip(names, tracks, strict=True)}
        jobs.append((character, work / "characters" / character.domain / character.name, truth))
    for identity, still, videos in jobs[share::of]:
        _draw(identity, size, fps, still, videos)


def _draw(identity: Identity, size: int, fps: float, still: Path | None, videos: dict[Path, list[Expression]]) -> None:
    """Write the picture of an identity at rest, and its videos, under paths without a suffix."""
    from PIL import Image

    painter = Painter(identity, size)
    if still is not None:
        image, landmarks = painter.draw(NEUTRAL)
        still.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(still.with_suffix(".png"))
        np.save(still.with_suffix(".npy"), landmarks)
    for stem, track in videos.items():
        drawn = [painter.draw(expression) for expression in track]
        stem.parent.mkdir(parents=True, exist_ok=True)
        write_lossless(Video(np.stack([image for image, _ in drawn]), fps), stem.with_suffix(".mkv"))
        np.save(stem.with_suffix(".npy"), np.stack([landmarks for _, landmarks in drawn]))


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    draw_share(Path(arguments.pop("work")), arguments.pop("share"), arguments.pop("of"), **arguments)
