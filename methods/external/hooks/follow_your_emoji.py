"""What Follow-Your-Emoji's script takes: a configuration file with the number of frames and the seed."""

from __future__ import annotations

from pathlib import Path

from methods.external.job import Job


def prepare(jobs: list[Job], work: Path) -> None:
    """Write ``infer.yaml``: its own configuration, as long as the driver.

    Args:
        jobs: one.
        work: where the checkout lies and the file goes.
    """
    from omegaconf import OmegaConf

    (job,) = jobs
    config = OmegaConf.load(work / "checkout" / "configs" / "infer.yaml")
    OmegaConf.update(config, "video_length", job.frames)
    OmegaConf.update(config, "seed", job.seed)
    OmegaConf.save(config, work / "infer.yaml")
