"""MegActor-Sigma's hook and script, with modules made here in place of its own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from charachbench.video import Video
from methods.external.hooks import megactor_sigma as hook
from methods.external.job import hand_over
from methods.external.recipe import Inputs
from methods.external.running import SCRIPTS

CONFIG = "size: [512, 512]\nsource_image: [a.png]\nvideo_path: [a.mp4]\naudio_path: [a.mp4]\n"
FUNCTIONS = "xpose/models/UniPose/ops/functions"

EVAL = """
import sys
import clip
from audio_augmentations import Compose, Noise
from densepose import add_densepose_config
from densepose.vis.extractor import DensePoseResultExtractor
from detectron2.engine import DefaultPredictor
from refile import smart_load_from, smart_open
import MultiScaleDeformableAttention as operator
transforms = Compose([Noise(min_snr=0.001)])
with smart_open("weights", "rb") as file:
    print(__name__, sys.argv, clip.load("ViT-B/32", device="cuda"), file.read())
print(operator.ms_deform_attn_forward("value", "shapes", "starts", "places", "weights", 64))
"""


def test_their_configuration_is_kept_but_for_the_pairs(tmp_path):
    configs = tmp_path / "work" / "checkout" / "configs" / "inference" / "megactor-sigma"
    configs.mkdir(parents=True)
    (configs / "inference.yaml").write_text(CONFIG)
    driver = Video(np.zeros((2, 16, 16, 3), np.uint8), 25.0)
    jobs = [hand_over(tmp_path / stem, stem, Inputs(32), driver.frames[0], 7, driver=driver) for stem in ("p1", "p2")]
    hook.prepare(jobs, tmp_path / "work")
    written = OmegaConf.to_container(OmegaConf.load(tmp_path / "work" / "pairs.yaml"))
    assert isinstance(written, dict)
    assert written["source_image"] == [str(job.image) for job in jobs]
    assert written["video_path"] == [str(job.driver) for job in jobs]
    assert written["size"] == [512, 512]


def checkout(folder: Path) -> Path:
    (folder / "eval_audio.py").write_text(EVAL)
    (folder / "clip.py").write_text("def load(name, device): return name, device\n")
    (folder / "weights").write_text("of it")
    (folder / FUNCTIONS).mkdir(parents=True)
    attention = "def ms_deform_attn_core_pytorch(*given): return given\n"
    (folder / FUNCTIONS / "ms_deform_attn_func.py").write_text(attention)
    return folder


def run(folder: Path) -> list[str]:
    command = [sys.executable, str(SCRIPTS / "megactor_sigma.py"), "eval_audio.py", "--flag", "value"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines()


def test_stands_in_for_what_cannot_be_had(tmp_path):
    first, second = run(checkout(tmp_path))
    assert first == "__main__ ['eval_audio.py', '--flag', 'value'] ('ViT-B-32.pt', 'cuda') b'of it'"
    assert second == "('value', 'shapes', 'places', 'weights')"


def test_but_not_for_what_is_there(tmp_path):
    operator = "def ms_deform_attn_forward(*given): return 'compiled'\n"
    (checkout(tmp_path) / "MultiScaleDeformableAttention.py").write_text(operator)
    assert run(tmp_path)[1] == "compiled"
