"""Worker of AniPortrait: its script for face re-enactment, whose networks are loaded once, does pair after pair.

Repository ``Zejun-Yang/AniPortrait``. The script loads, seeds itself and goes through the pairs of a configuration.
Here it is called for every pair, with what it loads remembered; so a result does not depend on the pairs before, as it
does where the script is given several.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class _WrittenError(Exception):
    """The video is written; what would come is sound."""


def load(device: str, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - CUDA alone
    """Load the networks.

    Args:
        device: ``cuda``.
        arguments: ``flags``, of the script.

    Returns:
        what ``run`` needs.
    """
    script: Any = importlib.import_module("scripts.vid2vid")
    torch = importlib.import_module("torch")
    for owner, name in (
        (script.AutoencoderKL, "from_pretrained"),
        (script.UNet2DConditionModel, "from_pretrained"),
        (script.UNet3DConditionModel, "from_pretrained_2d"),
        (script.CLIPVisionModelWithProjection, "from_pretrained"),
        (script, "PoseGuider"),
        (torch, "load"),
    ):
        setattr(owner, name, _once(getattr(owner, name)))

    def written(*_: Any) -> None:
        raise _WrittenError

    script.ffmpeg = SimpleNamespace(input=written)
    loaded = {"script": script, "flags": arguments["flags"]}
    _call(loaded, {}, "pairs.yaml", 0)
    return loaded


def run(loaded: dict[str, Any], job: dict[str, Any]) -> None:
    """Animate a pair; the video goes where the script always writes, below ``output`` in the working folder.

    Args:
        loaded: from ``load``.
        job: the paths ``image``, ``driver`` and ``output``, and ``seed``.
    """
    try:
        _call(loaded, {job["image"]: [job["driver"]]}, f"{job['output']}/pairs.yaml", job["seed"])
    except _WrittenError:
        return
    raise RuntimeError("the script ended without a video")


def _call(loaded: dict[str, Any], pairs: dict[str, list[str]], path: str, seed: int) -> None:
    omegaconf = importlib.import_module("omegaconf").OmegaConf
    config = omegaconf.load("configs/prompts/animation_facereenac.yaml")
    config.test_cases = pairs
    omegaconf.save(config, path)
    sys.argv = ["vid2vid", "--config", path, *loaded["flags"], "--seed", str(seed)]
    loaded["script"].main()


def _once(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, called once for every set of arguments."""
    results: dict[str, Any] = {}

    @functools.wraps(function)
    def remembered(*args: Any, **kwargs: Any) -> Any:
        key = repr((args, kwargs))
        if key not in results:
            results[key] = function(*args, **kwargs)
        return results[key]

    return remembered
