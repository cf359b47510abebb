"""MOFA-Video's ``sadtalker_video2pose/inference.py`` without its rendering of meshes, which only a preview shows.

Usage, in ``MOFA-Video-Hybrid``: ``python mofa_landmarks.py FLAG ...``, with the flags of that script. It renders with
PyTorch3D, which has to be compiled; here every rendering is black, and the landmarks are what they would be.
"""

import importlib
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

SCRIPT = "sadtalker_video2pose/inference.py"


def main() -> None:
    """Run it."""
    torch = importlib.import_module("torch")

    class Renderer:
        """Has the face of the one that it stands in for."""

        def __init__(self, rasterize_size: int, **settings: Any) -> None:
            del settings
            self.size = rasterize_size

        def __call__(self, vertex: Any, faces: Any, feat: Any = None) -> Any:
            """Mask, depth and picture, (B, 1 or C, size, size)."""
            del faces
            empty = torch.zeros(len(vertex), 1, self.size, self.size)
            return empty, empty, torch.zeros(len(vertex), feat.shape[-1], self.size, self.size)

    rendering = ModuleType("src.face3d.util.nvdiffrast")
    rendering.MeshRenderer = Renderer  # type: ignore[attr-defined]
    sys.modules[rendering.__name__] = rendering
    sys.argv[0] = SCRIPT
    sys.path[0] = str(Path(SCRIPT).absolute().parent)
    runpy.run_path(SCRIPT, run_name="__main__")


if __name__ == "__main__":
    main()
