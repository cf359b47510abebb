"""What AniPortrait's scripts take: configuration files that name the pairs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from methods.animators.aniportrait import FPS, write_inputs
from methods.external.job import Job


def prepare_pairs(jobs: list[Job], work: Path) -> None:
    """Write ``pairs.yaml`` for ``scripts/vid2vid.py``: its own configuration, with these pairs.

    Args:
        jobs: of the start.
        work: where the checkout lies and the file goes.
    """
    _write(work, "animation_facereenac.yaml", {str(job.image): [str(job.driver)] for job in jobs})


def prepare_poses(jobs: list[Job], work: Path) -> None:
    """Write what ``scripts/aniportrait_poses.py`` takes: drawings of the landmarks, and ``pairs.yaml``.

    Args:
        jobs: one, with landmarks.
        work: where the checkout lies and the files go.

    Raises:
        UserError: the landmarks are not as they should be.
    """
    from PIL import Image

    (job,) = jobs
    write_inputs(work, np.asarray(Image.open(job.image)), np.load(job.source), np.load(job.landmarks), FPS)
    _write(work, "animation.yaml", {str(work / "reference.png"): [str(work / "poses.mkv")]})


def _write(work: Path, name: str, pairs: Mapping[str, list[str]]) -> None:
    from omegaconf import OmegaConf

    config = OmegaConf.load(work / "checkout" / "configs" / "prompts" / name)
    OmegaConf.update(config, "test_cases", pairs, merge=False)
    OmegaConf.save(config, work / "pairs.yaml")
