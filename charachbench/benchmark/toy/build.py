"""The toy benchmark on disk, in the layout that the ``folder`` benchmark reads."""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from charachbench.benchmark.toy.cast import characters as make_characters
from charachbench.benchmark.toy.cast import drivers as make_drivers
from charachbench.benchmark.toy.expression import NEUTRAL, Expression
from charachbench.benchmark.toy.identity import Identity
from charachbench.benchmark.toy.motion import expression_at, script
from charachbench.benchmark.toy.render import Painter
from charachbench.video import Video, write_lossless

_WORKERS = 2


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
    root = Path(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{root.name}.", dir=root.parent))
    try:
        people = make_drivers(drivers, seed)
        tracks = [
            [expression_at(script(index, seed), frame / fps) for frame in range(frames)] for index in range(drivers)
        ]
        jobs = [
            partial(_draw, person, size, fps, None, {work / "drivers" / person.name: track})
            for person, track in zip(people, tracks, strict=True)
        ]
        for character in make_characters(characters, seed):
            truth = {
                work / "truth" / f"{character.name}__{person.name}": track
                for person, track in zip(people, tracks, strict=True)
            }
            still = work / "characters" / character.domain / character.name
            jobs.append(partial(_draw, character, size, fps, still, truth))
        with ThreadPoolExecutor(_WORKERS) as pool:
            for done in [pool.submit(job) for job in jobs]:
                done.result()
        settings = f"name: toy\nsize: {size}\nfps: {fps}\nlicence: Apache-2.0\n"
        (work / "benchmark.yaml").write_text(settings, encoding="utf-8")
        work.chmod(0o755)
        try:
            work.rename(root)
        except OSError:
            if not root.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


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
