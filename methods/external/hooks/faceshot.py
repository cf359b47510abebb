"""What the second stage of FaceShot takes, beside the character: two files of landmarks, and a driver."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from charachbench.store import write_array
from charachbench.video import Video, write_mp4
from methods.external.job import Job

SIDE = 64
"""Pixels of the driver's frames, which are enlarged."""


def prepare(jobs: list[Job], work: Path) -> None:
    """Write ``reference_landmarks.npy``, ``driving_landmarks.npy`` and ``driver.mp4``.

    The character's own landmarks come first, as the flow to all others starts there. The code shows the driver's
    landmarks and frames beside its result, and does nothing else with them: here they are the character's and black.

    Args:
        jobs: one, with landmarks.
        work: where the files go.
    """
    (job,) = jobs
    landmarks = np.concatenate([np.load(job.source)[None], np.load(job.landmarks)])
    for name in ("reference", "driving"):
        write_array(work / f"{name}_landmarks.npy", landmarks)
    black = np.zeros((len(landmarks), SIDE, SIDE, 3), np.uint8)
    write_mp4(Video(black, float(job.fps)), work / "driver.mp4")
