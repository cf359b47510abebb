"""Worker of Follow-Your-Emoji: its script, whose networks are loaded once, does pair after pair.

Repository ``mayuelala/FollowYourEmoji``. The script loads, seeds itself and goes through all pairs of pictures and
templates. Here it is called for every pair, with what it loads remembered; so a result does not depend on the pairs
before, as it does where the script is given several.
"""

from __future__ import annotations

import functools
import importlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

TEMPLATE = Path(__file__).parents[1] / "scripts" / "follow_your_emoji.py"


def load(device: str, arguments: dict[str, Any]) -> Any:  # noqa: ARG001 - CUDA alone, and no settings
    """Prepare the script; the first pair has it load the networks.

    Args:
        device: ``cuda``.
        arguments: none.

    Returns:
        what ``run`` needs.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    alone = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1}
    os.environ.update({name: str(value) for name, value in alone.items()})
    script = importlib.import_module("infer")
    for owner, name in (
        (script.AutoencoderKL, "from_pretrained"),
        (script.CLIPVisionModelWithProjection, "from_pretrained"),
        (script.ReferenceNet2DConditionModel, "from_pretrained_2d"),
        (script.UNet3DConditionModel, "from_pretrained_2d"),
        (script, "Guider"),
        (script, "load_model_state_dict"),
        (script.dist, "init_process_group"),
    ):
        setattr(owner, name, _once(getattr(owner, name)))
    return script


def run(script: Any, job: dict[str, Any]) -> None:
    """Animate a pair.

    Args:
        script: from ``load``.
        job: the paths ``image``, ``driver`` and ``output``, ``stem``, ``seed`` and ``frames``.
    """
    template = f"{job['output']}/{job['stem']}.npy"
    command = [sys.executable, str(TEMPLATE), job["driver"], job["image"], template]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    config = importlib.import_module("omegaconf").OmegaConf.load("configs/infer.yaml")
    config.video_length, config.seed = job["frames"], job["seed"]
    paths = SimpleNamespace(input_path=job["image"], lmk_path=template, output_path=job["output"])
    script.main(paths, config)


def _once(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, called once for every set of arguments; networks among them count by their class."""
    results: dict[str, Any] = {}

    @functools.wraps(function)
    def remembered(*args: Any, **kwargs: Any) -> Any:
        key = repr([repr(arg) if isinstance(arg, (str, dict, int)) else type(arg).__name__ for arg in args] + [kwargs])
        if key not in results:
            results[key] = function(*args, **kwargs)
        return results[key]

    return remembered
