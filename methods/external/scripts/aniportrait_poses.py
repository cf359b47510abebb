"""AniPortrait's ``scripts/pose2vid.py`` with a drawing of the character's landmarks in place of the face it detects.

Usage, in the checkout: ``python aniportrait_poses.py REFERENCE_POSE FLAG ...``; REFERENCE_POSE is a picture of
512 x 512 pixels, the flags are those of ``pose2vid.py``.
"""

import importlib
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Run it."""
    path = sys.argv.pop(1)
    sys.path[0] = str(Path.cwd())
    cv2, numpy = importlib.import_module("cv2"), importlib.import_module("numpy")
    script = importlib.import_module("scripts.pose2vid")
    drawing = cv2.imread(path)  # in the network's order of channels, see methods/animators/aniportrait.py
    assert drawing is not None, f"{path}: cannot be read"

    class Extractor:
        """Detects nothing, and finds a face."""

        def __call__(self, image: Any) -> Any:  # noqa: ARG002
            return {"lmks": numpy.zeros((1, 3))}

    class Visualizer:
        """Draws what there is."""

        def __init__(self, **settings: Any) -> None:
            del settings

        def draw_landmarks(self, *_: Any, **settings: Any) -> Any:
            del settings
            return drawing

    vars(script).update(LMKExtractor=Extractor, FaceMeshVisualizer=Visualizer)
    script.main()


if __name__ == "__main__":
    main()
