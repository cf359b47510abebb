"""Worker of LivePortrait: its networks are loaded once, then animate pair after pair.

Repository ``KwaiVGI/LivePortrait``; ``run`` does what its ``inference.py`` does, with its pipeline, and gives the same
files.
"""

from __future__ import annotations

import importlib
from typing import Any


def load(device: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Load the networks.

    Args:
        device: ``cpu`` or ``cuda``.
        arguments: fields of its ``ArgumentConfig``, which are its flags.

    Returns:
        what ``run`` needs.
    """
    inference = importlib.import_module("inference")
    on_cpu = {"flag_force_cpu": True, "flag_use_half_precision": False}
    options = {**arguments, **(on_cpu if device == "cpu" else {})}
    flags = vars(inference.ArgumentConfig(**options))
    settings = inference.partial_fields(inference.InferenceConfig, flags)
    crop = inference.partial_fields(inference.CropConfig, flags)
    pipeline = inference.LivePortraitPipeline(inference_cfg=settings, crop_cfg=crop)
    return {"inference": inference, "options": options, "pipeline": pipeline}


def run(loaded: dict[str, Any], job: dict[str, Any]) -> None:
    """Animate a pair.

    Writes ``<image>--<driver>.mp4``, 512 x 512 or of the image's size where it is pasted back, and
    ``<image>--<driver>_concat.mp4``, with the driver and the image beside it; both at the driver's rate, rounded down;
    beside the driver, ``<driver>.pkl``, its motion.

    Args:
        loaded: from ``load``.
        job: the paths ``image``, ``driver`` and ``output``; the model draws no random numbers, so ``seed`` is not used.
    """
    flags = {**loaded["options"], "source": job["image"], "driving": job["driver"], "output_dir": job["output"]}
    loaded["pipeline"].execute(loaded["inference"].ArgumentConfig(**flags))
