"""What MegActor-Sigma's script takes for several pairs at once: a configuration file that names them."""

from __future__ import annotations

from pathlib import Path

from methods.external.job import Job


def prepare(jobs: list[Job], work: Path) -> None:
    """Write ``pairs.yaml`` for ``eval_audio.py``: its own configuration, with these pairs.

    Args:
        jobs: of the start.
        work: where the checkout lies and the file goes.
    """
    from omegaconf import OmegaConf

    config = OmegaConf.load(work / "checkout" / "configs" / "inference" / "megactor-sigma" / "inference.yaml")
    config.source_image = [str(job.image) for job in jobs]
    config.video_path = [str(job.driver) for job in jobs]
    OmegaConf.save(config, work / "pairs.yaml")
