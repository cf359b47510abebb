"""Worker of LIA (Latent Image Animator): its network is loaded once, then animates pair after pair.

Repository ``wyhsirius/LIA``; ``run`` does what its ``run_demo.py`` does, with its functions, and gives the same file.
"""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any


def load(device: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Load the network.

    Args:
        device: ``cpu`` or ``cuda``.
        arguments: ``model``, as the flag of ``run_demo.py``; ``checkpoint``, a path.

    Returns:
        what ``run`` needs.
    """
    torch = importlib.import_module("torch")
    if device == "cpu":
        torch.Tensor.cuda = lambda tensor: tensor  # the decoder's flow layer calls it on every machine
    demo = importlib.import_module("run_demo")
    network = demo.Generator(256, 512, 20, 1).to(device)  # the size and the dimensions of the three released models
    network.load_state_dict(torch.load(arguments["checkpoint"], map_location=device)["gen"])
    return {"demo": demo, "device": device, "model": arguments["model"], "network": network.eval()}


def run(loaded: dict[str, Any], job: dict[str, Any]) -> None:
    """Animate a pair, and write ``result.mp4``: 256 x 256, with as many frames as the driver, at its rate, rounded.

    Args:
        loaded: from ``load``.
        job: the paths ``image``, ``driver`` (256 x 256) and ``output``; the model draws no random numbers, so ``seed``
            is not used.
    """
    demo, device = loaded["demo"], loaded["device"]
    frames, fps = demo.vid_preprocessing(job["driver"])
    inputs = {
        "args": SimpleNamespace(model=loaded["model"]),
        "gen": loaded["network"],
        "img_source": demo.img_preprocessing(job["image"], 256).to(device),
        "vid_target": frames.to(device),
        "fps": fps,
        "save_path": f"{job['output']}/result.mp4",
    }
    demo.Demo.run(SimpleNamespace(**inputs))  # its constructor would load the network again
