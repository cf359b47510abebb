"""Worker of STAR: 68 landmarks of a character.

Repository ``ZhenglinZhou/STAR``; ``run`` does what its ``demo.py`` does, with its functions: dlib finds the face and 68
points, a square about those is cut out, and STAR's network finds its own in that.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import types
from typing import Any


def load(device: str, arguments: dict[str, Any]) -> Any:
    """Load dlib's detector and shape predictor, and the network.

    Args:
        device: ``cpu`` or ``cuda``.
        arguments: ``model``, the network for 300W, and ``predictor``, dlib's for 68 points: paths; ``logs``, a folder
            where the log of the start is written.

    Returns:
        the module ``demo``.
    """
    sys.modules["gradio"] = types.ModuleType("gradio")  # demo.py imports it for a page that is commented out
    utility: Any = importlib.import_module("lib.utility")
    set_environment = utility.set_environment

    def on_any_device(config: Any) -> None:  # demo.py moves the network to the device -1, which is none
        set_environment(config)
        config.device_id = config.device

    utility.set_environment = on_any_device
    demo: Any = importlib.import_module("demo")
    dlib = importlib.import_module("dlib")
    demo.detector = dlib.get_frontal_face_detector()
    demo.sp = dlib.shape_predictor(arguments["predictor"])
    settings = argparse.Namespace(config_name="alignment", data_definition="300W", ckpt_dir=arguments["logs"])
    demo.alignment = demo.Alignment(settings, arguments["model"], "pytorch", [-1 if device == "cpu" else 0])
    return demo


def run(loaded: Any, job: dict[str, Any]) -> None:
    """Write ``landmarks.npy``: float (68, 2), (x, y) in pixels of the image, whole numbers being the middles of pixels.

    Args:
        loaded: from ``load``.
        job: the paths ``image`` and ``output``; nothing is random.

    Raises:
        RuntimeError: dlib finds no face.
    """
    cv2 = importlib.import_module("cv2")
    numpy = importlib.import_module("numpy")
    loaded.face_file_path = job["image"]  # for its message
    try:
        _, faces = loaded.process(cv2.imread(job["image"]))
    except SystemExit as error:
        raise RuntimeError("no face") from error
    numpy.save(f"{job['output']}/landmarks.npy", faces[0].astype("float64"))  # the one that dlib is surest of
