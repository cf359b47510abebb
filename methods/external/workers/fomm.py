"""Worker of the first-order motion model: its networks are loaded once, then animate pair after pair.

Repository ``AliaksandrSiarohin/first-order-model``; ``run`` does what the main part of its ``demo.py`` does, with its
functions, and gives the same file.
"""

from __future__ import annotations

import importlib
from typing import Any


def load(device: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Load the networks.

    Args:
        device: ``cpu`` or ``cuda``.
        arguments: ``config`` and ``checkpoint``, paths; ``relative`` and ``adapt_scale``, as the flags of ``demo.py``.

    Returns:
        what ``run`` needs.
    """
    demo = importlib.import_module("demo")
    cpu = device == "cpu"
    generator, detector = demo.load_checkpoints(arguments["config"], arguments["checkpoint"], cpu=cpu)
    options = {
        "generator": generator,
        "kp_detector": detector,
        "relative": arguments["relative"],
        "adapt_movement_scale": arguments["adapt_scale"],
        "cpu": cpu,
    }
    return {"demo": demo, "options": options}


def run(loaded: dict[str, Any], job: dict[str, Any]) -> None:
    """Animate a pair, and write ``result.mp4``: 256 x 256, with as many frames as the driver, at its rate.

    Args:
        loaded: from ``load``.
        job: the paths ``image``, ``driver`` and ``output``; the model draws no random numbers, so ``seed`` is not used.
    """
    demo = loaded["demo"]
    image = demo.resize(demo.imageio.imread(job["image"]), (256, 256))[..., :3]
    with demo.imageio.get_reader(job["driver"]) as reader:
        fps = reader.get_meta_data()["fps"]
        frames = [demo.resize(frame, (256, 256))[..., :3] for frame in reader]
    made = demo.make_animation(image, frames, **loaded["options"])
    demo.imageio.mimsave(f"{job['output']}/result.mp4", [demo.img_as_ubyte(frame) for frame in made], fps=fps)
