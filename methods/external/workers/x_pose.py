"""Worker of X-Pose (formerly UniPose): 68 landmarks of a character.

Repository ``IDEA-Research/X-Pose``; ``run`` does what its ``inference_on_a_image.py`` does for the prompt "face", with
its functions.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any


def load(device: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Load the network.

    Args:
        device: ``cpu`` or ``cuda``.
        arguments: ``model``, the network, and ``clip``, CLIP ViT-B/32: paths; ``box_threshold`` and ``iou_threshold``,
            as the flags of ``inference_on_a_image.py``.

    Returns:
        what ``run`` needs.
    """
    _provide_attention()
    clip: Any = importlib.import_module("clip")
    load_clip = clip.load
    clip.load = lambda _name, device: load_clip(arguments["clip"], device)  # else it downloads what is named
    script = importlib.import_module("inference_on_a_image")
    on_cpu = device == "cpu"
    if on_cpu:
        _stay_on_cpu()
    model = script.load_model("config_model/UniPose_SwinT.py", arguments["model"], cpu_only=on_cpu)
    thresholds = {"box_threshold": arguments["box_threshold"], "iou_threshold": arguments["iou_threshold"]}
    return {"script": script, "model": model, "options": {**thresholds, "cpu_only": on_cpu}}


def _provide_attention() -> None:
    """Where its operator is not compiled, take the function that its tests compare the operator with."""
    try:
        importlib.import_module("MultiScaleDeformableAttention")
    except ImportError:
        operator: Any = types.ModuleType("MultiScaleDeformableAttention")
        sys.modules["MultiScaleDeformableAttention"] = operator
        functions = importlib.import_module("models.UniPose.ops.functions.ms_deform_attn_func")
        operator.ms_deform_attn_forward = lambda value, shapes, _starts, places, weights, _step: (
            functions.ms_deform_attn_core_pytorch(value, shapes, places, weights)
        )


def _stay_on_cpu() -> None:
    """Its ``mask_generate.py`` moves a mask to the GPU on every machine."""
    tensor = importlib.import_module("torch").Tensor
    move = tensor.to
    tensor.to = lambda self, *where, **options: move(
        self, *("cpu" if isinstance(place, str) and place == "cuda" else place for place in where), **options
    )


def run(loaded: dict[str, Any], job: dict[str, Any]) -> None:
    """Write ``landmarks.npy``: float (68, 2), (x, y) in pixels of the image, whole numbers being the middles of pixels.

    Args:
        loaded: from ``load``.
        job: the paths ``image`` and ``output``; nothing is random.

    Raises:
        RuntimeError: no box of a face scores above the threshold.
    """
    numpy = importlib.import_module("numpy")
    script = loaded["script"]
    picture, image = script.load_image(job["image"])
    names = script.face["keypoints"]  # in the order of the 68 points
    boxes, points = script.get_unipose_output(loaded["model"], image, "face", names, **loaded["options"])
    if not len(boxes):
        raise RuntimeError("no face scores above box_threshold")
    best = points[0].numpy().astype("float64").reshape(len(names), 2)  # they come by their scores, the highest first
    numpy.save(f"{job['output']}/landmarks.npy", best * picture.size)
