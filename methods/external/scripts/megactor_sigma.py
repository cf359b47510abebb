"""Runs MegActor-Sigma's ``eval_audio.py`` without what that script imports and never calls.

Usage, in the checkout: ``python megactor_sigma.py eval_audio.py FLAG ...``. Of the packages that it stands in for,
``refile`` was never on PyPI as upstream means it (what has that name there is something else); the others have to be
compiled, or serve training alone. The operator of its landmark detector, X-Pose, is replaced by that repository's own
function in PyTorch. CLIP is read from ``ViT-B-32.pt``, in place of a download.
"""

import importlib
import pathlib
import runpy
import sys
import types
from typing import Any

UNUSED = (
    "audio_augmentations",
    "densepose",
    "densepose.vis",
    "densepose.vis.densepose_results",
    "densepose.vis.extractor",
    "detectron2",
    "detectron2.config",
    "detectron2.engine",
)
ATTENTION = "xpose.models.UniPose.ops.functions.ms_deform_attn_func"


class Unused(types.ModuleType):
    """A module that has whatever is imported from it; what is called of it gives nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_arguments, **_settings: None


def attend(value: Any, shapes: Any, _starts: Any, places: Any, weights: Any, _step: Any) -> Any:
    """Deformable attention, by the function that upstream's tests compare its operator with."""
    return importlib.import_module(ATTENTION).ms_deform_attn_core_pytorch(value, shapes, places, weights)


def provide(name: str, **members: Any) -> None:
    """Where a module cannot be imported, stand in for it."""
    try:
        importlib.import_module(name)
    except ImportError:
        sys.modules[name] = Unused(name)
        vars(sys.modules[name]).update(members)


def main() -> None:
    """Run it."""
    sys.argv, sys.path[0] = sys.argv[1:], str(pathlib.Path.cwd())
    provide("refile", smart_open=open)
    for name in UNUSED:
        provide(name)
    provide("MultiScaleDeformableAttention", ms_deform_attn_forward=attend)
    clip: Any = importlib.import_module("clip")
    load = clip.load
    clip.load = lambda _name, device: load("ViT-B-32.pt", device)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
