"""What runs MOFA-Video's and FaceShot's own code, with modules made here in place of theirs."""

import os
import subprocess
import sys

import numpy as np

from charachbench import video
from methods.external.hooks import faceshot
from methods.external.job import hand_over
from methods.external.recipe import Inputs
from methods.external.running import SCRIPTS

INFERENCE = """
import sys, numpy, torch
from src.here import NAME
from src.face3d.util.nvdiffrast import MeshRenderer
if __name__ == "__main__":
    renderer = MeshRenderer(rasterize_fov=12.0, znear=5.0, zfar=15.0, rasterize_size=224)
    mask, depth, picture = renderer(torch.ones((1, 9, 3)), torch.zeros(4, 3), feat=torch.ones((1, 9, 3)))
    numpy.savez("seen.npz", mask=mask, depth=depth, picture=picture, argv=sys.argv, name=NAME)
"""


TORCH = """
import numpy
ones = numpy.ones
def zeros(*shape):
    return numpy.zeros(shape)
"""


def test_landmarks_are_made_without_a_renderer(tmp_path):
    package = tmp_path / "sadtalker_video2pose" / "src"
    (package / "face3d" / "util").mkdir(parents=True)
    (tmp_path / "torch.py").write_text(TORCH)
    (package / "here.py").write_text("NAME = 'of the script'")
    (package / "face3d" / "util" / "nvdiffrast.py").write_text("import pytorch3d.ops")
    (package.parent / "inference.py").write_text(INFERENCE)
    command = [sys.executable, str(SCRIPTS / "mofa_landmarks.py"), "--size", "256"]
    subprocess.run(command, cwd=tmp_path, check=True, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    with np.load(tmp_path / "seen.npz") as seen:
        assert seen["mask"].shape == seen["depth"].shape == (1, 1, 224, 224)
        assert seen["picture"].shape == (1, 3, 224, 224)
        assert not seen["picture"].any()
        # its configuration files are found beside it, by its name
        assert seen["argv"].tolist() == ["sadtalker_video2pose/inference.py", "--size", "256"]
        assert seen["name"] == "of the script"


def test_the_characters_own_landmarks_come_first_and_the_driver_is_as_long(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (20, 10, 3), np.uint8)
    source, landmarks = rng.uniform(0, 10, (68, 2)), rng.uniform(0, 10, (3, 68, 2))
    inputs = Inputs(40, minimum_frames=5)
    job = hand_over(tmp_path / "job", "pair", inputs, image, 7, source=source, landmarks=landmarks)
    faceshot.prepare([job], tmp_path)
    scale = np.array([4.0, 2.0])
    rows = np.concatenate([source[None], landmarks, landmarks[-1:], landmarks[-1:]])
    for name in ("reference", "driving"):
        written = np.load(tmp_path / f"{name}_landmarks.npy")
        assert np.allclose(written, (rows + 0.5) * scale - 0.5)
    assert len(video.read(tmp_path / "driver.mp4")) == len(rows) == int(job.values["frames_and_still"])
